"""The segments of a CZI: where its blocks, its description and its attachments are.

::

    segment     16 bytes name, u64 room, u64 used, then what it holds
    ZISRAWFILE          i32 major, minor, 40 bytes, i32 part, i64 places of the directory and of the
                        description, i32 update pending, i64 place of the list of attachments
    ZISRAWDIRECTORY     i32 count, 124 bytes, entries "DV"
    ZISRAWMETADATA      i32 bytes of XML, i32 bytes of attachment, 248 bytes, XML
    ZISRAWATTDIR        i32 count, 252 bytes, entries "A1" of 128 bytes
    ZISRAWATTACH        i32 bytes, 252 bytes, content
    entry DV    "DV", i32 pixel type, i64 place, i32 part, i32 compression, u8 pyramid, 5 bytes, i32 n,
                n x (4 letters axis, i32 start, i32 size, f32 coordinate, i32 stored size)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_SEGMENT = struct.Struct("<16sqq")
_FILE = struct.Struct("<48xiqqiq")
_ENTRY = struct.Struct("<2siqiiB5xi")
_AXIS = struct.Struct("<4siifi")
_ATTACHMENT = struct.Struct("<2s10xqi16s8s80s")
# Axes of a plane, slowest first, and the mosaic, scene, rows and columns.
LEAD = ("V", "R", "I", "H", "B", "T", "C", "Z")
_NAMES = {name.encode().ljust(4, b"\0"): name for name in (*LEAD, "M", "S", "Y", "X")}
_MAX_BLOCKS = 1 << 22
_MAX_XML = 1 << 28
_MAX_AXES = 40
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(frozen=True, slots=True)
class Block:
    """One subblock: a rectangle of one plane.

    ``plane`` is its place along `LEAD`, ``corner`` its first (row, column) on the grid of the plane; ``size`` is
    (rows, columns) of the plane that it covers, ``stored`` how many it has. Scene and mosaic index are -1 where
    there is none.
    """

    kind: int
    place: int
    compression: int
    pyramid: int
    plane: tuple[int, ...]
    scene: int
    mosaic: int
    corner: tuple[int, int]
    size: tuple[int, int]
    stored: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the file."""

    name: str
    kind: str
    place: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a CZI lists."""

    blocks: list[Block]
    xml: bytes
    attachments: list[Attachment]
    pending: bool


def read_contents(source: Source) -> Contents:
    """All lists of the file, read in few requests; FormatError and its family when they are damaged."""
    if source.read(0, 16, "CZI header").rstrip(b"\0") != b"ZISRAWFILE":
        raise FormatError(f"{source.name}: a CZI was expected, it begins otherwise", hint=_REPAIR)
    part, directory, description, pending, attachments = source.unpack(_FILE, 32, "CZI header")
    if part:
        raise FormatError(
            f"{source.name}: is part {part} of a CZI in several files, which is not read",
            hint="Save it as one file in ZEN (split the scenes or export it as OME-TIFF).",
        )
    if not directory:
        raise FormatError(
            f"{source.name}: has no list of its blocks; the program that wrote it did not finish",
            hint="Open it in ZEN, which repairs such files, and save it.",
        )
    return Contents(
        _read_directory(source, directory),
        _read_xml(source, description) if description else b"",
        _read_attachments(source, attachments) if attachments else [],
        bool(pending),
    )


def segment(source: Source, at: int, name: str) -> int:
    """Bytes used by the segment at ``at``, which must be called ``name``."""
    source.expect(at, _SEGMENT.size, name)
    said, room, used = source.unpack(_SEGMENT, at, name)
    if said.rstrip(b"\0").decode("latin-1") != name:
        raise FormatError(
            f"{source.name}: {name} was expected at byte {at}, {said!r} is there; it is damaged", hint=_REPAIR
        )
    size = int(used or room)
    source.expect(at + _SEGMENT.size, size, name)
    return size


def _read_directory(source: Source, at: int) -> list[Block]:
    size = segment(source, at, "ZISRAWDIRECTORY")
    data = source.read(at + _SEGMENT.size, size, "list of blocks")
    if size < 128:
        raise Truncated(f"{source.name}: its list of blocks has {size} bytes; it is cut short", hint=_REPAIR)
    (count,) = struct.unpack_from("<i", data)
    limit_items(source, "blocks", count, min(_MAX_BLOCKS, size // _ENTRY.size))
    found, place = [], 128
    for _ in range(count):
        block, place = _read_entry(source, data, place)
        found.append(block)
    for place in {min(b.place for b in found), max(b.place for b in found)} if found else ():
        source.expect(place, _SEGMENT.size, "a block of pixels")
    return found


def _read_entry(source: Source, data: bytes, at: int) -> tuple[Block, int]:
    if at + _ENTRY.size > len(data):
        raise Truncated(f"{source.name}: its list of blocks ends too early; it is damaged", hint=_REPAIR)
    schema, kind, place, part, compression, pyramid, count = _ENTRY.unpack_from(data, at)
    end = at + _ENTRY.size + count * _AXIS.size
    if schema != b"DV" or not 0 < count <= _MAX_AXES or end > len(data) or part or place < 0:
        raise FormatError(
            f"{source.name}: an entry of its list of blocks is of kind {schema!r} with {count} axes in part "
            f"{part}; it is damaged or lies in several files",
            hint=_REPAIR,
        )
    start: dict[str, int] = {}
    sides = {"Y": (1, 1), "X": (1, 1)}
    for name, first, length, _, kept in _AXIS.iter_unpack(data[at + _ENTRY.size : end]):
        axis = _NAMES.get(name) or name.rstrip(b"\0").decode("latin-1")
        start[axis] = first
        if axis in sides:
            sides[axis] = length, kept or length
        elif length > 1 and axis not in "MS":
            raise FormatError(
                f"{source.name}: a block spans {length} places of axis {axis}, which is not read",
                hint="Save it again in ZEN.",
            )
        elif axis not in _NAMES.values():
            raise FormatError(
                f"{source.name}: a block has an unknown axis {axis!r}; it is damaged", hint=_REPAIR
            )
    size, stored = zip(sides["Y"], sides["X"], strict=True)
    if min(*size, *stored) < 1 or max(*size, *stored) > 1 << 24:
        raise FormatError(
            f"{source.name}: a block covers {size} pixels and stores {stored}; it is damaged", hint=_REPAIR
        )
    corner = start.get("Y", 0), start.get("X", 0)
    plane = tuple([start.get(axis, 0) for axis in LEAD])
    scene, mosaic = start.get("S", -1), start.get("M", -1)
    return Block(kind, place, compression, pyramid, plane, scene, mosaic, corner, size, stored), end


def _read_xml(source: Source, at: int) -> bytes:
    segment(source, at, "ZISRAWMETADATA")
    (size,) = source.unpack("<i", at + _SEGMENT.size, "description")
    limit_items(source, "bytes of description", size, _MAX_XML)
    return source.read(at + _SEGMENT.size + 256, size, "description")


def _read_attachments(source: Source, at: int) -> list[Attachment]:
    size = segment(source, at, "ZISRAWATTDIR")
    (count,) = source.unpack("<i", at + _SEGMENT.size, "list of attachments")
    limit_items(source, "attachments", count, size // _ATTACHMENT.size)
    found = []
    for index in range(count):
        offset = at + _SEGMENT.size + 256 + 128 * index
        _, place, _, _, kind, name = source.unpack(_ATTACHMENT, offset, "list of attachments")
        found.append(Attachment(_text(name), _text(kind), place))
    return found


def attached(source: Source, attachment: Attachment, most: int = 1 << 24) -> bytes:
    """The content of an attachment."""
    segment(source, attachment.place, "ZISRAWATTACH")
    at = attachment.place + _SEGMENT.size
    (size,) = source.unpack("<i", at, "attachment")
    limit_items(source, f"bytes of the attachment {attachment.name}", size, most)
    return source.read(at + 256, size, "attachment")


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
