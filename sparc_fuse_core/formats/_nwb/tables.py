"""Dynamic tables and epochs: a column becomes an array along the rows, intervals become events as well.

A ragged column is one run of values; ``<column>_index`` says for each row where its values end.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.h5 import text_of
from sparc_fuse_core.formats._container.values import Value
from sparc_fuse_core.formats._nwb.links import scalar

if TYPE_CHECKING:
    import h5py

    from sparc_fuse_core.formats._nwb.session import Session

_MOST_ROWS = 200_000
_LABELS = (
    "label",
    "labels",
    "annotation",
    "event_type",
    "trial_type",
    "stimulus_name",
    "condition",
    "name",
    "type",
)
Parts = dict[str, tuple[Any, bool]]


def is_table(group: h5py.Group) -> bool:
    return "colnames" in group.attrs


def is_epoch(path: str, parts: Parts) -> bool:
    """True for the epochs of version 1, which are groups of their own."""
    return path.startswith("epochs/") and {"start_time", "stop_time"} <= parts.keys()


def take_table(session: Session, path: str, group: h5py.Group, parts: Parts) -> list[str]:
    """The columns as arrays; the names of what is no column."""
    import h5py

    leaf = session.name(f"table {path.rpartition('/')[2]}").removeprefix("table_")
    columns = {name: thing for name, (thing, _) in parts.items() if isinstance(thing, h5py.Dataset)}
    for name in _ordered(group, columns):
        found = columns[name]
        first = f"{leaf}_{name}_item" if f"{name}_index" in columns else f"{leaf}_row"
        session.used(found, f"{path}/{name}")
        session.array(f"{path}/{name}", f"{leaf}/{name}", found, (first,))
    _as_events(session, path, columns)
    return [name for name in parts if name not in columns]


def _ordered(group: h5py.Group, columns: dict[str, Any]) -> list[str]:
    stated = [text_of(name) for name in np.asarray(group.attrs["colnames"], object).ravel()]
    first = [name for name in ("id", *stated) if name in columns]
    return list(dict.fromkeys([*first, *columns]))


def _as_events(session: Session, path: str, columns: dict[str, Any]) -> None:
    """Rows that have a time."""
    leaf = path.rpartition("/")[2]
    begin = next((columns[n] for n in ("start_time", "timestamp") if n in columns), None)
    if begin is None or begin.ndim != 1:
        return
    count = begin.shape[0]
    if count > _MOST_ROWS or not session.marks.room_for(count):
        session.warnings.append(
            f"{path}: its {count} rows are kept as a table only, there are too many for events"
        )
        return
    times = numbers_of(session, begin, count)
    if times is None:
        return
    long = None
    if "stop_time" in columns and (stop := numbers_of(session, columns["stop_time"], count)) is not None:
        long = stop - times
    elif "duration" in columns:
        long = numbers_of(session, columns["duration"], count)
    session.marks.add(leaf, times, _labels(session, columns, count) or [leaf] * count, long)


def numbers_of(session: Session, found: Any, count: int) -> Any:
    """The values of a column of numbers; None when it is none or of another length."""
    node = session.node(found)
    if not isinstance(node, Value) or node.data.dtype.kind not in "biuf" or node.data.shape != (count,):
        return None
    return node.data.read((slice(0, count),)).astype(np.float64)


def texts_of(session: Session, found: Any, count: int) -> list[str] | None:
    """The values of a column of text; None when it is none or of another length."""
    node = session.node(found)
    if not isinstance(node, Value) or node.data.dtype.kind != "O" or node.data.shape != (count,):
        return None
    return [str(value) for value in node.data.read((slice(0, count),))]


def _labels(session: Session, columns: dict[str, Any], count: int) -> list[str] | None:
    if "tags" in columns and "tags_index" in columns:
        ends = numbers_of(session, columns["tags_index"], count)
        words = texts_of(session, columns["tags"], columns["tags"].size if columns["tags"].ndim == 1 else 0)
        if ends is not None and words:
            bounds = [0, *ends.astype("i8").tolist()]
            return [", ".join(words[a:b]) or "epoch" for a, b in pairwise(bounds)]
    for name in _LABELS:
        if name in columns and (words := texts_of(session, columns[name], count)) is not None:
            return words
    return None


def take_epoch(session: Session, path: str, parts: Parts) -> None:
    """An epoch of version 1 as an event; its parts stay where they are as well."""
    values = {
        name: scalar(parts[name][0])
        for name in ("start_time", "stop_time", "description", "tags")
        if name in parts
    }
    begin, end = values["start_time"], values["stop_time"]
    if not isinstance(begin, int | float):
        return
    tags = values.get("tags")
    said = ", ".join(tags) if isinstance(tags, list) else tags
    label = str(said or values.get("description") or path.rpartition("/")[2])
    session.marks.add(
        path.rpartition("/")[2], [begin], [label], [end - begin] if isinstance(end, int | float) else None
    )
