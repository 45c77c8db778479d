"""Runs of bytes of equal length that lie scattered in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_TOGETHER = 8 << 20
_APART = 1 << 15


def read_chunks(source: Source, places: NDArray[np.int64], points: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """``points`` samples at each of ``places``, shape (place, point); neighbours are read at once."""
    nbytes = points * dtype.itemsize
    order = np.argsort(places, kind="stable")
    sorted_places = places[order]
    jumps = np.flatnonzero(np.diff(sorted_places) > nbytes + _APART) + 1
    out = np.empty((len(places), points), dtype.newbyteorder("="))
    at = 0
    while at < len(places):
        begin = int(sorted_places[at])
        end = int(np.searchsorted(sorted_places, begin + max(_TOGETHER, nbytes) - nbytes, side="right"))
        nearest = int(np.searchsorted(jumps, at, side="right"))
        end = min(end, int(jumps[nearest]) if nearest < len(jumps) else len(places))
        raw = source.read(begin, int(sorted_places[end - 1]) + nbytes - begin, "samples")
        out[order[at:end]] = _windows(raw, sorted_places[at:end] - begin, nbytes, dtype)
        at = end
    return out


def _windows(raw: bytes, places: NDArray[np.int64], nbytes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if (places % dtype.itemsize == 0).all():
        words = np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)
        return sliding_window_view(words, nbytes // dtype.itemsize)[places // dtype.itemsize]
    found: NDArray[Any] = sliding_window_view(np.frombuffer(raw, "u1"), nbytes)[places].view(dtype)
    return found
