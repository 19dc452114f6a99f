"""No mail is cut off by Gmail, whatever stands in it: corrections, notes, introductions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipeline.desk import review
from pipeline.store import articles, corrections, drafts
from pipeline.store.schema import digests as digest_table

GMAIL = 102_400


def html_of(mail: Any) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_corrections_leave_room_and_the_rest_is_told_next_time(make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config)
    site.subscribe("ann@here.example", start_seq=0)
    site.send()
    site.accept([f"Article {n}" for n in range(60)])
    site.now = site.now.replace(hour=8, minute=1)
    site.send()
    with site.app.store.write() as connection:
        for article in articles.newest(connection, site.app.config.newsletter("lantern").rules, 100):
            corrections.correct(connection, article.id, "It was the other way round. " * 60, site.now)
    told = 0
    for day in range(1, 4):
        site.accept([f"Article new {day}"])
        site.now += timedelta(days=1)
        site.send()
        body = html_of(site.mails()[-1])
        assert len(body.encode()) <= GMAIL
        told += body.count("It was the other way round. It was")
    assert len(site.mails()) == 4
    assert told > 0


def test_a_note_that_is_too_long_for_a_mail_is_left_out_and_said(make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config)
    site.subscribe("ann@here.example", start_seq=0)
    site.send()
    site.accept(["Article one", "Article two"])
    draft = review.begin(site.app, site.app.config.newsletter("lantern"), "daily")
    (one, *_) = [line.article.id for line in review.look(site.app, draft).lines]
    review.introduce(site.app, draft, "語" * 19_000)
    review.annotate(site.app, draft, one, "語" * 19_000)
    site.now = site.now.replace(hour=8, minute=1)
    site.send()
    (mail,) = site.mails()
    assert len(html_of(mail).encode()) <= GMAIL
    digest = next(d for d in site.digests() if d.schedule == "daily")
    with site.app.store.read() as connection:
        notes = connection.execute(digest_table.select().where(digest_table.c.id == digest.id)).one().notes
    assert any("your note on it" in note for note in notes)


def test_a_renamed_schedule_keeps_the_operator_s_word(make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config)
    site.subscribe("ann@here.example", start_seq=0)
    site.send()
    site.accept(["Article one"])
    draft = review.begin(site.app, site.app.config.newsletter("lantern"), "daily")
    review.hold(site.app, draft, "wait")
    site.close()
    site.folder.joinpath("config.toml").write_text(
        basic_config.replace('slug = "daily"', 'slug = "morning"\n  former = ["daily"]'))
    site.now = site.now.replace(hour=8, minute=1)
    site.send()
    assert site.mails() == []
    with site.app.store.read() as connection:
        (held,) = drafts.open_ones(connection)
    assert (held.schedule, held.reason) == ("morning", "wait")
    review.approve(site.app, held)
    site.send()
    assert len(site.mails()) == 1
