"""Streams of a block: every store is cut into chunks, each with its own time and channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._tdt.chunks import read_chunks
from sparc_fuse_core.formats._tdt.index import Index, Store
from sparc_fuse_core.model import LazyArray, Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

_AT_ONCE = 4 << 20
_SLACK = 0.5  # samples that a time stamp may be off before it is a gap


@dataclass(slots=True, eq=False)
class _Group:
    """Channels whose chunks have the same times."""

    times: NDArray[np.float64]
    channels: list[int] = field(default_factory=list)
    places: list[NDArray[np.int64]] = field(default_factory=list)


def streams_of(index: Index, store: Store, data: Source) -> list[Stream]:
    """One stream for all channels whose chunks have the same times; several where they differ. Empties the store."""
    groups: dict[bytes, _Group] = {}
    for number, times, places in _channels(index, store):
        group = groups.setdefault(times.tobytes(), _Group(times))
        group.channels.append(number)
        group.places.append(places)
    if len(groups) > 1:
        index.warnings.append(
            f"The channels of store {store.code!r} do not have the same chunks of samples; they are in "
            f"{len(groups)} streams."
        )
    rows = sorted(groups.values(), key=lambda group: -len(group.channels))
    return [_stream(index, store, data, group, whole=group is rows[0]) for group in rows]


def _channels(index: Index, store: Store) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.int64]]]:
    """Each channel with the times and places of its chunks, in order of time."""
    order = np.argsort(store.channel, kind="stable")
    numbers, times, places = store.channel[order], store.time[order], store.place[order]
    del order
    store.keep(np.zeros(len(numbers), bool))
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for begin, end in pairwise(edges):
        number, when, where = int(numbers[begin]), times[begin:end].copy(), places[begin:end].copy()
        if (np.diff(when) < 0).any():
            index.warnings.append(
                f"The chunks of store {store.code!r}, channel {number}, are not in order of time; they were put in "
                "order."
            )
            order = np.argsort(when, kind="stable")
            when, where = when[order], where[order]
        yield number, when, where


def _stream(index: Index, store: Store, data: Source, group: _Group, *, whole: bool) -> Stream:
    channels = group.channels
    name = store.code if whole else f"{store.code} channel {', '.join(map(str, channels[:8]))}"
    alone = whole and channels in ([0], [1])
    stream = Stream(
        _samples(data, group.places, store.points, store.dtype),
        name=name,
        channel_names=[store.code] if alone else [f"{store.code} {number}" for number in channels],
        attrs={"store": store.code},
    )
    give_times(index, stream, group.times - index.start, store.points, store.rate)
    return stream


def give_times(
    index: Index, stream: Stream, times: NDArray[np.float64], points: int, rate: Fraction | None
) -> None:
    """The clock of a stream from the times of its chunks, in seconds from the start of the recording."""
    if rate is None:
        index.warnings.append(f"The sampling frequency of {stream.name!r} is not told.")
        stream.attrs["chunk_times"] = times[:1000].tolist()
        return
    off = times - times[0] - np.arange(len(times)) * float(points / rate)
    begins = np.flatnonzero(np.concatenate([[True], np.abs(np.diff(off)) * float(rate) > _SLACK]))
    drift = max(float(np.ptp(part)) for part in np.split(off, begins[1:])) * float(rate)
    if drift > 1:
        index.warnings.append(
            f"The time stamps of {stream.name!r} drift {drift:.3g} samples away from its sampling frequency."
        )
    if len(begins) == 1:
        stream.rate, stream.start = float(rate), float(times[0])
        return
    stream.time = _gapped(times[begins], begins, points, rate, len(times) * points)
    stream.attrs["nominal_sampling_frequency"] = float(rate)
    jumps = np.diff(off)[begins[1:] - 1]
    far = int(np.argmax(np.abs(jumps)))
    index.warnings.append(
        f"{stream.name!r} has {len(jumps)} gap(s), the longest of {jumps[far]:g} s before "
        f"{times[begins[far + 1]]:g} s; every sample has its own time."
    )


def _gapped(
    starts: NDArray[np.float64], begins: NDArray[np.intp], points: int, rate: Fraction, count: int
) -> LazyArray:
    def read(key: Key) -> NDArray[Any]:
        (span,) = key
        at = np.arange(span.start, span.stop) if isinstance(span, slice) else np.array(span)
        run = np.searchsorted(begins, at // points, side="right") - 1
        inside = (at - begins[run] * points) * rate.denominator / rate.numerator
        found: NDArray[Any] = starts[run] + inside
        return found

    return LazyArray((count,), "f8", read)


def _samples(data: Source, places: list[NDArray[np.int64]], points: int, dtype: np.dtype[Any]) -> LazyArray:
    """Samples of the chunks at ``places`` (bytes) of each channel; gives (channel, time)."""
    native, nbytes = dtype.newbyteorder("="), points * dtype.itemsize

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), native)
        begin, end = span.start // points, -(-span.stop // points)
        step = max(1, _AT_ONCE // (nbytes * len(out)))
        for first in range(begin, end, step):
            last = min(end, first + step)
            wanted = np.concatenate([row[first:last] for row in places[picked]])
            rows = read_chunks(data, wanted, points, dtype).reshape(len(out), -1)
            low, high = max(first * points, span.start), min(last * points, span.stop)
            out[:, low - span.start : high - span.start] = rows[
                :, low - first * points : high - first * points
            ]
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((len(places), len(places[0]) * points), native, read, blocks=(1, points))
