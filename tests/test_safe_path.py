"""No name from outside leads out of its folder."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparc_fuse_core import download
from sparc_fuse_core.errors import FuseError

HOSTILE = [
    "", "/", "//", "/etc/passwd", "a//b", "a/", "./a", ".", "..", "../a", "a/..", "a/../b", "a/../../b",
    "a/./b", "...", "a/...", "../", "..\\a", "a\\b", "\\a", "\\\\host\\share\\a", "//host/share/a", "C:",
    "C:a", "C:/a", "C:\\a", "c:..\\a", "a:b", "a::$DATA", "a/b:stream", "\\\\?\\C:\\a", "\\\\.\\pipe\\a",
    "a\0", "\0", "a\0.txt", "a\nb", "a\rb", "a\tb", "\x1b[2J", "a\x7f", "a\x80b", "\ud800", "a.", "a. ",
    "a ", "a/b /c", " ", "a/ /b", "CON", "con", "Con.txt", "con.tar.gz", "PRN", "AUX", "NUL", "nul.zarr",
    "a/NUL/b", "COM1", "com9.csv", "LPT1", "LPT9.x", "COM¹", "lpt².txt", "CONIN$", "CONOUT$", "CLOCK$",
    "con .txt", "n" * 256, "a/" + "n" * 300, "é" * 128, "中" * 86, "/".join(["a" * 200] * 6),
    "files:/x", "https://host/x", "~/../x", "a/..;/../b", "%2e%2e/..", "file:///etc/passwd",
    "\\..\\..\\x", "..\u2028/../x", "a/\u0085/b",
]  # fmt: skip
FINE = [
    "..;/a", "a",
    "primary/sub-1/20_1021.acq", "~", "~root/x", "$HOME/x", "%2e%2e/x", "..a", "a..b", ".hidden",
    "-rf", "a b/c d", "a&b#c+d%e;f'g(h)!.tif", "中文/é.tif", "con_1", "console.txt", "nullable", "COM0x",
    "n" * 255, "．．/x", "*?",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(FuseError) as caught:
        download.safe_path(tmp_path, name)
    assert caught.value.hint
    assert str(caught.value).isascii()


@pytest.mark.parametrize("name", FINE, ids=ascii)
def test_names_that_are_only_strange(tmp_path: Path, name: str) -> None:
    path = download.safe_path(tmp_path, name)
    assert path == tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1")
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


def test_names_become_nfc(tmp_path: Path) -> None:
    assert download.safe_path(tmp_path, "e\u0301").name == "\xe9"


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-2"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    (root / "loop").symlink_to(root / "loop")
    (root / "real").mkdir()
    (root / "in").symlink_to(root / "real")
    for name in ("out/x", "out", "dangling", "dangling/x"):
        with pytest.raises(FuseError):
            download.safe_path(root, name)
    assert download.safe_path(root, "in/x") == root / "in" / "x"
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    assert download.safe_path(alias, "real/x") == alias / "real" / "x"


PIECES = st.sampled_from(
    ["..", ".", "", "a", "/", "\\", ":", "\0", " ", "con", "é", "C:", "~", "%2e", "NUL.x"]
)


NAMES = st.one_of(
    st.text(max_size=40), st.lists(PIECES, max_size=8).map("/".join), st.lists(PIECES).map("".join)
)


@given(NAMES)
def test_a_safe_path_is_below_its_root(name: str) -> None:
    root = Path("/nowhere/root")
    try:
        path = download.safe_path(root, name)
    except FuseError:
        return
    assert Path(os.path.normpath(path)) == path
    assert root in path.parents
    assert len(path.relative_to(root).parts) == name.count("/") + 1
    # The same file for Windows, whose rules differ.
    windows = PureWindowsPath("C:/root").joinpath(*path.relative_to(root).parts)
    assert PureWindowsPath("C:/root") in windows.parents


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARC_FUSE_CACHE", str(tmp_path))
    assert download.cache_folder() == tmp_path
    monkeypatch.delenv("SPARC_FUSE_CACHE")
    assert download.cache_folder().name == "sparc-fuse"
