"""Jobs: conversions that outlive the page that asked for them.

A job is a folder: ``request.json``, ``state.json``, ``progress.json``, ``log.jsonl``, ``report.json``.
Whoever sees the folder can show, cancel or resume it. A worker process runs each job, so a decoder that hangs or
crashes takes down its job and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FuseError, NotFound
from sparc_fuse_core.report import failure, new_record

if TYPE_CHECKING:
    from sparc_fuse_core.bulk import Recording

__all__ = ["Job", "Queue", "run_job"]

STATES = ("queued", "running", "done", "failed", "cancelled")
_ID = re.compile(r"\d{20}-[\w-]{22}")
_TICK = 0.1  # seconds between two looks at the workers, and between two progress files


class Job:
    """One job in its folder; any process may hold one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    @property
    def request(self) -> dict[str, Any]:
        return _read(self.folder / "request.json") or {}

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``; a worker that died means failed."""
        held = _read(self.folder / "state.json") or {}
        state = str(held.get("state", "queued"))
        if state == "running" and not _alive(held.get("pid")):
            return "cancelled" if (self.folder / "cancel").exists() else "failed"
        return state

    @property
    def error(self) -> str | None:
        """Why the whole job failed, as one sentence."""
        held = _read(self.folder / "state.json") or {}
        if self.state == "failed" and held.get("state") == "running":
            return "the worker process died, perhaps out of memory; resume the job to go on where it stopped"
        return held.get("error")

    def progress(self) -> dict[str, Any]:
        """``done`` and ``total`` bytes, and one entry for each file: rel_path, status, done, total, phase."""
        return _read(self.folder / "progress.json") or {"done": 0, "total": 0, "files": []}

    def report(self) -> list[dict[str, Any]]:
        """The records of the recordings that are through."""
        done = _read(self.folder / "report.json")
        return list(done) if isinstance(done, list) else _lines(self.folder / "log.jsonl")

    def cancel(self) -> None:
        """Stop the job; what was finished stays, what was begun can be resumed."""
        (self.folder / "cancel").touch()
        held = _read(self.folder / "state.json") or {}
        if held.get("state") == "queued":
            _write(self.folder / "state.json", {"state": "cancelled"})

    def resume(self) -> None:
        """Queue the job again; finished outputs are kept, half-written ones continued."""
        if self.state in ("queued", "running"):
            return
        for name in ("cancel", "report.json", "log.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
        _write(self.folder / "state.json", {"state": "queued", "resumed": True})

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.state})"


class Queue:
    """Runs jobs in worker processes, a few at a time, oldest first.

    Parameters
    ----------
    folder
        Where jobs lie; the user's data folder when None.
    workers
        How many jobs run at once.
    """

    def __init__(self, folder: Path | str | None = None, workers: int = 2) -> None:
        self.folder = Path(folder) if folder is not None else _jobs_folder()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._workers = workers
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, request: dict[str, Any]) -> Job:
        """Queue a conversion.

        ``request`` has dataset_id, paths, file_format, output_dir, version, catalogue, overwrite, and ``told``:
        reader options of single files by path.
        """
        job = Job(self.folder / f"{time.time_ns():020d}-{secrets.token_urlsafe(16)}")
        job.folder.mkdir(mode=0o700)
        _write(job.folder / "request.json", request)
        _write(job.folder / "state.json", {"state": "queued"})
        self.start()
        return job

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        found = [Job(p) for p in self.folder.iterdir() if (p / "request.json").is_file()]
        return sorted(found, key=lambda job: job.id, reverse=True)

    def get(self, job_id: str) -> Job:
        """The job of this id; `NotFound` otherwise."""
        place = self.folder / job_id
        if not _ID.fullmatch(job_id) or not (place / "request.json").is_file():
            raise NotFound(f"{job_id}: no such job", hint="It may have been removed.")
        return Job(place)

    def start(self) -> None:
        """Look after queued jobs from now on; safe to call again."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._thread = threading.Thread(target=self._loop, name="fuse-queue", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Stop the workers; their jobs can be resumed."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for process in self._running.values():
            process.terminate()
            process.wait()
        self._running.clear()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._step()
            if not self._running and not any(job.state == "queued" for job in self.jobs()):
                self._wake.wait(5)
            else:
                self._wake.wait(_TICK)
            self._wake.clear()

    def _step(self) -> None:
        for job_id, process in list(self._running.items()):
            self._watch(Job(self.folder / job_id), process)
        for job in reversed(self.jobs()):
            if len(self._running) >= self._workers:
                return
            if job.id not in self._running and job.state == "queued" and _claim(job):
                self._running[job.id] = _spawn(job)

    def _watch(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            del self._running[job.id]
            held = _read(job.folder / "state.json") or {}
            if held.get("state") in ("running", "starting"):
                cancelled = (job.folder / "cancel").exists()
                error = (
                    None
                    if cancelled
                    else f"the worker process ended unexpectedly (status {process.returncode})"
                )
                _write(
                    job.folder / "state.json",
                    {"state": "cancelled" if cancelled else "failed", "error": error},
                )
        elif (job.folder / "cancel").exists():
            _end(job, process)


def _end(job: Job, process: subprocess.Popen[bytes]) -> None:
    """A cancelled worker stops at its next block; one that does not within 5 s is killed."""
    mark = job.folder / "cancel"
    if time.time() - mark.stat().st_mtime > 5:
        process.kill()
    elif not (job.folder / "told").exists():
        (job.folder / "told").touch()
        process.send_signal(signal.SIGTERM)


def _claim(job: Job) -> bool:
    """Only one queue starts a job, however many look at the folder."""
    held = _read(job.folder / "state.json") or {}
    try:
        os.rename(job.folder / "state.json", job.folder / "state.claimed")
    except FileNotFoundError:
        return False
    _write(job.folder / "state.json", {**held, "state": "running", "pid": os.getpid()})
    (job.folder / "state.claimed").unlink(missing_ok=True)
    (job.folder / "told").unlink(missing_ok=True)
    return True


def _spawn(job: Job) -> subprocess.Popen[bytes]:
    with (job.folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "sparc_fuse_core.jobs", str(job.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _jobs_folder() -> Path:
    from platformdirs import user_data_dir

    return Path(os.environ.get("SPARC_FUSE_JOBS") or Path(user_data_dir("sparc-fuse")) / "jobs")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, content: Any) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    part.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    os.replace(part, path)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return []


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (OSError, TypeError, ValueError):
        return False
    return True


# -- the worker's side --------------------------------------------------------------------------------------


class _Teller:
    """Writes what happens into the job's folder, a few times a second at most."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._files: dict[str, dict[str, Any]] = {}
        self._last = 0.0
        self._lock = threading.Lock()

    def plan(self, recordings: Sequence[Recording]) -> None:
        for item in recordings:
            row = {"rel_path": item.path, "status": "waiting", "done": 0, "total": item.size, "phase": ""}
            self._files[item.path] = row | {"size": item.size}
        self._tell(force=True)

    def step(self, path: str, phase: str, done: int, total: int) -> None:
        with self._lock:
            self._files[path] |= {"status": "running", "phase": phase, "done": done, "total": total}
        self._tell()

    def finished(self, record: dict[str, Any]) -> None:
        path = record["rel_path"]
        row = self._files.setdefault(path, {"rel_path": path, "total": 0, "size": 0})
        row |= {"status": record["status"], "phase": "", "done": row["total"], "error": record["error"]}
        with (self._job.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._tell(force=True)

    def _tell(self, *, force: bool = False) -> None:
        with self._lock:
            now = time.monotonic()
            if not force and now - self._last < _TICK:
                return
            self._last = now
            rows = [dict(row) for row in self._files.values()]
        total = sum(max(1, row.pop("size")) for row in [dict(r) for r in rows])
        done = sum(max(1, row.pop("size")) * _share(row) for row in rows)
        _write(self._job.folder / "progress.json", {"done": int(done), "total": total, "files": rows})


def _share(row: dict[str, Any]) -> float:
    """How much of a file is through: fetching counts as half of it."""
    if row["status"] not in ("waiting", "running"):
        return 1.0
    part = row["done"] / row["total"] if row["total"] else 0.0
    return float(part / 2 if row["phase"] == "download" else 0.5 + part / 2 if row["phase"] else 0.0)


def run_job(folder: Path) -> int:
    """Run the job in ``folder`` in this process; 0 when every recording is ok."""
    job = Job(folder)
    _write(folder / "state.json", {"state": "running", "pid": os.getpid()})
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if (folder / "cancel").exists():
        stop.set()
    try:
        records = _convert(job, stop)
    except (FuseError, OSError, ValueError) as error:
        told = failure(error)
        record = new_record(str(job.request.get("dataset_id") or job.request.get("paths"))) | told
        _write(folder / "report.json", [record])
        _write(
            folder / "state.json",
            {"state": "failed", "error": " ".join(filter(None, [told["error"], told["hint"]]))},
        )
        return 1
    _write(folder / "report.json", records)
    _write(folder / "state.json", {"state": "cancelled" if stop.is_set() else "done"})
    return 0 if all(r["status"] in ("ok", "skipped") for r in records) else 1


def _convert(job: Job, stop: threading.Event) -> list[dict[str, Any]]:
    from sparc_fuse_core.bulk import convert_dataset
    from sparc_fuse_core.catalogue import open_catalogue
    from sparc_fuse_core.pipeline import Options

    asked = job.request
    options = Options(
        file_format=asked.get("file_format", "zarr"),
        zarr_format=int(asked.get("zarr_format", 3)),
        overwrite=bool(asked.get("overwrite", False)),
        reader=asked.get("reader_options") or {},
    )
    version = asked.get("version")
    teller: Any = _Teller(job)
    return convert_dataset(
        open_catalogue(asked.get("catalogue")),
        str(asked["dataset_id"]),
        asked.get("paths") or None,
        output_dir=Path(asked["output_dir"]),
        version=int(version) if version is not None else None,
        options=options,
        listener=teller,
        cancel=stop,
        told=asked.get("told") or {},
    )


if __name__ == "__main__":
    sys.exit(run_job(Path(sys.argv[1])))
