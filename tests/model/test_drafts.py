"""What becomes of a digest at its slot, each case by itself; and an operator's edits, which survive being stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.drafts import UNAPPROVED, HeldBy, SlotAction, decide_slot
from pipeline.model.edits import Edits
from pipeline.model.newsletters import DIGEST_MOVES, DigestStatus

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
D, A = DigestStatus, SlotAction
LATE = "4 h late"

# status, held by; then for (approved, late, needs a word), each no or yes, what is done at the slot
AT_THE_SLOT = [
    #                       ---        needs      late      late+needs  approved (whatever else)
    (D.DRAFT, "",           A.FREEZE,  A.HOLD,    A.SKIP,   A.SKIP,     A.FREEZE),
    (D.APPROVED, "",        A.FREEZE,  A.HOLD,    A.SKIP,   A.SKIP,     A.FREEZE),
    (D.HELD, HeldBy.ERROR,  A.FREEZE,  A.HOLD,    A.SKIP,   A.SKIP,     A.FREEZE),
    (D.HELD, HeldBy.PREFLIGHT, A.FREEZE, A.HOLD,  A.SKIP,   A.SKIP,     A.FREEZE),
    (D.HELD, HeldBy.OPERATOR, A.WAIT,  A.WAIT,    A.WAIT,   A.WAIT,     A.WAIT),
    (D.HELD, HeldBy.SILENCE, A.WAIT,   A.WAIT,    A.WAIT,   A.WAIT,     A.WAIT),
    *((status, "", *[A.NOTHING] * 5)
      for status in (D.FROZEN, D.SENDING, D.PAUSED, D.DONE, D.SKIPPED, D.CANCELLED)),
]


def decide(status: DigestStatus, held_by: str, *, approved: bool, late: bool, needs: bool, at: datetime = NOW):
    return decide_slot(status, held_by, approved=approved, late=LATE if late else "", now=at, due_at=NOW,
                       needs_word=needs)


@pytest.mark.parametrize("row", AT_THE_SLOT, ids=lambda row: f"{row[0]} {row[1]}".strip())
def test_at_the_slot(row: tuple) -> None:
    status, held_by, plain, needs, late, both, approved = row
    expected = {(False, False): plain, (False, True): needs, (True, False): late, (True, True): both}
    for (is_late, needs_word), action in expected.items():
        assert decide(status, held_by, approved=False, late=is_late, needs=needs_word)[0] is action
        assert decide(status, held_by, approved=True, late=is_late, needs=needs_word)[0] is approved


def test_every_status_and_holder_is_in_the_table() -> None:
    held = {row[1] for row in AT_THE_SLOT if row[0] is D.HELD}
    assert {row[0] for row in AT_THE_SLOT} == set(D)
    assert held == set(HeldBy)


@pytest.mark.parametrize("values", list(product([False, True], repeat=3)))
def test_before_the_slot_whatever_is_open_waits(values: tuple[bool, ...]) -> None:
    approved, late, needs = values
    for status, held_by, *_ in AT_THE_SLOT:
        early = decide(status, held_by, approved=approved, late=late, needs=needs, at=NOW - timedelta(seconds=1))
        is_open = status in (D.DRAFT, D.APPROVED, D.HELD)
        assert early == ((A.WAIT, "its slot is to come") if is_open else (A.NOTHING, ""))


def test_reasons() -> None:
    assert decide(D.DRAFT, "", approved=False, late=True, needs=False) == (A.SKIP, LATE)
    assert decide(D.DRAFT, "", approved=False, late=False, needs=True) == (A.HOLD, UNAPPROVED)
    assert decide(D.DRAFT, "", approved=False, late=False, needs=False) == (A.FREEZE, "")


def test_what_is_decided_is_a_move_that_exists() -> None:
    moves = {A.FREEZE: D.FROZEN, A.HOLD: D.HELD, A.SKIP: D.SKIPPED}
    for status, held_by, *_ in AT_THE_SLOT:
        for approved, late, needs in product([False, True], repeat=3):
            action, _ = decide(status, held_by, approved=approved, late=late, needs=needs)
            assert action not in moves or moves[action] in DIGEST_MOVES[status]


# --- edits ---


def test_dropping_and_keeping_undo_each_other() -> None:
    edits = Edits().dropping([3, 5, 3])
    assert (edits.drop, edits.keep) == ((3, 5), ())
    kept = edits.keeping([5, 9])
    assert (kept.drop, kept.keep) == ((3,), (5, 9))
    assert kept.dropping([9]).keep == (5,)
    assert Edits(order=(1, 2, 3)).dropping([2]).order == (1, 3), "what is dropped stands nowhere"


def test_pinning() -> None:
    edits = Edits().pinning([4]).pinning([7, 7, 2])
    assert edits.order == (7, 2, 4)
    assert [edits.rank(i) for i in (7, 2, 4, 1)] == [1, 2, 3, 0]
    assert edits.pinning([4]).order == (4, 7, 2), "to the very top"
    assert edits.unpinning([2, 99]).order == (7, 4)


def test_annotating() -> None:
    edits = Edits().annotating(1, "one").annotating(2, "two").annotating(1, "other")
    assert edits.notes == {1: "other", 2: "two"}
    assert edits.annotating(1, "").notes == {2: "two"}
    assert edits.annotating(9, "").notes == edits.notes


def test_nothing_changed_is_nothing_stored() -> None:
    assert Edits().to_json() == {}
    assert Edits().dropping([1]).keeping([1]).to_json() == {"keep": (1,)}
    assert Edits.from_json({}) == Edits()


IDS = st.lists(st.integers(1, 9), max_size=4)
WORDS = st.text(max_size=30)
CHANGES = st.lists(st.one_of(
    st.tuples(st.sampled_from(["dropping", "keeping", "pinning", "unpinning"]), IDS),
    st.tuples(st.just("annotating"), st.integers(1, 9), WORDS)), max_size=8)


@given(CHANGES, WORDS, WORDS, st.booleans())
def test_edits_survive_being_stored(changes: list, introduction: str, subject: str, anyway: bool) -> None:
    edits = replace(Edits(), introduction=introduction, subject=subject, anyway=anyway)
    for name, *values in changes:
        edits = getattr(edits, name)(*values)
        assert not set(edits.drop) & set(edits.keep)
        assert all(len(set(some)) == len(some) for some in (edits.drop, edits.keep, edits.order))
    assert Edits.from_json(json.loads(json.dumps(edits.to_json()))) == edits
