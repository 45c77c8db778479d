"""OLE2 compound files: named streams, each a chain of sectors, that are read piece by piece.

`olefile` reads the directory and the allocation table; the bytes of streams are asked of the source, so that
parts of a stream can be read, from several threads.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.model import limit_items
from sparc_fuse_core.source import Source

if TYPE_CHECKING:
    import olefile

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_MOST_STREAMS = 1 << 20
_MOST_TABLE = 1 << 28  # bytes of the allocation table: enough for 32 GiB
_END = 0xFFFFFFFE


class Compound:
    """An opened compound file.

    Attributes
    ----------
    streams
        Sizes in bytes by path: ``Storage00001/Stream00001``.
    """

    def __init__(self, source: Source) -> None:
        import olefile

        if source.head(8) != MAGIC:
            raise damaged(source.name, "an OLE2 compound file was expected")
        (tables,) = source.unpack("<I", 44)
        limit_items(source, "sectors of the allocation table", tables, _MOST_TABLE >> 9)
        source.expect(0, 512 + 512 * min(tables, 1), "allocation table")
        self.source = source
        self._lock = threading.Lock()
        try:
            self._ole: olefile.OleFileIO = olefile.OleFileIO(source.file())
            self._entries = _streams(source, self._ole.root)
        except FormatError:
            raise
        except (
            OSError,
            ValueError,
            IndexError,
            TypeError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            raise damaged(source.name, f"its directory cannot be followed ({error})") from error
        self.streams = {name: int(entry.size) for name, entry in self._entries.items()}
        self._small: dict[str, bytes] = {}

    def content(self, name: str, most: int) -> bytes:
        """All bytes of a stream; FormatError when it is missing or has more than ``most``."""
        stream = self.stream(name)
        if stream.size > most:
            raise damaged(self.source.name, f"{name} has {stream.size} bytes, at most {most} are sane")
        return stream.read(0, stream.size)

    def stream(self, name: str) -> Stream:
        """A stream as a source of its own."""
        entry = self._entries.get(name)
        if entry is None:
            raise damaged(self.source.name, f"its stream {name!r} is missing")
        if entry.is_minifat:
            return Stream(self.source, name, int(entry.size), [], self._mini(name))
        return Stream(self.source, name, int(entry.size), self._runs(entry, name), None)

    def _mini(self, name: str) -> bytes:
        """A stream of less than 4 KiB; those share sectors, which olefile reads at once."""
        with self._lock:
            if name not in self._small:
                try:
                    self._small[name] = self._ole.openstream(name.split("/")).read()
                except (OSError, ValueError, IndexError, TypeError) as error:
                    raise damaged(self.source.name, f"{name} cannot be followed ({error})") from error
            return self._small[name]

    def _runs(self, entry: Any, name: str) -> list[tuple[int, int]]:
        """(byte in the file, bytes) of each piece of a chain of sectors."""
        size, table = int(self._ole.sector_size), self._ole.fat
        runs: list[tuple[int, int]] = []
        sector, left = int(entry.isectStart), -(-int(entry.size) // size)
        while left > 0:
            if not 0 <= sector < len(table):
                raise damaged(self.source.name, f"the chain of {name} leaves the file")
            place = (sector + 1) * size
            if runs and runs[-1][0] + runs[-1][1] == place:
                runs[-1] = (runs[-1][0], runs[-1][1] + size)
            else:
                runs.append((place, size))
            sector, left = int(table[sector]), left - 1
        return runs


def _streams(source: Source, root: Any) -> dict[str, Any]:
    """Directory entries of all streams by path; olefile's own look-up takes long where there are many."""
    import olefile

    found: dict[str, Any] = {}
    waiting = [("", root)]
    while waiting:
        path, folder = waiting.pop()
        for kid in folder.kids:
            if kid.entry_type == olefile.STGTY_STREAM:
                found[f"{path}{kid.name}"] = kid
            elif kid.entry_type == olefile.STGTY_STORAGE:
                waiting.append((f"{path}{kid.name}/", kid))
        limit_items(source, "streams", len(found) + len(waiting), _MOST_STREAMS)
    return found


class Stream(Source):
    """One stream of a compound file."""

    def __init__(
        self, holder: Source, name: str, size: int, runs: list[tuple[int, int]], held: bytes | None
    ) -> None:
        super().__init__(f"{holder.url}#{name}", f"{holder.name}/{name}", size)
        self._holder, self._runs, self._held = holder, runs, held
        self._starts: list[int] = []
        length = 0
        for _, count in runs:
            self._starts.append(length)
            length += count

    def _pread(self, offset: int, nbytes: int) -> bytes:
        if self._held is not None:
            return self._held[offset : offset + nbytes]
        parts, number = [], bisect_right(self._starts, offset) - 1
        while nbytes > 0:
            place, length = self._runs[number]
            skip = offset - self._starts[number]
            part = self._holder.read(place + skip, min(nbytes, length - skip), "stream")
            parts.append(part)
            offset, nbytes, number = offset + len(part), nbytes - len(part), number + 1
        return b"".join(parts)
