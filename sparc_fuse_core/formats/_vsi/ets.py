"""ETS: the tiles of one stack, with its pyramid.

``SIS\\0`` header of 64 bytes: 12 u32 numbers that place a tile (x, y, one for each further axis, the level), 16
u64 place of the ETS header, 32 u64 place of the tile table, 40 u32 tiles. ETS header: ``ETS\\0``, u32 version,
8 u32 sample type, 12 u32 samples a pixel, 16 u32 colour space, 20 u32 compression, 24 u32 quality, 28 u32
width, height, depth of a tile, 108 u32 background, 184 u32 k and k sizes. An entry of the table: u32, i32
column, row, further places, level, u64 offset, u32 bytes, u32. Tiles that are not stored have the colour of the
background.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, NotSupported
from sparc_fuse_core.formats._codestream import declared_size
from sparc_fuse_core.model import LazyArray, limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

MARK = b"SIS\0"
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "i8", 8: "u8", 9: "f4", 10: "f8"}
CODECS = {0: "raw", 2: "JPEG", 3: "JPEG 2000", 5: "lossless JPEG", 8: "PNG", 9: "BMP"}
_REPAIR = "Fetch the .ets file again; its copy may have been cut short."
_MOST_TILE = 1 << 28


class Ets:
    """One tile file: headers and table are read, tiles are decoded when asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        mark, size, _, self.places, start, _, table, count = source.unpack("<4sIIIQI4xQI", 0, "ETS header")
        if mark != MARK or size != 64:
            raise FormatError(
                f"{source.name}: an ETS file was expected, it begins with {mark!r}", hint=_REPAIR
            )
        if not 3 <= self.places <= 12:
            raise FormatError(
                f"{source.name}: places its tiles by {self.places} numbers; it is damaged", hint=_REPAIR
            )
        (mark, self.version, kind, self.samples, self.space, self.codec, self.quality, self.width, self.height,
         depth) = source.unpack("<4s9I", start, "second ETS header")  # fmt: skip
        if mark != b"ETS\0" or kind not in _TYPES:
            raise FormatError(
                f"{source.name}: its second header is damaged (samples of type {kind})", hint=_REPAIR
            )
        if self.codec not in CODECS or depth > 1 or self.samples not in (1, 3, 4):
            raise NotSupported(
                f"{source.name}: has tiles of compression {self.codec}, depth {depth} and {self.samples} samples, "
                "which are not read", hint="Save it as OME-TIFF with cellSens and convert that.",
            )  # fmt: skip
        self.dtype = np.dtype(_TYPES[kind])
        if not (self.width and self.height) or self.tile_bytes > _MOST_TILE:
            raise LimitExceeded(
                f"{source.name}: has tiles of {self.width} x {self.height}; it is damaged", hint=_REPAIR
            )
        self.background = self._background(source.unpack("<10I", start + 108, "background"))
        self.sizes = self._sizes(start)
        self._read_table(table, count)

    @property
    def tile_bytes(self) -> int:
        return int(self.width * self.height * self.samples * self.dtype.itemsize)

    def _background(self, values: Sequence[int]) -> NDArray[Any]:
        if self.dtype.kind == "f":
            return np.zeros(self.samples, self.dtype)
        first = values[0]
        if self.samples > 1 and self.dtype.itemsize == 1:
            parts = [first & 255, first >> 8 & 255, first >> 16 & 255, 255][: self.samples]
        else:
            parts = [first] * self.samples
        kept: NDArray[Any] = np.minimum(np.array(parts, "i8"), np.iinfo(self.dtype).max).astype(self.dtype)
        return kept

    def _sizes(self, start: int) -> list[int]:
        if start + 228 > self.source.size:
            return []
        count = self.source.unpack("<I", start + 184, "sizes")[0]
        if count != self.places - 1 or 188 + 4 * count > 228:
            return []
        found = [int(n) for n in self.source.array("<i4", start + 188, count, "sizes")]
        return found if all(n > 0 for n in found) else []

    def _read_table(self, at: int, count: int) -> None:
        limit_items(self.source, "tiles", count, 1 << 24)
        entry = np.dtype(
            [
                ("n", "<u4"),
                ("place", "<i4", (self.places,)),
                ("offset", "<u8"),
                ("bytes", "<u4"),
                ("m", "<u4"),
            ]
        )
        table = self.source.array(entry, at, count, "tile table")
        if not count:
            raise FormatError(f"{self.source.name}: has no tile; it is damaged or empty", hint=_REPAIR)
        place = table["place"].astype("i8")
        low, high = place.min(axis=0), place.max(axis=0)
        if (
            (low[2:] < 0).any()
            or (high - low >= 1 << 24).any()
            or high[-1] > 32
            or (high[2:-1] >= 1 << 20).any()
        ):
            raise FormatError(
                f"{self.source.name}: its table places tiles at {low} to {high}; it is damaged", hint=_REPAIR
            )
        shape = [int(n) for n in high - low + 1]
        if int(np.prod(shape, dtype=object)) >= 1 << 62:
            raise FormatError(f"{self.source.name}: its tiles lie too far apart; it is damaged", hint=_REPAIR)
        keys = np.ravel_multi_index(tuple((place - low).T), shape)
        order = np.argsort(keys, kind="stable")
        self._low, self._shape, self._keys = low, shape, keys[order]
        self._offset, self._bytes = table["offset"][order], table["bytes"][order]
        ends = self._offset + self._bytes
        if (ends > self.source.size).any() or (ends < self._offset).any():
            raise FormatError(
                f"{self.source.name}: some of its tiles lie past its end; it is cut short", hint=_REPAIR
            )
        self.place = place
        self.extra = [int(n) + 1 for n in high[2:-1]]
        self.levels = int(high[-1]) + 1

    def find(self, column: int, row: int, further: Sequence[int], level: int) -> int:
        """Number of a tile in the sorted table; -1 when it is not stored."""
        place = np.array([column, row, *further, level], "i8") - self._low
        if (place < 0).any() or (place >= self._shape).any():
            return -1
        key = int(np.ravel_multi_index(tuple(place), self._shape))
        found = int(np.searchsorted(self._keys, key))
        return found if found < len(self._keys) and self._keys[found] == key else -1

    def tile(self, number: int) -> NDArray[Any]:
        """One tile as (rows, columns, samples)."""
        data = self.source.read(int(self._offset[number]), int(self._bytes[number]), "a tile")
        shape = (self.height, self.width, self.samples)
        if self.codec == 0:
            if len(data) < self.tile_bytes:
                raise FormatError(
                    f"{self.source.name}: a tile has {len(data)} bytes, {self.tile_bytes} are needed",
                    hint=_REPAIR,
                )
            kind = self.dtype.newbyteorder("<")
            return np.frombuffer(data, kind, self.width * self.height * self.samples).reshape(shape)
        area = declared_size(data)
        if area is not None and area != shape[:2]:
            raise FormatError(
                f"{self.source.name}: a tile of {shape[:2]} says that it is {area}; it is damaged",
                hint=_REPAIR,
            )
        pixels = np.asarray(_decoder(self.codec)(data))
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape != shape or pixels.dtype != self.dtype:
            raise FormatError(
                f"{self.source.name}: a tile unpacks to {pixels.shape} of {pixels.dtype}, {shape} of {self.dtype} was "
                "promised; it is damaged", hint=_REPAIR,
            )  # fmt: skip
        return pixels

    # -- levels -----------------------------------------------------------------------------------

    def origin(self) -> tuple[int, int]:
        """Where the tile of column and row 0 lies when no other file says it: the smallest ones are at 0."""
        return -int(self._low[0]) * self.width, -int(self._low[1]) * self.height

    def level_sizes(
        self, full: tuple[int, int] | None, origin: tuple[int, int]
    ) -> dict[int, tuple[int, int]]:
        """(width, height) of each level that has tiles; ``full`` is that of level 0, when known."""
        sizes: dict[int, tuple[int, int]] = {}
        width, height = full or (1 << 62, 1 << 62)
        for level in range(self.levels):
            held = self.place[self.place[:, -1] == level]
            if len(held):
                left, top = shifted(origin, level)
                extent = (
                    (int(held[:, 0].max()) + 1) * self.width + left,
                    (int(held[:, 1].max()) + 1) * self.height + top,
                )
                if level or full is None:
                    width, height = min(width, extent[0]), min(height, extent[1])
                if width <= 0 or height <= 0:
                    raise FormatError(
                        f"{self.source.name}: the tiles of level {level} lie outside of it; it is damaged",
                        hint=_REPAIR,
                    )
                sizes[level] = (width, height)
            width, height = -(-width // 2), -(-height // 2)
        return sizes

    def missing(self, size: tuple[int, int], origin: tuple[int, int], further: Sequence[int]) -> int:
        """How many tiles of level 0 are not stored."""
        columns = -(-(size[0] - origin[0]) // self.width) - (-origin[0] // self.width)
        rows = -(-(size[1] - origin[1]) // self.height) - (-origin[1] // self.height)
        stored = int((self.place[:, -1] == 0).sum())
        return int(columns * rows * np.prod(further or [1], dtype=object)) - stored

    def array(
        self, level: int, size: tuple[int, int], origin: tuple[int, int], further: Sequence[int]
    ) -> LazyArray:
        """(further axes reversed: last slowest first, samples, y, x) of one level."""
        left, top = shifted(origin, level)
        outer = tuple(reversed(further))

        def read(key: Any) -> NDArray[Any]:
            spans = tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in key)
            *planes, samples, ys, xs = spans
            shape = [s.stop - s.start for s in spans]
            out = np.empty(shape, self.dtype)
            out[...] = self.background[samples, None, None]
            for index in np.ndindex(*shape[: len(outer)]):
                place = [s.start + i for s, i in zip(planes, index, strict=True)][::-1]
                self._fill(out[index], place, level, (left, top), samples, ys, xs)
            result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
            return result

        blocks = (*[1] * len(outer), self.samples, self.height, self.width)
        return LazyArray((*outer, self.samples, size[1], size[0]), self.dtype, read, blocks=blocks)

    def _fill(
        self,
        out: NDArray[Any],
        place: Sequence[int],
        level: int,
        at: tuple[int, int],
        samples: slice,
        ys: slice,
        xs: slice,
    ) -> None:
        left, top = at
        for row in range((ys.start - top) // self.height, -(-(ys.stop - top) // self.height)):
            for column in range((xs.start - left) // self.width, -(-(xs.stop - left) // self.width)):
                number = self.find(column, row, place, level)
                if number < 0:
                    continue
                y, x = row * self.height + top, column * self.width + left
                y0, y1 = max(y, ys.start), min(y + self.height, ys.stop)
                x0, x1 = max(x, xs.start), min(x + self.width, xs.stop)
                piece = self.tile(number)[y0 - y : y1 - y, x0 - x : x1 - x, samples]
                out[:, y0 - ys.start : y1 - ys.start, x0 - xs.start : x1 - xs.start] = np.moveaxis(
                    piece, -1, 0
                )


def shifted(origin: tuple[int, int], level: int) -> tuple[int, int]:
    """The origin at a level: divided by its step, to the nearest pixel, halves towards 0."""
    step = 1 << level
    x, y = (int(np.sign(n)) * ((2 * abs(n) + step - 1) // (2 * step)) for n in origin)
    return x, y


def _decoder(codec: int) -> Any:
    import imagecodecs

    return {2: imagecodecs.jpeg8_decode, 3: imagecodecs.jpeg2k_decode, 5: imagecodecs.jpegsof3_decode,
            8: imagecodecs.png_decode, 9: imagecodecs.bmp_decode}[codec]  # fmt: skip
