"""Zeiss LSM (LSM 510 to 710, the program before ZEN), read plane by plane.

An LSM is a TIFF (`_tiff.ifd`) whose pages alternate between planes and thumbnails; each plane holds one strip
for every channel. What the planes are is in the block CZ_LSMINFO of the first page (`_tiff.lsm`). Strips may be
packed with LZW; in files over 4 GB only the last 32 bits of their places are kept, which are completed here.
Axes come out as t, c, z, y, x; stage positions and tiles become scenes. In x-z scans the rows of a plane lie
along z, in line scans along t, and y has one place.

Carried over: pixels as stored, voxel sizes, names, colours and wavelengths of channels, time stamps, events,
objective and zoom. Not carried: thumbnails, look-up tables, overlays, regions, further settings, the user.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._tiff.lsm import Info, LsmPage, read_info, read_lsm_pages, unwrap
from sparc_fuse_core.formats._tiff.stack import stack
from sparc_fuse_core.model import Channel, Format, LazyArray, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

# Axes over the pages by scan type, and the axis along which the rows of a page lie.
_SCANS = {0: ("z", "y"), 1: ("", "z"), 2: ("", "t"), 3: ("t", "y"), 4: ("t", "z"), 5: ("", "t"),
          6: ("tz", "y"), 7: ("tz", "y"), 8: ("", "z"), 9: ("t", "z"), 10: ("", "t")}  # fmt: skip
_EPOCH = datetime(1899, 12, 30)
_MAX_SCENES = 4096
_WRAPS = 1 << 32
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


def open_lsm(source: Source, /, **options: Any) -> xr.DataTree:
    """An LSM as one scene for each position and tile; FormatError when it is damaged."""
    pages, thumbnails = read_lsm_pages(source)
    info = read_info(source, pages[0].ifd)
    warnings, dropped = info.warnings, [f"{what} of the LSM" for what in info.left_out]
    if thumbnails:
        dropped.append(f"{thumbnails} thumbnails")
    outer, rows = _SCANS.get(info.scan, ("tz", "y"))
    sizes = {axis: max(1, info.sizes[axis]) if axis in outer else 1 for axis in "tz"}
    places = max(1, info.sizes["m"]), max(1, info.sizes["p"])
    per = sizes["t"] * sizes["z"]
    if per * math.prod(places) != len(pages):
        sizes, places, per = _recount(source, sizes, places, len(pages), warnings)
    if source.size >= _WRAPS:
        unwrap(pages, _acquisition_order(len(pages), places, sizes))
    scenes = []
    for number in range(math.prod(places)):
        part = pages[number * per : (number + 1) * per]
        scene = _scene(pages[0], part, sizes, rows, info)
        _add_place(scene, number, places, info)
        scenes.append(scene)
    if len(scenes) > 1:
        warnings.append(f"{places[0]} tiles x {places[1]} positions are kept as scenes, not put together")
    metadata = {
        "scan_type": info.scan, "dimensions": info.sizes, "settings": info.settings, "events": info.events,
        "channel_wavelengths": [list(pair) for pair in info.wavelengths],
    }  # fmt: skip
    dropped.append("settings of lasers, detectors and tracks")
    return images(scenes, start=_start(info), metadata=metadata, warnings=warnings, dropped=dropped)


def _recount(
    source: Source, sizes: dict[str, int], places: tuple[int, int], held: int, warnings: list[str]
) -> tuple[dict[str, int], tuple[int, int], int]:
    """Sizes for a recording that has other pages than it promises: mostly one that was stopped early."""
    wanted = sizes["t"] * sizes["z"] * math.prod(places)
    if wanted > 64 * held + 4096:
        raise LimitExceeded(
            f"{source.name}: {wanted} planes are promised, it has {held}; it is damaged", hint=_REPAIR
        )
    if held < wanted:
        warnings.append(f"{wanted - held} of {wanted} planes are not in the file; they read as 0")
        return sizes, places, sizes["t"] * sizes["z"]
    warnings.append(f"the file promises {wanted} planes and has {held}; they lie along t as they come")
    return {"t": held, "z": 1}, (1, 1), held


def _acquisition_order(count: int, places: tuple[int, int], sizes: dict[str, int]) -> NDArray[np.int64]:
    """Pages in the order in which they were written: times outside, positions and tiles inside."""
    order = np.arange(count)
    if sum(n > 1 for n in (*places, sizes["t"])) < 2 or count % (math.prod(places) * sizes["t"]):
        return order
    return order.reshape(*places, sizes["t"], -1).transpose(2, 1, 0, 3).ravel()


def _scene(first: LsmPage, part: list[LsmPage], sizes: dict[str, int], rows: str, info: Info) -> Scene:
    def find(index: int) -> LsmPage | None:
        return part[index] if index < len(part) else None

    dims, data = stack(first.layout, sizes, find)
    if rows != "y":
        dims, data = _turn(dims, data, rows)
    scene = Scene([data], dims)
    scene.pixel_size = {axis: step for axis, step in info.voxel.items() if axis in dims}
    scene.pixel_unit = dict.fromkeys(scene.pixel_size, "micrometer")
    count = data.shape[dims.index("c")] if "c" in dims else 1
    scene.rgb = first.layout.photometric == 2 and not first.layout.planar and count == 3
    if not scene.rgb:
        scene.channels = [
            Channel(
                info.names[c] if c < len(info.names) else "", info.colors[c] if c < len(info.colors) else ""
            )
            for c in range(count)
        ]
    if "t" in dims:
        _add_times(scene, data.shape[dims.index("t")], info)
    return scene


def _turn(dims: tuple[str, ...], data: LazyArray, rows: str) -> tuple[tuple[str, ...], LazyArray]:
    """Rows that are depths or times: their axis goes to its place, and y gets one place of its own."""
    named = [rows if axis == "y" else axis for axis in dims]
    if len(set(named)) < len(named):
        raise FormatError(f"axes {dims} cannot have rows along {rows}; the file is damaged", hint=_REPAIR)
    order = sorted(range(len(named)), key=lambda i: ("page", "t", "c", "z", "y", "x").index(named[i]))
    turned = data.transpose(*order)
    at = len(named) - 1

    def read(key: tuple[slice | int, ...]) -> NDArray[Any]:
        found = turned.read((*key[:at], key[-1]))
        if not isinstance(key[at], slice):
            return found
        return np.expand_dims(found, found.ndim - isinstance(key[-1], slice))

    shape = (*turned.shape[:at], 1, turned.shape[-1])
    blocks = None if turned.blocks is None else (*turned.blocks[:at], 1, turned.blocks[-1])
    return (*(named[i] for i in order[:at]), "y", "x"), LazyArray(shape, turned.dtype, read, blocks=blocks)


def _add_times(scene: Scene, count: int, info: Info) -> None:
    times = [time - info.times[0] for time in info.times[:count]] if info.times else []
    steps = [after - before for before, after in pairwise(times)]
    mean = times[-1] / len(steps) if steps else 0.0
    step = info.interval
    if len(times) == count:
        scene.attrs["time_stamps"] = times
        even = mean > 0 and max(abs(s - mean) for s in steps) <= 0.01 * mean
        step = mean if even else 0.0
    if step > 0:
        scene.pixel_size = {**scene.pixel_size, "t": step}
        scene.pixel_unit = {**scene.pixel_unit, "t": "second"}


def _add_place(scene: Scene, number: int, places: tuple[int, int], info: Info) -> None:
    tile, position = divmod(number, places[1])
    if places[1] > 1:
        scene.attrs["position"] = position
    if places[0] > 1:
        scene.attrs["tile"] = tile
    for listed, index, many in ((info.positions, position, places[1]), (info.tiles, tile, places[0])):
        if many > 1 and index < len(listed):
            scene.attrs["stage_position"] = dict(zip("xyz", listed[index], strict=True))


def _start(info: Info) -> str | None:
    if info.started is None or not 1 < info.started < 100_000:
        return None
    return (_EPOCH + timedelta(days=info.started)).isoformat(timespec="milliseconds")


def _sniff(head: bytes) -> bool:
    """A little-endian TIFF whose first page, near the start, has the field 34412."""
    at, step = int.from_bytes(head[4:8], "little"), 12
    if head[:4] != b"II*\0" or at + 2 > len(head):
        return False
    count = int.from_bytes(head[at : at + 2], "little")
    return any(
        head[i : i + 2] == b"\x6c\x86" for i in range(at + 2, min(at + 2 + count * step, len(head) - 1), step)
    )


FORMAT = Format(
    name="lsm",
    title="Zeiss LSM",
    kind="image",
    suffixes=(".lsm",),
    open=open_lsm,
    magic=((0, b"II*\0"),),
    sniff=_sniff,
    requires=("tifffile", "imagecodecs"),
    carried="all scan axes, channels, colours, voxel size, times, positions",
    left="thumbnails, drawings of the program (named)",
    lazy="strip",
)
