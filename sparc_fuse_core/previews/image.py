"""Planes of an image as colours on a screen, from the resolution that fits, a bounded part at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sparc_fuse_core.errors import Cancelled, FuseError
from sparc_fuse_core.model import lazy_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.previews.signals import Cancel

STRIP = 1 << 24
"""Pixels held in memory at a time."""

_PALETTE = ("00FF00", "FF00FF", "00B7FF", "FFB000", "FF3B30", "FFFF00", "FFFFFF", "9D7BFF")


@dataclass(frozen=True, slots=True)
class SceneView:
    """One image of a file, ready to be looked at.

    Attributes
    ----------
    levels
        Arrays from full resolution to coarsest.
    dims
        Names of the axes; the last ones are y and x.
    colors
        ``RRGGBB`` of each channel.
    windows
        Display limits that the file gives, for each channel, or None.
    upwards
        True when y grows towards the front or the top of a body, as in NIfTI: row 0 is the lowest then.
    """

    name: str
    levels: tuple[xr.Variable, ...]
    dims: tuple[str, ...]
    pixel_size: dict[str, float]
    pixel_unit: dict[str, str]
    channels: tuple[str, ...]
    colors: tuple[str, ...]
    windows: tuple[tuple[float, float] | None, ...]
    rgb: bool
    upwards: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis at full resolution."""
        return dict(zip(self.dims, map(int, self.levels[0].shape), strict=True))


class Plane(NamedTuple):
    """A picture: ``pixels`` uint8 (y, x, 3), the level it came from, and the limits used for each channel."""

    pixels: NDArray[np.uint8]
    level: int
    limits: dict[int, tuple[float, float]]


def scenes(tree: xr.DataTree) -> list[SceneView]:
    """The images of a file; empty when it holds none."""
    nodes = [node for node in (tree, *tree.children.values()) if _levels(node)]
    return [_scene(node, number) for number, node in enumerate(nodes)]


def _levels(node: xr.DataTree) -> list[Any]:
    numbered = sorted((child for child in node.children if child.isdigit()), key=int)
    return [node[f"{n}/image"].variable for n in numbered if "image" in node[n].data_vars]


def _scene(node: xr.DataTree, number: int) -> SceneView:
    levels = _levels(node)
    dims = tuple(str(d) for d in levels[0].dims)
    attrs, rgb = node.attrs, bool(node.attrs.get("rgb"))
    count = levels[0].sizes.get("c", 1)
    given = list(attrs.get("channels", []))[:count]
    given += [{}] * (count - len(given))
    names = [
        str(c.get("name") or (f"Channel {i + 1}" if count > 1 else "Intensity")) for i, c in enumerate(given)
    ]
    return SceneView(
        name=str(attrs.get("name") or f"Image {number + 1}"),
        levels=tuple(levels),
        dims=dims,
        pixel_size={str(k): float(v) for k, v in dict(attrs.get("pixel_size", {})).items()},
        pixel_unit={str(k): str(v) for k, v in dict(attrs.get("pixel_unit", {})).items()},
        channels=tuple(names),
        colors=tuple(_color(c.get("color"), i, count, rgb) for i, c in enumerate(given)),
        windows=tuple(_limits(c.get("window")) for c in given),
        rgb=rgb,
        upwards=str(attrs.get("orientation", ""))[1:2] in ("A", "S"),
    )


def _color(given: Any, index: int, count: int, rgb: bool) -> str:
    if rgb:
        return ("FF0000", "00FF00", "0000FF", "000000")[min(index, 3)]
    text = str(given or "").lstrip("#")[:6].upper()
    if len(text) == 6 and all(ch in "0123456789ABCDEF" for ch in text) and text != "000000":
        return text
    return "FFFFFF" if count == 1 else _PALETTE[index % len(_PALETTE)]


def _limits(given: Any) -> tuple[float, float] | None:
    if not given:
        return None
    low, high = float(given[0]), float(given[1])
    return (low, high) if high > low else None


def image_plane(
    tree: xr.DataTree | SceneView,
    scene: int = 0,
    level: int | None = None,
    indexes: Mapping[str, int] | None = None,
    window: tuple[int, int, int, int] | None = None,
    colors: Mapping[int, str] | None = None,
    *,
    limits: Mapping[int, tuple[float, float]] | None = None,
    size: int = 1024,
    cancel: Cancel | None = None,
) -> Plane:
    """One plane as colours: each shown channel in its colour, added up.

    Parameters
    ----------
    level
        Resolution to read; by default the coarsest that still gives ``size`` pixels along the longer side.
    indexes
        Place on each axis that is neither c, y nor x; 0 where not given.
    window
        ``(top, left, bottom, right)`` in pixels of the full resolution; everything when not given.
    colors
        ``RRGGBB`` of each channel to show, by its number; all channels in their own colours when not given.
    limits
        Values drawn black and at full colour, by channel; percentiles of what is seen when not given.
    """
    view = tree if isinstance(tree, SceneView) else _pick(tree, scene)
    sizes = view.sizes
    top, left, bottom, right = window or (0, 0, sizes["y"], sizes["x"])
    top, left = max(0, min(top, sizes["y"] - 1)), max(0, min(left, sizes["x"] - 1))
    box = (top, left, max(top + 1, min(bottom, sizes["y"])), max(left + 1, min(right, sizes["x"])))
    chosen = choose_level(view, box, size) if level is None else max(0, min(level, len(view.levels) - 1))
    shown = colors if colors is not None else dict(enumerate(view.colors))
    mixed, used = None, {}
    for channel, color in shown.items():
        raw = read_plane(view, chosen, {**(indexes or {}), "c": channel}, box, size, cancel)
        used[channel] = (limits or {}).get(channel) or auto_limits(raw, view, channel)
        part = _tint(raw, used[channel], color)
        mixed = part if mixed is None else mixed + part
    if mixed is None:
        raw = read_plane(view, chosen, dict(indexes or {}), box, size, cancel)
        mixed = np.zeros((*raw.shape, 3), "f4")
    return Plane(np.clip(mixed, 0, 255).astype("u1"), chosen, used)


