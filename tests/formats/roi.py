"""ImageJ regions written by hand from the layout of a record; roifile is the oracle."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

NAN = float("nan")


def record(
    kind: int,
    box: tuple[int, int, int, int],
    points: Any = (),
    *,
    version: int = 228,
    subtype: int = 0,
    options: int = 0,
    four: tuple[float, ...] = (0, 0, 0, 0),
    subpixel: Any = None,
    path: Any = (),
    name: str = "",
    czt: tuple[int, int, int] = (0, 0, 0),
    position: int = 0,
    stroke: bytes = bytes(4),
    tail: bytes = b"",
    arrow: bytes = bytes(4),
    counters: Any = None,
    properties: str = "",
    group: int = 0,
    count: int | None = None,
    image: int = 0,
) -> bytes:
    """One region; ``box`` is left, top, right, bottom, ``points`` are whole numbers of the image."""
    left, top, right, bottom = box
    held = np.asarray(points, "i8").reshape(-1, 2) - [left, top] if len(points) else np.empty((0, 2), "i8")
    body = held.T.astype(">u2").tobytes()
    if subpixel is not None:
        body += np.asarray(subpixel, ">f4").T.tobytes()
    body += np.asarray(path, ">f4").tobytes() + tail
    second = 64 + len(body)
    texts = name.encode("utf-16-be"), properties.encode("utf-16-be")
    at = second + 64
    marks = b"" if counters is None else np.asarray(counters, ">u4").tobytes()
    head = struct.pack(
        ">4shBxhhhhH4fhi4s4shH4sii", b"Iout", version, kind, top, left, bottom, right,
        len(held) if count is None else count, *four, 0, len(path), stroke, bytes(4), subtype, options, arrow, position,
        second,
    )  # fmt: skip
    more = struct.pack(
        ">iiiiii4shBBifiii", 0, *czt, at if name else 0, len(name), bytes(4), 0, group, 0, image, 1.5,
        at + len(texts[0]) if properties else 0, len(properties),
        at + sum(map(len, texts)) if counters is not None else 0,
    )  # fmt: skip
    return head + body + more.ljust(64, b"\0") + b"".join(texts) + marks


POLYGON = np.array([[3, 4], [10, 4], [10, 9], [3, 12]])
PATH = [0, 1, 1, 1, 5, 1, 1, 5, 6, 4, 0, 2, 2, 2, 3, 3, 4, 2, 3, 4, 4, 5, 5, 6, 6]


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _shapes(folder) | _sets(folder) | _broken(folder)


def _write(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)


def _shapes(folder: Path) -> dict[str, dict[str, Any]]:
    fine = POLYGON + 0.25
    _write(folder, "polygon.roi", record(0, (3, 4, 10, 12), POLYGON, name="Zelle α", czt=(2, 3, 4), position=7,
                                         stroke=b"\xff\x10\x20\x30", group=5, properties="k: v\n"))  # fmt: skip
    _write(folder, "subpixel.roi", record(0, (3, 4, 10, 12), POLYGON, options=128, subpixel=fine))
    _write(folder, "rectangle.roi", record(1, (2, 3, 8, 9), options=128, four=(2.5, 3.5, 5.0, 5.0)))
    _write(folder, "oval.roi", record(2, (0, 0, 10, 20)))
    _write(
        folder, "arrow.roi", record(3, (1, 1, 4, 5), subtype=2, four=(1.5, 1.25, 4, 5), arrow=b"\2\x0a\0\0")
    )
    ellipse = struct.pack(">f", 0.5)
    _write(
        folder,
        "ellipse.roi",
        record(7, (3, 4, 10, 12), POLYGON, subtype=3, four=(3, 4, 10, 12), arrow=ellipse),
    )
    _write(folder, "points.roi", record(10, (3, 4, 10, 12), POLYGON, counters=[1, 2, 256 * 9 + 1, 0]))
    _write(folder, "composite.roi", record(1, (1, 1, 6, 6), path=PATH))
    text = struct.pack(">4i", 18, 0, 5, 2) + "ArialHi".encode("utf-16-be") + struct.pack(">f", 45.0)
    _write(folder, "text.roi", record(1, (2, 3, 8, 9), subtype=1, tail=text))
    _write(folder, "picture.roi", record(1, (2, 3, 8, 9), subtype=4, tail=b"TIFF", image=4))
    far = np.array([[40000, 39000], [40010, 39000], [40005, 39010]])
    _write(folder, "far.roi", record(0, (40000 - 65536, 39000 - 65536, 40010 - 65536, 39010 - 65536), count=3,
                                     tail=(far - [40000, 39000]).T.astype(">u2").tobytes()))  # fmt: skip
    box = [[2.5, 3.5], [2.5, 8.5], [7.5, 8.5], [7.5, 3.5], [2.5, 3.5]]
    return {
        "polygon.roi": {
            "vertices": POLYGON, "part_offsets": [0, 4], "part_roi": [0], "part_closed": [True],
            "roi_name": ["Zelle α"],
            "roi_type": ["polygon"], "roi_bounds": [[3, 4, 10, 12]], "roi_stack_position": [7],
            "roi_position": [[2, 3, 4]], "roi_stroke_color": ["FF102030"], "roi_group": [5], "roi_stroke_width": [1.5],
            "roi_properties": ["k: v\n"], "@fuse_kind": "geometry", "vertices@units": "pixel",
        },
        "subpixel.roi": {"vertices": fine},
        "rectangle.roi": {"vertices": box, "roi_bounds": [[2.5, 3.5, 7.5, 8.5]]},
        "oval.roi": {"roi_bounds": [[0, 0, 10, 20]], "roi_type": ["oval"], "?warning": "bounds only"},
        "arrow.roi": {"vertices": [[1.5, 1.25], [4, 5]], "roi_subtype": ["arrow"], "roi_arrow": [[2, 10]],
                      "roi_ends": [[1.5, 1.25, 4, 5]], "part_closed": [False]},
        "ellipse.roi": {"vertices": POLYGON, "roi_aspect_ratio": [0.5], "roi_ends": [[3, 4, 10, 12]]},
        "points.roi": {"vertices": POLYGON, "vertex_counter": [1, 2, 1, 0], "vertex_stack_position": [0, 0, 9, 0]},
        "composite.roi": {
            "roi_type": ["composite"], "part_offsets": [0, 4, 10], "part_closed": [True, False],
            "vertices": [[1, 1], [5, 1], [5, 6], [1, 1], [2, 2], [3, 3], [4, 2], [4, 4], [5, 5], [6, 6]],
            "vertex_step": [0, 1, 1, 1, 0, 2, 2, 3, 3, 3],
        },
        "text.roi": {"roi_text": ["Hi"], "roi_font": ["Arial"], "roi_text_size": [18], "roi_text_angle": [45.0]},
        "picture.roi": {"roi_subtype": ["image"], "?dropped": "image region"},
        "far.roi": {"vertices": far, "roi_bounds": [[40000, 39000, 40010, 39010]]},
    }  # fmt: skip


def _sets(folder: Path) -> dict[str, dict[str, Any]]:
    first, second = record(0, (3, 4, 10, 12), POLYGON), record(10, (1, 1, 2, 2), [[1, 1]], counters=[3])
    for name, how in (("RoiSet.zip", zipfile.ZIP_DEFLATED), ("renamed.dat", zipfile.ZIP_STORED)):
        with zipfile.ZipFile(folder / name, "w", how) as archive:
            archive.mkdir("set")
            archive.writestr("set/0001-0002.roi", first)
            archive.writestr("../../outside.roi", second)
            archive.writestr("notes.txt", b"hello")
            archive.writestr("__MACOSX/._0001.roi", b"junk")
    told = {
        "roi_name": ["0001-0002", "outside"], "roi_type": ["polygon", "point"], "part_offsets": [0, 4, 5],
        "vertices": [*POLYGON.tolist(), [1, 1]], "part_roi": [0, 1], "vertex_counter": [0, 0, 0, 0, 3],
        "?dropped": "notes.txt",
    }  # fmt: skip
    return {"RoiSet.zip": told, "renamed.dat": told}


def _broken(folder: Path) -> dict[str, dict[str, Any]]:
    good = record(0, (3, 4, 10, 12), POLYGON, name="abc")
    _write(folder, "short.roi", good[:70])
    _write(folder, "half.roi", good[:40])
    _write(folder, "name.roi", good[:-2])
    _write(folder, "kind.roi", good[:6] + b"\x63" + good[7:])
    _write(
        folder,
        "many.roi",
        record(0, (3, 4, 10, 12), count=0, four=(struct.unpack(">f", b"\x7f\0\0\0")[0], 0, 0, 0)),
    )
    _write(folder, "step.roi", record(1, (1, 1, 6, 6), path=[7, 1, 1]))
    _write(folder, "line.roi", record(1, (1, 1, 6, 6), path=[1, 1, 1]))
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("a.roi", good[:60])
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(2 << 20))
    data = bytearray(bomb.getvalue())
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 0x7FFFFFFF)
    _write(folder, "bomb.zip", bytes(data))
    _write(folder, "cut.zip", (folder / "RoiSet.zip").read_bytes()[:300])
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("a.txt", b"hello")
    return {
        "short.roi": {"!error": "Truncated"}, "half.roi": {"!error": "FormatError"},
        "name.roi": {"!error": "Truncated"},
        "kind.roi": {"!error": "FormatError"}, "many.roi": {"!error": "Truncated"},
        "step.roi": {"!error": "FormatError"},
        "line.roi": {"!error": "FormatError"}, "bad.zip": {"!error": "FormatError"},
        "bomb.zip": {"!error": "LimitExceeded"}, "cut.zip": {"!error": "FormatError"},
        "other.zip": {"!error": "NotSupported"},
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    import roifile

    held = roifile.roiread(path)
    rois = held if isinstance(held, list) else [held]
    parts = [part for roi in rois for part in roi.coordinates(multi=True)]
    told: dict[str, Any] = {
        "part_offsets": np.cumsum([0, *map(len, parts)]),
        "roi_bounds": [[r.xd, r.yd, r.xd + r.widthd, r.yd + r.heightd] if r.subpixelrect else
                       [r.left, r.top, r.right, r.bottom] for r in rois],
        "roi_position": [[r.c_position, r.z_position, r.t_position] for r in rois],
        "roi_stack_position": [r.position for r in rois],
        "~": 1e-6,
    }  # fmt: skip
    if sum(map(len, parts)):
        told["vertices"] = np.concatenate(parts).astype("f8")
    if path.suffix == ".roi":
        told["roi_name"] = [r.name for r in rois]
    if any(r.counters is not None for r in rois):
        told["vertex_counter"] = np.concatenate([r.counters for r in rois])
    return told
