"""The ADInstruments Compound File: named streams in clusters, much like a small disk.

All numbers are little-endian, nothing is aligned::

    0x00  "ADInstruments Compound File" in UTF-16, padded to 128 bytes
    0x84  u32 byte where the clusters begin        0x98  u32 log2 of the cluster size
    0x9c  u32 clusters N     0xa4  i32 -N          0xac  u32 first cluster of the cluster table
    0xb8  the root's directory entry

Cluster k (the first is 2) begins at ``base + (k - 2) * size``. The table has two u32 a cluster: the next one
(0 ends a chain) and the previous one (0 begins it; the high bit marks a free cluster). A directory entry has
160 bytes: a UTF-16 name (72), u64 first cluster, u64 bytes, u64 last cluster, 44 bytes of class, u32 kind
(1 directory, 2 stream). A directory's own stream is i32 n, i32 -n and n entries.
"""

from __future__ import annotations

import bisect
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

MAGIC = "ADInstruments Compound File".encode("utf-16-le")

_ENTRY = struct.Struct("<72sQQQ44xI16x")
_DIRECTORY = 1
_PAGE = 1 << 13  # clusters whose links are read at once: 64 KiB
_MOST_ENTRIES = 1 << 14
_DEEPEST = 16


def damaged(source: Source, what: str) -> FormatError:
    """An error that says ``what`` is wrong with a recording."""
    return FormatError(
        f"{source.name}: {what}; the file is damaged, or of a kind that was never seen",
        hint="Fetch the file again; if LabChart opens it, please report it.",
        source=source.url,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory: where its bytes begin and end, and how many there are."""

    name: str
    first: int
    size: int
    last: int
    kind: int


class _Table:
    """Which cluster follows which; read in pages, when it is needed."""

    def __init__(self, source: Source, offset: int, count: int) -> None:
        source.expect(offset, 8 * count, "cluster table")
        self._source, self._offset, self.count = source, offset, count
        self._pages: dict[int, tuple[NDArray[np.uint32], NDArray[np.int64]]] = {}
        self._lock = threading.Lock()

    def _page(self, number: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Links of one page, and the places in it where a cluster is not followed by its neighbour."""
        if number not in self._pages:
            first = number * _PAGE
            size = min(_PAGE, self.count - first)
            read = self._source.array("<u4", self._offset + 8 * first, 2 * size, "cluster table")
            links = read.reshape(-1, 2)
            here = np.arange(first, first + size - 1)
            apart = (links[:-1, 0] != here + 1) | (links[1:, 1] != here)
            self._pages[number] = links, np.append(np.flatnonzero(apart), size - 1)
        return self._pages[number]

    def runs(self, entry: Entry) -> list[tuple[int, int]]:
        """(first cluster, clusters) of the pieces of a chain; both directions of every link must agree."""
        pieces: list[tuple[int, int]] = []
        before, cluster, total = 0, entry.first, 0
        with self._lock:
            while cluster:
                number, at = divmod(cluster, _PAGE)
                if not 2 <= cluster < self.count or total >= self.count:
                    raise damaged(self._source, f"the chain of clusters of {entry.name!r} leaves the file")
                links, ends = self._page(number)
                if links[at, 1] != before:
                    raise damaged(
                        self._source, f"the clusters {before} and {cluster} of {entry.name!r} disagree"
                    )
                end = int(ends[np.searchsorted(ends, at)])
                pieces.append((cluster, end - at + 1))
                total += end - at + 1
                before, cluster = number * _PAGE + end, int(links[end, 0])
        if before != entry.last:
            raise damaged(
                self._source, f"{entry.name!r} should end with cluster {entry.last}, its chain with {before}"
            )
        return pieces


class Strand:
    """Random access to the bytes of one stream; its chain is followed when it is first read."""

    def __init__(self, container: Container, entry: Entry) -> None:
        self._container, self.name, self.size = container, entry.name, entry.size
        self._entry = entry
        self._pieces: list[tuple[int, int]] | None = None
        self._starts: list[int] = []
        self._lock = threading.Lock()

    def _follow(self) -> list[tuple[int, int]]:
        """(byte in the file, bytes) of each piece."""
        with self._lock:
            if self._pieces is None:
                container, length, starts = self._container, 0, []
                pieces = []
                for cluster, count in container.table.runs(self._entry):
                    starts.append(length)
                    pieces.append((container.place(cluster), count * container.cluster))
                    length += count * container.cluster
                if length < self.size:
                    raise damaged(
                        container.source,
                        f"{self.name!r} promises {self.size} bytes, its clusters hold {length}",
                    )
                self._starts, self._pieces = starts, pieces
        return self._pieces

    def read(self, offset: int, nbytes: int, what: str = "data") -> bytes:
        """Exactly ``nbytes`` bytes at ``offset`` of the stream, or FormatError."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise damaged(
                self._container.source,
                f"{nbytes} bytes of {what} are said to be at byte {offset} of {self.name!r}, "
                f"which has {self.size}",
            )
        pieces, parts = self._follow(), []
        number = bisect.bisect_right(self._starts, offset) - 1
        while nbytes:
            place, length = pieces[number]
            skip = offset - self._starts[number]
            part = self._container.source.read(place + skip, min(nbytes, length - skip), what)
            parts.append(part)
            offset, nbytes, number = offset + len(part), nbytes - len(part), number + 1
        return b"".join(parts)


class Container:
    """An opened compound file.

    Attributes
    ----------
    strands
        Streams by lower-case path below the root: ``map``, ``blocks_0``, ``settings/channelsettings`` …
    unlisted
        Directories whose list of names is damaged.
    """

    def __init__(self, source: Source) -> None:
        if source.head(len(MAGIC)) != MAGIC:
            raise FormatError(
                f"{source.name}: a LabChart recording starts with 'ADInstruments Compound File', this one "
                f"with {source.head(12)!r}; it is another format",
                hint="Check what program wrote it; LabChart saves .adicht and exports .mat and text.",
                source=source.url,
            )
        base, shift, count, check, table = source.unpack("<4xI16xII4xi4xI", 0x80)
        sound = 6 <= shift <= 24 and 0xB8 + _ENTRY.size <= base <= source.size and table >= 2
        if count != -check or not sound:
            raise damaged(
                source, f"its header promises {count} clusters of 2^{shift} bytes from byte {base} on"
            )
        self.source, self._base = source, int(base)
        self.cluster = 1 << int(shift)
        self.table = _Table(source, self.place(table), count)
        self.strands: dict[str, Strand] = {}
        self.unlisted: list[str] = []
        self._list()

    def place(self, cluster: int) -> int:
        """Byte of the file where a cluster begins."""
        return self._base + (cluster - 2) * self.cluster

    def _list(self) -> None:
        """Find all streams; damage below the first level costs settings, not samples."""
        waiting = [("", 0, _entry(self.source.read(0xB8, _ENTRY.size, "root entry"), 0))]
        visited: set[int] = set()
        total = 0
        while waiting:
            path, depth, folder = waiting.pop()
            if not folder.size:
                continue
            try:
                if folder.first in visited or depth > _DEEPEST:
                    raise damaged(self.source, f"directory {path!r} holds itself")
                visited.add(folder.first)
                entries = self._entries(folder)
            except FormatError:
                if not depth:
                    raise
                self.unlisted.append(path)
                continue
            total += len(entries)
            limit_items(self.source, "streams", total, _MOST_ENTRIES)
            for entry in entries:
                place = f"{path}/{entry.name.lower()}".lstrip("/")
                if entry.kind == _DIRECTORY:
                    waiting.append((place, depth + 1, entry))
                elif place in self.strands:
                    raise damaged(self.source, f"it has two streams that are called {entry.name!r}")
                else:
                    self.strands[place] = Strand(self, entry)

    def _entries(self, folder: Entry) -> list[Entry]:
        limit_items(self.source, "names in a directory", (folder.size - 8) // _ENTRY.size, _MOST_ENTRIES)
        raw = Strand(self, folder)
        count, check = struct.unpack("<ii", raw.read(0, 8, "directory"))
        if count != -check or count < 0:
            raise damaged(self.source, f"directory {folder.name!r} does not say how many names it has")
        listed = raw.read(8, count * _ENTRY.size, "directory")
        return [_entry(listed, _ENTRY.size * i) for i in range(count)]


def _entry(raw: bytes, offset: int) -> Entry:
    name, first, size, last, kind = _ENTRY.unpack_from(raw, offset)
    return Entry(name.decode("utf-16-le", "replace").split("\0")[0], first, size, last, kind)
