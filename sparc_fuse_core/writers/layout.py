"""How an array is cut for storage: chunks that a viewer fetches, shards that a disk or bucket keeps.

Figures behind the choices: docs/output-layout.md, "Storage". A *slab* is what one read brings into memory:
the whole shard but for one axis, along which it is one chunk thick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Literal

import numpy as np

__all__ = ["Layout", "image_layout", "plain_layout", "signal_layout"]

SLAB_BYTES = 32 << 20
CHUNK_BYTES = 4 << 20
SHARD_BYTES = 96 << 20
TIME_STEP = 4096  # chunks are multiples of it, so that the overview bins never cross a shard
TILE = 512
WHOLE = -1  # slab axis of a shard that is read in one go


@dataclass(frozen=True, slots=True)
class Layout:
    """Shapes of an array, its chunks, its shards, and the axis along which shards are read in slabs.

    ``shuffle`` is what goes before compression: bits for samples; bytes for deep pixels, whose neighbours differ
    in their low bits too much (measured: smaller and faster than bits).
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...]
    slab_axis: int
    transposed: bool = False
    shuffle: Literal["bitshuffle", "shuffle"] = "bitshuffle"

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of shards along each axis."""
        return tuple(ceil(n / s) for n, s in zip(self.shape, self.shards, strict=True))

    def region(self, index: Sequence[int]) -> tuple[slice, ...]:
        """The part of the array that the shard at ``index`` holds."""
        return tuple(
            slice(i * s, min(n, (i + 1) * s)) for i, s, n in zip(index, self.shards, self.shape, strict=True)
        )

    def slabs(self, index: Sequence[int]) -> list[tuple[slice, ...]]:
        """The region of a shard cut into slabs, in order."""
        region = self.region(index)
        if self.slab_axis == WHOLE:
            return [region]
        span, step = region[self.slab_axis], self.chunks[self.slab_axis]
        cuts = [slice(a, min(a + step, span.stop)) for a in range(span.start, span.stop, step)]
        return [(*region[: self.slab_axis], cut, *region[self.slab_axis + 1 :]) for cut in cuts]


def _multiple(value: float, step: int) -> int:
    return max(step, int(value) // step * step)


def _thicken(shape: Sequence[int], chunks: Sequence[int], axis: int, row_bytes: int) -> int:
    """Shard length along ``axis`` in whole chunks, within SHARD_BYTES."""
    whole = ceil(shape[axis] / chunks[axis])
    return chunks[axis] * max(1, min(whole, SHARD_BYTES // max(1, row_bytes)))


def signal_layout(
    shape: Sequence[int], dtype: np.dtype, rate: float | None, *, time_major: bool = False
) -> Layout:
    """(…, channel, time): chunks of about a second by 32 channels, shards of 4 s and more by all channels."""
    *lead, channels, samples = (max(1, n) for n in shape)
    per_chunk = min(32, channels)
    wide = ceil(channels / per_chunk) * per_chunk
    seconds = _multiple((rate or 0) + TIME_STEP - 1, TIME_STEP)
    least = _multiple((1 << 18) / (per_chunk * dtype.itemsize), TIME_STEP)
    most = _multiple(
        min(SLAB_BYTES / (wide * dtype.itemsize), CHUNK_BYTES / (per_chunk * dtype.itemsize)), TIME_STEP
    )
    long = min(max(seconds, least), most, ceil(samples / TIME_STEP) * TIME_STEP)
    chunks = [*[1] * len(lead), per_chunk, long]
    if lead and samples <= long:
        # Short sweeps: many of them make one chunk, none is padded to a multiple of TIME_STEP.
        together = max(1, min(lead[0], (1 << 19) // (per_chunk * samples * dtype.itemsize)))
        chunks = [together, *[1] * (len(lead) - 1), per_chunk, samples]
    axis = len(chunks) - 1 if chunks[-1] < samples else 0
    shards = [*chunks]
    shards[-2] = wide
    row = prod(shards) * dtype.itemsize
    shards[axis] = _thicken((*lead, channels, samples), chunks, axis, row)
    flat = not lead
    return Layout(tuple(shape), tuple(chunks), tuple(shards), axis, transposed=time_major and flat)


def image_layout(
    shape: Sequence[int],
    dtype: np.dtype,
    *,
    together: Sequence[int] = (),
    blocks: Sequence[int] | None = None,
) -> Layout:
    """(…, y, x): chunks of one plane's 512 px tiles, shards of whole planes, or of a power of two of pixels.

    ``together`` are axes whose places are read at once (the colours of a picture): they share a chunk.
    """
    *lead, height, width = (max(1, n) for n in shape)
    chunks = [n if i in together else 1 for i, n in enumerate(lead)] + [min(TILE, height), min(TILE, width)]
    depth = prod(chunks[:-2]) * dtype.itemsize
    tall, broad = ceil(height / chunks[-2]) * chunks[-2], ceil(width / chunks[-1]) * chunks[-1]
    if tall * broad * depth > SLAB_BYTES:
        tall, broad = _cut_plane(tall, broad, depth, blocks)
    shards = [*chunks[:-2], tall, broad]
    slab = tall * broad * depth
    free = [i for i in range(len(lead)) if i not in together and lead[i] > 1]
    shuffle: Literal["bitshuffle", "shuffle"] = "shuffle" if dtype.itemsize > 1 else "bitshuffle"
    if not free:
        return Layout(tuple(shape), tuple(chunks), tuple(shards), WHOLE, shuffle=shuffle)
    if tall >= height and broad >= width:
        shards[free[-1]] = max(1, min(lead[free[-1]], (SHARD_BYTES * 2 // 3) // slab))
    return Layout(tuple(shape), tuple(chunks), tuple(shards), free[-1], shuffle=shuffle)


def _cut_plane(tall: int, broad: int, depth: int, blocks: Sequence[int] | None) -> tuple[int, int]:
    """Height and width of the pieces of a plane that is too large for memory."""
    stripped = blocks is not None and blocks[-1] >= broad
    if stripped and broad * TILE * depth <= SLAB_BYTES:
        rows = TILE
        while rows * 2 * broad * depth <= SLAB_BYTES:
            rows *= 2
        return rows, broad
    side = TILE
    while (side * 2) ** 2 * depth <= SLAB_BYTES:
        side *= 2
    return min(side, tall), min(side, broad)


def plain_layout(shape: Sequence[int], dtype: np.dtype) -> Layout:
    """Any other array: whole when small, else cut along its leading axes."""
    chunks = [max(1, n) for n in shape]
    for axis in range(len(chunks)):
        while prod(chunks) * dtype.itemsize > CHUNK_BYTES and chunks[axis] > 1:
            chunks[axis] = ceil(chunks[axis] / 2)
    axis = next((i for i, (n, c) in enumerate(zip(shape, chunks, strict=True)) if c < n), 0)
    shards = [*chunks]
    if shape:
        shards[axis] = _thicken([max(1, n) for n in shape], chunks, axis, prod(chunks) * dtype.itemsize)
    return Layout(tuple(shape), tuple(chunks), tuple(shards), axis)
