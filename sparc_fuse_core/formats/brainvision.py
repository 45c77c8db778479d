"""BrainVision (Recorder, Analyzer, PyCorder, V-Amp): .vhdr or .ahdr with .vmrk or .amrk and .eeg, .dat, .avg or .txt.

The header is text with sections: what the data file is called and how its samples lie (by time or by channel;
16-bit, 32-bit or float, or text), and of each channel the name, reference, resolution and unit (µV where none
is told). The marker file lists type, description, position, size, channel and date of each marker.

- Samples are ``raw * resolution``; the rate is 10^6 / SamplingInterval (µs). Raw integers stay raw.
- Markers are the events: type, description, duration (their size) and channel. The first "New Segment" dates
  the recording. Each further one is an interruption: the parts before and after stay apart, as sweeps where
  all are of one length, else as streams (as one stream with explicit time where there are more than 128).
  Dates say how long an interruption was. Without them it is not known, and a warning says so; a mark within
  a sample of where it should be is no interruption. ``SegmentDataPoints`` makes sweeps as well.
- Files that were renamed but not their names in the header are found by the header's own stem; a warning
  tells. Comment, coordinates and properties are metadata.

Data that are not over time (spectra) are refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._arrays import planar, stack, text_matrix, window
from sparc_fuse_core.formats._brainvision.header import (
    Channel,
    Marker,
    Sections,
    broken,
    channels_of,
    markers_of,
    metadata_of,
    number,
    read_sections,
    whole,
)
from sparc_fuse_core.formats._brainvision.segments import Segment, seconds, segments_of
from sparc_fuse_core.model import (
    Array,
    Events,
    Format,
    LazyArray,
    Names,
    Stream,
    interleaved,
    limit_items,
    recording,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

_HEADERS = (".vhdr", ".ahdr")
_MARKERS = (".vmrk", ".amrk")
_DATA = (".eeg", ".dat", ".avg", ".seg")
_TEXT = (".txt",)
_KINDS = {"INT_16": "i2", "UINT_16": "u2", "INT_32": "i4", "IEEE_FLOAT_32": "f4"}
_MOST_STREAMS = 128
_TITLE = re.compile(rb"(?i)\s*(?:\xef\xbb\xbf)?brain ?vision[^\r\n]*header file")


def open_brainvision(source: Source, /, **options: Any) -> xr.DataTree:
    """A BrainVision recording as a lazy tree, from its header file.

    Raises FormatError when its data file is missing or does not fit the header, `Truncated` when it is short.
    """
    warnings: list[str] = []
    held = read_sections(source, warnings)
    kind = held.get("common infos", "DataType").upper()
    if kind not in ("", "TIMEDOMAIN"):
        raise FormatError(
            f"{source.name}: holds {kind.lower()} data, only data over time are read",
            hint="Export the recording before its transformation.",
            source=source.url,
        )
    count = whole(source, held.get("common infos", "NumberOfChannels"), "the number of channels")
    limit_items(source, "channels", count)
    interval = number(source, held.get("common infos", "SamplingInterval"), "the sampling interval")
    if count < 1 or interval <= 0:
        raise broken(source, f"it tells {count} channels and a sampling interval of {float(interval)} µs")
    channels = channels_of(source, held, count, warnings)
    body = _sibling(source, held, "DataFile", _DATA + _TEXT, warnings)
    if body is None:
        raise FormatError(
            f"{source.name}: its samples are in {held.get('common infos', 'DataFile')!r}, which is not there",
            hint=f"Put the data file beside {source.name}.",
            source=source.url,
        )
    rate = Fraction(10**6) / interval
    data = _samples(source, body, held, count, warnings)
    marked = _sibling(source, held, "MarkerFile", _MARKERS, warnings)
    told = read_sections(marked, warnings) if marked is not None else None
    markers = markers_of(marked, told, warnings) if marked is not None and told is not None else []
    return _assemble(source, held, told, channels, data, rate, markers, warnings)


def _sibling(
    source: Source, held: Sections, key: str, endings: Sequence[str], warnings: list[str]
) -> Source | None:
    """The file that the header names, or the one of the header's own stem."""
    named = held.get("common infos", key).replace("$b", source.stem)
    named = re.split(r"[/\\]", named)[-1].strip('"')
    found = source.sibling(named) if named else None
    if found is not None:
        return found
    if key == "MarkerFile" and not named:
        return None
    for ending in endings:
        other = source.sibling(source.stem + ending)
        if other is not None and other is not source:
            warnings.append(
                f"{source.name}: names {named or 'no file'} as its {key}, which is not there; {other.name} is "
                "taken, which has its own name."
            )
            return other
    if key == "MarkerFile":
        warnings.append(f"{source.name}: its markers are in {named!r}, which is not there; they are missing.")
    return None


