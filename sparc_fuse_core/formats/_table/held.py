"""Tables whose cells have types already, as spreadsheets and JSON give them: columns held in memory."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._table.block import Block
from sparc_fuse_core.formats._table.cells import MISSING, split_unit
from sparc_fuse_core.formats._table.layout import Layout
from sparc_fuse_core.formats._table.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_LOOKED_AT = 2000
_EXACT = 1 << 53  # from here on, floats skip integers


class Held(Rows):
    """Rows made of columns of Python values; the kinds in the layout are set from the values themselves."""

    def __init__(self, source: Source, layout: Layout, columns: Sequence[Sequence[Any]]) -> None:
        super().__init__(source, layout, 0)
        floats: list[NDArray[np.float64]] = []
        others: dict[int, NDArray[Any]] = {}
        layout.kinds = []
        for j, values in enumerate(columns):
            kind, held = column_of(values)
            layout.kinds.append(kind)
            if kind == "f":
                floats.append(held)
                self.filled[j] = bool(np.isfinite(held).any() or np.isinf(held).any())
            else:
                others[j] = held
                self.filled[j] = kind == "i" or any(held)
        self._rows = len(columns[0]) if columns else 0
        self._whole = Block(np.column_stack(floats) if floats else np.empty((self._rows, 0)), others)
        shown = range(min(self._rows, _LOOKED_AT))
        layout.sample = [[spelled(values[i]) for values in columns] for i in shown]

    def scan(self, visit: Callable[[int, Block], None]) -> None:
        self.count = self._rows
        self._firsts = np.zeros(1, "i8")
        if self.count:
            visit(0, self._whole)

    def _block(self, index: int) -> Block:
        return self._whole


def layout_of(headings: Sequence[str], preamble: Sequence[str] = ()) -> Layout:
    """The layout of columns with these headings; no cell had to be found, so it has no delimiter."""
    width = len(headings)
    layout = Layout("utf-8", "", ".", width, 0, ["f"] * width, preamble=list(preamble))
    pairs = [split_unit(heading) for heading in headings]
    layout.names, layout.units = [name for name, _ in pairs], [unit for _, unit in pairs]
    layout.headings, layout.has_header = list(headings), any(headings)
    return layout


def column_of(values: Sequence[Any]) -> tuple[str, NDArray[Any]]:
    """``f``, ``i`` or ``s`` and the array of that kind, as `_table.shape.column_kind` calls them."""
    present = [value for value in values if not is_missing(value)]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in present):
        whole = [v for v in present if isinstance(v, int) and abs(v) >= _EXACT]
        if not whole:
            return "f", np.array([math.nan if is_missing(v) else float(v) for v in values], np.float64)
        fits = len(present) == len(values) and all(isinstance(v, int) and abs(v) < 1 << 63 for v in present)
        if fits:
            return "i", np.array(values, np.int64)
    out = np.empty(len(values), object)
    out[:] = [spelled(value).strip() for value in values]
    return "s", out


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def spelled(value: Any) -> str:
    """A value as text, so that a number reads back as itself and a time as a clock; "" for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, datetime.timedelta):
        return _elapsed(value)
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def _elapsed(value: datetime.timedelta) -> str:
    micros = value // datetime.timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return ("-" if micros < 0 else "") + clock + (f".{rest:06d}" if rest else "")
