"""MAT 7.3: HDF5 behind a user block of 512 bytes.

Axes are stored in reverse, characters as UTF-16 numbers, cells and arrays of structs as references into
``#refs#``; the attribute ``MATLAB_class`` says what an object is, ``MATLAB_empty`` that its numbers are
only its shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.damage import damaged, too_much
from sparc_fuse_core.formats._container.h5 import Tree, dataset, open_h5
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
from sparc_fuse_core.formats._mat.v5 import characters, sparse
from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.source import Source

if TYPE_CHECKING:
    import h5py

_NUMBERS = {
    "double": "f8", "single": "f4", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "logical": "?",
}  # fmt: skip
_INNER = ("#refs#", "#subsystem#")
_MOST_ELEMENTS = 300_000
_MOST_SMALL = 64 << 20


def read_v73(source: Source) -> Struct:
    """Variables by name. `Foreign` stands for what only MATLAB can make sense of."""
    file = open_h5(source)
    walker = _Walker(source, file)
    tree = Tree(source, file)
    found: Struct = {}
    for name, thing in tree.members(file):
        if name not in _INNER:
            found[name] = Foreign(thing) if isinstance(thing, str) else walker.node(thing, 0)
    return found


class _Walker:
    def __init__(self, source: Source, file: h5py.File) -> None:
        self._source, self._file = source, file
        self._elements = 0
        self._within: list[str] = []

    def node(self, thing: Any, depth: int) -> Node:
        """One MATLAB array and all that is in it."""
        import h5py

        self._elements += 1
        if self._elements > _MOST_ELEMENTS or depth > MOST_DEPTH:
            raise too_much(self._source.name, "holds too many or too deeply nested arrays")
        if thing.name in self._within:
            raise damaged(self._source.name, f"{thing.name} holds itself")
        self._within.append(thing.name)
        try:
            mclass = _text(thing.attrs.get("MATLAB_class", ""))
            if isinstance(thing, h5py.Group):
                return self._group(thing, mclass, depth)
            return self._dataset(thing, mclass, depth)
        finally:
            self._within.pop()

    def _group(self, group: h5py.Group, mclass: str, depth: int) -> Node:
        if "MATLAB_sparse" in group.attrs:
            return self._sparse(group)
        decode = int(group.attrs.get("MATLAB_object_decode", 0))
        if decode == 1 or mclass == "function_handle":
            return Foreign("a function handle")
        if decode == 3:
            return Foreign("a MATLAB object")
        names = _field_order(group)
        fields = {name: group[name] for name in names}
        start: Struct = {"class_name": strings(mclass)} if decode == 2 else {}
        if fields and all(_is_references(field) for field in fields.values()):
            return self._structs(fields, start, depth)
        return start | {name: self.node(field, depth + 1) for name, field in fields.items()}

    def _structs(self, fields: dict[str, Any], start: Struct, depth: int) -> Node:
        shapes = {field.shape for field in fields.values()}
        if len(shapes) != 1:
            raise damaged(self._source.name, "fields of a struct array differ in shape")
        columns = {name: self._referenced(field, depth) for name, field in fields.items()}
        shape = next(iter(shapes))[::-1]
        structs: list[Node] = [
            start | {name: column[i] for name, column in columns.items()} for i in range(math.prod(shape))
        ]
        return Cells(shape, structs)

    def _referenced(self, found: h5py.Dataset, depth: int) -> list[Node]:
        """Nodes behind references; the order of storage is MATLAB's column order."""
        self._small(found)
        nodes: list[Node] = []
        for reference in np.asarray(found[()]).reshape(-1):
            nodes.append(
                self.node(self._file[reference], depth + 1) if reference else numbers(np.empty((0, 0)))
            )
        return nodes

    def _dataset(self, found: h5py.Dataset, mclass: str, depth: int) -> Node:
        decode = int(found.attrs.get("MATLAB_object_decode", 0))
        if decode == 1 or mclass == "function_handle":
            return Foreign("a function handle")
        if decode == 3:
            return Foreign("a MATLAB object")
        if int(found.attrs.get("MATLAB_empty", 0)):
            return self._empty(found, mclass)
        if mclass == "cell" or (not mclass and _is_references(found)):
            return Cells(found.shape[::-1], self._referenced(found, depth))
        if mclass == "char":
            return self._characters(found)
        node = dataset(self._source, self._file, found)
        if mclass not in _NUMBERS or not isinstance(node, Value):
            return node  # a dataset that another program put beside MATLAB's
        data = node.data
        turned = data.transpose(*range(data.ndim)[::-1])
        turned.time_major = turned.ndim > 1
        return Value(_as_logical(turned) if mclass == "logical" else turned)

    def _empty(self, found: h5py.Dataset, mclass: str) -> Node:
        self._small(found)
        shape = tuple(int(n) for n in np.asarray(found[()]).reshape(-1))
        if not shape or min(shape) < 0 or math.prod(shape) != 0:
            raise damaged(self._source.name, f"{found.name} is said to be empty with shape {shape}")
        if mclass == "char":
            return strings("")
        if mclass in _NUMBERS:
            return numbers(np.empty(shape, _NUMBERS[mclass]))
        return Cells(shape, [])

    def _characters(self, found: h5py.Dataset) -> Value:
        self._small(found)
        codes = np.asarray(found[()]).astype("<u2")
        text = codes.tobytes().decode("utf-16-le", errors="surrogatepass")
        return characters(text, codes.shape[::-1] if codes.ndim > 1 else (1, codes.size))

    def _sparse(self, group: h5py.Group) -> Node:
        parts = {name: group[name] for name in ("data", "ir", "jc") if name in group}
        for part in parts.values():
            self._small(part)
        if "jc" not in parts:
            raise damaged(self._source.name, f"{group.name} is a sparse matrix without columns")
        columns = np.asarray(parts["jc"][()])
        shape = (int(group.attrs["MATLAB_sparse"]), len(columns) - 1)
        held: Any = np.empty(0)
        if "data" in parts:
            node = dataset(self._source, self._file, parts["data"])
            if not isinstance(node, Value):
                raise damaged(self._source.name, f"{group.name} is a sparse matrix without numbers")
            held = node.data.read((slice(0, node.data.shape[0]),))
        if _text(group.attrs.get("MATLAB_class", "")) == "logical":
            held = held.astype("?")
        try:
            return sparse(np.asarray(parts["ir"][()]) if "ir" in parts else [], columns, held, shape)
        except ValueError as error:
            raise damaged(self._source.name, f"{group.name}: {error}") from error

    def _small(self, found: Any) -> None:
        if math.prod(found.shape) * found.dtype.itemsize > _MOST_SMALL:
            raise too_much(self._source.name, f"{found.name} has {found.shape} entries")


def _as_logical(data: LazyArray) -> LazyArray:
    out = LazyArray(data.shape, "?", lambda key: data.read(key) != 0, blocks=data.blocks)
    out.time_major = data.time_major
    return out


def _is_references(thing: Any) -> bool:
    import h5py

    return (
        isinstance(thing, h5py.Dataset)
        and h5py.check_ref_dtype(thing.dtype) is not None
        and "MATLAB_class" not in thing.attrs
    )


def _field_order(group: h5py.Group) -> list[str]:
    """Hard-linked members, in MATLAB's order where the file says it."""
    import h5py

    there = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    try:
        stated = [
            "".join(_text(c) for c in field) for field in np.asarray(group.attrs["MATLAB_fields"]).reshape(-1)
        ]
    except (KeyError, OSError, TypeError, ValueError):
        return there
    return [n for n in stated if n in there] + [n for n in there if n not in stated]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
