"""What converting knows: the request, the job that runs, and the results that are there."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Float, Int, List, Unicode, observe

from sparcfuse_widgets.background import Background
from sparcfuse_widgets.guard import guarded, problem_of
from sparcfuse_widgets.state import Model, default_output

__all__ = ["ConvertModel", "ResultModel"]

FORMATS = ("zarr", "zarr.zip", "npz", "mat")

_POLL = 0.25  # seconds between two looks at a running job
_SHOWN_FILES = 400
_FINISHED = ("done", "failed", "cancelled")


class ConvertModel(Model):
    """The choice of how to convert, and the job that does it. Pages come and go; the job is a folder."""

    file_format = Unicode("zarr").tag(sync=True)
    output_dir = Unicode("").tag(sync=True)
    overwrite = Bool(False).tag(sync=True)
    count = Int(0, help="files that would be converted").tag(sync=True)
    nbytes = Float(0.0).tag(sync=True)
    blockers = List(Unicode(), help="what is missing before converting can start").tag(sync=True)
    job = Unicode("").tag(sync=True)
    state = Unicode("").tag(sync=True)
    done = Float(0.0).tag(sync=True)
    total = Float(0.0).tag(sync=True)
    rows = List(Dict()).tag(sync=True)
    counts = Dict().tag(sync=True)
    finished = Int(0, help="grows when a job ends or a file of it is through")
    told = Dict(help="by path, how to read files that do not say it themselves")

    def __init__(self, queue: Any = None, **values: Any) -> None:
        self._queue = queue
        self._source: dict[str, Any] = {}
        self._poller = Background("job")
        super().__init__(**{"output_dir": default_output(), **values})
        self._check()

    def queue(self) -> Any:
        """The queue of jobs, made when it is first needed."""
        if self._queue is None:
            from sparc_fuse_core.jobs import Queue

            self._queue = Queue()
        return self._queue

    @guarded
    def offer(
        self,
        paths: Sequence[str],
        nbytes: float = 0,
        *,
        catalogue: str | None = None,
        dataset_id: str | None = None,
        version: int | None = None,
    ) -> None:
        """Say what a click on Convert would convert."""
        self._source = {
            "catalogue": catalogue,
            "dataset_id": dataset_id,
            "version": version,
            "paths": list(paths),
        }
        self.count, self.nbytes = len(paths), float(nbytes)
        self._check()

    @observe("output_dir", "file_format", "state")
    def _check(self, _: Any = None) -> None:
        missing = []
        if not self.count:
            missing.append("Tick at least one file.")
        if not self.output_dir.strip():
            missing.append("Say where the results go.")
        if self.file_format not in FORMATS:
            missing.append("Choose an output format.")
        self.blockers = missing

    @guarded
    def convert(self) -> None:
        """Queue the conversion and follow it."""
        self._check()
        if self.blockers or self.state in ("queued", "running"):
            return
        folder = Path(self.output_dir.strip()).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.problem = {}
        job = self.queue().submit(
            {
                **self._source,
                "file_format": self.file_format,
                "output_dir": str(folder),
                "overwrite": self.overwrite,
                **({"told": dict(self.told)} if self.told else {}),
            }
        )
        self.follow(job)

    def follow(self, job: Any) -> None:
        """Show a job until it ends."""
        self.job = job.id
        self._look(job, *_read_job(job))

        def watch(cancel: threading.Event) -> Any:
            while not cancel.is_set():
                seen = _read_job(job)
                self._poller.deliver(self._look, job, *seen)
                if seen[0] in _FINISHED:
                    return seen
                cancel.wait(_POLL)
            return None

        def ended(seen: Any) -> None:
            if seen is not None:
                self._look(job, *seen)

        def failed(error: BaseException) -> None:
            self.problem = problem_of(error)

        self._poller.start(watch, ended, failed)

    def _look(self, job: Any, state: str, progress: dict[str, Any], error: str | None) -> None:
        if job.id != self.job:
            return
        files = progress.get("files", [])
        counts: dict[str, int] = {}
        for row in files:
            counts[row["status"]] = counts.get(row["status"], 0) + 1
        through = sum(n for status, n in counts.items() if status not in ("waiting", "running"))
        before = (self.state, sum(n for s, n in self.counts.items() if s not in ("waiting", "running")))
        with self.hold_sync() if hasattr(self, "hold_sync") else self.hold_trait_notifications():
            self.counts = counts
            self.rows = _worth_showing(files)
            self.done, self.total = float(progress.get("done", 0)), float(progress.get("total", 0))
            self.state = state
            if error and state == "failed":
                self.problem = {"message": error, "hint": "Resume goes on where it stopped."}
        if (state, through) != before:
            self.finished += 1

    @guarded
    def attach(self) -> None:
        """After a reload: follow the newest job when it is still at work."""
        jobs = self.queue().jobs()
        if any(job.state == "queued" for job in jobs):
            self.queue().start()
        if jobs and jobs[0].state in ("queued", "running"):
            self.follow(jobs[0])

    def do_convert(self, _: dict[str, Any]) -> None:
        """The page asks to convert."""
        self.convert()

    def do_cancel(self, _: dict[str, Any]) -> None:
        """The page asks to stop the job."""
        if self.job:
            self.queue().get(self.job).cancel()

    def do_resume(self, _: dict[str, Any]) -> None:
        """The page asks to go on with a job that was stopped."""
        if self.job:
            job = self.queue().get(self.job)
            job.resume()
            self.problem = {}
            self.queue().start()
            self.follow(job)

    def settle(self, timeout: float = 30.0) -> None:
        super().settle(timeout)
        if not self._poller.wait(timeout):
            raise TimeoutError("the job is still running")


def _read_job(job: Any) -> tuple[str, dict[str, Any], str | None]:
    state = job.state
    return state, job.progress(), getattr(job, "error", None)


def _worth_showing(files: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Running and failed files first, at most as many as a page can show."""
    order = {"running": 0, "failed": 1, "unsupported": 1, "ambiguous": 1, "waiting": 2}
    keys = ("rel_path", "status", "done", "total", "phase")
    if len(files) > _SHOWN_FILES:
        files = sorted(files, key=lambda row: order.get(row["status"], 3))[:_SHOWN_FILES]
    return [{key: row.get(key) for key in keys} for row in files]


