"""The headers of NIfTI-1, NIfTI-2 and Analyze 7.5, as their authors publish them, in either byte order."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparc_fuse_core.errors import FormatError, NotSupported, Truncated

MARK_2 = b"\r\n\x1a\n"
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_TYPES: dict[int, tuple[str, int]] = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 32: ("c8", 1), 64: ("f8", 1), 128: ("u1", 3),
    256: ("i1", 1), 512: ("u2", 1), 768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 1792: ("c16", 1),
    2304: ("u1", 4),
}  # fmt: skip
_UNREAD = {1: "single bits", 1536: "128-bit floats", 2048: "256-bit complex numbers"}
_LAYOUT_1: dict[str, tuple[str, int]] = {
    "dim_info": ("B", 39), "dim": ("8h", 40), "intent_p": ("3f", 56), "intent_code": ("h", 68),
    "datatype": ("h", 70), "bitpix": ("h", 72), "slice_start": ("h", 74), "pixdim": ("8f", 76),
    "vox_offset": ("f", 108), "scl_slope": ("f", 112), "scl_inter": ("f", 116), "slice_end": ("h", 120),
    "slice_code": ("B", 122), "xyzt_units": ("B", 123), "cal_max": ("f", 124), "cal_min": ("f", 128),
    "slice_duration": ("f", 132), "toffset": ("f", 136), "descrip": ("80s", 148), "aux_file": ("24s", 228),
    "qform_code": ("h", 252), "sform_code": ("h", 254), "quatern": ("3f", 256), "qoffset": ("3f", 268),
    "srow": ("12f", 280), "intent_name": ("16s", 328),
}  # fmt: skip
_LAYOUT_2: dict[str, tuple[str, int]] = {
    "datatype": ("h", 12), "bitpix": ("h", 14), "dim": ("8q", 16), "intent_p": ("3d", 80),
    "pixdim": ("8d", 104), "vox_offset": ("q", 168), "scl_slope": ("d", 176), "scl_inter": ("d", 184),
    "cal_max": ("d", 192), "cal_min": ("d", 200), "slice_duration": ("d", 208), "toffset": ("d", 216),
    "slice_start": ("q", 224), "slice_end": ("q", 232), "descrip": ("80s", 240), "aux_file": ("24s", 320),
    "qform_code": ("i", 344), "sform_code": ("i", 348), "quatern": ("3d", 352), "qoffset": ("3d", 376),
    "srow": ("12d", 400), "slice_code": ("i", 496), "xyzt_units": ("i", 500), "intent_code": ("i", 504),
    "intent_name": ("16s", 508), "dim_info": ("B", 524),
}  # fmt: skip
_LAYOUT_ANALYZE: dict[str, tuple[str, int]] = {
    "dim": ("8h", 40), "vox_units": ("4s", 56), "cal_units": ("8s", 60), "datatype": ("h", 70),
    "bitpix": ("h", 72), "pixdim": ("8f", 76), "vox_offset": ("f", 108), "scl_slope": ("f", 112),
    "cal_max": ("f", 124), "cal_min": ("f", 128), "descrip": ("80s", 148), "aux_file": ("24s", 228),
    "origin": ("3h", 253),
}  # fmt: skip


@dataclass(slots=True)
class Header:
    """What a header says; ``fields`` holds all of it under the names of the specification."""

    version: str
    order: str
    size: int
    single: bool
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    colours: int
    offset: int
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Size of the pixels in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize * self.colours

    def get(self, name: str, default: Any = 0) -> Any:
        """One field; ``default`` where this kind of header has none."""
        return self.fields.get(name, default)


def kind_of(head: bytes) -> str:
    """``nifti1``, ``nifti2``, ``analyze`` or "" of the first 348 bytes or more."""
    if len(head) < 348:
        return ""
    size, other = struct.unpack_from("<i", head)[0], struct.unpack_from(">i", head)[0]
    if 540 in (size, other) and head[4:7] in (b"n+2", b"ni2"):
        return "nifti2"
    if head[344:348] in (b"n+1\0", b"ni1\0") and 348 in (size, other):
        return "nifti1"
    order = "<" if size == 348 else ">" if other == 348 else ""
    if order:
        dims = struct.unpack_from(order + "8h", head, 40)
        code = struct.unpack_from(order + "h", head, 70)[0]
        if 1 <= dims[0] <= 7 and all(n >= 1 for n in dims[1 : min(4, dims[0] + 1)]) and code in _TYPES:
            return "analyze"
    return ""


def read_header(name: str, head: bytes) -> Header:
    """The header at the start of ``head``; FormatError when it contradicts itself."""
    kind = kind_of(head)
    if not kind:
        raise FormatError(f"{name}: a NIfTI header was promised, none is there; it is damaged", hint=_REPAIR)
    layout = {"nifti1": _LAYOUT_1, "nifti2": _LAYOUT_2, "analyze": _LAYOUT_ANALYZE}[kind]
    size = 540 if kind == "nifti2" else 348
    if len(head) < size:
        raise Truncated(f"{name}: a header of {size} bytes is promised, {len(head)} are there", hint=_REPAIR)
    order = "<" if struct.unpack_from("<i", head)[0] == size else ">"
    fields: dict[str, Any] = {}
    for label, (pack, at) in layout.items():
        values = struct.unpack_from(order + pack, head, at)
        value: Any = list(values) if len(values) > 1 else values[0]
        fields[label] = value.split(b"\0")[0].decode("latin-1").strip() if isinstance(value, bytes) else value
    shape = _shape(name, fields["dim"])
    dtype, colours = _type(name, int(fields["datatype"]))
    single = kind != "analyze" and b"+" in (head[344:348] if kind == "nifti1" else head[4:8])
    offset = _offset(name, fields["vox_offset"], single, size)
    return Header(kind, order, size, single, shape, np.dtype(order + dtype.str[1:]), colours, offset, fields)


def _shape(name: str, dims: list[int]) -> tuple[int, ...]:
    count = dims[0]
    if not 1 <= count <= 7 or any(n < 1 for n in dims[1 : count + 1]):
        raise FormatError(f"{name}: an image of {dims} is promised; its header is damaged", hint=_REPAIR)
    return tuple(dims[1 : count + 1])


def _type(name: str, code: int) -> tuple[np.dtype[Any], int]:
    if code in _UNREAD:
        raise NotSupported(
            f"{name}: its pixels are {_UNREAD[code]}, which is not read", hint="Save it with 64-bit floats."
        )
    if code not in _TYPES:
        raise FormatError(f"{name}: pixels of type {code} do not exist; its header is damaged", hint=_REPAIR)
    text, colours = _TYPES[code]
    return np.dtype(text), colours


def _offset(name: str, value: float, single: bool, size: int) -> int:
    """Where the pixels begin; a value below the header's end stands for the first possible place."""
    if not np.isfinite(value) or value != int(value) or not 0 <= value < 1 << 50:
        raise FormatError(f"{name}: pixels at byte {value} are promised; its header is damaged", hint=_REPAIR)
    return max(int(value), size + 4) if single else int(value)


