"""What the XML says of one image: dimensions and channels with their strides, times, tiles, names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

NAMES = {
    1: "x", 2: "y", 3: "z", 4: "t", 5: "emission", 6: "rotation", 7: "xt_slice", 8: "t_slice", 9: "excitation",
    10: "mosaic", 11: "loop",
}  # fmt: skip
_COLOURS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF", "gray": "FFFFFF", "grey": "FFFFFF",
            "cyan": "00FFFF", "magenta": "FF00FF", "yellow": "FFFF00"}  # fmt: skip
_TAGS = {1: "Red", 2: "Green", 3: "Blue"}
_COLOUR_LUT = re.compile(r"\[?Color\s*\(ARGB\)\s*=?\s*([0-9A-Fa-f]{8})")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MOST_CHANNELS = 1 << 12
_MOST_AXES = 12
_MOST_STAMPS = 1 << 22
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis: ``length`` is the distance of the last place from the first, which lies at ``origin``."""

    name: str
    size: int
    origin: float
    length: float
    unit: str
    stride: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: numpy type, bytes from the first one, and how it is shown."""

    dtype: str
    bits: int
    offset: int
    tag: int
    name: str
    color: str


@dataclass(slots=True)
class Description:
    """An image: the names of the folders above it and its own, its block, axes and channels."""

    path: str
    memory: str
    promised: int
    dimensions: list[Dimension]
    channels: list[Channel]
    element: Any


def find_images(root: Any) -> Iterator[tuple[str, Any]]:
    """Elements with an image, with the path of their names below the experiment."""
    yield from _below(root, (), 0)


def _below(element: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        return
    for child in (*element.findall("./Element"), *element.findall("./Children/Element")):
        here = (*path, child.get("Name", ""))
        if child.find("./Data/Image") is not None or child.find("./Data/SingleMoleculeDetection") is not None:
            yield "/".join(here[1:] or here), child
        yield from _below(child, here, depth + 1)


def describe(source: Source, path: str, element: Any) -> Description:
    """Strides, sizes and names of one image; FormatError when they cannot be."""
    memory = element.find("./Memory")
    said = element.find("./Data/Image/ImageDescription")
    if said is None:
        raise damaged(source.name, f"image {path!r} is not described")
    dimensions = [_dimension(source, d) for d in said.findall("./Dimensions/DimensionDescription")]
    channels = [_channel(source, c) for c in said.findall("./Channels/ChannelDescription")]
    limit_items(source, "axes", len(dimensions), _MOST_AXES)
    limit_items(source, "channels", len(channels), _MOST_CHANNELS)
    names = [d.name for d in dimensions]
    if not channels or not dimensions or len(set(names)) < len(names):
        raise damaged(source.name, f"image {path!r} has the axes {names} and {len(channels)} channels")
    return Description(
        path,
        memory.get("MemoryBlockID", "") if memory is not None else "",
        _whole(source, memory, "Size", 0) if memory is not None else 0,
        dimensions,
        sorted(channels, key=lambda c: c.offset),
        element,
    )


def _dimension(source: Source, said: Any) -> Dimension:
    code = _whole(source, said, "DimID")
    if _whole(source, said, "BitInc", 0):
        raise damaged(source.name, "its pixels do not begin at whole bytes, which is not read")
    size = _whole(source, said, "NumberOfElements")
    if size < 1:
        raise damaged(source.name, f"an axis has {size} places")
    name = NAMES.get(code, f"axis_{code}")
    return Dimension(
        name,
        size,
        _real(said, "Origin"),
        _real(said, "Length"),
        said.get("Unit", ""),
        _whole(source, said, "BytesInc"),
    )


def _channel(source: Source, said: Any) -> Channel:
    kind, bits = _whole(source, said, "DataType"), _whole(source, said, "Resolution")
    size = next((n for n in (1, 2, 4, 8) if bits <= 8 * n), 0)
    if (
        kind not in (0, 1)
        or bits < 1
        or not size
        or (kind == 1 and size == 1)
        or _whole(source, said, "BitInc", 0)
    ):
        raise damaged(source.name, f"a channel of type {kind} with {bits} bits is not read")
    properties = {
        (p.findtext("Key") or ""): (p.findtext("Value") or "") for p in said.findall("./ChannelProperty")
    }
    tag = _whole(source, said, "ChannelTag", 0)
    name = properties.get("DyeName", "").removeprefix("Leica/") or said.get("NameOfMeasuredQuantity", "")
    return Channel(
        f"{'f' if kind else 'u'}{size}", bits, _whole(source, said, "BytesInc", 0), tag,
        name or _TAGS.get(tag, ""), _colour(said.get("LUTName", "")),
    )  # fmt: skip


def _colour(name: str) -> str:
    hit = _COLOUR_LUT.search(name)
    return hit[1][2:].upper() if hit else _COLOURS.get(name.strip().lower(), "")


def detector_names(element: Any, count: int) -> list[str]:
    """Dyes of the detectors that were on, when there are as many as channels."""
    for setting in element.findall("./Data/Image/Attachment[@Name='HardwareSetting']"):
        first = setting.find("ATLConfocalSettingDefinition")
        bands = [b.get("DyeName", "") for b in first.iter("MultiBand")] if first is not None else []
        dyes = [dye.removeprefix("Leica/") for dye in bands if dye]
        if len(dyes) == count:
            return dyes
    return []


def stamps(element: Any) -> list[datetime]:
    """Times of the frames in the order of acquisition, UTC; ticks of 100 ns since 1601."""
    listed = element.find("./Data/Image/TimeStampList")
    if listed is None:
        return []
    children = listed.findall("./TimeStamp")
    try:
        if children:
            ticks = [(int(s.get("HighInteger", "")) << 32) + int(s.get("LowInteger", "")) for s in children]
        else:
            ticks = [int(word, 16) for word in (listed.text or "").split()[:_MOST_STAMPS]]
        return [_EPOCH + timedelta(microseconds=tick // 10) for tick in ticks]
    except (ValueError, OverflowError):
        return []


def tiles(element: Any) -> list[dict[str, float]]:
    """Field and stage position in m of each tile of a mosaic."""
    found = []
    for tile in element.findall("./Data/Image/Attachment[@Name='TileScanInfo']/Tile"):
        fields = {k: _real(tile, k) for k in ("FieldX", "FieldY", "PosX", "PosY", "PosZ") if tile.get(k)}
        found.append({k: v for k, v in fields.items() if math.isfinite(v)})
    return found


def _whole(source: Source, said: Any, key: str, default: int | None = None) -> int:
    text = said.get(key)
    if text is None and default is not None:
        return default
    if text is None or not text.strip().isdecimal() or len(text) > 18:
        raise damaged(source.name, f"{said.tag} has the {key} {text!r}")
    return int(text)


def _real(said: Any, key: str) -> float:
    try:
        return float(said.get(key, "nan"))
    except ValueError:
        return math.nan
