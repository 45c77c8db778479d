"""Recordings of several files: one recording wherever they are met, whichever file is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from stores import convert_tree

from sparc_fuse_core import convert
from sparc_fuse_core.bulk import convert_file, recordings, select
from sparc_fuse_core.catalogue import File
from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats import detect, open_tree, registry
from sparc_fuse_core.formats._sets import groups
from sparc_fuse_core.model import Format, Names, Scene, Stream, images, recording
from sparc_fuse_core.opening import open_file
from sparc_fuse_core.source import open_source
from sparc_fuse_core.verification import verify


def open_pair(source, /, **_):
    body = source.sibling(f"{source.stem}.body")
    if body is None:
        raise FormatError(f"{source.name}: its samples are missing", hint="Put them beside it.")
    return recording([Stream(body.array("<i2", 0, body.size // 2)[None], rate=10.0)])


def members_of_pair(names: Names, name: str) -> list[str]:
    lead = next((n for n in names.alike(name) if n.lower().endswith(".head")), None)
    return [name] if lead is None else [lead, *(n for n in names.alike(name) if n.lower().endswith(".body"))]


def members_of_nest(names: Names, name: str) -> list[str]:
    return [name, *names.below(f"_{name.rpartition('.')[0]}_")]


PAIR = Format(
    "pair",
    "Pair",
    "signals",
    (".head",),
    open_pair,
    ((0, b"HEAD"),),
    members=members_of_pair,
    parts=(".body",),
)
NEST = Format("nest", "Nest", "signals", (".nest",), open_pair, members=members_of_nest, nested=True)


@pytest.fixture(autouse=True)
def formats() -> Iterator[None]:
    with mock.patch.dict(registry(), {"pair": PAIR, "nest": NEST}):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rec.head").write_bytes(b"HEAD")
    (tmp_path / "rec.BODY").write_bytes(np.arange(5, dtype="<i2").tobytes())
    (tmp_path / "rec.txt").write_text("notes\n")
    (tmp_path / "lone.body").write_bytes(b"\1\0")
    return tmp_path


def test_paths_fall_into_recordings() -> None:
    paths = [
        "a/r.body",
        "a/r.head",
        "b/r.head",
        "a/r.wav",
        "n/x.nest",
        "n/_x_/s1/t.ets",
        "n/_y_/t.ets",
        "n/_X_/u.ets",
    ]
    assert groups(paths) == [
        ("a/r.head", "a/r.body"),
        ("b/r.head",),
        ("a/r.wav",),
        ("n/x.nest", "n/_X_/u.ets", "n/_x_/s1/t.ets"),
        ("n/_y_/t.ets",),
    ]
    assert sorted(p for group in groups(paths) for p in group) == sorted(paths)


def test_slides_take_their_folders() -> None:
    slide = ["s/x.vsi", "s/_x_/stack1/frame_t.ets", "s/_x_/stack2/frame_t_0.ets"]
    mirax = ["s/y.mrxs", "s/y/Slidedat.ini", "s/y/Index.dat", "s/y/Data0000.dat"]
    found = groups([*slide[::-1], *mirax[::-1], "s/_z_/stack1/frame_t.ets"])
    assert [(group[0], sorted(group)) for group in found] == [
        ("s/x.vsi", sorted(slide)),
        ("s/y.mrxs", sorted(mirax)),
        ("s/_z_/stack1/frame_t.ets", ["s/_z_/stack1/frame_t.ets"]),
    ]


def test_any_member_selects_the_set() -> None:
    files = [
        File(path, path.rpartition("/")[2], 7)
        for path in ("primary/r.body", "primary/r.head", "primary/s.head")
    ]
    found = recordings(files)
    assert [(r.path, r.stem, r.size) for r in found] == [
        ("primary/r.head", "r", 14),
        ("primary/s.head", "s", 7),
    ]
    chosen, missing = select(found, ["primary/r.body"])
    assert [r.path for r in chosen] == ["primary/r.head"] and not missing


@pytest.mark.parametrize("asked", ["rec.head", "rec.BODY"])
def test_any_member_opens_and_converts_the_set(folder: Path, tmp_path: Path, asked: str) -> None:
    assert open_file(folder / asked)["signals"].values.tolist() == [[0, 1, 2, 3, 4]]
    record = convert_file(folder / asked, tmp_path / "out")
    # The text file of the same stem is another recording: both keep their endings.
    assert record["status"] == "ok" and Path(record["std_path"]).name == "rec.head_std.zarr", record["error"]
    assert record["bytes_in"] == 14
    held = json.loads((Path(record["std_path"]) / "zarr.json").read_text())["attributes"]["fuse"]["sources"]
    assert [(s["name"], s["size"], len(s["sha256"])) for s in held] == [
        ("rec.head", 4, 64),
        ("rec.BODY", 10, 64),
    ]
    assert convert_file(folder / asked, tmp_path / "out")["status"] == "skipped"
    (folder / "rec.BODY").write_bytes(b"\0" * 10)
    changed = convert_file(folder / asked, tmp_path / "out")
    assert changed["status"] == "failed" and "another source" in changed["error"]


def test_siblings_are_opened_once_and_closed_with_the_file(folder: Path) -> None:
    with open_source(folder / "rec.head") as source:
        tree = open_tree(source)
        assert source.sibling("rec.body") is source.sibling("rec.body")
        assert [other.name for other in source.family] == ["rec.head", "rec.BODY"]
        assert source.sibling("../rec.head") is None and source.sibling("a/../rec.head") is None
        tree.close()
        assert source.family == (source,)


@pytest.mark.parametrize(("named", "wanted"), [(True, "slide"), (False, "picture")])
def test_an_ending_wins_where_a_format_says_so(tmp_path: Path, named: bool, wanted: str) -> None:
    slide = Format("slide", "Slide", "image", (".slide",), open_pair, sniff=lambda head: True, named=named)
    for name in ("a.slide", "a.dat"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with mock.patch.dict(registry(), {"slide": slide}):
        with open_source(tmp_path / "a.slide") as source:
            assert detect(source).name == wanted
        with open_source(tmp_path / "a.dat") as source:
            assert detect(source).name == "picture"


def test_a_zarr_folder_is_one_recording(tmp_path: Path) -> None:
    data = np.arange(12, dtype="u1").reshape(3, 4)
    made = convert_tree(lambda: images([Scene([data], "yx")]), tmp_path / "made").rename(
        tmp_path / "cells.ome.zarr"
    )
    assert open_file(made)["0/image"].values.tolist() == data.tolist()
    record = convert_file(made, tmp_path / "out")
    assert record["status"] == "ok" and Path(record["std_path"]).name == "cells.ome.zarr", record["error"]
    dataset = tmp_path / "set"
    (dataset / "primary" / "sub-1").mkdir(parents=True)
    made.rename(dataset / "primary" / "sub-1" / made.name)
    (record,) = convert(dataset, tmp_path / "all")
    assert record["status"] == "ok" and record["rel_path"] == "primary/sub-1/cells.ome.zarr/zarr.json"
    assert Path(record["std_path"]) == tmp_path / "all" / "primary" / "sub-1" / "cells.ome.zarr"
    assert len(record["members"]) > 3


def test_only_conversions_and_their_proof_go_through_files_without_an_index(tmp_path: Path) -> None:
    asked = []

    def open_listless(source, /, **options):
        asked.append(options)
        return recording([Stream(np.arange(5.0)[None], rate=10.0)])

    listless = Format("listless", "Listless", "signals", (".lst",), open_listless, options=("scan",))
    (tmp_path / "a.lst").write_bytes(b"data")
    with mock.patch.dict(registry(), {"listless": listless}):
        open_file(tmp_path / "a.lst")
        store = convert_file(tmp_path / "a.lst", tmp_path / "out")["std_path"]
        verify(store, against=tmp_path / "a.lst")
    assert asked == [{}, {"scan": True}, {"scan": True}]
