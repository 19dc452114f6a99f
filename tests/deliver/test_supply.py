"""Who gets which message: relays by their weight, domains by their pace, and what happens when a way goes down."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from pipeline.deliver.pace import Limits, Pace
from pipeline.deliver.supply import AHEAD, Supply
from pipeline.deliver.transport import Way
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store.deliveries import Claimed

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
SENT = Outcome(DeliveryState.SENT, "250 ok", 250)


def no_way() -> None:
    raise TransportError("nobody", "opens this")


def way(name: str = "a", **values: object) -> Way:
    return Way(name, no_way, **values)  # type: ignore[arg-type]


def claimed(number: int, domain: str = "example.org") -> Claimed:
    return Claimed(number, 1, 1, number, 1, f"reader{number}@{domain}", NOW, 0, None, NOW, None, False, "w.x.1")


def supply(*ways: Way, domains: tuple[str, ...] = ("example.org",) * 10, pace: Pace | None = None) -> Supply:
    made = Supply(ways or (way(),), pace or Pace(), [claimed(n, d) for n, d in enumerate(domains, 1)], lambda: NOW)
    made.add([])  # nothing more is to come
    return made


def test_each_once_in_order() -> None:
    mine = supply()
    assert [mine.take(way(), wait=True).id for _ in range(10)] == list(range(1, 11))
    assert mine.take(way(), wait=True) is None


def test_a_domain_that_is_full_lets_others_pass() -> None:
    mine = supply(domains=("slow.example", "slow.example", "fast.example", "slow.example"),
                  pace=Pace({"slow.example": Limits(connections=1)}))
    first, second = mine.take(way(), wait=True), mine.take(way(), wait=True)
    assert (first.id, second.id) == (1, 3)
    assert mine.take(way(), wait=False) is None
    mine.ended(way(), first, SENT)
    assert mine.take(way(), wait=True).id in (2, 4)


def test_a_domain_that_asks_for_a_long_pause_is_put_off() -> None:
    mine = supply(domains=("slow.example", "fast.example", "slow.example"))
    first = mine.take(way(), wait=True)
    slow = Outcome(DeliveryState.DEFERRED, "421 4.7.0 too fast", 421, slow_down=True, about="domain")
    for _ in range(6):
        mine._pace.began("slow.example", 0.0)
        mine._pace.ended("slow.example", 10**9, slow_down=True)
    mine.ended(way(), first, slow)
    assert mine.take(way(), wait=True).id == 2
    assert mine.take(way(), wait=False) is None
    ((one, pause),) = mine.postponed()
    assert one.id == 3
    assert pause > 60


def test_a_domain_that_said_no_is_put_off_until_then() -> None:
    mine = supply(domains=("no.example", "yes.example"))
    mine.stop("no.example", NOW + timedelta(hours=1))
    assert mine.take(way(), wait=True).id == 2
    assert [(one.id, pause) for one, pause in mine.postponed()] == [(1, 3600.0)]


def test_relays_get_their_share() -> None:
    big, small = way("big", weight=3), way("small", weight=1)
    mine = supply(big, small, domains=("example.org",) * 1000)
    for one in (big, small):
        mine.opening(one)
        mine.opened(one)
    given = {"big": 0, "small": 0}
    turns = [big, small] * 1000
    for turn in turns:  # both as fast as they can
        if (one := mine.take(turn, wait=False)) is not None:
            given[turn.name] += 1
            mine.ended(turn, one, SENT)
    assert sum(given.values()) == 1000
    assert abs(given["big"] - 3 * given["small"]) <= 4 * AHEAD


def test_a_way_that_is_down_gets_nothing_and_holds_nobody_up() -> None:
    a, b = way("a"), way("b")
    mine = supply(a, b, domains=("example.org",) * 200)
    mine.opening(a)
    mine.opened(a)
    mine.opening(b)
    mine.opened(b, "can't be reached")
    assert mine.take(b, wait=True) is None
    taken = 0
    while (one := mine.take(a, wait=True)) is not None:
        mine.ended(a, one, SENT)
        taken += 1
    assert taken == 200


def test_one_of_several_connections_that_is_refused_is_no_way_down() -> None:
    """A relay that takes two connections and no third."""
    a = way("a", connections=3)
    mine = supply(a)
    for problem in ("", "", "421 too many"):
        mine.opening(a)
        mine.opened(a, problem)
    assert mine.take(a, wait=True) is not None
    assert not mine.bars(a, claimed(9))


def test_what_was_put_back_goes_to_the_next_who_waits() -> None:
    mine = supply(domains=("example.org",))
    one = mine.take(way(), wait=True)
    mine.add([claimed(2)])
    second = mine.take(way(), wait=True)
    found: list[Claimed | None] = []
    waiting = threading.Thread(target=lambda: found.append(mine.take(way(), wait=True)))
    waiting.start()
    mine.put_back(way(), one)
    waiting.join(3)
    assert found == [one]
    assert second.id == 2


def test_a_policy_refusal_of_a_relay_ends_it() -> None:
    mine = supply()
    one = mine.take(way(), wait=True)
    mine.ended(way(), one, Outcome(DeliveryState.FAILED, "554 5.7.1 no", 554, stop=True, about="relay"))
    assert mine.bars(way(), claimed(9))
    assert mine.take(way(), wait=True) is None


def test_a_domain_that_said_no_is_barred_at_once() -> None:
    mine = supply(domains=("no.example", "no.example", "yes.example"))
    first = mine.take(way(), wait=True)
    mine.ended(way(), first, Outcome(DeliveryState.FAILED, "554 5.7.1 no", 554, stop=True, about="domain"))
    assert mine.bars(way(), claimed(2, "no.example"))
    assert not mine.bars(way(), claimed(3, "yes.example"))
    assert mine.take(way(), wait=True).id == 3
