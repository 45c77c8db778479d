"""Markers and journal of AcqKnowledge files."""

from __future__ import annotations

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.formats._acq.cursor import V4, Cursor, Header, Marker, broken, text
from sparc_fuse_core.model import limit_items

_MOST_MARKERS = 1 << 20
_MOST_JOURNAL = 1 << 20
_END_MARK = 64  # so few bytes after the journal hold nothing of the recording


def read_tail(cursor: Cursor, head: Header) -> None:
    """Markers and journal after plain samples: a file that lacks them still has all its signals."""
    try:
        read_markers(cursor, head)
        read_journal(cursor, head)
        rest = cursor.source.size - cursor.at
        if rest > _END_MARK:
            head.dropped.append(f"{rest} bytes after the journal, whose layout is not published")
    except FuseError as error:
        head.warnings.append(f"what follows the samples cannot be read ({error})")
        head.dropped.append("markers or journal after the damaged place")


def read_markers(cursor: Cursor, head: Header) -> None:
    if head.revision >= V4:
        _, count = cursor.unpack("ii25x" if head.revision >= 128 else "ii17x", "marker header")
        cursor.take((8 if head.revision >= 121 else 0), "marker header")
        count -= 1
    else:
        _, count = cursor.unpack("ii", "marker header")
    limit_items(cursor.source, "markers", max(count, 0), _MOST_MARKERS)
    read = _late_marker if head.revision >= V4 else _early_marker
    head.markers = []
    for _ in range(count):
        head.markers.append(read(cursor, head.revision))
    if 41 <= head.revision < V4:
        _skip_marker_colours(cursor, count)


def _early_marker(cursor: Cursor, revision: int) -> Marker:
    if revision >= 36:
        tick, length = cursor.unpack("i6xh", "marker")
        length += 1
    else:
        tick, length = cursor.unpack("i4xh", "marker")
    return Marker(tick, text(cursor.take(length, "marker text"), revision))


def _late_marker(cursor: Cursor, revision: int) -> Marker:
    tick, order, kind = cursor.unpack("I4xh4s", "marker")
    created = cursor.unpack("Q", "marker")[0] if revision >= 128 else 0
    cursor.take(8 if revision >= 121 else 0, "marker")
    length = cursor.unpack("h", "marker")[0]
    return Marker(
        tick, text(cursor.take(length, "marker text"), revision), order, text(kind, revision), created
    )


def _skip_marker_colours(cursor: Cursor, count: int) -> None:
    start = cursor.at
    if start + 4 > cursor.source.size or _is_journal(cursor.take(4, "marker colours")):
        cursor.at = start
        return
    cursor.take(80 + 28 * max(count, 0), "marker colours")


def _is_journal(raw: bytes) -> bool:
    return raw in (b"\x44\x33\x22\x11", b"\x11\x22\x33\x44")


def read_journal(cursor: Cursor, head: Header) -> None:
    start = cursor.at
    if head.revision >= V4:
        length = cursor.unpack("i", "journal header")[0]
        late = 26 + (4 if head.revision >= 128 else 0) + 8 if head.revision >= 108 else 0
        if length >= 556 + late:
            early = cursor.unpack("262xi290x", "journal header")[0]
            wanted = cursor.unpack(f"{late - 4}xi", "journal header")[0] if late else early
            head.journal = _journal_text(cursor, head, wanted)
        cursor.at = start + max(length, 4)
    elif start + 10 <= cursor.source.size:
        if _is_journal(cursor.take(4, "journal header")):
            _, wanted = cursor.unpack("hi", "journal header")
            head.journal = _journal_text(cursor, head, wanted)
        elif head.revision >= 38:
            raise broken(cursor.source, "no journal is where its journal should be")
        else:
            head.dropped.append(
                f"{cursor.source.size - start} bytes after the markers, whose meaning is not published"
            )


def _journal_text(cursor: Cursor, head: Header, length: int) -> str:
    if length > _MOST_JOURNAL:
        head.dropped.append(f"the journal: {length} bytes are more than are kept in metadata")
        cursor.source.expect(cursor.at, length, "journal")
        cursor.at += length
        return ""
    return text(cursor.take(length, "journal"), head.revision)
