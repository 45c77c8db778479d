"""Pixels that lie uncompressed in a file, each axis with a stride of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from sparc_fuse_core.source import Source

_SMALL = 1 << 16  # a gap of this many bytes costs less than another read
_LARGE = 1 << 24
_WASTE = 4


def strided(
    source: Source, dtype: DTypeLike, offset: int, shape: Sequence[int], strides: Sequence[int]
) -> LazyArray:
    """An array whose item at index ``i`` lies ``sum(i * strides)`` bytes after ``offset``.

    Only the bytes between the first and the last pixel of each row, plane or block that is asked for are
    read. Raises `Truncated` when the file ends before its last pixel and FormatError when pixels overlap.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    lengths, steps = tuple(shape), tuple(strides)
    _check(source, kind, offset, lengths, steps)
    order = sorted(range(len(lengths)), key=lambda i: steps[i], reverse=True)

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        wanted = [s.stop - s.start for s in spans]
        first = offset + sum(s.start * step for s, step in zip(spans, steps, strict=True))
        outer, inner = _split(order, wanted, steps, kind.itemsize)
        out = np.empty([wanted[i] for i in (*outer, *inner)], kind.newbyteorder("="))
        sizes, leaps = [wanted[i] for i in inner], [steps[i] for i in inner]
        window = sum((n - 1) * step for n, step in zip(sizes, leaps, strict=True)) + kind.itemsize
        for index in np.ndindex(*(wanted[i] for i in outer)):
            at = first + sum(n * steps[i] for n, i in zip(index, outer, strict=True))
            raw = source.read(at, window, "pixels")
            out[index] = np.ndarray(sizes, kind, raw, 0, leaps)
        turned = out.transpose(np.argsort((*outer, *inner)))
        return turned[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray(lengths, kind.newbyteorder("="), read, blocks=_blocks(lengths, steps))


def _check(
    source: Source, kind: np.dtype[Any], offset: int, shape: Sequence[int], steps: Sequence[int]
) -> None:
    reach = kind.itemsize
    for step, count in sorted((step, n) for n, step in zip(shape, steps, strict=True) if n > 1):
        if step < reach:
            raise FormatError(
                f"{source.name}: pixels of {kind.itemsize} bytes with the shape {tuple(shape)} cannot lie "
                f"{tuple(steps)} bytes apart; the header is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        reach += (count - 1) * step
    source.expect(offset, reach, "pixels")


def _split(
    order: Sequence[int], wanted: Sequence[int], steps: Sequence[int], item: int
) -> tuple[list[int], list[int]]:
    """Axes with a read for each of their places, and those that one read covers; the widest strides first."""
    useful, window, cut = item, item, len(order)
    for place in range(len(order) - 1, -1, -1):
        axis = order[place]
        useful *= wanted[axis]
        window += (wanted[axis] - 1) * steps[axis]
        if window > max(_SMALL, _WASTE * useful) or (window > _LARGE and place < len(order) - 2):
            break
        cut = place
    return list(order[:cut]), list(order[cut:])


def _blocks(shape: Sequence[int], steps: Sequence[int]) -> list[int]:
    """Rows, with the colours where these lie within a row."""
    return [
        n if i == len(shape) - 1 or step < steps[-1] else 1
        for i, (n, step) in enumerate(zip(shape, steps, strict=True))
    ]
