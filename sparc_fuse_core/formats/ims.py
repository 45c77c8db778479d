"""Imaris 5.5 images (.ims): HDF5 with all resolutions, times and channels as datasets of their own.

``/DataSet/ResolutionLevel r/TimePoint t/Channel c/Data`` is (z, y, x), stored in whole chunks: the true size is
in ``ImageSizeX``, ``Y``, ``Z`` beside it. ``/DataSetInfo`` describes the image (``Image``: corners and unit),
its channels (``Channel c``: name, colour, range) and times (``TimeInfo``). Attributes are arrays of single
characters.

All resolutions are carried over, cropped to their true size, chunk by chunk. Channels of different types become
scenes of their own. Surfaces, spots and the other objects of ``/Scene`` and ``/Scene8``, histograms and the
thumbnail are named, not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._container.h5 import SIGNATURE, USER_BLOCKS, open_h5
from sparc_fuse_core.formats._ims.info import Info, read_info
from sparc_fuse_core.formats._ims.levels import Level, children, read_levels
from sparc_fuse_core.model import Format, Scene, images, limit_items

if TYPE_CHECKING:
    import h5py
    import xarray as xr

    from sparc_fuse_core.source import Source

_MARKS = (b"ImarisDataSet", b"DataSetInfo")
_MOST_SETS = 64
_OBJECTS = ("Points", "Spots", "Surfaces", "Surpass", "Cell", "Filament", "MegaSurfaces", "MegaCells")


def open_ims(source: Source, /, **options: Any) -> xr.DataTree:
    """The image of an Imaris file with its resolutions; FormatError when it is damaged or has none."""
    file = open_h5(source)
    root = children(file)
    pattern = re.compile(r"DataSet(\d*)")
    sets = sorted(name for name in root if pattern.fullmatch(name) and children(root[name]))
    if not sets:
        raise damaged(source.name, "an Imaris file was expected, it has no /DataSet with pixels")
    limit_items(source, "images", len(sets), _MOST_SETS)
    scenes: list[Scene] = []
    warnings: list[str] = []
    metadata: dict[str, Any] = {}
    starts: list[str] = []
    for name in sets:
        info = read_info(root.get(f"DataSetInfo{name[7:]}"))
        scenes += _scenes(source, file, name, info, warnings)
        metadata[name] = info.metadata
        starts += [info.start] if info.start else []
    return images(
        scenes,
        start=starts[0] if starts else None,
        metadata=metadata,
        warnings=list(dict.fromkeys(warnings)),
        dropped=_left(root, sets),
    )


def _scenes(source: Source, file: h5py.File, name: str, info: Info, warnings: list[str]) -> list[Scene]:
    """One scene for each type of pixels, in the order of the channels."""
    levels = read_levels(source, file, name, info.size, warnings)
    kinds = list(dict.fromkeys(levels[0].kinds))
    if len(kinds) > 1:
        warnings.append("channels have pixels of different types; each type is a scene of its own")
    scenes = []
    for kind in kinds:
        picked = [c for c, of in enumerate(levels[0].kinds) if of == kind]
        scenes.append(_scene(levels, picked, info, warnings))
    return scenes


def _scene(levels: list[Level], picked: list[int], info: Info, warnings: list[str]) -> Scene:
    first = levels[0]
    sizes = {"t": first.times, "c": len(picked), "z": first.size[0]}
    dims = tuple(d for d in "tcz" if sizes[d] > 1)
    if any(level.size[0] > 1 for level in levels):
        dims = tuple(d for d in "tcz" if d in dims or d == "z")
    scene = Scene([level.array(picked, dims) for level in levels], (*dims, "y", "x"), info.name)
    scene.channels = [info.channels.get(first.channels[c]) or info.unnamed() for c in picked]
    for axis, dim in enumerate("zyx"):
        step = info.step(dim, first.size[axis])
        if dim in scene.dims and step is not None:
            scene.pixel_size = {**scene.pixel_size, dim: step}
            scene.origin = {**scene.origin, dim: info.corners[dim][0] + step / 2}
            if info.unit:
                scene.pixel_unit = {**scene.pixel_unit, dim: info.unit}
    if scene.pixel_size and not info.unit:
        warnings.append("the pixel size is given, its unit is not")
    if "t" in dims:
        _set_times(scene, first.times, info, warnings)
    return scene


def _set_times(scene: Scene, count: int, info: Info, warnings: list[str]) -> None:
    if len(info.seconds) != count:
        if info.seconds:
            warnings.append(f"{len(info.seconds)} times are given for {count} time points; they are left out")
        return
    step = info.time_step()
    if step is not None:
        scene.pixel_size = {"t": step, **scene.pixel_size}
        scene.pixel_unit = {"t": "second", **scene.pixel_unit}
    else:
        scene.attrs["time_points"] = list(info.seconds)
        warnings.append("the time points are not even: the attribute time_points has the seconds of each")


def _left(root: dict[str, Any], sets: list[str]) -> list[str]:
    """Names of what is not pixels, with the objects that a user made."""
    left = []
    for name, thing in root.items():
        if name in sets or name.startswith("DataSetInfo"):
            continue
        inside = children(thing) if name.startswith("Scene") else {}
        content = children(inside["Content"]) if "Content" in inside else inside
        objects = [n for n in content if n.startswith(_OBJECTS)]
        what = f" with {', '.join(objects[:8])}" if objects else ""
        left.append(f"{name}{what}")
    return [*left, "histograms of the channels"]


def _is_imaris(head: bytes) -> bool:
    at_start = any(head[at : at + 8] == SIGNATURE for at in USER_BLOCKS)
    return at_start and any(mark in head for mark in _MARKS)


FORMAT = Format(
    name="ims",
    title="Imaris",
    kind="image",
    suffixes=(".ims",),
    open=open_ims,
    magic=tuple((block, SIGNATURE) for block in USER_BLOCKS),
    sniff=_is_imaris,
    requires=("h5py", "hdf5plugin"),
    carried="pixels, stored pyramid, channels, colours, voxel size, times",
    left="surfaces, spots and other objects, thumbnail (named)",
    lazy="chunk",
)
