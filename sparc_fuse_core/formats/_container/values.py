"""What is inside a self-describing container (MAT, HDF5): named values in structs and cells.

::

    Node = Value (numbers or text) | Struct (fields by name) | Cells (array of nodes) | Foreign (not readable)

`flatten` turns a tree of nodes into a list of `Item`, each with a path; `vector`, `row`, `stack` and the
others reshape lazy arrays without reading them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.damage import too_much
from sparc_fuse_core.model import LazyArray, from_numpy

MOST_ITEMS = 50_000
MOST_DEPTH = 40
# More numeric cells than this are stored as one run of values with their lengths: a variable each costs ~1
# ms.
_MOST_LOOSE_CELLS = 256

Key = tuple[slice | int, ...]


@dataclass(slots=True)
class Value:
    """Numbers (lazy) or text (object array of str) with the attributes that stand next to them."""

    data: LazyArray
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Foreign:
    """Something that has no meaning outside of the program that wrote it; ``what`` says what it is."""

    what: str


@dataclass(slots=True)
class Cells:
    """A cell array, or an array of structs, in the order of its program (columns first)."""

    shape: tuple[int, ...]
    items: list[Node]


Struct = dict[str, Any]
Node = Value | Foreign | Cells | Struct


@dataclass(slots=True)
class Item:
    """One value with the path that leads to it."""

    path: tuple[str, ...]
    data: LazyArray
    attrs: dict[str, Any]

    @property
    def leaf(self) -> str:
        return self.path[-1]

    @property
    def group(self) -> tuple[str, ...]:
        return self.path[:-1]

    @property
    def name(self) -> str:
        return "/".join(self.path)

    @property
    def numeric(self) -> bool:
        return self.data.dtype.kind in "biufc"

    @property
    def size(self) -> int:
        return math.prod(self.data.shape)

    @property
    def length(self) -> int:
        """Number of values of a vector; 0 for anything else."""
        return self.size if self.size > 1 and self.size == max(self.data.shape, default=0) else 0

    @property
    def scale(self) -> tuple[float, float]:
        """Factor and offset that the attributes state after the CF conventions."""
        held = [self.attrs.get(name, plain) for name, plain in (("scale_factor", 1.0), ("add_offset", 0.0))]
        factor, offset = (float(v) if is_number(v) else None for v in held)
        return (1.0, 0.0) if factor is None or offset is None else (factor, offset)

    def values(self) -> NDArray[Any]:
        """All values, read now."""
        return self.data.read(tuple(slice(0, n) for n in self.data.shape))

    def strings(self) -> list[str]:
        return [str(v) for v in self.values().ravel("F")]


def is_number(value: Any) -> bool:
    """True for a finite number as it stands in an attribute."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def numbers(values: Any, attrs: dict[str, Any] | None = None) -> Value:
    """Numbers in memory as a Value."""
    return Value(from_numpy(np.asarray(values)), attrs or {})


def strings(values: Any, attrs: dict[str, Any] | None = None) -> Value:
    """Text in memory as a Value."""
    held = np.asarray(values, dtype=object)
    flat = [str(v) for v in held.ravel()]
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return Value(from_numpy(out.reshape(held.shape)), attrs or {})


