"""What the XML of a CZI says: sizes of pixels, channels, times, names of scenes.

Lengths are metres in the file and micrometres here. Names of persons and what is on labels stay out.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import Channel

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

Element = Any  # of the standard library's tree, which is not to be imported

_PERSONAL = frozenset({"User", "UserName", "Author", "Authors", "AttachmentInfos", "Barcode", "Thumbnail"})
_KEPT = ("Information", "Scaling", "DisplaySetting")
_MOST_NODES = 6000
_LONGEST = 2048
_SPATIAL = {"X": "x", "Y": "y", "Z": "z"}


@dataclass(slots=True)
class Info:
    """The XML as far as pixels need it."""

    pixel_size: dict[str, float] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    scene_names: dict[int, str] = field(default_factory=dict)
    scene_centres: dict[int, list[float]] = field(default_factory=dict)
    interval: float | None = None
    start: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def read_info(source: Source, xml: bytes) -> Info:
    """The XML of the file; FormatError when it is damaged or has entities."""
    root = parse(source, xml)
    if root is None:
        return Info()
    said = root.find("Metadata") if root.tag != "Metadata" else root
    said = root if said is None else said
    info = Info(start=_moment(said.findtext("Information/Image/AcquisitionDateAndTime")))
    for distance in said.findall("Scaling/Items/Distance"):
        step = number(distance.findtext("Value")) * 1e6
        if step > 0 and distance.get("Id") in _SPATIAL:
            info.pixel_size[_SPATIAL[str(distance.get("Id"))]] = step
    info.channels = _channels(said)
    for scene in said.findall("Information/Image/Dimensions/S/Scenes/Scene"):
        index = scene.get("Index", "")
        if index.isdecimal():
            info.scene_names[int(index)] = scene.get("Name") or scene.findtext("Name") or ""
            centre = [number(v) for v in (scene.findtext("CenterPosition") or "").split(",")]
            if len(centre) == 2 and all(map(math.isfinite, centre)):
                info.scene_centres[int(index)] = centre
    step = number(said.findtext("Information/Image/Dimensions/T/Positions/Interval/Increment"))
    info.interval = step if step > 0 else None
    budget = [_MOST_NODES]
    for name in _KEPT:
        part = said.find(name)
        if part is not None:
            info.summary[name] = plain(part, budget)
    info.dropped = [f"{part.tag} settings of the microscope (XML)" for part in said if part.tag in (
        "Experiment", "HardwareSetting", "CustomAttributes", "Layers")]  # fmt: skip
    if budget[0] <= 0:
        info.dropped.append(f"description (XML) after the first {_MOST_NODES} elements")
    return info


def parse(source: Source, xml: bytes) -> Element | None:
    """The root of an XML text; None when there is no text."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    text = xml.strip(b"\0 \r\n\t")
    if not text:
        return None
    try:
        root: Element = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FormatError(
            f"{source.name}: its description (XML) cannot be parsed ({error}); it is damaged",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        ) from error
    return root


def _channels(said: Element) -> list[Channel]:
    """Channels in the order of axis C; the name that ZEN shows goes before that of the dye."""
    listed = said.findall("Information/Image/Dimensions/Channels/Channel")
    shown = said.findall("DisplaySetting/Channels/Channel")
    by_id = {str(item.get("Id")): item for item in shown}
    found = []
    for index, item in enumerate(listed):
        other = by_id.get(str(item.get("Id")))
        if other is None and len(shown) == len(listed):
            other = shown[index]
        found.append(_channel(item, other))
    return found or [_channel(item, None) for item in shown]


def _channel(item: Element, shown: Element | None) -> Channel:
    both = [element for element in (shown, item) if element is not None]
    name = next((n for e in both if (n := e.get("Name") or e.findtext("Name") or "")), "")
    color = next((c for e in both if (c := rgb(e.findtext("Color")))), "")
    window = None
    if shown is not None:
        low, high = (number(shown.findtext(tag)) for tag in ("Low", "High"))
        if 0 <= low < high <= 1:
            window = (low, high)
    return Channel(name or item.findtext("Fluor") or item.findtext("DyeName") or "", color, window)


def rgb(text: str | None) -> str:
    """``RRGGBB`` of ``#AARRGGBB`` or ``#RRGGBB``; empty when it is neither."""
    digits = (text or "").strip().lstrip("#")
    if len(digits) not in (6, 8) or any(d not in "0123456789abcdefABCDEF" for d in digits):
        return ""
    return digits[-6:].upper()


def number(text: str | None) -> float:
    """A number of the XML; NaN when it is none."""
    try:
        found = float(text or "nan")
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _moment(text: str | None) -> str | None:
    said = (text or "").strip()
    return said if said[:4].isdecimal() and said[:4] not in ("0001", "0000") else None


def plain(element: Element, budget: list[int], depth: int = 0) -> Any:
    """An element as dicts, lists and text; at most ``budget[0]`` elements, which is counted down."""
    budget[0] -= 1
    children = [child for child in element if child.tag not in _PERSONAL] if depth < 24 else []
    text = (element.text or "").strip()[:_LONGEST]
    if not children and not element.attrib:
        return text
    found: dict[str, Any] = dict(element.attrib)
    if text:
        found["value"] = text
    if element.tag == "Document":
        children = [child for child in children if child.tag != "Name"]
    for child in children:
        if budget[0] <= 0:
            break
        made = plain(child, budget, depth + 1)
        if child.tag not in found:
            found[child.tag] = made
        elif isinstance(found[child.tag], list):
            found[child.tag].append(made)
        else:
            found[child.tag] = [found[child.tag], made]
    return found


def read_times(data: bytes) -> list[float]:
    """The content of a CZTIMS attachment: i32 size, i32 count, f64 seconds."""
    if len(data) < 8:
        return []
    (count,) = struct.unpack_from("<i", data, 4)
    if not 0 < count <= (len(data) - 8) // 8:
        return []
    times = list(struct.unpack_from(f"<{count}d", data, 8))
    return times if all(map(math.isfinite, times)) else []


def read_events(data: bytes) -> list[dict[str, Any]]:
    """The content of a CZEVL attachment: i32 size, i32 count, entries (i32, f64, i32 type, i32 n, text)."""
    found: list[dict[str, Any]] = []
    count, at = (struct.unpack_from("<i", data, 4)[0], 8) if len(data) >= 8 else (0, 0)
    for _ in range(min(count, 4096)):
        if at + 20 > len(data):
            break
        size, time, kind, length = struct.unpack_from("<idii", data, at)
        if size < 20 or not 0 <= length <= size or not math.isfinite(time):
            break
        text = data[at + 20 : at + 20 + length].split(b"\0", 1)[0].decode("utf-8", "replace")
        found.append({"time": time, "type": kind, "description": text})
        at += size
    return found
