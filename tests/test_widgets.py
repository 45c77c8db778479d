"""What the panels know and do, without a browser: search, ticks, conversion, results, and the guard."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from stores import convert_tree

from sparc_fuse_core.catalogue import Dataset, File, Page
from sparc_fuse_core.errors import FormatError, NotFound, Unreachable
from sparc_fuse_core.model import Format, Scene, Stream, images, recording
from sparcfuse_widgets import DatasetSearch, guard
from sparcfuse_widgets.background import Background
from sparcfuse_widgets.state import DatasetModel, SearchModel, SelectionModel
from sparcfuse_widgets.work_state import ConvertModel, ResultModel, snippet


@pytest.fixture(autouse=True)
def own_log(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "log_file", lambda: tmp_path / "log" / "dashboard.log")
    guard.log.cache_clear()
    yield
    for handler in guard.log().handlers[:]:
        guard.log().removeHandler(handler)
        handler.close()
    guard.log.cache_clear()


def dataset(number, **more):
    plain = {"description": "", "size": 10, "file_count": 2, "doi": None, "license": None, "tags": ()}
    plain |= {"contributors": (), "updated": "2024-01-02", "banner": None, "catalogue": "fake", "version": 1}
    return Dataset(id=str(number), **{"name": f"Set {number}", **plain, **more})


class FakeCatalogue:
    """Twenty datasets; a search for "slow" waits for its gate, "down" fails."""

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Event()

    def search(self, text, *, limit, offset):
        if text == "slow":
            self.begun.set()
            assert self.gate.wait(20)
        if text == "down":
            raise Unreachable("the server did not answer", hint="Check the connection.")
        if text == "bug":
            raise KeyError("inner")
        found = [dataset(n) for n in range(20) if not text.isdigit() or str(n) == text]
        return Page(tuple(found[offset : offset + limit]), len(found))

    def dataset(self, id, version=None):
        if id == "404":
            raise NotFound("dataset 404: not in the catalogue", hint="Check the number.")
        return dataset(id, version=version or 3)

    def versions(self, id):
        return [dataset(id, version=v) for v in (3, 2, 1)]

    def files(self, id, version=None):
        return [File(f"primary/v{version or 3}.wav", "x.wav", 5), File("readme.md", "readme.md", 1)]


def opened_search():
    model = SearchModel()
    model.catalogue = FakeCatalogue()
    return model


def test_search_pages_and_counts():
    model = opened_search()
    model.search(0)
    model.settle()
    assert (model.total, len(model.items), model.items[0]["name"]) == (20, 8, "Set 0")
    model.do_search({"offset": 16})
    model.settle()
    assert [item["id"] for item in model.items] == ["16", "17", "18", "19"]
    model.text = "7"  # a new text starts at the first page
    model.settle()
    assert (model.offset, model.total, model.items[0]["id"]) == (0, 1, "7")
    assert not model.busy and model.problem == {}


def test_a_late_answer_does_not_replace_a_newer_one():
    model = opened_search()
    catalogue = model.catalogue
    model.text = "slow"
    assert catalogue.begun.wait(20)
    model.text = "3"
    catalogue.gate.set()
    model.settle()
    assert [item["id"] for item in model.items] == ["3"]


@pytest.mark.parametrize(
    ("text", "said"), [("down", "did not answer"), ("bug", "Something went wrong: 'inner'")]
)
def test_failures_become_sentences_and_log_lines(text, said):
    model = opened_search()
    model.text = text
    model.settle()
    assert said in model.problem["message"] and model.problem["hint"]
    assert not model.busy
    written = guard.log_file().read_text("utf-8")
    assert ("Traceback" in written) is (text == "bug"), "a traceback belongs to surprises only"
    model.text = "4"
    model.settle()
    assert model.problem == {} and model.total == 1


def test_a_folder_is_a_catalogue_and_a_wrong_one_is_explained(tmp_path):
    (tmp_path / "study" / "primary").mkdir(parents=True)
    (tmp_path / "study" / "primary" / "a.wav").write_bytes(b"x")
    search = DatasetSearch(tmp_path / "study")
    search.settle()
    assert (search.source, search.total) == ("folder", 1)
    search.folder = str(tmp_path / "nowhere")
    search.settle()
    assert "nowhere" in search.problem["message"]
    search.folder = ""
    search.settle()
    assert search.total == -1 and search.problem == {}


def test_messages_from_the_page_do_what_they_say_and_nothing_else(tmp_path):
    search = DatasetSearch(tmp_path)
    search.settle()
    search.receive({"do": "choose", "id": "12"})
    assert search.chosen == "12"
    for odd in ({"do": "__init__"}, {"do": "nothing"}, {}, None, "choose", {"do": None}):
        search.receive(odd)
    assert search.problem == {} and search.chosen == "12"
    search.receive({"do": "search", "offset": "many"})
    assert search.problem["message"].startswith("Something went wrong")


def test_a_dataset_brings_its_versions_and_primary_files():
    model, catalogue = DatasetModel(), FakeCatalogue()
    model.load(catalogue, "8")
    model.settle()
    assert model.card["version"] == 3 and [v["version"] for v in model.versions] == [3, 2, 1]
    assert [f.path for f in model.files] == ["primary/v3.wav"]
    model.do_version({"version": 2})
    model.settle()
    assert model.card["version"] == 2 and [f.path for f in model.files] == ["primary/v2.wav"]
    model.load(catalogue, "404")
    model.settle()
    assert "404" in model.problem["message"] and model.files == []


def test_ticks_leave_out_what_cannot_be_converted():
    model = SelectionModel()
    names = ["primary/a.wav", "primary/b.pdf", "primary/noending", "primary/c.edf"]
    model.show([File(path, path, 100 + i) for i, path in enumerate(names)])
    assert set(model.notes) == {"1", "2"} and ".pdf" in model.notes["1"]
    model.selected = [0, 1, 2, 3, 99]
    assert model.selected_paths() == ["primary/a.wav", "primary/c.edf"]
    assert model.selected_bytes() == 100 + 103
    model.do_preview({"path": "primary/a.wav"})
    assert model.active == "primary/a.wav"
    model.do_preview({"path": "/etc/passwd"})
    assert model.active == ""


def test_members_of_a_set_follow_their_lead(monkeypatch):
    def members(names, name):
        stem = name.rsplit(".", 1)[0]
        return [f"{stem}.head", *(n for n in names if n == f"{stem}.body")]

    pair = Format("pair", "Pair", "signals", (".head",), lambda source: None, members=members)
    monkeypatch.setattr("sparc_fuse_core.formats.registry", lambda: {"pair": pair})
    model = SelectionModel()
    model.show([File(n, n, 1) for n in ("p/r.body", "p/r.head", "p/lone.body")])
    assert model.notes == {"0": "Part of r.head", "2": "No reader for .body files"}
    assert model.sizes == [0, 2, 1], "the leading file stands for its recording"


# -- converting and results


class FakeJob:
    def __init__(self, request, number=0):
        self.id, self.request, self.state, self.error = f"job-{number}", request, "running", None
        self.rows, self.records = [], []

    def progress(self):
        return {"done": sum(r["done"] for r in self.rows), "total": 100, "files": self.rows}

    def report(self):
        return self.records

    def cancel(self):
        self.state = "cancelled"

    def resume(self):
        self.state = "queued"


class FakeQueue:
    def __init__(self):
        self.held = []

    def submit(self, request):
        self.held.insert(0, FakeJob(request, len(self.held)))
        return self.held[0]

    def jobs(self):
        return list(self.held)

    def get(self, id):
        return next(job for job in self.held if job.id == id)

    def start(self):
        for job in self.held:
            job.state = "running" if job.state == "queued" else job.state


def seen(model, name, want, timeout=20):
    """Wait until a trait has a value."""
    there = threading.Event()
    model.observe(lambda change: want(change.new) and there.set(), name)
    assert want(getattr(model, name)) or there.wait(timeout), (name, getattr(model, name))


def test_what_is_missing_is_said_before_converting(tmp_path):
    queue = FakeQueue()
    model = ConvertModel(queue, output_dir=" ")
    assert model.blockers == ["Tick at least one file.", "Say where the results go."]
    model.convert()
    assert queue.held == []
    model.output_dir = str(tmp_path / "out")
    model.offer(["primary/a.wav"], 10, catalogue="demo", dataset_id="1", version=2)
    assert model.blockers == []
    model.file_format = "doc"
    assert model.blockers == ["Choose an output format."]


def test_a_job_is_followed_cancelled_and_resumed(tmp_path):
    queue = FakeQueue()
    model = ConvertModel(queue, output_dir=str(tmp_path / "out"), file_format="npz", overwrite=True)
    model.offer(["primary/a.wav"], 10, catalogue="demo", dataset_id="1", version=2)
    model.do_convert({})
    job = queue.held[0]
    assert job.request == {
        "catalogue": "demo", "dataset_id": "1", "version": 2, "paths": ["primary/a.wav"],
        "file_format": "npz", "output_dir": str(tmp_path / "out"), "overwrite": True,
    }  # fmt: skip
    model.do_convert({})
    assert len(queue.held) == 1, "a second click does not start a second job"
    job.rows = [
        {"rel_path": "primary/a.wav", "status": "running", "done": 40, "total": 100, "phase": "convert"}
    ]
    seen(model, "done", lambda done: done == 40)
    model.do_cancel({})
    seen(model, "state", lambda state: state == "cancelled")
    model.settle()
    before = model.finished
    model.do_resume({})
    job.rows = [{**job.rows[0], "status": "ok", "done": 100}]
    job.state = "done"
    seen(model, "state", lambda state: state == "done")
    model.settle()
    assert model.counts == {"ok": 1} and model.finished > before
    job.error = "the worker process died"
    job.state = "failed"
    model.follow(job)
    model.settle()
    assert model.problem["message"] == "the worker process died"


def test_a_new_page_follows_the_job_that_is_at_work(tmp_path):
    queue = FakeQueue()
    queue.submit({})
    model = ConvertModel(queue)
    model.attach()
    assert model.job == "job-0" and model.state == "running"
    queue.held[0].state = "done"
    model.settle()
    assert model.state == "done"


def test_results_say_where_they_are_and_how_to_open_them(tmp_path, monkeypatch):
    np.savez(tmp_path / "it's.npz", signals=np.zeros(3))
    queue = FakeQueue()
    for number in range(2):
        record = {
            "rel_path": "primary/it's.wav",
            "std_path": str(tmp_path / "it's.npz"),
            "status": "ok",
            "bytes_out": 9,
        }
        failed = {
            "rel_path": "b.wav",
            "std_path": None,
            "status": "failed",
            "error": "cut short",
            "hint": "Fetch it.",
        }
        gone = {"rel_path": "c.wav", "std_path": str(tmp_path / f"gone{number}.npz"), "status": "ok"}
        queue.submit({}).records = [record, failed, gone]
    model = ResultModel(queue)
    model.refresh()
    model.settle()
    good, bad, gone = model.rows[:3]
    assert [row["name"] for row in model.rows].count("primary/it's.wav") == 1, "one place is one result"
    assert good["key"] == "job-1/0" and good["download"] == ""
    assert (bad["error"], bad["hint"], bad["path"]) == ("cut short", "Fetch it.", "")
    assert "no longer there" in gone["error"]
    done = subprocess.run([sys.executable, "-c", good["snippet"]], capture_output=True, text=True, check=True)
    assert "signals" in done.stdout
    monkeypatch.setenv("SPARC_FUSE_APP", "1")
    model.refresh()
    model.settle()
    assert model.rows[0]["download"] == "/fuse/result/job-1/0"


@pytest.mark.parametrize("kind", ["signals", "image"])
@pytest.mark.parametrize("file_format", ["zarr", "zarr.zip", "npz", "mat"])
def test_snippets_run(tmp_path, kind, file_format):
    def tree():
        if kind == "image":
            return images([Scene([np.ones((4, 5), "u1")], "yx")])
        return recording([Stream(np.ones((1, 5), "i2"), 10.0)])

    place = convert_tree(tree, tmp_path, file_format=file_format)
    subprocess.run([sys.executable, "-c", snippet(str(place), kind)], capture_output=True, check=True)


def test_background_work_that_is_replaced_brings_nothing():
    background, gate, got = Background("test"), threading.Event(), []
    background.start(lambda cancel: gate.wait(20), lambda _: got.append("old"), got.append)
    background.start(lambda cancel: "new", got.append, got.append)
    gate.set()
    assert background.wait()
    background.start(
        lambda cancel: (_ for _ in ()).throw(FormatError("bad")), got.append, lambda e: got.append(str(e))
    )
    assert background.wait()
    assert got == ["new", "bad"]
    background.start(lambda cancel: cancel.wait(20), got.append, got.append)
    background.cancel()
    assert background.wait() and got == ["new", "bad"]


def test_the_notebook_is_the_page():
    from sparcfuse_widgets.app import notebook

    place = Path(__file__).parent.parent / "notebooks" / "dashboard.ipynb"
    held = json.loads(place.read_text("utf-8"))
    assert ["".join(cell["source"]) for cell in held["cells"]] == [notebook()["cells"][0]["source"]]