# -- samples --------------------------------------------------------------------------------------------------


def _samples(source: Source, body: Source, held: Sections, count: int, warnings: list[str]) -> LazyArray:
    """All samples as (channel, time), raw."""
    form = (held.get("common infos", "DataFormat") or "BINARY").upper()
    turned = (held.get("common infos", "DataOrientation") or "MULTIPLEXED").upper()
    if turned not in ("MULTIPLEXED", "VECTORIZED"):
        raise broken(source, f"its samples are {turned}, only MULTIPLEXED and VECTORIZED are known")
    told = held.get("common infos", "DataPoints")
    points = whole(source, told, "the number of data points") if told else 0
    if form == "ASCII":
        return _text_samples(source, body, held, count, points, by_channel=turned == "VECTORIZED")
    name = held.get("binary infos", "BinaryFormat").upper()
    if form != "BINARY" or name not in _KINDS:
        raise broken(source, f"its samples are {form} {name or 'of no type'}; known are {', '.join(_KINDS)}")
    order = ">" if held.get("binary infos", "UseBigEndianOrder").upper() == "YES" else "<"
    kind = np.dtype(order + _KINDS[name])
    extra = {
        key: whole(source, held.get("binary infos", key) or "0", key)
        for key in ("DataOffset", "TrailerSize", "ChannelOffset", "SegmentHeaderSize")
    }
    if extra["SegmentHeaderSize"] or min(extra.values()) < 0:
        raise broken(source, f"a layout of its data file that is not known: {extra}")
    gap = extra["ChannelOffset"] if turned == "VECTORIZED" else 0
    size = body.size - extra["DataOffset"] - extra["TrailerSize"] - gap * count
    samples, rest = divmod(size, count * kind.itemsize)
    if samples < 1 or (points and samples < points):
        body.expect(extra["DataOffset"], max(1, points) * count * kind.itemsize, "samples")
        raise broken(source, f"{body.name} holds no samples")
    if rest or (points and samples > points):
        samples = _settled(source, body, points, samples, rest, turned, warnings)
    begin = extra["DataOffset"] + gap
    if turned == "VECTORIZED":
        return planar(body, kind, begin, count, samples, samples * kind.itemsize + gap)
    return interleaved(body, kind, begin, count, samples)


def _settled(
    source: Source, body: Source, points: int, samples: int, rest: int, turned: str, warnings: list[str]
) -> int:
    """Samples of a data file that holds more than it should."""
    if turned == "VECTORIZED" and not points:
        raise broken(source, f"{body.name} does not hold equally many samples of each channel")
    if points and samples > points:
        warnings.append(f"{source.name}: promises {points} samples, {body.name} has {samples}: all are read.")
        return points if turned == "VECTORIZED" else samples
    warnings.append(f"{body.name}: {rest} bytes after its last whole sample are not carried over.")
    return samples


def _text_samples(
    source: Source, body: Source, held: Sections, count: int, points: int, *, by_channel: bool
) -> LazyArray:
    def get(key: str) -> int:
        return whole(source, held.get("ascii infos", key) or "0", key)

    skip, columns = get("SkipLines"), get("SkipColumns")
    comma = held.get("ascii infos", "DecimalSymbol") == ","
    if min(skip, columns) < 0 or columns > count:
        raise broken(source, f"{skip} lines and {columns} columns of its text are to be left out")

    def lines(said: str) -> list[str]:
        rows = [line for line in said.splitlines()[skip:] if line.strip()]
        if columns:
            rows = [(line.split(None, columns) + [""] * (columns + 1))[columns] for line in rows]
        return [row.replace(",", ".") for row in rows] if comma else rows

    return text_matrix(body, count, points or None, lines, by_channel=by_channel)


# -- the tree -------------------------------------------------------------------------------------------------


