"""A stretch of a text table as columns: by the fast parser where it is sure, cell by cell where not."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._table.cells import MISSING, MISSING_SPELLED, cell_kind
from sparc_fuse_core.formats._table.layout import Layout
from sparc_fuse_core.formats._table.text import BLANKS, decode, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INTEGERS_END = float(1 << 53)  # from here on, floats skip integers
_MOST_LINES = 100  # of text in one cell
_MARKED = re.compile(rb"[\t,; ]*#(?=[*0-9])([^\n]*)")


@dataclass(slots=True)
class Block:
    """Parsed rows: columns of floats side by side, other columns by their number; rows count from 0."""

    floats: NDArray[np.float64]
    others: dict[int, NDArray[Any]]
    short: list[int] = field(default_factory=list)
    turned: list[tuple[int, int, str]] = field(default_factory=list)  # column, row, cell
    said: list[str] = field(default_factory=list)  # lines that were commented out
    marks: list[tuple[int, str]] = field(default_factory=list)  # LabChart's comments at the end of rows
    blank: int | None = None  # row before which the first empty line stands

    @property
    def rows(self) -> int:
        return int(self.floats.shape[0])

    @property
    def nbytes(self) -> int:
        return int(self.floats.nbytes) + sum(90 * column.size for column in self.others.values())


class NotPlain(Exception):
    """The fast parser would be wrong or fails on this text."""


def parse(raw: bytes, layout: Layout, *, marked: bool = False) -> Block:
    """The rows in ``raw``, which begins and ends with a record.

    A column that turns out to hold something else than its kind in ``layout.kinds`` is made text there.
    Raises `RowTooLong` for rows longer than the table is wide.
    """
    text = _as_lines(raw, layout)
    text, blank, said = _without_idle_lines(text, layout)
    text, marks = _without_marks(text) if marked else (text, [])
    try:
        floats, others, short = _fast(text, layout)
        turned: list[tuple[int, int, str]] = []
    except NotPlain:
        floats, others, short, turned = _careful(text, layout)
    return Block(floats, others, short, turned, said, marks, blank)


def _as_lines(raw: bytes, layout: Layout) -> bytes:
    text = raw
    if not raw.isascii() or layout.encoding.startswith(("utf-16", "utf-32")):
        text = decode(raw, layout.encoding).encode("utf-8", "replace")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if layout.delimiter == BLANKS and b'"' not in text:
        text = re.sub(rb"[ \t]+", b" ", text).replace(b"\n ", b"\n").replace(b" \n", b"\n").strip(b" ")
    return text if text.endswith(b"\n") else text + b"\n"


def _without_idle_lines(text: bytes, layout: Layout) -> tuple[bytes, int | None, list[str]]:
    """Text without empty lines and comments; the row before which the first empty one stood; the comments."""
    raw = np.frombuffer(text, "u1")
    ends = np.flatnonzero(raw == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    mark, gap = layout.comment.encode(), layout.delimiter.encode()
    suspects = (raw[starts] <= 32) | (raw[starts] == gap[0])
    if mark:
        suspects |= raw[starts] == mark[0]
    idle: list[int] = []
    said: list[str] = []
    for i in np.flatnonzero(suspects).tolist():
        line = text[starts[i] : ends[i]]
        if mark and line.startswith(mark):
            said.append(line.decode("utf-8", "replace")[:200])
            idle.append(i)
        elif not line.strip(b" \t" + gap):
            idle.append(i)
    if not idle:
        return text, None, said
    kept = text.split(b"\n")[:-1]
    blank = next((i - n for n, i in enumerate(idle) if not (mark and kept[i].startswith(mark))), None)
    for i in reversed(idle):
        kept[i] = b""
    return b"".join(line + b"\n" for line in kept if line), blank, said


def _without_marks(text: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    if b"#" not in text:
        return text, []
    marks = [
        (text.count(b"\n", 0, found.start()), found[0].decode("utf-8", "replace").strip())
        for found in _MARKED.finditer(text)
    ]
    return _MARKED.sub(b"", text), marks


# -- the fast way --------------------------------------------------------------------------------------


def _fast(text: bytes, layout: Layout) -> tuple[NDArray[np.float64], dict[int, NDArray[Any]], list[int]]:
    if b'"' in text:
        text = _unquoted(text, layout.delimiter)
    short = _short_rows(text, layout)
    numeric = [j for j, kind in enumerate(layout.kinds) if kind == "f"]
    if not text:
        empty = {j: np.empty(0, _dtype(kind)) for j, kind in enumerate(layout.kinds) if kind != "f"}
        return np.empty((0, len(numeric))), empty, []
    # Two readings: what stands for a missing number is a word in a column of text, and pandas is
    # very slow when it is told so for each column.
    rest = [j for j, kind in enumerate(layout.kinds) if kind != "f"]
    floats = np.empty((text.count(b"\n"), 0))
    if numeric:
        floats = np.asarray(_read(text, layout, numeric, MISSING_SPELLED).to_numpy(np.float64))
    if len(floats) != text.count(b"\n"):
        raise NotPlain
    with np.errstate(invalid="ignore"):
        if (np.isfinite(floats) & (np.abs(floats) >= _INTEGERS_END)).any():
            raise NotPlain
    others: dict[int, NDArray[Any]] = {}
    if rest:
        table = _read(text, layout, rest, ())
        for j in rest:
            whole = layout.kinds[j] == "i"
            others[j] = table[j].to_numpy(np.int64) if whole else _strings(table[j].to_numpy(object))
    return floats, others, short


def _read(text: bytes, layout: Layout, columns: list[int], missing: Sequence[str]) -> Any:
    import pandas as pd

    kinds = {"f": np.float64, "i": np.int64, "s": object}
    try:
        return pd.read_csv(
            io.BytesIO(text),
            sep=layout.delimiter,
            header=None,
            names=range(layout.width),
            index_col=False,
            usecols=columns,
            dtype={j: kinds[layout.kinds[j]] for j in columns},
            na_values=list(missing),
            keep_default_na=False,
            decimal=layout.decimal if layout.decimal != layout.delimiter else ".",
            quoting=csv.QUOTE_NONE,
            skipinitialspace=layout.delimiter != BLANKS,
            skip_blank_lines=False,
            encoding="utf-8",
            engine="c",
            low_memory=False,
            **_exactness(),
        )
    except (ValueError, OverflowError) as error:
        raise NotPlain from error


@cache
def _exactness() -> dict[str, Any]:
    """Older pandas rounds the last bit unless told not to; newer ones never do."""
    import pandas as pd

    return (
        {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1) else {}
    )


def _unquoted(text: bytes, delimiter: str) -> bytes:
    """Text without quotes, where they stand only around cells that hold neither delimiters nor quotes."""
    if delimiter == BLANKS or b'""' in text:
        raise NotPlain
    raw = np.frombuffer(b"\n" + text + b"\n", "u1")
    at = np.flatnonzero(raw == 34)
    edge = (raw == 10) | (raw == ord(delimiter))
    # An opening quote follows an edge and a closing one comes before an edge, in turns.
    if len(at) % 2 or not (edge[at[::2] - 1].all() and edge[at[1::2] + 1].all()):
        raise NotPlain
    inside = np.concatenate(([0], np.cumsum(edge)))
    if (inside[at[::2]] != inside[at[1::2]]).any():
        raise NotPlain
    return text.replace(b'"', b"")


def _short_rows(text: bytes, layout: Layout) -> list[int]:
    raw = np.frombuffer(text, "u1")
    ends = np.flatnonzero(raw == 10)
    gaps = np.flatnonzero(raw == ord(layout.delimiter))
    fields = np.diff(np.searchsorted(gaps, ends), prepend=0) + 1
    if (fields > layout.width).any():
        raise NotPlain
    return [int(i) for i in np.flatnonzero(fields < layout.width)]


def _dtype(kind: str) -> str:
    return "i8" if kind == "i" else "O"


def _strings(cells: NDArray[Any]) -> NDArray[Any]:
    held = np.empty(len(cells), object)
    # Names of subjects, states and files come again and again: one object for each spares memory.
    held[:] = [sys.intern(cell.strip()) if isinstance(cell, str) else "" for cell in cells]
    return held


# -- the careful way ------------------------------------------------------------------------------------


def _careful(
    text: bytes, layout: Layout
) -> tuple[NDArray[np.float64], dict[int, NDArray[Any]], list[int], list[tuple[int, int, str]]]:
    rows = _cells(text.decode("utf-8"), layout)
    width = layout.width
    short = [i for i, row in enumerate(rows) if len(row) < width]
    for i, row in enumerate(rows):
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise RowTooLong(i, len(row))
        del row[width:]
        row.extend([""] * (width - len(row)))
    turned = []
    columns: dict[int, NDArray[Any]] = {}
    for j in range(width):
        cells = [row[j].strip() for row in rows]
        kind = layout.kinds[j]
        bad = _first_misfit(cells, kind, layout.decimal)
        if bad is not None:
            turned.append((j, bad, cells[bad]))
            layout.kinds[j] = kind = "s"
        columns[j] = _column(cells, kind, layout.decimal)
    numeric = [j for j, kind in enumerate(layout.kinds) if kind == "f"]
    floats = np.empty((len(rows), len(numeric)))
    for place, j in enumerate(numeric):
        floats[:, place] = columns.pop(j)
    return floats, columns, short, turned


class RowTooLong(Exception):
    """A row has more cells than the table has columns."""

    def __init__(self, row: int, cells: int) -> None:
        super().__init__(row, cells)
        self.row, self.cells = row, cells


def _cells(text: str, layout: Layout) -> list[list[str]]:
    if layout.delimiter == BLANKS:
        return [split(line, BLANKS) for line in text.split("\n")[:-1]]
    if '"' not in text:
        return [line.split(layout.delimiter) for line in text.split("\n")[:-1]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, skipinitialspace=True)
    rows = [row for row in reader if row]
    unclosed = text.count('"') % 2 == 1
    for i, row in enumerate(rows):
        for j, cell in enumerate(row[: layout.width]):
            # A quote that is never closed swallows the rows behind it.
            if "\n" in cell and (unclosed or layout.kinds[j] != "s" or cell.count("\n") > _MOST_LINES):
                raise OpenQuote(i)
    return rows


class OpenQuote(Exception):
    """A quoted cell does not end where it should."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def _first_misfit(cells: list[str], kind: str, decimal: str) -> int | None:
    if kind == "s":
        return None
    for i, cell in enumerate(cells):
        found = cell_kind(cell, decimal)
        if found not in ("number", "missing"):
            return i
        whole = found == "number" and cell.lstrip("+-").isdigit()
        if kind == "i" and not (whole and abs(int(cell)) < 1 << 63):
            return i
        if kind == "f" and whole and len(cell) > 15 and int(float(cell)) != int(cell):
            return i
    return None


def _column(cells: list[str], kind: str, decimal: str) -> NDArray[Any]:
    if kind == "s":
        return _strings(np.array([*cells, None], object)[:-1])
    if kind == "i":
        return np.array([int(cell) for cell in cells], np.int64)
    if decimal == ",":
        cells = [cell.replace(",", ".") for cell in cells]
    return np.array([np.nan if cell.lower() in MISSING else float(cell) for cell in cells], np.float64)


def explain(name: str, first: int, error: RowTooLong | OpenQuote, layout: Layout) -> FormatError:
    """The error for a row that cannot be; ``first`` is the number of the block's first row."""
    number = first + error.row
    if isinstance(error, OpenQuote):
        return FormatError(
            f"{name}: a quoted cell in row {number} of the data does not end; rows would be lost",
            hint="Mend the quotes of the file, or take them out.",
        )
    return FormatError(
        f"{name}: has {layout.width} columns, row {number} of the data has {error.cells} cells; "
        "the file is damaged or holds several tables",
        hint="Mend or split the file, or name its delimiter= option if it was taken wrongly.",
    )
