"""The block loop: reads slabs, writes whole shards, journals each, and resumes where it was stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core import ngff
from sparc_fuse_core.errors import Cancelled, FormatError
from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.writers.journal import Journal
from sparc_fuse_core.writers.plan import Plan, Task
from sparc_fuse_core.writers.shard import ChunkFiles, ShardFile, Sink, Written, encode_slab, encoder, scratch
from sparc_fuse_core.writers.structure import build_structure, write_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Watch", "write_store"]

Progress = Callable[[int, int], None]
Stats = dict[str, list[float]]


class Watch:
    """Progress of one conversion and the wish to stop it; safe to use from several threads."""

    def __init__(
        self, total: int, progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> None:
        self.total = total
        self._done = 0
        self._progress = progress
        self._cancel = cancel
        self._lock = threading.Lock()

    def add(self, nbytes: int) -> None:
        """Count bytes as done; raises `Cancelled` when the user wants to stop."""
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("stopped by the user", hint="Start it again to go on where it stopped.")
        with self._lock:
            self._done += nbytes
            if self._progress is not None:
                self._progress(min(self._done, self.total), self.total)


def write_store(
    plan: Plan,
    root: Path,
    journal: Journal,
    *,
    zarr_format: int = 3,
    watch: Watch | None = None,
    workers: int | None = None,
    finish: Callable[[Plan, dict[str, Stats]], None] | None = None,
) -> None:
    """Fill ``root`` with the arrays of ``plan``.

    ``finish`` may add attributes to the plan's groups once all data were seen; metadata are written after it.
    Raises FormatError when the data turn out to be damaged or to hold no number at all.
    """
    watch = watch or Watch(plan.nbytes)
    stats: dict[str, Stats] = {}
    structure = (
        build_structure(plan, zarr_format, consolidate=False) if any(t.parent for t in plan.tasks) else {}
    )
    for task in plan.tasks:
        if task.parent:
            write_keys(
                root,
                structure,
                only={f"{task.parent}/zarr.json", f"{task.parent}/.zarray", f"{task.parent}/.zattrs"},
            )
        stats[task.path] = _run(task, root, journal, zarr_format, watch, workers or _workers())
    _refuse_empty(plan, stats)
    for scene, (attrs, base, shapes) in plan.scenes.items():
        described = _with_windows(attrs, stats.get(base.path, {}))
        plan.groups[scene] |= ngff.multiscales(described, base.dims, shapes, base.dtype, zarr_format)
    if finish is not None:
        finish(plan, stats)
    write_keys(root, build_structure(plan, zarr_format))


def _workers() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, available))


def _run(task: Task, root: Path, journal: Journal, zarr_format: int, watch: Watch, workers: int) -> Stats:
    data = task.data if task.data is not None else _stored(root, task.parent)
    counted = task.data is not None
    merged: Stats = {}
    units = list(_todo(task, journal, merged, watch if counted else Watch(0)))
    if len(units) <= 1:
        for unit, index in units:
            job = _Unit(task, data, index, root, zarr_format, watch if counted else Watch(0))
            _note(job.run(unit), journal, merged)
        return merged
    with ThreadPoolExecutor(workers, thread_name_prefix="fuse-write") as pool:
        pending: set[Future[tuple[str, list[Written], Stats]]] = set()
        try:
            for unit, index in units:
                while len(pending) >= workers + 1:
                    pending = _collect(pending, journal, merged)
                job = _Unit(task, data, index, root, zarr_format, watch if counted else Watch(0))
                pending.add(pool.submit(job.run, unit))
            while pending:
                pending = _collect(pending, journal, merged)
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    return merged


def _todo(task: Task, journal: Journal, merged: Stats, watch: Watch) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The units that no earlier run has finished."""
    for index in np.ndindex(*task.layout.grid):
        unit = f"{task.path}:{','.join(map(str, index))}"
        if unit in journal.done:
            _merge(merged, journal.stats.get(unit, {}))
            watch.add(_region_bytes(task, index))
        else:
            yield unit, index


def _note(done: tuple[str, list[Written], Stats], journal: Journal, merged: Stats) -> None:
    unit, files, stats = done
    journal.add(unit, files, stats)
    _merge(merged, stats)


def _collect(
    pending: set[Future[tuple[str, list[Written], Stats]]], journal: Journal, merged: Stats
) -> set[Any]:
    done, rest = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        _note(future.result(), journal, merged)
    return rest


def _region_bytes(task: Task, index: tuple[int, ...]) -> int:
    return int(prod(s.stop - s.start for s in task.layout.region(index))) * task.dtype.itemsize


