"""Decoding one strip or tile with tifffile, which is given a tiny TIFF of ours that describes the piece.

So tifffile, and the codecs behind it, never parse anything of the file but the packed pixels themselves;
and of those, what says its own size (JPEG, JPEG 2000, PNG) is asked for it first.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sparc_fuse_core.errors import LimitExceeded, Truncated
from sparc_fuse_core.formats._codestream import declared_size
from sparc_fuse_core.formats._tiff.layout import Layout

_JPEG = frozenset({7, 33007, 34892})
_IMAGE_CODECS = _JPEG | {33003, 33004, 33005, 34712, 34933}
# Nothing packs tighter than this: deflate 1032:1, LZW about 1400:1, PackBits 64:1.
_TIGHTEST = {5: 2000, 8: 2000, 32946: 2000, 32773: 128}
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


def guard(name: str, layout: Layout, data: bytes, rows: int) -> None:
    """Refuse pieces that unpack to another size than the page says, before a decoder believes them."""
    size = rows * layout.segment[1] * layout.together * layout.dtype.itemsize
    packed = size * layout.depth // (8 * layout.dtype.itemsize)
    if packed > len(data) * _TIGHTEST.get(layout.compression, 1 << 62) + 4096:
        raise Truncated(
            f"{name}: {len(data)} bytes cannot unpack to the {packed} that are promised",
            hint=_REPAIR,
        )
    if size > 1 << 28 and size > len(data) * 20000:
        raise LimitExceeded(f"{name}: {len(data)} bytes unpack to {size} bytes", hint=_REPAIR)
    if layout.compression in _IMAGE_CODECS:
        area = declared_size(data)
        if area is not None and area[0] * area[1] > 4 * rows * layout.segment[1] + 65536:
            raise LimitExceeded(
                f"{name}: a piece of {rows} x {layout.segment[1]} pixels says that it is "
                f"{area[0]} x {area[1]}; it is damaged",
                hint=_REPAIR,
            )
    if layout.compression in _JPEG and b"\xff\xd9" not in data[-1024:]:
        # libjpeg fills what is missing with grey and does not say so.
        raise Truncated(f"{name}: a JPEG piece of the image has no end; it is cut short", hint=_REPAIR)


@lru_cache(maxsize=128)
def decoder(layout: Layout, rows: int, jfif: bool) -> Callable[..., Any]:
    """tifffile's decoder for one strip of ``rows`` rows, or for the tiles, of pages with this layout."""
    import tifffile

    page = tifffile.TiffFile(io.BytesIO(_description(layout, rows, jfif))).pages.first
    decode: Callable[..., Any] = page.decode
    return decode


def _description(layout: Layout, rows: int, jfif: bool) -> bytes:
    """A TIFF of one page whose fields say what the decoder must know, and whose pixels are missing."""
    samples = layout.together
    bits = layout.bits if isinstance(layout.bits, tuple) and not layout.planar else (layout.depth,) * samples
    photometric = 1 if layout.planar else layout.photometric
    fields: list[tuple[int, str, tuple[int, ...]]] = [
        (256, "I", (layout.width,)), (257, "I", (layout.height if layout.tiled else rows,)), (258, "H", bits),
        (259, "H", (layout.compression,)), (262, "H", (photometric,)), (266, "H", (layout.fill_order,)),
        (277, "H", (samples,)), (284, "H", (1,)), (292, "I", (layout.t4,)), (317, "H", (layout.predictor,)),
        (339, "H", (layout.kind,) * samples), (324 if layout.tiled else 273, "I", (8,)),
        (325 if layout.tiled else 279, "I", (16,)),
    ]  # fmt: skip
    if layout.tiled:
        fields += [(322, "I", (layout.segment[1],)), (323, "I", (layout.segment[0],))]
    else:
        fields += [(278, "I", (rows,))]
    if layout.extras and not layout.planar:
        fields += [(338, "H", layout.extras)]
    if layout.subsampling:
        fields += [(530, "H", layout.subsampling)]
    mark = b"\xff\xd8\xff\xe0\0\x10" + (b"JFIF" if jfif else b"    ") + bytes(6)
    return _pack(layout.order, mark, sorted(fields))


def _pack(order: str, mark: bytes, fields: list[tuple[int, str, tuple[int, ...]]]) -> bytes:
    at = 8 + len(mark)
    beyond = at + 2 + 12 * len(fields) + 4
    entries, tail = b"", b""
    for code, kind, values in fields:
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(data) > 4:
            place = struct.pack(f"{order}I", beyond + len(tail))
            tail += data
        else:
            place = data.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", code, 3 if kind == "H" else 4, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, at)
    return head + mark + struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + tail
