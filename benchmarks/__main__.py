"""``make bench``: conversion speed, memory and size beside a plain zarr-python write in the same run."""

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

ROUNDS = int(os.environ.get("FUSE_BENCH_ROUNDS", "3"))


@dataclass
class Run:
    """One run in a process of its own: the work alone, the whole process, peak memory and output in bytes."""

    work: float
    whole: float
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
    return Run(work, whole, _peak(usage), size)


def _peak(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(title: str, source: Path, target: Path) -> None:
    """Interleaved rounds of each contestant; medians and ratios."""
    size = source.stat().st_size
    names = ("fuse", "zarr_default", "copy")
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            runs[name].append(measure(name, source, target / name))
    print(f"\n{title}: {size / 1e6:.0f} MB, medians of {ROUNDS} interleaved runs; how much faster:")
    print(f"{'':14}{'MB/s':>8}{'work':>8}{'whole process':>15}{'peak MiB':>10}{'size ratio':>12}")
    for name in names:
        work = statistics.median(r.work for r in runs[name])
        faster = statistics.median(r.work / o.work for r, o in zip(runs[name], runs["fuse"], strict=True))
        overall = statistics.median(r.whole / o.whole for r, o in zip(runs[name], runs["fuse"], strict=True))
        peak = max(r.peak for r in runs[name]) / 2**20
        ratio = size / runs[name][-1].size
        print(f"{name:14}{size / work / 1e6:8.0f}{faster:7.2f}x{overall:14.2f}x{peak:10.0f}{ratio:12.2f}")


def _made(name: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.data", name, str(folder)],
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
        # Made in processes of their own: a child's peak memory counts what its parent held when it started.
        recording, stack = (_made(name, folder) for name in ("recording", "stack"))
        compare("Recording, 384 channels of int16", recording, Path(made) / "out")
        compare("Image stack, uint16, with pyramid", stack, Path(made) / "out")


if __name__ == "__main__":
    main()
