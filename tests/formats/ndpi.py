"""Made NDPI slides: JPEGs with restart markers in a TIFF with Hamamatsu's fields; tifffile as the oracle."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents, whose pixels are those that tifffile finds in them."""
    rows, columns = np.mgrid[:480, :640]
    picture = np.stack([columns * 255 // 640, rows * 255 // 480, (rows + columns) % 256], -1).astype("u1")
    small = np.ascontiguousarray(picture[::2, ::2])
    made = _ndpi([(20.0, picture), (10.0, small), (-1.0, picture[:100, :200])])
    (folder / "slide.ndpi").write_bytes(made)
    (folder / "named.tif").write_bytes(made)
    facts = {
        **oracle(folder / "slide.ndpi"), "@pixel_size": {"y": 0.5, "x": 0.5}, "@objective_power": 20.0, "@rgb": True,
        "?warning": "personal data", "?dropped": "macro",
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {"slide.ndpi": facts, "named.tif": facts}
    grey = _ndpi([(20.0, picture[..., 0])])
    hostile = {
        "cut.ndpi": made[:3000],
        "grey.ndpi": grey,
        "plain.ndpi": made.replace(b"\x8c\xff\x04\0", b"\x8b\xff\x04\0"),
    }
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    return found | {name: {"!error": "FormatError"} for name in hostile}


def _ndpi(levels: list[tuple[float, Any]]) -> bytes:
    """A slide of resolutions: power of the objective (-1 for the overview) and pixels."""
    from PIL import Image

    out, pointer = bytearray(b"II*\0" + bytes(8)), 4
    for lens, pixels in levels:
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, "JPEG", quality=90, subsampling=0, restart_marker_rows=1)
        high, wide, samples = *pixels.shape[:2], 3 if pixels.ndim == 3 else 1
        picture = _put(out, packed.getvalue())
        bits, maker = _put(out, struct.pack("<3H", 8, 8, 8)), _put(out, b"Hamamatsu\0")
        density = _put(out, struct.pack("<2I", 20000, 1))
        (power,) = struct.unpack("<I", struct.pack("<f", lens))
        tags = [
            (254, 4, 1, 0), (256, 4, 1, wide), (257, 4, 1, high), (258, 3, 3, bits), (259, 3, 1, 7),
            (262, 3, 1, 6 if samples == 3 else 1), (271, 2, 10, maker), (273, 4, 1, picture), (277, 3, 1, samples),
            (278, 4, 1, high), (279, 4, 1, len(packed.getvalue())), (282, 5, 1, density), (283, 5, 1, density),
            (284, 3, 1, 1), (296, 3, 1, 3), (65420, 4, 1, 1), (65421, 11, 1, power), (65422, 9, 1, 0),
            (65423, 9, 1, 0), (65424, 9, 1, 0),
        ]  # fmt: skip
        if samples == 1:
            tags[3] = (258, 3, 1, 8)
        body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        place = _put(out, body + bytes(8 + 4 * len(tags)))
        out[pointer : pointer + 4] = struct.pack("<I", place)
        pointer = place + len(body)
    return bytes(out)


def _put(out: bytearray, data: bytes) -> int:
    at = len(out)
    out += data + bytes(len(data) % 2)
    return at


def oracle(path: Path) -> dict[str, Any]:
    """Full and lower resolutions by tifffile."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        levels = [page.asarray() for page in file.pages if page.tags.valueof(65421) > 0]
    return {f"{n}/image": np.moveaxis(level, -1, 0) for n, level in enumerate(levels)}
