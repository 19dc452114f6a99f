"""A preview is the very mail of the next send, and making it changes nothing."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk import corrections, review
from pipeline.desk.preview import MADE_UP, preview, preview_by_hand
from pipeline.errors import ConfigError, UsageError
from pipeline.jobs.sends import compose_now

MADE_ANEW = (
    (rb"=_([0-9a-z]{8,40})\b", "the nonce, which is the boundary"),
    (rb"(?m)^Date: ([^\n]*)$", "the freeze's time"),
    (rb"(?m)^Message-ID: <([0-9a-f]{32})@", "made from the digest's secret"),
)


def test_the_bytes_are_those_of_the_real_send(make_site: Any) -> None:
    site = make_site()
    site.accept([f"Article {n} with “quotes”, <tags> & a long line of words that has to be folded somewhere" for n in
                 range(1, 4)])
    site.subscribe("ann@here.example", start_seq=0)
    site.subscribe("bob@here.example", start_seq=2)
    site.subscribe("cid@here.example", schedule="weekly", start_seq=1)
    _compare_next_send(site, "ann bob cid")
    site.advance(days=6, hours=22)  # the day of their consent and of the send differ, and windows start anew
    site.accept(["Article 4"])
    site.subscribe("dot@here.example", start_seq=0)
    _compare_next_send(site, "ann bob cid dot")


def _compare_next_send(site: Any, names: str) -> None:
    newsletter = site.app.config.newsletter("lantern")
    shown = {}
    for name in names.split():
        found = preview(site.app, newsletter, address=f"{name}@here.example")
        assert found.sheet is not None, found.nothing
        shown[f"{name}@here.example"] = found.sheet.eml
    assert len({len(eml) for eml in shown.values()}) > 1, "windows differ, so mails do"
    before = len(site.mails())
    site.advance(hours=2)
    site.send()
    sent = {str(mail["To"]): raw for mail, raw in list(zip(site.mails(), _raw(site), strict=True))[before:]}
    assert sent.keys() == shown.keys()
    for address, eml in shown.items():
        assert _comparable(eml.replace(b"\r\n", b"\n")) == _comparable(sent[address]), address


def test_the_comparison_sees_one_changed_byte() -> None:
    eml = b"Date: today\nMessage-ID: <" + b"a" * 32 + b"@x>\nboundary: =_abcdefgh12\n\nHello\n"
    assert _comparable(eml) == _comparable(eml.replace(b"today", b"later").replace(b"abcdefgh12", b"12345678"))
    assert _comparable(eml) != _comparable(eml.replace(b"Hello", b"Hallo"))


def test_nothing_in_the_database_changes(make_site: Any) -> None:
    site = make_site()
    site.accept(["Article one"])
    site.subscribe("ann@here.example", start_seq=0)
    newsletter = site.app.config.newsletter("lantern")
    before = _dump(site)
    assert preview(site.app, newsletter, schedule="daily").sheet is not None
    assert preview(site.app, newsletter, address="ann@here.example").sheet is not None
    assert preview_by_hand(site.app, newsletter).sheet is not None
    assert _dump(site) == before
    assert not (site.folder / "mailbox").exists()


@given(people=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_made_up_reader_has_the_window_most_people_have(people: list[int]) -> None:
    from pipeline.compose.choose import Plan
    from pipeline.compose.window import decide_reach
    from pipeline.desk.preview import _reader
    from pipeline.model.selection import Rules
    from pipeline.model.subscribers import Vantage
    from pipeline.store.subscribers import Audience

    counted = {Vantage(start, start): people.count(start) for start in people}
    plan = Plan(Audience(1, "", 1), decide_reach(counted, 9), capped=False, people=counted, chosen=(), notes=(),
                rules=Rules())
    reader = _reader(None, plan, None)  # type: ignore[arg-type]
    assert reader.address == MADE_UP
    assert people.count(reader.start) == max(map(people.count, people))


def test_who_gets_nothing_hears_why(make_site: Any) -> None:
    site = make_site()
    site.accept(["Article one"])
    site.subscribe("ann@here.example", start_seq=0)
    site.subscribe("bob@here.example", start_seq=1)
    newsletter = site.app.config.newsletter("lantern")
    assert "subscribed after" in preview(site.app, newsletter, address="bob@here.example").nothing
    weekly = preview(site.app, newsletter, schedule="weekly")
    assert (weekly.people, weekly.nothing) == (0, "nobody is subscribed to this schedule")
    with pytest.raises(UsageError, match="not subscribed"):
        preview(site.app, newsletter, address="zed@here.example")
    from pipeline.store import suppressions

    with site.app.store.write() as connection:
        suppressions.suppress(connection, "ann@here.example", "the mailbox does not exist", site.now)
    assert preview(site.app, newsletter, address="ann@here.example").sheet is None


# --- another time ---


def test_what_was_sent_is_shown_to_the_last_byte(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ann@here.example", start_seq=0)
    site.subscribe("bob@here.example", start_seq=0)
    site.accept([f"Article {n}" for n in range(1, 4)])
    slot = site.now.replace(hour=8)
    site.advance(hours=2)
    site.send()
    sent = {str(mail["To"]): raw for mail, raw in zip(site.mails(), _raw(site), strict=True)}
    site.advance(days=3)
    site.accept(["Article 4"])
    newsletter = site.app.config.newsletter("lantern")
    for address, raw in sent.items():
        for moment in (slot, slot - timedelta(hours=3)):
            shown = preview(site.app, newsletter, address=address, at=moment)
            assert shown.sheet is not None, shown.nothing
            assert shown.sheet.eml.replace(b"\r\n", b"\n") == raw
            assert [a.title for a in shown.sheet.articles] == ["Article 3", "Article 2", "Article 1"]
            assert shown.digest.nominal == "2026-06-01T08:00"
    most = preview(site.app, newsletter, schedule="daily", at=slot)
    assert most.sheet is not None
    assert most.sheet.subject == "Article 3 and 2 more"
    assert b"ann@" not in most.sheet.eml
    after = preview(site.app, newsletter, address="ann@here.example", at=slot + timedelta(seconds=1))
    assert after.digest.nominal == "2026-06-02T08:00", "the next one after it"
    assert after.nothing.startswith("nothing was made at that time")


def test_a_time_to_come_shows_what_there_is_by_now(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ann@here.example", start_seq=0)
    site.accept(["Article 1"])
    newsletter = site.app.config.newsletter("lantern")
    before = _dump(site)
    shown = preview(site.app, newsletter, address="ann@here.example", at=site.now + timedelta(days=9))
    assert shown.digest.nominal == "2026-06-10T08:00"
    assert shown.sheet is not None
    assert "Wednesday, 10 June 2026" in shown.sheet.text
    assert _dump(site) == before


def test_who_got_nothing_then_hears_why(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ann@here.example", start_seq=0)
    site.accept(["Article 1"])
    slot = site.now.replace(hour=8)
    site.advance(hours=2)
    site.send()
    site.subscribe("late@here.example")
    newsletter = site.app.config.newsletter("lantern")
    assert preview(site.app, newsletter, address="late@here.example", at=slot).nothing == "they were not selected"
    site.advance(days=1)
    site.send()
    skipped = preview(site.app, newsletter, address="ann@here.example", at=slot + timedelta(days=1))
    assert skipped.nothing == "it was skipped: nothing new"
    assert skipped.sheet is None


def test_a_draft_is_shown_with_its_edits_and_its_cut(make_site: Any, lantern_config: Any) -> None:
    site = make_site(lantern_config('review = { before = "2h" }'))
    site.subscribe("ann@here.example", start_seq=0)
    site.accept(["Article 1", "Article 2", "Article 3"])
    site.send()
    [digest] = site.digests()
    site.accept(["Article 4"])
    review.change(site.app, digest, (1, 2), lambda edits: replace(
        edits.dropping([2]).pinning([1]).annotating(1, "A note"), introduction="Hello", subject="The quay"))
    newsletter = site.app.config.newsletter("lantern")
    shown = preview(site.app, newsletter, address="ann@here.example")
    assert shown.sheet is not None
    assert ([a.title for a in shown.sheet.articles], shown.sheet.subject) == (["Article 1", "Article 3"], "The quay")
    assert "Hello" in shown.sheet.text
    assert "A note" in shown.sheet.text
    site.advance(hours=2)
    site.send()
    assert _comparable(shown.sheet.eml.replace(b"\r\n", b"\n")) == _comparable(_raw(site)[0])


def test_a_correction_and_what_does_not_fit_are_as_in_the_real_send(make_site: Any, lantern_config: Any) -> None:
    site = make_site(lantern_config('languages = ["sv"]'))
    site.subscribe("ann@here.example", start_seq=0)
    with site.app.store.write() as connection:
        from pipeline.store import subscribers

        who = subscribers.by_address(connection, "ann@here.example")[0]
        subscribers.choose_language(connection, who.id, "sv", site.now)
    site.accept(["Article 1"])
    site.advance(hours=2)
    site.send()
    corrections.correct(site.app, 1, "In May, not in March.")
    for number in range(2, 7):
        site.write(f"{number}.md", f"Article {number}", "\n\n".join(["Many words of this. " * 40] * 30))
    site.run()
    newsletter = site.app.config.newsletter("lantern")
    shown = preview(site.app, newsletter, address="ann@here.example")
    assert shown.sheet is not None, shown.nothing
    assert shown.sheet.more
    assert len(shown.sheet.html.encode()) <= 100_000
    assert "In May, not in March." in shown.sheet.text
    assert 'lang="sv"' in shown.sheet.html
    site.advance(days=1)
    site.send()
    assert _comparable(shown.sheet.eml.replace(b"\r\n", b"\n")) == _comparable(_raw(site)[-1])


def _comparable(eml: bytes) -> bytes:
    """A mail with what a freeze makes up anew taken out."""
    for pattern, _ in MADE_ANEW:
        for found in set(re.findall(pattern, eml)):
            eml = eml.replace(found, b"...")
    return eml


def _raw(site: Any) -> list[bytes]:
    """The Maildir's files in the order of `site.mails()`, without the two lines that a Maildir adds."""
    files = sorted((site.folder / "mailbox" / "new").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    return [path.read_bytes().split(b"\n", 2)[2] for path in files]


def _dump(site: Any) -> list[str]:
    with sqlite3.connect(f"file:{site.app.store.path}?mode=ro", uri=True) as connection:
        dump = list(connection.iterdump())
    connection.close()
    return dump


def test_one_by_hand_is_shown_by_its_name(make_site: Any) -> None:
    from pipeline.jobs.outgoing import deliver_due
    from pipeline.jobs.sends import compose_now
    from pipeline.jobs.worker import working

    site = make_site()
    site.subscribe("ann@here.example", start_seq=0)
    site.accept(["Article one"])
    newsletter = site.app.config.newsletter("lantern")
    made = compose_now(site.app, newsletter)
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        deliver_due(site.app, worker)
    shown = preview(site.app, newsletter, address="ann@here.example", digest_name=made.name)
    (path,) = (site.folder / "mailbox" / "new").iterdir()
    assert shown.sheet is not None
    assert shown.sheet.eml.replace(b"\r\n", b"\n").rstrip() in path.read_bytes()


def test_a_preview_is_signed_as_the_send_will_be_and_a_digest_is_composed_without_its_key(
    make_site: Any, basic_config: str
) -> None:
    site = make_site(basic_config.replace(
        "[preflight]", '[[mail.dkim]]\nselector = "2026a"\nkey = "dkim.pem"\n[preflight]'))
    site.subscribe("ann@here.example")
    site.accept(["Article one"])
    with pytest.raises(ConfigError, match=r"(?s)line \d+: mail.dkim\[0\].key: .* can't be read"):
        preview(site.app, site.app.config.newsletters[0], schedule="daily")
    assert compose_now(site.app, site.app.config.newsletters[0]).status == "frozen", "delivering is what waits for it"
    (site.folder / "dkim.pem").write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    site.accept(["Article two"])
    shown = preview(site.app, site.app.config.newsletters[0], schedule="daily")
    assert shown.sheet is not None
    assert shown.sheet.eml.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=lantern.example;")
