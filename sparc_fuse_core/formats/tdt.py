"""Blocks of Tucker-Davis Technologies, of OpenEx and Synapse (.tsq, .tev, .tbk, .tdx, .tin, .tnt, .sev).

The files of a block are one recording: the index (.tsq, `_tdt.index`) says what was stored when, the samples
lie in the .tev or, one file a channel, in .sev files (`_tdt.sev`).

- Each store of streamed samples is a stream with its own exact sampling frequency; channels whose chunks differ
  have streams of their own. Where chunks leave a gap, every sample has its own time. Units are not told.
- Epocs (with their ends, where the block has them) and scalars are events, with ``event_value`` and
  ``event_type``; stores of more than 100000 have arrays of their own (``event_times_<store>`` …).
- Snippets are arrays: ``snippets_<store>`` (snippet, point), ``snippet_times_``, ``snippet_channels_`` and
  ``snippet_sort_codes_<store>``.
- Time counts from the mark of the start; ``recording_start`` is UTC.
- Notes (.tnt, Notes.txt) and what the .Tbk says of each store are kept as metadata. The .Tdx is an index of the
  index; the .tin holds the settings of Synapse, which are not carried over, and neither are sort codes that were
  made later (folder ``sort``).

Without the .tev there are events only. A .sev can be read alone, the other files cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._tdt.events import events_of, own_names, snippets_of
from sparc_fuse_core.formats._tdt.index import (
    FORMATS,
    SAMPLED,
    SNIPPET,
    STREAM,
    Index,
    Store,
    exact_rate,
    read_index,
)
from sparc_fuse_core.formats._tdt.notes import read_stores, read_text
from sparc_fuse_core.formats._tdt.sev import HOUR, Channel, read_channels, streams_of_channels
from sparc_fuse_core.formats._tdt.streams import streams_of
from sparc_fuse_core.model import Format, Names, Stream, recording

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_tdt"]

_ENDINGS = (".tsq", ".tev", ".tbk", ".tdx", ".tin", ".tnt")
_LONGEST_SNIPPET = 1 << 24
_MOST_HOURS = 1000
_MOST_CHANNELS = 4096


def open_tdt(source: Source, /, **options: Any) -> xr.DataTree:
    """A block as streams ``signals(channel, time)``, events and snippets.

    Raises FormatError for files without their index, and for an index that cannot be followed.
    """
    ending = PurePosixPath(source.name).suffix.lower()
    if ending == ".sev":
        return _open_alone(source)
    if ending != ".tsq":
        raise FormatError(
            f"{source.name}: is part of a TDT block, but the index of the block "
            f"({source.stem}.tsq) is not beside it; what it holds cannot be told",
            hint="Put all files of the block into one folder, and keep their names.",
            source=source.url,
        )
    index = read_index(source)
    told = read_stores(_beside(source, ".tbk"))
    data = _beside(source, ".tev")
    _check_places(index, data)
    streams = _streams(source, index, told, data)
    buddies = {s["StoreName"]: s["StrobeBuddy"] for s in told if s.get("StrobeBuddy")}
    events, arrays = events_of(index, buddies)
    snippets = [store for store in index.stores if store.kind == SNIPPET]
    names = own_names(snippets)
    for store in snippets:
        arrays += snippets_of(index, store, names[id(store)], None if store.elsewhere else data)
    if not streams and events is None and not arrays:
        raise FormatError(
            f"{source.name}: tells only of streams, and {source.stem}.tev, which holds their samples, is not "
            "beside it or is empty",
            hint="Put all files of the block into one folder, and keep their names.",
            source=source.url,
        )
    return recording(
        streams,
        events=events,
        arrays=arrays,
        start=_utc(index.start),
        metadata=_metadata(source, index, told),
        warnings=index.warnings,
        dropped=index.dropped,
    )


def _open_alone(source: Source) -> xr.DataTree:
    """A .sev file, with those of the hours that follow it, without the block that it belongs to."""
    warnings = [f"{source.name} is read alone: when it began is told only by the block that it belongs to."]
    # A folder that can be listed shows hours behind a missing one too.
    names = dict.fromkeys(
        [source.name, *_lone_hours(Names(source.siblings()), source.name), *_hours(source, source.name)]
    )
    files = [file for name in names if (file := source.sibling(name)) is not None]
    streams = streams_of_channels(read_channels(files), {}, warnings)
    if not streams:
        raise FormatError(
            f"{source.name}: holds no samples behind its header",
            hint="Fetch the file again.",
            source=source.url,
        )
    return recording(streams, warnings=warnings)


def _hours(source: Source, name: str) -> Iterator[str]:
    """Names of the files of the hours that follow a .sev file, up to the first that is not there."""
    base, ending = name[: -len(".sev")], name[-len(".sev") :]
    for hour in range(1, _MOST_HOURS):
        later = f"{base}-{hour}h{ending}"
        if source.sibling(later) is None:
            return
        yield later


def _beside(source: Source, ending: str) -> Source | None:
    spelled = (ending, ending.title(), ending.upper())
    return next((file for e in spelled if (file := source.sibling(source.stem + e)) is not None), None)


def _check_places(index: Index, data: Source | None) -> None:
    """Leave out chunks that lie past the end of the samples, and stores that cannot be read."""
    for store in [store for store in index.stores if store.kind in SAMPLED]:
        if store.format >= len(FORMATS) or not store.points or store.nbytes > _LONGEST_SNIPPET:
            index.stores.remove(store)
            index.dropped.append(
                f"store {store.code!r}, which cannot be read (sample format {store.format}, {store.nbytes} bytes "
                "a chunk)"
            )
        elif data is not None and not store.elsewhere:
            there = (store.place >= 0) & (store.place <= data.size - store.nbytes)
            if not there.all():
                index.warnings.append(
                    f"{np.count_nonzero(~there)} of {len(there)} chunks of store {store.code!r} lie past the end "
                    f"of {data.name}, which is cut short; they are left out."
                )
                store.keep(there)
            if not len(store.time):
                index.stores.remove(store)


def _streams(source: Source, index: Index, told: list[dict[str, str]], data: Source | None) -> list[Stream]:
    """Streams in the order of the index; those of .sev files are taken where the .tev has the same store."""
    separate: dict[str, list[Channel]] = {}
    for channel in read_channels(_separate_files(source, index, told)):
        separate.setdefault(channel.store, []).append(channel)
    clocks = {s["StoreName"]: (_told_rate(s), 0.0) for s in told}
    streams: list[Stream] = []
    for store in [store for store in index.stores if store.kind == STREAM]:
        if store.code in separate:
            clocks[store.code] = store.rate, float(np.min(store.time)) - index.start
            _compare(index, store, separate[store.code])
            streams += streams_of_channels(separate[store.code], clocks, index.warnings)
            separate[store.code] = []
        elif data is None or store.elsewhere:
            _miss(source, index, store)
        else:
            streams += streams_of(index, store, data)
    for channels in separate.values():
        streams += streams_of_channels(channels, clocks, index.warnings)
    return streams


def _compare(index: Index, store: Store, channels: list[Channel]) -> None:
    """A warning when the index tells of more or fewer samples than the .sev files of a store have."""
    if not channels:
        return
    told = {len(part) * store.points for part in np.split(*_by_channel(store))}
    there = {sum(channel.counts) for channel in channels}
    if told != there:
        index.warnings.append(
            f"The index tells of {sorted(told)} samples a channel of store {store.code!r}, its .sev files have "
            f"{sorted(there)}, which are taken without gaps."
        )


def _by_channel(store: Store) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    channels = np.sort(store.channel)
    return channels, np.flatnonzero(np.diff(channels)) + 1


def _told_rate(store: dict[str, str]) -> Fraction | None:
    try:
        return exact_rate(float(store.get("SampleFreq", 0)))
    except ValueError:
        return None


def _miss(source: Source, index: Index, store: Store) -> None:
    where = "its .sev files are" if store.elsewhere else f"{source.stem}.tev is"
    many = len(np.unique(store.channel))
    index.warnings.append(
        f"The stream {store.code!r} is not carried over ({len(store.time) * store.points // many} samples of "
        f"{many} channel(s)): {where} not beside the index."
    )
    index.dropped.append(f"stream {store.code!r}, whose samples are missing")


def _separate_files(source: Source, index: Index, told: list[dict[str, str]]) -> list[Source]:
    """The .sev files of the block; where a folder cannot be listed, those of the stores that are told of."""
    around = Names(source.siblings())
    if len(around) > 1:
        names = [name for name in members_of_block(around, source.name) if name.lower().endswith(".sev")]
        return [file for name in names if (file := source.sibling(name)) is not None]
    channels = {s["StoreName"]: [*range(1, _whole(s.get("NumChan", "")) + 1)] for s in told}
    channels |= {
        store.code: np.unique(store.channel).tolist() for store in index.stores if store.kind == STREAM
    }
    found: list[Source] = []
    for store_name, numbers in channels.items():
        for number in numbers:
            files = list(_probe(source, f"{source.stem}_{store_name}_", number))
            if not files and number == numbers[0]:
                break  # no such store: its other channels would only cost requests
            found += files
    return found


def _probe(source: Source, before: str, number: int) -> Iterator[Source]:
    for name in (f"{before}Ch{number}.sev", f"{before}ch{number}.sev"):
        if source.sibling(name) is not None:
            found = (source.sibling(other) for other in (name, *_hours(source, name)))
            yield from (file for file in found if file is not None)
            return


def _whole(text: str) -> int:
    return min(int(text), _MOST_CHANNELS) if text.isdecimal() else 0


def _metadata(source: Source, index: Index, told: list[dict[str, str]]) -> dict[str, Any]:
    notes = {
        "notes_tnt": read_text(_beside(source, ".tnt")),
        "notes_txt": read_text(source.sibling("Notes.txt")),
    }
    found: dict[str, Any] = {"block": source.stem, "stores": told} | notes
    if index.stop is not None:
        found["duration"] = index.stop - index.start
        found["recording_stop"] = _utc(index.stop)
    return {name: value for name, value in found.items() if value}


def _utc(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def members_of_block(names: Names, name: str) -> Sequence[str]:
    """The index and what belongs to it; a .sev without a block with the hours that follow it."""
    if not name.lower().endswith(".sev"):
        alike = [other for other in names.alike(name) if other.lower().endswith(_ENDINGS)]
        index = next((other for other in alike if other.lower().endswith(".tsq")), None)
    else:
        indices = [other for other in names if other.lower().endswith(".tsq")]
        index = indices[0] if len(indices) == 1 else _of_index(indices, name)
        alike = list(names.alike(index)) if index is not None else []
    if index is None:
        return _lone_hours(names, name)
    one = sum(other.lower().endswith(".tsq") for other in names) == 1
    separate = [
        other for other in names if other.lower().endswith(".sev") and (one or _of_index([index], other))
    ]
    return [index, *(other for other in alike if other.lower().endswith(_ENDINGS)), *separate]


def _of_index(indices: Sequence[str], name: str) -> str | None:
    return next((i for i in indices if name.casefold().startswith(i[: -len(".tsq")].casefold() + "_")), None)


def _lone_hours(names: Names, name: str) -> Sequence[str]:
    found = HOUR.fullmatch(name)
    if found is None:
        return [name]
    first = names.find(f"{found['base']}.sev")
    later = (names.find(f"{found['base']}-{hour}h.sev") for hour in range(1, _MOST_HOURS))
    return [other for other in (first, *later) if other is not None] if first is not None else [name]


FORMAT = Format(
    name="tdt",
    title="TDT block",
    kind="signals",
    suffixes=(*_ENDINGS, ".sev"),
    open=open_tdt,
    members=members_of_block,
    carried="all stores: streams at exact rates, epocs, scalars, snippets, notes, gaps",
    left="Synapse settings (.tin), sort codes made later",
    lazy="chunk; the index (.tsq) whole",
)
