"""Arrays that lie in a file as they would in memory: any part of them, read in few pieces and without the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["strided"]

_NEAR = 1 << 18  # bytes that are read rather than skipped


def strided(
    read: Callable[[int, int], bytes],
    shape: Sequence[int],
    dtype: DTypeLike,
    offset: int = 0,
    *,
    blocks: Sequence[int] | None = None,
) -> LazyArray:
    """An array of ``shape``, last axis fastest, whose first item lies at ``offset``.

    ``read(offset, nbytes)`` gives the bytes; ``dtype`` may have either byte order.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    steps = [kind.itemsize * int(np.prod(shape[axis + 1 :], dtype=object)) for axis in range(len(shape))]

    def get(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        out = np.empty([s.stop - s.start for s in spans], kind.newbyteorder("="))
        first = offset + sum(s.start * step for s, step in zip(spans, steps, strict=True))
        _fill(out, first, steps, kind, read)
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray(shape, kind.newbyteorder("="), get, blocks=blocks)


def _fill(
    out: NDArray[Any], at: int, steps: Sequence[int], kind: np.dtype[Any], read: Callable[[int, int], bytes]
) -> None:
    """One read where the wanted items lie close together, else one for each place on the first axis."""
    nbytes = sum((n - 1) * step for n, step in zip(out.shape, steps, strict=True)) + kind.itemsize
    if out.ndim < 2 or nbytes <= max(_NEAR, 2 * out.nbytes):
        out[...] = np.ndarray(out.shape, kind, read(at, nbytes), 0, tuple(steps))
        return
    for place in range(out.shape[0]):
        _fill(out[place], at + place * steps[0], steps[1:], kind, read)
