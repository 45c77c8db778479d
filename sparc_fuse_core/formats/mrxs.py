"""3DHISTECH MIRAX slides: ``NAME.mrxs`` with the folder ``NAME/`` (``Slidedat.ini``, ``Index.dat``, ``Data*.dat``).

The ``.mrxs`` is a picture of the slide only, and never given as the image; the folder holds the tiles, their
pyramid and the places of the camera's pictures. They are read region by region by OpenSlide, whose colours have
an opacity: places that were not scanned get the background of the slide. Levels become resolutions; pixel sizes
are those of the slide, label and macro pictures, which may show names, are not carried over. OpenSlide gives at
most three filters of fluorescence slides.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, NotSupported
from sparc_fuse_core.model import Format, LazyArray, Names, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_ROWS = 1024
_MOST_INI = 1 << 20
_KEPT = (
    "openslide.vendor", "openslide.objective-power", "openslide.mpp-x", "openslide.mpp-y", "openslide.quickhash-1",
    "mirax.GENERAL.SLIDE_VERSION", "mirax.GENERAL.IMAGENUMBER_X", "mirax.GENERAL.IMAGENUMBER_Y",
    "mirax.GENERAL.OBJECTIVE_NAME", "mirax.GENERAL.OBJECTIVE_MAGNIFICATION", "mirax.GENERAL.CAMERA_TYPE",
    "mirax.GENERAL.SLIDE_BITDEPTH", "mirax.GENERAL.SLIDE_TYPE", "mirax.GENERAL.SLIDE_CREATIONDATETIME",
)  # fmt: skip
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")


def open_mrxs(source: Source, /, **_: Any) -> xr.DataTree:
    """The slide with its levels as (c, y, x); FormatError when its folder is missing or damaged."""
    import openslide

    ini = source.sibling(f"{source.stem}/Slidedat.ini")
    if ini is None:
        raise FormatError(
            f"{source.name}: the slide is in the folder {source.stem}, which is not there or has no Slidedat.ini; the "
            ".mrxs alone is a small picture of it",
            hint=f"Put the folder {source.stem} beside the .mrxs, with all its files.",
        )
    if ini.size > _MOST_INI:
        raise LimitExceeded(
            f"{source.name}: its Slidedat.ini has {ini.size} bytes; it is damaged", hint="Fetch it again."
        )
    path = _local(source)
    try:
        slide = openslide.OpenSlide(str(path))
        properties = dict(slide.properties)
    except openslide.OpenSlideError as error:
        raise FormatError(
            f"{source.name}: its files cannot be followed ({error}); one of them is missing or damaged",
            hint=f"Fetch the folder {source.stem} again, with all its files.",
        ) from error
    if properties.get("openslide.vendor") != "mirax":
        raise FormatError(f"{source.name}: is no MIRAX slide", hint="Check what program wrote it; rename it.")
    return _tree(source, slide, properties)


def _local(source: Source) -> Path:
    """Where the slide lies on this machine, its folder beside it."""
    if "://" in source.url:
        raise NotSupported(
            f"{source.name}: MIRAX slides are read from this machine only, with the folder {source.stem}",
            hint="Download the .mrxs and its folder first.",
            source=source.url,
        )
    return source.path()


def _tree(source: Source, slide: Any, properties: dict[str, str]) -> xr.DataTree:
    warnings = [
        "places that were not scanned, and partly opaque pixels, were put on the background of the slide"
    ]
    dropped = []
    if slide.associated_images:
        names = ", ".join(sorted(slide.associated_images))
        dropped.append(f"pictures of the slide and not of the specimen, which may show names ({names})")
    if "FLUO" in properties.get("mirax.GENERAL.SLIDE_TYPE", "").upper():
        warnings.append(
            "it is a fluorescence slide: only what OpenSlide shows as red, green and blue is here"
        )
    for width, height in slide.level_dimensions:
        if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
            raise LimitExceeded(
                f"{source.name}: has a level of {width} x {height}; it is damaged", hint="Fetch it again."
            )
    lock = threading.Lock()
    levels = [_level(slide, level, properties, lock) for level in range(slide.level_count)]
    scene = Scene(levels, ("c", "y", "x"), rgb=True)
    for axis in ("x", "y"):
        step = _number(properties.get(f"openslide.mpp-{axis}", ""))
        if step is not None and step > 0:
            scene.pixel_size = {**scene.pixel_size, axis: step}
            scene.pixel_unit = {**scene.pixel_unit, axis: "micrometer"}
    bounds = [_number(properties.get(f"openslide.bounds-{key}", "")) for key in ("x", "y", "width", "height")]
    if None not in bounds:
        scene.attrs["scanned_region"] = [int(n or 0) for n in bounds]
    dropped.append("names and identifiers of the slide and its scanner")
    metadata = {key: properties[key] for key in _KEPT if key in properties}
    return images([scene], metadata=metadata, warnings=warnings, dropped=dropped)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _level(slide: Any, level: int, properties: dict[str, str], lock: threading.Lock) -> LazyArray:
    width, height = slide.level_dimensions[level]
    # Levels are halved in whole steps; the factor that OpenSlide computes from rounded sizes is not exact.
    step = max(1, round(slide.level_downsamples[level]))
    under = _background(properties)

    def read(key: Any) -> NDArray[Any]:
        c, y, x = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((c.stop - c.start, y.stop - y.start, x.stop - x.start), "u1")
        for top in range(y.start, y.stop, _ROWS):
            rows = min(_ROWS, y.stop - top)
            with lock:  # a failed read would spoil the slide for the reads of other threads
                pixels = np.asarray(
                    slide.read_region((x.start * step, top * step), level, (x.stop - x.start, rows))
                )
            out[:, top - y.start : top - y.start + rows] = np.moveaxis(_flat(pixels, under), -1, 0)[c]
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    tile = [
        _number(properties.get(f"openslide.level[{level}].tile-{key}", "")) for key in ("height", "width")
    ]
    blocks = tuple(int(n) if n and 16 <= n <= 4096 else 256 for n in tile)
    return LazyArray((3, height, width), "u1", read, blocks=(3, *blocks))


def _background(properties: dict[str, str]) -> NDArray[Any]:
    colour = properties.get("openslide.background-color", "FFFFFF")
    try:
        return np.frombuffer(bytes.fromhex(colour[:6]), "u1")[:3].astype("u4")
    except ValueError:
        return np.full(3, 255, "u4")


def _flat(pixels: NDArray[Any], under: NDArray[Any]) -> NDArray[Any]:
    """(y, x, 3) without opacity: what is not opaque lets the background through."""
    if (pixels[..., 3] == 255).all():
        return pixels[..., :3]
    opacity = pixels[..., 3:].astype("u4")
    mixed: NDArray[Any] = (pixels[..., :3] * opacity + under * (255 - opacity) + 127) // 255
    return mixed.astype("u1")


def _members(names: Names, name: str) -> Iterator[str]:
    yield name
    yield from names.below(name[: -len(".mrxs")])


def _sniff(head: bytes) -> bool:
    return head.startswith(_MAGIC)


FORMAT = Format(
    name="mrxs",
    title="3DHISTECH MIRAX slide",
    kind="image",
    suffixes=(".mrxs",),
    open=open_mrxs,
    sniff=_sniff,
    requires=("openslide-python", "openslide-bin"),
    members=lambda names, name: list(_members(names, name)),
    nested=True,
    named=True,
    carried="pixels, stored pyramid, pixel size, objective",
    left="label and macro pictures, names of slides",
    lazy="tile",
)