def by_slices(read: Callable[[tuple[slice, ...]], NDArray[Any]]) -> Callable[[Key], NDArray[Any]]:
    """A read function that takes ints as well, made of one that takes only slices."""

    def whole(key: Key) -> NDArray[Any]:
        values = read(tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in key))
        return values[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    return whole


def vector(data: LazyArray) -> LazyArray:
    """An array with one long axis as an array with only that axis."""
    if data.ndim == 1:
        return data
    long = int(np.argmax(data.shape)) if data.shape else 0

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        return data.read(tuple(spans[0] if i == long else slice(0, 1) for i in range(data.ndim))).reshape(-1)

    blocks = None if data.blocks is None else [data.blocks[long]]
    return LazyArray((data.shape[long],), data.dtype, by_slices(read), blocks=blocks)


def rows(data: LazyArray, time_axis: int) -> LazyArray:
    """A vector or matrix as (channel, time)."""
    if data.ndim == 2:
        return data if time_axis == 1 else data.transpose(1, 0)
    return stack([data])


def stack(parts: Sequence[LazyArray]) -> LazyArray:
    """Arrays of equal shape and type as one, along a new first axis."""

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        inner = spans[1:]
        out = np.empty([s.stop - s.start for s in spans], parts[0].dtype)
        for place, index in enumerate(range(spans[0].start, spans[0].stop)):
            out[place] = parts[index].read(inner)
        return out

    first = parts[0]
    blocks = None if first.blocks is None else (1, *first.blocks)
    return LazyArray((len(parts), *first.shape), first.dtype, by_slices(read), blocks=blocks)


def slice_of(data: LazyArray, start: int, stop: int) -> LazyArray:
    """Values ``start`` to ``stop`` of a vector."""

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        return data.read((slice(spans[0].start + start, spans[0].stop + start),))

    return LazyArray((stop - start,), data.dtype, by_slices(read))


def flatten(root: Struct, name: str) -> tuple[list[Item], list[str]]:
    """All values with their paths, and a sentence for each thing that cannot be carried."""
    items: list[Item] = []
    dropped: list[str] = []
    for path, node in _walk((), root, 0):
        if isinstance(node, Value):
            items.append(Item(path, node.data, node.attrs))
        else:
            dropped.append(f"{'/'.join(path)}: {node.what}")
        if len(items) + len(dropped) > MOST_ITEMS:
            raise too_much(
                name, f"holds more than {MOST_ITEMS} arrays; one file of the output cannot hold them all"
            )
    return items, dropped


def _walk(path: tuple[str, ...], node: Node, depth: int) -> Iterator[tuple[tuple[str, ...], Value | Foreign]]:
    if depth > MOST_DEPTH:
        raise ValueError(f"{'/'.join(path)} is nested more than {MOST_DEPTH} deep")
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _walk((*path, name), child, depth + 1)
    elif isinstance(node, Cells):
        yield from _walk_cells(path, node, depth)
    else:
        yield path, node


def _walk_cells(path: tuple[str, ...], cells: Cells, depth: int) -> Iterator[Any]:
    if not cells.items:
        return
    if all(isinstance(item, dict) for item in cells.items):
        if len(cells.items) == 1:
            yield from _walk(path, cells.items[0], depth + 1)
        else:
            yield from _walk_structs(path, cells, depth)
        return
    merged = merge(cells)
    if merged is not None:
        yield path, merged
    elif len(cells.items) > _MOST_LOOSE_CELLS and (run := _run(cells)) is not None:
        yield (*path, "values"), run[0]
        yield (*path, "sizes"), run[1]
    else:
        for label, item in zip(_indices(cells), cells.items, strict=True):
            yield from _walk((*path, label), item, depth + 1)


def _walk_structs(path: tuple[str, ...], cells: Cells, depth: int) -> Iterator[Any]:
    """Fields of one number or one text in every struct become columns; others get the index in their path."""
    structs: list[Struct] = [item for item in cells.items if isinstance(item, dict)]
    names = list(dict.fromkeys(name for item in structs for name in item))
    columns = {}
    for name in names:
        if all(name in item for item in structs):
            columns[name] = merge(Cells(cells.shape, [item[name] for item in structs]), keep_empty=True)
    for name, column in columns.items():
        if column is not None:
            yield (*path, name), column
    for label, item in zip(_indices(cells), structs, strict=True):
        for name, child in item.items():
            if columns.get(name) is None:
                yield from _walk((*path, label, name), child, depth + 1)


def _indices(cells: Cells) -> list[str]:
    """Labels of the places, from 0; one number for a vector, one for each axis otherwise."""
    shape = [n for n in cells.shape if n != 1] or [1]
    places = np.stack(np.unravel_index(np.arange(len(cells.items)), shape, order="F"), axis=1)
    return ["_".join(str(i) for i in place) for place in places]


def merge(cells: Cells, *, keep_empty: bool = False) -> Value | None:
    """Cells of one number each, or one text each, as one array; None when they hold anything else.

    With ``keep_empty`` an empty cell among numbers is NaN and among texts "": events lists leave fields out.
    """
    held = cells.items
    if not held or not all(isinstance(item, Value) for item in held):
        return None
    values: list[Value] = [item for item in held if isinstance(item, Value)]
    sizes = {math.prod(v.data.shape) for v in values}
    filled = [v for v in values if 0 not in v.data.shape]
    if not filled or (not keep_empty and 0 in sizes) or max(sizes) != 1:
        return None
    if len({v.data.dtype for v in filled}) != 1:
        return None
    return _gather(cells, values, filled[0].data.dtype)


def _gather(cells: Cells, values: list[Value], dtype: np.dtype[Any]) -> Value | None:
    empty: Any = "" if dtype.kind == "O" else np.nan
    missing = any(0 in v.data.shape for v in values)
    if missing and dtype.kind not in "Of":
        if dtype.kind not in "bui" or dtype.itemsize > 4:
            return None
        dtype = np.dtype("f8")
    out = np.empty(len(values), dtype)
    for place, value in enumerate(values):
        out[place] = empty if 0 in value.data.shape else value.data.read((0,) * value.data.ndim)[()]
    return Value(from_numpy(out.reshape(cells.shape, order="F")))


def _run(cells: Cells) -> tuple[Value, Value] | None:
    """Many numeric cells of unequal size as one vector of values (columns first) and their shapes."""
    held = [item for item in cells.items if isinstance(item, Value)]
    kinds = {v.data.dtype for v in held if 0 not in v.data.shape}
    if len(held) != len(cells.items) or len(kinds) != 1 or next(iter(kinds)).kind not in "biufc":
        return None
    if len({v.data.ndim for v in held}) != 1 or sum(v.data.nbytes for v in held) > 1 << 28:
        return None
    parts = [v.data.read(tuple(slice(0, n) for n in v.data.shape)).ravel("F") for v in held]
    sizes = np.array([v.data.shape for v in held], "i8")
    return numbers(np.concatenate(parts).astype(next(iter(kinds)))), numbers(sizes)
