"""Metadata and small arrays of a store: made in memory, put on disk as whole files when all data are there."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.writers.plan import ArraySpec, Plan
from sparc_fuse_core.writers.shard import BLOCK_SIZE, LEVEL, encoder

if TYPE_CHECKING:
    from zarr.abc.store import Store

__all__ = ["build_structure", "write_keys"]


def build_structure(plan: Plan, zarr_format: int, *, consolidate: bool = True) -> dict[str, bytes]:
    """All metadata and small arrays of the store as ``{key: bytes}``.

    With ``consolidate`` the root carries the metadata of all nodes; a plain ``xr.open_zarr`` warns else.
    """
    import zarr
    from zarr.storage import MemoryStore

    held: dict[str, Any] = {}
    store = MemoryStore(held)
    with warnings.catch_warnings():
        # Consolidated metadata and variable-length strings are not yet in the v3 text; all readers have them.
        warnings.simplefilter("ignore")
        for path in sorted(plan.groups):
            zarr.open_group(
                store, path=path or None, mode="a", zarr_format=_literal(zarr_format)
            ).attrs.update(plan.groups[path])
        alike: dict[Any, dict[str, Any]] = {}
        for spec in plan.arrays:
            if spec.values is None and zarr_format == 3:
                held[f"{spec.path}/zarr.json"] = _Text(_described(spec, alike))
            else:
                _create(store, spec, zarr_format)
        if consolidate and zarr_format == 2:
            zarr.consolidate_metadata(store, zarr_format=2)
    keys = {key: held[key].to_bytes() for key in sorted(held)}
    if consolidate and zarr_format == 3:
        keys["zarr.json"] = _consolidated(keys)
    return keys


class _Text(bytes):
    def to_bytes(self) -> bytes:
        return bytes(self)


def _described(spec: ArraySpec, alike: dict[Any, dict[str, Any]]) -> bytes:
    """Metadata of an array that is filled later; zarr itself is asked once for all that differ in name only.

    A file of thousands of small variables would otherwise spend its time there.
    """
    from zarr.storage import MemoryStore

    kind = (spec.layout, spec.dtype, len(spec.dims))
    if kind not in alike:
        held: dict[str, Any] = {}
        _create(MemoryStore(held), spec, 3)
        alike[kind] = json.loads(held[f"{spec.path}/zarr.json"].to_bytes())
    return _json(alike[kind] | {"attributes": dict(spec.attrs), "dimension_names": list(spec.dims)})


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=True).encode()


def _consolidated(keys: dict[str, bytes]) -> bytes:
    """The root's metadata with those of all nodes below, as zarr-python writes it."""
    nodes = {
        key.removesuffix("/zarr.json"): json.loads(data)
        for key, data in keys.items()
        if key.endswith("/zarr.json")
    }
    for node in nodes.values():
        if node["node_type"] == "group":
            node["consolidated_metadata"] = _inline({})
    return _json(json.loads(keys["zarr.json"]) | {"consolidated_metadata": _inline(nodes)})


def _inline(nodes: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": nodes}


def _literal(zarr_format: int) -> Any:
    return 2 if zarr_format == 2 else 3


def _create(store: Store, spec: ArraySpec, zarr_format: int) -> None:
    import zarr
    from zarr.codecs import BloscCodec, TransposeCodec

    layout = spec.layout
    text = spec.values is not None and spec.values.dtype.kind in "OT"
    options: dict[str, Any] = {
        "shape": layout.shape,
        "dtype": str if text else spec.dtype.newbyteorder("<"),
        "chunks": layout.chunks,
        "zarr_format": _literal(zarr_format),
    }
    attrs = dict(spec.attrs)
    if zarr_format == 2:
        attrs["_ARRAY_DIMENSIONS"] = list(spec.dims)
        # null: xarray takes the fill value of a v2 array as the missing value, and zeros and "" would be NaN
        options |= {"fill_value": None, "order": "F" if layout.transposed else "C"}
        options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        if not text:
            options["compressors"] = encoder(layout)
    else:
        options |= {"dimension_names": spec.dims}
        if not text:
            options |= {
                "fill_value": np.zeros((), spec.dtype)[()],
                "compressors": BloscCodec(
                    cname="zstd",
                    clevel=LEVEL,
                    shuffle=layout.shuffle,
                    blocksize=BLOCK_SIZE,
                    typesize=spec.dtype.itemsize,
                ),
            }
            if layout.shards != layout.chunks:
                options["shards"] = layout.shards
            if layout.transposed:
                options["filters"] = [TransposeCodec(order=tuple(reversed(range(len(layout.shape)))))]
    array = zarr.create_array(store, name=spec.path, attributes=attrs, **options)
    if spec.values is not None and spec.values.size:
        array[...] = spec.values


def write_keys(root: Path, keys: dict[str, bytes], only: Iterable[str] | None = None) -> None:
    """Put the files of the structure on disk, each whole or not at all."""
    for key, data in keys.items():
        if only is not None and key not in only:
            continue
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        os.replace(part, path)
