"""A draft by the clock: made ahead of its slot, looked at, and then sent, kept back or given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.compose import stage
from pipeline.desk import review
from pipeline.desk.takedown import named_articles, withdraw
from pipeline.errors import StoreError, UsageError
from pipeline.jobs import sends
from pipeline.model.drafts import UNAPPROVED, HeldBy
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.runs import RunStatus, Slot
from pipeline.store import digests, ledger, runs

D = DigestStatus
ANN, BOB = "ann@here.example", "bob@here.example"
SEND = 'review = { before = "2h", silence = "send" }'
HOLD = 'review = { before = "2h", silence = "hold" }'


def two_people(site: Any) -> None:
    """At five in the morning, before the draft's time, with two articles that came in."""
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.subscribe(BOB)
    site.accept(["Article one", "Article two"])


@pytest.fixture
def site(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    return copy_site(two_people, lantern_config(SEND))


@pytest.fixture
def silent(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    """The same, where silence holds it."""
    return copy_site(two_people, lantern_config(HOLD))


def at(site: Any, hour: int, minute: int = 0, days: int = 0) -> Any:
    site.now = site.now.replace(hour=hour, minute=minute) + timedelta(days=days)
    return site.send()


def only(site: Any) -> Digest:
    [digest] = site.digests()
    return digest


def articles_of(site: Any, digest: Digest) -> list[str]:
    with site.app.store.read() as connection:
        return [a.title for a, how in digests.frozen_articles(connection, digest.id) if how.fresh]


def run_of(site: Any, digest: Digest):
    with site.app.store.read() as connection:
        return runs.find(connection, f"send:{digest.newsletter}:{digest.schedule}", digest.due_at) or runs.find(
            connection, sends.job_name(digest.newsletter, digest.schedule), digest.due_at)


# --- the draft ---


def test_the_draft_is_made_so_long_before_its_slot_and_not_earlier(site) -> None:
    at(site, 5, 59)
    assert site.digests() == []
    report = at(site, 6)
    draft = only(site)
    assert (draft.status, draft.drafted_at, draft.cut_seq) == (D.DRAFT, site.now, 2)
    assert (draft.due_at.hour, draft.frozen_at, draft.findings != ()) == (8, None, True)
    assert report.digests == [draft]
    assert at(site, 7).digests == [], "once"
    assert only(site) == draft
    assert site.mails() == []


def test_nothing_new_makes_no_row_until_there_is_something(copy_site: Callable, lantern_config: Callable) -> None:
    def nothing(site: Any) -> None:
        site.now = site.now.replace(hour=5)
        site.subscribe(ANN)

    site = copy_site(nothing, lantern_config(SEND))
    at(site, 6)
    assert site.digests() == []
    site.accept(["Article one"])
    at(site, 6, 30)
    assert (only(site).status, only(site).drafted_at) == (D.DRAFT, site.now)


def test_what_comes_in_after_the_draft_is_for_the_next_one(site) -> None:
    at(site, 6)
    site.accept(["Article three"])
    site.subscribe("late@here.example")
    at(site, 8, 1)
    digest = only(site)
    assert (digest.status, articles_of(site, digest)) == (D.DONE, ["Article two", "Article one"])
    assert (site.counts(digest.id).sent, site.counts(digest.id).excluded) == (2, 1)
    at(site, 8, 1, days=1)
    assert site.told(ANN) == ["Article two", "Article one", "Article three"]
    assert site.told("late@here.example") == [], "they came after it"


def test_without_review_nothing_is_drafted_and_the_operator_may_all_the_same(copy_site, lantern_config) -> None:
    site = copy_site(two_people, lantern_config())
    at(site, 7)
    assert site.digests() == []
    made = review.begin(site.app, site.app.config.newsletter("lantern"), "daily")
    assert (made.status, made.cut_seq) == (D.DRAFT, 2)
    with pytest.raises(UsageError, match="is there already: draft"):
        review.begin(site.app, site.app.config.newsletter("lantern"), "daily")
    with pytest.raises(UsageError, match="nothing new to tell yet"):
        review.begin(site.app, site.app.config.newsletter("lantern"), "weekly")
    at(site, 8, 1)
    assert only(site).status is D.DONE


# --- silence ---


def test_silence_sends(site) -> None:
    at(site, 6)
    at(site, 7, 59)
    assert site.mails() == []
    at(site, 8)
    assert only(site).status is D.DONE
    assert len(site.mails()) == 2


def test_silence_holds_and_waits_however_long(silent) -> None:
    at(silent, 6)
    at(silent, 8)
    held = only(silent)
    assert (held.status, held.held_by, held.reason) == (D.HELD, HeldBy.SILENCE, UNAPPROVED)
    at(silent, 8, 0, days=3)
    first = silent.digests()[-1]
    assert (first.id, first.status) == (held.id, D.HELD)
    assert silent.mails() == []


def test_silence_holds_what_had_no_draft_and_cuts_it_there(copy_site, lantern_config) -> None:
    def nothing(site: Any) -> None:
        site.now = site.now.replace(hour=5)
        site.subscribe(ANN)

    site = copy_site(nothing, lantern_config(HOLD))
    at(site, 6)
    site.now = site.now.replace(hour=8)
    site.accept(["Article one"])
    at(site, 8)
    held = only(site)
    assert (held.status, held.held_by, held.drafted_at, held.cut_seq) == (D.HELD, HeldBy.SILENCE, site.now, 1)
    site.accept(["Article two"])
    review.approve(site.app, held)
    at(site, 9)
    assert articles_of(site, held) == ["Article one"]


def test_a_digest_by_hand_asks_nobody_for_a_word(silent) -> None:
    made = sends.compose_now(silent.app, silent.app.config.newsletter("lantern"), "daily")
    assert made.status is D.FROZEN


# --- approve, hold, cancel ---


@pytest.mark.parametrize("hour", [6, 7])
def test_approved_before_its_slot_it_goes_at_its_slot(silent, hour: int) -> None:
    at(silent, 6)
    silent.now = silent.now.replace(hour=hour, minute=30)
    done = review.approve(silent.app, only(silent))
    assert (done.status, done.approved_at, review.when(done, silent.now)) == (D.APPROVED, silent.now, "at its slot")
    at(silent, 7, 59)
    assert silent.mails() == []
    at(silent, 8)
    assert only(silent).status is D.DONE
    assert silent.told(ANN) == ["Article two", "Article one"]


@pytest.mark.parametrize("hours", [1, 10, 23])
def test_approved_after_its_slot_it_goes_at_once_however_late(silent, hours: int) -> None:
    at(silent, 6)
    at(silent, 8)
    silent.advance(hours=hours)
    done = review.approve(silent.app, only(silent))
    assert review.when(done, silent.now) == "at once"
    silent.send()
    digest = silent.digests()[-1]
    assert (digest.id, digest.status) == (done.id, D.DONE)
    assert silent.told(ANN) == ["Article two", "Article one"]
    silent.send()
    assert silent.told(ANN) == ["Article two", "Article one"]


def test_held_it_stays_past_its_slot_until_approved(site) -> None:
    at(site, 6)
    held = review.hold(site.app, only(site), "  ask\nthe lawyer ")
    assert (held.status, held.held_by, held.reason) == (D.HELD, HeldBy.OPERATOR, "ask the lawyer")
    for hour in (8, 12, 20):
        at(site, hour)
        assert only(site) == held
    assert run_of(site, held).status is RunStatus.DONE
    review.approve(site.app, held)
    at(site, 21)
    assert only(site).status is D.DONE


def test_a_hold_takes_back_an_approval(site) -> None:
    at(site, 6)
    review.approve(site.app, only(site))
    assert review.hold(site.app, only(site), "").approved_at is None
    at(site, 8)
    assert (only(site).status, only(site).reason) == (D.HELD, "held by you")


def test_cancelled_before_the_freeze_its_articles_roll_forward(site) -> None:
    at(site, 6)
    gone = review.cancel(site.app, only(site), "")
    assert (gone.status, gone.reason, gone.frozen_at) == (D.CANCELLED, "by the operator", None)
    at(site, 8)
    assert (only(site), site.mails()) == (gone, [])
    site.now = site.now.replace(hour=9)
    site.accept(["Article three"])
    at(site, 8, 1, days=1)
    assert site.told(ANN) == ["Article three", "Article two", "Article one"]
    with pytest.raises(UsageError, match="is cancelled, so there is nothing to decide"):
        review.approve(site.app, gone)


def test_cancelled_after_the_freeze_who_waits_is_excluded_and_the_articles_roll_forward(
    site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "AT_ONCE", 1)
    (site.folder / "mailbox").write_text("a file where the Maildir should be")
    at(site, 6)
    at(site, 8)
    digest = only(site)
    assert site.counts(digest.id).waiting == 2
    review.cancel(site.app, digest, "wrong list")
    counts = site.counts(digest.id)
    assert (counts.selected, counts.excluded, counts.waiting, counts.holds) == (2, 2, 0, True)
    with site.app.store.read() as connection:
        assert {row.reason for row in ledger.each(connection, digest.id)} == {"cancelled: wrong list"}
    (site.folder / "mailbox").unlink()
    at(site, 9)
    assert site.mails() == []
    site.accept(["Article three"])
    at(site, 8, 1, days=1)
    for address in (ANN, BOB):
        assert site.told(address) == ["Article three", "Article two", "Article one"]


def test_cancelled_before_it_is_filled_nobody_is_mailed(site) -> None:
    frozen = sends.compose_now(site.app, site.app.config.newsletter("lantern"), "daily")
    review.cancel(site.app, frozen, "no")
    site.send()
    counts = site.counts(frozen.id)
    assert (counts.excluded, counts.waiting, counts.holds, site.mails()) == (2, 0, True, [])


def test_one_that_is_being_sent_pauses_and_goes_on(site) -> None:
    frozen = sends.compose_now(site.app, site.app.config.newsletter("lantern"), "daily")
    paused = review.hold(site.app, frozen, "wait")
    assert paused.status is D.PAUSED
    site.send()
    assert site.mails() == []
    assert review.approve(site.app, paused).status is D.SENDING
    site.send()
    assert len(site.mails()) == 2


def test_what_is_sent_can_neither_be_changed_nor_decided(site) -> None:
    at(site, 8)
    done = only(site)
    for act in (lambda: review.approve(site.app, done), lambda: review.hold(site.app, done, ""),
                lambda: review.cancel(site.app, done, "")):
        with pytest.raises(UsageError, match="is done, so there is nothing to decide"):
            act()
    with pytest.raises(StoreError, match="is done and can't be changed any more"):
        review.introduce(site.app, done, "Hello")
    assert only(site) == done


# --- what others do meanwhile ---


def test_a_later_digest_takes_over_what_an_unapproved_one_holds(silent) -> None:
    at(silent, 6)
    at(silent, 8)
    held = only(silent)
    silent.accept(["Article three"])
    at(silent, 6, days=1)
    later = silent.digests()[0]
    review.approve(silent.app, later)
    at(silent, 8)
    later, passed = silent.digests()
    assert (passed.id, passed.status, passed.reason) == (held.id, D.SKIPPED, f"its articles are in {later.name}")
    assert silent.told(ANN) == ["Article three", "Article two", "Article one"]


def test_an_approved_one_stays_and_tells_nothing_twice(site) -> None:
    """It could not be composed at its slot, for a template; the next day's is faster."""
    body = site.folder / "templates" / "digest" / "body.html.j2"
    body.parent.mkdir(parents=True)
    body.write_text("{% block shell %}{{ unclosed ")
    at(site, 6)
    review.approve(site.app, only(site))
    at(site, 8)
    first = only(site)
    assert (first.status, first.held_by, first.approved_at is not None) == (D.HELD, HeldBy.ERROR, True)
    body.unlink()
    site.accept(["Article three"])
    site.advance(days=1)
    later = stage.compose(
        sends.parts(site.app), site.app.config.newsletter("lantern"), Slot("daily", "2026-06-02T08:00", site.now),
        audience="daily", now=site.now)
    assert later.status is D.FROZEN
    assert site.digests()[-1] == first, "the operator's word stands"
    site.send()
    assert sorted(site.told(ANN)) == ["Article one", "Article three", "Article two"]
    assert site.digests()[-1].status in (D.DONE, D.SKIPPED)


def test_a_draft_whose_slot_is_missed_is_ended_with_the_reason(site) -> None:
    at(site, 6)
    at(site, 8, 0, days=3)
    first = site.digests()[-1]
    assert first.status is D.SKIPPED
    assert first.reason
    assert sorted(site.told(ANN)) == ["Article one", "Article two"], "in the digest of today"


def test_a_held_draft_whose_slot_is_missed_waits_for_the_operator(site) -> None:
    at(site, 6)
    held = review.hold(site.app, only(site), "")
    site.now = site.now.replace(hour=23)
    site.send()
    assert only(site) == held


def test_one_that_a_template_holds_is_ended_when_its_slot_was_missed(site) -> None:
    body = site.folder / "templates" / "digest" / "body.html.j2"
    body.parent.mkdir(parents=True)
    body.write_text("{% block shell %}{{ unclosed ")
    at(site, 6)
    assert only(site).held_by == HeldBy.ERROR
    body.unlink()
    site.now = site.now.replace(hour=23)  # twelve hours are the most that it may be late
    report = site.send()
    assert only(site).status is D.SKIPPED, "nobody would come back to it"
    assert report.missed


@pytest.mark.parametrize(("old", "new", "reason"), [
    ('slug = "daily"', 'slug = "weekday"', "its schedule is no longer in config.toml"),
    ('at = "08:00"', 'at = "09:30"', "its schedule was changed, and has no such slot any more"),
])
def test_a_draft_that_no_schedule_asks_for_any_more_is_ended(site, old: str, new: str, reason: str) -> None:
    from pipeline import config
    from pipeline.app import assemble

    at(site, 6)
    path = site.folder / "config.toml"
    text = path.read_text().replace(old, new)
    path.write_text(text)
    changed = assemble(config.load(path, env={}), now=lambda: site.now)
    report = sends.Report()
    try:
        site.now = site.now.replace(hour=8, minute=5)
        sends._end_stranded(changed, report)
    finally:
        changed.close()
    assert (only(site).status, only(site).reason) == (D.SKIPPED, reason)
    assert report.missed == [f"lantern 2026-06-01T08:00: {reason}"]


# --- what changes between draft and slot ---


def test_what_was_withdrawn_leaves_and_what_changed_is_as_it_is_now(site) -> None:
    at(site, 6)
    from pipeline.store.schema import articles as rows

    withdraw(site.app, named_articles(site.app, [1]), "a hoax")
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 2).values(title="Article two, mended", revision=2))
    at(site, 8)
    assert site.told(ANN) == ["Article two, mended"]


