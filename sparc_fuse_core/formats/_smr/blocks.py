"""The linked blocks of a SON32 channel."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._son.common import (
    BOTH,
    WAVES,
    Channel,
    Chunks,
    Recording,
    broken,
    resized,
    unpadded,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEAD = 20
_NONE = -1


def follow_blocks(found: Recording, channel: Channel, fields: dict[str, Any], order: str, unit: int) -> None:
    """Find the blocks of a channel and check each against it; ``unit`` is the bytes that a place counts."""
    rows = _walk(found, channel, fields, struct.Struct(order + "iiiiHH"), unit)
    if not rows:
        return
    table = np.array(rows, np.int64)
    place, begin, end, owner, items = table.T
    channel.chunks = Chunks(begin, items, place + _HEAD)
    if channel.kind in WAVES:
        _check_ends(found, channel, begin, end, items)
    else:
        _settle_size(found, channel, begin, end)
    if channel.kind == BOTH:
        channel.chunks.rises = _levels(found, channel, bool(fields["starts_low"]), owner >> 8 & 1 == 1, items)


def _walk(
    found: Recording, channel: Channel, fields: dict[str, Any], layout: struct.Struct, unit: int
) -> list[tuple[int, ...]]:
    """Byte, first tick, last tick, owner and items of each block."""
    source = found.source
    rows: list[tuple[int, ...]] = []
    promised, last = _promised(found, fields), fields["last"]
    room = fields["size"] - _HEAD
    before, here = _NONE, fields["first"]
    while here != _NONE and (len(rows) < promised or before != last):
        if not rows and not promised:
            break
        place = here * unit
        back, following, begin, end, owner, items = layout.unpack(
            source.read(place, _HEAD, f"block {len(rows) + 1} of channel {channel.number}")
        )
        if (owner & 0xFF) | (owner >> 9) << 8 != channel.number or (rows and back != before):
            raise broken(
                source,
                f"block {len(rows) + 1} of channel {channel.number} at byte {place} belongs to another",
            )
        if items < 1 or items * unpadded(channel.item) > room:
            raise broken(
                source, f"the block at byte {place} says that it holds {items} items in {room} bytes"
            )
        source.expect(place + _HEAD, items * unpadded(channel.item), f"data of channel {channel.number}")
        rows.append((place, begin, end, owner, items))
        before, here = here, following
    if len(rows) < promised and before != last:
        raise broken(source, f"channel {channel.number} promises {promised} blocks, {len(rows)} are linked")
    if len(rows) != promised:
        found.warnings.append(
            f"Channel {channel.number} {channel.title!r} promises {promised} blocks, "
            f"{len(rows)} are linked up to its last one: all {len(rows)} are read."
        )
    return rows


def _promised(found: Recording, fields: dict[str, Any]) -> int:
    """The number of blocks; its upper half was added late, in a field that was free before."""
    whole = int(fields["blocks_high"] << 16 | fields["blocks"])
    return whole if whole * _HEAD <= found.source.size else int(fields["blocks"])


def _check_ends(
    found: Recording,
    channel: Channel,
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    items: NDArray[np.int64],
) -> None:
    """First and last tick of each block against its samples: a wrong clock fits none of them."""
    wrong = end != begin + (items - 1) * channel.step
    long = items > 1
    if long.any() and wrong[long].all():
        stamped = (end - begin)[long] / (items - 1)[long]
        raise broken(
            found.source,
            f"channel {channel.number} is said to have a sample every {channel.step} ticks, "
            f"its blocks one every {np.median(stamped):g}",
        )
    if wrong.any():
        found.warnings.append(
            f"Channel {channel.number} {channel.title!r}: {int(wrong.sum())} of {len(wrong)} blocks "
            "hold another number of samples than their first and last tick tell; what they hold is read."
        )


def _settle_size(
    found: Recording, channel: Channel, begin: NDArray[np.int64], end: NDArray[np.int64]
) -> None:
    """Whether items are padded is told by the last one of each block: the block's head has its tick."""
    size = channel.item.itemsize
    for each in dict.fromkeys((size, -(-size // 4) * 4, unpadded(channel.item))):
        channel.item = resized(channel.item, each)
        if _fits(found, channel, begin, end):
            return
    raise broken(
        found.source,
        f"the first and last event of some blocks of channel {channel.number} are not at the ticks "
        "that the blocks' heads say",
    )


def _fits(found: Recording, channel: Channel, begin: NDArray[np.int64], end: NDArray[np.int64]) -> bool:
    stamp, size, chunks = channel.item["tick"], channel.item.itemsize, channel.chunks
    rows = zip(chunks.offset.tolist(), chunks.count.tolist(), begin.tolist(), end.tolist(), strict=True)
    for place, count, first, last in rows:
        for at, tick in ((place, first), (place + (count - 1) * size, last)):
            if at + size > found.source.size or int(found.source.array(stamp, at, 1)[0]) != tick:
                return False
    return True


def _levels(
    found: Recording, channel: Channel, low: bool, marked: NDArray[np.bool_], items: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the first event of each block goes up: as the blocks say, else by turns from the first."""
    before = np.concatenate([[0], np.cumsum(items)[:-1]])
    turns: NDArray[np.bool_] = (before + low) % 2 == 1
    if not marked.any() or (marked == turns).all():
        return turns
    found.warnings.append(
        f"Channel {channel.number} {channel.title!r}: its levels do not change by turns from block to block; "
        "the level that each block states is taken."
    )
    return marked