def _pick(tree: xr.DataTree, scene: int) -> SceneView:
    found = scenes(tree)
    if not found:
        raise FuseError("the file holds no image", hint="Look at it as signals or text.")
    return found[max(0, min(scene, len(found) - 1))]


def choose_level(view: SceneView, box: tuple[int, int, int, int], size: int) -> int:
    """The coarsest stored resolution at which the box still has ``size`` pixels along its longer side."""
    full = max(view.sizes["y"], view.sizes["x"])
    longer = max(box[2] - box[0], box[3] - box[1])
    best = 0
    for number, held in enumerate(view.levels):
        if longer * max(held.sizes["y"], held.sizes["x"]) / full >= min(size, longer):
            best = number
    return best


def read_plane(
    view: SceneView,
    level: int,
    indexes: Mapping[str, int],
    box: tuple[int, int, int, int],
    size: int,
    cancel: Cancel | None = None,
) -> NDArray[Any]:
    """Pixels of one channel in a box, thinned to at most about ``size`` along each side."""
    held = view.levels[level]
    full = view.sizes
    place = {d: min(int(indexes.get(d, 0)), held.sizes[d] - 1) for d in view.dims if d not in "yx"}
    plane = held.isel(place).transpose("y", "x")
    rows = _scaled(box[0], box[2], full["y"], plane.sizes["y"])
    columns = _scaled(box[1], box[3], full["x"], plane.sizes["x"])
    thin = max(1, (rows.stop - rows.start) // size, (columns.stop - columns.start) // size)
    if thin == 1:
        return _numbers(plane[rows, columns].values)
    lazy = lazy_of(held)
    blocks = lazy.blocks if lazy is not None and lazy.blocks else None
    tall = max(thin, int(blocks[held.dims.index("y")]) if blocks else 64)
    strips = [_strip(plane, span, columns, thin, cancel) for span in _spans(rows, tall, thin)]
    return np.concatenate(strips)


def _scaled(start: int, stop: int, full: int, length: int) -> slice:
    low = min(length - 1, int(start * length / full))
    return slice(low, max(low + 1, min(length, -(-stop * length // full))))


def _spans(rows: slice, tall: int, thin: int) -> list[slice]:
    step = max(thin, tall // thin * thin)
    return [slice(first, min(rows.stop, first + step)) for first in range(rows.start, rows.stop, step)]


def _strip(plane: xr.Variable, rows: slice, columns: slice, thin: int, cancel: Cancel | None) -> NDArray[Any]:
    if cancel is not None and cancel.is_set():
        raise Cancelled("the picture is no longer wanted")
    wide = max(thin, STRIP // max(1, rows.stop - rows.start) // thin * thin)
    parts = [
        _numbers(plane[rows, first : min(columns.stop, first + wide)].values)[::thin, ::thin]
        for first in range(columns.start, columns.stop, wide)
    ]
    return np.concatenate(parts, axis=1)


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    return np.abs(values) if values.dtype.kind == "c" else values


def auto_limits(raw: NDArray[Any], view: SceneView, channel: int) -> tuple[float, float]:
    """Limits that make a plane readable: the file's own, the full range of 8-bit colours, or percentiles."""
    if view.rgb:
        return (0.0, 255.0) if raw.dtype == np.uint8 else (0.0, float(_whole(raw)))
    given = view.windows[channel] if channel < len(view.windows) else None
    if given is not None and _shows(raw, given):
        return given
    sample = raw[:: max(1, raw.shape[0] // 512), :: max(1, raw.shape[1] // 512)]
    finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample.ravel()
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (0.5, 99.8)))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _shows(raw: NDArray[Any], window: tuple[float, float]) -> bool:
    """Whether a plane drawn in this window would be neither black nor white all over."""
    sample = raw[:: max(1, raw.shape[0] // 512), :: max(1, raw.shape[1] // 512)]
    low, high = window
    level = (np.nanpercentile(sample, (1, 99.8)) - low) / (high - low) if sample.size else np.zeros(2)
    return bool(level[1] > 0.12 and level[0] < 0.9)


def _whole(raw: NDArray[Any]) -> float:
    if raw.dtype.kind in "ui":
        # 10, 12 and 14-bit cameras store into 16 bits: the next power of two above the brightest is full.
        return float(max(255, (1 << int(max(1, int(raw.max()))).bit_length()) - 1))
    return float(np.nanmax(raw)) or 1.0


def _tint(raw: NDArray[Any], limits: tuple[float, float], color: str) -> NDArray[np.float32]:
    low, high = limits
    level = np.clip((raw.astype("f4") - low) / max(high - low, 1e-30), 0, 1)
    level = np.nan_to_num(level, nan=0.0)
    tint = np.array([int(color[i : i + 2], 16) for i in (0, 2, 4)], "f4")
    mixed: NDArray[np.float32] = level[..., None] * tint
    return mixed
