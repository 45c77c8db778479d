"""From named arrays to streams: the one set of rules for MAT and HDF5.

Within each group (struct, HDF5 group) an array is a signal when

1. one of its axes is as long as a time vector of the group, or of the nearest group around it, or
2. a sampling rate is stated for it: in its own attributes, by a scalar beside it, by an attribute of a
group, and
   it is named like a signal or is one of the longest.

Vectors with one clock and one type become the channels of one stream; a matrix is a stream of its own.
Everything else stays an array under its path. Nothing is guessed silently: every doubt is a warning that
names the option which settles it, and two stated rates that contradict each other are `Ambiguous`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.values import Item, is_number, rows, stack, vector
from sparc_fuse_core.formats._series.clock import SECONDS
from sparc_fuse_core.formats._series.finder import Finder
from sparc_fuse_core.formats._series.options import HINT, OPTIONS, Options, options_of
from sparc_fuse_core.formats._series.plan import UNITS, Plan, Signal, fits, named_signal, plane
from sparc_fuse_core.model import Array, Events, LazyArray, Stream, recording, slug

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["OPTIONS", "Options", "Plan", "arrange", "options_of"]

_LOOKS_LIKE = 256
_RESERVED = {
    "_FillValue", "missing_value", "coordinates", "dtype", "grid_mapping", "bounds", "calendar", "_Unsigned",
    "_ARRAY_DIMENSIONS", "ancillary_variables", "cell_measures", "formula_terms",
}  # fmt: skip
_SHORT = {
    "seconds": "s", "second": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns",
    "minutes": "min", "hours": "h", "days": "d",
}  # fmt: skip
_SINCE = re.compile(
    r"(days|hours|minutes|seconds|milliseconds|microseconds|nanoseconds) since \d{4}-\d\d?-\d\d?\b"
)


def arrange(
    items: list[Item], plan: Plan, options: Options, attributes: Mapping[str, Mapping[str, Any]] | None = None
) -> xr.DataTree:
    """The tree of a file: streams where the rules find them, everything else as arrays.

    Parameters
    ----------
    items
        What the file holds; what a known layout has used up is not among them.
    attributes
        Attributes of groups by path ("" is the file).
    """
    finder = Finder(items, options, attributes or {}, plan)
    signals = finder.signals()
    if plan.streams and (options.names or options.units):
        plan.warnings.append("the names and units that were given are not used: this layout states its own")
    begins = sorted({begin for item in items if item.numeric and (begin := finder.begin(item))})
    if begins and not signals and plan.start is None:
        plan.start = begins[0]
    plan.streams += _streams(signals, finder, plan)
    if options.intervals:
        plan.events = _intervals(items, options, finder, plan)
    left = [item for item in items if id(item) not in finder.used]
    empty = [item.name for item in left if item.size == 0]
    if empty:
        plan.metadata["empty_variables"] = empty[:1000]
    loose = [_array(item) for item in left if item.size]
    if not plan.streams:
        _doubt(left, plan)
    return recording(
        plan.streams, events=plan.events, arrays=loose, start=plan.start, metadata=plan.metadata,
        warnings=plan.warnings, dropped=plan.dropped, kind="signals" if plan.streams else "table",
    )  # fmt: skip


def _intervals(items: list[Item], options: Options, finder: Finder, plan: Plan) -> Events | None:
    """Arrays of two numbers as the start and the end of something; one that is none of that stays an array."""
    rows: list[tuple[float, str, float]] = []
    for path, label, unit in options.intervals:
        named = [item for item in items if fits(item, path) and item.numeric and item.size == 2]
        spans = [item.values().astype("f8").ravel() * SECONDS.get(unit, 1.0) for item in named]
        good = [(i, s) for i, s in zip(named, spans, strict=True) if np.isfinite(s).all() and s[0] <= s[1]]
        if not good:
            plan.warnings.append(f"{path} holds no start and end of {label!r}: no event is made of it")
        for item, (begin, end) in good:
            finder.used.add(id(item))
            rows.append((float(begin), label, float(end - begin)))
    rows.sort()
    if not rows:
        return plan.events
    return Events([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _array(item: Item) -> Array:
    attrs = safe_attributes(item.attrs)
    if slug(item.name) != item.name:
        attrs["path"] = item.name
    single_text = item.data.dtype == object and item.data.ndim == 0
    return Array(item.name, item.values() if single_text else item.data, attrs=attrs)


def safe_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that xarray reads as they are meant; those that would trip its decoding get a prefix."""
    out: dict[str, Any] = {}
    for name, value in attrs.items():
        trips = name in _RESERVED or (name in ("scale_factor", "add_offset") and not is_number(value))
        if name == "units" and isinstance(value, str):
            value = short_unit(value)
            trips = " since " in value and not _SINCE.match(value)
        elif name == "units":
            trips = True
        out[f"source_{name.strip('_')}" if trips else name] = value
    return out


