"""A finished store as one file: a stored (not compressed again) zip that Zarr opens in place.

An image is an OME-Zarr zip file (``.ozx``, RFC-9 of OME-NGFF): metadata first, the root's before all, and an
archive comment that names the version.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

__all__ = ["pack"]

# The moment every member carries: equal stores give equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(store: Path, target: Path) -> None:
    """Write all files of ``store`` into the zip ``target``, metadata first."""
    files = sorted((p for p in store.rglob("*") if p.is_file()), key=lambda p: _order(store, p))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in files:
            member = zipfile.ZipInfo(path.relative_to(store).as_posix(), _EPOCH)
            member.external_attr = 0o644 << 16
            with path.open("rb") as read, archive.open(member, "w", force_zip64=True) as write:
                shutil.copyfileobj(read, write, 1 << 20)
        archive.comment = _comment(store)


def _comment(store: Path) -> bytes:
    place = store / "zarr.json"
    version = (
        json.loads(place.read_bytes())["attributes"].get("ome", {}).get("version")
        if place.is_file()
        else None
    )
    if version is None:
        return b""
    return json.dumps(
        {"ome": {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
    ).encode()


def _order(store: Path, path: Path) -> tuple[bool, int, str]:
    name = path.relative_to(store).as_posix()
    metadata = path.name in ("zarr.json", ".zmetadata", ".zgroup", ".zattrs", ".zarray")
    return not metadata, name.count("/"), name
