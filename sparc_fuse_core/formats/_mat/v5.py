"""MAT level 5 (versions 5, 6 and 7), after "MAT-File Format" of The MathWorks.

::

    0    116 B text, 8 B offset of the subsystem, u16 version 0x0100, "IM" little- or "MI" big-endian
    128  elements: u32 type, u32 bytes, data padded to 8 (a small element has its 4 bytes within the tag)
         type 14: array = flags, dimensions, name, then data by class; type 15: the same, deflated

Numbers are stored in the smallest type that holds them and are given back in the type of their class. Only
tags are walked when the file is opened; numbers stay where they are.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import damaged, too_much
from sparc_fuse_core.formats._container.values import (
    MOST_DEPTH,
    Cells,
    Foreign,
    Node,
    Struct,
    Value,
    numbers,
    strings,
)
from sparc_fuse_core.formats._mat.regions import Cache, Inflated, Region, column_order, complex_of, joined
from sparc_fuse_core.model import from_numpy
from sparc_fuse_core.source import Source

_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 16: "utf-8"}
_CLASS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_MOST_ELEMENTS = 1_000_000
_MOST_SMALL = 64 << 20  # names, characters and row indices are read at once: nothing sane is larger


def read_v5(source: Source) -> Struct:
    """Variables by name. `Foreign` stands for what only MATLAB can make sense of."""
    order = "<" if source.read(126, 2) == b"IM" else ">"
    cache = Cache()
    found: Struct = {}
    at = 128
    walker = _Walker(source, order)
    while at < source.size:
        kind, nbytes = source.unpack(order + "II", at, "the tag of a variable")
        source.expect(at + 8, nbytes, "a variable")
        walker.count_one()
        if kind == 15:
            name, node = walker.variable(Inflated(source, at + 8, nbytes, order, cache), 0)
        elif kind == 14:
            name, node = walker.variable(_Window(source, at), 0)
        else:
            raise damaged(
                source.name, f"an array was expected at byte {at}, an element of type {kind} is there"
            )
        if name:  # the one without a name is the store of MATLAB's objects
            while name in found:
                name += "_again"
            found[name] = node
        at += 8 + nbytes
    return found


class _Window:
    """A part of the file from ``start`` on; tags lie close together, so they are read in one go."""

    def __init__(self, source: Source, start: int) -> None:
        self._source, self._start = source, start
        self.size = source.size - start
        self._held = (0, b"")  # one tuple, so that readers in other threads see its halves together

    def read(self, offset: int, nbytes: int, what: str = "data") -> bytes:
        at, held = self._held
        if at <= offset and offset + nbytes <= at + len(held):
            return held[offset - at : offset - at + nbytes]
        self.expect(offset, nbytes, what)
        if nbytes > 256:
            return self._source.read(self._start + offset, nbytes, what)
        ahead = self._source.read(self._start + offset, min(512, self.size - offset), what)
        self._held = (offset, ahead)
        return ahead[:nbytes]

    def expect(self, offset: int, nbytes: int, what: str = "data") -> None:
        self._source.expect(self._start + offset if offset >= 0 else offset, nbytes, what)


class _Walker:
    def __init__(self, source: Source, order: str) -> None:
        self._source, self._order = source, order
        self._elements = 0

    def count_one(self) -> None:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise too_much(self._source.name, f"holds more than {_MOST_ELEMENTS} elements")

    def variable(self, region: Region, at: int) -> tuple[str, Node]:
        return self._matrix(region, at, region.size, 0)[:2]

    def _broken(self, what: str) -> FormatError:
        return damaged(self._source.name, f"{what}")

    def _tag(self, region: Region, at: int, end: int) -> tuple[int, int, int, int]:
        """Type, byte count, offset of the data and of the next element."""
        if at + 8 > end:
            raise self._broken(f"an element is expected at byte {at} of an array that ends at {end}")
        word, nbytes = struct.unpack(self._order + "II", region.read(at, 8, "a tag"))
        if word >> 16:
            if word >> 16 > 4:
                raise self._broken(f"a small element promises {word >> 16} bytes, it has room for 4")
            return word & 0xFFFF, word >> 16, at + 4, at + 8
        following = at + 8 + nbytes + (-nbytes % 8 if word != 15 else 0)
        if at + 8 + nbytes > end:
            raise self._broken(f"an element promises {nbytes} bytes, {end - at - 8} are left in its array")
        return word, nbytes, at + 8, min(following, end)

    def _small(self, region: Region, at: int, end: int) -> tuple[int, bytes, int]:
        kind, nbytes, start, following = self._tag(region, at, end)
        if nbytes > _MOST_SMALL:
            raise too_much(self._source.name, f"a text or an index takes {nbytes} bytes")
        return kind, region.read(start, nbytes), following

    def _integers(self, region: Region, at: int, end: int) -> tuple[list[int], int]:
        kind, data, following = self._small(region, at, end)
        if kind not in _STORED or len(data) % np.dtype(_STORED[kind]).itemsize:
            raise self._broken(f"whole numbers were expected, type {kind} of {len(data)} bytes is there")
        return [int(v) for v in np.frombuffer(data, self._order + _STORED[kind])], following

    def _matrix(self, region: Region, at: int, end: int, depth: int) -> tuple[str, Node, int]:
        """Name, node and the offset after one array."""
        self.count_one()
        if depth > MOST_DEPTH:
            raise too_much(self._source.name, f"arrays are nested more than {MOST_DEPTH} deep")
        kind, nbytes, at, following = self._tag(region, at, end)
        if kind != 14:
            raise self._broken(f"an array was expected, an element of type {kind} is there")
        if nbytes == 0:
            return "", numbers(np.empty((0, 0))), following
        end = at + nbytes
        words, at = self._integers(region, at, end)
        if len(words) != 2:
            raise self._broken(f"array flags are two numbers, {len(words)} are there")
        mclass, flags = words[0] & 0xFF, words[0]
        if mclass == 17:
            _, label, _ = self._small(region, at, end)
            return label.decode("latin-1"), Foreign("a MATLAB object"), following
        dims, at = self._integers(region, at, end)
        if len(dims) < 2 or len(dims) > 32 or min(dims) < 0:
            raise self._broken(f"an array has dimensions {dims[:8]}")
        _, label, at = self._small(region, at, end)
        node = self._body(region, at, end, depth, mclass, flags, tuple(dims))
        return label.decode("latin-1"), node, following

    def _body(
        self, region: Region, at: int, end: int, depth: int, mclass: int, flags: int, shape: tuple[int, ...]
    ) -> Node:
        if mclass in _CLASS:
            return self._numeric(region, at, end, mclass, flags, shape)
        if mclass == 4:
            return self._text(region, at, end, shape)
        if mclass == 5:
            return self._sparse(region, at, end, flags, shape)
        if mclass == 1:
            return Cells(shape, self._children(region, at, end, depth, self._count(shape, end - at)))
        if mclass in (2, 3):
            return self._struct(region, at, end, depth, mclass, shape)
        if mclass == 16:
            return Foreign("a function handle")
        raise self._broken(f"an array is of class {mclass}, which does not exist")

    def _count(self, shape: tuple[int, ...], room: int) -> int:
        count = math.prod(shape)
        if count * 8 > room:
            raise self._broken(f"{count} elements are promised, {room} bytes are left for them")
        return count

    def _children(self, region: Region, at: int, end: int, depth: int, count: int) -> list[Node]:
        nodes = []
        for _ in range(count):
            _, node, at = self._matrix(region, at, end, depth + 1)
            nodes.append(node)
        return nodes

    def _numeric(
        self, region: Region, at: int, end: int, mclass: int, flags: int, shape: tuple[int, ...]
    ) -> Value:
        dtype = "?" if flags & _LOGICAL else _CLASS[mclass]
        parts = []
        for _ in range(2 if flags & _COMPLEX else 1):
            kind, nbytes, start, at = self._tag(region, at, end)
            if kind not in _STORED:
                raise self._broken(f"numbers were expected, an element of type {kind} is there")
            stored = self._order + _STORED[kind]
            if nbytes != math.prod(shape) * np.dtype(stored).itemsize:
                raise self._broken(f"an array of shape {shape} has {nbytes} bytes of type {stored[1:]}")
            parts.append(column_order(region, stored, dtype, start, shape))
        return Value(complex_of(parts[0], parts[1]) if len(parts) == 2 else parts[0])

    def _text(self, region: Region, at: int, end: int, shape: tuple[int, ...]) -> Value:
        kind, data, _ = self._small(region, at, end) if at < end else (1, b"", at)
        if kind in _TEXT:
            text = data.decode(_TEXT[kind], errors="replace")
        elif kind in (4, 17, 18):
            codec = "utf-32" if kind == 18 else "utf-16"
            text = data.decode(codec + ("-le" if self._order == "<" else "-be"), errors="surrogatepass")
        else:
            raise self._broken(f"characters were expected, an element of type {kind} is there")
        return characters(text, shape)

    def _sparse(self, region: Region, at: int, end: int, flags: int, shape: tuple[int, ...]) -> Node:
        rows, at = self._integers(region, at, end)
        columns, at = self._integers(region, at, end)
        parts = []
        for _ in range(2 if flags & _COMPLEX else 1):
            kind, data, at = self._small(region, at, end)
            if kind not in _STORED:
                raise self._broken(f"numbers were expected, an element of type {kind} is there")
            parts.append(np.frombuffer(data, self._order + _STORED[kind]))
        if len({len(part) for part in parts}) != 1:
            raise self._broken("a sparse matrix has more real than imaginary parts")
        values = joined(*parts) if len(parts) == 2 else parts[0].astype("?" if flags & _LOGICAL else "f8")
        try:
            return sparse(rows, columns, values, shape)
        except ValueError as error:
            raise self._broken(str(error)) from error

    def _struct(
        self, region: Region, at: int, end: int, depth: int, mclass: int, shape: tuple[int, ...]
    ) -> Node:
        attrs: Struct = {}
        if mclass == 3:
            _, label, at = self._small(region, at, end)
            attrs = {"class_name": strings(label.decode("latin-1"))}
        lengths, at = self._integers(region, at, end)
        _, packed, at = self._small(region, at, end)
        if len(lengths) != 1 or lengths[0] <= 0 or len(packed) % lengths[0]:
            raise self._broken(f"field names are said to take {lengths[:4]} bytes each")
        width = lengths[0]
        names = [
            packed[i : i + width].split(b"\0")[0].decode("utf-8", errors="replace")
            for i in range(0, len(packed), width)
        ]
        if not names:
            return Cells(shape, [])
        count = self._count((*shape, len(names)), end - at)
        nodes = self._children(region, at, end, depth, count)
        structs: list[Node] = [
            attrs | dict(zip(names, nodes[i : i + len(names)], strict=True))
            for i in range(0, count, len(names))
        ]
        return structs[0] if len(structs) == 1 else Cells(shape, structs)


def characters(text: str, shape: tuple[int, ...]) -> Value:
    """A char array: one text for a row (or nothing), one for each row of a matrix."""
    count = math.prod(shape)
    if count == 0:
        return strings("")
    units = list(text)
    if len(units) != count:  # characters outside of the basic plane are counted twice by MATLAB
        wide = text.encode("utf-16-le", errors="surrogatepass")
        units = [wide[i : i + 2].decode("utf-16-le", errors="surrogatepass") for i in range(0, len(wide), 2)]
    if len(units) != count:
        raw = text.encode("utf-8", errors="surrogatepass")
        units = [chr(b) for b in raw] if len(raw) == count and shape[0] != 1 else units
        if len(units) != count and shape[0] != 1:
            raise ValueError(f"{count} characters are promised, {len(units)} are there")
    if shape[0] == 1 and len(shape) == 2:
        return strings(_joined(units))
    table = np.array(units, dtype=object).reshape(shape, order="F")
    lines = np.apply_along_axis(lambda line: _joined(line), 1, table.reshape(shape[0], -1, order="F"))
    return strings(np.array([str(line).rstrip(" ") for line in lines], dtype=object))


def _joined(units: Any) -> str:
    whole = "".join(units).encode("utf-16-le", errors="surrogatepass")
    return whole.decode("utf-16-le", errors="replace")


def sparse(rows: Any, columns: Any, values: Any, shape: tuple[int, ...]) -> Node:
    """A sparse matrix: dense up to 2^20 places, else its places and values. ValueError when wrong."""
    starts, index = np.asarray(columns, "i8"), np.asarray(rows, "i8")
    if len(shape) != 2 or len(starts) != shape[1] + 1 or (np.diff(starts) < 0).any() or starts[0] != 0:
        raise ValueError(f"a sparse matrix of shape {shape} has {len(starts)} column starts")
    count = int(starts[-1])
    if (
        count > len(values)
        or count > len(index)
        or (count and not 0 <= index[:count].min() <= index[:count].max() < shape[0])
    ):
        raise ValueError(f"a sparse matrix of shape {shape} has values outside of it")
    column = np.repeat(np.arange(shape[1]), np.diff(starts))
    if shape[0] * shape[1] <= 1 << 20:
        dense = np.zeros(shape, values.dtype)
        dense[index[:count], column] = values[:count]
        return Value(from_numpy(dense))
    return {
        "row": numbers(index[:count]),
        "column": numbers(column),
        "value": numbers(values[:count]),
        "shape": numbers(np.asarray(shape, "i8")),
    }
