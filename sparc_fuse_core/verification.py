"""Proof that a converted store is whole, and that it says what its source says."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Mismatch, NotFound

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.model import LazyArray

__all__ = ["verify"]

BLOCK_BYTES = 4 << 20
BLOCKS_PER_ARRAY = 16


def verify(
    store: str | os.PathLike[str], against: str | os.PathLike[str] | None = None, *, seed: int | None = None
) -> dict[str, int]:
    """Check a converted store.

    Parameters
    ----------
    store
        Folder, ``.zarr.zip`` or ``.ozx`` that SPARC FUSE wrote.
    against
        The source file: random blocks of both are read and compared value by value, the ends of each array
        always among them.
    seed
        Of the choice of blocks; a new one each time when None.

    Returns
    -------
    dict
        ``files`` whose checksums hold; with ``against`` also ``arrays``, ``blocks`` and ``values`` compared.

    Raises
    ------
    Mismatch
        A file is missing, changed or new, or a value differs from the source.
    """
    path = Path(store)
    if not path.exists():
        raise NotFound(f"{path}: no such store", hint="Check the path.")
    counts = {"files": _verify_zip(path) if path.is_file() else _verify_folder(path)}
    if against is not None:
        counts |= _compare(path, against, np.random.default_rng(seed))
    return counts


def _verify_folder(path: Path) -> int:
    from sparc_fuse_core.writers.journal import verify_files

    return verify_files(path)


def _verify_zip(path: Path) -> int:
    """Every member against the journal that was packed with it."""
    import hashlib
    import json

    from sparc_fuse_core.writers.journal import NAME

    try:
        with zipfile.ZipFile(path) as archive:
            rows = [json.loads(line) for line in archive.read(NAME).decode().splitlines()]
            listed = {str(name): str(digest) for name, _, digest in rows}
            present = {name for name in archive.namelist() if name != NAME}
            wrong = sorted(set(listed) ^ present)
            for name in sorted(set(listed) & present):
                with archive.open(name) as member:
                    if hashlib.file_digest(member, "sha256").hexdigest() != listed[name]:  # type: ignore[arg-type]
                        wrong.append(name)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"{path.name}: is no archive of a finished conversion ({type(error).__name__})",
            hint="Convert the source again.",
        ) from error
    if wrong:
        raise Mismatch(
            f"{path.name}: {len(wrong)} of {len(listed)} members are missing, changed or new ({', '.join(wrong[:5])})",
            hint="Convert the source again; do not trust this copy.",
        )
    return len(listed)


def _compare(path: Path, against: str | os.PathLike[str], rng: np.random.Generator) -> dict[str, int]:
    import zarr

    from sparc_fuse_core.formats import open_tree
    from sparc_fuse_core.model import lazy_arrays
    from sparc_fuse_core.source import open_source

    counts = {"arrays": 0, "blocks": 0, "values": 0}
    held: Any = zarr.open_group(_store(path), mode="r")
    options = _reader_options(held)
    with open_source(against) as source:
        tree = open_tree(source, **{"scan": True, **options})
        for name, variable, data in lazy_arrays(tree):
            if name.split("/")[-1].startswith("time") and "scale_factor" in variable.attrs:
                continue  # computed from the rate, which is an attribute
            if data.dtype.kind in "OT":
                continue  # text is compared whole
            if name not in held:
                raise Mismatch(
                    f"{path.name}: {name} of {source.name} is missing", hint="Convert the source again."
                )
            counts["arrays"] += 1
            _compare_array(path.name, name, held[name], data, rng, counts)
        _compare_small(path.name, tree, held)
    return counts


def _store(path: Path) -> Any:
    from zarr.storage import ZipStore

    return ZipStore(path, mode="r") if path.is_file() else str(path)


def _reader_options(held: Any) -> dict[str, Any]:
    options = dict(held.attrs).get("fuse", {}).get("options") or {}
    return {k: v for k, v in options.items() if k not in ("file_format", "zarr_format")}


def _compare_array(
    store: str, name: str, stored: Any, data: LazyArray, rng: np.random.Generator, counts: dict[str, int]
) -> None:
    if tuple(stored.shape) != data.shape or stored.dtype != data.dtype:
        raise Mismatch(
            f"{store}: {name} is {stored.dtype}{stored.shape}, its source has {data.dtype}{data.shape}",
            hint="Convert the source again.",
        )
    for key in _blocks(data, rng):
        ours, theirs = np.asarray(stored[key]), data.read(key)
        counts["blocks"] += 1
        counts["values"] += int(ours.size)
        if not _same(ours, theirs):
            where = ", ".join(f"{k.start}:{k.stop}" for k in key)
            raise Mismatch(
                f"{store}: {name}[{where}] differs from its source",
                hint="Convert the source again; report this.",
            )


def _same(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    return ours.shape == theirs.shape and ours.tobytes() == np.ascontiguousarray(theirs).tobytes()


def _blocks(data: LazyArray, rng: np.random.Generator) -> list[tuple[slice, ...]]:
    """The first and the last block of an array and random ones between."""
    if 0 in data.shape:
        return []
    block = [*data.shape]
    for axis in range(len(block)):
        while int(np.prod(block)) * data.dtype.itemsize > BLOCK_BYTES and block[axis] > 1:
            block[axis] = -(-block[axis] // 2)
    ends = [tuple(0 for _ in block), tuple(n - b for n, b in zip(data.shape, block, strict=True))]
    starts = {*ends}
    for _ in range(BLOCKS_PER_ARRAY):
        starts.add(tuple(int(rng.integers(0, n - b + 1)) for n, b in zip(data.shape, block, strict=True)))
    return [tuple(slice(s, s + b) for s, b in zip(start, block, strict=True)) for start in sorted(starts)]


def _compare_small(store: str, tree: xr.DataTree, held: Any) -> None:
    """Names, units, events and all else that is in memory: compared whole."""
    from sparc_fuse_core.model import lazy_of

    for node in tree.subtree:
        for name, variable in node.to_dataset(inherit=False).variables.items():
            path = f"{node.path.strip('/')}/{name}".strip("/")
            if lazy_of(variable) is not None and variable.dtype.kind not in "OT":
                continue
            if path not in held:
                raise Mismatch(f"{store}: {path} of the source is missing", hint="Convert the source again.")
            ours, theirs = np.asarray(held[path][...]), variable.values
            same = [str(v) for v in ours.ravel()] == [str(v) for v in theirs.ravel()]
            if ours.shape != theirs.shape or not (same if theirs.dtype.kind == "O" else _same(ours, theirs)):
                raise Mismatch(f"{store}: {path} differs from its source", hint="Convert the source again.")
