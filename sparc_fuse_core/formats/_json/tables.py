"""Tables inside JSON: where they are, and their columns.

A table is a list of records (objects), an object of lists of equal length, the split, table, index and column layouts
of pandas, or a list of equal rows of numbers. What stands beside a table (a rate, units) belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_TABLES = 1000
_MOST_COLUMNS = 1 << 16
_DEEPEST_RECORD = 8


@dataclass(slots=True)
class Table:
    """Columns by heading; ``beside`` holds the plain values that stand next to them, by key."""

    path: str
    columns: dict[str, list[Any]]
    beside: dict[str, Any] = field(default_factory=dict)
    array: Any = None  # numbers of three and more axes, in place of columns

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), []))


def tables_of(value: Any, path: str = "") -> tuple[list[Table], Any]:
    """Every table in a JSON value, and the value without them."""
    found: list[Table] = []
    return found, _gather(value, path, found)


def _gather(value: Any, path: str, found: list[Table]) -> Any:
    table = _table(value, path) if len(found) < MOST_TABLES else None
    if table is not None:
        found.append(table)
        return {"table": path or "whole"} if not table.beside else {"table": path or "whole", **table.beside}
    if isinstance(value, dict):
        return {key: _gather(inner, f"{path}/{key}".strip("/"), found) for key, inner in value.items()}
    return value


def _table(value: Any, path: str) -> Table | None:
    if isinstance(value, list):
        return _of_list(value, path)
    if not isinstance(value, dict) or not value:
        return None
    return _split(value, path) or _of_lists(value, path) or _of_objects(value, path)


def _of_list(value: Sequence[Any], path: str) -> Table | None:
    if len(value) < 2:
        return None
    if all(isinstance(row, dict) for row in value):
        return _records(value, path)
    if all(_is_number(item) for item in value):
        return Table(path, {"": list(value)})
    if not all(isinstance(row, list) for row in value):
        return None
    if all(len(row) == len(value[0]) and all(map(_is_plain, row)) for row in value) and value[0]:
        return _rows([""] * len(value[0]), value, path)
    shape = _shape(value)
    return Table(path, {}, array=np.array(value, np.float64)) if len(shape) > 2 else None


def _records(value: Sequence[Mapping[str, Any]], path: str) -> Table | None:
    """Objects as rows; objects inside of them become columns ``outer.inner``."""
    flat = [dict(_flat(row, "", 0)) for row in value]
    names = list(dict.fromkeys(name for row in flat for name in row))
    if not names or len(names) > _MOST_COLUMNS or len(names) * len(flat) > 20_000_000:
        return None
    return Table(path, {name: [row.get(name) for row in flat] for name in names})


def _flat(row: Mapping[str, Any], start: str, depth: int) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in row.items():
        if isinstance(value, dict) and value and depth < _DEEPEST_RECORD:
            out += _flat(value, f"{start}{key}.", depth + 1)
        else:
            out.append((f"{start}{key}", value))
    return out


def _rows(names: Sequence[Any], rows: Sequence[Sequence[Any]], path: str) -> Table | None:
    headings = [str(name) for name in names]
    if len(set(headings)) < len(headings) or not all(headings):
        headings = [name or f"\0{j}" for j, name in enumerate(headings)]  # a key of its own, and no heading
        headings = [name if headings.index(name) == j else f"{name}\0{j}" for j, name in enumerate(headings)]
    return Table(path, {name: [row[j] for row in rows] for j, name in enumerate(headings)})


def _split(value: Mapping[str, Any], path: str) -> Table | None:
    """``{"columns": [...], "data": [[...]], "index": [...]}``, or records under ``data`` with their schema."""
    data = value.get("data")
    if not isinstance(data, list) or not data:
        return None
    others = {k: v for k, v in value.items() if k not in ("columns", "data", "index", "schema")}
    names = value.get("columns")
    if isinstance(names, list) and all(isinstance(row, list) and len(row) == len(names) for row in data):
        table = _rows(names, data, path)
        index = value.get("index")
        if table is not None and isinstance(index, list) and len(index) == len(data) != 0:
            if index != list(range(len(data))):
                table.columns = {"index": index, **table.columns}
            table.beside = others
            return table
        if table is not None:
            table.beside = others
        return table
    if "schema" in value and all(isinstance(row, dict) for row in data) and len(data) > 1:
        table = _records(data, path)
        if table is not None:
            table.beside = others | {"schema": value["schema"]}
        return table
    return None


def _of_lists(value: Mapping[str, Any], path: str) -> Table | None:
    """Lists of plain values of one length; lists of other lengths make it no table."""
    lists = {key: inner for key, inner in value.items() if _is_column(inner)}
    others = {key: inner for key, inner in value.items() if key not in lists}
    for key, inner in list(lists.items()):
        # Units and names are lists as well, but of texts and as long as there are columns.
        if (
            len(lists) > 1
            and all(isinstance(v, str) for v in inner)
            and _says_units(key, inner, len(lists) - 1)
        ):
            others[key] = lists.pop(key)
    if not lists or len({len(inner) for inner in lists.values()}) != 1 or len(next(iter(lists.values()))) < 2:
        return None
    if any(
        isinstance(inner, list) and not _is_column(inner) and _holds_numbers(inner)
        for inner in others.values()
    ):
        return None
    if any(isinstance(inner, dict) and not all(map(_is_plain, inner.values())) for inner in others.values()):
        return None
    return Table(path, {key: list(inner) for key, inner in lists.items()}, others)


def _says_units(key: str, inner: Sequence[Any], columns: int) -> bool:
    return "unit" in key.lower() and len(inner) in (columns, columns - 1)


def _holds_numbers(value: Sequence[Any]) -> bool:
    return any(_is_number(v) or isinstance(v, list | dict) for v in value)


def _of_objects(value: Mapping[str, Any], path: str) -> Table | None:
    """Objects with the same keys: pandas' layout by column when the inner keys number the rows, or by row."""
    inner = list(value.values())
    if not all(isinstance(v, dict) and v and all(map(_is_plain, v.values())) for v in inner):
        return None
    keys = list(inner[0])
    if any(list(v) != keys for v in inner):
        return None
    if len(keys) > 1 and all(key.isdigit() for key in keys):
        columns = {name: list(held.values()) for name, held in value.items()}
        return Table(
            path, columns if keys == list(map(str, range(len(keys)))) else {"index": keys, **columns}
        )
    if len(inner) > 1 and all(key.isdigit() for key in value):
        columns = {key: [held[key] for held in inner] for key in keys}
        numbered = list(value) == list(map(str, range(len(inner))))
        return Table(path, columns if numbered else {"index": list(value), **columns})
    return None


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of regular nested lists of numbers; () for anything else."""
    if not isinstance(value, list) or not value:
        return ()
    if all(_is_number(item) for item in value):
        return (len(value),)
    inner = {_shape(item) for item in value}
    return (len(value), *next(iter(inner))) if len(inner) == 1 and () not in inner else ()


def _is_column(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_plain, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
