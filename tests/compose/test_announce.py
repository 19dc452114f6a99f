"""An announcement in the ledger: it covers nothing, moves nothing, is accounted for, and comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from pipeline.audience.subscriptions import unsubscribe
from pipeline.compose.announce import Words, announce, made_up, press_announcement
from pipeline.compose.stage import fill_batches
from pipeline.deliver.stage import Outbox, deliver, new_lease, recover
from pipeline.desk.review import cancel, hold
from pipeline.errors import UsageError
from pipeline.jobs.sends import compose_now, parts
from pipeline.jobs.steps import deliver_due
from pipeline.jobs.worker import working
from pipeline.model.newsletters import Digest
from pipeline.store import deliveries, ledger, meta, subscribers, suppressions
from pipeline.store.schema import batches, digests
from pipeline.store.schema import deliveries as rows

NONCE = "nonce1234"


def filled(site: Any) -> None:
    for name in ("ada", "bo"):
        site.subscribe(f"{name}@example.org")
    site.subscribe("cy@example.org", "weekly")
    site.accept(["Article one", "Article two"])


@pytest.fixture
def site(copy_site: Callable) -> Any:
    """Two people on the daily schedule and one on the weekly one, and two articles."""
    return copy_site(filled)


def say(site: Any, title: str = "Sorry", *, received: Digest | None = None) -> Digest:
    newsletter = site.app.config.newsletters[0]
    digest = made_up(newsletter, site.now)
    words = Words(title, title, f"<p>{title}, said at some length.</p>", title)
    made = press_announcement(site.app.templates(), site.app.config, newsletter, digest, words, nonce=NONCE)
    return announce(parts(site.app), newsletter, digest, words, made, now=site.now, received=received)


def send(site: Any) -> None:
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        deliver_due(site.app, worker)


def ids(site: Any) -> dict[str, int]:
    with site.app.store.read() as connection:
        return {s.address.partition("@")[0]: s.id for s in subscribers.listed(connection)}


def subjects(site: Any) -> list[str]:
    return [str(mail["Subject"]) for mail in site.mails()]


def starts(site: Any) -> list[int]:
    with site.app.store.read() as connection:
        return [ledger.window_start(connection, i) for i in sorted(ids(site).values())]


def test_it_moves_no_window_and_takes_nothing_away(site: Any) -> None:
    before = starts(site)
    say(site)
    send(site)
    assert starts(site) == before
    compose_now(site.app, site.app.config.newsletters[0])
    site.advance(minutes=1)
    send(site)
    assert site.told("ada@example.org") == ["Article two", "Article one"]
    site.advance(minutes=1)
    say(site, "Sorry again")
    send(site)
    site.accept(["Article three"])
    site.advance(minutes=1)
    compose_now(site.app, site.app.config.newsletters[0])
    send(site)
    assert site.told("ada@example.org") == ["Article two", "Article one", "Article three"]


def test_it_supersedes_nothing_that_waits_and_goes_before_it(site: Any) -> None:
    digest = compose_now(site.app, site.app.config.newsletters[0])
    fill_batches(parts(site.app), site.now)
    site.advance(seconds=1)
    notice = say(site)
    fill_batches(parts(site.app), site.now)
    assert (site.counts(digest.id).waiting, site.counts(notice.id).waiting) == (3, 3)
    send(site)
    assert subjects(site)[:3] == ["Sorry"] * 3, "those who wait for an apology wait for the longest mail else"
    assert (site.counts(digest.id).sent, site.counts(notice.id).sent) == (3, 3)


def test_a_newer_digest_does_not_supersede_it_either(site: Any) -> None:
    notice = say(site)
    fill_batches(parts(site.app), site.now)
    site.advance(seconds=1)
    digest = compose_now(site.app, site.app.config.newsletters[0])
    fill_batches(parts(site.app), site.now)
    assert (site.counts(notice.id).waiting, site.counts(digest.id).waiting) == (3, 3)


def test_who_is_selected_is_not_counted_from_the_ledger(site: Any) -> None:
    everyone = say(site)
    send(site)
    site.advance(minutes=1)
    again = say(site, "Sorry again", received=everyone)
    fill_batches(parts(site.app), site.now)
    for digest in (everyone, again):
        assert site.counts(digest.id).holds
        with site.app.store.write() as connection:
            number = connection.execute(select(rows.c.batch_id).where(rows.c.digest_id == digest.id)).scalars().first()
            connection.execute(rows.delete().where(rows.c.digest_id == digest.id))
            connection.execute(batches.delete().where(batches.c.id == number))
        counts = site.counts(digest.id)
        assert not counts.holds, "a batch that was dropped is found"
        assert (counts.selected, counts.accounted) == (3, 0)


def test_who_leaves_in_between_gets_none(site: Any) -> None:
    first = say(site)
    unsubscribe(site.app.store, ids(site)["ada"], site.now, "by a link")
    fill_batches(parts(site.app), site.now)
    unsubscribe(site.app.store, ids(site)["bo"], site.now, "by a link")
    with site.app.store.write() as connection:
        suppressions.suppress(connection, "cy@example.org", "complained", site.now)
    site.advance(minutes=1)
    second = say(site, "Sorry again")
    send(site)
    assert subjects(site) == []
    with site.app.store.read() as connection:
        assert {(r.reason, r.number) for r in ledger.reasons(connection, first.id) if r.state == "excluded"} == {
            ("unsubscribed", 2), ("suppressed: complained", 1)}
        assert [(r.state, r.reason) for r in ledger.reasons(connection, second.id)] == [
            ("excluded", "suppressed: complained")]
    assert site.counts(first.id).holds
    assert site.counts(second.id).holds


def test_it_is_paused_and_cancelled_as_any_other(site: Any) -> None:
    notice = say(site)
    hold(site.app, notice, "wait")
    send(site)
    assert subjects(site) == []
    cancel(site.app, notice, "wrong words")
    send(site)
    counts = site.counts(notice.id)
    assert (counts.excluded, counts.holds, subjects(site)) == (3, True, [])
    with site.app.store.read() as connection:
        assert [r.reason for r in ledger.reasons(connection, notice.id)] == ["cancelled: wrong words"]


def test_one_that_is_in_doubt_waits_for_the_operator(copy_site: Callable, basic_config: str) -> None:
    """Its rows are called covered from the start, so `on_uncertain = "resend"` could not tell the first doubt from the
    second: it is the operator's word alone."""
    site = copy_site(filled, basic_config.replace("select = { limit = 500 }", 'on_uncertain = "resend"'))
    notice = say(site)
    fill_batches(parts(site.app), site.now)
    lease = new_lease("w1")
    with site.app.store.write() as connection:
        claimed = deliveries.claim(connection, lease, site.now, 1)
        assert deliveries.hand_over(connection, [claimed[0].id], lease, site.now)

    class Blind:
        def arrived(self, _envelope: Any) -> None:
            return None

    recover(Outbox(site.app.store, site.app.keyring, Blind(), new_lease("w2"), site.app.now), "w1")
    counts = site.counts(notice.id)
    assert (counts.uncertain, counts.waiting, counts.holds) == (1, 2, True)
    with site.app.store.write() as connection:
        assert deliveries.resend(connection, claimed[0].id, site.now)
    send(site)
    assert site.counts(notice.id).sent == 3