def _assemble(
    source: Source,
    held: Sections,
    told: Sections | None,
    channels: list[Channel],
    data: LazyArray,
    rate: Fraction,
    markers: list[Marker],
    warnings: list[str],
) -> xr.DataTree:
    length = whole(source, held.get("common infos", "SegmentDataPoints") or "0", "the length of segments")
    limit_items(source, "samples in a segment", length, 1 << 62)
    samples = data.shape[1]
    segments = segments_of(markers, samples, rate, length, source.name, warnings)
    late = sum(not 0 <= marker.position < samples for marker in markers)
    if late:
        warnings.append(f"{source.name}: {late} markers lie outside of the {samples} samples.")
    metadata = metadata_of(held, channels, told)
    if len(segments) > 1:
        dates = [segment.date.isoformat() if segment.date else "" for segment in segments[:_MOST_STREAMS]]
        metadata["segment_dates"] = dates
    begin = next((s.date for s in segments[:1] if s.date is not None), None)
    return recording(
        _streams(channels, data, rate, segments),
        events=_events(channels, markers, segments, rate),
        arrays=_arrays(markers, segments, rate),
        start=begin.isoformat() if begin else None,
        metadata=metadata,
        warnings=warnings,
    )


def _streams(
    channels: list[Channel], data: LazyArray, rate: Fraction, segments: list[Segment]
) -> list[Stream]:
    def stream(part: LazyArray, name: str = "", **clock: Any) -> Stream:
        return Stream(
            part,
            name=name,
            channel_names=[channel.name for channel in channels],
            units=[channel.units for channel in channels],
            gain=np.array([channel.resolution for channel in channels]),
            **clock,
        )

    speed, samples = float(rate), data.shape[1]
    if len(segments) == 1:
        return [stream(data, rate=speed, start=segments[0].start)]
    if len({segment.samples for segment in segments}) == 1:
        parts = stack(data, [segment.first for segment in segments], segments[0].samples)
        return [stream(parts, rate=speed, sweep_starts=[segment.start for segment in segments])]
    if len(segments) > _MOST_STREAMS:
        joined = stream(data, time=_times(segments, samples, rate))
        joined.attrs["nominal_sampling_frequency"] = speed
        return [joined]
    return [
        stream(
            window(data, segment.first, segment.stop),
            f"segment {place}" if place > 1 else "",
            rate=speed,
            start=segment.start,
        )
        for place, segment in enumerate(segments, 1)
    ]


def _times(segments: list[Segment], samples: int, rate: Fraction) -> LazyArray:
    def read(key: Key) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        values = seconds(np.arange(span.start, span.stop), segments, rate)
        return values if isinstance(key[0], slice) else values[0]

    return LazyArray((samples,), "f8", read)


def _events(
    channels: list[Channel], markers: list[Marker], segments: list[Segment], rate: Fraction
) -> Events | None:
    if not markers:
        return None
    names = {place: channel.name for place, channel in enumerate(channels, 1)}
    return Events(
        time=seconds(np.array([marker.position for marker in markers], "i8"), segments, rate),
        label=[marker.said or marker.kind for marker in markers],
        duration=[marker.size / float(rate) for marker in markers],
        channel=[names.get(m.channel, f"channel {m.channel}") if m.channel > 0 else "" for m in markers],
    )


def _arrays(markers: list[Marker], segments: list[Segment], rate: Fraction) -> list[Array]:
    """Type of each marker, and where each part of a recording with very many begins."""
    found = []
    if markers:
        kinds = np.array([marker.kind for marker in markers], dtype=object)
        found.append(Array("event_type", kinds, ("event",)))
    if len(segments) > _MOST_STREAMS and len({segment.samples for segment in segments}) > 1:
        firsts = np.array([segment.first for segment in segments])
        found.append(Array("segment_first_sample", firsts, ("segment",)))
        starts = np.array([segment.start for segment in segments])
        found.append(Array("segment_start", starts, ("segment",), {"units": "s"}))
    return found


def _members(names: Names, name: str) -> Sequence[str]:
    near = names.alike(name)
    heads = [n for n in near if n.lower().endswith(_HEADERS)]
    head = name if name in heads else min(heads, key=lambda n: _HEADERS.index(n[-5:].lower()), default=None)
    if head is None:
        return [name]
    data = [n for n in near if n.lower().endswith(_DATA)]
    # A text beside a data file are notes; Analyzer exports samples as .txt too.
    data = data or [n for n in near if n.lower().endswith(_TEXT)]
    return [head, *(n for n in near if n.lower().endswith(_MARKERS)), *data]


FORMAT = Format(
    name="brainvision",
    title="BrainVision",
    kind="signals",
    suffixes=_HEADERS,
    open=open_brainvision,
    sniff=lambda head: _TITLE.match(head) is not None,
    magic=((0, b"Brain Vision"), (0, b"BrainVision"), (0, b"\xef\xbb\xbfBrain")),
    members=_members,
    parts=_MARKERS + _DATA + _TEXT,
    carried="channels, resolution, units, exact rate, markers, segments, gaps",
    left="data that are not over time (refused)",
    lazy="samples; text data whole",
)
