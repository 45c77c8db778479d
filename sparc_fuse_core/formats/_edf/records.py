"""Where the samples of EDF and BDF lie: record after record, in each record signal after signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._integers import widen
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

__all__ = ["Records", "signal_array"]

_BATCH = 1 << 23  # bytes asked for at once: over a network each request costs a round trip
_PART = 1 << 20  # bytes taken apart at once: what the processor keeps at hand (three times as fast)
_LARGE = 1 << 16  # a signal's share of a record from which a request of its own is cheaper
_LARGE_SPAN = 1 << 23
_LITTLE = 1 << 18  # so little is read at once, whatever is needed of it


@dataclass(frozen=True, slots=True)
class Records:
    """``count`` records of ``size`` bytes from byte ``start`` on."""

    source: Source
    start: int
    size: int
    count: int

    def batches(self, first: int, last: int, low: int, high: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Bytes ``low`` to ``high`` of records ``first`` to ``last``: (number, (record, byte) array)."""
        span = high - low
        sparse = span * 4 < self.size and (last - first) * self.size > _LITTLE
        width = span if sparse else self.size
        step, part = max(1, _BATCH // width), max(1, _PART // width)
        for begin in range(first, last, step):
            end = min(begin + step, last)
            rows = self._sparse(begin, end, low, span) if sparse else self._dense(begin, end, low, high)
            for at in range(0, len(rows), part):
                yield begin + at, rows[at : at + part]

    def _dense(self, first: int, last: int, low: int, high: int) -> NDArray[np.uint8]:
        # The last record is read up to ``high`` only: what follows may be the end of the file.
        reach = (last - first - 1) * self.size + high - low
        raw = self.source.read(self.start + first * self.size + low, reach, "data records")
        return np.ndarray((last - first, high - low), np.uint8, raw, 0, (self.size, 1))

    def _sparse(self, first: int, last: int, low: int, span: int) -> NDArray[np.uint8]:
        rows = np.empty((last - first, span), np.uint8)
        for row in range(last - first):
            rows[row] = self.source.array("u1", self.start + (first + row) * self.size + low, span)
        return rows


def signal_array(records: Records, places: Sequence[int], samples: int, width: int) -> LazyArray:
    """Signals of one rate as a lazy (channel, time) array of digital integers.

    ``places`` are their byte offsets inside a record, each with ``samples`` of ``width`` (2 or 3) bytes.
    """
    kind: np.dtype[Any] = np.dtype("i2" if width == 2 else "i4")
    share = samples * width

    def read(key: Key) -> NDArray[Any]:
        channel, time = key
        picked = places[channel] if isinstance(channel, slice) else [places[channel]]
        span = time if isinstance(time, slice) else slice(time, time + 1)
        out = np.empty((len(picked), span.stop - span.start), kind)
        if out.size:
            reach = max(picked) + share - min(picked)
            fill = _fill_direct if share >= _LARGE or reach > _LARGE_SPAN else _fill_batches
            fill(records, picked, samples, width, span.start, out)
        drop = tuple(slice(None) if isinstance(item, slice) else 0 for item in key)
        values: NDArray[Any] = out[drop]
        return values

    # One record is the natural unit while it is small; of a large one any part can be read alone.
    blocks = (len(places), samples) if len(places) * share <= _LARGE_SPAN else None
    return LazyArray((len(places), records.count * samples), kind, read, blocks=blocks, time_major=True)


def _decode(raw: NDArray[np.uint8], width: int) -> NDArray[Any]:
    flat = np.ascontiguousarray(raw).reshape(-1)
    return flat.view("<i2") if width == 2 else widen(flat.view("V3"))


def _fill_direct(
    records: Records, picked: Sequence[int], samples: int, width: int, start: int, out: NDArray[Any]
) -> None:
    stop = start + out.shape[1]
    for record in range(start // samples, (stop - 1) // samples + 1):
        low, high = max(start, record * samples), min(stop, (record + 1) * samples)
        inside = records.start + record * records.size + (low - record * samples) * width
        for row, place in enumerate(picked):
            raw = records.source.array("u1", inside + place, (high - low) * width)
            out[row, low - start : high - start] = _decode(raw, width)


def _fill_batches(
    records: Records, picked: Sequence[int], samples: int, width: int, start: int, out: NDArray[Any]
) -> None:
    stop, base = start + out.shape[1], min(picked)
    end = max(picked) + samples * width
    for first, block in records.batches(start // samples, (stop - 1) // samples + 1, base, end):
        origin = first * samples
        low, high = max(start, origin), min(stop, origin + len(block) * samples)
        for row, place in enumerate(picked):
            values = _decode(block[:, place - base : place - base + samples * width], width)
            out[row, low - start : high - start] = values[low - origin : high - origin]
