"""Who gets a digest: each reason by itself, and a life in which everything happens, told by a model in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.compose.fill import (
    BEYOND,
    IN_FLIGHT,
    NEWER,
    NOTHING_LATER,
    NOTHING_NEW,
    TOO_EARLY,
    TOO_FEW,
    DigestFacts,
    decide_fill,
)
from pipeline.compose.window import Reach, decide_reach
from pipeline.model.deliveries import COVERED, LIVE, UNSENT, DeliveryState, LiveDelivery, PersonFacts
from pipeline.model.newsletters import Window
from pipeline.model.selection import Candidate, Rules
from pipeline.model.subscribers import Vantage

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
S = DeliveryState


def article(seq: int, *, story: int = 0, fresh: bool = True, told: bool = False, topic: str = "city") -> Candidate:
    return Candidate(seq, "desk", (topic,), story or seq, seq, NOW + timedelta(minutes=seq), fresh, told)


def digest(from_seq: int = 0, cut_seq: int = 10, **values: object) -> DigestFacts:
    candidates = [article(seq) for seq in range(from_seq + 1, cut_seq + 1)]
    return replace(DigestFacts(from_seq, cut_seq, False, Rules(limit=100), candidates), **values)


def person(covered_until: int = 0, live: LiveDelivery | None = None, **values: object) -> PersonFacts:
    return replace(PersonFacts(1, True, "", 0, covered_until, live), **values)


def open_delivery(state: DeliveryState, cut_seq: int = 5) -> LiveDelivery:
    return LiveDelivery(7, state, cut_seq, 0, NOW, None)


@pytest.mark.parametrize(("who", "what", "reason"), [
    (person(confirmed=False), digest(), "unsubscribed"),
    (person(suppressed="complained"), digest(), "suppressed: complained"),
    (person(10), digest(), NOTHING_LATER),
    (person(11), digest(), NOTHING_LATER),
    (person(10, start_seq=10), digest(), TOO_EARLY),
    (person(2), digest(3), BEYOND),
    (person(live=open_delivery(S.HANDED)), digest(), IN_FLIGHT),
    (person(live=open_delivery(S.HANDED, cut_seq=11)), digest(), IN_FLIGHT),
    (person(live=open_delivery(S.QUEUED, cut_seq=11)), digest(), NEWER),
    (person(), digest(candidates=[]), NOTHING_NEW),
    (person(9), digest(rules=Rules(min_articles=2)), TOO_FEW),
    (person(), digest(cancelled="by the desk"), "cancelled: by the desk"),
    (person(confirmed=False), digest(cancelled="by the desk"), "cancelled: by the desk"),
])
def test_each_reason(who: PersonFacts, what: DigestFacts, reason: str) -> None:
    verdict = decide_fill(who, what)
    assert verdict.selection is None
    assert verdict.supersedes is None, "whoever is left out keeps what they had"
    row = verdict.row()
    assert (row.state, row.reason) == (S.EXCLUDED, reason)
    assert row.covered is (reason == NOTHING_NEW)


def test_the_window_starts_where_the_last_one_ended() -> None:
    verdict = decide_fill(person(4), digest(2))
    assert verdict.window == Window(4, 10)
    assert [c.accepted_seq for c in verdict.selection.articles] == [10, 9, 8, 7, 6, 5]
    assert verdict.row(3).selection_id == 3


def test_a_capped_digest_starts_at_its_own_reach() -> None:
    verdict = decide_fill(person(0), digest(6, capped=True))
    assert verdict.window == Window(6, 10)
    assert decide_fill(person(8), digest(6, capped=True)).window == Window(8, 10)


@pytest.mark.parametrize("state", [S.QUEUED, S.CLAIMED, S.DEFERRED])
@pytest.mark.parametrize("cut", [5, 10])
def test_the_older_open_window_is_taken_over(state: DeliveryState, cut: int) -> None:
    older = open_delivery(state, cut)
    assert decide_fill(person(live=older), digest()).supersedes == older


def test_nothing_new_is_not_read_while_an_older_window_is_open() -> None:
    """It may still fail, and what it held would then be lost with it."""
    verdict = decide_fill(person(live=open_delivery(S.QUEUED)), digest(candidates=[]))
    assert not verdict.covered
    assert verdict.supersedes is None


def test_reach() -> None:
    assert decide_reach({}, 9) == Reach(9, 9, 9)
    assert decide_reach({Vantage(3, 0): 1, Vantage(7, 2): 5, Vantage(7, 0): 1}, 9) == Reach(3, 7, 9)
    assert decide_reach({Vantage(3, 0): 2, Vantage(7, 0): 2}, 9) == Reach(3, 3, 9), "a tie: the older one"
    assert decide_reach({Vantage(5, 0): 2, Vantage(5, 1): 1, Vantage(2, 0): 2}, 9).public_from_seq == 5, "together"
    assert decide_reach({Vantage(12, 0): 9, Vantage(4, 0): 1}, 9) == Reach(4, 4, 9), "who came after the cut"


# --- a life ---


@dataclass
class Delivery:
    digest: int
    window: Window
    cut: int
    state: DeliveryState
    articles: tuple[int, ...] = ()
    covered: bool = False
    start: int = 0              # of the subscription, when it was filled
    arrived: int = 0            # times it truly came; the ledger can't see this
    resends: int = 0


@dataclass
class Frozen:
    facts: DigestFacts
    selected: bool
    filled: bool = False


@dataclass
class Life:
    """One person, and a newsletter with stories told twice. Every rule of the ledger that bears on windows."""

    confirmed: bool = True
    suppressed: bool = False
    start: int = 0
    seq: int = 0
    stories: dict[int, int] = field(default_factory=dict)        # accepted_seq -> story
    digests: list[Frozen] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    told: set[int] = field(default_factory=set)                  # candidates of frozen digests

    @property
    def covered_until(self) -> int:
        return max([self.start, *(d.cut for d in self.deliveries if d.covered)])

    @property
    def live(self) -> list[int]:
        return [i for i, d in enumerate(self.deliveries) if d.state in LIVE and not d.covered]

    def accept(self, repeat: int) -> None:
        self.seq += 1
        earlier = sorted(set(self.stories.values()))
        self.stories[self.seq] = earlier[repeat % len(earlier)] if repeat and earlier else self.seq

    def freeze(self, selected: bool, other: int) -> None:
        """`other` is how far back somebody else's window reaches: candidates are those of the whole audience."""
        counted = selected and self.confirmed and not self.suppressed
        base = min([min(other, self.seq), *([self.covered_until] if counted else [])])
        new = [s for s in self.stories if s > base]
        if not new:
            return
        wanted = {self.stories[s] for s in new}
        fresh = [article(s, story=self.stories[s], told=s in self.told) for s in new]
        earlier = [article(s, story=self.stories[s], fresh=False, told=True)
                   for s in self.stories if s <= base and self.stories[s] in wanted and s in self.told]
        facts = DigestFacts(base, self.seq, False, Rules(limit=1000), fresh + earlier)
        self.digests.append(Frozen(facts, selected and self.confirmed))
        self.told.update(new)

    def fill(self, number: int) -> None:
        waiting = [d for d in self.digests if d.selected and not d.filled]
        if not waiting:
            return
        one = waiting[number % len(waiting)]
        one.filled = True
        live = self.live
        assert len(live) <= 1, "two open windows"
        older = self.deliveries[live[0]] if live else None
        facts = PersonFacts(1, self.confirmed, "x" if self.suppressed else "", self.start, self.covered_until,
                            LiveDelivery(live[0], older.state, older.cut, 0, NOW, None) if older else None,
                            told=self.known())
        verdict = decide_fill(facts, one.facts)
        if verdict.supersedes:
            assert older.state in UNSENT, "what may have gone is not taken back"
            older.state = S.EXCLUDED
        row = verdict.row()
        assert row.state is S.EXCLUDED or (self.confirmed and not self.suppressed)
        chosen = tuple(c.accepted_seq for c in verdict.selection.articles) if verdict.selection else ()
        self.deliveries.append(Delivery(self.digests.index(one), verdict.window, row.cut_seq, row.state, chosen,
                                        row.covered, self.start))

    def known(self) -> dict[int, int]:
        """What the person was told: article -> revision."""
        return {seq: 1 for d in self.deliveries if d.covered for seq in d.articles}

    def move(self, which: int, how: int) -> None:
        if not self.deliveries:
            return
        one = self.deliveries[-1 - which % min(3, len(self.deliveries))]
        choices = {
            S.QUEUED: (S.CLAIMED, S.CLAIMED, S.FAILED), S.DEFERRED: (S.CLAIMED, S.CLAIMED, S.FAILED),
            S.CLAIMED: (S.HANDED, S.HANDED, S.HANDED, S.QUEUED, S.DEFERRED, S.BOUNCED),
            S.HANDED: (S.SENT, S.SENT, S.SENT, S.DEFERRED, S.BOUNCED, S.FAILED, S.UNCERTAIN, S.UNCERTAIN),
            S.UNCERTAIN: (S.QUEUED, S.SENT) if self.confirmed and not one.resends else (),
        }.get(one.state, ())
        if not choices:
            return
        target = choices[how % len(choices)]
        if one.state is S.HANDED and target in COVERED:
            one.arrived += 1  # an uncertain one may have arrived; a second time by a resend is what was asked for
        one.resends += one.state is S.UNCERTAIN and target is S.QUEUED
        one.covered = one.covered or target in COVERED
        one.state = target

    def leave(self) -> None:
        self.confirmed = False
        for one in self.deliveries:
            if one.state in UNSENT:
                one.state = S.EXCLUDED

    def join(self) -> None:
        if not self.confirmed:
            self.confirmed, self.start = True, self.seq

    def settle(self) -> None:
        """Everything that is owed goes out: late fills, then what waits, then one more digest of everybody."""
        self.suppressed = False
        self.join()
        for _ in range(3):
            while any(d.selected and not d.filled for d in self.digests):
                self.fill(0)
            for one in self.deliveries:
                if one.state in LIVE:
                    one.arrived += 1
                    one.state, one.covered = S.SENT, True
            self.freeze(selected=True, other=self.seq)

    def read(self) -> list[int]:
        """What ever came."""
        return [seq for d in self.deliveries if d.arrived or d.covered for seq in d.articles]


