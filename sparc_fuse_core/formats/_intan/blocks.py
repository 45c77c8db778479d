"""Data blocks behind the header: time stamps, then all samples of each channel in turn, kind after kind."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._intan.clock import Clock, find_runs
from sparc_fuse_core.formats._intan.kinds import streams_of
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._intan.header import Header
    from sparc_fuse_core.formats._intan.kinds import Kind
    from sparc_fuse_core.model import Stream
    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

_TOGETHER = 4 << 20
_SPARE_JUMPS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Whole data blocks of ``size`` bytes and ``samples`` time stamps each."""

    source: Source
    offset: int
    size: int
    count: int
    samples: int
    tick: str


def read_blocks(source: Source, header: Header, kinds: list[Kind]) -> tuple[Clock, list[Stream]]:
    """The clock and the streams of a file that holds its samples itself."""
    widths = [header.block // kind.every if kind.every else 1 for kind in kinds]
    places = [header.block * 4]
    for kind, width in zip(kinds, widths, strict=True):
        places.append(places[-1] + kind.stored * width * 2)
    size = places[-1]
    count, rest = divmod(source.size - header.size, size)
    if not kinds or not count:
        raise _without_samples(source, header, size if kinds else 0)
    if rest:
        header.warnings.append(
            f"The last data block has {rest} of {size} bytes: the file is cut short. "
            f"The {count} blocks before it are whole and are read."
        )
        header.dropped.append(f"{rest} bytes of an incomplete data block at the end")
    blocks = Blocks(source, header.size, size, count, header.block, header.tick)
    # A recording pauses between blocks; where stamps jump more often, the blocks are not where they should be.
    most = count + _SPARE_JUMPS
    clock = find_runs(lambda n: _stamp(blocks, n), count * header.block, most, header.rate, source.name)
    streams = []
    for kind, width, place in zip(kinds, widths, places, strict=False):
        raw = _words(blocks, clock, place, (kind.stored, width), kind.dtype)
        streams += streams_of(source, kind, raw, clock, Fraction(header.block, width))
    return clock, streams


def _without_samples(source: Source, header: Header, size: int) -> FormatError:
    kind, told = FormatError, "none of its channels is enabled"
    if size and source.size > header.size:
        kind, told = Truncated, f"its first data block has {source.size - header.size} of {size} bytes"
    elif size:
        told = "there are no data behind its header"
    return kind(
        f"{source.name}: {told}; it holds no samples",
        hint="Fetch the file again. An info.rhd or info.rhs needs the .dat files of its folder beside it.",
        source=source.url,
    )


def _stamp(blocks: Blocks, sample: int) -> int:
    number, inside = divmod(sample, blocks.samples)
    place = blocks.offset + number * blocks.size + 4 * inside
    return int(blocks.source.array(blocks.tick, place, 1, "time stamps")[0])


def _words(blocks: Blocks, clock: Clock, place: int, shape: tuple[int, int], dtype: str) -> LazyArray:
    """Words of one kind, shape (stored, time), that lie at ``place`` in each block in ``shape``."""
    stored, width = shape
    kind = np.dtype(dtype)

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), kind.newbyteorder("="))
        begin, end = span.start // width, -(-span.stop // width)
        step = max(1, _TOGETHER // blocks.size)
        for first in range(begin, end, step):
            number = min(step, end - first)
            raw = _whole(blocks, clock, first, number)
            held = np.ndarray(
                (number, stored, width), kind, raw, place, (blocks.size, width * kind.itemsize, kind.itemsize)
            )
            rows = held[:, picked].transpose(1, 0, 2).reshape(len(out), -1)
            low, high = max(first * width, span.start), min((first + number) * width, span.stop)
            out[:, low - span.start : high - span.start] = rows[:, low - first * width : high - first * width]
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((stored, blocks.count * width), kind.newbyteorder("="), read)


def _whole(blocks: Blocks, clock: Clock, first: int, number: int) -> bytes:
    """Some blocks; the first and the last time stamp of each are those that the clock says."""
    raw = blocks.source.read(blocks.offset + first * blocks.size, number * blocks.size, "data blocks")
    last = blocks.samples - 1
    ends = np.ndarray((number, 2), blocks.tick, raw, 0, (blocks.size, last * 4))
    begins = np.arange(first, first + number, dtype=np.int64) * blocks.samples
    samples = np.stack([begins, begins + last], 1)
    clock.check(samples.ravel(), ends.ravel())
    return raw
