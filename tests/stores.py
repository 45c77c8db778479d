"""What the tests ask of converted stores: the very values, names and attributes of the source."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import xarray as xr

from sparc_fuse_core.bulk import convert_file
from sparc_fuse_core.formats import open_tree, registry
from sparc_fuse_core.model import Format, LazyArray, lazy_of
from sparc_fuse_core.opening import open_file
from sparc_fuse_core.pipeline import Options, convert_one
from sparc_fuse_core.provenance import METADATA_LIMIT, strict_json
from sparc_fuse_core.source import open_source

PRIVATE = ("fuse_kind", "fuse_warnings", "fuse_not_carried", "fuse_format", "fuse_title")
CAPPED = ("original_metadata",)


def convert(path: Path, folder: Path, **options: Any) -> Path:
    """Convert one file and give the output; the record's error is the assertion's message."""
    record = convert_file(path, folder, Options(**options))
    assert record["status"] == "ok", f"{path.name}: {record['status']}: {record['error']}"
    return Path(record["std_path"])


@contextlib.contextmanager
def fake_format(tree: Callable[[], xr.DataTree]) -> Iterator[None]:
    """A reader of ``.fake`` files that gives the tree it is told to give."""
    made = Format("fake", "Fake", "signals", (".fake",), lambda source, **_: tree())
    with mock.patch.dict(registry(), {"fake": made}):
        yield


def convert_tree(tree: Callable[[], xr.DataTree], folder: Path, **named: Any) -> Path:
    """Convert a tree through the whole pipeline; errors come through."""
    folder.mkdir(parents=True, exist_ok=True)
    calls = {key: named.pop(key) for key in ("progress", "cancel") if key in named}
    (folder / "x.fake").write_bytes(b"data")
    os.utime(folder / "x.fake", (1, 1))
    with fake_format(tree), open_source(folder / "x.fake") as source:
        return Path(convert_one(source, folder, "x", Options(**named), **calls)["std_path"])


def tree_bytes(place: Path) -> dict[str, bytes]:
    """Every file below a folder, or the file itself."""
    if place.is_file():
        return {place.name: place.read_bytes()}
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


def write_table(path: Path, seed: int, rows: int = 20) -> np.ndarray:
    """A table of two signals sampled at 100 Hz, with a header."""
    values = np.random.default_rng(seed).integers(-999, 999, (2, rows)).astype("f8")
    lines = ["time (s),left (mV),right (mV)"]
    lines += [f"{i / 100:.2f},{a:g},{b:g}" for i, (a, b) in enumerate(values.T)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return values


def noise(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Values of the whole range of a type, zeros and NaN among them."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
    if kind.kind == "f":
        values = rng.normal(size=shape).astype(kind)
        values[rng.random(shape) < 0.1] = np.nan
    else:
        info = np.iinfo(kind)
        values = rng.integers(info.min, info.max, shape, kind, endpoint=True)
    values[rng.random(shape) < 0.1] = 0
    return values


def time_major(values: np.ndarray) -> LazyArray:
    """The same values as a file of interleaved samples gives them."""
    rows = np.ascontiguousarray(values.T)
    return LazyArray(values.shape, values.dtype, lambda key: rows[key[::-1]].T, time_major=True)


def zarr_values(place: Path, name: str) -> np.ndarray:
    """An array of a store as it lies on disk, not decoded."""
    import zarr

    array: Any = zarr.open_group(str(place), mode="r")[name]
    return np.asarray(array[...])


def nodes(opened: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    if isinstance(opened, xr.Dataset):
        return {"": opened}
    return {node.path.strip("/"): node.to_dataset(inherit=False) for node in opened.subtree}


def assert_same(source: xr.Dataset | xr.DataTree, store: xr.Dataset | xr.DataTree) -> int:
    """Every variable and attribute of the source is in the store and equal; gives the values compared."""
    ours, count = nodes(store), 0
    for path, dataset in nodes(source).items():
        assert path in ours, f"group {path!r} is missing; there are {sorted(ours)}"
        for name, held in dataset.variables.items():
            if name not in ours[path].variables:
                assert _needs_no_storage(dataset, str(name)), f"{path}/{name} is missing"
                continue
            count += _same_variable(f"{path}/{name}", held, ours[path].variables[name])
        _same_attributes(path, dataset.attrs, ours[path].attrs)
    return count


def _needs_no_storage(dataset: xr.Dataset, name: str) -> bool:
    """Time axes beyond 2^22 samples are attributes only."""
    return name.startswith("time") and dataset[name].size > 1 << 22


def _same_variable(name: str, source: xr.Variable, store: xr.Variable) -> int:
    assert source.dims == store.dims, f"{name}: axes {store.dims}, {source.dims} in the source"
    assert source.shape == store.shape, f"{name}: shape {store.shape}, {source.shape} in the source"
    if source.dtype.kind in "OTU":
        assert [str(v) for v in source.values.ravel()] == [str(v) for v in store.values.ravel()], name
        return source.size
    if not name.split("/")[-1].startswith("time"):  # a lazy axis is float64 whatever was packed
        assert source.dtype == store.dtype, f"{name}: {store.dtype}, {source.dtype} in the source"
        np.testing.assert_array_equal(store.values, source.values, err_msg=name)
    else:
        np.testing.assert_allclose(store.values, source.values, rtol=1e-12, atol=1e-12, err_msg=name)
    _same_attributes(name, source.attrs, store.attrs)
    return source.size


def _same_attributes(name: str, source: Any, store: Any) -> None:
    for key, value in source.items():
        if key in PRIVATE or (key in CAPPED and len(json.dumps(strict_json(value))) > METADATA_LIMIT):
            continue
        if not value and key not in store:
            continue
        assert key in store, f"{name} has lost its attribute {key!r}; there are {sorted(store)}"
        assert strict_json(store[key]) == strict_json(value), f"{name}@{key}"


def physical(path: Path) -> dict[str, np.ndarray]:
    """Every variable of a file by path, scaled by hand in float64."""
    found = {}
    with open_source(path) as source:
        tree = open_tree(source)
        for node in tree.subtree:
            for name, held in node.to_dataset(inherit=False).variables.items():
                data = lazy_of(held)
                values = held.values if data is None else data.read((slice(None),) * data.ndim)
                if "scale_factor" in held.attrs:
                    values = values * np.float64(held.attrs["scale_factor"])
                    values = values + np.float64(held.attrs.get("add_offset", 0.0))
                found[f"{node.path.strip('/')}/{name}".strip("/")] = values
    return found


def flat_names(path: Path) -> list[str]:
    """The names of a file's variables in .npz, in the order of `physical`."""
    from sparc_fuse_core.writers.flat import flatten

    with open_source(path) as source:
        return [row.name for row in flatten(open_tree(source))]


