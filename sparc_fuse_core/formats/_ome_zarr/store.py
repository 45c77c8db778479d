"""A Zarr store, to read only, over files that are found by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)

from sparc_fuse_core.errors import LimitExceeded

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

    from sparc_fuse_core.formats._ome_zarr.files import Archive, Folder

_NOTHING: tuple[str, ...] = ()


class FileStore(Store):
    """What zarr asks for, answered by an archive or a folder.

    ``most`` bounds the bytes of a chunk before they are unpacked: none has more than its values take.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, files: Archive | Folder, most: int = 1 << 30) -> None:
        super().__init__(read_only=True)
        self._files = files
        self._most = most

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileStore) and other._files is self._files

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        start, stop = 0, None
        if isinstance(byte_range, RangeByteRequest):
            start, stop = byte_range.start, byte_range.end
        elif isinstance(byte_range, OffsetByteRequest):
            start = byte_range.offset
        elif isinstance(byte_range, SuffixByteRequest):
            start = -byte_range.suffix
        data = self._files.read(key, start, stop)
        if data is not None and len(data) > self._most:
            raise LimitExceeded(
                f"{self._files.source.name}: {key} has {len(data)} bytes, {self._most} at most were promised",
                hint="Fetch the store again, or write it again as OME-Zarr 0.5.",
            )
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, asked) for key, asked in key_ranges]

    async def exists(self, key: str) -> bool:
        return self._files.read(key, 0, 0) is not None

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError("this store is only read")

    async def set_partial_values(self, key_start_values: Any) -> None:
        raise NotImplementedError("this store is only read")

    async def delete(self, key: str) -> None:
        raise NotImplementedError("this store is only read")

    async def list(self) -> AsyncIterator[str]:
        for name in _NOTHING:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for name in _NOTHING:
            yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in _NOTHING:
            yield name
