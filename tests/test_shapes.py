"""Meshes, tracings, regions and curves as pictures: what is drawn is what the file holds."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rows import ROWS, row_id

from sparc_fuse_core import open_file, preview
from sparc_fuse_core.model import Array, recording
from sparc_fuse_core.previews.shapes import shapes_of
from sparcfuse_widgets.opening_state import drawn

CUBE = """v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 1 2 3 4\nf 5 6 7 8\nf 1 2 6 5\nl 3 7 8\n"""
DRAWN = [r for r in ROWS if r["format"] in ("roi", "obj", "stl", "neurolucida") and r["expect"] == "ok"]


def test_faces_and_lines_of_a_mesh(tmp_path: Path) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    shapes = shapes_of(open_file(tmp_path / "cube.obj"))
    assert shapes is not None and shapes.points.shape == (8, 3)
    corners, offsets = shapes.faces
    assert corners.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 5, 4] and offsets.tolist() == [0, 4, 8, 12]
    assert shapes.links.tolist() == [[2, 6], [6, 7]]
    axis = preview(tmp_path / "cube.obj").axes[0]
    polygons = next(c for c in axis.collections if type(c).__name__ == "PolyCollection")
    assert len(polygons.get_paths()) == 3


def test_elements_with_a_node_at_each_corner_have_edges() -> None:
    corners = np.array([[x, y, z] for z in (0.0, 1) for y in (0, 1) for x in (0, 1)])
    arrays = [
        Array("node_id", np.arange(1, 9), ("node",)),
        Array("node_coordinates", corners, ("node", "component")),
        Array("element3d_nodes", np.arange(1, 9), ("n",)),
        Array("element3d_node_offsets", np.array([0, 8]), ("edge",)),
    ]
    shapes = shapes_of(recording([], arrays=arrays, kind="geometry").to_dataset())
    long = np.linalg.norm(corners[shapes.links[:, 0]] - corners[shapes.links[:, 1]], axis=1)
    assert len(shapes.links) == 12 and (long == 1).all()


@pytest.mark.parametrize("row", DRAWN, ids=row_id)
def test_real_shapes_leave_ink(row: dict, corpus: Path) -> None:
    png = drawn(open_file(corpus / row["path"]))
    pixels = np.asarray(Image.open(BytesIO(png)).convert("L"))
    inside = pixels[60:-60, 60:-60]
    assert (inside < 200).sum() > 8, "nothing was drawn"


def test_columns_of_numbers_are_curves() -> None:
    energy, counts = np.linspace(-5, 5, 50), np.arange(50.0)
    arrays = [
        Array("potential", energy, ("point",), {"units": "V"}),
        Array("current", counts, ("point",), {"units": "uA"}),
    ]
    figure = preview(recording([], arrays=arrays, kind="table").to_dataset())
    (axis,) = figure.axes
    line = axis.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), energy)
    np.testing.assert_array_equal(line.get_ydata(), counts)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("potential (V)", "current (uA)")


def test_text_stays_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "x", "note": "no numbers here"}')
    assert drawn(open_file(tmp_path / "a.json")) == b""
