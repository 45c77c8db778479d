"""OME-TIFF: the first page's description is OME-XML, which says what every plane is and where it lies.

``Image`` is a scene; ``Pixels`` has SizeX Y Z C T, DimensionOrder (the axis that runs fastest first),
physical sizes with units (micrometre and second when not given) and ``TiffData``: IFD .. IFD + PlaneCount -
1 are the planes from FirstZ/C/T on, in the file that ``UUID`` names. A channel of n samples takes n places
of SizeC and one plane. ``BinaryOnly`` points to a companion file with the XML. Lower resolutions hang below
each page (SubIFDs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from sparc_fuse_core.errors import FormatError, NotFound
from sparc_fuse_core.formats._tiff.book import (
    Book,
    channels,
    colour,
    note_colour,
    note_orientation,
    open_book,
)
from sparc_fuse_core.formats._tiff.page import Page
from sparc_fuse_core.formats._tiff.pages import is_smaller
from sparc_fuse_core.formats._tiff.stack import Find, stack, unit
from sparc_fuse_core.model import Channel, Scene, limit_items
from sparc_fuse_core.source import Source

_MAX_PLANES = 1 << 22
_MAX_XML = 1 << 26
_OPEN_FILES = 64
_PERSONAL = frozenset({"Experimenter", "ExperimenterGroup", "Project", "Dataset", "Folder", "Rights"})
_BULKY = frozenset({"TiffData", "Plane", "BinData", "BIN", "ROI", "StructuredAnnotations"})
_SAMPLES = {"int8": "i1", "int16": "i2", "int32": "i4", "uint8": "u1", "uint16": "u2", "uint32": "u4",
            "float": "f4", "double": "f8", "complex": "c8", "double-complex": "c16"}  # fmt: skip


@dataclass(slots=True)
class Library:
    """The files of one OME-TIFF set; companions are opened when first needed."""

    book: Book
    uuid: str
    sole: bool = False
    _books: dict[str, Book | None] = field(default_factory=dict)

    def open(self, name: str, uuid: str) -> Book | None:
        """The book that ``name`` and ``uuid`` mean; None when it is not beside this file."""
        plain = PurePosixPath(PureWindowsPath(name).name).name
        if not plain or plain == self.book.source.name or (uuid and uuid == self.uuid):
            return self.book
        if plain not in self._books:
            limit_items(self.book.source, "companion files", len(self._books) + 1, 4096)
            other = self.book.source.sibling(plain)
            many = len(self._books) > _OPEN_FILES
            self._books[plain] = (
                None if other is None else open_book(_closed(self.book.source, other) if many else other)
            )
            if other is None and self.sole:  # all planes are said to be in one file, which was renamed since
                self._books[plain] = self.book
        return self._books[plain]


class _Companion(Source):
    """A file of a large set, opened for each piece: sets have more files than a process may hold open."""

    def __init__(self, home: Source, name: str, size: int) -> None:
        super().__init__(f"{home.url}/../{name}", name, size)
        self._home = home

    def _pread(self, offset: int, nbytes: int) -> bytes:
        other = self._home._sibling(self.name)  # one of its own: those of `sibling` stay open
        if other is None:
            raise NotFound(f"{self.name}: is not beside {self._home.name} any more", source=self._home.url)
        with other:
            return other.read(offset, nbytes)


def _closed(home: Source, other: Source) -> Source:
    other.close()
    return _Companion(home, other.name, other.size)


def is_ome(text: str) -> bool:
    """Whether a description is OME-XML."""
    return text.rstrip().endswith("OME>") and "<OME" in text[:4096].replace("<ome:OME", "<OME")


def read_ome(book: Book) -> list[Scene] | None:
    """All images of the set; None when the XML is in a companion file that is not there."""
    root = parse_xml(book.source, book.first.text(270, _MAX_XML))
    library = Library(book, root.get("UUID", ""))
    pointer = _first(root, "BinaryOnly")
    if pointer is not None:
        root = _companion(book, pointer)
        if root is None:
            return None
    pictures = [image for image in root if _tag(image) == "Image"]
    limit_items(book.source, "images", len(pictures), 65536)
    scenes = [scene for image in pictures for scene in [_scene(library, image)] if scene is not None]
    _note_rest(book, root)
    return scenes or None


def parse_xml(source: Source, text: str) -> Any:
    """The root element; FormatError for XML that is not well formed or tries tricks with entities."""
    import defusedxml.ElementTree as ElementTree

    try:
        return ElementTree.fromstring(text.encode("utf-8"), forbid_dtd=True)
    except Exception as error:
        raise FormatError(
            f"{source.name}: OME-XML was promised, it cannot be parsed ({error}); its header is damaged",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        ) from error


def _companion(book: Book, pointer: Any) -> Any:
    name = PurePosixPath(PureWindowsPath(pointer.get("MetadataFile", "")).name).name
    other = book.source.sibling(name) if name else None
    if other is None:
        book.dropped.append(
            f"the description of the image set, which is in the file {name!r} that is not here"
        )
        book.warn(f"this file is one part of a set; {name!r}, which describes the set, is not beside it")
        return None
    with other:
        limit_items(book.source, "bytes of OME-XML", other.size, _MAX_XML)
        head = other.head(8)
        if head[:2] in (b"II", b"MM"):
            return parse_xml(other, open_book(other).first.text(270, _MAX_XML))
        return parse_xml(other, other.read(0, other.size).decode("utf-8", "replace"))


def _scene(library: Library, image: Any) -> Scene | None:
    book, pixels = library.book, _first(image, "Pixels")
    if pixels is None:
        return None
    sizes = {axis: _whole(book, pixels, f"Size{axis.upper()}") for axis in "tczyx"}
    spread = [max(1, int(c.get("SamplesPerPixel") or 1)) for c in pixels if _tag(c) == "Channel"]
    planes = sum(1 for _ in spread) if sum(spread) == sizes["c"] else 0
    first, table, lost = _planes(library, pixels, sizes, planes)
    if first is None:
        book.warn(
            f"the image {image.get('Name', '')!r} has no planes in the files that are here; it was left out"
        )
        book.dropped.append(f"image {image.get('Name') or image.get('ID')}: its files are missing")
        return None
    layout = first.layout
    lead = {"t": sizes["t"], "c": sizes["c"] // layout.samples, "z": sizes["z"]}
    if (layout.width, layout.height) != (sizes["x"], sizes["y"]):
        book.warn(
            f"OME-XML says {sizes['x']} x {sizes['y']} pixels, the pages have {layout.width} x "
            f"{layout.height}"
        )
    if lost:
        book.warn(f"{lost} of {len(table)} planes are not in the files that are here; they read as 0")
        book.dropped.append(f"{lost} planes that the header promises and no file holds")
    if (
        _SAMPLES.get(pixels.get("Type", ""), layout.dtype.str[1:]) != layout.dtype.str[1:]
        and pixels.get("Type") != "bit"
    ):
        book.warn(
            f"OME-XML says pixels are {pixels.get('Type')}, the pages say {layout.dtype}: the pages are "
            "believed"
        )
    note_colour(book, layout)
    if colour(layout) == "palette":
        book.warn("the pages have a palette for display; the numbers are kept")
    scene = _levels(book, first, lead, table)
    _describe(book, image, pixels, scene, layout.samples)
    scene.attrs |= note_orientation(book, first.ifd)
    return scene


def _planes(
    library: Library, pixels: Any, sizes: dict[str, int], planes: int
) -> tuple[Page | None, list[Page | None], int]:
    """A page to go by, the page of every plane in the order t, c, z, and how many planes no file holds."""
    book = library.book
    samples = book.pages[0].layout.samples
    across = planes or max(1, sizes["c"] // samples)
    limit_items(book.source, "planes", sizes["t"] * across * sizes["z"], _MAX_PLANES)
    order = [axis.lower() for axis in pixels.get("DimensionOrder", "XYZCT")][2:]
    if sorted(order) != ["c", "t", "z"]:
        raise FormatError(f"{book.source.name}: OME-XML gives the order of axes as {order}; it is damaged")
    count = {"t": sizes["t"], "c": across, "z": sizes["z"]}
    table: list[Page | None] = [None] * (count["t"] * across * count["z"])
    for at, page in _placed(library, pixels, order, count):
        table[(at["t"] * across + at["c"]) * count["z"] + at["z"]] = page
    first = next((page for page in table if page is not None), None)
    if first is not None and sizes["c"] != across * first.layout.samples:
        across = _settle(book, sizes, across, first)
        table = table[: sizes["t"] * across * sizes["z"]]
    return first, table, sum(page is None for page in table)


def _settle(book: Book, sizes: dict[str, int], across: int, first: Page) -> int:
    """SizeC, channels and samples of the pages disagree: take the pages' samples."""
    samples = first.layout.samples
    book.warn(f"OME-XML says {sizes['c']} channels in {across} planes, the pages have {samples} samples each")
    if across != 1 and sizes["t"] * sizes["z"] > 1:
        raise FormatError(
            f"{book.source.name}: {sizes['c']} channels in {across} planes are promised, a page has "
            f"{samples} samples; "
            "which plane is which cannot be told",
            hint="Ask its authors for an intact copy.",
        )
    sizes["c"] = across * samples
    return across


