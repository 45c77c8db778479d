"""BIOPAC AcqKnowledge recordings (.acq), revisions 30 to 132 and later, plain and compressed.

In file order: graph header (byte order, revision, channels, ms per tick), channel headers, foreign data, the
sample type of each channel (int16 with gain and offset, or float64 in physical units), then for plain files
the samples, markers and journal, for compressed ones markers, journal and a zlib stream for each channel. One
has a sample every ``divider`` ticks; channels of one divider become one stream, the fastest stream first.
Marker times count base ticks. The format does not state when a recording began.

CTF MEG datasets and some text exports also end in .acq; they are refused by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._acq.cursor import Header, Marker, created
from sparc_fuse_core.formats._acq.header import read_header
from sparc_fuse_core.formats._acq.samples import group_data
from sparc_fuse_core.model import Array, Events, Format, Stream, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_AXES = {2: "frequency", 3: "an arbitrary unit"}


def open_acq(source: Source, /, **options: Any) -> xr.DataTree:
    """An AcqKnowledge file as a lazy tree; `NotSupported` for other formats that end in .acq."""
    head = read_header(source)
    groups: dict[tuple[int, int], list[int]] = {}
    for index, channel in enumerate(head.channels):
        if channel.points:
            groups.setdefault((channel.divider, channel.points), []).append(index)
        else:
            head.dropped.append(f"channel {channel.name!r}, which has no samples")
    _note_oddities(head)
    rate = None if head.axis in _AXES else 1000 / head.step
    streams = [
        _stream(source, head, rate, *group) for group in sorted(groups.items(), key=lambda item: item[0][0])
    ]
    return recording(
        streams,
        events=_events(head),
        arrays=_marker_arrays(head),
        metadata=_metadata(head),
        warnings=head.warnings,
        dropped=head.dropped,
    )


def _stream(
    source: Source, head: Header, base: float | None, key: tuple[int, int], members: list[int]
) -> Stream:
    channels = [head.channels[i] for i in members]
    rate = None if base is None else base / key[0]
    return Stream(
        group_data(source, head, members),
        rate=rate,
        name=f"every {key[0]} ticks" if rate is None else f"{rate:.10g} Hz",
        channel_names=[channel.name for channel in channels],
        units=[channel.units for channel in channels],
        gain=np.array([channel.gain for channel in channels]),
        offset=np.array([channel.offset for channel in channels]),
    )


def _note_oddities(head: Header) -> None:
    if head.axis in _AXES:
        head.warnings.append(
            f"the horizontal axis is {_AXES[head.axis]}, not time, in steps of {head.step:g}; "
            "no sampling rate is given"
        )
    ends = [channel.points * channel.divider for channel in head.channels if channel.points]
    if ends and max(ends) - min(ends) > max(channel.divider for channel in head.channels):
        first, last = (end * head.step / 1000 for end in (min(ends), max(ends)))
        head.warnings.append(
            f"its channels end at different times, from {first:g} to {last:g} s after the start"
        )
    appended = sum(_is_segment(marker) for marker in head.markers)
    if appended > 1:
        head.warnings.append(
            f"{appended} segments were recorded one after the other; "
            "the pauses between them are not on the time axis"
        )


def _is_segment(marker: Marker) -> bool:
    # Before AcqKnowledge 4.2 the mark of an appended segment has no kind of its own, only its text.
    unnamed = marker.kind in ("", "defl")
    return marker.kind == "apnd" or (unnamed and re.fullmatch(r"Segment \d+", marker.text) is not None)


def _events(head: Header) -> Events:
    names = {channel.order: channel.name for channel in head.channels}
    return Events(
        time=[marker.tick * head.step / 1000 for marker in head.markers],
        label=[marker.text for marker in head.markers],
        channel=[names.get(marker.order, "") if marker.order >= 0 else "" for marker in head.markers],
    )


def _marker_arrays(head: Header) -> list[Array]:
    """The kind (four letters of AcqKnowledge: apnd, flag, defl …) and making of each marker, where stored."""
    columns = {
        "event_type": [marker.kind for marker in head.markers],
        "event_created": [created(marker.created) for marker in head.markers],
    }
    return [
        Array(name, np.array(held, dtype=object), ("event",)) for name, held in columns.items() if any(held)
    ]


def _metadata(head: Header) -> dict[str, Any]:
    details = [
        {
            "name": channel.name,
            "order": channel.order,
            "divider": channel.divider,
            "stored_as": channel.dtype[-2:],
        }
        | ({"description": channel.description} if channel.description else {})
        for channel in head.channels
    ]
    return {**head.metadata, "channels": details} | ({"journal": head.journal} if head.journal else {})


FORMAT = Format(
    name="acq",
    title="BIOPAC AcqKnowledge",
    kind="signals",
    suffixes=(".acq",),
    open=open_acq,
    carried="all channels at their own rates, gains, units, markers, journal",
    left="foreign data of unpublished layout (named)",
    lazy="samples; a compressed channel whole",
)
