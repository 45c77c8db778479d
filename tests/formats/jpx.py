"""Made JPX files: boxes by hand around codestreams of OpenJPEG; imagecodecs on each codestream is the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from formats.jp2 import box

RANDOM = np.random.default_rng(21)
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    import imagecodecs

    def coded(data: np.ndarray) -> bytes:
        return imagecodecs.jpeg2k_encode(data, level=0, codecformat="j2k", reversible=True)

    gray = RANDOM.integers(0, 256, (20, 30), "u1")
    rgb = RANDOM.integers(0, 256, (24, 18, 3), "u1")
    index = RANDOM.integers(0, 5, (20, 30), "u1")
    colours = RANDOM.integers(0, 256, (5, 3), "u1")
    palette = box(b"pclr", struct.pack(">HBBBB", 5, 3, 7, 7, 7) + colours.tobytes())
    palette += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
    common = box(b"jp2h", _ihdr(20, 30, 1) + _colr(16) + palette)
    plain = box(
        b"jpch",
        _ihdr(24, 18, 3)
        + box(b"cmap", b"".join(struct.pack(">HBB", i, 0, 0) for i in range(3)))
        + box(b"lbl ", b"thumbnail"),
    )
    layer = box(b"jplh", box(b"cgrp", _colr(16)))
    text = box(b"asoc", box(b"nlst", bytes(4)) + box(b"xml ", b"<stage/>")) + box(
        b"uuid", XMP + b"<x:xmpmeta/>"
    )
    parts = {
        "several.jpx": common
        + box(b"jpch", b"")
        + box(b"jplh", b"")
        + box(b"jp2c", coded(index))
        + plain
        + layer
        + box(b"jp2c", coded(rgb))
        + text
        + box(b"uuid", bytes(16) + b"\1\2"),
        "one.jpx": box(
            b"jp2h",
            _ihdr(20, 30, 1)
            + _colr(17)
            + box(b"res ", box(b"resc", struct.pack(">HHHHbb", 4, 1, 2, 1, 6, 6))),
        )
        + box(b"jp2c", coded(gray)),
        "stack.jpx": box(b"jp2h", _ihdr(20, 30, 1) + _colr(17))
        + b"".join(box(b"jp2c", coded(gray + n)) for n in range(3)),
    }
    found: dict[str, dict[str, Any]] = {
        "several.jpx": {
            "0/0/image": np.moveaxis(colours[index], -1, 0),
            "1/0/image": np.moveaxis(rgb, -1, 0),
            "1@name": "thumbnail",
            "0@rgb": True,
            "?warning": "codestream 1: palette",
            "?dropped": "uuid 0000",
        },
        "one.jpx": {"0/image": gray, "@pixel_size": {"y": 0.25, "x": 0.5}},
        "stack.jpx": {
            **{f"{n}/0/image": gray + np.uint8(n) for n in range(3)},
            "?warning": "planes of a stack",
        },
    }
    for name, body in parts.items():
        (folder / name).write_bytes(_head() + body)
    (folder / "named.jpf").write_bytes(_head() + parts["stack.jpx"])
    found["named.jpf"] = found["stack.jpx"]
    return found | _hostile(folder, parts["one.jpx"], coded(gray))


def _head() -> bytes:
    return box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jpx \0\0\0\0jpx jpxb")


def _ihdr(rows: int, columns: int, count: int) -> bytes:
    return box(b"ihdr", struct.pack(">IIHBBBB", rows, columns, count, 7, 7, 0, 0))


def _colr(space: int) -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))


def _hostile(folder: Path, whole: bytes, stream: bytes) -> dict[str, dict[str, Any]]:
    deep = b""
    for _ in range(12):
        deep = box(b"asoc", deep)
    extended = bytearray(stream)
    extended[6] |= 0x80
    at = stream.index(b"\xff\x52")
    transform = stream[:at] + b"\xff\x77\0\4\0\0" + stream[at:]
    turned = box(b"jpch", box(b"cmap", struct.pack(">HBBHBBHBB", 1, 0, 0, 0, 0, 0, 2, 0, 0)))
    files = {
        "animation.jpx": (box(b"comp", bytes(4)) + whole, "NotSupported"),
        "fragments.jpx": (whole + box(b"ftbl", bytes(20)), "NotSupported"),
        "references.jpx": (box(b"dtbl", bytes(2)) + whole, "NotSupported"),
        "part_2.jpx": (
            box(b"jp2h", _ihdr(20, 30, 1) + _colr(17)) + box(b"jp2c", bytes(extended)),
            "NotSupported",
        ),
        "transform.jpx": (
            box(b"jp2h", _ihdr(20, 30, 1) + _colr(17)) + box(b"jp2c", transform),
            "NotSupported",
        ),
        "turned.jpx": (turned + whole, "NotSupported"),
        "cut.jpx": (whole[:-90], "Truncated"),
        "none.jpx": (box(b"jp2h", _ihdr(20, 30, 1)), "FormatError"),
        "other.jpx": (box(b"jp2h", _ihdr(20, 31, 1) + _colr(17)) + box(b"jp2c", stream), "FormatError"),
    }
    for name, (body, _) in files.items():
        (folder / name).write_bytes(_head() + body)
    (folder / "deep.jpx").write_bytes(_head() + deep + whole)
    return {name: {"!error": error} for name, (_, error) in files.items()} | {
        "deep.jpx": {"?dropped": "asoc"}
    }


def oracle(path: Path) -> dict[str, Any] | None:
    """Each codestream that is no index of a palette, decoded whole."""
    import imagecodecs

    raw, found, number, at = path.read_bytes(), {}, 0, 0
    while at + 8 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        if kind == b"jp2c":
            pixels = imagecodecs.jpeg2k_decode(raw[at + 8 : at + length])
            if number:
                found[f"{number}/0/image"] = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels
            number += 1
        at += length or len(raw)
    return found
