"""From a tree to what has to be written: arrays with their layout, and the tasks that fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core import ngff
from sparc_fuse_core.model import LazyArray, lazy_of
from sparc_fuse_core.writers.layout import Layout, image_layout, plain_layout, signal_layout
from sparc_fuse_core.writers.pyramid import SMALLEST, Derived, image_levels, overview_levels

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["ArraySpec", "Plan", "Task", "make_plan"]

PRIVATE = ("fuse_kind", "fuse_warnings", "fuse_not_carried", "fuse_format", "fuse_title")


@dataclass(slots=True)
class ArraySpec:
    """One array of the store; ``values`` when it is small and known now."""

    path: str
    dims: tuple[str, ...]
    dtype: np.dtype[Any]
    layout: Layout
    attrs: dict[str, Any]
    values: NDArray[Any] | None = None


@dataclass(slots=True)
class Task:
    """One array that is filled from the file, and what is derived from its slabs on the way.

    ``data`` is None for a level that is read back from the store itself (`parent` says which).
    """

    path: str
    layout: Layout
    dtype: np.dtype[Any]
    data: LazyArray | None
    derived: list[Derived] = field(default_factory=list)
    stats_axis: int | None = None
    parent: str = ""


@dataclass(slots=True)
class Plan:
    """Everything that will be in the store, before a byte of it is read."""

    groups: dict[str, dict[str, Any]]
    arrays: list[ArraySpec]
    tasks: list[Task]
    scenes: dict[str, tuple[dict[str, Any], ArraySpec, list[tuple[int, ...]]]]

    @property
    def nbytes(self) -> int:
        """Bytes of raw data that will be read from the file."""
        return sum(task.data.nbytes for task in self.tasks if task.data is not None)


def make_plan(tree: xr.DataTree, zarr_format: int = 3) -> Plan:
    """Lay out a checked tree."""
    plan = Plan({}, [], [], {})
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        group = node.path.strip("/")
        plan.groups[group] = {k: v for k, v in dataset.attrs.items() if k not in PRIVATE}
        # Asked once: a file may hold thousands of arrays, and xarray looks through all of them each time.
        coords = {str(name): set(held.dims) for name, held in dataset.coords.variables.items()}
        for name, held in dataset.variables.items():
            _add_variable(plan, coords, group, str(name), held)
    if tree.attrs["fuse_kind"] == "image":
        _add_pyramids(plan, tree, zarr_format)
    return plan


def _add_variable(
    plan: Plan, coords: Mapping[str, set[Any]], group: str, name: str, held: xr.Variable
) -> None:
    path = f"{group}/{name}".strip("/")
    dims = tuple(str(d) for d in held.dims)
    attrs = dict(held.attrs)
    if name not in coords:
        beside = [c for c, along in coords.items() if c not in dims and along <= set(dims)]
        if beside:
            attrs["coordinates"] = " ".join(beside)
    data = lazy_of(held)
    if data is None or data.ndim == 0 or data.dtype.kind in "OT" or (name in coords and _is_small_axis(data)):
        values = held.values if data is None else data.read((slice(None),) * data.ndim)
        layout = plain_layout(values.shape, _sized(values))
        plan.arrays.append(
            ArraySpec(path, dims, values.dtype, replace(layout, shards=layout.chunks), attrs, values)
        )
        return
    layout = _layout(held, data)
    plan.arrays.append(ArraySpec(path, dims, data.dtype, layout, attrs))
    task = Task(path, layout, data.dtype, data)
    if name.startswith("signals") and not group:
        task.derived = overview_levels(name, layout, dims, data.dtype)
        for item in task.derived:
            note = {k: v for k, v in attrs.items() if k in ("scale_factor", "add_offset", "units")}
            plan.arrays.append(ArraySpec(item.path, item.dims, item.dtype, item.layout, note))
        if task.derived:
            plan.groups.setdefault("overview", {"description": "Minimum and maximum of each bin of samples"})
    plan.tasks.append(task)


def _is_small_axis(data: LazyArray) -> bool:
    return data.ndim == 1 and data.nbytes <= 1 << 25


def _sized(values: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype("u8") if values.dtype.kind in "OT" else values.dtype


def _layout(held: xr.Variable, data: LazyArray) -> Layout:
    dims = held.dims
    if len(dims) >= 2 and str(dims[-1]).startswith("time") and str(dims[-2]).startswith("channel"):
        return signal_layout(
            data.shape, data.dtype, held.attrs.get("sampling_frequency"), time_major=data.time_major
        )
    if tuple(dims[-2:]) == ("y", "x"):
        # Colours, and whatever else the file stores in one block, are read together: decode once, not thrice.
        together = [
            i
            for i, d in enumerate(dims[:-2])
            if d == "c" and data.blocks is not None and data.blocks[i] == data.shape[i]
        ]
        return image_layout(data.shape, data.dtype, together=together, blocks=data.blocks)
    return plain_layout(data.shape, data.dtype)


def _add_pyramids(plan: Plan, tree: xr.DataTree, zarr_format: int) -> None:
    """Levels that the file lacks, and the NGFF description of each scene."""
    several = "0" not in plan.groups or not any(a.path == "0/image" for a in plan.arrays)
    by_path = {a.path: a for a in plan.arrays}
    foreign: dict[str, None] = {}
    for scene in [g for g in plan.groups if g.isdigit()] if several else [""]:
        prefix = f"{scene}/" if scene else ""
        stored = [by_path[p] for n in range(64) if (p := f"{prefix}{n}/image") in by_path]
        base = stored[0]
        levels = [a.layout.shape for a in stored]
        if len(stored) == 1:
            levels += _make_levels(plan, base, prefix)
        if ngff.can_describe(base.dims):
            plan.scenes[scene] = (plan.groups[scene], base, levels)
        else:
            foreign[f"({', '.join(base.dims)})"] = None
    if foreign:
        tree.attrs["fuse_warnings"] = [
            *tree.attrs.get("fuse_warnings", []),
            f"OME-NGFF has no words for images with the axes {' and '.join(foreign)}: they are written without its "
            "description, open in xarray and not in OME-Zarr viewers",
        ]
    elif several:
        plan.groups[""] = plan.groups[""] | ngff.root_layout(zarr_format)


def _make_levels(plan: Plan, base: ArraySpec, prefix: str) -> list[tuple[int, ...]]:
    """Plan the levels below ``base`` until none of their sides is longer than `SMALLEST`; give their shapes."""
    shapes: list[tuple[int, ...]] = []
    task = next(t for t in plan.tasks if t.path == base.path)
    task.stats_axis = base.dims.index("c") if "c" in base.dims else None
    layout, path = base.layout, base.path
    while max(layout.shape[-2:]) > SMALLEST:
        for item in image_levels("", layout, base.dims, base.dtype):
            shapes.append(item.layout.shape)
            path, layout = f"{prefix}{len(shapes)}/image", item.layout
            task.derived.append(replace(item, path=path))
            _add_level(plan, base, task.derived[-1], prefix, len(shapes))
        if max(layout.shape[-2:]) > SMALLEST:
            # One shard of this level is too little for the next: go on from what is on disk by then.
            layout = replace(layout, shards=_wide(base, layout))
            task = Task(path + "#", layout, base.dtype, None, parent=path)
            plan.tasks.append(task)
    return shapes


def _together(base: ArraySpec) -> list[int]:
    return [
        i
        for i, (c, n) in enumerate(zip(base.layout.chunks[:-2], base.layout.shape, strict=False))
        if c == n > 1
    ]


def _wide(base: ArraySpec, stored: Layout) -> tuple[int, ...]:
    """Regions of a further pass: as large as memory allows, in whole shards, at least two chunks wide."""
    wanted = image_layout(stored.shape, base.dtype, together=_together(base)).shards
    sides = []
    for want, shard, chunk, size in zip(
        wanted[-2:], stored.shards[-2:], stored.chunks[-2:], stored.shape[-2:], strict=True
    ):
        unit = shard if shard % (2 * chunk) == 0 else 2 * shard  # halves must be whole chunks again
        side = max(unit, want // unit * unit)
        sides.append(side if size > side else ceil(size / (2 * chunk)) * 2 * chunk)
    return (*stored.shards[:-2], *sides)


def _add_level(plan: Plan, base: ArraySpec, item: Derived, prefix: str, level: int) -> None:
    """The array of a computed level with its coordinates."""
    attrs = dict(base.attrs)
    plan.arrays.append(ArraySpec(item.path, base.dims, item.dtype, item.layout, attrs))
    group = f"{prefix}{level}"
    plan.groups[group] = {}
    origin = {a.path: a for a in plan.arrays}
    for name, dims, values, note in _coordinates(origin, f"{prefix}0/", base, item.layout.shape):
        layout = plain_layout(values.shape, _sized(values))
        layout = replace(layout, shards=layout.chunks)
        plan.arrays.append(ArraySpec(f"{group}/{name}", dims, values.dtype, layout, note, values))


def _coordinates(
    origin: Mapping[str, ArraySpec], prefix: str, base: ArraySpec, shape: tuple[int, ...]
) -> list[tuple[str, tuple[str, ...], NDArray[Any], dict[str, Any]]]:
    """Coordinates of a smaller level from those of the full one: bin centres along the halved axes."""
    rows = []
    for path, spec in origin.items():
        if not path.startswith(prefix) or spec.values is None or "/" in path[len(prefix) :]:
            continue
        values, name = spec.values, path[len(prefix) :]
        if name in base.dims:
            full, size = base.layout.shape[base.dims.index(name)], shape[base.dims.index(name)]
            if full != size:
                step = float(values[1] - values[0]) if full > 1 else 0.0
                factor = full / size
                values = float(values[0]) + (np.arange(size) * factor + (factor - 1) / 2) * step
        rows.append((name, spec.dims, values, dict(spec.attrs)))
    return rows
