"""Days in words."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.render import dates
from pipeline.render.dates import format_date, format_weekday

DAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("language", "long", "full"),
    [
        ("en", "22 November 2026", "Sunday, 22 November 2026"),
        ("en-US", "22 November 2026", "Sunday, 22 November 2026"),
        ("de", "22. November 2026", "Sonntag, 22. November 2026"),
        ("sv", "22 november 2026", "söndag 22 november 2026"),
        ("pt-BR", "22 de novembro de 2026", "domingo, 22 de novembro de 2026"),
        ("pl-x-own", "22 listopada 2026", "niedziela, 22 listopada 2026"),
        ("ja", "2026年11月22日", "2026年11月22日日曜日"),
        ("zz", "2026-11-22", "2026-11-22"),
        ("", "2026-11-22", "2026-11-22"),
    ],
)
def test_a_day_as_its_language_writes_it(language: str, long: str, full: str) -> None:
    assert format_date(DAY, language) == long
    assert format_weekday(DAY, language) == full


def test_a_day_is_worked_out_once_however_many_moments_it_has() -> None:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    format_date(start, "fr")
    before = dates._said.cache_info().misses
    assert {format_date(start + timedelta(seconds=n), "fr") for n in range(500)} == {"22 novembre 2026"}
    assert dates._said.cache_info().misses == before


def test_babel_is_loaded_for_other_languages_only() -> None:
    """A send of a million in English does not pay for it, nor does `broadsheet --help`."""
    program = """
import sys
from datetime import date
import pipeline.cli.main, pipeline.deliver.letters, pipeline.compose.stage
from pipeline.render.dates import format_date
format_date(date(2026, 11, 22), "en-GB")
print("babel" in sys.modules)
format_date(date(2026, 11, 22), "de")
print("babel" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]