def test_nothing_is_stored_of_one_for_nobody(site: Any) -> None:
    for number in ids(site).values():
        unsubscribe(site.app.store, number, site.now, "by a link")
    with pytest.raises(UsageError, match="for nobody"):
        say(site)
    site.subscribe("dee@example.org")
    say(site)
    with pytest.raises(UsageError, match="very second"):
        say(site, "Other words")
    with site.app.store.read() as connection:
        assert len(connection.execute(select(digests)).all()) == 1


def test_its_batches_may_wait_for_a_week(site: Any) -> None:
    notice = say(site)
    with site.app.store.read() as connection:
        (until,) = connection.execute(select(batches.c.expires_at).where(batches.c.digest_id == notice.id)).scalars()
    assert until == site.now + timedelta(days=7)


def test_the_bytes_are_the_same_each_time(site: Any) -> None:
    newsletter = site.app.config.newsletters[0]
    digest = made_up(newsletter, site.now)
    words = Words("Sorry", "Sorry", "<p>Words.</p>")
    one, two = (press_announcement(site.app.templates(), site.app.config, newsletter, digest, words, nonce=NONCE)
                for _ in range(2))
    assert one == two
    long = press_announcement(site.app.templates(), site.app.config, newsletter, digest,
                              replace(words, html=f"<p>{'word ' * 100}</p>"), nonce=NONCE)
    assert len(long.preheader) <= 140
    assert long.preheader.endswith("word …")


