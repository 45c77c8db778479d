"""The pixels of an Imaris file: one dataset for each resolution, time and channel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._container.h5 import dataset
from sparc_fuse_core.formats._container.values import Value
from sparc_fuse_core.formats._tiff.page import SegmentCache
from sparc_fuse_core.model import LazyArray, limit_items

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MOST_LEVELS = 32
_MOST_TIMES = 1 << 20
_MOST_CHANNELS = 1 << 12
_MOST_NAMES = 1 << 21


def children(group: Any) -> dict[str, Any]:
    """What lies in a group behind hard links; others could lead out of the file."""
    import h5py

    if not isinstance(group, h5py.Group) or len(group) > _MOST_NAMES:
        return {}
    return {n: group[n] for n in group if isinstance(group.get(n, getlink=True), h5py.HardLink)}


def child(group: Any, name: str, owner: str) -> Any:
    """One member behind a hard link, or FormatError."""
    import h5py

    if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise damaged(owner, f"{getattr(group, 'name', '')}/{name} is missing")
    return group[name]


def _numbered(source: Source, group: Any, stem: str, most: int) -> list[int]:
    """Numbers of the members that are called ``stem n``."""
    import h5py

    if not isinstance(group, h5py.Group):
        return []
    limit_items(source, f"members of {group.name}", len(group), _MOST_NAMES)
    ends = (name.removeprefix(f"{stem} ") for name in group if name.startswith(f"{stem} "))
    found = sorted(int(end) for end in ends if end.isdecimal() and len(end) < 8)
    limit_items(source, stem, len(found), most)
    return found


class Level:
    """One resolution.

    Attributes
    ----------
    size
        (z, y, x) without the padding of the last chunks.
    times, channels
        How many time points, and the numbers of the channels.
    kinds
        Type of the pixels of each channel.
    """

    def __init__(self, source: Source, file: h5py.File, path: Sequence[str], cache: SegmentCache) -> None:
        self._source, self._file, self._path = source, file, tuple(path)
        self._cache, self._number = cache, int(path[-1].rpartition(" ")[2])
        group = self._group()
        times = _numbered(source, group, "TimePoint", _MOST_TIMES)
        if not times or times != list(range(len(times))):
            raise damaged(source.name, f"{'/'.join(path)} has the time points {times[:8]}")
        self.times = len(times)
        first = child(group, "TimePoint 0", source.name)
        self.channels = _numbered(source, first, "Channel", _MOST_CHANNELS)
        if not self.channels:
            raise damaged(source.name, f"{'/'.join(path)} has no channels")
        held = [self._data(0, c) for c in self.channels]
        self.kinds = [data.dtype for data in held]
        self.stored = held[0].shape
        self.chunks = held[0].blocks or self.stored
        self.size = self.stored

    def _group(self) -> Any:
        place: Any = self._file
        for name in self._path:
            place = child(place, name, self._source.name)
        return place

    def _channel(self, t: int, c: int) -> Any:
        return child(
            child(self._group(), f"TimePoint {t}", self._source.name), f"Channel {c}", self._source.name
        )

    def _data(self, t: int, c: int) -> LazyArray:
        import h5py

        where = f"{'/'.join(self._path)}/TimePoint {t}/Channel {c}"
        found = child(self._channel(t, c), "Data", self._source.name)
        node = dataset(self._source, self._file, found) if isinstance(found, h5py.Dataset) else found
        if not isinstance(node, Value):
            reason = getattr(node, "what", "is no table of pixels")
            raise FormatError(
                f"{self._source.name}: the pixels of {where} cannot be read: {reason}",
                hint="Save the image anew with Imaris, or fetch the file again.",
            )
        if node.data.ndim != 3 or node.data.dtype.kind not in "iuf" or 0 in node.data.shape:
            raise damaged(self._source.name, f"{where} is {node.data.shape} {node.data.dtype}")
        return node.data

    def crop(self, said: Sequence[int | None]) -> bool:
        """Take the true size from the first channel, else from ``said``; whether either gives it."""
        from sparc_fuse_core.formats._ims.info import texts

        held = texts(self._channel(0, self.channels[0]))
        own = [held.get(f"ImageSize{letter}", "") for letter in "ZYX"]
        sizes = [
            int(text) if text.isdecimal() and len(text) < 10 else other
            for text, other in zip(own, said, strict=True)
        ]
        full = tuple(n if n is not None else m for n, m in zip(sizes, self.stored, strict=True))
        if any(not 0 < n <= m for n, m in zip(full, self.stored, strict=True)):
            raise damaged(
                self._source.name,
                f"{'/'.join(self._path)} is said to be {full} pixels (z, y, x), {self.stored} are stored",
            )
        self.size = full
        return None not in sizes

    def array(self, picked: Sequence[int], dims: Sequence[str]) -> LazyArray:
        """Pixels of some channels with the axes ``dims`` (of t, c, z) and y, x."""
        kind = self.kinds[picked[0]]
        whole = (self.times, len(picked), *self.size)
        kept = [i for i, d in enumerate("tczyx") if d in dims or d in "yx"]

        def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
            spans: list[slice] = [slice(0, 1)] * 5
            for axis, item in zip(kept, key, strict=True):
                spans[axis] = item if isinstance(item, slice) else slice(item, item + 1)
            out = np.empty([s.stop - s.start for s in spans], kind)
            for t in range(spans[0].start, spans[0].stop):
                for c in range(spans[1].start, spans[1].stop):
                    out[t - spans[0].start, c - spans[1].start] = self._block(t, picked[c], spans[2:])
            given = dict(zip(kept, key, strict=True))
            return out[tuple(slice(None) if isinstance(given.get(i), slice) else 0 for i in range(5))]

        blocks = (1, 1, *(min(c, n) for c, n in zip(self.chunks, self.size, strict=True)))
        return LazyArray([whole[i] for i in kept], kind, read, blocks=[blocks[i] for i in kept])

    def _block(self, t: int, c: int, spans: Sequence[slice]) -> NDArray[Any]:
        data = self._data(t, self.channels[c])
        if data.shape != self.stored or data.dtype != self.kinds[c]:
            raise damaged(
                self._source.name,
                f"{'/'.join(self._path)}/TimePoint {t}/Channel {self.channels[c]} is {data.shape} {data.dtype}, "
                f"the first one is {self.stored} {self.kinds[c]}",
            )
        thick = self.chunks[0]
        if thick == 1 or spans[0].stop - spans[0].start >= thick:
            return data.read(tuple(spans))
        return self._from_chunks((t, c), data, spans)

    def _from_chunks(self, place: tuple[int, int], data: LazyArray, spans: Sequence[slice]) -> NDArray[Any]:
        """A part thinner than a chunk, from chunks that are kept: the next planes lie in the same ones."""
        out = np.empty([s.stop - s.start for s in spans], data.dtype)
        grid = [
            range(s.start // k, -(-s.stop // k)) if s.stop > s.start else range(0)
            for s, k in zip(spans, self.chunks, strict=True)
        ]
        for index in product(*grid):
            begin = [i * k for i, k in zip(index, self.chunks, strict=True)]
            end = [min(b + k, n) for b, k, n in zip(begin, self.chunks, self.stored, strict=True)]
            whole = tuple(slice(b, e) for b, e in zip(begin, end, strict=True))
            chunk = self._cache.get((self._number, *place, *index), lambda whole=whole: data.read(whole))  # type: ignore[misc]
            low = [max(s.start, b) for s, b in zip(spans, begin, strict=True)]
            high = [min(s.stop, e) for s, e in zip(spans, end, strict=True)]
            into = tuple(slice(a - s.start, b - s.start) for a, b, s in zip(low, high, spans, strict=True))
            out[into] = chunk[tuple(slice(a - o, b - o) for a, b, o in zip(low, high, begin, strict=True))]
        return out


def read_levels(
    source: Source, file: h5py.File, name: str, said: Sequence[int | None], warnings: list[str]
) -> list[Level]:
    """The resolutions of one image, full size first; those that do not fit the first are refused."""
    top = child(file, name, source.name)
    numbers = _numbered(source, top, "ResolutionLevel", _MOST_LEVELS)
    if not numbers or numbers != list(range(len(numbers))):
        raise damaged(source.name, f"/{name} has the resolution levels {numbers}")
    cache = SegmentCache()
    levels = [Level(source, file, (name, f"ResolutionLevel {r}"), cache) for r in numbers]
    first = levels[0]
    for number, level in enumerate(levels):
        told = level.crop(said if number == 0 else (None, None, None))
        padded = any(c != n for c, n in zip(level.chunks, level.stored, strict=True))
        if not told and padded:
            warnings.append(
                f"resolution {number} does not say its true size: it may end in rows of zeros that fill its chunks"
            )
        if (level.times, level.channels, level.kinds) != (first.times, first.channels, first.kinds):
            raise damaged(
                source.name, f"resolution {number} has other times, channels or types than the first"
            )
        if any(n > m for n, m in zip(level.size, first.size, strict=True)):
            raise damaged(source.name, f"resolution {number} is larger than the first")
    if any(data.shape != first.stored for data in (first._data(0, c) for c in first.channels)):
        raise damaged(source.name, "its channels have different sizes")
    return levels
