"""From continuous files to streams: a run of samples each, or one stream with a time of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._blackrock.common import broken
from sparc_fuse_core.formats._blackrock.nsx import Block, Continuous, edges_of, runs_of
from sparc_fuse_core.model import LazyArray, Stream, interleaved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key

_MOST_STREAMS = 128  # more runs than this share one stream with explicit time
_TOGETHER = 4 << 20  # bytes read at once to get at times
_STAMP = np.dtype([("flag", "u1"), ("tick", "<u8"), ("samples", "<u4")])


def streams_of(found: Continuous, origin: int, warnings: list[str]) -> list[Stream]:
    """The streams of one file; ``origin`` is the tick at which the recording starts."""
    if not found.blocks:
        return []
    if found.stamped:
        return [_stamped(found, origin)]
    runs = runs_of(found)
    name = found.ending
    _tell_pauses(found, runs, warnings)
    if len(runs) > _MOST_STREAMS:
        blocks = [block for run in runs for block in run]
        stream = _stream(found, _spliced(found, blocks), name)
        stream.time = _gapped(found, runs, origin)
        stream.attrs["nominal_sampling_frequency"] = float(found.rate)
        return [stream]
    streams = []
    for place, run in enumerate(runs, 1):
        stream = _stream(found, _spliced(found, run), f"{name} {place}" if place > 1 else name)
        stream.rate, stream.start = float(found.rate), (run[0].tick - origin) / found.resolution
        streams.append(stream)
    return streams


def _tell_pauses(found: Continuous, runs: list[list[Block]], warnings: list[str]) -> None:
    if len(runs) == 1:
        return
    ends = [run[0].tick + sum(block.samples for block in run) * found.step for run in runs]
    back = [i for i, run in enumerate(runs[1:], 2) if run[0].tick + found.step <= ends[i - 2]]
    warnings.append(f"{found.source.name}: holds {len(runs)} runs of samples with pauses between them.")
    if back:
        warnings.append(
            f"{found.source.name}: run {back[0]} starts before the one before it ends: the recorder set its "
            "clock back. Times of such runs count from different moments."
        )


def _stream(found: Continuous, data: LazyArray, name: str) -> Stream:
    channels = found.channels
    scaled = all(channel.gain for channel in channels)
    stream = Stream(data, name=name, channel_names=[channel.label for channel in channels])
    if scaled:
        stream.units = [channel.units for channel in channels]
        stream.gain = np.array([channel.gain for channel in channels])
        stream.offset = np.array([channel.offset for channel in channels])
    elif any(channel.gain for channel in channels):
        stream.units = [channel.units if channel.gain else "" for channel in channels]
        stream.gain = np.array([channel.gain or 1.0 for channel in channels])
        stream.offset = np.array([channel.offset for channel in channels])
    stream.description = found.label
    stream.attrs["channel_electrodes"] = [channel.electrode for channel in channels]
    return stream


def _spliced(found: Continuous, blocks: list[Block]) -> LazyArray:
    """The samples of blocks that lie apart in the file as one array (channel, time)."""
    source, count = found.source, len(found.channels)
    if len(blocks) == 1:
        return interleaved(source, "<i2", blocks[0].offset, count, blocks[0].samples)
    edges, offsets = edges_of(blocks), [block.offset for block in blocks]

    def read(key: Key) -> NDArray[Any]:
        channel, time = key
        span = time if isinstance(time, slice) else slice(time, time + 1)
        out = np.empty((span.stop - span.start, count), "i2")
        place = int(np.searchsorted(edges, span.start, side="right")) - 1
        at = span.start
        while at < span.stop:
            stop = min(span.stop, int(edges[place + 1]))
            first = offsets[place] + (at - int(edges[place])) * found.row
            rows = source.array("<i2", first, (stop - at) * count).reshape(-1, count)
            out[at - span.start : stop - span.start] = rows
            at, place = stop, place + 1
        block = out.T[channel]
        return block if isinstance(time, slice) else block[..., 0]

    return LazyArray((count, int(edges[-1])), "i2", read, time_major=True)


def _gapped(found: Continuous, runs: list[list[Block]], origin: int) -> LazyArray:
    """Seconds of each sample of very many runs."""
    starts = np.array([(run[0].tick - origin) / found.resolution for run in runs])
    edges = np.cumsum([0] + [sum(block.samples for block in run) for run in runs])
    step = 1 / float(found.rate)

    def read(key: Key) -> NDArray[Any]:
        at = (
            np.arange(int(edges[-1]))[key]
            if isinstance(key[0], int)
            else np.arange(key[0].start, key[0].stop)
        )
        run = np.searchsorted(edges, at, side="right") - 1
        values: NDArray[Any] = starts[run] + (at - edges[run]) * step
        return values

    return LazyArray((int(edges[-1]),), "f8", read)


def _stamped(found: Continuous, origin: int) -> Stream:
    """Samples that each have their own time, as they have when the clock is synchronised by PTP."""
    source, step, samples = found.source, found.stamped, found.blocks[0].samples
    begin = found.blocks[0].offset
    data = interleaved(source, "<i2", begin + _STAMP.itemsize, len(found.channels), samples, stride=step)

    together = max(1, _TOGETHER // step)

    def ticks(start: int, stop: int) -> NDArray[Any]:
        raw = source.read(begin + start * step, (stop - start - 1) * step + _STAMP.itemsize, "times")
        stamps = np.ndarray((stop - start,), _STAMP, raw, 0, (step,))
        if (stamps["flag"] != 1).any() or (stamps["samples"] != 1).any():
            raise broken(source, f"samples {start} to {stop} do not have a time each")
        return stamps["tick"].astype("i8") - origin

    def read(key: Key) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        values = np.empty(span.stop - span.start)
        for start in range(span.start, span.stop, together):  # the samples between the times are read too
            stop = min(span.stop, start + together)
            values[start - span.start : stop - span.start] = ticks(start, stop) / found.resolution
        return values if isinstance(key[0], slice) else values[0]

    stream = _stream(found, data, found.ending)
    stream.time = LazyArray((samples,), "f8", read)
    stream.attrs["nominal_sampling_frequency"] = float(found.rate)
    return stream
