"""What other programs write into the fields of a TIFF about its pages.

- tifffile: the description is JSON, ``{"shape": [3, 99, 99], "axes": "TYX"}``; planes may lack directories.
- MetaMorph STK: field 33629 (UIC2) has one entry a plane (z distance as a ratio, then dates and times).
- MetaMorph TIFF: the description is XML with ``spatial-calibration-x`` and its unit.
- Aperio SVS: in `_tiff.slide`.
- ScanImage: ``SI.hChannels.channelSave = [1;2]`` in field 305; the channels of one frame follow each other.
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise

from sparc_fuse_core.errors import Truncated
from sparc_fuse_core.formats._tiff.book import Book
from sparc_fuse_core.formats._tiff.pages import Axes, Group
from sparc_fuse_core.formats._tiff.slide import describe_aperio, is_aperio
from sparc_fuse_core.formats._tiff.stack import unit
from sparc_fuse_core.model import Scene, limit_items

_STK = 33629
# tifffile's one-letter axes that are neither time, channel, z, y, x nor samples.
_LETTERS = {
    "A": "angle",
    "P": "phase",
    "H": "lifetime",
    "E": "lambda",
    "R": "scene",
    "L": "exposure",
    "V": "event",
}
_CHANNELS = re.compile(r"channelSave\s*=\s*\[?([\d;\s]+)\]?")
_SCALE = re.compile(r'id="spatial-calibration-(x|y|units|state)"[^>]*value="([^"]*)"')


def describe_other(book: Book, group: Group) -> Axes | None:
    """Axes of a stack of pages as its first page describes them; None when it does not."""
    text = group.pages[0].ifd.text(270, 1 << 20)
    if text.startswith("{"):
        return _tifffile(book, group, text)
    if book.first.has(_STK) and group.pages[0] is book.pages[0]:
        return _metamorph(book, group)
    if "<MetaData>" in text and "spatial-calibration" in text:
        return Axes({"page": len(group.pages)}, scene=lambda scene: _metaseries(text, scene))
    if is_aperio(text):
        return Axes({"page": len(group.pages)}, scene=lambda scene: describe_aperio(text, scene))
    if len(group.pages) > 1 and "SI." in group.pages[0].ifd.text(305, 1 << 20):
        return _scanimage(book, group)
    return None


def _tifffile(book: Book, group: Group, text: str) -> Axes | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    shape = said.get("shape") if isinstance(said, dict) else None
    if not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape):
        return None
    page = group.pages[0]
    pixels = page.layout.height * page.layout.width * page.layout.samples
    planes, rest = divmod(math.prod(shape), pixels)
    if rest or planes < 1:
        return None
    limit_items(book.source, "planes", planes, 1 << 24)
    if planes > len(group.pages) == 1:
        nbytes = pixels * page.layout.dtype.itemsize
        if not page.layout.direct or page.layout.tiled:
            raise Truncated(f"{book.source.name}: {planes} planes are promised, the file has 1")
        book.source.expect(int(page.places()[0][0]), nbytes * planes, f"pixels of {planes} planes")
        group.pages = [page.moved(nbytes * index) for index in range(planes)]
    axes = str(said.get("axes", ""))
    lead = _lead(shape, axes, planes)
    if planes != len(group.pages) or lead is None:
        return None
    return _named_axes(book, group, *lead)


def _lead(shape: list[int], axes: str, planes: int) -> tuple[list[int], str] | None:
    """Sizes and letters of the axes that run over pages: those before the axes of one page."""
    count = next((n for n in range(len(shape) + 1) if math.prod(shape[:n]) == planes), None)
    if count is None:
        return None
    known = axes if len(axes) == len(shape) else "Q" * len(shape)
    return shape[:count], known[:count]


def _named_axes(book: Book, group: Group, sizes: list[int], letters: str) -> Axes | None:
    pairs = [
        (size, letter) for size, letter in zip(sizes, letters, strict=True) if size > 1 or letter in "TCZ"
    ]
    ours = [letter.lower() if letter in "TCZ" else "page" for _, letter in pairs]
    if len(set(ours)) != len(ours) or (group.pages[0].layout.samples > 1 and "c" in ours):
        return _flat(book, group, sizes, letters)
    if set(ours) <= {"page"}:
        name = _LETTERS.get(pairs[0][1]) if pairs else None
        return Axes({"page": len(group.pages)}, name) if name else None
    order = sorted(range(len(ours)), key=lambda i: ("page", "t", "c", "z").index(ours[i]))
    if order != list(range(len(ours))):
        import numpy as np

        turned = np.arange(len(group.pages)).reshape([size for size, _ in pairs]).transpose(order)
        group.pages = [group.pages[int(i)] for i in turned.ravel()]
    custom = next((_LETTERS.get(letter, "page") for _, letter in pairs if letter not in "TCZ"), "page")
    return Axes({axis: size for axis, (size, _) in zip(ours, pairs, strict=True)}, custom)


def _flat(book: Book, group: Group, sizes: list[int], letters: str) -> Axes:
    named = f" ({letters})" if set(letters) != {"Q"} else ""
    book.warn(
        f"the pages lie along {len(sizes)} axes of sizes {sizes}{named}; the output has one such, so they "
        "are laid out along 'page', the last of them fastest"
    )
    return Axes({"page": len(group.pages)}, scene=lambda scene: scene.attrs.update(page_shape=sizes))


def _metamorph(book: Book, group: Group) -> Axes | None:
    planes = book.first.count(_STK)
    limit_items(book.source, "planes", planes, 1 << 24)
    offset = book.first.place(_STK)[0]
    page = group.pages[0]
    if planes > 1 and len(group.pages) == 1:
        nbytes = page.layout.height * page.layout.width * page.layout.samples * page.layout.dtype.itemsize
        if not page.layout.direct:
            raise Truncated(
                f"{book.source.name}: {planes} planes are promised, compressed planes have no places"
            )
        book.source.expect(int(page.places()[0][0]), nbytes * planes, f"pixels of {planes} planes")
        group.pages = [page.moved(nbytes * index) for index in range(planes)]
    if planes != len(group.pages) or not offset:
        return None
    order = book.first.order
    rows = [
        book.source.unpack(f"{order}IIIIII", offset + 24 * index, "STK planes")
        for index in range(min(planes, 4096))
    ]
    depth = {top / bottom for top, bottom, *_ in rows[1:] if bottom}
    times = [day * 86400.0 + milliseconds / 1000 for _, _, day, milliseconds, *_ in rows]
    if depth and 0 not in depth:
        return Axes({"z": planes})
    steps = [after - before for before, after in pairwise(times)]
    if planes > 1 and steps and min(steps) > 0:
        book.warn("the planes of this STK were taken as times: their dates differ and their depth does not")
        return Axes({"t": planes})
    return None


def _metaseries(text: str, scene: Scene) -> None:
    said = dict(_SCALE.findall(text))
    known = unit(said.get("units", ""))
    try:
        steps = {axis: float(said[axis]) for axis in ("x", "y") if axis in said}
    except ValueError:
        return
    if known and said.get("state", "on") == "on" and all(math.isfinite(s) and s > 0 for s in steps.values()):
        scene.pixel_size = {axis: step * known[1] for axis, step in steps.items()}
        scene.pixel_unit = dict.fromkeys(steps, known[0])


def _scanimage(book: Book, group: Group) -> Axes | None:
    found = _CHANNELS.search(group.pages[0].ifd.text(305, 1 << 20))
    count = len(found[1].replace(";", " ").split()) if found else 0
    if count < 2 or len(group.pages) % count:
        return None
    frames = len(group.pages) // count
    book.warn(f"ScanImage: {count} channels alternate from page to page; their frames lie along 'page'")
    return Axes({"page": frames, "c": count})
