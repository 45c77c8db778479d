"""Reports and the conversion log: one record a recording, the same everywhere."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparc_fuse_core.errors import Ambiguous, Cancelled, FuseError, NotSupported

__all__ = ["LOG_NAME", "append_log", "failure", "new_record", "recorded_sources"]

LOG_NAME = "fuse-log.jsonl"


def new_record(rel_path: str, members: Iterable[str] = ()) -> dict[str, Any]:
    """A record with every key that a report has; the older SPARC FUSE's keys among them."""
    return {
        "rel_path": rel_path,
        "members": list(members) or [rel_path],
        "std_path": None,
        "status": "pending",
        "error": None,
        "hint": None,
        "format": None,
        "kind": None,
        "recipe": None,
        "bytes_in": None,
        "bytes_out": None,
        "seconds": None,
        "sha256": None,
        "warnings": [],
        "local_path": None,
        "descriptor_id": None,
        "mapping_score": None,
    }


def failure(error: BaseException) -> dict[str, Any]:
    """What a record says of an error: its status, one sentence, and what to do."""
    status = "failed"
    if isinstance(error, NotSupported):
        status = "unsupported"
    elif isinstance(error, Ambiguous):
        status = "ambiguous"
    elif isinstance(error, Cancelled):
        status = "cancelled"
    hint = error.hint if isinstance(error, FuseError) else ""
    sentence = str(error) if isinstance(error, FuseError) else f"{type(error).__name__}: {error}"
    return {"status": status, "error": sentence, "hint": hint or None, "std_path": None}


def append_log(folder: Path, record: dict[str, Any], **context: Any) -> None:
    """Add one line to the log beside the outputs; whole lines, also when several processes write."""
    from sparc_fuse_core.provenance import clock, product_version

    line = {"time": clock(), "product_version": product_version(), **context, **record}
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, (json.dumps(line, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(handle)


def recorded_sources(target: Path) -> list[dict[str, Any]] | None:
    """The sources that an output says it was made from; None when it does not say."""
    try:
        attrs = _root_attributes(target)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    sources = (attrs or {}).get("fuse", {}).get("sources")
    return sources if isinstance(sources, list) else None


def _root_attributes(target: Path) -> dict[str, Any] | None:
    if target.is_dir():
        for name in ("zarr.json", ".zattrs"):
            if (target / name).is_file():
                content = json.loads((target / name).read_text("utf-8"))
                return dict(content.get("attributes", content))
        return None
    if target.name.endswith((".zarr.zip", ".ozx")):
        with zipfile.ZipFile(target) as archive:
            name = "zarr.json" if "zarr.json" in archive.namelist() else ".zattrs"
            content = json.loads(archive.read(name))
            return dict(content.get("attributes", content))
    if target.suffix == ".npz":
        import numpy as np

        with np.load(target, allow_pickle=False) as held:
            return dict(json.loads(str(held["metadata"]))["attributes"])
    if target.suffix == ".mat":
        return _mat_attributes(target)
    return None


def _mat_attributes(target: Path) -> dict[str, Any] | None:
    with target.open("rb") as file:
        newer = file.read(19) == b"MATLAB 7.3 MAT-file"
    if newer:
        import h5py

        with h5py.File(target, "r") as held:
            text = held["metadata"][()].astype("<u2").tobytes().decode("utf-16-le")
    else:
        from scipy.io import loadmat

        text = str(loadmat(target, variable_names=["metadata"])["metadata"][0])
    return dict(json.loads(text)["attributes"])
