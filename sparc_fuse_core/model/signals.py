"""Builders for signals: streams, events and loose arrays become one flat Dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model.lazy import LazyArray, from_numpy, variable

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# Longer time axes are not stored: attributes say the same in no bytes (docs/output-layout.md).
STORED_TIME_LIMIT = 1 << 22

_EXACT_IN_FLOAT32 = 1 << 23


@dataclass(slots=True)
class Stream:
    """One run of samples with one clock.

    Attributes
    ----------
    data
        (channel, time) or, for sweeps of equal length, (sweep, channel, time).
    rate
        Samples a second, exact; None when ``time`` is given.
    name
        The source's own name of the stream; the first stream of a recording needs none.
    start
        Seconds from the start of the recording to the first sample.
    time
        Seconds of each sample, for irregular sampling.
    units
        One for all channels, or one for each; absent ("") where the file does not say.
    gain, offset
        ``physical = raw * gain + offset``; scalars or one for each channel.
    """

    data: LazyArray | NDArray[Any]
    rate: float | None = None
    name: str = ""
    start: float = 0.0
    time: LazyArray | NDArray[Any] | None = None
    channel_names: Sequence[str] = ()
    units: str | Sequence[str] = ""
    gain: float | Sequence[float] | NDArray[Any] = 1.0
    offset: float | Sequence[float] | NDArray[Any] = 0.0
    description: str = ""
    sweep_starts: Sequence[float] | None = None
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Events:
    """Tags, comments, markers, epochs: seconds from the start of the recording and what they say."""

    time: Sequence[float] | NDArray[Any]
    label: Sequence[str]
    duration: Sequence[float] | NDArray[Any] | None = None
    channel: Sequence[str] | None = None


@dataclass(slots=True)
class Array:
    """Numbers that are neither a stream nor an event: kept under their own name with their own axes."""

    name: str
    data: LazyArray | NDArray[Any]
    dims: Sequence[str] = ()
    attrs: dict[str, Any] = field(default_factory=dict)


def recording(
    streams: Sequence[Stream],
    *,
    events: Events | None = None,
    arrays: Iterable[Array] = (),
    start: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    warnings: Iterable[str] = (),
    dropped: Iterable[str] = (),
    kind: str = "signals",
) -> xr.DataTree:
    """A recording as the flat Dataset of the FUSE layout.

    Parameters
    ----------
    streams
        The first is the primary one and takes the plain names ``signals``, ``time``, ``channel``.
    start
        Wall-clock start as ISO 8601, when the file says it.
    metadata
        The source's own header; kept as ``original_metadata``.
    warnings, dropped
        Sentences: what the user must know, and what of the file was not carried over.
    """
    import xarray as xr

    names = _Names()
    held: dict[str, xr.Variable] = {}
    coordinates: dict[str, xr.Variable] = {}
    for stream in streams:
        suffix = names.suffix(stream.name, first=not held)
        data, coords = _stream_variables(stream, suffix)
        held |= data
        coordinates |= coords
    for array in arrays:
        name = names.unique(slug(array.name) or "array")
        held[name] = _loose(array, name)
    if events is not None and len(events.time):
        held |= _event_variables(events)
    attrs: dict[str, Any] = {
        "fuse_kind": kind,
        "fuse_warnings": list(warnings),
        "fuse_not_carried": list(dropped),
    }
    if streams:
        attrs |= _seed_attributes(streams[0])
    if start:
        attrs["recording_start"] = start
    if metadata:
        attrs["original_metadata"] = dict(metadata)
    # No index is built here: an index over a lazy time axis would read all of it.
    coords_without_index = xr.Coordinates(coordinates, indexes={})
    return xr.DataTree(xr.Dataset(held, coords=coords_without_index, attrs=attrs))


def text(
    content: str, metadata: Mapping[str, Any] | None = None, warnings: Iterable[str] = ()
) -> xr.DataTree:
    """A file that is only text: kept word for word in the attributes, never called data."""
    import xarray as xr

    attrs: dict[str, Any] = {"fuse_kind": "text", "text": content, "fuse_warnings": list(warnings)}
    if metadata:
        attrs["original_metadata"] = dict(metadata)
    return xr.DataTree(xr.Dataset(attrs=attrs | {"fuse_not_carried": []}))


def slug(name: str) -> str:
    """``name`` as a Zarr node and a Python-friendly variable name."""
    return re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_")[:80]


class _Names:
    def __init__(self) -> None:
        self._taken: set[str] = {"time", "channel", "sweep", "event", "overview", "signals"}

    def unique(self, wanted: str) -> str:
        name, count = wanted, 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name.casefold())
        return name

    def suffix(self, stream: str, *, first: bool) -> str:
        return (
            "" if first else "_" + self.unique(f"signals_{slug(stream) or 'stream'}").removeprefix("signals_")
        )


def _stream_variables(stream: Stream, suffix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    data = stream.data if isinstance(stream.data, LazyArray) else from_numpy(np.asarray(stream.data))
    if data.ndim not in (2, 3):
        raise FormatError(f"stream {stream.name!r} has {data.ndim} axes; (channel, time) was expected")
    channel, time = f"channel{suffix}", f"time{suffix}"
    dims = ((f"sweep{suffix}",) if data.ndim == 3 else ()) + (channel, time)
    count, samples = data.shape[-2:]
    scaled, attrs, gains = _apply_scale(stream, data, count)
    if stream.name:
        attrs["stream_name"] = stream.name
    if stream.description:
        attrs["long_name"] = stream.description
    units = _per_channel(stream.units, count, "units")
    if len(set(units)) == 1 and units[0]:
        attrs["units"] = units[0]
    coords = {channel: variable((channel,), np.arange(count))}
    if any(stream.channel_names):
        coords[f"channel_name{suffix}"] = _strings(
            channel, _per_channel(stream.channel_names, count, "names")
        )
    if any(units):
        coords[f"channel_units{suffix}"] = _strings(channel, units)
    for name, values in gains.items():
        coords[f"channel_{name}{suffix}"] = variable((channel,), values)
    if stream.sweep_starts is not None:
        starts = np.asarray(stream.sweep_starts, "f8")
        coords[f"sweep_start{suffix}"] = variable((dims[0],), starts, {"units": "s"})
    coords |= _time_axis(stream, time, samples, attrs)
    return {f"signals{suffix}": variable(dims, scaled, {**attrs, **stream.attrs})}, coords


def _time_axis(stream: Stream, time: str, samples: int, attrs: dict[str, Any]) -> dict[str, Any]:
    if stream.time is not None:
        if stream.time.shape != (samples,):
            raise FormatError(f"stream {stream.name!r} has {samples} samples but {stream.time.shape} times")
        return {time: variable((time,), stream.time, {"units": "s", "axis": "T"})}
    rate = stream.rate
    if rate is None or not np.isfinite(rate) or rate <= 0:
        if rate is not None:
            raise FormatError(f"stream {stream.name!r} has a sampling frequency of {rate} Hz; it is damaged")
        return {}
    attrs |= {"sampling_frequency": float(rate), "start_time": float(stream.start)}
    if samples > STORED_TIME_LIMIT:
        return {}
    index = LazyArray((samples,), "i4", lambda key: np.arange(samples, dtype="i4")[key])
    packed = {"units": "s", "axis": "T", "scale_factor": 1.0 / float(rate), "add_offset": float(stream.start)}
    return {time: variable((time,), index, packed)}


def _apply_scale(
    stream: Stream, data: LazyArray, count: int
) -> tuple[LazyArray, dict[str, Any], dict[str, NDArray[Any]]]:
    """Data, CF attributes and per-channel coordinates: raw integers under one scale, else physical floats."""
    gain = np.broadcast_to(np.asarray(stream.gain, "f8"), (count,))
    offset = np.broadcast_to(np.asarray(stream.offset, "f8"), (count,))
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise FormatError(f"stream {stream.name!r} has a scale that is not a number; its header is damaged")
    if (gain == 1).all() and (offset == 0).all():
        return data, {}, {}
    if data.dtype.kind in "iu" and (gain == gain[0]).all() and (offset == offset[0]).all():
        return data, {"scale_factor": float(gain[0]), "add_offset": float(offset[0])}, {}
    coords = {"gain": gain.copy(), "offset": offset.copy()}
    if data.dtype.kind in "iu":
        return data.scaled(gain, offset, data.ndim - 2, _exact_float(data.dtype, gain, offset)), {}, coords
    return data.scaled(gain, offset, data.ndim - 2, data.dtype), {}, coords


def _exact_float(raw: np.dtype[Any], gain: NDArray[Any], offset: NDArray[Any]) -> str:
    """The smaller float type from which every raw integer can be got back by rounding."""
    if raw.itemsize > 2 or not (gain != 0).all():
        return "f8"
    largest = np.abs(offset / gain).max() + 2.0 ** (8 * raw.itemsize)
    return "f4" if largest < _EXACT_IN_FLOAT32 else "f8"


def _per_channel(given: str | Sequence[str], count: int, what: str) -> list[str]:
    if isinstance(given, str):
        return [given] * count
    if given and len(given) != count:
        raise FormatError(f"{len(given)} channel {what} were given for {count} channels")
    return [str(item) for item in given] or [""] * count


def _strings(dim: str, values: Sequence[str], attrs: Mapping[str, Any] | None = None) -> Any:
    return variable((dim,), np.array([str(v) for v in values], dtype=object), attrs)


def _loose(array: Array, name: str) -> Any:
    data = array.data
    if not isinstance(data, LazyArray):
        data = np.asarray(data)
        if data.dtype.kind in "US":
            data = np.array([str(v) for v in data.ravel()], dtype=object).reshape(data.shape)
    dims = tuple(array.dims) or tuple(f"{name}_dim{i}" for i in range(data.ndim))
    return variable(dims, data, array.attrs)


def _event_variables(events: Events) -> dict[str, Any]:
    count = len(events.time)
    held = {
        "event_time": variable(("event",), np.asarray(events.time, "f8"), {"units": "s"}),
        "event_label": _strings("event", list(events.label)),
    }
    if events.duration is not None:
        held["event_duration"] = variable(("event",), np.asarray(events.duration, "f8"), {"units": "s"})
    if events.channel is not None:
        held["event_channel"] = _strings("event", list(events.channel))
    for name, values in held.items():
        if values.shape != (count,):
            raise FormatError(f"{name} has {values.shape[0]} entries for {count} events")
    return held


def _seed_attributes(stream: Stream) -> dict[str, Any]:
    """Attributes of the older SPARC FUSE that other tools may look for; only real values."""
    attrs: dict[str, Any] = {}
    if stream.rate is not None:
        attrs["sampling_frequency"] = float(stream.rate)
    count = stream.data.shape[-2]
    if any(stream.channel_names):
        attrs["channel_names"] = [str(name) for name in stream.channel_names]
    units = _per_channel(stream.units, count, "units")
    if any(units):
        attrs["channel_units"] = units
    attrs["time_units"] = "s"
    return attrs
