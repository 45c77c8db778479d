"""Streams of a recording, and what a window of one looks like at the width of a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from sparc_fuse_core.errors import Cancelled, FuseError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

BLOCK = 1 << 20
"""Values held in memory at a time."""

BUDGET = 1 << 23
"""Values read for one exact window; a longer one is looked at in places first."""

_STORED_TIMES = 1 << 22
_EVENTS = 5000


class Cancel(Protocol):
    """A flag that another thread sets to stop the work."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream of a recording, ready to be looked at.

    Attributes
    ----------
    name, title
        Suffix of its variables ("" for the primary one), and what to call it on a page.
    data
        (channel, time) or (sweep, channel, time), decoded, lazy.
    channels, units
        One text for each channel; a unit is "" where the file does not say.
    rate, start
        Samples a second and the time of the first sample; ``rate`` is None where ``times`` has each sample.
    """

    name: str
    title: str
    data: xr.Variable
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate: float | None
    start: float
    times: xr.Variable | None
    sweeps: int

    @property
    def samples(self) -> int:
        return int(self.data.shape[-1])

    def span(self) -> tuple[float, float]:
        """Seconds of the first sample and of the end of the last one."""
        if self.samples == 0:
            return self.start, self.start + 1.0
        if self.rate is None:
            first, last = float(self._time(0)), float(self._time(self.samples - 1))
            return first, last if last > first else first + 1.0
        return self.start, self.start + self.samples / self.rate

    def seconds(self, first: int, stop: int) -> NDArray[np.float64]:
        """Times of the samples ``first`` to ``stop``."""
        if self.rate is not None or self.times is None:
            return self.start + np.arange(first, stop) / (self.rate or 1.0)
        return np.asarray(self.times[first:stop].values, "f8")

    def _time(self, index: int) -> float:
        return float(self.seconds(index, index + 1)[0])


class Event(NamedTuple):
    """A mark on the time axis."""

    time: float
    label: str
    duration: float


class Envelope(NamedTuple):
    """Lowest and highest value of each channel in each column of pixels.

    ``values`` is float32 (channels, width, 2), NaN in columns without a sample. ``exact`` is False when
    samples were skipped, so that a short peak may be missing.
    """

    values: NDArray[np.float32]
    exact: bool


def streams(data: xr.Dataset) -> list[StreamView]:
    """The streams of a decoded recording, the primary one first."""
    names = [str(n) for n in data.data_vars if n == "signals" or str(n).startswith("signals_")]
    found = [_stream(data, name.removeprefix("signals")) for name in names if data[name].ndim in (2, 3)]
    return [view for view in found if view.data.dtype.kind in "biuf"]


def _stream(data: xr.Dataset, suffix: str) -> StreamView:
    # Variables, not DataArrays: indexes are of no use here and cost time at every slice.
    held = data[f"signals{suffix}"].variable
    count = held.shape[-2]
    rate = held.attrs.get("sampling_frequency")
    unit = str(held.attrs.get("units", ""))
    times = data.variables.get(f"time{suffix}")
    name = str(held.attrs.get("stream_name") or suffix.strip("_"))
    return StreamView(
        name=suffix,
        title=name or suffix or "Signals",
        data=held,
        channels=_texts(data, f"channel_name{suffix}", [f"Channel {i + 1}" for i in range(count)]),
        units=_texts(data, f"channel_units{suffix}", [unit] * count),
        rate=float(rate) if rate else (None if times is not None else 1.0),
        start=float(held.attrs.get("start_time", 0.0) or 0.0),
        times=None if rate else times,
        sweeps=int(held.shape[0]) if held.ndim == 3 else 1,
    )


def _texts(data: xr.Dataset, name: str, otherwise: list[str]) -> tuple[str, ...]:
    if name not in data.variables:
        return tuple(otherwise)
    given = [str(v) for v in np.atleast_1d(data[name].values)]
    return (
        tuple(g or o for g, o in zip(given, otherwise, strict=True)) if len(given) == len(otherwise) else ()
    )


def events(data: xr.Dataset, most: int = _EVENTS) -> list[Event]:
    """Tags, comments and markers of a recording in order of time, at most ``most`` of them."""
    if "event_time" not in data.variables:
        return []
    when = np.asarray(data["event_time"].values[:most], "f8")
    labels = data["event_label"].values[:most] if "event_label" in data.variables else [""] * len(when)
    lasts = (
        np.asarray(data["event_duration"].values[:most], "f8")
        if "event_duration" in data.variables
        else np.zeros(len(when))
    )
    rows = [
        Event(float(t), str(text), float(d) if np.isfinite(d) else 0.0)
        for t, text, d in zip(when, labels, lasts, strict=True)
        if np.isfinite(t)
    ]
    return sorted(rows, key=lambda event: event.time)


def sample_edges(view: StreamView, begin: float, end: float, width: int) -> NDArray[np.int64]:
    """Indices of the samples at which the ``width`` columns between two times begin; (width + 1)."""
    moments = np.linspace(begin, end, width + 1)
    if view.rate is not None:
        # The guard keeps a time that is a sample's own time, up to rounding, at that sample.
        exact = (moments - view.start) * view.rate
        edges = np.ceil(np.clip(exact, 0, view.samples) - 1e-6).astype("i8")
    elif view.samples <= _STORED_TIMES:
        edges = np.searchsorted(view.seconds(0, view.samples), moments)
    else:
        # A long irregular axis is looked at in 4097 places: edges are near, and nothing long is held.
        marks = np.unique(np.linspace(0, view.samples - 1, 4097).astype("i8"))
        known = np.array([view.seconds(int(m), int(m) + 1)[0] for m in marks])
        edges = np.interp(moments, known, marks).astype("i8")
    return np.maximum.accumulate(np.clip(edges, 0, view.samples)).astype("i8")


def signal_window(
    data: Any,
    channels: Sequence[int],
    start: int,
    stop: int,
    width: int,
    *,
    sweep: int = 0,
    edges: NDArray[np.int64] | None = None,
    budget: int = BUDGET,
    probes: int = 1024,
    cancel: Cancel | None = None,
) -> Envelope:
    """Lowest and highest values of samples ``start`` to ``stop`` in ``width`` columns.

    Parameters
    ----------
    data
        LazyArray, DataArray or array: (channel, time) or (sweep, channel, time).
    edges
        First sample of each column, (width + 1); evenly spaced when not given.
    budget
        Values that may be read; a longer window is read in ``probes`` places only and is not ``exact``.

    Never holds more than `BLOCK` values. Raises `Cancelled`, `FormatError`, `RemoteError`.
    """
    length = int(data.shape[-1])
    start, stop = max(0, min(start, length)), max(0, min(stop, length))
    wanted = [int(c) for c in channels if 0 <= int(c) < data.shape[-2]]
    marks = np.linspace(start, stop, width + 1).astype("i8") if edges is None else np.asarray(edges, "i8")
    values = np.full((len(wanted), width, 2), np.nan, "f4")
    if not wanted or stop <= start:
        return Envelope(values, True)
    exact = (stop - start) * len(wanted) <= budget
    spans = [(int(marks[0]), int(marks[-1]))] if exact else _probes(marks, len(wanted), budget, probes)
    for first, last in spans:
        for block_start, block in read_blocks(data, wanted, first, last, sweep, cancel):
            _fold(values, block, block_start, marks)
    return Envelope(values, exact)


def read_blocks(
    data: Any, channels: Sequence[int], start: int, stop: int, sweep: int = 0, cancel: Cancel | None = None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """The samples ``start`` to ``stop`` of some channels in bounded blocks, each with its first index."""
    low, high = min(channels), max(channels) + 1
    whole = high - low <= 4 * len(channels)
    step = max(1, BLOCK // ((high - low) if whole else len(channels)))
    lead: tuple[int, ...] = (sweep,) if len(data.shape) == 3 else ()
    for first in range(start, stop, step):
        if cancel is not None and cancel.is_set():
            raise Cancelled("the window is no longer wanted")
        span = slice(first, min(stop, first + step))
        if whole:
            block = _values(data, (*lead, slice(low, high), span))[[c - low for c in channels]]
        else:
            block = np.concatenate([_values(data, (*lead, slice(c, c + 1), span)) for c in channels])
        yield first, block


def _values(data: Any, key: tuple[Any, ...]) -> NDArray[Any]:
    picked = data[key]
    values: NDArray[Any] = np.asarray(getattr(picked, "values", picked))
    if values.dtype.kind not in "biuf":
        raise FuseError(f"samples of type {values.dtype} cannot be drawn")
    return values


def _probes(marks: NDArray[np.int64], channels: int, budget: int, probes: int) -> list[tuple[int, int]]:
    columns = np.unique(np.linspace(0, len(marks) - 2, min(probes, len(marks) - 1)).astype("i8"))
    share = max(2, budget // (channels * len(columns)))
    return [
        (int(marks[c]), int(min(marks[c + 1], marks[c] + share))) for c in columns if marks[c + 1] > marks[c]
    ]


def _fold(values: NDArray[np.float32], block: NDArray[Any], first: int, marks: NDArray[np.int64]) -> None:
    """Take a block into the columns that it touches."""
    count = block.shape[1]
    inner = np.clip(marks - first, 0, count)
    filled = np.flatnonzero(inner[1:] > inner[:-1])
    if not len(filled):
        return
    end = int(inner[-1])
    # NaN samples are gaps: fmin and fmax pass them over.
    low = np.fmin.reduceat(block[:, :end], inner[filled], axis=1)
    high = np.fmax.reduceat(block[:, :end], inner[filled], axis=1)
    values[:, filled, 0] = np.fmin(values[:, filled, 0], low)
    values[:, filled, 1] = np.fmax(values[:, filled, 1], high)
