"""One JPEG 2000 codestream as a scene: tiles, resolutions, palette, colours and pixel size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._jp2.boxes import Boxes
from sparc_fuse_core.formats._jp2.codestream import Codestream, can_halve
from sparc_fuse_core.formats._tiff.book import is_print_resolution
from sparc_fuse_core.formats._tiff.page import SegmentCache
from sparc_fuse_core.model import Channel, LazyArray, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_SMALLEST_LEVEL = 64
_MAX_LEVELS = 12
_MAX_WHOLE = 1 << 28
_NAMES = {
    "ycbcr": ("Y", "Cb", "Cr"),
    "cmyk": ("Cyan", "Magenta", "Yellow", "Black"),
    "lab": ("L*", "a*", "b*"),
}
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


def picture(source: Source, boxes: Boxes, stream: Codestream, warnings: list[str]) -> Scene:
    """A codestream with what the boxes say of it; FormatError when they contradict each other."""
    _check(source, boxes, stream)
    scene = _scene(source, boxes, stream, warnings)
    _set_pixel_size(scene, boxes, warnings)
    _note_colour(boxes, scene, warnings)
    return scene


def facts(boxes: Boxes, stream: Codestream) -> dict[str, Any]:
    """How a codestream is stored."""
    return {
        "components": len(stream.depths), "bits": stream.depths[:64], "signed": stream.signed[0],
        "tile": list(stream.tile[:2]), "halvings": stream.halvings, "profile": stream.profile,
        "colour": boxes.colour,
    }  # fmt: skip


def _check(source: Source, boxes: Boxes, stream: Codestream) -> None:
    x0, y0, x1, y1 = stream.image
    if boxes.shape is not None and boxes.shape != (y1 - y0, x1 - x0, len(stream.depths)):
        raise FormatError(
            f"{source.name}: {boxes.shape} rows, columns and components are promised, the codestream has "
            f"{(y1 - y0, x1 - x0, len(stream.depths))}; it is damaged",
            hint=_REPAIR,
        )
    if len(set(stream.depths)) > 1 or len(set(stream.signed)) > 1:
        raise FormatError(
            f"{source.name}: its components have several depths ({stream.depths[:8]} bits), which is not "
            "read",
            hint="Save it with one depth for all components.",
        )
    if stream.packed_headers and stream.across * stream.down > 1:
        raise FormatError(
            f"{source.name}: packet headers are collected (PPM) over several tiles, which is not read"
        )


def _scene(source: Source, boxes: Boxes, stream: Codestream, warnings: list[str]) -> Scene:
    if not stream.even:
        levels = [_whole(source, boxes, stream, warnings)]
    else:
        cache = SegmentCache()
        levels = [_tiled(stream, level, cache) for level in range(_levels(stream))]
        if stream.steps[0] != (1, 1):
            levels = [_repeated(levels[0], stream)]
            warnings.append("the samples are stored coarser than the image and were repeated to its size")
    if boxes.palette is not None:
        levels = [_coloured(source, boxes, levels[0])]
        warnings.append("palette colours were turned into red, green and blue")
    single = levels[0].shape[0] == 1
    dims = ("y", "x") if single else ("c", "y", "x")
    return Scene([_flat(level) if single else level for level in levels], dims)


def _levels(stream: Codestream) -> int:
    count = 1
    while count <= min(stream.halvings, _MAX_LEVELS if can_halve() else 0):
        x0, y0, x1, y1 = stream.area(None, count)
        small = [stream.area(tile, count) for tile in (0, stream.across * stream.down - 1)]
        if min(x1 - x0, y1 - y0) < _SMALLEST_LEVEL or any(a >= c or b >= d for a, b, c, d in small):
            break
        count += 1
    return count


def _tiled(stream: Codestream, level: int, cache: SegmentCache) -> LazyArray:
    left, top, right, bottom = stream.area(None, level)
    shape = (len(stream.depths), bottom - top, right - left)
    wide, high = (-(-n // (stream.steps[0][i] << level)) for i, n in enumerate(stream.tile[:2]))

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        out = np.zeros([s.stop - s.start for s in spans], stream.dtype)
        for tile in _near(stream, level, spans[1], spans[2]) if out.size else ():
            x0, y0, x1, y1 = stream.area(tile, level)
            rows = slice(max(spans[1].start, y0 - top), min(spans[1].stop, y1 - top))
            columns = slice(max(spans[2].start, x0 - left), min(spans[2].stop, x1 - left))
            if rows.start >= rows.stop or columns.start >= columns.stop:
                continue
            pixels = cache.get((tile, level), lambda tile=tile: stream.decode(tile, level))  # type: ignore[misc]
            part = pixels[
                rows.start + top - y0 : rows.stop + top - y0,
                columns.start + left - x0 : columns.stop + left - x0,
            ]
            into = (slice(rows.start - spans[1].start, rows.stop - spans[1].start),
                    slice(columns.start - spans[2].start, columns.stop - spans[2].start))  # fmt: skip
            out[:, into[0], into[1]] = np.moveaxis(part, -1, 0)[spans[0]]
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray(shape, stream.dtype, read, blocks=(shape[0], min(high, shape[1]), min(wide, shape[2])))


def _near(stream: Codestream, level: int, rows: slice, columns: slice) -> Iterator[int]:
    """Tiles that may lie under a rectangle of the halved image; at most one too many on each side."""
    left, top, _, _ = stream.area(None, level)
    spans = []
    for start, span, axis, count in ((top, rows, 1, stream.down), (left, columns, 0, stream.across)):
        step, size, origin = stream.steps[0][axis] << level, stream.tile[axis], stream.tile[axis + 2]
        first = ((start + span.start) * step - origin) // size - 1
        last = ((start + span.stop) * step - origin) // size + 2
        spans.append(range(max(0, first), min(count, last)))
    return (row * stream.across + column for row in spans[0] for column in spans[1])


def _flat(level: LazyArray) -> LazyArray:
    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        return level.read((0, *key))

    return LazyArray(level.shape[1:], level.dtype, read, blocks=(level.blocks or level.shape)[1:])


def _repeated(level: LazyArray, stream: Codestream) -> LazyArray:
    """Samples at every ``step``-th place of the image, repeated over the places between."""
    x0, y0, x1, y1 = stream.image
    dx, dy = stream.steps[0]
    first = stream.area(None, 0)
    columns = np.clip(np.arange(x0, x1) // dx - first[0], 0, level.shape[2] - 1)
    rows = np.clip(np.arange(y0, y1) // dy - first[1], 0, level.shape[1] - 1)

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        y, x = (np.atleast_1d(places[k]) for places, k in zip((rows, columns), key[1:], strict=True))
        channel = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        spans = [slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0) for p in (y, x)]
        part = level.read((channel, spans[0], spans[1]))
        part = part[:, y - spans[0].start][:, :, x - spans[1].start]
        return part[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return LazyArray((level.shape[0], y1 - y0, x1 - x0), level.dtype, read)


def _coloured(source: Source, boxes: Boxes, level: LazyArray) -> LazyArray:
    table, mapping = boxes.palette, boxes.mapping
    if table is None or not mapping or any(kind not in (0, 1) for _, kind, _ in mapping):
        raise FormatError(f"{source.name}: a palette without a mapping; its header is damaged", hint=_REPAIR)
    if any(c >= level.shape[0] or (kind and column >= table.shape[1]) for c, kind, column in mapping):
        raise FormatError(
            f"{source.name}: its palette maps components that are not there; it is damaged", hint=_REPAIR
        )

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        channel = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        stored = level.read((slice(0, level.shape[0]), *key[1:]))
        out = np.empty((channel.stop - channel.start, *stored.shape[1:]), table.dtype)
        for place, (component, kind, column) in enumerate(mapping[channel]):
            index = stored[component]
            out[place] = table[:, column][np.minimum(index, len(table) - 1)] if kind else index
        return out if isinstance(key[0], slice) else out[0]

    return LazyArray((len(mapping), *level.shape[1:]), table.dtype, read, blocks=level.blocks)


def _whole(source: Source, boxes: Boxes, stream: Codestream, warnings: list[str]) -> LazyArray:
    """Components of different sizes (4:2:0 and the like): Pillow brings them together, YCC as RGB."""
    from PIL import Image

    x0, y0, x1, y1 = stream.image
    count = len(stream.depths)
    if stream.dtype != np.uint8 or count not in (3, 4) or boxes.colour not in ("rgb", "ycbcr"):
        raise FormatError(
            f"{source.name}: {count} components of different sizes with {stream.depths[0]} bits and colours "
            f"{boxes.colour or 'that it does not name'} are not read",
            hint="Save it with all components of one size.",
        )
    if (x1 - x0) * (y1 - y0) * count > _MAX_WHOLE:
        raise LimitExceeded(
            f"{source.name}: components of different sizes are read up to {_MAX_WHOLE} samples only"
        )
    warnings.append(
        "the colours are stored coarser than the brightness and were repeated to the size of the image"
    )

    if boxes.colour == "ycbcr":
        boxes.colour = "rgb"
        warnings.append("the colours were turned from luma and chroma (YCC) into red, green and blue")

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        pixels = np.asarray(Image.open(source.file(), formats=["JPEG2000"]))
        if pixels.shape != (y1 - y0, x1 - x0, count):
            raise FormatError(f"{source.name}: {pixels.shape} samples came out of the decoder", hint=_REPAIR)
        return np.moveaxis(pixels, -1, 0)[key]

    shape = (count, y1 - y0, x1 - x0)
    return LazyArray(shape, "u1", read, blocks=shape)


def _set_pixel_size(scene: Scene, boxes: Boxes, warnings: list[str]) -> None:
    if boxes.resolution is None:
        return
    sizes = {axis: 1e6 / density for axis, density in zip(("y", "x"), boxes.resolution, strict=True)}
    if any(is_print_resolution(size) for size in sizes.values()):
        warnings.append(
            f"the resolution of {25400 / sizes['x']:.4g} dots an inch is one for print or screen; "
            "it was not taken as pixel size"
        )
        return
    scene.pixel_size, scene.pixel_unit = sizes, dict.fromkeys(sizes, "micrometer")


def _note_colour(boxes: Boxes, scene: Scene, warnings: list[str]) -> None:
    count = scene.levels[0].shape[0] if "c" in scene.dims else 1
    colours = count - len(boxes.alpha)
    scene.rgb = boxes.palette is not None or (
        boxes.colour in ("rgb", "") and (count == 3 or (count == 4 and colours == 3))
    )
    if boxes.palette is not None and count not in (3, 4):
        scene.rgb = False
    names = list(_NAMES.get(boxes.colour, ()))
    if names and not scene.rgb:
        warnings.append(f"the colours are {', '.join(names)}, kept as stored and not as red, green, blue")
    elif not scene.rgb and boxes.colour == "gray":
        names = ["Gray"]
    elif not scene.rgb and boxes.colour == "rgb":
        names = ["Red", "Green", "Blue"]
    if count > 1 and not scene.rgb and len(names) <= count and names:
        rest = ["Alpha" if i in boxes.alpha else f"Sample {i + 1}" for i in range(len(names), count)]
        scene.channels = [Channel(name) for name in names + rest]
