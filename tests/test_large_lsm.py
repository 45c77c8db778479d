"""An LSM over 4 GB without its 4 GB: places of strips that are kept modulo 2^32 find their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from formats.lsm import _lsm

from sparc_fuse_core.formats.lsm import open_lsm
from sparc_fuse_core.source import Source

WRAP = 1 << 32


class Sparse(Source):
    """Bytes at a few places of a file that is empty elsewhere."""

    def __init__(self, size: int, parts: dict[int, bytes]) -> None:
        super().__init__("sparse.lsm", "sparse.lsm", size)
        self._parts = parts

    def _pread(self, offset: int, nbytes: int) -> bytes:
        out = bytearray(nbytes)
        for start, data in self._parts.items():
            low, high = max(start, offset), min(start + len(data), offset + nbytes)
            if low < high:
                out[low - offset : high - offset] = data[low - start : high - start]
        return bytes(out)


@pytest.mark.parametrize("positions", [1, 2])
def test_strips_beyond_four_gigabytes_are_found(positions: int) -> None:
    pages = np.random.default_rng(3).integers(0, 255, (6, 1, 10, 12), "u1")
    # Written in the order of acquisition: all positions of a time, then the next time.
    order = np.arange(6).reshape(positions, -1).T.ravel() if positions > 1 else np.arange(6)
    places = {int(page): (1 << 31) + 1_000_000_000 * rank for rank, page in enumerate(order)}
    strips = [[places[page] % WRAP] for page in range(6)]
    sizes = {"t": 6 // positions} | ({"p": positions} if positions > 1 else {})
    head = _lsm(pages, 3, sizes, strips=strips)
    parts = {0: head} | {place: pages[page].tobytes() for page, place in places.items()}
    tree = open_lsm(Sparse(max(places.values()) + 1000, parts))
    if positions == 1:
        found = tree["0/image"].values
    else:
        found = np.concatenate([tree[f"{p}/0/image"].values for p in range(positions)])
    np.testing.assert_array_equal(found, pages[:, 0])
