"""Nikon ND2 (NIS-Elements), read frame by frame.

A modern ND2 is a row of named chunks with a list of them at its end (`_nd2.chunks`); one chunk holds all
channels of one plane (`_nd2.frames`), of which only the rows that are asked for are read. What the frames are
(times, positions, depths) is in nested loops of the experiment, decoded with the ``nd2`` library. Stage
positions become scenes; loops over time, depth and anything else become axes t, z and custom. Files of
NIS-Elements before version 3, which are JPEG 2000 boxes, are read too.

Carried over: pixels as they are stored (blue, green, red turned into red, green, blue), pixel sizes, names and
colours of channels, times of the frames, stage positions, optics and the texts of the acquisition without its
author. Not carried: regions of interest, binary masks, values that were recorded with every frame other than
its time, settings of devices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._nd2.chunks import MODERN, Chunks, Handle, is_older, older_boxes
from sparc_fuse_core.formats._nd2.frames import Frames, ModernFrames, OlderFrames, Shape
from sparc_fuse_core.model import Channel, Format, LazyArray, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MAX_SCENES = 1 << 14
_AXES = {"TimeLoop": "t", "NETimeLoop": "t", "ZStackLoop": "z", "XYPosLoop": "position"}
_JULIAN_1970 = 2440587.5
_BLOCK_BYTES = 1 << 20
_LONGEST = 1 << 16
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of the experiment; ``axis`` is its name in the output, unique."""

    axis: str
    count: int
    said: Any


def open_nd2(source: Source, /, **options: Any) -> xr.DataTree:
    """An ND2 as one scene for each stage position; FormatError when it is damaged or packed with losses."""
    import nd2

    older = is_older(source)
    chunks = None if older else Chunks(source)
    if chunks is not None:
        chunks.check()
    with nd2.ND2File(Handle(source)) as file:
        shape = _shape(source, file.attributes, older)
        frames = _frames(source, file, chunks, shape)
        warnings: list[str] = []
        loops = _loops(file, frames.count, warnings)
        total = math.prod(loop.count for loop in loops)
        dropped = _dropped(chunks) + _note_frames(source, frames, total, warnings)
        channels = _read_channels(file, warnings)
        metadata = _metadata(file, channels)
        times = _times(chunks, total)
        scenes = _scenes(file, channels, frames, shape, loops, times, warnings)
        start = _start(file) if chunks is not None and channels else None
    return images(scenes, start=start, metadata=metadata, warnings=warnings, dropped=dropped)


def _shape(source: Source, said: Any, older: bool) -> Shape:
    if said.compressionType == "lossy":
        raise FormatError(
            f"{source.name}: its frames are packed with losses, which is not read",
            hint="Save it in NIS-Elements without compression, or export it as TIFF.",
        )
    bits, components = int(said.bitsPerComponentInMemory), int(said.componentCount)
    rows, columns = int(said.heightPx), int(said.widthPx or 0)
    kind = "f" if said.pixelDataType == "float" else "u"
    if bits not in (8, 16, 32) or (kind == "f" and bits != 32) or not 1 <= components <= 1 << 12:
        raise FormatError(f"{source.name}: pixels of {components} x {bits} bits are not read", hint=_REPAIR)
    row = columns * components * bits // 8
    stride = row if older else int(said.widthBytes or row)
    if min(rows, columns) < 1 or max(rows, columns) > 1 << 24 or stride < row or stride > 2 * row + 4096:
        raise FormatError(
            f"{source.name}: a frame of {columns} x {rows} pixels in rows of {stride} bytes is promised; it is "
            "damaged",
            hint=_REPAIR,
        )
    packed, colour = said.compressionType == "lossless", components == 3 and (said.channelCount or 1) == 1
    return Shape(rows, columns, components, stride, np.dtype(f"{kind}{bits // 8}"), packed, colour)


def _frames(source: Source, file: Any, chunks: Chunks | None, shape: Shape) -> ModernFrames | OlderFrames:
    if chunks is not None:
        return ModernFrames(chunks, shape)
    channels = int(file.attributes.channelCount or 1)
    if not 1 <= channels <= shape.components:
        raise FormatError(
            f"{source.name}: {channels} channels of {shape.components} components", hint=_REPAIR
        )
    return OlderFrames(source, shape, channels, older_boxes(source).get("LUNK", []))


def _loops(file: Any, held: int, warnings: list[str]) -> list[Loop]:
    """The loops from the outermost on; frames that no loop explains lie along an axis of their own."""
    found: list[Loop] = []
    for said in file.experiment:
        count = int(said.count)
        axis = _AXES.get(said.type, "custom")
        if any(loop.axis == axis for loop in found):
            warnings.append(
                f"the experiment has several loops of kind {axis}; the inner one is an axis of its own"
            )
            axis = f"{axis}_{len(found)}"
        if count < 1 or count > 1 << 24:
            raise FormatError(f"a loop of {count} steps is promised; it is damaged", hint=_REPAIR)
        found.append(Loop(axis, count, said))
    if not found and held > 1:
        warnings.append(f"the file does not say what its {held} frames are; they lie along 'frame'")
        found.append(Loop("frame", held, None))
    return found


