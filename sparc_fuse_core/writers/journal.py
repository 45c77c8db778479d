"""The journal: which files of a store are whole, with their checksums.

It lies inside the store as ``fuse-journal.jsonl``. While a conversion runs, one line is added for each
finished shard, so that a killed run resumes where it stopped. When it is done, the journal lists every file of
the store, so that `verify_files` can prove later that nothing was lost or changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparc_fuse_core.errors import FormatError, Mismatch
from sparc_fuse_core.provenance import clock
from sparc_fuse_core.writers.shard import Written

__all__ = ["Journal", "file_digest", "verify_files"]

NAME = "fuse-journal.jsonl"
_SYNC_SECONDS = 1.0


class Journal:
    """The journal of a store that is being written.

    Parameters
    ----------
    store
        The folder that is being filled.
    plan
        What is being written: anything that changes the bytes. What was begun after another plan is removed.
    resume
        False to start afresh in any case.
    """

    def __init__(self, store: Path, plan: dict[str, Any], *, resume: bool = True) -> None:
        self._store = store
        self._path = store / NAME
        self._plan = json.dumps(plan, sort_keys=True)
        self.done: dict[str, list[Written]] = {}
        self.stats: dict[str, dict[str, list[float]]] = {}
        self.started = clock()
        self.resumed = resume and self._load()
        if not self.resumed and store.is_dir():
            shutil.rmtree(store)  # what another plan left would be listed as part of this store
        store.mkdir(parents=True, exist_ok=True)
        self._synced = 0.0
        self._file = self._path.open("ab" if self.resumed else "wb")
        if not self.resumed:
            self._line({"plan": json.loads(self._plan), "started": self.started})

    def _load(self) -> bool:
        """Take over the units of an earlier run whose files are still what they were."""
        lines = _lines(self._path)
        if not lines or json.dumps(lines[0].get("plan"), sort_keys=True) != self._plan:
            return False
        self.started = str(lines[0].get("started", self.started))
        for line in lines[1:]:
            files = [Written(*row) for row in line.get("files", [])]
            if files and all(_intact(self._store, f) for f in files):
                self.done[line["unit"]] = files
                self.stats[line["unit"]] = line.get("stats", {})
        self._truncate_torn_line()
        return True

    def _truncate_torn_line(self) -> None:
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with self._path.open("r+b") as file:
                file.truncate(whole)

    def _line(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        # What a power failure takes from between two of these is converted again: resuming trusts checksums alone.
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def add(self, unit: str, files: Iterable[Written], stats: dict[str, list[float]] | None = None) -> None:
        """Note that ``unit`` is whole, with what was learnt of its values."""
        held = list(files)
        self.done[unit] = held
        self.stats[unit] = stats or {}
        rows = [[f.path, f.nbytes, f.sha256] for f in held]
        self._line({"unit": unit, "files": rows, "stats": self.stats[unit]})

    def close(self) -> None:
        self._file.close()

    def finish(self) -> None:
        """Replace the running journal by the sorted list of all files of the store."""
        self.close()
        known = {f.path: f for files in self.done.values() for f in files}
        rows = []
        for path in sorted(_files(self._store)):
            held = known.get(path) or Written(path, *file_digest(self._store / path))
            rows.append(json.dumps([held.path, held.nbytes, held.sha256], separators=(",", ":")))
        part = self._path.with_name(NAME + ".part")
        part.write_text("\n".join(rows) + "\n", encoding="utf-8")
        os.replace(part, self._path)


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    try:
        for raw in path.read_bytes().split(b"\n")[:-1]:
            lines.append(json.loads(raw))
    except (OSError, ValueError):
        return lines  # a torn or foreign line ends what can be trusted
    return [line for line in lines if isinstance(line, dict)]


def _files(store: Path) -> list[str]:
    return [
        path.relative_to(store).as_posix()
        for path in store.rglob("*")
        if path.is_file() and path.name != NAME and not path.name.endswith(".part")
    ]


def file_digest(path: Path) -> tuple[int, str]:
    """Length and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return path.stat().st_size, digest.hexdigest()


def _intact(store: Path, held: Written) -> bool:
    path = store / held.path
    if not path.is_file() or path.stat().st_size != held.nbytes:
        return False
    return file_digest(path)[1] == held.sha256


def verify_files(store: Path) -> int:
    """Compare every file of a finished store with its journal; give their number.

    Raises `Mismatch` naming the first ones that are missing, changed or not listed.
    """
    if not (store / NAME).is_file():
        raise FormatError(
            f"{store.name}: has no journal ({NAME}); it was not written by SPARC FUSE or is not finished",
            hint="Use `sparc-fuse verify STORE --against SOURCE` to compare it with its source file.",
        )
    try:
        rows = [json.loads(line) for line in (store / NAME).read_text("utf-8").splitlines()]
        listed = {str(path): Written(str(path), int(size), str(digest)) for path, size, digest in rows}
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"{store.name}: its journal is damaged or the conversion was not finished"
        ) from error
    present = set(_files(store))
    wrong = sorted(set(listed) ^ present) + [
        p for p in sorted(set(listed) & present) if not _intact(store, listed[p])
    ]
    if wrong:
        shown = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "")
        raise Mismatch(
            f"{store.name}: {len(wrong)} of {len(listed)} files are missing, changed or new ({shown})",
            hint="Convert the source again; do not trust this copy.",
        )
    return len(listed)
