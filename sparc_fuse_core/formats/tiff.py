"""TIFF, BigTIFF, ImageJ stacks and OME-TIFF, read page by page and piece by piece.

The layout of the file is in `_tiff.ifd` (directories) and `_tiff.page` (strips and tiles); which page is
what comes from, in this order: OME-XML (`_tiff.ome`), ImageJ's description (`_tiff.imagej`), the marks of
other programs (`_tiff.kinds`), and else from the pages alone (`_tiff.pages`). Pixels are never changed:
only palettes become colours. Axes come out as page, t, c, z, y, x; those of one item are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._tiff import ome
from sparc_fuse_core.formats._tiff.book import Book, colour, open_book
from sparc_fuse_core.formats._tiff.imagej import describe_imagej, parse_description, read_extra
from sparc_fuse_core.formats._tiff.kinds import describe_other
from sparc_fuse_core.formats._tiff.pages import Axes, Group, read_pages
from sparc_fuse_core.model import Format, Scene, images

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

# Names of persons (315 artist, 33432 copyright, 316 host) and positions (34853 GPS) stay out.
_TEXTS = {
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    305: "Software",
    306: "DateTime",
    269: "DocumentName",
}
_NUMBERS = {
    258: "BitsPerSample",
    259: "Compression",
    262: "PhotometricInterpretation",
    274: "Orientation",
    296: "ResolutionUnit",
}
_LONGEST_TEXT = 1 << 16
_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SLIDE_PRIVATE = ("ScanScope ID", "User", "Filename", "Title", "ImageID", "Barcode")


def open_tiff(source: Source, /, **options: Any) -> xr.DataTree:
    """A TIFF as scenes with their resolutions.

    Option ``page_axis`` (``t``, ``z`` or ``c``) names the axis of pages where the file does not. Raises
    FormatError and its family for files that are damaged, cut short or use what is not read.
    """
    book = open_book(source)
    text = book.first.text(270, 1 << 26)
    scenes = ome.read_ome(book) if ome.is_ome(text) else None
    if scenes is None:
        imagej = text.startswith(("ImageJ=", "SCIFIO="))
        axis = str(options.get("page_axis") or "")

        def describe(group: Group) -> Axes | None:
            if imagej:
                found = describe_imagej(book, group)
            else:
                found = describe_other(book, group)
            if axis in ("t", "z", "c") and found is None and len(group.pages) > 1:
                found = Axes({axis: len(group.pages)})
            return found

        scenes = read_pages(book, describe, keep_indices=imagej)
    start = _start(scenes)
    return images(
        scenes, start=start, metadata=_metadata(book, text), warnings=book.warnings, dropped=book.dropped
    )


def _start(scenes: list[Scene]) -> str | None:
    return next((s.attrs["acquisition_date"] for s in scenes if "acquisition_date" in s.attrs), None)


def _metadata(book: Book, text: str) -> dict[str, Any]:
    """What the first page says of itself, as plain values."""
    first = book.first
    found: dict[str, Any] = {
        name: value for code, name in _TEXTS.items() if (value := first.text(code, 1 << 20))
    }
    found |= {name: first.one(code, 0) for code, name in _NUMBERS.items() if first.has(code)}
    for code, name in ((282, "XResolution"), (283, "YResolution")):
        if first.numbers(code, 1):
            found[name] = first.numbers(code, 1)[0]
    if ome.is_ome(text):
        found["OME"] = ome.summary(ome.parse_xml(book.source, text))
        found.pop("ImageDescription", None)
    elif text.startswith(("ImageJ=", "SCIFIO=")):
        extra = read_extra(book)
        found["ImageJ"] = parse_description(text) | {
            key: [part[:_LONGEST_TEXT] for part in extra[key]]
            for key in ("info", "properties")
            if key in extra
        }
    elif text.startswith("Aperio"):
        kept = [part for part in text.split("|") if part.partition("=")[0].strip() not in _SLIDE_PRIVATE]
        found["ImageDescription"] = "|".join(kept)
    for key in ("ImageDescription", "Software"):
        if len(found.get(key, "")) > _LONGEST_TEXT:
            found[key] = found[key][:_LONGEST_TEXT]
            book.warn(f"{key} is longer than {_LONGEST_TEXT} letters; its rest is not in the metadata")
    found["pages"] = len(book.pages)
    found["colour"] = colour(book.pages[0].layout)
    return found


def _sniff(head: bytes) -> bool:
    """TIFF, and not a DICOM file whose free first bytes look like it."""
    return head.startswith(_MARKS) and head[128:132] != b"DICM"


FORMAT = Format(
    name="tiff",
    title="TIFF",
    kind="image",
    suffixes=(".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".tf8", ".tf2", ".ome.btf", ".stk"),
    open=open_tiff,
    magic=tuple((0, mark) for mark in _MARKS),
    sniff=_sniff,
    requires=("tifffile", "imagecodecs", "defusedxml"),
    options=("page_axis",),
)
