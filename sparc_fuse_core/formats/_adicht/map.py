"""The stream ``Map`` of a LabChart recording: records, channels, comments, and where the samples lie.

An array is i32 n, i32 -n and its items; a string u32 0x80000001 and an array of UTF-16 units; an object u32
with the high bit set and its body where it is first met, later its number alone. Then::

    u32 0x55xxaaaa, u32 2, u64 0, u16 25, "ADInstruments Chart Data\\0", u16 3, u16 version, u16 channels, u8
    records, until i32 -1:
        i32 number, u32 0, u32 layout (1, or 3 from version 3.7 on), u64 u64 tick in s as a fraction,
        f64 time of the trigger, f64 seconds west of UTC, i32 ticks from start to trigger, u32, u64, u64 ticks
        layout 3: string, u32 0, u32
        array of tick blocks: u32 3, u32 ticks, u32, u16, u16 comments, and those:
            u32 2, u32 0, u32 number, i16 channel (-1 all), u16 tick in the block, string
        array of channels: u8 present, and if so
            u32 0x801b0000, u32 layout (2, or 3), u32 number, u32 1, u32 sample type, u64 a, u64 b (b / a
            ticks a sample), u64, u64 u64 sample period, units object, layout 3: u32 1, settings object
            (u32 n, strings), u64 samples, u32 u32 u32, array of sample blocks:
                u32 type, u64, u32 samples, u32, f32 least, f32 greatest, u64 byte in Blocks_0
    array of channel names, u64 raw bytes, u64 stored bytes, and in version 3.7 a string
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._adicht.parts import (
    FLOAT32,
    INT16,
    Channel,
    Comment,
    Cursor,
    Record,
    Recording,
    Units,
    read_units,
)
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._adicht.container import Strand
    from sparc_fuse_core.source import Source

_BLOCK = np.dtype(
    {
        "names": ["kind", "samples", "place"],
        "formats": ["<u4", "<u4", "<u8"],
        "offsets": [0, 12, 28],
        "itemsize": 36,
    }
)
_NEWEST = 7  # the vendor's own library refuses later ones, too
_MOST_BYTES = 1 << 28
_MOST_RECORDS = 1 << 16
_MOST_TICK_BLOCKS = 1 << 22
_MOST_COMMENTS = 1 << 20
_CHANNEL = 0x801B0000
_TITLE = b"ADInstruments Chart Data"
_LEAST_TICKS, _LEAST_COMMENT, _LEAST_STRING = 16, 28, 12


def read_map(source: Source, strand: Strand) -> Recording:
    """Everything but the samples; FormatError for any structure that was never seen."""
    limit_items(source, "bytes in its map", strand.size, _MOST_BYTES)
    cursor = Cursor(source, strand.read(0, strand.size, "map"))
    version = _head(cursor)
    records: list[Record] = []
    width = 0
    while (number := cursor.take("i")[0]) != -1:
        limit_items(source, "records", len(records) + 1, _MOST_RECORDS)
        record, channels = _record(cursor, number)
        records.append(record)
        width = max(width, channels)
    names = [cursor.text() for _ in range(cursor.count("channel names", _LEAST_STRING))]
    cursor.take("QQ")
    note = cursor.text() if cursor.at < len(cursor.raw) else ""
    if cursor.at < len(cursor.raw):
        raise cursor.wrong(f"{len(cursor.raw) - cursor.at} bytes follow the last part that is known")
    names += [f"Channel {i + 1}" for i in range(len(names), width)]
    return Recording(version, records, names[:width], note)


def _head(cursor: Cursor) -> str:
    signature, _, _, length = cursor.take("IIQH")
    cursor.require("a map's signature", signature & 0xFF00FFFF, 0x5500AAAA)
    if length > 64 or cursor.take(f"{length}s")[0].rstrip(b"\0") != _TITLE:
        raise cursor.wrong("its map is not that of a chart")
    major, minor, _, _ = cursor.take("HHHB")
    if major != 3 or minor > _NEWEST:
        raise cursor.wrong(f"version {major}.{minor} of its map was never seen, only 3.5 to 3.{_NEWEST}")
    return f"{major}.{minor}"


def _fraction(cursor: Cursor, what: str, above: int, below: int) -> Fraction:
    if not 0 < above < 1 << 63 or not 0 < below < 1 << 63:
        raise cursor.wrong(f"{what} is said to be {above}/{below}")
    return Fraction(above, below)


def _record(cursor: Cursor, number: int) -> tuple[Record, int]:
    """A record, and how many channels it could have."""
    zero, layout, above, below, time, zone, trigger, _, _, _ = cursor.take("IIQQddiIQQ")
    cursor.require("a record of", zero, 0)
    cursor.require("a record of layout", layout, 1, 3)
    record = Record(number, _fraction(cursor, "the tick", above, below), time, zone, trigger)
    if layout == 3:
        record.text = cursor.text()
        cursor.require("a record with a part", cursor.take("II")[0], 0)
    blocks = cursor.count("tick blocks", _LEAST_TICKS)
    limit_items(cursor.source, "tick blocks", blocks, _MOST_TICK_BLOCKS)
    for _ in range(blocks):
        kind, ticks, _, _, comments = cursor.take("IIIHH")
        cursor.require("a tick block of kind", kind, 3)
        limit_items(cursor.source, "comments in a record", len(record.comments) + comments, _MOST_COMMENTS)
        for _ in range(comments):
            record.comments.append(_comment(cursor, record.ticks))
        record.ticks += ticks
    channels = cursor.count("channels", 1)
    limit_items(cursor.source, "channels", channels)
    for place in range(channels):
        if cursor.require("a channel's mark", cursor.take("B")[0], 0, 1):
            record.channels.append(_channel(cursor, record.tick, place))
    return record, channels


def _comment(cursor: Cursor, before: int) -> Comment:
    kind, zero, number, channel, tick = cursor.take("IIIhH")
    cursor.require("a comment of kind", kind, 2)
    cursor.require("a comment with a part", zero, 0)
    if channel < -1:
        raise cursor.wrong(f"a comment belongs to channel {channel}")
    return Comment(before + tick, channel, number, cursor.text())


def _settings(cursor: Cursor) -> list[str]:
    (count,) = cursor.take("I")
    if count * _LEAST_STRING > len(cursor.raw) - cursor.at:
        raise cursor.wrong(f"a channel has {count} texts")
    return [cursor.text() for _ in range(count)]


def _channel(cursor: Cursor, tick: Fraction, place: int) -> Channel:
    kind, layout, number, _, sample, a, b, _, _, _ = cursor.take("IIIIIQQQQQ")
    cursor.require("a channel of kind", kind, _CHANNEL)
    cursor.require("a channel of layout", layout, 2, 3)
    if number != place:
        raise cursor.wrong(f"channel {place} says that it is channel {number}")
    cursor.require("a sample type", sample, INT16, FLOAT32)
    rate = _fraction(cursor, "the rate of a channel", a, b) / tick
    units = cursor.shared(Units, read_units)
    if layout == 3:
        cursor.require("a channel whose sources count", cursor.take("I")[0], 1)
    settings = cursor.shared(list, _settings)
    samples = cursor.take("QIII")[0]
    blocks = _blocks(cursor)
    kinds = {int(found) for found in np.unique(blocks["kind"])}
    if len(kinds) > 1:
        raise cursor.wrong("a channel with samples of two types was never seen")
    stored = cursor.require("a sample type", kinds.pop() if kinds else sample, INT16, FLOAT32)
    held = int(blocks["samples"].sum(dtype="u8"))
    if samples != held:
        raise cursor.wrong(f"channel {number} promises {samples} samples, its blocks hold {held}")
    return Channel(number, rate, stored, units, held, blocks, settings)


def _blocks(cursor: Cursor) -> NDArray[Any]:
    count = cursor.count("sample blocks", _BLOCK.itemsize)
    blocks = np.frombuffer(cursor.raw, _BLOCK, count, cursor.at)
    cursor.at += count * _BLOCK.itemsize
    return blocks[blocks["samples"] > 0]


def program_of(strand: Strand | None) -> str:
    """What wrote the file, as ``LabChart 8.1.30``; empty when the stream ``Version`` does not say it."""
    if strand is None or not 28 <= strand.size <= 4096:
        return ""
    try:
        raw = strand.read(0, strand.size, "version")
    except FormatError:  # samples do not need it
        return ""
    kind, count, check = struct.unpack_from("<Iii", raw, 16)
    if kind != 0x80000001 or count != -check or not 0 < count <= (len(raw) - 28) // 2:
        return ""
    return raw[28 : 28 + 2 * count].decode("utf-16-le", "replace").split("\0")[0]