def _placed(
    library: Library, pixels: Any, order: list[str], count: dict[str, int]
) -> Iterator[tuple[dict[str, int], Page]]:
    entries = [entry for entry in pixels if _tag(entry) == "TiffData"]
    names = {uuid.get("FileName", "") for entry in entries for uuid in entry if _tag(uuid) == "UUID"}
    library.sole = len(names) == 1
    limit_items(library.book.source, "TiffData entries", len(entries), _MAX_PLANES)
    budget = _MAX_PLANES
    for entry in entries:
        uuid = _first(entry, "UUID")
        name, key = (uuid.get("FileName", ""), (uuid.text or "").strip()) if uuid is not None else ("", "")
        book = library.open(name, key)
        if book is None:
            continue
        start = int(entry.get("IFD") or 0)
        wanted = entry.get("PlaneCount")
        length = int(wanted) if wanted else (1 if entry.get("IFD") else len(book.pages))
        at = {axis: int(entry.get(f"First{axis.upper()}") or 0) for axis in "tcz"}
        budget -= max(0, length)
        limit_items(library.book.source, "planes", _MAX_PLANES - budget, _MAX_PLANES)
        for index in range(start, min(start + length, len(book.pages))):
            if index < 0 or any(not 0 <= at[axis] < count[axis] for axis in at):
                break
            yield dict(at), book.pages[index]
            _advance(at, order, count)


