"""Integers whose width numpy does not know: 3, 5, 6 and 7 bytes, two's complement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["wide_type", "widen"]


def wide_type(nbytes: int) -> np.dtype[Any]:
    """The native integer type that holds ``nbytes`` bytes."""
    return np.dtype("i4" if nbytes <= 4 else "i8")


def widen(packed: NDArray[np.void], *, big_endian: bool = False) -> NDArray[Any]:
    """Packed items (dtype ``V3`` … ``V7``) as int32 or int64 of the same shape, sign kept."""
    narrow = packed.dtype.itemsize
    wide = wide_type(narrow).itemsize
    raw = np.ascontiguousarray(packed).view(np.uint8).reshape(*packed.shape, narrow)
    padded = np.zeros((*packed.shape, wide), np.uint8)
    # The bytes go to the high end, so that the arithmetic shift back down spreads the sign.
    padded[..., slice(0, narrow) if big_endian else slice(wide - narrow, wide)] = raw
    order = ">" if big_endian else "<"
    values: NDArray[Any] = padded.view(f"{order}i{wide}")[..., 0].astype(f"i{wide}")
    values >>= 8 * (wide - narrow)
    return values