def test_where_all_of_it_was_withdrawn_nothing_is_sent(site) -> None:
    at(site, 6)
    withdraw(site.app, named_articles(site.app, [1, 2]), "")
    at(site, 8)
    assert (only(site).status, only(site).reason) == (D.SKIPPED, "nothing new")
    assert site.mails() == []


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The sources of each poll before a freeze."""
    seen: list[tuple[str, ...]] = []
    real = sends.collect_due

    def counted(app: Any, slugs: Any = (), **values: Any):
        if slugs:
            seen.append(tuple(slugs))
        return real(app, slugs, **values)

    monkeypatch.setattr(sends, "collect_due", counted)
    return seen


def from_files(site: Any) -> None:
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.write("one.md", "Article one")
    site.run()


def test_its_sources_are_asked_again_just_before_the_freeze_and_only_once(
    copy_site, lantern_config, polls: list[tuple[str, ...]]
) -> None:
    site = copy_site(from_files, lantern_config(SEND))
    at(site, 6)
    assert polls == [], "a draft tells what is there"
    site.write("one.md", "Article one, as it is now", "Put right in the meantime, and told at some length.")
    site.write("two.md", "Article two")
    at(site, 7)
    assert polls == []
    at(site, 8)
    assert polls == [("desk",)]
    assert site.told(ANN) == ["Article one, as it is now"], "the other one is for the next"
    at(site, 9)
    assert polls == [("desk",)]
    at(site, 8, days=1)
    assert site.told(ANN) == ["Article one, as it is now", "Article two"]


def test_what_silence_holds_is_asked_for_when_the_word_comes(
    copy_site, lantern_config, polls: list[tuple[str, ...]]
) -> None:
    site = copy_site(from_files, lantern_config(HOLD))
    at(site, 6)
    at(site, 8)
    before = len(polls)
    at(site, 9)
    assert len(polls) == before
    site.write("one.md", "Article one, as it is now", "Put right in the meantime, and told at some length.")
    review.approve(site.app, only(site))
    at(site, 10)
    assert len(polls) == before + 1
    assert site.told(ANN) == ["Article one, as it is now"]


def test_one_that_a_template_held_is_asked_for_too(copy_site, lantern_config, polls: list[tuple[str, ...]]) -> None:
    site = copy_site(from_files, lantern_config(SEND))
    body = site.folder / "templates" / "digest" / "body.html.j2"
    body.parent.mkdir(parents=True)
    body.write_text("{% block shell %}{{ unclosed ")
    at(site, 6)
    body.unlink()
    site.write("one.md", "Article one, as it is now", "Put right in the meantime, and told at some length.")
    at(site, 8)
    assert site.told(ANN) == ["Article one, as it is now"]
    assert polls == [("desk",)]


def test_they_are_asked_once_since_its_slot_and_once_since_the_word_however_often_it_is_tried(
    copy_site, lantern_config, polls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.desk.proving.prove", lambda *_: stage.Proofed((), "a link does not answer"))
    site = copy_site(from_files, lantern_config(SEND))
    at(site, 6)
    for minute in (0, 5, 10):
        at(site, 8, minute)
        assert only(site).held_by == HeldBy.PREFLIGHT
    assert polls == [("desk",)]
    review.approve(site.app, only(site))
    for minute in (15, 16):
        at(site, 8, minute)
    assert polls == [("desk",)] * 2


@pytest.mark.parametrize(("state", "asked"), [
    ({"failures": 1}, False), ({"standing": "gone"}, False), ({"standing": "quarantined"}, False),
    ({"failures": 0}, True)])
def test_a_source_that_has_us_wait_is_not_asked_out_of_turn(
    copy_site, lantern_config, polls: list[tuple[str, ...]], state: dict[str, Any], asked: bool
) -> None:
    from pipeline.store.schema import sources as rows

    site = copy_site(from_files, lantern_config(SEND))
    at(site, 6)
    with site.app.store.write() as connection:
        connection.execute(rows.update().values(next_poll_at=site.now + timedelta(days=1), **state))
    at(site, 8)
    assert polls == [("desk",)] * asked
    assert site.told(ANN) == ["Article one"], "it goes all the same"


# --- a template that can't be rendered ---


@pytest.mark.parametrize("hour", [6, 8])
def test_a_broken_template_holds_it_with_file_and_line_and_mails_nobody(site, hour: int) -> None:
    body = site.folder / "templates" / "digest" / "body.html.j2"
    body.parent.mkdir(parents=True)
    if hour == 8:
        at(site, 6)
    body.write_text("{% block shell %}\n<p>\n{{ unclosed\n{% endblock %}")
    site.close()  # a program that was started anew
    report = at(site, hour)
    held = only(site)
    assert (held.status, held.held_by) == (D.HELD, HeldBy.ERROR)
    assert "body.html.j2:4" in held.reason
    assert report.digests or report.problems
    assert any("body.html.j2" in problem for problem in report.problems), "said in the report, too"
    at(site, 8, 5)
    assert (only(site).status, site.mails()) == (D.HELD, [])
    body.unlink()
    at(site, 9)
    assert (only(site).status, len(site.mails())) == (D.DONE, 2)


def test_a_broken_template_that_is_not_mended_in_time_gives_it_up(site) -> None:
    body = site.folder / "templates" / "digest" / "body.html.j2"
    body.parent.mkdir(parents=True)
    body.write_text("{% block shell %}{{ unclosed ")
    at(site, 6)
    at(site, 8)
    at(site, 21)
    assert (only(site).status, site.mails()) == (D.SKIPPED, [])
    body.unlink()
    at(site, 8, 1, days=1)
    assert sorted(site.told(ANN)) == ["Article one", "Article two"]
