"""What a spam filter says is read, whatever it says, and told by its own limits."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk.proof import spam
from pipeline.desk.proof.finding import Letter
from pipeline.desk.proof.spam import Score, SpamError, check, measure, read_rspamd, read_spamassassin

SAID = b"""\
X-Spam-Broadsheet: score=3.3 required=5.0 version=4.0.1 tests=MISSING_DATE=2.739,
\tMISSING_MID=0.552,NO_RECEIVED=-0.001
From: a@b.example

X-Spam-Broadsheet: score=99 required=5.0 version=4.0.1 tests=
"""
RSPAMD = b"""{"is_skipped": false, "score": 1.5, "required_score": 15.0, "action": "no action", "symbols":
 {"MISSING_DATE": {"name": "MISSING_DATE", "score": 1.0}, "R_X": {"name": "R_X", "score": 0.5}}}"""


@pytest.mark.parametrize(("points", "needed", "severity"), [
    (-1.0, 5.0, "note"), (1.9, 5.0, "note"), (2.0, 5.0, "warning"), (4.9, 5.0, "warning"), (5.0, 5.0, "error"),
    (6.0, 15.0, "warning"), (1.0, 1.0, "error"),
])
def test_the_filter_says_how_much_is_too_much(points: float, needed: float, severity: str) -> None:
    (one,) = check(Score("SpamAssassin 4.0.1", points, needed, (("DRUGS", 1.5), ("HTML_MESSAGE", 0.001))))
    assert one.severity == severity
    assert one.text.startswith(
        f"SpamAssassin 4.0.1 gives it {points:g} points of {needed:g}: DRUGS 1.5, HTML_MESSAGE 0.001")


def test_answers_are_read() -> None:
    assert read_spamassassin(SAID) == Score("SpamAssassin 4.0.1", 3.3, 5.0, (
        ("MISSING_DATE", 2.739), ("MISSING_MID", 0.552), ("NO_RECEIVED", -0.001)))
    assert read_rspamd(RSPAMD) == Score("rspamd", 1.5, 15.0, (("MISSING_DATE", 1.0), ("R_X", 0.5)))


@given(st.binary(max_size=80))
def test_what_is_no_answer_is_an_error_in_words(output: bytes) -> None:
    for read in (read_spamassassin, read_rspamd):
        with pytest.raises(SpamError, match="can't be read"):
            read(output)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`install("spamassassin", "exit 3")` puts a program of that name where programs are looked for, and no other."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


CAT, SLEEP = shutil.which("cat") or "cat", shutil.which("sleep") or "sleep"


def test_where_no_filter_is_installed_nothing_is_said_unless_one_was_named(install: Callable[..., None]) -> None:
    assert measure(b"x", "auto") is None
    with pytest.raises(SpamError, match="spamassassin is not installed"):
        measure(b"x", "spamassassin")
    with pytest.raises(SpamError, match="rspamc is not installed"):
        measure(b"x", "rspamd")


def test_the_first_that_is_installed_is_asked_and_gets_the_message(install: Callable[..., None]) -> None:
    install("rspamc", f"exec {CAT}")
    assert measure(RSPAMD, "auto") == read_rspamd(RSPAMD)
    install("spamassassin", f"exec {CAT}")
    assert measure(SAID, "auto") == read_spamassassin(SAID)
    assert measure(RSPAMD, "rspamd") == read_rspamd(RSPAMD)


def test_a_filter_that_fails_or_hangs_is_an_error_in_words(install: Callable[..., None]) -> None:
    install("spamassassin", "echo no rules >&2; exit 3")
    with pytest.raises(SpamError, match="ended with 3: no rules"):
        measure(b"x", "auto")
    install("spamassassin", f"exec {SLEEP} 20")
    began = time.monotonic()
    with pytest.raises(SpamError, match=r"no answer in 0\.3 s"):
        measure(b"x", "auto", time_s=0.3)
    assert time.monotonic() - began < 5
    with pytest.raises(SpamError, match="too many to ask about"):
        measure(b"x" * (spam.MAX_MESSAGE + 1), "auto")


@pytest.mark.services
def test_spamassassin_itself_answers(program: Callable[..., str], letter: Callable[..., Letter]) -> None:
    program("spamassassin")
    score = measure(letter().eml, "spamassassin")
    assert score is not None
    assert score.needed == 5.0
    assert dict(score.rules)["NO_RECEIVED"] < 0
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    spammy = measure(letter(text=gtube).eml, "spamassassin")
    assert spammy is not None
    assert dict(spammy.rules)["GTUBE"] == 1000
