""".npz: the same names as in the Zarr layout; loads with ``allow_pickle=False``; written from bounded memory."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.writers.flat import (
    Flat,
    Progress,
    Watcher,
    column_blocks,
    flatten,
    metadata_json,
    row_blocks,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["write_npz"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_npz(
    tree: xr.DataTree,
    target: Path,
    attrs: Mapping[str, Any],
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Write a checked tree; ``metadata`` holds all attributes as one JSON string."""
    rows = flatten(tree)
    watch = Watcher(rows, progress, cancel)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _member(archive, "metadata", np.array(metadata_json(tree, rows, attrs)))
        for row in rows:
            if row.is_text:
                _member(
                    archive, row.name, np.array([str(v) for v in np.ravel(row.data)]).reshape(row.data.shape)
                )
            else:
                _stream(archive, row, watch)
    watch.refuse_empty(rows)


def _member(archive: zipfile.ZipFile, name: str, values: np.ndarray[Any, Any]) -> None:
    with archive.open(_info(name), "w") as file:
        np.lib.format.write_array(file, values, allow_pickle=False)


def _stream(archive: zipfile.ZipFile, row: Flat, watch: Watcher) -> None:
    """Samples go out in the order of the file: time-major recordings as Fortran order, all else as C order."""
    by_time = getattr(row.data, "time_major", False) and len(row.dims) > 1
    header = {
        "descr": np.lib.format.dtype_to_descr(row.data.dtype),
        "fortran_order": by_time,
        "shape": tuple(row.data.shape),
    }
    with archive.open(_info(row.name), "w", force_zip64=True) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for block in column_blocks(row.data) if by_time else row_blocks(row.data):
            file.write(block.tobytes("F" if by_time else "C"))
            watch.add(block, row)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
