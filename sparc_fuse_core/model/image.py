"""Builders for pictures: scenes with their resolutions become a tree of levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model.lazy import LazyArray, from_numpy, variable

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

ORDER = ("t", "c", "z", "y", "x")
_RGB = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"), ("Alpha", "FFFFFF"))


@dataclass(slots=True)
class Channel:
    """One channel of an image: name, ``RRGGBB`` colour and display window, each only where known."""

    name: str = ""
    color: str = ""
    window: tuple[float, float] | None = None


@dataclass(slots=True)
class Scene:
    """One image with its stored resolutions.

    Attributes
    ----------
    levels
        Full size first; further ones are the file's own pyramid.
    dims
        Names of the axes: t c z y x in that order; other names go before them and are kept as they are.
    pixel_size
        Step of each axis that is known, in the unit given by ``pixel_unit`` (t in seconds).
    rgb
        True when c holds the colours of one picture.
    origin
        Where pixel 0 lies along an axis with a step, in the same unit; 0 where it is not said.
    """

    levels: Sequence[LazyArray | NDArray[Any]]
    dims: Sequence[str]
    name: str = ""
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    pixel_unit: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[Channel] = ()
    rgb: bool = False
    attrs: dict[str, Any] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)


def images(
    scenes: Sequence[Scene],
    *,
    start: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    warnings: Iterable[str] = (),
    dropped: Iterable[str] = (),
) -> xr.DataTree:
    """Scenes as a tree: levels at ``0``, ``1`` … for one scene, at ``0/0``, ``0/1`` … for several.

    The node above the levels carries ``name``, ``pixel_size``, ``pixel_unit``, ``channels`` and ``rgb``.
    """
    import xarray as xr

    attrs: dict[str, Any] = {
        "fuse_kind": "image",
        "fuse_warnings": list(warnings),
        "fuse_not_carried": list(dropped),
    }
    if start:
        attrs["recording_start"] = start
    if metadata:
        attrs["original_metadata"] = dict(metadata)
    if not scenes:
        raise FormatError("no image was found in the file")
    nodes: dict[str, xr.Dataset] = {}
    for number, scene in enumerate(scenes):
        place = "" if len(scenes) == 1 else f"/{number}"
        nodes[place or "/"] = xr.Dataset(attrs=_scene_attributes(scene))
        for level, data in enumerate(scene.levels):
            nodes[f"{place}/{level}"] = level_dataset(scene, data, scene.levels[0].shape)
    root = nodes.pop("/", xr.Dataset())
    tree = xr.DataTree.from_dict({"/": root, **nodes})
    tree.attrs |= attrs
    return tree


def level_dataset(scene: Scene, data: LazyArray | NDArray[Any], full: Sequence[int]) -> xr.Dataset:
    """One resolution as a Dataset with coordinates in physical units."""
    import xarray as xr

    lazy = data if isinstance(data, LazyArray) else from_numpy(np.asarray(data))
    dims = tuple(scene.dims)
    known = [d for d in dims if d in ORDER]
    if lazy.ndim != len(dims) or known != sorted(known, key=ORDER.index) or len(set(dims)) != len(dims):
        raise FormatError(f"image axes {dims} do not fit the {lazy.ndim} axes of its pixels")
    coords = {}
    for dim, size, whole in zip(dims, lazy.shape, full, strict=True):
        step = scene.pixel_size.get(dim)
        if step is not None:
            unit, origin = scene.pixel_unit.get(dim, ""), scene.origin.get(dim, 0.0)
            coords[dim] = axis(dim, size, whole, step, unit, origin)
    labels = [channel.name for channel in _channels(scene)]
    if "c" in dims and any(labels) and len(labels) == lazy.shape[dims.index("c")]:
        coords["channel_name"] = variable(("c",), np.array(labels, dtype=object))
    return xr.Dataset({"image": variable(dims, lazy)}, coords=xr.Coordinates(coords, indexes={}))


def axis(dim: str, size: int, whole: int, step: float, unit: str, origin: float = 0.0) -> xr.Variable:
    """Centres of the pixels along one axis; pixel 0 of the full resolution is at ``origin``."""
    factor = whole / size if size else 1.0
    centres = (np.arange(size) * factor + (factor - 1) / 2) * step + origin
    return variable((dim,), centres, {"units": unit} if unit else {})


def _channels(scene: Scene) -> list[Channel]:
    if scene.channels:
        return list(scene.channels)
    if scene.rgb:
        count = scene.levels[0].shape[list(scene.dims).index("c")]
        return [Channel(name, color) for name, color in _RGB[:count]]
    return []


def _scene_attributes(scene: Scene) -> dict[str, Any]:
    attrs: dict[str, Any] = {"rgb": bool(scene.rgb), **scene.attrs}
    if scene.name:
        attrs["name"] = scene.name
    if scene.pixel_size:
        for dim, step in scene.pixel_size.items():
            if not np.isfinite(step) or step <= 0:
                raise FormatError(f"the pixel size along {dim} is {step}; the header is damaged")
        attrs["pixel_size"] = {dim: float(step) for dim, step in scene.pixel_size.items()}
        attrs["pixel_unit"] = dict(scene.pixel_unit)
        origin = {dim: float(at) for dim, at in scene.origin.items() if dim in scene.pixel_size and at}
        if not np.isfinite(list(origin.values())).all():
            raise FormatError(f"the first pixel is said to lie at {origin}; the header is damaged")
        if origin:
            attrs["pixel_origin"] = origin
    attrs["channels"] = [
        {"name": c.name, "color": c.color} | ({"window": list(c.window)} if c.window else {})
        for c in _channels(scene)
    ]
    return attrs
