"""ImageJ regions of interest: one ``.roi`` file, or a ``RoiSet.zip`` whose members are ``.roi`` files.

Every region becomes an entry along ``roi``: ``roi_name``, ``roi_type`` (polygon, rectangle, oval, line,
freeline, polyline, freehand, traced, angle, point, composite) and ``roi_subtype`` (text, arrow, ellipse,
rotated rectangle, image), ``roi_bounds`` (left, top, right, bottom in pixels), ``roi_stack_position`` and
``roi_position`` (channel, slice, frame; counted from 1, 0 where not set), ``roi_stroke_color`` and
``roi_fill_color`` (AARRGGBB), width, group, text and properties where there are any. Outlines are ragged:
``vertices`` (x and y in pixels, with subpixels where stored), ``part_offsets`` (where each outline begins, one
more at the end), ``part_roi`` (whose it is) and ``part_closed``; a composite region has several.
``vertex_step`` tells moves (0), lines (1) and control points of curves (2, 3) of composite regions;
``vertex_counter`` and ``vertex_stack_position`` are those of multi-point regions. An oval is stored as its
bounds only, its outline here is drawn from them. Pixels of image regions and how labels are drawn are not
carried over. The layout of a record is in `_roi.record`; a set is read member by member, nothing is unpacked to
disk.
"""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._roi.record import MARK, Roi, read_roi
from sparc_fuse_core.model import Array, Format, limit_items, recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr

    from sparc_fuse_core.source import Source

_ZIP = b"PK\x03\x04"
_MOST_REGIONS = 1 << 17
_MOST_BYTES = 256 << 20
_LITTER = ("__MACOSX/", ".DS_Store")


def open_roi(source: Source, /, **_: Any) -> xr.DataTree:
    """One region or a set of them as ragged arrays; FormatError and its kin when damaged."""
    dropped: list[str] = []
    entries: list[str] = []
    if source.head(4) == MARK:
        _expect_small(source, source.size)
        rois = [read_roi(source.read(0, source.size), source.name)]
    else:
        found = list(_members(source, dropped))
        entries, rois = [name for name, _ in found], [roi for _, roi in found]
    for roi, entry in zip(rois, entries, strict=bool(entries)):
        roi.name = roi.name or entry.removesuffix(".roi")
    warnings = []
    if ovals := sum(roi.kind == "oval" for roi in rois):
        warnings.append(f"{ovals} oval(s) are stored as bounds only: their outlines here are drawn from them")
    if pictures := sum(roi.image_bytes > 0 for roi in rois):
        dropped.append(f"the pixels of {pictures} image region(s)")
    if any(roi.label for roi in rois):
        dropped.append("font and colour of the labels that ImageJ draws beside regions")
    arrays = [*_region_arrays(rois, entries), *_outline_arrays(rois)]
    return recording([], arrays=arrays, kind="geometry", warnings=warnings, dropped=dropped)


def _expect_small(source: Source, nbytes: int) -> None:
    if nbytes > _MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: its regions take {nbytes} bytes, at most {_MOST_BYTES} are sane",
            hint="Save the regions again in ImageJ, in several sets.",
        )


