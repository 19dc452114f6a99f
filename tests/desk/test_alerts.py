"""The operator hears by mail of what waits for a word, once for each reason."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model.newsletters import DigestStatus
from pipeline.store import meta, notices

REVIEWED = '\n[operator]\nemail = "desk@lantern.example"\n'


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    text = basic_config.replace('title = "The Lantern"\n  [[', 'title = "The Lantern"\n'
                                'review = { before = "2h", silence = "hold" }\n  [[')
    made = make_site(text + REVIEWED)
    made.subscribe("ann@here.example")
    made.send()
    made.accept(["Article one", "Article two"])
    return made


def told(site: Any) -> list[Any]:
    return [mail for mail in site.mails() if mail["To"] == "desk@lantern.example"]


def test_a_draft_is_told_once_with_what_is_in_it(site: Any) -> None:
    site.advance(minutes=1)
    assert site.send().problems == []
    assert site.send().problems == []
    (mail,) = told(site)
    assert mail["Subject"] == "lantern/2026-06-01-0800-daily can be looked at"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    for words in ("Article one", "Article two", "broadsheet digests approve 2026-06-01-0800-daily", "Monday 01 June"):
        assert words in text


def test_silence_at_the_slot_is_told_too(site: Any) -> None:
    site.send()
    site.now = site.now.replace(hour=8, minute=1)
    site.send()
    site.send()
    assert [mail["Subject"].partition(" ")[2] for mail in told(site)] == ["can be looked at", "waits for your word"]
    assert next(d for d in site.digests() if d.schedule == "daily").status is DigestStatus.HELD
    assert len(site.mails()) == 2, "and nobody else is mailed"


def test_without_an_operator_nobody_is_told(make_site: Any, basic_config: str) -> None:
    made = make_site(basic_config.replace('title = "The Lantern"\n  [[', 'title = "The Lantern"\n'
                                          'review = { before = "2h", silence = "hold" }\n  [['))
    made.subscribe("ann@here.example")
    made.send()
    made.accept(["Article one"])
    report = made.send()
    assert report.problems == []
    assert made.mails() == []


def test_where_mail_is_stopped_or_broken_the_draft_is_there_all_the_same(site: Any) -> None:
    site.folder.joinpath("mailbox").write_text("no Maildir")
    site.send()
    assert site.digests()[0].drafted_at is not None
    site.folder.joinpath("mailbox").unlink()
    site.send()
    assert len(told(site)) == 1, "and told when mail can go again"


def test_while_mail_is_stopped_the_operator_hears_nothing_and_afterwards_everything(site: Any) -> None:
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "a test")
    site.send()
    assert told(site) == []
    with site.app.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
    site.send()
    site.send()
    assert len(told(site)) == 1


def test_what_can_not_be_told_for_two_days_is_told_no_more(site: Any) -> None:
    site.folder.joinpath("mailbox").write_text("no Maildir")
    site.send()
    site.folder.joinpath("mailbox").unlink()
    site.advance(hours=48)
    with site.app.store.read() as connection:
        waiting = [row.id for row in notices.listed(connection)]
    site.send()
    with site.app.store.read() as connection:
        (row,) = [row for row in notices.listed(connection) if row.id in waiting]
    assert (row.state, row.reason) == ("failed", "expired: it could not be sent in time")
