"""Size that a JPEG, JPEG 2000 or PNG stream says it has, read without a decoder.

JPEG (ITU-T T.81 B.2.2): markers FFxx u16 length; SOFn holds u8 precision, u16 rows, u16 columns.
JPEG 2000 (ISO 15444-1 A.5.1): FF4F FF51, u16 length, u16 profile, u32 x1, y1, x0, y0 ...
PNG: 8 bytes mark, IHDR with u32 columns, u32 rows.
"""

from __future__ import annotations

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def declared_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) that the stream promises; None when it does not say."""
    if data.startswith(b"\xff\xd8"):
        frame = jpeg_frame(data)
        return None if frame is None else frame[1:]
    if data.startswith(_PNG) and len(data) >= 24:
        columns, rows = struct.unpack_from(">II", data, 16)
        return rows, columns
    at = 0 if data.startswith(b"\xff\x4f\xff\x51") else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at >= 0 and len(data) >= at + 24:
        x1, y1, x0, y0 = struct.unpack_from(">IIII", data, at + 8)
        return max(0, y1 - y0), max(0, x1 - x0)
    return None


def jpeg_frame(data: bytes) -> tuple[int, int, int] | None:
    """(bits a sample, rows, columns) of a JPEG's frame header; None when none is found."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            precision, rows, columns = struct.unpack_from(">BHH", data, at + 4)
            return precision, rows, columns
        if marker in (0xDA, 0xD9):
            return None
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None
