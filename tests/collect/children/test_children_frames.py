"""What a child answers is not believed: bytes become a value of the expected type, or are refused."""

from __future__ import annotations

import os
import pickle
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.children.frames import Forged, decode, encode
from pipeline.children.messages import ANSWER, RESULT
from pipeline.collect.children.answers import FeedRead
from pipeline.collect.children.pool import ChildLimits, Children, TooCostly
from pipeline.errors import ParseError
from pipeline.model.articles import Draft, Enclosure, Extra, Found, Show
from pipeline.model.sources import Hints

TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)  # lone surrogates too
MOMENTS = st.datetimes(timezones=st.just(UTC))
LONG = st.integers(-(2**63), 2**63 - 1)
DRAFTS = st.builds(
    Draft, guid=TEXT, url=TEXT, url_key=TEXT, content_hash=TEXT, title=TEXT, author=TEXT, summary=TEXT, html=TEXT,
    published_at=MOMENTS, dated=st.booleans(), updated_at=st.none() | MOMENTS, topics=st.lists(TEXT).map(tuple),
    language=TEXT, rights=TEXT, licence=TEXT, image=TEXT, pointer=st.booleans(), text_note=TEXT,
    enclosures=st.lists(st.builds(Enclosure, TEXT, TEXT, LONG)).map(tuple),
    extras=st.lists(st.builds(Extra, TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT)).map(tuple))).map(tuple),
)
READS = st.builds(
    FeedRead, TEXT, TEXT, st.lists(DRAFTS, max_size=3).map(tuple),
    st.builds(Hints, st.timedeltas(-timedelta(9999), timedelta(9999)), st.lists(st.integers(0, 23)).map(tuple)),
    st.lists(TEXT, max_size=2).map(tuple),
)


@dataclass(frozen=True)
class Other:
    share: float
    show: Show
    raw: bytes
    more: list[Show | None] | str


@given(READS)
def test_what_goes_in_comes_out(read: FeedRead) -> None:
    assert decode(FeedRead, encode(FeedRead, read)) == read


@given(st.builds(Other, st.floats(allow_nan=False), st.sampled_from(Show), st.binary(),
                 st.lists(st.none() | st.sampled_from(Show)) | TEXT))
def test_other_types_too(other: Other) -> None:
    assert decode(Other, encode(Other, other)) == other
    assert decode(Found | Other | None, encode(Found | Other | None, other)) == other


def test_moments_become_utc_and_huge_numbers_small_enough_to_store() -> None:
    naive, local = datetime(1, 1, 1), datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=2)))  # noqa: DTZ001
    assert decode(datetime, encode(datetime, naive)) == naive.replace(tzinfo=UTC)
    assert decode(datetime, encode(datetime, local)) == local
    assert decode(int, encode(int, 10**30)) == 2**63 - 1


@pytest.mark.parametrize(("kind", "value"), [
    (str, 3), (Found, Show.FULL), (Show | None, "summary"), (dict, {}), (dict[str, str], {}), (set[int], {1}),
    (tuple[int, int], (1,)),
])
def test_what_is_not_of_its_type_is_not_written(kind: object, value: object) -> None:
    with pytest.raises((TypeError, AttributeError, ValueError)):
        encode(kind, value)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    _read_or_refused(data)


@given(READS, st.data())
def test_tampered_bytes_are_a_value_or_refused(read: FeedRead, data: st.DataObject) -> None:
    frame = bytearray(encode(FeedRead, read))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    del frame[data.draw(st.integers(len(frame) // 2, len(frame))):]
    _read_or_refused(bytes(frame))


def _read_or_refused(data: bytes) -> None:
    try:
        read = decode(FeedRead, data)
    except Forged:
        return
    assert type(read) is FeedRead
    assert all(type(draft) is Draft and type(draft.title) is str for draft in read.drafts)


@pytest.mark.parametrize(("kind", "numbers", "text"), [
    (str, [5], b"four"),
    (str, [-1], b"text"),
    (str, [1, 1], b"x"),
    (str, [1], b"xx"),
    (str, [1], b"\xff"),
    (str, [2**62], b""),
    (tuple[str, str], [5, -1], b"four"),  # would be right in the end
    (bool, [2], b""),
    (Show, [-1], b""),
    (Show | None, [2], b""),
    (datetime, [2**62], b""),
    (tuple[str, ...], [-1], b""),
    (tuple[int, ...], [2**62, 1], b""),  # would be memory without end, if its count were believed
])
def test_forged_numbers_are_refused(kind: object, numbers: list[int], text: bytes) -> None:
    with pytest.raises(Forged):
        decode(kind, len(numbers).to_bytes(8, "little") + array("q", numbers).tobytes() + text)


class Bomb:
    """A pickle of it runs a command in whoever loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_forged_answer_runs_nothing(tmp_path: Path) -> None:
    """A child that was taken over answers with a program instead of a feed."""
    mark = tmp_path / "ran"
    payload = pickle.dumps(Bomb(mark))
    pickle.loads(payload)
    assert mark.exists(), "the control: the payload works on who trusts it"
    print(f"control: {len(payload)} bytes of pickle ran a command")
    mark.unlink()
    for data in (payload, (1).to_bytes(8, "little") + payload, encode(FeedRead, FeedRead("", "", ())) + payload):
        with pytest.raises(ParseError, match="makes no sense"):
            _ask(ANSWER.pack(RESULT, False, len(data)) + data)
    assert not mark.exists()


@pytest.mark.parametrize("answer", [
    ANSWER.pack(77, False, 0),
    ANSWER.pack(RESULT, False, 0),
    ANSWER.pack(RESULT, False, 3) + b"abcd",
    b"x" * 5_000,
])
def test_an_answer_that_is_none_is_refused_and_its_child_ended(answer: bytes) -> None:
    with pytest.raises(ParseError):
        _ask(answer)


def test_an_answer_without_end_is_not_waited_for() -> None:
    with pytest.raises(TooCostly, match="holds more than the 32 MB"):
        _ask(ANSWER.pack(RESULT, False, 2**63))


def test_more_than_an_answer_is_none() -> None:
    answer = encode(FeedRead, FeedRead("", "", ()))
    whole = ANSWER.pack(RESULT, False, len(answer)) + answer
    assert _ask(whole) == FeedRead("", "", ())
    with pytest.raises(ParseError, match="makes no sense"):
        _ask(whole + b"x")


def test_a_word_out_of_turn_ends_the_child() -> None:
    """What a child says when it was not asked could be taken for the answer to the next question."""
    answer = encode(FeedRead, FeedRead("", "", ()))
    program = _program(ANSWER.pack(RESULT, False, len(answer)) + answer, "; time.sleep(.05); os.write(1, b'more')")
    with Children(1, program=program) as children:
        children.work("feed", "s", url="u")
        (first,) = children._idle
        assert first._poll.poll(2_000)
        children.work("feed", "s", url="u")
        assert first.ended


def _ask(answer: bytes) -> object:
    with Children(1, ChildLimits(wall_s=3), program=_program(answer)) as children:
        try:
            return children.work("feed", "s", url="u")
        except ParseError:
            assert not children._idle
            raise


def _program(answer: bytes, then: str = "") -> str:
    return f"import os, sys, time; os.write(1, b'+'); os.read(0, 999); os.write(1, {answer!r}){then}; time.sleep(60)"
