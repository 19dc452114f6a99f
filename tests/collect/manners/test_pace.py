"""Sites have their turn: never too many at one, never too soon again, and nobody waits for another's sake."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners.pace import JITTER, MAX_SPACING, Pace, Turn, is_own, site_of

SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def paced(clock: Clock, *jobs: tuple[str, str], per_site: int = 1, chance: float = 0.0) -> Pace[str]:
    made: Pace[str] = Pace(SECOND, per_site=per_site, clock=clock, chance=lambda: chance)
    for job, site in jobs:
        made.put(job, site)
    return made


def take(pace: Pace[str]) -> Turn[str]:
    found = pace.next()
    assert isinstance(found, Turn), found
    return found


def test_each_site_waits_for_itself_only() -> None:
    clock = Clock()
    pace = paced(clock, ("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("c1", "c"))
    turns = [take(pace) for _ in range(3)]
    assert [t.job for t in turns] == ["a1", "b1", "c1"]
    assert pace.next() == float("inf"), "all sites are being asked"
    pace.done(turns[0])
    assert pace.next() == pytest.approx(1.0)
    clock.now += 1.0
    second = take(pace)
    assert second.job == "a2"
    clock.now += 60
    assert pace.next() == float("inf"), "a slow answer is waited for"
    pace.done(second)
    last = take(pace)
    for turn in (last, *turns[1:]):
        assert pace.next() == float("inf")
        pace.done(turn)
    assert pace.next() is None


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_spacing_gets_its_jitter(chance: float) -> None:
    clock = Clock()
    pace = paced(clock, ("a1", "a"), ("a2", "a"), chance=chance)
    pace.done(take(pace))
    assert pace.next() == pytest.approx(1.0 + JITTER * chance)


def test_what_is_nobody_s_is_not_spaced() -> None:
    pace = paced(Clock(), *((f"own{n}", "") for n in range(5)))
    assert [take(pace).job for _ in range(5)] == [f"own{n}" for n in range(5)]


def test_who_was_free_long_ago_does_not_jump_the_queue() -> None:
    clock = Clock()
    pace = paced(clock, ("a1", "a"), ("a2", "a"))
    pace.done(take(pace))
    clock.now += 1.0  # the second is free from now on
    pace.put("own", "")
    pace.put("b1", "b")
    assert [take(pace).job for _ in range(3)] == ["a2", "own", "b1"]


def test_a_crawl_delay_holds_from_the_last_request_on() -> None:
    clock = Clock()
    pace = paced(clock, ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"))
    first = take(pace)
    pace.done(first)  # the second is listed already
    pace.slow("a", 10 * SECOND)
    pace.slow("a", 5 * SECOND)
    assert take(pace).job == "b1"
    clock.now += 1.0
    assert pace.next() == pytest.approx(9.0)
    clock.now += 9.0
    pace.done(take(pace))
    assert pace.next() == pytest.approx(10.0)
    pace.slow("a", 3600 * SECOND)
    assert pace.next() == pytest.approx(10.0), "the clock shows when it was listed"
    clock.now += 10.0
    assert pace.next() == pytest.approx(MAX_SPACING.total_seconds() - 10.0)


def test_a_crawl_delay_known_beforehand_holds_from_the_first_request_on() -> None:
    clock = Clock()
    pace = paced(clock)
    pace.slow("a", 10 * SECOND)
    pace.slow("", 10 * SECOND)
    for job in ("a1", "a2"):
        pace.put(job, "a")
    pace.done(take(pace))
    assert pace.next() == pytest.approx(10.0)


def test_a_job_may_bring_others() -> None:
    pace = paced(Clock(), ("a1", "a"))
    first = take(pace)
    pace.put("page", "b")
    pace.done(first)
    assert take(pace).job == "page"


def test_closing_ends_it_and_gives_back_what_is_left() -> None:
    pace = paced(Clock(), ("a1", "a"), ("a2", "a"), ("b1", "b"), ("own", ""))
    turn = take(pace)
    assert sorted(pace.close()) == ["a2", "b1", "own"]
    assert pace.next() is None
    assert pace.take() is None
    pace.done(turn)
    assert pace.close() == []


jobs = st.lists(st.tuples(st.sampled_from("abcd ").map(str.strip), st.floats(0, 5)), max_size=60)


@given(jobs, st.integers(1, 3), st.integers(1, 4), st.floats(0, 0.99), st.data())
def test_whatever_comes_spacing_holds_and_every_job_has_its_turn(
    given_jobs: list[tuple[str, float]], per_site: int, workers: int, chance: float, data: st.DataObject
) -> None:
    """A simulation of `workers` threads; each job takes the time it was drawn with, and may bring another."""
    clock = Clock()
    pace: Pace[int] = Pace(SECOND, per_site=per_site, clock=clock, chance=lambda: chance)
    lasting = [seconds for _, seconds in given_jobs]
    for number, (site, _) in enumerate(given_jobs):
        pace.put(number, site)
    starts: dict[str, list[float]] = defaultdict(list)
    running: Counter[str] = Counter()
    under_way: list[tuple[float, int, Turn[int]]] = []
    handed: list[int] = []
    for _ in range(100_000):
        found = pace.next() if len(under_way) < workers else float("inf")
        if found is None:
            break
        if isinstance(found, Turn):
            handed.append(found.job)
            if not found.site.startswith(" "):
                running[found.site] += 1
                assert running[found.site] <= per_site
                starts[found.site].append(clock.now)
            heapq.heappush(under_way, (clock.now + lasting[found.job], found.job, found))
        elif under_way and under_way[0][0] <= clock.now + found:
            clock.now, _, turn = heapq.heappop(under_way)
            running[turn.site] -= 1
            if len(lasting) < 80 and data.draw(st.integers(0, 9)) == 0:
                lasting.append(1.0)
                pace.put(len(lasting) - 1, "b")
            pace.done(turn)
        else:
            assert found < 1000, "somebody waits for nothing"
            clock.now += found
    assert sorted(handed) == list(range(len(lasting)))
    for times in starts.values():
        assert all(later - earlier >= 1.0 - 1e-6 for earlier, later in pairwise(times))


def test_nobody_starves_beside_a_site_with_ten_thousand_jobs() -> None:
    """And an operation stays cheap: a fixed number of steps of the clock, not of the queue."""
    clock = Clock()
    pace = paced(clock, *((f"big{n}", "big") for n in range(10_000)), *((f"s{n}", f"site{n}") for n in range(1000)))
    order = []
    for _ in range(1001):
        turn = take(pace)
        order.append(turn.job)
        pace.done(turn)
    assert order == ["big0", *(f"s{n}" for n in range(1000))]
    clock.now += 1.0
    assert take(pace).job == "big1"
    assert len(pace._free) == 0


def test_an_equal_start_gives_turns_in_the_order_of_asking() -> None:
    clock = Clock()
    pace = paced(clock, *((f"{site}{n}", site) for n in range(3) for site in "abc"))
    order = []
    for _ in range(3):
        for _ in range(3):
            turn = take(pace)
            order.append(turn.job)
            pace.done(turn)
        clock.now += 1.0
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


# --- threads ---


def test_threads_share_the_work_and_all_go_home() -> None:
    pace: Pace[tuple[str, int]] = Pace(timedelta(milliseconds=5), chance=lambda: 0.0)
    for number in range(8):
        for site in "abcde":
            pace.put((site, number), site)
    log: list[tuple[str, int]] = []
    at: Counter[str] = Counter()
    too_many: list[str] = []
    lock = threading.Lock()

    def work() -> None:
        while (turn := pace.take()) is not None:
            with lock:
                log.append(turn.job)
                at[turn.site] += 1
                if at[turn.site] > 1:
                    too_many.append(turn.site)
            if turn.job == ("a", 0):
                pace.put(("late", 0), "late")
            with lock:
                at[turn.site] -= 1
            pace.done(turn)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert too_many == []
    assert sorted(log) == sorted(
        [(site, number) for site in "abcde" for number in range(8)] + [("late", 0)])
    assert time.monotonic() - started >= 7 * 0.005


def test_closing_wakes_all_who_wait() -> None:
    pace: Pace[int] = Pace(3600 * SECOND)
    for number in range(3):
        pace.put(number, "a")
    assert pace.take() is not None
    taken: list[object] = []
    threads = [threading.Thread(target=lambda: taken.append(pace.take()), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    assert taken == []
    assert pace.close() == [1, 2]
    for thread in threads:
        thread.join(5)
    assert taken == [None] * 4


def test_the_last_one_done_sends_home_who_waits_for_it() -> None:
    pace: Pace[int] = Pace(SECOND)
    pace.put(1, "a")
    turn = pace.take()
    assert turn is not None
    taken: list[object] = []
    threads = [threading.Thread(target=lambda: taken.append(pace.take()), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    assert taken == [], "it may still bring others"
    pace.done(turn)
    for thread in threads:
        thread.join(5)
    assert taken == [None] * 3


def test_a_job_put_later_wakes_one_who_waits_for_another_site() -> None:
    pace: Pace[str] = Pace(3600 * SECOND)
    pace.put("a1", "a")
    pace.put("a2", "a")
    first = pace.take()
    assert first is not None
    pace.done(first)
    taken: list[Turn[str] | None] = []
    thread = threading.Thread(target=lambda: taken.append(pace.take()), daemon=True)
    thread.start()
    time.sleep(0.02)
    pace.put("b1", "b")
    thread.join(5)
    assert [turn.job for turn in taken if turn] == ["b1"]
    pace.close()


# --- sites ---


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://blog.example.com/feed", "example.com"),
        ("https://EXAMPLE.com:8443/feed", "example.com"),
        ("https://www.example.co.uk./feed", "example.co.uk"),
        ("https://a.github.io/feed", "a.github.io"),
        ("https://b.github.io/feed", "b.github.io"),
        ("https://github.io/", "github.io"),
        ("https://www.city.kobe.jp/", "city.kobe.jp"),
        ("https://a.b.c.kobe.jp/", "b.c.kobe.jp"),
        ("https://x.y.unheard-of/", "y.unheard-of"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://www.xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://192.0.2.7:8000/feed", "192.0.2.7"),
        ("http://10.2.0.7/", "10.2.0.7"),
        ("http://[2001:db8::1]:8000/", "2001:db8::1"),
        ("http://localhost:8000/", "localhost"),
        ("http://nas/", "nas"),
        ("", ""), ("http://[bad", ""), ("not an address", ""), ("http://" + "ü" * 300 + ".example/", ""),
    ],
)
def test_a_site_is_what_can_be_registered(url: str, site: str) -> None:
    assert site_of(url) == site


@pytest.mark.parametrize(
    ("url", "networks", "own"),
    [
        ("http://127.0.0.1:8000/", ("127.0.0.0/8",), True),
        ("http://127.0.0.1:8000/", (), False),
        ("http://127.0.0.1:8000/", ("192.168.1.0/24",), False),
        ("http://192.168.1.77/", ("10.0.0.0/8", "192.168.1.5/24"), True),
        ("http://[fd00::1]/", ("fd00::/8",), True),
        ("http://[fd00::1]/", ("10.0.0.0/8",), False),
        ("http://nas/", ("192.168.1.0/24",), True),
        ("http://nas.home.arpa/", ("192.168.1.0/24",), True),
        ("http://nas.local/", (), False),
        ("https://blog.example/", ("192.168.1.0/24",), False),
    ],
)
def test_the_operator_s_own_machines(url: str, networks: tuple[str, ...], own: bool) -> None:
    assert is_own(url, networks) is own
