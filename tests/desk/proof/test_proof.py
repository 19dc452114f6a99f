"""The shipped designs pass; so does the article on a drug; a hostile letter costs little; errors hold what they may."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Preflight
from pipeline.desk.preview import Sheet, preview_by_hand
from pipeline.desk.proof import support
from pipeline.desk.proof.finding import Finding, Letter, Severity, holding
from pipeline.desk.proof.reading import Outside, outside, proof
from pipeline.desk.proof.spam import measure
from pipeline.net.fetch import Fetcher

Make = Callable[..., Letter]
NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
ALONE = Preflight(links=False, spam="off")
DESIGNS = sorted(path.parent.name for path in (Path(__file__).parents[3] / "templates").glob("*/body.html.j2"))

RICH = """
## A heading

Some *words* with a [link](https://lantern.example/elsewhere) and `code`, and more of them, so that there is a text.

> Something that somebody said

    for line in code:
        print(line)

| town | people |
|---|---|
| Here | 1,234 |

1. one
2. two

* a list
* of things

### Smaller

---

Last words.
"""


def no_network() -> Fetcher:
    def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "no network in this test")

    return Fetcher("test", resolve=resolve)


@pytest.fixture
def asked() -> Outside:
    return Outside(no_network, None, NOW)


def letter_of(site: Any, sheet: Sheet) -> Letter:
    of_site = site.app.config.site
    return Letter(sheet.html, sheet.text, sheet.eml, sheet.subject, of_site.language, of_site.public_url,
                  of_site.postal_address)


def sheet_of(site: Any) -> Sheet:
    sheet = preview_by_hand(site.app, site.app.config.newsletter("lantern")).sheet
    assert sheet is not None
    return sheet


@pytest.fixture
def make_letter(make_site: Any, basic_config: str) -> Callable[..., Letter]:
    """`make_letter("digest", {"a.md": words})`: a letter as it would go out."""

    def make(design: str, articles: dict[str, tuple[str, str]]) -> Letter:
        site = make_site(basic_config.replace(
            'title = "The Lantern"\npublic', 'title = "The Lantern"\npostal_address = "Main Street 1"\npublic', 1,
        ).replace("select = { limit = 500 }", f'select = {{ limit = 500 }}\ntemplate = "{design}"'))
        site.subscribe("ann@here.example", start_seq=0)
        for name, (title, words) in articles.items():
            site.write(name, title, words)
        site.run()
        return letter_of(site, sheet_of(site))

    return make


@pytest.mark.parametrize("design", DESIGNS)
def test_the_shipped_designs_have_neither_errors_nor_warnings(
    make_letter: Callable[..., Letter], asked: Outside, design: str
) -> None:
    letter = make_letter(design, {"rich.md": ("Rich", RICH), "plain.md": ("Plain", "A few words."),
                                  "other.md": ("Other “words” & more", RICH)})
    found = proof(letter, asked, ALONE)
    assert [one for one in found if one.severity is not Severity.NOTE] == []
    assert [one.check for one in found] == ["size"]


@pytest.mark.services
@pytest.mark.parametrize("design", DESIGNS)
def test_no_design_looks_like_spam(
    make_letter: Callable[..., Letter], root: Path, program: Callable[..., str], design: str
) -> None:
    program("spamassassin")
    letter = make_letter(design, {path.name: ("Title of the day", path.read_text().rpartition("---")[2])
                                  for path in sorted((root / "examples" / "articles").glob("*.md"))})
    score = measure(letter.eml, "spamassassin")
    assert score is not None
    print(f"{design}: {score.points:g}, {score.rules}")
    assert score.points <= 2.0


@pytest.mark.services
def test_an_article_on_a_drug_passes_with_its_score_shown(
    make_letter: Callable[..., Letter], asked: Outside, shared: Path, program: Callable[..., str]
) -> None:
    program("spamassassin")
    for seed in sorted((shared / "seeds").glob("*.txt")):
        words = seed.read_text()
        letter = make_letter("digest", {"seed.md": (f'"{words.splitlines()[0]}"', words)})
        assert "etamine" in letter.text
        found = proof(letter, asked, Preflight(links=False, spam="spamassassin"))
        (score,) = [one for one in found if one.check == "spam"]
        print(score.text)
        assert score.severity is Severity.NOTE, 'from 2 points on it is a warning'
        assert "of 5: " in score.text
        assert [one for one in found if one.severity is not Severity.NOTE] == []


def test_a_letter_is_proved_with_what_the_instance_has(
    make_site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no spam filter
    site = make_site()
    site.accept(["Article one"])
    site.subscribe("ann@here.example", start_seq=0)
    found = proof(letter_of(site, sheet_of(site)), outside(site.app), site.app.config.preflight)
    assert not holding(found, site.app.config.preflight)


def test_what_cannot_be_asked_is_noted(letter: Make, asked: Outside) -> None:
    found = proof(letter('<p>Hello <a href="https://a.example/">x</a></p>'), asked, Preflight(spam="off"))
    (note,) = [one for one in found if one.check == "links"]
    assert (note.severity, note.place) == (Severity.NOTE, "https://a.example/")
    assert note.text.startswith("could not be checked: https://a.example/ (DNS gave no answer")
    assert not [one for one in proof(letter('<p>Hello <a href="https://a.example/">x</a></p>'), asked, ALONE)
                if one.check == "links"], "where links = false nobody is asked"


def test_findings_come_in_the_order_of_the_checks(letter: Make, asked: Outside) -> None:
    body = ('<div style="display:flex;color:#999">Pale <a href="/x">x</a></div><img src="https://pics.example/a.png">'
            '<h2><a href="https://lantern.example/a/1">One</a></h2>')
    found = proof(letter(body, way_out=""), asked, ALONE)
    checks = [one.check for one in found]
    assert checks == ["size", "text", "headers", "links", "alt", "pictures", "pictures", "contrast", "css"]


def test_errors_of_checks_that_may_not_hold_are_warnings(letter: Make, asked: Outside) -> None:
    bad = letter(text="", way_out="")
    assert [one.check for one in holding(proof(bad, asked, ALONE), ALONE)] == ["text", "headers"]
    only_text = Preflight(links=False, spam="off", hold=("text",))
    found = proof(bad, asked, only_text)
    assert [(one.check, one.severity) for one in found if one.severity is not Severity.NOTE] == [
        ("text", Severity.ERROR), ("headers", Severity.WARNING)]
    assert [one.check for one in holding(found, only_text)] == ["text"]
    nothing = Preflight(links=False, spam="off", hold=())
    assert holding(proof(bad, asked, nothing), nothing) == []


def test_strict_lets_warnings_hold_of_the_checks_that_hold(letter: Make, asked: Outside) -> None:
    pale = letter('<p style="color:#999">Pale words</p>')
    for strict, hold, held in ((False, ("contrast",), []), (True, ("contrast",), ["contrast"]), (True, ("size",), [])):
        settings = Preflight(links=False, spam="off", hold=hold, strict=strict)
        assert [one.check for one in holding(proof(pale, asked, settings), settings)] == held


def test_a_check_that_fails_says_so_and_the_others_are_made(
    letter: Make, asked: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(support, "DATA", tmp_path / "nothing.json")
    support.knowledge.cache_clear()
    found = proof(letter('<p style="color:#999">Pale</p>'), asked, Preflight(links=False, spam="rspamd"))
    support.knowledge.cache_clear()
    told = {one.check: one.text for one in found if one.severity is Severity.WARNING}
    assert set(told) == {"contrast", "css", "spam"}
    assert told["css"].startswith("this could not be looked at: FileNotFoundError")
    assert told["spam"].startswith("this could not be looked at: rspamd: rspamc is not installed")


@given(st.builds(Finding, st.text(), st.sampled_from(Severity), st.text(), st.text()))
def test_a_finding_survives_being_stored(finding: Finding) -> None:
    import json

    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


@given(st.text(max_size=200), st.text(max_size=60), st.binary(max_size=200))
def test_nothing_that_a_letter_holds_raises(html: str, text: str, eml: bytes) -> None:
    made = Letter(html, text, eml, "x", "en", "https://lantern.example", None)
    assert proof(made, Outside(no_network, None, NOW), ALONE)


@pytest.mark.parametrize(("body", "css", "why"), [
    ("<p>x</p>" * 130_000, "", "bytes"), ("<p>x</p>" * 20_001, "", "elements"), ("<div>" * 600, "", "nested 60"),
    ("", "p { color: red }" * 20_000, "characters"), ("<p>x</p>" * 7_000, "p b i { color: red }" * 600, "500 rules"),
])
def test_what_is_too_much_to_look_into_is_said(letter: Make, asked: Outside, body: str, css: str, why: str) -> None:
    found = proof(letter(body, css), asked, ALONE)
    (told,) = [one.text for one in found if one.text.startswith("links, pictures, contrast and CSS were not looked at")]
    assert why in told
    assert not [one for one in found if "unsubscribe" in one.text], "what was not looked at is not said to be missing"


def test_a_null_byte_hides_nothing(letter: Make, asked: Outside) -> None:
    found = proof(letter('<p>Hello \0 there</p><p style="color:#999">Pale words</p>'), asked, ALONE)
    assert [one.check for one in found if one.severity is not Severity.NOTE] == ["contrast"]


HOSTILE = {
    "10 MB": "<p>words and more words</p>" * 400_000,
    "100,000 links": '<a href="https://x.example/">x</a>' * 100_000,
    "nested tables": "<table><tr><td>" * 6_000,
    "deep": "<b><i>" * 9_000,
    "many links": "".join(f'<h2><a href="https://x.example/{n}">x</a></h2>' for n in range(4_000)),
    "many styles": "".join(f'<p style="color:#{n:06x};font-size:{n}px">x</p>' for n in range(6_000)),
    "a long style": f'<p style="{"color:red;" * 50_000}">x</p>',
    "brackets": f'<p style="color:{"(" * 9_000}">x</p>' * 10,
    "a long word": "x" * 900_000,
    "sources": f'<img srcset="{"https://x.example/x 1x, " * 30_000}">',
    "comments": "<!-- x -->y" * 60_000,
    "blocks in blocks": ("<div>" * 480 + "</div>" * 480) * 20,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_letter_costs_little(letter: Make, asked: Outside, what: str) -> None:
    css = "@media (prefers-color-scheme: dark) { p, .a .b, div div div > b { color: #eee !important } }"
    made = letter(HOSTILE[what], css)
    made = replace(made, eml=made.eml[:6_000_000])
    began = time.process_time()
    found = proof(made, asked, ALONE)
    assert time.process_time() - began < 30, "seconds; it takes 0.1 to 2 of them, and would take for ever"
    assert len(found) < 80
    assert max(len(one.text) for one in found) < 1_000
