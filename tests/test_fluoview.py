"""The folder of an .oif: one recording with it, and read by names alone where it cannot be listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formats.oif import make

from sparc_fuse_core.errors import Truncated
from sparc_fuse_core.formats import open_tree
from sparc_fuse_core.formats._sets import groups
from sparc_fuse_core.source import open_source
from sparc_fuse_core.source.local import LocalSource


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("oif")
    make(made)
    return made


def test_files_of_the_folder_belong_to_the_image(folder: Path) -> None:
    paths = sorted(p.relative_to(folder.parent).as_posix() for p in folder.rglob("*") if p.is_file())
    for lead in ("whole.oif", "one.oif"):
        found = next(g for g in groups(paths) if g[0].endswith(f"/{lead}"))
        assert set(found[1:]) == {p for p in paths if f"/{lead}.files/" in p}
    assert [g for g in groups(paths) if ".files/" in g[0]] == []


def test_planes_are_found_where_folders_cannot_be_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_source(folder / "whole.oif") as source:
        wanted = open_tree(source)["0/image"].values
    monkeypatch.setattr(LocalSource, "below", lambda self: [])
    with open_source(folder / "whole.oif") as source:
        tree = open_tree(source)
        np.testing.assert_array_equal(tree["0/image"].values, wanted)
        assert tree["0"]["channel_name"].values.tolist() == ["DAPI", "CH2"]


def test_a_lost_plane_is_an_error_where_folders_cannot_be_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "whole.oif.files"
    inside.mkdir()
    (tmp_path / "whole.oif").write_bytes((folder / "whole.oif").read_bytes())
    for path in (folder / "whole.oif.files").iterdir():
        if path.name != "s_C002Z003T002.tif":
            (inside / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(LocalSource, "below", lambda self: [])
    with open_source(tmp_path / "whole.oif") as source:
        image = open_tree(source)["0/image"]
        assert image[0].values.any()
        with pytest.raises(Truncated, match="s_C002Z003T002"):
            image.load()
