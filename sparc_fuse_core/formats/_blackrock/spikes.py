"""Spikes as lazy arrays: time, electrode, unit and waveform of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._blackrock.packets import are_spikes, numbers_in, rows_of, ticks_in
from sparc_fuse_core.model import Array, LazyArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from sparc_fuse_core.formats._blackrock.nev import Electrode, EventFile
    from sparc_fuse_core.model.lazy import Key

_APART = 64  # packets between two spikes that are still read at once


def spike_arrays(
    held: EventFile, places: NDArray[np.int64] | None, origin: int, electrodes: Iterable[int]
) -> list[Array]:
    """Arrays over the spikes at ``places``, or over all packets where these were not told apart.

    ``electrodes`` are the numbers that occur.
    """
    count = held.packets if places is None else len(places)
    if not count:
        return []

    def times(rows: NDArray[np.uint8]) -> NDArray[Any]:
        values: NDArray[Any] = (ticks_in(held, rows) - origin) / held.resolution
        return values

    def column(dtype: str, of: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> LazyArray:
        return _lazy(held, places, count, (), dtype, of)

    dims = ("spike",)
    found = [
        Array("spike_time", column("f8", times), dims, {"units": "s"}),
        Array("spike_electrode", column("u2", lambda rows: numbers_in(held, rows)), dims),
        Array("spike_unit", column("u1", lambda rows: rows[:, held.payload]), dims, _UNITS),
    ]
    waveforms = _waveforms(held, places, count, [held.electrodes.get(n) for n in electrodes])
    return [*found, waveforms] if waveforms is not None else found


_UNITS = {"long_name": "sorted unit: 0 unclassified, 255 noise"}


def _lazy(
    held: EventFile,
    places: NDArray[np.int64] | None,
    count: int,
    inner: tuple[int, ...],
    dtype: str,
    of: Callable[[NDArray[np.uint8]], NDArray[Any]],
) -> LazyArray:
    def read(key: Key) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        values = of(_rows(held, places, span.start, span.stop))[(slice(None), *key[1:])]
        return values if isinstance(key[0], slice) else values[0]

    return LazyArray((count, *inner), dtype, read)


def _rows(held: EventFile, places: NDArray[np.int64] | None, start: int, stop: int) -> NDArray[np.uint8]:
    if places is None:
        return rows_of(held, start, stop)
    chosen = places[start:stop]
    cuts = np.flatnonzero(np.diff(chosen) > _APART) + 1
    parts = []
    for group in np.split(chosen, cuts):
        rows = rows_of(held, int(group[0]), int(group[-1]) + 1)
        parts.append(rows if len(rows) == len(group) else rows[group - group[0]])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _waveforms(
    held: EventFile, places: NDArray[np.int64] | None, count: int, used: list[Electrode | None]
) -> Array | None:
    """Raw counts under one scale, or µV where electrodes differ in scale, sample size or length."""
    known = [electrode for electrode in used if electrode is not None]
    room = held.packet - held.payload - 2
    kinds = {electrode.kind for electrode in known} or {"<i2"}
    widths = {_width(electrode, room) for electrode in known} or {room // 2}
    width = max(widths)
    if width < 1:
        return None
    dims = ("spike", "spike_sample")
    attrs: dict[str, Any] = {"long_name": "waveform"}
    if held.wave_rate:
        attrs["sampling_frequency"] = float(held.wave_rate)
    factors = {electrode.factor for electrode in known}
    if len(kinds) == len(widths) == 1 and len(factors) <= 1 and len(known) == len(used):
        if factors and (factor := factors.pop()):
            attrs |= {"units": "µV", "scale_factor": factor / 1000, "add_offset": 0.0}
        kind = np.dtype(kinds.pop())
        first, last = held.payload + 2, held.payload + 2 + width * kind.itemsize

        def raw(rows: NDArray[np.uint8]) -> NDArray[Any]:
            return np.ascontiguousarray(rows[:, first:last]).view(kind)

        data = _lazy(held, places, count, (width,), kind.newbyteorder("=").str, raw)
        return Array("spike_waveform", data, dims, attrs)
    attrs |= {"units": "µV"}
    data = _lazy(held, places, count, (width,), "f8" if "<i4" in kinds else "f4", _scaling(held, width))
    return Array("spike_waveform", data, dims, attrs)


def _width(electrode: Electrode, room: int) -> int:
    most = room // np.dtype(electrode.kind).itemsize
    return min(most, electrode.samples) if electrode.samples else most


def _scaling(held: EventFile, width: int) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    """Waveforms in µV; NaN past the end of shorter ones and where the header does not know the electrode."""
    first = held.payload + 2
    room = held.packet - first

    def scale(rows: NDArray[np.uint8]) -> NDArray[Any]:
        numbers = numbers_in(held, rows)
        out = np.full((len(rows), width), np.nan)
        for number in np.unique(numbers[are_spikes(held, numbers)]).tolist():
            electrode = held.electrodes.get(number)
            if electrode is None or not electrode.factor:
                continue
            kind, samples = np.dtype(electrode.kind), _width(electrode, room)
            chosen = numbers == number
            waves = np.ascontiguousarray(rows[chosen, first : first + samples * kind.itemsize]).view(kind)
            out[chosen, :samples] = waves * (electrode.factor / 1000)
        return out

    return scale
