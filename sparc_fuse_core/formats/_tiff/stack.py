"""Pages laid out along axes become one lazy array: (page, t, c, z, y, x), axes of one item left out.

A page with several samples (RGB, planar or not) gives them to ``c``; a palette page gives red, green, blue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._tiff.layout import Layout
from sparc_fuse_core.formats._tiff.page import Page
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAD = ("page", "t", "c", "z")
Find = Callable[[int], Page | None]
_BLOCK_BYTES = 1 << 20


def stack(
    layout: Layout, sizes: Mapping[str, int], find: Find, *, palette: bool = False, keep: Sequence[str] = (),
    custom: str = "page",
) -> tuple[tuple[str, ...], LazyArray]:  # fmt: skip
    """Names of the axes and the array.

    Parameters
    ----------
    layout
        That every page must have.
    sizes
        How many pages lie along page, t, c and z; 1 where absent.
    find
        Gives the page at a flat index in the order page, t, c, z (z fastest); None for a plane that is not
        there, which reads as 0.
    palette
        Whether indices become colours.
    keep
        Axes that stay although they hold one item.
    custom
        Name of the axis ``page`` in the result.
    """
    outer = tuple(sizes.get(axis, 1) for axis in LEAD)
    samples = 3 if palette else layout.samples
    dtype = np.dtype("u1") if palette else layout.dtype
    full = (outer[0], outer[1], outer[2] * samples, outer[3], layout.height, layout.width)

    def read_full(spans: Sequence[slice]) -> NDArray[Any]:
        out = np.zeros([s.stop - s.start for s in spans], dtype)
        for index, channel, pick, into in _planes(spans, outer, samples):
            page = find(index)
            if page is not None and out.size:
                target = out[channel[0], channel[1], into, channel[2]]
                _fill(target, page, layout, pick, spans[4], spans[5], palette)
        return out

    kept = [i for i, n in enumerate(full) if n > 1 or i > 3 or (*LEAD, "y", "x")[i] in keep]

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        whole: list[slice] = [slice(0, 1)] * 6
        for axis, item in zip(kept, key, strict=True):
            whole[axis] = item if isinstance(item, slice) else slice(item, item + 1)
        given = dict(zip(kept, key, strict=True))
        return read_full(whole)[
            tuple(slice(None) if isinstance(given.get(i), slice) else 0 for i in range(6))
        ]

    dims = tuple((custom, "t", "c", "z", "y", "x")[i] for i in kept)
    blocks = (1, 1, layout.together if not palette else 3, 1, *_block(layout))
    return dims, LazyArray([full[i] for i in kept], dtype, read, blocks=[blocks[i] for i in kept])


def _planes(
    spans: Sequence[slice], outer: tuple[int, ...], samples: int
) -> list[tuple[int, tuple[int, int, int], slice, slice]]:
    """What to read: flat page index, place in the result (page, t, z), samples, where those go in c."""
    todo = []
    first, last = spans[2].start // samples, -(-spans[2].stop // samples)
    for page in range(spans[0].start, spans[0].stop):
        for t in range(spans[1].start, spans[1].stop):
            for c in range(first, last):
                low, high = max(spans[2].start, c * samples), min(spans[2].stop, (c + 1) * samples)
                for z in range(spans[3].start, spans[3].stop):
                    flat = ((page * outer[1] + t) * outer[2] + c) * outer[3] + z
                    place = (page - spans[0].start, t - spans[1].start, z - spans[3].start)
                    pick = slice(low - c * samples, high - c * samples)
                    todo.append((flat, place, pick, slice(low - spans[2].start, high - spans[2].start)))
    return todo


def _fill(
    out: NDArray[Any], page: Page, layout: Layout, samples: slice, rows: slice, columns: slice, palette: bool
) -> None:
    found = page.layout
    if (found.height, found.width, found.samples, found.dtype) != (
        layout.height, layout.width, layout.samples, layout.dtype,
    ):  # fmt: skip
        raise FormatError(
            f"{page.source.name}: pages of {layout.width} x {layout.height} pixels of {layout.dtype} were "
            "promised, "
            f"one has {found.width} x {found.height} of {found.dtype}",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        )
    if palette:
        out[...] = colours(page)[samples][:, page.read(slice(0, 1), rows, columns)[0]]
    else:
        page.fill(out, samples, rows, columns)


def colours(page: Page) -> NDArray[Any]:
    """The colour map of a palette page as (3, entries), 8 bits each; entries that are missing are black."""
    values = np.array(page.ifd.numbers(320, 3 << 16), "u4")
    entries = 1 << (page.layout.bits if isinstance(page.layout.bits, int) else 8)
    if len(values) < 3:
        raise FormatError(f"{page.source.name}: a palette was promised, there is none; its header is damaged")
    found = values[: len(values) // 3 * 3].reshape(3, -1)
    if found.max(initial=0) > 255:  # some writers give 8-bit colours where 16-bit ones belong
        found = found >> 8
    table = np.zeros((3, max(entries, found.shape[1])), "u1")
    table[:, : found.shape[1]] = found
    return table


def ramp_colour(table: NDArray[Any]) -> str:
    """``RRGGBB`` of a table that runs evenly from black to one colour: then the indices are intensities."""
    count = table.shape[1]
    top = table[:, -1].astype("f8")
    even = np.abs(table - np.arange(count) * top[:, None] / max(1, count - 1)).max() <= 1
    return "".join(f"{int(v):02X}" for v in top) if even and top.max() == 255 else ""


def _block(layout: Layout) -> tuple[int, int]:
    high, wide = layout.segment
    if layout.tiled:
        return high, wide
    row = max(1, layout.width * layout.together * layout.dtype.itemsize)
    if layout.direct:
        return min(layout.height, max(1, _BLOCK_BYTES // row)), layout.width
    strips = max(1, _BLOCK_BYTES // (high * row))
    return min(layout.height, high * strips), layout.width


_UNITS = {
    "nm": ("nanometer", 1.0), "nanometer": ("nanometer", 1.0), "nanometers": ("nanometer", 1.0),
    "um": ("micrometer", 1.0), "micron": ("micrometer", 1.0), "microns": ("micrometer", 1.0),
    "micrometer": ("micrometer", 1.0), "micrometers": ("micrometer", 1.0), "micrometre": ("micrometer", 1.0),
    "µm": ("micrometer", 1.0), "mm": ("millimeter", 1.0), "millimeter": ("millimeter", 1.0),
    "millimeters": ("millimeter", 1.0), "cm": ("centimeter", 1.0), "centimeter": ("centimeter", 1.0),
    "m": ("meter", 1.0), "meter": ("meter", 1.0), "metre": ("meter", 1.0), "inch": ("inch", 1.0),
    "in": ("inch", 1.0), "å": ("angstrom", 1.0), "angstrom": ("angstrom", 1.0), "pm": ("picometer", 1.0),
    "picometer": ("picometer", 1.0), "s": ("second", 1.0), "sec": ("second", 1.0), "second": ("second", 1.0),
    "seconds": ("second", 1.0), "ms": ("second", 1e-3), "msec": ("second", 1e-3), "us": ("second", 1e-6),
    "µs": ("second", 1e-6), "ns": ("second", 1e-9), "min": ("second", 60.0), "minute": ("second", 60.0),
    "minutes": ("second", 60.0), "h": ("second", 3600.0), "hour": ("second", 3600.0),
    "d": ("second", 86400.0),
}  # fmt: skip
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def unit(text: str) -> tuple[str, float] | None:
    """The OME-NGFF name of a unit and the factor to it (times become seconds); None when it is no unit."""
    plain = _ESCAPED.sub(lambda hit: chr(int(hit[1], 16)), text).strip().replace("μ", "µ")
    if plain.endswith("Âµm"):
        plain = "µm"
    return _UNITS.get(plain) or _UNITS.get(plain.lower())
