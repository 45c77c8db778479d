"""MATLAB's objects (string, datetime, duration, table, timetable, categorical, enumerations, maps) as plain
nodes.

They are written as references into an undocumented store, which the library mat-io can read. It is asked
only for the variables that hold such objects; what it cannot make sense of stays `Foreign`.
"""

from __future__ import annotations

import warnings
from collections import UserDict
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.formats._container.values import (
    MOST_DEPTH,
    Cells,
    Foreign,
    Node,
    Struct,
    Value,
    numbers,
    strings,
)
from sparc_fuse_core.formats._mat.v5 import sparse
from sparc_fuse_core.source import Source

_OBJECT = "a MATLAB object"


def resolve_objects(source: Source, found: Struct) -> list[str]:
    """Replace the objects in ``found`` by what they hold; gives warnings."""
    wanted = [name for name, node in found.items() if _holds_object(node, 0)]
    if not wanted:
        return []
    loaded, notes = _load(source, wanted)
    for name in wanted:
        if name in loaded:
            found[name] = merge_nodes(found[name], _convert(loaded[name], 0))
    return notes


def _load(source: Source, wanted: list[str]) -> tuple[dict[str, Any], list[str]]:
    import matio

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loaded = matio.load_from_mat(
                str(source.path()), variable_names=list(wanted), add_table_attrs=True, spmatrix=False
            )
        except (FuseError, MemoryError):
            raise
        except (
            Exception
        ) as error:  # the store is undocumented: whatever goes wrong, the numbers beside it are fine
            return {}, [
                f"MATLAB objects could not be read ({type(error).__name__}): {', '.join(wanted)[:200]}"
            ]
    zones = any("timezone" in str(note.message) for note in caught)
    return loaded, ["date-times with a time zone are given in UTC"] if zones else []


def _holds_object(node: Node, depth: int) -> bool:
    if isinstance(node, Foreign):
        return node.what == _OBJECT
    children = node.values() if isinstance(node, dict) else node.items if isinstance(node, Cells) else ()
    return any(_holds_object(child, depth + 1) for child in children)


def merge_nodes(own: Node, other: Node) -> Node:
    """``own`` with its objects taken from ``other``; lazy numbers stay lazy."""
    if isinstance(own, Foreign):
        return other if own.what == _OBJECT else own
    if isinstance(own, dict) and isinstance(other, dict):
        return {
            name: merge_nodes(child, other[name]) if name in other else child for name, child in own.items()
        }
    if isinstance(own, Cells) and isinstance(other, Cells) and len(own.items) == len(other.items):
        return Cells(own.shape, [merge_nodes(a, b) for a, b in zip(own.items, other.items, strict=True)])
    return own


def _convert(value: Any, depth: int) -> Node:
    import pandas as pd
    from matio.utils.matclass import MatlabFunction, MatlabOpaque

    if depth > MOST_DEPTH:
        return Foreign("an object nested too deeply")
    if isinstance(value, pd.DataFrame):
        return _table(value, depth)
    if isinstance(value, pd.Categorical):
        return _categories(value)
    if isinstance(value, MatlabOpaque):
        return _opaque(value, depth)
    if isinstance(value, MatlabFunction):
        return Foreign("a function handle")
    if isinstance(value, dict | UserDict):
        return {str(key): _convert(child, depth + 1) for key, child in dict(value).items()}
    if isinstance(value, Enum):
        return strings(value.name)
    if isinstance(value, str):
        return strings(value)
    if hasattr(value, "tocsc"):
        columns = value.tocsc()
        return sparse(columns.indices, columns.indptr, columns.data, columns.shape)
    if isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
        return _array(np.asarray(value), depth)
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return _array(np.asarray(value.to_numpy()), depth)
    return Foreign(f"an object of type {type(value).__name__}")


def _categories(value: Any) -> Value:
    """Names of the categories in the array's own shape; an undefined one is empty."""
    codes = np.asarray(value.codes)
    names = np.array([*(str(name) for name in value.categories), ""], dtype=object)
    return strings(names[codes])  # code -1, undefined, takes the last


def _label(value: Any) -> str:
    """Text of a category; a missing one is empty."""
    return "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)


