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
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from sparc_fuse_core.errors import FormatError, FuseError, NotFound, Truncated, Unreachable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Source", "open_source"]

_REMOTE_BLOCK = 1 << 18  # one round trip fetches at least this much: latency outweighs 256 KiB of bytes
_CACHE_BLOCKS = 128
_HASH_BLOCK = 1 << 20


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
    """

    def __init__(self, url: str, name: str, size: int) -> None:
        self.url = url
        self.name = name
        self.size = size
        self.bytes_read = 0
        self.requests = 0

    # -- what a kind of place must give -----------------------------------------------------------

    def _pread(self, offset: int, nbytes: int) -> bytes:
        raise FuseError(f"{self.name}: this kind of source gives no bytes", source=self.url)

    def path(self) -> Path:
        """The file as a local path, fetched into the cache first when it is remote."""
        raise FuseError(f"{self.name}: this source has no local path", source=self.url)

    def siblings(self) -> list[str]:
        """Names of the files in the same folder, this one included; sorted."""
        return [self.name]

    def sibling(self, name: str) -> Source | None:
        """Another file of the same folder, or None when it is not there."""
        return None

    def close(self) -> None:
        """Let go of handles and connections."""

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


class _LocalSource(Source):
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError as error:
            raise NotFound(
                f"{path}: no such file", hint="Check the path; `sparc-fuse files` lists what a dataset has."
            ) from error
        except OSError as error:
            raise FuseError(f"{path}: cannot be opened ({error.strerror})", source=str(path)) from error
        self._lock = threading.Lock()
        super().__init__(str(path), path.name, os.fstat(self._fd).st_size)

    def _pread(self, offset: int, nbytes: int) -> bytes:
        self.requests += 1
        if hasattr(os, "pread"):
            data = os.pread(self._fd, nbytes, offset)
            while 0 < len(data) < nbytes:  # one call gives at most 2 GiB on Linux
                more = os.pread(self._fd, nbytes - len(data), offset + len(data))
                if not more:
                    break
                data += more
        else:
            with self._lock:
                os.lseek(self._fd, offset, os.SEEK_SET)
                data = os.read(self._fd, nbytes)
        self.bytes_read += len(data)
        return data

    def read_into(self, offset: int, buffer: memoryview, what: str = "data") -> None:
        self.expect(offset, buffer.nbytes, what)
        if not hasattr(os, "preadv"):
            super().read_into(offset, buffer, what)
            return
        done = 0
        while done < buffer.nbytes:
            got = os.preadv(self._fd, [buffer[done:]], offset + done)
            if got == 0:
                self.read(offset + done, buffer.nbytes - done, what)  # says what is missing
            done += got
        self.requests += 1
        self.bytes_read += done

    def path(self) -> Path:
        return self._path

    def siblings(self) -> list[str]:
        return sorted(entry.name for entry in self._path.parent.iterdir())

    def sibling(self, name: str) -> Source | None:
        if os.sep in name or name in ("", ".", ".."):
            return None
        other = self._path.parent / name
        return _LocalSource(other) if other.is_file() else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()


class _RemoteSource(Source):
    """Ranges over a network with a small cache of blocks: headers are read in many tiny pieces."""

    def __init__(self, url: str, name: str, size: int) -> None:
        super().__init__(url, name, size)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        raise FuseError(f"{self.name}: this kind of source gives no bytes", source=self.url)

    def _pread(self, offset: int, nbytes: int) -> bytes:
        if nbytes > _REMOTE_BLOCK * 4:
            return self._fetch(offset, nbytes)
        first, last = offset // _REMOTE_BLOCK, (offset + nbytes - 1) // _REMOTE_BLOCK
        data = b"".join(self._block(index) for index in range(first, last + 1))
        return data[offset - first * _REMOTE_BLOCK :][:nbytes]

    def _block(self, index: int) -> bytes:
        with self._lock:
            if index in self._blocks:
                self._blocks.move_to_end(index)
                return self._blocks[index]
        offset = index * _REMOTE_BLOCK
        data = self._fetch(offset, min(_REMOTE_BLOCK, self.size - offset))
        with self._lock:
            self._blocks[index] = data
            while len(self._blocks) > _CACHE_BLOCKS:
                self._blocks.popitem(last=False)
        return data

    def path(self) -> Path:
        from sparc_fuse_core.catalogue.places import cache_folder

        place: Path = cache_folder() / "remote" / hashlib.sha256(self.url.encode()).hexdigest()[:24] / self.name
        if not place.is_file() or place.stat().st_size != self.size:
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(place.name + f".{os.getpid()}.part")
            with part.open("wb") as out:
                for offset in range(0, self.size, 1 << 23):
                    out.write(self._fetch(offset, min(1 << 23, self.size - offset)))
            os.replace(part, place)
        return place


class _HttpSource(_RemoteSource):
    def __init__(self, url: str) -> None:
        import requests

        self._local = threading.local()
        self._requests = requests
        name = unquote(PurePosixPath(urlsplit(url).path).name) or "download"
        super().__init__(url, name, self._length(url, name))

    def _session(self) -> Any:
        if not hasattr(self._local, "session"):
            self._local.session = self._requests.Session()
        return self._local.session

    def _get(self, span: str) -> Any:
        try:
            answer = self._session().get(
                self.url,
                headers={"Range": span, "Accept-Encoding": "identity"},
                timeout=(10, 60),
                stream=True,
            )
        except self._requests.RequestException as error:
            raise Unreachable(
                f"{self.url}: the server did not answer ({type(error).__name__})",
                hint="Check the address and your connection, then try again.",
                source=self.url,
            ) from error
        if answer.status_code == 404:
            raise NotFound(f"{self.url}: not there", hint="Check the address.", source=self.url)
        if answer.status_code not in (200, 206):
            raise Unreachable(
                f"{self.url}: the server answered {answer.status_code}",
                hint="Try again later, or download the file and give its path.",
                source=self.url,
            )
        return answer

    def _length(self, url: str, name: str) -> int:
        self.url, self.name = url, name
        with self._get("bytes=0-0") as answer:
            span = answer.headers.get("Content-Range", "")
            if answer.status_code == 206 and "/" in span and span.rsplit("/", 1)[1].isdigit():
                return int(span.rsplit("/", 1)[1])
        raise FuseError(
            f"{url}: the server does not give parts of files (no Range)",
            hint="Download the file first and give its path.",
            source=url,
        )

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        self.requests += 1
        with self._get(f"bytes={offset}-{offset + nbytes - 1}") as answer:
            promised = answer.headers.get("Content-Range", "")
            if answer.status_code != 206 or not promised.startswith(f"bytes {offset}-"):
                raise Unreachable(f"{self.url}: the server ignored a Range request", source=self.url)
            data: bytes = answer.content
        self.bytes_read += len(data)
        return data

    def sibling(self, name: str) -> Source | None:
        from urllib.parse import quote, urljoin

        try:
            return _HttpSource(urljoin(self.url, quote(name)))
        except NotFound:
            return None


class _S3Source(_RemoteSource):
    """Anonymous unless credentials are set in the environment; the endpoint too may come from there."""

    def __init__(self, url: str) -> None:
        from obstore.exceptions import BaseError

        parts = urlsplit(url)
        self._bucket, self._key = parts.netloc, parts.path.lstrip("/")
        self._store = _s3_store(self._bucket)
        try:
            size = int(self._store.head(self._key)["size"])
        except FileNotFoundError as error:
            raise NotFound(f"{url}: not there", hint="Check bucket and key.", source=url) from error
        except (BaseError, OSError) as error:
            raise Unreachable(
                f"{url}: the bucket did not answer",
                hint="Check the bucket, region and credentials.",
                source=url,
            ) from error
        super().__init__(url, PurePosixPath(self._key).name, size)

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        self.requests += 1
        data = bytes(self._store.get_range(self._key, start=offset, length=nbytes))
        self.bytes_read += len(data)
        return data

    def siblings(self) -> list[str]:
        prefix = str(PurePosixPath(self._key).parent)
        found = self._store.list_with_delimiter("" if prefix == "." else prefix)
        return sorted(PurePosixPath(item["path"]).name for item in found["objects"])

    def sibling(self, name: str) -> Source | None:
        try:
            return _S3Source(f"s3://{self._bucket}/{PurePosixPath(self._key).parent / name}")
        except NotFound:
            return None


def _s3_store(bucket: str) -> Any:
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    }
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if not (os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE")):
        options["skip_signature"] = True
    if endpoint and endpoint.startswith("http://"):
        return S3Store(bucket, client_options={"allow_http": True}, **options)
    return S3Store(bucket, **options)


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


def open_source(place: str | os.PathLike[str] | Source) -> Source:
    """The bytes of a local path, an ``https://`` (or loopback ``http://``) address or an ``s3://`` address.

    Raises `NotFound` when nothing is there and `Unreachable` when a server does not answer.
    """
    if isinstance(place, Source):
        return place
    text = os.fspath(place)
    if text.startswith("s3://"):
        return _S3Source(text)
    if text.startswith(("https://", "http://")):
        host = urlsplit(text).hostname or ""
        if text.startswith("http://") and host not in ("localhost", "127.0.0.1", "::1"):
            raise FuseError(f"{text}: plain http is not safe", hint="Use the https:// address.", source=text)
        return _HttpSource(text)
    path = Path(text).expanduser()
    if path.is_dir():
        raise FuseError(f"{path}: is a folder, a file was asked for", source=str(path))
    return _LocalSource(path.absolute())


def names_with_stem(names: Sequence[str], stem: str) -> list[str]:
    """Those of ``names`` that differ from ``stem`` only by one suffix, case ignored."""
    return [name for name in names if PurePosixPath(name).stem.casefold() == stem.casefold()]
