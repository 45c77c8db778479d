"""Two writers, a full disk, a stop, little memory: the whole output, the old one, or none."""

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
from stores import convert_tree, noise, time_major, tree_bytes, zarr_values

from sparc_fuse_core.errors import Busy, Cancelled, DiskFull, Exists
from sparc_fuse_core.model import Array, LazyArray, Scene, Stream, images, recording
from sparc_fuse_core.pipeline import exclusive
from sparc_fuse_core.verification import verify

OUTPUTS = ("zarr", "zarr.zip", "npz", "mat")


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
        from test_interruption import short_tree
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


def test_damaged_parts_are_written_again(
    small_pieces: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may leave shards that are listed as whole and are not: short, changed, or gone."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    values = noise((8, 170, 150), "u2", 3)
    tree = lambda: images([Scene([values], ("z", "y", "x"))])  # noqa: E731
    whole = tree_bytes(convert_tree(tree, tmp_path / "whole"))
    stop = threading.Event()

    def late(done: int, total: int) -> None:
        if done > 0.7 * total:
            stop.set()

    with pytest.raises(Cancelled):
        convert_tree(tree, tmp_path / "b", workers=1, progress=late, cancel=stop)
    (work,) = (tmp_path / "b").glob("*.partial")
    listed = [row[0] for line in (work / "fuse-journal.jsonl").read_text().splitlines()
              for row in json.loads(line).get("files", [])]  # fmt: skip
    short, changed, gone = listed[:3]
    (work / short).write_bytes((work / short).read_bytes()[:-9])
    data = bytearray((work / changed).read_bytes())
    data[len(data) // 3] ^= 16
    (work / changed).write_bytes(data)
    (work / gone).unlink()
    assert tree_bytes(convert_tree(tree, tmp_path / "b")) == whole


def test_another_plan_is_not_continued(tmp_path: Path) -> None:
    """What was begun with other data or options is thrown away, not mixed in."""
    stop = threading.Event()
    with pytest.raises(Cancelled):
        convert_tree(short_tree(900_000), tmp_path, progress=lambda *_: stop.set(), cancel=stop)
    place = convert_tree(short_tree(), tmp_path, zarr_format=3)
    np.testing.assert_array_equal(zarr_values(place, "signals"), noise((4, 50_000), "i2", 7))
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
        import re, json
        from sparc_fuse_core.bulk import convert_file
        from sparc_fuse_core.pipeline import Options
        from sparc_fuse_core.writers import mat
        from pathlib import Path
        if {file_format == "mat 7.3"}:
            mat.V5_LIMIT = 1 << 20
        options = Options(file_format={file_format.split(" ")[0]!r})
        record = convert_file({str(long_recording)!r}, Path({str(tmp_path)!r}), options)
        # Not ru_maxrss: through exec it inherits the peak of the test process that started this one.
        peak = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
        print(json.dumps([record["status"], record["error"], record["std_path"], peak]))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, error, place, peak = json.loads(done.stdout)
    assert status == "ok", error
    assert peak / 1024 <= 400, f"{peak / 1024:.0f} MiB"
    assert Path(place).exists()
