""".mat: the same names as in the Zarr layout; version 5 while it fits, 7.3 (HDF5) above 2 GB.

Version 5 follows MathWorks' "MAT-File Format": a 128-byte header, then one miMATRIX element a variable,
uncompressed and written block by block. Text goes through scipy. Version 7.3 is HDF5 behind a user block;
its axes are reversed, and each dataset names its MATLAB class.
"""

from __future__ import annotations

import io
import re
import struct
import threading
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.writers.flat import Flat, Progress, Watcher, column_blocks, flatten, metadata_json

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["write_mat"]

V5_LIMIT = 2**31 - (1 << 20)
_IN_MEMORY = 64 << 20
_MI = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
_MX = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}
_CLASS = {"f8": "double", "f4": "single"} | {
    f"{k}{n}": f"{w}{8 * n}" for k, w in (("i", "int"), ("u", "uint")) for n in (1, 2, 4, 8)
}
_MI_MATRIX, _MI_INT8, _MI_INT32, _MI_UINT32 = 14, 1, 5, 6
_NAME_LENGTH = 63  # MATLAB's own limit


def write_mat(
    tree: xr.DataTree,
    target: Path,
    attrs: Mapping[str, Any],
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Write a checked tree; ``metadata`` holds all attributes as one JSON string."""
    rows = _named(flatten(tree))
    watch = Watcher(rows, progress, cancel)
    text = metadata_json(tree, rows, attrs)
    largest = max((row.nbytes for row in rows), default=0)
    # Pictures are stored by rows; version 5 wants columns, which only chunked HDF5 gives from bounded memory.
    by_rows = any(row.dims[-1:] == ("x",) and row.nbytes > _IN_MEMORY for row in rows)
    if largest > V5_LIMIT or sum(row.nbytes for row in rows) > V5_LIMIT or by_rows:
        _write_73(target, rows, text, watch)
    else:
        _write_5(target, rows, text, watch)
    watch.refuse_empty(rows)


def _named(rows: list[Flat]) -> list[Flat]:
    """Names that MATLAB takes: a letter first, at most 63 characters, each once."""
    taken: set[str] = {"metadata"}
    for row in rows:
        name = re.sub(r"\W", "_", row.name, flags=re.ASCII)
        name = (name if name[:1].isalpha() else f"v_{name}")[:_NAME_LENGTH]
        number = 1
        while name in taken:
            number += 1
            name = f"{name[: _NAME_LENGTH - 4]}_{number}"
        taken.add(name)
        row.name = name
    return rows


def _numbers(block: NDArray[Any]) -> NDArray[Any]:
    """As a type that MATLAB has: logical as uint8, half floats as single."""
    if block.dtype.kind == "b":
        return block.astype("u1")
    return block.astype("f4") if block.dtype == np.dtype("f2") else block


def _code(dtype: np.dtype[Any]) -> str:
    probe = _numbers(np.empty(0, dtype)).dtype
    return f"{probe.kind}{probe.itemsize}"


# -- version 5 ----------------------------------------------------------------------------------------------


def _write_5(target: Path, rows: list[Flat], text: str, watch: Watcher) -> None:
    with target.open("wb") as file:
        file.write(_text_elements({"metadata": text} | {r.name: _cells(r) for r in rows if r.is_text}))
        for row in rows:
            if row.is_text:
                continue
            if row.data.dtype.kind == "c":
                _complex(file, row, watch)
            else:
                _element(file, row, watch)


def _text_elements(values: Mapping[str, Any]) -> bytes:
    """Header and text variables, as scipy writes them."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, dict(values), format="5", long_field_names=True, oned_as="column")
    return buffer.getvalue()


def _cells(row: Flat) -> NDArray[Any]:
    cells = np.empty(row.data.shape, dtype=object)
    for index in np.ndindex(*row.data.shape):
        cells[index] = str(row.data[index])
    return cells


def _shape(row: Flat) -> tuple[int, ...]:
    """At least two axes, as MATLAB has them; one-dimensional variables become columns."""
    shape = tuple(int(n) for n in row.data.shape)
    return shape if len(shape) > 1 else (*shape, *[1] * (2 - len(shape)))


def _element(file: IO[bytes], row: Flat, watch: Watcher) -> None:
    code, shape = _code(row.data.dtype), _shape(row)
    count = prod(shape) * int(code[1:])
    flags = struct.pack("<IIII", _MI_UINT32, 8, _MX[code], 0)
    sizes = np.array(shape, "<i4").tobytes()
    dims = struct.pack("<II", _MI_INT32, len(sizes)) + _padded(sizes)
    label = row.name.encode()
    name = struct.pack("<II", _MI_INT8, len(label)) + _padded(label)
    head = flags + dims + name + struct.pack("<II", _MI[code], count)
    file.write(struct.pack("<II", _MI_MATRIX, len(head) + count + (-count) % 8) + head)
    for block in column_blocks(row.data):
        file.write(_numbers(block).astype(f"<{code}", copy=False).tobytes("F"))
        watch.add(block, row)
    file.write(b"\0" * (-count % 8))


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 8)


