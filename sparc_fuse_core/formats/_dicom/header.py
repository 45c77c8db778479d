"""The data set of a DICOM file up to its pixels (PS3.5 and PS3.10), whichever way it is written.

128 free bytes, ``DICM``, then group 0002 (always explicit, little-endian) with the transfer syntax: implicit or
explicit value representations, little or big-endian, deflated, or encapsulated frames. An element is u16 group,
u16 element, [2 letters, u16 length or u16 0 and u32 length | u32 length], value. Files without the first 132 bytes
are read when their first elements show what they are.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, LimitExceeded, NotSupported

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

IMPLICIT, EXPLICIT, DEFLATED, BIG = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
_PIXELS = {0x7FE00008: "float", 0x7FE00009: "double", 0x7FE00010: "integer"}
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_MAX_INFLATED = 1 << 28
_MAX_VALUE = 1 << 26  # a longer value is passed over and named
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Header:
    """The elements before the pixels, and where those are; ``pixels`` is "" where there are none."""

    name: str
    data: Any
    read: Callable[[int, int], bytes]
    size: int
    syntax: str
    big: bool
    pixels: str = ""
    vr: bytes = b""
    offset: int = 0
    length: int = 0

    @property
    def encapsulated(self) -> bool:
        """Whether the frames are compressed one by one."""
        return self.length == 0xFFFFFFFF


class _Clamped:
    """A file that is never asked for more than it has: lengths of damaged headers are not allocated."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size = file, size
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        data: bytes = self._file.read(min(count, left) if count >= 0 else left)
        return data


def looks_like_dicom(head: bytes) -> bool:
    """The mark after 128 bytes, or first elements that only a DICOM file without it has."""
    return head[128:132] == b"DICM" or bool(_bare(head))


def _bare(head: bytes) -> str:
    """The transfer syntax that the very first element of a file without a mark shows, or ""."""
    if len(head) < 64:
        return ""
    for order, explicit in (("<", EXPLICIT), (">", BIG)):
        group, element = struct.unpack_from(order + "HH", head)
        if group not in (2, 8):
            continue
        if head[4:6] in _VRS and element <= 0x0100:
            short = struct.unpack_from(order + "H", head, 6)[0]
            return explicit if short <= 64 or head[4:6] in _LONG else ""
        length = struct.unpack_from(order + "I", head, 4)[0]
        after = struct.unpack_from(order + "HH", head, 8 + length) if length <= 40 else (0, 0)
        if (
            order == "<"
            and group == 8
            and element <= 0x0020
            and group <= after[0] <= 0x10
            and after > (8, element)
        ):
            return IMPLICIT
    return ""


def read_header(source: Source, warnings: list[str]) -> Header:
    """All elements before the pixels; FormatError when the file is none of the kinds."""
    syntax, start = _syntax(source, warnings)
    read: Callable[[int, int], bytes] = source.read
    size, file = source.size, source.file()
    if syntax == DEFLATED:
        whole = _inflate(source, start)
        held: Any = io.BytesIO(whole)
        read, size, file, start = _reader(source.name, whole), len(whole), io.BufferedReader(held), 0
    big, implicit = syntax == BIG, syntax == IMPLICIT
    if implicit != _is_implicit(read, start, size, implicit):
        implicit = not implicit
        warnings.append(
            "the elements are written in another way than the header says; they were read as they are"
        )
    header = Header(source.name, _elements(file, start, size, implicit, big), read, size, syntax, big)
    _find_pixels(header, file.tell(), implicit)
    return header


def _syntax(source: Source, warnings: list[str]) -> tuple[str, int]:
    """Transfer syntax and the place of the first element after group 0002."""
    head = source.head(1 << 14)
    marked = head[128:132] == b"DICM"
    start = 132 if marked else 0
    found, end = _meta(head, start)
    if found:
        return found, end
    if not marked and not _bare(head):
        raise FormatError(
            f"{source.name}: DICOM was promised, neither its mark nor its first elements are there",
            hint="Check what program wrote it; very old Siemens .ima files are no DICOM.",
        )
    bare = _bare(head[end:]) or IMPLICIT
    warnings.append("the file does not say how it is written (transfer syntax); its first elements tell")
    return bare, end


