"""Tables whose lines are channels: read whole, since every line reaches over the whole time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._table.cells import cell_kind, split_unit
from sparc_fuse_core.formats._table.layout import Layout
from sparc_fuse_core.formats._table.rows import Turned
from sparc_fuse_core.formats._table.shape import choose
from sparc_fuse_core.formats._table.text import encoding_of, records_of, refuse_binary, split
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MOST_BYTES = 1 << 28


def turned(source: Source, options: dict[str, Any]) -> Turned:
    """The lines of a file as columns; a cell of text at the front of a line is its name."""
    if source.size > _MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: has {source.size} bytes; lines as channels may have {_MOST_BYTES}",
            hint="Exchange its rows and columns first.",
        )
    raw = source.read(0, source.size)
    refuse_binary(source, raw, encoding_of(raw)[0])
    encoding, records = records_of(raw, whole=True)
    live = [r for r in records if r.text.strip() and not r.comment()]
    delimiter, decimal = choose(live[:50], options)
    if not delimiter:
        raise FormatError(
            f"{source.name}: a table was expected, it is text without values", source=source.url
        )
    limit_items(source, "channels", len(live))
    names, columns = [], []
    for number, record in enumerate(live, 1):
        cells = split(record.text, delimiter)
        while cells and not cells[-1].strip():
            cells.pop()
        named = bool(cells) and cell_kind(cells[0], decimal) == "text"
        names.append(cells[0] if named else "")
        columns.append(_numbers(source, cells[named:], decimal, number))
    if len({len(column) for column in columns}) != 1 or not len(columns[0]):
        raise FormatError(
            f"{source.name}: lines as channels need equal lengths, not {sorted(map(len, columns))[:5]}",
            hint='Leave out orientation="rows" if columns are the channels.',
        )
    pairs = [split_unit(name) for name in names]
    sample = [[repr(float(column[i])) for column in columns] for i in range(min(200, len(columns[0])))]
    layout = Layout(encoding, delimiter, decimal, len(columns), 0, ["f"] * len(columns), sample=sample)
    layout.names, layout.units = [name for name, _ in pairs], [unit for _, unit in pairs]
    layout.has_header = any(names)
    layout.decimal = "."
    return Turned(source, layout, np.array(columns).T)


def _numbers(source: Source, cells: list[str], decimal: str, line: int) -> NDArray[np.float64]:
    kinds = [cell_kind(cell, decimal) for cell in cells]
    for cell, kind in zip(cells, kinds, strict=True):
        if kind not in ("number", "missing"):
            raise FormatError(
                f"{source.name}: line {line} holds {cell[:40]!r} where a number was expected",
                hint='Leave out orientation="rows" if columns are the channels.',
            )
    return np.array(
        [
            float(c.replace(decimal, ".")) if k == "number" else np.nan
            for c, k in zip(cells, kinds, strict=True)
        ]
    )