class _Unit:
    """One shard of a task and the shards that are derived from it."""

    def __init__(
        self, task: Task, data: LazyArray, index: tuple[int, ...], root: Path, zarr_format: int, watch: Watch
    ) -> None:
        self._task, self._data, self._index = task, data, index
        self._root, self._format, self._watch = root, zarr_format, watch
        self._codec = encoder(task.layout)

    def run(self, unit: str) -> tuple[str, list[Written], Stats]:
        task, layout = self._task, self._task.layout
        main = None if task.parent else self._sink(task.path, layout, task.dtype)
        sinks = [self._sink(d.path, d.layout, d.dtype) for d in task.derived]
        collected: list[list[NDArray[Any]]] = [[] for _ in task.derived]
        stats: Stats = {}
        origin = [s.start for s in layout.region(self._index)]
        for region in layout.slabs(self._index):
            slab = self._read(region)
            at = tuple(s.start - o for s, o in zip(region, origin, strict=True))
            if main is not None:
                encode_slab(slab, at, layout, main, self._codec)
            self._derive(slab, at, sinks, collected)
            _merge(stats, _extent(slab, region, task.stats_axis))
            self._watch.add(slab.nbytes)
        for derived, sink, parts in zip(task.derived, sinks, collected, strict=True):
            if derived.collect_axis is not None:
                whole = np.concatenate(parts, derived.collect_axis)
                encode_slab(whole, (0,) * whole.ndim, derived.layout, sink, self._codec)
        files = [file for sink in ([main] if main else []) + sinks for file in sink.close()]
        return unit, files, stats

    def _read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        shape = [s.stop - s.start for s in region]
        if self._task.layout.transposed:
            out = scratch(shape[::-1], self._task.dtype, "slab").T
        else:
            out = scratch(shape, self._task.dtype, "slab")
        self._data.read_into(region, out)
        return out

    def _derive(
        self, slab: NDArray[Any], at: tuple[int, ...], sinks: list[Sink], collected: list[list[NDArray[Any]]]
    ) -> None:
        for number, derived in enumerate(self._task.derived):
            slab = derived.reduce(slab)
            if derived.collect_axis is not None:
                collected[number].append(slab)
            else:
                # Slabs are whole in y and x: only leading axes move, and those are not made smaller.
                encode_slab(slab, at, derived.layout, sinks[number], self._codec)

    def _sink(self, path: str, layout: Any, dtype: np.dtype[Any]) -> Sink:
        index = self._place(layout)
        grid = tuple(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
        if self._format == 2:
            return ChunkFiles(self._root, path, tuple(i * g for i, g in zip(index, grid, strict=True)))
        if layout.shards == layout.chunks:
            return ChunkFiles(self._root, f"{path}/c", index)
        return ShardFile(self._root, "/".join([path, "c", *map(str, index)]), grid)

    def _place(self, layout: Any) -> tuple[int, ...]:
        """Index of the shard in an array with the same grid; trailing axes of derived ones are whole."""
        return (*self._index, *[0] * (len(layout.shape) - len(self._index)))


def _stored(root: Path, path: str) -> LazyArray:
    """A level that was just written, as the source of the next ones."""
    import zarr

    array: Any = zarr.open_array(str(root / path), mode="r")
    return LazyArray(array.shape, array.dtype, lambda key: np.asarray(array[key]))


def _extent(slab: NDArray[Any], region: tuple[slice, ...], axis: int | None) -> Stats:
    """Smallest and largest finite value of the slab, for each place on ``axis``."""
    if slab.dtype.kind not in "fiu" or slab.size == 0:
        return {"": [0.0, 0.0]}
    if slab.dtype.kind in "iu" and axis is None:
        return {"": [0.0, 0.0]}
    places = [("", slab)]
    if axis is not None:
        moved = np.moveaxis(slab, axis, 0)
        places = [(str(region[axis].start + i), moved[i]) for i in range(moved.shape[0])]
    return {name: bounds for name, part in places if (bounds := _finite_bounds(part)) is not None}


def _finite_bounds(part: NDArray[Any]) -> list[float] | None:
    if part.dtype.kind in "iu":
        return [float(part.min()), float(part.max())]
    low, high = float(np.nanmin(part, initial=np.inf)), float(np.nanmax(part, initial=-np.inf))
    if np.isfinite(low) and np.isfinite(high):
        return [low, high]
    finite = part[np.isfinite(part)]
    return [float(finite.min()), float(finite.max())] if finite.size else None


def _merge(into: Stats, more: Stats) -> None:
    for name, (low, high) in more.items():
        held = into.setdefault(name, [low, high])
        into[name] = [min(held[0], low), max(held[1], high)]


def _refuse_empty(plan: Plan, stats: dict[str, Stats]) -> None:
    """A result that is nothing but NaN is a failure, whatever the header promised."""
    read = [t for t in plan.tasks if t.data is not None]
    known = [a for a in plan.arrays if a.values is not None and a.path.startswith(("event_", "signals"))]
    if read and not known and all(not stats[t.path] for t in read):
        raise FormatError(
            "every value of the file is NaN or infinite; there is nothing to convert",
            hint="Check the file with the program that wrote it.",
        )


def _with_windows(attrs: dict[str, Any], stats: Stats) -> dict[str, Any]:
    """Scene attributes with a display window for each channel: the file's own, else the range of values."""
    channels = [dict(c) for c in attrs.get("channels") or []]
    count = max(len(channels), len([k for k in stats if k.isdigit()]), 1)
    channels += [{} for _ in range(count - len(channels))]
    for number, channel in enumerate(channels):
        seen = stats.get(str(number), stats.get(""))
        if "window" not in channel and seen and seen[1] > seen[0] and not attrs.get("rgb"):
            channel["window"] = seen
    return {**attrs, "channels": channels}
