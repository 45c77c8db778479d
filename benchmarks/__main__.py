"""``make bench``: conversion speed, memory and size beside other writers in the same run.

FUSE_BENCH_ROUNDS sets the interleaved rounds (3), FUSE_BENCH_DATA keeps the generated files, FUSE_BENCH names the
parts to run: ``recording``, ``stack``, ``slide``, ``recorders`` (2 GB each of Blackrock, Intan and TDT).
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import SLIDE
from benchmarks.recorders import files

ROUNDS = int(os.environ.get("FUSE_BENCH_ROUNDS", "3"))
PARTS = os.environ.get("FUSE_BENCH", "recording stack slide recorders").split()
SIGNALS = ("fuse", "zarr_default", "copy")
RECORDERS = {
    "ns6": "Blackrock .ns6, 128 channels of int16",
    "rhd": "Intan .rhd, 128 amplifiers, other inputs",
    "tdt": "TDT block, 64 channels of float32",
}
IMAGES = ("fuse", "zarr_default", "ngff_zarr", "ome_zarr", "copy")


@dataclass
class Run:
    """One run in a process of its own: seconds of the work alone and of the whole process, its processor time,
    peak memory and output in bytes."""

    work: float
    whole: float
    cpu: float
    peak: int
    size: int


def measure(name: str, source: Path, target: Path) -> Run:
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.contestants", name, str(source), str(target)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    work = float(process.stdout.read() or "nan")
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - started
    process.stdout.close()
    if status:
        raise SystemExit(f"{name} failed on {source}")
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    return Run(work, whole, usage.ru_utime + usage.ru_stime, _peak(usage), size)


def _peak(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(
    title: str, source: Path, target: Path, names: tuple[str, ...], size: int = 0, rounds: int = ROUNDS
) -> None:
    """Interleaved rounds of each contestant; medians, and how many times longer than ours each one takes."""
    size = size or sum(p.stat().st_size for p in files(source))
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name, source, target / name))
            shutil.rmtree(target / name, ignore_errors=True)
    print(f"\n{title}: {size / 1e6:.0f} MB, medians of {rounds} interleaved runs; times as long as fuse:")
    print(f"{'':14}{'MB/s':>8}{'work':>8}{'process':>9}{'processor':>11}{'peak MiB':>10}{'size ratio':>12}")
    for name in names:
        held, ours = runs[name], runs["fuse"]
        work = statistics.median(r.work for r in held)
        times = [
            statistics.median(getattr(r, what) / getattr(o, what) for r, o in zip(held, ours, strict=True))
            for what in ("work", "whole", "cpu")
        ]
        peak = max(r.peak for r in held) / 2**20
        row = f"{name:14}{size / work / 1e6:8.0f}{times[0]:7.2f}x{times[1]:8.2f}x{times[2]:10.2f}x"
        print(f"{row}{peak:10.0f}{size / held[-1].size:12.2f}", flush=True)


def _made(name: str, folder: Path, module: str = "data") -> Path:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", name, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(done.stdout.strip())


def main() -> None:
    keep = os.environ.get("FUSE_BENCH_DATA")
    with tempfile.TemporaryDirectory(prefix="fuse-bench-") as made:
        folder = Path(keep or made)
        folder.mkdir(parents=True, exist_ok=True)
        out = Path(made) / "out"
        # Made in processes of their own: a child's peak memory counts what its parent held when it started.
        if "recording" in PARTS:
            compare("Recording, 384 channels of int16", _made("recording", folder), out, SIGNALS)
        if "stack" in PARTS:
            compare("Image stack, uint16, with pyramid", _made("stack", folder), out, IMAGES)
        if "slide" in PARTS:
            slide, pixels = _made("slide", folder), SLIDE[0] * SLIDE[1] * 3
            compare("Slide, 100,000 x 80,000 RGB, JPEG tiles", slide, out, ("fuse",), pixels, rounds=1)
        for name, title in RECORDERS.items() if "recorders" in PARTS else ():
            made_file = _made(name, folder, "recorders")
            compare(title, made_file, out, ("fuse", "copy"))
            for path in files(made_file) if not keep else ():
                path.unlink()  # room for the next one


if __name__ == "__main__":
    main()
