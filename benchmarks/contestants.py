"""What is measured, each in a process of its own: ``python -m benchmarks.contestants NAME SOURCE TARGET``."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from benchmarks.recorders import files

BLOCK = 32 << 20


def fuse(source: Path, target: Path) -> None:
    """SPARC FUSE as a user calls it: provenance, checksums, journal, overview or pyramid included."""
    from sparc_fuse_core import convert

    (record,) = convert(source, target)
    if record["status"] != "ok":
        raise SystemExit(f"{record['error']} {record['hint']}")


def zarr_default(source: Path, target: Path) -> None:
    """What a user writes without help: zarr-python's own chunks and codec, whole chunk rows at a time."""
    import numpy as np
    import zarr

    data = _signal(source) if source.suffix == ".wav" else _stack(source)
    array = zarr.create_array(target / "plain.zarr", shape=data.shape, dtype=data.dtype)
    rows = array.chunks[0]
    for start in range(0, data.shape[0], rows):
        array[start : start + rows] = np.asarray(data[start : start + rows])


def ngff_zarr(source: Path, target: Path) -> None:
    """ngff-zarr with its own method and chunks, and as many levels as we make."""
    import ngff_zarr as ngff

    image = ngff.to_ngff_image(_stack(source), dims=("z", "y", "x"))
    levels = [{"z": 1, "y": 2**n, "x": 2**n} for n in (1, 2)]
    ngff.to_ngff_zarr(target / "ngff.ome.zarr", ngff.to_multiscales(image, levels), version="0.5")


def ome_zarr(source: Path, target: Path) -> None:
    """ome-zarr-py with its own method and chunks, and as many levels as we make."""
    import zarr
    from ome_zarr.writer import write_image

    group = zarr.open_group(target / "ome.ome.zarr", mode="w")
    write_image(_stack(source), group, axes="zyx", scale_factors=[{"y": 2, "x": 2}, {"y": 4, "x": 4}])


def copy(source: Path, target: Path) -> None:
    """The bytes as they are, of all files of the recording: what the disk allows."""
    for path in files(source):
        with path.open("rb") as read, (target / path.name).open("wb") as write:
            while block := read.read(BLOCK):
                write.write(block)


def _signal(source: Path):
    import numpy as np

    from benchmarks.data import CHANNELS

    return np.memmap(source, "<i2", "r", 44).reshape(-1, CHANNELS)


def _stack(source: Path):
    import tifffile

    return tifffile.memmap(source, mode="r")


if __name__ == "__main__":
    place = Path(sys.argv[3])
    place.mkdir(parents=True, exist_ok=True)

    # What everybody imports is not measured: the work alone is.
    import sparc_fuse_core.api
    import sparc_fuse_core.bulk
    import sparc_fuse_core.formats

    sparc_fuse_core.formats.registry()
    own = {"ngff_zarr": ["ngff_zarr"], "ome_zarr": ["ome_zarr.writer"]}
    for module in ["numpy", "tifffile", "xarray", "zarr", *own.get(sys.argv[1], [])]:
        importlib.import_module(module)
    began = time.perf_counter()
    globals()[sys.argv[1]](Path(sys.argv[2]), place)
    print(time.perf_counter() - began)
