"""Rows of a text table made into signals, or kept as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import Ambiguous, FormatError
from sparc_fuse_core.formats._table.axis import Axis, axes, counters
from sparc_fuse_core.formats._table.cells import plain
from sparc_fuse_core.formats._table.columns import columns_of, numbers_only, told
from sparc_fuse_core.formats._table.part import Part
from sparc_fuse_core.formats._table.preamble import Stated, stated
from sparc_fuse_core.formats._table.time import Steps, clock_style, date_of
from sparc_fuse_core.model import Array, LazyArray, Stream

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._table.block import Block
    from sparc_fuse_core.formats._table.layout import Layout
    from sparc_fuse_core.formats._table.rows import Rows
    from sparc_fuse_core.source import Source

_TEXT_IN_MEMORY = 1 << 28
_MOST_SINGLE_COLUMNS = 256
# xarray takes the words for lengths of time and would turn the numbers into timedeltas.
_SHORT_UNIT = {
    "seconds": "s", "second": "s", "minutes": "min", "minute": "min", "hours": "h", "hour": "h", "days": "d",
    "day": "d", "milliseconds": "ms", "millisecond": "ms", "microseconds": "us", "microsecond": "us",
    "nanoseconds": "ns", "nanosecond": "ns",
}  # fmt: skip
_WAY_OUT = "rate= (Hz) or time_column= makes it signals"


@dataclass(slots=True)
class Plan:
    """What was found: the time axis or the rate, and where it comes from."""

    axis: Axis | None
    rate: float | None
    start: str | None
    aside: set[int]  # columns of numbers that are no channels
    warnings: list[str]


def assemble(source: Source, rows: Rows, options: dict[str, Any]) -> xr.DataTree:
    """The one pass over the text, then the tree."""
    return part_of(source, rows, options).tree()


def part_of(source: Source, rows: Rows, options: dict[str, Any]) -> Part:
    """One table of a file that may hold several."""
    layout, facts = rows.layout, stated(rows.layout.preamble)
    candidates = axes(rows, options)
    numbering = {j: Steps([row[j] for row in layout.sample if j < len(row)]) for j in counters(layout)}

    def visit(_: int, block: Block) -> None:
        for axis in candidates:
            axis.visit(rows, block)
        for j, steps in numbering.items():
            if layout.kinds[j] == "f":
                steps.feed(block.floats[:, rows.numeric().index(j)])

    rows.scan(visit)
    if not rows.count:
        raise FormatError(
            f"{source.name}: has no rows of data; there is nothing to convert", source=source.url
        )
    plan = _plan(rows, candidates, facts, options)
    plan.aside |= {j for j, steps in numbering.items() if layout.kinds[j] == "f" and steps.is_counter}
    plan.warnings += layout.warnings + rows.notes.sentences(layout, rows.count)
    plan.aside |= set(columns_of(source.name, layout, options.get("aside", [])))
    channels = [j for j in rows.numeric() if j not in plan.aside and _carried(rows, j)]
    if options.get("signals"):
        channels = numbers_only(source.name, layout, columns_of(source.name, layout, options["signals"]))
    if (plan.rate is None and plan.axis is None) or not channels:
        return _table(rows, plan, facts)
    return _signals(source, rows, plan, channels, facts, options)


def _carried(rows: Rows, j: int) -> bool:
    """False for columns without heading and without any value, as trailing delimiters make them."""
    return bool(rows.filled[j]) or bool(rows.layout.names[j])


def short_unit(unit: str) -> str:
    """The sign of a unit of time for its plain name, other units as they are."""
    return _SHORT_UNIT.get(unit, unit)


def heading(layout: Layout, j: int) -> str:
    """Name of a column; its number from 1 where it has none."""
    return layout.names[j] or f"column_{j + 1}"


# -- what the time is -----------------------------------------------------------------------------------


def _plan(rows: Rows, candidates: list[Axis], facts: Stated, options: dict[str, Any]) -> Plan:
    warnings: list[str] = []
    aside = {axis.column for axis in candidates if axis.named}
    given = options.get("rate")
    if given is not None:
        axis = next((axis for axis in candidates if not axis.verdict()), None)
        return Plan(None, given, None if axis is None else axis.settle(), _aside(aside, axis), [])
    axis = _first_sound(rows, candidates, warnings)
    if axis is None:
        rate = float(facts.rate) if facts.rate else None
        if rate is not None:
            warnings.append(f"the sampling frequency of {rate} Hz is taken from the line {facts.line!r}")
        return Plan(None, rate, None, aside, warnings)
    start = axis.settle()
    axis.tell_repeats()
    rate = _agreed(rows, axis, axis.rate(), facts, warnings)
    warnings += axis.notes
    return Plan(axis, rate, _with_date(rows.layout, axis, start), _aside(aside, axis), warnings)


def _aside(columns: set[int], axis: Axis | None) -> set[int]:
    return columns | ({axis.column} if axis else set())


def _first_sound(rows: Rows, candidates: list[Axis], warnings: list[str]) -> Axis | None:
    refused = []
    for axis in candidates:
        reason = axis.verdict()
        if not reason:
            return axis
        refused.append((axis, reason))
        if axis.chosen:
            raise Ambiguous(
                f"{rows.source.name}: column {axis.name!r} was named as time, but it {reason}",
                hint="Name another time_column=, or state rate=.",
            )
    for axis, reason in refused:
        if axis.named:
            warnings.append(f"{axis.name!r} is no time axis: it {reason}")
        elif reason == "only counts the rows":
            warnings.append("the first column only counts the rows; it is not taken as time")
    return None


def _agreed(
    rows: Rows, axis: Axis, derived: float | None, facts: Stated, warnings: list[str]
) -> float | None:
    """The rate of an even axis, stated above the table or derived from the axis."""
    if derived is None:
        found = "are uneven" if rows.count > 2 else "are too few to tell a rate"
        uneven = f"the steps of {axis.name!r} {found}; the time of each sample is kept"
        warnings.append(uneven + (f"; the line {facts.line!r} says otherwise" if facts.rate else ""))
        return None
    if facts.rate is None:
        warnings.append(
            f"no sampling frequency is stated; {derived:.10g} Hz is derived from {axis.name!r}, "
            f"which rises evenly over {rows.count} rows"
            + ("" if axis.steps.exact else ", but for its last digit")
        )
        return derived
    if math.isclose(float(facts.rate), derived, rel_tol=0.01):
        return float(facts.rate)
    raise Ambiguous(
        f"{rows.source.name}: the line {facts.line!r} states {float(facts.rate):.10g} Hz, "
        f"{axis.name!r} rises by {1 / derived:.10g} s a row; they contradict each other",
        hint="Say which is right with rate= or with time_column= and time_unit=.",
    )


def _with_date(layout: Layout, axis: Axis, start: str | None) -> str | None:
    """The wall clock of the start with the date that another column holds."""
    if start is None or axis.clock is None or axis.clock.style.has_date:
        return start
    for j, name in enumerate(layout.names):
        if plain(name) in ("date", "day", "datum", "recording date") and layout.kinds[j] == "s":
            style = clock_style([row[j] for row in layout.sample if j < len(row)])
            if style and style.has_date and not style.has_time and not style.doubtful_date:
                day = date_of(style.first, style)
                return f"{day.isoformat()}T{start}" if day else start
    return start


# -- what is made of it -----------------------------------------------------------------------------------


def _signals(
    source: Source, rows: Rows, plan: Plan, channels: list[int], facts: Stated, options: dict[str, Any]
) -> Part:
    layout, axis = rows.layout, plan.axis
    names, units = [heading(layout, j) for j in channels], [layout.units[j] for j in channels]
    if not layout.has_header and plan.axis is None:
        names = [name if layout.names[j] else "" for j, name in zip(channels, names, strict=True)]
    if len(facts.names) == len(channels):
        names, units = facts.names, facts.units
    names = told(source.name, layout, channels, options.get("names"), names)
    units = told(source.name, layout, channels, options.get("units"), units)
    stream = Stream(
        _samples(rows, channels),
        rate=plan.rate,
        start=axis.start() if axis and plan.rate is not None else 0.0,
        time=axis.times(rows) if axis and plan.rate is None else None,
        channel_names=names,
        units=[short_unit(unit) for unit in units],
    )
    kept = {axis.column} if axis else set()
    others = [j for j in range(layout.width) if j not in kept and j not in channels and _carried(rows, j)]
    arrays = [_array(rows, j, "time") for j in others]
    return Part([stream], arrays, plan.start, metadata_of(rows), plan.warnings, left_out(rows))


def _samples(rows: Rows, channels: list[int]) -> LazyArray:
    def read(key: Any) -> NDArray[Any]:
        channel, time = key
        span = time if isinstance(time, slice) else slice(time, time + 1)
        wanted = channels[channel] if isinstance(channel, slice) else [channels[channel]]
        found = rows.matrix(wanted, span.start, span.stop).T
        found = found if isinstance(channel, slice) else found[0]
        return found if isinstance(time, slice) else found[..., 0]

    return LazyArray(
        (len(channels), rows.count), "f8", read, blocks=rows.grain(len(channels)), time_major=True
    )


def _table(rows: Rows, plan: Plan, facts: Stated) -> Part:
    layout, warnings = rows.layout, plan.warnings
    columns = [j for j in range(layout.width) if _carried(rows, j)]
    numbers = [j for j in columns if layout.kinds[j] == "f"]
    if plan.axis is not None:
        warnings = [w for w in warnings if "derived from" not in w]
        warnings.append("no column holds numbers along its time; the columns are kept as a table")
    elif numbers:
        warnings.append(
            f"no time axis and no sampling frequency is stated; the columns are kept as a table; {_WAY_OUT}"
        )
    arrays: list[Array] = []
    if len(numbers) > _MOST_SINGLE_COLUMNS:
        arrays += _wide(rows, numbers)
        columns = [j for j in columns if j not in set(numbers)]
    arrays += [_array(rows, j, "row") for j in columns]
    return Part([], arrays, None, metadata_of(rows), warnings, left_out(rows))


def _wide(rows: Rows, columns: list[int]) -> list[Array]:
    """Hundreds of columns as one array: as many variables would be of no use to anyone."""
    names = np.array([heading(rows.layout, j) for j in columns], object)
    arrays = [
        Array("values", _samples(rows, columns), ("column", "row")),
        Array("column_name", names, ("column",)),
    ]
    units = [rows.layout.units[j] for j in columns]
    return [*arrays, Array("column_units", np.array(units, object), ("column",))] if any(units) else arrays


def _array(rows: Rows, j: int, dim: str) -> Array:
    layout = rows.layout
    kind = layout.kinds[j]
    attrs = {"long_name": heading(layout, j)}
    if layout.units[j]:
        attrs["units"] = short_unit(layout.units[j])
    if kind == "s" and rows.count * 90 <= _TEXT_IN_MEMORY:
        return Array(heading(layout, j), rows.column(j, 0, rows.count), (dim,), attrs)

    def read(key: Any) -> NDArray[Any]:
        if isinstance(key[0], slice):
            return rows.column(j, key[0].start, key[0].stop)
        return np.asarray(rows.column(j, key[0], key[0] + 1)[0])

    dtype = {"f": "f8", "i": "i8", "s": "O"}[kind]
    return Array(heading(layout, j), LazyArray((rows.count,), dtype, read), (dim,), attrs)


def metadata_of(rows: Rows) -> dict[str, Any]:
    """How the table is written, and what stands above it."""
    layout = rows.layout
    found: dict[str, Any] = {"rows": rows.count}
    if layout.delimiter:  # the cells of spreadsheets and JSON are no text
        found |= {"encoding": layout.encoding, "delimiter": layout.delimiter, "decimal": layout.decimal}
    if layout.has_header:
        found["columns"] = list(layout.headings or layout.names)
    if layout.preamble:
        found["lines_above"] = [line[:1000] for line in layout.preamble[:200]]
    if rows.notes.said:
        found["comment_lines"] = rows.notes.said
    return found


def left_out(rows: Rows) -> list[str]:
    """A sentence for each column that is not carried over."""
    empty = [j for j in range(rows.layout.width - 1) if not _carried(rows, j)]
    return [f"column {j + 1}: it has neither a heading nor any value" for j in empty[:20]]
