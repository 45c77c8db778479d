"""TIFF as ImageJ writes it.

The first page's description is ``ImageJ=1.54f`` and lines ``key=value``: images, channels, slices, frames
(pages run c fastest, then z, then t), spacing (z), unit, yunit, zunit, finterval (seconds), min, max, cf
and c0.. (calibration). XResolution and YResolution are pixels per ``unit``. Fields 50838/50839 hold labels,
display ranges, LUTs and Info. Stacks over 4 GB have one directory only; their planes follow each other
without gaps.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from sparc_fuse_core.formats._tiff.book import Book, channels
from sparc_fuse_core.formats._tiff.page import Page
from sparc_fuse_core.formats._tiff.pages import Axes, Group
from sparc_fuse_core.formats._tiff.stack import ramp_colour, unit
from sparc_fuse_core.model import Channel, Scene, limit_items

_SIGNED = (-32768.0, 1.0)
_KINDS = {b"info": "info", b"labl": "labels", b"rang": "ranges", b"luts": "luts", b"roi ": "roi",
          b"over": "overlay", b"plot": "plot", b"prop": "properties"}  # fmt: skip


def parse_description(text: str) -> dict[str, str]:
    """The lines ``key=value`` of an ImageJ description."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def describe_imagej(book: Book, group: Group) -> Axes | None:
    """Axes of the main stack; the group gets the planes that have no directory of their own."""
    if group.pages[0] is not book.pages[0]:
        return None
    said = parse_description(book.first.text(270))
    count = _count(said, "images", len(group.pages))
    limit_items(book.source, "images", count, 1 << 24)
    if count > len(group.pages) == 1:
        group.pages = _planes(book, group.pages[0], count)
    sizes = {
        axis: _count(said, key, 1) for axis, key in (("c", "channels"), ("z", "slices"), ("t", "frames"))
    }
    if math.prod(sizes.values()) != len(group.pages):
        book.warn(
            f"ImageJ's header says {sizes['c']} channels x {sizes['z']} slices x {sizes['t']} frames, the "
            "file has "
            f"{len(group.pages)} images: their axis is called 'page'"
        )
        return Axes({"page": len(group.pages)}, scene=lambda scene: _finish(book, said, scene))
    ordered = _reorder(group.pages, sizes)
    group.pages = ordered
    return Axes(sizes, scene=lambda scene: _finish(book, said, scene))


def _count(said: dict[str, str], key: str, default: int) -> int:
    text = said.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 12 and int(text) > 0 else default


def _planes(book: Book, page: Page, count: int) -> list[Page]:
    """Planes that follow the first one in the file."""
    layout = page.layout
    nbytes = layout.height * layout.width * layout.samples * layout.dtype.itemsize
    offsets, _ = page.places()
    if not layout.direct or layout.tiled or not len(offsets):
        book.warn(f"ImageJ's header promises {count} images, the file has 1")
        return [page]
    book.source.expect(int(offsets[0]), nbytes * count, f"pixels of {count} images")
    return [page] + [page.moved(nbytes * index) for index in range(1, count)]


def _reorder(pages: list[Page], sizes: dict[str, int]) -> list[Page]:
    """From ImageJ's order (c fastest, z, t) to ours (z fastest, c, t)."""
    if sizes["c"] == 1 or sizes["z"] == 1:
        return pages
    order = np.arange(len(pages)).reshape(sizes["t"], sizes["z"], sizes["c"]).swapaxes(1, 2)
    return [pages[int(index)] for index in order.ravel()]


def _finish(book: Book, said: dict[str, str], scene: Scene) -> None:
    extra = read_extra(book)
    _set_sizes(book, said, scene)
    _set_channels(book, said, extra, scene)
    _set_calibration(book, said, scene)
    labels = [str(label) for label in extra.get("labels", [])]
    if any(labels):
        scene.attrs["slice_labels"] = labels[:10000]
    for kind, name in (("roi", "a selection (ROI)"), ("overlay", "an overlay of ROIs"), ("plot", "a plot")):
        if kind in extra:
            book.dropped.append(f"{name} that ImageJ stored with the picture")


