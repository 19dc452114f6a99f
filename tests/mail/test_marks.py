"""Marks in mail addresses come back in any shape that mail servers give them, and nobody else can make one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config.mail import MARK_ROOM
from pipeline.errors import BroadsheetError
from pipeline.mail.marks import DELIVERY, LEAVE, LOCAL_PART, NOTICE, ROOM, find, mark, read, return_path
from pipeline.mail.tokens import Keyring

OLD, NEW, OTHER = "o" * 43, "n" * 43, "x" * 43
RING, ROTATED = Keyring((OLD,)), Keyring((NEW, OLD))
KINDS = st.sampled_from([DELIVERY, NOTICE, LEAVE])
IDS = st.integers(0, 2**63 - 1)


@given(KINDS, IDS, st.integers(0, 2**36 - 1))
@example(DELIVERY, 2**63 - 1, 0x555555555)
def test_a_mark_is_read_in_any_case(kind: str, number: int, capitals: int) -> None:
    made = mark(RING, kind, number)
    assert re.fullmatch("[a-z][a-z0-9]+", made), "an address is folded to small letters by some servers"
    folded = "".join(c.upper() if capitals >> place & 1 else c for place, c in enumerate(made))
    assert read(RING, made) == read(RING, folded) == (kind, number)
    address = return_path("bounces@lantern.example", made)
    assert len(address.partition("@")[0]) <= LOCAL_PART
    for seen in (address, address.upper(), f"<{address}>", f"rfc822; {address}",
                 f"SRS0=HHH=TT=lantern.example={address.replace('@', '=')}@forwarder.example",
                 f"prvs=1234567890={address}", f"bounces={made}@lantern.example"):
        assert find(RING, seen) == (kind, number)


@given(KINDS, IDS, KINDS, IDS)
def test_each_row_has_its_own(kind: str, number: int, other_kind: str, other: int) -> None:
    same = (kind, number) == (other_kind, other)
    assert (mark(RING, kind, number) == mark(RING, other_kind, other)) is same


@given(KINDS, st.integers(0, 10**6), st.integers(0, 40), st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"))
def test_a_changed_letter_makes_it_nobody_s(kind: str, number: int, place: int, letter: str) -> None:
    made = mark(RING, kind, number)
    place %= len(made)
    if made[place] != letter:
        changed = made[:place] + letter + made[place + 1:]
        assert read(RING, changed) is None
        assert find(RING, f"bounces+{changed}@lantern.example") is None


@given(KINDS, IDS)
def test_a_rotation_changes_no_byte_of_a_retry_and_forgets_no_mark(kind: str, number: int) -> None:
    made = mark(RING, kind, number)
    assert mark(ROTATED, kind, number) == made
    assert read(ROTATED, made) == (kind, number)
    assert read(Keyring((NEW, OTHER)), made) is None
    assert read(ROTATED, mark(Keyring((NEW,)), kind, number)) == (kind, number), "made while the new one was alone"


@given(st.text(max_size=80))
@example("bounces+d1@lantern.example")
@example("d" + "9" * 40 + "a" * 20)
@example("İ" * 30)
def test_anything_else_is_no_mark(text: str) -> None:
    assert read(RING, text) is None
    assert find(RING, text) is None


def test_of_several_ours_is_found() -> None:
    theirs, ours = mark(Keyring((OTHER,)), DELIVERY, 1), mark(RING, NOTICE, 2)
    assert find(RING, f"bounces+{theirs}@a.example, bounces+{ours}@b.example") == (NOTICE, 2)


def test_an_id_is_written_in_one_way_only() -> None:
    made = mark(RING, DELIVERY, 7)
    assert read(RING, made.replace("d7", "d07", 1)) is None


def test_an_address_too_long_for_a_mark_is_told() -> None:
    assert MARK_ROOM == ROOM, "the config refuses one"
    longest = mark(RING, DELIVERY, 2**63 - 1)
    assert len(return_path(f"{'b' * ROOM}@lantern.example", longest).partition("@")[0]) == LOCAL_PART
    with pytest.raises(BroadsheetError, match="no mark fits"):
        return_path(f"{'b' * (ROOM + 1)}@lantern.example", longest)
