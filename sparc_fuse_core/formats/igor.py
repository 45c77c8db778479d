"""Igor Pro: binary waves (``.ibw``, ``.bwav``, versions 1, 2, 3 and 5) and packed experiments (``.pxp``, ``.pxt``).

A wave is a header with type, up to four dimensions with their scaling and units, then its values, a note, a
formula and labels; an experiment is a row of records: waves in data folders, variables, history, procedures.
A wave of one dimension in seconds is a stream with its rate and start; all other waves are arrays under the name
of their folder and wave, dimensions in the order of the file with the first one last, with ``start`` and ``step`` of
each as attributes.
Complex numbers, text and every integer type are carried over. Procedures, history and variables are metadata;
nothing is run. Not carried over, but named: graphs and other windows, packed files, waves of references.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._igor.packed import packed_order, read_experiment
from sparc_fuse_core.formats._igor.wave import Wave, read_wave, wave_order
from sparc_fuse_core.model import Array, Format, LazyArray, Stream, recording, slug

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "μs": 1e6, "ns": 1e9}
_DIMS = ("rows", "columns", "layers", "chunks")
_MOST_LABELS = 1000
_EPOCH = datetime(1904, 1, 1)
_KINDS = {-1: "replaced records", 8: "packed files"}


def open_igor(source: Source, /, **options: Any) -> xr.DataTree:
    """Streams and arrays of one wave or of an experiment; FormatError when it is damaged."""
    warnings: list[str] = []
    head = source.head(4096)
    lowered = source.name.lower()
    order = packed_order(head)
    if wave_order(head) and not (order and lowered.endswith((".pxp", ".pxt"))):
        wave = read_wave(source, 0, source.size, warnings)
        return _build(source, [wave], {}, warnings, [])
    if not order:
        raise FormatError(
            f"{source.name}: an Igor wave or experiment was promised, {head[:8]!r} is there; it is damaged or of an "
            "unknown version",
            hint="Fetch the file again, or save it from Igor as a packed experiment or a version 5 binary wave.",
        )
    found = read_experiment(source, order, warnings)
    if not found.waves:
        raise FormatError(
            f"{source.name}: the experiment holds no waves with data",
            hint="Check that this is the right file; an experiment may keep its waves in files of their own.",
        )
    metadata: dict[str, Any] = dict(found.texts)
    if found.variables:
        metadata["variables"] = found.variables
    dropped = [
        f"{count} {_KINDS.get(kind, f'records of kind {kind}')}"
        for kind, count in sorted(found.others.items())
    ]
    return _build(source, found.waves, metadata, warnings, dropped + found.left)


def _build(
    source: Source, waves: Sequence[Wave], metadata: dict[str, Any], warnings: list[str], dropped: list[str]
) -> xr.DataTree:
    streams, arrays, taken = [], [], set[str]()
    kept = list(dict.fromkeys(warnings))
    empty = [wave.name for wave in waves if 0 in wave.data.shape]
    for wave in waves:
        if 0 in wave.data.shape:
            continue
        rate = _rate(wave)
        if rate is not None:
            streams.append(_stream(wave, *rate))
        else:
            arrays.append(_array(wave, taken))
    if not streams and not arrays:
        raise FormatError(
            f"{source.name}: no wave of the file has values ({'; '.join(kept) or 'they have no points'})",
            hint="Give a file whose waves have points; a formula is computed by Igor only.",
        )
    if empty:
        dropped.append(f"waves without points: {', '.join(empty[:20])}")
    return recording(streams, arrays=arrays, metadata=metadata, warnings=kept, dropped=dropped)


def _rate(wave: Wave) -> tuple[float, float] | None:
    """Samples a second and seconds of the first one, for waves of real numbers along time."""
    if wave.data.ndim != 1 or wave.data.dtype.kind not in "iuf" or wave.dim_units[0] not in _SECONDS:
        return None
    step, start, factor = wave.steps[0], wave.starts[0], _SECONDS[wave.dim_units[0]]
    if not (math.isfinite(step) and math.isfinite(start)) or step <= 0:
        return None
    rate = factor / step
    whole = float(round(rate))
    # The file holds the step, rounded to 53 bits: a whole rate that gives this very step is the one meant.
    return (whole if whole > 0 and factor / whole == step else rate), start / factor


def _stream(wave: Wave, rate: float, start: float) -> Stream:
    data = wave.data

    def read(key: tuple[slice | int, ...]) -> Any:
        values = data.read((key[1],))
        return values[None] if isinstance(key[0], slice) else values

    name = ":".join((*wave.folder, wave.name))
    return Stream(
        LazyArray((1, *data.shape), data.dtype, read), rate, name, start, channel_names=[wave.name or "wave"],
        units=wave.units, attrs=_notes(wave),
    )  # fmt: skip


def _array(wave: Wave, taken: set[str]) -> Array:
    stem = slug("_".join((*wave.folder, wave.name))) or "wave"
    name, count = stem, 1
    while name.casefold() in taken:
        count += 1
        name = f"{stem}_{count}"
    taken.add(name.casefold())
    attrs = _notes(wave) | {"igor_path": ":".join(("root", *wave.folder, wave.name))}
    if wave.units:
        attrs["units"] = wave.units
    dims = [f"{name}_{dim}" for dim in _DIMS[: wave.data.ndim]]
    for number, dim in enumerate(dims):
        step, start, unit = wave.steps[number], wave.starts[number], wave.dim_units[number]
        if math.isfinite(step) and math.isfinite(start) and (step, start, unit) != (1.0, 0.0, ""):
            attrs |= {f"{dim}_start": start, f"{dim}_step": step} | ({f"{dim}_units": unit} if unit else {})
        if wave.labels[number]:
            attrs[f"{dim}_labels"] = wave.labels[number][:_MOST_LABELS]
    return Array(name, wave.data, tuple(reversed(dims)), attrs)


def _notes(wave: Wave) -> dict[str, Any]:
    """Note, formula and the last change (by the clock of the computer, which counts from 1904)."""
    changed = _EPOCH + timedelta(seconds=wave.modified) if wave.modified else None
    pairs = {"note": wave.note, "formula": wave.formula, "modified": changed.isoformat() if changed else ""}
    return {key: text for key, text in pairs.items() if text.strip()}


def _sniff(head: bytes) -> bool:
    return bool(wave_order(head) or packed_order(head))


FORMAT = Format(
    name="igor",
    title="Igor Pro",
    kind="signals",
    suffixes=(".ibw", ".bwav", ".pxp", ".pxt"),
    open=open_igor,
    sniff=_sniff,
    carried="waves, scaling, units, notes, text waves, folders, history, procedures as text",
    left="windows, packed files (named)",
    lazy="the whole file",
)
