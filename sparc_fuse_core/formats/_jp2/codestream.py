"""JPEG 2000 codestreams (ISO/IEC 15444-1 annex A): header, tiles, and decoding one tile at one resolution.

``FF4F`` SOC; ``FF51`` SIZ: u16 length, u16 profile, u32 x1 y1 x0 y0 (image), tile width, tile height, tile
x0, tile y0, u16 components, then u8 depth (bit 7: signed) - 1, u8 step x, u8 step y of each; ``FF52`` COD:
u16 length, u8, u8 order, u16 layers, u8, u8 halvings; ... ``FF90`` SOT: u16 10, u16 tile, u32 length, u8
part, u8 parts; FFD9 end.

A tile is decoded alone: a codestream of our own holds its parts only and gives its area as the whole image.
All positions stay those of the file, so the samples are the same as in a decoding of everything.
"""

from __future__ import annotations

import inspect
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

SOC_SIZ = b"\xff\x4f\xff\x51"
_SIZ, _COD, _COC, _PPM, _TLM, _PLM, _SOT, _SOD, _EOC = (
    0xFF51,
    0xFF52,
    0xFF53,
    0xFF60,
    0xFF55,
    0xFF57,
    0xFF90,
    0xFF93,
    0xFFD9,
)
_MAX_HEADER = 1 << 20
_MAX_TILE_BYTES = 1 << 31
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Codestream:
    """The parsed main header and the places of all tile-parts."""

    source: Source
    image: tuple[int, int, int, int]
    tile: tuple[int, int, int, int]
    depths: list[int]
    signed: list[bool]
    steps: list[tuple[int, int]]
    halvings: int
    profile: int
    rest: bytes
    packed_headers: bool
    parts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def across(self) -> int:
        """Tiles side by side."""
        return -(-(self.image[2] - self.tile[2]) // self.tile[0])

    @property
    def down(self) -> int:
        """Tiles one below the other."""
        return -(-(self.image[3] - self.tile[3]) // self.tile[1])

    @property
    def even(self) -> bool:
        """Whether all components have the same step."""
        return len(set(self.steps)) == 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        bits = max(self.depths)
        return np.dtype(("i" if self.signed[0] else "u") + ("1" if bits <= 8 else "2" if bits <= 16 else "4"))

    def area(self, tile: int | None, level: int) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in samples of the image (None) or of one tile, ``level`` halvings down."""
        x0, y0, x1, y1 = self.image
        if tile is not None:
            left = self.tile[2] + tile % self.across * self.tile[0]
            top = self.tile[3] + tile // self.across * self.tile[1]
            x0, y0, x1, y1 = (
                max(x0, left),
                max(y0, top),
                min(x1, left + self.tile[0]),
                min(y1, top + self.tile[1]),
            )
        (dx, dy), half = self.steps[0], 1 << level
        found = (-(-x0 // dx), -(-y0 // dy), -(-x1 // dx), -(-y1 // dy))
        return (-(-found[0] // half), -(-found[1] // half), -(-found[2] // half), -(-found[3] // half))

    def decode(self, tile: int, level: int) -> NDArray[Any]:
        """One tile as (row, column, component)."""
        import imagecodecs

        data = self._alone(tile)
        x0, y0, x1, y1 = self.area(tile, level)
        options: dict[str, Any] = {"skipres": level} if level else {}
        try:
            pixels = imagecodecs.jpeg2k_decode(data, **options)
        except MemoryError as error:
            raise LimitExceeded(
                f"{self.source.name}: a tile unpacks to more than memory holds", hint=_REPAIR
            ) from error
        except RuntimeError as error:
            raise FormatError(
                f"{self.source.name}: tile {tile} cannot be decoded ({error}); it is damaged", hint=_REPAIR
            ) from error
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if level:  # OpenJPEG gives halved tiles that begin at an odd place one row or column too many
            extra = (pixels.shape[0] - (y1 - y0), pixels.shape[1] - (x1 - x0))
            if all(0 <= n <= 1 for n in extra):
                pixels = pixels[: y1 - y0, : x1 - x0]
        if pixels.shape != (y1 - y0, x1 - x0, len(self.depths)):
            raise FormatError(
                f"{self.source.name}: a tile of {x1 - x0} x {y1 - y0} was promised, {pixels.shape} is there",
                hint=_REPAIR,
            )
        found: NDArray[Any] = pixels
        return found

    def _alone(self, tile: int) -> bytes:
        """A codestream of this tile only."""
        x0, y0, x1, y1 = self.area(tile, 0)
        components = b"".join(
            bytes([depth - 1 | (128 if signed else 0), 1, 1])
            for depth, signed in zip(self.depths, self.signed, strict=True)
        )
        siz = struct.pack(
            ">HIIIIIIIIH", self.profile, x1, y1, x0, y0, x1 - x0, y1 - y0, x0, y0, len(self.depths)
        )
        siz += components
        parts = []
        for offset, length in self.parts[tile]:
            part = self.source.read(offset, length, "JPEG 2000 tile")
            # Tile number 0 of our codestream; the length is given even where the file left it open.
            parts.append(part[:4] + struct.pack(">HI", 0, length) + part[10:])
        return SOC_SIZ + struct.pack(">H", len(siz) + 2) + siz + self.rest + b"".join(parts) + b"\xff\xd9"


def can_halve() -> bool:
    """Whether the installed imagecodecs decodes lower resolutions; the last one for Python 3.11 does not."""
    import imagecodecs

    return "skipres" in inspect.signature(imagecodecs.jpeg2k_decode).parameters


def read_codestream(source: Source, start: int, end: int) -> Codestream:
    """Main header and tile-parts between two offsets; Truncated when tiles are missing."""
    header = source.read(start, min(4096, end - start), "JPEG 2000 header")
    if not header.startswith(SOC_SIZ):
        raise FormatError(
            f"{source.name}: a JPEG 2000 codestream was promised, {header[:4]!r} is there", hint=_REPAIR
        )
    stream = _read_siz(source, header)
    at, rest, coarse = _read_main(source, stream, start + 2, end)
    stream.rest, stream.halvings = rest, coarse
    _read_parts(source, stream, at, end)
    return stream


def _read_siz(source: Source, header: bytes) -> Codestream:
    length, profile, x1, y1, x0, y0, tw, th, tx, ty, count = struct.unpack_from(
        ">HHIIIIIIIIH", header.ljust(64), 4
    )
    sane = length == 38 + 3 * count and 1 <= count <= 16384 and x0 < x1 and y0 < y1 and tw and th
    if not sane or tx > x0 or ty > y0 or tx + tw <= x0 or ty + th <= y0:
        raise FormatError(
            f"{source.name}: an image of {x1 - x0} x {y1 - y0} pixels in tiles of {tw} x {th} with {count} "
            "components "
            "is promised; its header is damaged",
            hint=_REPAIR,
        )
    if 42 + 3 * count > len(header):
        raise Truncated(
            f"{source.name}: {count} components are promised, the header ends before", hint=_REPAIR
        )
    rows = [struct.unpack_from(">BBB", header, 42 + 3 * i) for i in range(count)]
    depths = [(depth & 127) + 1 for depth, _, _ in rows]
    if any(dx == 0 or dy == 0 for _, dx, dy in rows) or max(depths) > 32:
        raise FormatError(
            f"{source.name}: components of {max(depths)} bits or step 0; its header is damaged", hint=_REPAIR
        )
    stream = Codestream(
        source, (x0, y0, x1, y1), (tw, th, tx, ty), depths, [depth > 127 for depth, _, _ in rows],
        [(dx, dy) for _, dx, dy in rows], 0, profile, b"", False,
    )  # fmt: skip
    limit_items(source, "tiles", stream.across * stream.down, 65535)
    return stream


def _read_main(source: Source, stream: Codestream, at: int, end: int) -> tuple[int, bytes, int]:
    """Place of the first tile-part, the segments that decide decoding, and how often one may halve."""
    rest, coarse, begin = b"", -1, at
    while True:
        source.expect(at, min(4, max(0, end - at)) or 4, "JPEG 2000 header")
        marker, length = source.unpack(">HH", at, "JPEG 2000 header")
        if marker == _SOT:
            break
        if marker < 0xFF00 or length < 2 or at + 2 + length > end or at - begin > _MAX_HEADER:
            raise Truncated(
                f"{source.name}: the main header is broken at byte {at}; it is cut short or damaged",
                hint=_REPAIR,
            )
        segment = source.read(at, 2 + length, "JPEG 2000 header")
        if marker == _COD and length >= 12:
            coarse = segment[9] if coarse < 0 else min(coarse, segment[9])
        elif marker == _COC:
            place = 7 if len(stream.depths) > 256 else 6
            coarse = min(coarse, segment[place]) if len(segment) > place and coarse >= 0 else coarse
        stream.packed_headers |= marker == _PPM
        # SIZ is written anew; lengths of tile-parts and packets (TLM, PLM) are those of the whole file.
        rest += segment if marker not in (_SIZ, _TLM, _PLM) else b""
        at += 2 + length
    if coarse < 0 or coarse > 32:
        raise FormatError(f"{source.name}: the way of coding (COD) is missing or damaged", hint=_REPAIR)
    return at, rest, coarse


def _read_parts(source: Source, stream: Codestream, at: int, end: int) -> None:
    tiles = stream.across * stream.down
    count = 0
    while at + 12 <= end:
        marker, length, tile, size = source.unpack(">HHHI", at, "JPEG 2000 tile header")
        if marker == _EOC:
            break
        if marker != _SOT or length != 10 or tile >= tiles:
            raise FormatError(
                f"{source.name}: a tile was expected at byte {at}; the file is damaged", hint=_REPAIR
            )
        if size == 0:  # the last part may leave its length open
            size = end - at - (2 if source.read(end - 2, 2) == b"\xff\xd9" else 0)
        if size < 14 or at + size > end:
            raise Truncated(
                f"{source.name}: tile {tile} promises {size} bytes at byte {at}, the codestream ends at "
                f"{end}; "
                "it is cut short or damaged",
                hint=_REPAIR,
            )
        stream.parts.setdefault(tile, []).append((at, size))
        count += 1
        limit_items(source, "tile-parts", count, 1 << 20)
        at += size
    if len(stream.parts) < tiles:
        raise Truncated(
            f"{source.name}: {tiles} tiles are promised, {len(stream.parts)} are there; it is cut short",
            hint=_REPAIR,
        )
    for tile, parts in stream.parts.items():
        x0, y0, x1, y1 = stream.area(tile, 0)
        unpacked, stored = (x1 - x0) * (y1 - y0) * len(stream.depths) * 4, sum(n for _, n in parts)
        if unpacked > _MAX_TILE_BYTES or (unpacked > 1 << 28 and unpacked > stored * 20000):
            raise LimitExceeded(
                f"{source.name}: a tile of {stored} bytes unpacks to {unpacked} bytes; it is damaged",
                hint=_REPAIR,
            )
