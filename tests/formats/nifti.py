"""Made NIfTI-1, NIfTI-2 and Analyze files, written by hand from the specification; nibabel is the oracle."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(4)
CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "c8": 32,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
    "c16": 1792,
}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return (
        _types(folder)
        | _axes(folder)
        | _colours(folder)
        | _packed(folder)
        | _pairs(folder)
        | _hostile(folder)
    )


def header(
    shape: tuple[int, ...],
    code: int,
    order: str = "<",
    *,
    magic: bytes = b"n+1\0",
    offset: float = 352,
    slope: tuple[float, float] = (0, 0),
    units: int = 2 | 8,
    steps: tuple[float, ...] = (1,) * 8,
    sform: Any = None,
    quatern: tuple[float, ...] | None = None,
    bits: int = 16,
) -> bytes:
    """A NIfTI-1 header of 348 bytes."""
    raw = bytearray(348)
    pack = lambda form, at, *values: struct.pack_into(order + form, raw, at, *values)  # noqa: E731
    pack("i", 0, 348)
    pack("8h", 40, len(shape), *shape, *[1] * (7 - len(shape)))
    pack("hh", 70, code, bits)
    pack("8f", 76, *steps, *[0] * (8 - len(steps)))
    pack("fff", 108, offset, *slope)
    pack("B", 123, units)
    if sform is not None:
        pack("h", 254, 1)
        pack("12f", 280, *np.ravel(sform))
    if quatern is not None:
        pack("h", 252, 1)
        pack("6f", 256, *quatern)
    raw[344:348] = magic
    return bytes(raw)


def header_2(shape: tuple[int, ...], code: int, bits: int, order: str = "<") -> bytes:
    """A NIfTI-2 header of 540 bytes."""
    raw = bytearray(540)
    struct.pack_into(
        order + "i8shh8q",
        raw,
        0,
        540,
        b"n+2\0\r\n\x1a\n",
        code,
        bits,
        len(shape),
        *shape,
        *[1] * (7 - len(shape)),
    )
    struct.pack_into(order + "8d", raw, 104, 1, *[0.5] * 7)
    struct.pack_into(order + "qdd", raw, 168, 544, 1.0, 0.0)
    struct.pack_into(order + "i", raw, 500, 3 | 16)
    return bytes(raw)


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for order in "<>":
        for kind, code in CODES.items() if order == "<" else [("i2", 4), ("f8", 64), ("c8", 32)]:
            bits = 8 * np.dtype(kind).itemsize
            data = RANDOM.integers(0, 100, (3, 4, 5)).astype(kind)
            if kind[0] == "c":
                data = data + 1j * data[::-1]
            name = f"{kind}_{'little' if order == '<' else 'big'}.nii"
            body = data.astype(np.dtype(kind).newbyteorder(order)).tobytes()
            (folder / name).write_bytes(header((5, 4, 3), code, order, bits=bits) + bytes(4) + body)
            found[name] = {"0/image": data.astype(kind), "@pixel_unit": dict.fromkeys("xyz", "millimeter")}
        name = f"two_{'little' if order == '<' else 'big'}.nii"
        data = RANDOM.integers(0, 999, (2, 3, 4, 5)).astype("i2")
        body = bytes(4) + data.astype(np.dtype("i2").newbyteorder(order)).tobytes()
        (folder / name).write_bytes(header_2((5, 4, 3, 2), 4, 16, order) + body)
        found[name] = {
            "0/image": data,
            "0/t": [0.0, 0.0005],
            "@pixel_unit": {**dict.fromkeys("xyz", "micrometer"), "t": "s"},
        }
    return found


def _axes(folder: Path) -> dict[str, dict[str, Any]]:
    """Several axes, scales, matrices, units and their doubts."""
    data = RANDOM.integers(0, 999, (2, 3, 4, 5, 6)).astype("<i2")
    turn = np.array([[-2, 0, 0, 32], [0, 0, 3, -40], [0, 4, 0, -16]])
    write = lambda name, head, body: (folder / name).write_bytes(head + bytes(4) + body.tobytes())  # noqa: E731
    write("five.nii", header((6, 5, 4, 3, 2), 4, steps=(1, 2, 4, 3, 1500), units=2 | 16, sform=turn), data)
    found: dict[str, dict[str, Any]] = {
        "five.nii": {
            "0/image": data,
            "@affine": [*turn.astype(float).tolist(), [0.0, 0.0, 0.0, 1.0]],
            "@orientation": "LSA",
            "@pixel_size": {"x": 2.0, "y": 4.0, "z": 3.0, "t": 1.5},
            "0/x": np.arange(6) * 2.0,
            "0/t": [0, 1.5, 3],
        }
    }
    write("scaled.nii", header((6, 5, 4, 3, 2), 4, slope=(0.5, -3)), data)
    found["scaled.nii"] = {
        "0/image": data,
        "@rescale_slope": 0.5,
        "@rescale_intercept": -3.0,
        "?warning": "stored",
    }
    write("turned.nii", header((6, 5, 4), 4, quatern=(0, 0, 1, 5, 6, 7), steps=(-1, 1, 1, 2)), data[0, 0])
    found["turned.nii"] = {
        "0/image": data[0, 0],
        "@orientation": "LPI",
        "@affine": [
            [-1.0, 0.0, 0.0, 5.0],
            [0.0, -1.0, 0.0, 6.0],
            [0.0, 0.0, -2.0, 7.0],
            [0.0, 0.0, 0.0, 1.0],
        ],
    }
    write("spectrum.nii", header((6, 5, 4, 3), 4, units=3 | 40), data[0])
    found["spectrum.nii"] = {
        "0/image": data[0],
        "0/frequency": [0, 1, 2],
        "@pixel_unit": {"x": "micrometer", "y": "micrometer", "z": "micrometer", "frequency": "ppm"},
    }
    write("flat.nii", header((6, 5), 4, steps=(1, float("nan"), -2), bits=32), data[0, 0, 0])
    found["flat.nii"] = {
        "0/image": data[0, 0, 0],
        "@pixel_size": {"y": 2.0},
        "?warning": ["nan", "-2.0", "bits"],
    }
    write("vectors.nii", header((6, 5, 4, 1, 3), 4), data[0])
    found["vectors.nii"] = {"0/image": data[0], "@pixel_size": {"x": 1.0, "y": 1.0, "z": 1.0}}
    write("matrix.nii", header((1, 1, 1, 1, 6, 5), 4, units=0), data[0, 0, 0])
    found["matrix.nii"] = {"0/image": data[0, 0, 0], "?warning": "CIFTI"}
    write("line.nii", header((6,), 4, units=0), data[0, 0, 0, 0])
    found["line.nii"] = {"0/image": data[0, 0, 0, :1], "?warning": ["unit", "orientation"]}
    write("slow.nii", header((6, 5, 4, 3), 4, steps=(1, 1, 1, 1, 2000)), data[0])
    found["slow.nii"] = {"0/image": data[0], "?warning": "2000 s"}
    note = struct.pack("<ii", 32, 6) + b"a comment".ljust(24, b"\0") + struct.pack("<ii", 16, 8) + bytes(8)
    (folder / "noted.nii").write_bytes(
        header((6, 5, 4), 4, offset=400) + b"\1\0\0\0" + note + data[0, 0].tobytes()
    )
    found["noted.nii"] = {"0/image": data[0, 0], "?dropped": "extension 8"}
    return found


def _colours(folder: Path) -> dict[str, dict[str, Any]]:
    rgb = RANDOM.integers(0, 256, (2, 3, 4, 3), "u1")
    (folder / "rgb.nii").write_bytes(header((4, 3, 2), 128, bits=24) + bytes(4) + rgb.tobytes())
    rgba = RANDOM.integers(0, 256, (3, 4, 4), "u1")
    (folder / "rgba.nii").write_bytes(header((4, 3), 2304, bits=32) + bytes(4) + rgba.tobytes())
    return {
        "rgb.nii": {"0/image": np.moveaxis(rgb, -1, 0), "@rgb": True},
        "rgba.nii": {"0/image": np.moveaxis(rgba, -1, 0), "@rgb": True},
    }


def _packed(folder: Path) -> dict[str, dict[str, Any]]:
    """One member, and several of them; longer than the pieces in which it is unpacked."""
    data = RANDOM.integers(0, 50, (2, 50, 150, 100)).astype("<i2")
    whole = header((100, 150, 50, 2), 4) + bytes(4) + data.tobytes()
    (folder / "whole.nii.gz").write_bytes(gzip.compress(whole, 1))
    small = header((100, 150), 4) + bytes(4) + data[0, 0].tobytes()
    pieces = [small[i : i + 9000] for i in range(0, len(small), 9000)]
    (folder / "pieces.nii.gz").write_bytes(b"".join(gzip.compress(p) for p in pieces))
    return {"whole.nii.gz": {"0/image": data}, "pieces.nii.gz": {"0/image": data[0, 0]}}


def _pairs(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 999, (3, 4, 5)).astype("<i2")
    (folder / "pair.hdr").write_bytes(header((5, 4, 3), 4, magic=b"ni1\0", offset=16))
    (folder / "pair.img").write_bytes(bytes(16) + data.tobytes())
    (folder / "packed.hdr").write_bytes(header((5, 4, 3), 4, magic=b"ni1\0", offset=0))
    (folder / "packed.img.gz").write_bytes(gzip.compress(data.tobytes()))
    (folder / "old.HDR").write_bytes(header((5, 4, 3), 4, magic=b"\0" * 4, offset=0))
    (folder / "old.IMG").write_bytes(data.tobytes())
    (folder / "alone.hdr").write_bytes(header((5, 4, 3), 4, magic=b"ni1\0", offset=0))
    return {
        "pair.hdr": {"0/image": data},
        "packed.hdr": {"0/image": data},
        "old.HDR": {"0/image": data, "?warning": "left and right"},
        "alone.hdr": {"!error": "FormatError"},
    }


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    body = bytes(4 + 120)
    zipped = gzip.compress(header((50, 40), 4) + bytes(4) + RANDOM.bytes(4000))
    files = {
        "cut.nii": (header((5, 4, 3), 4) + body[:-10], "Truncated"),
        "huge.nii": (header((32767,) * 7, 64, bits=64) + body, "Truncated"),
        "none.nii": (header((5, 0, 3), 4) + body, "FormatError"),
        "bits.nii": (header((5, 4, 3), 1) + body, "NotSupported"),
        "quad.nii": (header((5, 4, 3), 1536) + body, "NotSupported"),
        "type.nii": (header((5, 4, 3), 3) + body, "FormatError"),
        "far.nii": (header((5, 4, 3), 4, offset=1e30) + body, "FormatError"),
        "cut.nii.gz": (zipped[:-1000], "Truncated"),
        "bad.nii.gz": (zipped[:3000] + b"\xff" * 40, "FormatError"),
        "bomb.nii.gz": (gzip.compress(header((32767, 32767, 9), 64) + body), "Truncated"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """Stored values and matrix by nibabel, whose axes run the other way round."""
    import nibabel

    image = nibabel.load(path)
    found: dict[str, Any] = {"0/image": np.asarray(image.dataobj.get_unscaled()).T}
    slope, inter = image.dataobj.slope, image.dataobj.inter
    if (slope, inter) != (1.0, 0.0):
        found |= {"@rescale_slope": slope, "@rescale_intercept": inter}
    return found | {
        "@affine": image.affine.tolist(),
        "@orientation": "".join(nibabel.aff2axcodes(image.affine)),
    }
