"""LabChart for Windows binary files (.adibin), layout published by ADInstruments (Translate Binary).

All little-endian, packed::

    68 bytes  "CFWB", i32 version 1, f64 seconds a sample, i32 year, month, day, hour, minute, f64 second of
              the trigger, f64 seconds before the trigger, i32 channels, i32 samples a channel, i32 1 when a
              time column comes first, i32 format (1 float64, 2 float32, 3 int16)
    96 bytes  for each channel: title and units of 32 characters, f64 scale, offset, high and low of the range
    samples   of all channels side by side

``physical = scale * (sample + offset)`` for int16; floats are physical. The time column has no header of its
own and exists for floats only.
"""

from __future__ import annotations

import math
import struct
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import Array, Format, LazyArray, Stream, interleaved, limit_items, recording

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_HEADER = struct.Struct("<4xid5idd4i")
_CHANNEL = struct.Struct("<32s32sdddd")
_FORMATS = {1: "<f8", 2: "<f4", 3: "<i2"}
_INT16 = 3


def open_cfwb(source: Source, /, **options: Any) -> xr.DataTree:
    """A LabChart binary file as a lazy tree; raises `FormatError` when header and samples disagree."""
    version, step, *date, lead, count, samples, timed, kind = source.unpack(_HEADER, 0)
    if version != 1 or kind not in _FORMATS or timed not in (0, 1) or (timed and kind == _INT16):
        raise _damaged(source, f"it has version {version}, sample format {kind} and time column {timed}")
    if not (math.isfinite(step) and step > 0) or samples < 0:
        raise _damaged(source, f"it promises {samples} samples, one every {step} s")
    limit_items(source, "channels", count)
    if count < 1:
        raise _damaged(source, "it has no channels")
    heads = source.read(_HEADER.size, count * _CHANNEL.size, "channel headers")
    channels = [_CHANNEL.unpack_from(heads, i * _CHANNEL.size) for i in range(count)]
    dtype, columns = np.dtype(_FORMATS[kind]), count + timed
    offset = _HEADER.size + len(heads)
    warnings: list[str] = []
    samples = _counted(source, samples, (source.size - offset) // (columns * dtype.itemsize), warnings)
    data = interleaved(source, dtype, offset, columns, samples)
    start = _start(date, lead, warnings)
    clock, arrays = _clock(data, step, warnings) if timed else ({"rate": 1 / step}, [])
    stream = Stream(
        _without_time(data) if timed else data,
        channel_names=[_text(row[0]) for row in channels],
        units=[_text(row[1]) for row in channels],
        **_scale(source, channels, kind),
        **clock,
    )
    left = source.size - offset - samples * columns * dtype.itemsize
    ranges = [[value if math.isfinite(value) else None for value in row[4:]] for row in channels]
    return recording(
        [stream],
        arrays=arrays,
        start=start,
        metadata={"seconds_before_trigger": lead if math.isfinite(lead) else None, "ranges": ranges},
        warnings=warnings,
        dropped=[f"{left} bytes after the last sample"] if left else [],
    )


def _damaged(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: a LabChart binary file was expected, {what}; its header is damaged",
        hint="Export it from LabChart again, or use its .adicht file.",
        source=source.url,
    )


def _counted(source: Source, promised: int, there: int, warnings: list[str]) -> int:
    """Samples a channel; programs that write such files may leave the count at 0."""
    if promised:
        return promised
    if not there:
        raise _damaged(source, "it has no samples")
    warnings.append(f"the header promises no samples; the {there} that the file holds are taken")
    return there


def _scale(source: Source, channels: list[tuple[Any, ...]], kind: int) -> dict[str, Any]:
    if kind != _INT16:
        return {}
    if any(row[2] == 0 for row in channels):
        raise _damaged(source, "a channel of integers has the scale 0")
    gains, offsets = np.array([row[2] for row in channels]), np.array([row[3] for row in channels])
    return {"gain": gains, "offset": gains * offsets}


def _text(raw: bytes) -> str:
    words = raw.split(b"\0")[0]
    try:
        return words.decode("utf-8").strip()
    except UnicodeDecodeError:
        return words.decode("cp1252", "replace").strip()


def _start(date: list[Any], lead: float, warnings: list[str]) -> str | None:
    """Wall-clock time of the first sample: that of the trigger less what was recorded before it."""
    year, month, day, hour, minute, second = date
    try:
        trigger = datetime(year, month, day, hour, minute) + timedelta(seconds=second)
        return (trigger - timedelta(seconds=lead)).isoformat()
    except (ValueError, OverflowError):
        warnings.append(f"the date of the recording cannot be read ({year}-{month}-{day} {hour}:{minute})")
        return None


def _without_time(data: LazyArray) -> LazyArray:
    """The channels after the time column."""

    def read(key: Any) -> NDArray[Any]:
        channel, span = key
        moved = slice(channel.start + 1, channel.stop + 1) if isinstance(channel, slice) else channel + 1
        return data.read((moved, span))

    return LazyArray((data.shape[0] - 1, data.shape[1]), data.dtype, read, time_major=True)


def _clock(data: LazyArray, step: float, warnings: list[str]) -> tuple[dict[str, Any], list[Array]]:
    """The stated interval where the time column keeps to it at its ends, else the column itself."""
    samples = data.shape[1]
    column = LazyArray(
        (samples,), "f8", lambda key: np.asarray(data.read((0, key[0]))).astype("f8"), time_major=True
    )
    first, last = float(data.read((0, 0))), float(data.read((0, samples - 1)))
    slack = step / 2 + 1e-6 * abs(last)
    if abs(last - first - (samples - 1) * step) <= slack:
        return {"rate": 1 / step}, [Array("stored_time", column, ("time",), {"units": "s"})]
    warnings.append(
        f"its time column runs from {first:g} to {last:g} s, {samples} samples every {step:g} s would not; "
        "the column is taken"
    )
    return {"time": column}, []


FORMAT = Format(
    name="cfwb",
    title="LabChart binary",
    kind="signals",
    suffixes=(".adibin",),
    open=open_cfwb,
    magic=((0, b"CFWB"),),
    carried="channels, scales, units, trigger time",
    left="nothing",
    lazy="samples",
)
