"""The headers of AcqKnowledge files: graph, channels, sample types, compression.

Byte order and revision come from the 32-bit number at byte 2: whichever order makes it small. Revisions below
61 are AcqKnowledge 2-3 (text in Latin-1), those above 4-5 (UTF-8). Layout: BIOPAC application note 156 and,
for later revisions, what the `bioread` project (MIT) found out.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, NotSupported
from sparc_fuse_core.formats._acq.cursor import V4, Channel, Cursor, Header, broken, text
from sparc_fuse_core.formats._acq.marks import read_journal, read_markers, read_tail
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_TYPE_SCAN = 4096  # sample types sometimes follow the foreign data at a distance that nothing states
_TYPES: dict[tuple[Any, ...], str] = {(8, 0): "f8", (8, 1): "f8", (2, 2): "i2"}


def read_header(source: Source) -> Header:
    """Every header of the file; raises `NotSupported` for other formats that end in .acq."""
    revision, order = _revision(source)
    head, at = _graph(source, revision, order)
    cursor = Cursor(source, order, at)
    head.channels = [_channel(cursor, revision) for _ in range(head.metadata["channels"])]
    _skip_foreign(cursor, revision)
    for channel, kind in zip(head.channels, _sample_types(cursor, len(head.channels)), strict=True):
        # Compressed samples are little-endian, whatever the order of the headers.
        channel.dtype = ("<" if head.compressed else order) + kind
        if kind == "f8":  # floats are stored in physical units; their scale means nothing
            channel.gain, channel.offset = 1.0, 0.0
    head.data_offset = cursor.at
    if head.compressed:
        read_markers(cursor, head)
        read_journal(cursor, head)
        _read_compression(cursor, head)
    else:
        nbytes = sum(channel.points * channel.size for channel in head.channels)
        source.expect(cursor.at, nbytes, "samples")
        cursor.at += nbytes
        read_tail(cursor, head)
    return head


def _revision(source: Source) -> tuple[int, str]:
    head = source.head(64)
    if head.startswith(b"WS1_"):
        raise NotSupported(
            f"{source.name}: is the acquisition parameter file of a CTF MEG dataset, not a BIOPAC recording; "
            "it holds settings and no signals",
            hint="The signals of a CTF dataset are in its .meg4 file.",
            source=source.url,
        )
    if head and all(9 <= byte <= 13 or 32 <= byte < 127 for byte in head):
        raise NotSupported(
            f"{source.name}: is a text file, not a BIOPAC AcqKnowledge recording",
            hint="Rename it to .txt or .csv when it is a table of numbers, then try again.",
            source=source.url,
        )
    for order in "<>":
        revision = struct.unpack_from(order + "i", head.ljust(6, b"\0"), 2)[0]
        if 30 <= revision < 1000:
            return revision, order
    raise FormatError(
        f"{source.name}: a BIOPAC AcqKnowledge file has a revision from 30 on at byte 2, this one has "
        f"{head[2:6].hex(' ')}; it is another format or its header is damaged",
        hint="Check what program wrote it; AcqKnowledge itself can export to other formats.",
        source=source.url,
    )


def _graph(source: Source, revision: int, order: str) -> tuple[Header, int]:
    """The graph header, and where the channel headers start."""
    length, count, axis, _, step, offset = source.unpack(order + "ihhhdd", 6)
    if length < 150:
        raise broken(source, f"its first header is said to have {length} bytes")
    source.expect(0, length, "graph header")
    limit_items(source, "channels", count, 4096)
    if count < 1 or not math.isfinite(step) or step <= 0:
        raise broken(source, f"it has {count} channels with {step} ms between samples")
    place = 972 if revision >= V4 else 1936
    has_flag = revision >= 41 and length >= place + 4
    compressed = has_flag and source.unpack(order + "i", place)[0] != 0
    metadata: dict[str, Any] = {"revision": revision, "byte_order": "little" if order == "<" else "big"}
    metadata |= {"channels": count, "sample_time_ms": step, "compressed": bool(compressed)}
    if math.isfinite(offset) and offset:
        metadata["time_offset_ms"] = offset
    cursor = Cursor(source, order, length)
    paddings = source.unpack(order + "h", 2398)[0] if revision >= 124 and length >= 2400 else 0
    limit_items(source, "padding headers", paddings, 4096)
    for _ in range(paddings):
        cursor.take(cursor.unpack("i", "padding header")[0] - 4, "padding header")
    return Header(revision, order, step, axis, bool(compressed), 0, [], metadata=metadata), cursor.at


def _channel(cursor: Cursor, revision: int) -> Channel:
    start, least = cursor.at, 154 if revision >= V4 else 252 if revision >= 38 else 112
    length = cursor.unpack("i", "channel header")[0]
    if length < least:
        raise broken(cursor.source, f"a channel header is said to have {length} bytes, not {least} or more")
    raw = cursor.take(length - 4, "channel header")
    name, units, points, gain, offset, order = struct.unpack_from(cursor.order + "2x40s22x20siddh", raw)
    divider, about = 1, ""
    if revision >= V4:
        divider = struct.unpack_from(cursor.order + "h", raw, 148)[0]
    elif revision >= 38:
        about, divider = text(raw[118:246], revision), struct.unpack_from(cursor.order + "h", raw, 246)[0]
    if points < 0 or divider < 0:
        raise broken(cursor.source, f"a channel has {points} samples, one every {divider} ticks")
    cursor.at = start + length
    label, unit = text(name, revision).strip(), text(units, revision).strip()
    return Channel(label, unit, gain, offset, points, divider or 1, order, about.strip())


def _skip_foreign(cursor: Cursor, revision: int) -> None:
    """Data that other programs left: its length counts itself."""
    start = cursor.at
    length = cursor.unpack("i" if revision >= V4 else "h", "foreign data")[0]
    if length < 0:
        raise broken(cursor.source, f"its foreign data is said to have {length} bytes")
    cursor.source.expect(start, length, "foreign data")
    cursor.at = start + length


def _sample_types(cursor: Cursor, count: int) -> list[str]:
    start = cursor.at
    room = min(_TYPE_SCAN + 4 * count, cursor.source.size - start)
    raw = cursor.take(room, "sample types")
    for skip in range(max(0, room - 4 * count + 1)):
        part = raw[skip : skip + 4 * count]
        if all(pair in _TYPES for pair in struct.iter_unpack(cursor.order + "hh", part)):
            cursor.at = start + skip + 4 * count
            return [_TYPES[pair] for pair in struct.iter_unpack(cursor.order + "hh", part)]
    raise broken(cursor.source, f"the sample types of its {count} channels are not where they should be")


def _read_compression(cursor: Cursor, head: Header) -> None:
    if head.revision >= V4:
        first, second = cursor.unpack("24xii20x", "compression header")
        cursor.take((6 if head.revision >= 108 else 0), "compression header")
        cursor.take(first + second, "compression header")
    else:
        cursor.take(cursor.unpack("34xi", "compression header")[0], "compression header")
    for channel in head.channels:
        label, units, plain, packed = cursor.unpack("44xiiii", "channel compression header")
        cursor.take(label + units, "channel compression header")
        if plain != channel.points * channel.size:
            raise broken(
                cursor.source,
                f"channel {channel.name!r} promises {channel.points} samples of {channel.size} bytes, "
                f"{plain} bytes are compressed",
            )
        cursor.source.expect(cursor.at, packed, "compressed samples")
        channel.packed = (cursor.at, packed)
        cursor.at += packed
