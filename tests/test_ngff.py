"""What we write of images is OME-NGFF to others: validated, and opened by readers that are not ours."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaozarrs
from stores import convert_tree
from zarr.storage import ZipStore

from sparc_fuse_core.model import Channel, Scene, images

RNG = np.random.default_rng(4)
STACK = RNG.integers(0, 60000, (2, 3, 1100, 900), "u2")
COLOURS = RNG.integers(0, 256, (3, 640, 520), "u1")


def stack() -> Any:
    channels = [Channel("DAPI", "0000FF", (0, 4000)), Channel("GFP", "00FF00", (10, 900))]
    size, unit = {"z": 2.0, "y": 0.25, "x": 0.5}, dict.fromkeys("zyx", "µm")
    return images([Scene([STACK], "czyx", "cells", size, unit, channels)])


def picture() -> Any:
    return images([Scene([COLOURS], "cyx", rgb=True)])


def scenes() -> Any:
    return images([Scene([COLOURS[:1]], "cyx", "first"), Scene([STACK[0, 0]], "yx", "second")])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("tree", [stack, picture])
def test_three_other_readers_agree(tree: Any, zarr_format: int, tmp_path: Path) -> None:
    """yaozarrs (validator), plain xarray and ome-zarr-py."""
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    wanted = STACK if tree is stack else COLOURS
    store = convert_tree(tree, tmp_path, zarr_format=zarr_format)
    yaozarrs.validate_zarr_store(str(store))
    plain = xr.open_datatree(store, engine="zarr")
    np.testing.assert_array_equal(plain["0/image"].values, wanted)
    (node,) = Reader(parse_url(str(store)))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), wanted)
    assert [level.shape for level in node.data] == [plain[f"{i}/image"].shape for i in range(len(node.data))]
    scale, shift = (
        t[k] for t, k in zip(node.metadata["coordinateTransformations"][1], ("scale", "translation"))
    )
    if tree is stack:
        assert scale == [1.0, 2.0, 0.5, 1.0] and shift == [0.0, 0.0, 0.125, 0.25]
        assert node.metadata["channel_names"] == ["DAPI", "GFP"]
        assert node.metadata["contrast_limits"] == [[0, 4000], [10, 900]]
        assert plain["1/image"]["y"].values[:2].tolist() == [0.125, 0.625]


def test_scenes_are_found_by_others(tmp_path: Path) -> None:
    store = convert_tree(scenes, tmp_path)
    yaozarrs.validate_zarr_store(str(store))
    assert json.loads((store / "zarr.json").read_text())["attributes"]["ome"]["bioformats2raw.layout"] == 3
    tree = xr.open_datatree(store, engine="zarr")
    np.testing.assert_array_equal(tree["1/0/image"].values, STACK[0, 0])


def test_the_zip_form_is_an_ozx(tmp_path: Path) -> None:
    packed = convert_tree(stack, tmp_path, file_format="zarr.zip")
    assert packed.name == "x.ozx"
    with zipfile.ZipFile(packed) as archive:
        assert json.loads(archive.comment)["ome"]["version"] == "0.5"
        names = archive.namelist()
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
    assert names[0] == "zarr.json"
    metadata = [name.endswith("zarr.json") for name in names]
    assert metadata == sorted(metadata, reverse=True), "metadata first"
    with ZipStore(packed, mode="r") as store:
        tree = xr.open_datatree(store, engine="zarr")
        np.testing.assert_array_equal(tree["0/image"].values, STACK)


def test_axes_without_a_name_in_ngff_are_kept_and_told(tmp_path: Path) -> None:
    """Two axes besides t, z, y and x cannot be described: no description is better than a false one."""

    def sweep() -> Any:
        return images([Scene([STACK[:, :, :64, :64]], ("emission", "c", "y", "x"))])

    store = convert_tree(sweep, tmp_path)
    held = json.loads((store / "zarr.json").read_text())["attributes"]
    assert "ome" not in held and "emission" in held["fuse"]["warnings"][0]
    np.testing.assert_array_equal(
        xr.open_datatree(store, engine="zarr")["0/image"].values, STACK[:, :, :64, :64]
    )
