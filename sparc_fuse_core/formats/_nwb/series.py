"""Time series of every kind: as streams, as events, or as arrays with a time axis of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.h5 import plain_attributes
from sparc_fuse_core.formats._container.values import Value, is_number, rows, vector
from sparc_fuse_core.formats._nwb import channels, scores
from sparc_fuse_core.formats._nwb.links import scalar
from sparc_fuse_core.formats._nwb.session import stated, unit_of
from sparc_fuse_core.formats._series.arrange import safe_attributes
from sparc_fuse_core.formats._table.cells import seconds_in
from sparc_fuse_core.model import LazyArray, Stream

if TYPE_CHECKING:
    import h5py

    from sparc_fuse_core.formats._nwb.session import Session

Parts = dict[str, tuple[Any, bool]]
_MOST_CHANNELS = 1 << 16
_OWN = ("data", "timestamps", "starting_time")
_PICTURES = ("Image", "TwoPhoton", "OnePhoton", "Optical", "Imaging")
_TAKEN = (
    "sampling_frequency",
    "start_time",
    "units",
    "long_name",
    "scale_factor",
    "add_offset",
    "stream_name",
    "path",
)


@dataclass(slots=True)
class Clock:
    """When the samples of a series were taken: by a rate, or each at its own time (seconds)."""

    rate: float | None = None
    start: float = 0.0
    times: LazyArray | None = None


def is_series(group: h5py.Group, parts: Parts) -> bool:
    timed = "timestamps" in parts or "starting_time" in parts
    return timed and (
        bool({"data", "external_file", "num_samples"} & parts.keys()) or scores.is_events(group)
    )


def take_series(session: Session, path: str, group: h5py.Group, parts: Parts) -> list[str]:
    """Gather a series; the names of those of its parts that are still to be gathered."""
    kind = str(plain_attributes(group).get("neurodata_type", ""))
    things = {name: thing for name, (thing, _) in parts.items()}
    lost = [name for name in _OWN if isinstance(things.get(name), str)]
    for name in lost:
        session.dropped.append(f"{path}/{name}: {things.pop(name)}")
    _used(session, path, things)
    rest = [name for name in parts if name not in _OWN]
    clock = _clock(session, path, things)
    node = session.node(things["data"]) if _is_dataset(things.get("data")) else None
    if not isinstance(node, Value):
        if _is_dataset(things.get("data")):
            session.array(f"{path}/data", f"{path}/data", things["data"], ())
        _without_data(session, path, group, things, clock)
        return rest
    if "external_file" in things:
        _name_frames(session, path, things)
    shape = node.data.shape
    if 0 in shape:
        session.empty.append(f"{path}/data")
        _keep_times(session, path, clock)
        return rest
    if scores.take_scores(session, path, group, kind, node, things):
        return rest
    clock = _fitting(session, path, node, clock, things)
    about = _about(session, path, group, things, rest)
    narrow = len(shape) == 1 or (len(shape) == 2 and min(shape) <= _MOST_CHANNELS)
    if narrow and clock is not None and node.data.dtype.kind in "biufc":
        session.series.append((path, _stream(session, path, node, clock, things, about)))
    else:
        _array(session, path, kind, node, clock, things, about)
    return rest


def _is_dataset(thing: Any) -> bool:
    import h5py

    return isinstance(thing, h5py.Dataset)


def _used(session: Session, path: str, things: dict[str, Any]) -> None:
    for name in _OWN:
        if name in things:
            session.used(things[name], f"{path}/{name}")


def _without_data(
    session: Session, path: str, group: Any, things: dict[str, Any], clock: Clock | None
) -> None:
    """Frames in other files, pulses that are only times, or data that cannot be read."""
    if "external_file" in things:
        _name_frames(session, path, things)
    if scores.is_events(group) and "data" not in things and clock is not None and clock.times is not None:
        scores.take_pulses(session, path, clock.times)
    else:
        _keep_times(session, path, clock)


def _name_frames(session: Session, path: str, things: dict[str, Any]) -> None:
    files = scalar(things["external_file"]) if _is_dataset(things["external_file"]) else None
    shown = ", ".join(files[:5]) if isinstance(files, list) else files or "which are not named"
    session.dropped.append(f"{path}: its frames are in other files ({shown}), which are not opened")


def _keep_times(session: Session, path: str, clock: Clock | None) -> None:
    if clock is None:
        return
    if clock.times is not None and clock.times.shape[0]:
        name = session.name(f"{path}/timestamps")
        session.add(name, clock.times, (), {"units": "s", "path": f"{path}/timestamps"})
    elif clock.rate:
        session.values[f"{path}/rate"], session.values[f"{path}/starting_time"] = clock.rate, clock.start


# -- time -----------------------------------------------------------------------------------------------------


def _clock(session: Session, path: str, things: dict[str, Any]) -> Clock | None:
    """What the series says of its time; None, with a warning, when that is not enough."""
    return _by_times(session, path, things) or _by_rate(session, path, things)


def _by_times(session: Session, path: str, things: dict[str, Any]) -> Clock | None:
    found = things.get("timestamps")
    if not _is_dataset(found):
        return None
    node = session.node(found)
    if not isinstance(node, Value) or node.data.dtype.kind not in "iuf" or not _is_vector(node.data):
        session.array(f"{path}/timestamps", f"{path}/timestamps", found, ())
        session.warnings.append(f"{path}: its timestamps are no row of numbers; they are kept as they are")
        return None
    unit = node.attrs.get("unit")
    size = seconds_in(unit) if isinstance(unit, str) else None
    factor = float(size) if size else 1.0
    times = vector(node.data)
    one = np.asarray(1.0)
    return Clock(
        times=times.scaled(one * factor, one * 0, 0, "f8") if factor != 1 or times.dtype != "f8" else times
    )


def _is_vector(data: LazyArray) -> bool:
    return data.ndim == 1 or (data.ndim == 2 and 1 in data.shape)


def _by_rate(session: Session, path: str, things: dict[str, Any]) -> Clock | None:
    found = things.get("starting_time")
    if not _is_dataset(found):
        return None
    rate: Any
    start, rate = scalar(found), plain_attributes(found).get("rate")
    if not is_number(start):
        session.warnings.append(f"{path}: its starting_time is {start!r}; 0 s is taken")
        start = 0.0
    if not is_number(rate) or rate <= 0:
        session.warnings.append(f"{path}: its rate is {rate!r}; nothing says when its samples were taken")
        return None
    return Clock(float(rate), float(start))


def _fitting(
    session: Session, path: str, node: Value, clock: Clock | None, things: dict[str, Any]
) -> Clock | None:
    """The clock when it has as many times as the data have samples; else the times are kept beside the data."""
    samples = node.data.shape[0] if node.data.ndim else 0
    told = scalar(things["num_samples"]) if "num_samples" in things else None
    if is_number(told) and told != samples:
        session.warnings.append(f"{path}: num_samples is {told}, its data have {samples}")
    if clock is None or clock.times is None or clock.times.shape[0] in node.data.shape[:2]:
        return clock
    session.warnings.append(
        f"{path}: has {samples} samples and {clock.times.shape[0]} timestamps; they are kept as arrays of their own"
    )
    _keep_times(session, path, clock)
    return None


# -- data -----------------------------------------------------------------------------------------------------


def _about(
    session: Session, path: str, group: Any, things: dict[str, Any], rest: list[str]
) -> dict[str, Any]:
    """Attributes of the group, and its parts that are single values: those are taken out of ``rest``."""
    held = stated(plain_attributes(group))
    for name in list(rest):
        value = scalar(things[name]) if _is_dataset(things.get(name)) else None
        if value is not None and not isinstance(value, list):
            held[name] = value
            session.used(things[name], f"{path}/{name}")
            rest.remove(name)
        elif name == "electrode" and hasattr(things.get(name), "name"):
            held[name] = str(things[name].name).strip("/")
    return {f"source_{k}" if k in _TAKEN else k: v for k, v in safe_attributes(held).items()} | {"path": path}


def _scale(session: Session, path: str, attrs: dict[str, Any]) -> tuple[float, float]:
    """Factor and offset to the unit; 1 and 0, with a warning, where the file states something impossible."""
    factor, offset = attrs.get("conversion", 1.0), attrs.get("offset", 0.0)
    if not is_number(factor) or factor == 0 or not is_number(offset):
        session.warnings.append(
            f"{path}: a conversion of {factor!r} and an offset of {offset!r} are stated; the values are as stored"
        )
        attrs.pop("unit", None)
        return 1.0, 0.0
    return float(factor), float(offset)


def _stream(
    session: Session, path: str, node: Value, clock: Clock, things: dict[str, Any], about: dict[str, Any]
) -> Stream:
    factor, offset = _scale(session, path, node.attrs)
    data = node.data
    time_axis = 0
    if data.ndim == 2:
        time_axis = channels.time_axis(session, path, data.shape, clock.times, things)
    count = 1 if data.ndim == 1 else data.shape[1 - time_axis]
    gains = channels.gains(session, path, things, count)
    turned = rows(data, time_axis)
    if time_axis == 0 and data.ndim == 2:
        turned.time_major = True
    gain: Any = factor if gains is None else factor * gains
    if turned.dtype.kind == "b" or turned.dtype == np.dtype("f2"):
        turned = widened(turned, np.dtype("u1" if turned.dtype.kind == "b" else "f4"))
    names, more = channels.named(session, path, things, count)
    if data.ndim == 1 and not names:
        names = [path.rpartition("/")[2]]
    description = about.pop("description", "")
    return Stream(
        turned,
        rate=clock.rate,
        start=clock.start,
        time=clock.times,
        channel_names=names,
        units=unit_of(node.attrs.get("unit")),
        gain=gain,
        offset=offset,
        description=str(description),
        attrs=about | _beside(node.attrs) | more,
    )


def widened(data: LazyArray, kind: np.dtype[Any]) -> LazyArray:
    """The same numbers in a type that can be scaled."""
    return LazyArray(data.shape, kind, data.read, blocks=data.blocks, time_major=data.time_major)


def _beside(attrs: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the data: resolution and the like, but for what is used."""
    used = ("conversion", "offset", "unit", "units", "description")
    held = {k: v for k, v in stated(attrs).items() if k not in used}
    if held.get("resolution") in (-1, -1.0, 0, 0.0, "nan"):
        del held["resolution"]  # the schema's way to say that it is not known
    return {f"source_{k}" if k in _TAKEN else k: v for k, v in safe_attributes(held).items()}


