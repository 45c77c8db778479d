"""Source: the bytes of one file, on disk, behind https:// or in S3.

Readers ask a Source for bytes and never open files themselves. Three guards live here so that every reader
has them: `expect` (the bytes that a header promises exist), `unpack` (a structure is whole) and the byte
counters (a header read must stay small).
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from sparc_fuse_core.errors import FormatError, FuseError, Truncated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

__all__ = ["STORE_ROOTS", "Source", "open_source", "store_root"]

_HASH_BLOCK = 1 << 20

STORE_ROOTS = ("zarr.json", ".zattrs")
"""Files that stand for a Zarr store which is a folder."""


class Source:
    """The bytes of one file.

    Attributes
    ----------
    url
        Where the file lies: an absolute path, or an https:// or s3:// address.
    name
        File name with all its suffixes.
    size
        Length in bytes.
    bytes_read, requests
        What has been read so far, for the lazy-open promise.
    closed
        Whether its handles were let go of.
    """

    def __init__(self, url: str, name: str, size: int) -> None:
        self.url = url
        self.name = name
        self.size = size
        self.bytes_read = 0
        self.requests = 0
        self.closed = False
        self._family: dict[str, Source] = {}

    # -- what a kind of place must give -----------------------------------------------------------

    def _pread(self, offset: int, nbytes: int) -> bytes:
        raise FuseError(f"{self.name}: this kind of source gives no bytes", source=self.url)

    def path(self) -> Path:
        """The file as a local path, fetched into the cache first when it is remote."""
        raise FuseError(f"{self.name}: this source has no local path", source=self.url)

    def siblings(self) -> list[str]:
        """Names of the files in the same folder, this one included; sorted. This one alone where the place
        cannot list (https)."""
        return [self.name]

    def below(self) -> list[str]:
        """Paths, from this file's folder, of all files in the folders below it; none where it cannot list."""
        return []

    def sibling(self, name: str) -> Source | None:
        """Another file of the same folder, or of one below (``stack1/frame_t.ets``); None when it is not there.

        Opened once and closed together with this one. A name in other case than it is spelled is found too
        where the place can list.
        """
        if not name or any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name:
            return None
        if name == self.name:
            return self
        if name not in self._family or self._family[name].closed:
            found = self._sibling(name) or self._other_case(name)
            if found is None:
                return None
            self._family[name] = found
        return self._family[name]

    def _other_case(self, name: str) -> Source | None:
        around = self.below() if "/" in name else self.siblings()
        spelled = next((n for n in around if n.casefold() == name.casefold() and n != name), None)
        return self._sibling(spelled) if spelled is not None else None

    def _sibling(self, name: str) -> Source | None:
        return None

    @property
    def family(self) -> tuple[Source, ...]:
        """This file and those of its folder that were opened through it."""
        return (self, *self._family.values())

    def close(self) -> None:
        """Let go of handles and connections, those of siblings too."""
        for other in self._family.values():
            other.close()
        self._family.clear()
        self.closed = True
        self._close()

    def _close(self) -> None:
        """What a kind of place must let go of."""

    # -- what readers use ---------------------------------------------------------------------------

    def expect(self, offset: int, nbytes: int, what: str = "data") -> None:
        """Raise `Truncated` unless ``nbytes`` bytes exist at ``offset``."""
        if offset < 0 or nbytes < 0:
            raise FormatError(
                f"{self.name}: {what} is said to be {nbytes} bytes at byte {offset}; the header is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
                source=self.url,
            )
        if offset + nbytes > self.size:
            raise Truncated(
                f"{self.name}: promises {nbytes} bytes of {what} at byte {offset}, the file has {self.size}; "
                "it is cut short or its header is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
                source=self.url,
            )

    def read(self, offset: int, nbytes: int, what: str = "data") -> bytes:
        """Exactly ``nbytes`` bytes at ``offset``, or `Truncated`."""
        self.expect(offset, nbytes, what)
        data = self._pread(offset, nbytes) if nbytes else b""
        if len(data) != nbytes:
            raise Truncated(
                f"{self.name}: promises {nbytes} bytes of {what} at byte {offset}, {len(data)} could be read",
                hint="The file changed or its disk failed while it was read: fetch it again.",
                source=self.url,
            )
        return data

    def read_into(self, offset: int, buffer: memoryview, what: str = "data") -> None:
        """Fill ``buffer`` with the bytes at ``offset``: no new memory for each block of a long read."""
        buffer[:] = self.read(offset, buffer.nbytes, what)

    def head(self, nbytes: int) -> bytes:
        """The first ``nbytes`` bytes, or all there are."""
        return self.read(0, min(nbytes, self.size))

    def unpack(self, layout: struct.Struct | str, offset: int, what: str = "header") -> tuple[Any, ...]:
        """The fields of a structure at ``offset``."""
        packed = struct.Struct(layout) if isinstance(layout, str) else layout
        return packed.unpack(self.read(offset, packed.size, what))

    def array(self, dtype: DTypeLike, offset: int, count: int, what: str = "samples") -> NDArray[Any]:
        """``count`` items of ``dtype`` at ``offset`` as a one-dimensional array (read-only)."""
        import numpy as np

        kind: np.dtype[Any] = np.dtype(dtype)
        return np.frombuffer(self.read(offset, count * kind.itemsize, what), kind)

    def file(self) -> io.BufferedReader:
        """A seekable binary file object over the same bytes, for libraries that want one."""
        return io.BufferedReader(_SourceFile(self), buffer_size=1 << 16)

    def sha256(self, progress: Callable[[int], None] | None = None) -> str:
        """Hexadecimal SHA-256 of all bytes."""
        digest = hashlib.sha256()
        for offset in range(0, self.size, _HASH_BLOCK):
            digest.update(self._pread(offset, min(_HASH_BLOCK, self.size - offset)))
            if progress is not None:
                progress(offset)
        return digest.hexdigest()

    @property
    def stem(self) -> str:
        """Name without its last suffix; other dots stay."""
        return PurePosixPath(self.name).stem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Source({self.url!r}, {self.size} bytes)"


