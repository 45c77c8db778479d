"""Axon Binary Format, ABF1 1.0-1.8x and ABF2: recordings of Clampex, AxoScope and Fetchex.

Header (`_abf.v1`, `_abf.v2`), then the samples: int16 counts or float32 physical values, all channels of a
scan side by side, sweep after sweep without padding, little-endian. Counts become physical values with
``range / resolution / (instrument scale * signal gain * programmable gain * telegraphed gain)`` and
``instrument offset - signal offset``, each per channel.

The synch array gives (start, length) of every sweep. Starts and tag times are ticks of ``fSynchTimeUnit`` µs,
or multiplexed samples where that is 0; lengths are multiplexed samples, which their sum proves. Sweeps of one
length become (sweep, channel, time); others a stream each, or one with explicit time when there are many.
A clock change within the sweep (``fADCSecondSampleInterval``) gives an explicit time axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._abf import v1, v2
from sparc_fuse_core.formats._abf.header import TAG_KINDS, Header, Sweep, broken, sweeps
from sparc_fuse_core.model import (
    Array,
    Events,
    Format,
    LazyArray,
    Stream,
    interleaved,
    limit_items,
    recording,
)

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MOST_STREAMS = 128  # more sweeps of unequal length than this share one stream with explicit time


def open_abf(source: Source, /, **options: Any) -> xr.DataTree:
    """An ABF file as a lazy tree; raises `FormatError` when its header does not fit its samples."""
    head = _read_header(source)
    limit_items(source, "sample bytes", head.items, source.size)
    source.expect(head.data_offset, head.items * np.dtype(head.dtype).itemsize, "samples")
    found = sweeps(source, head)
    arrays: list[Array] = []
    if len({sweep.items for sweep in found}) > 1 and len(found) > _MOST_STREAMS:
        streams, arrays = _joined(source, head, found)
    elif len({sweep.items for sweep in found}) > 1:
        streams = [_single(source, head, sweep, f"sweep_{i + 1}") for i, sweep in enumerate(found)]
    elif len(found) > 1:
        streams = [_stacked(source, head, found)]
    else:
        streams = [_single(source, head, sweep, "") for sweep in found]
    partial = sum(sweep.items % len(head.names) for sweep in found)
    if partial:
        head.dropped.append(f"{partial} samples of scans that break off before their last channel")
    if head.tags:
        kinds = [TAG_KINDS.get(tag.kind, str(tag.kind)) for tag in head.tags]
        arrays.append(Array("event_type", np.array(kinds, dtype=object), ("event",)))
    return recording(
        streams,
        events=Events([head.seconds(tag.ticks) for tag in head.tags], [tag.text for tag in head.tags]),
        arrays=arrays,
        start=head.start,
        metadata=head.metadata,
        warnings=head.warnings,
        dropped=head.dropped,
    )


def _read_header(source: Source) -> Header:
    mark = source.head(4)
    if mark == b"ABF ":
        head = v1.read_header(source)
    elif mark == b"ABF2":
        head = v2.read_header(source)
    else:
        raise FormatError(
            f"{source.name}: an Axon file starts with 'ABF ' or 'ABF2', this one with {mark!r}; "
            "it is another format",
            hint="Save it as ABF with Clampfit, or export it as ATF text.",
            source=source.url,
        )
    if not np.isfinite(head.synch_unit) or head.synch_unit < 0:
        raise broken(source, f"its synch clock ticks every {head.synch_unit} µs")
    if head.items < 0 or head.episodes < 0:
        raise broken(source, f"it promises {head.items} samples in {head.episodes} sweeps")
    if head.items == 0:
        raise FormatError(
            f"{source.name}: the header promises no samples; the recording was not closed or never started",
            hint="Open and save it once with Clampfit, which repairs files of interrupted recordings.",
            source=source.url,
        )
    return head


def _stream(head: Header, data: LazyArray, **more: Any) -> Stream:
    return Stream(
        data,
        channel_names=head.names,
        units=head.units,
        gain=np.array(head.gains),
        offset=np.array(head.offsets),
        **more,
    )


def _clock(head: Header, samples: int, start: float) -> dict[str, Any]:
    """Rate and start of a stream, or its time axis when the clock changes within a sweep."""
    second = head.second_interval
    if not (
        np.isfinite(second) and second > 0 and second != head.interval and 0 < head.clock_change < samples
    ):
        return {"rate": 1e6 / head.interval, "start": start}
    change = head.clock_change

    def read(key: Any) -> NDArray[Any]:
        at = np.arange(samples, dtype="f8")[key]
        late = change * head.interval + (at - change) * second
        result: NDArray[Any] = start + np.where(at < change, at * head.interval, late) * 1e-6
        return result

    return {"time": LazyArray((samples,), "f8", read)}


def _single(source: Source, head: Header, sweep: Sweep, name: str) -> Stream:
    samples, kind = sweep.items // len(head.names), np.dtype(head.dtype)
    data = interleaved(source, kind, head.data_offset + sweep.first * kind.itemsize, len(head.names), samples)
    return _stream(head, data, name=name, **_clock(head, samples, sweep.start or 0.0))


def _stacked(source: Source, head: Header, found: list[Sweep]) -> Stream:
    """Sweeps of one length as (sweep, channel, time)."""
    count, kind = len(head.names), np.dtype(head.dtype)
    samples = found[0].items // count

    def read(key: Any) -> NDArray[Any]:
        picked, channel, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        width, chosen = span.stop - span.start, found[picked]
        out = np.empty((len(chosen), channel.stop - channel.start, width), kind.newbyteorder("="))
        for i, sweep in enumerate(chosen):
            at = head.data_offset + (sweep.first + span.start * count) * kind.itemsize
            out[i] = source.array(kind, at, width * count).reshape(width, count).T[channel]
        drop = tuple(slice(None) if isinstance(k, slice) else 0 for k in key)
        result: NDArray[Any] = out[drop]
        return result

    starts = [sweep.start for sweep in found if sweep.start is not None]
    clock = _clock(head, samples, 0.0)
    data = LazyArray((len(found), count, samples), kind.newbyteorder("="), read)
    return _stream(head, data, sweep_starts=starts if len(starts) == len(found) else None, **clock)


def _joined(source: Source, head: Header, found: list[Sweep]) -> tuple[list[Stream], list[Array]]:
    """Very many sweeps of unequal length: one stream whose time has the gaps, and where each sweep begins."""
    count = len(head.names)
    if any(sweep.items % count for sweep in found):
        raise broken(source, f"a sweep of {count} channels breaks off within a scan")
    lengths = np.array([sweep.items // count for sweep in found])
    first = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.array([sweep.start or 0.0 for sweep in found])
    total = int(first[-1])

    def times(key: Any) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        at = np.arange(span.start, span.stop)
        sweep = np.searchsorted(first, at, side="right") - 1
        values: NDArray[Any] = starts[sweep] + (at - first[sweep]) * head.interval * 1e-6
        return values if isinstance(key[0], slice) else values[0]

    data = interleaved(source, head.dtype, head.data_offset, count, total)
    stream = _stream(head, data, time=LazyArray((total,), "f8", times))
    stream.attrs["sampling_frequency_within_sweeps"] = 1e6 / head.interval
    table = [
        Array("sweep_first_sample", first[:-1], ("sweep",)),
        Array("sweep_sample_count", lengths, ("sweep",)),
        Array("sweep_start", starts, ("sweep",), {"units": "s"}),
    ]
    return [stream], table


FORMAT = Format(
    name="abf",
    title="Axon ABF",
    kind="signals",
    suffixes=(".abf",),
    open=open_abf,
    magic=((0, b"ABF "), (0, b"ABF2")),
    carried="sweeps, channels, gains, units, tags, exact rates, start",
    left="stimulus waveforms, statistics and other side sections (named)",
    lazy="samples",
)
