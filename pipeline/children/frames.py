"""Values as bytes, between two processes of which one may have been taken over by what it read.

The reader knows which type it expects, and the bytes only fill it in: whole numbers (lengths, counts, choices,
moments) in one run, text in another. They name no class, call nothing and refer to nothing, so the worst that forged
bytes can do is to be a wrong value of the right type; and no byte costs more than a small object. A pickle would be
a program; JSON would need the same checks after it, and its "[[[[" costs sixty bytes of memory a byte.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import EnumType
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Write = Callable[[Any, list[int], list[bytes]], None]
Read = Callable[["_Source"], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_HEAD = struct.Struct("=Q")


class Forged(Exception):
    """Bytes that are no value of the expected type."""


def encode(kind: object, value: Any) -> bytes:
    """Return `value`, which is of the type `kind`, as bytes.

    Known are str, int (clamped to 64 bits), bool, float, bytes, datetime, timedelta, enums, dataclasses that are
    made from their fields in order, tuple[X, ...], list[X] and unions. A datetime without a zone counts as UTC.
    Raises TypeError for other types, and for a value that is not of its type.
    """
    numbers: list[int] = []
    texts: list[bytes] = []
    _ways(kind)[0](value, numbers, texts)
    return b"".join((_HEAD.pack(len(numbers)), array("q", numbers).tobytes(), *texts))


def decode(kind: object, data: bytes | bytearray) -> Any:
    """Return the value of the type `kind` that `data` holds. Raises Forged, and nothing else, where it holds none."""
    try:
        source = _Source(data)
        value = _ways(kind)[1](source)
        source.finish()
    except (ValueError, OverflowError, IndexError, StopIteration, struct.error) as error:
        raise Forged(f"not a {getattr(kind, '__name__', kind)}: {type(error).__name__} {error}") from error
    return value


class _Source:
    """What has not been read yet of a frame."""

    __slots__ = ("at", "number", "text")

    def __init__(self, data: bytes | bytearray) -> None:
        (count,) = _HEAD.unpack_from(data)
        end = _HEAD.size + 8 * count
        if end > len(data):
            raise ValueError("too short")
        numbers = array("q")
        view = memoryview(data)
        numbers.frombytes(view[_HEAD.size : end])
        self.number: Callable[[], int] = iter(numbers).__next__
        self.text = bytes(view[end:])
        self.at = 0

    def finish(self) -> None:
        if self.at != len(self.text):
            raise ValueError("text is left over")
        try:
            self.number()
        except StopIteration:
            return
        raise ValueError("numbers are left over")


@lru_cache(maxsize=128)
def _ways(kind: object) -> tuple[Write, Read]:
    """How values of a type are written and read."""
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, EnumType):
        return _enum(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return _run(tuple, inner[0])
    if origin is tuple and Ellipsis not in inner:
        return _fixed(inner)
    if origin is list:
        return _run(list, inner[0])
    if origin in (Union, UnionType):
        return _choice(inner)
    raise TypeError(f"no bytes for a {kind}")


def _record(kind: type) -> tuple[Write, Read]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.init]
    ways = [_ways(hints[name]) for name in names]
    writers = [(name, write) for name, (write, _) in zip(names, ways, strict=True)]
    readers = [read for _, read in ways]

    def write(value: Any, numbers: list[int], texts: list[bytes]) -> None:
        if type(value) is not kind:
            raise TypeError(f"{type(value).__name__} is no {kind.__name__}")
        for name, write_field in writers:
            write_field(getattr(value, name), numbers, texts)

    def read(source: _Source) -> Any:
        return kind(*[read_field(source) for read_field in readers])

    return write, read


def _run(kind: type[list[Any] | tuple[Any, ...]], inner: object) -> tuple[Write, Read]:
    write_one, read_one = _ways(inner)

    def write(value: Any, numbers: list[int], texts: list[bytes]) -> None:
        numbers.append(len(value))
        for one in value:
            write_one(one, numbers, texts)

    def read(source: _Source) -> Any:
        count = source.number()
        if count < 0:
            raise ValueError("a negative count")
        return kind([read_one(source) for _ in range(count)])  # ends with the numbers, however many it claims

    return write, read


def _fixed(inner: tuple[object, ...]) -> tuple[Write, Read]:
    ways = [_ways(one) for one in inner]

    def write(value: Any, numbers: list[int], texts: list[bytes]) -> None:
        for one, (write_one, _) in zip(value, ways, strict=True):
            write_one(one, numbers, texts)

    def read(source: _Source) -> Any:
        return tuple([read_one(source) for _, read_one in ways])

    return write, read


def _choice(inner: tuple[object, ...]) -> tuple[Write, Read]:
    ways = [_ways(one) for one in inner]
    number_of = {get_origin(one) or one: number for number, one in enumerate(inner)}

    def write(value: Any, numbers: list[int], texts: list[bytes]) -> None:
        number = number_of.get(type(value))
        if number is None:
            raise TypeError(f"{type(value).__name__} is none of {inner}")
        numbers.append(number)
        ways[number][0](value, numbers, texts)

    def read(source: _Source) -> Any:
        return ways[_index(source, len(ways))][1](source)

    return write, read


def _enum(kind: EnumType) -> tuple[Write, Read]:
    choices: list[Any] = list(kind)
    number_of = {choice: number for number, choice in enumerate(choices)}

    def write(value: Any, numbers: list[int], _texts: list[bytes]) -> None:
        numbers.append(number_of[value])

    def read(source: _Source) -> Any:
        return choices[_index(source, len(choices))]

    return write, read


def _index(source: _Source, count: int) -> int:
    number = source.number()
    if not 0 <= number < count:
        raise ValueError("a choice that there is not")
    return number


def _write_bytes(value: bytes, numbers: list[int], texts: list[bytes]) -> None:
    numbers.append(len(value))
    texts.append(value)


def _read_bytes(source: _Source) -> bytes:
    length = source.number()
    start = source.at
    source.at = end = start + length
    if length < 0 or end > len(source.text):
        raise ValueError("a length beyond the end")
    return source.text[start:end]


def _write_str(value: str, numbers: list[int], texts: list[bytes]) -> None:
    data = value.encode("utf-8", "surrogatepass")
    numbers.append(len(data))
    texts.append(data)


def _read_str(source: _Source) -> str:
    return _read_bytes(source).decode("utf-8", "surrogatepass")


def _write_int(value: int, numbers: list[int], _texts: list[bytes]) -> None:
    numbers.append(min(max(int(value), _LEAST), _MOST))


def _write_float(value: float, numbers: list[int], _texts: list[bytes]) -> None:
    numbers.append(struct.unpack("=q", struct.pack("=d", value))[0])


def _read_float(source: _Source) -> float:
    return float(struct.unpack("=d", struct.pack("=q", source.number()))[0])


def _write_datetime(value: datetime, numbers: list[int], _texts: list[bytes]) -> None:
    numbers.append(((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND)


def _write_timedelta(value: timedelta, numbers: list[int], _texts: list[bytes]) -> None:
    _write_int(value // _MICROSECOND, numbers, _texts)


_PLAIN: dict[type, tuple[Write, Read]] = {
    str: (_write_str, _read_str),
    bytes: (_write_bytes, _read_bytes),
    int: (_write_int, lambda source: source.number()),
    bool: (_write_int, lambda source: _index(source, 2) == 1),
    float: (_write_float, _read_float),
    datetime: (_write_datetime, lambda source: _EPOCH + timedelta(microseconds=source.number())),
    timedelta: (_write_timedelta, lambda source: timedelta(microseconds=source.number())),
    NoneType: (lambda _value, _numbers, _texts: None, lambda _source: None),
}
