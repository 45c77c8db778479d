"""Olympus FluoView images: .oib (one OLE2 file) and .oif (settings, with its planes in ``name.oif.files``).

An .oib holds the files of an .oif as streams; ``OibInfo.txt`` gives their names. The main settings
(`_oif.settings`) name the axes and their ends; each plane is a TIFF, ``s_C001Z002T003.tif``, with settings of its
own (.pty); ``s_LUT1.lut`` holds the colours of a channel.

T, Z, C and the wavelengths of a lambda scan (also angles, points) are carried over, with the names and colours
of channels; xz and xt scans have one row in y. Planes that have no file read as 0, with a warning. Reference
images (``s_…-R001.tif``), thumbnails and regions (.roi) are named, not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._oif.planes import Axis, Planes, arranged, read_axes
from sparc_fuse_core.formats._oif.settings import Sections, number, parse, top_colour
from sparc_fuse_core.formats._oif.store import FOLDER, Store
from sparc_fuse_core.formats._ole2 import MAGIC
from sparc_fuse_core.formats._tiff.stack import stack
from sparc_fuse_core.formats._tiff.stack import unit as unit_of
from sparc_fuse_core.model import Channel, Format, Names, Scene, images

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_PRIVATE = ("username", "path")  # names of persons, in the path too
_PLANE_SETTINGS = "settings of single planes (.pty), colour tables (.lut) but for their last colour"
_SKIPPED = re.compile(r"^(Sequential Group|GUI |Bleach GUI)")


def open_oif(source: Source, /, **options: Any) -> xr.DataTree:
    """The image with its axes; FormatError when it is damaged or its planes are missing."""
    store = Store(source)
    sections = parse(store.main, source.name)
    axes = read_axes(source, sections)
    planes = Planes(source, store, axes, _letters(sections))
    warnings: list[str] = []
    scene = _scene(source, axes, planes, warnings)
    _set_sizes(scene, axes, sections)
    if "c" in scene.dims or not any(a.letter == "C" for a in axes):
        scene.channels = _channels(
            store, sections, scene.levels[0].shape[scene.dims.index("c")] if "c" in scene.dims else 1
        )
    if planes.lost:
        warnings.append(f"{planes.lost} of {planes.total} planes have no file and read as 0")
    return images(
        [scene],
        start=_start(sections),
        metadata=_metadata(sections),
        warnings=warnings,
        dropped=_left(store, planes),
    )


def _letters(sections: Sections) -> str:
    """Order of the axes in names of planes, from the pattern ``s_C%03dZ%03d.pty``."""
    pattern = sections.get("ProfileSaveInfo", {}).get("PtyFileNameT2", "")
    return "".join(re.findall(r"([A-Z])%0?3?d", pattern.replace("\\", "/").rpartition("/")[2]))


def _scene(source: Source, axes: Sequence[Axis], planes: Planes, warnings: list[str]) -> Scene:
    """Planes as one array: TIFF rows are y, or z or t where the scan has no y."""
    outer = [axis for axis in axes[2:] if axis.size > 1]
    extra = [axis for axis in outer if axis.letter not in "TCZ"]
    if len(extra) > 1 or axes[1].name in [a.name for a in outer]:
        raise FormatError(
            f"{source.name}: has the axes {''.join(a.letter for a in axes)}, which is not read",
            hint="Export it from FluoView as OME-TIFF.",
        )
    sizes = {("page" if axis in extra else axis.name): axis.size for axis in outer}

    def find(flat: int) -> Any:
        """Plane of stack's flat index (page, t, c, z; z fastest)."""
        at = {}
        for name in ("z", "c", "t", "page"):
            flat, at[name] = divmod(flat, sizes.get(name, 1))
        index = 0
        for axis in reversed(axes[2:]):
            index = index * axis.size + (at["page" if axis in extra else axis.name] if axis.size > 1 else 0)
        return planes.page(index)

    custom = extra[0].name if extra else "page"
    dims, data = stack(planes.layout, sizes, find, custom=custom)
    if axes[1].letter != "Y":
        dims = tuple(axes[1].name if name == "y" else name for name in dims)
        warnings.append(f"the scan has no y: the rows of its planes are {axes[1].name}, y has one row")
    dims, data = arranged(data, dims)
    return Scene([data], dims)