def _note_frames(
    source: Source, frames: ModernFrames | OlderFrames, total: int, warnings: list[str]
) -> list[str]:
    """Warn of frames that are missing; say which are left over."""
    if total > 64 * frames.count + 4096 or not frames.count:
        raise LimitExceeded(
            f"{source.name}: {total} frames are promised, the file has {frames.count}; it is damaged",
            hint=_REPAIR,
        )
    missing = sum(not frames.has(number) for number in range(total))
    if missing:
        warnings.append(f"{missing} of {total} frames are not in the file; they read as 0")
    rest = frames.count - (total - missing)
    return [f"{rest} frames after the {total} of the experiment"] if rest > 0 else []


def _times(chunks: Chunks | None, total: int) -> list[float]:
    """Seconds of each frame from the start of the experiment; empty where the file does not say."""
    held = chunks.places.get("CustomData|AcqTimesCache!") if chunks is not None else None
    if chunks is None or held is None:
        return []
    data = chunks.data(held[0], b"CustomData|AcqTimesCache!")
    times = np.frombuffer(data[: len(data) // 8 * 8], "<f8")[:total] / 1000.0
    found: list[float] = times.tolist()
    return found if len(found) == total and np.isfinite(times).all() else []


def _read_channels(file: Any, warnings: list[str]) -> list[Any]:
    """The library's description of each channel; none where it does not understand the file's."""
    try:
        return list(file.metadata.channels or [])
    except (LookupError, TypeError, ValueError, AttributeError, NameError) as error:
        warnings.append(
            "the description of channels and pixel sizes cannot be followed "
            f"({type(error).__name__}: {error}); they are missing"
        )
        return []


def _scenes(
    file: Any, channels: list[Any], frames: Frames, shape: Shape, loops: list[Loop], times: list[float],
    warnings: list[str],
) -> list[Scene]:  # fmt: skip
    position = next((i for i, loop in enumerate(loops) if loop.axis == "position"), None)
    count = loops[position].count if position is not None else 1
    if count > _MAX_SCENES:
        raise LimitExceeded(f"{count} stage positions are promised; the file is damaged", hint=_REPAIR)
    steps = [math.prod(loop.count for loop in loops[i + 1 :]) for i in range(len(loops))]
    axes = [
        (loop.axis, loop.count, step)
        for loop, step in zip(loops, steps, strict=True)
        if loop.axis != "position"
    ]
    custom = [axis for axis, size, _ in axes if axis not in ("t", "z") and size > 1]
    if custom:
        warnings.append(f"axes {custom} are kept under these names, which OME-NGFF does not know")
    sizes, units = _pixel_size(channels, loops)
    found = []
    for number in range(count):
        first = number * steps[position] if position is not None else 0
        dims, data = _lazy(frames, shape, axes, first)
        scene = Scene([data], dims, pixel_size=dict(sizes), pixel_unit=dict(units))
        scene.rgb = shape.colour
        scene.channels = [] if scene.rgb else _channels(channels, shape.components)
        _add_times(scene, axes, first, times)
        if position is not None:
            _add_position(scene, loops[position].said, number)
        scene.pixel_size = {axis: step for axis, step in scene.pixel_size.items() if axis in dims}
        scene.pixel_unit = {axis: unit for axis, unit in scene.pixel_unit.items() if axis in dims}
        found.append(scene)
    return found


def _lazy(
    frames: Frames, shape: Shape, axes: Sequence[tuple[str, int, int]], first: int
) -> tuple[tuple[str, ...], LazyArray]:
    """Names of the axes and the array; ``axes`` are name, size and step in frames, ``first`` is frame 0."""
    order = {"t": 1, "z": 3}
    outer = sorted((a for a in axes if a[1] > 1), key=lambda a: order.get(a[0], 0))
    full = [(axis, size) for axis, size, _ in outer if axis != "z"]
    if shape.components > 1:
        full.append(("c", shape.components))
    full += [(axis, size) for axis, size, _ in outer if axis == "z"] + [
        ("y", shape.rows),
        ("x", shape.columns),
    ]
    names = [axis for axis, _ in full]

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        given = {axis: _span(item) for axis, item in zip(names, key, strict=True)}
        parts = given.get("c", slice(0, 1))
        spans = [given[axis] for axis, _, _ in outer]
        counts = [span.stop - span.start for span in spans]
        rows, columns = given["y"], given["x"]
        size = (parts.stop - parts.start, rows.stop - rows.start, columns.stop - columns.start)
        out = np.zeros((*counts, *size), shape.dtype)
        for place in np.ndindex(*counts):
            steps = zip(outer, spans, place, strict=True)
            number = first + sum((span.start + i) * step for (_, _, step), span, i in steps)
            if frames.has(number):
                out[place] = np.moveaxis(frames.rows(number, rows)[:, columns, parts], -1, 0)
        if "z" in names:  # the frame's channels go before its depth
            out = np.moveaxis(out, len(counts), len(counts) - 1)
        if "c" not in names:
            out = out.squeeze(axis=len(counts) - ("z" in names))
        return out[tuple(slice(None) if isinstance(item, slice) else 0 for item in key)]

    rows = shape.rows if shape.packed else min(shape.rows, max(1, _BLOCK_BYTES // shape.stride))
    blocks = {"c": shape.components, "y": rows, "x": shape.columns}
    array = LazyArray([n for _, n in full], shape.dtype, read, blocks=[blocks.get(a, 1) for a in names])
    return tuple(names), array


def _span(item: slice | int) -> slice:
    return item if isinstance(item, slice) else slice(item, item + 1)


def _pixel_size(channels: list[Any], loops: list[Loop]) -> tuple[dict[str, float], dict[str, str]]:
    """Micrometres a pixel where the file is calibrated; seconds a frame where it says so."""
    sizes: dict[str, float] = {}
    if channels:
        volume = channels[0].volume
        known = zip("xyz", volume.axesCalibration, volume.axesCalibrated, strict=True)
        sizes = {axis: float(step) for axis, step, sure in known if sure}
    for loop in loops:
        if loop.axis == "z" and loop.said is not None and loop.said.parameters.stepUm:
            sizes["z"] = abs(float(loop.said.parameters.stepUm))
    kept = {axis: step for axis, step in sizes.items() if math.isfinite(step) and step > 0}
    return kept, dict.fromkeys(kept, "micrometer")


def _add_times(scene: Scene, axes: Sequence[tuple[str, int, int]], first: int, times: list[float]) -> None:
    size, step = next(((size, step) for axis, size, step in axes if axis == "t"), (1, 1))
    if not times:
        return
    picked = [times[first + i * step] for i in range(size)]
    scene.attrs["time_stamps"] = picked
    steps = [after - before for before, after in pairwise(picked)]
    mean = (picked[-1] - picked[0]) / len(steps) if steps else 0.0
    if mean > 0 and max(abs(s - mean) for s in steps) <= 0.01 * mean:
        scene.pixel_size = {**scene.pixel_size, "t": mean}
        scene.pixel_unit = {**scene.pixel_unit, "t": "second"}


def _add_position(scene: Scene, said: Any, number: int) -> None:
    points = said.parameters.points
    if number >= len(points):
        return
    point = points[number]
    scene.name = str(getattr(point, "name", None) or "")
    where = [float(v) for v in point.stagePositionUm]
    if all(map(math.isfinite, where)):
        scene.attrs["stage_position"] = dict(zip("xyz", where, strict=True))


def _channels(said: list[Any], components: int) -> list[Channel]:
    if not said or components % len(said):
        return []
    each = components // len(said)
    found = []
    for channel in said:
        colour = channel.channel.color
        code = "".join(f"{max(0, min(255, int(v))):02X}" for v in (colour.r, colour.g, colour.b))
        for part in range(each):
            name = channel.channel.name if each == 1 else f"{channel.channel.name} {part + 1}"
            found.append(Channel(str(name), code if each == 1 else ""))
    return found


def _start(file: Any) -> str | None:
    """Wall-clock start in UTC from the Julian day of the first frame."""
    try:
        time = file.frame_metadata(0).channels[0].time
        days = float(time.absoluteJulianDayNumber) - float(time.relativeTimeMs) / 86_400_000
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days - _JULIAN_1970)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="milliseconds") if 1980 < moment.year < 2200 else None


def _metadata(file: Any, channels: list[Any]) -> dict[str, Any]:
    """Attributes, texts, loops and optics as plain values."""
    texts = {key: str(v)[:_LONGEST] for key, v in dict(file.text_info).items() if v and key != "author"}
    optics = [_plain(channel.microscope) | _plain(channel.channel) for channel in channels[:256]]
    loops = [_plain(loop) for loop in file.experiment]
    return {
        "version": list(file.version), "attributes": _plain(file.attributes._asdict()), "texts": texts,
        "loops": loops, "channels": optics,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value[:4096]]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _dropped(chunks: Chunks | None) -> list[str]:
    if chunks is None:
        return ["times, stage positions and settings of single frames"]
    names = [n.rstrip("!") for n in chunks.places if n.startswith("Custom") and "AcqTimesCache" not in n]
    found = [
        f"{name.partition('|')[2]} (per frame or of the whole acquisition)" for name in sorted(names)[:200]
    ]
    return found + ([f"{len(names) - 200} further chunks of settings"] if len(names) > 200 else [])


FORMAT = Format(
    name="nd2",
    title="Nikon ND2",
    kind="image",
    suffixes=(".nd2",),
    open=open_nd2,
    magic=((0, MODERN),),
    requires=("nd2", "imagecodecs"),
    carried="positions, loops, channels, colours, voxel size, times, stage positions",
    left="settings of the program; lossy packing (refused)",
    lazy="rows of a frame",
)