class ResultModel(Model):
    """The converted files of recent jobs, newest first, with how to open each."""

    rows = List(Dict()).tag(sync=True)
    most = Int(200).tag(sync=True)

    def __init__(self, queue: Any = None, jobs: Sequence[Any] | None = None, **values: Any) -> None:
        self._queue, self._given = queue, jobs
        super().__init__(**values)

    @guarded
    def refresh(self) -> None:
        """Read the reports again."""

        def read(_: threading.Event) -> list[dict[str, Any]]:
            return result_rows(self._jobs(), self.most)

        self.work(read, self._show)

    def _show(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def _jobs(self) -> Sequence[Any]:
        if self._given is not None:
            return self._given
        if self._queue is None:
            from sparc_fuse_core.jobs import Queue

            self._queue = Queue()
        return list(self._queue.jobs()[:20])

    def do_refresh(self, _: dict[str, Any]) -> None:
        """The page asks to look again."""
        self.refresh()


def result_rows(jobs: Sequence[Any], most: int = 200) -> list[dict[str, Any]]:
    """One row for each recording of these jobs; a file converted twice to one place is shown once."""
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for job in jobs:
        for number, record in enumerate(job.report()):
            place = str(record.get("std_path") or "")
            if place and place in seen:
                continue
            seen.add(place)
            rows.append(_row(job.id, number, record, place))
            if len(rows) >= most:
                return rows
    return rows


def _row(job_id: str, number: int, record: dict[str, Any], place: str) -> dict[str, Any]:
    there = bool(place) and Path(place).exists()
    base = os.environ.get("VOILA_BASE_URL", "/").rstrip("/")
    row = {
        "key": f"{job_id}/{number}",
        "name": str(record.get("rel_path", "")),
        "status": str(record.get("status", "")),
        "path": place if there else "",
        "size": record.get("bytes_out") or 0,
        "seconds": record.get("seconds"),
        "format": record.get("format"),
        "error": record.get("error"),
        "hint": record.get("hint"),
        "warnings": [str(w) for w in record.get("warnings") or []][:20],
        "snippet": snippet(place, str(record.get("kind") or "")) if there else "",
        "download": f"{base}/fuse/result/{job_id}/{number}" if there and _served() else "",
    }
    if place and not there:
        row["error"], row["hint"] = f"{Path(place).name} is no longer there.", "Convert the file again."
    return {key: value for key, value in row.items() if value is not None}


def _served() -> bool:
    # Only our own server has the download address; elsewhere the path is shown instead.
    return bool(os.environ.get("SPARC_FUSE_APP"))


def snippet(place: str, kind: str) -> str:
    """Lines of Python that open a result, ready to paste."""
    quoted = repr(place)
    if place.endswith(".npz"):
        return f"import numpy as np\ndata = np.load({quoted})\nprint(data.files)"
    if place.endswith(".mat"):
        return f"from scipy.io import loadmat  # h5py for files above 2 GB\ndata = loadmat({quoted})"
    lines = ["import xarray as xr"]
    if place.endswith((".zip", ".ozx")):
        lines += ["from zarr.storage import ZipStore"]
        quoted = f'ZipStore({quoted}, mode="r")'
    if kind == "image":
        lines += [f'tree = xr.open_datatree({quoted}, engine="zarr")', 'image = tree["0/image"]']
    else:
        lines += [f"ds = xr.open_zarr({quoted})", "print(ds)"]
    return "\n".join(lines)