def _complex(file: IO[bytes], row: Flat, watch: Watcher) -> None:
    """Complex numbers are rare and small here: scipy writes them whole."""
    blocks = list(column_blocks(row.data))
    for block in blocks:
        watch.add(block, row)
    whole = np.concatenate(blocks, -1) if blocks[0].ndim else blocks[0]
    file.write(_text_elements({row.name: whole})[128:])


# -- version 7.3 --------------------------------------------------------------------------------------------


def _write_73(target: Path, rows: list[Flat], text: str, watch: Watcher) -> None:
    import h5py

    with h5py.File(target, "w", userblock_size=512, libver=("earliest", "v110")) as file:
        _chars(file, "metadata", text)
        for row in rows:
            if row.is_text:
                _cell_array(file, row)
            else:
                _dataset(file, row, watch)
    with target.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, written by SPARC FUSE".ljust(116) + b"\0" * 8 + b"\x00\x02IM")


def _dataset(file: Any, row: Flat, watch: Watcher) -> None:
    data, shape = row.data, _shape(row)
    code = _code(data.dtype) if data.dtype.kind != "c" else ""
    kind = np.dtype(f"<{code}") if code else np.dtype([("real", "<f8"), ("imag", "<f8")])
    chunks = _chunks(shape[::-1], kind.itemsize) if prod(shape) else None
    made = file.create_dataset(row.name, shape[::-1], kind, chunks=chunks)
    made.attrs["MATLAB_class"] = np.bytes_(_CLASS.get(code, "double"))
    lazy = data if isinstance(data, LazyArray) else None
    for key, block in _pieces(data, lazy):
        watch.add(block, row)
        values = _numbers(block)
        if not code:
            values = np.stack([values.real, values.imag], -1).astype("<f8").view(kind)[..., 0]
        whole = values.reshape(*values.shape, *[1] * (len(shape) - values.ndim))
        spans = (*key, *[slice(None)] * (len(shape) - len(key)))
        made[spans[::-1]] = whole.transpose()


def _pieces(data: Any, lazy: LazyArray | None) -> Any:
    """Blocks with their places: along the time of signals, along the planes of pictures."""
    shape = tuple(data.shape)
    axis = 0 if len(shape) > 2 else len(shape) - 1
    row = max(1, prod(n for i, n in enumerate(shape) if i != axis) * data.dtype.itemsize)
    step = max(1, (16 << 20) // row)
    if row > (256 << 20) and len(shape) > 1:
        yield from _planes(data, lazy)
        return
    for start in range(0, shape[axis] if shape else 1, step):
        key = tuple(
            slice(start, min(start + step, n)) if i == axis else slice(0, n) for i, n in enumerate(shape)
        )
        yield key, (lazy.read(key) if lazy is not None else data[key])


def _planes(data: Any, lazy: LazyArray | None) -> Any:
    *lead, height, width = data.shape
    step = max(1, (16 << 20) // (width * data.dtype.itemsize))
    for index in np.ndindex(*lead):
        for top in range(0, height, step):
            key = (*(slice(i, i + 1) for i in index), slice(top, min(top + step, height)), slice(0, width))
            yield key, (lazy.read(key) if lazy is not None else data[key])


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """About 1 MiB, square in the two fastest axes of the source."""
    chunks = [min(n, 256) for n in shape[:2]] + [1] * (len(shape) - 2)
    if len(shape) == 2:
        chunks = [max(1, min(shape[0], (1 << 20) // (min(shape[1], 64) * itemsize))), min(shape[1], 64)]
    return tuple(max(1, n) for n in chunks)


def _chars(file: Any, name: str, text: str) -> Any:
    units = np.frombuffer(text.encode("utf-16-le"), "<u2").reshape(-1, 1)
    made = file.create_dataset(name, data=units if units.size else np.zeros(2, "<u8"))
    made.attrs["MATLAB_class"] = np.bytes_("char")
    made.attrs["MATLAB_int_decode"] = np.int32(2)
    if not units.size:
        made.attrs["MATLAB_empty"] = np.uint8(1)
    return made


def _cell_array(file: Any, row: Flat) -> None:
    import h5py

    place = file.require_group("#refs#")
    shape = _shape(row)
    refs = np.empty(shape, h5py.ref_dtype)
    for index in np.ndindex(*row.data.shape):
        made = _chars(place, f"{row.name}_{'_'.join(map(str, index))}", str(row.data[index]))
        refs[(*index, *[0] * (len(shape) - len(index)))] = made.ref
    made = file.create_dataset(row.name, data=refs.transpose(), dtype=h5py.ref_dtype)
    made.attrs["MATLAB_class"] = np.bytes_("cell")
