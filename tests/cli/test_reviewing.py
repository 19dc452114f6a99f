"""digests draft, show, approve, hold, cancel, drop, keep, pin, order, introduce, annotate, subject: at the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
ANN = "ann@here.example"
NAME = "2026-06-01-0800-daily"
ENDED = [("approve",), ("hold",), ("cancel",)]
EDITS = [("drop", "1"), ("keep", "1"), ("pin", "1"), ("unpin", "1"), ("order", "2", "1"), ("annotate", "1", "Words"),
         ("subject", "The quay"), ("introduce", "")]


def drafted(site: Any) -> None:
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.accept(["Article one", "Article two", "Article three"])
    site.now = site.now.replace(hour=6)
    site.send()


@pytest.fixture
def site(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    """A draft of three articles, an hour before its slot."""
    return copy_site(drafted, lantern_config('review = { before = "2h", silence = "hold" }'))


def edits(site: Any) -> dict[str, Any]:
    return site.digests()[0].edits.to_json()


def test_show_a_draft(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "digests", "show", "next")
    assert said.status == 0
    for words in (f"lantern/{NAME}", "draft", "1 person", "what came in later is for the next one", "Article three",
                  f"broadsheet digests approve {NAME}", "Preflight of"):
        assert words in said.out, words
    shown = broadsheet(site, "--json", "digests", "show", NAME).json
    assert [(one["place"], one["id"], one["left_out"]) for one in shown["articles"]] == [
        (1, 3, ""), (2, 2, ""), (3, 1, "")]
    assert (shown["name"], shown["people"], shown["nothing"], shown["digest"]["status"]) == (NAME, 1, "", "draft")
    assert shown["findings"]


def test_draft_makes_the_next_one_and_says_when_there_is_one(broadsheet: Run, site: Any) -> None:
    again = broadsheet(site, "digests", "draft", "lantern", "--schedule", "daily")
    assert again.status == 2
    assert f"digest lantern/{NAME}: is there already: draft" in again.err
    assert broadsheet(site, "digests", "cancel", NAME).status == 0
    site.now = site.now.replace(hour=9)
    made = broadsheet(site, "--json", "digests", "draft", "lantern", "--schedule", "daily").json
    assert (made["name"], made["digest"]["status"]) == ("2026-06-02-0800-daily", "draft")
    assert [one["id"] for one in made["articles"]] == [3, 2, 1]
    nothing = broadsheet(site, "digests", "draft", "lantern", "--schedule", "weekly")
    assert (nothing.status, "has nothing new to tell yet" in nothing.err) == (2, True)
    assert broadsheet(site, "digests", "draft", "nobody").status == 2
    assert broadsheet(site, "digests", "draft", "lantern", "--schedule", "hourly").status == 2


def test_approve(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "digests", "approve")
    assert said.status == 0
    assert f"lantern/{NAME}: approved. It goes at its slot, " in said.out
    site.now = site.now.replace(hour=9)
    done = broadsheet(site, "--json", "digests", "approve", NAME, "--anyway").json
    assert (done["goes"], done["digest"]["status"], done["digest"]["edits"]["anyway"]) == ("at once", "approved", True)
    site.send()
    assert site.told(ANN) == ["Article three", "Article two", "Article one"]


def test_hold_and_cancel_keep_their_reason(broadsheet: Run, site: Any) -> None:
    held = broadsheet(site, "digests", "hold", NAME, "ask the lawyer")
    assert f"lantern/{NAME}: held, ask the lawyer." in held.out
    assert "held: ask the lawyer" in broadsheet(site, "digests", "show", NAME).out
    gone = broadsheet(site, "--json", "digests", "cancel", NAME, "no").json
    assert (gone["digest"]["status"], gone["digest"]["reason"]) == ("cancelled", "no")
    assert "cancelled" in broadsheet(site, "digests", "show", NAME).out
    site.now = site.now.replace(hour=8)
    site.send()
    assert site.mails() == []


def test_drop_keep_pin_unpin_and_order(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "digests", "drop", "next", "1", "2")
    assert said.status == 0
    assert said.out.count("dropped by you") == 2
    assert broadsheet(site, "digests", "keep", NAME, "2").status == 0
    assert edits(site) == {"drop": (1,), "keep": (2,)}
    shown = broadsheet(site, "--json", "digests", "pin", NAME, "2").json
    assert [(one["id"], one["place"], one["why"]) for one in shown["articles"]] == [
        (2, 1, "pinned at place 1"), (3, 2, ""), (1, 0, "")]
    assert broadsheet(site, "digests", "unpin", NAME, "2").status == 0
    assert "order" not in edits(site)
    assert broadsheet(site, "digests", "order", NAME, "3", "2", "3").status == 0
    assert edits(site)["order"] == (3, 2)


def test_keep_takes_back_a_drop_of_an_earlier_digest(broadsheet: Run, site: Any) -> None:
    broadsheet(site, "digests", "drop", NAME, "1")
    broadsheet(site, "digests", "cancel", NAME)
    site.now = site.now.replace(hour=9)
    made = broadsheet(site, "--json", "digests", "draft", "lantern", "--schedule", "daily").json
    assert [one["id"] for one in made["articles"]] == [3, 2]
    assert made["notes"] == [f"article 1 is left out: dropped in {NAME}"]
    kept = broadsheet(site, "--json", "digests", "keep", "next", "1").json
    assert [one["id"] for one in kept["articles"]] == [3, 2, 1]


def test_introduce_from_a_file_and_from_standard_input(
    broadsheet: Run, site: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "words.md"
    file.write_text("Dear *readers*\n\nMore.")
    said = broadsheet(site, "digests", "introduce", NAME, str(file))
    assert "Dear *readers*" in said.out
    assert edits(site) == {"introduction": "Dear *readers*\n\nMore."}
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    assert broadsheet(site, "digests", "introduce", NAME, "-").status == 0
    assert edits(site) == {"introduction": "Hello"}
    assert broadsheet(site, "digests", "introduce", NAME, "").status == 0
    assert edits(site) == {}
    missing = broadsheet(site, "digests", "introduce", NAME, str(tmp_path / "none.md"))
    assert (missing.status, "can't be read" in missing.err) == (2, True)
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe\x00")
    assert broadsheet(site, "digests", "introduce", NAME, str(tmp_path / "bytes.md")).status == 2


def test_annotate_and_subject(broadsheet: Run, site: Any) -> None:
    assert "note: A *note*" in broadsheet(site, "digests", "annotate", NAME, "2", "A *note*").out
    assert broadsheet(site, "digests", "annotate", NAME, "2", "").status == 0
    assert "Quay" in broadsheet(site, "digests", "subject", NAME, "Quay").out
    assert edits(site) == {"subject": "Quay"}
    bad = broadsheet(site, "digests", "subject", NAME, "{{ nothing.here }}")
    assert bad.status not in (0, 70)
    assert "Traceback" not in bad.all
    assert broadsheet(site, "digests", "subject", NAME, "").status == 0
    assert edits(site) == {}


@pytest.mark.parametrize("command", ["drop", "pin", "unpin", "order", "keep"])
def test_numbers_of_no_article_in_it_change_nothing(broadsheet: Run, site: Any, command: str) -> None:
    said = broadsheet(site, "digests", command, NAME, "1", "99")
    assert (said.status, edits(site)) == (2, {})
    assert "article 99" in said.err
    assert broadsheet(site, "digests", command, NAME, "one").status == 2
    assert broadsheet(site, "digests", command, NAME).status == 2


def test_annotate_an_article_that_is_not_in_it(broadsheet: Run, site: Any) -> None:
    assert broadsheet(site, "digests", "annotate", NAME, "99", "Words").status == 2
    assert edits(site) == {}


@pytest.mark.parametrize("command", [*ENDED, *EDITS], ids=lambda c: c[0])
def test_names_of_no_digest(broadsheet: Run, site: Any, command: tuple[str, ...]) -> None:
    said = broadsheet(site, "digests", command[0], "2030-01-01-0800-daily", *command[1:])
    assert said.status == 2
    assert "there is no such digest" in said.err
    assert NAME in said.err, "the latest are named"
    assert broadsheet(site, "digests", command[0], NAME, *command[1:], "--newsletter", "nobody").status == 2


def test_what_is_sent_is_as_it_is(broadsheet: Run, site: Any) -> None:
    broadsheet(site, "digests", "approve")
    site.now = site.now.replace(hour=8)
    site.send()
    before = site.digests()[0]
    for command, *rest in [*ENDED, *EDITS]:
        said = broadsheet(site, "digests", command, NAME, *rest)
        assert said.status != 0, command
        assert "is done" in said.err, command
        assert broadsheet(site, "digests", command, "next", *rest).status == 2, "there is none that could be changed"
    assert site.digests()[0] == before
    assert "Article three" in broadsheet(site, "digests", "show", NAME).out


def test_preview_shows_the_draft_and_any_time(broadsheet: Run, site: Any, tmp_path: Any) -> None:
    broadsheet(site, "digests", "drop", NAME, "3")
    broadsheet(site, "digests", "approve")
    told = broadsheet(site, "preview", "lantern", "--schedule", "daily", "--out", str(tmp_path / "a"))
    assert told.status == 0, told.all
    assert "Article three" not in (tmp_path / "a" / "digest.txt").read_text()
    site.now = site.now.replace(hour=8)
    site.send()
    site.advance(days=2)
    past = broadsheet(site, "preview", "lantern", "--to", ANN, "--at", "2026-06-01 08:00", "--out", str(tmp_path / "b"))
    assert past.status == 0, past.all
    eml = (tmp_path / "b" / "message.eml").read_bytes().replace(b"\r\n", b"\n")
    [file] = (site.folder / "mailbox" / "new").iterdir()
    assert file.read_bytes().split(b"\n", 2)[2] == eml
    assert broadsheet(site, "preview", "lantern", "--at", "yesterday").status == 2


def test_why_tells_of_drops_and_pins(broadsheet: Run, site: Any) -> None:
    broadsheet(site, "digests", "drop", NAME, "3")
    broadsheet(site, "digests", "pin", NAME, "1")
    assert f"you dropped its story from the digest {NAME}." in broadsheet(site, "why", "3").out
    broadsheet(site, "digests", "approve")
    site.now = site.now.replace(hour=8)
    site.send()
    assert "you put it at place 1" in " ".join(broadsheet(site, "why", "1").out.split())
    assert "you put it" not in broadsheet(site, "why", "2").out


def test_a_draft_is_reported_with_what_is_in_it(
    broadsheet: Run, make_site: Callable, lantern_config: Callable[..., str]
) -> None:
    site = make_site(lantern_config('review = { before = "2h", silence = "hold" }'))
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.accept(["Article one", "Article two"])
    site.now = site.now.replace(hour=6, minute=30)
    said = broadsheet(site, "once")
    assert f"lantern/{NAME}: draft, 2 articles for 1 person; `broadsheet digests show {NAME}` shows it" in said.out


def test_next_does_not_choose_among_several(broadsheet: Run, site: Any) -> None:
    site.subscribe("bo@here.example", "weekly", start_seq=0)
    assert broadsheet(site, "digests", "draft", "lantern", "--schedule", "weekly").status == 0
    said = broadsheet(site, "digests", "cancel", "next")
    assert said.status == 2
    assert "several wait" in said.err
    assert NAME in said.err
    for digest in ("1", "2"):
        assert broadsheet(site, "digests", "cancel", digest).status == 0
    none = broadsheet(site, "digests", "approve")
    assert (none.status, "none waits" in none.err) == (2, True)


def test_a_word_does_not_mend_a_template(broadsheet: Run, site: Any) -> None:
    folder = site.folder / "templates" / "digest"
    folder.mkdir(parents=True)
    (folder / "subject.txt.j2").write_text("{{ articles[0].nope }}")
    assert broadsheet(site, "digests", "approve").status == 0
    site.now = site.now.replace(hour=8, minute=1)
    broadsheet(site, "once")
    assert "mend what is said above" in broadsheet(site, "digests", "show", "next").out
    said = broadsheet(site, "digests", "approve")
    assert "It goes as soon as this is mended:" in said.out
    assert "subject.txt.j2:1: article has no 'nope'" in said.err
    assert site.mails() == []


def test_what_was_changed_is_shown_after_it_was_sent(broadsheet: Run, site: Any) -> None:
    broadsheet(site, "digests", "pin", "next", "1")
    broadsheet(site, "digests", "drop", "next", "3")
    broadsheet(site, "digests", "subject", "next", "The quay")
    broadsheet(site, "digests", "approve")
    site.now = site.now.replace(hour=8, minute=1)
    broadsheet(site, "once")
    said = broadsheet(site, "digests", "show", NAME).out
    for words in ("Subject    The quay", "At the top  1", "Dropped     3"):
        assert words.split() == [w for line in said.splitlines() if line.startswith(words.split()[0])
                                 for w in line.split()], words
