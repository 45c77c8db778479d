"""Blackrock (Cerebus, NSP, Gemini) recordings: .nev and .ns1 to .ns9, file specifications 2.1 to 3.0.

All files of one stem are one recording. A continuous file (.nsX) has a header, one extended header a channel
(label, unit, digital and analog limits; none of these in 2.1) and blocks of int16 samples, all channels side
by side, each block with the tick of its first sample. An event file (.nev) has a header, extended headers
(electrodes, filters, inputs, video sources) and packets of one size, each with its tick and an identifier.

- Each continuous file is a stream, the fastest first, named ``ns6``, ``ns5`` ... Its rate is 30000 / period.
  Blocks with a pause between them stay apart, as streams ``ns6 2``, ``ns6 3`` ...; of more than 128 runs one
  stream with explicit time is made. Files with a PTP clock store the time of every sample: it is kept.
- Time 0 is tick 0, which the start in the header belongs to; with a PTP clock, which counts since 1970, it is
  the first sample. Raw counts get their scale from the limits. Specification 2.1 stores none: the scale is
  then that of the .nev beside it, and without one the samples are raw counts and a warning says so.
- Spikes are ``spike_time``, ``spike_electrode``, ``spike_unit`` and ``spike_waveform``. All other packets are
  events: digital and serial input, comments, video frames, tracked objects, buttons, changes of settings.
- A .nev has no index. Where going through it would read much more than a header (8 MiB and 1 % of the
  recording), its packets are listed as they are, events among the spikes: those have a ``spike_electrode`` of
  0 or above 32767, and their content in the other arrays. The option ``scan=True`` tells them apart.

Not carried over: colours of comments, and the settings in a .ccf file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._blackrock import nev, nsx
from sparc_fuse_core.formats._blackrock.common import NANOSECONDS
from sparc_fuse_core.formats._blackrock.packets import Found, read_events, rows_of, sort_packets, ticks_in
from sparc_fuse_core.formats._blackrock.spikes import spike_arrays
from sparc_fuse_core.formats._blackrock.streams import streams_of
from sparc_fuse_core.model import Array, Events, Format, Names, Stream, recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from sparc_fuse_core.formats._blackrock.nev import EventFile
    from sparc_fuse_core.formats._blackrock.nsx import Continuous
    from sparc_fuse_core.source import Source

_ENDINGS = tuple(f".ns{number}" for number in range(9, 0, -1))
_SETTINGS = ".ccf"
_LITTLE = 6 << 20  # bytes of packets that are gone through in any case
_MOST_TOLD = 20


def open_blackrock(source: Source, /, *, scan: bool = False, **options: Any) -> xr.DataTree:
    """All files of a Blackrock recording as a lazy tree; `scan` goes through a large .nev on opening.

    Raises FormatError for contradictory headers and `Truncated` when a block is not whole.
    """
    events, continuous, dropped = _open_set(source)
    if events is None and not any(found.blocks for found in continuous):
        raise FormatError(
            f"{source.name}: its header is whole, no sample follows it; nothing was recorded",
            hint="Check that this is the right file and that it was copied after the recording had stopped.",
            source=source.url,
        )
    warnings = [note for found in (events, *continuous) if found is not None for note in found.warnings]
    _scale_early(events, continuous, warnings)
    origin = _origin(events, continuous)
    streams: list[Stream] = []
    for found in sorted(continuous, key=lambda c: (-c.rate, c.ending)):
        streams += streams_of(found, origin if found.resolution == NANOSECONDS else 0, warnings)
    arrays: list[Array] = []
    listed: Events | None = None
    if events is not None:
        total = sum(other.size for other in source.family)
        begin = origin if events.resolution == NANOSECONDS else 0
        listed, arrays = _packets(events, begin, _is_true(scan), total, warnings, dropped)
    return recording(
        streams,
        events=listed,
        arrays=arrays,
        start=_start(source, events, continuous, warnings),
        metadata=_metadata(events, continuous, origin),
        warnings=warnings,
        dropped=dropped,
    )


def _is_true(given: Any) -> bool:
    return str(given).lower() in ("true", "yes", "1")


def _open_set(source: Source) -> tuple[EventFile | None, list[Continuous], list[str]]:
    """The event file, the continuous files, and what of the set is not carried over."""
    files = {source.name.lower(): source}
    for ending in (".nev", *_ENDINGS, _SETTINGS):
        other = source.sibling(source.stem + ending)
        if other is not None:
            files.setdefault(other.name.lower(), other)
    events = next((file for name, file in files.items() if name.endswith(".nev")), None)
    continuous = [file for name, file in files.items() if name.endswith(_ENDINGS)]
    if events is None and not continuous:  # named otherwise: its content decides
        marked = source.read(0, 8, "header") in nev.MARKS
        events, continuous = (source, []) if marked else (None, [source])
    dropped = [f"{name}: settings of the recorder" for name in files if name.endswith(_SETTINGS)]
    held = nev.read_event_file(events) if events is not None else None
    return held, [nsx.read_continuous(file) for file in continuous], dropped


def _scale_early(events: EventFile | None, continuous: list[Continuous], warnings: list[str]) -> None:
    """Channels of specification 2.1 get the scale that the event file tells of their electrodes."""
    for found in continuous:
        if found.spec != "2.1":
            continue
        known = events.electrodes if events is not None else {}
        factors = [known[c.electrode].factor if c.electrode in known else 0.0 for c in found.channels]
        if not all(factors):
            warnings.append(
                f"{found.source.name}: its specification 2.1 stores no scale"
                + (" and the .nev not that of all channels" if known else ", a .nev of its name would")
                + "; the samples are raw counts without a unit."
            )
            continue
        for channel, factor in zip(found.channels, factors, strict=True):
            channel.units, channel.gain = "uV", factor / 1000
            label = known[channel.electrode].label
            channel.label = label or channel.label


def _origin(events: EventFile | None, continuous: list[Continuous]) -> int:
    """The tick that is time 0 of clocks that count since 1970: their first; 0 where there are none."""
    late = [found for found in continuous if found.resolution == NANOSECONDS]
    ticks = [found.blocks[0].tick for found in late if found.blocks]
    if not ticks and events is not None and events.resolution == NANOSECONDS and events.packets:
        ticks = [int(ticks_in(events, rows_of(events, 0, 1))[0])]
    return min(ticks, default=0)


def _start(
    source: Source, events: EventFile | None, continuous: list[Continuous], warnings: list[str]
) -> str | None:
    starts = [found.start for found in (events, *continuous) if found is not None and found.start]
    if len(set(starts)) > 1:
        warnings.append(f"{source.name}: the files of this recording tell different starts: {starts}.")
    return starts[0] if starts else None


# -- packets --------------------------------------------------------------------------------------------------


def _packets(
    held: EventFile, origin: int, scan: bool, total: int, warnings: list[str], dropped: list[str]
) -> tuple[Events | None, list[Array]]:
    """Events and spikes; only spikes, with the events among them, where the file is not gone through."""
    size = held.packets * held.packet
    if not scan and size > max(_LITTLE, total // 200):
        warnings.append(
            f"{held.source.name}: its {held.packets} packets were not gone through, spikes and events are not "
            "told apart: the rows whose spike_electrode is 0 or above 32767 are events. Open it with "
            "scan=True to list them."
        )
        return None, spike_arrays(held, None, origin, held.electrodes, warnings, dropped)
    found = sort_packets(held)
    if found.restarts:
        warnings.append(
            f"{held.source.name}: the recorder set its clock back {len(found.restarts)} times, at packets "
            f"{found.restarts[:_MOST_TOLD]}. Times before and after count from different moments; "
            "spike_run and event_run tell which."
        )
    arrays = spike_arrays(held, found.spikes, origin, found.electrodes, warnings, dropped)
    events = read_events(held, found.others)
    if events.colours:
        dropped.append(f"the colours of {events.colours} comments")
    if found.restarts:
        runs = np.array(found.restarts)
        if len(found.spikes):
            arrays.append(Array("spike_run", np.searchsorted(runs, found.spikes, "right"), ("spike",)))
        if len(found.places):
            arrays.append(Array("event_run", np.searchsorted(runs, found.places, "right"), ("event",)))
    return _table(held, events, origin), [*arrays, *_columns(held, events, origin)]


def _table(held: EventFile, found: Found, origin: int) -> Events | None:
    if not found.ticks:
        return None
    return Events((np.array(found.ticks, "i8") - origin) / held.resolution, found.labels)


def _columns(held: EventFile, found: Found, origin: int) -> list[Array]:
    """What else is known of events, and tracked objects."""
    columns: list[Array] = []
    if found.ticks:
        columns.append(Array("event_type", np.array(found.kinds, dtype=object), ("event",)))
        if not np.isnan(found.values).all():
            columns.append(Array("event_value", np.array(found.values), ("event",)))
    if any(any(row) for row in found.analog):
        dims, note = (
            ("digital_event", "analog_input"),
            {"long_name": "analog inputs at each digital event, mV"},
        )
        columns.append(Array("event_analog_inputs", np.array(found.analog, "i2"), dims, note))
    tracks = found.tracks
    if tracks.ticks:
        times = (np.array(tracks.ticks, "i8") - origin) / held.resolution
        columns.append(Array("tracking_time", times, ("track",), {"units": "s"}))
        heads = np.array(tracks.heads, "u2").T
        for name, column in zip(("parent", "node", "nodes", "points"), heads, strict=True):
            columns.append(Array(f"tracking_{name}", column, ("track",)))
        points = np.array([row.astype("u2") for row in tracks.points])
        columns.append(Array("tracking_coordinates", points, ("track", "coordinate")))
    return columns


# -- metadata -------------------------------------------------------------------------------------------------


def _metadata(events: EventFile | None, continuous: list[Continuous], origin: int) -> dict[str, Any]:
    held: dict[str, Any] = {}
    if origin:
        held["first_tick"] = origin
    for found in continuous:
        about: dict[str, Any] = {"specification": found.spec, "label": found.label, "period": found.period}
        about |= {"ticks_per_second": found.resolution, "comment": found.comment, "start": found.start}
        about["channels"] = [{"electrode": c.electrode, "label": c.label} | c.about for c in found.channels]
        held[found.ending] = {key: value for key, value in about.items() if value not in ("", None)}
    if events is not None:
        about = {"specification": events.spec, "ticks_per_second": events.resolution, "start": events.start}
        about |= events.metadata
        about["electrodes"] = [
            {"number": e.number, "label": e.label, "nV_per_count": e.factor} | e.about
            for e in events.electrodes.values()
        ]
        held["nev"] = {key: value for key, value in about.items() if value not in ("", None, [])}
    return held


def _members(names: Names, name: str) -> Sequence[str]:
    """All files of a stem, the event file first, then the fastest continuous one."""
    near = {other.lower().rpartition(".")[2]: other for other in names.alike(name)}
    order = ("nev", *(ending[1:] for ending in _ENDINGS))
    found = [near[ending] for ending in order if ending in near]
    if not found:
        return [name]
    return [*found, *([near["ccf"]] if "ccf" in near else [])]


FORMAT = Format(
    name="blackrock",
    title="Blackrock NEV/NSx",
    kind="signals",
    suffixes=(".nev", *(f".ns{number}" for number in range(1, 10))),
    open=open_blackrock,
    magic=tuple((0, mark) for mark in (*nev.MARKS, *nsx.MARKS)),
    members=_members,
    parts=(_SETTINGS,),
    options=("scan",),
    carried="streams with scale, units and exact rate, pauses, spikes with waveforms, digital events, comments",
    left="settings of the recorder (.ccf), colours of comments",
    lazy="samples; a large .nev is gone through when it is converted",
)
