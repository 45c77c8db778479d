"""The RIFF side of WAVE: where the chunks lie and what the small ones say.

A file is ``RIFF`` (little-endian), ``RIFX`` (big-endian), ``RF64`` or ``BW64`` (64-bit sizes in a ``ds64``
chunk: EBU Tech 3306, ITU-R BS.2088), a 32-bit size, ``WAVE``, then chunks: 4 letters, 32-bit size, content,
one byte of padding after an odd size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

__all__ = ["Chunk", "Layout", "bext", "cue_labels", "cue_points", "info", "read_layout"]

UNKNOWN = 0xFFFFFFFF
# What writers that cannot seek back leave in the size fields: ffmpeg, sox and arecord, in this order.
PLACEHOLDERS = (UNKNOWN, 0x7FFFF000, 0x7FFFFFFF, 0x80000000)
_WRAP = 1 << 32
_MOST_CHUNKS = 1 << 14
_FREQUENT = (b"LIST", b"fact", b"cue ", b"bext", b"iXML", b"id3 ", b"smpl", b"JUNK", b"PEAK", b"inst")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Name, byte offset of the content and its length as the header gives it (None: not filled in)."""

    name: str
    offset: int
    size: int | None


@dataclass(slots=True)
class Layout:
    """All chunks of a file in order; ``order`` is the byte order for struct."""

    form: str
    order: str
    chunks: list[Chunk]
    warnings: list[str] = field(default_factory=list)
    riff_size: int | None = None
    frames: int = 0

    def first(self, name: str) -> Chunk | None:
        """The first chunk of this name."""
        return next((chunk for chunk in self.chunks if chunk.name == name), None)


def read_layout(source: Source) -> Layout:
    """Walk the chunks. Raises FormatError when the file is not WAVE or is cut before its samples."""
    form, size, wave = source.unpack("<4sI4s", 0, "RIFF header")
    if form not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or wave != b"WAVE":
        raise FormatError(
            f"{source.name}: a RIFF WAVE header was expected, {form + wave!r} is there; it is no WAV file",
            hint="Check what program wrote it; rename it if the ending is wrong.",
        )
    order = ">" if form == b"RIFX" else "<"
    if order == ">":
        size = struct.unpack(">I", struct.pack("<I", size))[0]
    layout = Layout(form.decode(), order, [], riff_size=None if size in (0, *PLACEHOLDERS) else size)
    sizes = _Sizes(source, layout)
    at = 12
    while at + 8 <= source.size:
        chunk = _chunk_at(source, layout, sizes, at)
        if chunk is None:
            at = source.size
            break
        limit_items(source, "chunks", len(layout.chunks), _MOST_CHUNKS)
        layout.chunks.append(chunk)
        at = source.size if chunk.size is None else _next_chunk(source, chunk.offset, chunk.size)
    if at < source.size and any(source.read(at, source.size - at, "end of the file")):
        layout.warnings.append(_surplus(source, at))
    _compare_size(source, layout)
    return layout