def assert_equal(name: str, ours: np.ndarray, wanted: np.ndarray) -> None:
    """Equal values and shape; text as text."""
    assert ours.shape == wanted.shape, f"{name}: shape {ours.shape}, {wanted.shape} in the source"
    if wanted.dtype.kind in "OTU":
        assert [str(v) for v in ours.ravel()] == [str(v) for v in wanted.ravel()], name
    else:
        np.testing.assert_array_equal(ours, wanted, err_msg=name)


def load_mat(path: Path) -> dict[str, Any]:
    """Variables of a .mat of either version, text cells as arrays of str."""
    with path.open("rb") as file:
        newer = file.read(19) == b"MATLAB 7.3 MAT-file"
    if not newer:
        from scipy.io import loadmat

        held = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        return {k: _cells(v) if v.dtype == object else v for k, v in held.items()}
    import h5py

    with h5py.File(path, "r") as file:
        return {name: _hdf5_value(file, item) for name, item in file.items() if name != "#refs#"}


def _cells(values: np.ndarray) -> np.ndarray:
    flat = ["".join(map(str, np.ravel(v))) for v in values.ravel()]
    return np.array(flat, dtype=object).reshape(values.shape)


def _hdf5_value(file: Any, item: Any) -> np.ndarray:
    kind = item.attrs["MATLAB_class"]
    if kind == b"cell":
        refs = item[()].T
        texts = [_hdf5_text(file[ref]) for ref in refs.ravel()]
        return np.array(texts, dtype=object).reshape(refs.shape)
    if kind == b"char":
        return np.array([_hdf5_text(item)], dtype=object)
    values = item[()].T
    if values.dtype.names:
        values = values["real"] + 1j * values["imag"]
    return values


def _hdf5_text(item: Any) -> str:
    return "" if "MATLAB_empty" in item.attrs else item[()].astype("<u2").tobytes().decode("utf-16-le")


def assert_mat_holds(made: Path, source: Path, names: list[str]) -> None:
    """Names as in .npz, made fit for MATLAB; a single axis becomes a column."""
    held = load_mat(made)
    meta = json.loads(str(np.ravel(held.pop("metadata"))[0]))
    assert set(meta["variables"]) == set(held), "the metadata and the variables differ"
    assert len(held) == len(names)
    for name, (label, wanted) in zip(meta["variables"], physical(source).items(), strict=True):
        shape = wanted.shape if wanted.ndim > 1 else (*wanted.shape, *[1] * (2 - wanted.ndim))
        assert_equal(f"{label} as {name}", held[name], np.asarray(wanted).reshape(shape))


def assert_npz_holds(made: Path, source: Path, names: list[str]) -> None:
    with np.load(made, allow_pickle=False) as held:
        meta = json.loads(str(held["metadata"]))
        assert meta["attributes"]["fuse"]["sources"][0]["name"] == source.name
        assert set(held.files) == {*names, "metadata"}
        for name, (label, wanted) in zip(names, physical(source).items(), strict=True):
            assert_equal(f"{label} as {name}", held[name], np.asarray(wanted))


__all__ = [
    "assert_equal",
    "assert_mat_holds",
    "assert_npz_holds",
    "assert_same",
    "convert",
    "convert_tree",
    "fake_format",
    "flat_names",
    "load_mat",
    "nodes",
    "noise",
    "open_file",
    "physical",
    "time_major",
    "tree_bytes",
    "write_table",
    "zarr_values",
]
