"""What an operator changes in a draft is what people get, in HTML and in plain text, and nobody overwrites it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from pipeline.compose import stage
from pipeline.desk import proving as proving_desk
from pipeline.desk import review
from pipeline.errors import StoreError, TemplateError, UsageError
from pipeline.jobs import sends
from pipeline.jobs.worker import working
from pipeline.model.drafts import HeldBy
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.room import MOST_HTML
from pipeline.model.runs import Slot
from pipeline.store import digests, drafts

D = DigestStatus
ANN = "ann@here.example"
SEND = 'review = { before = "2h", silence = "send" }'


def drafted(site: Any) -> None:
    """One person, four articles and the draft with them."""
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.accept([f"Article {name}" for name in ("one", "two", "three", "four")])
    site.now = site.now.replace(hour=6)
    site.send()


@pytest.fixture
def site(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    return copy_site(drafted, lantern_config(SEND))


def latest(site: Any) -> Digest:
    return site.digests()[0]


def edit(site: Any, name: str, *ids: int) -> Digest:
    return review.change(site.app, latest(site), ids, lambda edits: getattr(edits, name)(ids))


def mail(site: Any, hour: int = 8) -> EmailMessage:
    site.now = site.now.replace(hour=hour)
    site.send()
    return site.mails()[-1]


def halves(message: EmailMessage) -> tuple[str, str]:
    return tuple(message.get_body((kind,)).get_content() for kind in ("html", "plain"))


def order_in(half: str) -> list[str]:
    found = {name: half.rfind(f"Article {name}") for name in ("one", "two", "three", "four")}
    return sorted((name for name, at in found.items() if at >= 0), key=found.__getitem__)


# --- each edit, in both halves of the mail ---


def test_without_an_edit_the_newest_come_first(site) -> None:
    assert [order_in(half) for half in halves(mail(site))] == [["four", "three", "two", "one"]] * 2


def test_drop_and_keep(site) -> None:
    edit(site, "dropping", 2, 4)
    assert edit(site, "keeping", 2).edits.drop == (4,)
    html, text = halves(mail(site))
    assert order_in(html) == order_in(text) == ["three", "two", "one"]
    assert site.mails()[-1]["Subject"] == "Article three and 2 more"


def test_pin_unpin_and_order(site) -> None:
    edit(site, "pinning", 1)
    edit(site, "pinning", 2)
    assert [order_in(half)[:2] for half in halves(mail(site))] == [["two", "one"]] * 2


def test_order_puts_these_first_and_the_rest_follows_by_the_rules(site) -> None:
    review.change(site.app, latest(site), (2, 3), lambda edits: replace(edits, order=(2, 3)))
    edit(site, "unpinning", 3)
    assert [order_in(half) for half in halves(mail(site))] == [["two", "four", "three", "one"]] * 2
    assert site.mails()[-1]["Subject"] == "Article two and 3 more"


def test_an_introduction_is_markdown_and_safe(site) -> None:
    review.introduce(site.app, latest(site), 'Dear **readers**, see [this](https://paper.example/a).\n\n'
                     '<script>alert(1)</script><img src=x onerror=alert(2)> [bad](javascript:alert(3))')
    html, text = halves(mail(site))
    assert "<strong" in html
    assert 'href="https://paper.example/a"' in html
    assert html.index("Dear <strong") < html.rindex("Article four")
    assert not re.search(r"<script|<[^>]*onerror|(?:href|src)=\W*javascript", html)
    assert "Dear readers, see this" in " ".join(text.split())
    assert "https://paper.example/a" in text
    assert "**" not in text
    assert text.index("Dear readers") < text.index("Article four")


def test_a_note_stands_with_its_article(site) -> None:
    review.annotate(site.app, latest(site), 3, "Our own *view*: <b onclick=x>buy</b>")
    html, text = halves(mail(site))
    for half in (html, text):
        assert half.count("Our own") == 1
        assert half.rindex("Article four") < half.index("Our own") < half.rindex("Article two")
    assert "<em" in html
    assert "onclick" not in html


def test_taking_words_away_again(site) -> None:
    review.annotate(site.app, latest(site), 3, "A note")
    review.annotate(site.app, latest(site), 3, " ")
    review.introduce(site.app, latest(site), "Hello")
    review.introduce(site.app, latest(site), "")
    assert latest(site).edits.to_json() == {}


def test_a_subject(site) -> None:
    review.call(site.app, latest(site), "{{ articles|length }} of the quay")
    assert mail(site)["Subject"] == "4 of the quay"


@pytest.mark.parametrize("bad", ["{{ nothing.here }}", "{% if %}"])
def test_a_subject_that_can_t_be_rendered_is_refused_at_once(site, bad: str) -> None:
    with pytest.raises(TemplateError):
        review.call(site.app, latest(site), bad)
    assert latest(site).edits.subject == ""


def test_words_have_an_end(site) -> None:
    with pytest.raises(UsageError, match="20,001 characters long"):
        review.introduce(site.app, latest(site), "x" * 20_001)
    with pytest.raises(UsageError, match="20,000 are the most"):
        review.annotate(site.app, latest(site), 1, "x" * 20_001)


@pytest.mark.parametrize("name", ["dropping", "pinning", "unpinning"])
def test_an_article_that_is_not_in_it_is_refused_and_nothing_is_changed(site, name: str) -> None:
    before = latest(site)
    with pytest.raises(UsageError, match="article 99: is not in lantern/2026-06-01-0800-daily"):
        edit(site, name, 1, 99)
    assert latest(site) == before


def test_what_came_after_the_draft_is_not_in_it(site) -> None:
    site.accept(["Article five"])
    with pytest.raises(UsageError, match="article 5"):
        edit(site, "pinning", 5)


def test_each_edit_makes_another_version(site) -> None:
    before = latest(site).version
    edit(site, "dropping", 1)
    edit(site, "keeping", 1)
    assert latest(site).version == before + 2


# --- what the operator is shown ---


def test_the_draft_is_shown_as_it_would_go(site) -> None:
    edit(site, "dropping", 4)
    edit(site, "pinning", 1)
    review.annotate(site.app, latest(site), 2, "A note")
    proof = review.look(site.app, latest(site))
    assert [(line.place, line.article.id, line.why, line.note, line.left_out) for line in proof.lines] == [
        (1, 1, "pinned at place 1", "", ""), (2, 3, "", "", ""), (3, 2, "", "A note", ""),
        (0, 4, "", "", "dropped by you")]
    assert (proof.people, proof.empty) == (1, "")
    assert "article 4 is left out: dropped in 2026-06-01-0800-daily" in proof.notes
    edit(site, "dropping", 1, 2, 3)
    assert review.look(site.app, latest(site)).empty == "nothing new"


def test_what_a_limit_leaves_out_says_so(copy_site, lantern_config) -> None:
    site = copy_site(drafted, lantern_config(SEND, "limit = 2"))
    lines = review.look(site.app, latest(site)).lines
    assert [(line.place, line.article.id) for line in lines] == [(1, 4), (2, 3), (0, 2), (0, 1)]
    assert all("limit of 2 articles" in line.left_out for line in lines[2:])


# --- an edit while it is being rendered ---


def during(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], object], times: int = 1) -> list:
    """Do something in the middle of the work, the first `times` that it comes there."""
    real, seen = getattr(where, name), []

    def wrapped(*args: Any, **values: Any) -> Any:
        made = real(*args, **values)
        if len(seen) < times:
            seen.append(None)
            seen[-1] = act()
        return made

    monkeypatch.setattr(where, name, wrapped)
    return seen


@pytest.mark.parametrize("name", ["gather_pictures", "press"])
def test_an_edit_during_the_rendering_is_in_what_is_sent(site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    seen = during(monkeypatch, stage, name, lambda: edit(site, "dropping", 3))
    html, text = halves(mail(site))
    assert len(seen) == 1
    assert order_in(html) == order_in(text) == ["four", "two", "one"]
    assert len(site.mails()) == 1


@pytest.mark.parametrize("name", ["gather_pictures", "press"])
def test_a_hold_during_the_rendering_holds(site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    during(monkeypatch, stage, name, lambda: review.hold(site.app, latest(site), "stop"))
    site.now = site.now.replace(hour=8)
    site.send()
    assert (latest(site).status, latest(site).held_by, latest(site).reason) == (D.HELD, HeldBy.OPERATOR, "stop")
    assert site.mails() == []


def test_a_cancel_during_the_rendering_cancels(site, monkeypatch: pytest.MonkeyPatch) -> None:
    during(monkeypatch, stage, "press", lambda: review.cancel(site.app, latest(site), "no"))
    site.now = site.now.replace(hour=8)
    site.send()
    assert (latest(site).status, site.mails()) == (D.CANCELLED, [])


def test_a_hold_while_a_template_fails_is_the_operators(site, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        review.hold(site.app, latest(site), "stop")
        raise TemplateError("digest/body.html.j2", "is broken")

    monkeypatch.setattr(stage, "press", failing)
    site.now = site.now.replace(hour=8)
    site.send()
    assert (latest(site).held_by, latest(site).reason) == (HeldBy.OPERATOR, "stop")


def test_a_hold_during_the_drafting_stands(copy_site, lantern_config, monkeypatch: pytest.MonkeyPatch) -> None:
    site = copy_site(drafted, lantern_config(SEND))
    site.now = site.now.replace(hour=8)
    site.send()
    site.accept(["Article five"])
    site.now = site.now.replace(hour=6) + timedelta(days=1)
    during(monkeypatch, stage, "press", lambda: review.hold(site.app, latest(site), "stop"))
    site.send()
    assert (latest(site).status, latest(site).held_by) == (D.HELD, HeldBy.OPERATOR)
    assert latest(site).findings == (), "what the preflight found is of another version"


def test_one_that_is_edited_each_time_is_given_up_for_now(site, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter(range(1, 99))
    during(monkeypatch, stage, "press",
           lambda: review.introduce(site.app, latest(site), f"Version {next(turns)}"), times=stage.TRIES)
    site.now = site.now.replace(hour=8)
    report = site.send()
    assert "changed during each of 3 renderings" in report.problems[0]
    assert (latest(site).status, site.mails()) == (D.DRAFT, [])
    site.advance(minutes=1)
    site.send()
    assert "Version 3" in halves(site.mails()[0])[1]


def test_two_processes_draft_one_slot_once(copy_site, lantern_config, monkeypatch: pytest.MonkeyPatch) -> None:
    site = copy_site(drafted, lantern_config(SEND))
    site.now = site.now.replace(hour=8)
    site.send()
    site.accept(["Article five"])
    site.now = site.now.replace(hour=6) + timedelta(days=1)
    newsletter = site.app.config.newsletter("lantern")
    slot = Slot("daily", "2026-06-02T08:00", site.now + timedelta(hours=2))

    def other() -> Digest | None:
        return stage.draft(sends.parts(site.app), newsletter, slot, audience="daily", now=site.now)

    seen = during(monkeypatch, stage, "choose", other)
    assert other() is None, "the other one was faster"
    assert seen[0].status is D.DRAFT
    assert len(site.digests()) == 2


def test_of_two_edits_at_once_neither_is_lost(site) -> None:
    stale = latest(site)
    review.introduce(site.app, stale, "Hello")
    review.annotate(site.app, stale, 1, "A note")
    assert (latest(site).edits.introduction, latest(site).edits.notes) == ("Hello", {1: "A note"})


def test_a_stale_copy_decides_nothing(site) -> None:
    stale = latest(site)
    mail(site)
    with pytest.raises(UsageError, match="is done"):
        review.hold(site.app, stale, "")
    with pytest.raises(StoreError, match="can't be changed any more"):
        review.introduce(site.app, stale, "Hello")


# --- the preflight ---


def proving(monkeypatch: pytest.MonkeyPatch, verdict: Callable[[], stage.Proofed]) -> list[None]:
    asked: list[None] = []

    def prove(*_: object) -> stage.Proofed:
        asked.append(None)
        return verdict()

    monkeypatch.setattr(proving_desk, "prove", prove)
    return asked


BAD = stage.Proofed(({"check": "links", "severity": "error", "text": "a link does not answer", "place": ""},), "links")


def test_what_the_preflight_holds_is_looked_at_again_but_not_at_once(site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = proving(monkeypatch, lambda: BAD)
    site.now = site.now.replace(hour=8)
    site.send()
    held = latest(site)
    assert (held.status, held.held_by, held.reason, held.findings) == (D.HELD, HeldBy.PREFLIGHT, "links", BAD.findings)
    site.advance(minutes=4, seconds=59)
    site.send()
    assert len(asked) == 1
    site.advance(seconds=1)
    site.send()
    assert (len(asked), site.mails()) == (2, [])
    monkeypatch.undo()
    site.advance(minutes=5)
    site.send()
    assert (latest(site).status, len(site.mails())) == (D.DONE, 1)


def test_an_edit_is_looked_at_at_once(site, monkeypatch: pytest.MonkeyPatch) -> None:
    proving(monkeypatch, lambda: BAD)
    site.now = site.now.replace(hour=8)
    site.send()
    monkeypatch.undo()
    edit(site, "dropping", 1)
    site.advance(minutes=1)
    site.send()
    assert latest(site).status is D.DONE


def test_an_approval_tries_again_and_anyway_goes_past_it(site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = proving(monkeypatch, lambda: BAD)
    site.now = site.now.replace(hour=8)
    site.send()
    review.approve(site.app, latest(site))
    site.send()
    assert (len(asked), latest(site).held_by, site.mails()) == (2, HeldBy.PREFLIGHT, [])
    assert latest(site).approved_at is not None, "the approval outlives it"
    review.approve(site.app, latest(site), anyway=True)
    site.send()
    assert (latest(site).status, len(site.mails())) == (D.DONE, 1)
    assert latest(site).findings == BAD.findings


def test_what_the_preflight_holds_is_given_up_when_it_is_too_late(site, monkeypatch: pytest.MonkeyPatch) -> None:
    proving(monkeypatch, lambda: BAD)
    site.now = site.now.replace(hour=8)
    site.send()
    site.now = site.now.replace(hour=21)
    site.send()
    assert (latest(site).status, site.mails()) == (D.SKIPPED, [])


def test_one_by_hand_that_it_holds_goes_with_your_word(site, monkeypatch: pytest.MonkeyPatch) -> None:
    proving(monkeypatch, lambda: BAD)
    made = sends.compose_now(site.app, site.app.config.newsletter("lantern"), "daily")
    assert (made.status, made.held_by) == (D.HELD, HeldBy.PREFLIGHT)
    review.approve(site.app, made, anyway=True)
    site.send()
    assert len(site.mails()) == 1
    with site.app.store.read() as connection:
        assert digests.get(connection, made.id).status is D.DONE


def test_one_by_hand_of_a_newsletter_that_is_gone_stops_nobody(site, monkeypatch: pytest.MonkeyPatch) -> None:
    proving(monkeypatch, lambda: BAD)
    made = sends.compose_now(site.app, site.app.config.newsletter("lantern"), "daily")
    review.approve(site.app, made)
    without = replace(site.app, config=replace(site.app.config, newsletters=()))
    report = sends.Report()
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        sends.compose_due(without, worker, report)
    assert report.digests == []


def test_a_proof_of_a_draft_is_no_edit(site) -> None:
    before = latest(site)
    with site.app.store.write() as connection:
        drafts.record_proof(connection, before.id, (), site.now, version=before.version - 1)
        drafts.record_proof(connection, before.id, BAD.findings, site.now, version=before.version)
        drafts.record_proof(connection, before.id, (), site.now, version=before.version - 1)
    assert (latest(site).version, latest(site).findings) == (before.version, BAD.findings)


# --- too much for one mail ---


def much(site: Any) -> None:
    site.subscribe(ANN)
    with site.app.store.write() as connection:
        from pipeline.collect.identify import make_drafts
        from pipeline.model.articles import Found, Show
        from pipeline.store import articles, sources
        from pipeline.store.articles import Acceptance

        for number in range(6):
            text = "".join(f"<p>{number} {n} " + "words " * 60 + "</p>" for n in range(60))
            found = Found(title=f"Article {number}", html=text, guid=str(number), published_at=site.now)
            made = make_drafts([found], source_url="", now=site.now, show=Show.FULL)[0]
            articles.add(connection, sources.state(connection, "desk").id,
                         [(made, Acceptance(Show.FULL, mailable=True))], site.now)


@pytest.mark.parametrize("select", ["limit = 500", "limit = 500, min_articles = 6"])
def test_too_much_for_one_mail_is_more_on_the_web_and_never_clipped(copy_site, lantern_config, select: str) -> None:
    site = copy_site(much, lantern_config(SEND, select))
    html, text = halves(mail(site))
    assert len(html.encode()) <= MOST_HTML
    told = site.told(ANN)
    assert 2 <= len(set(told)) <= 5
    assert f"{6 - len(set(told))} more" in " ".join(text.split())
    with site.app.store.read() as connection:
        [row] = digests.selection_rows(connection, latest(site).id).values()
    assert (len(row.article_ids), row.more) == (len(set(told)), 6 - len(set(told)))
    assert not any(one["severity"] == "error" for one in latest(site).findings)