def affine(header: Header) -> tuple[list[list[float]] | None, str]:
    """The 4 × 4 matrix from voxel (x, y, z) to millimetres and its name: sform, else qform, else none."""
    if header.get("sform_code") > 0:
        rows = np.array(header.fields["srow"], "f8").reshape(3, 4)
        return _matrix(rows), "sform"
    if header.get("qform_code") > 0:
        return _matrix(_rotation(header)), "qform"
    return None, ""


def _matrix(rows: Any) -> list[list[float]] | None:
    if not np.isfinite(rows).all():
        return None
    return [[float(v) for v in row] for row in rows] + [[0.0, 0.0, 0.0, 1.0]]


def _rotation(header: Header) -> Any:
    """The quaternion's matrix, scaled by the voxel size and shifted; ``pixdim[0]`` is the sign of z."""
    b, c, d = (float(v) for v in header.fields["quatern"])
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < 1e-7:  # a half turn: the specification normalizes it
        norm = np.sqrt(b * b + c * c + d * d) or 1.0
        a, b, c, d = 0.0, b / norm, c / norm, d / norm
    else:
        a = float(np.sqrt(rest))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c],
            [2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b],
            [2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - b * b - c * c],
        ]
    )
    steps = [float(v) for v in header.fields["pixdim"][:4]]
    sign = -1.0 if steps[0] < 0 else 1.0
    turn = turn * np.array([abs(steps[1]), abs(steps[2]), abs(steps[3]) * sign])
    return np.column_stack([turn, [float(v) for v in header.fields["qoffset"]]])


def orientation(matrix: list[list[float]]) -> str:
    """To which side x, y and z run: letters of right/left, anterior/posterior, superior/inferior; "" if none."""
    turn = np.array(matrix)[:3, :3]
    norms = np.linalg.norm(turn, axis=0)
    if not norms.all():
        return ""
    letters, taken = ["", "", ""], set[int]()
    turn = turn / norms
    for axis in np.argsort(-np.abs(turn).max(0), kind="stable"):
        side = next(s for s in np.argsort(-np.abs(turn[:, axis]), kind="stable") if int(s) not in taken)
        taken.add(int(side))
        letters[axis] = ("RL", "AP", "SI")[side][0 if turn[side, axis] > 0 else 1]
    return "".join(letters)
