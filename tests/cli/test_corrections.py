"""articles withdraw, correct: what became of what was out already, in feeds, digests, mails and words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest

from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Article
from pipeline.model.deliveries import DeliveryState
from pipeline.store import articles, changes, ledger, meta
from pipeline.store.schema import articles as rows

Run = Callable[..., Any]

ANN, BEA = "ann@here.example", "bea@here.example"
NOTE = "The bridge opens in May, not in March."


def prepare(site: Any) -> None:
    """Ann was mailed articles one and two; a digest with three waits for her and Bea, who gets all three."""
    site.subscribe(ANN)
    site.send()
    site.write("one.md", "Article one", "Quaggas were seen at the quay, of all places, and nobody knows why they came.")
    site.write("two.md", "Article two")
    site.now = site.now.replace(hour=8, minute=1)
    site.run()
    site.advance(days=1)
    site.subscribe(BEA, start_seq=0)
    site.write("three.md", "Article three")
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "a test")
    site.run()


@pytest.fixture
def site(copy_site: Any, basic_config: str) -> Any:
    return copy_site(prepare, basic_config)


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    class Somebody(StringIO):
        def isatty(self) -> bool:
            return True

    return lambda answer: monkeypatch.setattr(sys, "stdin", Somebody(f"{answer}\n"))


def number(site: Any, title: str) -> int:
    return found(site, title).id


def found(site: Any, title: str) -> Article:
    with site.app.store.read() as connection:
        return next(a for a in articles.search(connection, limit=99) if a.title == title)


def feed(site: Any) -> str:
    return "".join((site.folder / "feeds" / "all" / name).read_text() for name in ("rss.xml", "atom.xml"))


def go_on(site: Any) -> None:
    with site.app.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
    site.send()


# --- withdraw ---


def test_every_copy_loses_it(broadsheet: Run, site: Any) -> None:
    one, sent = number(site, "Article one"), len(site.mails())
    assert "Quaggas" in feed(site)
    said = broadsheet(site, "articles", "withdraw", str(one), "--reason", "it was\na hoax", "--yes")
    assert said.status == 0, said.all
    assert "1 article will be withdrawn from feeds and the web, and from 2 digests:\n" in said.out
    assert f'  {one}  "Article one" of desk\n' in said.out
    assert "can't be undone" in said.out
    assert "1 mail with it left already and can't be taken back" in said.out
    assert "1 article withdrawn." in said.out
    assert "1 mail with them is still to go out, without it." in said.out
    assert "feed files built anew" in said.out
    assert "mailbox holds the mails that were delivered into it" in said.err
    assert "Quaggas" not in feed(site)
    assert "Article one" not in feed(site)
    assert "Article two" in feed(site)
    assert feed(site).count("<title>Withdrawn</title>") == 2, "it says so in its place"
    files = [path for path in (site.folder / "feeds").rglob("*") if path.is_file()]
    assert [path for path in files if b"Quaggas" in path.read_bytes()] == []
    go_on(site)
    late = {message["To"]: message for message in site.mails()[sent:]}
    assert set(late) == {ANN, BEA}
    for message in late.values():
        assert "Quaggas" not in message.as_string()
        assert "Article one" not in message.as_string()
    assert "This article was withdrawn." in late[BEA].get_body(("plain",)).get_content()
    assert "withdrawn" not in late[ANN].as_string(), "hers never held it"
    kept = found(site, "Article one")
    assert (kept.reason, kept.withdrawn_at) == ("the operator took it back: it was a hoax", site.now)
    assert "Quaggas" in kept.html
    for digest in site.digests():
        assert site.counts(digest.id).holds


def test_what_is_done_to_its_document_later_does_not_bring_it_back(broadsheet: Run, site: Any) -> None:
    one = number(site, "Article one")
    broadsheet(site, "articles", "withdraw", str(one), "--yes")
    before = found(site, "Article one")
    text = (site.folder / "articles" / "one.md").read_text()
    for name, words in (("one.md", "Edited."), ("moved.md", "Edited."), ("moved.md", "Again."), ("one.md", "Again.")):
        (site.folder / "articles" / "one.md").unlink(missing_ok=True)
        (site.folder / "articles" / "moved.md").unlink(missing_ok=True)
        (site.folder / "articles" / name).write_text(f"{text}\n{words}\n")
        site.advance(hours=1)
        [poll] = broadsheet(site, "collect", "--json").json["polls"]
        assert (poll["new"], poll["updated"], poll["held"]) == (0, 0, 0), name
        publish_all(site.app)
        assert "Quaggas" not in feed(site)
    after = found(site, "Article one")
    assert (after.revision, after.html, after.withdrawn_at) == (before.revision, before.html, before.withdrawn_at)


def test_it_is_withdrawn_though_feeds_can_not_be_built_now(broadsheet: Run, site: Any) -> None:
    one, config = number(site, "Article one"), site.folder / "config.toml"
    text = config.read_text()
    config.write_text(f'{text}\n[paths]\nfeeds = "s3://some-bucket"\n[publish.s3]\nregion = "no such region"\n')
    said = broadsheet(site, "articles", "withdraw", str(one), "--yes")
    assert (said.status, "1 article withdrawn." in said.out) == (3, True), said.all
    assert "`broadsheet publish` tries again" in said.err
    assert str(found(site, "Article one").status) == "withdrawn"
    config.write_text(text)
    publish_all(site.app)
    assert "Quaggas" not in feed(site)


def test_who_is_hidden_behind_another_is_dealt_with_in_true_words(broadsheet: Run, site: Any) -> None:
    one, two = number(site, "Article one"), number(site, "Article two")
    with site.app.store.write() as connection:  # as if it had come as another telling of the first
        connection.execute(rows.update().where(rows.c.id == two).values(story_id=one))
        changes.touch(connection, [two])
    said = broadsheet(site, "articles", "correct", str(two), "In May, not in March.")
    assert f'Feeds show {one} "Article one", which tells the same story and came first' in said.all
    assert "puts it into its page" in said.all
    said = broadsheet(site, "articles", "withdraw", str(two), "--yes")
    assert "1 article withdrawn." in said.all
    assert "readers that have it show" not in said.all
    why = broadsheet(site, "why", str(two)).out
    assert 'all: no, it was withdrawn; "Article one" tells the same story there.' in why
    assert f'article {two} of "desk", which was withdrawn.' in broadsheet(site, "why", str(one)).out


def test_it_asks_before_it_withdraws(broadsheet: Run, site: Any, somebody: Callable[[str], None]) -> None:
    one = number(site, "Article one")
    for args in ((), ("--json",)):
        said = broadsheet(site, "articles", "withdraw", str(one), *args)
        assert (said.status, "say --yes" in said.all) == (2, True)
    somebody("n")
    said = broadsheet(site, "articles", "withdraw", str(one))
    assert (said.status, "Nothing was changed" in said.out) == (0, True)
    assert str(found(site, "Article one").status) == "accepted"
    somebody("y")
    said = broadsheet(site, "articles", "withdraw", str(one))
    assert (said.status, "Withdraw it?" in said.out, "1 article withdrawn." in said.out) == (0, True, True)


def test_several_held_ones_too_and_those_that_were_before(broadsheet: Run, site: Any) -> None:
    one, two = number(site, "Article one"), number(site, "Article two")
    said = broadsheet(site, "articles", "withdraw", str(one), "99", "--yes")
    assert (said.status, "article 99" in said.err) == (2, True)
    assert str(found(site, "Article one").status) == "accepted", "all of them or none"
    broadsheet(site, "articles", "withdraw", str(one), "--yes")
    at = found(site, "Article one").withdrawn_at
    site.advance(hours=1)
    said = broadsheet(site, "articles", "withdraw", str(two), str(one), str(two), "--yes", "--json")
    assert said.status == 0
    assert {name: said.json[name] for name in ("withdrawn", "before", "sent", "waiting", "failed", "strays")} == {
        "withdrawn": [two], "before": [one], "sent": 1, "waiting": 1, "failed": {}, "strays": []}
    assert len(said.json["digests"]) == 2
    assert len(said.json["written"]) >= 2
    assert found(site, "Article one").withdrawn_at == at
    again = broadsheet(site, "articles", "withdraw", str(one), str(two))
    assert (again.status, "Nothing was changed" in again.out, "undone" in again.out) == (0, True, False)
    assert f"withdrawn already, and left as they are: {one}, {two}" in again.err
    assert broadsheet(site, "articles", "withdraw", "0", "--yes").status == 2
    assert broadsheet(site, "articles", "withdraw", "9" * 19, "--yes").status == 2
    assert broadsheet(site, "articles", "withdraw", *map(str, range(1, 1_100)), "--yes").status == 2


def test_it_is_told_what_became_of_it(broadsheet: Run, site: Any) -> None:
    one, three = number(site, "Article one"), number(site, "Article three")
    broadsheet(site, "articles", "withdraw", str(one), str(three), "--reason", "a hoax", "--yes")
    site.advance(minutes=1)
    go_on(site)
    told = broadsheet(site, "why", str(one), "--subscriber", ANN).out
    assert told.startswith(f'{one}  "Article one"\n')
    assert "It was withdrawn on 2 June 2026" in told
    assert "the operator took it back: a hoax." in told
    assert "all: no, it was withdrawn" in told
    assert "lantern: it stood in the digest" in told
    assert "the article is in it." in told, "of the mail that left before"
    told = broadsheet(site, "why", str(three), "--subscriber", BEA).out
    assert "it says that the article was withdrawn." in told, "of the mail that left after"
    assert "has it" not in told
    listed = {a["id"]: (a["status"], a["reason"]) for a in broadsheet(site, "articles", "--json").json["articles"]}
    assert listed[one] == ("withdrawn", "the operator took it back: a hoax")
    said = broadsheet(site, "audit")
    assert "holds" in said.out


# --- correct ---


def test_a_correction_is_said_and_told(broadsheet: Run, site: Any) -> None:
    two = number(site, "Article two")
    before = found(site, "Article two")
    site.advance(hours=1)
    said = broadsheet(site, "articles", "correct", str(two), "The bridge\n opens \u202ein May, not in March.")
    assert said.status == 0, said.all
    assert f'{two} "Article two" says now: {NOTE}' in said.out
    assert "broadsheet publish" in said.out
    after = found(site, "Article two")
    assert (after.correction, after.corrected_at, after.updated_at, after.revision) == (NOTE, site.now, site.now, 2)
    assert (after.html, after.published_at) == (before.html, before.published_at)
    told = broadsheet(site, "why", str(two)).out
    assert "Revision 2, 2 June 2026 at 09:01: correction: The bridge opens in May, not in March.\n" in told
    assert "Readers see your correction of 2 June 2026 at 09:01: The bridge opens in May, not in March.\n" in told
    publish_all(site.app)
    assert feed(site).count(NOTE) >= 2, "each format says it"
    again = broadsheet(site, "articles", "correct", str(two), NOTE, "--json")
    assert again.json == {"article": {"id": two, "title": "Article two"}, "changed": False, "correction": NOTE,
                          "corrected_at": site.now.isoformat()}


def test_its_source_changes_it_and_the_note_stays_until_it_is_taken_away(broadsheet: Run, site: Any) -> None:
    two = number(site, "Article two")
    broadsheet(site, "articles", "correct", str(two), NOTE)
    site.write("two.md", "Article two", "Now in other words, which are many more than there were in it before that.")
    site.advance(hours=1)
    assert broadsheet(site, "collect", "--json").json["polls"][0]["updated"] == 1
    assert (found(site, "Article two").correction, found(site, "Article two").revision) == (NOTE, 3)
    said = broadsheet(site, "articles", "correct", str(two), "--clear")
    assert (said.status, f'The correction of {two} "Article two" is taken away.' in said.out) == (0, True)
    assert (found(site, "Article two").correction, found(site, "Article two").corrected_at) == ("", None)
    told = broadsheet(site, "why", str(two)).out
    assert "correction taken away." in told
    assert "Readers see" not in told
    publish_all(site.app)
    assert NOTE not in feed(site)
    said = broadsheet(site, "articles", "correct", str(two), "--clear", "--json")
    assert (said.status, said.json["changed"], said.json["correction"]) == (0, False, "")


@pytest.mark.parametrize(("words", "cause"), [
    ([], "needs either"), (["--clear", "words"], "needs either"), ([" \u202e\n"], "has no words"),
    (["x" * 1_001], "has 1,001 characters"),
])
def test_what_is_no_correction(broadsheet: Run, site: Any, words: list[str], cause: str) -> None:
    two = number(site, "Article two")
    said = broadsheet(site, "articles", "correct", str(two), *words)
    assert (said.status, cause in said.err) == (2, True), said.all
    assert found(site, "Article two").revision == 1


def test_what_can_not_be_corrected_is_said_with_what_to_do(broadsheet: Run, site: Any) -> None:
    one = number(site, "Article one")
    broadsheet(site, "articles", "withdraw", str(one), "--yes")
    said = broadsheet(site, "articles", "correct", str(one), NOTE)
    assert (said.status, "it was withdrawn" in said.err, f"broadsheet why {one}" in said.err) == (2, True, True)
    said = broadsheet(site, "articles", "correct", "99", NOTE)
    assert (said.status, "no such article" in said.err) == (2, True)
    assert broadsheet(site, "articles", "correct", str(number(site, "Article two")), "x" * 1_000).status == 0


def test_a_correction_mails_nobody_and_leaves_no_gap(broadsheet: Run, site: Any) -> None:
    go_on(site)
    sent = len(site.mails())
    two = number(site, "Article two")
    for day, note in enumerate(("Once.", "Twice.", "Thrice.")):
        broadsheet(site, "articles", "correct", str(two), note)
        if day == 2:
            site.write("four.md", "Article four")
            broadsheet(site, "collect")
            broadsheet(site, "articles", "correct", str(two), "And again.")
        site.advance(days=1)
        site.send()
    late = site.mails()[sent:]
    assert sorted((m["To"], m["Subject"]) for m in late) == [(ANN, "Article four"), (BEA, "Article four")]
    assert "holds" in broadsheet(site, "audit").out
    with site.app.store.read() as connection:
        for who in (1, 2):
            covered = [(r.from_seq, r.cut_seq) for r in ledger.of_subscription(connection, who)
                       if r.state == DeliveryState.SENT]
            assert all(a[1] == b[0] for a, b in pairwise(covered)), covered


def test_each_feed_is_asked_what_hides_an_article(broadsheet: Run, copy_site: Any, basic_config: str) -> None:
    """The one that tells the story may stand in an archive, and a feed may not have it at all."""
    def fill(site: Any) -> None:
        for count in range(1, 16):
            site.write(f"{count:02}.md", f"Article {count:02}", topic="city" if count != 2 else "sea")
        site.run()

    feeds = ('[[feeds]]\nslug = "all"\ntitle = "Everything"\nselect = { limit = 10 }\n'
             '[[feeds]]\nslug = "town"\ntitle = "Town"\nselect = { topics = ["city"], limit = 10 }')
    site = copy_site(fill, basic_config.replace('[[feeds]]\nslug = "all"\ntitle = "Everything"', feeds))
    one, two, last = (number(site, f"Article {n}") for n in ("01", "02", "15"))
    broadsheet(site, "articles", "merge", str(two), str(last))
    broadsheet(site, "publish")
    why = broadsheet(site, "why", str(last)).out
    assert 'all: no, "Article 02" tells the same story there.' in why
    assert "town: yes, number " in why
    said = broadsheet(site, "articles", "correct", str(last), NOTE).all
    assert "puts it into the feeds" in said
    assert "which tells the same story" not in said
    said = broadsheet(site, "articles", "withdraw", str(last), "--yes").all
    assert "readers that have it show" in said
    assert "all: no, it was withdrawn; whoever had it from there is told so." in broadsheet(site, "why", str(last)).out
    assert "Withdrawn" in (site.folder / "feeds/all/rss.xml").read_text()
    assert "came first" not in broadsheet(site, "why", str(one)).out
