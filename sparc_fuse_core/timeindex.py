"""A time axis that is never in memory: 10^9 samples cost what ten cost."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.core.indexing import IndexSelResult
from xarray.indexes import RangeIndex

__all__ = ["TimeIndex", "with_time"]

_SLACK = 1e-6  # of one sample: labels are printed and typed with less precision than they are stored


class TimeIndex(RangeIndex):
    """Evenly spaced seconds that can be selected by value and by slice of values, both ends included."""

    def sel(
        self, labels: dict[Any, Any], method: str | None = None, tolerance: float | None = None
    ) -> IndexSelResult:
        ((name, label),) = labels.items()
        dim = self.transform.dim
        if isinstance(label, slice):
            return IndexSelResult({dim: self._slice(label)})
        values = np.asarray(getattr(label, "values", label), "f8")
        exact = (values - self.transform.start) / self.transform.step
        nearest = np.rint(exact)
        if method not in (None, "nearest", "pad", "ffill", "backfill", "bfill"):
            raise ValueError(f"method {method!r} is not known")
        if method in ("pad", "ffill"):
            nearest = np.floor(exact + _SLACK)
        elif method in ("backfill", "bfill"):
            nearest = np.ceil(exact - _SLACK)
        limit = _SLACK if method is None else np.inf if tolerance is None else tolerance / self.transform.step
        outside = (
            (nearest < 0) | (nearest >= self.transform.size)
            if method != "nearest"
            else np.zeros_like(exact, bool)
        )
        nearest = np.clip(nearest, 0, self.transform.size - 1)
        if bool(np.any(outside | (np.abs(exact - nearest) > limit))):
            raise KeyError(f"not all of {name}={label!r} are on the time axis; use method='nearest'")
        position: Any = nearest.astype(int)
        if isinstance(label, xr.DataArray):
            position = label.copy(data=position)
        elif position.ndim == 0:
            position = int(position)
        return IndexSelResult({dim: position})

    def _slice(self, label: slice) -> slice:
        step = label.step
        if step is not None and (not isinstance(step, (int, np.integer)) or step <= 0):
            raise ValueError("the step of a time slice counts samples and is a positive integer")
        start, pace, size = self.transform.start, self.transform.step, self.transform.size
        first = 0 if label.start is None else int(np.ceil((float(label.start) - start) / pace - _SLACK))
        last = size if label.stop is None else int(np.floor((float(label.stop) - start) / pace + _SLACK)) + 1
        return slice(max(0, min(first, size)), max(0, min(last, size)), step)

    def isel(self, indexers: Mapping[Any, Any]) -> Any:
        index = super().isel(indexers)
        return TimeIndex(index.transform) if isinstance(index, RangeIndex) else index


def with_time(dataset: xr.Dataset, name: Hashable, samples: int, rate: float, start: float) -> xr.Dataset:
    """``dataset`` with a lazy time coordinate ``name`` in seconds along the dimension of that name."""
    pace = 1.0 / rate
    index = TimeIndex.linspace(
        start, start + samples * pace, samples, endpoint=False, coord_name=name, dim=str(name)
    )
    index.transform._step = pace
    coords = xr.Coordinates.from_xindex(TimeIndex(index.transform))
    held = dataset.drop_vars(str(name), errors="ignore").assign_coords(coords)
    held[name].attrs.update({"units": "s", "axis": "T"})
    return held
