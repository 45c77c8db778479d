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
from pathlib import Path

ROUNDS = int(os.environ.get("FUSE_BENCH_ROUNDS", "3"))


def measure(name: str, source: Path, target: Path) -> tuple[float, int, int]:
    """Seconds, peak memory in bytes and size of the output of one run in a process of its own."""
    shutil.rmtree(target, ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.contestants", name, str(source), str(target)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{name} failed on {source}")
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    return seconds, _peak(usage), size


def _peak(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(title: str, source: Path, target: Path) -> None:
    """Interleaved rounds of each contestant; medians and ratios."""
    size = source.stat().st_size
    names = ("fuse", "zarr_default", "copy")
    runs: dict[str, list[tuple[float, int, int]]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            runs[name].append(measure(name, source, target / name))
    print(f"\n{title}: {size / 1e6:.0f} MB, median of {ROUNDS} interleaved runs, interpreter start included")
    print(f"{'':14}{'MB/s':>8}{'peak MiB':>10}{'size ratio':>12}{'speed of fuse':>15}")
    ours = statistics.median(r[0] for r in runs["fuse"])
    for name in names:
        seconds = statistics.median(r[0] for r in runs[name])
        peak = max(r[1] for r in runs[name]) / 2**20
        ratio = size / runs[name][-1][2]
        print(f"{name:14}{size / seconds / 1e6:8.0f}{peak:10.0f}{ratio:12.2f}{seconds / ours:14.2f}x")


def _made(name: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.data", name, str(folder)], check=True, capture_output=True, text=True
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
