"""Sizes, names and times of pictures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.pictures import (
    COLUMN,
    MOST,
    TALLEST,
    WIDEST,
    KeptPicture,
    fitted,
    is_name,
    media_type,
    retry_after,
    shown_size,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SIDES = st.integers(1, 100_000)


@given(SIDES, SIDES)
def test_what_fits_is_within_and_in_proportion(width: int, height: int) -> None:
    across, down = fitted(width, height)
    assert 1 <= across <= min(width, WIDEST)
    assert 1 <= down <= min(height, TALLEST)
    assert abs(across - width * down / height) <= max(1.0, width / height)
    assert fitted(across, down) == (across, down)


@given(SIDES, SIDES, st.integers(0, 99_999), st.integers(0, 99_999))
def test_what_is_shown_is_within_the_column_and_in_proportion(w: int, h: int, wanted_w: int, wanted_h: int) -> None:
    across, down = shown_size(w, h, wanted_w, wanted_h)
    assert 1 <= across <= min(w, COLUMN, wanted_w or COLUMN)
    assert down == max(1, round(h * across / w))


@pytest.mark.parametrize(("name", "is_one"), [
    ("0" * 32 + ".png", True), ("f" * 32 + ".jpg", True), ("a1" * 16 + ".gif", True),
    ("0" * 31 + ".png", False), ("0" * 33 + ".png", False), ("A" * 32 + ".png", False), ("0" * 32 + ".svg", False),
    ("0" * 32, False), ("../" + "0" * 32 + ".png", False), ("0" * 32 + ".png\n", False), ("", False),
    ("٠" * 32 + ".png", False), ("0" * 32 + ".png.new", False),
])
def test_only_names_of_ours_are_names(name: str, is_one: bool) -> None:
    assert is_name(name) is is_one
    if is_one:
        assert media_type(name) in ("image/png", "image/jpeg", "image/gif")


def failed(after: timedelta) -> KeptPicture:
    return KeptPicture("k", "u", None, NOW - after, reason="x", retry_at=NOW)


@pytest.mark.parametrize(("before", "permanent", "wish_s", "hours"), [
    (None, False, None, 1), (None, True, None, 7 * 24), (None, False, 7200, 2), (None, False, 60, 1),
    (failed(timedelta(hours=1)), False, None, 2), (failed(timedelta(hours=40)), False, None, 80),
    (failed(timedelta(hours=1)), True, None, 7 * 24), (failed(timedelta(days=20)), True, None, MOST.days * 24),
    (None, False, 1e9, MOST.days * 24),
])
def test_each_failure_waits_longer(
    before: KeptPicture | None, permanent: bool, wish_s: float | None, hours: float
) -> None:
    assert retry_after(before, NOW, permanent=permanent, wish_s=wish_s) == NOW + timedelta(hours=hours)
