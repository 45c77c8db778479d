"""Channels of a series: which axis they are on, what they are called, and the gain of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.values import Value
from sparc_fuse_core.formats._nwb.tables import numbers_of, texts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._nwb.session import Session
    from sparc_fuse_core.model import LazyArray

_REGIONS = ("electrodes", "rois", "electrode_idx", "source_channels")
_ELECTRODES = "general/extracellular_ephys/electrodes"
_LABELS = ("label", "channel_name", "electrode_name", "contact_name", "name")
_MOST_IN_ATTRIBUTES = 4096


def time_axis(
    session: Session, path: str, shape: tuple[int, ...], times: LazyArray | None, things: dict[str, Any]
) -> int:
    """0, as the schema says, unless the number of timestamps or of electrodes fits the other axis alone."""
    if times is not None:
        turned = times.shape[0] == shape[1] != shape[0]
    else:
        region: Any = things.get("electrodes")
        count = region.shape[0] if getattr(region, "ndim", 0) == 1 else 0
        turned = count == shape[0] != shape[1] and count > 0
    if turned:
        session.warnings.append(
            f"{path}: its data have time on the second axis, against the schema; they are read so"
        )
    return int(turned)


def gains(session: Session, path: str, things: dict[str, Any], count: int) -> NDArray[np.float64] | None:
    """The factor of each channel, beside the one of all of them."""
    found = things.get("channel_conversion")
    if found is None or isinstance(found, str) or not hasattr(found, "shape"):
        return None
    values = numbers_of(session, found, count)
    if values is None or not np.isfinite(values).all() or (values == 0).any():
        session.warnings.append(
            f"{path}: its channel_conversion does not fit its {count} channels; it is not applied"
        )
        return None
    return np.asarray(values, np.float64)


def named(
    session: Session, path: str, things: dict[str, Any], count: int
) -> tuple[list[str], dict[str, Any]]:
    """Names of the channels, and what else is known of them: where their electrodes are."""
    name = next((n for n in _REGIONS if hasattr(things.get(n), "shape")), None)
    if name is None:
        return [], {}
    rows = numbers_of(session, things[name], count)
    if rows is None or not np.isfinite(rows).all():
        session.warnings.append(
            f"{path}: its {name} do not fit its {count} channels; they stay without names"
        )
        return [], {}
    index = rows.astype("i8")
    table = _table(session, things[name], name)
    more = {name: index.tolist()} if count <= _MOST_IN_ATTRIBUTES else {}
    if table is None:
        return [str(i) for i in index], more
    labels, locations = _of_rows(session, table, index)
    if not labels:
        labels = [str(i) for i in index]
    if locations and count <= _MOST_IN_ATTRIBUTES:
        more["electrode_location"] = locations
    return labels, more


def _table(session: Session, region: Any, name: str) -> dict[str, Any] | None:
    """The columns of the table that a region points into."""
    import h5py

    place = ""
    try:
        place = session.links.target(region.attrs.get("table"))
    except (OSError, RuntimeError, TypeError, ValueError, KeyError):
        place = ""
    place = place or (_ELECTRODES if name == "electrodes" else "")
    thing: Any = session.file
    for part in place.split("/") if place else []:
        if not isinstance(thing, h5py.Group) or not isinstance(thing.get(part, getlink=True), h5py.HardLink):
            return None
        thing = thing[part]
    if not place or not isinstance(thing, h5py.Group):
        return None
    return {n: t for n, t, _ in session.links.members(thing) if isinstance(t, h5py.Dataset) and t.ndim == 1}


def _of_rows(session: Session, table: dict[str, Any], index: Any) -> tuple[list[str], list[str]]:
    size = table["id"].shape[0] if "id" in table else 0
    if not size or size > 1 << 20 or (index < 0).any() or (index >= size).any():
        return [], []
    labels: list[str] = []
    for column in (n for n in _LABELS if n in table):
        words = texts_of(session, table[column], size)
        if words and any(words):
            labels = [words[i] for i in index]
            break
    if not labels:
        ids = session.node(table["id"])
        if isinstance(ids, Value) and ids.data.dtype.kind in "iu":
            labels = [str(v) for v in ids.data.read((slice(0, size),))[index]]
    where = texts_of(session, table["location"], size) if "location" in table else None
    unknown = ("", "unknown", "n/a", "none")
    locations = [where[i] if where[i].lower() not in unknown else "" for i in index] if where else []
    return labels, locations if any(locations) else []
