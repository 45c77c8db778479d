"""Hamamatsu NDPI slides, read region by region with OpenSlide.

An NDPI is almost a TIFF: each resolution is one JPEG with restart markers, often wider than a JPEG may be and
beyond 4 GB. OpenSlide reads regions of it; its resolutions are used as they are, some of which the JPEG decoder
makes from the next larger one. A remote slide is fetched first.

Carried over: colours, resolutions, pixel size, power of the objective, properties of the scan. Not carried: the
overview and map pictures, which may show personal data, names and numbers of slide and scanner, other focal
planes than the middle one, fluorescence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._tiff.slide import is_private
from sparc_fuse_core.model import Format, LazyArray, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

NDPI_MARK = 65420
_SMALLEST = 64
_MOST_SIDE = 1 << 24
_RESAVE = "Open it in NDP.view and export it as TIFF; fetch the file again if it does not open there."


def open_ndpi(source: Source, /, **options: Any) -> xr.DataTree:
    """A slide as (c, y, x) with its resolutions; FormatError when OpenSlide cannot read it."""
    import openslide

    try:
        slide = openslide.OpenSlide(source.path())
    except openslide.OpenSlideError as error:
        raise FormatError(f"{source.name}: OpenSlide cannot read it ({error})", hint=_RESAVE) from error
    said = dict(slide.properties)
    if said.get("openslide.vendor") != "hamamatsu" or max(slide.dimensions) > _MOST_SIDE:
        raise FormatError(f"{source.name}: is not a slide of Hamamatsu that can be read", hint=_RESAVE)
    warnings: list[str] = []
    dropped = [f"{name} picture" for name in slide.associated_images]
    if dropped:
        warnings.append("overview pictures may show personal data; they were left out")
    sizes = slide.level_dimensions
    count = sum(1 for n, size in enumerate(sizes) if n == 0 or min(size) >= _SMALLEST)
    scene = Scene([_level(source, slide, level) for level in range(count)], ("c", "y", "x"), rgb=True)
    for axis in "yx":
        step = _number(said.get(f"openslide.mpp-{axis}"))
        if step > 0:
            scene.pixel_size = {**scene.pixel_size, axis: step}
            scene.pixel_unit = {**scene.pixel_unit, axis: "micrometer"}
    power = _number(said.get("openslide.objective-power"))
    if power > 0:
        scene.attrs["objective_power"] = power
    kept = {
        k: v[:4096] for k, v in said.items() if k.startswith(("hamamatsu.", "tiff.")) and not is_private(k)
    }
    return images([scene], metadata=kept, warnings=warnings, dropped=dropped)


def _level(source: Source, slide: Any, level: int) -> LazyArray:
    import openslide

    wide, high = slide.level_dimensions[level]
    factor = slide.level_downsamples[level]

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        parts, rows, columns = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        corner = (round(columns.start * factor), round(rows.start * factor))
        try:
            region = slide.read_region(corner, level, size)
        except openslide.OpenSlideError as error:
            raise FormatError(f"{source.name}: a region cannot be read ({error})", hint=_RESAVE) from error
        pixels = np.moveaxis(np.asarray(region)[..., :3], -1, 0)[parts]
        return pixels[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    tall, broad = (
        _number(slide.properties.get(f"openslide.level[{level}].tile-{s}")) for s in ("height", "width")
    )
    blocks = (3, int(tall) or min(high, 512), int(broad) or min(wide, 512))
    return LazyArray((3, high, wide), "u1", read, blocks=blocks)


def _number(text: str | None) -> float:
    try:
        found = float(text or 0)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


FORMAT = Format(
    name="ndpi",
    title="Hamamatsu NDPI",
    kind="image",
    suffixes=(".ndpi",),
    open=open_ndpi,
    magic=((0, b"II*\0"),),
    requires=("openslide-python", "openslide-bin"),
    carried="pixels, stored pyramid, pixel size, objective",
    left="label and macro pictures, other focal planes",
    lazy="region",
)