def _opaque(value: Any, depth: int) -> Node:
    properties = value.properties
    if isinstance(properties, np.ndarray) and properties.dtype.names is None and properties.size == 1:
        properties = properties.item()
    if not isinstance(properties, dict):
        return Foreign(f"an object of class {value.classname}")
    held = {str(name): _convert(child, depth + 1) for name, child in properties.items()}
    return {"class_name": strings(str(value.classname)), **held}


def _array(values: NDArray[Any], depth: int) -> Node:
    kind = values.dtype
    if kind.kind == "M":
        return _dates(values)
    if kind.kind == "m":
        return _durations(values)
    if kind.kind in "biufc":
        return numbers(values)
    if kind.kind in "UST":
        held = values.astype(object)
        return strings(
            "" if held.size == 0 else held.reshape(-1)[0] if kind.kind == "U" and held.shape == (1,) else held
        )
    if kind.names:
        return _structs(values, depth)
    if kind.kind == "O":
        flat = [values.reshape(-1, order="F")[i] for i in range(values.size)]
        if flat and all(isinstance(v, Enum | str) for v in flat):
            names = np.array([v.name if isinstance(v, Enum) else v for v in flat], dtype=object)
            return strings(names.reshape(values.shape, order="F"))
        shape = values.shape if values.ndim else (1,)
        return Cells(shape, [_convert(v, depth + 1) for v in flat])
    return Foreign(f"values of type {kind}")


def _structs(values: NDArray[Any], depth: int) -> Node:
    names = values.dtype.names or ()
    if any(
        values.dtype[name].kind != "O" for name in names
    ):  # a calendar duration: months, days, milliseconds
        return {name: _array(np.asarray(values[name]), depth + 1) for name in names}
    records = [
        {name: _convert(record[name], depth + 1) for name in names}
        for record in values.reshape(-1, order="F")
    ]
    return records[0] if len(records) == 1 else Cells(values.shape, list(records))


def _dates(values: NDArray[Any]) -> Value:
    """Nanoseconds since 1970; milliseconds as floats, NaN for no time, where a time is missing."""
    if np.isnat(values).any():
        held = values.astype("M8[ns]").astype("i8") / 1e6
        held = np.where(np.isnat(values), np.nan, held)
        return numbers(held, {"units": "milliseconds since 1970-01-01"})
    return numbers(values.astype("M8[ns]").astype("i8"), {"units": "nanoseconds since 1970-01-01"})


def _durations(values: NDArray[Any]) -> Value:
    unit = np.datetime_data(values.dtype)[0]
    if unit in ("Y", "M"):  # no fixed length: given as the whole number they are
        return numbers(values.astype("i8"), {"units": {"Y": "years", "M": "months"}[unit]})
    nanoseconds = values.astype("m8[ns]").astype("i8").astype("f8")
    return numbers(np.where(np.isnat(values), np.nan, nanoseconds / 1e9), {"units": "s"})


def _table(table: Any, depth: int) -> Node:
    """Columns by name; the row times of a timetable as seconds from the first, its date in the attributes."""
    import pandas as pd

    fields: Struct = {}
    index = table.index
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) and len(index):
        fields[str(index.name or "Time")] = _row_times(index)
    elif not isinstance(index, pd.RangeIndex):
        fields["row_names"] = strings(np.array([str(v) for v in index], dtype=object))
    units = [str(u) for u in np.asarray(table.attrs.get("VariableUnits", []), dtype=object).reshape(-1)]
    for place, name in enumerate(table.columns):
        node = _column(table.iloc[:, place], depth)
        if isinstance(node, Value) and len(units) == len(table.columns) and units[place] not in ("", "[]"):
            node.attrs.setdefault("units", units[place])
        fields[str(name)] = node
    return fields


def _row_times(index: Any) -> Value:
    stamps = index.to_numpy()
    if stamps.dtype.kind == "m":
        return _durations(stamps)
    if np.isnat(stamps).any():
        return _dates(stamps)
    seconds = (stamps - stamps[0]).astype("m8[ns]").astype("i8") / 1e9
    return numbers(seconds, {"units": "s", "start": str(np.datetime_as_string(stamps[0].astype("M8[us]")))})


def _column(column: Any, depth: int) -> Node:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
        return strings(np.array([_label(v) for v in column], dtype=object))
    values = column.to_numpy()
    if values.dtype == object and all(isinstance(v, str) for v in values):
        return strings(values)
    return _array(values, depth + 1)
