"""File head, channel heads and strings of SON64 files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._smrx.blocks import BLOCK, find_chunks
from sparc_fuse_core.formats._son.common import (
    ADC,
    ADC_MARK,
    BOTH,
    CODED,
    KINDS,
    REAL_MARK,
    SAMPLED_MARKS,
    TEXT_MARK,
    WAVES,
    Channel,
    Recording,
    broken,
    item_type,
    start_of,
    text,
    tick_of,
)
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_MOST_CHANNELS = 1 << 13
_MOST_BLOCKS = 128  # of the head: its list of them fills the place up to byte 0x800
_MOST_STRINGS = 1 << 20
_BLOCK_HEAD = 16
_CHANNEL = struct.Struct("<QqQQ IHHHHHH iIII II ddd dd q")
_ITEM_BYTES = {ADC: 2, ADC_MARK: 2, REAL_MARK: 4, TEXT_MARK: 1}


class _Head:
    """The logical run of bytes that the head's blocks make up."""

    def __init__(self, source: Source) -> None:
        self._source = source
        count = source.unpack("<I", 0x3E4, "file head")[0]
        limit_items(source, "blocks of its head", count, _MOST_BLOCKS)
        self._blocks = source.unpack(f"<{count}Q", 0x400, "list of the blocks of the head")
        self.size = BLOCK + count * (BLOCK - _BLOCK_HEAD)

    def read(self, at: int, nbytes: int, what: str) -> bytes:
        if at < 0 or nbytes < 0 or at + nbytes > self.size:
            raise broken(self._source, f"its {what} of {nbytes} bytes at {at} exceed its head of {self.size}")
        parts = []
        while nbytes:
            number, inside = (-1, at) if at < BLOCK else divmod(at - BLOCK, BLOCK - _BLOCK_HEAD)
            begin = 0 if number < 0 else self._blocks[number] + _BLOCK_HEAD
            part = min(nbytes, BLOCK - inside - (0 if number < 0 else _BLOCK_HEAD))
            parts.append(self._source.read(begin + inside, part, what))
            at, nbytes = at + part, nbytes - part
        return b"".join(parts)


def read_header(source: Source) -> Recording:
    """Everything but the data: heads, strings, and where the data of each channel lie."""
    minor, major = source.unpack("<2B", 6, "file head")
    if source.head(3) != b"S64" or major != 1:
        raise broken(source, f"its version is {major}.{minor}, versions 1.0 to 1.255 are known")
    base, extra, _, place, strings_at, count, size = source.unpack("<d6I", 0x20, "file head")
    limit_items(source, "channels", count, _MOST_CHANNELS)
    if size < _CHANNEL.size or size > BLOCK:
        raise broken(source, f"its channel heads have {size} bytes, at least {_CHANNEL.size} are known")
    head = _Head(source)
    found = Recording(source, tick_of(source, base))
    strings = _strings(source, head, strings_at)
    _describe(found, strings, (major, minor), extra)
    heads = head.read(place, count * size, "channel heads")
    for index in range(count):
        fields = _CHANNEL.unpack_from(heads, index * size)
        kind = fields[10]
        if kind & 0xFF:
            channel = _channel(found, index, fields, strings)
            find_chunks(found, channel, fields[0], fields[2], fields[9])
            found.channels.append(channel)
        elif kind:
            found.dropped.append(f"channel {index + 1}, which was deleted")
    return found


def _strings(source: Source, head: _Head, at: int) -> list[str]:
    """The stored strings; number 0 is the empty one. Each has a count of its uses before it."""
    words, count = struct.unpack("<2I", head.read(at, 8, "store of strings"))
    limit_items(source, "strings", count, _MOST_STRINGS)
    raw = head.read(at + 8, words * 4, "strings") if words else b""
    held, place = [""], 0
    for number in range(1, count + 1):
        end = raw.find(b"\0", place + 4)
        if end < 0:
            raise broken(source, f"it promises {count} strings, its store ends in number {number}")
        held.append(text(raw[place + 4 : end]))
        place = (end // 4 + 1) * 4
    return held


def _describe(found: Recording, strings: list[str], version: tuple[int, int], extra: int) -> None:
    source = found.source
    when = source.unpack("<6BH", 0x18, "date")
    found.start = start_of(when)
    if found.start is None and any(when):
        found.warnings.append(f"Its date and time {when} are none; the recording has no start.")
    found.metadata = {"version": f"{version[0]}.{version[1]}", "seconds_per_tick": float(found.tick)}
    if application := text(source.read(0x10, 8, "file head").split(b"\0", 1)[0]):
        found.metadata["application"] = application
    comments = [_string(found, strings, number) for number in source.unpack("<8I", 0x40, "comments")]
    if any(comments):
        found.metadata["comments"] = [comment for comment in comments if comment]
    if extra:
        found.dropped.append(f"the {extra} bytes that the program kept for itself (extra data)")


def _string(found: Recording, strings: list[str], number: int) -> str:
    if number >= len(strings):
        raise broken(found.source, f"it refers to string {number} of {len(strings) - 1}")
    return strings[number]


def _channel(found: Recording, index: int, fields: tuple[Any, ...], strings: list[str]) -> Channel:
    last, size, rows, columns, before = fields[1], *fields[4:8]
    kind, physical, title, units, comment, step, _, ideal, scale, offset = fields[10:20]
    if kind >= len(KINDS):
        raise broken(found.source, f"channel {index + 1} is of kind {kind}, kinds 1 to 9 are known")
    channel = Channel(
        number=index + 1,
        kind=kind,
        item=_item(found, index, kind, size, rows, columns),
        title=_string(found, strings, title),
        units=_string(found, strings, units),
        comment=_string(found, strings, comment),
        physical=physical,
        ideal=ideal if np.isfinite(ideal) else 0.0,
        last=last,
    )
    if kind in (ADC, ADC_MARK):
        channel.scale, channel.offset = scale, offset
        if not (np.isfinite(scale) and np.isfinite(offset)):
            raise broken(found.source, f"channel {index + 1} has a scale that is not a number")
    if kind in (*WAVES, ADC_MARK):
        channel.step = step
        if not 0 < step < 1 << 31:
            raise broken(found.source, f"channel {index + 1} has a sample every {step} ticks")
    if kind in SAMPLED_MARKS:
        channel.points, channel.traces, channel.before = rows, columns, before
    return channel


def _item(found: Recording, index: int, kind: int, size: int, rows: int, columns: int) -> np.dtype[Any]:
    """An item of the size that this kind always has; another size is a structure that was never seen."""
    count = rows * columns
    attached = count * _ITEM_BYTES[kind] if kind in (*SAMPLED_MARKS, TEXT_MARK) else 0
    if kind in WAVES:
        known = 2 if kind == ADC else 4
    elif kind in (BOTH, *CODED):
        known = -(-(16 + attached) // 8) * 8
    else:
        known = 8
    if size != known or (kind in SAMPLED_MARKS and not count):
        raise broken(
            found.source,
            f"the items of channel {index + 1} ({KINDS[kind]}) have {size} bytes, {known} are known",
        )
    if kind in WAVES:
        return np.dtype("<i2" if kind == ADC else "<f4")
    codes = 8 if kind in (BOTH, *CODED) else 0
    return item_type("<", "i8", codes, size, kind, (count,) if attached else ())
