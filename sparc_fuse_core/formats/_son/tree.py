"""From the channels of a SON file to the canonical tree: streams, one table of events, waveforms."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._son.common import (
    ADC,
    ADC_MARK,
    BOTH,
    CODED,
    KINDS,
    SAMPLED_MARKS,
    TEXT_MARK,
    WAVES,
    Channel,
    Recording,
    broken,
    check_times,
    read_chunks,
    text,
)
from sparc_fuse_core.model import Array, Events, LazyArray, Stream, recording, slug

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key

# Events are read when a file is opened; of more than this the longest channels become lazy arrays.
_TABLE_BYTES = 4 << 20


def build_tree(found: Recording) -> xr.DataTree:
    """All channels as a lazy tree; channels without data are named among what is not carried over."""
    if not found.channels:
        raise broken(found.source, "it has no channels: the recording was never saved, or all were deleted")
    used = [channel for channel in found.channels if channel.chunks.total]
    found.dropped += [
        f"channel {channel.number} {channel.title!r} ({KINDS[channel.kind]}), which holds no data"
        for channel in found.channels
        if not channel.chunks.total
    ]
    for channel in used:
        check_times(found, channel)
    found.metadata["channels"] = [_described(found, channel) for channel in found.channels]
    marks = [channel for channel in used if channel.kind not in WAVES]
    listed = _listed(marks)
    names = _own_names(marks)
    arrays = [
        array for c in marks if c.kind in SAMPLED_MARKS for array in _waveforms(found, c, names[c.number])
    ]
    for channel in marks:
        if channel not in listed:
            arrays += _long_events(found, channel, names[channel.number])
            found.warnings.append(
                f"The {channel.chunks.total} events of channel {channel.number} {channel.title!r} are in "
                f"mark_times_{names[channel.number]}, not in the table of events."
            )
    events, columns = _table(found, listed, names)
    return recording(
        _streams(found, [channel for channel in used if channel.kind in WAVES]),
        events=events,
        arrays=[*columns, *arrays],
        start=found.start,
        metadata=found.metadata,
        warnings=found.warnings,
        dropped=found.dropped,
    )


def _described(found: Recording, channel: Channel) -> dict[str, Any]:
    held: dict[str, Any] = {
        "number": channel.number,
        "kind": KINDS[channel.kind],
        "title": channel.title,
        "units": channel.units,
        "comment": channel.comment,
        "physical_channel": channel.physical,
        "ideal_rate": channel.ideal,
        "items": channel.chunks.total,
    }
    if channel.kind in (*WAVES, ADC_MARK):
        held |= {"scale": channel.scale, "offset": channel.offset, "ticks_per_sample": channel.step}
    return {key: value for key, value in held.items() if value not in ("", None)}


# -- streams ------------------------------------------------------------------------------------------------


def _runs(channel: Channel) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First tick and first sample of each run of samples without a gap."""
    chunks = channel.chunks
    follows = chunks.first[1:] == chunks.first[:-1] + chunks.count[:-1] * channel.step
    begins = np.concatenate([[True], ~follows])
    return chunks.first[begins], chunks.edges[:-1][begins]


def _streams(found: Recording, waves: list[Channel]) -> list[Stream]:
    """Channels with the same clock, the same gaps and the same length share a stream."""
    groups: dict[tuple[Any, ...], list[Channel]] = {}
    for channel in waves:
        ticks, samples = _runs(channel)
        key = (channel.kind, channel.step, channel.chunks.total, ticks.tobytes(), samples.tobytes())
        groups.setdefault(key, []).append(channel)
    return [_stream(found, group) for group in groups.values()]


def _stream(found: Recording, group: list[Channel]) -> Stream:
    first, rate = group[0], found.rate(group[0])
    stream = Stream(
        _samples(found, group),
        name=first.name if len(group) == 1 else f"{rate:.10g} Hz",
        channel_names=[channel.title for channel in group],
        units=[channel.units for channel in group],
    )
    if first.kind == ADC:
        stream.gain = np.array([channel.gain for channel in group])
        stream.offset = np.array([channel.offset for channel in group])
    if any(channel.comment for channel in group):
        stream.attrs["channel_comments"] = [channel.comment for channel in group]
    ticks, samples = _runs(first)
    if len(ticks) == 1:
        stream.rate, stream.start = rate, float(found.seconds(ticks)[0])
    else:
        stream.time = _gapped(found, first, ticks, samples)
        stream.attrs["nominal_sampling_frequency"] = rate
    return stream