def _array(
    session: Session,
    path: str,
    kind: str,
    node: Value,
    clock: Clock | None,
    things: Any,
    about: dict[str, Any],
) -> None:
    """Frames and other data of more than two axes, or without a time: an array, with its time beside it."""
    factor, offset = _scale(session, path, node.attrs)
    unique = session.name(path.rpartition("/")[2])
    picture = any(word in kind for word in _PICTURES) and node.data.ndim >= 3
    first = f"{unique}_time"
    dims = (first, *(f"{unique}_{axis}" for axis in ("x", "y", "z"))) if picture else (first,)
    attrs = about | _beside(node.attrs)
    if unit := unit_of(node.attrs.get("unit")):
        attrs["units"] = unit
    data = node.data
    if (factor, offset) != (1.0, 0.0):
        if data.dtype.kind in "iuf" and data.dtype != np.dtype("f2"):
            attrs |= {"scale_factor": factor, "add_offset": offset}
        else:
            attrs |= {"conversion": factor, "offset": offset}
            session.warnings.append(
                f"{path}: its values are as stored; conversion and offset are its attributes"
            )
    if clock is not None and clock.rate is not None:
        attrs |= {"sampling_frequency": clock.rate, "start_time": clock.start}
    session.add(unique, data, dims, attrs)
    if clock is not None and clock.times is not None:
        if clock.times.shape[0] == data.shape[0]:
            session.add(session.name(f"{unique}_timestamps"), clock.times, (first,), {"units": "s"})
        else:
            _keep_times(session, path, clock)
    elif clock is None and math.prod(data.shape) > 1:
        session.warnings.append(
            f"{path}: nothing says when its samples were taken; they are kept as an array"
        )
