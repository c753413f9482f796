"""As much of AMQP's encoding as the broker reads and writes itself (AMQP 1.0, part 1, section 1.6).

A value is a format code and a payload whose width the code's upper half tells, so that values can be stepped over, cut
out and joined without being understood.
"""

import struct
from datetime import UTC, datetime, timedelta

import msgspec

from simulator.servicebus import conditions
from simulator.servicebus.conditions import RefusedError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MAX_UINT32 = 2**32 - 1
NULL = b"\x40"
TRUE = b"\x41"

_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_SIZED_BY_ONE = {0xA, 0xC, 0xE}
_SIZED_BY_FOUR = {0xB, 0xD, 0xF}
_DESCRIPTOR = b"\x00"
_DESCRIBED = b"\x00\x53"
_EMPTY_LIST = 0x45
_UINTS = {0x43, 0x52, 0x70}


class Items(msgspec.Struct, frozen=True):
    """The encoded items of a list, or the keys and values of a map, one after the other."""

    encoded: bytes = b""
    count: int = 0

    def __add__(self, other: "Items") -> "Items":
        return Items(self.encoded + other.encoded, self.count + other.count)


class Section(msgspec.Struct, frozen=True):
    """A part of a message: a value with a one-byte descriptor, `code`. `encoded` is the whole of it."""

    code: int
    encoded: bytes

    @property
    def value(self) -> bytes:
        return self.encoded[3:]


def sections(encoded: bytes) -> list[Section]:
    """Cut a message into its sections.

    Raises:
        RefusedError: it is not a row of described values.
    """
    found = []
    start = 0
    while start < len(encoded):
        if encoded[start : start + 2] != _DESCRIBED:
            raise _malformed()
        end = _end_of(encoded, start + 3)
        found.append(Section(encoded[start + 2], encoded[start:end]))
        start = end
    return found


def binary_in(value: bytes) -> bytes:
    """What a binary or a string holds."""
    return value[1 + _size_width(value[0]) :]


def items_in(value: bytes) -> Items:
    """What a list or a map holds."""
    if value[0] == _EMPTY_LIST:
        return Items()
    width = _size_width(value[0])
    return Items(value[1 + 2 * width :], int.from_bytes(value[1 + width : 1 + 2 * width]))


def uint_at(items: Items, index: int) -> int | None:
    """The unsigned integer at a place of a list; None if it is null or not there."""
    if index >= items.count:
        return None
    start = 0
    for _ in range(index):
        start = _end_of(items.encoded, start)
    value = items.encoded[start : _end_of(items.encoded, start)]
    if value == NULL:
        return None
    if value[0] not in _UINTS:
        raise _malformed()
    return int.from_bytes(value[1:])


def section(code: int, value: bytes) -> bytes:
    return _DESCRIBED + bytes((code,)) + value


def binary(value: bytes) -> bytes:
    return _sized(0xA0, 0xB0, value)


def string(value: str) -> bytes:
    return _sized(0xA1, 0xB1, value.encode())


def symbol(value: str) -> bytes:
    return _sized(0xA3, 0xB3, value.encode("ascii"))


def int32(value: int) -> bytes:
    return struct.pack(">Bi", 0x71, value)


def int64(value: int) -> bytes:
    return struct.pack(">Bq", 0x81, value)


def uint32(value: int) -> bytes:
    return struct.pack(">BI", 0x70, value)


def timestamp(value: datetime) -> bytes:
    return struct.pack(">Bq", 0x83, (value - EPOCH) // MILLISECOND)


def list_of(items: Items) -> bytes:
    return struct.pack(">BII", 0xD0, len(items.encoded) + 4, items.count) + items.encoded


def map_of(items: Items) -> bytes:
    return struct.pack(">BII", 0xD1, len(items.encoded) + 4, items.count) + items.encoded


def _sized(short: int, long: int, value: bytes) -> bytes:
    if len(value) < 256:
        return bytes((short, len(value))) + value
    return struct.pack(">BI", long, len(value)) + value


def _size_width(code: int) -> int:
    kind = code >> 4
    if kind in _SIZED_BY_ONE:
        return 1
    if kind in _SIZED_BY_FOUR:
        return 4
    raise _malformed()


def _end_of(encoded: bytes, start: int) -> int:
    """Where the value that begins at `start` ends."""
    while encoded[start : start + 1] == _DESCRIPTOR:
        start = _end_of_plain(encoded, start + 1)
    return _end_of_plain(encoded, start)


def _end_of_plain(encoded: bytes, start: int) -> int:
    if start >= len(encoded):
        raise _malformed()
    width = _WIDTHS.get(encoded[start] >> 4)
    if width is None:
        size_width = _size_width(encoded[start])
        width = size_width + int.from_bytes(encoded[start + 1 : start + 1 + size_width])
    end = start + 1 + width
    if end > len(encoded):
        raise _malformed()
    return end


def _malformed() -> RefusedError:
    return RefusedError(conditions.DECODE_ERROR, "not an AMQP message")