def _samples(found: Recording, group: list[Channel]) -> LazyArray:
    native = group[0].item.newbyteorder("=")

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), native)
        for row, channel in zip(out, group[picked], strict=True):
            row[:] = read_chunks(found.source, channel, span.start, span.stop)
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    longest = int(np.max(group[0].chunks.count))
    return LazyArray((len(group), group[0].chunks.total), native, read, blocks=(1, longest))


def _gapped(
    found: Recording, channel: Channel, ticks: NDArray[np.int64], samples: NDArray[np.int64]
) -> LazyArray:
    """Seconds of each sample of a recording with gaps."""

    def read(key: Key) -> NDArray[Any]:
        (span,) = key
        at = np.arange(span.start, span.stop) if isinstance(span, slice) else np.array(span)
        run = np.searchsorted(samples, at, side="right") - 1
        return found.seconds(ticks[run] + (at - samples[run]) * channel.step)

    return LazyArray((channel.chunks.total,), "f8", read)


# -- events -------------------------------------------------------------------------------------------------


def _listed(marks: list[Channel]) -> list[Channel]:
    """Channels whose events fit the table, the short ones first; text is always there."""
    room, taken = _TABLE_BYTES, set()
    for channel in sorted(marks, key=lambda c: (c.kind != TEXT_MARK, c.nbytes)):
        if channel.kind == TEXT_MARK or channel.nbytes <= room:
            room -= channel.nbytes
            taken.add(channel.number)
    return [channel for channel in marks if channel.number in taken]


def _own_names(marks: list[Channel]) -> dict[int, str]:
    """A name for the variables of each channel: its title, with its number where titles repeat."""
    titles = {channel.number: slug(channel.name) or f"channel_{channel.number}" for channel in marks}
    repeated = {
        title
        for title, group in groupby(sorted(t.casefold() for t in titles.values()))
        if len(list(group)) > 1
    }
    return {n: f"{t}_ch{n}" if t.casefold() in repeated else t for n, t in titles.items()}


def _table(
    found: Recording, listed: list[Channel], names: dict[int, str]
) -> tuple[Events | None, list[Array]]:
    """All events in order of time, with the kind of their channel and, where some have them, their codes."""
    if not listed:
        return None, []
    ticks: list[NDArray[Any]] = []
    codes: list[NDArray[Any]] = []
    labels: list[str] = []
    for channel in listed:
        items = read_chunks(found.source, channel, 0, channel.chunks.total)
        ticks.append(items["tick"].astype(np.int64))
        _check_order(found, channel, ticks[-1])
        coded = channel.kind in CODED
        codes.append(items["codes"] if coded else np.zeros((len(items), 4), "u1"))
        labels += _labels(channel, items)
    order = np.argsort(np.concatenate(ticks), kind="stable")
    titles = [channel.name for channel in listed]
    shown = [
        f"{t} (channel {c.number})" if titles.count(t) > 1 else t for t, c in zip(titles, listed, strict=True)
    ]
    owner = np.repeat(np.arange(len(listed)), [channel.chunks.total for channel in listed])[order]
    events = Events(
        time=found.seconds(np.concatenate(ticks)[order]),
        label=[labels[i] for i in order],
        channel=[shown[i] for i in owner],
    )
    kinds = np.array([KINDS[channel.kind] for channel in listed], dtype=object)[owner]
    columns = [Array("event_type", kinds, ("event",))]
    if any(channel.kind in CODED for channel in listed):
        columns.append(Array("event_codes", np.concatenate(codes)[order], ("event", "code")))
    return events, columns


def _check_order(found: Recording, channel: Channel, ticks: NDArray[np.int64]) -> None:
    """Events lie in order of time, up to the tick that the channel's head says."""
    named = f"Channel {channel.number} {channel.title!r}"
    if back := int((np.diff(ticks) < 0).sum()):
        found.warnings.append(f"{named}: {back} of its {len(ticks)} events are before the one before them.")
    if channel.kind not in SAMPLED_MARKS and channel.last not in (-1, int(ticks[-1])):
        found.warnings.append(
            f"{named} is said to end at tick {channel.last}, its last event is at tick {int(ticks[-1])}."
        )


