"""``/DataSetInfo`` of an Imaris file: corners, unit, channels and times, all of them text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._clock import even_step
from sparc_fuse_core.formats._ims.levels import children
from sparc_fuse_core.formats._tiff.stack import unit as unit_of
from sparc_fuse_core.model import Channel

if TYPE_CHECKING:
    import h5py

_MOST_TEXT = 1 << 14
_MOST_TIMES = 1 << 20
_PRIVATE = ("recorder", "user", "username", "author")  # names of persons


@dataclass(slots=True)
class Info:
    """What is said of an image.

    Attributes
    ----------
    size
        (z, y, x) in pixels; None where it is not said.
    corners
        Both ends of the image along z, y and x in ``unit``.
    seconds
        Of each time point, counted from the first one.
    """

    name: str = ""
    unit: str = ""
    size: tuple[int | None, ...] = (None, None, None)
    corners: dict[str, tuple[float, float]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    start: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def step(self, dim: str, count: int) -> float | None:
        """Size of a pixel, when the corners are apart and finite."""
        low, high = self.corners.get(dim, (0.0, 0.0))
        step = (high - low) / count
        return step if math.isfinite(step) and step > 0 else None

    def time_step(self) -> float | None:
        """Seconds from one time point to the next, when they are even."""
        return even_step(self.seconds)

    @staticmethod
    def unnamed() -> Channel:
        """A channel of which nothing is said."""
        return Channel()


def read_info(group: h5py.Group | None) -> Info:
    """All of ``/DataSetInfo``; whatever it lacks stays empty."""
    info = Info()
    if group is None:
        return info
    parts = {name: texts(part) for name, part in children(group).items()}
    info.metadata = {
        name: {k: v for k, v in part.items() if k.lower() not in _PRIVATE and k != "ColorTable"}
        for name, part in parts.items()
        if name != "TimeInfo" or len(part) < 100
    }
    image = parts.get("Image", {})
    info.name = (
        image.get("Name", "") if image.get("Name", "").lower() not in ("(name not specified)",) else ""
    )
    found = unit_of(image.get("Unit", ""))
    info.unit = found[0] if found and found[0] != "second" else ""
    for axis, dim in enumerate("xyz"):
        low, high = (_number(image.get(f"Ext{end}{axis}", "")) for end in ("Min", "Max"))
        if low is not None and high is not None:
            info.corners[dim] = (low, high)
    info.size = tuple(_count(image.get(letter, "")) for letter in "ZYX")
    for name, part in parts.items():
        number = _count(name.removeprefix("Channel "))
        if name.startswith("Channel ") and number is not None:
            info.channels[number] = _channel(part)
    _read_times(info, parts.get("TimeInfo", {}), image)
    return info


def _read_times(info: Info, part: Mapping[str, str], image: Mapping[str, str]) -> None:
    stamps = []
    for number in range(1, _MOST_TIMES):
        stamp = moment(part.get(f"TimePoint{number}", ""))
        if stamp is None:
            break
        stamps.append(stamp)
    info.seconds = [(stamp - stamps[0]).total_seconds() for stamp in stamps]
    first = stamps[0] if stamps else moment(image.get("RecordingDate", ""))
    info.start = first.isoformat() if first is not None else ""


def _channel(part: Mapping[str, str]) -> Channel:
    colour = [_number(v) for v in part.get("Color", "").split()]
    if len(colour) == 3 and all(v is not None and 0 <= v <= 1 for v in colour):
        text = "".join(f"{round(255 * (v or 0)):02X}" for v in colour)
    else:
        text = ""
    ends = [_number(v) for v in part.get("ColorRange", "").split()]
    window = None
    if len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] < ends[1]:
        window = (ends[0], ends[1])
    name = part.get("Name", "")
    return Channel("" if name.lower() == "(name not specified)" else name, text, window)


def texts(thing: Any) -> dict[str, str]:
    """Attributes of a group as text: arrays of single characters are joined."""
    found = {}
    for name in thing.attrs:
        try:
            value = thing.attrs[name]
        except (OSError, RuntimeError, TypeError, ValueError, KeyError, UnicodeError):
            continue  # one broken attribute must not cost the pixels
        raw = (
            value.tobytes()
            if getattr(value, "dtype", None) is not None and value.dtype.kind == "S"
            else value
        )
        if isinstance(raw, bytes):
            found[str(name)] = raw[:_MOST_TEXT].decode("utf-8", "replace").strip("\0 \t\r\n")
        elif isinstance(raw, str):
            found[str(name)] = raw[:_MOST_TEXT].strip("\0 \t\r\n")
    return found


def moment(text: str) -> datetime | None:
    """``2001-02-03 04:05:06.789`` as a time; None for anything else."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
