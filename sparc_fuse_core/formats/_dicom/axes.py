"""What the frames of a DICOM file are: places on t, z and other axes, blocks of a mosaic, tiles of a slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._dicom.header import first, integer, numbers, value
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORDER = ("t", "c", "z")
_VECTORS = {  # PS3.3 C.8.4.8: a number for each frame
    0x00540010: ("EnergyWindowVector", "energy_window"), 0x00540020: ("DetectorVector", "detector"),
    0x00540030: ("PhaseVector", "phase"), 0x00540050: ("RotationVector", "rotation"),
    0x00540060: ("RRIntervalVector", "rr_interval"), 0x00540070: ("TimeSlotVector", "t"),
    0x00540080: ("SliceVector", "z"), 0x00540090: ("AngularViewVector", "view"), 0x00540100: ("TimeSliceVector", "t"),
}  # fmt: skip
_POINTERS = {  # what a dimension of an enhanced file counts
    0x00209057: "z", 0x00200032: "z", 0x00209301: "z", 0x004008DA: "z", 0x00209128: "t", 0x0020930D: "t",
    0x00189074: "t", 0x00189151: "t", 0x00209153: "t", 0x00209056: "stack", 0x00189082: "echo", 0x00189087: "b_value",
    0x00189089: "direction", 0x0062000B: "segment", 0x00480106: "path", 0x00089215: "derivation",
}  # fmt: skip
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Arrangement:
    """Names and sizes of the axes before (sample, row, column), the frame at each place, and known steps."""

    dims: tuple[str, ...] = ()
    places: NDArray[Any] = field(default_factory=lambda: np.zeros((), "i8"))
    steps: dict[str, tuple[float, str]] = field(default_factory=dict)


def arrange(data: Any, count: int, warnings: list[str]) -> Arrangement:
    """How ``count`` frames are ordered, as far as the header says."""
    if count == 1:
        return Arrangement()
    found = _enhanced(data, count, warnings) or _incremented(data, count)
    if found is None:
        return _guessed(data, count, warnings)
    return _in_order(found)


def _in_order(found: Arrangement) -> Arrangement:
    """Axes without a name of their own first, then t and z."""
    order = sorted(
        range(len(found.dims)), key=lambda i: _ORDER.index(found.dims[i]) if found.dims[i] in _ORDER else -1
    )
    return Arrangement(tuple(found.dims[i] for i in order), found.places.transpose(order), found.steps)


def _simple(dim: str, count: int) -> Arrangement:
    return Arrangement((dim,), np.arange(count))


def _guessed(data: Any, count: int, warnings: list[str]) -> Arrangement:
    rate = numbers(data, "CineRate") or numbers(data, "RecommendedDisplayFrameRate")
    step = numbers(data, "FrameTime")
    found = _simple("t", count)
    if step and step[0] > 0:
        found.steps["t"] = (step[0] / 1000, "s")
    elif rate and rate[0] > 0:
        found.steps["t"] = (1 / rate[0], "s")
    else:
        warnings.append("the file does not say what its frames are; they were put on axis t, without times")
    return found


def _incremented(data: Any, count: int) -> Arrangement | None:
    """Frames of classic files: the frame increment pointer names what changes from one to the next."""
    pointers = value(data, "FrameIncrementPointer", [])
    tags = [int(p) for p in (pointers if hasattr(pointers, "__iter__") else [pointers])]
    if 0x3004000C in tags:
        offsets = numbers(data, "GridFrameOffsetVector")
        found = _simple("z", count)
        _set_step(found, "z", offsets, count, "millimeter", 1.0)
        return found
    if 0x00181063 in tags or 0x00181065 in tags:
        found = _simple("t", count)
        times = numbers(data, "FrameTime") * (count - 1) or numbers(data, "FrameTimeVector")[1:]
        _set_step(found, "t", [0.0, *np.cumsum(times[: count - 1])], count, "s", 1e-3)
        return found
    rows = [
        (name, numbers(data, keyword)) for tag in tags if tag in _VECTORS for keyword, name in [_VECTORS[tag]]
    ]
    return _grid([(name, row) for name, row in rows if len(row) == count], count)


def _set_step(
    found: Arrangement, dim: str, values: Sequence[float], count: int, unit: str, factor: float
) -> None:
    """An even step along an axis, where there is one."""
    if len(values) != count or count < 2:
        return
    steps = np.diff(np.asarray(values, "f8"))
    mean = float(np.abs(steps).mean())
    if mean > 0 and np.allclose(steps, steps[0], rtol=1e-3, atol=mean * 1e-3):
        even = abs(float(steps[0])) if (steps == steps[0]).all() else mean
        found.steps[dim] = (even * factor, unit)


def _grid(rows: Sequence[tuple[str, Sequence[Any]]], count: int) -> Arrangement | None:
    """The frames on axes that count independently; None when they do not fill them."""
    varied = [(name, list(row)) for name, row in rows if len(set(row)) > 1]
    names = [name for name, _ in varied]
    if not varied or len(set(names)) < len(names):
        return None
    ranks = [{v: i for i, v in enumerate(sorted(set(row)))} for _, row in varied]
    shape = tuple(len(rank) for rank in ranks)
    if np.prod(shape, dtype=object) != count:
        return None
    places = np.full(shape, -1, "i8")
    for frame in range(count):
        places[tuple(rank[row[frame]] for rank, (_, row) in zip(ranks, varied, strict=True))] = frame
    return Arrangement(tuple(names), places) if (places >= 0).all() else None


def _enhanced(data: Any, count: int, warnings: list[str]) -> Arrangement | None:
    """Frames of enhanced files: dimension indices, else their positions."""
    groups = value(data, "PerFrameFunctionalGroupsSequence")
    if not groups or len(groups) != count:
        return None
    heights = _heights(data, groups)
    indices = [numbers(first(g, "FrameContentSequence") or {}, "DimensionIndexValues") for g in groups]
    pointers = [integer(item, "DimensionIndexPointer") for item in value(data, "DimensionIndexSequence", [])]
    found = None
    if pointers and all(len(row) == len(pointers) for row in indices):
        names = [_POINTERS.get(pointer, f"dimension_{i + 1}") for i, pointer in enumerate(pointers)]
        found = _grid([(name, [row[i] for row in indices]) for i, name in enumerate(names)], count)
    if found is None and heights is not None and len(set(heights)) == count:
        found = _grid([("z", heights)], count)
    if found is None:
        warnings.append(
            "the frames do not fill the axes that the file names; they are in the order of the file"
        )
        return _simple("t" if heights is None else "z", count)
    if heights is not None and "z" in found.dims:
        lines = np.moveaxis(found.places, found.dims.index("z"), -1).reshape(
            -1, found.places.shape[found.dims.index("z")]
        )
        _set_step(found, "z", [heights[i] for i in lines[0]], len(lines[0]), "millimeter", 1.0)
    return found


def _heights(data: Any, groups: Any) -> list[float] | None:
    """How far each frame lies along the normal of the planes, in mm."""
    shared = first(data, "SharedFunctionalGroupsSequence") or {}
    found = []
    for group in groups:
        position = numbers(first(group, "PlanePositionSequence") or {}, "ImagePositionPatient")
        turn = numbers(first(group, "PlaneOrientationSequence") or {}, "ImageOrientationPatient") or numbers(
            first(shared, "PlaneOrientationSequence") or {}, "ImageOrientationPatient"
        )
        if len(position) != 3 or len(turn) != 6:
            return None
        found.append(round(float(np.dot(np.cross(turn[:3], turn[3:]), position)), 4))
    return found


def placed(frames: LazyArray, found: Arrangement) -> LazyArray:
    """Frames (frame, sample, row, column) with their places: (*axes, sample, row, column)."""
    lead = found.places.shape

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        wanted = found.places[tuple(spans[: len(lead)])]
        inner = tuple(spans[len(lead) :])
        out = np.empty([s.stop - s.start for s in spans], frames.dtype)
        for index in np.ndindex(*wanted.shape):
            out[index] = frames.read((int(wanted[index]), *inner))
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    blocks = (*[1] * len(lead), *(frames.blocks or frames.shape)[1:])
    return LazyArray((*lead, *frames.shape[1:]), frames.dtype, read, blocks=blocks)


def split_mosaic(frames: LazyArray, slices: int, name: str) -> LazyArray:
    """A Siemens mosaic (1, 1, row, column) as (slice, row, column): square blocks, row by row."""
    across = int(np.ceil(np.sqrt(slices)))
    height, width = frames.shape[2] // across, frames.shape[3] // across
    if height * across != frames.shape[2] or width * across != frames.shape[3]:
        raise FormatError(
            f"{name}: {slices} slices do not fit a mosaic of {frames.shape[2]} x {frames.shape[3]}; it is damaged",
            hint=_REPAIR,
        )

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        out = np.empty([s.stop - s.start for s in spans], frames.dtype)
        for place in range(out.shape[0]):
            row, column = divmod(spans[0].start + place, across)
            rows = slice(row * height + spans[1].start, row * height + spans[1].stop)
            columns = slice(column * width + spans[2].start, column * width + spans[2].stop)
            out[place] = frames.read((0, 0, rows, columns))
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray((slices, height, width), frames.dtype, read, blocks=(1, height, width))


def slide(
    data: Any, frames: LazyArray, name: str, warnings: list[str]
) -> tuple[LazyArray, tuple[str, ...]] | None:
    """Tiles of a whole-slide image put together: (path, z, sample, row, column); None when it is not tiled."""
    height, width = integer(data, "TotalPixelMatrixRows"), integer(data, "TotalPixelMatrixColumns")
    if (
        height < 1
        or width < 1
        or not str(value(data, "SOPClassUID", "")).startswith("1.2.840.10008.5.1.4.1.1.77.1.6")
    ):
        return None
    groups = value(data, "PerFrameFunctionalGroupsSequence")
    full = str(value(data, "DimensionOrganizationType", "")) == "TILED_FULL" or not groups
    tiles = _regular(data, frames.shape, height, width) if full else _listed(groups, frames.shape[0])
    paths, depths = sorted({t[0] for t in tiles}), sorted({t[1] for t in tiles})
    if len(tiles) > frames.shape[0]:
        raise FormatError(f"{name}: {len(tiles)} tiles are needed, {frames.shape[0]} are there", hint=_REPAIR)
    if height * width > 1 << 42:
        raise LimitExceeded(
            f"{name}: a slide of {height} x {width} pixels; its header is damaged", hint=_REPAIR
        )
    covered = len(tiles) * frames.shape[2] * frames.shape[3]
    if covered < len(paths) * len(depths) * height * width:
        warnings.append("tiles without tissue are not in the file; their pixels are 0")
    by_plane: dict[tuple[int, int], NDArray[Any]] = {}
    for path, depth in ((p, d) for p in paths for d in depths):
        rows = [t[2:] for t in tiles if t[:2] == (path, depth)]
        by_plane[paths.index(path), depths.index(depth)] = np.array(rows, "i8").reshape(-1, 3)
    shape = (len(paths), len(depths), frames.shape[1], height, width)
    return _joined(frames, by_plane, shape), ("path", "z", "c", "y", "x")


def _regular(
    data: Any, shape: Sequence[int], height: int, width: int
) -> list[tuple[Any, Any, int, int, int]]:
    """Tiles by the order of TILED_FULL: columns, rows, focal planes, optical paths."""
    down, across = -(-height // shape[2]), -(-width // shape[3])
    depths = max(1, integer(data, "TotalPixelMatrixFocalPlanes", 1))
    paths = max(1, integer(data, "NumberOfOpticalPaths", 1))
    if down * across * depths * paths > shape[0]:
        raise FormatError(
            f"{down * across * depths * paths} tiles are needed, {shape[0]} are there", hint=_REPAIR
        )
    grid = np.ndindex(paths, depths, down, across)
    return [(p, z, y * shape[2], x * shape[3], frame) for frame, (p, z, y, x) in enumerate(grid)]


def _listed(groups: Any, count: int) -> list[tuple[Any, Any, int, int, int]]:
    """Tiles by the place that each frame gives (1 is the first row or column)."""
    found = []
    for frame, group in enumerate(list(groups)[:count]):
        place = first(group, "PlanePositionSlideSequence") or {}
        row, column = (integer(place, f"{n}PositionInTotalImagePixelMatrix", -1) for n in ("Row", "Column"))
        if row < 1 or column < 1:
            raise FormatError(f"tile {frame} of a slide has no place; the header is damaged", hint=_REPAIR)
        depth = (numbers(place, "ZOffsetInSlideCoordinateSystem") or [0.0])[0]
        path = first(group, "OpticalPathIdentificationSequence")
        name = str(value(path, "OpticalPathIdentifier", "")) if path is not None else ""
        found.append((name, depth, row - 1, column - 1, frame))
    return found


def _joined(
    frames: LazyArray, planes: dict[tuple[int, int], NDArray[Any]], shape: tuple[int, ...]
) -> LazyArray:
    tall, wide = frames.shape[2:]

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        out = np.zeros([s.stop - s.start for s in spans], frames.dtype)
        rows, columns = spans[3], spans[4]
        for path, depth in np.ndindex(out.shape[:2]):
            tiles = planes[spans[0].start + path, spans[1].start + depth]
            near = (tiles[:, 0] < rows.stop) & (tiles[:, 0] + tall > rows.start)
            near &= (tiles[:, 1] < columns.stop) & (tiles[:, 1] + wide > columns.start)
            for top, left, frame in tiles[near]:
                a, b = max(rows.start, top), min(rows.stop, top + tall)
                c, d = max(columns.start, left), min(columns.stop, left + wide)
                part = frames.read((int(frame), spans[2], slice(a - top, b - top), slice(c - left, d - left)))
                out[
                    path, depth, :, a - rows.start : b - rows.start, c - columns.start : d - columns.start
                ] = part
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray(
        shape, frames.dtype, read, blocks=(1, 1, shape[2], min(tall, shape[3]), min(wide, shape[4]))
    )
