"""The sample tables of MP4 and QuickTime files (ISO/IEC 14496-12): when each frame is shown and where one can enter.

Boxes: u32 length (1: u64 length follows, 0: to the end), 4 letters, content. ``moov/trak``: ``tkhd`` (track number,
matrix), ``mdia/mdhd`` (ticks a second), ``mdia/hdlr`` (``vide``), ``mdia/minf/stbl``: ``stts`` (count, ticks) pairs,
``ctts`` (count, shift) pairs, ``stss`` samples that stand alone, ``stsz`` sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MAX_BOXES = 1 << 16
_MAX_FRAMES = 1 << 24
_DEEPER = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Track:
    """One video track: times of its samples in ticks, in the order in which they are stored."""

    number: int = 0
    handler: bytes = b""
    ticks: int = 0
    decoded: NDArray[Any] = field(default_factory=lambda: np.zeros(0, "i8"))
    shown: NDArray[Any] = field(default_factory=lambda: np.zeros(0, "i8"))
    keys: NDArray[Any] = field(default_factory=lambda: np.zeros(0, "?"))
    sizes: NDArray[Any] = field(default_factory=lambda: np.zeros(0, "i8"))
    rotation: int = 0
    edits: int = 0
    boxes: dict[bytes, tuple[int, int]] = field(default_factory=dict)


def read_tracks(source: Source) -> tuple[list[Track], bool]:
    """All tracks of a file, and whether its frames are described in fragments instead."""
    found: list[Track] = []
    fragments = False
    for kind, start, end in _walk(source, 0, source.size, 0):
        if kind in (b"moof", b"mvex"):
            fragments = True
        elif kind == b"trak":
            found.append(Track())
        elif found:
            found[-1].boxes.setdefault(kind, (start, end))
    for track in found:
        _read(source, track)
    return found, fragments


def _walk(source: Source, at: int, end: int, depth: int) -> Iterator[tuple[bytes, int, int]]:
    count = 0
    while at + 8 <= end:
        length, kind = source.unpack(">I4s", at, "box")
        start = at + 8
        if length == 1:
            length, start = source.unpack(">Q", start, "box")[0], at + 16
        stop = end if length == 0 else at + length
        if stop < start or (depth and stop > end):
            raise FormatError(f"{source.name}: the box {kind!r} at byte {at} is damaged", hint=_REPAIR)
        count += 1
        limit_items(source, "boxes", count, _MAX_BOXES)
        yield kind, start, min(stop, end)
        if kind in _DEEPER and depth < 8:
            yield from _walk(source, start, min(stop, end), depth + 1)
        elif kind == b"moov" or depth == 8:
            raise FormatError(f"{source.name}: its boxes lie too deep; it is damaged", hint=_REPAIR)
        at = stop


def _read(source: Source, track: Track) -> None:
    where = track.boxes
    if b"tkhd" in where:
        _read_head(source, track, *where[b"tkhd"])
    if b"hdlr" in where:
        track.handler = source.read(where[b"hdlr"][0] + 8, 4, "handler")
    if track.handler != b"vide" or not {b"mdhd", b"stts", b"stsz"} <= set(where):
        return
    version = source.unpack("B", where[b"mdhd"][0])[0]
    track.ticks = source.unpack(">I", where[b"mdhd"][0] + (20 if version == 1 else 12))[0]
    lasting = _spread(source, where[b"stts"], ">u4")
    same, count = source.unpack(">II", where[b"stsz"][0] + 4, "sample sizes")
    limit_items(source, "frames", count, _MAX_FRAMES)
    if len(lasting) < count or track.ticks == 0:
        raise FormatError(
            f"{source.name}: {count} frames are promised, {len(lasting)} have a time; it is damaged",
            hint=_REPAIR,
        )
    sizes = (
        np.full(count, same, "i8")
        if same
        else source.array(">u4", where[b"stsz"][0] + 12, count).astype("i8")
    )
    decoded = np.concatenate([[0], np.cumsum(lasting[: count - 1])]).astype("i8")[:count]
    shifts = _spread(source, where[b"ctts"], ">i4") if b"ctts" in where else np.zeros(count, "i8")
    keys = np.ones(count, "?")
    if b"stss" in where:
        entries = source.unpack(">I", where[b"stss"][0] + 4)[0]
        limit_items(source, "key frames", entries, _MAX_FRAMES)
        places = source.array(">u4", where[b"stss"][0] + 8, entries).astype("i8") - 1
        keys = np.zeros(count, "?")
        keys[places[(places >= 0) & (places < count)]] = True
    track.decoded, track.keys, track.sizes = decoded, keys, sizes
    track.shown = decoded + np.resize(shifts, count) if len(shifts) >= count else decoded
    if b"elst" in where:
        track.edits = source.unpack(">I", where[b"elst"][0] + 4)[0]


def _spread(source: Source, place: tuple[int, int], kind: str) -> NDArray[Any]:
    """(count, value) pairs as one value for each sample."""
    entries = source.unpack(">I", place[0] + 4)[0]
    limit_items(source, "table entries", entries, _MAX_FRAMES)
    if place[0] + 8 + 8 * entries > place[1]:
        raise FormatError(f"{source.name}: a table of times ends beyond its box; it is damaged", hint=_REPAIR)
    rows = source.array(">u4", place[0] + 8, 2 * entries, "times").reshape(-1, 2)
    counts = rows[:, 0].astype("i8")
    limit_items(source, "frames", int(counts.sum()), _MAX_FRAMES)
    values = np.ascontiguousarray(rows[:, 1]).view(kind).astype("i8")
    return np.repeat(values, counts)


def _read_head(source: Source, track: Track, start: int, end: int) -> None:
    wide = source.unpack("B", start)[0] == 1
    track.number = source.unpack(">I", start + (20 if wide else 12), "track")[0]
    a, b = source.unpack(">ii", start + (52 if wide else 40), "matrix")
    turned = {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}
    track.rotation = turned.get((round(a / 65536), round(b / 65536)), 0)
