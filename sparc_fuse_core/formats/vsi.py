"""Olympus (Evident) cellSens slides: ``NAME.vsi`` with the folder ``_NAME_/stackN/frame_t*.ets``, or an ``.ets`` alone.

The ``.vsi`` is a TIFF of a preview, which is never given as the image, with records that describe the stacks
(`_vsi.records`); the pixels lie in tiles with their pyramid in one ``.ets`` for each stack (`_vsi.ets`: raw,
JPEG, JPEG 2000, lossless JPEG, PNG, BMP). Each stack is a scene with its levels, name, pixel size, channel
names and axes t, c, z; tiles that were not stored have the colour of the background. Label and macro pictures
of the slide, and focus data, are not carried over.

An ``.ets`` alone says neither the meaning of its axes nor, in older versions, its size: its planes then lie
along ``plane``, and the picture ends with its last tile. There is no public specification: what is read was
seen in public files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._vsi.ets import CODECS, MARK, Ets
from sparc_fuse_core.formats._vsi.records import SET, describe, read_records
from sparc_fuse_core.model import Channel, Format, LazyArray, Names, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_FRAME = re.compile(r"_?[^/]*/stack(\d+)/frame_[^/]*\.ets$", re.I)
_ASIDE = ("label", "macro")
_GUESSES = ("frame_t.ets", "frame_t_0.ets")


def open_vsi(source: Source, /, **_: Any) -> xr.DataTree:
    """Every stack as a scene; FormatError and its kin when files are missing or damaged."""
    warnings: list[str] = []
    dropped: list[str] = []
    if source.head(4) == MARK:
        warnings.append(
            "the .ets was opened without its .vsi, which holds names, pixel sizes and the meaning of axes"
        )
        return images([_scene(Ets(source), {}, source.stem, warnings)], warnings=warnings, dropped=dropped)
    stacks = describe(read_records(source))
    found = _find(source, stacks, dropped)
    known = {stack["id"]: stack for stack in stacks}
    order = [stack["id"] for stack in stacks if stack["id"] in found]
    order += [number for number in sorted(found) if number not in known]
    scenes: list[Scene] = []
    for number in order:
        told = known.get(number, {})
        name = str(told.get("name") or f"stack{number}")
        if name.lower().startswith(_ASIDE):
            dropped.append(f"{name}: a picture of the slide and not of the specimen, which may show names")
            continue
        if not told:
            warnings.append(f"the .vsi does not tell of stack{number}; the meaning of its axes is not known")
        scenes.append(_scene(Ets(found[number]), told, name, warnings))
    if left := [str(s["name"] or s["id"]) for s in stacks if s["id"] not in found]:
        dropped.append(f"{len(left)} stack(s) without pixels (focus or mask): {', '.join(left[:8])}")
    dropped.append("the preview in the .vsi")
    if not scenes:
        raise FormatError(
            f"{source.name}: has pictures of the slide only", hint="Fetch the folder beside it again."
        )
    times = [stack["time"] for stack in stacks if stack["id"] in found and stack.get("time", 0) > 0]
    start = datetime.fromtimestamp(min(times), UTC).isoformat() if times and min(times) < 1 << 33 else None
    metadata = {"stacks": [stack for stack in stacks if stack["id"] in found]}
    return images(scenes, start=start, metadata=metadata, warnings=warnings, dropped=dropped)


def _find(source: Source, stacks: Sequence[dict[str, Any]], dropped: list[str]) -> dict[int, Source]:
    """The tile file of each stack; FormatError when there is none at all."""
    folder = f"_{source.stem}_"
    below = Names(source.below()).below(folder)
    found: dict[int, Source] = {}
    for name in sorted(below):
        match = _FRAME.match(name)
        if match and int(match[1]) not in found and (other := source.sibling(name)) is not None:
            found[int(match[1])] = other
        elif name.lower().endswith((".ets", ".meta")):
            dropped.append(f"{name}: focus data or a further part of a stack")
    if not below:  # the place cannot list its files
        for stack in stacks[:64]:
            for guess in _GUESSES:
                other = source.sibling(f"{folder}/stack{stack['id']}/{guess}")
                if other is not None:
                    found.setdefault(stack["id"], other)
    if not found:
        raise FormatError(
            f"{source.name}: its pixels are in the folder {folder}, which has no stack*/frame_t*.ets; the .vsi alone "
            "holds a preview only",
            hint=f"Put the folder {folder} beside the .vsi, with all its files.",
        )
    return found


def _scene(ets: Ets, told: dict[str, Any], name: str, warnings: list[str]) -> Scene:
    full = _full_size(ets, told)
    origin = (
        (told["origin"][0], told["origin"][1])
        if "origin" in told
        else ((0, 0) if full and told else ets.origin())
    )
    if full is None:
        warnings.append(
            f"{name}: its size is not stored: the picture ends with its last tile, which may be filled up"
        )
    sizes = ets.level_sizes(full, origin)
    if 0 not in sizes:
        raise FormatError(
            f"{ets.source.name}: has no tile of full size; it is damaged", hint="Fetch it again."
        )
    further = _further(ets, told)
    if (missing := ets.missing(sizes[0], origin, further)) > 0:
        warnings.append(f"{name}: {missing} tile(s) were not stored and have the colour of the background")
    kinds = list(told.get("kinds", []))[: len(further)]
    kinds += [None] * (len(further) - len(kinds))
    dims, order = _dims(kinds, further, ets.samples, name, warnings)
    levels = [
        _arranged(ets.array(level, size, origin, further), order, further) for level, size in sizes.items()
    ]
    scene = Scene(levels, dims, name=name, rgb=ets.samples > 1)
    if size := told.get("pixel_size"):
        scene.pixel_size = {"x": size[0], "y": size[1]}
    if told.get("z_step") and "z" in dims:
        scene.pixel_size = {**scene.pixel_size, "z": told["z_step"]}
    scene.pixel_size = {
        axis: step for axis, step in scene.pixel_size.items() if np.isfinite(step) and step > 0
    }
    scene.pixel_unit = dict.fromkeys(scene.pixel_size, "micrometer")
    labels = told.get("channels", [])
    if "c" in dims and not scene.rgb and len(labels) == levels[0].shape[dims.index("c")] and any(labels):
        scene.channels = [Channel(label) for label in labels]
    scene.attrs = {"compression": CODECS[ets.codec], "ets_version": ets.version}
    if ets.codec == 0 and ets.samples > 1 and ets.space == 4:
        warnings.append(
            f"{name}: its colours are stored raw, perhaps blue first; they are given in stored order"
        )
    return scene


def _full_size(ets: Ets, told: dict[str, Any]) -> tuple[int, int] | None:
    if ets.sizes:
        return ets.sizes[0], ets.sizes[1]
    rectangle = told.get("rectangle")
    if rectangle and 0 < rectangle[2] < 1 << 31 and 0 < rectangle[3] < 1 << 31:
        return rectangle[2], rectangle[3]
    return None


def _further(ets: Ets, told: dict[str, Any]) -> list[int]:
    """Sizes of the axes beside x and y, the fastest first."""
    promised = ets.sizes[2:] or told.get("sizes", [])
    if len(promised) != len(ets.extra):
        return ets.extra
    if any(held > size for held, size in zip(ets.extra, promised, strict=True)):
        raise FormatError(f"{ets.source.name}: has {ets.extra} planes where {promised} were promised; it is damaged",
                          hint="Fetch both files again.")  # fmt: skip
    if any(size > 1 << 20 for size in promised):
        raise FormatError(
            f"{ets.source.name}: promises {promised} planes; it is damaged", hint="Fetch both files again."
        )
    return [int(n) for n in promised]


def _dims(
    kinds: list[str | None], further: list[int], samples: int, name: str, warnings: list[str]
) -> tuple[list[str], list[int]]:
    """Names of the axes, and for each but y and x its place among the further axes (-1: samples, -2: all without a
    name)."""
    named: dict[str, int] = {}
    unnamed = []
    for place, (kind, size) in enumerate(zip(kinds, further, strict=True)):
        if kind and kind not in named and not (kind == "c" and samples > 1):
            named[kind] = place
        elif size > 1:
            unnamed.append(place)
    if samples > 1:
        named["c"] = -1
    if unnamed:
        sizes = " x ".join(str(further[place]) for place in unnamed)
        warnings.append(
            f"{name}: what its {sizes} planes are is not told; they lie along 'plane', the first axis fastest"
        )
    dims = (["plane"] if unnamed else []) + [d for d in ("t", "c", "z") if d in named]
    return [*dims, "y", "x"], [-2 if dim == "plane" else named[dim] for dim in dims]


def _arranged(data: LazyArray, order: list[int], further: list[int]) -> LazyArray:
    """(last axis … first axis, samples, y, x) with the axes in ``order``, y, x; axes without a name as one."""
    count = len(further)
    loose = [i for i in reversed(range(count)) if i not in order]
    lengths = [further[i] for i in loose]
    shape = [
        int(np.prod(lengths, dtype=object)) if i == -2 else data.shape[count] if i == -1 else further[i]
        for i in order
    ]

    def read(key: Any) -> NDArray[Any]:
        spans = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        asked = dict(zip(order, spans[:-2], strict=True))
        planes = range(asked[-2].start, asked[-2].stop) if -2 in asked else range(1)
        out = np.empty([s.stop - s.start for s in spans], data.dtype)
        for number, plane in enumerate(planes):
            place = dict(zip(loose, np.unravel_index(plane, lengths), strict=True)) if loose else {}
            inner = [asked.get(i) or slice(int(place[i]), int(place[i]) + 1) for i in reversed(range(count))]
            block = data.read((*inner, asked.get(-1, slice(0, data.shape[count])), *spans[-2:]))
            kept = [count if i == -1 else count - 1 - i for i in order if i != -2]
            gone = tuple(axis for axis in range(count + 1) if axis not in kept)
            rest = [axis for axis in range(count + 1) if axis not in gone]
            block = block.squeeze(gone).transpose(*[rest.index(axis) for axis in kept], -2, -1)
            out[number if -2 in asked else ...] = block
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    blocks = [data.shape[count] if i == -1 else 1 for i in order]
    return LazyArray(
        (*shape, *data.shape[-2:]), data.dtype, read, blocks=(*blocks, *(data.blocks or (1, 1))[-2:])
    )


def _members(names: Names, name: str) -> Iterator[str]:
    yield name
    if name.lower().endswith(".vsi"):
        yield from names.below(f"_{name[:-4]}_")


def _sniff(head: bytes) -> bool:
    # Any TIFF of that name: its preview must not be taken for the image.
    return head[:4] in (MARK, b"II*\0", b"MM\0*")


FORMAT = Format(
    name="vsi",
    title="Olympus cellSens VSI/ETS",
    kind="image",
    suffixes=(".vsi", ".ets"),
    open=open_vsi,
    magic=((0, MARK), (8, SET)),
    sniff=_sniff,
    requires=("imagecodecs",),
    members=lambda names, name: list(_members(names, name)),
    nested=True,
    named=True,
    carried="pixels, stored pyramid, channels, pixel size",
    left="label, macro and preview pictures",
    lazy="tile",
)
