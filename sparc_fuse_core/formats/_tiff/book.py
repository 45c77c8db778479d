"""A TIFF as a book: its pages with their layouts, and what one page says about colour and pixel size."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._tiff.ifd import Ifd, read_chain, read_children
from sparc_fuse_core.formats._tiff.layout import Layout, read_layout
from sparc_fuse_core.formats._tiff.page import Page, SegmentCache
from sparc_fuse_core.formats._tiff.slide import LUMA_CHROMA
from sparc_fuse_core.model import Channel

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

# Fields that decide a layout; pages of a stack that agree in them share one.
_DECISIVE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 317, 322, 323, 338, 339, 530, 32997, 32998}
)
_CHECKED_SEGMENTS = 1 << 16
_JPEG = frozenset({7, 33007, 34892})
# Resolutions of screens, scanners and printers in dots an inch: no microscope has them.
_PRINT = (
    72,
    75,
    90,
    96,
    100,
    120,
    127,
    144,
    150,
    180,
    200,
    240,
    254,
    266,
    300,
    350,
    360,
    400,
    500,
    600,
    720,
    1200,
    2400,
)
_REDUCED, _MASK = 1, 4


@dataclass(slots=True)
class Book:
    """The pages of one file in file order, with what was noticed on the way."""

    source: Source
    pages: list[Page]
    kinds: list[int]
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    extra: dict[str, Any] | None = None
    _children: dict[Page, list[Page]] = field(default_factory=dict)

    @property
    def first(self) -> Ifd:
        """The first directory: the one that describes the file."""
        return self.pages[0].ifd

    def children(self, page: Page) -> list[Page]:
        """Pages that hang below ``page`` (its smaller copies, mostly)."""
        if page not in self._children:
            if len(self._children) > 4096:
                self._children.clear()
            self._children[page] = [
                Page(ifd, read_layout(ifd), page.cache) for ifd in read_children(page.ifd)
            ]
        return self._children[page]

    def warn(self, text: str) -> None:
        """Note ``text`` once."""
        if text not in self.warnings:
            self.warnings.append(text)


def open_book(source: Source) -> Book:
    """Read all directories; every place of pixels is checked when that costs little."""
    known: dict[bytes, tuple[Layout, int]] = {}
    cache = SegmentCache()
    pages, kinds, segments = [], [], 0
    for ifd in read_chain(source):
        key = _decisive(ifd)
        if key not in known:
            known[key] = (read_layout(ifd), subfile(ifd))
            if len(known) > 4096:
                known.clear()
                known[key] = (read_layout(ifd), subfile(ifd))
        layout, kind = known[key]
        page = Page(ifd, layout, cache)
        segments += layout.across * layout.down * (layout.samples if layout.planar else 1)
        if segments <= _CHECKED_SEGMENTS:
            page.places()
        pages.append(page)
        kinds.append(kind)
    return Book(source, pages, kinds)


def _decisive(ifd: Ifd) -> bytes:
    step = 20 if ifd.big else 12
    codes = struct.iter_unpack(f"{ifd.order}H{step - 2}x", ifd.entries)
    parts = [ifd.entries[i * step : (i + 1) * step] for i, (code,) in enumerate(codes) if code in _DECISIVE]
    return b"".join(parts)


def subfile(ifd: Ifd) -> int:
    """NewSubfileType: bit 0 a smaller copy, bit 2 a mask; the older SubfileType says the same as numbers."""
    kind = ifd.one(254, 0)
    return kind or {2: _REDUCED}.get(ifd.one(255, 0), 0)


def is_reduced(kind: int) -> bool:
    """Whether a page is a smaller copy of another."""
    return bool(kind & _REDUCED)


def is_mask(kind: int) -> bool:
    """Whether a page is the transparency mask of another."""
    return bool(kind & _MASK)


def colour(layout: Layout) -> str:
    """What the samples of a pixel mean: gray, white (0 is white), palette, rgb, ycbcr, cmyk, lab or mask."""
    if layout.photometric == 6 and layout.compression == LUMA_CHROMA:
        return "rgb"  # turned when it is decoded
    if layout.photometric == 6:
        return "rgb" if layout.compression in _JPEG and not layout.planar else "ycbcr"
    return {0: "white", 2: "rgb", 3: "palette", 4: "mask", 5: "cmyk", 8: "lab", 9: "lab", 10: "lab"}.get(
        layout.photometric, "gray"
    )


def same_picture(one: Layout, other: Layout) -> bool:
    """Whether two pages may show the same thing at two sizes."""
    return (one.samples, one.dtype, colour(one)) == (other.samples, other.dtype, colour(other))


def channels(layout: Layout, palette: bool = False) -> tuple[bool, list[Channel]]:
    """Whether ``c`` holds the colours of one picture (``palette``: made from indices), and channel names."""
    kind, count = colour(layout), layout.samples
    if palette:
        return True, []
    if kind == "rgb" and count in (3, 4) and not (count == 4 and layout.extras and layout.extras[0] == 0):
        return True, []
    names = {"rgb": ["Red", "Green", "Blue"], "ycbcr": ["Y", "Cb", "Cr"], "lab": ["L*", "a*", "b*"],
             "cmyk": ["Cyan", "Magenta", "Yellow", "Black"], "gray": ["Gray"],
             "white": ["Gray"]}.get(kind, [])  # fmt: skip
    if (
        count == 1
        or count < len(names)
        or (len(names) == 1 and 1 not in layout.extras and 2 not in layout.extras)
    ):
        return False, []
    rest = [_extra(layout.extras, i, len(names) + i + 1) for i in range(count - len(names))]
    return False, [Channel(name) for name in names + rest]


def _extra(extras: tuple[int, ...], index: int, number: int) -> str:
    return "Alpha" if index < len(extras) and extras[index] in (1, 2) else f"Sample {number}"


def note_colour(book: Book, layout: Layout) -> None:
    """Warn where the stored numbers are not what a viewer shows."""
    says = {
        "white": "0 is white in this picture; the numbers are kept as they are stored",
        "ycbcr": "the colours are luma and two chroma values (YCbCr), kept as stored and not as red, "
        "green, blue",
        "cmyk": "the colours are inks (CMYK), kept as stored and not as red, green, blue",
        "lab": "the colours are CIE L*a*b* values as TIFF codes them, kept as stored",
        "mask": "the picture is a mask: 1 where another picture is to be seen",
    }.get(colour(layout))
    if says:
        book.warn(says)
    if layout.bits == (5, 6, 5):
        book.warn("the colours are stored with 5, 6 and 5 bits and were widened to 8")


def pixel_size(book: Book, ifd: Ifd) -> tuple[dict[str, float], dict[str, str]]:
    """Micrometres a pixel along y and x, when the resolution has a length unit and is not for print."""
    factor = {2: 25400.0, 3: 10000.0}.get(ifd.one(296, 2))
    size, sizes = 0.0, {}
    for axis, code in (("y", 283), ("x", 282)):
        density = ifd.ratio(code)
        if density is None or not density > 0 or factor is None:
            return {}, {}
        size = factor / density
        sizes[axis] = size
        if is_print_resolution(size):
            book.warn(
                f"the resolution of {density * 25400.0 / factor:.4g} dots an inch is one for print or "
                "screen; it was not taken as pixel size"
            )
            return {}, {}
    return sizes, {"y": "micrometer", "x": "micrometer"}


def is_print_resolution(size: float) -> bool:
    """Whether pixels of ``size`` micrometres are those of a screen or printer, not of an instrument."""
    dots = 25400.0 / size
    return dots < 50 or any(abs(dots - known) < 2e-3 * known for known in _PRINT)


def note_orientation(book: Book, ifd: Ifd) -> dict[str, Any]:
    """The orientation field as an attribute; the pixels stay as they are stored."""
    turn = ifd.one(274, 1)
    if not 2 <= turn <= 8:
        return {}
    book.warn(
        f"the picture is to be shown turned or mirrored (orientation {turn}); its pixels are kept as they "
        "are stored"
    )
    return {"orientation": turn}
