"""Index and data blocks of a SON64 channel."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sparc_fuse_core.formats._son.common import WAVES, Channel, Chunks, Recording, broken

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

BLOCK = 1 << 16
_INDEX = 1 << 12
_HEAD = struct.Struct("<QII")  # parent, level and slot in one word; channel; entries
_ENTRY = struct.Struct("<qQ")
_MOST_ENTRIES = 255
_DEEPEST = 8
_MANY_SECTIONS = 64  # from here on one read of the whole block is less than one a section


def find_chunks(found: Recording, channel: Channel, index: int, blocks: int, life: int) -> None:
    """Find the ``blocks`` data blocks of a channel through its index at byte ``index``.

    ``life`` counts how often the channel was deleted before: blocks carry it too.
    """
    if not blocks:
        return
    if blocks * BLOCK > found.source.size + BLOCK:
        raise broken(
            found.source, f"channel {channel.number} promises {blocks} blocks, more than it can have"
        )
    rows: list[tuple[int, int, int]] = []
    seen = 0
    for seen, (tick, place) in enumerate(_entries(found.source, channel, index, None), 1):
        sections = _data_block(found.source, channel, place, life)
        if not sections or sections[0][0] != tick:
            raise broken(
                found.source,
                f"the data block at byte {place} does not begin at tick {tick} as its index says",
            )
        rows += sections
        if seen == blocks:
            break
    else:
        raise broken(found.source, f"channel {channel.number} promises {blocks} blocks, its index has {seen}")
    table = np.array(rows, np.int64)
    channel.chunks = Chunks(*np.ascontiguousarray(table.T))


def _entries(source: Source, channel: Channel, place: int, level: int | None) -> Iterator[tuple[int, int]]:
    """First tick and byte of each data block below an index block, in order."""
    word, owner, count = source.unpack(_HEAD, place, f"index of channel {channel.number}")
    deep = word >> 8 & 0xF
    if (
        owner & 0xFFFF != channel.number - 1
        or not 0 < count <= _MOST_ENTRIES
        or not 0 < deep < _DEEPEST
        or (level is not None and deep != level)
    ):
        raise broken(source, f"there is no index block of channel {channel.number} at byte {place}")
    raw = source.read(place + _HEAD.size, count * _ENTRY.size, f"index of channel {channel.number}")
    for tick, below in _ENTRY.iter_unpack(raw):
        if deep > 1:
            yield from _entries(source, channel, below, deep - 1)
        else:
            yield tick, below


def _data_block(source: Source, channel: Channel, place: int, life: int) -> list[tuple[int, int, int]]:
    """First tick, items and byte of each section of a data block; a block of events is one section."""
    word, owner, count = source.unpack(_HEAD, place, f"data block of channel {channel.number}")
    if word >> 8 & 0xF or owner != channel.number - 1 | life << 16:
        raise broken(source, f"there is no data block of channel {channel.number} at byte {place}")
    begin = place + _HEAD.size
    if channel.kind in WAVES:
        return list(_sections(source, channel, place, count))
    nbytes = count * channel.item.itemsize
    if not count or nbytes > BLOCK - _HEAD.size:
        raise broken(source, f"the data block at byte {place} holds {count} items, they do not fit")
    source.expect(begin, nbytes, f"data of channel {channel.number}")
    return [(source.unpack("<q", begin, "first event")[0], count, begin)]


def _sections(source: Source, channel: Channel, place: int, count: int) -> Iterator[tuple[int, int, int]]:
    if count > BLOCK // (_ENTRY.size + 8):
        raise broken(source, f"the data block at byte {place} has {count} sections, they do not fit")
    size, at = channel.item.itemsize, _HEAD.size
    whole = (
        source.read(place, min(BLOCK, source.size - place), "data block") if count > _MANY_SECTIONS else b""
    )
    for _ in range(count):
        if whole:
            if at + _ENTRY.size > len(whole):
                raise broken(source, f"the sections of the data block at byte {place} do not fit")
            tick, samples = _ENTRY.unpack_from(whole, at)
        else:
            tick, samples = source.unpack(_ENTRY, place + at, f"data of channel {channel.number}")
        at += _ENTRY.size
        if not 0 < samples <= (BLOCK - at) // size:
            raise broken(source, f"a section of the data block at byte {place} has {samples} samples")
        source.expect(place + at, samples * size, f"data of channel {channel.number}")
        yield tick, samples, place + at
        at += -(-samples * size // 8) * 8
