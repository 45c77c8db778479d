"""The files of a Zarr hierarchy by name: members of a ZIP archive, or what lies beside the file that was named."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.model import limit_items
from sparc_fuse_core.source import open_source

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

ZIP = b"PK\x03\x04"
ROOTS = ("zarr.json", ".zattrs", ".zgroup")
_MOST_MEMBERS = 4_000_000
_MOST_BYTES = 1 << 30
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class Archive:
    """The members of a ZIP archive, those stored as they are read by ranges."""

    def __init__(self, source: Source) -> None:
        self.source = source
        try:
            with zipfile.ZipFile(source.file()) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, OSError) as error:
            raise FormatError(
                f"{source.name}: its ZIP directory cannot be read ({error}); it is cut short", hint=_REPAIR
            ) from error
        limit_items(source, "members", len(infos), _MOST_MEMBERS)
        self._infos = {info.filename: info for info in infos if not info.is_dir()}
        roots = [name for name in self._infos if PurePosixPath(name).name in ROOTS]
        if not roots:
            raise FormatError(
                f"{source.name}: is a ZIP archive without a Zarr hierarchy",
                hint="Check what program wrote it.",
            )
        self._root = min(
            (name.rpartition("/")[0] for name in roots),
            key=lambda folder: (folder.count("/") + bool(folder), folder),
        )

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Bytes of a member; None when there is none of that name. Negative ``start``: from the end."""
        info = self._infos.get(f"{self._root}/{name}" if self._root else name)
        if info is None:
            return None
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(
                f"{self.source.name}: {name} is encrypted or packed in a way that is not read",
                hint="Pack it again without compression.",
            )
        mark, letters, extra = self.source.unpack("<4s22xHH", info.header_offset, "a member of the archive")
        if mark != ZIP:
            raise FormatError(
                f"{self.source.name}: {name} is not where its directory says; it is damaged", hint=_REPAIR
            )
        at = info.header_offset + 30 + letters + extra
        start = max(0, info.file_size + start) if start < 0 else min(start, info.file_size)
        stop = info.file_size if stop is None else min(stop, info.file_size)
        if info.compress_type == zipfile.ZIP_STORED:
            return self.source.read(at + start, max(0, stop - start), name)
        if info.file_size > _MOST_BYTES:
            raise LimitExceeded(f"{self.source.name}: {name} unpacks to {info.file_size} bytes", hint=_REPAIR)
        packed = self.source.read(at, info.compress_size, name)
        try:
            data = zlib.decompressobj(-15).decompress(packed, info.file_size + 1)
        except zlib.error as error:
            raise FormatError(
                f"{self.source.name}: {name} cannot be unpacked ({error})", hint=_REPAIR
            ) from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise FormatError(
                f"{self.source.name}: {name} unpacks to other bytes than were packed; it is damaged",
                hint=_REPAIR,
            )
        return data[start:stop]


class Folder:
    """Files in the folder of a source and below it; those of this machine are opened for one reading only, for
    there may be more chunks than files that a process may open."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Bytes of a file; None when there is none of that name."""
        if "://" in self.source.url:
            other = self.source.sibling(name)
            return None if other is None else _part(other, start, stop)
        parts = name.split("/")
        if any(part in ("", "..", ".") for part in parts) or "\\" in name:
            return None
        path = self.source.path().parent.joinpath(*parts)
        if not path.is_file():
            return None
        with open_source(path) as other:
            return _part(other, start, stop)


def _part(source: Source, start: int, stop: int | None) -> bytes:
    start = max(0, source.size + start) if start < 0 else min(start, source.size)
    stop = source.size if stop is None else min(stop, source.size)
    if stop - start > _MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: a chunk of {stop - start} bytes is larger than is sane", hint=_REPAIR
        )
    return source.read(start, max(0, stop - start))
