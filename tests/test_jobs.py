"""Jobs: they outlive whoever asked, tell their progress, stop when told to, and go on where they were stopped."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pytest

from sparc_fuse_core.errors import NotFound
from sparc_fuse_core.jobs import Queue, _read

LIMIT = 90  # seconds that any wait may take at most


def until(what, limit=LIMIT):
    """Wait for a condition; the pause only spares the processor."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture
def dataset(tmp_path):
    """A folder with two small recordings and, when asked, a large one."""
    import soundfile

    folder = tmp_path / "set"
    (folder / "primary" / "sub-1").mkdir(parents=True)
    for name in ("a", "b"):
        soundfile.write(folder / "primary" / "sub-1" / f"{name}.wav", np.zeros((100, 2)) + 0.25, 1000)
    return folder


@pytest.fixture
def queue(tmp_path):
    held = Queue(tmp_path / "jobs")
    yield held
    held.close()


def large(dataset):
    import soundfile

    with soundfile.SoundFile(
        dataset / "primary" / "large.wav", "w", 48000, 16, "PCM_16", format="RF64"
    ) as file:
        block = np.random.default_rng(0).integers(-9000, 9000, (1 << 18, 16), dtype="i2")
        for _ in range(24):
            file.write(block)


def request(dataset, tmp_path, **more):
    return {"catalogue": str(dataset), "dataset_id": "set", "output_dir": str(tmp_path / "out"), **more}


def test_a_job_runs_to_its_report(queue, dataset, tmp_path):
    (dataset / "primary" / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEnothing")
    job = queue.submit(request(dataset, tmp_path, file_format="npz"))
    until(lambda: job.state in ("done", "failed"))
    assert job.state == "done" and job.error is None
    statuses = {r["rel_path"]: r["status"] for r in job.report()}
    assert statuses == {
        "primary/broken.wav": "failed",
        "primary/sub-1/a.wav": "ok",
        "primary/sub-1/b.wav": "ok",
    }
    told = job.progress()
    assert told["done"] == told["total"] > 0
    assert {f["status"] for f in told["files"]} == {"ok", "failed"}
    assert queue.get(job.id).request == job.request
    assert [j.id for j in queue.jobs()] == [job.id]
    with np.load(tmp_path / "out" / "primary" / "sub-1" / "a_std.npz", allow_pickle=False) as held:
        assert held["signals"].shape == (2, 100)


def test_a_job_that_cannot_start_says_why(queue, tmp_path):
    job = queue.submit(
        {"catalogue": str(tmp_path), "dataset_id": "nothing", "output_dir": str(tmp_path / "out")}
    )
    until(lambda: job.state == "failed")
    assert "nothing" in job.error


def test_cancel_then_resume(queue, dataset, tmp_path):
    large(dataset)
    job = queue.submit(request(dataset, tmp_path, paths=["primary/large.wav"]))
    until(lambda: any(f["phase"] == "convert" and f["done"] > 0 for f in job.progress()["files"]))
    job.cancel()
    until(lambda: job.state == "cancelled")
    target = tmp_path / "out" / "large_std.zarr"
    assert not target.exists(), "nothing that looks finished"
    job.resume()
    queue.start()
    until(lambda: job.state == "done")
    assert job.report()[0]["status"] == "ok" and target.is_dir()


def test_a_killed_worker_fails_its_job_only_and_it_resumes(queue, dataset, tmp_path):
    large(dataset)
    job = queue.submit(request(dataset, tmp_path, paths=["primary/large.wav"]))
    other = queue.submit(request(dataset, tmp_path, paths=["primary/sub-1/a.wav"], file_format="mat"))
    until(lambda: any(f["done"] > 0 for f in job.progress()["files"]))
    pid = _read(job.folder / "state.json")["pid"]
    if pid != os.getpid():
        os.kill(pid, signal.SIGKILL)
    until(lambda: job.state == "failed" and other.state == "done")
    assert "worker" in job.error
    assert not (tmp_path / "out" / "large_std.zarr").exists()
    job.resume()
    queue.start()
    until(lambda: job.state == "done")
    assert [r["status"] for r in job.report()] == ["ok"]


def test_ids_cannot_be_guessed_or_leave_the_folder(queue, tmp_path):
    (tmp_path / "request.json").write_text("{}")
    for wrong in ("", "..", "../jobs", "nothing", "/etc"):
        with pytest.raises(NotFound):
            queue.get(wrong)
    first, second = (queue.submit({"dataset_id": "x", "output_dir": str(tmp_path)}) for _ in range(2))
    assert len(first.id) >= 40 and first.id.split("-", 1)[1] != second.id.split("-", 1)[1]
    assert oct((queue.folder / first.id).stat().st_mode)[-3:] == "700"


def test_any_process_sees_the_state(queue, dataset, tmp_path):
    job = queue.submit(request(dataset, tmp_path))
    until(lambda: job.state == "done")
    state = json.loads((queue.folder / job.id / "state.json").read_text())
    assert state["state"] == "done"
    assert Queue(queue.folder).get(job.id).state == "done"
