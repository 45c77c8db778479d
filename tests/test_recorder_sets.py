"""Recordings of several files as recorders name them: grouped, and opened by any member."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats import blackrock, brainvision, curry

from sparc_fuse_core.errors import NotSupported
from sparc_fuse_core.formats import open_tree
from sparc_fuse_core.formats._sets import groups
from sparc_fuse_core.source import open_source


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (
            ["d/r.ns2", "d/r.ccf", "d/r.nev", "d/r.ns6", "d/s.ns5", "d/t.nev", "d/u.ccf", "e/r.ns5"],
            [
                ("d/r.nev", "d/r.ns6", "d/r.ns2", "d/r.ccf"),
                ("d/s.ns5",),
                ("d/t.nev",),
                ("d/u.ccf",),
                ("e/r.ns5",),
            ],
        ),
        (
            [
                "r.eeg",
                "r.vhdr",
                "r.vmrk",
                "v.ahdr",
                "v.AMRK",
                "v.eeg",
                "w.dat",
                "w.vhdr",
                "w.txt",
                "x.dat",
                "y.vmrk",
                "z.txt",
                "z.vhdr",
            ],
            [
                ("r.vhdr", "r.vmrk", "r.eeg"),
                ("v.ahdr", "v.AMRK", "v.eeg"),
                ("w.vhdr", "w.dat"),
                ("w.txt",),
                ("z.vhdr", "z.txt"),
                ("x.dat",),
                ("y.vmrk",),
            ],
        ),
        (
            [
                "r.cdt",
                "r.cdt.dpa",
                "r.cdt.cef",
                "s.dap",
                "s.dat",
                "s.rs3",
                "s.dat.cef",
                "t.cdt.dpo",
                "t.cdt",
                "u.cef",
            ],
            [
                ("r.cdt.dpa", "r.cdt", "r.cdt.cef"),
                ("s.dap", "s.dat", "s.rs3", "s.dat.cef"),
                ("t.cdt.dpo", "t.cdt"),
                ("u.cef",),
            ],
        ),
    ],
    ids=["blackrock", "brainvision", "curry"],
)
def test_files_fall_into_recordings(paths: list[str], wanted: list[tuple[str, ...]]) -> None:
    assert sorted(groups(paths)) == sorted(wanted)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with open_source(path) as source:
        return {str(name): held.shape for name, held in open_tree(source).variables.items()}


@pytest.mark.parametrize(
    ("maker", "lead", "others"),
    [
        (blackrock.make_set, "set.nev", ["set.ns5", "set.ns2", "set.ccf"]),
        (brainvision.make_segments, "paused.vhdr", ["paused.eeg", "paused.vmrk"]),
        (curry.make_good, "old.dap", ["old.dat", "old.rs3", "old.dat.cef"]),
        (curry.make_good, "new.cdt.dpa", ["new.cdt", "new.cdt.cef", "new.cdt.hpi"]),
    ],
    ids=["blackrock", "brainvision", "curry 7", "curry 8"],
)
def test_any_member_opens_the_recording(maker, lead: str, others: list[str], tmp_path: Path) -> None:
    maker(tmp_path)
    wanted = shapes(tmp_path / lead)
    assert "signals" in wanted
    for name in others:
        assert shapes(tmp_path / name) == wanted, name


def test_a_continuous_file_is_read_alone(tmp_path: Path) -> None:
    blackrock.make_set(tmp_path)
    for name in ("set.nev", "set.ns2", "set.ccf"):
        (tmp_path / name).unlink()
    assert shapes(tmp_path / "set.ns5")["signals"] == (2, 90)


def test_a_lone_member_says_what_is_missing(tmp_path: Path) -> None:
    brainvision.make_segments(tmp_path)
    curry.make_good(tmp_path)
    for head, part, said in (("paused.vhdr", "paused.vmrk", ".vhdr"), ("new.cdt.dpa", "new.cdt", ".cdt.dpa")):
        (tmp_path / head).unlink()
        with open_source(tmp_path / part) as source, pytest.raises(NotSupported, match=said):
            open_tree(source)