def _set_sizes(scene: Scene, axes: Sequence[Axis], sections: Sections) -> None:
    """Steps along x and y from the size of a pixel, those of other axes from their first and last places."""
    pixel = sections.get("Reference Image Parameter", {})
    for axis in axes:
        if axis.name not in scene.dims or axis.name == "c":
            continue
        step, label = _step(axis), axis.said.get("UnitName", "")
        own = {"X": "Width", "Y": "Height"}.get(axis.letter, "")
        if own and number(pixel, f"{own}ConvertValue"):
            step, label = number(pixel, f"{own}ConvertValue"), pixel.get(f"{own}Unit", "")
        if not step:
            continue
        unit, factor = unit_of(label) or (label, 1.0)
        scene.pixel_size = {**scene.pixel_size, axis.name: abs(step) * factor}
        if axis.name == "wavelength":
            scene.origin = {"wavelength": number(axis.said, "StartPosition") or 0.0}
        if unit and unit != "Unknown":
            scene.pixel_unit = {**scene.pixel_unit, axis.name: unit}


def _step(axis: Axis) -> float | None:
    start, end = number(axis.said, "StartPosition"), number(axis.said, "EndPosition")
    if start is None or end is None or axis.size < 2:
        return None
    return (end - start) / (axis.size - 1)


def _channels(store: Store, sections: Sections, count: int) -> list[Channel]:
    found = []
    for place in range(1, count + 1):
        said = sections.get(f"Channel {place} Parameters", {}) or sections.get(
            f"GUI Channel {place} Parameters", {}
        )
        dye = said.get("DyeName", "")
        name = dye if dye and dye != "None" else said.get("CH Name", "")
        file = store.open(f"s_LUT{place}.lut")
        colour = top_colour(file) if file is not None else ""
        found.append(Channel(name, colour))
    return found


def _start(sections: Sections) -> str | None:
    said = sections.get("Acquisition Parameters Common", {})
    try:
        stamp = datetime.fromisoformat(said.get("ImageCaputreDate", ""))
    except ValueError:
        return None
    milliseconds = number(said, "ImageCaputreDate+MilliSec") or 0.0
    return stamp.replace(microsecond=int(milliseconds) % 1000 * 1000).isoformat()


def _metadata(sections: Sections) -> dict[str, Any]:
    return {
        name: {k: v for k, v in part.items() if k.lower() not in _PRIVATE}
        for name, part in sections.items()
        if not _SKIPPED.match(name)
    }


def _left(store: Store, planes: Planes) -> list[str]:
    if store.names is None:
        return ["reference images, thumbnail and regions", _PLANE_SETTINGS]
    used = {name.casefold() for name in planes.files.values()}
    others = [
        n for n in store.names if n.lower().endswith((".tif", ".bmp", ".roi")) and n.casefold() not in used
    ]
    what = {".tif": "reference image", ".bmp": "thumbnail", ".roi": "regions"}
    more = [f"{len(others) - 50} more of these"] if len(others) > 50 else []
    return [*(f"{what[name[-4:].lower()]} {name}" for name in others[:50]), *more, _PLANE_SETTINGS]


def _members(names: Names, name: str) -> list[str]:
    """An .oif with the files of its folder; an .oib stands alone."""
    if name.lower().endswith(".oib"):
        return [name]
    return [name, *names.below(f"{name}{FOLDER}")]


def _is_fluoview(head: bytes) -> bool:
    if head[:8] == MAGIC:
        return True
    text = head.decode("utf-16-le", "replace") if head[:2] == b"\xff\xfe" else head.decode("latin-1")
    return text.lstrip("\ufeff").startswith("[") and "=" in text


FORMAT = Format(
    name="oif",
    title="Olympus FluoView",
    kind="image",
    suffixes=(".oib", ".oif"),
    open=open_oif,
    sniff=_is_fluoview,
    requires=("olefile", "tifffile", "imagecodecs"),
    members=_members,
    nested=True,
    carried="all axes, channels, colours, pixel sizes, start time",
    left="reference images, thumbnails, regions, look-up tables (named)",
    lazy="part of a plane",
)
