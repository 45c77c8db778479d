"""Slides of Aperio (.svs): what their descriptions say, and their colours packed as luma and chroma.

The description of every page is ``Aperio Image Library v12.0.15``, a line on its size, then ``|key = value``
pairs: AppMag (power of the objective), MPP (micrometres a pixel), Date (month/day/year), Time, Time Zone. Page
0 is the picture, page 1 a thumbnail, tiled pages after it are lower resolutions, pages of strips at the end the
label and an overview. Compression 33003 is JPEG 2000 of luma and two chromas, 33005 of red, green, blue.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.model import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMA_CHROMA = 33003
# Keys that name persons, cases, machines' serial numbers or files are not carried.
_PRIVATE = re.compile(
    r"user|filename|title|imageid|barcode|scanscope id|patient|name|label|case|accession|serial|comment|reference",
    re.I,
)
_ZONE = re.compile(r"GMT([+-])(\d\d):?(\d\d)")


def is_private(key: str) -> bool:
    """Whether the value under this name may tell of a person, a case or one machine."""
    return bool(_PRIVATE.search(key))


def is_aperio(text: str) -> bool:
    """Whether a description is Aperio's."""
    return text.startswith("Aperio")


def parse_aperio(text: str) -> dict[str, str]:
    """Scanner and key-value pairs without the private ones."""
    first, *pairs = text.split("|")
    found = {"scanner": first.split("\n")[0].strip()}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if sign and not is_private(key) and value.strip():
            found[key.strip()[:64]] = value.strip()[:256]
    return found


def describe_aperio(text: str, scene: Scene) -> None:
    """Pixel size, power of the objective and date of a slide."""
    said = parse_aperio(text)
    step, power = _number(said.get("MPP", "")), _number(said.get("AppMag", ""))
    if step > 0:
        scene.pixel_size = {"y": step, "x": step}
        scene.pixel_unit = {"y": "micrometer", "x": "micrometer"}
    if power > 0:
        scene.attrs["objective_power"] = power
    taken = _moment(said)
    if taken:
        scene.attrs["acquisition_date"] = taken


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def _moment(said: dict[str, str]) -> str:
    text = f"{said.get('Date', '')} {said.get('Time', '')}"
    for layout in ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            moment = datetime.strptime(text, layout)
        except ValueError:
            continue
        zone = _ZONE.fullmatch(said.get("Time Zone", ""))
        return moment.isoformat() + (f"{zone[1]}{zone[2]}:{zone[3]}" if zone else "")
    return ""


def to_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Luma and two chromas of 8 bits as red, green, blue (ITU-T T.871, in the usual 16-bit fixed point)."""
    luma, blue, red = (pixels[..., i].astype("i4") for i in range(3))
    blue -= 128
    red -= 128
    parts = (
        luma + (91881 * red + 32768 >> 16),
        luma + (-22554 * blue - 46802 * red + 32768 >> 16),
        luma + (116130 * blue + 32768 >> 16),
    )
    out = np.empty(pixels.shape, "u1")
    for index, part in enumerate(parts):
        out[..., index] = np.clip(part, 0, 255)
    return out
