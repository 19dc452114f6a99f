"""Slots: none twice, none before the schedule's own beginning, and each one that does not run says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import StoreError
from pipeline.jobs.report import Report
from pipeline.jobs.sends import compose_due
from pipeline.jobs.slots import LONGEST_GAP, enqueue_due, job_name, slot_of
from pipeline.jobs.worker import working
from pipeline.model.runs import Run, RunStatus
from pipeline.store import declared, digests, runs, subscribers

DAILY = job_name("lantern", "daily")


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def site(copy_site: Callable) -> Any:
    """Its clock shows Monday, 1 June, 06:00; the schedules began then: daily 08:00 and Mondays 08:00."""
    return copy_site(opened)


def enqueue(site: Any, schedule: str = "daily") -> list[str]:
    newsletter = site.app.config.newsletter("lantern")
    decided = enqueue_due(site.app.store, newsletter, site.app.config.schedule("lantern", schedule), site.now)
    return [verdict.slot.nominal for verdict in decided if verdict.runs]


def listed(site: Any, job: str = DAILY) -> list[tuple[str, str, str]]:
    """(nominal, status, beginning of the reason), oldest first."""
    with site.app.store.read() as connection:
        return [(r.nominal, str(r.status), r.reason.partition(":")[0])
                for r in reversed(runs.listed(connection, job, limit=999))]


def change(site: Any, old: str, new: str) -> None:
    """Edit the config; the next use of `app` is a new start."""
    text = (site.folder / "config.toml").read_text()
    assert old in text
    (site.folder / "config.toml").write_text(text.replace(old, new))
    site.close()


def at(day: int, hour: int = 8, minute: int = 1) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)


def test_nothing_before_the_beginning_and_each_slot_once(site) -> None:
    assert enqueue(site) == []
    site.now = at(1)
    assert enqueue(site) == ["2026-06-01T08:00"]
    assert enqueue(site) == []
    site.now = at(2, 7)
    assert enqueue(site) == []
    site.now = at(2)
    assert enqueue(site) == ["2026-06-02T08:00"]


def test_a_week_away(site) -> None:
    site.now = at(1)
    enqueue(site)
    site.now = at(8)
    assert enqueue(site) == ["2026-06-08T08:00"]
    assert [status for _, status, _ in listed(site)] == ["queued"] + ["skipped"] * 6 + ["queued"]
    assert {reason for _, status, reason in listed(site) if status == "skipped"} == {"missed"}


def test_a_clock_that_went_back_and_forth(site) -> None:
    site.now = at(3)
    enqueue(site)
    site.now = at(1)
    assert enqueue(site) == []
    site.now = at(4)
    assert enqueue(site) == ["2026-06-04T08:00"]
    assert len(listed(site)) == 4


def test_a_clock_that_ran_years_ahead_hides_no_slot(site) -> None:
    site.now = at(1) + timedelta(days=3650)
    enqueue(site)
    assert len(listed(site)) <= LONGEST_GAP.days + 1
    site.now = at(2)
    assert "2026-06-02T08:00" in enqueue(site)


def test_a_changed_schedule_begins_anew_and_says_what_it_missed(site) -> None:
    site.now = at(1)
    enqueue(site)
    site.now = at(3, 9)
    change(site, 'slug = "daily"\n  at = "08:00"', 'slug = "daily"\n  at = "07:00"')
    assert enqueue(site) == [], "07:00 of today, and of the days before, are before its beginning"
    assert [(n, s, r) for n, s, r in listed(site) if s == "skipped"] == [
        ("2026-06-02T08:00", "skipped", "missed"), ("2026-06-03T08:00", "skipped", "missed")]
    site.now = at(4, 7)
    assert enqueue(site) == ["2026-06-04T07:00"]


def test_an_unchanged_config_begins_nothing_anew(site) -> None:
    with site.app.store.read() as connection:
        before = declared.schedule(connection, declared.newsletter_id(connection, "lantern"), "daily")
    site.advance(days=9)
    site.close()
    with site.app.store.read() as connection:
        after = declared.schedule(connection, declared.newsletter_id(connection, "lantern"), "daily")
    assert after == before


@pytest.mark.parametrize(("old", "new", "job"), [
    ('slug = "daily"', 'slug = "morning"\n  former = ["daily"]', "send:lantern:morning"),
    ('slug = "lantern"', 'slug = "beacon"\nformer = ["lantern"]', "send:beacon:daily"),
])
def test_renaming_keeps_people_runs_and_ids(site, old: str, new: str, job: str) -> None:
    site.subscribe("ada@example.org")
    site.now = at(1)
    enqueue(site)
    before = person(site)
    change(site, old, new)
    assert listed(site, job) == [("2026-06-01T08:00", "queued", "")]
    after = person(site)
    assert (after.id, after.start_seq) == (before.id, before.start_seq)
    assert after.newsletter == ("beacon" if "beacon" in job else "lantern")
    assert after.schedule == ("morning" if "morning" in job else "daily")
    site.close()
    assert person(site) == after, "the next start changes nothing any more"


def person(site: Any):
    with site.app.store.read() as connection:
        (one,) = subscribers.by_address(connection, "ada@example.org")
    return one


def test_both_names_changed_at_once(site) -> None:
    site.subscribe("ada@example.org")
    site.now = at(1)
    enqueue(site)
    change(site, 'slug = "lantern"', 'slug = "beacon"\nformer = ["lantern"]')
    change(site, 'slug = "daily"', 'slug = "morning"\n  former = ["daily"]')
    assert listed(site, "send:beacon:morning") == [("2026-06-01T08:00", "queued", "")]
    assert person(site).schedule == "morning"


def test_two_schedules_become_one(site) -> None:
    """Both ran at the same moments; the start must not stumble over that."""
    site.subscribe("ada@example.org")
    site.now = at(1)
    enqueue(site)
    enqueue(site, "weekly")
    change(site, '''  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
''', "")
    change(site, 'slug = "weekly"', 'slug = "weekly"\n  former = ["daily"]')
    assert person(site).schedule == "weekly"
    assert listed(site, "send:lantern:") == [("2026-06-01T08:00", "queued", "")]


@pytest.mark.parametrize(("old", "new", "said"), [
    ('slug = "daily"', 'slug = "evening"',
     r"schedule 'daily' of newsletter 'lantern': is no longer in config\.toml, but 1 people.*former = \[\"daily\"\]"),
    ('slug = "lantern"', 'slug = "beacon"',
     r"newsletter 'lantern': is no longer in config\.toml, but 1 people.*former = \[\"lantern\"\]"),
])
def test_what_has_people_may_not_vanish(site, old: str, new: str, said: str) -> None:
    site.subscribe("ada@example.org")
    change(site, old, new)
    with pytest.raises(StoreError, match=said):
        assert site.app
    change(site, new, old)
    site._app = None
    assert person(site).schedule == "daily", "nothing was changed by the start that was refused"


def compose(site: Any) -> Report:
    report = Report()
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        compose_due(site.app, worker, report)
    return report


@pytest.mark.parametrize(("old", "new"), [
    ('slug = "daily"', 'slug = "evening"'), ('slug = "lantern"', 'slug = "beacon"')])
def test_a_run_whose_schedule_is_gone_is_skipped_and_stops_no_other(site, old: str, new: str) -> None:
    """It was queued, the program was stopped, the config was changed, and nobody was on it."""
    site.now = at(1)
    enqueue(site)
    change(site, old, new)
    report = compose(site)
    assert report.missed == ["lantern 2026-06-01T08:00: its schedule is no longer in config.toml"]
    assert [status for _, status, _ in listed(site)] == ["skipped"]
    assert compose(site).missed == []


def test_a_run_that_was_interrupted_is_run_again_and_makes_one_digest(site) -> None:
    site.subscribe("ada@example.org")
    site.accept(["Article one"])
    site.now = at(1)
    enqueue(site)
    with site.app.store.write() as connection:
        runs.register(connection, "dead", process="dead", host="another", pid=1, now=site.now - timedelta(days=1))
        runs.start(connection, DAILY, at(1, 8, 0), "dead", site.now)
    assert [d.schedule for d in compose(site).digests] == ["weekly"], "somebody else has the other"
    site.send()
    assert [d.name for d in site.digests() if d.schedule == "daily"] == ["2026-06-01-0800-daily"]
    assert [status for _, status, _ in listed(site)] == ["done"]
    assert len(site.mails()) == 1


def test_a_run_that_waited_too_long_is_skipped_with_its_reason(site) -> None:
    site.now = at(1)
    enqueue(site)
    site.now = at(1, 21)
    report = compose(site)
    assert len(report.missed) == 1
    assert "max_lateness" in report.missed[0]
    assert [d for d in site.digests() if d.schedule == "daily"] == []
    assert listed(site) == [("2026-06-01T08:00", "skipped", "missed")]


def test_a_busy_database_leaves_the_run_due(site, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreError("site.db", "locked", permanent=False)

    site.now = at(1)
    monkeypatch.setattr("pipeline.jobs.sends.compose", busy)
    assert len(compose(site).problems) == 2, "both schedules"
    assert [status for _, status, _ in listed(site)] == ["queued"]
    monkeypatch.undo()
    site.subscribe("ada@example.org")
    site.accept(["Article one"])
    compose(site)
    assert [status for _, status, _ in listed(site)] == ["done"]


def test_a_digest_by_hand_never_takes_a_slot(site) -> None:
    from pipeline.jobs.sends import compose_now

    site.subscribe("ada@example.org")
    site.accept(["Article one"])
    first = compose_now(site.app, site.app.config.newsletters[0])
    assert (first.schedule, first.status) == ("manual", "frozen")
    site.now = at(1)
    compose(site)
    assert len(site.digests()) == 3
    with site.app.store.read() as connection:
        assert digests.find(connection, "lantern", "daily", "2026-06-01T08:00") is not None


def test_a_job_says_its_slot() -> None:
    run = Run("send:lantern:daily", at(1), RunStatus.QUEUED, "2026-06-01T08:00")
    newsletter, slot = slot_of(run)
    assert (newsletter, slot.schedule, slot.nominal, slot.due_at) == ("lantern", "daily", "2026-06-01T08:00", at(1))
