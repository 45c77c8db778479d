"""What .npz and .mat share: the names, the order of the blocks, and the metadata as one JSON string."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import Cancelled, FormatError
from sparc_fuse_core.model import LazyArray, from_numpy, lazy_of
from sparc_fuse_core.writers.plan import PRIVATE

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["Flat", "Watcher", "column_blocks", "flatten", "metadata_json", "row_blocks"]

BLOCK_BYTES = 16 << 20
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Flat:
    """One variable of the output: numbers, lazily, or text; ``measured`` when it is no coordinate."""

    name: str
    dims: tuple[str, ...]
    data: LazyArray | NDArray[Any]
    attrs: dict[str, Any]
    measured: bool = True

    @property
    def is_text(self) -> bool:
        return self.data.dtype.kind in "OTU"

    @property
    def nbytes(self) -> int:
        return 0 if self.is_text else int(self.data.nbytes)


def flatten(tree: xr.DataTree) -> list[Flat]:
    """All variables with physical values, under the names of the Zarr layout with ``/`` as ``__``.

    Raw integers with a scale become floats here: these files have no place that readers look for a scale.
    """
    rows = []
    for node in tree.subtree:
        prefix = node.path.strip("/").replace("/", "__")
        dataset = node.to_dataset(inherit=False)
        for name, held in dataset.variables.items():
            attrs = dict(held.attrs)
            data: Any = lazy_of(held)
            if data is None or data.dtype.kind in "OT":
                data = held.values
            gain, offset = attrs.pop("scale_factor", None), attrs.pop("add_offset", 0.0)
            if gain is not None:
                lazy = data if isinstance(data, LazyArray) else from_numpy(data)
                data = lazy.scaled(np.array([gain]), np.array([offset]), 0, "f8")
            label = f"{prefix}__{name}" if prefix and name != "image" else prefix_name(prefix, str(name))
            rows.append(
                Flat(label, tuple(str(d) for d in held.dims), data, attrs, name not in dataset.coords)
            )
    return rows


def prefix_name(prefix: str, name: str) -> str:
    """``image`` for the full resolution of a single scene; otherwise the path of the level."""
    return name if prefix in ("", "0") else f"{name}_{prefix}"


def metadata_json(tree: xr.DataTree, rows: list[Flat], attrs: Mapping[str, Any]) -> str:
    """Attributes of root, groups and variables as one JSON text."""
    from sparc_fuse_core.provenance import strict_json

    groups = {
        node.path.strip("/"): {k: v for k, v in node.attrs.items() if k not in PRIVATE}
        for node in tree.subtree
        if node.path != "/"
    }
    root = {k: v for k, v in tree.attrs.items() if k not in PRIVATE} | dict(attrs)
    variables = {row.name: {"dims": list(row.dims), **row.attrs} for row in rows}
    content = {"attributes": root, "variables": variables} | ({"groups": groups} if groups else {})
    return json.dumps(strict_json(content), ensure_ascii=False)


class Watcher:
    """Counts bytes, tells the progress and stops when the user wants to."""

    def __init__(self, rows: list[Flat], progress: Progress | None, cancel: threading.Event | None) -> None:
        self.total = sum(row.nbytes for row in rows)
        self._done, self._progress, self._cancel = 0, progress, cancel
        self._numbers = False

    def add(self, block: NDArray[Any], row: Flat) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("stopped by the user", hint="Start it again.")
        if row.measured and not self._numbers:
            self._numbers = block.dtype.kind not in "fc" or bool(np.isfinite(block).any())
        self._done += block.nbytes
        if self._progress is not None:
            self._progress(min(self._done, self.total), self.total)

    def refuse_empty(self, rows: list[Flat]) -> None:
        """A result that is nothing but NaN is a failure."""
        if not self._numbers and any(row.nbytes for row in rows if row.measured):
            raise FormatError(
                "every value of the file is NaN or infinite; there is nothing to convert",
                hint="Check the file with the program that wrote it.",
            )


def _lazy(data: LazyArray | NDArray[Any]) -> LazyArray:
    return data if isinstance(data, LazyArray) else from_numpy(np.asarray(data))


def column_blocks(data: LazyArray | NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Blocks that follow each other in column-major order: whole in all axes but the last."""
    lazy = _lazy(data)
    if lazy.ndim == 0:
        yield lazy.read(())
        return
    row = max(1, prod(lazy.shape[:-1]) * lazy.dtype.itemsize)
    step = max(1, BLOCK_BYTES // row)
    for start in range(0, lazy.shape[-1], step):
        stop = min(start + step, lazy.shape[-1])
        yield lazy.read((*[slice(None)] * (lazy.ndim - 1), slice(start, stop)))


def row_blocks(data: LazyArray | NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Blocks that follow each other in row-major order, cut along as many leading axes as memory asks for."""
    lazy = _lazy(data)
    yield from _row_blocks(lazy, ())


def _row_blocks(lazy: LazyArray, fixed: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    axis = len(fixed)
    key = tuple(slice(i, i + 1) for i in fixed)
    if axis == lazy.ndim:
        yield lazy.read(key)
        return
    row = max(1, prod(lazy.shape[axis + 1 :]) * lazy.dtype.itemsize)
    if row > BLOCK_BYTES:
        for index in range(lazy.shape[axis]):
            yield from _row_blocks(lazy, (*fixed, index))
        return
    step = max(1, BLOCK_BYTES // row)
    for start in range(0, lazy.shape[axis], step):
        span = slice(start, min(start + step, lazy.shape[axis]))
        yield lazy.read((*key, span, *[slice(None)] * (lazy.ndim - axis - 1)))
