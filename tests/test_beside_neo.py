"""docs/beside-neo.md cannot lie: every row is asked again, of the readers and versions that the page names."""

from __future__ import annotations

import functools

import pytest

from benchmarks import beside_neo

PAGE = (beside_neo.ROOT / "docs" / "beside-neo.md").read_text("utf-8")
_ROW = functools.cache(beside_neo.row)


@pytest.fixture(autouse=True)
def readers(corpus):
    """The corpus, and neo and pyabf as the page was written with."""
    pytest.importorskip("neo")
    pytest.importorskip("pyabf")
    for name, version in beside_neo.versions().items():
        if f"{name} {version}" not in PAGE:
            pytest.skip(f"{name} {version} is installed, the page tells of another version: run `make docs`")


@pytest.mark.parametrize("name", beside_neo.TRAPS)
def test_ours_is_the_truth(name):
    held = _ROW(name)
    assert held.ours == held.truth


@pytest.mark.parametrize("name", beside_neo.TRAPS)
def test_the_others_say_what_the_page_says(name):
    assert beside_neo.line(_ROW(name)) in PAGE.splitlines(), "run `make docs`"


def test_the_page_is_fresh():
    assert beside_neo.page() == PAGE, "run `make docs`"


def test_wrong_answers_are_marked():
    held = beside_neo.Row("t", "f", "k", "3 s", "3 s", "fails: IndexError; forced: 3 s", "2 s")
    assert beside_neo.line(held) == "| t | f | 3 s | k | 3 s | **fails: IndexError**; forced: 3 s | **2 s** |"
