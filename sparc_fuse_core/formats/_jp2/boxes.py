"""JP2 boxes (ISO/IEC 15444-1 annex I): what the file says around its codestream.

A box is u32 length (0: to the end; 1: u64 length follows), 4 letters, contents. ``jp2h`` holds ``ihdr``
(u32 rows, u32 columns, u16 components, u8 depth ..), ``colr`` (u8 method 1: u32 16 sRGB, 17 grey, 18 YCC),
``pclr`` (u16 entries, u8 columns, u8 depth each, entries), ``cmap`` (u16 component, u8 kind, u8 column
each), ``cdef`` (u16 count, u16 channel, u16 kind, u16 meaning each) and ``res `` with ``resc`` (u16 y top,
y bottom, x top, x bottom, i8 y exponent, x exponent: pixels a metre).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

MARK = b"\0\0\0\x0cjP  \r\n\x87\n"
_MAX_BOXES = 1 << 16
_MAX_TEXT = 1 << 16
COLOURS = {12: "cmyk", 14: "lab", 16: "rgb", 17: "gray", 18: "ycbcr", 20: "rgb", 21: "rgb"}
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Boxes:
    """What the boxes say; ``streams`` are (start, end) of the codestreams."""

    streams: list[tuple[int, int]] = field(default_factory=list)
    shape: tuple[int, int, int] | None = None
    colour: str = ""
    palette: NDArray[Any] | None = None
    mapping: list[tuple[int, int, int]] = field(default_factory=list)
    alpha: set[int] = field(default_factory=set)
    resolution: tuple[float, float] | None = None
    texts: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read_boxes(source: Source) -> Boxes:
    """All boxes of a JP2 file; a bare codestream counts as one without boxes."""
    found = Boxes()
    if source.head(4) == b"\xff\x4f\xff\x51":
        found.streams.append((0, source.size))
        return found
    for kind, start, end in walk(source, 0, source.size):
        if kind == b"jp2h":
            for inner, begin, stop in walk(source, start, end):
                note_header(source, found, inner, begin, stop)
        elif kind == b"jp2c":
            found.streams.append((start, end))
        elif kind == b"xml ":
            source.expect(start, end - start, "XML box")
            found.texts.append(source.read(start, min(end - start, _MAX_TEXT)).decode("utf-8", "replace"))
        elif kind not in (b"jP  ", b"ftyp", b"rreq", b"free"):
            found.others.append(kind.decode("latin-1").strip())
    if not found.streams:
        raise FormatError(
            f"{source.name}: a JPEG 2000 image was promised, the file has none; it is damaged", hint=_REPAIR
        )
    return found


def walk(source: Source, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    count = 0
    while at + 8 <= end:
        length, kind = source.unpack(">I4s", at, "JP2 box")
        start = at + 8
        if length == 1:
            length, start = source.unpack(">Q", start, "JP2 box")[0], at + 16
        stop = end if length == 0 else at + length
        if stop < start:
            raise FormatError(
                f"{source.name}: the box at byte {at} is {length} bytes long; it is damaged", hint=_REPAIR
            )
        source.expect(start, stop - start, f"box {kind!r}")
        if stop > end:
            raise FormatError(
                f"{source.name}: the box {kind!r} is longer than the one around it", hint=_REPAIR
            )
        count += 1
        limit_items(source, "boxes", count, _MAX_BOXES)
        yield kind, start, stop
        at = stop


def note_header(source: Source, found: Boxes, kind: bytes, start: int, end: int) -> None:
    if kind == b"ihdr":
        rows, columns, count = source.unpack(">IIH", start, "image header")
        found.shape = (rows, columns, count)
    elif kind == b"colr" and not found.colour and end - start >= 3:
        method = source.unpack(">B", start)[0]
        if method == 1:
            found.colour = COLOURS.get(source.unpack(">I", start + 3, "colour")[0], "")
        else:
            found.others.append("ICC colour profile")
    elif kind == b"pclr":
        found.palette = _read_palette(source, start, end)
    elif kind == b"cmap":
        found.mapping = list(struct.iter_unpack(">HBB", source.read(start, (end - start) // 4 * 4)))
    elif kind == b"cdef":
        data = source.read(start + 2, (end - start - 2) // 6 * 6)
        found.alpha = {channel for channel, what, _ in struct.iter_unpack(">HHH", data) if what in (1, 2)}
    elif kind == b"res ":
        for inner, begin, _ in walk(source, start, end):
            if inner == b"resc":
                top, bottom, left, right, up, down = source.unpack(">HHHHbb", begin, "resolution")
                if top and bottom and left and right:
                    found.resolution = (top / bottom * 10.0**up, left / right * 10.0**down)


def _read_palette(source: Source, start: int, end: int) -> NDArray[Any]:
    entries, columns = source.unpack(">HB", start, "palette")
    depths = source.read(start + 3, columns, "palette")
    wide = any((depth & 127) > 7 for depth in depths)
    if not 1 <= entries <= 1024 or columns < 1 or any(depth > 15 for depth in depths):
        raise FormatError(
            f"{source.name}: a palette of {entries} colours and {columns} columns; it is damaged",
            hint=_REPAIR,
        )
    mixed = wide and any((depth & 127) <= 7 for depth in depths)
    if mixed:
        raise FormatError(f"{source.name}: a palette whose columns have several depths is not read")
    values = source.array(">u2" if wide else "u1", start + 3 + columns, entries * columns, "palette")
    return values.reshape(entries, columns).astype("u2" if wide else "u1")
