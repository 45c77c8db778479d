"""cellSens slides written by hand, tiles and records; openreadout is the oracle."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(17)
TYPES = {"u1": 2, "u2": 4, "f4": 9}


def ets(
    levels: Sequence[np.ndarray],
    tile: tuple[int, int] = (32, 16),
    *,
    codec: int = 0,
    sizes: bool = True,
    skip: Sequence[tuple[int, ...]] = (),
    shift: tuple[int, int] = (0, 0),
    background: int = 0,
    axes: int | None = None,
) -> bytes:
    """A tile file of (y, x, samples, first axis, second axis …) levels; ``tile`` is width, height."""
    import imagecodecs

    full = levels[0]
    samples, further = full.shape[2], full.shape[3:]
    pack = {
        0: lambda a: a.tobytes(),
        3: lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True, codecformat="j2k"),
        8: imagecodecs.png_encode,
    }[codec]
    width, height = tile
    body, table = bytearray(), []
    for level, data in enumerate(levels):
        rows, columns = -(-data.shape[0] // height), -(-data.shape[1] // width)
        for row, column, *rest in product(range(rows), range(columns), *map(range, data.shape[3:])):
            place = (column + shift[0], row + shift[1], *rest, level)
            if place in skip:
                continue
            whole = np.full((height, width, samples), 7, data.dtype)
            piece = data[row * height : (row + 1) * height, column * width : (column + 1) * width][
                (..., *rest)
            ]
            whole[: piece.shape[0], : piece.shape[1]] = piece
            packed = pack(np.ascontiguousarray(whole if samples > 1 else whole[..., 0]))
            table.append((place, 292 + len(body), len(packed)))
            body += packed
    count = (axes if axes is not None else len(further)) + 3
    numbers = [full.shape[1], full.shape[0], *further] if sizes else []
    head = struct.pack(
        "<4sIIIQIIQIIQII", b"SIS\0", 64, 3, count, 64, 228, 0, 292 + len(body), len(table), 0, 0, 0, 0
    )
    inner = struct.pack("<4s9I", b"ETS\0", 0x30006, TYPES[full.dtype.str[1:]], samples, 4 if samples > 1 else 1,
                        codec, 90, width, height, 1)  # fmt: skip
    inner = inner.ljust(108, b"\0") + struct.pack("<10I", background, *[0] * 9)
    inner = inner.ljust(184, b"\0") + struct.pack(f"<I{len(numbers)}I", len(numbers), *numbers)
    entries = b"".join(
        struct.pack(f"<I{count}iQII", count, *p, at, n, i) for i, (p, at, n) in enumerate(table)
    )
    return head + inner.ljust(228, b"\0") + bytes(body) + entries


def records(*items: tuple[int, int, Any]) -> bytes:
    """A set of (tag, index or -1, value): bytes with their type, or a set."""
    parts, at = [], 24
    for number, (tag, index, value) in enumerate(items):
        kind, data = (0x80000000, value) if isinstance(value, bytes) else value
        indexed = index >= 0
        size = 16 + 4 * indexed + len(data)
        following = 0 if number == len(items) - 1 else at + size
        head = struct.pack("<4I", kind | (0x08000000 if indexed else 0), tag, following, len(data))
        parts.append(head + (struct.pack("<i", index) if indexed else b"") + data)
        at += size
    return struct.pack("<4s5I", b"\x18\0IS", 0x192, 24 if items else 0, 0, len(items), 0) + b"".join(parts)


def ints(*values: int) -> tuple[int, bytes]:
    return 0x2003, struct.pack(f"<{len(values)}i", *values)


def doubles(*values: float) -> tuple[int, bytes]:
    return (0xA if len(values) == 1 else 0x104), struct.pack(f"<{len(values)}d", *values)


def word(text: str) -> tuple[int, bytes]:
    return 0x2002, text.encode("utf-16-le") + b"\0\0"


def dimension(number: int, kind: int, *entries: Sequence[tuple[int, int, Any]]) -> tuple[int, int, bytes]:
    held = [(2008, i, records(*(((2023, -1, (5, struct.pack("<i", kind))),) if i == 0 else ()), *more))
            for i, more in enumerate(entries)]  # fmt: skip
    return 2007, number, records(*held)


def stack(
    number: int, name: str, *more: tuple[int, int, Any], sizes: Sequence[int] = (), step: float = 0.5
) -> Any:
    settings = [(2030, -1, word(name)), (2019, -1, doubles(step, step)), (2020, -1, word("10^-6m^1")),
                (2015, -1, (7, struct.pack("<q", 1_700_000_000)))]  # fmt: skip
    return 2001, number, records((2003, -1, ints(*sizes)), (2005, -1, records(*settings)), *more)


def vsi(*stacks: Any) -> bytes:
    tree = records((2000, -1, records(*stacks)))
    fields = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0),
              (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]  # fmt: skip
    at = 8 + len(tree)
    fields[5] = (273, 4, 1, at + 2 + 12 * len(fields) + 4)
    ifd = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *f) for f in fields) + bytes(4)
    return b"II*\0" + struct.pack("<I", at) + tree + ifd + bytes(64)


def layout(rectangle: Sequence[int], origin: Sequence[int] = ()) -> tuple[int, int, bytes]:
    held = [(2053, -1, (0x103, struct.pack("<4i", *rectangle)))]
    held += [(2410, -1, (0x2007, struct.pack(f"<{len(origin)}i", *origin)))] if origin else []
    return 2002, 0, records((2018, -1, records(*held)))


def _put(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _slides(folder) | _alone(folder) | _broken(folder)


def _slides(folder: Path) -> dict[str, dict[str, Any]]:
    """Two channels of a z stack with a pyramid, a colour slide placed by its records, a label, a focus map."""
    stained = RANDOM.integers(0, 60000, (50, 70, 1, 2, 3), "u2")
    half = stained[::2, ::2][:25, :35]
    slide = RANDOM.integers(0, 256, (60, 90, 3), "u1")
    micro = {0x10000000: word("10^-9m^1"), 0x10000002: doubles(-2000.0)}
    channel = [(2021, -1, word("DAPI")), (2417, -1, doubles(460.0))], [(2021, -1, word("Cy5"))]
    z_step = records(*((tag, -1, value) for tag, value in micro.items()))
    main = vsi(
        stack(1, "Label"),
        stack(
            10001, "10x", dimension(0, 4, *channel), dimension(1, 1, [(2013, -1, z_step)], []), sizes=(2, 3)
        ),
        stack(10002, "20x_BF", layout((0, 0, 80, 55), (-10, -5))),
        stack(10003, "Focus"),
    )
    _put(folder, "slide.vsi", main)
    _put(folder, "_slide_/stack1/frame_t.ets", ets([slide]))
    _put(folder, "_slide_/stack10001/frame_t_0.ets", ets([stained, half], codec=3))
    # The tiles begin 10 pixels left of the picture and 5 above it; one tile is not stored.
    _put(
        folder,
        "_slide_/stack10002/frame_t.ets",
        ets([slide], sizes=False, skip=[(1, 1, 0)], background=0x00302010, codec=8),
    )
    _put(folder, "_slide_/stack10003/blob_0.ets", b"focus")
    shown = np.moveaxis(slide, -1, 0)[:, 5:60, 10:90].copy()
    shown[:, 16 - 5 : 32 - 5, 32 - 10 : 64 - 10] = np.array([0x10, 0x20, 0x30])[:, None, None]
    return {
        "slide.vsi": {
            "0/0/image": stained[:, :, 0].transpose(2, 3, 0, 1), "0/1/image": half[:, :, 0].transpose(2, 3, 0, 1),
            "0@name": "10x", "0@pixel_size": {"x": 0.5, "y": 0.5, "z": 2.0}, "1@name": "20x_BF", "1@rgb": True,
            "0/0/channel_name": ["DAPI", "Cy5"], "1/0/image": shown, "@recording_start": "2023-11-14T22:13:20+00:00",
            "?dropped": ["Label", "Focus", "blob_0", "preview"], "?warning": "1 tile(s) were not stored",
        }
    }  # fmt: skip


def _alone(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.normal(size=(40, 33, 1)).astype("f4")
    many = RANDOM.integers(0, 255, (16, 32, 1, 2, 3), "u1")
    _put(folder, "sized.ets", ets([data]))
    _put(folder, "moved.ets", ets([data[:32, :32]], sizes=False, shift=(-27, -5)))
    _put(folder, "planes.ets", ets([many]))
    return {
        "sized.ets": {"0/image": data[..., 0], "?warning": "without its .vsi"},
        "moved.ets": {"0/image": data[:32, :32, 0], "?warning": "size is not stored"},
        "planes.ets": {
            "0/image": many[:, :, 0].transpose(3, 2, 0, 1).reshape(6, 16, 32),
            "?warning": "'plane'",
        },
    }


def _broken(folder: Path) -> dict[str, dict[str, Any]]:
    good = ets([RANDOM.integers(0, 255, (40, 33, 1), "u1")])
    circle = bytearray(vsi(stack(1, "a"), stack(2, "b")))
    at = circle.index(struct.pack("<I", 2001))
    circle[at + 4 : at + 8] = struct.pack("<I", 24)
    files = {
        "lone.vsi": vsi(stack(1, "a")),
        "preview.vsi": b"II*\0" + bytes(300),
        "circle.vsi": bytes(circle),
        "cut.ets": good[:-200],
        "codec.ets": good[:84] + struct.pack("<I", 77) + good[88:],
        "kind.ets": good[:72] + struct.pack("<I", 99) + good[76:],
        "tiles.ets": good[:40] + b"\xff\xff\xff\x00" + good[44:],
        "far.ets": ets([np.zeros((40, 33, 1), "u1")], shift=(1 << 30, 0), sizes=False),
        "wide.ets": good[:92] + b"\xff\xff\xff\x7f" + good[96:],
        "places.ets": good[:12] + b"\xff\0\0\0" + good[16:],
    }
    for name, data in files.items():
        _put(folder, name, data)
    short = bytearray(good)
    entry = len(good) - 24 - 4 * 3 + 4 + 12 - 4
    struct.pack_into("<Q", short, entry + 4 - 4, 1 << 40)
    _put(folder, "past.ets", bytes(short))
    kinds = {
        "cut.ets": "Truncated",
        "codec.ets": "NotSupported",
        "tiles.ets": "Truncated",
        "wide.ets": "LimitExceeded",
    }
    found = {name: {"!error": kinds.get(name, "FormatError")} for name in files} | {
        "past.ets": {"!error": "FormatError"}
    }
    found["far.ets"] = {"0/image": np.pad(np.zeros((40, 33), "u1"), ((0, 8), (0, 31)), constant_values=7)}
    return found


def oracle(path: Path) -> dict[str, Any]:
    import openreadout

    held = openreadout.open(str(path))
    planes = np.asarray(held.get_image_data()).squeeze()
    return {"0/image": planes}