def _advance(at: dict[str, int], order: list[str], count: dict[str, int]) -> None:
    for axis in order:
        at[axis] += 1
        if at[axis] < count[axis] or axis == order[-1]:
            return
        at[axis] = 0


def _levels(book: Book, first: Page, lead: dict[str, int], table: list[Page | None]) -> Scene:
    dims, full = stack(first.layout, lead, table.__getitem__)
    levels, last = [full], first.layout
    for number, child in enumerate(book.children(first)):
        if is_smaller(first.layout, child.layout) and child.layout.width < last.width:
            levels.append(stack(child.layout, lead, _below(book, table, number))[1])
            last = child.layout
        else:
            book.dropped.append(f"sub-picture of {child.layout.width} x {child.layout.height} pixels")
    return Scene(levels, dims)


def _below(book: Book, table: list[Page | None], number: int) -> Find:
    def find(index: int) -> Page | None:
        page = table[index]
        return None if page is None else book.children(page)[number]

    return find


def _describe(book: Book, image: Any, pixels: Any, scene: Scene, samples: int) -> None:
    scene.name = image.get("Name") or ""
    scene.pixel_size, scene.pixel_unit = _physical(book, pixels, scene.dims)
    listed = [c for c in pixels if _tag(c) == "Channel"]
    count = scene.levels[0].shape[list(scene.dims).index("c")] if "c" in scene.dims else 1
    rgb, named = channels(book.pages[0].layout)
    scene.rgb = "c" in scene.dims and samples == count and rgb
    if len(listed) == count:
        scene.channels = [Channel(c.get("Name") or "", _colour(c.get("Color"))) for c in listed]
    elif not scene.rgb and len(named) == count:
        scene.channels = named
    elif not scene.rgb and len(listed) * samples == count:
        names = [(c.get("Name") or f"Channel {i}", s) for i, c in enumerate(listed) for s in range(samples)]
        scene.channels = [Channel(f"{name} sample {s + 1}") for name, s in names]
    taken = _first(image, "AcquisitionDate")
    if taken is not None and taken.text:
        scene.attrs["acquisition_date"] = taken.text.strip()
    times = _plane_times(pixels)
    if "t" in scene.dims and "t" not in scene.pixel_size and len(times) > 1:
        scene.attrs["frame_times"] = times
        book.warn("frames are not given one interval; the times of each are in 'frame_times' (seconds)")


