"""Files behind a network: ranges, with a small cache of blocks."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.source import Source

BLOCK = 1 << 18  # one round trip fetches at least this much: latency outweighs 256 KiB of bytes
CACHE_BLOCKS = 128


class RemoteSource(Source):
    """Ranges over a network with a small cache of blocks: headers are read in many tiny pieces."""

    def __init__(self, url: str, name: str, size: int) -> None:
        super().__init__(url, name, size)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        raise FuseError(f"{self.name}: this kind of source gives no bytes", source=self.url)

    def _pread(self, offset: int, nbytes: int) -> bytes:
        if nbytes > BLOCK * 4:
            return self._fetch(offset, nbytes)
        first, last = offset // BLOCK, (offset + nbytes - 1) // BLOCK
        data = b"".join(self._block(index) for index in range(first, last + 1))
        return data[offset - first * BLOCK :][:nbytes]

    def _block(self, index: int) -> bytes:
        with self._lock:
            if index in self._blocks:
                self._blocks.move_to_end(index)
                return self._blocks[index]
        offset = index * BLOCK
        data = self._fetch(offset, min(BLOCK, self.size - offset))
        with self._lock:
            self._blocks[index] = data
            while len(self._blocks) > CACHE_BLOCKS:
                self._blocks.popitem(last=False)
        return data

    def path(self) -> Path:
        from sparc_fuse_core.catalogue.places import cache_folder

        place: Path = (
            cache_folder() / "remote" / hashlib.sha256(self.url.encode()).hexdigest()[:24] / self.name
        )
        if not place.is_file() or place.stat().st_size != self.size:
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(place.name + f".{os.getpid()}.part")
            with part.open("wb") as out:
                for offset in range(0, self.size, 1 << 23):
                    out.write(self._fetch(offset, min(1 << 23, self.size - offset)))
            os.replace(part, place)
        return place
