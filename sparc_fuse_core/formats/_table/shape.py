"""The shape of a text table: which delimiter and decimal mark fit its records, and where its data begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sparc_fuse_core.formats._table.cells import cell_kind
from sparc_fuse_core.formats._table.text import BLANKS, Record, split

_DELIMITERS = ("\t", ";", ",", "|", BLANKS)
_SPELLED = {
    "\\t": "\t",
    "tab": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
    "whitespace": " ",
}
Row = tuple[Record, list[str]]


def spell(delimiter: str) -> str:
    """A delimiter given by its name or as an escape."""
    return _SPELLED.get(delimiter, delimiter)


def is_table(records: Sequence[Record]) -> bool:
    """True when the records look like a table to someone who knows nothing of them."""
    live = [r for r in records if r.text.strip() and not r.comment()]
    return bool(choose(live, {})[0])


def is_wide(record: Record) -> bool:
    """True for the cut first line of a table of very many columns: short cells and never a sentence."""
    for delimiter in _DELIMITERS[:-1]:
        cells = split(record.text, delimiter)[:-1]
        if len(cells) >= 16 and all(len(cell) < 40 and cell.count(" ") < 4 for cell in cells):
            return any(cells)
    return False


def choose(records: Sequence[Record], options: dict[str, Any]) -> tuple[str, str]:
    """Delimiter and decimal mark under which the records look most like a table; ("", "") for none."""
    body = records[len(records) // 2 :][:200]
    if not body:
        return "", ""
    stated = options.get("delimiter")
    best: tuple[float, str, str] = (0.0, "", "")
    for delimiter in (stated,) if stated else _DELIMITERS:
        rows = [split(r.text, delimiter) for r in body]
        for decimal in (options["decimal"],) if options.get("decimal") else (".", ","):
            score = _score(rows, delimiter, decimal)
            if score > best[0] + 1e-9:
                best = (score, delimiter, decimal)
    if best[1] or not stated:
        return best[1:] if best[1] else _single_column(body, options)
    return stated, options.get("decimal") or "."


def _score(rows: list[list[str]], delimiter: str, decimal: str) -> float:
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        return 0.0
    width, hits = counts.most_common(1)[0]
    cells = [c for row in rows if len(row) == width for c in row][:20_000]
    kinds = Counter(cell_kind(c, decimal) for c in cells)
    values = (kinds["number"] + kinds["clock"]) / len(cells)
    typed = values + kinds["missing"] / len(cells)
    share = hits / len(rows)
    if delimiter == BLANKS and values <= 0.5:
        return 0.0
    if values == 0 and not _is_text_table(cells, width, len(rows), share, delimiter):
        return 0.0
    # Event tables have rows of several lengths; what their cells hold then has to speak for them.
    return share * (0.25 + typed) if share >= 0.8 or (share >= 0.3 and typed >= 0.4) else 0.0


def _is_text_table(cells: list[str], width: int, rows: int, share: float, delimiter: str) -> bool:
    """A table without any number has to be more regular than prose with commas ever is."""
    enough = rows >= 5 or width >= 3 or delimiter == "\t"
    length = sum(map(len, cells)) / len(cells)
    return share >= 0.95 and rows >= 2 and enough and 0 < length < 40


def _single_column(body: Sequence[Record], options: dict[str, Any]) -> tuple[str, str]:
    for decimal in (options["decimal"],) if options.get("decimal") else (".", ","):
        kinds = Counter(cell_kind(r.text, decimal) for r in body)
        if kinds["number"] and kinds["number"] + kinds["missing"] >= 0.9 * len(body):
            return (";" if decimal == "," else ","), decimal
    return "", ""


def row_width(rows: Sequence[Row], decimal: str) -> int:
    half = [cells for _, cells in rows[len(rows) // 2 :]]
    counts = Counter(len(cells) for cells in half)
    return max(counts, key=lambda n: (counts[n], n))


def column_kind(cells: Sequence[str], decimal: str) -> str:
    """``f`` for a column of numbers, ``i`` for integers too long for a float, ``s`` for anything else."""
    longest, whole, missing = 0, True, False
    for cell in cells:
        kind = cell_kind(cell, decimal)
        if kind not in ("number", "missing"):
            return "s"
        missing = missing or kind == "missing"
        if kind == "number":
            digits = cell.strip().lstrip("+-")
            whole = whole and digits.isdigit()
            longest = max(longest, len(digits.lstrip("0")) if whole else 0)
    if not whole or longest < 16:
        return "f"
    return "i" if not missing and all(abs(int(c)) < 1 << 63 for c in cells) else "s"


def first_data(rows: Sequence[Row], width: int, decimal: str, options: dict[str, Any]) -> int:
    """Index of the first row of data: from there on, columns of numbers hold numbers."""
    header = options.get("header")
    half = [cells for _, cells in rows[len(rows) // 2 :] if len(cells) == width]
    typed = [j for j in range(width) if _typed([row[j] for row in half], decimal)]

    def fits(cells: list[str]) -> bool:
        kinds = [cell_kind(cells[j], decimal) for j in typed if j < len(cells)]
        return "text" not in kinds and any(kind != "missing" for kind in kinds)

    if isinstance(header, int) and not isinstance(header, bool):
        return min(header + 1, len(rows))
    if not typed:
        top = next((i for i, (_, cells) in enumerate(rows) if len(cells) == width), 0)
        return top if header is False or len(rows) - top < 2 else top + 1
    last_bad = max(
        (i for i, (_, cells) in enumerate(rows[: len(rows) // 2 + 1]) if not fits(cells)), default=-1
    )
    first = next((i for i in range(len(rows)) if len(rows[i][1]) == width and fits(rows[i][1])), 0)
    # A bad cell among good rows belongs to the data; a run of them is the text above the table.
    good_between = sum(fits(cells) for _, cells in rows[first : last_bad + 1])
    if last_bad > first and good_between < 0.5 * (last_bad - first):
        first = last_bad + 1
    if header is True and first == 0:
        return 1
    return first


def row_of_counts(rows: Sequence[Row], first: int) -> bool:
    """AcqKnowledge's line of the number of samples of each channel, between heading and data."""
    if not 0 < first < len(rows) - 1 or rows[first - 1][1][0].strip() not in (
        "min",
        "sec",
        "msec",
        "milliseconds",
        "hour",
    ):
        return False
    cells = [cell.strip() for cell in rows[first][1]]
    rest = {cell for cell in cells[1:] if cell}
    return (
        not cells[0]
        and len(rest) == 1
        and all(cell.isdigit() for cell in rest)
        and bool(rows[first + 1][1][0].strip())
    )


def _typed(cells: list[str], decimal: str) -> bool:
    kinds = Counter(cell_kind(cell, decimal) for cell in cells)
    present = len(cells) - kinds["missing"]
    return present > 0 and kinds["number"] + kinds["clock"] >= 0.9 * present
