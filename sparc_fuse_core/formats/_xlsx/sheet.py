"""One sheet as a table: where its heading and its data are, and its cells in their own types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._table.held import Held, is_missing, spelled
from sparc_fuse_core.formats._table.layout import lay_out
from sparc_fuse_core.formats._table.text import Record

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_LOOKED_AT = 2000
_MOST_FILLED = 100_000
_COMMENTS = ("#", "%", "//")
Row = list[Any]


def rows_of(source: Source, cells: Sequence[Row], merged: Sequence[Any], options: dict[str, Any]) -> Held:
    """The table of a sheet. FormatError when the sheet has a heading and nothing below it."""
    notes: list[str] = []
    rows = _trimmed([list(row) for row in cells])
    _fill(rows, merged, notes)
    records = [Record(i, _line(row)) for i, row in enumerate(rows[:_LOOKED_AT])]
    chosen = {key: value for key, value in options.items() if key == "header"}
    layout = lay_out(source, "utf-8", records, chosen | {"delimiter": "\t", "decimal": "."})
    layout.delimiter, layout.comment, layout.ragged = "", "", False
    layout.preamble = [" ".join(line.split("\t")).strip() for line in layout.preamble]
    width = max(layout.width, *(len(row) for row in rows))
    for _ in range(width - layout.width):  # columns that begin below what was looked at
        layout.names.append("")
        layout.units.append("")
    layout.width = width
    body = rows[layout.start :]
    for row in body:
        row.extend([None] * (width - len(row)))
    kept = [row for row in body if not all(map(_is_empty, row))]
    expected = list(layout.kinds)
    held = Held(source, layout, [list(column) for column in zip(*kept, strict=True)])
    held.notes.blank = _first_gap(body, len(kept))
    _tell_of_text(held, expected, kept)
    layout.warnings += notes
    return held


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _trimmed(rows: list[Row]) -> list[Row]:
    """Rows without the empty cells below and to the right of everything."""
    while rows and all(map(_is_empty, rows[-1])):
        rows.pop()
    width = max(
        (
            len(row) - next((i for i, v in enumerate(reversed(row)) if not _is_empty(v)), len(row))
            for row in rows
        ),
        default=0,
    )
    return [row[:width] for row in rows]


def _line(row: Row) -> str:
    """A row as a line of cells; a title, which stands alone in its row, as its text only."""
    filled = [i for i, value in enumerate(row) if not _is_empty(value)]
    texts = [" ".join(spelled(value).replace('"', "'").split()) for value in row]
    line = texts[0] if filled == [0] and isinstance(row[0], str) else "\t".join(texts)
    return f" {line}" if line.startswith(_COMMENTS) else line


def _fill(rows: list[Row], merged: Sequence[Any], notes: list[str]) -> None:
    """Give merged cells the text that stands in them; a number is not repeated, it was measured once."""
    filled = 0
    for (top, left), (bottom, right) in merged:
        if top >= len(rows) or left >= len(rows[top]) or not isinstance(rows[top][left], str):
            continue
        if left == 0 and top == bottom and right >= len(rows[top]) - 1:
            continue  # a title over the whole table
        for i in range(top, min(bottom + 1, len(rows))):
            for j in range(left, min(right + 1, len(rows[i]))):
                if filled >= _MOST_FILLED:
                    notes.append(
                        f"only {_MOST_FILLED} of the merged cells were given the text that stands in them"
                    )
                    return
                if _is_empty(rows[i][j]):
                    rows[i][j], filled = rows[top][left], filled + 1
    if filled:
        notes.append(f"{filled} cells were given the text of the merged cell that they belong to")


def _first_gap(body: list[Row], kept: int) -> int:
    """Number of the row before which the first empty one stands; 0 for none."""
    return next((i for i, row in enumerate(body[:kept], 1) if all(map(_is_empty, row))), 0)


def _tell_of_text(held: Held, expected: list[str], kept: list[Row]) -> None:
    """Columns of numbers that hold a text somewhere below what was looked at, or numbers kept as text."""
    for j, (before, after) in enumerate(zip(expected, held.layout.kinds, strict=False)):
        if before == "f" and after == "s":
            at = next(
                (i for i, row in enumerate(kept) if isinstance(row[j], str) and not is_missing(row[j])), None
            )
            if at is not None:
                held.notes.turned.append((j, at + 1, spelled(kept[at][j])))
