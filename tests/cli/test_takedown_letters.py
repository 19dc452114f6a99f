"""sources block --purge where digests have headings, corrections, notes, findings and several languages: none of what
is kept, shown or still to be sent holds a word of the source after. tests/cli/test_takedown.py tells the rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.audience.subscriptions import Request
from pipeline.audience.subscriptions import add as subscribe
from pipeline.jobs.outgoing import deliver_due
from pipeline.jobs.steps import publish_all
from pipeline.jobs.worker import working
from pipeline.model.articles import Draft, Enclosure, Show
from pipeline.model.deliveries import DeliveryState
from pipeline.model.drafts import HeldBy
from pipeline.model.edits import Edits
from pipeline.model.fragments import thaw
from pipeline.model.frozen import GROUP
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.withdrawn import WORDS
from pipeline.store import articles, changes, corrections, digests, drafts, link_checks, meta, public_digests, sources
from pipeline.store.articles import Acceptance
from pipeline.store.link_checks import LinkCheck
from pipeline.store.schema import deliveries, runs, subscriptions
from pipeline.store.schema import digests as digest_table

Run = Callable[..., Any]
CANARY = "quagga"   # in all that the source says, in what was said of it, and in nothing else
ANN, BEA, CAI = "ann@here.example", "bea@here.example", "cai@here.example"
LETTERS = """
[[sources]]
slug = "north"
url = "https://north.example/feed.xml"
[[newsletters]]
slug = "evening"
title = "The Evening"
expires = "30d"
languages = ["sv"]
group = "topic"
contents = 1
corrections = "changed"
select = { exclude = ["latest"], limit = 50 }
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
"""


def config(basic: str) -> str:
    mine = ('title = "The Lantern"\nexpires = "30d"\ngroup = "source"\ncontents = 1\ncorrections = "changed"\n'
            'languages = ["sv"]\n  [[')
    assert 'title = "The Lantern"\n  [[' in basic
    head, _, rest = basic.replace('title = "The Lantern"\n  [[', mine).partition("[mail]")
    return f"{head}{LETTERS}[mail]{rest}"


def add(site: Any, source: str, title: str, words: str) -> int:
    made = Draft(
        guid=f"id {len(title)}", url=f"https://{source}.example/{words}/{len(title)}",  # what identifies it stays
        url_key=f"//{source}/{len(title)}", content_hash=f"hash {len(title)}",
        title=title, author=words, summary=f"Of the {words}", html=(
            f'<p>Of the <a href="https://{words}.example/">{words}</a>.</p>'
            f'<img src="https://{source}.example/{words}.png" alt="A {words}">'),
        published_at=site.now, dated=True, updated_at=None, topics=("city", words), language="", rights=words,
        enclosures=(Enclosure(f"https://{words}.example/a.mp3", "audio/mpeg"),), image=f"https://{words}.example/i.png")
    with site.app.store.write() as connection:
        where = sources.state(connection, source).id
        [number] = articles.add(connection, where, [(made, Acceptance(Show.FULL, mailable=True))], site.now)
    return number


def prepare(site: Any) -> None:
    """Two newsletters. Day 1: both tell the source's first article. Day 2, frozen and not sent: the one tells its
    latest one, under a heading, and the other has no more of it than a correction. Day 3: drafts, one of them held."""
    for address in (ANN, BEA, CAI):
        for newsletter in ("lantern", "evening"):
            _subscribe(site, address, newsletter)
    with site.app.store.write() as connection:
        connection.execute(update(subscriptions).where(subscriptions.c.subscriber_id == 2).values(language="sv"))
        sources.record_poll(connection, sources.state(connection, "north").id, title=f"Where a {CANARY} lives",
                            last_polled_at=site.now)
    first = add(site, "north", f"The first {CANARY}", CANARY)
    site.accept(["Article one"])
    site.advance(hours=3)
    site.send()
    assert len(site.mails()) == 6
    site.advance(days=1)
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "a test")
        corrections.correct(connection, first, f"it was no {CANARY}", site.now)
    latest = add(site, "north", f"The latest {CANARY}", CANARY)
    site.accept(["Article two"])
    site.advance(days=1)
    site.send()
    found = [{"check": "images", "severity": "warning", "text": f"A {CANARY} without words", "place": CANARY}]
    with site.app.store.write() as connection:
        for one in digests.listed(connection):
            edits = replace(one.edits.annotating(latest, f"My {CANARY}").annotating(4, "stays"), introduction="Mine")
            connection.execute(update(digest_table).where(digest_table.c.id == one.id).values(
                edits=edits.to_json(), findings=found, proofed_at=site.now, notes=[
                    f"article {latest}: a picture from {CANARY}.example stands in words: no", "article 99: stays",
                ] if one.frozen_at else []))
        link_checks.record(connection, [LinkCheck(f"https://{CANARY}.example/", 200, "", site.now)])
    add(site, "north", f"A {CANARY} of tomorrow", CANARY)
    site.advance(days=1)
    with site.app.store.write() as connection:
        for number, newsletter in ((1, "lantern"), (2, "evening")):
            digest, _ = digests.take_slot(
                connection, number, schedule="daily", nominal="2026-06-09T08:00", due_at=site.now + timedelta(days=4),
                audience="daily", now=site.now)
            drafts.begin(connection, digest, meta.counter(connection, meta.ACCEPTED), site.now)
            subject = "Mine, too" if newsletter == "evening" else ""
            edits = Edits(order=(5,), notes={5: f"A {CANARY}!"}, subject=subject)
            drafts.edit(connection, digest, lambda _, edits=edits: edits)
            version = digests.get(connection, digest).version
            drafts.record_proof(connection, digest, found, site.now, version=version)
        reason = f"images: A {CANARY} without words"
        digests.change(connection, digest, DigestStatus.HELD, reason=reason, held_by=HeldBy.PREFLIGHT)
        connection.execute(runs.insert().values(
            job="digest:evening:daily", due_at=site.now, nominal="x", status="queued", reason=reason,
            result=f"held: {reason}", worker="", created_at=site.now))
    publish_all(site.app)


def _subscribe(site: Any, address: str, newsletter: str) -> None:
    with site.app.store.write() as connection:
        subscribe(connection, Request(address, newsletter, "daily", "a test", 0), site.now, revive=True)


@pytest.fixture
def site(copy_site: Any, basic_config: str) -> Any:
    return copy_site(prepare, config(basic_config))


def holding(site: Any) -> list[str]:
    """Every row and every file of the site that holds the word, but for mails that left before."""
    connection = sqlite3.connect(site.folder / "broadsheet.db")
    try:
        found = [f"row: {row[:300]}" for row in connection.iterdump() if CANARY in row.lower()]
        found += [f"fragments {number}" for number, qp in connection.execute("SELECT ordinal, qp FROM fragments")
                  if CANARY.encode() in qp.lower()]  # a dump has it as hexadecimal digits
    finally:
        connection.close()
    files = [path for path in site.folder.rglob("*") if path.is_file() and "mailbox" not in path.parts]
    return found + [str(path) for path in files if CANARY.encode() in path.read_bytes().lower()]


def letters(site: Any) -> dict[str, Digest]:
    """The newest frozen digest of each newsletter."""
    with site.app.store.read() as connection:
        return {name: next(d for d in digests.listed(connection, newsletter=name) if d.frozen_at)
                for name in ("lantern", "evening")}


def test_no_word_of_it_is_left_anywhere(site: Any, broadsheet: Run) -> None:
    before = holding(site)
    for place in ("digest_articles", "fragments", "selections", "digests", "link_checks", "runs", "article_revisions"):
        assert any(f'INSERT INTO "{place}"' in row for row in before), f"control: no word of it in {place}"
    assert any("fragments " in row for row in before)
    site.close()

    said = broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    assert said.status == 0, said.all
    assert holding(site) == []
    assert "look whether your introduction or subject speaks of it" in said.err
    assert "evening/2026-06-09-0800-daily" in said.err
    assert "lantern/2026-06-09-0800-daily" not in said.err


def test_what_is_sent_after_says_so_in_each_language_under_no_heading(site: Any, broadsheet: Run) -> None:
    site.close()
    said = broadsheet(site, "sources", "block", "north", "--purge", "--yes", "--json").json["purged"]
    assert (said["sent"], said["waiting"], len(said["digests"]), len(said["spoken"])) == (6, 6, 4, 5)
    sent = len(site.mails())
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "")
        for digest in letters(site).values():
            languages = digests.languages(connection, digest.id)
            assert languages == {"", "sv"}
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        deliver_due(site.app, worker)
    late = site.mails()[sent:]
    assert len(late) == 6
    assert {m["Content-Language"] for m in late} == {"en", "sv"}
    for message in late:
        text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert CANARY not in message.as_string().lower()
        assert message["Subject"] == "Article two"
        assert "Article two" in text
        assert f"* {WORDS}" in text.rpartition("Article two")[2], "whoever was told it hears that it is no more"
        lantern = text.startswith("The Lantern")
        # its place in the letter and in the contents, and the correction
        assert (text.count(WORDS), html.count(WORDS)) == ((3, 3) if lantern else (1, 1))
        assert ("desk\n====" in text) is lantern
        assert "Where a" not in text
    for digest in letters(site).values():
        site.counts(digest.id)


def test_the_web_says_nothing_of_it_and_no_heading_is_empty(site: Any, broadsheet: Run) -> None:
    site.close()
    broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    with site.app.store.read() as connection:
        for name, digest in letters(site).items():
            shown = public_digests.copy(connection, digest.id)
            assert shown.corrections == ()
            assert shown.articles == (4,)
            nonce = digests.facts(connection, digest.id).nonce
            for language in ("", "sv"):
                frozen = thaw(digests.fragment_rows(connection, digest.id, language), nonce)
                under = [key for key in shown.parts("articles") if key[0] == GROUP]
                assert all(frozen.fragments[key].html.strip() for key in under), (name, language)
                assert CANARY not in str(frozen)


def test_findings_and_reasons_are_looked_for_again(site: Any, broadsheet: Run) -> None:
    site.close()
    broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    with site.app.store.read() as connection:
        known = digests.listed(connection)
        assert {d.findings for d in known} == {()}
        [held] = [d for d in known if d.status is DigestStatus.HELD]
        assert (held.held_by, held.proofed_at) == (HeldBy.PREFLIGHT, None)
        assert held.reason.endswith("it is looked at again")
        assert {tuple(d.edits.notes.items()) for d in known} == {((4, "stays"),), ()}
        assert held.edits.order == (5,)
        assert [digests.facts(connection, d.id).notes for d in letters(site).values()] == [["article 99: stays"]] * 2


def test_a_batch_that_is_filled_after_tells_no_correction_of_it(site: Any, broadsheet: Run) -> None:
    with site.app.store.read() as connection:
        digest = letters(site)["evening"]
        assert len(digests.frozen_corrections(connection, digest.id)) == 1
    site.close()
    broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    with site.app.store.read() as connection:
        assert digests.frozen_corrections(connection, digest.id) == []


def test_a_withdrawn_article_that_stands_only_in_corrections_is_found(site: Any, broadsheet: Run) -> None:
    """Of the evening's second digest it is a correction and nothing else."""
    with site.app.store.read() as connection:
        first = articles.search(connection, text="The first")[0].id
        evening, seq = letters(site)["evening"], changes.latest(connection)
        assert public_digests.copy(connection, evening.id).corrections == (first,)
        before = public_digests.read(connection, evening)
    site.close()
    said = broadsheet(site, "articles", "withdraw", str(first), "--yes", "--json").json
    assert (said["sent"], said["waiting"], len(said["digests"])) == (6, 6, 4)
    with site.app.store.read() as connection:
        digest = letters(site)["evening"]
        rows = [row for language in ("", "sv") for row in digests.fragment_rows(connection, digest.id, language)
                if row.article_id == first]
        assert [row.name for row in rows] == ["corrections"] * 4
        assert all(WORDS in row.body and CANARY not in row.body.lower() for row in rows)
        states = connection.execute(select(deliveries.c.state).where(deliveries.c.digest_id == digest.id)).scalars()
        assert set(states) == {DeliveryState.QUEUED}
        assert public_digests.copy(connection, digest.id).corrections == (), "its page says no more of it"
        after = public_digests.read(connection, digest)
        assert (after.articles, after.withdrawn_at) == (before.articles, None), "its entry never did"
        assert not public_digests.changed_since(connection, [digest.id], seq), "so its feed need not be built for that"