def _labels(channel: Channel, items: NDArray[Any]) -> list[str]:
    name = channel.name
    if channel.kind == TEXT_MARK:
        return [text(raw.split(b"\0", 1)[0]) or name for raw in items["data"].tolist()]
    if channel.kind == BOTH:
        words = (f"{name} fall", f"{name} rise")
        return [words[level] for level in _levels(channel, items, 0).tolist()]
    if channel.kind in CODED:
        packed = np.ascontiguousarray(items["codes"]).view("<u4").ravel()
        different, which = np.unique(packed, return_inverse=True)
        known = [f"{name} {code_text(int(code).to_bytes(4, 'little'))}" for code in different]
        return [known[i] for i in which.tolist()]
    return [name] * len(items)


def code_text(codes: bytes) -> str:
    """Marker codes as Spike2 shows them: printable characters, else hexadecimal digits; no trailing 00."""
    used = codes.rstrip(b"\0") or codes[:1]
    return " ".join(chr(code) if 32 < code < 127 else f"{code:02X}" for code in used)


def _levels(channel: Channel, items: NDArray[Any], start: int) -> NDArray[np.uint8]:
    """1 for each event that goes up, 0 for each that goes down."""
    chunks = channel.chunks
    if chunks.rises is None:
        stored: NDArray[np.uint8] = (items["codes"][:, 0] != 0).astype("u1")
        return stored
    at = np.arange(start, start + len(items))
    chunk = np.searchsorted(chunks.edges, at, side="right") - 1
    levels: NDArray[np.uint8] = ((at - chunks.edges[chunk] + chunks.rises[chunk]) % 2).astype("u1")
    return levels


# -- arrays of one channel ----------------------------------------------------------------------------------


def _column(
    found: Recording, channel: Channel, name: str, dtype: str, shape: tuple[int, ...] = ()
) -> LazyArray:
    """One part of all items, read when asked for: ``tick`` (in s), ``codes``, ``data`` or ``level``."""

    def read(key: Key) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        items = read_chunks(found.source, channel, span.start, span.stop)
        if name == "tick":
            held: NDArray[Any] = found.seconds(items["tick"])
        elif name == "level":
            held = _levels(channel, items, span.start)
        else:
            held = items[name].reshape(len(items), *shape)
        inner = held[(slice(None), *key[1:])]
        return inner if isinstance(key[0], slice) else inner[0]

    return LazyArray((channel.chunks.total, *shape), dtype, read)


def _long_events(found: Recording, channel: Channel, own: str) -> list[Array]:
    """Times, and codes or levels, of a channel that is not in the table."""
    if channel.kind in SAMPLED_MARKS:
        return []
    events = f"marks_{own}"
    note = {"channel": channel.name, "kind": KINDS[channel.kind]}
    held = [
        Array(f"mark_times_{own}", _column(found, channel, "tick", "f8"), (events,), note | {"units": "s"})
    ]
    if channel.kind == BOTH:
        held.append(Array(f"mark_levels_{own}", _column(found, channel, "level", "u1"), (events,), note))
    elif channel.kind in CODED:
        held.append(
            Array(f"mark_codes_{own}", _column(found, channel, "codes", "u1", (4,)), (events, "code"), note)
        )
    return held


def _waveforms(found: Recording, channel: Channel, own: str) -> list[Array]:
    """The samples attached to each AdcMark, or the numbers of each RealMark, with their times and codes."""
    events = f"marks_{own}"
    note: dict[str, Any] = {"channel": channel.name, "kind": KINDS[channel.kind]}
    values = dict(note)
    if channel.units:
        values["units"] = channel.units
    wave = channel.kind == ADC_MARK
    if wave:
        values |= {"scale_factor": channel.gain, "add_offset": channel.offset}
        values |= {"sampling_frequency": found.rate(channel), "points_before_trigger": channel.before}
    shape: tuple[int, ...] = (channel.points, channel.traces) if channel.traces > 1 else (channel.points,)
    data = _column(found, channel, "data", "i2" if wave else "f4", shape)
    dims = [events, f"point_{own}"]
    if channel.traces > 1:  # the file stores point by point, we keep each trace together
        data, dims = data.transpose(0, 2, 1), [events, f"trace_{own}", f"point_{own}"]
    return [
        Array(f"{'waveforms' if wave else 'values'}_{own}", data, dims, values),
        Array(f"mark_times_{own}", _column(found, channel, "tick", "f8"), (events,), note | {"units": "s"}),
        Array(f"mark_codes_{own}", _column(found, channel, "codes", "u1", (4,)), (events, "code"), note),
    ]
