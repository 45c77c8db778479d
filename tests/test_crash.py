"""kill -9 at any moment: nothing half-done is ever visible, and going on gives the bytes of an unbroken run.

FUSE_KILLS sets the number of kills (12), FUSE_SEED where they fall.
"""

from __future__ import annotations

import filecmp
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparc_fuse_core.verification import verify

pytestmark = pytest.mark.crash

KILLS = int(os.environ.get("FUSE_KILLS", "12"))
SEED = int(os.environ.get("FUSE_SEED", "1"))
IN_A_ROW = 3  # kills of one conversion before it is left to finish
WORKER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from sparc_fuse_core.bulk import Listener, convert_file
    from sparc_fuse_core.pipeline import Options

    class Teller(Listener):
        def step(self, path, phase, done, total):
            print(done / total, flush=True)

    print("begin", flush=True)
    record = convert_file(Path(sys.argv[1]), Path(sys.argv[2]), Options(), listener=Teller())
    print("end", record["status"], record["error"], flush=True)
    """
)


def write_recording(path: Path) -> None:
    """200 MB of 8 interleaved channels."""
    block = np.random.default_rng(1).integers(-5000, 5000, 8 << 19, "i2").tobytes()
    nbytes = len(block) * 25
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", nbytes + 36, b"WAVE", b"fmt ", 16, 1, 8, 20_000, 320_000, 16, 16
    )
    with path.open("wb") as file:
        file.write(head + struct.pack("<4sI", b"data", nbytes))
        for _ in range(25):
            file.write(block)


def write_stack(path: Path) -> None:
    """90 planes of 1000 x 1100 pixels, each another one: a pyramid of two levels, 200 MB."""
    import tifffile

    rng = np.random.default_rng(2)
    plane = rng.integers(0, 4000, (1000, 1100)).astype("u2")
    with tifffile.TiffWriter(path, imagej=True) as file:
        planes = np.stack([np.roll(plane, 7 * i) for i in range(90)])
        file.write(planes, metadata={"axes": "ZYX"})


def start(source: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(source), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )


def run(source: Path, folder: Path) -> Path:
    """An unbroken run, or one that goes on; gives the finished output."""
    with start(source, folder) as worker:
        assert worker.stdout is not None
        last = worker.stdout.read().splitlines()[-1]
    assert last.startswith("end ok"), last
    (made,) = [p for p in folder.iterdir() if p.name.endswith(".zarr")]
    return made


def data_files(folder: Path) -> set[tuple[Path, int, int]]:
    """Chunks and shards of a store that is being written, with sizes and times."""
    files = [p for p in folder.rglob("*.partial/**/c/**/*") if p.is_file()]
    return {(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files}


def kill(source: Path, folder: Path, point: float) -> bool:
    """Kill a run when it has done ``point`` of its work: below 0 as it begins, 1 when all data are written.

    Gives whether it died between its first and its last byte of data.
    """
    before = data_files(folder)
    with start(source, folder) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            told = line.split()[0]
            if (told == "begin" and point < 0) or (told[0].isdigit() and float(told) >= point):
                worker.send_signal(signal.SIGKILL)
                break
    made = [p for p in folder.iterdir() if p.name.endswith(".zarr")]
    if made:
        verify(made[0])  # it was swift: then it is whole
        return False
    described = any(p.is_file() for p in folder.glob("*.partial/zarr.json"))
    return data_files(folder) != before and not described


def points(count: int, rng: random.Random) -> list[float]:
    """Most in the data, some at the beginning and at the end."""
    return [rng.choice([-1.0, 1.0, *(rng.random() for _ in range(6))]) for _ in range(count)]


def assert_identical(left: Path, right: Path) -> None:
    """Like ``diff -r``."""
    names = [sorted(str(p.relative_to(top)) for p in top.rglob("*")) for top in (left, right)]
    assert names[0] == names[1]
    files = [name for name in names[0] if (left / name).is_file()]
    _, different, odd = filecmp.cmpfiles(left, right, files, shallow=False)
    assert not different and not odd


@pytest.mark.parametrize(("name", "write"), [("long.wav", write_recording), ("stack.tif", write_stack)])
def test_killed_conversions_go_on(name: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    source = tmp_path / name
    write(source)
    whole = run(source, tmp_path / "whole")
    assert verify(whole, against=source)["values"] > 0
    rng = random.Random(f"{SEED}{name}")
    todo, inside, killed = points(max(1, KILLS // 2), rng), 0, 0
    while todo:
        row, todo = todo[:IN_A_ROW], todo[IN_A_ROW:]
        folder = tmp_path / f"broken{len(todo)}"
        folder.mkdir()
        for point in row:
            if any(p.name.endswith(".zarr") for p in folder.iterdir()):
                break
            killed += 1
            inside += kill(source, folder, point)
        if not any(p.name.endswith(".zarr") for p in folder.iterdir()):
            run(source, folder)
        (made,) = [p for p in folder.iterdir() if p.name.endswith(".zarr")]
        assert_identical(whole, made)
        assert [p.name for p in folder.iterdir() if p != made and p.name != "fuse-log.jsonl"] == []
    print(f"{inside} of {killed} kills fell into the writing of data")
    assert inside * 4 >= killed, f"{inside} of {killed} kills fell into the writing of data"
