"""JSON (.json) and JSON lines (.jsonl, .ndjson) that hold tables; other JSON is kept as text, word for word.

Tables are found wherever they stand: a list of objects, an object of lists of equal length, the layouts that pandas
writes (records, split, table, index, columns), a list of equal rows of numbers. Their columns are then read as those
of a text table are: a column called time that rises is the time axis, ``fs`` or ``sampling_rate`` beside the table
is its rate, units in headings or under ``units`` count, everything else is a table along ``row``. Several tables
have the key they stand under before their names; numbers of more than two axes are arrays.

- Objects inside of records become columns ``outer.inner``; lists inside of records stay JSON text.
- ``null`` is a missing value; integers that no 64 bits hold are kept as text.
- Everything beside the tables is in the metadata. Of a key that stands twice in one object the last value counts, and a
  warning says so.
- JSON without numbers in a table is metadata: it becomes the attribute ``text``.

Options: ``rate`` (Hz), ``time_column`` (heading or number from 0), ``time_unit``, ``units`` (one or one a channel).
JSON has to be read whole, so at most 256 MiB are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import LimitExceeded
from sparc_fuse_core.formats._json.load import parse, text_of
from sparc_fuse_core.formats._json.tables import Table, tables_of
from sparc_fuse_core.formats._table.held import Held, column_of, layout_of
from sparc_fuse_core.formats._table.options import SHARED, checked
from sparc_fuse_core.formats._table.part import Part, join
from sparc_fuse_core.formats._table.text import encoding_of
from sparc_fuse_core.formats._table.tree import part_of
from sparc_fuse_core.model import Array, Format, text

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_TEXT = 1 << 24


def open_json(source: Source, /, **options: Any) -> xr.DataTree:
    """The tables of a JSON file, or its text. FormatError for text that is no JSON."""
    chosen = checked(source, options)
    content = text_of(source)
    warnings: list[str] = []
    value = _value(source, content, warnings)
    tables, rest = tables_of(value)
    if not any(_has_numbers(table) for table in tables):
        return _as_text(source, content, warnings)
    parts = [(table.path or source.stem, _part(source, table, chosen)) for table in tables]
    beside = rest if isinstance(rest, dict) else {}
    return join(parts, {"json": beside} if beside else None, warnings)


def _value(source: Source, content: str, warnings: list[str]) -> Any:
    """The JSON value; of JSON lines, the list of their values."""
    lines = [line for line in content.splitlines() if line.strip()] if content[:1] in "{[" else []
    if len(lines) > 1 and _is_whole(lines[0]) and _is_whole(lines[1]):
        joined = ",".join(line.strip() for line in lines)
        return parse(source, f"[{joined}]", warnings)
    return parse(source, content, warnings)


def _is_whole(line: str) -> bool:
    """True for a line that is an object or a list by itself; cheap enough for the first lines of any file."""
    text = line.strip()
    if len(text) > 1 << 20 or (text[:1], text[-1:]) not in (("{", "}"), ("[", "]")):
        return False
    try:
        json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _as_text(source: Source, content: str, warnings: list[str]) -> xr.DataTree:
    if len(content) > _MOST_TEXT:
        raise LimitExceeded(
            f"{source.name}: is JSON without a table of numbers, of {len(content)} characters; "
            f"at most {_MOST_TEXT} are kept as text",
            hint="Save the part that matters in a file of its own.",
        )
    return text(content, warnings=warnings)


def _has_numbers(table: Table) -> bool:
    return table.array is not None or any(
        column_of(values)[0] in "fi" and any(v is not None for v in values)
        for values in table.columns.values()
    )


def _part(source: Source, table: Table, options: dict[str, Any]) -> Part:
    if table.array is not None:
        dims = [f"axis_{i}" for i in range(table.array.ndim)]
        return Part([], [Array("values", table.array, dims)])
    headings = ["" if "\0" in name and name[0] == "\0" else name.partition("\0")[0] for name in table.columns]
    said = [f"{key}: {value}" for key, value in table.beside.items() if isinstance(value, str | int | float)]
    layout = layout_of(headings, said)
    _take_units(layout.names, layout.units, table.beside)
    nested = [
        name for name, values in table.columns.items() if any(isinstance(v, list | dict) for v in values)
    ]
    held = Held(source, layout, list(table.columns.values()))
    part = part_of(source, held, options)
    if nested:
        shown = ", ".join(map(repr, nested[:5]))
        part.warnings.append(f"the column {shown} holds lists or objects, which are kept as JSON text")
    return part


def _take_units(names: list[str], units: list[str], beside: dict[str, Any]) -> None:
    """Units that stand beside the columns: an object by their names, or a list of as many texts."""
    for key, value in beside.items():
        if "unit" not in key.lower():
            continue
        if isinstance(value, dict):
            for j, name in enumerate(names):
                if isinstance(value.get(name), str):
                    units[j] = value[name]
        elif isinstance(value, list) and len(value) == len(names) and all(isinstance(v, str) for v in value):
            units[:] = value


def _sniff(head: bytes) -> bool:
    encoding, mark = encoding_of(head)
    if b"\0" in head and not encoding.startswith(("utf-16", "utf-32")):
        return False
    body = head[mark : mark + (len(head) - mark) // 4 * 4] if "utf-8" not in encoding else head[mark:]
    return body.decode(encoding, "replace").lstrip()[:1] in ("{", "[")


FORMAT = Format(
    name="json_table",
    title="JSON",
    kind="table",  # it has to be read whole before it is known what it holds
    suffixes=(".json", ".jsonl", ".ndjson"),
    open=open_json,
    sniff=_sniff,
    options=SHARED,
    carried="tables at any depth, rates and units beside them; other JSON as text",
    left="nothing",
    lazy="the whole file",
)
