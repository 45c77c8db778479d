"""Writes DICOM files element by element, from PS3.5 and PS3.10, for the tests of its reader."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

LONG = ("OB", "OW", "OF", "OD", "SQ", "UN", "UT")
BASE = "1.2.840.10008.1.2"
UNDEFINED = 0xFFFFFFFF
Element = tuple[int, str, Any]


def element(tag: int, kind: str, value: Any, implicit: bool = False, big: bool = False) -> bytes:
    """One element; numbers, texts, bytes, or for SQ a list of items, each a list of elements."""
    order = ">" if big else "<"
    if kind == "SQ":
        items = [b"".join(element(*e, implicit, big) for e in item) for item in value]
        body = b"".join(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    elif isinstance(value, bytes):
        body = value
    elif isinstance(value, str):
        body = value.encode() + (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    else:
        values = value if isinstance(value, list) else [value]
        form = {"US": "H", "SS": "h", "UL": "I", "FD": "d", "FL": "f", "AT": "HH"}[kind]
        body = b"".join(
            struct.pack(order + form, *(divmod(v, 65536) if kind == "AT" else (v,))) for v in values
        )
    length = len(body)
    if implicit:
        return struct.pack(order + "HHI", tag >> 16, tag & 0xFFFF, length) + body
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + kind.encode()
    return (
        head
        + (struct.pack(order + "HI", 0, length) if kind in LONG else struct.pack(order + "H", length))
        + body
    )


def dicom(
    elements: Sequence[Element],
    syntax: str = BASE + ".1",
    pixels: bytes = b"",
    *,
    mark: bool = True,
    meta: bool = True,
    said: str = "",
) -> bytes:
    """A whole file; ``pixels`` is a finished element, ``said`` a transfer syntax that is not the true one."""
    implicit, big = syntax == BASE, syntax == BASE + ".2"
    body = b"".join(element(*e, implicit, big) for e in sorted(elements)) + pixels
    if syntax == BASE + ".1.99":
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    head = element(0x00020010, "UI", said or syntax) if meta else b""
    return (bytes(128) + b"DICM" if mark else b"") + head + body


def image(
    rows: int,
    columns: int,
    *,
    samples: int = 1,
    bits: int = 16,
    stored: int = 0,
    high: int | None = None,
    signed: int = 0,
    photometric: str = "MONOCHROME2",
    planar: int = 0,
    frames: int = 0,
) -> list[Element]:
    """The elements that describe pixels."""
    stored = stored or bits
    found: list[Element] = [
        (0x00080008, "CS", "ORIGINAL\\PRIMARY"),
        (0x00080060, "CS", "MR"),
        (0x00280002, "US", samples),
        (0x00280004, "CS", photometric),
        (0x00280006, "US", planar),
        (0x00280010, "US", rows),
        (0x00280011, "US", columns),
        (0x00280100, "US", bits),
        (0x00280101, "US", stored),
        (0x00280102, "US", stored - 1 if high is None else high),
        (0x00280103, "US", signed),
    ]
    return [*found, (0x00280008, "IS", str(frames))] if frames else found


def native(data: np.ndarray, syntax: str = BASE + ".1", kind: str = "OW", tag: int = 0x7FE00010) -> bytes:
    """The element of uncompressed pixels."""
    big = syntax == BASE + ".2"
    body = data.astype(data.dtype.newbyteorder(">" if big else "<")).tobytes()
    body += b"\0" * (len(body) % 2)
    if big and data.dtype.itemsize == 1 and kind == "OW":
        body = np.frombuffer(body, ">u2").astype("<u2").tobytes()
    return element(tag, kind, body, syntax == BASE, big)


def pieces(frames: Sequence[Sequence[bytes]], table: bool) -> bytes:
    """The element of compressed frames, each in one piece or several."""
    padded = [[p + b"\0" * (len(p) % 2) for p in frame] for frame in frames]
    places = (
        np.cumsum([0] + [sum(8 + len(p) for p in frame) for frame in padded])[:-1] if table else np.zeros(0)
    )
    body = struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(places)) + places.astype("<u4").tobytes()
    body += b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(p)) + p for frame in padded for p in frame)
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, UNDEFINED)
    return head + body + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def rle(frame: np.ndarray) -> bytes:
    """A frame as run lengths, one segment for each byte of each sample."""
    import imagecodecs

    planes = [
        p
        for sample in frame.reshape(*frame.shape[:2], -1).transpose(2, 0, 1)
        for p in np.frombuffer(sample.astype(sample.dtype.newbyteorder(">")).tobytes(), "u1")
        .reshape(-1, sample.dtype.itemsize)
        .T
    ]
    packed = [imagecodecs.packbits_encode(np.ascontiguousarray(p).tobytes()) for p in planes]
    packed = [p + b"\0" * (len(p) % 2) for p in packed]
    places = np.cumsum([64] + [len(p) for p in packed])[:-1].tolist()
    return struct.pack("<16I", len(packed), *places, *[0] * (15 - len(places))) + b"".join(packed)
