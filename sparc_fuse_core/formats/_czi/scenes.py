"""Blocks of a CZI laid out: scenes, pixel types, resolutions; each becomes lazy arrays.

Blocks are tiles on one grid of pixels. Where tiles overlap, the one with the higher mosaic index lies on top.
What no tile covers is 0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._czi.pixels import KINDS, Pixels
from sparc_fuse_core.formats._czi.segments import LEAD, Block
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Axes that are not t, c, z, y, x, in the order in which they go before these.
EXTRA = {"V": "view", "R": "rotation", "I": "illumination", "H": "phase", "B": "block"}
assert (*EXTRA, "T", "C", "Z") == LEAD
_SPARSEST = 2048
_MOST_SIDE = 1 << 31
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."

Factors = tuple[float, float]


@dataclass(slots=True)
class Picture:
    """Blocks of one scene, pixel type and full resolution, and its lower resolutions by factor."""

    scene: int
    kind: int
    factors: Factors
    blocks: list[Block]
    smaller: dict[Factors, list[Block]] = field(default_factory=dict)

    def places(self) -> dict[str, list[int]]:
        """Indices that occur along each axis."""
        planes = {block.plane for block in self.blocks}
        return {axis: sorted({plane[i] for plane in planes}) for i, axis in enumerate(LEAD)}


def arrange(name: str, blocks: Sequence[Block]) -> tuple[list[Picture], int]:
    """The pictures of a file in the order of their scenes, and how many blocks are copies without a home."""
    families: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in blocks:
        if block.kind not in KINDS:
            raise FormatError(
                f"{name}: pixels of the unknown type {block.kind}; it is damaged or newer than this reader",
                hint="Open it in ZEN and export it as OME-TIFF.",
            )
        families[block.scene, block.kind].append(block)
    found: list[Picture] = []
    lost = 0
    several = any(scene >= 0 for scene, _ in families)
    for (scene, kind), family in sorted(families.items()):
        if several and scene < 0 and all(b.stored != b.size for b in family):
            lost += len(family)  # an overview over several scenes
            continue
        found += _pictures(scene, kind, family)
    return found, lost


def _pictures(scene: int, kind: int, family: list[Block]) -> list[Picture]:
    by_factor: dict[Factors, list[Block]] = defaultdict(list)
    known = sorted({_factors(b) for b in family if min(b.stored) >= 64 or b.stored == b.size})
    for block in family:
        by_factor[_nearest(_factors(block), known)].append(block)
    found: list[Picture] = []
    for factors, group in sorted(by_factor.items()):
        home = next((p for p in found if _is_copy(p, factors, group)), None)
        if home is None:
            found.append(Picture(scene, kind, factors, group))
        else:
            home.smaller[factors] = group
    return found


def _factors(block: Block) -> Factors:
    """How many pixels of the grid one stored pixel covers along y and x, without the error of rounding."""
    if block.size == block.stored:
        return 1.0, 1.0
    down, across = (_round(n / m) for n, m in zip(block.size, block.stored, strict=True))
    return down, across


def _round(factor: float) -> float:
    return float(round(factor)) if factor >= 1 else 1 / round(1 / factor)


def _nearest(factors: Factors, known: list[Factors]) -> Factors:
    """Small blocks are rounded the most: they belong to the resolution that the large ones show."""
    if not known or factors in known:
        return factors

    def distance(other: Factors) -> float:
        return sum(abs(math.log(a / b)) for a, b in zip(factors, other, strict=True))

    best = min(known, key=distance)
    return best if distance(best) < 0.7 else factors


def _is_copy(picture: Picture, factors: Factors, group: list[Block]) -> bool:
    """Whether blocks show the same planes as a picture, only smaller."""
    if max(factors) <= max(picture.factors) or any(axis < 1 for axis in factors):
        return False
    return {b.plane for b in group} <= {b.plane for b in picture.blocks}


@dataclass(slots=True)
class _Plane:
    """Tiles of one plane from bottom to top with their places: row, end row, column, end column."""

    blocks: list[Block]
    edges: NDArray[np.int64]


class Canvas:
    """One resolution: planes along the lead axes, each made of tiles."""

    def __init__(self, blocks: Sequence[Block], factors: Factors, places: dict[str, list[int]]) -> None:
        self.kind, self.samples = KINDS[blocks[0].kind]
        self.counts = [len(places[axis]) for axis in LEAD]
        starts = np.array([b.corner for b in blocks], "f8")
        corners = np.rint(starts / factors).astype("i8")
        self.corner = corners.min(axis=0)
        corners -= self.corner
        ends = corners + np.array([b.stored for b in blocks], "i8")
        self.shape: tuple[int, int] = (int(ends[:, 0].max()), int(ends[:, 1].max()))
        self.area = int((ends - corners).prod(axis=1).sum())
        self.planes = self._sort(blocks, corners, ends, places)

    def _sort(
        self, blocks: Sequence[Block], corners: NDArray[Any], ends: NDArray[Any], places: dict[str, list[int]]
    ) -> dict[tuple[int, ...], _Plane]:
        rank = [{start: i for i, start in enumerate(places[axis])} for axis in LEAD]
        members: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number in sorted(range(len(blocks)), key=lambda i: (blocks[i].mosaic, i)):
            members[blocks[number].plane].append(number)
        edges = np.stack([corners[:, 0], ends[:, 0], corners[:, 1], ends[:, 1]], axis=1)
        return {
            tuple(r[start] for r, start in zip(rank, plane, strict=True)): _Plane(
                [blocks[i] for i in numbers], edges[numbers]
            )
            for plane, numbers in members.items()
        }

    def check(self, name: str) -> None:
        """Refuse a size that only damaged places of tiles ask for."""
        wanted = math.prod(self.counts) * self.shape[0] * self.shape[1]
        planes, tiles = math.prod(self.counts), sum(len(p.blocks) for p in self.planes.values())
        if (
            max(self.shape) > _MOST_SIDE
            or wanted > _SPARSEST * self.area + (1 << 24)
            or planes > 64 * tiles + 1024
        ):
            raise LimitExceeded(
                f"{name}: {tiles} tiles are spread over {planes} planes of {self.shape[1]} x {self.shape[0]} "
                "pixels; it is damaged",
                hint=_REPAIR,
            )

    @property
    def tile(self) -> tuple[int, int]:
        """The most usual size of a tile."""
        first = next(iter(self.planes.values())).blocks[0]
        return first.stored

    def fill(
        self, out: NDArray[Any], pixels: Pixels, index: tuple[int, ...], rows: slice, columns: slice
    ) -> None:
        """Pixels of a plane into ``out`` (row, column, sample), which is 0 before."""
        plane = self.planes.get(index)
        if plane is None:
            return
        low_y, high_y, low_x, high_x = plane.edges.T
        hit = (low_y < rows.stop) & (high_y > rows.start) & (low_x < columns.stop) & (high_x > columns.start)
        for number in np.flatnonzero(hit):
            block, (top, _, left, _) = plane.blocks[number], plane.edges[number].tolist()
            inner = _within(rows, top, block.stored[0])
            across = _within(columns, left, block.stored[1])
            part = pixels.crop(block, inner, across)
            target = out[top + inner.start - rows.start :, left + across.start - columns.start :]
            target = target[: part.shape[0], : part.shape[1]]
            mask = pixels.mask(block)
            if mask is None:
                target[...] = part
            else:
                np.copyto(target, part, where=mask[inner, across, None])


def _within(span: slice, start: int, size: int) -> slice:
    return slice(max(span.start - start, 0), min(span.stop - start, size))


def lazy(canvas: Canvas, pixels: Pixels, shape: tuple[int, int]) -> tuple[tuple[str, ...], LazyArray]:
    """Names of the axes and the array (extra axes, t, c, z, y, x); axes of one item are left out."""
    samples = canvas.samples
    channel = LEAD.index("C")
    outer = list(canvas.counts)
    full = [*outer, *shape]
    full[channel] *= samples
    kept = [i for i, n in enumerate(full) if n > 1 or i >= len(LEAD)]
    dtype = np.dtype(canvas.kind)

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        given = dict(zip(kept, key, strict=True))
        spans = [_span(given.get(i, 0)) for i in range(len(full))]
        out = np.zeros([s.stop - s.start for s in spans], dtype)
        rows, columns = spans[-2:]
        first, last = spans[channel].start // samples, -(-spans[channel].stop // samples)
        picked = [range(s.start, s.stop) for s in spans[: len(LEAD)]]
        picked[channel] = range(first, last)
        plane = np.zeros((rows.stop - rows.start, columns.stop - columns.start, samples), dtype)
        for place in np.ndindex(*[len(p) for p in picked]):
            index = tuple(p[i] for p, i in zip(picked, place, strict=True))
            if index not in canvas.planes:
                continue
            plane[...] = 0
            canvas.fill(plane, pixels, index, rows, columns)
            for sample in range(samples):
                at = index[channel] * samples + sample - spans[channel].start
                if 0 <= at < out.shape[channel]:
                    into = list(place)
                    into[channel] = at
                    out[tuple(into)] = plane[..., sample]
        return out[tuple(slice(None) if isinstance(given.get(i), slice) else 0 for i in range(len(full)))]

    names = [*EXTRA.values(), "t", "c", "z", "y", "x"]
    blocks = [1] * len(LEAD) + [min(t, n) for t, n in zip(canvas.tile, shape, strict=True)]
    blocks[channel] = samples
    array = LazyArray([full[i] for i in kept], dtype, read, blocks=[blocks[i] for i in kept])
    return tuple(names[i] for i in kept), array


def _span(item: slice | int) -> slice:
    return item if isinstance(item, slice) else slice(item, item + 1)
