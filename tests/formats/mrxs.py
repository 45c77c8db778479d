"""MIRAX slides written by hand from OpenSlide's description of the format; openreadout is the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(23)
TILE = 64


def _index(pages: list[list[tuple[int, int, int]]], slide: str) -> bytes:
    """Index.dat: version, identifier, place of the hierarchical roots, a list of pages for each level."""
    head = b"01.02" + slide.encode()
    root = len(head) + 8
    body = bytearray(struct.pack("<ii", root, 0))
    pointers = root + 4 * 0
    records = pointers + 4 * len(pages)
    lists = bytearray()
    starts = []
    for page in pages:
        at = records + len(lists)
        starts.append(at)
        entries = b"".join(struct.pack("<iiii", image, offset, length, 0) for image, offset, length in page)
        data = struct.pack("<ii", len(page), 0) + entries
        lists += struct.pack("<ii", 0, at + 8) + data
    table = struct.pack(f"<{len(starts)}i", *starts)
    return head + bytes(body) + table + bytes(lists)


def slide(folder: Path, name: str, pixels: np.ndarray, *, missing: int = -1) -> None:
    """A slide of (y, x, 3) pixels in tiles of 64, two levels, PNG tiles, no overlap."""
    from PIL import Image

    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    place = folder / name
    place.mkdir()
    identifier = "made" + "0" * 28
    data = bytearray(b"01.02" + identifier.encode() + bytes(4))
    pages: list[list[tuple[int, int, int]]] = []
    for level in range(2):
        step, page = 1 << level, []
        small = pixels[::step, ::step]
        for row in range(rows // step):
            for column in range(columns // step):
                number = row * step * columns + column * step
                if number == missing and level == 0:
                    continue
                tile = small[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                packed = _png(Image.fromarray(tile))
                page.append((number, len(data), len(packed)))
                data += packed
        pages.append(page)
    (place / "Data0000.dat").write_bytes(bytes(data))
    (place / "Index.dat").write_bytes(_index(pages, identifier))
    (place / "Slidedat.ini").write_text(_ini(identifier, rows, columns), "utf-8-sig")
    (folder / f"{name}.mrxs").write_bytes(_jpeg(Image.fromarray(pixels[::8, ::8])))


def _ini(identifier: str, rows: int, columns: int) -> str:
    lines = [
        "[GENERAL]",
        "SLIDE_VERSION=01.02", f"SLIDE_ID={identifier}", f"IMAGENUMBER_X={columns}", f"IMAGENUMBER_Y={rows}",
        "OBJECTIVE_MAGNIFICATION=20", "CameraImageDivisionsPerSide=1", "SLIDE_NAME=patient", "[HIERARCHICAL]",
        "INDEXFILE=Index.dat", "HIER_COUNT=1", "NONHIER_COUNT=0", "HIER_0_NAME=Slide zoom level", "HIER_0_COUNT=2",
    ]  # fmt: skip
    for level in range(2):
        lines += [
            f"HIER_0_VAL_{level}=ZoomLevel_{level}",
            f"HIER_0_VAL_{level}_SECTION=LAYER_0_LEVEL_{level}_SECTION",
        ]
    lines += ["[DATAFILE]", "FILE_COUNT=1", "FILE_0=Data0000.dat"]
    for level in range(2):
        lines += [
            f"[LAYER_0_LEVEL_{level}_SECTION]", "OVERLAP_X=0",
            "OVERLAP_Y=0", f"MICROMETER_PER_PIXEL_X={0.25 * 2**level}",
            f"MICROMETER_PER_PIXEL_Y={0.5 * 2**level}", "IMAGE_FORMAT=PNG", f"IMAGE_FILL_COLOR_BGR={0x102030}",
            f"DIGITIZER_WIDTH={TILE}", f"DIGITIZER_HEIGHT={TILE}", f"IMAGE_CONCAT_FACTOR={level}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _png(picture: Any) -> bytes:
    import io

    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _jpeg(picture: Any) -> bytes:
    import io

    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def make(folder: Path) -> dict[str, dict[str, Any]]:
    pixels = RANDOM.integers(0, 256, (128, 256, 3), "u1")
    slide(folder, "slide", pixels)
    slide(folder, "holes", pixels, missing=5)
    slide(folder, "torn", pixels)
    (folder / "torn" / "Index.dat").write_bytes((folder / "torn" / "Index.dat").read_bytes()[:60])
    slide(folder, "gone", pixels)
    (folder / "gone" / "Data0000.dat").unlink()
    slide(folder, "ini", pixels)
    (folder / "ini" / "Slidedat.ini").write_bytes(b"[GENERAL]\n")
    lone = (folder / "slide.mrxs").read_bytes()
    (folder / "lone.mrxs").write_bytes(lone)
    holes = np.moveaxis(pixels, -1, 0).copy()
    holes[:, 64:128, 64:128] = np.array([0x30, 0x20, 0x10])[:, None, None]
    return {
        "slide.mrxs": {
            "0/image": np.moveaxis(pixels, -1, 0), "1/image": np.moveaxis(pixels[::2, ::2], -1, 0), "@rgb": True,
            "@pixel_size": {"x": 0.25, "y": 0.5}, "@pixel_unit": {"x": "micrometer", "y": "micrometer"},
            "?warning": "not scanned", "?dropped": "names and identifiers",
        },
        "holes.mrxs": {"0/image": holes},
        "lone.mrxs": {"!error": "FormatError"}, "torn.mrxs": {"!error": "FormatError"},
        "gone.mrxs": {"!error": "FormatError"},
        "ini.mrxs": {"!error": "FormatError"},
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    import openreadout

    held = openreadout.open(str(path))
    return {"0/image": np.moveaxis(np.asarray(held.get_image_data()).squeeze(), -1, 0)}
