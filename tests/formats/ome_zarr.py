"""OME-Zarr stores written with zarr and packed with zipfile; zarr itself is the oracle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(29)
AXES = [{"name": "t", "type": "time", "unit": "millisecond"}, {"name": "c", "type": "channel"},
        *({"name": n, "type": "space", "unit": "micrometer"} for n in "zyx")]  # fmt: skip


def store(
    folder: Path,
    name: str,
    levels: list[np.ndarray],
    attributes: dict[str, Any],
    *,
    version: int = 3,
    **options: Any,
) -> Path:
    """A store with the levels at ``0``, ``1`` … and these attributes at its root."""
    import zarr

    place = folder / name
    group = zarr.open_group(str(place), mode="w", zarr_format=version)
    for number, data in enumerate(levels):
        array = group.create_array(str(number), shape=data.shape, dtype=data.dtype, **options)
        array[...] = data
    group.attrs.update(attributes)
    return place


def scales(
    levels: int, axes: Any = AXES, scale: tuple[float, ...] = (500.0, 1.0, 2.0, 0.5, 0.25), **more: Any
) -> Any:
    datasets = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [s * 2**n for s in scale]}]}
        for n in range(levels)
    ]
    return {"axes": axes, "datasets": datasets, **more}


def pack(place: Path, target: Path, *, inside: str = "", how: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(target, "w", how) as archive:
        files = sorted(p for p in place.rglob("*") if p.is_file())
        for file in sorted(files, key=lambda p: (len(p.relative_to(place).parts), p.name)):
            archive.write(file, inside + file.relative_to(place).as_posix())


def make(folder: Path) -> dict[str, dict[str, Any]]:
    work = folder / "work"
    work.mkdir()
    return _versions(folder, work) | _several(folder, work) | _turned(folder, work) | _broken(folder, work)


def _versions(folder: Path, work: Path) -> dict[str, dict[str, Any]]:
    full = RANDOM.integers(0, 60000, (2, 3, 2, 40, 50), "u2")
    half = full[..., ::2, ::2].copy()
    omero = {"channels": [{"label": n, "color": c, "window": {"start": 1, "end": 9}}
                          for n, c in (("a", "FF0000"), ("b", "00ff00"), ("c", "0000FF"))]}  # fmt: skip
    new = {"ome": {"version": "0.5", "multiscales": [scales(2, name="cells")], "omero": omero}}
    old = {"multiscales": [scales(2, version="0.4", name="cells")], "omero": omero}
    chunks = {"chunks": (1, 1, 1, 16, 16)}
    five = store(work, "five.zarr", [full, half], new, shards=(1, 1, 2, 48, 64), **chunks)
    four = store(work, "four.zarr", [full, half], old, version=2, **chunks)
    bare = store(
        work, "bare.zarr", [full], {"multiscales": [{"datasets": [{"path": "0"}]}]}, version=2, **chunks
    )
    store(work, "five.zarr/labels", [], {"ome": {"version": "0.5", "labels": ["nuclei"]}})
    pack(five, folder / "five.ozx")
    pack(five, folder / "inside.ome.zarr.zip", inside="x/five.ome.zarr/", how=zipfile.ZIP_DEFLATED)
    pack(four, folder / "four.zarr.zip")
    pack(bare, folder / "bare.zarr.zip")
    told = {
        "0/image": full, "1/image": half, "@name": "cells", "0/channel_name": ["a", "b", "c"],
        "@pixel_size": {"t": 0.5, "z": 2.0, "y": 0.5, "x": 0.25},
        "@pixel_unit": {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"},
        "@channels": [{"name": n, "color": c, "window": [1.0, 9.0]}
                      for n, c in (("a", "FF0000"), ("b", "00FF00"), ("c", "0000FF"))],
    }  # fmt: skip
    return {
        "five.ozx": told | {"?dropped": "nuclei"},
        "inside.ome.zarr.zip": told,
        "four.zarr.zip": told,
        "bare.zarr.zip": {"0/image": full},
        "work/five.zarr/zarr.json": told,
        "work/four.zarr/.zattrs": told,
    }


def _several(folder: Path, work: Path) -> dict[str, dict[str, Any]]:
    """Series of bioformats2raw, and the fields of a plate."""
    yx = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    pictures = [RANDOM.integers(0, 255, (20 + n, 30), "u1") for n in range(2)]
    told = {"ome": {"version": "0.5", "multiscales": [scales(1, yx, (1.0, 1.0))]}}
    place = store(work, "series", [], {"ome": {"version": "0.5", "bioformats2raw.layout": 3}})
    for number, data in enumerate(pictures):
        store(place, str(number), [data], told)
    pack(place, folder / "series.ozx")
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    plate = store(work, "plate", [], {"ome": {"version": "0.5", "plate": {"wells": wells}}})
    store(plate, "A/1", [], {"ome": {"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}})
    for number, data in enumerate(pictures):
        store(plate, f"A/1/{number}", [data], told)
    pack(plate, folder / "plate.ozx")
    both = {"0/0/image": pictures[0], "1/0/image": pictures[1]}
    return {"series.ozx": both, "plate.ozx": both | {"0@name": "A/1/0"}}


def _turned(folder: Path, work: Path) -> dict[str, dict[str, Any]]:
    """Axes in another order than ours and with a name that we do not have; an image that does not begin at 0."""
    data = RANDOM.integers(-9, 9, (4, 5, 3, 2), "i2")
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}, {"name": "phase"},
            {"name": "ch", "type": "channel"}]  # fmt: skip
    entry = scales(1, axes, (2.0, 3.0, 1.0, 1.0))
    entry["datasets"][0]["coordinateTransformations"].append(
        {"type": "translation", "translation": [5.0, 0, 0, 0]}
    )
    pack(
        store(work, "turned", [data], {"ome": {"version": "0.5", "multiscales": [entry]}}),
        folder / "turned.ozx",
    )
    return {"turned.ozx": {"0/image": data.transpose(2, 3, 0, 1), "@pixel_size": {"y": 2.0, "x": 3.0},
                           "@translation": {"y": 5.0}, "?warning": "is moved"}}  # fmt: skip


def _broken(folder: Path, work: Path) -> dict[str, dict[str, Any]]:
    data = np.arange(600, dtype="u2").reshape(20, 30)
    yx = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    good = {"ome": {"version": "0.5", "multiscales": [scales(2, yx, (1.0, 1.0))]}}
    pack(store(work, "missing", [data], good), folder / "missing.ozx")
    pack(store(work, "axes", [data, data], {"ome": {"multiscales": [scales(2)]}}), folder / "axes.ozx")
    pack(store(work, "none", [data], {"made_by": "someone"}), folder / "none.zarr.zip")
    wrong = store(work, "chunk", [data, data], good)
    json_file = wrong / "0" / "zarr.json"
    held = json.loads(json_file.read_text())
    held["shape"] = held["chunk_grid"]["configuration"]["chunk_shape"] = [1 << 20, 1 << 20]
    json_file.write_text(json.dumps(held))
    pack(wrong, folder / "chunk.ozx")
    torn = store(work, "torn", [data, data], good)
    chunk = next(p for p in (torn / "0").rglob("*") if p.is_file() and p.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:-9])
    pack(torn, folder / "torn.ozx")
    (folder / "cut.ozx").write_bytes((folder / "torn.ozx").read_bytes()[:-400])
    with zipfile.ZipFile(folder / "other.zarr.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    (folder / "other.zattrs").write_text('{"hello": 1}')
    names = ("missing.ozx", "axes.ozx", "none.zarr.zip", "torn.ozx", "cut.ozx")
    return {name: {"!error": "FormatError"} for name in names} | {
        "chunk.ozx": {"!error": "LimitExceeded"}, "other.zarr.zip": {"!error": "NotSupported"},
        "other.zattrs": {"!error": "NotSupported"},
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    import zarr

    with zarr.storage.ZipStore(path, mode="r") as held:
        return {"0/image": zarr.open_group(held, mode="r")["0"][...]}
