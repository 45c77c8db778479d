"""TIFF, BigTIFF, ImageJ stacks, OME-TIFF and Aperio slides (.svs), read page by page and piece by piece.

The layout of the file is in `_tiff.ifd` (directories) and `_tiff.page` (strips and tiles); which page is
what comes from, in this order: OME-XML (`_tiff.ome`), ImageJ's description (`_tiff.imagej`), the marks of
other programs (`_tiff.kinds`), and else from the pages alone (`_tiff.pages`). Pixels are never changed:
only palettes become colours. Axes come out as page, t, c, z, y, x; those of one item are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._tiff import ome
from sparc_fuse_core.formats._tiff.book import Book, colour, open_book
from sparc_fuse_core.formats._tiff.ifd import read_header, read_ifd
from sparc_fuse_core.formats._tiff.imagej import describe_imagej, parse_description, read_extra
from sparc_fuse_core.formats._tiff.kinds import describe_other
from sparc_fuse_core.formats._tiff.lsm import LSM_INFO
from sparc_fuse_core.formats._tiff.pages import Axes, Group, read_pages
from sparc_fuse_core.formats._tiff.slide import is_aperio, parse_aperio
from sparc_fuse_core.formats.lsm import open_lsm
from sparc_fuse_core.formats.ndpi import NDPI_MARK, open_ndpi
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


def open_tiff(source: Source, /, **options: Any) -> xr.DataTree:
    """A TIFF as scenes with their resolutions.

    Option ``page_axis`` (``t``, ``z`` or ``c``) names the axis of pages where the file does not. Raises
    FormatError and its family for files that are damaged, cut short or use what is not read.
    """
    other = _particular(source)
    if other is not None:  # a TIFF by its first bytes only, under any name
        return other(source)
    book = open_book(source)
    text = book.first.text(270, 1 << 26)
    if b"<iScan" in book.first.raw(700, 1 << 16):
        book.warn(
            "the tiles of this Ventana slide overlap; they are kept where the file has them, so that strips along "
            "their edges show twice"
        )
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


def _particular(source: Source) -> Callable[[Source], xr.DataTree] | None:
    """The reader of a format whose strips lie elsewhere than a TIFF says."""
    order, big, at = read_header(source)
    first = read_ifd(source, order, big, at)[0] if at and not big else None
    if first is None:
        return None
    return open_lsm if first.has(LSM_INFO) else open_ndpi if first.has(NDPI_MARK) else None


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
    elif is_aperio(text):
        found.pop("ImageDescription", None)
        found["Aperio"] = parse_aperio(text)
    for key in ("ImageDescription", "Software"):
        if len(found.get(key, "")) > _LONGEST_TEXT:
            found[key] = found[key][:_LONGEST_TEXT]
            book.warn(f"{key} is longer than {_LONGEST_TEXT} letters; its rest is not in the metadata")
    found["pages"] = len(book.pages)
    found["colour"] = colour(book.pages[0].layout)
    return found


FORMAT = Format(
    name="tiff",
    title="TIFF",
    kind="image",
    suffixes=(".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".tf8", ".tf2", ".ome.btf", ".stk", ".svs"),
    open=open_tiff,
    magic=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    requires=("tifffile", "imagecodecs", "defusedxml"),
    options=("page_axis",),
    carried="pages, axes, channels, colours, pyramids, pixel sizes, OME and ImageJ metadata",
    left="previews, masks, missing files (named)",
    lazy="tile or strip",
)
