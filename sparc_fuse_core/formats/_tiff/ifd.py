"""TIFF 6.0 and BigTIFF: header, chain of image file directories (IFD) and their fields.

::

    classic   "II" 42 | "MM" 42, u32 first IFD
              IFD: u16 n, n x (u16 code, u16 type, u32 count, 4 bytes), u32 next IFD
    BigTIFF   "II" 43 | "MM" 43, u16 8, u16 0, u64 first IFD
              IFD: u64 n, n x (u16 code, u16 type, u64 count, 8 bytes), u64 next IFD

A value that does not fit into the last part of its field lies elsewhere, and that part is its offset.
Directories keep their raw bytes and are decoded when asked: a stack may have 100 000 of them.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

# TIFF 6.0 page 15; 13 is IFD (TIFF Tech Note 1), 16-18 are BigTIFF's.
_NUMBER = {
    1: "B",
    3: "H",
    4: "I",
    6: "b",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
_SIZE = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_MAX_PAGES = 1 << 20
_MAX_FIELDS = 4096
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class Ifd:
    """One directory: ``fields`` by code, values read from the source when asked."""

    __slots__ = ("big", "entries", "offset", "order", "source")

    def __init__(self, source: Source, order: str, big: bool, offset: int, entries: bytes) -> None:
        self.source, self.order, self.big, self.offset, self.entries = source, order, big, offset, entries

    def fields(self) -> dict[int, tuple[int, int, int | bytes]]:
        """``{code: (type, count, the value or where it is)}``; the first field of a code wins."""
        return _fields(self.order, self.big, self.entries)

    def has(self, code: int) -> bool:
        """Whether the directory has a field ``code``."""
        return code in self.fields()

    def count(self, code: int) -> int:
        """How many values the field ``code`` has; 0 when it is not there."""
        return self.fields().get(code, (0, 0, 0))[1]

    def place(self, code: int) -> tuple[int, int]:
        """Offset and length of a value that lies outside the directory; (0, 0) when it does not."""
        kind, count, value = self.fields().get(code, (1, 0, b""))
        return (0, 0) if isinstance(value, bytes) else (value, count * _SIZE[kind])

    def _value(self, code: int, most: int) -> tuple[int, int, bytes]:
        kind, count, value = self.fields().get(code, (1, 0, b""))
        taken = min(count, most)
        if isinstance(value, bytes):
            return kind, taken, value[: taken * _SIZE[kind]]
        self.source.expect(value, count * _SIZE[kind], f"field {code}")
        return kind, taken, self.source.read(value, taken * _SIZE[kind], f"field {code}")

    def raw(self, code: int, most: int = 1 << 24) -> bytes:
        """The bytes of a field, at most ``most`` values of it; empty when it is not there."""
        return self._value(code, most)[2]

    def numbers(self, code: int, most: int = 1 << 24) -> tuple[Any, ...]:
        """At most ``most`` values of a numeric field, rationals as pairs; () when it is absent."""
        kind, taken, data = self._value(code, most)
        if kind in (5, 10):
            return tuple(struct.iter_unpack(self.order + ("II" if kind == 5 else "ii"), data))
        return struct.unpack(
            f"{self.order}{len(data) if kind not in _NUMBER else taken}{_NUMBER.get(kind, 'B')}", data
        )

    def one(self, code: int, default: int) -> int:
        """The first value of an integer field, or ``default``."""
        values = self.numbers(code, 1)
        return int(values[0]) if values and not isinstance(values[0], tuple) else default

    def ratio(self, code: int) -> float | None:
        """The first value of a rational (or plain) field; None when it is absent, 0/0 or not finite."""
        values = self.numbers(code, 1)
        if not values:
            return None
        top, bottom = values[0] if isinstance(values[0], tuple) else (values[0], 1)
        return float(top) / float(bottom) if bottom else None

    def text(self, code: int, most: int = 1 << 24) -> str:
        """A text field without its NUL end; what is not UTF-8 is read as Latin-1."""
        data = self.raw(code, most).split(b"\0", 1)[0]
        try:
            return data.decode("utf-8").strip()
        except UnicodeDecodeError:
            return data.decode("latin-1").strip()


@lru_cache(
    maxsize=64
)  # several fields of one directory are asked for in a row; all directories would be too many
def _fields(order: str, big: bool, entries: bytes) -> dict[int, tuple[int, int, int | bytes]]:
    inner, wide = (8, "Q") if big else (4, "I")
    found: dict[int, tuple[int, int, int | bytes]] = {}
    for code, kind, count, value in struct.iter_unpack(f"{order}HH{wide}{inner}s", entries):
        if kind in _SIZE and code not in found:
            inline = count * _SIZE[kind] <= inner
            found[code] = (kind, count, value if inline else struct.unpack(order + wide, value)[0])
    return found


def read_header(source: Source) -> tuple[str, bool, int]:
    """Byte order for struct, whether it is BigTIFF, and the offset of the first directory."""
    mark = source.read(0, 8, "TIFF header")
    order = {b"II": "<", b"MM": ">"}.get(mark[:2], "")
    version = struct.unpack(f"{order}H", mark[2:4])[0] if order else 0
    if version == 42:
        return order, False, int(struct.unpack(f"{order}I", mark[4:])[0])
    if version == 43:
        width, _, first = source.unpack(f"{order}HHQ", 4, "BigTIFF header")
        if width == 8:
            return order, True, int(first)
    raise FormatError(
        f"{source.name}: a TIFF header was expected, {mark!r} is there; it is another format or damaged",
        hint=_REPAIR,
    )


def read_ifd(source: Source, order: str, big: bool, offset: int, guess: int = 16) -> tuple[Ifd, int]:
    """The directory at ``offset`` and the offset of the next one; ``guess`` fields are read in one go."""
    head, step, tail = (8, 20, 8) if big else (2, 12, 4)
    source.expect(offset, head + tail, "page directory")
    data = source.read(offset, min(head + guess * step + tail, source.size - offset), "page directory")
    count = struct.unpack_from(order + ("Q" if big else "H"), data)[0]
    limit_items(source, "fields in one page directory", count, _MAX_FIELDS)
    if count == 0:
        raise FormatError(
            f"{source.name}: the page directory at byte {offset} has no fields; it is damaged", hint=_REPAIR
        )
    end = head + count * step
    if end + tail > len(data):
        data += source.read(offset + len(data), end + tail - len(data), "page directory")
    following = struct.unpack_from(order + ("Q" if big else "I"), data, end)[0]
    return Ifd(source, order, big, offset, data[head:end]), int(following)


def read_chain(source: Source) -> list[Ifd]:
    """All top-level directories in file order; FormatError for a chain that bites its tail."""
    order, big, at = read_header(source)
    found: list[Ifd] = []
    seen: set[int] = set()
    guess = 20
    while at:
        if at in seen:
            raise FormatError(
                f"{source.name}: page {len(found)} leads back to an earlier page; the chain of pages is "
                "damaged",
                hint=_REPAIR,
            )
        seen.add(at)
        limit_items(source, "pages", len(found) + 1, _MAX_PAGES)
        ifd, at = read_ifd(source, order, big, at, guess)
        guess = len(ifd.entries) // (20 if big else 12)
        found.append(ifd)
    if not found:
        raise FormatError(
            f"{source.name}: a TIFF with pages was expected, it has none; it is damaged", hint=_REPAIR
        )
    return found


def read_children(ifd: Ifd) -> list[Ifd]:
    """Directories that hang below a page (SubIFDs, field 330)."""
    offsets = ifd.numbers(330, 1024)
    limit_items(ifd.source, "sub-pages", ifd.count(330), 1024)
    return [read_ifd(ifd.source, ifd.order, ifd.big, int(at))[0] for at in offsets if at]
