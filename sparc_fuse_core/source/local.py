"""Files on this machine."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from sparc_fuse_core.errors import FuseError, LimitExceeded, NotFound
from sparc_fuse_core.source import Source

_MOST_BELOW = 200_000


class LocalSource(Source):
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = _open(path)
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
        with os.scandir(self._path.parent) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())

    def below(self) -> list[str]:
        top = self._path.parent
        found: list[str] = []
        for folder, folders, names in os.walk(top):
            folders.sort()
            inside = Path(folder).relative_to(top).as_posix()
            found += [f"{inside}/{name}" for name in sorted(names)] if inside != "." else []
            if len(found) > _MOST_BELOW:
                raise LimitExceeded(
                    f"{self.name}: more than {_MOST_BELOW} files lie in the folders below it; its own cannot "
                    "be told from them",
                    hint="Move the recording, with the folders that belong to it, into a folder of its own.",
                    source=str(self._path),
                )
        return found

    def _sibling(self, name: str) -> Source | None:
        other = self._path.parent / name
        return LocalSource(other) if other.is_file() else None

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self._close()


def _open(path: Path) -> int:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno != errno.EMFILE or os.name != "posix":
            raise
        # A recording with a file for each channel has more files than a process may open at first.
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return os.open(path, flags)
