"""One TIFF page: reading any rectangle of it.

A page is cut into strips (full width) or tiles; each segment is stored alone, so a rectangle costs only the
segments under it. Plain pixels are cropped in the file; packed or compressed segments are decoded whole and
the last ones are kept, for the next rectangle is mostly beside this one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._tiff.decode import decoder, guard
from sparc_fuse_core.formats._tiff.ifd import Ifd
from sparc_fuse_core.formats._tiff.layout import Layout
from sparc_fuse_core.formats._tiff.slide import LUMA_CHROMA, to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CACHE_BYTES = 64 << 20
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class SegmentCache:
    """The last decoded segments of one file, so that neighbouring blocks do not decode them again."""

    def __init__(self, most: int = _CACHE_BYTES) -> None:
        self._held: OrderedDict[tuple[int, ...], NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._most, self._bytes = most, 0

    def get(self, key: tuple[int, ...], make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The segment ``key``, decoded by ``make`` when it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            if made.nbytes <= self._most // 4 and key not in self._held:
                self._held[key] = made
                self._bytes += made.nbytes
                while self._bytes > self._most:
                    self._bytes -= self._held.popitem(last=False)[1].nbytes
        return made


class Page:
    """The pixels of one directory, optionally moved ``shift`` bytes on (planes that have no directory)."""

    __slots__ = ("_joined", "_places", "_tables", "cache", "ifd", "layout", "shift", "source")

    def __init__(self, ifd: Ifd, layout: Layout, cache: SegmentCache, shift: int = 0) -> None:
        self.source, self.ifd, self.layout, self.shift = ifd.source, ifd, layout, shift
        self.cache = cache
        self._places: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._tables: bytes | None = None
        self._joined = False

    def moved(self, shift: int) -> Page:
        """The plane that lies ``shift`` bytes after this one and looks the same."""
        return Page(self.ifd, self.layout, self.cache, self.shift + shift)

    def places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Offset and length in bytes of every segment, known to lie in the file."""
        if self._places is None:
            self._places = self._read_places()
        return self._places

    def _read_places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        layout, ifd = self.layout, self.ifd
        need = layout.across * layout.down * (layout.samples if layout.planar else 1)
        offsets = np.array(ifd.numbers(324 if ifd.has(324) else 273, need), "i8")
        counts = np.array(ifd.numbers(325 if ifd.has(325) else 279, need), "i8")
        if len(offsets) < need or (len(counts) < need and not layout.direct):
            raise Truncated(
                f"{self.source.name}: a page needs {need} pieces, it lists {len(offsets)} places and "
                f"{len(counts)} "
                "lengths; its header is damaged",
                hint=_REPAIR,
            )
        if layout.direct:
            counts = self._plain_sizes(counts, need)
        offsets += np.where(offsets > 0, self.shift, 0)
        # A tile with neither place nor length is all 0 (GDAL's sparse files); no strip may be so.
        if ((counts == 0) & ((offsets != 0) | (not layout.tiled))).any():
            raise Truncated(
                f"{self.source.name}: a piece of the image holds no bytes; it is cut short", hint=_REPAIR
            )
        for offset, count in ((int(o), int(c)) for o, c in _extremes(offsets, counts)):
            self.source.expect(offset, count, "pixels")
        if layout.direct and not layout.tiled:
            rows = offsets.reshape(-1, layout.down)
            self._joined = bool((rows[:, 1:] == rows[:, :-1] + counts.reshape(rows.shape)[:, :-1]).all())
        return offsets, counts

    def _plain_sizes(self, counts: NDArray[Any], need: int) -> NDArray[Any]:
        layout = self.layout
        row = layout.segment[1] * layout.together * layout.dtype.itemsize
        rows = np.full(need, layout.segment[0], "i8")
        if not layout.tiled:
            rows[layout.down - 1 :: layout.down] = layout.height - (layout.down - 1) * layout.segment[0]
        sizes = np.array([int(r) * row for r in set(rows.tolist())], dtype=object)
        if max(sizes) > self.source.size:
            self.source.expect(0, int(max(sizes)), "pixels")
        wanted: NDArray[Any] = rows * row
        # One strip is often given with a wrong length, or none; several that are too short are damage.
        short = counts[: len(wanted)] < wanted[: len(counts)]
        empty = counts == 0 if layout.tiled else np.zeros(len(counts), bool)
        if need > 1 and len(counts) and (short & ~empty).any():
            raise Truncated(
                f"{self.source.name}: a piece of the image needs {int(wanted.max())} bytes, its length is "
                "given as "
                f"{int(counts[short][0])}; its header is damaged",
                hint=_REPAIR,
            )
        return np.where(empty, 0, wanted) if len(counts) == need else wanted

    def read(self, samples: slice, rows: slice, columns: slice) -> NDArray[Any]:
        """Pixels as (sample, row, column)."""
        shape = (samples.stop - samples.start, rows.stop - rows.start, columns.stop - columns.start)
        out = np.zeros(shape, self.layout.dtype)
        self.fill(out, samples, rows, columns)
        return out

    def fill(self, out: NDArray[Any], samples: slice, rows: slice, columns: slice) -> None:
        """Pixels into ``out`` (sample, row, column), which is all 0 before."""
        if 0 in out.shape:
            return
        self.places()
        layout = self.layout
        if not layout.planar:
            self._fill_plane(out, 0, samples, rows, columns)
            return
        for sample in range(samples.start, samples.stop):
            self._fill_plane(out[sample - samples.start :][:1], sample, slice(0, 1), rows, columns)

    def _fill_plane(self, out: NDArray[Any], plane: int, pick: slice, rows: slice, columns: slice) -> None:
        layout = self.layout
        high, wide = layout.segment
        if self._joined:  # strips without gaps are as good as one
            high = layout.height
        for tile_row in range(rows.start // high, -(-rows.stop // high)):
            for tile_column in range(columns.start // wide, -(-columns.stop // wide)):
                y, x = tile_row * high, tile_column * wide
                inner, across = _clip(rows, y, high), _clip(columns, x, wide)
                index = (plane * layout.down + tile_row) * layout.across + tile_column
                piece = self._segment(index, inner, across)
                if piece is not None:
                    top, left = y + inner.start - rows.start, x + across.start - columns.start
                    target = out[:, top : top + piece.shape[0], left : left + piece.shape[1]]
                    for number in range(pick.start, pick.stop):  # one strided copy a sample is the fastest
                        target[number - pick.start] = piece[..., number]

    def _segment(self, index: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Part of a segment as (row, column, sample); None for a tile that is not stored and so is all 0."""
        offsets, counts = self.places()
        offset, count = int(offsets[index]), int(counts[index])
        if count == 0:
            return None
        if self.layout.direct:
            return self._crop(offset, rows, columns)
        whole = self.cache.get((self.ifd.offset, index), lambda: self._decode(index, offset, count))
        if whole.shape[0] < rows.stop or whole.shape[1] < columns.stop:
            raise Truncated(
                f"{self.source.name}: a piece of {rows.stop} x {columns.stop} pixels was promised, it "
                "unpacks to "
                f"{whole.shape[0]} x {whole.shape[1]}",
                hint=_REPAIR,
            )
        return whole[rows, columns]

    def _crop(self, offset: int, rows: slice, columns: slice) -> NDArray[Any]:
        layout = self.layout
        stored = layout.dtype.newbyteorder(">" if layout.order == ">" else "<")
        row = layout.segment[1] * layout.together
        pixels = self.source.array(
            stored, offset + rows.start * row * stored.itemsize, (rows.stop - rows.start) * row, "pixels"
        )
        return pixels.reshape(-1, layout.segment[1], layout.together)[:, columns]

    def _decode(self, index: int, offset: int, count: int) -> NDArray[Any]:
        layout = self.layout
        data = self.source.read(offset, count, "pixels")
        per_plane = layout.across * layout.down
        place = index % per_plane
        rows = layout.segment[0] if layout.tiled else min(
            layout.segment[0], layout.height - place // layout.across * layout.segment[0]
        )  # fmt: skip
        guard(self.source.name, layout, data, rows)
        decode = decoder(layout, rows, data[6:10] == b"JFIF")
        if self._tables is None:
            self._tables = self.ifd.raw(347, 1 << 20)
        try:
            made = decode(data, place if layout.tiled else 0, jpegtables=self._tables or None)[0][0]
        except MemoryError as error:
            raise LimitExceeded(
                f"{self.source.name}: a piece of the image unpacks to more than memory holds", hint=_REPAIR
            ) from error
        if made.dtype != layout.dtype and not (made.dtype == bool and layout.dtype == np.uint8):
            raise FormatError(
                f"{self.source.name}: pixels of type {layout.dtype} were promised, {made.dtype} is there; "
                "it is damaged",
                hint=_REPAIR,
            )
        pixels: NDArray[Any] = made.astype(layout.dtype, copy=False)
        if layout.compression == LUMA_CHROMA and pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
            return to_rgb(pixels)
        return pixels


def _clip(span: slice, start: int, size: int) -> slice:
    return slice(max(span.start - start, 0), min(span.stop - start, size))


def _extremes(offsets: NDArray[Any], counts: NDArray[Any]) -> list[tuple[int, int]]:
    if not len(offsets):
        return []
    ends = offsets + counts
    rows = {int(np.argmin(offsets)), int(np.argmin(counts)), int(np.argmax(ends)), int(np.argmax(counts))}
    return [(int(offsets[i]), int(counts[i])) for i in rows]
