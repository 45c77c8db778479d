"""Made DICOM files whose frames are slices, moments, tiles or blocks of a mosaic."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from formats._dicom_writer import BASE, Element, dicom, image, native

RANDOM = np.random.default_rng(12)


def frames(folder: Path) -> dict[str, dict[str, Any]]:
    """What frames are: times, slices, vectors, and the dimensions of enhanced files in any order."""
    data = RANDOM.integers(0, 999, (6, 4, 5)).astype("u2")
    found: dict[str, dict[str, Any]] = {}

    def add(name: str, extra: list[Element], facts: dict[str, Any], values: np.ndarray = data) -> None:
        (folder / name).write_bytes(dicom([*image(4, 5, frames=6), *extra], pixels=native(data)))
        found[name] = {"0/image": values, **facts}

    add("cine.dcm", [(0x00280009, "AT", 0x00181063), (0x00181063, "DS", "40")], {"0/t": np.arange(6) * 0.04})
    add("rate.dcm", [(0x00180040, "IS", "20")], {"0/t": np.arange(6) * 0.05})
    add(
        "vector.dcm",
        [(0x00280009, "AT", 0x00181065), (0x00181065, "DS", "0\\50\\50\\50\\50\\50")],
        {"0/t": np.arange(6) * 0.05},
    )
    add(
        "dose.dcm",
        [(0x00280009, "AT", 0x3004000C), (0x3004000C, "DS", "0\\2\\4\\6\\8\\10"), (0x3004000E, "DS", "1e-3")],
        {"0/z": np.arange(6) * 2.0, "@rescale_slope": 1e-3},
    )
    add(
        "nuclear.dcm",
        [
            (0x00280009, "AT", [0x00540070, 0x00540080]),
            (0x00540070, "US", [1, 1, 1, 2, 2, 2]),
            (0x00540080, "US", [1, 2, 3, 1, 2, 3]),
        ],
        {},
        data.reshape(2, 3, 4, 5),
    )
    order = [4, 0, 5, 1, 3, 2]
    groups = [
        [
            (0x00209111, "SQ", [[(0x00209157, "UL", [1 + place // 3, 1 + place % 3])]]),
            (0x00209113, "SQ", [[(0x00200032, "DS", f"0\\0\\{1.5 * (place % 3)}")]]),
        ]
        for place in order
    ]
    shared = [
        [
            (0x00209116, "SQ", [[(0x00200037, "DS", "1\\0\\0\\0\\1\\0")]]),
            (0x00289110, "SQ", [[(0x00180050, "DS", "1"), (0x00280030, "DS", "2\\3")]]),
        ]
    ]
    pointers = [[(0x00209165, "AT", 0x00209128)], [(0x00209165, "AT", 0x00209057)]]
    enhanced: list[Element] = [
        (0x00209222, "SQ", pointers),
        (0x52009229, "SQ", shared),
        (0x52009230, "SQ", groups),
    ]
    add(
        "enhanced.dcm",
        enhanced,
        {"@pixel_size": {"z": 1.5, "y": 2.0, "x": 3.0}},
        data[np.argsort(order)].reshape(2, 3, 4, 5),
    )
    add(
        "positions.dcm",
        [
            (0x52009229, "SQ", shared),
            (
                0x52009230,
                "SQ",
                [[(0x00209113, "SQ", [[(0x00200032, "DS", f"0\\0\\{10 - i}")]])] for i in range(6)],
            ),
        ],
        {"0/z": np.arange(6.0)},
        data[::-1],
    )
    add("loose.dcm", [(0x52009230, "SQ", [[] for _ in range(6)])], {"?warning": "do not fill"})
    return found


def slides(folder: Path) -> dict[str, dict[str, Any]]:
    """Tiles in their order, and some of them with their places."""
    whole = RANDOM.integers(0, 256, (9, 11, 3), "u1")
    padded = np.pad(whole, ((0, 3), (0, 1), (0, 0)))
    tiles = np.stack([padded[y : y + 4, x : x + 4] for y in (0, 4, 8) for x in (0, 4, 8)])
    common: list[Element] = [
        (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.77.1.6"),
        (0x00480006, "UL", 11),
        (0x00480007, "UL", 9),
    ]
    full = [
        *image(4, 4, samples=3, bits=8, photometric="RGB", frames=9),
        *common,
        (0x00209311, "CS", "TILED_FULL"),
    ]
    (folder / "slide.dcm").write_bytes(dicom(full, pixels=native(tiles)))
    some = [3, 8, 0]
    groups = [
        [
            (
                0x0048021A,
                "SQ",
                [
                    [
                        (0x0048021E, "SL", struct.pack("<i", 1 + 4 * (i % 3))),
                        (0x0048021F, "SL", struct.pack("<i", 1 + 4 * (i // 3))),
                    ]
                ],
            )
        ]
        for i in some
    ]
    sparse = [
        *image(4, 4, samples=3, bits=8, photometric="RGB", frames=3),
        *common,
        (0x00209311, "CS", "TILED_SPARSE"),
        (0x52009230, "SQ", groups),
    ]
    (folder / "sparse.dcm").write_bytes(dicom(sparse, pixels=native(tiles[some])))
    left = np.zeros_like(padded)
    for i in some:
        y, x = 4 * (i // 3), 4 * (i % 3)
        left[y : y + 4, x : x + 4] = tiles[i]
    return {
        "slide.dcm": {"0/image": np.moveaxis(whole, -1, 0), "@rgb": True},
        "sparse.dcm": {"0/image": np.moveaxis(left[:9, :11], -1, 0), "?warning": "without tissue"},
    }


def siemens(folder: Path) -> dict[str, dict[str, Any]]:
    """Slices side by side in one picture."""
    slices = RANDOM.integers(0, 999, (7, 4, 5)).astype("u2")
    grid = np.zeros((9, 4, 5), "u2")
    grid[:7] = slices
    mosaic = grid.reshape(3, 3, 4, 5).transpose(0, 2, 1, 3).reshape(12, 15)
    plain = [e for e in image(12, 15) if e[0] != 0x00080008] + [
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\M\\MOSAIC")
    ]
    count: list[Element] = [
        (0x00190010, "LO", "SIEMENS MR HEADER"),
        (0x0019100A, "US", 7),
        (0x00180088, "DS", "2.5"),
    ]
    files = {}
    for name, syntax in (("mosaic.ima", BASE + ".1"), ("mosaic_implicit.IMA", BASE)):
        (folder / name).write_bytes(dicom([*plain, *count], syntax, native(mosaic, syntax)))
        files[name] = {"0/image": slices, "0/z": np.arange(7) * 2.5, "?dropped": "SIEMENS"}
    text = (
        b"SV10"
        + b"NumberOfImagesInMosaic".ljust(64, b"\0")
        + struct.pack("<ii4s", 1, 3, b"US\0\0")
        + bytes(24)
        + b"7       \0"
    )
    csa: list[Element] = [
        (0x00290010, "LO", "SIEMENS CSA HEADER"),
        (0x00291010, "OB", text + b"\0" * (len(text) % 2)),
    ]
    (folder / "mosaic_csa.ima").write_bytes(dicom([*plain, *csa], pixels=native(mosaic)))
    (folder / "mosaic_none.ima").write_bytes(dicom(plain, pixels=native(mosaic)))
    (folder / "mosaic_odd.ima").write_bytes(dicom([*plain, (0x0019100A, "US", 30)], pixels=native(mosaic)))
    return files | {
        "mosaic_csa.ima": {"0/image": slices},
        "mosaic_none.ima": {"!error": "FormatError"},
        "mosaic_odd.ima": {"!error": "FormatError"},
    }
