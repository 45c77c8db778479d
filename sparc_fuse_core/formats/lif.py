"""Leica LAS images: .lif with any number of images, and .lof with one.

A text of XML describes every image; its pixels lie uncompressed in a block of memory (`_lif.container`), each
axis and each channel with a stride of its own (`_lif.description`). Planes are read from where they lie.

Every image is a scene, named by its folders. Axes: x, y, z, t, and under their own names ``emission`` and
``excitation`` (wavelengths), ``rotation``, ``mosaic`` (tiles, whose stage positions are ``tile_positions``),
``loop``, ``xt_slice`` and ``t_slice``; axes of one place are left out, xz and xt scans have one row in y.
Channels of different types become scenes of their own. The times of frames are ``frame_times``, in seconds from
the first. Lengths are given in micrometers, wavelengths in nanometers. Histograms of photon arrivals (FLIM) are
named, not read; the folders of .xlef are not read.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._lif.container import MAGIC, Container
from sparc_fuse_core.formats._lif.description import (
    Description,
    Dimension,
    describe,
    detector_names,
    find_images,
    stamps,
    tiles,
)
from sparc_fuse_core.formats._lif.pixels import Part, read_parts
from sparc_fuse_core.model import Channel, Format, Scene, images, limit_items

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_IMAGES = 1 << 14
_MOST_TIMES = 1 << 16
_MOST_TILES = 1 << 14
_NOTHING = 1e-12  # m: LAS writes 1e-20 for 0


def open_lif(source: Source, /, **options: Any) -> xr.DataTree:
    """The images of a file as scenes; FormatError when it is damaged, cut short or has none."""
    container = Container(source)
    scenes: list[Scene] = []
    warnings: list[str] = []
    dropped: list[str] = []
    metadata: dict[str, Any] = {}
    starts: list[datetime] = []
    for number, (path, element) in enumerate(find_images(container.root)):
        limit_items(source, "images", number, _MOST_IMAGES)
        if element.find("./Data/Image") is None:
            dropped.append(f"photon arrival times of {path!r} (FLIM)")
            continue
        image = describe(source, path, element)
        if not image.promised and not container.single:
            dropped.append(f"image {path!r}, which has no pixels")
            continue
        times = stamps(element)
        parts = read_parts(source, container, image)
        scenes += [_scene(image, part, len(parts) > 1, times, warnings) for part in parts]
        starts += times[:1]
        metadata[path] = _settings(element)
    if not scenes:
        raise FormatError(
            f"{source.name}: holds no image with pixels",
            hint="Check that this is the right file; LAS may keep its images in other files.",
            source=source.url,
        )
    dropped.append("attachments of the images: settings but for those of the scan, regions, annotations")
    return images(
        scenes,
        start=min(starts).isoformat() if starts else None,
        metadata={"images": metadata},
        warnings=list(dict.fromkeys(warnings)),
        dropped=dropped,
    )


def _scene(
    image: Description, part: Part, several: bool, times: list[datetime], warnings: list[str]
) -> Scene:
    name = f"{image.path} ({part.channels[0].bits} bit)" if several else image.path
    scene = Scene([part.data], part.dims, name, rgb=part.rgb)
    if several:
        warnings.append(f"{image.path!r} has channels of different types; each type is a scene of its own")
    for dimension in image.dimensions:
        if dimension.name in part.dims and dimension.size > 1:
            _calibrate(scene, dimension, image.path, warnings)
    scene.channels = _channels(image, part)
    depths = [c.bits for c in part.channels]
    scene.attrs["bits"] = depths[0] if len(set(depths)) == 1 else depths
    if 0 < len(times) <= _MOST_TIMES:
        scene.attrs["frame_times"] = [(t - times[0]).total_seconds() for t in times]
    elif times:
        warnings.append(f"{len(times)} times of frames of {image.path!r} are too many for attributes")
    positions = tiles(image.element)
    if positions and len(positions) <= _MOST_TILES:
        scene.attrs["tile_positions"] = positions
    if not any(d.name == "y" for d in image.dimensions):
        warnings.append(f"{image.path!r} has no y: it is given one row")
    return scene


def _calibrate(scene: Scene, said: Dimension, path: str, warnings: list[str]) -> None:
    step = said.length / (said.size - 1)
    if not math.isfinite(step) or step == 0:
        return
    unit, factor = _unit(said)
    scene.pixel_size = {**scene.pixel_size, said.name: abs(step) * factor}
    if unit:
        scene.pixel_unit = {**scene.pixel_unit, said.name: unit}
    if step < 0:
        warnings.append(
            f"{path!r}: positions fall along {said.name}; its step is given without sign, its origin not"
        )
    elif math.isfinite(said.origin) and abs(said.origin) > _NOTHING:
        scene.origin = {**scene.origin, said.name: said.origin * factor}


def _unit(said: Dimension) -> tuple[str, float]:
    if said.unit == "m":
        return ("nanometer", 1e9) if said.name in ("emission", "excitation") else ("micrometer", 1e6)
    if said.unit in ("s", "sec"):
        return "second", 1.0
    return said.unit, 1.0


def _channels(image: Description, part: Part) -> list[Channel]:
    """Names by dye, detector or colour; display windows where LAS noted them."""
    names = [c.name for c in part.channels]
    if not part.rgb and not any(names) and len(part.channels) == len(image.channels):
        names = detector_names(image.element, len(names)) or names
    scaled = image.element.findall("./Data/Image/Attachment[@Name='ViewerScaling']/ChannelScalingInfo")
    found = []
    for number, (channel, name) in enumerate(zip(part.channels, names, strict=True)):
        window = None
        if len(scaled) == len(part.channels) == len(image.channels) and channel.dtype[0] == "u":
            window = _window(scaled[number], channel.bits)
        found.append(Channel(name, channel.color, window))
    return found


def _window(said: Any, bits: int) -> tuple[float, float] | None:
    try:
        black, white = float(said.get("BlackValue", "")), float(said.get("WhiteValue", ""))
    except ValueError:
        return None
    top = 2.0**bits - 1
    return (black * top, white * top) if 0 <= black < white <= 1 else None


def _settings(element: Any) -> dict[str, str]:
    """What the microscope was set to, as LAS names it."""
    for tag in ("ATLConfocalSettingDefinition", "ATLCameraSettingDefinition"):
        found = element.find(f"./Data/Image/Attachment[@Name='HardwareSetting']/{tag}")
        if found is not None:
            return {k: v for k, v in found.attrib.items() if "user" not in k.lower()}
    return {}


def _is_leica(head: bytes) -> bool:
    return head[:4] == MAGIC and head[8:9] == b"\x2a" and head[13:15] in (b"<\0", b"L\0")


FORMAT = Format(
    name="lif",
    title="Leica LAS",
    kind="image",
    suffixes=(".lif", ".lof"),
    open=open_lif,
    magic=((0, MAGIC),),
    sniff=_is_leica,
    requires=("defusedxml",),
    carried="every image, all axes, channels, colours, pixel sizes, frame times, tile positions",
    left="photon times of FLIM, attachments (named)",
    lazy="plane",
)