def _members(source: Source, dropped: list[str]) -> Iterator[tuple[str, Roi]]:
    """Name and region of each member of a set."""
    try:
        archive = zipfile.ZipFile(source.file())
    except (zipfile.BadZipFile, ValueError, struct.error) as error:
        raise FormatError(
            f"{source.name}: a set of regions was expected, its ZIP directory cannot be read ({error})",
            hint="Fetch the file again.",
        ) from error
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        infos = [info for info in infos if not info.filename.startswith(_LITTER)]
        chosen = [info for info in infos if info.filename.lower().endswith(".roi")]
        limit_items(source, "regions", len(chosen), _MOST_REGIONS)
        _expect_small(source, sum(info.file_size for info in chosen))
        if others := [info.filename for info in infos if info not in chosen]:
            dropped.append(f"{len(others)} member(s) that are no regions: {', '.join(others[:5])}")
        for info in chosen:
            name = info.filename.replace("\\", "/").rpartition("/")[2]
            yield name, read_roi(_unpack(archive, info, source), f"{source.name}: {name}")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Source) -> bytes:
    try:
        with archive.open(info) as member:
            data = member.read(info.file_size + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise FormatError(
            f"{source.name}: {info.filename} cannot be unpacked ({error})", hint="Fetch the file again."
        ) from error
    except Exception as error:  # zlib, bz2 and lzma have errors of their own
        raise FormatError(
            f"{source.name}: {info.filename} is damaged ({error})", hint="Fetch the file again."
        ) from error
    if len(data) != info.file_size:
        raise FormatError(
            f"{source.name}: {info.filename} promises {info.file_size} bytes and has another number",
            hint="Fetch the file again.",
        )
    return data


def _region_arrays(rois: Sequence[Roi], entries: Sequence[str]) -> Iterator[Array]:
    def column(name: str, values: Sequence[Any], dtype: str, attrs: dict[str, Any] | None = None) -> Array:
        return Array(f"roi_{name}", np.array(values, dtype), ("roi",), attrs or {})

    yield column("name", [roi.name for roi in rois], "O")
    yield column("type", [roi.kind for roi in rois], "O")
    yield Array("roi_bounds", np.array([roi.bounds for roi in rois], "f8"), ("roi", "side"),
                {"units": "pixel", "side": ["left", "top", "right", "bottom"]})  # fmt: skip
    yield column("stack_position", [roi.position for roi in rois], "i4")
    yield Array("roi_position", np.array([roi.czt for roi in rois], "i4"), ("roi", "position"),
                {"position": ["channel", "slice", "frame"]})  # fmt: skip
    yield column("options", [roi.options for roi in rois], "u2")
    yield column("stroke_width", [roi.stroke_width for roi in rois], "f8", {"units": "pixel"})
    texts = {"subtype": "subtype", "stroke_color": "stroke", "fill_color": "fill", "text": "text", "font": "font",
             "properties": "properties"}  # fmt: skip
    for name, field in texts.items():
        if any(getattr(roi, field) for roi in rois):
            yield column(name, [getattr(roi, field) for roi in rois], "O")
    numbers = {"group": "i4", "text_size": "i4", "text_angle": "f8", "arc": "i4"}
    for name, dtype in numbers.items():
        if any(getattr(roi, name) for roi in rois):
            yield column(name, [getattr(roi, name) for roi in rois], dtype)
    if any(any(roi.arrow) for roi in rois):
        yield Array("roi_arrow", np.array([roi.arrow for roi in rois], "u1"), ("roi", "arrow"),
                    {"arrow": ["style", "head size"]})  # fmt: skip
    if any(roi.ends is not None for roi in rois):
        none = (float("nan"),) * 4
        yield Array("roi_ends", np.array([roi.ends or none for roi in rois], "f8"), ("roi", "end"),
                    {"units": "pixel", "end": ["x1", "y1", "x2", "y2"]})  # fmt: skip
        if np.isfinite([roi.aspect for roi in rois]).any():
            yield column("aspect_ratio", [roi.aspect for roi in rois], "f8")
    if entries:
        yield column("entry", list(entries), "O")


def _outline_arrays(rois: Sequence[Roi]) -> Iterator[Array]:
    parts = [part for roi in rois for part in roi.parts]
    offsets = np.cumsum([0, *(len(part) for part in parts)], dtype="i8")
    vertices = np.concatenate(parts) if parts else np.empty((0, 2))
    if len(vertices):
        yield Array("vertices", vertices, ("vertex", "axis"), {"units": "pixel", "axis": ["x", "y"]})
    yield Array("part_offsets", offsets, ("part_edge",))
    if parts:
        owners = [number for number, roi in enumerate(rois) for _ in roi.parts]
        yield Array("part_roi", np.array(owners, "i4"), ("part",))
        yield Array("part_closed", np.array([c for roi in rois for c in roi.closed], bool), ("part",))
    if any(roi.kinds for roi in rois):
        plain = [
            [np.r_[np.zeros(min(1, len(p)), "u1"), np.ones(max(0, len(p) - 1), "u1")] for p in r.parts]
            for r in rois
        ]
        steps = [roi.kinds or line for roi, line in zip(rois, plain, strict=True)]
        yield Array("vertex_step", np.concatenate([s for step in steps for s in step]), ("vertex",))
    for name, field, dtype in (("counter", "counters", "u1"), ("stack_position", "positions", "i4")):
        held = [getattr(roi, field) for roi in rois]
        if any(values is not None for values in held):
            sizes = [sum(map(len, roi.parts)) for roi in rois]
            filled = [np.zeros(n, dtype) if v is None else v for n, v in zip(sizes, held, strict=True)]
            yield Array(f"vertex_{name}", np.concatenate(filled), ("vertex",))


def _sniff(head: bytes) -> bool:
    return head[:4] == MARK or _first_member(head).lower().endswith(b".roi")


def _first_member(head: bytes) -> bytes:
    """Name of the first file of a ZIP archive, folders passed over."""
    at = 0
    while head[at : at + 4] == _ZIP and at + 30 <= len(head):
        packed, letters, extra = struct.unpack_from("<I4xHH", head, at + 18)
        name = head[at + 30 : at + 30 + letters]
        if not name.endswith(b"/") or packed:
            return name
        at += 30 + letters + extra
    return b""


FORMAT = Format(
    name="roi",
    title="ImageJ regions of interest",
    kind="geometry",
    suffixes=(".roi",),
    open=open_roi,
    magic=((0, MARK), (0, _ZIP)),
    sniff=_sniff,
    carried="outlines, kinds, positions, colours, text, counters, groups, properties",
    left="pixels of image regions, drawing style of labels (named)",
    lazy="the whole file",
)
