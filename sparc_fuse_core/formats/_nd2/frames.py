"""Frames of an ND2 file: all channels of one plane, as (row, column, component).

A frame of a modern file is a chunk ``ImageDataSeq|7!``: f64 milliseconds, then rows of ``stride`` bytes, each
pixel with all its components; packed frames are inflated whole. In older files each channel of a frame is a
JPEG 2000 codestream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._codestream import declared_size
from sparc_fuse_core.formats._nd2.chunks import Chunks, unpack
from sparc_fuse_core.formats._tiff.page import SegmentCache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_MOST_FRAME = 1 << 33


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and type of every frame; ``stride`` is bytes from row to row, ``colour`` says that
    three components are blue, green and red."""

    rows: int
    columns: int
    components: int
    stride: int
    dtype: np.dtype[Any]
    packed: bool
    colour: bool


class Frames(Protocol):
    """Gives frames by their number."""

    def has(self, number: int) -> bool:
        """Whether the file holds the frame."""

    def rows(self, number: int, rows: slice) -> NDArray[Any]:
        """Rows of a frame as (row, column, component)."""


class ModernFrames:
    """Frames that are chunks of their own."""

    def __init__(self, chunks: Chunks, shape: Shape) -> None:
        self.source, self.shape, self._chunks = chunks.source, shape, chunks
        self._cache = SegmentCache()
        self._places: dict[int, tuple[int, int]] = {}
        prefix = "ImageDataSeq|"
        self._listed = {
            int(name[len(prefix) : -1]): at
            for name, (at, _) in chunks.places.items()
            if name.startswith(prefix) and name[len(prefix) : -1].isdecimal() and len(name) < 32
        }
        if shape.rows * shape.stride > _MOST_FRAME:
            raise LimitExceeded(f"{self.source.name}: a frame has {shape}; it is damaged", hint=_REPAIR)

    @property
    def count(self) -> int:
        return len(self._listed)

    def has(self, number: int) -> bool:
        return number in self._listed

    def rows(self, number: int, rows: slice) -> NDArray[Any]:
        shape = self.shape
        offset, size = self._place(number)
        if shape.packed:
            whole = self._cache.get((number, 0), lambda: self._unpack(offset, size))
            return whole[rows]
        if size < 8 + shape.rows * shape.stride:
            raise Truncated(
                f"{self.source.name}: frame {number} needs {8 + shape.rows * shape.stride} bytes, it has {size}",
                hint=_REPAIR,
            )
        data = self.source.read(
            offset + 8 + rows.start * shape.stride, (rows.stop - rows.start) * shape.stride, "a frame"
        )
        return self._pixels(data)

    def _place(self, number: int) -> tuple[int, int]:
        found = self._places.get(number)
        if found is None:
            found = self._chunks.place(self._listed[number], f"ImageDataSeq|{number}!".encode())
            self._places[number] = found
        return found

    def _unpack(self, offset: int, size: int) -> NDArray[Any]:
        wanted = self.shape.rows * self.shape.stride
        if wanted > size * 1100 + 4096:
            raise Truncated(f"{self.source.name}: {size} bytes cannot unpack to {wanted}", hint=_REPAIR)
        plain = unpack(self.source, self.source.read(offset + 8, max(0, size - 8), "a frame"), wanted + 4096)
        if len(plain) < wanted:
            raise Truncated(
                f"{self.source.name}: a frame unpacks to {len(plain)} bytes, {wanted} were promised",
                hint=_REPAIR,
            )
        return self._pixels(plain[:wanted])

    def _pixels(self, data: bytes) -> NDArray[Any]:
        shape = self.shape
        used = shape.columns * shape.components * shape.dtype.itemsize
        lines = np.frombuffer(data, "u1").reshape(-1, shape.stride)[:, :used]
        pixels = np.ascontiguousarray(lines).view(shape.dtype.newbyteorder("<"))
        parts = pixels.reshape(-1, shape.columns, shape.components)
        return parts[..., ::-1] if shape.colour else parts


class OlderFrames:
    """Frames that are JPEG 2000 codestreams, one a channel."""

    def __init__(self, source: Source, shape: Shape, channels: int, places: list[int]) -> None:
        self.source, self.shape = source, shape
        self._channels, self._listed = channels, places
        self._cache = SegmentCache()

    @property
    def count(self) -> int:
        return len(self._listed) // self._channels

    def has(self, number: int) -> bool:
        return number < self.count

    def rows(self, number: int, rows: slice) -> NDArray[Any]:
        return self._cache.get((number, 0), lambda: self._decode(number))[rows]

    def _decode(self, number: int) -> NDArray[Any]:
        import imagecodecs

        parts = []
        for place in self._listed[number * self._channels : (number + 1) * self._channels]:
            (length,) = self.source.unpack(">I", place, "a frame")
            data = self.source.read(place + 8, max(0, length - 8), "a frame")
            size = declared_size(data)
            if size != (self.shape.rows, self.shape.columns):
                raise FormatError(
                    f"{self.source.name}: a frame of {self.shape.columns} x {self.shape.rows} pixels was "
                    f"promised, it says {size}; it is damaged",
                    hint=_REPAIR,
                )
            parts.append(imagecodecs.jpeg2k_decode(data).reshape(*size, -1))
        whole: NDArray[Any] = np.concatenate(parts, axis=-1)
        if whole.shape[-1] != self.shape.components or whole.dtype != self.shape.dtype:
            raise FormatError(
                f"{self.source.name}: a frame holds {whole.shape[-1]} components of {whole.dtype}, "
                f"{self.shape.components} of {self.shape.dtype} were promised; it is damaged",
                hint=_REPAIR,
            )
        return whole
