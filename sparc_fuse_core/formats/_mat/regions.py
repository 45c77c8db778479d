"""Bytes of a MAT file, plain or deflated, and lazy numbers in column order over them.

A deflated variable (miCOMPRESSED) can only be read from its start, so it is inflated as a whole when
something in it is asked for, and kept while memory allows. Its tag says how long it is before anything is
inflated: a tag that promises more than zlib can make of the bytes that are there (1032:1) is a lie.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections import OrderedDict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.damage import cut_short, damaged, too_much
from sparc_fuse_core.formats._container.values import by_slices
from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.source import Source

MOST_BYTES = 4 << 30
_DEFLATE_RATIO = 1032
_PREVIEW = 1 << 12
_KEEP = 512 << 20
_PIECE = 32 << 20
# Below this distance between columns one read over all rows beats one read a column.
_NEAR = 1 << 16


class Region(Protocol):
    """Something that gives bytes by offset; ``size`` bytes in all."""

    size: int

    def read(self, offset: int, nbytes: int, what: str = "data") -> bytes: ...

    def expect(self, offset: int, nbytes: int, what: str = "data") -> None: ...


class Inflated:
    """The inflated bytes of one miCOMPRESSED element; counted from its inner tag."""

    def __init__(self, source: Source, offset: int, nbytes: int, order: str, cache: Cache) -> None:
        source.expect(offset, nbytes, "a compressed variable")
        self._lock = threading.Lock()
        self._source, self._offset, self._nbytes, self._cache = source, offset, nbytes, cache
        self._head = self._inflate(source.read(offset, min(nbytes, _PREVIEW)), _PREVIEW)
        if len(self._head) < 8:
            raise cut_short(source.name, "a compressed variable is shorter than its own tag")
        kind, length = np.frombuffer(self._head[:8], order + "u4")
        if kind != 14:
            raise damaged(source.name, f"a compressed element holds type {kind}, not an array")
        self.size = 8 + int(length)
        if self.size > nbytes * _DEFLATE_RATIO + 1024:
            raise damaged(
                source.name,
                f"a variable promises {self.size} bytes, its {nbytes} deflated bytes cannot give them",
            )
        if self.size > MOST_BYTES:
            raise too_much(source.name, f"a variable inflates to {self.size} bytes, at most {MOST_BYTES} fit")

    def _inflate(self, data: bytes, most: int) -> bytes:
        try:
            return zlib.decompressobj().decompress(data, most)
        except zlib.error as error:
            raise damaged(self._source.name, f"a compressed variable cannot be inflated ({error})") from error

    def read(self, offset: int, nbytes: int, what: str = "data") -> bytes:
        self.expect(offset, nbytes, what)
        if offset + nbytes <= len(self._head):
            return self._head[offset : offset + nbytes]
        with self._lock:  # threads that want the same variable wait for one to inflate it
            whole = self._cache.get(self._offset)
            if whole is None:
                whole = self._whole()
                self._cache.put(self._offset, whole)
        return whole[offset : offset + nbytes]

    def _whole(self) -> bytes:
        inflater = zlib.decompressobj()
        packed = self._source.read(self._offset, self._nbytes, "a compressed variable")
        try:
            data = inflater.decompress(packed, self.size)
            rest = inflater.decompress(inflater.unconsumed_tail, 1)
        except zlib.error as error:
            raise damaged(self._source.name, f"a compressed variable cannot be inflated ({error})") from error
        if len(data) != self.size or rest or not inflater.eof:
            raise damaged(
                self._source.name,
                f"a compressed variable promises {self.size} bytes, "
                f"{'more are' if rest else f'{len(data)} are'} there",
            )
        return data

    def expect(self, offset: int, nbytes: int, what: str = "data") -> None:
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise cut_short(
                self._source.name,
                f"promises {nbytes} bytes of {what} at byte {offset} of a variable of {self.size} bytes",
            )


class Cache:
    """Inflated variables, the last used ones first, up to 512 MiB or one variable."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: int) -> bytes | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: int, data: bytes) -> None:
        with self._lock:
            self._held[key] = data
            while len(self._held) > 1 and sum(map(len, self._held.values())) > _KEEP:
                self._held.popitem(last=False)


def column_order(region: Region, stored: str, dtype: str, offset: int, shape: tuple[int, ...]) -> LazyArray:
    """Numbers stored first axis fastest at ``offset`` as ``stored``, given as ``dtype``."""
    raw: np.dtype[Any] = np.dtype(stored)
    count = math.prod(shape)
    region.expect(offset, count * raw.itemsize, "numbers")

    def fill(spans: tuple[slice, ...], at: int, out: NDArray[Any]) -> None:
        """Read ``spans`` of the axes that ``out`` still has; ``at`` is the index of the first value."""
        *lower, last = spans
        inner = shape[: len(lower)]
        stride = math.prod(inner)
        if 0 in out.shape:
            return
        if (
            lower
            and stride * raw.itemsize > _NEAR
            and any(s.stop - s.start < n for s, n in zip(lower, inner, strict=True))
        ):
            for place, index in enumerate(range(last.start, last.stop)):
                fill(tuple(lower), at + index * stride, out[..., place])
            return
        step = max(1, _PIECE // max(1, stride * raw.itemsize))
        for start in range(last.start, last.stop, step):
            stop = min(start + step, last.stop)
            data = region.read(
                offset + (at + start * stride) * raw.itemsize, (stop - start) * stride * raw.itemsize
            )
            block = np.frombuffer(data, raw).reshape((*inner, stop - start), order="F")
            out[..., start - last.start : stop - last.start] = block[tuple(lower)]

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        out = np.empty([s.stop - s.start for s in spans], dtype, order="F")
        fill(spans, 0, out)
        return out

    return LazyArray(shape, dtype, by_slices(read), time_major=len(shape) > 1)


def joined(real: NDArray[Any], imaginary: NDArray[Any]) -> NDArray[Any]:
    """Complex numbers of their parts; not by adding, which makes NaN of infinite parts."""
    out = np.empty(np.shape(real), "c16")
    out.real, out.imag = real, imaginary
    return out


def complex_of(real: LazyArray, imaginary: LazyArray) -> LazyArray:
    """Two arrays of the same shape as one complex array."""
    kind = np.dtype("c8" if real.dtype == np.float32 else "c16")

    def read(key: Any) -> NDArray[Any]:
        return joined(real.read(key), imaginary.read(key)).astype(kind)

    return LazyArray(real.shape, kind, read, blocks=real.blocks, time_major=real.time_major)
