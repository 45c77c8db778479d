"""Zeiss CZI (ZEN), read tile by tile.

A CZI is a row of segments (`_czi.segments`): a list of subblocks, each a tile of one plane that is packed by
itself (`_czi.pixels`), an XML description (`_czi.metadata`) and attachments. Every scene becomes one picture
with the resolutions that the file holds; channels of different pixel types become pictures of their own. Axes
come out as view, rotation, illumination, phase, block, t, c, z, y, x; those of one item are left out. Several
RGB channels lie along c, each as red, green, blue. Where tiles overlap, the later one (mosaic index) is seen;
what no tile covers is 0, and masks of valid pixels are obeyed.

Carried over: pixels as they are stored (blue, green, red turned into red, green, blue), pixel sizes, names,
colours and display ranges of channels, time stamps, events, stage positions of scenes, the description without
names of persons. Not carried: thumbnail, label and preview pictures, settings of the microscope in full, the
XML of every tile, look-up tables. Read without other programs: uncompressed, JPEG, JPEG XR, LZW, Zstandard.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._czi.metadata import Info, number, parse, read_events, read_info, read_times
from sparc_fuse_core.formats._czi.pixels import KINDS, Pixels
from sparc_fuse_core.formats._czi.scenes import EXTRA, Canvas, Picture, arrange, lazy
from sparc_fuse_core.formats._czi.segments import Contents, attached, read_contents
from sparc_fuse_core.model import Channel, Format, LazyArray, Scene, images, limit_items

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MAX_SCENES = 4096
_MAX_POSITIONS = 64
_RGB = ("Red", "Green", "Blue", "Alpha")


def open_czi(source: Source, /, **options: Any) -> xr.DataTree:
    """A CZI as scenes with their resolutions; FormatError when it is damaged or lies in several files."""
    contents = read_contents(source)
    if not contents.blocks:
        raise FormatError(
            f"{source.name}: holds no pixels",
            hint="Check in ZEN that the acquisition was saved; fetch the file again.",
        )
    info = read_info(source, contents.xml)
    warnings: list[str] = []
    if contents.pending:
        warnings.append("the file was not closed properly; blocks that it does not list are missing")
    dropped = info.dropped
    times, events = _attachments(source, contents, dropped, warnings)
    pictures, lost = arrange(source.name, contents.blocks)
    limit_items(source, "pictures", len(pictures), _MAX_SCENES)
    if lost:
        dropped.append(f"{lost} tiles of overviews over several scenes")
    pixels = Pixels(source)
    scenes = [
        _scene(picture, pixels, info, times, warnings, dropped, n < _MAX_POSITIONS)
        for n, picture in enumerate(pictures)
    ]
    _note_split(pictures, warnings)
    dropped.append(f"XML descriptions (time, stage position ...) of {len(contents.blocks)} single tiles")
    metadata = info.summary | ({"events": events} if events else {})
    return images(scenes, start=info.start, metadata=metadata, warnings=warnings, dropped=dropped)


def _attachments(
    source: Source, contents: Contents, dropped: list[str], warnings: list[str]
) -> tuple[list[float], list[dict[str, Any]]]:
    """Time stamps and events; all other attachments are named among what is dropped."""
    times: list[float] = []
    events: list[dict[str, Any]] = []
    for item in contents.attachments:
        if item.kind == "CZTIMS" and not times:
            times = read_times(attached(source, item))
        elif item.kind == "CZEVL" and not events:
            events = read_events(attached(source, item))
        else:
            dropped.append(f"attachment {item.name or 'without a name'} ({item.kind or 'unknown kind'})")
        if item.name in ("Label", "SlidePreview", "Prescan"):
            warnings.append(
                f"the file has an attached picture {item.name!r}, which may show personal data; it was left "
                "out"
            )
    return times, events


def _scene(
    picture: Picture, pixels: Pixels, info: Info, times: list[float], warnings: list[str],
    dropped: list[str], locate: bool,
) -> Scene:  # fmt: skip
    """One picture as a Scene."""
    places = picture.places()
    full = Canvas(picture.blocks, picture.factors, places)
    full.check(pixels.source.name)
    dims, base = lazy(full, pixels, full.shape)
    levels = [base, *_levels(picture, full, pixels, dropped)]
    scene = Scene(levels, dims, info.scene_names.get(picture.scene, ""))
    scene.pixel_size = {axis: step for axis, step in info.pixel_size.items() if axis in dims}
    for axis, factor in zip("yx", picture.factors, strict=True):
        if axis in scene.pixel_size:
            scene.pixel_size[axis] *= factor
    scene.pixel_unit = dict.fromkeys(scene.pixel_size, "micrometer")
    scene.channels = _channels(picture, full, places["C"], info)
    scene.rgb = full.samples > 1 and len(places["C"]) == 1
    if scene.rgb:
        scene.channels = []
    scene.attrs = {"start_pixel": {"y": int(full.corner[0]), "x": int(full.corner[1])}}
    if picture.scene >= 0:
        scene.attrs["scene_index"] = picture.scene
    _add_times(scene, places["T"], times, info)
    _add_positions(scene, picture, pixels, info, locate)
    missing = math.prod(full.counts) - len(full.planes)
    if missing:
        warnings.append(f"{missing} of {math.prod(full.counts)} planes are not in the file; they read as 0")
    if picture.factors != (1.0, 1.0):
        warnings.append(
            "the pixels are stored at another resolution than the grid of the file "
            f"(factors {picture.factors[0]:g}, {picture.factors[1]:g}); they are kept as they are stored"
        )
    for axis, name in EXTRA.items():
        if len(places[axis]) > 1:
            warnings.append(f"axis {axis} of the file is kept as axis {name!r}, which OME-NGFF does not know")
    return scene


def _levels(picture: Picture, full: Canvas, pixels: Pixels, dropped: list[str]) -> list[LazyArray]:
    """Lower resolutions that show the whole picture, from large to small."""
    found = []
    for factors, blocks in sorted(picture.smaller.items()):
        canvas = Canvas(blocks, factors, picture.places())
        ratio = np.array(factors) / picture.factors
        ends = (full.corner + full.shape) / ratio
        whole = (np.abs(canvas.corner - full.corner / ratio) <= 2).all() and (
            np.abs(canvas.corner + canvas.shape - ends) <= 2
        ).all()
        if whole and canvas.planes.keys() == full.planes.keys():
            found.append(lazy(canvas, pixels, canvas.shape)[1])
        else:
            dropped.append(
                f"lower resolution of {canvas.shape[1]} x {canvas.shape[0]} pixels that does not show the "
                "whole picture"
            )
    return found


def _channels(picture: Picture, full: Canvas, places: list[int], info: Info) -> list[Channel]:
    """Names, colours and display ranges of the picture's own channels."""
    found = [info.channels[c] if 0 <= c < len(info.channels) else Channel() for c in places]
    if full.samples > 1:
        return [Channel(f"{c.name} {part}".strip()) for c in found for part in _RGB[: full.samples]]
    dtype = np.dtype(KINDS[picture.kind][0])
    top = float(np.iinfo(dtype).max) if dtype.kind == "u" else 0.0
    return [
        Channel(c.name, c.color, (c.window[0] * top, c.window[1] * top) if c.window and top else None)
        for c in found
    ]


