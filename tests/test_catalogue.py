"""Catalogues: Pennsieve with all its quirks against the stand-in, and what all catalogues promise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.colon import PATHS, publish, write
from fakes.pennsieve import FakePennsieve

from sparc_fuse_core.catalogue import Catalogue, Dataset, File, Folder, open_catalogue, primary_files
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.catalogue.pennsieve import Pennsieve
from sparc_fuse_core.errors import (
    Corrupted,
    FuseError,
    NotFound,
    RateLimited,
    RemoteError,
    Unreachable,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePennsieve]:
    with FakePennsieve() as fake:
        for key, value in {**fake.environ, "SPARC_FUSE_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(key, value)
        publish(fake)
        yield fake


@pytest.fixture
def catalogue(server: FakePennsieve) -> Iterator[Pennsieve]:
    opened = Pennsieve(sleep=lambda _: None)
    yield opened
    opened.close()


# -- the catalogue


def test_paths_are_keys_and_names_are_kept(catalogue: Pennsieve) -> None:
    files = catalogue.files("224")
    assert [file.path for file in files] == PATHS
    recording = files[3]
    assert (recording.name, recording.size) == ("20 1021.acq", 20_000)
    assert recording.version == 2
    assert recording.uri and recording.uri.endswith("/224/files/primary/sub-ChAT_Male/20_1021.acq")
    assert recording.sha256 == hashlib.sha256(b"acq " * 5000).hexdigest()
    assert recording.package_id and recording.package_id.startswith("N:package:")
    assert [file.path for file in primary_files(catalogue, "224")] == PATHS[2:6]


@pytest.mark.parametrize("id", ["224", "90"])
def test_browsing_gives_the_files_of_the_manifest(catalogue: Pennsieve, id: str) -> None:
    """Level by level, although browse gives display names in its paths."""
    found: list[File] = []

    def descend(folder: str) -> None:
        level = catalogue.browse(id, folder)
        kinds = [isinstance(item, Folder) for item in level]
        assert kinds == sorted(kinds, reverse=True)
        for item in level:
            if isinstance(item, Folder):
                descend(item.path)
            else:
                found.append(item)

    descend("")
    assert [(f.path, f.size, f.url) for f in sorted(found, key=lambda f: f.path)] == [
        (f.path, f.size, f.url) for f in catalogue.files(id)
    ]
    folders = {f.path: f.size for f in catalogue.browse(id) if isinstance(f, Folder)}
    assert folders == {"primary": 20_000 + 4 + 3 + 3000, "derivative": 4}


def test_long_folders_are_read_to_the_end(server: FakePennsieve, catalogue: Pennsieve) -> None:
    many: dict[str, bytes | Path] = {f"primary/{i:04}.csv": b"1" for i in range(1203)}
    server.add_dataset(5, many, name="Many")
    assert len(catalogue.browse("5", "primary")) == 1203
    assert server.count("browse") == 3


def test_a_folder_that_is_not_there(catalogue: Pennsieve) -> None:
    with pytest.raises(NotFound, match="primry"):
        catalogue.browse("224", "primry")


def test_a_missing_manifest_is_walked(server: FakePennsieve, catalogue: Pennsieve) -> None:
    whole = catalogue.files("224")
    server.drop_manifest(224)
    assert catalogue.files("224") == whole
    with pytest.raises(Unreachable):
        catalogue.metadata("224")


def test_older_versions(catalogue: Pennsieve, tmp_path: Path) -> None:
    """In the newer layout two versions share a key, and only the version id tells them apart."""
    assert [item.version for item in catalogue.versions("224")] == [2, 1]
    assert catalogue.dataset("224").version == 2
    assert [file.path for file in catalogue.files("224", 1)] == ["primary/gone.abf", "primary/sub-2/x.abf"]
    old, new = catalogue.files("224", 1)[1], catalogue.files("224")[2]
    assert old.uri == new.uri
    assert catalogue.fetch(old).read_bytes() == b"first"
    assert catalogue.fetch(new).read_bytes() == b"abf" * 1000
    assert catalogue.fetch(old) == tmp_path / "cache" / "224" / "1" / "primary" / "sub-2" / "x.abf"


def test_a_dataset_tells_what_is_known_and_no_more(catalogue: Pennsieve) -> None:
    dataset = catalogue.dataset("224")
    assert (dataset.id, dataset.name, dataset.description) == ("224", "Colon motility", "Mouse colon")
    assert (dataset.doi, dataset.tags, dataset.catalogue) == ("10.26275/fake-0224", ("Gut",), "pennsieve")
    assert dataset.contributors == ("Ada B Sample",)
    assert dataset.extra["root"] == "files"
    assert None not in dataset.extra.values()
    assert "embargo" not in dataset.extra
    assert catalogue.dataset("275").extra["embargo"] is True
    assert catalogue.metadata("224")["pennsieveDatasetId"] == 224


def test_schemas_before_4_have_packages(catalogue: Pennsieve) -> None:
    (file,) = catalogue.files("3")
    assert file.path == "primary/x.abf"
    assert file.uri and "/3/1/packages/primary/" in file.uri
    assert [item.path for item in catalogue.browse("3", "primary")] == ["primary/x.abf"]
    assert catalogue.fetch(file).read_bytes() == b"old"


def test_search(server: FakePennsieve, catalogue: Pennsieve) -> None:
    def ids(text: str, **options: int) -> list[str]:
        return [item.id for item in catalogue.search(text, **options).items]

    assert set(ids("")) == {"224", "90", "3", "275"}
    assert ids("mouse colon") == ["224"]
    assert ids("mouse vagus") == []
    assert ids("mouse | pig") == ["224", "90"]
    assert ids("vag*") == ["90"]
    assert ids("gut -motility") == []
    for text in ("224", " 224 ", "https://sparc.science/datasets/224?type=dataset"):
        assert ids(text)[0] == "224"
    for doi in ("10.26275/vagu-s000", "doi:10.26275/vagu-s000", "https://doi.org/10.26275/vagu-s000"):
        assert ids(doi)[0] == "90"
    assert ids("999") == []


def test_search_pages(server: FakePennsieve, catalogue: Pennsieve) -> None:
    """The dataset of a number comes first and once, on whatever page."""
    first = catalogue.search("224", limit=1)
    second = catalogue.search("224", limit=1, offset=1)
    assert [first.items[0].id, second.items[0].id] == ["224", "3"]
    assert first.total == second.total == 2
    pages = [catalogue.search("", limit=3, offset=start) for start in (0, 3)]
    assert [len(page.items) for page in pages] == [3, 1]
    assert {page.total for page in pages} == {4}
    assert catalogue.search("", limit=20, offset=9_990).items == ()
    assert catalogue.search("", limit=20, offset=50_000).items == ()


@pytest.mark.parametrize("id", ["999", "abc", "", "1/../2", "-1", "224?x=1", "１"])
def test_datasets_that_are_not_there(server: FakePennsieve, catalogue: Pennsieve, id: str) -> None:
    for question in (
        catalogue.dataset,
        catalogue.versions,
        catalogue.files,
        catalogue.browse,
        catalogue.metadata,
    ):
        with pytest.raises(NotFound):
            question(id)
    with pytest.raises(NotFound):
        catalogue.dataset("224", 77)
    if not id.isdecimal() or not id.isascii():
        assert not server.count(r"/datasets/(?!224)")


def test_withdrawn_and_embargoed(catalogue: Pennsieve) -> None:
    with pytest.raises(NotFound, match="Withdrawn") as gone:
        catalogue.dataset("13")
    assert "unpublished" in str(gone.value)
    with pytest.raises(RemoteError, match="embargo") as locked:
        catalogue.files("275")
    assert "release date" in locked.value.hint
    with pytest.raises(RemoteError, match="embargo"):
        catalogue.browse("275", "primary")


def test_a_wrong_base_address(server: FakePennsieve) -> None:
    lost = Pennsieve(f"{server.host}/elsewhere", sleep=lambda _: None)
    with pytest.raises(RemoteError) as caught:
        lost.search("x")
    assert "SPARC_FUSE_PENNSIEVE_URL" in caught.value.hint
    lost.close()
    with pytest.raises(RemoteError, match="https"):
        Pennsieve("http://api.pennsieve.io/discover")


# -- patience

QUESTIONS: dict[str, Callable[[Pennsieve], object]] = {
    "search": lambda c: c.search("colon").total,
    "dataset": lambda c: c.dataset("224").name,
    "versions": lambda c: len(c.versions("224")),
    "files": lambda c: len(c.files("224")),
    "browse": lambda c: len(c.browse("224", "primary")),
    "metadata": lambda c: c.metadata("224")["name"],
}


FAULTS: list[dict[str, Any]] = [{"status": code} for code in (429, 500, 502, 503, 504)]
FAULTS += [{"mode": mode, "after": after} for mode in ("short_body", "reset") for after in (0, 60)]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_asked_again(
    server: FakePennsieve, catalogue: Pennsieve, question: str, fault: dict[str, Any]
) -> None:
    expected = QUESTIONS[question](catalogue)
    catalogue.forget()
    injected = server.fail("/discover/", **fault)
    assert QUESTIONS[question](catalogue) == expected
    assert injected.hits == 1


def test_the_server_decides_how_long_we_wait(server: FakePennsieve) -> None:
    waits: list[float] = []
    patient = Pennsieve(sleep=waits.append)
    server.fail("/datasets/224", status=429, retry_after="7")
    patient.dataset("224")
    assert waits == [7.0]
    server.fail("/datasets/90", status=503, times=3)
    patient.dataset("90")
    assert waits[1] < waits[2] < waits[3] < 4
    server.fail("/datasets/90", status=429, retry_after="100000")
    with pytest.raises(RateLimited) as caught:
        patient.dataset("90")
    assert caught.value.retry_after == 100_000
    assert len(waits) == 4
    patient.close()


def test_giving_up(server: FakePennsieve, catalogue: Pennsieve) -> None:
    server.fail("/datasets/224", status=503, times=100)
    with pytest.raises(Unreachable, match="503"):
        catalogue.dataset("224")
    assert server.count("/datasets/224") == 5
    server.fail("/datasets/90", status=429, times=100)
    with pytest.raises(RateLimited):
        catalogue.dataset("90")
    with pytest.raises(Unreachable) as caught:
        Pennsieve("http://127.0.0.1:9/discover", sleep=lambda _: None).search("x")
    assert "connection" in caught.value.hint


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"{}", b'{"files": [1]}', b'{"files": [{}]}',
     b'{"files": [{"path": 3}]}',
     b'{"files": [{"path": "files/x", "size": -1}]}', b'{"files": [{"path": "files/x", "size": "big"}]}',
     b'{"files": [{"path": "files/x", "size": true}]}', b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_answers_that_make_no_sense(
    server: FakePennsieve, catalogue: Pennsieve, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    from fakes.pennsieve_wire import Reply

    answer = server.answer
    odd = lambda method, path, query, sent: (  # noqa: E731
        Reply(200, body) if path.endswith("metadata") else answer(method, path, query, sent)
    )
    monkeypatch.setattr(server, "answer", odd)
    with pytest.raises(Corrupted):
        catalogue.files("224")


# -- what all catalogues promise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "colon")


def check_laws(catalogue: Catalogue, id: str) -> None:
    """What every catalogue promises."""
    dataset = catalogue.dataset(id)
    files = catalogue.files(id)
    assert isinstance(dataset, Dataset)
    assert [file.path for file in files] == sorted(file.path for file in files)
    assert dataset in catalogue.versions(id)
    assert id in [item.id for item in catalogue.search("").items]
    assert dataset.name in [item.name for item in catalogue.search(dataset.name.upper()).items]
    assert {file["path"].partition("/")[2] for file in catalogue.metadata(id)["files"]} >= {
        f.path for f in files
    }
    for file in primary_files(catalogue, id):
        assert catalogue.fetch(file).stat().st_size == file.size
    with pytest.raises(NotFound):
        catalogue.dataset("no such dataset")
    with pytest.raises(NotFound):
        catalogue.browse(id, "no/such/folder")
    with pytest.raises(FuseError):
        catalogue.fetch(File("../../etc/passwd", "passwd", 1, dataset=id, version=dataset.version))


def test_laws(catalogue: Pennsieve, folder: Path) -> None:
    check_laws(catalogue, "224")
    check_laws(catalogue, "90")
    check_laws(FolderCatalogue(folder), "colon")


def test_opening_a_catalogue(server: FakePennsieve, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_catalogue(), Pennsieve)
    assert isinstance(open_catalogue(), Catalogue)
    opened = open_catalogue(str(folder))
    assert isinstance(opened, FolderCatalogue)
    assert isinstance(opened, Catalogue)
    monkeypatch.setenv("SPARC_FUSE_CATALOGUE", str(folder))
    assert isinstance(open_catalogue(), FolderCatalogue)
    assert isinstance(open_catalogue("pennsieve"), Pennsieve)
    with pytest.raises(NotFound, match="pensieve"):
        open_catalogue("pensieve")
    with pytest.raises(NotFound):
        FolderCatalogue(folder / "nope")
