"""SimplePCI and HCImage sequences (.cxd): an OLE2 compound file with a folder for each field.

::

    Field 1/Image .../Bitmap 1       pixels: raw, little-endian, or a TIFF; the name may also end in Data
    Image_Width, Image_Height, Image_Depth (bits)        64-bit floats, beside the pixels or in a folder above
    Position_Z, Time_From_Start      64-bit floats of each field
    Field Count, GroupMode           integers            Comments      lines of key=value

No specification is public and no file was at hand: only what these facts settle is read, all else is refused
by name (several images in a field, colours, other depths, rows that are padded). Fields become z where
``Position_Z`` has even steps, t and z where these repeat, t where only ``Time_From_Start`` grows, and else
``page``. The units of positions, times and the calibration in ``Comments`` are not known: the values are kept
as attributes (``positions_z``, ``times_from_start``) and metadata, not used as pixel sizes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._ole2 import MAGIC, Compound
from sparc_fuse_core.formats._strides import strided
from sparc_fuse_core.formats._tiff.book import open_book
from sparc_fuse_core.model import Format, LazyArray, Scene, images, limit_items

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_PIXELS = re.compile(r"(?:.*/)?(Field (\d{1,9}))/(Image[^/]*)/(?:Bitmap[^/]*|[^/]*Data)", re.IGNORECASE)
_TIFF = (b"II*\0", b"MM\0*")
_MOST_FIELDS = 1 << 18
_MOST_SIDE = 1 << 20
_MOST_COMMENTS = 1 << 16
_DEPTHS = {8: "<u1", 10: "<u2", 12: "<u2", 14: "<u2", 16: "<u2"}
_EVEN = 1e-3


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    path: str
    z: float | None
    time: float | None


def open_cxd(source: Source, /, **options: Any) -> xr.DataTree:
    """The fields of a sequence as one array; FormatError for all that is damaged or not known.

    Option ``page_axis`` (``t`` or ``z``) names the axis of fields where the file does not.
    """
    compound = Compound(source)
    fields = _fields(source, compound)
    pixels = _plane(source, compound, fields[0], 0)
    warnings: list[str] = []
    dims, sizes = _axes(fields, str(options.get("page_axis") or ""), warnings)
    scene = Scene([_stacked(source, compound, fields, sizes, pixels)], (*dims, "y", "x"))
    for name, values in (
        ("positions_z", [f.z for f in fields]),
        ("times_from_start", [f.time for f in fields]),
    ):
        if all(v is not None for v in values):
            scene.attrs[name] = values
    comments = _comments(compound)
    if comments or scene.attrs:
        warnings.append("the units of positions, times and of the calibration in the comments are not known")
    metadata: dict[str, Any] = {"Comments": comments} if comments else {}
    mode = _integer(source, compound, "GroupMode")
    if mode is not None:
        metadata["GroupMode"] = mode
    others = len(compound.streams) - len(fields)
    return images(
        [scene],
        metadata=metadata,
        warnings=warnings,
        dropped=[f"{others} streams with settings of the program"],
    )


def _fields(source: Source, compound: Compound) -> list[_Field]:
    """Fields in the order of their numbers, each with one stream of pixels."""
    found: dict[int, str] = {}
    for path in compound.streams:
        hit = _PIXELS.fullmatch(path)
        if hit is None:
            continue
        number = int(hit[2])
        if number in found:
            raise _unknown(source, f"field {number} has several images ({found[number]}, {path})")
        found[number] = path
    limit_items(source, "fields", len(found), _MOST_FIELDS)
    if not found:
        raise damaged(source.name, "a SimplePCI sequence was expected, it has no field with an image")
    numbers = sorted(found)
    promised = _integer(source, compound, "Field Count")
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or promised not in (None, len(numbers)):
        raise Truncated(
            f"{source.name}: promises {promised or numbers[-1]} fields, {len(numbers)} are there; it is damaged",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        )
    return [
        _Field(n, found[n], _real(source, compound, found[n], "Position_Z"), _real(source, compound, found[n],
               "Time_From_Start"))
        for n in numbers
    ]  # fmt: skip


def _plane(source: Source, compound: Compound, field: _Field, index: int) -> LazyArray:
    """The pixels of one field as (y, x), from a TIFF or as they lie."""
    stream = compound.stream(field.path)
    if stream.head(4) in _TIFF:
        page = open_book(stream).pages[0]
        if page.layout.samples != 1 or page.layout.photometric not in (0, 1):
            raise _unknown(source, f"the TIFF of field {field.number} has colours")
        layout = page.layout

        def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
            rows, columns = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
            part: NDArray[Any] = page.read(slice(0, 1), rows, columns)[0]
            result: NDArray[Any] = part[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
            return result

        return LazyArray((layout.height, layout.width), layout.dtype, read)
    sides = [_real(source, compound, field.path, f"Image_{name}") for name in ("Height", "Width", "Depth")]
    if any(v is None or v != int(v) or not 1 <= v <= _MOST_SIDE for v in sides):
        raise damaged(source.name, f"field {field.number} has the height, width and depth {sides}")
    height, width, depth = (int(v or 0) for v in sides)
    kind = _DEPTHS.get(depth)
    if kind is None:
        raise _unknown(source, f"field {field.number} has {depth} bits a pixel")
    item = int(kind[-1])
    if stream.size != height * width * item:
        raise _unknown(
            source,
            f"field {field.number} of {width} x {height} pixels of {item} bytes has {stream.size} bytes",
        )
    return strided(stream, kind, 0, (height, width), (width * item, item))


def _stacked(
    source: Source, compound: Compound, fields: Sequence[_Field], sizes: Sequence[int], first: LazyArray
) -> LazyArray:
    """Planes of all fields along the outer axes; each must look like the first one."""

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        out = np.empty([s.stop - s.start for s in spans], first.dtype)
        lead = spans[:-2]
        for at in np.ndindex(*out.shape[:-2]):
            index = 0
            for span, n, size in zip(lead, at, sizes, strict=True):
                index = index * size + span.start + n
            plane = _plane(source, compound, fields[index], index)
            if (plane.shape, plane.dtype) != (first.shape, first.dtype):
                raise _unknown(
                    source,
                    f"field {fields[index].number} is {plane.shape} {plane.dtype}, the first {first.shape}",
                )
            out[at] = plane.read((spans[-2], spans[-1]))
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    blocks = (first.blocks or first.shape)[-2:]
    return LazyArray((*sizes, *first.shape), first.dtype, read, blocks=(*[1] * len(sizes), *blocks))


def _axes(
    fields: Sequence[_Field], page_axis: str, warnings: list[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    count = len(fields)
    if count == 1:
        return (), ()
    depths = [f.z for f in fields]
    period = next((n for n in range(2, count + 1) if _is_scan(depths, n)), 0)
    if period == count:
        return ("z",), (count,)
    if period:
        return ("t", "z"), (count // period, period)
    times = [f.time for f in fields if f.time is not None]
    still = None in depths or len(set(depths)) == 1
    if still and len(times) == count and all(a < b for a, b in pairwise(times)):
        return ("t",), (count,)
    if page_axis in ("t", "z"):
        return (page_axis,), (count,)
    warnings.append(
        f"the file does not say what its {count} fields are; their axis is called 'page': the option page_axis "
        "names it t or z"
    )
    return ("page",), (count,)


def _is_scan(depths: Sequence[float | None], period: int) -> bool:
    """Whether depths rise or fall by even steps, the same ones again after each ``period`` fields."""
    if len(depths) % period or any(z is None for z in depths):
        return False
    rows = np.array(depths, "f8").reshape(-1, period)
    steps = np.diff(rows[0])
    slack = _EVEN * abs(steps[0])
    return bool(slack > 0 and (abs(steps - steps[0]) <= slack).all() and (abs(rows - rows[0]) <= slack).all())


def _real(source: Source, compound: Compound, path: str, leaf: str) -> float | None:
    """A 64-bit float beside the pixels or in a folder above them."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        name = f"{folder}/{leaf}".lstrip("/")
        if compound.streams.get(name) == 8:
            (value,) = compound.stream(name).unpack("<d", 0)
            if not math.isfinite(value):
                raise damaged(source.name, f"{name} is {value}")
            return float(value)
    return None


