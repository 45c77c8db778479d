"""Meshes, tracings and regions drawn as a picture: a view from above for flat ones, at an angle for others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Shapes", "draw_shapes", "shapes_of"]

_MOST_FACES = 60_000
_MOST_POINTS = 400_000
_SURFACE = np.array([0.42, 0.60, 0.75])
_LINE = "#1f5f8b"
_TURN = np.radians(35.0)
_TILT = np.radians(25.0)


class Shapes(NamedTuple):
    """What there is to draw.

    ``points`` (n, 2 or 3); ``faces``: corners of all faces and where each begins; ``runs``: where each line begins
    and whether it is closed; ``links`` (m, 2): pairs of points joined by a line; ``colors`` of runs and ``owner``: the
    run of each point. Each only where the file has it.
    """

    points: NDArray[np.float64]
    faces: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    runs: tuple[NDArray[np.int64], NDArray[np.bool_]] | None = None
    links: NDArray[np.int64] | None = None
    colors: tuple[str, ...] = ()
    units: str = ""
    downwards: bool = False


def shapes_of(data: xr.Dataset) -> Shapes | None:
    """The shapes of a dataset of kind ``geometry``; None when it holds none that can be drawn."""
    name = next((n for n in ("vertices", "points") if n in data), None) or _coordinates(data)
    if name is None or data[name].ndim < 2 or data[name].shape[1] < 2:
        return None
    points = np.asarray(data[name].values, "f8")[:, :3]
    points = points[..., 0] if points.ndim == 3 else points  # values before derivatives
    units = str(data[name].attrs.get("units") or data[name].attrs.get("unit") or "")
    if "trace_offsets" in data:
        return _tracing(data, points, units)
    if "part_offsets" in data:
        colors = _colors(data, "roi_stroke_color", np.asarray(data["part_roi"].values))
        closed = np.asarray(data["part_closed"].values, bool)
        return Shapes(
            points, runs=(_whole(data, "part_offsets"), closed), colors=colors, units=units, downwards=True
        )
    faces = _faces(data)
    lines = (_whole(data, "lines"), _whole(data, "line_offsets")) if "line_offsets" in data else None
    return Shapes(points, faces=faces, links=_joined(*lines) if lines else _edges(data), units=units)


def _edges(data: xr.Dataset) -> NDArray[np.int64] | None:
    """Edges of elements with a node at each corner and no others: corners that differ in one direction."""
    if "node_id" not in data:
        return None
    index = {int(node): place for place, node in enumerate(data["node_id"].values)}
    found: list[tuple[int, int]] = []
    for dimension in (1, 2, 3):
        name = f"element{dimension}d_node"
        if f"{name}s" not in data:
            continue
        nodes, offsets = _whole(data, f"{name}s"), _whole(data, f"{name}_offsets")
        for start, stop in pairwise(offsets):
            if stop - start != 2**dimension:
                continue
            corners = [index.get(int(node), -1) for node in nodes[start:stop]]
            found += [
                (corners[i], corners[i | bit])
                for i in range(2**dimension) for bit in (1, 2, 4)[:dimension]
                if not i & bit and corners[i] >= 0 <= corners[i | bit]
            ]  # fmt: skip
    return np.array(found, "i8") if found else None


def _coordinates(data: xr.Dataset) -> str | None:
    """The field of a finite element mesh that places its nodes: of two or three components."""
    fitting = [
        str(n) for n, v in data.data_vars.items()
        if str(n).startswith("node_") and v.ndim >= 2 and v.dtype.kind == "f" and v.shape[1] in (2, 3)
    ]  # fmt: skip
    named = [n for n in fitting if "coordinates" in n or "geometric" in n] or fitting
    return named[0] if named and data[named[0]].ndim <= 3 else None


def _whole(data: xr.Dataset, name: str) -> NDArray[np.int64]:
    return np.asarray(data[name].values, "i8")


def _faces(data: xr.Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    if "faces" not in data or not data["faces"].size:
        return None
    corners = _whole(data, "faces")
    if corners.ndim == 2:
        return corners.ravel(), np.arange(0, corners.size + 1, corners.shape[1])
    return (corners, _whole(data, "face_offsets")) if "face_offsets" in data else None


def _joined(items: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Neighbours within each run as pairs."""
    pairs = np.stack([items[:-1], items[1:]], 1)
    inside = np.ones(len(pairs), bool)
    ends = offsets[1:-1] - 1
    inside[ends[(ends >= 0) & (ends < len(pairs))]] = False
    return pairs[inside]


def _tracing(data: xr.Dataset, points: NDArray[np.float64], units: str) -> Shapes:
    parent = _whole(data, "point_parent")
    child = np.flatnonzero(parent >= 0)
    count = data.sizes.get("trace", 0)
    colors = _colors(data, "trace_color", np.arange(count))
    closed = (
        np.asarray(data["trace_closed"].values, bool) if "trace_closed" in data else np.zeros(count, bool)
    )
    return Shapes(
        points,
        runs=(_whole(data, "trace_offsets"), closed),
        links=np.stack([parent[child], child], 1),
        colors=colors,
        units=units,
    )