STEPS = ("accept",) * 5 + ("repeat",) * 3 + ("freeze",) * 5 + ("fill",) * 5 + ("move",) * 12 + (
    "leave", "join", "join", "suppress", "allow", "allow")


def walk(seed: int, length: int = 70) -> list[tuple[str, int, int]]:
    draw = Random(seed)
    return [(draw.choice(STEPS), draw.randrange(12), draw.randrange(24)) for _ in range(length)]


def live_through(script: list[tuple[str, int, int]]) -> Life:
    life = Life()
    for name, a, b in script:
        if name in ("accept", "repeat"):
            life.accept(a + 1 if name == "repeat" else 0)
        elif name == "freeze":
            life.freeze(selected=b > 2, other=max(0, life.seq - a))
        elif name == "fill":
            life.fill(a)
        elif name == "move":
            life.move(a, b)
        elif name == "leave" and b < 12:
            life.leave()
        elif name == "join":
            life.join()
        elif name in ("suppress", "allow"):
            life.suppressed = name == "suppress" and b < 12
    life.settle()
    return life


def judge(life: Life) -> None:
    read = life.read()
    assert len(read) == len(set(read)), f"told twice: {sorted(s for s in read if read.count(s) > 1)}"
    told = [life.stories[s] for s in read]
    assert len(told) == len(set(told)), "a story twice"
    # since they last came: each story accepted after that was told, then or before
    stories = set(told)
    lost = [s for s in life.stories if s > life.start and life.stories[s] not in stories]
    assert not lost, f"silently missed: {lost}"


