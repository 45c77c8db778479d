"""Neuroscan Curry: .dap with .dat and .rs3 (Curry 6 and 7), .cdt.dpa or .cdt.dpo with .cdt (Curry 8 and 9).

The parameter file is text: blocks ``NAME START`` to ``NAME END`` of ``key = value`` lines and lists
``NAME START_LIST`` to ``NAME END_LIST``. It tells samples, channels, trials, rate, and the unit of each group
of channels; labels are there too, or in the .rs3. The data file has no header: float32 by time or by channel,
or text. Values are in the unit of their group.

- Trials are sweeps; their time starts at the trigger offset.
- Events (.cef, .ceo) keep their remark, else their type, as label, and the type as ``event_code``.
- Impedances, and type and outcome of each trial, are arrays of their own; sensors are metadata.

Not carried over: positions of head coils (.hpi). Refused: the compressed data of Curry 8 and 9.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._arrays import planar, stack, text_matrix
from sparc_fuse_core.formats._curry.blocks import (
    Blocks,
    broken,
    channels_of,
    number,
    read_blocks,
    start_of,
    whole,
)
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

    from sparc_fuse_core.source import Source

_HEADERS = (".cdt.dpa", ".cdt.dpo", ".dap")
_LATE = (".cdt", ".cdt.cef", ".cdt.ceo", ".cdt.hpi")
_EARLY = (".dat", ".rs3", ".cef", ".ceo", ".dat.cef", ".dat.ceo", ".hpi")
_COMPRESSED = "{2912E8D8-F5C8-4E25-A8E7-A1385967DA09}"
_CLOSE = 1e-6


def open_curry(source: Source, /, **options: Any) -> xr.DataTree:
    """A Curry recording as a lazy tree, from its parameter file.

    Raises FormatError when the data file is missing, compressed or of another size, `Truncated` when short.
    """
    warnings: list[str] = []
    held = read_blocks(source)
    stem, early = _stem(source.name)
    body = _beside(source, stem, (".dat",) if early else (".cdt",))
    if body is None:
        raise FormatError(
            f"{source.name}: its samples are in {stem}{'.dat' if early else '.cdt'}, which is not there",
            hint=f"Put the data file beside {source.name}.",
            source=source.url,
        )
    count, trials, samples = _sizes(source, held, body, warnings)
    data = _samples(source, held, body, count, trials, samples)
    named = _beside(source, stem, (".rs3",)) if early else None
    labels = read_blocks(named) if named is not None else held
    if early and named is None:
        warnings.append(f"{source.name}: its labels are in {stem}.rs3, which is not there.")
    channels = channels_of(source, held, labels, count, warnings)
    rate = _rate(source, held, warnings)
    offset = number(source, held.get("TriggerOffsetUsec") or "0", "the trigger offset") / 1e6
    stream = Stream(
        data if trials == 1 else stack(data, range(0, trials * samples, samples), samples),
        rate=float(rate),
        start=offset,
        channel_names=[channel.label for channel in channels],
        units=[channel.units for channel in channels],
    )
    marked = _beside(
        source, stem, tuple(e for e in (_EARLY if early else _LATE) if e.endswith(("cef", "ceo")))
    )
    events, codes = _events(marked, float(rate), offset if trials == 1 else 0.0)
    coils = _beside(source, stem, (".hpi",) if early else (".cdt.hpi",))
    return recording(
        [stream],
        events=events,
        arrays=[*codes, *_tables(held, count, trials, warnings)],
        start=start_of(held),
        metadata=_metadata(held, labels),
        warnings=warnings,
        dropped=[f"{coils.name}: positions of head coils"] if coils is not None else [],
    )


def _stem(name: str) -> tuple[str, bool]:
    """Name without the endings of Curry, and whether they are those of Curry 6 and 7."""
    for ending in sorted((*_HEADERS, *_LATE, *_EARLY), key=len, reverse=True):
        if name.lower().endswith(ending):
            return name[: -len(ending)], ending == ".dap" or ending in _EARLY
    return name.rpartition(".")[0] or name, True


def _beside(source: Source, stem: str, endings: Sequence[str]) -> Source | None:
    found = (source.sibling(stem + ending) for ending in endings)
    return next((other for other in found if other is not None and other is not source), None)


# -- samples --------------------------------------------------------------------------------------------------


def _sizes(source: Source, held: Blocks, body: Source, warnings: list[str]) -> tuple[int, int, int]:
    """Channels, trials, and samples of each trial."""
    count = whole(source, held.get("NumChannels"), "the number of channels")
    trials = whole(source, held.get("NumTrials") or "1", "the number of trials") or 1
    samples = whole(source, held.get("NumSamples"), "the number of samples")
    limit_items(source, "channels", count)
    if count < 1 or trials < 1 or samples == 0:
        raise broken(source, f"it tells {count} channels, {trials} trials and {samples} samples")
    if samples < 0:  # never filled in
        samples = body.size // (4 * count * trials)
    limit_items(source, "samples", samples * trials * count, body.size)
    more, rest = divmod(body.size, 4 * count)
    if _is_binary(held) and trials == 1 and rest == 0 and more > samples:
        warnings.append(f"{source.name}: promises {samples} samples, {body.name} has {more}: all are read.")
        samples = more
    return count, trials, samples


def _is_binary(held: Blocks) -> bool:
    return "ASCII" not in (held.get("DataByteOrder").upper(), held.get("DataFormat").upper())


def _samples(source: Source, held: Blocks, body: Source, count: int, trials: int, samples: int) -> LazyArray:
    """All trials one after the other as (channel, time)."""
    if held.get("DataGuid").upper() == _COMPRESSED:
        raise FormatError(
            f"{source.name}: {body.name} holds compressed data, whose layout is not published",
            hint="Save it from Curry as raw float data.",
            source=source.url,
        )
    order = held.get("DataByteOrder").upper()
    turned = held.get("DataSampOrder").upper() == "CHAN"
    if turned and trials > 1:
        raise broken(source, f"{trials} trials stored channel by channel were never seen")
    total = trials * samples
    if not _is_binary(held):
        skip = whole(source, held.get("NumLinesSkip") or "0", "the number of lines to skip")
        columns = whole(source, held.get("NumColumnsSkip") or "0", "the number of columns to skip")

        def lines(said: str) -> list[str]:
            rows = [line for line in said.splitlines()[max(0, skip) :] if line.strip()]
            return (
                [(row.split(None, columns) + [""] * (columns + 1))[columns] for row in rows]
                if columns > 0
                else rows
            )

        return text_matrix(body, count, total, lines, by_channel=turned)
    if order not in ("", "INTEL", "MOTOROLA") or held.get("DataFormat").upper() in (
        "SHORT",
        "INT",
        "LONG",
        "DOUBLE",
    ):
        raise broken(source, f"samples of type {held.get('DataFormat')} {order} are not known")
    kind = ">f4" if order == "MOTOROLA" else "<f4"
    body.expect(0, total * count * 4, "samples")
    if body.size != total * count * 4:
        raise broken(source, f"promises {total * count * 4} bytes of samples, {body.name} has {body.size}")
    return planar(body, kind, 0, count, total) if turned else interleaved(body, kind, 0, count, total)


def _rate(source: Source, held: Blocks, warnings: list[str]) -> Fraction:
    told = number(source, held.get("SampleFreqHz") or "0", "the sampling frequency")
    step = number(source, held.get("SampleTimeUsec") or "0", "the sampling interval")
    if told > 0 and (step <= 0 or abs(told * step / 1e6 - 1) < _CLOSE):
        return Fraction(held.get("SampleFreqHz"))
    if step <= 0:
        raise broken(source, f"it tells a sampling frequency of {told} Hz and an interval of {step} µs")
    if told > 0:
        warnings.append(
            f"{source.name}: tells {told:g} Hz and {step:g} µs from sample to sample; the latter is taken."
        )
    return 10**6 / Fraction(held.get("SampleTimeUsec"))


# -- what comes with them -------------------------------------------------------------------------------------


def _events(marked: Source | None, rate: float, offset: float) -> tuple[Events | None, list[Array]]:
    held = read_blocks(marked) if marked is not None else Blocks()
    rows = [row.split() for row in held.lists.get("NUMBER_LIST", []) if row]
    said = held.lists.get("REMARK_LIST", [])
    if not rows or marked is None:
        return None, []
    if any(len(row) < 6 for row in rows):
        raise broken(marked, "its events should have a sample, a type, a start and an end each")
    table = np.array([[whole(marked, item, "a place of an event") for item in row[:6]] for row in rows], "i8")
    remarks = (said + [""] * len(rows))[: len(rows)]
    labels = [remark or str(code) for remark, code in zip(remarks, table[:, 2].tolist(), strict=True)]
    duration = (table[:, 5] - table[:, 4]) / rate
    events = Events(offset + table[:, 0] / rate, labels, duration=duration)
    return events, [Array("event_code", table[:, 2], ("event",))]


def _tables(held: Blocks, count: int, trials: int, warnings: list[str]) -> list[Array]:
    found = []
    try:
        values = [
            [float(item) for item in row.split()] for row in held.lists.get("IMPEDANCE_VALUES", []) if row
        ]
        table = np.array(values) if values else np.empty((0, count))
        if table.shape[1:] == (count,):
            table = np.where(table == -1, np.nan, table)
            table = table[~np.isnan(table).all(axis=1)]
            if len(table):
                found.append(Array("impedance", table, ("measurement", "channel"), {"units": "ohm"}))
        outcomes = [
            [int(item) for item in row.split()] for row in held.lists.get("EPOCH_INFORMATION", []) if row
        ]
        if trials > 1 and len(outcomes) == trials:
            note = {
                "columns": ["averages", "total", "type", "accept", "correct", "response", "response_time"]
            }
            found.append(Array("trial_information", np.array(outcomes), ("sweep", "trial_item"), note))
    except (ValueError, OverflowError):
        warnings.append("Impedances or the outcomes of trials are no table of numbers; they are left out.")
    names = held.lists.get("EPOCH_LABELS", [])
    if trials > 1 and len(names) == trials:
        found.append(Array("trial_label", np.array(names, dtype=object), ("sweep",)))
    return found


def _metadata(held: Blocks, labels: Blocks) -> dict[str, Any]:
    parts = ("SENSORS", "LANDMARKS", "LM_REMARKS", "NORMALS")
    lists = held.lists | labels.lists
    about: dict[str, Any] = {
        block.lower(): values for block, values in held.values.items() if "PARAMETERS" in block
    }
    about |= {name.lower(): rows for name, rows in lists.items() if name.startswith(parts) and any(rows)}
    return about


def _members(names: Names, name: str) -> Sequence[str]:
    stem, early = _stem(name)
    heads = (".dap",) if early else (".cdt.dpa", ".cdt.dpo")
    head = next((spelled for ending in heads if (spelled := names.find(stem + ending))), None)
    if head is None:
        return [name]
    others = (names.find(stem + ending) for ending in (_EARLY if early else _LATE))
    return [head, *(other for other in others if other is not None)]


FORMAT = Format(
    name="curry",
    title="Neuroscan Curry",
    kind="signals",
    suffixes=(*_HEADERS, ".dpa", ".dpo"),
    open=open_curry,
    sniff=lambda head: b"DATA_PARAMETERS START" in head,
    magic=((0, b"DATA_PARAMETERS START"), (3, b"DATA_PARAMETERS START")),
    members=_members,
    parts=(*_LATE, *_EARLY),
    carried="channels, units, rate, epochs, events, impedances, labels",
    left="head positions (.hpi), compressed data (refused)",
    lazy="samples; text data whole",
)
