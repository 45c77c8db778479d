"""A small piece of a large picture costs the tiles, rows or strips under it, not the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formats.czi import _block, _czi
from formats.lsm import _lsm
from formats.nd2 import _nd2

from sparc_fuse_core.formats import open_tree
from sparc_fuse_core.source import open_source

RANDOM = np.random.default_rng(1)


def _tiles() -> bytes:
    whole = RANDOM.integers(0, 255, (2048, 2048), "u1")
    corners = [(y, x) for y in range(0, 2048, 512) for x in range(0, 2048, 512)]
    tiles = [_block(whole[y : y + 512, x : x + 512], Y=y, X=x, M=n) for n, (y, x) in enumerate(corners)]
    return _czi(tiles)


MADE = {
    "tiles.czi": _tiles,
    "frames.nd2": lambda: _nd2(RANDOM.integers(0, 255, (2, 2048, 1024, 2), "u1"), [(1, 2)]),
    "planes.lsm": lambda: _lsm(RANDOM.integers(0, 255, (2, 2, 1024, 1024), "u1"), 0, {"z": 2}),
}


@pytest.mark.parametrize("name", MADE)
def test_a_crop_reads_little(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(MADE[name]())
    with open_source(tmp_path / name) as source:
        image = open_tree(source)["0/image"]
        opened = source.bytes_read
        piece = image[..., 100:356, 100:356].values
        assert piece.nbytes > 65_000
        assert opened < source.size // 20, f"opening read {opened} of {source.size} bytes"
        planes = piece.size // (256 * 256)
        assert source.bytes_read - opened < planes * 256 * 2200, "more than the rows under the piece"
