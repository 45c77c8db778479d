"""Pixels of one image as lazy arrays: the axes in our order, channels of one type together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._axes import ORDER, ordered
from sparc_fuse_core.formats._lif.container import Container
from sparc_fuse_core.formats._lif.description import Channel, Description, Dimension
from sparc_fuse_core.formats._strides import strided
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source


@dataclass(frozen=True, slots=True)
class Part:
    """Channels of one type: names of the axes, pixels, and whether the channels are red, green and blue."""

    dims: tuple[str, ...]
    data: LazyArray
    channels: list[Channel]
    rgb: bool


def read_parts(source: Source, container: Container, image: Description) -> list[Part]:
    """One part for each type of pixels."""
    reach = max(
        c.offset + int(c.dtype[1:]) + sum((d.size - 1) * d.stride for d in image.dimensions)
        for c in image.channels
    )
    block = container.block(image.memory, reach, f"image {image.path!r}")
    kinds = list(dict.fromkeys(c.dtype for c in image.channels))
    return [
        _part(source, block.offset, image.dimensions, [c for c in image.channels if c.dtype == kind])
        for kind in kinds
    ]


def _part(source: Source, offset: int, dimensions: Sequence[Dimension], channels: list[Channel]) -> Part:
    axes = {d.name: (d.size, d.stride) for d in dimensions if d.size > 1 or d.name in "yx"}
    axes = {"y": (1, 1), "x": (1, 1)} | axes
    others = sorted((n for n in axes if n not in ORDER), key=lambda n: axes[n][1], reverse=True)
    gaps = {b.offset - a.offset for a, b in pairwise(channels)}
    several = len(channels) > 1
    dims = ordered([*others, *(n for n in ORDER if n in axes or (n == "c" and several))])
    rgb = sorted(c.tag for c in channels) == [1, 2, 3]
    first = offset + channels[0].offset
    if len(gaps) <= 1:
        sizes = axes | {"c": (len(channels), max(gaps, default=1))}
        shape, steps = zip(*(sizes[n] for n in dims), strict=True)
        data = strided(source, f"<{channels[0].dtype}", first, shape, steps)
    else:
        flat = [n for n in dims if n != "c"]
        shape, steps = zip(*(axes[n] for n in flat), strict=True)
        each = [strided(source, f"<{c.dtype}", offset + c.offset, shape, steps) for c in channels]
        data = _joined(each, dims.index("c"))
    if rgb and [c.tag for c in channels] != [1, 2, 3]:
        order = sorted(range(3), key=lambda i: channels[i].tag)
        data, channels = _picked(data, dims.index("c"), order), [channels[i] for i in order]
    return Part(dims, data, channels, rgb)


def _joined(each: Sequence[LazyArray], axis: int) -> LazyArray:
    """Arrays of one shape along a new axis."""

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        pick, rest = key[axis], (*key[:axis], *key[axis + 1 :])
        if not isinstance(pick, slice):
            return each[pick].read(rest)
        at = sum(isinstance(k, slice) for k in key[:axis])
        return np.stack([data.read(rest) for data in each[pick]], at)

    shape = (*each[0].shape[:axis], len(each), *each[0].shape[axis:])
    blocks = each[0].blocks or each[0].shape
    return LazyArray(shape, each[0].dtype, read, blocks=(*blocks[:axis], 1, *blocks[axis:]))


def _picked(data: LazyArray, axis: int, order: Sequence[int]) -> LazyArray:
    """The same array with the places of one axis in another order; that axis is always read whole."""

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        whole = (*key[:axis], slice(0, data.shape[axis]), *key[axis + 1 :])
        at = sum(isinstance(k, slice) for k in key[:axis])
        turned = data.read(whole).take(order, at)
        pick: Any = key[axis]
        result: NDArray[Any] = turned[(*[slice(None)] * at, pick)]
        return result

    return LazyArray(data.shape, data.dtype, read, blocks=data.blocks)
