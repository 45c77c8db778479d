"""What is made on the way while a slab is in memory: smaller images and the min/max overview of signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.writers.layout import TIME_STEP, WHOLE, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SMALLEST", "Derived", "halve", "image_levels", "overview_levels"]

SMALLEST = 512  # a level whose sides are not longer is the last one
FACTORS = (256, 4096)
_BAND = 64  # rows that are averaged at once: they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Derived:
    """An array made from the slabs of another one.

    ``collect`` joins the pieces of one shard along ``collect_axis`` before they are cut into chunks.
    """

    path: str
    layout: Layout
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    reduce: Callable[[NDArray[Any]], NDArray[Any]]
    collect_axis: int | None = None


def halve(slab: NDArray[Any]) -> NDArray[Any]:
    """Half the size along the last two axes: the mean of 2 × 2 pixels, rounded to nearest for integers.

    Odd edges average what is there.
    """
    *lead, height, width = slab.shape
    out = np.empty((*lead, ceil(height / 2), ceil(width / 2)), slab.dtype)
    for index in np.ndindex(*lead):
        for top in range(0, height, 2 * _BAND):
            band = slab[index][top : top + 2 * _BAND]
            out[index][top // 2 : top // 2 + ceil(band.shape[0] / 2)] = _halve_band(band)
    return out


def _halve_band(band: NDArray[Any]) -> NDArray[Any]:
    height, width = band.shape
    if height % 2 or width % 2:
        band = np.pad(band, ((0, height % 2), (0, width % 2)), "edge")
    kind = band.dtype
    if kind.kind == "b":
        return np.asarray(_halve_band(band.astype("u1")) > 0)
    if kind.kind in "fc":
        total = band[0::2, 0::2] + band[1::2, 0::2]
        total += band[0::2, 1::2]
        total += band[1::2, 1::2]
        total *= np.asarray(0.25, total.dtype)
        return np.asarray(total, kind)
    if kind.itemsize > 4:
        quarters = band.astype("f8").reshape(band.shape[0] // 2, 2, -1, 2)
        return np.asarray(np.rint(quarters.mean((1, 3))), kind)
    wide = np.dtype(
        {1: "u2", 2: "u4", 4: "u8"}[kind.itemsize] if kind.kind == "u" else f"i{2 * kind.itemsize}"
    )
    rows = band[0::2].astype(wide)
    rows += band[1::2]
    total = rows[:, 0::2] + rows[:, 1::2]
    total += 2
    total >>= 2
    return np.asarray(total.astype(kind))


def image_levels(path: str, base: Layout, dims: tuple[str, ...], dtype: np.dtype[Any]) -> list[Derived]:
    """The levels that can be made from one shard of ``base`` alone, each from the one before.

    More levels than these need another pass over the last one.
    """
    levels: list[Derived] = []
    shape, chunks, shards = base.shape, base.chunks, base.shards
    whole = shards[-2] >= shape[-2] and shards[-1] >= shape[-1]
    while max(shape[-2:]) > SMALLEST:
        if not whole and any(s % 2 or (s // 2) % c for s, c in zip(shards[-2:], chunks[-2:], strict=True)):
            break
        shape = (*shape[:-2], ceil(shape[-2] / 2), ceil(shape[-1] / 2))
        if whole:
            chunks = (*chunks[:-2], *(min(c, n) for c, n in zip(base.chunks[-2:], shape[-2:], strict=True)))
            sides = tuple(ceil(n / c) * c for n, c in zip(shape[-2:], chunks[-2:], strict=True))
        else:
            sides = tuple(s // 2 for s in shards[-2:])
        shards = (*shards[:-2], *sides)
        layout = Layout(shape, chunks, shards, base.slab_axis, shuffle=base.shuffle)
        levels.append(Derived(path, layout, dtype, dims, halve))
    return levels


def bounds(slab: NDArray[Any], factor: int) -> NDArray[Any]:
    """Minimum and maximum of each ``factor`` samples along the last axis; NaN is passed over.

    Gives (…, bins, 2).
    """
    count = slab.shape[-1]
    bins = ceil(count / factor)
    if count % factor:
        slab = np.concatenate([slab, np.repeat(slab[..., -1:], bins * factor - count, -1)], -1)
    least: Any = np.fmin if slab.dtype.kind == "f" else np.minimum
    most: Any = np.fmax if slab.dtype.kind == "f" else np.maximum
    if slab.ndim == 2 and slab.T.flags.c_contiguous:
        rows = slab.T.reshape(bins, factor, -1)
        return np.stack([least.reduce(rows, 1).T, most.reduce(rows, 1).T], -1)
    split = slab.reshape(*slab.shape[:-1], bins, factor)
    return np.stack([least.reduce(split, -1), most.reduce(split, -1)], -1)


def _coarser(pairs: NDArray[Any], factor: int) -> NDArray[Any]:
    """The bounds of ``factor`` bins each, from finer bounds (…, bins, 2)."""
    low, high = bounds(pairs[..., 0], factor), bounds(pairs[..., 1], factor)
    return np.stack([low[..., 0], high[..., 1]], -1)


def overview_levels(name: str, base: Layout, dims: Sequence[str], dtype: np.dtype[Any]) -> list[Derived]:
    """Min/max arrays of a long (channel, time) stream, for drawing all of it at once."""
    if len(base.shape) != 2 or base.shape[-1] < FACTORS[-1] * 32 or dtype.kind not in "iuf":
        return []
    levels, before = [], 1
    for factor in FACTORS:
        bins = ceil(base.shape[-1] / factor)
        chunk = (base.shape[0], base.shards[-1] // factor, 2)
        layout = Layout((base.shape[0], bins, 2), chunk, chunk, WHOLE)
        step = factor // before
        reduce = _first(step) if before == 1 else _next(step)
        levels.append(
            Derived(
                f"overview/{name}_{factor}",
                layout,
                dtype,
                (dims[0], f"bin_{name}_{factor}", "bound"),
                reduce,
                1,
            )
        )
        before = factor
    return levels


def _first(factor: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda slab: bounds(slab, factor)


def _next(factor: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda pairs: _coarser(pairs, factor)


assert all(TIME_STEP % factor == 0 for factor in FACTORS)
