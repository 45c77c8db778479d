"""Long tables: the rows of several subjects, channels or conditions below each other, set side by side.

The option ``pivot=`` names the column that tells them apart. With a time column each group and each column of
numbers is a channel; without one the columns become matrices of groups and rows. No column is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._table.cells import seconds_in, time_unit_of
from sparc_fuse_core.formats._table.columns import column_of, columns_of, numbers_only, told
from sparc_fuse_core.formats._table.time import Steps
from sparc_fuse_core.formats._table.tree import heading, left_out, metadata_of, short_unit
from sparc_fuse_core.model import Array, Stream, limit_items, recording, slug

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._table.rows import Rows
    from sparc_fuse_core.source import Source

_MOST_BYTES = 1 << 28


@dataclass(slots=True)
class _Groups:
    """Rows of each group, in the order in which the groups come; ``dim`` names their axis."""

    column: int
    dim: str
    rows: dict[str, NDArray[np.intp]]

    @property
    def even(self) -> bool:
        return len({len(held) for held in self.rows.values()}) == 1


def pivoted(source: Source, rows: Rows, options: dict[str, Any]) -> xr.DataTree:
    """The table with its groups side by side. FormatError when time does not rise within a group."""
    layout = rows.layout
    column = column_of(source.name, layout, options["pivot"])
    rows.scan(lambda *_: None)
    if rows.count * layout.width * 8 > _MOST_BYTES or not rows.count:
        raise LimitExceeded(
            f"{source.name}: has {rows.count} rows of {layout.width} columns; groups are set side by side "
            f"in tables of 1 to {_MOST_BYTES // 8} cells",
            hint="Split the file, or leave out pivot=.",
        )
    names = [_label(value) for value in rows.column(column, 0, rows.count)]
    members: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        members.setdefault(name, []).append(place)
    limit_items(source, "channels", len(members) * layout.width)
    dim = slug(layout.names[column]).lower() or "group"
    groups = _Groups(column, dim, {name: np.array(held) for name, held in members.items()})
    if options.get("time_column") is None:
        return _matrices(rows, groups)
    return _signals(source, rows, groups, options)


def _label(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _matrices(rows: Rows, groups: _Groups) -> xr.DataTree:
    layout, warnings = rows.layout, _notes(rows)
    warnings.append(
        f"rows are grouped by {layout.names[groups.column]!r}; they are no samples: no time is stated"
    )
    arrays = [_names(layout.names[groups.column], groups)]
    if not groups.even:
        counts = np.array([len(held) for held in groups.rows.values()])
        arrays.append(Array(f"{groups.dim}_rows", counts, (groups.dim,)))
        warnings.append(
            f"the groups differ in length; places beyond the rows of a group ({groups.dim}_rows) "
            "are NaN or empty"
        )
    arrays += [
        Array(heading(layout, j), _matrix(rows, groups, j), (groups.dim, "row"), _attributes(rows, j))
        for j in range(layout.width)
        if j != groups.column
    ]
    return recording(
        [], arrays=arrays, metadata=metadata_of(rows), warnings=warnings, dropped=left_out(rows), kind="table"
    )


def _names(name: str, groups: _Groups) -> Array:
    return Array(
        f"{groups.dim}_name", np.array(list(groups.rows), object), (groups.dim,), {"long_name": name}
    )


def _matrix(rows: Rows, groups: _Groups, j: int) -> NDArray[Any]:
    """(group, row) values of one column; short groups end in NaN or ""."""
    values = rows.column(j, 0, rows.count)
    if values.dtype.kind == "i" and not groups.even:
        values = np.array([str(value) for value in values], object)
    longest = max(len(held) for held in groups.rows.values())
    empty: Any = np.nan if values.dtype.kind == "f" else "" if values.dtype.kind == "O" else 0
    out = np.full((len(groups.rows), longest), empty, values.dtype)
    for place, held in enumerate(groups.rows.values()):
        out[place, : len(held)] = values[held]
    return out


def _attributes(rows: Rows, j: int) -> dict[str, Any]:
    unit = rows.layout.units[j]
    return {"long_name": heading(rows.layout, j)} | ({"units": short_unit(unit)} if unit else {})


def _notes(rows: Rows) -> list[str]:
    return [*rows.layout.warnings, *rows.notes.sentences(rows.layout, rows.count)]


def _signals(source: Source, rows: Rows, groups: _Groups, options: dict[str, Any]) -> xr.DataTree:
    layout = rows.layout
    time = column_of(source.name, layout, options["time_column"])
    unit, warnings = _unit(source, rows, time, options)
    clocks = {name: _clock(source, rows, time, held, name) for name, held in groups.rows.items()}
    first = next(iter(clocks.values()))
    together = all(np.array_equal(first, clock) for clock in clocks.values())
    aside = columns_of(source.name, layout, options.get("aside", []))
    channels = [j for j in rows.numeric() if j not in {time, groups.column, *aside}]
    if options.get("signals"):
        channels = numbers_only(source.name, layout, columns_of(source.name, layout, options["signals"]))
    if not channels:
        raise FormatError(
            f"{source.name}: has no columns of numbers beside {layout.names[time]!r}",
            hint="Leave columns out of aside=, or name another time_column=.",
        )
    names = told(source.name, layout, channels, options.get("names"), [heading(layout, j) for j in channels])
    units = told(source.name, layout, channels, options.get("units"), [layout.units[j] for j in channels])
    table = rows.matrix(channels, 0, rows.count).T
    streams = []
    for sets in [list(groups.rows)] if together else [[name] for name in groups.rows]:
        data = np.concatenate([table[:, groups.rows[name]] for name in sets])
        stream = _stream(rows, time, clocks[sets[0]], unit, data)
        stream.name = "" if together else sets[0]
        stream.channel_names = [f"{name} {column}" for name in sets for column in names]
        stream.units = [short_unit(text) for _ in sets for text in units]
        streams.append(stream)
    if not together:
        warnings.append(f"the times of the groups differ: each {groups.dim} is a stream of its own")
    rest = [j for j in range(layout.width) if j not in {time, groups.column, *channels}]
    return recording(
        streams,
        arrays=[_names(layout.names[groups.column], groups), *_beside(rows, groups, rest, together)],
        metadata=metadata_of(rows),
        warnings=_notes(rows) + warnings,
        dropped=left_out(rows),
    )


def _unit(source: Source, rows: Rows, time: int, options: dict[str, Any]) -> tuple[Fraction, list[str]]:
    layout = rows.layout
    if layout.kinds[time] != "f":
        raise FormatError(
            f"{source.name}: column {layout.names[time]!r} was named as time, it does not hold numbers only",
            hint="Name another time_column=.",
        )
    given = options.get("time_unit")
    unit = seconds_in(str(given)) if given else time_unit_of(layout.names[time], layout.units[time])[1]
    if given and unit is None:
        raise FormatError(
            f"{source.name}: time_unit={given!r} is no unit of time", hint="Use s, ms, us, ns, min, h or d."
        )
    if unit is not None:
        return unit, []
    said = f"the unit of {layout.names[time]!r} is not stated and taken as seconds; time_unit= changes that"
    return Fraction(1), [said]


def _clock(source: Source, rows: Rows, time: int, held: NDArray[np.intp], name: str) -> NDArray[np.float64]:
    values = np.asarray(rows.column(time, 0, rows.count)[held], np.float64)
    late = np.diff(values) > 0
    if not np.isfinite(values).all() or not late.all():
        row = int(np.argmin(late)) + 1 if np.isfinite(values).all() else int(np.argmin(np.isfinite(values)))
        raise FormatError(
            f"{source.name}: {rows.layout.names[time]!r} does not rise within {name!r} (row {held[row] + 1})",
            hint="Name another pivot= or time_column=.",
        )
    return values


def _stream(
    rows: Rows, time: int, clock: NDArray[np.float64], unit: Fraction, data: NDArray[np.float64]
) -> Stream:
    layout = rows.layout
    steps = Steps([row[time] for row in layout.sample if time < len(row)], layout.decimal)
    steps.feed(clock)
    rate = steps.rate()
    if rate is None:
        return Stream(data, time=clock * float(unit))
    return Stream(data, rate=float(rate / unit), start=float(clock[0]) * float(unit))


def _beside(rows: Rows, groups: _Groups, columns: list[int], together: bool) -> list[Array]:
    """Columns that are no channels: once where all groups say the same, else for each group."""
    arrays = []
    for j in columns:
        name, attrs = heading(rows.layout, j), _attributes(rows, j)
        if together:
            held = _matrix(rows, groups, j)
            alike = (held == held[0]).all() or (held.dtype.kind == "f" and np.isnan(held).all())
            dims = ("time",) if alike else (groups.dim, "time")
            arrays.append(Array(name, held[0] if alike else held, dims, attrs))
            continue
        values = rows.column(j, 0, rows.count)
        for label, held in groups.rows.items():
            arrays.append(Array(f"{label} {name}", values[held], (f"row_{slug(label)}",), attrs))
    return arrays
