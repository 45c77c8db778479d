"""One ``.roi`` record: what ImageJ stores of one region of interest, all big-endian.

0 ``Iout``, i16 version, u8 type, 8 i16 top, left, bottom, right, u16 points, 18 four f32 (x1 y1 x2 y2 of a line
or ellipse; x y width height of a rectangle with subpixels; else i32 points when there are more than 65535), 34
i16 stroke width, i32 floats of a composite path, u32 stroke ARGB, u32 fill ARGB, i16 subtype, u16 options, u8
arrow style, u8 arrow head (both with the next as f32: aspect ratio of an ellipse), i16 corner arc, i32 stack
position, 60 i32 second header. Then i16 x of all points and i16 y, from the left top of the bounds, and (option
128) f32 x and f32 y of the image. A composite has a path of f32 instead: 0 move x y, 1 line x y, 2 curve (2
points), 3 curve (3 points), 4 close. Text: i32 size, style, letters of the font, letters of the text, UTF-16 of
both, f32 angle.

Second header: +4 i32 channel, slice, frame, name offset, name letters, u32 label colour, i16 font size, u8
group, u8 opacity, i32 image bytes, f32 stroke width, i32 properties offset, letters, i32 counters offset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK = b"Iout"
TYPES = ("polygon", "rectangle", "oval", "line", "freeline", "polyline", "none", "freehand", "traced", "angle",
         "point")  # fmt: skip
SUBTYPES = ("", "text", "arrow", "ellipse", "image", "rotated rectangle")
_HEADER = struct.Struct(">4shBxhhhhH16xhi4s4shHBBhii")
_SECOND = struct.Struct(">4xiiiii4shBBifiii")
_DRAWN = frozenset({0, 4, 5, 7, 8, 9, 10})
_SUBPIXEL = 128
_WRAPPED = -5000  # ImageJ takes smaller bounds for numbers above 32767
_OVAL_POINTS = 33
_STEPS = {0: 1, 1: 1, 2: 2, 3: 3, 4: 0}
_DAMAGED = "Save the region again in ImageJ, or fetch the file again."


@dataclass(slots=True)
class Roi:
    """One region; ``parts`` are its outlines, (points, 2) x and y each, ``kinds`` the steps of a path."""

    kind: str
    subtype: str
    bounds: tuple[float, float, float, float]
    options: int
    position: int
    czt: tuple[int, int, int] = (0, 0, 0)
    name: str = ""
    group: int = 0
    stroke_width: float = 0.0
    stroke: str = ""
    fill: str = ""
    text: str = ""
    font: str = ""
    text_size: int = 0
    text_angle: float = 0.0
    properties: str = ""
    arrow: tuple[int, int] = (0, 0)
    arc: int = 0
    ends: tuple[float, float, float, float] | None = None
    aspect: float = float("nan")
    parts: list[NDArray[Any]] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    kinds: list[NDArray[Any]] | None = None
    counters: NDArray[Any] | None = None
    positions: NDArray[Any] | None = None
    image_bytes: int = 0
    label: bool = False


class _Record:
    """The bytes of one region with the fields of its first header."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        if len(data) < _HEADER.size or data[:4] != MARK:
            raise FormatError(
                f"{name}: an ImageJ region was expected, its first bytes are {data[:4]!r}", hint=_DAMAGED
            )
        (_, self.version, self.type, top, left, bottom, right, self.count, self.stroke_width, self.path,
         self.stroke, self.fill, self.subtype, self.options, self.style, self.head, self.arc, self.position,
         self.second) = _HEADER.unpack_from(data)  # fmt: skip
        self.box = _unwrap(left, right) + _unwrap(top, bottom)
        self.subpixel = self.version >= 222 and bool(self.options & _SUBPIXEL)
        if self.type >= len(TYPES) or not 0 <= self.subtype < len(SUBTYPES):
            raise FormatError(
                f"{name}: a region of type {self.type}.{self.subtype} is none that ImageJ has", hint=_DAMAGED
            )
        long = self.unpack(">i", 18)[0]
        if self.count == 0 and self.type in _DRAWN and not self.has_ends and long > 0:
            self.count = long

    @property
    def has_ends(self) -> bool:
        return self.type == 3 or (self.type == 7 and self.subtype in (3, 5))

    def unpack(self, layout: str | struct.Struct, at: int) -> tuple[Any, ...]:
        packed = struct.Struct(layout) if isinstance(layout, str) else layout
        self.expect(at, packed.size)
        return packed.unpack_from(self.data, at)

    def array(self, dtype: str, at: int, count: int) -> NDArray[Any]:
        self.expect(at, count * np.dtype(dtype).itemsize)
        return np.frombuffer(self.data, dtype, count, at)

    def text(self, at: int, letters: int) -> str:
        if letters <= 0 or at <= 0:
            return ""
        self.expect(at, 2 * letters)
        return self.data[at : at + 2 * letters].decode("utf-16-be", "replace")

    def expect(self, at: int, nbytes: int) -> None:
        if at < 0 or nbytes < 0 or at + nbytes > len(self.data):
            raise Truncated(
                f"{self.name}: promises {nbytes} bytes at byte {at}, it has {len(self.data)}; it is cut short",
                hint=_DAMAGED,
            )