def short_unit(unit: str) -> str:
    """The sign of a unit of time: its plain name would make xarray turn the numbers into time spans."""
    return _SHORT.get(unit.strip().lower(), unit)


def _doubt(left: list[Item], plan: Plan) -> None:
    like = [
        i.name
        for i in left
        if i.numeric and plane(i) and (named_signal(i) or max(i.data.shape) >= _LOOKS_LIKE)
    ]
    if like:
        plan.warnings.append(
            f"no time vector or sampling rate is stated for {', '.join(like[:5])}"
            f"{' …' if len(like) > 5 else ''}; everything is kept as arrays: {HINT}"
        )


def _streams(signals: list[Signal], finder: Finder, plan: Plan) -> list[Stream]:
    """One stream for each matrix, and for all vectors of one group that share clock, length and type."""
    sets: dict[tuple[Any, ...], list[Signal]] = {}
    for signal in signals:
        item = signal.item
        alone = () if item.length or item.data.ndim == 1 else (id(item),)
        size = item.size if not alone else 0
        key = (signal.clock, id(signal.said), item.group, size, item.data.dtype, alone)
        sets.setdefault(key, []).append(signal)
    begins = sorted({s.group_start for s in signals if s.group_start})
    if begins and plan.start is None:
        plan.start = begins[0]
    out = []
    for together in sets.values():
        late = _seconds_between(begins[0] if begins else None, together[0].group_start)
        out.append(_said(_stream(together, finder, late), together[0], plan))
    return out


def _said(stream: Stream, signal: Signal, plan: Plan) -> Stream:
    """The stream with the names and units that the user gives."""
    count = stream.data.shape[0]
    for what, given in (("names", signal.said.names), ("units", signal.said.units)):
        if given and len(given) != count and not (what == "units" and len(given) == 1):
            raise FormatError(
                f"{plan.name}: {len(given)} {what} are given for the {count} channels of {signal.item.name}",
                hint="Give one for each channel.",
            )
    stream.channel_names = signal.said.names or stream.channel_names
    units = [short_unit(unit) for unit in signal.said.units]
    stream.units = units * count if len(units) == 1 else units or stream.units
    return stream


def _seconds_between(first: str | None, this: str | None) -> float:
    if first is None or this is None:
        return 0.0
    a, b = datetime.fromisoformat(first), datetime.fromisoformat(this)
    return (b - a).total_seconds() if (a.tzinfo is None) == (b.tzinfo is None) else 0.0


def _stream(together: list[Signal], finder: Finder, late: float) -> Stream:
    first = together[0]
    item, axis = first.item, first.axis
    if item.length or item.data.ndim == 1:
        data = stack([vector(s.item.data) for s in together])
        names = [s.item.leaf for s in together]
        if len(together) == 1:
            names = finder.use_labels(item, 1) or names
        units = [_unit(s.item) for s in together]
        name = item.name if len(together) == 1 else "/".join(item.group) or "_".join(names[:3])
    else:
        data = _turned(item.data, first.time_axis)
        count = data.shape[0]
        names = finder.use_labels(item, count)
        units = finder.use_labels(item, count, UNITS) or [_unit(item)] * count
        name = item.name
    if not any(units):
        shared = finder.labels(item, UNITS)
        units = [shared[0][0]] * len(units) if len(shared) == 1 and len(shared[0]) == 1 else units
    attrs: dict[str, Any] = {"nominal_sampling_frequency": axis.nominal} if axis.nominal else {}
    if late:
        attrs["stream_start"] = first.group_start
    time = axis.time
    gains, offsets = [s.item.scale[0] for s in together], [s.item.scale[1] for s in together]
    if time is not None and late:
        time = (
            time + late
            if not isinstance(time, LazyArray)
            else time.scaled(np.asarray(1.0), np.asarray(late), 0, "f8")
        )
    return Stream(
        data,
        axis.rate,
        name,
        axis.start + late,
        time,
        channel_names=names,
        units=units if any(units) else "",
        attrs=attrs,
        gain=gains[0] if len(gains) == 1 else gains,
        offset=offsets[0] if len(offsets) == 1 else offsets,
    )


def _turned(data: LazyArray, time_axis: int) -> LazyArray:
    out = rows(data, time_axis)
    if time_axis == 0:
        out.time_major = not data.time_major  # what varied slowest now is the other axis
    return out


def _unit(item: Item) -> str:
    for name in ("units", "unit", "Units", "Unit"):
        if isinstance(item.attrs.get(name), str):
            return short_unit(str(item.attrs[name]))
    return ""