class _Sizes:
    """The 64-bit sizes of RF64 and BW64."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._table: dict[bytes, int] = {}
        if not layout.form.endswith("64"):
            return
        name, size = source.unpack("<4sI", 12, "ds64 chunk")
        if name != b"ds64" or size < 28:
            raise FormatError(
                f"{source.name}: {layout.form} promises a ds64 chunk with the sizes, {name!r} is there; "
                "the header is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        riff, data, frames, entries = source.unpack("<QQQI", 20, "ds64 chunk")
        limit_items(source, "entries in the ds64 chunk", entries, min(_MOST_CHUNKS, (size - 28) // 12))
        self._table[b"data"] = data
        layout.frames = frames
        layout.riff_size = riff or None
        for index in range(entries):
            key, length = source.unpack("<4sQ", 48 + 12 * index, "ds64 chunk")
            self._table.setdefault(key, length)

    def resolve(self, name: bytes, size: int) -> int:
        if size == UNKNOWN and name in self._table:
            return self._table[name] or UNKNOWN
        return size


def _chunk_at(source: Source, layout: Layout, sizes: _Sizes, at: int) -> Chunk | None:
    name, stored = source.unpack(f"{layout.order}4sI", at, "chunk header")
    size = sizes.resolve(name, stored)
    seen = layout.first("data") is not None
    if not all(32 <= byte < 127 for byte in name):
        if not seen:
            raise FormatError(
                f"{source.name}: a chunk name was expected at byte {at}, {name!r} is there; it is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        layout.warnings.append(_surplus(source, at))
        return None
    label = name.decode()
    if label == "data" and not seen:
        return Chunk(label, at + 8, None if _unfilled(source, layout, at + 8, size) else size)
    if at + 8 + size > source.size:
        if not seen:
            source.expect(at + 8, size, f"chunk {label!r}")
        layout.warnings.append(
            f"The chunk {label!r} at byte {at} is cut short: it promises {size} bytes, "
            f"{source.size - at - 8} are there; it is not carried over."
        )
        return None
    return Chunk(label, at + 8, size)


def _unfilled(source: Source, layout: Layout, offset: int, size: int) -> bool:
    """True when the size of the samples was never written, as by a recorder that streams or was killed."""
    if size == UNKNOWN or (size in PLACEHOLDERS and offset + size > source.size):
        return True
    if size == 0 and offset < source.size:
        return layout.riff_size is None or layout.riff_size + 8 <= offset
    # More than 4 GiB in a plain RIFF: the size field kept only the low 32 bits.
    surplus = source.size - offset - size
    return not layout.form.endswith("64") and surplus >= _WRAP and surplus % _WRAP == 0


def _next_chunk(source: Source, offset: int, size: int) -> int:
    end = offset + size
    if size % 2 == 0:
        return end
    # Some writers forget the padding byte after an odd size.
    if end + 4 <= source.size and source.read(end, 4, "chunk header") in _FREQUENT:
        return end
    return end + 1


def _surplus(source: Source, at: int) -> str:
    return (
        f"{source.size - at} bytes at byte {at} belong to no chunk and are not carried over; "
        "the size of the samples in the header may be wrong."
    )


def _compare_size(source: Source, layout: Layout) -> None:
    data = layout.first("data")
    if layout.riff_size is None or data is None or data.size is None:
        return
    missing = layout.riff_size + 8 - source.size
    if missing > 1 and data.offset + data.size <= source.size:
        layout.warnings.append(
            f"The header promises {layout.riff_size + 8} bytes, the file has {source.size}: "
            "chunks after the samples may be missing."
        )


# -- the content of small chunks ---------------------------------------------------------------------


def words(raw: bytes) -> str:
    """Text up to the first NUL: UTF-8, else the Windows code page that old writers used."""
    text = raw.split(b"\0", 1)[0]
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").strip()


def _sub_chunks(raw: bytes, order: str) -> Iterator[tuple[str, bytes]]:
    at = 4
    while at + 8 <= len(raw):
        name, size = struct.unpack_from(f"{order}4sI", raw, at)
        yield name.decode("latin-1"), raw[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def info(raw: bytes, order: str) -> dict[str, Any]:
    """``LIST INFO``: four-letter key to text, to a list of texts when a key comes twice."""
    found: dict[str, Any] = {}
    for name, content in _sub_chunks(raw, order):
        text = words(content)
        if name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), text]
        elif text:
            found[name] = text
    return found


def bext(raw: bytes, order: str) -> dict[str, Any]:
    """The broadcast extension of EBU Tech 3285: who recorded it, when, and the coding history."""
    if len(raw) < 348:
        return {}
    names = ("description", "originator", "originator_reference", "date", "time")
    at, found = 0, {}
    for name, size in zip(names, (256, 32, 32, 10, 8), strict=True):
        found[name] = words(raw[at : at + size])
        at += size
    low, high, version = struct.unpack_from(f"{order}IIH", raw, at)
    kept: dict[str, Any] = {key: text for key, text in found.items() if text}
    kept |= {"time_reference": low + (high << 32), "version": version}
    history = words(raw[602:])
    return kept | ({"coding_history": history} if history else {})


def cue_points(raw: bytes, order: str) -> list[tuple[int, int]]:
    """``cue ``: number and frame of each point."""
    (count,) = struct.unpack_from(f"{order}I", raw.ljust(4, b"\0"))
    fields = struct.Struct(f"{order}II4sIII")
    there = raw[4 : 4 + min(count, (len(raw) - 4) // fields.size) * fields.size]
    return [(row[0], row[5]) for row in fields.iter_unpack(there)]


def cue_labels(raw: bytes, order: str) -> Mapping[int, tuple[list[str], int]]:
    """``LIST adtl``: for each cue point its texts and the length in frames of its region (0: none)."""
    found: dict[int, tuple[list[str], int]] = {}
    for name, content in _sub_chunks(raw, order):
        if name not in ("labl", "note", "ltxt") or len(content) < 4:
            continue
        (number,) = struct.unpack_from(f"{order}I", content)
        texts, length = found.get(number, ([], 0))
        if name == "ltxt" and len(content) >= 20:
            (length,) = struct.unpack_from(f"{order}I", content, 4)
        text = words(content[20:] if name == "ltxt" else content[4:])
        if text and text not in texts:
            texts.append(text)
        found[number] = (texts, length)
    return found
