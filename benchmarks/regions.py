"""What a crop costs: bytes read and milliseconds for 256 x 256 pixels of the largest real file of each image format.

The files are those of tests/corpus.toml (see tests/conftest.py for where they lie). Opening is counted apart from
the crop. Bytes that a library reads by itself, through a path, cannot be counted.
"""

from __future__ import annotations

import os
import time
import tomllib
from pathlib import Path
from typing import Any

from sparc_fuse_core.formats import open_tree, registry
from sparc_fuse_core.model import lazy_arrays
from sparc_fuse_core.source import Source, open_source

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("SPARC_FUSE_CORPUS") or ROOT.parent / "shared" / "corpus")
SIDE = 256


def largest_files() -> dict[str, Path]:
    """The largest readable file of each image format, by the bytes of all its members."""
    rows = tomllib.loads((ROOT / "tests" / "corpus.toml").read_text("utf-8"))["file"]
    sizes: dict[str, int] = {}
    for row in rows:
        lead = row.get("part_of", row["path"])
        sizes[lead] = sizes.get(lead, 0) + row["bytes"]
    best: dict[str, str] = {}
    for row in rows:
        name = row["format"]
        if row["expect"] != "ok" or "part_of" in row or registry()[name].kind != "image":
            continue
        if name not in best or sizes[row["path"]] > sizes[best[name]]:
            best[name] = row["path"]
    return {name: CORPUS / path for name, path in sorted(best.items()) if (CORPUS / path).is_file()}


def crop(path: Path, name: str) -> dict[str, Any]:
    """Figures for one file: its size, the largest image in it, and what opening and a crop of it cost."""
    with open_source(path) as source:
        began = time.perf_counter()
        tree = open_tree(source, registry()[name])
        opened, first = time.perf_counter() - began, _read(source)
        held, data = max(
            ((v, d) for key, v, d in lazy_arrays(tree) if key.endswith("image")),
            key=lambda row: row[1].nbytes,
        )
        key: list[Any] = []
        for dim, size in zip(held.dims, data.shape, strict=True):
            start = max(0, size // 2 - SIDE // 2)
            key.append(slice(start, min(size, start + SIDE)) if dim in ("y", "x") else size // 2)
        began = time.perf_counter()
        data.read(tuple(key))
        spent = time.perf_counter() - began
        return {
            "size": sum(f.size for f in source.family), "shape": dict(zip(held.dims, data.shape, strict=True)),
            "open_bytes": first, "open_ms": opened * 1e3, "crop_bytes": _read(source) - first, "crop_ms": spent * 1e3,
        }  # fmt: skip


def _read(source: Source) -> int:
    return sum(f.bytes_read for f in source.family)


def main() -> None:
    print("| format | file | MB | image | open: kB | ms | crop: kB | ms |\n|---|---|---|---|---|---|---|---|")
    for name, path in largest_files().items():
        crop(path, name)  # imports
        row = crop(path, name)
        shape = " ".join(f"{dim}{size}" for dim, size in row["shape"].items())
        print(
            f"| {name} | {path.name} | {row['size'] / 1e6:.2f} | {shape} | {row['open_bytes'] / 1e3:.0f} "
            f"| {row['open_ms']:.1f} | {row['crop_bytes'] / 1e3:.0f} | {row['crop_ms']:.1f} |"
        )


if __name__ == "__main__":
    main()