class _SourceFile(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0
        self.name = source.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise OSError("negative seek position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        nbytes = max(0, min(len(buffer), self._source.size - self._at))
        if nbytes:
            buffer[:nbytes] = self._source.read(self._at, nbytes)
            self._at += nbytes
        return nbytes


def store_root(path: Path) -> Path | None:
    """The file by which a folder is opened that is a Zarr store; None for other folders and for files."""
    found = (path / name for name in STORE_ROOTS) if path.is_dir() else ()
    return next((file for file in found if file.is_file()), None)


def open_source(place: str | os.PathLike[str] | Source) -> Source:
    """The bytes of a local path, an ``https://`` (or loopback ``http://``) address or an ``s3://`` address.

    Raises `NotFound` when nothing is there and `Unreachable` when a server does not answer.
    """
    if isinstance(place, Source):
        return place
    text = os.fspath(place)
    if text.startswith("s3://"):
        from sparc_fuse_core.source.s3 import S3Source

        return S3Source(text)
    if text.startswith(("https://", "http://")):
        host = urlsplit(text).hostname or ""
        if text.startswith("http://") and host not in ("localhost", "127.0.0.1", "::1"):
            raise FuseError(f"{text}: plain http is not safe", hint="Use the https:// address.", source=text)
        from sparc_fuse_core.source.http import HttpSource

        return HttpSource(text)
    path = Path(text).expanduser()
    path = store_root(path) or path
    if path.is_dir():
        raise FuseError(f"{path}: is a folder, a file was asked for", source=str(path))
    from sparc_fuse_core.source.local import LocalSource

    return LocalSource(path.absolute())