def _physical(
    book: Book, pixels: Any, dims: tuple[str, ...] | Any
) -> tuple[dict[str, float], dict[str, str]]:
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis in dims:
        key = "TimeIncrement" if axis == "t" else f"PhysicalSize{axis.upper()}"
        text = pixels.get(key)
        if axis not in "tzyx" or not text:
            continue
        name = pixels.get(f"{key}Unit") or ("s" if axis == "t" else "µm")
        known, step = unit(name), float(text)
        if not 0 < step < float("inf"):
            continue
        if known is None or (axis == "t") != (known[0] == "second"):
            book.warn(f"{key} is {text} {name}: this unit is not known; it was not taken")
        else:
            sizes[axis], units[axis] = step * known[1], known[0]
    return sizes, units


def _plane_times(pixels: Any) -> list[float]:
    found: dict[int, float] = {}
    for plane in (p for p in pixels if _tag(p) == "Plane"):
        known = unit(plane.get("DeltaTUnit") or "s")
        if plane.get("DeltaT") and plane.get("TheC") == "0" and plane.get("TheZ") == "0" and known:
            found[int(plane.get("TheT", 0))] = float(plane.get("DeltaT")) * known[1]
    return [found[t] for t in sorted(found)] if sorted(found) == list(range(len(found))) else []


def _colour(text: str | None) -> str:
    """``RRGGBB`` of OME's signed integer 0xRRGGBBAA; -1 is white, which is also the default."""
    if not text or text == "-1":
        return ""
    return f"{(int(text) & 0xFFFFFFFF) >> 8:06X}"


def _note_rest(book: Book, root: Any) -> None:
    said = {
        "ROI": "regions of interest",
        "StructuredAnnotations": "structured annotations",
        "Plate": "plate layout",
    }
    for element in root:
        label = said.get(_tag(element))
        if label and label not in book.dropped:
            book.dropped.append(label)


def summary(element: Any, depth: int = 0) -> dict[str, Any]:
    """OME-XML as nested dicts, without people and without what is bulky."""
    found: dict[str, Any] = dict(element.attrib)
    if element.text and element.text.strip():
        found["text"] = element.text.strip()[:2000]
    for child in element:
        name = _tag(child)
        if name not in _PERSONAL and name not in _BULKY and depth < 8:
            kept = found.setdefault(name, [])
            if isinstance(kept, list) and len(kept) < 1000:
                kept.append(summary(child, depth + 1))
    return found


def _first(element: Any, name: str) -> Any:
    return next((child for child in element if _tag(child) == name), None)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _whole(book: Book, pixels: Any, key: str) -> int:
    text = pixels.get(key, "")
    if not text.isdecimal() or len(text) > 10 or int(text) < 1:
        raise FormatError(f"{book.source.name}: OME-XML gives {key} as {text!r}; its header is damaged")
    return int(text)
