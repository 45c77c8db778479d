"""ADInstruments LabChart recordings: .adicht of LabChart 8, .adidat of the vendor's library, and their kin.

A compound file (`_adicht.container`) holds the stream ``Map`` with everything but the samples
(`_adicht.map`) and the stream ``Blocks_0`` with the samples of all channels in chunks of their own
(`_adicht.samples`); other streams keep settings of windows and devices. The layout is not published: it was
found from the bytes of files, and what was never seen is refused, not guessed.

A recording has records, which LabChart shows as blocks, each with its own start, tick and channels. Channels
of one record that have one rate and one length form a stream; records are never joined. Times count from the
first sample of the first record that has any. The start of a record is the time of its trigger less the ticks
from its first sample to the trigger. Where there are very many, records that are alike become sweeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._adicht.container import MAGIC, Container, damaged
from sparc_fuse_core.formats._adicht.map import program_of, read_map
from sparc_fuse_core.formats._adicht.parts import Recording
from sparc_fuse_core.formats._adicht.samples import Samples
from sparc_fuse_core.formats._adicht.streams import moment, starts_of, streams_of
from sparc_fuse_core.model import Array, Events, Format, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_SETTINGS = 1 << 16
_MOST_NAMED = 12
_MOST_WARNINGS = 50
_MOST_RECORDS = 2000


def open_adicht(source: Source, /, **options: Any) -> xr.DataTree:
    """A LabChart recording as a lazy tree; `FormatError` for structures that were never seen."""
    container = Container(source)
    strands = container.strands
    more = sorted(name for name in strands if name.startswith("blocks_") and name != "blocks_0")
    if "map" not in strands or "blocks_0" not in strands:
        found = ", ".join(sorted(strands)[:_MOST_NAMED])
        raise damaged(
            source, f"it should have a map of its samples, it has only {found or 'an empty folder'}"
        )
    if more:
        raise damaged(source, f"a file with samples in {', '.join(more[:_MOST_NAMED])} was never seen")
    held = read_map(source, strands["map"])
    _refuse_empty(source, held)
    samples = Samples(source, strands["blocks_0"])
    samples.check(held)
    warnings: list[str] = []
    starts = starts_of(held, warnings)
    streams = streams_of(samples, held, starts, warnings)
    if len(warnings) > _MOST_WARNINGS:
        warnings[_MOST_WARNINGS:] = [f"{len(warnings) - _MOST_WARNINGS} more warnings of these kinds"]
    origin = next(record for record in held.records if any(channel.samples for channel in record.channels))
    dropped = _not_carried(held, container)
    return recording(
        streams,
        events=_events(held, starts),
        arrays=_event_arrays(held),
        start=moment(origin.start),
        metadata=_metadata(held, program_of(strands.get("version")), dropped),
        warnings=warnings,
        dropped=dropped,
    )


def _refuse_empty(source: Source, held: Recording) -> None:
    if not any(channel.samples for record in held.records for channel in record.channels):
        raise FormatError(
            f"{source.name}: a recording was expected, its {len(held.records)} records hold no samples; "
            "nothing was recorded into it",
            hint="Check that this is the right file; LabChart saves settings and templates the same way.",
            source=source.url,
        )


def _events(held: Recording, starts: list[float]) -> Events:
    time, label, channel = [], [], []
    for record, start in zip(held.records, starts, strict=True):
        for comment in record.comments:
            time.append(start + float(comment.tick * record.tick))
            label.append(comment.text)
            channel.append(held.name(comment.channel) if comment.channel >= 0 else "")
    return Events(time, label, channel=channel)


def _event_arrays(held: Recording) -> list[Array]:
    """Record and number of each comment as LabChart shows them, and its place in ticks of that record."""
    rows = [
        (place, c.number, c.tick) for place, record in enumerate(held.records, 1) for c in record.comments
    ]
    if not rows:
        return []
    names = ("event_record", "event_number", "event_tick")
    return [
        Array(name, column, ("event",)) for name, column in zip(names, np.array(rows, "i8").T, strict=True)
    ]


def _not_carried(held: Recording, container: Container) -> list[str]:
    used = {c.number for record in held.records for c in record.channels if c.samples}
    idle = [name for number, name in enumerate(held.names) if number not in used]
    dropped = []
    if idle:
        dropped.append(f"channels without samples: {', '.join(idle)}")
    other = sorted(name for name in container.strands if name not in ("map", "blocks_0", "version"))
    if other:
        rest = f" and {len(other) - _MOST_NAMED} more" if len(other) > _MOST_NAMED else ""
        dropped.append(
            "settings of LabChart's windows, devices and scripts, whose layout is not published: "
            + ", ".join(other[:_MOST_NAMED])
            + rest
        )
    if container.unlisted:
        dropped.append(f"folders of settings that are damaged: {', '.join(container.unlisted[:_MOST_NAMED])}")
    return dropped


def _metadata(held: Recording, program: str, dropped: list[str]) -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    if len(held.records) > _MOST_RECORDS:
        dropped.append(f"details of record {_MOST_RECORDS + 1} and later: metadata lists no more")
    for place, record in enumerate(held.records[:_MOST_RECORDS], 1):
        about: dict[str, Any] = {"record": place, "tick_s": float(record.tick), "ticks": record.ticks}
        about |= {"trigger_tick": record.trigger}
        if (begin := moment(record.start)) is not None:
            about["start"] = begin
        if np.isfinite(record.zone):
            about["seconds_west_of_utc"] = record.zone
        if record.text:
            about["text"] = record.text
        records.append(about)
    metadata: dict[str, Any] = {"map_version": held.version, "records": records}
    if program:
        metadata["program"] = program
    if held.note:
        metadata["note"] = held.note
    settings = _settings(held)
    if sum(len(text) for item in settings for text in item["settings"]) > _MOST_SETTINGS:
        dropped.append(f"settings of {len(settings)} inputs: they are more text than is kept in metadata")
    elif settings:
        metadata["inputs"] = settings
    return metadata


def _settings(held: Recording) -> list[dict[str, Any]]:
    """What the device was set to (gain, filters, range), once for all channels and records that share it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for place, record in enumerate(held.records, 1):
        for channel in record.channels:
            if channel.samples and any(channel.settings):
                where = f"record {place}, {held.name(channel.number)}"
                found.setdefault(tuple(channel.settings), []).append(where)
    return [{"used_by": where, "settings": list(texts)} for texts, where in found.items()]


FORMAT = Format(
    name="adicht",
    title="ADInstruments LabChart",
    kind="signals",
    suffixes=(".adicht", ".adidat", ".adidatx", ".adi"),
    open=open_adicht,
    magic=((0, MAGIC),),
    carried="records, channels, rates, units, comments, inputs' settings",
    left="window and device settings of unpublished layout (named)",
    lazy="chunk of one channel",
)
