"""What a terminal shows while files are converted: bars where it can, plain lines where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.bulk import Listener

if TYPE_CHECKING:
    from sparc_fuse_core.bulk import Recording

__all__ = ["Bars", "size_text"]

_SIGNS = {"ok": "✓", "skipped": "–"}


def size_text(nbytes: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    value, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


class Bars(Listener):
    """One bar for each file and one for all; a line for each finished file."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Any = None
        self._all: Any = None
        self._tasks: dict[str, Any] = {}
        self._count = 0

    def __enter__(self) -> Bars:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def plan(self, recordings: Sequence[Recording]) -> None:
        self._count = len(recordings)
        if self._bars is not None and self._count > 1:
            self._all = self._bars.add_task("all files", total=sum(max(1, r.size) for r in recordings))
            self._sizes = {r.path: max(1, r.size) for r in recordings}

    def step(self, path: str, phase: str, done: int, total: int) -> None:
        if self._bars is None:
            return
        name = f"{phase} {path.rsplit('/', 1)[-1][-40:]}"
        if path not in self._tasks:
            self._tasks[path] = self._bars.add_task(name, total=total or None)
        self._bars.update(self._tasks[path], description=name, completed=done, total=total or None)

    def finished(self, record: dict[str, Any]) -> None:
        path = record["rel_path"]
        if self._bars is not None:
            if path in self._tasks:
                self._bars.remove_task(self._tasks.pop(path))
            if self._all is not None:
                self._bars.advance(self._all, self._sizes.get(path, 0))
        if not self._quiet:
            self._print(_line(record))

    def _print(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def _line(record: dict[str, Any]) -> str:
    status = record["status"]
    if status in _SIGNS:
        size = size_text(record["bytes_out"] or 0)
        lines = [f"{_SIGNS[status]} {record['rel_path']} → {record['std_path']} ({size}, {status})"]
        return "\n".join(lines + [f"    note: {note}" for note in record["warnings"]])
    told = " ".join(filter(None, [f"{record['error']}.".replace("..", "."), record["hint"]]))
    return f"✗ {record['rel_path']} ({status}): {told}"
