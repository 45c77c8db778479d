"""Decoded frames as arrays: greys and red, green, blue as stored, everything else as red, green and blue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(frozen=True, slots=True)
class Colours:
    """How frames come out: samples a pixel, their type, what turns one into (sample, row, column), and a warning."""

    samples: int
    dtype: np.dtype[Any]
    convert: Callable[[Any], NDArray[Any]]
    warning: str = ""


def colours_of(pixels: Any, height: int, width: int, name: str) -> Colours:
    """The way to read frames of a pixel format of FFmpeg."""
    bits = max(component.bits for component in pixels.components)
    if pixels.name.startswith("gray") and not pixels.name.startswith("grayf"):
        big = pixels.name.endswith("be")
        kind = np.dtype("u1" if bits <= 8 else ">u2" if big else "<u2")
        return Colours(
            1, kind.newbyteorder("="), lambda frame: _checked(_gray(frame, kind), 1, height, width, name)
        )
    if pixels.name.startswith("mono"):
        return _through("gray", "u1", 1, height, width, name, "")
    alpha = len(pixels.components) == 4 or pixels.name == "ya8"
    kept = (pixels.is_rgb or pixels.has_palette) and bits <= 8
    deep = bits > 8
    wanted = ("rgba64le" if deep else "rgba") if alpha else ("rgb48le" if deep else "rgb24")
    warning = ""
    if not kept:
        warning = f"the frames are stored as {pixels.name}; given as red, green and blue of {16 if deep else 8} bits"
    return _through(wanted, "u2" if deep else "u1", 4 if alpha else 3, height, width, name, warning)


def _through(
    wanted: str, kind: str, samples: int, height: int, width: int, name: str, warning: str
) -> Colours:
    def convert(frame: Any) -> NDArray[Any]:
        values = frame.to_ndarray(format=wanted)
        return _checked(values.reshape(*values.shape[:2], -1), samples, height, width, name)

    return Colours(samples, np.dtype(kind), convert, warning)


def _gray(frame: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: frame.height, : frame.width, None].astype(kind.newbyteorder("="))


def _checked(values: NDArray[Any], samples: int, height: int, width: int, name: str) -> NDArray[Any]:
    if values.shape != (height, width, samples):
        raise FormatError(
            f"{name}: {height} x {width} pixels were promised, {values.shape[0]} x {values.shape[1]} is there; "
            "its size changes or it is damaged",
            hint=_REPAIR,
        )
    return np.moveaxis(values, -1, 0)
