"""One entry of ``ImageList``: its pixels, what its axes are, and how they are calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._dm.tags import Blob, Group, Tags
from sparc_fuse_core.formats._strides import strided
from sparc_fuse_core.formats._tiff.stack import unit as unit_of
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

RGBA = 23
_PACKED = {27: "c8", 28: "c16"}
_WIDE = {11: "i8", 12: "u8"}  # encoded types; the numbers of their data types differ between versions
_KINDS = {
    1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16", 14: "u1",
    RGBA: "u1", **_PACKED,
}  # fmt: skip
_UNREAD = {
    5: "packed complex", 8: "RGB of the older kind", 24: "RGBA of 16 bits", 25: "RGBA of 16 bits",
    26: "RGBA of floats",
}  # fmt: skip
_MOST_AXES = 8
_ENERGIES = ("ev", "kev", "mev")
_RECIPROCAL = ("1/", "mrad", "rad", "deg")


@dataclass(frozen=True, slots=True)
class Axis:
    """Length of an axis and its calibration: position = ``origin`` + index * ``step``, where that is said."""

    size: int
    step: float | None = None
    origin: float = 0.0
    unit: str = ""


class Picture:
    """Pixels of one image with their axes, the fastest one last.

    Attributes
    ----------
    half
        True for the stored half of the Fourier transform of a real image.
    """

    def __init__(self, source: Source, tags: Tags, entry: Group) -> None:
        self._source, self._tags, self.entry = source, tags, entry
        data = entry.group("ImageData")
        sizes = [value for _, value in data.group("Dimensions").tags]
        if not 0 < len(sizes) <= _MOST_AXES or any(not isinstance(n, int) or n < 1 for n in sizes):
            raise damaged(source.name, f"image {self.name!r} has the dimensions {sizes[:_MOST_AXES]}")
        self.type = data.get("DataType")
        calibrations = data.group("Calibrations", "Dimension").groups
        found = [_axis(n, calibrations[i] if i < len(calibrations) else Group()) for i, n in enumerate(sizes)]
        self.half = self.type in _PACKED
        if self.half:
            found[0] = Axis(found[0].size // 2 + 1)
        self.axes = tuple(reversed(found))

    @property
    def name(self) -> str:
        return self.entry.text("Name")

    @property
    def rgba(self) -> bool:
        return bool(self.type == RGBA)

    @property
    def doubtful(self) -> bool:
        """Colours of a big-endian file: that they have the same order there is not known."""
        return self.rgba and self._tags.order == ">"

    def pixels(self) -> LazyArray:
        """(…, y, x), for colours (…, c, y, x); FormatError for types that are not read and bytes that lack."""
        blob = self.entry.get("ImageData", "Data")
        if not isinstance(blob, Blob):
            raise damaged(self._source.name, f"image {self.name!r} has no pixels")
        kind = _KINDS.get(self.type) or _WIDE.get(blob.kind)
        if kind is None:
            what = _UNREAD.get(self.type, "unknown")
            raise FormatError(
                f"{self._source.name}: image {self.name!r} is of data type {self.type} ({what}), which is not read",
                hint="Change its data type in DigitalMicrograph (to real, complex or RGB) and save it again.",
            )
        item = 4 if self.rgba else int(kind[1:])
        shape = [axis.size for axis in self.axes]
        if math.prod(shape) * item != blob.nbytes:
            raise damaged(
                self._source.name,
                f"image {self.name!r} of {shape} pixels of {item} bytes has {blob.nbytes} bytes",
            )
        steps = [item * math.prod(shape[i + 1 :]) for i in range(len(shape))]
        if self.rgba:
            at = max(0, len(shape) - 2)
            shape.insert(at, 4)
            steps.insert(at, 1)
        order = self._tags.order if kind[1:] != "1" else ""
        return strided(self._source, order + kind, blob.offset, shape, steps)

    def dims(self) -> tuple[tuple[str, ...], str]:
        """Names of the axes without colours, and which of y and x is spectral, if one is."""
        count = len(self.axes)
        lead = count - 2
        if count == 1:
            return (self._one(),), ""
        names = ["y", "x"]
        if lead == 1:
            names = [self._third(), *names]
        elif lead == 2:
            scanned = _is_reciprocal(self.axes[0]) and not _is_reciprocal(self.axes[-1])
            names = [*(("detector_y", "detector_x") if scanned else ("scan_y", "scan_x")), *names]
        elif lead > 2:
            names = [*(f"axis_{count - 1 - i}" for i in range(lead)), *names]
        return tuple(names), self._spectral_side(names)

    def _one(self) -> str:
        return self._spectral_name(self.axes[0]) if self._is_spectrum() or _is_energy(self.axes[0]) else "x"

    def _third(self) -> str:
        meta, axis = self._meta, self.axes[0]
        if _is_energy(axis) or (self._is_spectrum() and not any(_is_energy(a) for a in self.axes[1:])):
            return self._spectral_name(axis)
        if meta.get("IsSequence"):
            return "t"
        found = unit_of(axis.unit)
        if found is not None:
            return "t" if found[0] == "second" else "z"
        return "page"

    def _spectral_side(self, names: Sequence[str]) -> str:
        """A line of spectra has the spectrum along x: nothing but the unit or a tag tells."""
        for name, axis in zip(names[-2:], self.axes[-2:], strict=True):
            if _is_energy(axis):
                return name
        return "x" if self._is_spectrum() and len(names) == 2 else ""

    def _spectral_name(self, axis: Axis) -> str:
        if _is_energy(axis):
            return "energy"
        found = unit_of(axis.unit)
        return "wavelength" if found is not None and found[0] != "second" else "spectrum"

    @property
    def _meta(self) -> Group:
        return self.entry.group("ImageTags", "Meta Data")

    def _is_spectrum(self) -> bool:
        return self._meta.text("Format") in ("Spectrum", "Spectrum image")

    def intensity(self) -> dict[str, Any]:
        """How a pixel becomes a quantity, where the image says so: (pixel - origin) * scale, in a unit."""
        said = self.entry.group("ImageData", "Calibrations", "Brightness")
        scale, origin, unit = said.number("Scale"), said.number("Origin"), said.text("Units").strip()
        found: dict[str, Any] = {}
        if scale is not None and origin is not None and math.isfinite(scale) and math.isfinite(origin):
            if (scale, origin) != (1.0, 0.0):
                found = {"intensity_scale": float(scale), "intensity_origin": float(origin)}
            if unit:
                found["intensity_unit"] = unit
        return found


def _axis(size: int, said: Group) -> Axis:
    scale, origin, unit = said.number("Scale"), said.number("Origin") or 0.0, said.text("Units").strip()
    if scale is None or not math.isfinite(scale) or not math.isfinite(origin) or scale == 0:
        return Axis(size, unit=unit)
    if (scale, origin, unit) == (1.0, 0.0, ""):
        return Axis(size)
    return Axis(size, float(scale), 0.0 - origin * scale, unit)


def _is_energy(axis: Axis) -> bool:
    return axis.unit.lower() in _ENERGIES


def _is_reciprocal(axis: Axis) -> bool:
    return axis.unit.lower().startswith(_RECIPROCAL)
