"""Series that are no samples: annotations, pulses, labelled events and intervals become events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.h5 import plain_attributes
from sparc_fuse_core.formats._container.values import Value
from sparc_fuse_core.formats._nwb.tables import numbers_of

if TYPE_CHECKING:
    import h5py

    from sparc_fuse_core.formats._nwb.session import Session
    from sparc_fuse_core.model import LazyArray

_LABELLED = ("LabeledEvents", "TTLs", "AnnotatedEvents")


def is_events(group: h5py.Group) -> bool:
    """True for the event types of extensions, which may hold nothing but times."""
    kind = str(plain_attributes(group).get("neurodata_type", ""))
    return kind in (*_LABELLED, "Events")


def take_pulses(session: Session, path: str, times: LazyArray) -> None:
    """Events without anything but their time."""
    count, leaf = times.shape[0], path.rpartition("/")[2]
    if session.marks.room_for(count):
        session.marks.add(leaf, times.read((slice(0, count),)), [leaf] * count)
    else:
        session.add(session.name(f"{path}/timestamps"), times, (), {"units": "s"})
        session.warnings.append(f"{path}: its {count} events are kept as an array, they are too many")


def take_scores(
    session: Session, path: str, group: h5py.Group, kind: str, node: Value, things: dict[str, Any]
) -> bool:
    """True when the series was one of events and is gathered."""
    text = node.data.dtype.kind == "O"
    labels = _labels_of(things)
    scored = (
        text
        or kind == "IntervalSeries"
        or kind in _LABELLED
        or (labels is not None and "timestamps" in things)
    )
    count = node.data.shape[0] if node.data.ndim == 1 else -1
    if not scored or count < 0 or not hasattr(things.get("timestamps"), "shape"):
        return False
    times = numbers_of(session, things["timestamps"], count) if session.marks.room_for(count) else None
    if times is None:
        return False
    values = node.data.read((slice(0, count),))
    leaf = path.rpartition("/")[2]
    if kind == "IntervalSeries" and node.data.dtype.kind in "iu":
        _intervals(session, path, times, values.astype("i8"))
    elif text:
        session.marks.add(leaf, times, [str(v) for v in values])
    else:
        session.marks.add(leaf, times, [_label(v, labels) for v in values])
    if not text:
        name = session.name(f"{path}/data")
        session.add(name, node.data, (f"{name}_event",), {"path": path})
        session.add(session.name(f"{path}/timestamps"), times, (f"{name}_event",), {"units": "s"})
    return True


def _labels_of(things: dict[str, Any]) -> list[str] | None:
    try:
        held = plain_attributes(things["data"]).get("labels")
    except (KeyError, AttributeError):
        return None
    return (
        [str(v) for v in held] if isinstance(held, list) else [str(held)] if isinstance(held, str) else None
    )


def _label(value: Any, labels: list[str] | None) -> str:
    if labels is not None and float(value).is_integer() and 0 <= int(value) < len(labels):
        return labels[int(value)]
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _intervals(session: Session, path: str, times: Any, values: Any) -> None:
    """``n`` begins an interval of kind n, ``-n`` ends it."""
    leaf = path.rpartition("/")[2]
    several = len(set(np.abs(values).tolist())) > 1
    begun: dict[int, float] = {}
    found: list[tuple[float, float, int]] = []
    lone = 0
    for time, value in zip(times.tolist(), values.tolist(), strict=True):
        kind = abs(value)
        if value > 0:
            if kind in begun:
                found.append((begun.pop(kind), np.nan, kind))
                lone += 1
            begun[kind] = time
        elif value < 0:
            if kind not in begun:
                lone += 1
                found.append((time, np.nan, kind))
                continue
            start = begun.pop(kind)
            found.append((start, time - start, kind))
    found += [(start, np.nan, kind) for kind, start in begun.items()]
    if lone + len(begun):
        session.warnings.append(f"{path}: {lone + len(begun)} intervals lack their beginning or their end")
    labels = [f"{leaf} {kind}" if several else leaf for _, _, kind in found]
    session.marks.add(leaf, [f[0] for f in found], labels, [f[1] for f in found])
