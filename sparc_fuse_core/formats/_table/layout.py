"""How a text table is laid out, worked out from its first records: columns, heading, units, data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import Ambiguous, FormatError, LimitExceeded
from sparc_fuse_core.formats._table.cells import cell_kind, is_unit, split_unit
from sparc_fuse_core.formats._table.shape import choose, column_kind, first_data, row_of_counts, row_width
from sparc_fuse_core.formats._table.text import BLANKS, Record, records_of, refuse_binary, split
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

HEAD = 1 << 20
LONGEST_RECORD = 1 << 25
_CELLS_LOOKED_AT = 200_000
_RECORDS_LOOKED_AT = 2000


@dataclass(slots=True)
class Layout:
    """What the reader of rows must know; ``start`` is the byte of the first data row."""

    encoding: str
    delimiter: str
    decimal: str
    width: int
    start: int
    kinds: list[str]
    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    has_header: bool = False
    comment: str = ""
    ragged: bool = False
    sample: list[list[str]] = field(default_factory=list)
    preamble: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def examine(source: Source, options: dict[str, Any]) -> Layout:
    """The layout of a text table; raises FormatError when the text is no table."""
    size = HEAD
    while True:
        head = source.head(size)
        encoding, records = records_of(head, len(head) == source.size)
        if records and (len(records) > 8 or len(head) == source.size):
            break
        size *= 4
        if size > LONGEST_RECORD:
            raise LimitExceeded(
                f"{source.name}: a table has lines, here the first {len(head)} bytes have {len(records)}; "
                "it is no table or one with rows and columns exchanged",
                hint='If each line is one channel, use orientation="rows".',
                source=source.url,
            )
    refuse_binary(source, head, encoding)
    return lay_out(source, encoding, records, options)


def lay_out(source: Source, encoding: str, records: Sequence[Record], options: dict[str, Any]) -> Layout:
    """The layout that fits ``records``, with the user's options heeded."""
    lines = [r for r in records[:_RECORDS_LOOKED_AT] if r.text.strip()]
    live = [r for r in lines if not r.comment()]
    delimiter, decimal = choose(live, options)
    if not delimiter:
        raise FormatError(
            f"{source.name}: a table was expected, it is text without columns of values",
            hint="If it is a table, name its delimiter= (and header=) option.",
            source=source.url,
        )
    rows = [(r, split(r.text, delimiter)) for r in live]
    width = row_width(rows, decimal)
    limit_items(source, "columns", width)
    rows = rows[: max(20, _CELLS_LOOKED_AT // max(1, width))]
    first = first_data(rows, width, decimal, options)
    first += row_of_counts(rows, first)
    data = [cells for _, cells in rows[first:]]
    if not data:
        raise FormatError(
            f"{source.name}: has a heading and no rows of data; there is nothing to convert",
            source=source.url,
        )
    kinds = [column_kind([row[j] for row in data if j < len(row)], decimal) for j in range(width)]
    text = any(kind == "s" for kind in kinds)
    if text:
        width = max(width, *(len(row) for row in data))
        limit_items(source, "columns", width)
        kinds = [column_kind([row[j] for row in data if j < len(row)], decimal) for j in range(width)]
    layout = Layout(encoding, delimiter, decimal, width, rows[first][0].offset, kinds, sample=data)
    layout.ragged = text and len({len(row) for row in data}) > 1
    layout.comment = next((r.comment() for r in lines if r.comment()), "")
    if not layout.comment and kinds[0] == "f":
        layout.comment = "#"
    before = [r for r in lines if r.offset < layout.start]
    _name_columns(layout, before, options)
    _refuse_second_heading(source, layout)
    if decimal == "," and _looks_like_thousands(data, kinds):
        layout.warnings.append(
            "the commas in the numbers are taken as decimal marks; decimal='.' changes that"
        )
    return layout


def _refuse_second_heading(source: Source, layout: Layout) -> None:
    """Programs that go on writing into the same file write their heading again."""
    named = [(j, heading) for j, heading in enumerate(layout.headings) if heading.strip()]
    for number, row in enumerate(layout.sample, 1):
        if named and all(j < len(row) and row[j].strip() == heading for j, heading in named):
            raise second_heading(source.name, number, named[0][1])


def second_heading(name: str, number: int, cell: str) -> Ambiguous:
    """The error for a heading that comes again among the rows."""
    return Ambiguous(
        f"{name}: the heading ({cell!r}) comes again in row {number} of the data; there are several tables",
        hint="Split the file at its headings and convert the parts.",
    )


def _name_columns(layout: Layout, before: list[Record], options: dict[str, Any]) -> None:
    """Names and units from the lines above the data; what is left of those lines is the preamble."""
    width = layout.width
    layout.names, layout.units = [""] * width, [""] * width
    layout.preamble = [r.text for r in before]
    if options.get("header") is False:
        return
    above = [(r, _heading_cells(r, layout.delimiter, width)) for r in before[-2:]]
    if not above:
        return
    cells = above[-1][1]
    used = 1
    units: list[str] = []
    if len(above) == 2 and _all_units(cells) and _is_heading(above[0][1], layout):
        units, cells, used = cells, above[0][1], 2
    if not _is_heading(cells, layout):
        if options.get("header") not in (None, False) and cells:
            cells = (cells + [""] * width)[:width]
        else:
            return
    layout.has_header = True
    layout.preamble = layout.preamble[:-used]
    if len(cells) == width - 1 and layout.sample and _row_names(layout):
        cells, units = ["row", *cells], ["", *units] if units else []
    layout.preamble += [text for text in cells[width:] if text.strip()]
    cells = [c.strip().strip('"').strip() for c in (cells + [""] * width)[:width]]
    layout.headings = cells
    for j, cell in enumerate(cells):
        layout.names[j], layout.units[j] = split_unit(cell)
    for j, unit in enumerate(units[:width]):
        layout.units[j] = unit.strip().strip("[](){}").strip() or layout.units[j]


def _heading_cells(record: Record, delimiter: str, width: int) -> list[str]:
    text = record.text
    mark = record.comment()
    bare = text[len(mark) :].lstrip("#%/ ") if mark else text
    cells = split(bare, delimiter)
    if mark and len(cells) != width and len(split(text, delimiter)) == width:
        cells = split(text, delimiter)
    if delimiter == BLANKS and len(cells) != width:
        wide = [c for c in re.split(r"\t+|\s{2,}", bare.strip()) if c]
        cells = wide if len(wide) == width else cells
    return cells


def _is_heading(cells: list[str], layout: Layout) -> bool:
    """A row of names: as wide as the data and text where the data are numbers."""
    width = layout.width
    if not any(c.strip() for c in cells) or not (width - 1 <= len(cells) <= width + 1 or layout.ragged):
        return False
    if len(cells) == width + 1 and cells[-1].strip():
        return False
    if width > 1 and len(cells) < 2:
        return False
    kinds = Counter(cell_kind(c, layout.decimal) for c in cells)
    return kinds["text"] > 0


def _all_units(cells: list[str]) -> bool:
    bare = [c.strip().strip("[](){}").strip() for c in cells]
    present = [c for c in bare if c]
    return bool(present) and all(is_unit(c) or c in ("-", "n.u.") for c in present)


def _row_names(layout: Layout) -> bool:
    """Tables with one name less than columns begin with names or numbers of rows that have no heading."""
    full = all(len(row) == layout.width and row[-1].strip() for row in layout.sample)
    first = [row[0].strip() for row in layout.sample]
    counted = first == [str(i) for i in range(1, len(first) + 1)] or first == [
        str(i) for i in range(len(first))
    ]
    return full and (layout.kinds[0] == "s" or counted)


def _looks_like_thousands(data: list[list[str]], kinds: list[str]) -> bool:
    held = [
        c.strip() for row in data for c, kind in zip(row, kinds, strict=False) if kind == "f" and "," in c
    ]
    return bool(held) and all(re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})", c) for c in held)
