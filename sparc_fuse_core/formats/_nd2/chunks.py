"""Where the chunks of an ND2 file are, and a file handle that never reads more than there is.

::

    modern   chunks: u32 0x0ABECEDA, u32 n, u64 bytes, n bytes name, data
             the last 40 bytes: "ND2 CHUNK MAP SIGNATURE 0000001!", u64 place of the chunk "ND2 FILEMAP
             SIGNATURE NAME 0001!" that lists all: name ending in "!", u64 place, u64 bytes
    older    boxes of JPEG 2000: u32 bytes, 4 letters; the last 40 bytes: "LABORATORY IMAGING ND BOX MAP 00",
             u64 distance of the list from the end: u32 n (big-endian), n x (4 letters, 4
             letters, u32 place, u32)
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MODERN = b"\xda\xce\xbe\x0a"
_END = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_LIST = b"ND2 FILEMAP SIGNATURE NAME 0001!"
OLDER_END = b"LABORATORY IMAGING ND BOX MAP 00"
_COMPRESSED = 76
_MOST_TEXT = 64 << 20
_MOST_CHUNKS = 1 << 22
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class Handle:
    """The source as a file for the library: asked for more than there is, it gives what there is."""

    def __init__(self, source: Source) -> None:
        self._source, self._at, self.closed = source, 0, False

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._source.size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        data = self._source.read(self._at, count) if count else b""
        self._at += count
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, self._source.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self.closed = True


def is_older(source: Source) -> bool:
    """Whether the file is an ND2 made of JPEG 2000 boxes (NIS-Elements before version 3)."""
    return source.size > 52 and source.read(source.size - 40, 32) == OLDER_END


class Chunks:
    """The list of chunks of a modern file: place and size by name."""

    def __init__(self, source: Source) -> None:
        self.source = source
        name, at = source.unpack("<32sQ", max(0, source.size - 40), "end of the list of chunks")
        if name != _END:
            raise Truncated(
                f"{source.name}: the list of chunks at its end is missing; it is cut short", hint=_REPAIR
            )
        self.places = self._listed(self.data(at, _LIST))
        for place, _ in sorted(self.places.values())[-1:]:
            source.expect(place, 16, "the last chunk")

    def _listed(self, data: bytes) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        at = 0
        while True:
            end = data.find(b"!", at) + 1
            name = data[at:end]
            if name == _END:
                return found
            if not 0 < end <= len(data) - 16:
                raise Truncated(f"{self.source.name}: its list of chunks has no end", hint=_REPAIR)
            found[name.decode("latin-1")] = struct.unpack_from("<QQ", data, end)
            limit_items(self.source, "chunks", len(found), _MOST_CHUNKS)
            at = end + 16

    def place(self, at: int, name: bytes) -> tuple[int, int]:
        """Offset and size of the data of the chunk at ``at``, which must have this name."""
        mark, length, size = self.source.unpack("<IIQ", at, "chunk")
        if mark != 0x0ABECEDA or length > 1 << 16:
            raise FormatError(
                f"{self.source.name}: a chunk was expected at byte {at}, {mark:#x} is there; it is damaged",
                hint=_REPAIR,
            )
        said = self.source.read(at + 16, min(length, 128), "name of a chunk")
        if not said.startswith(name):
            raise FormatError(
                f"{self.source.name}: chunk {name!r} was expected at byte {at}, {said[:32]!r} is there; it is "
                "damaged",
                hint=_REPAIR,
            )
        self.source.expect(at + 16 + length, size, "chunk")
        return at + 16 + length, int(size)

    def data(self, at: int, name: bytes) -> bytes:
        """The data of a chunk."""
        offset, size = self.place(at, name)
        limit_items(self.source, "bytes in a list or description", size, 1 << 29)
        return self.source.read(offset, size, "chunk")

    def check(self) -> None:
        """Refuse descriptions that the library should not be given: entities, or bytes that never end."""
        for name, (at, _) in self.places.items():
            if name.startswith(("ImageAttributes", "ImageMetadata", "ImageTextInfo")):
                data = self.data(at, name.encode("latin-1"))
                if data[:1] == b"<":
                    _refuse_entities(self.source, data)
                elif data[:1] == bytes([_COMPRESSED]):
                    unpack(self.source, data[12:], _MOST_TEXT)


def _refuse_entities(source: Source, data: bytes) -> None:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise FormatError(f"{source.name}: its XML defines entities, which no ND2 does", hint=_REPAIR)


def unpack(source: Source, data: bytes, most: int) -> bytes:
    """Inflate at most ``most`` bytes; LimitExceeded when there are more."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, most)
    except zlib.error as error:
        raise FormatError(f"{source.name}: packed data are damaged ({error})", hint=_REPAIR) from error
    if inflate.unconsumed_tail:
        raise LimitExceeded(f"{source.name}: packed data unpack to more than {most} bytes", hint=_REPAIR)
    return plain


def older_boxes(source: Source) -> dict[str, list[int]]:
    """Places of the boxes of an older file by kind; ``LUNK`` are pictures."""
    (distance,) = source.unpack("<Q", source.size - 8, "list of boxes")
    at = source.size - distance
    source.expect(at, 44, "list of boxes")
    (count,) = source.unpack(">I", at, "list of boxes")
    limit_items(source, "boxes", count, min(_MOST_CHUNKS, (source.size - at - 44) // 16))
    found: dict[str, list[int]] = defaultdict(list)
    data = source.read(at + 4, source.size - at - 4, "list of boxes")
    for index in range(count):
        kind, other, place = struct.unpack_from("<4s4sI", data, index * 16)
        outer = kind in (b"jP  ", b"ftyp", b"jp2h")
        found[(kind if outer else other).decode("latin-1")].append(place)
    for name in ("VCAL", "VIMD", "AIM1", "AIMD", "ARTT", "ACAL", "TINF"):
        for place in found.get(name, [])[:1]:
            (length,) = source.unpack(">I", place, "a box")
            limit_items(source, "bytes of description", length, _MOST_TEXT)
            _refuse_entities(source, source.read(place, length, "a box"))
    return found
