"""The samples of AcqKnowledge files: interleaved by tick, or one zlib stream a channel."""

from __future__ import annotations

import functools
import math
import threading
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import LazyArray, interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparc_fuse_core.formats._acq.cursor import Channel, Header
    from sparc_fuse_core.source import Source

_PIECE = 1 << 23  # raw bytes held at once while picking samples of a slow channel
_LONGEST_PATTERN = 1 << 22
_PACKED_PIECE = 1 << 14  # zlib expands at most 1032-fold: 16 MiB at once
_RESTART = 1 << 21


class Interleaved:
    """Plain samples: at every tick each channel whose divider divides it has one, in channel order.

    Near the end a channel may have run out already; it is then skipped, which shifts the rest.
    """

    def __init__(self, source: Source, head: Header) -> None:
        self._source, self._base = source, head.data_offset
        self._dividers = [channel.divider for channel in head.channels]
        self._sizes = [channel.size for channel in head.channels]
        self._counts = [channel.points for channel in head.channels]
        self._dtypes = [channel.dtype for channel in head.channels]
        period = math.lcm(*self._dividers)
        self._width = sum(size * (period // d) for size, d in zip(self._sizes, self._dividers, strict=True))
        self._period = period if self._width <= _LONGEST_PATTERN else 0
        full = min(n // (period // d) for n, d in zip(self._counts, self._dividers, strict=True))
        self._rows = full if self._period else 0

    def _places(self, channel: int, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Byte of each sample of a channel, relative to the first byte of all samples."""
        ticks = samples * self._dividers[channel]
        places = np.zeros(len(samples), np.int64)
        rows = zip(self._dividers, self._sizes, self._counts, strict=True)
        for other, (divider, size, count) in enumerate(rows):
            # Earlier channels have had their sample of this very tick, later ones not yet.
            had = ticks // divider + 1 if other < channel else -(-ticks // divider)
            places += size * np.minimum(had, count)
        return places

    def read(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Raw samples ``start`` to ``stop`` of a channel."""
        kind = np.dtype(self._dtypes[channel])
        out = np.empty(stop - start, kind)
        each = self._period // self._dividers[channel]
        regular = max(start, min(stop, self._rows * each))
        if regular > start:
            self._read_pattern(channel, out[: regular - start], start, regular, each)
        if stop > regular:
            self._read_scattered(channel, out[regular - start :], regular, stop)
        return out.astype(kind.newbyteorder("="), copy=False)

    def _read_pattern(self, channel: int, out: NDArray[Any], start: int, stop: int, each: int) -> None:
        width, kind = self._width, out.dtype
        columns = self._places(channel, np.arange(each))
        bytes_ = (columns[:, None] + np.arange(kind.itemsize)).ravel()
        step = max(1, _PIECE // width)
        last = -(-stop // each)
        for row in range(start // each, last, step):
            rows = min(step, last - row)
            raw = self._source.array("u1", self._base + row * width, rows * width).reshape(rows, width)
            values = np.ascontiguousarray(raw[:, bytes_]).view(kind).ravel()
            first, end = max(start, row * each), min(stop, (row + rows) * each)
            out[first - start : end - start] = values[first - row * each : end - row * each]

    def _read_scattered(self, channel: int, out: NDArray[Any], start: int, stop: int) -> None:
        places, size = self._places(channel, np.arange(start, stop)), out.dtype.itemsize
        at = 0
        while at < len(places):
            end = int(np.searchsorted(places, places[at] + _PIECE, side="right"))
            origin = int(places[at])
            raw = self._source.array("u1", self._base + origin, int(places[end - 1]) + size - origin)
            picked = raw[(places[at:end] - origin)[:, None] + np.arange(size)]
            out[at:end] = np.ascontiguousarray(picked).view(out.dtype).ravel()
            at = end


class Inflated:
    """Samples of one compressed channel, at any place: every 2 MiB a copy of the decompressor is kept."""

    def __init__(self, source: Source, channel: Channel) -> None:
        self._source, self._channel = source, channel
        self._offset, self._packed = channel.packed
        self._total = channel.points * channel.size
        self._lock = threading.Lock()
        self._restarts: list[tuple[int, int, Any]] = [(0, 0, zlib.decompressobj())]
        self._block: tuple[int, bytes] = (-1, b"")

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Raw samples ``start`` to ``stop``."""
        kind = np.dtype(self._channel.dtype)
        first, last = start * kind.itemsize, stop * kind.itemsize
        parts, at = [], first
        with self._lock:
            while at < last:
                begin, block = self._block_with(at)
                parts.append(block[at - begin : last - begin])
                at += len(parts[-1])
        raw: NDArray[Any] = np.frombuffer(b"".join(parts), kind)
        return raw.astype(kind.newbyteorder("="), copy=False)

    def _block_with(self, at: int) -> tuple[int, bytes]:
        number = max(i for i, restart in enumerate(self._restarts) if restart[0] <= at)
        while True:
            begin, block = self._inflate(number)
            if at < begin + len(block):
                return begin, block
            if number + 1 >= len(self._restarts):
                raise FormatError(
                    f"{self._source.name}: channel {self._channel.name!r} promises {self._total} bytes "
                    f"of samples, {begin + len(block)} are there; the file is damaged",
                    hint="Fetch the file again, or ask its authors for an intact copy.",
                )
            number += 1

    def _inflate(self, number: int) -> tuple[int, bytes]:
        """The bytes from one restart point to the next, which is noted."""
        begin, eaten, state = self._restarts[number]
        if self._block[0] == begin:
            return self._block
        engine, parts, made = state.copy(), [], 0
        while made < _RESTART and eaten < self._packed and not engine.eof:
            piece = self._source.read(self._offset + eaten, min(_PACKED_PIECE, self._packed - eaten))
            eaten += len(piece)
            parts.append(engine.decompress(piece))
            made += len(parts[-1])
        if number + 1 == len(self._restarts) and made and eaten < self._packed and not engine.eof:
            self._restarts.append((begin + made, eaten, engine))
        self._block = (begin, b"".join(parts))
        return self._block


def group_data(source: Source, head: Header, members: Sequence[int]) -> LazyArray:
    """(channel, time) of channels of one rate and length: int16 when all are, else float64."""
    channels = [head.channels[i] for i in members]
    kinds = {channel.dtype for channel in channels}
    uniform = len(members) == len(head.channels) and len(kinds) == 1
    if uniform and not head.compressed:
        return interleaved(source, kinds.pop(), head.data_offset, len(channels), channels[0].points)
    kind = "i2" if all(channel.dtype[-2:] == "i2" for channel in channels) else "f8"
    readers: list[Callable[[int, int], NDArray[Any]]]
    if head.compressed:
        readers = [Inflated(source, channel).read for channel in channels]
    else:
        layout = Interleaved(source, head)
        readers = [functools.partial(layout.read, i) for i in members]

    def read(key: Any) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        chosen = readers[picked]
        out = np.empty((len(chosen), span.stop - span.start), kind)
        for row, reader in zip(out, chosen, strict=True):
            row[:] = reader(span.start, span.stop)
        drop = tuple(slice(None) if isinstance(k, slice) else 0 for k in key)
        result: NDArray[Any] = out[drop]
        return result

    return LazyArray((len(channels), channels[0].points), kind, read, time_major=not head.compressed)