def _add_times(scene: Scene, places: list[int], times: list[float], info: Info) -> None:
    """Seconds of each time point from the first one; one step for all where they are even."""
    if len(places) < 2:
        return
    if info.interval is not None:
        scene.pixel_size = {**scene.pixel_size, "t": info.interval}
        scene.pixel_unit = {**scene.pixel_unit, "t": "second"}
    if places[-1] >= len(times) or places[0] < 0:
        return
    picked = [times[t] - times[places[0]] for t in places]
    steps = [after - before for before, after in pairwise(picked)]
    scene.attrs["time_stamps"] = picked
    mean = picked[-1] / len(steps)
    if "t" not in scene.pixel_size and mean > 0 and max(abs(s - mean) for s in steps) <= 0.01 * mean:
        scene.pixel_size = {**scene.pixel_size, "t": mean}
        scene.pixel_unit = {**scene.pixel_unit, "t": "second"}


def _add_positions(scene: Scene, picture: Picture, pixels: Pixels, info: Info, locate: bool) -> None:
    """Where the stage stood, in micrometres: at the scene's first tile, and the middle of the scene."""
    if picture.scene in info.scene_centres:
        scene.attrs["centre_position"] = info.scene_centres[picture.scene]
    if not locate:
        return
    text = pixels.text(picture.blocks[0])
    try:
        root = parse(pixels.source, text)
    except FormatError:
        return  # ZEN itself writes tiles whose XML is not well formed
    tags = {"x": "StageXPosition", "y": "StageYPosition", "z": "FocusPosition"}
    said = (
        {axis: number(root.findtext(f"Tags/{tag}")) for axis, tag in tags.items()} if root is not None else {}
    )
    if said and all(map(math.isfinite, said.values())):
        scene.attrs["stage_position"] = said


def _note_split(pictures: list[Picture], warnings: list[str]) -> None:
    scenes = [picture.scene for picture in pictures]
    if len(set(scenes)) < len(scenes):
        warnings.append(
            "channels of different pixel types or resolutions cannot share one array; they are kept as "
            "pictures of their own"
        )


FORMAT = Format(
    name="czi",
    title="Zeiss CZI",
    kind="image",
    suffixes=(".czi",),
    open=open_czi,
    magic=((0, b"ZISRAWFILE\0\0\0\0\0\0"),),
    requires=("imagecodecs", "defusedxml"),
    carried="scenes, mosaics, pyramids, all axes, channels, colours, sizes, times, stage positions",
    left="attachments, instrument settings, XML of single tiles (named)",
    lazy="tile; whole rows of an uncompressed one",
)
