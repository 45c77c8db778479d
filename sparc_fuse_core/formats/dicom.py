"""DICOM images (``.dcm``, ``.ima`` and files without an ending): one file is one image or one volume.

After the mark ``DICM`` at byte 128 come elements with tags; the last one holds the pixels, plain or as
compressed frames. Read are implicit, explicit, big-endian and deflated files, also those without the mark when
their first elements show it, and frames in RLE, JPEG, JPEG-LS, JPEG 2000 and JPEG XL. Values are those stored, only
the bits that belong to them; ``rescale_slope`` and ``rescale_intercept`` are attributes. Frames lie on t and z, or on
axes with the names of what changes, as far as the file says; a Siemens mosaic is split into its slices, the tiles
of a slide are put together. Brightness and colour differences become red, green and blue; palette indices stay,
with the palette beside them. Waveforms become streams. Several files of one series are several images.

Not carried over, but named: everything that PS3.15 counts as identifying (names, dates, free texts, numbers of
persons, places and devices), private elements, overlays, video.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._dicom.axes import Arrangement, arrange, placed, slide, split_mosaic
from sparc_fuse_core.formats._dicom.codecs import READ, Pixels, gives_rgb
from sparc_fuse_core.formats._dicom.frames import as_rgb, encapsulated, native
from sparc_fuse_core.formats._dicom.header import (
    Header,
    first,
    integer,
    looks_like_dicom,
    numbers,
    read_header,
    refuse,
    tags_of,
    value,
)
from sparc_fuse_core.formats._dicom.privacy import harmless
from sparc_fuse_core.formats._dicom.waves import streams
from sparc_fuse_core.model import Channel, Format, LazyArray, Scene, images, limit_items, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_GRAYS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")


def open_dicom(source: Source, /, **options: Any) -> xr.DataTree:
    """An image as (…, t, c, z, y, x), as many of them as it has, or a recording of waveforms."""
    warnings: list[str] = []
    header = read_header(source, warnings)
    metadata, hidden, private = harmless(header.data)
    metadata["TransferSyntaxUID"] = header.syntax
    dropped = _left_out(header, hidden, private)
    if not header.pixels:
        found = streams(header, warnings)
        if not found:
            raise _no_image(header)
        return recording(found, metadata=metadata, warnings=warnings, dropped=dropped)
    pixels = _pixels(header)
    count = max(1, integer(header.data, "NumberOfFrames", 1))
    limit_items(source, "frames", count, 1 << 22)
    frames, colours = _frames(header, pixels, count, warnings)
    scene = _scene(header, pixels, frames, warnings)
    scene.rgb = colours
    if pixels.samples > 1 and not colours:
        scene.channels = [Channel(f"Sample {i + 1}") for i in range(pixels.samples)]
    _set_meaning(header, pixels, scene, warnings)
    return images([scene], metadata=metadata, warnings=warnings, dropped=dropped)


def _no_image(header: Header) -> Exception:
    kind = str(value(header.data, "Modality", "")) or "no"
    return FormatError(
        f"{header.name}: holds no pixels and no waveforms (modality {kind}); it is cut short, or another kind of DICOM",
        hint="Give the image files of the series instead; structured reports and indexes are not images.",
    )


def _left_out(header: Header, hidden: int, private: int) -> list[str]:
    notes = []
    if hidden:
        notes.append(f"{hidden} header elements that may identify a person, place, device or date (PS3.15)")
    if private:
        makers = {str(e.value) for e in _creators(header.data)}
        notes.append(
            f"{private} private header elements ({', '.join(sorted(makers)[:8]) or 'without a maker'})"
        )
    groups = sorted(
        {tag.group for tag in tags_of(header.data) if 0x6000 <= tag.group < 0x6020 and not tag.group % 2}
    )
    notes += [f"overlay {number + 1}" for number, _ in enumerate(groups)]
    if header.pixels and value(header.data, "WaveformSequence"):
        notes.append("waveforms beside the image")
    return notes


def _creators(data: Any) -> list[Any]:
    tags = [tag for tag in tags_of(data) if tag.group % 2 and 0x10 <= tag.element <= 0xFF]
    found = []
    for tag in tags:
        try:
            found.append(data[tag])
        except Exception:  # noqa: S112 - only a name for a note
            continue
    return found


def _pixels(header: Header) -> Pixels:
    data = header.data
    wide = {"integer": 0, "float": 32, "double": 64}[header.pixels]
    bits = wide or integer(data, "BitsAllocated")
    stored = wide or integer(data, "BitsStored", bits) or bits
    found = Pixels(
        integer(data, "Rows"), integer(data, "Columns"), integer(data, "SamplesPerPixel", 1), bits, stored,
        integer(data, "HighBit", stored - 1) if not wide else bits - 1, bool(integer(data, "PixelRepresentation")),
        bool(integer(data, "PlanarConfiguration")), str(value(data, "PhotometricInterpretation", "")).strip().upper(),
        header.pixels,
    )  # fmt: skip
    if found.rows < 1 or found.columns < 1 or not 1 <= found.samples <= 4 or bits not in (1, 8, 16, 32, 64):
        raise FormatError(
            f"{header.name}: an image of {found.rows} x {found.columns} with {found.samples} samples of {bits} bits is "
            "promised; its header is damaged or of a kind that is not read",
            hint="Fetch the file again; if it opens elsewhere, save it with 8 or 16 bits.",
        )
    if not 1 <= found.stored <= bits or not found.stored - 1 <= found.high < bits:
        raise FormatError(
            f"{header.name}: {found.stored} bits below bit {found.high} of {bits} are promised; its header is damaged",
            hint=_REPAIR,
        )
    return found


def _frames(header: Header, pixels: Pixels, count: int, warnings: list[str]) -> tuple[LazyArray, bool]:
    """Frames (frame, sample, row, column), and whether the samples are red, green and blue."""
    luma = turn = pixels.photometric.startswith("YBR") and pixels.samples == 3
    if not header.encapsulated:
        frames = native(header, pixels, count, warnings)
        turn = luma and pixels.photometric in ("YBR_FULL", "YBR_FULL_422")
    elif header.syntax not in READ:
        raise refuse(header.name, f"transfer syntax {header.syntax} (video or another compression)")
    else:
        frames = encapsulated(header, pixels, count)
        turn = luma and not gives_rgb(header.syntax, pixels.photometric)
    if turn and pixels.bits == 8:
        frames, turn = as_rgb(frames), False
    rgb = pixels.samples == 3 and pixels.photometric in _COLOURS and not turn
    if luma and rgb:
        warnings.append("the colours were stored as luma and chroma; they are given as red, green and blue")
    elif luma:
        warnings.append(f"the samples are luma and chroma ({pixels.photometric}), kept as stored")
    if pixels.photometric not in (*_COLOURS, *_GRAYS):
        warnings.append(f"the meaning of the samples ({pixels.photometric or 'not named'}) was left as it is")
    return frames, rgb


def _scene(header: Header, pixels: Pixels, frames: LazyArray, warnings: list[str]) -> Scene:
    data = header.data
    tiled = slide(data, frames, header.name, warnings)
    found = Arrangement()
    slices = _mosaic(data)
    if tiled is not None:
        level, dims = tiled
        keep = [i for i, dim in enumerate(dims) if dim in ("y", "x") or level.shape[i] > 1]
        level, dims = _without(level, keep), tuple(dims[i] for i in keep)
    elif slices and frames.shape[:2] == (1, 1):
        level, dims = split_mosaic(frames, slices, header.name), ("z", "y", "x")
    else:
        found = arrange(data, frames.shape[0], warnings)
        level, dims = placed(frames, found), (*found.dims, "c", "y", "x")
        if pixels.samples == 1:
            level, dims = (
                _without(level, [i for i, d in enumerate(dims) if d != "c"]),
                (*found.dims, "y", "x"),
            )
        elif "z" in found.dims:
            order = [i for i, d in enumerate(dims) if d != "c"]
            order.insert(dims.index("z"), dims.index("c"))
            level, dims = level.transpose(*order), tuple(dims[i] for i in order)
    scene = Scene([level], dims, attrs={"photometric": pixels.photometric} if pixels.photometric else {})
    _set_steps(data, scene, found, warnings)
    return scene


def _without(data: LazyArray, keep: list[int]) -> LazyArray:
    """The array without its axes of one item that are not kept."""

    def read(key: tuple[slice | int, ...]) -> Any:
        whole: list[slice | int] = [0] * data.ndim
        for place, item in zip(keep, key, strict=True):
            whole[place] = item
        return data.read(tuple(whole))

    blocks = data.blocks or data.shape
    return LazyArray([data.shape[i] for i in keep], data.dtype, read, blocks=[blocks[i] for i in keep])


def _mosaic(data: Any) -> int:
    """Slices in a Siemens mosaic: private element 0019,xx0A, else the text in 0029,xx10; 0 for other images."""
    kinds = value(data, "ImageType", [])
    if "MOSAIC" not in [str(kind) for kind in kinds]:
        return 0
    for tag in tags_of(data):
        try:
            if tag.group == 0x19 and tag.element & 0xFF == 0x0A and tag.element > 0xFF:
                held = data[tag].value
                return int.from_bytes(held[:2], "little") if isinstance(held, bytes) else int(held)
            if tag.group == 0x29 and tag.element & 0xFF == 0x10 and tag.element > 0xFF:
                text = re.search(
                    rb"NumberOfImagesInMosaic.{60,160}?(\d+) *\0", bytes(data[tag].value), re.DOTALL
                )
                if text:
                    return int(text[1])
        except (TypeError, ValueError):
            continue
    raise FormatError(
        "a Siemens mosaic does not say how many slices it has", hint="Export it as separate slices."
    )


def _set_steps(data: Any, scene: Scene, found: Arrangement, warnings: list[str]) -> None:
    shared = first(data, "SharedFunctionalGroupsSequence", "PixelMeasuresSequence") or first(
        data, "PerFrameFunctionalGroupsSequence", "PixelMeasuresSequence"
    )
    sizes, units = (
        {dim: step for dim, (step, _) in found.steps.items()},
        {d: u for d, (_, u) in found.steps.items()},
    )
    pair = numbers(shared or {}, "PixelSpacing") or numbers(data, "PixelSpacing")
    if len(pair) != 2 and len(numbers(data, "ImagerPixelSpacing")) == 2:
        pair = numbers(data, "ImagerPixelSpacing")
        warnings.append("the pixel size is that at the detector, not that in the specimen")
    between = numbers(shared or {}, "SpacingBetweenSlices") or numbers(data, "SpacingBetweenSlices")
    steps = {**dict(zip(("y", "x"), pair if len(pair) == 2 else (), strict=False))}
    if "z" in scene.dims and "z" not in sizes and between:
        steps["z"] = abs(between[0])
    for dim, step in steps.items():
        if np.isfinite(step) and step > 0:
            sizes[dim], units[dim] = step, "millimeter"
        else:
            warnings.append(f"the pixel size along {dim} is {step}, which is none; it was left out")
    scene.pixel_size, scene.pixel_unit = sizes, {d: u for d, u in units.items() if u}
    thickness = numbers(shared or {}, "SliceThickness") or numbers(data, "SliceThickness")
    if thickness:
        scene.attrs["slice_thickness"] = thickness[0]


def _set_meaning(header: Header, pixels: Pixels, scene: Scene, warnings: list[str]) -> None:
    """Scale, direction of the greys and palette, each as attributes."""
    data = header.data
    shared = first(data, "SharedFunctionalGroupsSequence", "PixelValueTransformationSequence")
    for holder in (data, shared or {}):
        slope, intercept = numbers(holder, "RescaleSlope"), numbers(holder, "RescaleIntercept")
        if slope and intercept and (slope[0], intercept[0]) != (1.0, 0.0):
            scene.attrs |= {"rescale_slope": slope[0], "rescale_intercept": intercept[0]}
            kind = str(value(holder, "RescaleType", ""))
            scene.attrs |= {"rescale_type": kind} if kind else {}
    groups = value(data, "PerFrameFunctionalGroupsSequence", [])
    varied = [
        numbers(first(g, "PixelValueTransformationSequence") or {}, "RescaleSlope")
        for g in list(groups)[:4096]
    ]
    if any(varied) and len({tuple(v) for v in varied}) > 1:
        warnings.append("each frame has a scale of its own; they are in the original metadata")
    dose = numbers(data, "DoseGridScaling")
    if dose:
        scene.attrs |= {
            "rescale_slope": dose[0],
            "rescale_intercept": 0.0,
            "rescale_type": str(value(data, "DoseUnits", "")),
        }
    if "rescale_slope" in scene.attrs:
        warnings.append(
            "pixels are those stored: multiply by rescale_slope and add rescale_intercept to scale them"
        )
    if pixels.photometric == "MONOCHROME1":
        warnings.append("larger values are darker (MONOCHROME1)")
    if pixels.photometric == "PALETTE COLOR":
        warnings.append(
            "pixels are indices of a palette; its colours are in the attribute palette where they are readable"
        )
        palette = _palette(header)
        scene.attrs |= {"palette": palette} if palette else {}


def _palette(header: Header) -> list[list[int]]:
    """Red, green and blue of each index, as stored (16 bits or 8); none when it is segmented or damaged."""
    columns = []
    for colour in ("Red", "Green", "Blue"):
        entries = numbers(header.data, f"{colour}PaletteColorLookupTableDescriptor")
        raw = value(header.data, f"{colour}PaletteColorLookupTableData")
        if len(entries) != 3 or not isinstance(raw, bytes):
            return []
        count = int(entries[0]) or 1 << 16
        kind = "u1" if len(raw) < 2 * count else ">u2" if header.big else "<u2"
        if not 1 <= count <= len(raw) // np.dtype(kind).itemsize:
            return []
        columns.append(np.frombuffer(raw, kind, count).astype(int).tolist())
    if len({len(column) for column in columns}) != 1:
        return []
    return [list(row) for row in zip(*columns, strict=True)]


FORMAT = Format(
    name="dicom",
    title="DICOM",
    kind="image",
    suffixes=(".dcm", ".dicom", ".ima"),
    open=open_dicom,
    magic=((128, b"DICM"),),
    sniff=looks_like_dicom,
    requires=("pydicom", "imagecodecs"),
    carried="stored values, frames, axes, mosaics and tiles joined, rescale, spacing, waveforms",
    left="personal fields (PS3.15), overlays, private elements (named)",
    lazy="frame; rows of an uncompressed one",
)