def _integer(source: Source, compound: Compound, leaf: str) -> int | None:
    """An integer of two or four bytes, wherever it lies."""
    names = [n for n in compound.streams if n.rpartition("/")[2] == leaf and compound.streams[n] in (2, 4)]
    if not names:
        return None
    stream = compound.stream(names[0])
    return int(stream.unpack("<i" if stream.size == 4 else "<h", 0)[0])


def _comments(compound: Compound) -> dict[str, str]:
    names = [n for n in compound.streams if n.rpartition("/")[2] == "Comments"]
    if not names or compound.streams[names[0]] > _MOST_COMMENTS:
        return {}
    text = compound.content(names[0], _MOST_COMMENTS).decode("latin-1").replace("\0", "")
    pairs = (line.partition("=") for line in re.split(r"[\r\n]+", text))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign and key.strip()}


def _unknown(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}, which is not read",
        hint="Export it from SimplePCI or HCImage as TIFF; if you can share it, please report it.",
        source=source.url,
    )


def _is_compound(head: bytes) -> bool:
    return head[:8] == MAGIC


FORMAT = Format(
    name="cxd",
    title="SimplePCI",
    kind="image",
    suffixes=(".cxd",),
    open=open_cxd,
    sniff=_is_compound,
    requires=("olefile", "tifffile", "imagecodecs"),
    options=("page_axis",),
    carried="planes, sizes, positions, times, comments",
    left="several images a field, colours, odd depths (refused)",
    lazy="plane",
)
