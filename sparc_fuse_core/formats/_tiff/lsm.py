"""What is particular in the TIFF of an LSM: pages, places of strips, and the block CZ_LSMINFO (field 34412).

::

    CZ_LSMINFO   u32 mark, i32 size, i32 x, y, z, channels, times, data type, thumbnail x, y,
                 f64 voxel x, y, z, origin x, y, z (m), u16 scan type, u16 spectral, u32 kind of data,
                 u32 places (108): overlay, input LUT, output LUT, channel colours, f64 interval (s), u32
                 places (132): data types, scan information, KS data, time stamps, events, ...;
                 u32 wavelengths (204), i32 positions, tiles (264), u32 places of tiles (336), positions (376)
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._tiff.book import is_reduced, subfile
from sparc_fuse_core.formats._tiff.ifd import Ifd, read_chain
from sparc_fuse_core.formats._tiff.layout import Layout, read_layout
from sparc_fuse_core.formats._tiff.page import Page, SegmentCache
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

LSM_INFO = 34412
_MARKS = (0x00300494C, 0x00400494C)
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_SCAN = {0x10000001: "name", 0x10000002: "description", 0x10000004: "objective", 0x10000006: "special_scan_mode",
         0x10000007: "scan_type", 0x10000016: "zoom_x", 0x10000017: "zoom_y", 0x10000034: "rotation"}  # fmt: skip
_SCAN_START = 0x10000036
_END = 0xFFFFFFFF


@dataclass(slots=True)
class Info:
    """CZ_LSMINFO and the blocks that it points to."""

    sizes: dict[str, int]
    scan: int
    voxel: dict[str, float]
    interval: float
    colors: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    wavelengths: list[tuple[float, float]] = field(default_factory=list)
    tiles: list[tuple[float, float, float]] = field(default_factory=list)
    positions: list[tuple[float, float, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    started: float | None = None
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class LsmPage(Page):
    """A page whose strips are measured: their lengths in the file are those of the unpacked pixels."""

    __slots__ = ("unwrapped",)

    def __init__(self, ifd: Ifd, layout: Layout, cache: SegmentCache) -> None:
        super().__init__(ifd, layout, cache)
        self.unwrapped: NDArray[Any] | None = None

    def offsets(self) -> NDArray[Any]:
        """Places of the strips as the file says them: their last 32 bits."""
        need = self.layout.down * (self.layout.samples if self.layout.planar else 1)
        found = np.array(self.ifd.numbers(273, need), "i8")
        if len(found) < need or not (found > 0).all():
            raise Truncated(
                f"{self.source.name}: a page needs {need} strips, it has {int((found > 0).sum())}; the recording "
                "was cut short",
                hint=_REPAIR,
            )
        return found

    def _read_places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        layout = self.layout
        offsets = self.offsets() if self.unwrapped is None else self.unwrapped
        rows = np.full(len(offsets), layout.segment[0], "i8")
        rows[layout.down - 1 :: layout.down] = layout.height - (layout.down - 1) * layout.segment[0]
        counts = rows * layout.width * layout.together * layout.dtype.itemsize
        for offset, count in zip(offsets.tolist(), counts.tolist(), strict=True):
            self.source.expect(offset, count if layout.direct else 1, "pixels")
        if not layout.direct:
            # LZW makes at most 12 bits of 8; the next strip is mostly nearer.
            room = np.minimum(counts * 3 // 2 + 1024, self.source.size - offsets)
            near = np.append(np.diff(offsets), 0)
            counts = np.where((near > 0) & (near < room), near, room)
        return offsets, counts


def read_lsm_pages(source: Source) -> tuple[list[LsmPage], int]:
    """The pages of the recording in file order, and how many thumbnails were left out."""
    cache = SegmentCache()
    known: dict[bytes, Layout] = {}
    main, pages, small = [], [], 0
    for ifd in read_chain(source):
        fixed = _fixed(ifd)
        if is_reduced(subfile(fixed)):
            small += 1
            pages.append(fixed)
            continue
        decisive = b"".join(fixed.raw(code, 64) for code in (256, 257, 258, 259, 262, 277, 278, 284, 317))
        if decisive not in known:
            known[decisive] = _layout(fixed)
        main.append(LsmPage(fixed, known[decisive], cache))
        pages.append(fixed)
    if not main:
        raise FormatError(
            f"{source.name}: an LSM with pictures was expected, it has thumbnails only", hint=_REPAIR
        )
    return main, small


def _fixed(ifd: Ifd) -> Ifd:
    """Older writers put two values of BitsPerSample elsewhere although they fit into the field."""
    bits = ifd.numbers(258, 2)
    if ifd.big or ifd.count(258) != 2 or set(bits) <= {8, 12, 16, 32}:
        return ifd
    entries = bytearray(ifd.entries)
    for at in range(0, len(entries), 12):
        code, _, _, place = struct.unpack_from(f"{ifd.order}HHII", entries, at)
        if code == 258:
            entries[at + 8 : at + 12] = ifd.source.read(place, 4, "field 258")
    return Ifd(ifd.source, ifd.order, ifd.big, ifd.offset, bytes(entries))


def _layout(ifd: Ifd) -> Layout:
    layout = read_layout(ifd)
    strips = ifd.count(273)
    if strips == (layout.samples if layout.planar else 1):  # RowsPerStrip is often wrong
        layout = replace(layout, segment=(layout.height, layout.width))
    if layout.compression == 1:
        layout = replace(layout, predictor=1)
    if layout.tiled or layout.compression not in (1, 5):
        raise FormatError(
            f"{ifd.source.name}: an LSM with tiles or compression {layout.compression} is not known",
            hint=_REPAIR,
        )
    return layout


def unwrap(pages: list[LsmPage], order: NDArray[np.int64]) -> None:
    """Give every strip of a file over 4 GB its true place: places grow in the order of acquisition."""
    wrap = before = 0
    for number in order.tolist():
        page = pages[number]
        found = page.offsets()
        for index, offset in enumerate(found.tolist()):
            wrap += (1 << 32) if offset < before else 0
            found[index] = offset + wrap
            before = offset
        page.unwrapped = found


def read_info(source: Source, ifd: Ifd) -> Info:
    """CZ_LSMINFO; FormatError when it is damaged. Blocks beyond it that are damaged are left out and said so."""
    data = ifd.raw(LSM_INFO, 1 << 16)
    if len(data) < 164 or struct.unpack_from("<I", data)[0] not in _MARKS:
        raise FormatError(f"{source.name}: the block CZ_LSMINFO of an LSM is damaged", hint=_REPAIR)
    x, y, z, channels, times = struct.unpack_from("<5i", data, 8)
    voxel = struct.unpack_from("<3d", data, 40)
    (scan,) = struct.unpack_from("<H", data, 88)
    (interval,) = struct.unpack_from("<d", data, 112)
    positions, tiles = struct.unpack_from("<2i", data, 264) if len(data) >= 272 else (0, 0)
    sizes = {"x": x, "y": y, "z": z, "c": channels, "t": times, "p": positions, "m": tiles}
    for axis, size in sizes.items():
        limit_items(source, f"places along {axis}", size, 1 << 24)
    steps = {
        axis: step * 1e6 for axis, step in zip("xyz", voxel, strict=True) if math.isfinite(step) and step > 0
    }
    info = Info(sizes, scan, steps, interval if math.isfinite(interval) and interval > 0 else 0.0)
    _read_blocks(source, data, info)
    return info


def _read_blocks(source: Source, data: bytes, info: Info) -> None:
    readers = {
        "channel colours": (108, _read_colors), "scan information": (124, _read_scan),
        "time stamps": (132, _read_times), "event list": (136, _read_events),
        "wavelengths": (204, _read_wavelengths), "places of tiles": (336, _read_tiles),
        "positions": (376, _read_positions),
    }  # fmt: skip
    for name, (at, read) in readers.items():
        place = struct.unpack_from("<I", data, at)[0] if len(data) >= at + 4 else 0
        if place == 0:
            continue
        try:
            read(source, place, info)
        except (FormatError, struct.error) as error:
            info.warnings.append(f"the block of {name} cannot be read ({error}); it was left out")
    for name, at in (("vector overlay", 96), ("input look-up table", 100), ("output look-up table", 104),
                     ("regions of interest", 140), ("regions of bleaching", 144)):  # fmt: skip
        if struct.unpack_from("<I", data, at)[0]:
            info.left_out.append(name)


def _read_colors(source: Source, at: int, info: Info) -> None:
    size, colors, names, color_at, name_at, _ = source.unpack("<6I", at, "channel colours")
    limit_items(source, "channel colours", colors, 4096)
    limit_items(source, "bytes of channel colours", size, 1 << 20)
    data = source.read(at, size, "channel colours")
    for index in range(colors):
        red, green, blue, _ = struct.unpack_from("<4B", data, color_at + 4 * index)
        info.colors.append(f"{red:02X}{green:02X}{blue:02X}")
    place = name_at
    for _ in range(names):
        (length,) = struct.unpack_from("<I", data, place)
        text = data[place + 4 : place + 4 + length].split(b"\0", 1)[0]
        info.names.append(text.decode("latin-1").strip())
        place += 4 + length


def _read_scan(source: Source, at: int, info: Info) -> None:
    """Entries u32 code, u32 type (2 text, 4 i32, 5 f64), u32 bytes, of which those of the recording are taken."""
    data = source.read(at, min(1 << 20, source.size - at), "scan information")
    place, depth = 0, 0
    while place + 12 <= len(data):
        code, kind, size = struct.unpack_from("<III", data, place)
        value = data[place + 12 : place + 12 + size]
        place += 12 + size
        if kind == 0:
            depth += -1 if code == _END else 1
            if depth <= 0:
                break
        elif depth == 1 and code == _SCAN_START and kind == 5 and size == 8:
            (info.started,) = struct.unpack("<d", value)
        elif depth == 1 and code in _SCAN:
            if kind == 2:
                text = value.split(b"\0", 1)[0].decode("latin-1").strip()
                info.settings |= {_SCAN[code]: text} if text else {}
            elif kind in (4, 5) and size == (4 if kind == 4 else 8):
                info.settings[_SCAN[code]] = struct.unpack("<i" if kind == 4 else "<d", value)[0]


def _read_times(source: Source, at: int, info: Info) -> None:
    _, count = source.unpack("<ii", at, "time stamps")
    limit_items(source, "time stamps", count, 1 << 24)
    times = source.array("<f8", at + 8, count, "time stamps")
    info.times = times.tolist() if np.isfinite(times).all() else []


def _read_events(source: Source, at: int, info: Info) -> None:
    size, count = source.unpack("<II", at, "event list")
    limit_items(source, "events", count, 1 << 16)
    limit_items(source, "bytes of events", size, 1 << 24)
    data, place = source.read(at, size, "event list"), 8
    for _ in range(count):
        length, time, kind = struct.unpack_from("<IdI", data, place)
        text = data[place + 16 : place + max(16, length)].split(b"\0", 1)[0].decode("latin-1").strip()
        info.events.append({"time": time if math.isfinite(time) else 0.0, "type": kind, "description": text})
        place += max(16, length)


def _triples(source: Source, at: int, what: str) -> list[tuple[float, float, float]]:
    (count,) = source.unpack("<I", at, what)
    limit_items(source, what, count, 1 << 16)
    rows = source.array("<f8", at + 4, 3 * count, what).reshape(-1, 3) * 1e6
    return [tuple(row) for row in rows.tolist()] if np.isfinite(rows).all() else []


def _read_tiles(source: Source, at: int, info: Info) -> None:
    info.tiles = _triples(source, at, "places of tiles")


def _read_positions(source: Source, at: int, info: Info) -> None:
    info.positions = _triples(source, at, "positions")


def _read_wavelengths(source: Source, at: int, info: Info) -> None:
    (count,) = source.unpack("<i", at, "wavelengths")
    limit_items(source, "wavelengths", count, 4096)
    pairs = source.array("<f8", at + 4, 2 * count, "wavelengths").reshape(-1, 2) * 1e9
    info.wavelengths = [(low, high) for low, high in pairs.tolist()] if np.isfinite(pairs).all() else []
