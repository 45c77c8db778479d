"""The writers: whatever the shape, the same bits; whatever goes wrong, the old output or none."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import convert_tree, load_mat, tree_bytes

from sparc_fuse_core.errors import Busy, Cancelled, DiskFull, Exists
from sparc_fuse_core.model import Array, LazyArray, Scene, Stream, from_numpy, images, recording
from sparc_fuse_core.pipeline import exclusive
from sparc_fuse_core.verification import verify
from sparc_fuse_core.writers import layout, mat, plan, pyramid

OUTPUTS = ("zarr", "zarr.zip", "npz", "mat")
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
QUICK = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def noise(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Values of the whole range of a type, zeros and NaN among them."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
    if kind.kind == "f":
        values = rng.normal(size=shape).astype(kind)
        values[rng.random(shape) < 0.1] = np.nan
    else:
        info = np.iinfo(kind)
        values = rng.integers(info.min, info.max, shape, kind, endpoint=True)
    values[rng.random(shape) < 0.1] = 0
    return values


def time_major(values: np.ndarray) -> LazyArray:
    """The same values as a file of interleaved samples gives them."""
    rows = np.ascontiguousarray(values.T)
    return LazyArray(values.shape, values.dtype, lambda key: rows[key[::-1]].T, time_major=True)


def stored(place: Path, name: str) -> np.ndarray:
    array: Any = zarr.open_group(str(place), mode="r")[name]
    return np.asarray(array[...])


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that small arrays have many chunks, shards and passes."""
    for module, name, value in (
        (layout, "TILE", 32),
        (layout, "SLAB_BYTES", 16 << 10),
        (layout, "CHUNK_BYTES", 2 << 10),
        (layout, "SHARD_BYTES", 48 << 10),
        (pyramid, "SMALLEST", 40),
        (plan, "SMALLEST", 40),
    ):
        monkeypatch.setattr(module, name, value)


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
    assert stored(place, "signals").tobytes() == values.tobytes()
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
        ours = stored(place, f"overview/signals_{factor}")
        edges = np.arange(0, values.shape[-1], factor)
        low, high = np.fmin.reduceat(values, edges, -1), np.fmax.reduceat(values, edges, -1)
        np.testing.assert_array_equal(ours, np.stack([low, high], -1))


def test_sweeps_that_are_long_and_short(tmp_path: Path) -> None:
    for samples in (7, 4096, 70_000):
        values = noise((11, 3, samples), "i2", samples)
        place = convert_tree(lambda v=values: recording([Stream(v, 20_000.0)]), tmp_path / str(samples))
        assert stored(place, "signals").tobytes() == values.tobytes()


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


# -- one writer, whole outputs ------------------------------------------------------------------------------


def short_tree(samples: int = 50_000) -> Callable[[], Any]:
    values = noise((4, samples), "i2", 7)
    events = np.arange(3.0)
    return lambda: recording([Stream(time_major(values), 100.0)], arrays=[Array("extra", events)])


def visible(folder: Path) -> list[str]:
    """Finished outputs: what neither hides nor says that it is part of something."""
    return sorted(
        p.name
        for p in folder.iterdir()
        if p.name.startswith("x") and p.suffix not in (".fake", ".partial", ".part")
    )


@pytest.mark.parametrize("file_format", OUTPUTS)
def test_nothing_is_visible_before_the_end(file_format: str, tmp_path: Path) -> None:
    seen = []
    place = convert_tree(
        short_tree(), tmp_path, file_format=file_format, progress=lambda *_: seen.append(visible(tmp_path))
    )
    assert seen and all(names == [] for names in seen)
    assert visible(tmp_path) == [place.name]
    left = [p.name for p in tmp_path.iterdir() if p.name not in (place.name, "x.fake")]
    assert left == [], "something was left beside the output"


