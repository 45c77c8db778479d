"""The writers: whatever the shape and type, the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import convert_tree, load_mat, noise, time_major, zarr_values

from sparc_fuse_core.model import Array, LazyArray, Scene, Stream, from_numpy, images, recording
from sparc_fuse_core.writers import mat

DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# -- any shape, any type ------------------------------------------------------------------------------------


@QUICK
@given(
    channels=st.integers(1, 70),
    samples=st.one_of(st.integers(1, 400), st.integers(4000, 4200), st.integers(8000, 40_000)),
    dtype=st.sampled_from(DTYPES),
    rate=st.sampled_from([0.5, 100.0, 4096.0, 30_000.0]),
    by_time=st.booleans(),
    zarr_format=st.sampled_from([2, 3]),
    seed=st.integers(0, 99),
)
def test_signals_come_back_bit_by_bit(
    tmp_path_factory: Any,
    channels: int,
    samples: int,
    dtype: str,
    rate: float,
    by_time: bool,
    zarr_format: int,
    seed: int,
) -> None:
    values = noise((channels, samples), dtype, seed)
    data = time_major(values) if by_time else from_numpy(values)
    tree = lambda: recording([Stream(data, rate, channel_names=[f"c{i}" for i in range(channels)])])  # noqa: E731
    if values.dtype.kind == "f" and not np.isfinite(values).any():
        return
    place = convert_tree(tree, tmp_path_factory.mktemp("x"), zarr_format=zarr_format)
    assert zarr_values(place, "signals").tobytes() == values.tobytes()
    held = xr.open_zarr(place)["signals"]
    assert held.dtype == values.dtype  # no zero has become NaN
    assert held.values.tobytes() == values.tobytes()


@QUICK
@given(
    shape=st.lists(st.integers(1, 40), min_size=0, max_size=4),
    dtype=st.sampled_from([*DTYPES, "f2", "?", "c8", "c16"]),
    zarr_format=st.sampled_from([2, 3]),
    lazy=st.booleans(),
    seed=st.integers(0, 99),
)
def test_arrays_come_back_bit_by_bit(
    tmp_path_factory: Any,
    small_pieces: None,
    shape: list[int],
    dtype: str,
    zarr_format: int,
    lazy: bool,
    seed: int,
) -> None:
    values = np.asarray(noise((*shape, 1), dtype, seed)[..., 0])
    array = Array("numbers", from_numpy(values) if lazy else values)
    text = Array("words", np.array([["a", ""], ["µ", "long " * 50]], dtype=object), ("row", "column"))
    beside = Stream(np.ones((1, 3)), 1.0)
    tree = lambda: recording([beside], arrays=[array, text])  # noqa: E731
    place = convert_tree(tree, tmp_path_factory.mktemp("x"), zarr_format=zarr_format)
    held = xr.open_zarr(place)
    assert held["numbers"].dtype == values.dtype
    assert held["numbers"].values.tobytes() == values.tobytes()
    assert held["words"].values.tolist() == text.data.tolist()


@QUICK
@given(
    lead=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    height=st.integers(1, 180),
    width=st.integers(1, 180),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "u4", "f4", "f8"]),
    zarr_format=st.sampled_from([2, 3]),
    seed=st.integers(0, 99),
)
def test_pictures_and_their_pyramids(
    tmp_path_factory: Any,
    small_pieces: None,
    lead: list[int],
    height: int,
    width: int,
    dtype: str,
    zarr_format: int,
    seed: int,
) -> None:
    values = noise((*lead, height, width), dtype, seed)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
    dims = ("t", "c", "z", "y", "x")[3 - len(lead) :]
    tree = lambda: images([Scene([from_numpy(values)], dims, pixel_size={"y": 0.5, "x": 0.25})])  # noqa: E731
    place = convert_tree_image(tree, tmp_path_factory.mktemp("x"), zarr_format=zarr_format)
    opened = xr.open_datatree(place, engine="zarr")
    assert opened["0/image"].dtype == values.dtype
    wanted, level = values, 0
    while True:
        ours = opened[f"{level}/image"]
        assert ours.dims == dims
        if values.dtype.kind == "f":
            np.testing.assert_allclose(ours.values, wanted, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(ours.values, wanted)
        centres = (np.arange(wanted.shape[-1]) + 0.5) * values.shape[-1] / wanted.shape[-1] - 0.5
        np.testing.assert_allclose(ours["x"], centres * 0.25)
        if max(wanted.shape[-2:]) <= 40:
            break
        wanted, level = mean_of_four(wanted), level + 1
    assert str(level + 1) not in opened.children


def convert_tree_image(tree: Callable[[], Any], folder: Path, **options: Any) -> Path:
    place = convert_tree(tree, folder, **options)
    assert place.name == "x.ome.zarr"
    return place


def mean_of_four(values: np.ndarray) -> np.ndarray:
    """Independent of the product: sums of shifted copies in float64, halves rounded up."""
    high, wide = values.shape[-2] % 2, values.shape[-1] % 2
    padded = np.pad(values.astype("f8"), [(0, 0)] * (values.ndim - 2) + [(0, high), (0, wide)], "edge")
    mean = sum(padded[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
    return (
        mean.astype(values.dtype) if values.dtype.kind == "f" else np.floor(mean + 0.5).astype(values.dtype)
    )


def test_an_ordinary_picture_has_ordinary_levels(tmp_path: Path) -> None:
    """With the real limits: two levels below 1300 x 700, colours read as one."""
    values = noise((3, 1300, 700), "u1", 1)
    data = LazyArray(values.shape, "u1", lambda key: values[key], blocks=values.shape)
    place = convert_tree_image(lambda: images([Scene([data], ("c", "y", "x"), rgb=True)]), tmp_path)
    opened = xr.open_datatree(place, engine="zarr")
    assert [opened[f"{n}/image"].shape for n in range(3)] == [(3, 1300, 700), (3, 650, 350), (3, 325, 175)]
    np.testing.assert_array_equal(opened["2/image"], mean_of_four(mean_of_four(values)))


@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_overview_holds_the_extremes(dtype: str, by_time: bool, tmp_path: Path) -> None:
    values = noise((3, 300_123), dtype, 5)
    if dtype == "f4":
        values[1, 5000:20_000] = np.nan
    data = time_major(values) if by_time else from_numpy(values)
    place = convert_tree(lambda: recording([Stream(data, 1000.0)]), tmp_path)
    for factor in (256, 4096):
        ours = zarr_values(place, f"overview/signals_{factor}")
        edges = np.arange(0, values.shape[-1], factor)
        low, high = np.fmin.reduceat(values, edges, -1), np.fmax.reduceat(values, edges, -1)
        np.testing.assert_array_equal(ours, np.stack([low, high], -1))


def test_sweeps_that_are_long_and_short(tmp_path: Path) -> None:
    for samples in (7, 4096, 70_000):
        values = noise((11, 3, samples), "i2", samples)
        place = convert_tree(lambda v=values: recording([Stream(v, 20_000.0)]), tmp_path / str(samples))
        assert zarr_values(place, "signals").tobytes() == values.tobytes()


def test_mat_holds_what_matlab_has(
    small_pieces: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 5, and version 7.3 when its limit is passed: equal variables."""
    rows = {f"a_{d.strip('?') or 'bool'}": noise((5, 4, 3), d, 1) for d in [*DTYPES, "?", "c16"]} | {
        "1 odd name": np.arange(3.0),
        "x" * 80: np.arange(4),
        "empty": np.empty((0, 3)),
    }
    arrays = [Array(name, value) for name, value in rows.items()]
    words = Array("words", np.array(["a", "", "µ"], dtype=object))
    big = Stream(time_major(noise((3, 9000), "i2", 3)), 100.0, channel_names=["x", "y", "z"], gain=[1, 2, 3])
    tree = lambda: recording([big], arrays=[*arrays, words])  # noqa: E731
    older = convert_tree(tree, tmp_path / "5", file_format="mat")
    monkeypatch.setattr(mat, "V5_LIMIT", 1000)
    newer = convert_tree(tree, tmp_path / "73", file_format="mat")
    assert older.read_bytes()[:10] == b"MATLAB 5.0"
    assert newer.read_bytes()[:10] == b"MATLAB 7.3"
    five, seven = load_mat(older), load_mat(newer)
    assert set(five) == set(seven)
    for name, values in five.items():
        if name != "metadata":
            assert seven[name].shape == values.shape, name
            np.testing.assert_array_equal(seven[name], values, err_msg=name)
            assert seven[name].dtype == values.dtype or values.dtype == object, name
    np.testing.assert_array_equal(five["a_bool"], rows["a_bool"])
    np.testing.assert_array_equal(five["a_c16"], rows["a_c16"])
