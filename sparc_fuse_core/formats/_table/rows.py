"""Rows of a text table: one pass finds the blocks and checks every cell, reads parse the blocks they touch.

Text has to be read once from end to end before its number of rows, its types and its time axis are known. The
pass keeps an index of one entry for each 2 MiB of text and the parsed blocks that fit in a cache of 64 MiB.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._table.block import Block, OpenQuote, RowTooLong, explain, parse
from sparc_fuse_core.formats._table.layout import LONGEST_RECORD, Layout, second_heading
from sparc_fuse_core.formats._table.text import refuse_binary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

BLOCK = 1 << 21
_CACHE_BYTES = 1 << 26
_STRAY_QUOTE = 1 << 23  # no quoted cell is this long: the quote is an inch sign or damage


@dataclass(slots=True)
class Notes:
    """What the user must know of the rows; they are counted from 1 at the first row of data."""

    short: int = 0
    first_short: int = 0
    last_short: int = 0
    blank: int = 0
    said: list[str] = field(default_factory=list)
    turned: list[tuple[int, int, str]] = field(default_factory=list)

    def sentences(self, layout: Layout, count: int) -> list[str]:
        """The notes as warnings."""
        found = []
        if self.short == 1 and self.last_short == count:
            found.append(f"the last row (row {count}) is cut short; its missing cells are NaN or empty")
        elif self.short and not layout.ragged:
            found.append(
                f"{self.short} rows have fewer than {layout.width} cells, "
                f"the first is row {self.first_short}; their missing cells are NaN or empty"
            )
        if self.blank:
            found.append(
                f"an empty line before row {self.blank} was skipped; nothing says what it stands for"
            )
        for column, row, cell in self.turned[:20]:
            name = layout.names[column] or f"column {column + 1}"
            found.append(f"{name!r} holds {cell[:40]!r} in row {row}; the column is kept as text")
        return found


class Rows:
    """The rows between two bytes of a file; `scan` has to run once before anything is read."""

    def __init__(
        self,
        source: Source,
        layout: Layout,
        end: int | None = None,
        *,
        marked: bool = False,
        newline: str = "\n",
    ) -> None:
        self.source, self.layout, self.marked = source, layout, marked
        self.end = source.size if end is None else end
        self.count = 0
        self.notes = Notes()
        self.filled = np.zeros(layout.width, bool)
        self.marks: list[tuple[int, str]] = []
        self._newline = newline.encode(layout.encoding)
        self._spans: list[tuple[int, int]] = []
        self._firsts: NDArray[np.int64] = np.zeros(0, "i8")
        self._cache: OrderedDict[int, Block] = OrderedDict()
        self._lock = threading.Lock()

    def scan(self, visit: Callable[[int, Block], None]) -> None:
        """Parse all rows once; ``visit(first_row, block)`` sees each block as it goes by."""
        firsts = []
        for offset, raw in self._pieces():
            block = self._parse(raw, self.count)
            self._note(block)
            if block.rows:
                visit(self.count, block)
                firsts.append(self.count)
                self._spans.append((offset, len(raw)))
                self._keep(len(firsts) - 1, block)
                self.count += block.rows
        self._firsts = np.array(firsts, "i8")
        if self.notes.turned:
            self._cache.clear()
        if self.notes.blank > self.count:
            self.notes.blank = 0

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        """Stretches of the file that end where a record ends."""
        offset, want = self.layout.start, BLOCK
        while offset < self.end:
            raw = self.source.read(offset, min(want, self.end - offset), "rows")
            refuse_binary(self.source, raw, self.layout.encoding)
            if offset + len(raw) < self.end:
                cut = self._last_end(raw)
                if cut == 0:
                    want *= 2
                    self._limit(want, offset)
                    continue
                raw = raw[:cut]
            yield offset, raw
            offset, want = offset + len(raw), BLOCK

    def _limit(self, want: int, offset: int) -> None:
        if want > 2 * LONGEST_RECORD:
            raise LimitExceeded(
                f"{self.source.name}: a row of more than {LONGEST_RECORD} bytes at byte {offset}; "
                "the file is damaged or no table",
                hint='If each line is one channel, use orientation="rows".',
            )

    def _last_end(self, raw: bytes) -> int:
        """Bytes up to the end of the last whole record."""
        unit = len(self._newline)
        at = raw.rfind(self._newline)
        while at >= 0 and at % unit:
            at = raw.rfind(self._newline, 0, at + unit - 1)
        if at < 0 or unit > 1 or raw.count(b'"', 0, at) % 2 == 0 or len(raw) >= _STRAY_QUOTE:
            return at + unit if at >= 0 else 0
        held = np.frombuffer(raw, "u1")
        ends = np.flatnonzero(held == self._newline[0])
        quotes = np.searchsorted(np.flatnonzero(held == 34), ends)
        outside = ends[quotes % 2 == 0]
        return int(outside[-1]) + 1 if len(outside) else 0

    def _parse(self, raw: bytes, first: int, *, frozen: bool = False) -> Block:
        # Threads read at once: the copy keeps a misfit met in one from changing what the others see.
        layout = replace(self.layout, kinds=list(self.layout.kinds)) if frozen else self.layout
        try:
            block = parse(raw, layout, marked=self.marked)
        except (RowTooLong, OpenQuote) as error:
            raise explain(self.source.name, first + 1, error, layout) from None
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{self.source.name}: is {error.encoding.upper()} text, but not near row {first + 1} "
                f"({error.reason}); it is damaged or cut short",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            ) from None
        if frozen and layout.kinds != self.layout.kinds:
            raise FormatError(f"{self.source.name}: changed since it was opened", hint="Open the file again.")
        return block

    def _note(self, block: Block) -> None:
        notes, first = self.notes, self.count + 1
        if block.short:
            notes.first_short = notes.first_short or first + block.short[0]
            notes.last_short = first + block.short[-1]
            notes.short += len(block.short)
        if block.blank is not None and not notes.blank:
            notes.blank = first + block.blank
        notes.said += block.said[: max(0, 50 - len(notes.said))]
        self.marks += [(self.count + row, text) for row, text in block.marks]
        for column, row, cell in block.turned:
            heading = self.layout.headings[column] if self.layout.headings else ""
            if heading and cell == heading:
                raise second_heading(self.source.name, first + row, cell)
            notes.turned.append((column, first + row, cell))
        self.filled[self.numeric()] |= (~np.isnan(block.floats)).any(axis=0)
        for j, column_ in block.others.items():
            self.filled[j] |= bool(column_.size) and (column_.dtype != object or any(column_))

    def numeric(self) -> list[int]:
        """Columns of floats, in the order in which blocks hold them."""
        return [j for j, kind in enumerate(self.layout.kinds) if kind == "f"]

    def _keep(self, index: int, block: Block) -> None:
        with self._lock:
            self._cache[index] = block
            self._cache.move_to_end(index)
            held = sum(kept.nbytes for kept in self._cache.values())
            while held > _CACHE_BYTES and len(self._cache) > 2:
                held -= self._cache.popitem(last=False)[1].nbytes

    def _block(self, index: int) -> Block:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        block = self._parse(
            self.source.read(*self._spans[index], "rows"), int(self._firsts[index]), frozen=True
        )
        self._keep(index, block)
        return block

    def _touched(self, start: int, stop: int) -> Iterator[tuple[int, Block, slice]]:
        """First row, block and the rows of it that lie in ``start:stop``."""
        if stop <= start:
            return
        low = int(np.searchsorted(self._firsts, start, "right")) - 1
        for index in range(low, int(np.searchsorted(self._firsts, stop, "left"))):
            first, block = int(self._firsts[index]), self._block(index)
            yield index, block, slice(max(0, start - first), min(block.rows, stop - first))

    def matrix(self, columns: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        """(row, column) values of columns of numbers."""
        places = {j: place for place, j in enumerate(self.numeric())}
        wanted = [places[j] for j in columns]
        even = wanted == list(range(wanted[0], wanted[0] + len(wanted))) if wanted else False
        pick: Any = slice(wanted[0], wanted[0] + len(wanted)) if even else wanted
        out = np.empty((max(0, stop - start), len(wanted)))
        at = 0
        for _, block, span in self._touched(start, stop):
            part = block.floats[span][:, pick]
            out[at : at + len(part)] = part
            at += len(part)
        return out

    def column(self, j: int, start: int, stop: int) -> NDArray[Any]:
        """Values of one column: floats, 64-bit integers or strings."""
        kind = self.layout.kinds[j]
        if kind == "f":
            return self.matrix([j], start, stop)[:, 0]
        parts = [block.others[j][span] for _, block, span in self._touched(start, stop)]
        return np.concatenate(parts) if parts else np.empty(0, np.int64 if kind == "i" else object)

    def grain(self, channels: int) -> tuple[int, int]:
        """Shape of the piece that is parsed at once."""
        return channels, max(1, self.count // max(1, len(self._firsts)))

    def pieces(self, j: int, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any], slice]]:
        """Number of each block touched, the whole column in it, and which of its rows are asked for."""
        for index, block, span in self._touched(start, stop):
            yield index, block.others[j], span


class Turned(Rows):
    """A table whose lines are channels, held in memory with lines and columns exchanged."""

    def __init__(self, source: Source, layout: Layout, values: NDArray[np.float64]) -> None:
        super().__init__(source, layout, 0)
        self._whole = Block(values, {})

    def scan(self, visit: Callable[[int, Block], None]) -> None:
        self.filled[:] = True
        self.count = self._whole.rows
        self._firsts = np.zeros(1, "i8")
        visit(0, self._whole)

    def _block(self, index: int) -> Block:
        return self._whole
