"""Which column of a text table is its time, and what that column says."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._table.cells import COUNTER, cell_kind, plain, seconds_in, time_unit_of
from sparc_fuse_core.formats._table.columns import column_of
from sparc_fuse_core.formats._table.time import Clock, Steps, clock_style
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._table.block import Block
    from sparc_fuse_core.formats._table.layout import Layout
    from sparc_fuse_core.formats._table.rows import Rows

# Seconds, milliseconds … since 1970 that fall between 2001 and 2096.
_EPOCHS = (
    (1e9, Fraction(1)),
    (1e12, Fraction(1, 1000)),
    (1e15, Fraction(1, 10**6)),
    (1e18, Fraction(1, 10**9)),
)


@dataclass(slots=True)
class Axis:
    """A column that may be the time axis.

    ``unit`` is the length of the column's unit in seconds, None where the file does not state it. ``named``
    is True when heading or user call it time, so that it need not be even to be believed.
    """

    column: int
    name: str
    unit: Fraction | None
    named: bool
    steps: Steps
    clock: Clock | None = None
    chosen: bool = False
    failure: str = ""
    base: int | float = 0
    notes: list[str] = field(default_factory=list)

    def visit(self, rows: Rows, block: Block) -> None:
        """Look at the next rows; called in order on the one pass over the text."""
        kind = rows.layout.kinds[self.column]
        if self.failure:
            return
        try:
            if self.clock is not None:
                self.steps.feed(self.clock.feed(block.others[self.column]))
            elif kind == "f":
                self.steps.feed(block.floats[:, rows.numeric().index(self.column)])
            elif kind == "i":
                held = block.others[self.column]
                self.base = int(held[0]) if self.steps.count == 0 else self.base
                self.steps.feed((held - self.base).astype("f8"))
            else:
                self.failure = "holds text that is no clock"
        except FormatError as error:
            self.failure = f"cannot be followed: {error}"

    def verdict(self) -> str:
        """Why the column is no time axis; "" when it is one."""
        steps = self.steps
        if self.failure:
            return self.failure
        if steps.missing:
            return f"has no value in some row (the first doubt is in row {steps.bad_row})"
        even = steps.rate() is not None
        # Programs that read a buffer stamp several rows alike: uneven, but a time when someone says that it is.
        if not steps.increasing and not even and not (self.chosen and steps.repeats_only):
            return f"does not rise from row {steps.bad_row - 1} to row {steps.bad_row}"
        if not self.named and not even:
            return "has no heading and uneven steps"
        if not self.named and self.clock is None and steps.is_counter:
            return "only counts the rows"
        return ""

    def settle(self) -> str | None:
        """Fix unit and zero once the column is the time axis; the wall clock of the start, where known."""
        if self.clock is not None:
            self.unit = Fraction(1)
            style = self.clock.style
            if style.minutes_first:
                self.notes.append(f"{self.name!r} is read as minutes and seconds, as in {style.first!r}")
            if style.doubtful_date:
                self.notes.append(f"{style.first!r} does not tell day from month; no start is recorded")
            return self.clock.start()
        first = self.base or self.steps.first
        epoch = next(((u, low) for low, u in _EPOCHS if low <= first <= 3.98 * low), None)
        if epoch is not None and self.named and self.unit in (None, epoch[0]):
            self.unit = epoch[0]
            self.notes.append(f"{self.name!r} is read as time since 1970 (UTC); time runs from its first row")
            start = datetime.datetime(1970, 1, 1) + datetime.timedelta(
                microseconds=int(Fraction(first) * epoch[0] * 10**6)
            )
            self.base = self.base or self.steps.first
            return start.isoformat(timespec="microseconds") + "+00:00"
        if self.unit is None:
            self.unit = Fraction(1)
            self.notes.append(
                f"the unit of {self.name!r} is not stated and taken as seconds; time_unit= changes that"
                + ("; it may also count samples: rate= says how fast" if self.steps.is_counter else "")
            )
        if self.base:
            self.notes.append(f"time runs from the first row, where {self.name!r} is {self.base}")
        return None

    def tell_repeats(self) -> None:
        """Say that several rows have the same time."""
        if self.steps.repeats_only and self.steps.bad_row:
            row = self.steps.bad_row
            self.notes.append(f"{self.name!r} does not rise at every row (first from row {row - 1} to {row})")

    def rate(self) -> float | None:
        """Samples a second where the steps are even."""
        rate = self.steps.rate()
        return None if rate is None else float(rate / (self.unit or 1))

    def start(self) -> float:
        """Seconds at the first row."""
        return 0.0 if self.base or self.clock else float(self._seconds(np.array([self.steps.first]))[0])

    def times(self, rows: Rows) -> LazyArray:
        """Seconds of every row."""

        def read(key: Any) -> NDArray[Any]:
            span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
            if self.clock is not None:
                parts = [
                    self.clock.seconds(index, cells)[part]
                    for index, cells, part in rows.pieces(self.column, span.start, span.stop)
                ]
                found = np.concatenate(parts) if parts else np.empty(0)
            else:
                found = self._seconds(rows.column(self.column, span.start, span.stop) - self.base)
            return found if isinstance(key[0], slice) else found[0]

        return LazyArray((rows.count,), "f8", read)

    def _seconds(self, values: NDArray[Any]) -> NDArray[np.float64]:
        unit = self.unit or Fraction(1)
        # A division by 1000 rounds once; a product with 0.001 would round twice.
        return np.asarray(values / float(1 / unit) if unit < 1 else values * float(unit), np.float64)


def axes(rows: Rows, options: dict[str, Any]) -> list[Axis]:
    """The columns that may be the time, the likeliest first."""
    layout = rows.layout
    stated = options.get("time_unit")
    size = seconds_in(str(stated)) if stated else None
    if stated and size is None:
        raise FormatError(
            f"{rows.source.name}: time_unit={stated!r} is no unit of time",
            hint="Use s, ms, us, ns, min, h or d.",
        )
    if options.get("time_column") is not None:
        column = column_of(rows.source.name, layout, options["time_column"])
        axis = _axis(layout, column, size, named=True)
        axis.chosen = True
        return [axis]
    found = []
    for column in range(layout.width):
        named, unit = time_unit_of(layout.names[column], layout.units[column])
        if (
            named
            and plain(layout.names[column]) == "min"
            and {"max", "mean"} & {plain(n) for n in layout.names}
        ):
            named = False
        first = column == 0 and (not layout.has_header or layout.kinds[0] == "s")
        if not named and not first:
            continue
        axis = _axis(layout, column, size or unit, named=named)
        if named or axis.clock is not None or layout.kinds[column] != "s":
            found.append(axis)
    return sorted(found[:8], key=lambda a: (not a.named, a.clock is not None, a.unit is None, a.column))


def _axis(layout: Layout, column: int, unit: Fraction | None, *, named: bool) -> Axis:
    cells = [row[column] for row in layout.sample if column < len(row)]
    name = layout.names[column] or f"column {column + 1}"
    decimal = layout.decimal
    clock = None
    if layout.kinds[column] == "s":
        style = clock_style(cells)
        if style is not None and style.has_time:
            clock = Clock(style)
            cells = [_fraction(cell) for cell in cells]
            decimal = "."
    return Axis(column, name, unit, named or clock is not None, Steps(cells, decimal), clock)


def _fraction(clock: str) -> str:
    """The part of a clock after its seconds, as a number."""
    tail = clock.strip().rpartition(":")[2]
    digits = tail.replace(",", ".").partition(".")[2]
    return "0." + "".join(c for c in digits[:9] if c.isdigit())


def counters(layout: Layout) -> list[int]:
    """Columns whose heading says that they number the samples."""
    if not layout.has_header:
        return [0] if layout.kinds[0] == "f" and layout.width > 1 else []
    return [
        j
        for j, name in enumerate(layout.names)
        if layout.kinds[j] == "f" and COUNTER.match(plain(name)) and (name.strip() or j == 0)
        and all(cell_kind(row[j], layout.decimal) == "number" for row in layout.sample[:50] if j < len(row))
    ]  # fmt: skip
