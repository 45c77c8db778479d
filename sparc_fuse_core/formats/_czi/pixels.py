"""Pixels of one block of a CZI: where they lie, how they are packed, which of them are valid.

::

    ZISRAWSUBBLOCK   i32 bytes of XML, i32 bytes of attachment, i64 bytes of pixels, entry "DV" (240 bytes at
                     least), XML, pixels, attachment
    packing          0 none, 1 JPEG, 2 LZW, 4 JPEG XR, 5 Zstandard, 6 Zstandard after a header: u8 its
                     length, and where that is 3: 1, flags (bit 0: low bytes first, then all high bytes)
    attachment       16 bytes GUID, u32 columns, rows, type 0, bytes a row; a bit a pixel: 1 is valid
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._codestream import declared_size
from sparc_fuse_core.formats._czi.segments import Block
from sparc_fuse_core.formats._tiff.page import SegmentCache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

# Type of a sample and samples a pixel by the number of the pixel type.
KINDS: dict[int, tuple[str, int]] = {
    0: ("u1", 1), 1: ("u2", 1), 2: ("f4", 1), 3: ("u1", 3), 4: ("u2", 3), 8: ("f4", 3), 9: ("u1", 4),
    10: ("c8", 1), 11: ("c8", 3), 12: ("i4", 1), 13: ("f8", 1),
}  # fmt: skip
PLAIN, JPEG, LZW, JPEG_XR, ZSTD, ZSTD_HEADER = 0, 1, 2, 4, 5, 6
_HEAD = struct.Struct("<16sqqiiq28xi")
_MASK = bytes.fromhex("67eae3cbfc5b2b49a16aece378031448")
_MAX_PIXELS = 1 << 31
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class Pixels:
    """Reads blocks; their places and the last unpacked ones are kept."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._cache = SegmentCache()
        self._places: dict[int, tuple[int, int, int, int]] = {}

    def place(self, block: Block) -> tuple[int, int, int, int]:
        """Offset and size of the block's pixels, size of its attachment, size of the XML before the pixels."""
        found = self._places.get(block.place)
        if found is None:
            name, _, _, text, attached, size, count = self.source.unpack(_HEAD, block.place, "block")
            if name.rstrip(b"\0") != b"ZISRAWSUBBLOCK" or text < 0 or attached < 0 or not 0 <= count <= 40:
                raise FormatError(
                    f"{self.source.name}: a block of pixels was expected at byte {block.place}, {name!r} is "
                    "there; it is damaged",
                    hint=_REPAIR,
                )
            offset = block.place + 48 + max(240, 32 + 20 * count) + text
            self.source.expect(offset, size, "pixels")
            found = self._places[block.place] = (offset, size, attached, text)
        return found

    def text(self, block: Block, most: int = 1 << 20) -> bytes:
        """The block's own XML."""
        offset, _, _, size = self.place(block)
        return self.source.read(offset - size, min(size, most), "description of a block")

    def crop(self, block: Block, rows: slice, columns: slice) -> NDArray[Any]:
        """Part of a block as (row, column, sample), colours as red, green, blue."""
        kind, samples = KINDS[block.kind]
        high, wide = block.stored
        offset, size, _, _ = self.place(block)
        row = wide * samples * np.dtype(kind).itemsize
        if block.compression == PLAIN or size == high * row:
            self.source.expect(offset, high * row, "pixels")
            if size < high * row:
                raise Truncated(
                    f"{self.source.name}: a block needs {high * row} bytes, it has {size}", hint=_REPAIR
                )
            part = self.source.array(
                f"<{kind}", offset + rows.start * row, (rows.stop - rows.start) * wide * samples, "pixels"
            )
            return _rgb(part.reshape(-1, wide, samples)[:, columns])
        whole = self._cache.get((block.place, 0), lambda: self._unpack(block, offset, size))
        return whole[rows, columns]

    def _unpack(self, block: Block, offset: int, size: int) -> NDArray[Any]:
        import imagecodecs

        kind, samples = KINDS[block.kind]
        high, wide = block.stored
        wanted = high * wide * samples * np.dtype(kind).itemsize
        if wanted > _MAX_PIXELS or wanted > (size + 64) * 40000:
            raise LimitExceeded(
                f"{self.source.name}: {size} bytes are said to hold a block of {wide} x {high} pixels",
                hint=_REPAIR,
            )
        data = self.source.read(offset, size, "pixels")
        if block.compression in (JPEG, JPEG_XR):
            area = declared_size(data) if block.compression == JPEG else _jxr_size(data)
            if area is None or area[0] * area[1] > 2 * high * wide + 65536:
                raise LimitExceeded(
                    f"{self.source.name}: a block of {wide} x {high} pixels says that it is {area}; it is "
                    "damaged",
                    hint=_REPAIR,
                )
            if block.compression == JPEG and b"\xff\xd9" not in data[-1024:]:
                # libjpeg fills what is missing with grey and does not say so.
                raise Truncated(f"{self.source.name}: a JPEG block has no end; it is cut short", hint=_REPAIR)
            decode = imagecodecs.jpeg_decode if block.compression == JPEG else imagecodecs.jpegxr_decode
            return self._fitted(block, decode(data))
        if block.compression == LZW:
            plain = imagecodecs.lzw_decode(data, out=wanted)
        elif block.compression in (ZSTD, ZSTD_HEADER):
            plain = _zstd(data, wanted, block.compression)
        else:
            raise FormatError(
                f"{self.source.name}: pixels are packed in way {block.compression}, which is not read",
                hint="Open it in ZEN and save it without compression, or as JPEG XR.",
            )
        return _rgb(self._fitted(block, np.frombuffer(plain, f"<{kind}")))

    def _fitted(self, block: Block, pixels: NDArray[Any]) -> NDArray[Any]:
        kind, samples = KINDS[block.kind]
        high, wide = block.stored
        if pixels.dtype != np.dtype(kind):
            raise FormatError(
                f"{self.source.name}: a block of {kind} was promised, it holds {pixels.dtype}; it is damaged",
                hint=_REPAIR,
            )
        if pixels.size == high * wide * samples:
            return pixels.reshape(high, wide, samples)
        # At the borders of lower resolutions ZEN rounds a side up and stores it rounded down.
        for shape in ((high - 1, wide), (high, wide - 1), (high - 1, wide - 1)):
            if block.stored != block.size and pixels.size == shape[0] * shape[1] * samples:
                out = np.zeros((high, wide, samples), pixels.dtype)
                out[: shape[0], : shape[1]] = pixels.reshape(*shape, samples)
                return out
        raise Truncated(
            f"{self.source.name}: a block of {wide} x {high} pixels unpacks to {pixels.size // samples}",
            hint=_REPAIR,
        )

    def mask(self, block: Block) -> NDArray[Any] | None:
        """Which pixels of the block are valid, as (row, column); None when all are."""
        offset, size, attached, _ = self.place(block)
        if attached < 48:
            return None
        head = self.source.read(offset + size, 20, "mask")
        return self._mask(block, offset + size, attached, head) if head[:16] == _MASK else None

    def _mask(self, block: Block, at: int, attached: int, head: bytes) -> NDArray[Any] | None:
        # A container gives the length of the mask after its name; without one the mask follows at once.
        (length,) = struct.unpack_from("<i", head, 16)
        start = 20 if length == attached - 20 else 16
        wide, high, kind, stride = self.source.unpack("<IIII", at + start, "mask")
        if kind != 0 or (high, wide) != block.stored or stride * 8 < wide or stride > wide // 8 + 8:
            return None
        bits = self.source.array("u1", at + start + 16, stride * high, "mask").reshape(high, stride)
        return np.unpackbits(bits, axis=1)[:, :wide].astype(bool)


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Stored as blue, green, red (and alpha)."""
    samples = pixels.shape[-1]
    return pixels if samples < 3 else pixels[..., [2, 1, 0, 3][:samples]]


def _zstd(data: bytes, wanted: int, way: int) -> Any:
    import imagecodecs

    start, low_first = 0, False
    if way == ZSTD_HEADER:
        start = data[0]
        low_first = start >= 3 and data[1] == 1 and bool(data[2] & 1)
    plain = imagecodecs.zstd_decode(data[start:], out=wanted)
    if not low_first:
        return plain
    half = len(plain) // 2
    return np.frombuffer(plain, "u1")[: 2 * half].reshape(2, half).T.tobytes()


def _jxr_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) in the directory of a JPEG XR file (ITU-T T.832 Annex A)."""
    if data[:3] != b"II\xbc" or len(data) < 10:
        return None
    (at,) = struct.unpack_from("<I", data, 4)
    if at + 2 > len(data):
        return None
    (count,) = struct.unpack_from("<H", data, at)
    sides: dict[int, int] = {}
    for index in range(min(count, (len(data) - at - 2) // 12)):
        code, kind, _, value = struct.unpack_from("<HHII", data, at + 2 + 12 * index)
        if code in (0xBC80, 0xBC81):
            sides[code] = value if kind == 4 else value & 0xFFFF
    return (sides[0xBC81], sides[0xBC80]) if len(sides) == 2 else None
