"""OME-NGFF: the only file that knows how images are described there (versions 0.5 and 0.4).

Levels lie at ``<level>/image``: the specification asks for "the path to the array relative to the group", and
a level that is a group of its own opens in xarray although the levels differ in size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["can_describe", "multiscales", "root_layout"]

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_UNITS = {
    "um": "micrometer",
    "µm": "micrometer",
    "μm": "micrometer",
    "micron": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "pm": "picometer",
    "s": "second",
    "ms": "millisecond",
}
_PREFIXES = (
    "yocto zepto atto femto pico nano micro milli centi deci hecto kilo mega giga tera peta exa zetta yotta"
)
_KNOWN = frozenset(
    ["angstrom", "foot", "inch", "mile", "parsec", "yard", "day", "hour", "minute", "meter", "second"]
    + [prefix + unit for prefix in _PREFIXES.split(" ") for unit in ("meter", "second")]
)
_DEFAULT_COLORS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def unit_name(unit: str) -> str | None:
    """The unit as OME-NGFF spells it, or None when it has no name there (pixels, for one)."""
    name = _UNITS.get(unit, unit)
    return name if name in _KNOWN else None


def can_describe(dims: Sequence[str]) -> bool:
    """Whether a valid description exists: time first, at most one axis that is not t, z, y or x, then space."""
    rank = [0 if d == "t" else "zyx".index(d) + 2 if d in "zyx" else 1 for d in dims]
    return rank == sorted(rank) and rank.count(1) <= 1 and tuple(dims[-2:]) == ("y", "x")


def _axes(dims: Sequence[str], units: Mapping[str, str]) -> list[dict[str, str]]:
    axes = []
    for dim in dims:
        axis = {"name": dim}
        if dim in _TYPES:
            axis["type"] = _TYPES[dim]
        unit = unit_name(units.get(dim, ""))
        if unit and dim != "c":
            axis["unit"] = unit
        axes.append(axis)
    return axes


def multiscales(
    attrs: Mapping[str, Any],
    dims: Sequence[str],
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    zarr_format: int,
) -> dict[str, Any]:
    """Attributes of the group above the levels.

    Parameters
    ----------
    attrs
        Of the scene: ``name``, ``pixel_size``, ``pixel_unit``, ``pixel_origin``, ``channels``, ``rgb``.
    shapes
        Of the levels, full resolution first.
    """
    step = {dim: float(attrs.get("pixel_size", {}).get(dim, 1.0)) for dim in dims}
    origin = {dim: float(attrs.get("pixel_origin", {}).get(dim, 0.0)) for dim in dims}
    datasets = []
    for level, shape in enumerate(shapes):
        factor = [full / size if size else 1.0 for full, size in zip(shapes[0], shape, strict=True)]
        scale = [step[d] * f for d, f in zip(dims, factor, strict=True)]
        shift = [origin[d] + step[d] * (f - 1) / 2 for d, f in zip(dims, factor, strict=True)]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(shift):
            transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": f"{level}/image", "coordinateTransformations": transforms})
    image: dict[str, Any] = {"axes": _axes(dims, attrs.get("pixel_unit", {})), "datasets": datasets}
    if attrs.get("name"):
        image["name"] = str(attrs["name"])
    if len(shapes) > 1:
        image["type"] = "mean"
    body: dict[str, Any] = {"multiscales": [image]}
    omero = _omero(attrs, dims, shapes[0], dtype)
    if omero:
        body["omero"] = omero
    if zarr_format == 2:
        image["version"] = "0.4"
        return body
    return {"ome": {"version": "0.5", **body}}


def _omero(
    attrs: Mapping[str, Any], dims: Sequence[str], shape: Sequence[int], dtype: Any
) -> dict[str, Any] | None:
    """Display settings, only when each channel has a window that is known or follows from the type."""
    count = shape[list(dims).index("c")] if "c" in dims else 1
    given = list(attrs.get("channels") or [])
    if len(given) != count:
        given = [{}] * count
    channels = []
    for number, channel in enumerate(given):
        low, high = channel.get("window") or _range(dtype)
        color = str(channel.get("color") or (_DEFAULT_COLORS[number % 7] if count > 1 else "FFFFFF"))
        channels.append(
            {
                "label": str(channel.get("name") or f"Channel {number}"),
                "color": color.lstrip("#").upper()[:6],
                "active": True,
                "window": {"min": float(low), "max": float(high), "start": float(low), "end": float(high)},
            }
        )
    return {"channels": channels, "rdefs": {"model": "color" if count > 1 else "greyscale"}}


def _range(dtype: Any) -> tuple[float, float]:
    import numpy as np

    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return 0.0, 1.0


def root_layout(zarr_format: int) -> dict[str, Any]:
    """Attributes of the root when the file has several scenes (bioformats2raw layout)."""
    if zarr_format == 2:
        return {"bioformats2raw.layout": 3}
    return {"ome": {"version": "0.5", "bioformats2raw.layout": 3}}
