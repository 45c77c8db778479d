"""Where the first pixel of a scene lies: in the coordinates of every level and in the NGFF description."""

from __future__ import annotations

import numpy as np
import pytest

from sparc_fuse_core import ngff
from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import Scene, images


def _scene(origin: float) -> Scene:
    levels = [np.zeros((3, 8, 6), "u1"), np.zeros((3, 4, 3), "u1")]
    size, unit = {"energy": 2.0, "y": 0.5, "x": 0.5}, {"energy": "eV", "x": "nm"}
    return Scene(
        levels, ("energy", "y", "x"), pixel_size=size, pixel_unit=unit, origin={"energy": origin, "x": 10.0}
    )


def test_coordinates_begin_at_the_origin() -> None:
    tree = images([_scene(-100.0)])
    assert tree["0/energy"].values.tolist() == tree["1/energy"].values.tolist() == [-100.0, -98.0, -96.0]
    assert tree["0/x"].values[0] == 10.0 and tree["1/x"].values[0] == 10.25
    assert tree["0/y"].values[0] == 0.0
    assert tree.attrs["pixel_origin"] == {"energy": -100.0, "x": 10.0}


def test_the_origin_is_a_translation() -> None:
    attrs = images([_scene(-100.0)]).attrs
    described = ngff.multiscales(attrs, ("energy", "y", "x"), [(3, 8, 6), (3, 4, 3)], np.dtype("u1"), 3)
    levels = described["ome"]["multiscales"][0]["datasets"]
    moved = [level["coordinateTransformations"][1]["translation"] for level in levels]
    assert moved == [[-100.0, 0.0, 10.0], [-100.0, 0.25, 10.25]]


def test_an_origin_must_be_a_number() -> None:
    with pytest.raises(FormatError):
        images([_scene(float("inf"))])