def _colors(data: xr.Dataset, name: str, owner: NDArray[Any]) -> tuple[str, ...]:
    """``RRGGBB`` of each run; ours where the file has none, or white, which would not be seen."""
    held = [str(v) for v in data[name].values] if name in data else []
    found = []
    for place in owner:
        text = held[int(place)].lstrip("#")[-6:] if int(place) < len(held) else ""
        good = len(text) == 6 and all(c in "0123456789abcdefABCDEF" for c in text)
        found.append(f"#{text}" if good and text.upper() != "FFFFFF" else _LINE)
    return tuple(found)


def draw_shapes(axis: Axes, shapes: Shapes) -> None:
    """Draw on a matplotlib axis with equal scales."""
    flat = shapes.points.shape[1] == 2 or not np.ptp(_finite(shapes.points)[:, 2:], axis=0).any()
    place, depth = (shapes.points[:, :2], None) if flat else _projected(shapes.points)
    if shapes.faces is not None:
        _draw_faces(axis, shapes.points, place, depth, *shapes.faces)
    if shapes.links is not None and len(shapes.links):
        _draw_segments(axis, place[shapes.links[:: 1 + len(shapes.links) // _MOST_POINTS]])
    if shapes.runs is not None:
        _draw_runs(axis, place, shapes)
    if shapes.faces is None and shapes.runs is None:
        step = 1 + len(place) // _MOST_POINTS
        axis.plot(place[::step, 0], place[::step, 1], ".", color=_LINE, markersize=2)
    axis.set_aspect("equal")
    axis.autoscale_view()
    if shapes.downwards:
        axis.invert_yaxis()
    unit = f" ({shapes.units})" if shapes.units else ""
    if flat:
        axis.set_xlabel(f"x{unit}")
        axis.set_ylabel(f"y{unit}")
    else:
        axis.set_axis_off()


def _finite(points: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = points[np.isfinite(points).all(1)]
    return kept if len(kept) else np.zeros((1, points.shape[1]))


def _projected(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seen from the front, turned and from a little above: screen places and distance from the eye."""
    turn, tilt = (np.sin(_TURN), np.cos(_TURN)), (np.sin(_TILT), np.cos(_TILT))
    x, y, z = (points - _finite(points).mean(0)).T
    right, away = turn[1] * x - turn[0] * y, turn[0] * x + turn[1] * y
    return np.stack([right, tilt[1] * z + tilt[0] * away], 1), tilt[1] * away - tilt[0] * z


def _draw_faces(
    axis: Axes,
    points: NDArray[np.float64],
    place: NDArray[np.float64],
    depth: NDArray[np.float64] | None,
    corners: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> None:
    from matplotlib.collections import PolyCollection

    step = 1 + (len(offsets) - 1) // _MOST_FACES
    spans = list(zip(offsets[:-1:step], offsets[1::step], strict=False))
    faces = [corners[a:b] for a, b in spans if b - a >= 3]
    if not faces:
        return
    first = np.array([face[:3] for face in faces])
    if depth is not None:
        order = np.argsort([-depth[face].mean() for face in faces])
        faces, first = [faces[i] for i in order], first[order]
    shade = np.full(len(faces), 0.85)
    if points.shape[1] == 3:
        a, b, c = (points[first[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        long = np.linalg.norm(normal, axis=1)
        light = np.array([0.35, -0.7, 0.62])
        shade = 0.35 + 0.65 * np.abs(normal @ light) / np.where(long > 0, long, 1)
    axis.add_collection(
        PolyCollection([place[f] for f in faces], facecolors=np.clip(_SURFACE * shade[:, None] * 1.3, 0, 1), lw=0)
    )  # fmt: skip


def _draw_segments(axis: Axes, segments: NDArray[np.float64]) -> None:
    from matplotlib.collections import LineCollection

    axis.add_collection(LineCollection(list(segments), colors=_LINE, linewidths=0.8))


def _draw_runs(axis: Axes, place: NDArray[np.float64], shapes: Shapes) -> None:
    assert shapes.runs is not None
    offsets, closed = shapes.runs
    # Where points know the point before them, only closed outlines are drawn as runs: trees branch.
    for number, (start, stop) in enumerate(pairwise(offsets)):
        line, color = place[start:stop], shapes.colors[number] if number < len(shapes.colors) else _LINE
        ring = bool(closed[number]) if number < len(closed) else False
        if stop - start == 1 or (shapes.links is not None and not ring):
            if stop - start == 1:
                axis.plot(*line.T, "o", color=color, markersize=3)
            continue
        drawn = np.concatenate([line, line[:1]]) if ring else line
        axis.plot(drawn[:, 0], drawn[:, 1], color=color, linewidth=1.0)
