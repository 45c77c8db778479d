"""Datasets on this machine: SDS folders, folders of them, plain folders, and links that lead out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from fakes.colon import COLON, write

from sparc_fuse_core.catalogue import File, primary_files
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.errors import NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "colon")


def test_folder_of_one_dataset(folder: Path) -> None:
    catalogue = FolderCatalogue(folder)
    (dataset,) = catalogue.search("").items
    assert (dataset.id, dataset.version, dataset.file_count) == ("colon", None, len(COLON))
    assert dataset.extra["subjects"] == ("sub-2", "sub-ChAT Male")
    assert [file.path for file in catalogue.files("colon")] == sorted(COLON)
    assert [item.path for item in catalogue.browse("colon")] == [
        "derivative", "primary", "dataset_description.xlsx", "readme.md",
    ]  # fmt: skip
    file = catalogue.files("colon")[3]
    assert catalogue.fetch(file, "/nowhere") == folder / file.path
    with pytest.raises(NotFound):
        catalogue.dataset("colon", 2)


def test_folder_of_datasets(folder: Path) -> None:
    (folder.parent / "plain").mkdir()
    (folder.parent / "plain" / "x.csv").write_bytes(b"1")
    (folder.parent / "published" / "files" / "primary" / "sub-1").mkdir(parents=True)
    (folder.parent / "published" / "files" / "primary" / "sub-1" / "y.csv").write_bytes(b"1")
    (folder.parent / "published" / "manifest.json").write_bytes(b'{"files": [], "name": "Published"}')
    catalogue = FolderCatalogue(folder.parent)
    assert [item.id for item in catalogue.search("").items] == ["colon", "plain", "published"]
    assert [file.path for file in catalogue.files("published")] == ["primary/sub-1/y.csv"]
    assert catalogue.metadata("published")["name"] == "Published"
    assert [file.path for file in primary_files(catalogue, "plain")] == ["x.csv"]
    assert catalogue.search("", limit=2, offset=2).total == 3


def test_plain_folder_is_one_dataset(tmp_path: Path) -> None:
    (tmp_path / "p" / "deep").mkdir(parents=True)
    (tmp_path / "p" / "x.csv").write_bytes(b"1")
    (tmp_path / "p" / "deep" / "y.csv").write_bytes(b"12")
    catalogue = FolderCatalogue(tmp_path / "p")
    assert [file.path for file in primary_files(catalogue, "p")] == ["deep/y.csv", "x.csv"]
    assert catalogue.dataset("p").size == 3


def test_links_in_a_folder(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"secret")
    (folder / "primary" / "out").symlink_to(secret)
    (folder / "primary" / "key").symlink_to(secret / "key")
    (folder / "primary" / "loop").symlink_to(folder)
    (folder / "primary" / "same.abf").symlink_to(folder / "primary" / "sub-2" / "x.abf")
    (folder / "primary" / "dangling").symlink_to(folder / "nothing")
    catalogue = FolderCatalogue(folder)
    assert {file.path for file in catalogue.files("colon")} == {*COLON, "primary/same.abf"}
    for path in ("primary/out/key", "primary/key", "primary/.hidden", "/etc/passwd", "a\0b", "primary"):
        with pytest.raises(NotFound):
            catalogue.fetch(File(path, path, 1, dataset="colon"))


DESCRIPTION = {"title": "Colon of the mouse", "description": "Motility", "keywords": ["gut", "Optogenetics"],
               "contributors": [{"name": "Sample, Ada"}], "license": "CC-BY-4.0",
               "doi": "https://doi.org/10.26275/x-1"}  # fmt: skip
SHEET = """metadata element,Description,Example,Value,Value 2
Title,The title,"x, y",Colon of the mouse,
Subtitle,,,Motility,
Keywords,,,gut,Optogenetics
Contributor name,,,"Sample, Ada",
License,,,CC-BY-4.0,
DOI,,,10.26275/x-1,
"""


@pytest.mark.parametrize("form", ["json", "csv", "xlsx"])
def test_descriptions(folder: Path, form: str) -> None:
    place = folder / f"dataset_description.{form}"
    if form == "json":
        place.write_text(json.dumps(DESCRIPTION))
    elif form == "csv":
        place.write_text(SHEET)
    else:
        openpyxl = pytest.importorskip("openpyxl", reason="spreadsheets are described when openpyxl is there")
        book = openpyxl.Workbook()
        for line in SHEET.splitlines():
            book.active.append(next(csv.reader([line])))
        book.save(place)
    catalogue = FolderCatalogue(folder)
    dataset = catalogue.dataset("colon")
    assert (dataset.name, dataset.description) == ("Colon of the mouse", "Motility")
    assert (dataset.tags, dataset.contributors) == (("gut", "Optogenetics"), ("Sample, Ada",))
    assert (dataset.license, dataset.doi) == ("CC-BY-4.0", "10.26275/x-1")
    assert catalogue.search("OPTO mouse").total == 1
    assert catalogue.search("opto rat").total == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff" * 99, b"[" * 100_000, b'{"title": {}}'])
def test_a_broken_description_is_none(folder: Path, content: bytes) -> None:
    for form in ("json", "csv", "xlsx"):
        (folder / f"dataset_description.{form}").write_bytes(content)
    dataset = FolderCatalogue(folder).dataset("colon")
    assert dataset.name == "colon"
    assert dataset.description == "the dataset's own"


def test_a_file_that_arrives_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparc_fuse_core.catalogue.folder.FRESH", 0.0)
    catalogue = FolderCatalogue(folder)
    before = len(catalogue.files("colon"))
    (folder / "primary" / "new.abf").write_bytes(b"1")
    assert len(catalogue.files("colon")) == before + 1
