"""Shards written directly: encoded chunks one after the other, their index and its checksum at the end.

Layout of a shard: Zarr v3 specification, "sharding_indexed" codec with the index at the end. zarr-python
writes the same bytes but holds the whole shard in memory and encodes it on one thread.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import google_crc32c
import numpy as np
from numcodecs import blosc

from sparc_fuse_core.writers.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChunkFiles", "ShardFile", "Sink", "Written", "encoder"]

BLOCK_SIZE = 512 << 10  # measured: larger blocks compress bit-shuffled samples better and faster
LEVEL = 1  # measured: higher levels are slower and larger on recordings
EMPTY = 2**64 - 1
_SHORT_RUN = 512

blosc.use_threads = False  # our own threads encode; Blosc's pool would hold the GIL and serialise them


def encoder(layout: Layout) -> blosc.Blosc:
    """The codec of an array: the only place that knows its settings."""
    shuffle = blosc.SHUFFLE if layout.shuffle == "shuffle" else blosc.BITSHUFFLE
    return blosc.Blosc("zstd", LEVEL, shuffle, BLOCK_SIZE)


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file of the store."""

    path: str
    nbytes: int
    sha256: str


class Sink(Protocol):
    """Takes the encoded chunks of one shard."""

    def add(self, position: tuple[int, ...], data: bytes) -> None: ...

    def close(self) -> list[Written]: ...


class ShardFile:
    """One Zarr v3 shard on disk, visible under its name only when whole."""

    def __init__(self, root: Path, path: str, grid: tuple[int, ...]) -> None:
        self._path = path
        self._final = root / path
        self._part = self._final.with_name(self._final.name + ".part")
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb", buffering=0)
        self._index = np.full((*grid, 2), EMPTY, "<u8")
        self._digest = hashlib.sha256()
        self._offset = 0

    def add(self, position: tuple[int, ...], data: bytes) -> None:
        self._index[position] = self._offset, len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._offset += len(data)

    def close(self) -> list[Written]:
        tail = self._index.tobytes()
        self._write(tail + google_crc32c.value(tail).to_bytes(4, "little"))
        self._file.close()
        os.replace(self._part, self._final)
        return [Written(self._path, self._offset, self._digest.hexdigest())]


class ChunkFiles:
    """The chunks of one region as files of their own: Zarr v2, and unsharded arrays."""

    def __init__(self, root: Path, prefix: str, first: tuple[int, ...], separator: str = "/") -> None:
        self._root, self._prefix, self._first, self._separator = root, prefix, first, separator
        self._written: list[Written] = []

    def add(self, position: tuple[int, ...], data: bytes) -> None:
        key = self._separator.join(str(a + b) for a, b in zip(self._first, position, strict=True))
        path = f"{self._prefix}/{key}"
        final = self._root / path
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(final.name + ".part")
        part.write_bytes(data)
        os.replace(part, final)
        self._written.append(Written(path, len(data), hashlib.sha256(data).hexdigest()))

    def close(self) -> list[Written]:
        return self._written


_arena = threading.local()


def scratch(shape: Sequence[int], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """A buffer of this thread, used again for each block: fresh pages cost more than the codec does."""
    held: dict[str, NDArray[Any]] = _arena.__dict__.setdefault("held", {})
    need = int(np.prod(shape)) * dtype.itemsize
    if name not in held or held[name].nbytes < need:
        held[name] = np.empty(need, "u1")
    return held[name][:need].view(dtype).reshape(shape)


def _copy(target: NDArray[Any], values: NDArray[Any]) -> None:
    """Copy; short runs, such as the channels of one sample, go as one item each: measured 3 times as fast."""
    width = values.shape[-1] * values.itemsize
    if width <= _SHORT_RUN and values.strides[-1] == values.itemsize == target.strides[-1]:
        target.view(f"V{width}")[...] = values.view(f"V{width}")
    else:
        target[...] = values


def encode_slab(
    slab: NDArray[Any], at: tuple[int, ...], layout: Layout, sink: Sink, codec: blosc.Blosc
) -> None:
    """Cut ``slab``, which starts at ``at`` inside its shard, into chunks and give them to ``sink``."""
    chunks = layout.chunks
    order = tuple(reversed(range(slab.ndim))) if layout.transposed else tuple(range(slab.ndim))
    tile = scratch([chunks[i] for i in order], slab.dtype, "tile")
    for position in np.ndindex(*(ceil(n / c) for n, c in zip(slab.shape, chunks, strict=True))):
        part = slab[tuple(slice(p * c, (p + 1) * c) for p, c in zip(position, chunks, strict=True))]
        view = part.transpose(order)
        if view.shape != tile.shape:
            tile[...] = 0
        _copy(tile[tuple(slice(0, n) for n in view.shape)], view)
        where = tuple(a // c + p for a, c, p in zip(at, chunks, position, strict=True))
        sink.add(where, codec.encode(tile))
