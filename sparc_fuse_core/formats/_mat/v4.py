"""MAT level 4.

::

    each variable: i32 type = 1000*M + 10*P + T, i32 rows, i32 columns, i32 complex, i32 length of the name,
                   name with a NUL, real part, imaginary part; columns first
    M 0 little-, 1 big-endian; P 0 f8, 1 f4, 2 i4, 3 i2, 4 u2, 5 u1; T 0 full, 1 text, 2 sparse
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.damage import damaged, too_much
from sparc_fuse_core.formats._container.values import MOST_ITEMS, Node, Struct, Value
from sparc_fuse_core.formats._mat.regions import column_order, complex_of, joined
from sparc_fuse_core.formats._mat.v5 import characters, sparse
from sparc_fuse_core.source import Source

_PRECISION = {0: "f8", 1: "f4", 2: "i4", 3: "i2", 4: "u2", 5: "u1"}
_MOST_SMALL = 64 << 20


def byte_order(head: bytes) -> str:
    """ "<" or ">" when the first 20 bytes can be the head of a level 4 variable, else ""."""
    if len(head) < 20:
        return ""
    for order in "<>":
        kind, rows, columns, is_complex, length = struct.unpack(order + "5i", head[:20])
        digits = (kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10)
        if kind < 0 or digits[0] != (order == ">") or digits[1] or digits[2] > 5 or digits[3] > 2:
            continue
        if rows >= 0 and columns >= 0 and is_complex in (0, 1) and 1 < length <= 256:
            name = head[20 : 20 + length - 1]
            if name[:1].isalpha() and all(c == 95 or chr(c).isalnum() for c in name):
                return order
    return ""


def read_v4(source: Source) -> Struct:
    """Variables by name."""
    found: Struct = {}
    at = 0
    while at < source.size:
        head = source.read(at, min(300, source.size - at))
        order = byte_order(head)
        if not order:
            raise damaged(
                source.name, f"the head of a variable was expected at byte {at}, something else is there"
            )
        kind, rows, columns, is_complex, length = struct.unpack(order + "5i", head[:20])
        name = source.read(at + 20, length).split(b"\0")[0].decode("latin-1")
        stored = order + _PRECISION[kind // 10 % 10]
        start, nbytes = at + 20 + length, rows * columns * np.dtype(stored).itemsize
        source.expect(start, nbytes * (1 + is_complex), f"variable {name}")
        found[name] = _variable(source, kind % 10, stored, start, (rows, columns), bool(is_complex))
        at = start + nbytes * (1 + is_complex)
        if len(found) > MOST_ITEMS:
            raise too_much(source.name, f"holds more than {MOST_ITEMS} variables")
    return found


def _variable(
    source: Source, kind: int, stored: str, start: int, shape: tuple[int, int], is_complex: bool
) -> Node:
    dtype = stored[1:]
    if kind == 0:
        real = column_order(source, stored, dtype, start, shape)
        if not is_complex:
            return Value(real)
        return Value(complex_of(real, column_order(source, stored, dtype, start + real.nbytes, shape)))
    count = shape[0] * shape[1]
    if count * np.dtype(stored).itemsize > _MOST_SMALL:
        raise too_much(source.name, f"a text or sparse matrix has {count} numbers")
    values = source.array(stored, start, count)
    if kind == 1:
        codes = values.astype("i8")
        if count and not 0 <= codes.min() <= codes.max() < 0xD800:
            raise damaged(source.name, "a text holds numbers that are no characters")
        return characters("".join(map(chr, codes.tolist())), shape)
    return _triplets(source, values.reshape(shape, order="F"))


def _triplets(source: Source, table: NDArray[Any]) -> Node:
    """Rows of (row, column, real[, imaginary]), places from 1; the last row is the shape."""
    if table.shape[0] < 1 or table.shape[1] not in (3, 4) or not np.isfinite(table[:, :2].astype("f8")).all():
        raise damaged(source.name, f"a sparse matrix is stored as {table.shape} numbers")
    index = table[:, :2].astype("i8")
    shape = (int(index[-1, 0]), int(index[-1, 1]))
    body = index[:-1] - 1
    values = table[:-1, 2].astype("f8")
    if table.shape[1] == 4:
        values = joined(values, table[:-1, 3])
    inside = (body >= 0).all() and (body < np.array(shape)).all()
    if not inside or min(shape) < 0 or max(shape) > 1 << 31:
        raise damaged(source.name, f"a sparse matrix of shape {shape} has values outside of it")
    if shape[1] > 1 << 24:
        raise too_much(source.name, f"a sparse matrix has {shape[1]} columns")
    order = np.lexsort((body[:, 0], body[:, 1]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(body[:, 1], minlength=shape[1]))])
    return sparse(body[order, 0], starts, values[order], shape)
