"""Spikes as lazy arrays: time, electrode, unit and waveform of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._blackrock.nev import Electrode
from sparc_fuse_core.formats._blackrock.packets import are_spikes, numbers_in, rows_of, ticks_in
from sparc_fuse_core.model import Array, LazyArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from sparc_fuse_core.formats._blackrock.nev import EventFile
    from sparc_fuse_core.model.lazy import Key

_TOGETHER = 4 << 20  # bytes of packets read at once
_APART = 64  # packets between two spikes that are still read at once


def spike_arrays(
    held: EventFile,
    places: NDArray[Any] | None,
    origin: int,
    electrodes: Iterable[int],
    warnings: list[str],
    dropped: list[str],
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

    dims, at = ("spike",), held.payload
    found = [
        Array("spike_time", column("f8", times), dims, {"units": "s"}),
        Array("spike_electrode", column("u2", lambda rows: numbers_in(held, rows)), dims),
        Array("spike_unit", column("u1", lambda rows: rows[:, at]), dims, _UNITS),
    ]
    if places is None:
        found.append(Array("spike_reserved", column("u1", lambda rows: rows[:, at + 1]), dims, _RESERVED))
    waves = Waveforms(held, [held.electrodes.get(n) for n in electrodes], whole=places is None)
    if waves.width < 1:
        return found
    waves.tell(warnings, dropped)
    data = _lazy(held, places, count, (waves.width,), waves.dtype, waves.read)
    return [*found, Array("spike_waveform", data, ("spike", "spike_sample"), waves.attrs)]


_UNITS = {"long_name": "sorted unit: 0 unclassified, 255 noise"}
_RESERVED = {"long_name": "second byte of a packet's content, used by some events"}


def _lazy(
    held: EventFile,
    places: NDArray[Any] | None,
    count: int,
    inner: tuple[int, ...],
    dtype: str,
    of: Callable[[NDArray[np.uint8]], NDArray[Any]],
) -> LazyArray:
    together = max(1, _TOGETHER // held.packet)

    def read(key: Key) -> NDArray[Any]:
        span = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        parts = []
        for start in range(span.start, span.stop, together):
            rows = _rows(held, places, start, min(span.stop, start + together))
            parts.append(of(rows)[(slice(None), *key[1:])].astype(dtype))  # a copy: lets go of the packets
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return values if isinstance(key[0], slice) else values[0]

    return LazyArray((count, *inner), dtype, read)


def _rows(held: EventFile, places: NDArray[Any] | None, start: int, stop: int) -> NDArray[np.uint8]:
    if places is None:
        return rows_of(held, start, stop)
    chosen = places[start:stop]
    cuts = np.flatnonzero(np.diff(chosen) > _APART) + 1
    parts = []
    for group in np.split(chosen, cuts):
        rows = rows_of(held, int(group[0]), int(group[-1]) + 1)
        parts.append(rows if len(rows) == len(group) else rows[group - group[0]])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Waveforms:
    """How the waveforms of some electrodes are given.

    As raw counts where sample size and length are one for all, under a scale where that is one too. Else in µV,
    NaN past the end of shorter ones. With ``whole``, all bytes of the packets as they are: events are among
    them.
    """

    def __init__(self, held: EventFile, used: list[Electrode | None], *, whole: bool) -> None:
        self.held = held
        self.first = held.payload + 2
        room = held.packet - self.first
        known = [electrode for electrode in used if electrode is not None]
        kinds = {electrode.kind for electrode in known} or {"<i2"}
        widths = {_width(electrode, room) for electrode in known} or {room // 2}
        factors = {electrode.factor if electrode is not None else 0.0 for electrode in used}
        if whole:
            kind = kinds.pop() if len(kinds) == 1 else "<u1"
            kinds = {kind if room % np.dtype(kind).itemsize == 0 else "<u1"}
            widths = {room // np.dtype(next(iter(kinds))).itemsize}
        self.width = max(widths)
        self.scaled = (
            len(kinds) > 1 or len(widths) > 1 or (len(factors) > 1 and 0.0 not in factors and not whole)
        )
        self.kind = np.dtype("f8" if "<i4" in kinds else "f4") if self.scaled else np.dtype(next(iter(kinds)))
        self.unscaled = 0.0 in factors
        self.uneven = len(factors) > 1 and not self.scaled
        self.attrs: dict[str, Any] = {"long_name": "waveform"}
        if held.wave_rate:
            self.attrs["sampling_frequency"] = float(held.wave_rate)
        if self.scaled:
            self.attrs["units"] = "µV"
        elif len(factors) == 1 and (factor := factors.pop()) and self.kind.str != "|u1":
            self.attrs |= {"units": "µV", "scale_factor": factor / 1000, "add_offset": 0.0}

    @property
    def dtype(self) -> str:
        return self.kind.newbyteorder("=").str

    def tell(self, warnings: list[str], dropped: list[str]) -> None:
        name = self.held.source.name
        if self.scaled and self.unscaled:
            dropped.append(f"{name}: waveforms of electrodes whose scale it does not tell")
        elif self.uneven or self.unscaled:
            warnings.append(
                f"{name}: its waveforms are raw counts, as electrodes have scales of their own or none; the "
                "metadata tells nV_per_count of each."
            )

    def read(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """Waveforms of whole packets."""
        if not self.scaled:
            last = self.first + self.width * self.kind.itemsize
            return np.ascontiguousarray(rows[:, self.first : last]).view(self.kind)
        numbers = numbers_in(self.held, rows)
        out = np.full((len(rows), self.width), np.nan)
        for number in np.unique(numbers[are_spikes(self.held, numbers)]).tolist():
            electrode = self.held.electrodes.get(number)
            if electrode is None or not electrode.factor:
                continue
            kind, samples = np.dtype(electrode.kind), _width(electrode, self.held.packet - self.first)
            chosen = numbers == number
            raw = rows[chosen, self.first : self.first + samples * kind.itemsize]
            out[chosen, :samples] = np.ascontiguousarray(raw).view(kind) * (electrode.factor / 1000)
        return out


def _width(electrode: Electrode, room: int) -> int:
    most = room // np.dtype(electrode.kind).itemsize
    return min(most, electrode.samples) if electrode.samples else most