def _meta(head: bytes, at: int) -> tuple[str, int]:
    """The transfer syntax in group 0002, and where that group ends."""
    found = ""
    while at + 8 <= len(head) and head[at : at + 2] == b"\x02\0":
        element, kind = head[at + 2 : at + 4], head[at + 4 : at + 6]
        if kind not in _VRS:
            break
        begin = at + (12 if kind in _LONG else 8)
        length = int.from_bytes(head[at + 8 : at + 12] if kind in _LONG else head[at + 6 : at + 8], "little")
        if element == b"\x10\0":
            found = head[begin : begin + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = begin + length
    return found, min(at, len(head))


def _inflate(source: Source, start: int) -> bytes:
    decoder = zlib.decompressobj(-15)
    try:
        whole = decoder.decompress(source.read(start, source.size - start), _MAX_INFLATED)
    except zlib.error as error:
        raise FormatError(
            f"{source.name}: its deflated elements cannot be unpacked ({error}); it is damaged", hint=_REPAIR
        ) from error
    if not decoder.eof and len(whole) >= _MAX_INFLATED:
        raise LimitExceeded(f"{source.name}: unpacks to more than {_MAX_INFLATED} bytes", hint=_REPAIR)
    return whole


def _reader(name: str, whole: bytes) -> Callable[[int, int], bytes]:
    def read(offset: int, nbytes: int) -> bytes:
        if offset < 0 or offset + nbytes > len(whole):
            raise FormatError(f"{name}: promises bytes that it does not have; it is damaged", hint=_REPAIR)
        return whole[offset : offset + nbytes]

    return read


def _is_implicit(read: Callable[[int, int], bytes], start: int, size: int, said: bool) -> bool:
    if start + 8 > size:
        return said
    letters = read(start, 8)[4:6]
    return letters not in _VRS if said or not letters.isalpha() else False


def _elements(file: Any, start: int, size: int, implicit: bool, big: bool) -> Any:
    from pydicom.filereader import read_dataset

    file.seek(start)
    clamped: Any = _Clamped(file, size)
    return read_dataset(
        clamped,
        implicit,
        not big,
        stop_when=lambda tag, vr, length: int(tag) in _PIXELS,
        defer_size=_MAX_VALUE,
    )


def _find_pixels(header: Header, at: int, implicit: bool) -> None:
    """Where the values of the element begin at which reading stopped."""
    if at + 12 > header.size:
        return
    order = ">" if header.big else "<"
    group, element, letters, short = struct.unpack(order + "HH2sH", header.read(at, 8))
    header.pixels = _PIXELS.get(group << 16 | element, "")
    if implicit:
        header.vr, header.offset = b"OW", at + 8
        header.length = struct.unpack(order + "I", header.read(at + 4, 4))[0]
    elif letters in _LONG:
        header.vr, header.offset = letters, at + 12
        header.length = struct.unpack(order + "I", header.read(at + 8, 4))[0]
    else:
        header.vr, header.offset, header.length = letters, at + 8, short


def value(data: Any, keyword: str, default: Any = None) -> Any:
    """One element of a data set; ``default`` when it is missing, empty, too long or cannot be understood."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    try:
        if tag is None or tag not in data or _passed_over(data.get_item(tag)):
            return default
        found = data[tag].value
    except Exception:  # pydicom decodes values only now, and damaged ones raise whatever they like
        return default
    return default if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def _passed_over(element: Any) -> bool:
    return getattr(element, "value", b"") is None and getattr(element, "length", 0) > 0


def integer(data: Any, keyword: str, default: int = 0) -> int:
    """A whole number; ``default`` when it is missing."""
    found = value(data, keyword, default)
    try:
        return int(found if not hasattr(found, "__len__") or isinstance(found, str) else found[0])
    except (TypeError, ValueError, IndexError) as error:
        raise FormatError(f"{keyword} is {found!r}; the header is damaged", hint=_REPAIR) from error


def numbers(data: Any, keyword: str) -> list[float]:
    """All numbers of an element; none when it is missing or holds something else."""
    found = value(data, keyword, [])
    try:
        return [
            float(v)
            for v in (found if hasattr(found, "__iter__") and not isinstance(found, str) else [found])
        ]
    except (TypeError, ValueError):
        return []


def first(data: Any, *keywords: str) -> Any:
    """The first item of nested sequences, or None."""
    for keyword in keywords:
        sequence = value(data, keyword)
        if not sequence or not hasattr(sequence, "__getitem__"):
            return None
        data = sequence[0]
    return data


def refuse(name: str, what: str, hint: str = "Save it as uncompressed DICOM or as TIFF.") -> NotSupported:
    """The error for a variant that is not read."""
    return NotSupported(f"{name}: {what} is not read", hint=hint)


def tags_of(data: Any) -> list[Any]:
    """The tags of a data set, rising."""
    return sorted(data.keys())
