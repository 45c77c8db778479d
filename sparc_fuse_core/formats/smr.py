"""CED Spike2 recordings of the 32-bit SON library (.smr; .son from a Macintosh), file versions 1 to 9.

Packed, little-endian (big-endian from a Macintosh): file head of 512 bytes, channel heads of 140 bytes, then
data blocks. Strings begin with their length. A channel's blocks are a doubly linked list; places count bytes,
since version 9 blocks of 512 bytes. A block has a head of 20 bytes (block before, block after, first tick,
last tick, owner, items). The owner is the channel's number from 1, its ninth and higher bits moved up by one:
between them stands whether the first event of a level channel goes up.

- One tick is ``usPerTime`` times ``dTimeBase`` s (1 µs before version 6). A sample comes every ``lChanDvd``
  ticks, before version 6 every ``divide * timePerADC``.
- Adc: 16-bit integers, ``value = raw * scale / 6553.6 + offset``. RealWave: floats as they are.
- Events are ticks; markers add four codes, AdcMark samples (all traces point by point), RealMark numbers,
  TextMark text. Where the file head says so, items are padded to 4 bytes.
- Waveforms with the same clock, start, gaps and length share a stream: Spike2 samples channels one after
  the other, so each often has a start of its own. A stream with gaps has an explicit time.
- Blocks of deleted data stay in the file but in no list; they are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._smr.header import read_header
from sparc_fuse_core.formats._son.tree import build_tree
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_smr"]


def open_smr(source: Source, /, **options: Any) -> xr.DataTree:
    """Streams ``signals(channel, time)``, all events in one table, AdcMark waveforms as arrays; lazy.

    Raises FormatError for blocks that contradict their channel and `Truncated` when blocks are missing.
    """
    return build_tree(read_header(source))


FORMAT = Format(
    name="smr",
    title="CED Spike2 (SON32)",
    kind="signals",
    suffixes=(".smr", ".son"),
    open=open_smr,
    magic=((2, b"(C) CED"),),
    carried="waves, events, markers with codes and text, start offsets, gaps, units",
    left="deleted channels, the program's own data (named)",
    lazy="block",
)