@pytest.mark.parametrize("file_format", OUTPUTS)
def test_progress_ends_where_it_said(file_format: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    convert_tree(short_tree(), tmp_path, file_format=file_format, progress=lambda *now: told.append(now))
    done = [d for d, _ in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize("file_format", OUTPUTS)
def test_overwriting_keeps_the_old_until_the_new_is_whole(file_format: str, tmp_path: Path) -> None:
    place = convert_tree(short_tree(), tmp_path, file_format=file_format)
    old = tree_bytes(place)
    with pytest.raises(Cancelled):
        convert_tree(short_tree(60_000), tmp_path, file_format=file_format, overwrite=True, cancel=_set())
    assert tree_bytes(place) == old
    kept: list[bool] = []
    convert_tree(
        short_tree(60_000),
        tmp_path,
        file_format=file_format,
        overwrite=True,
        progress=lambda *_: kept.append(tree_bytes(place) == old),
    )
    assert kept and all(kept)
    assert tree_bytes(place) != old
    assert visible(tmp_path) == [place.name]


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_an_output_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    place = convert_tree(short_tree(), tmp_path)
    old = tree_bytes(place)
    assert convert_tree(short_tree(), tmp_path) == place
    assert tree_bytes(place) == old
    place.joinpath("zarr.json").write_text(
        (place / "zarr.json").read_text().replace('"x.fake"', '"another.fake"')
    )
    with pytest.raises(Exists) as raised:
        convert_tree(short_tree(), tmp_path)
    assert raised.value.hint


def test_two_processes_one_winner(tmp_path: Path) -> None:
    """The first is held in the middle of its work while the second asks for the same output."""
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from test_writer import short_tree
        from stores import convert_tree
        def wait(done, total):
            if not told:
                told.append(print("in", flush=True))
                sys.stdin.readline()
        told = []
        print(convert_tree(short_tree(), Path({str(tmp_path)!r}), progress=wait), flush=True)
        """
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None and first.stdin is not None
        assert first.stdout.readline() == "in\n"
        for overwrite in (False, True):
            with pytest.raises(Busy) as raised:
                convert_tree(short_tree(), tmp_path, overwrite=overwrite)
            assert raised.value.hint
        first.stdin.write("go\n")
        first.stdin.flush()
        place = Path(first.stdout.read().strip())
    assert first.returncode == 0
    assert verify(place)["files"] > 0
    with exclusive(place):  # the lock is free again
        pass


# -- the disk is full ---------------------------------------------------------------------------------------


class FullDisk:
    """Of all writes to files below a folder, the n-th fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.left, self.calls = -1, 0
        self._folder, self._open = str(folder), io.open
        monkeypatch.setattr("io.open", self._opened)
        monkeypatch.setattr("builtins.open", self._opened)

    def _opened(self, file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        opened = self._open(file, mode, *args, **named)
        ours = isinstance(file, str | Path) and str(file).startswith(self._folder)
        return _Counted(opened, self) if ours and set(mode) & set("wax+") else opened

    def count(self) -> None:
        self.calls += 1
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")


class _Counted:
    def __init__(self, file: Any, disk: FullDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> Any:
        self._disk.count()
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


@pytest.mark.parametrize(
    ("file_format", "zarr_format"), [("zarr", 3), ("zarr", 2), *((f, 3) for f in OUTPUTS[1:])]
)
def test_full_disk_at_every_write(
    file_format: str, zarr_format: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"file_format": file_format, "zarr_format": zarr_format, "overwrite": True}
    place = convert_tree(short_tree(9000), tmp_path, **options)
    old = tree_bytes(place)
    new = short_tree(20_000)
    disk = FullDisk(monkeypatch, tmp_path)
    convert_tree(short_tree(9000), tmp_path, **options)
    assert disk.calls > 3
    writes = disk.calls
    for number in {*range(2, 12), *range(12, writes, 3), writes - 1, writes - 2}:
        disk.left = number + 1  # the first write makes the source of this test
        with pytest.raises(DiskFull) as raised:
            convert_tree(new, tmp_path, resume=False, **options)
        assert raised.value.hint
        disk.left = -1
        assert place.exists(), f"write {number} of {writes}"
        held = tree_bytes(place)
        assert set(held) == set(old)
        assert visible(tmp_path) == [place.name]
    assert convert_tree(new, tmp_path, **options) == place
    if file_format.startswith("zarr"):
        assert verify(place)["files"] > 0
    left = [p.name for p in tmp_path.iterdir() if p.name not in (place.name, "x.fake")]
    assert left == [], "something was left beside the output"


# -- stop and go on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_stopped_work_goes_on_where_it_was(
    zarr_format: int, small_pieces: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    values = noise((6, 170, 150), "u2", 3)
    read: list[int] = []

    def counted(key: Any) -> np.ndarray:
        read.append(values[key].nbytes)
        return values[key]

    tree = lambda: images([Scene([LazyArray(values.shape, "u2", counted)], ("z", "y", "x"))])  # noqa: E731
    whole = convert_tree(tree, tmp_path / "whole", zarr_format=zarr_format)
    everything = sum(read)
    read.clear()
    stop = threading.Event()

    def halfway(done: int, total: int) -> None:
        if done > total / 2:
            stop.set()

    with pytest.raises(Cancelled) as raised:
        convert_tree(tree, tmp_path / "b", zarr_format=zarr_format, workers=1, progress=halfway, cancel=stop)
    assert raised.value.hint
    assert visible(tmp_path / "b") == []
    read.clear()
    told: list[tuple[int, int]] = []
    place = convert_tree(
        tree, tmp_path / "b", zarr_format=zarr_format, progress=lambda *now: told.append(now)
    )
    assert 0 < sum(read) < 0.8 * everything
    assert told[-1][0] == told[-1][1]
    assert tree_bytes(place) == tree_bytes(whole)


def test_another_plan_is_not_continued(tmp_path: Path) -> None:
    """What was begun with other data or options is thrown away, not mixed in."""
    stop = threading.Event()
    with pytest.raises(Cancelled):
        convert_tree(short_tree(900_000), tmp_path, progress=lambda *_: stop.set(), cancel=stop)
    place = convert_tree(short_tree(), tmp_path, zarr_format=3)
    np.testing.assert_array_equal(stored(place, "signals"), noise((4, 50_000), "i2", 7))
    assert verify(place)["files"] > 0


# -- memory -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A WAV of 600 MB: 12 channels of 16 bits."""
    import struct

    path = tmp_path_factory.mktemp("long") / "long.wav"
    block = np.random.default_rng(0).integers(-900, 900, 12 << 9, "i2").tobytes() * 1024
    count, channels, rate = 50, 12, 30_000
    nbytes = len(block) * count
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", nbytes + 36, b"WAVE", b"fmt ", 16, 1, channels, rate,
                       rate * channels * 2, channels * 2, 16)  # fmt: skip
    with path.open("wb") as file:
        file.write(head + struct.pack("<4sI", b"data", nbytes))
        for _ in range(count):
            file.write(block)
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("file_format", [*OUTPUTS, "mat 7.3"])
def test_memory_stays_bounded(file_format: str, long_recording: Path, tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import resource, sys, json
        from sparc_fuse_core.bulk import convert_file
        from sparc_fuse_core.pipeline import Options
        from sparc_fuse_core.writers import mat
        from pathlib import Path
        if {file_format == "mat 7.3"}:
            mat.V5_LIMIT = 1 << 20
        options = Options(file_format={file_format.split(" ")[0]!r})
        record = convert_file({str(long_recording)!r}, Path({str(tmp_path)!r}), options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps([record["status"], record["error"], record["std_path"], peak]))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, error, place, peak = json.loads(done.stdout)
    assert status == "ok", error
    assert peak / 1024 <= 400, f"{peak / 1024:.0f} MiB"
    assert Path(place).exists()