STEPS = st.lists(st.sampled_from(["article", "digest", "announce", "fill", "deliver", "leave", "stop"]), max_size=14)


@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_life_with_announcements_tells_each_article_once(make_site: Callable, steps: list[str]) -> None:
    """Whatever happens in between: each of the people who stay is told each article once and each announcement once."""
    make_site.count = getattr(make_site, "count", 0) + 1  # type: ignore[attr-defined]
    site = make_site(name=f"site{make_site.count}")  # type: ignore[attr-defined]
    for name in ("ada", "bo"):
        site.subscribe(f"{name}@example.org")
    told = said = 0
    for step in (*steps, "digest", "deliver"):
        site.advance(minutes=1)
        if step == "article":
            told += 1
            site.accept([f"Article {told}"])
        elif step == "digest":
            compose_now(site.app, site.app.config.newsletters[0])
        elif step == "announce":
            said += 1
            say(site, f"Notice {said}")
        elif step == "fill":
            fill_batches(parts(site.app), site.now)
        elif step == "leave" and "bo" in ids(site):
            unsubscribe(site.app.store, ids(site)["bo"], site.now, "by a link")
        elif step == "deliver":
            send(site)
        elif step == "stop":  # a worker dies with something in its hands
            with site.app.store.write() as connection:
                deliveries.claim(connection, new_lease("dead"), site.now, 1)
            with site.app.store.write() as connection:
                for lease in deliveries.leases(connection, "dead"):
                    deliveries.give_back(connection, lease, site.now)
        for digest in site.digests():
            assert site.counts(digest.id).holds
    assert sorted(site.told("ada@example.org")) == sorted(f"Article {n}" for n in range(1, told + 1))
    notices = [s for s in (str(m["Subject"]) for m in site.mails() if m["To"] == "ada@example.org") if "Notice" in s]
    assert sorted(notices) == sorted(f"Notice {n}" for n in range(1, said + 1))


def test_two_that_wait_are_both_covered(site: Any) -> None:
    """The database has one open window a person: what an announcement writes must never be one."""
    say(site)
    site.advance(seconds=1)
    say(site, "Sorry again")
    fill_batches(parts(site.app), site.now)
    with site.app.store.write() as connection, pytest.raises(Exception, match="deliveries"):
        connection.execute(update(rows).values(covered=False))
    assert [d.announces for d in site.digests()] == [True, True]
    outbox = Outbox(site.app.store, site.app.keyring, site.app.transport(), new_lease("w"), site.app.now)
    assert deliver(outbox).total == 6


def test_it_can_be_left_by_mail_and_is_told_from_digests(copy_site: Callable, basic_config: str) -> None:
    site = copy_site(filled, basic_config.replace(
        "[preflight]", '[mail.returns]\naddress = "bounces@lantern.example"\nmaildir = "returned"\n[preflight]'))
    with site.app.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, site.now.isoformat())
    say(site)
    send(site)
    for mail in site.mails():
        assert "<mailto:bounces+u" in mail["List-Unsubscribe"]
        assert mail["Feedback-ID"].split(":")[1:3] == ["lantern", "Announcement"]