@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_nobody_is_told_twice_and_nobody_silently_misses_anything(seed: int) -> None:
    judge(live_through(walk(seed)))


def test_the_walks_go_everywhere() -> None:
    """Positive control of the one above: every verdict is met, and every end of a delivery."""
    lives = [live_through(walk(seed)) for seed in range(60)]
    assert {d.state for life in lives for d in life.deliveries} >= {
        S.SENT, S.BOUNCED, S.FAILED, S.EXCLUDED, S.UNCERTAIN}
    assert any(d.resends for life in lives for d in life.deliveries)
    assert any(life.start for life in lives)


@pytest.mark.parametrize(("damage", "found"), [("forgotten cover", "twice"), ("cover without arrival", "missed")])
def test_the_judge_sees_a_broken_rule(damage: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: forget a covered window, or count one as read that never came."""
    def start(life: Life) -> int:
        return max([life.start, *(d.cut for d in life.deliveries)]) if found == "missed" else life.start

    def judge_all() -> None:
        for seed in range(60):
            judge(live_through(walk(seed)))

    monkeypatch.setattr(Life, "covered_until", property(start))
    if found == "twice":  # either of the two alone is enough
        monkeypatch.setattr(Life, "known", lambda _life: {})
    with pytest.raises(AssertionError, match=found):
        judge_all()
