"""TIFF files of a FluoView image: one plane each, found by the numbers in their names (``s_C001Z002T003.tif``)."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import Truncated
from sparc_fuse_core.formats._axes import ordered
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._oif.settings import number
from sparc_fuse_core.formats._tiff.book import open_book
from sparc_fuse_core.formats._tiff.page import Page
from sparc_fuse_core.model import LazyArray, limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._oif.settings import Sections
    from sparc_fuse_core.formats._oif.store import Store
    from sparc_fuse_core.source import Source

_NAMES = {
    "X": "x", "Y": "y", "Z": "z", "C": "c", "T": "t", "L": "wavelength", "A": "angle", "P": "point", "Q": "axis_q",
}  # fmt: skip
_INDEX = re.compile(r"_((?:[A-Z]\d+)+)\.tif$", re.IGNORECASE)
_PART = re.compile(r"([A-Z])(\d+)", re.IGNORECASE)
_MOST_PLANES = 1 << 20
_OPEN = 16


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the main settings: its letter, length and section."""

    letter: str
    size: int
    said: Mapping[str, str]

    @property
    def name(self) -> str:
        return _NAMES[self.letter]


def read_axes(source: Source, sections: Sections) -> list[Axis]:
    """Axes in the order of storage, the fastest first; those of one item are left out but for the first two."""
    order = sections.get("Axis Parameter Common", {}).get("AxisOrder", "")
    by_letter: dict[str, dict[str, str]] = {}
    for number_ in range(16):
        said = sections.get(f"Axis {number_} Parameters Common", {})
        by_letter.setdefault(said.get("AxisCode", ""), said)
    if (
        not 2 <= len(order) <= 8
        or len(set(order)) < len(order)
        or order[0] != "X"
        or not set(order) <= set(_NAMES)
    ):
        raise damaged(source.name, f"its axes are {order!r}; XY and others were expected")
    axes = []
    for letter in order:
        size = number(by_letter.get(letter, {}), "MaxSize")
        if size is None or not 1 <= size <= _MOST_PLANES or size != int(size):
            raise damaged(
                source.name, f"axis {letter} has the size {by_letter.get(letter, {}).get('MaxSize')!r}"
            )
        axes.append(Axis(letter, int(size), by_letter[letter]))
    total = 1
    for axis in axes[2:]:
        total *= axis.size
    limit_items(source, "planes", total, _MOST_PLANES)
    return axes


class Planes:
    """The planes of one image.

    Attributes
    ----------
    lost
        How many planes have no file; they read as 0. Where files cannot be listed, a missing one is an error.
    """

    def __init__(self, source: Source, store: Store, axes: Sequence[Axis], letters: str = "") -> None:
        self._source, self._store, self._outer = source, store, list(axes[2:])
        known = [axis.letter for axis in self._outer]
        self._letters = [c for c in letters if c in known] + [c for c in known if c not in letters]
        self._open: OrderedDict[str, Page] = OrderedDict()
        self._lock = threading.Lock()
        self.total = 1
        for axis in self._outer:
            self.total *= axis.size
        self.files = self._by_name() if store.names is not None else self._by_guess()
        if not self.files:
            raise Truncated(
                f"{source.name}: none of its planes ({self._name(0)} and so on) is there",
                hint=f"Put the folder {source.name}.files, with its files, beside it; an .oib holds all in one file.",
            )
        self.lost = self.total - len(self.files) if store.names is not None else 0
        first = self.page(min(self.files))
        assert first is not None
        self.layout = first.layout
        if (first.layout.width, first.layout.height) != (
            axes[0].size,
            axes[1].size,
        ) or first.layout.samples != 1:
            raise damaged(
                source.name,
                f"planes of {axes[0].size} x {axes[1].size} values are promised, the first has "
                f"{first.layout.width} x {first.layout.height} of {first.layout.samples} samples",
            )

    def _by_name(self) -> dict[int, str]:
        """Files by the flat index of their plane, from the listing."""
        groups: dict[str, dict[int, str]] = {}
        for name in self._store.names or ():
            hit = _INDEX.search(name)
            place = self._place(hit[1]) if hit else None
            if hit and place is not None:
                groups.setdefault(name[: hit.start()].casefold(), {}).setdefault(place, name)
        return max(groups.values(), key=len, default={})

    def _by_guess(self) -> dict[int, str]:
        return {index: self._name(index) for index in range(self.total)}

    def _place(self, numbers: str) -> int | None:
        given = [(letter.upper(), int(count)) for letter, count in _PART.findall(numbers)]
        found = dict(given)
        if len(found) < len(given) or any(axis.size > 1 and axis.letter not in found for axis in self._outer):
            return None
        index = 0
        for axis in reversed(self._outer):
            at = found.pop(axis.letter, 1) - 1
            if not 0 <= at < axis.size:
                return None
            index = index * axis.size + at
        return index if all(count == 1 for count in found.values()) else None

    def _name(self, index: int) -> str:
        numbers = {}
        for axis in self._outer:
            index, numbers[axis.letter] = divmod(index, axis.size)
        return "s_" + "".join(f"{letter}{numbers[letter] + 1:03}" for letter in self._letters) + ".tif"

    def page(self, index: int) -> Page | None:
        """The plane at a flat index (the first outer axis fastest), None when it has no file."""
        name = self.files.get(index)
        if name is None:
            return None
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
                return self._open[name]
        file = self._store.open(name)
        if file is None:
            raise Truncated(
                f"{self._source.name}: its plane {name} is not there; it is incomplete",
                hint=f"Fetch the folder {self._source.name}.files with all its files, and put it beside this one.",
            )
        page = open_book(file).pages[0]
        with self._lock:
            self._open[name] = page
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return page


def arranged(data: LazyArray, dims: Sequence[str]) -> tuple[tuple[str, ...], LazyArray]:
    """The same values with the axes in our order; y has one row where it is missing."""
    names = list(dims)
    if "y" not in names:
        data, names = _with_row(data), [*names, "y"]
    order = [names.index(name) for name in ordered(names)]
    if order != list(range(len(names))):
        data = data.transpose(*order)
    return tuple(names[i] for i in order), data


def _with_row(data: LazyArray) -> LazyArray:
    """A last axis of one item."""

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        values = data.read(key[:-1])
        return values[..., None] if isinstance(key[-1], slice) else values

    blocks = None if data.blocks is None else (*data.blocks, 1)
    return LazyArray((*data.shape, 1), data.dtype, read, blocks=blocks)