def _set_sizes(book: Book, said: dict[str, str], scene: Scene) -> None:
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    general = said.get("unit", "")
    for axis, code, key in (("x", 282, "unit"), ("y", 283, "yunit")):
        density = book.first.ratio(code)
        _add(sizes, units, axis, said.get(key, general), 1 / density if density and density > 0 else None)
    if "z" in scene.dims:
        _add(sizes, units, "z", said.get("zunit", general), _number(said.get("spacing", "")))
    if "t" in scene.dims:
        interval = _number(said.get("finterval", "")) or 0.0
        if interval > 0:  # seconds; fps is only how fast ImageJ plays the stack
            sizes["t"], units["t"] = interval, "second"
    if general and unit(general) is None and general.lower() not in ("pixel", "pixels"):
        book.warn(f"the unit {general!r} is not known; no pixel size was taken")
    scene.pixel_size = {axis: sizes[axis] for axis in scene.dims if axis in sizes}
    scene.pixel_unit = {axis: units[axis] for axis in scene.dims if axis in units}


def _add(sizes: dict[str, float], units: dict[str, str], axis: str, name: str, step: float | None) -> None:
    known = unit(name)
    if known is not None and known[0] != "second" and step is not None and math.isfinite(step) and step > 0:
        sizes[axis], units[axis] = step * known[1], known[0]


def _set_channels(book: Book, said: dict[str, str], extra: dict[str, Any], scene: Scene) -> None:
    if scene.rgb:
        return
    count = scene.levels[0].shape[list(scene.dims).index("c")] if "c" in scene.dims else 1
    named = channels(book.pages[0].layout)[1]
    found = named if len(named) == count else [Channel() for _ in range(count)]
    ranges = extra.get("ranges", [])
    low, high = _number(said.get("min", "")), _number(said.get("max", ""))
    for index, channel in enumerate(found):
        if index < len(ranges):
            channel.window = ranges[index]
        elif low is not None and high is not None and low < high:
            channel.window = (low, high)
        if index < len(extra.get("luts", [])):
            channel.color = ramp_colour(np.frombuffer(extra["luts"][index], "u1").reshape(3, 256))
    scene.channels = found


def _set_calibration(book: Book, said: dict[str, str], scene: Scene) -> None:
    if "cf" not in said:
        return
    factors = [_number(said.get(f"c{i}", "")) for i in range(5)]
    known = [f for f in factors if f is not None]
    scene.attrs["calibration"] = {
        "function": said["cf"],
        "coefficients": known,
        "unit": said.get("vunit", ""),
    }
    if tuple(known[:2]) == _SIGNED and said["cf"] == "0":
        book.warn(
            "ImageJ stores signed pixels with 32768 added; subtract 32768 from the values to have them signed"
        )
    else:
        book.warn(
            "ImageJ shows calibrated values; the stored ones are kept, the function is in 'calibration'"
        )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_extra(book: Book) -> dict[str, Any]:
    """Labels, ranges, LUTs and info of fields 50838 (lengths) and 50839; {} when absent or malformed."""
    if book.extra is None:
        lengths = [int(n) for n in book.first.numbers(50838, 1 << 20)]
        book.extra = _parse_extra(lengths, book.first.raw(50839, 1 << 22))
    return book.extra


def _parse_extra(lengths: list[int], data: bytes) -> dict[str, Any]:
    if len(lengths) < 2 or lengths[0] < 12 or data[:4] not in (b"IJIJ", b"JIJI"):
        return {}
    order = ">" if data[:4] == b"IJIJ" else "<"
    found: dict[str, Any] = {}
    at, entry = lengths[0], 1
    for place in range(4, min(lengths[0], len(data)) - 7, 8):
        kind, count = struct.unpack_from(f"{order}4sI", data, place)
        kind = kind if order == ">" else kind[::-1]
        for size in lengths[entry : entry + count]:
            _take(found, _KINDS.get(kind, ""), data[at : at + size], order)
            at += size
        entry += count
    return found


def _take(found: dict[str, Any], kind: str, data: bytes, order: str) -> None:
    if kind == "ranges" and len(data) % 16 == 0:
        values = struct.unpack(f"{order}{len(data) // 8}d", data)
        pairs = list(zip(values[::2], values[1::2], strict=True))
        found["ranges"] = [
            (a, b) if math.isfinite(a) and math.isfinite(b) and a < b else None for a, b in pairs
        ]
    elif kind == "luts" and len(data) == 768:
        found.setdefault("luts", []).append(data)
    elif kind in ("labels", "info", "properties"):
        text = data.decode("utf-16-be" if order == ">" else "utf-16-le", "replace")
        found.setdefault(kind, []).append(text)
    elif kind:
        found[kind] = True