def read_roi(data: bytes, name: str) -> Roi:
    """The region in ``data``; FormatError when it breaks its own rules."""
    record = _Record(data, name)
    left, right, top, bottom = record.box
    roi = Roi(
        TYPES[record.type],
        SUBTYPES[record.subtype],
        (left, top, right, bottom),
        record.options,
        record.position,
    )
    roi.stroke, roi.fill = _colour(record.stroke), _colour(record.fill)
    roi.stroke_width, roi.arc = float(record.stroke_width), record.arc
    if record.subtype == 2:
        roi.arrow = (record.style, record.head)
    if record.subpixel and record.type in (1, 2) and record.version >= 223:
        x, y, width, height = record.unpack(">4f", 18)
        roi.bounds = (x, y, x + width, y + height)
    if record.has_ends:
        roi.ends = record.unpack(">4f", 18)
        if record.type == 7:
            roi.aspect = record.unpack(">f", 52)[0]
            roi.arc = 0
    if record.second:
        _read_second(record, roi)
    if record.subtype == 1 and record.version >= 218:
        _read_text(record, roi)
    _read_outline(record, roi)
    return roi


def _unwrap(low: int, high: int) -> tuple[float, float]:
    low, high = (n + 65536 if n < _WRAPPED else n for n in (low, high))
    return float(low), float(high + 65536 if high < low and high <= 0 else high)


def _colour(argb: bytes) -> str:
    """``AARRGGBB``; none where it is not set."""
    return argb.hex().upper() if any(argb) else ""


def _read_second(record: _Record, roi: Roi) -> None:
    if len(record.data) - record.second < _SECOND.size and record.version < 221:
        return  # older programs wrote a shorter one
    (c, z, t, name, letters, label, font, roi.group, _, roi.image_bytes, width, at, length,
     counters) = record.unpack(_SECOND, record.second)  # fmt: skip
    roi.czt = (c, z, t)
    roi.name = record.text(name, letters)
    roi.label = any(label) or font > 0
    if np.isfinite(width) and width > 0:
        roi.stroke_width = float(width)
    roi.properties = record.text(at, length)
    if roi.group == 0 and record.version >= 229 and record.second + 54 <= len(record.data):
        roi.group = record.unpack(">H", record.second + 52)[0]
    if counters > 0 and record.type == 10:
        packed = record.array(">u4", counters, record.count)
        roi.counters, roi.positions = (packed & 255).astype("u1"), (packed >> 8).astype("i4")


def _read_text(record: _Record, roi: Roi) -> None:
    roi.text_size, _, letters, length = record.unpack(">4i", 64)
    roi.font = record.text(80, letters)
    at = 80 + 2 * max(letters, 0)
    roi.text = record.text(at, length)
    if record.version >= 225:
        roi.text_angle = float(record.unpack(">f", at + 2 * max(length, 0))[0])


def _read_outline(record: _Record, roi: Roi) -> None:
    left, top, right, bottom = roi.bounds
    if record.path > 0 and record.type == 1:
        roi.kind = "composite"
        _read_path(roi, record.array(">f4", 64, record.path).astype("f8"), record.name)
    elif record.type == 3 and roi.ends is not None:
        roi.parts, roi.closed = [np.reshape(roi.ends, (2, 2))], [False]
    elif record.type == 1:
        corners = [[left, top], [left, bottom], [right, bottom], [right, top], [left, top]]
        roi.parts, roi.closed = [np.array(corners, "f8")], [True]
    elif record.type == 2:
        turn = np.linspace(0, 2 * np.pi, _OVAL_POINTS)
        radius = np.array([(right - left) / 2, (bottom - top) / 2])
        around = np.column_stack([np.cos(turn), np.sin(turn)]) * radius
        roi.parts, roi.closed = [around + np.array([left, top]) + radius], [True]
    elif record.type in _DRAWN:
        count = record.count
        points = record.array(">u2", 64, 2 * count).reshape(2, count).T + np.array([left, top])
        if record.subpixel:
            points = record.array(">f4", 64 + 4 * count, 2 * count).reshape(2, count).T
        roi.parts, roi.closed = [points.astype("f8")], [record.type in (0, 7, 8)]


def _read_path(roi: Roi, path: NDArray[Any], name: str) -> None:
    """A composite: each move begins an outline; control points of curves are kept among the points."""
    at, outlines, kinds = 0, list[list[Any]](), list[list[int]]()
    while at < len(path):
        step = int(path[at]) if np.isfinite(path[at]) else -1
        need = _STEPS.get(step, -1)
        if need < 0 or at + 1 + 2 * need > len(path) or (step != 0 and not outlines):
            raise FormatError(
                f"{name}: its composite path breaks off at step {step}; it is damaged", hint=_DAMAGED
            )
        if step == 0:
            outlines.append([])
            kinds.append([])
            roi.closed.append(False)
        if step == 4:
            outlines[-1].append(outlines[-1][0])
            kinds[-1].append(1)
            roi.closed[-1] = True
        outlines[-1] += path[at + 1 : at + 1 + 2 * need].reshape(-1, 2).tolist()
        kinds[-1] += [step] * need
        at += 1 + 2 * need
    roi.parts = [np.array(outline, "f8") for outline in outlines]
    roi.kinds = [np.array(kind, "u1") for kind in kinds]
