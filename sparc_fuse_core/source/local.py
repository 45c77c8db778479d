"""Files on this machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sparc_fuse_core.errors import FuseError, NotFound
from sparc_fuse_core.source import Source


class LocalSource(Source):
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

    def _sibling(self, name: str) -> Source | None:
        other = self._path.parent / name
        return LocalSource(other) if other.is_file() else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()
