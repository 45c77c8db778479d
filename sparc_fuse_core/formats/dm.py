"""Gatan DigitalMicrograph images and spectra (.dm3, .dm4): a tree of tags (`_dm.tags`), pixels among them.

``ImageList`` has an entry for each image: ``ImageData`` with ``Data``, ``DataType``, ``Dimensions`` (the
fastest first) and ``Calibrations``, ``ImageTags`` with all that the microscope said, and ``Name``. One of the
entries is the thumbnail, which is left out.

Every image is a scene. Position along an axis is ``(index - Origin) * Scale``. The third axis is energy or
wavelength in spectrum images, t in sequences, z where its unit is a length, and else has the name ``page``; the
two outer axes of four are those of the scan (or of the detector, where its units are reciprocal and come last).
Spectra of one position are arrays with their energies or wavelengths beside them. The calibration of intensities
(``intensity_scale``, ``intensity_origin``, ``intensity_unit``) is noted; pixels stay as they are. RGB keeps its
fourth byte, which means nothing. Of the half planes of Fourier transforms the stored half is given.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._dm.pictures import RGBA, Axis, Picture
from sparc_fuse_core.formats._dm.tags import Group, Tags
from sparc_fuse_core.formats._tiff.stack import unit as unit_of
from sparc_fuse_core.model import (
    Array,
    Format,
    LazyArray,
    Scene,
    images,
    limit_items,
    recording,
    slug,
    variable,
)

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_IMAGES = 1 << 10
_MOST_METADATA = 1 << 11
_PRIVATE = ("operator", "customer", "user", "owner")  # names of persons
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class _Notes:
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.dropped: list[str] = []


def open_dm(source: Source, /, **options: Any) -> xr.DataTree:
    """The images of a file as scenes, its single spectra as arrays.

    Option ``page_axis`` (``t``, ``z`` or ``c``) names the third axis where the file does not. Raises
    FormatError for damaged files and for data types that are not read.
    """
    tags, notes = Tags(source), _Notes()
    pictures = _pictures(source, tags, notes)
    scenes: list[Scene] = []
    spectra: list[tuple[Picture, LazyArray]] = []
    refused: list[FormatError] = []
    for picture in pictures:
        try:
            pixels = picture.pixels()
        except Truncated:
            raise
        except FormatError as error:
            refused.append(error)
            notes.dropped.append(f"image {picture.name!r} of data type {picture.type}, which is not read")
            continue
        if len(picture.axes) == 1 and not picture.rgba:
            spectra.append((picture, pixels))
        else:
            scenes.append(_scene(picture, pixels, notes, str(options.get("page_axis") or "")))
    if refused and not scenes and not spectra:
        raise refused[0]
    notes.dropped.append("settings of windows, annotations and regions on the screen")
    common: dict[str, Any] = {
        "start": _start(pictures), "metadata": _metadata(tags, pictures),
        "warnings": list(dict.fromkeys(notes.warnings)), "dropped": notes.dropped,
    }  # fmt: skip
    if not scenes:
        return recording([], arrays=_arrays(spectra, alone=True), kind="table", **common)
    tree = images(scenes, **common)
    if spectra:
        beside = {a.name: variable(a.dims, a.data, a.attrs) for a in _arrays(spectra, alone=False)}
        tree.dataset = tree.to_dataset(inherit=False).assign(beside)
    return tree


def _pictures(source: Source, tags: Tags, notes: _Notes) -> list[Picture]:
    """All images but the thumbnails."""
    entries = [e for e in tags.root.group("ImageList").groups if isinstance(e.get("ImageData"), Group)]
    limit_items(source, "images", len(entries), _MOST_IMAGES)
    if not entries:
        raise damaged(source.name, "its ImageList has no image")
    small = {g.get("ImageIndex") for g in tags.root.group("Thumbnails").groups}
    if not small and len(entries) > 1 and entries[0].get("ImageData", "DataType") == RGBA:
        small = {0}
    kept = [entry for number, entry in enumerate(entries) if number not in small] or entries
    if len(kept) < len(entries):
        notes.dropped.append("thumbnail" if len(entries) - len(kept) == 1 else "thumbnails")
    return [Picture(source, tags, entry) for entry in kept]


def _scene(picture: Picture, pixels: LazyArray, notes: _Notes, page_axis: str) -> Scene:
    names, spectral = picture.dims()
    axes = list(picture.axes)
    if len(axes) == 1:  # a line of colours
        names, axes = ("y", "x"), [Axis(1), *axes]
        pixels = _as_row(pixels)
    if page_axis in ("t", "z") or (page_axis == "c" and not picture.rgba):
        names = tuple(page_axis if name == "page" else name for name in names)
    dims = (*names[:-2], "c", *names[-2:]) if picture.rgba else names
    if "z" in names and picture.rgba:
        dims, pixels = _swapped(dims, pixels)
    scene = Scene([pixels], dims, picture.name, rgb=picture.rgba)
    for name, axis in zip(names, axes, strict=True):
        _calibrate(scene, name, axis, notes)
    scene.attrs |= picture.intensity()
    _note(picture, names, spectral, notes)
    return scene


def _as_row(pixels: LazyArray) -> LazyArray:
    """(c, x) as (c, y, x) with one row."""

    def read(key: tuple[slice | int, ...]) -> Any:
        values = pixels.read((key[0], key[2]))
        return (
            values
            if not isinstance(key[1], slice)
            else np.expand_dims(values, -2 if values.ndim and isinstance(key[2], slice) else -1)
        )

    return LazyArray((pixels.shape[0], 1, pixels.shape[1]), pixels.dtype, read)


def _swapped(dims: tuple[str, ...], pixels: LazyArray) -> tuple[tuple[str, ...], LazyArray]:
    """Colours before z."""
    c, z = dims.index("c"), dims.index("z")
    order = [c if i == z else z if i == c else i for i in range(len(dims))]
    return tuple(dims[i] for i in order), pixels.transpose(*order)


def _calibrate(scene: Scene, name: str, axis: Axis, notes: _Notes) -> None:
    if axis.step is None:
        return
    unit, factor = unit_of(axis.unit) or (axis.unit, 1.0)
    if axis.step < 0:
        scene.attrs[f"{name}_calibration"] = {"origin": axis.origin, "step": axis.step, "unit": axis.unit}
        notes.warnings.append(
            f"positions fall along {name}: its calibration is the attribute {name}_calibration"
        )
        return
    scene.pixel_size = {**scene.pixel_size, name: axis.step * factor}
    scene.origin = {**scene.origin, name: axis.origin * factor}
    if unit:
        scene.pixel_unit = {**scene.pixel_unit, name: unit}


def _note(picture: Picture, names: tuple[str, ...], spectral: str, notes: _Notes) -> None:
    said = repr(picture.name)
    if "page" in names:
        notes.warnings.append(
            f"the file does not say what the third axis of {said} is; it is called 'page': the option page_axis "
            "names it t, z or c"
        )
    if spectral:
        unit = dict(zip(names, picture.axes, strict=True))[spectral].unit
        notes.warnings.append(
            f"{spectral} of {said} is the axis of spectra, in {unit or 'no unit'}, not a distance"
        )
    if len(names) > 4:
        notes.warnings.append(f"the file does not say what the outer axes of {said} are")
    if picture.rgba:
        notes.warnings.append("the fourth byte of RGB pixels, kept as Alpha, means nothing")
    if picture.doubtful:
        notes.warnings.append(f"{said} was written big-endian: its colours may be in the opposite order")
    if picture.half:
        notes.warnings.append(
            f"{said} is the Fourier transform of a real image: the half plane that is stored is given"
        )


def _arrays(spectra: list[tuple[Picture, LazyArray]], *, alone: bool) -> list[Array]:
    """Each spectrum with the positions of its axis, which has a name of its own."""
    made: list[Array] = []
    taken: set[str] = set()
    for number, (picture, pixels) in enumerate(spectra):
        name = slug(picture.name) or "spectrum"
        name = name if name not in taken else f"{name}_{number}"
        (kind,), _ = picture.dims()
        dim = kind if alone and number == 0 and kind != name else f"{name}_{kind}"
        taken |= {name, dim}
        attrs = picture.intensity()
        if attrs.keys() == {"intensity_unit"}:
            attrs = {"units": attrs["intensity_unit"]}
        made.append(Array(name, pixels, (dim,), {"long_name": picture.name, **attrs}))
        (axis,) = picture.axes
        if axis.step is not None:
            places = axis.origin + np.arange(axis.size) * axis.step
            made.append(Array(dim, places, (dim,), {"units": axis.unit} if axis.unit else {}))
    return made


def _start(pictures: list[Picture]) -> str | None:
    """Time of the first image that tells it; ticks of 100 ns since 1601, UTC."""
    for picture in pictures:
        ticks = picture.entry.number("ImageTags", "DataBar", "Acquisition Time (OS)")
        if ticks is not None and 1e17 < ticks < 2e17:
            return (_EPOCH + timedelta(microseconds=ticks // 10)).isoformat()
    return None


def _metadata(tags: Tags, pictures: list[Picture]) -> dict[str, Any]:
    left = [_MOST_METADATA]
    return {
        "version": tags.version,
        "images": [
            {"Name": p.name, "DataType": p.type, "ImageTags": _plain(p.entry.group("ImageTags"), left)}
            for p in pictures
        ],
    }


def _plain(group: Group, left: list[int]) -> dict[str, Any]:
    """Tags as plain values, without arrays and the names of persons; at most ``left`` of them."""
    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(group.tags):
        if left[0] <= 0:
            break
        label = name or str(number)
        if isinstance(value, Group):
            found[label] = _plain(value, left)
        elif isinstance(value, str | int | float | list) and name.lower() not in _PRIVATE:
            found[label] = value
            left[0] -= 1
    return found


def _is_dm(head: bytes) -> bool:
    version = int.from_bytes(head[:4], "big")
    order = head[12:16] if version == 4 else head[8:12]
    return version in (3, 4) and order in (b"\0\0\0\0", b"\0\0\0\1") and len(head) > 40


FORMAT = Format(
    name="dm",
    title="Gatan DigitalMicrograph",
    kind="image",
    suffixes=(".dm3", ".dm4"),
    open=open_dm,
    sniff=_is_dm,
    options=("page_axis",),
    carried="images, spectra, complex values, calibrations, tags",
    left="thumbnails, window settings, names of operators; unseen data types (refused)",
    lazy="rows of a plane",
)
