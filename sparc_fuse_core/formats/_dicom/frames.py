"""Frames of a DICOM file as one lazy array (frame, sample, row, column): native ones by their place in the file,
encapsulated ones item by item.

Encapsulated: item FFFE,E000 u32 length with the u32 places of the frames (may be empty), then items with the pieces
of the frames, then FFFE,E0DD.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._dicom.codecs import Pixels, decode
from sparc_fuse_core.formats._dicom.header import Header, value
from sparc_fuse_core.formats._strided import strided
from sparc_fuse_core.formats._tiff.page import SegmentCache
from sparc_fuse_core.model import LazyArray, from_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD
_MAX_ITEMS = 1 << 20
_MAX_FRAME = 1 << 30
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0c")
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


def native(header: Header, pixels: Pixels, count: int, warnings: list[str]) -> LazyArray:
    """Uncompressed frames; Truncated when the file does not have them."""
    halved = pixels.photometric == "YBR_FULL_422" and pixels.samples == 3 and pixels.bits == 8
    per_frame = pixels.rows * pixels.columns * (2 if halved else pixels.samples)
    need = -(-count * per_frame * pixels.bits // 8)
    if need > header.length or header.offset + need > header.size:
        raise Truncated(
            f"{header.name}: {count} frames of {pixels.rows} x {pixels.columns} need {need} bytes, "
            f"{min(header.length, header.size - header.offset)} are there; it is cut short or damaged",
            hint=_REPAIR,
        )
    if header.length > need + 1:
        warnings.append(f"{header.length - need} bytes after the last frame were left out")
    read = header.read
    if header.big and pixels.bits == 8 and header.vr == b"OW":
        read = _swapped(read, header.offset)
    if pixels.bits == 1:
        return _packed_bits(read, header.offset, pixels, count)
    if halved:
        return _halved(read, header.offset, pixels, count)
    kind = pixels.dtype.newbyteorder(">" if header.big else "<")
    plane = (pixels.rows, pixels.columns)
    if pixels.planar and pixels.samples > 1:
        shape = (count, pixels.samples, *plane)
        return _masked(strided(read, shape, kind, header.offset, blocks=(1, 1, *plane)), pixels)
    shape = (count, *plane, pixels.samples)
    data = strided(read, shape, kind, header.offset, blocks=(1, *plane, pixels.samples))
    return _masked(data.transpose(0, 3, 1, 2), pixels)


def _swapped(read: Callable[[int, int], bytes], origin: int) -> Callable[[int, int], bytes]:
    """Bytes that are stored as big-endian words."""

    def swapped(offset: int, nbytes: int) -> bytes:
        lead = (offset - origin) % 2
        words = np.frombuffer(read(offset - lead, (nbytes + lead + 1) // 2 * 2), ">u2")
        return words.astype("<u2").tobytes()[lead : lead + nbytes]

    return swapped


def _packed_bits(read: Callable[[int, int], bytes], offset: int, pixels: Pixels, count: int) -> LazyArray:
    shape = (pixels.samples, pixels.rows, pixels.columns)
    area = pixels.rows * pixels.columns * pixels.samples

    def frame(number: int) -> NDArray[Any]:
        begin, end = number * area, (number + 1) * area
        packed = np.frombuffer(read(offset + begin // 8, -(-end // 8) - begin // 8), "u1")
        bits = np.unpackbits(packed, bitorder="little")[begin % 8 : begin % 8 + area]
        return np.moveaxis(bits.reshape(pixels.rows, pixels.columns, pixels.samples), -1, 0)

    return from_planes((count,), shape, "u1", frame)


def _halved(read: Callable[[int, int], bytes], offset: int, pixels: Pixels, count: int) -> LazyArray:
    """Two brightnesses, then one pair of colours for both."""
    shape = (3, pixels.rows, pixels.columns)
    nbytes = pixels.rows * pixels.columns * 2

    def frame(number: int) -> NDArray[Any]:
        four = np.frombuffer(read(offset + number * nbytes, nbytes), "u1").reshape(pixels.rows, -1, 4)
        luma = four[..., :2].reshape(pixels.rows, pixels.columns)
        return np.stack([luma, *(four[..., i].repeat(2, -1) for i in (2, 3))])

    if pixels.columns % 2:
        raise FormatError(
            f"halved colours in rows of {pixels.columns} pixels; the header is damaged", hint=_REPAIR
        )
    return from_planes((count,), shape, "u1", frame)


def _masked(data: LazyArray, pixels: Pixels) -> LazyArray:
    """The bits that belong to the values, with their sign; others may hold an overlay."""
    if pixels.kind != "integer" or pixels.stored >= pixels.bits:
        return data
    return LazyArray(data.shape, data.dtype, lambda key: cut(data.read(key), pixels), blocks=data.blocks)


def cut(values: NDArray[Any], pixels: Pixels) -> NDArray[Any]:
    """``stored`` bits below ``high``, spread to the whole type."""
    kind = pixels.dtype
    width = kind.itemsize * 8
    up, down = width - 1 - pixels.high, width - pixels.stored
    whole = (
        values.astype(f"u{kind.itemsize}", copy=False)
        if values.dtype.kind == "u"
        else values.view(f"u{kind.itemsize}")
    )
    moved = np.left_shift(whole, up).view(kind)
    out: NDArray[Any] = np.right_shift(moved, down)
    return out


class Frames:
    """The pieces of encapsulated frames; their places are looked up when the first one is asked for."""

    def __init__(self, header: Header, count: int) -> None:
        self._header, self._count = header, count
        self._lock = threading.Lock()
        self._places: list[list[tuple[int, int]]] | None = None
        self._table = self._read_table()

    def get(self, number: int) -> bytes:
        """The compressed bytes of one frame."""
        if self._table is not None:
            begin = self._start + self._table[number]
            end = self._start + self._table[number + 1] if number + 1 < self._count else self._header.size
            pieces = self._items(begin, end)
        else:
            with self._lock:
                if self._places is None:
                    self._places = self._group(self._items(self._start, self._header.size))
            pieces = self._places[number]
        if not pieces or sum(n for _, n in pieces) > _MAX_FRAME:
            raise FormatError(
                f"{self._header.name}: frame {number} is not there; the file is damaged", hint=_REPAIR
            )
        return b"".join(self._header.read(at, n) for at, n in pieces)

    def _read_table(self) -> list[int] | None:
        header = self._header
        tag, length = self._item(header.offset)
        if tag != _ITEM or length > header.size - header.offset - 8:
            raise FormatError(
                f"{header.name}: its frames have no table of places; it is damaged", hint=_REPAIR
            )
        self._start = header.offset + 8 + length
        longer = value(header.data, "ExtendedOffsetTable")
        if isinstance(longer, bytes) and len(longer) == 8 * self._count:
            table = list(struct.unpack(f"<{self._count}Q", longer))
        elif length == 4 * self._count:
            table = list(struct.unpack(f"<{self._count}I", header.read(header.offset + 8, length)))
        else:
            return None
        rising = all(a < b for a, b in pairwise(table)) and table[0] == 0
        return table if rising and self._start + table[-1] + 8 <= header.size else None

    def _item(self, at: int) -> tuple[int, int]:
        if at + 8 > self._header.size:
            raise Truncated(
                f"{self._header.name}: a frame ends beyond the file; it is cut short", hint=_REPAIR
            )
        group, element, length = struct.unpack("<HHI", self._header.read(at, 8))
        return group << 16 | element, length

    def _items(self, at: int, end: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        while at + 8 <= end:
            tag, length = self._item(at)
            if tag == _END:
                break
            if tag != _ITEM or at + 8 + length > self._header.size:
                raise Truncated(
                    f"{self._header.name}: a piece of a frame was expected at byte {at}; it is cut short or damaged",
                    hint=_REPAIR,
                )
            found.append((at + 8, length))
            if len(found) > _MAX_ITEMS:
                raise LimitExceeded(f"{self._header.name}: its frames lie in too many pieces", hint=_REPAIR)
            at += 8 + length
        return found

    def _group(self, items: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        if self._count == 1:
            return [items]
        if len(items) == self._count:
            return [[item] for item in items]
        frames: list[list[tuple[int, int]]] = []
        for at, length in items:
            if length >= 4 and self._header.read(at, 4).startswith(_STARTS):
                frames.append([])
            if frames:
                frames[-1].append((at, length))
        if len(frames) != self._count:
            raise FormatError(
                f"{self._header.name}: {self._count} frames are promised in {len(items)} pieces, and nothing says "
                "which belong together; it is damaged",
                hint=_REPAIR,
            )
        return frames


def encapsulated(header: Header, pixels: Pixels, count: int) -> LazyArray:
    """Compressed frames, decoded when asked for."""
    frames, cache = Frames(header, count), SegmentCache()
    if pixels.rows * pixels.columns * pixels.samples * pixels.dtype.itemsize > _MAX_FRAME:
        raise LimitExceeded(f"{header.name}: a frame unpacks to more than {_MAX_FRAME} bytes", hint=_REPAIR)

    def unpack(number: int) -> NDArray[Any]:
        values = decode(frames.get(number), header.syntax, pixels, header.name)
        if values.dtype.itemsize > pixels.dtype.itemsize:
            raise FormatError(
                f"{header.name}: a frame holds {values.dtype}, fewer bits were promised", hint=_REPAIR
            )
        if values.dtype != pixels.dtype:
            values = values.astype(f"{values.dtype.kind}{pixels.dtype.itemsize}").view(pixels.dtype)
        if pixels.stored < pixels.bits:
            values = cut(values, pixels)
        return np.moveaxis(values, -1, 0)

    def frame(number: int) -> NDArray[Any]:
        return cache.get((number, 0), lambda: unpack(number))

    shape = (pixels.samples, pixels.rows, pixels.columns)
    return from_planes((count,), shape, pixels.dtype, frame)


def as_rgb(data: LazyArray) -> LazyArray:
    """Luma and chroma (PS3.3 C.7.6.3.1.2, 8 bits) as red, green and blue."""
    table = np.array(
        [[1, 1, 1], [0, -0.114 * 1.772 / 0.587, 1.772], [1.402, -0.299 * 1.402 / 0.587, 0]], np.float32
    )

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        sample = key[1]
        stored = data.read((key[0], slice(0, 3), *key[2:])).astype(np.float32)
        place = 1 if isinstance(key[0], slice) else 0
        stored = np.moveaxis(stored, place, -1) - np.array([0, 128, 128], np.float32)
        colours = np.clip(np.floor(stored @ table + np.float32(0.5)), 0, 255).astype("u1")
        return np.moveaxis(colours, -1, place)[(slice(None),) * place + (sample,)]

    return LazyArray(data.shape, "u1", read, blocks=data.blocks)
