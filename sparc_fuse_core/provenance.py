"""Provenance: where the data came from, what was done to them, and what was left behind."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

__all__ = ["clock", "describe", "product_version", "strict_json"]

LAYOUT_VERSION = 1
METADATA_LIMIT = 1 << 18


@cache
def product_version() -> str:
    """Version of this package as installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sparc-fuse")
    except PackageNotFoundError:  # running from an unpacked archive
        return "0"


def clock() -> str:
    """Now as ISO 8601 in UTC; SOURCE_DATE_EPOCH, when set, makes conversions reproducible byte for byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def strict_json(value: Any) -> Any:
    """``value`` as strict JSON can hold it: no NaN, no numpy, no bytes."""
    if isinstance(value, Mapping):
        return {str(key): strict_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return strict_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [strict_json(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    if value is None or isinstance(value, str):
        return value if value is None else str(value).encode("utf-8", "replace").decode()
    return str(value)


def capped(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The source's header within METADATA_LIMIT bytes, and the names of what had to go."""
    held = {str(k): strict_json(v) for k, v in metadata.items()}
    sizes = {key: len(json.dumps(value)) for key, value in held.items()}
    gone: list[str] = []
    while held and sum(sizes[key] for key in held) > METADATA_LIMIT:
        largest = max(held, key=lambda key: sizes[key])
        del held[largest]
        gone.append(largest)
    return held, gone


def describe(
    tree: xr.DataTree,
    files: Sequence[Source],
    *,
    sha256: Sequence[str | None],
    options: Mapping[str, Any],
    dataset: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    converted_at: str = "",
) -> dict[str, Any]:
    """Root attributes of a converted recording; values that are not known are absent.

    ``files`` are those that it was read from, the leading one first; ``sha256`` has one place for each.
    """
    metadata, gone = capped(tree.attrs.get("original_metadata") or {})
    warnings = list(tree.attrs.get("fuse_warnings") or [])
    if gone:
        warnings.append(f"parts of the source's header were too long to keep: {', '.join(gone)}")
    name = str(tree.attrs.get("fuse_format", ""))
    fuse = {
        "layout_version": LAYOUT_VERSION,
        "product": "sparc-fuse",
        "product_version": product_version(),
        "kind": tree.attrs["fuse_kind"],
        "format": name,
        "format_title": tree.attrs.get("fuse_title"),
        "sources": [_origin(file, digest) for file, digest in zip(files, sha256, strict=True)],
        "dataset": dict(dataset) if dataset else None,
        "converted_at": converted_at or clock(),
        "options": {k: v for k, v in options.items() if v is not None} or None,
        "recipe": recipe,
        "warnings": warnings or None,
        "not_carried_over": list(tree.attrs.get("fuse_not_carried") or []) or None,
    }
    attrs: dict[str, Any] = {
        "fuse": _known(fuse),
        "source_format": name,
        "original_file_name": files[0].name,
        "conversion_date": fuse["converted_at"],
    }
    if dataset:
        attrs |= _seed_names(dataset)
    if metadata:
        attrs["original_metadata"] = metadata
    return {key: strict_json(value) for key, value in attrs.items()}


def _origin(file: Source, digest: str | None) -> dict[str, Any]:
    origin: dict[str, Any] = {"name": file.name, "size": file.size, "sha256": digest}
    if "://" in file.url:
        origin["url"] = file.url.split("?")[0]
    return origin


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "")}


def _seed_names(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The root attributes of the older SPARC FUSE, with real values or absent."""
    names = {
        "sparc_dataset_id": dataset.get("id"),
        "sparc_dataset_version": dataset.get("version"),
        "doi": dataset.get("doi"),
        "sparc_subject_id": dataset.get("subject"),
        "sparc_sample_id": dataset.get("sample"),
        "sparc_metadata": dataset.get("metadata"),
    }
    return _known(names)
