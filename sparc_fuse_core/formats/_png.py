"""PNG chunks (ISO/IEC 15948 and the APNG extension), walked without a decoder.

``u32 length, 4 letters, data, u32 CRC``; IHDR first: u32 width, u32 height, u8 depth, u8 colour, u8
compression, u8 filter, u8 interlace. Colour 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA. fcTL, one a
frame of an APNG, ends with u16 delay numerator, u16 denominator (0 means 100), u8 disposal, u8 blending.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MARK = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MAX_CHUNKS = 1 << 20
_DEFLATE_TIGHTEST = 1032
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class PngHeader:
    """What the chunks say: size, depth, colour type, transparency, delays of frames in seconds."""

    width: int
    height: int
    depth: int
    colour: int
    transparent: bool = False
    delays: list[float] = field(default_factory=list)
    still_first: bool = False
    chunks: set[str] = field(default_factory=set)
    gamma: float | None = None

    @property
    def samples(self) -> int:
        """Samples a pixel as stored."""
        return _SAMPLES[self.colour]


def read_png(source: Source) -> PngHeader:
    """Header of a PNG; Truncated when the file ends before its IEND or cannot hold what it promises."""
    header = _read_ihdr(source)
    at, packed, count = 8, 0, 0
    while True:
        source.expect(at, 8, "PNG chunk")
        length, kind = source.unpack(">I4s", at, "PNG chunk")
        source.expect(at + 8, length + 4, f"PNG chunk {kind!r}")
        count += 1
        limit_items(source, "PNG chunks", count, _MAX_CHUNKS)
        if kind == b"IEND":
            break
        packed += length if kind == b"IDAT" else 0
        _note_chunk(source, header, kind, at + 8, length, packed)
        at += 12 + length
    rows = header.height * (1 + -(-header.width * header.depth * header.samples // 8))
    if rows > packed * _DEFLATE_TIGHTEST + 4096:
        raise Truncated(
            f"{source.name}: {header.width} x {header.height} pixels are promised, {packed} bytes cannot "
            "hold them; "
            "it is cut short or its header is damaged",
            hint=_REPAIR,
        )
    return header


def _read_ihdr(source: Source) -> PngHeader:
    length, kind, width, height, depth, colour = source.unpack(">I4sIIBB", 8, "PNG header")
    if length != 13 or kind != b"IHDR" or width < 1 or height < 1 or depth not in _DEPTHS.get(colour, ()):
        raise FormatError(
            f"{source.name}: a PNG header was expected, {kind!r} with {width} x {height} pixels of {depth} "
            "bits and "
            f"colour type {colour} is there; it is damaged",
            hint=_REPAIR,
        )
    return PngHeader(width, height, depth, colour)


def _note_chunk(source: Source, header: PngHeader, kind: bytes, at: int, length: int, packed: int) -> None:
    header.chunks.add(kind.decode("latin-1"))
    if kind == b"tRNS":
        header.transparent = True
    elif kind == b"gAMA" and length == 4:
        header.gamma = source.unpack(">I", at)[0] / 100000
    elif kind == b"fcTL" and length == 26:
        top, bottom = source.unpack(">HH", at + 20)
        header.delays.append(top / (bottom or 100))
        limit_items(source, "frames", len(header.delays), 1 << 16)
    elif kind == b"IDAT" and packed == length:
        header.still_first = not header.delays
