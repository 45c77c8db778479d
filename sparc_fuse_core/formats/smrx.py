"""CED Spike2 recordings of the 64-bit SON library (.smrx), file version 1.

Little-endian, in blocks of 64 KiB. The file head is one logical run of bytes: the first block, then the
blocks listed at byte 0x400 (0x3e4: how many), each without its first 16 bytes. In it lie, at places that
count logical bytes: what the program keeps for itself, channel heads, and strings known by their number.

A channel's data blocks are found through an index, a tree of blocks of 4 KiB with up to 255 entries (first
tick, byte). Every block begins with its level (0: data), slot and parent, the channel, and the number of its
entries. The upper half of a data block's channel counts how often the channel was deleted: blocks of an
earlier life may still hang in the index after the blocks that the channel head promises.

- Waves: sections (first tick, number, samples padded to 8 bytes); a gap begins a section.
- Events: 64-bit ticks; markers and level changes add four codes, AdcMark, RealMark and TextMark what is
  attached to each, padded to 8 bytes. The first code of a level change is its new level.
- Waveforms with the same clock, start, gaps and length share a stream; one with gaps has an explicit time.

CED has not published this format: it was worked out from files that its library wrote. What differs from
them is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._smrx.header import read_header
from sparc_fuse_core.formats._son.tree import build_tree
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_smrx"]


def open_smrx(source: Source, /, **options: Any) -> xr.DataTree:
    """Streams ``signals(channel, time)``, all events in one table, AdcMark waveforms as arrays; lazy.

    Raises FormatError for structures that are not known and `Truncated` when blocks are missing.
    """
    return build_tree(read_header(source))


FORMAT = Format(
    name="smrx",
    title="CED Spike2 (SON64)",
    kind="signals",
    suffixes=(".smrx",),
    open=open_smrx,
    magic=((0, b"S64"),),
    carried="waves, events, markers with codes and text, start offsets, gaps, units",
    left="deleted channels, the program's own data (named)",
    lazy="block",
)
