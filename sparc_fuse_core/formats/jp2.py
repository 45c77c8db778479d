"""JPEG 2000: JP2 files (`_jp2.boxes`) and bare codestreams (`_jp2.codestream`).

Samples are those that were coded: no colour conversion, depth as stored. Tiles are decoded one by one when
asked for; halvings that the coding holds are the lower resolutions. Components that are stored coarser than
the image are repeated to its size, with a warning; indices of a palette become colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._jp2.boxes import MARK, read_boxes
from sparc_fuse_core.formats._jp2.codestream import SOC_SIZ, read_codestream
from sparc_fuse_core.formats._jp2.layers import is_extended, open_layers
from sparc_fuse_core.formats._jp2.picture import facts, picture
from sparc_fuse_core.formats._nd2.chunks import is_older
from sparc_fuse_core.formats.nd2 import open_nd2
from sparc_fuse_core.model import Format, images

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source


def open_jp2(source: Source, /, **options: Any) -> xr.DataTree:
    """A JPEG 2000 picture as (c, y, x) or (y, x) with its resolutions; FormatError when it is damaged."""
    if is_older(source):  # its boxes are those of JPEG 2000, its frames would be lost here
        return open_nd2(source)
    if is_extended(source.head(24)):
        return open_layers(source)
    boxes = read_boxes(source)
    stream = read_codestream(source, *boxes.streams[0])
    warnings: list[str] = []
    dropped = [f"box {name!r}" for name in dict.fromkeys(boxes.others)]
    if len(boxes.streams) > 1:
        dropped.append(f"{len(boxes.streams) - 1} further codestreams after the first")
        warnings.append(
            "the file holds several codestreams; only the first is its picture by the rules of JP2"
        )
    scene = picture(source, boxes, stream, warnings)
    metadata = facts(boxes, stream) | {"xml": boxes.texts[:16]}
    return images([scene], metadata=metadata, warnings=warnings, dropped=dropped)


def _sniff(head: bytes) -> bool:
    """A codestream, or a JP2 file; a JPX file only when it says that it can be read as JP2."""
    length = int.from_bytes(head[12:16], "big")
    brands = head[20:24] + head[28 : 12 + length] if head[16:20] == b"ftyp" and length < 4000 else b""
    return head.startswith(SOC_SIZ) or (head.startswith(MARK) and (not brands or b"jp2 " in brands))


FORMAT = Format(
    name="jp2",
    title="JPEG 2000",
    kind="image",
    suffixes=(".jp2", ".j2k", ".j2c", ".jpc", ".jpf"),
    open=open_jp2,
    magic=((0, MARK), (0, SOC_SIZ)),
    sniff=_sniff,
    requires=("imagecodecs", "pillow"),
    carried="components, stored halvings, palette, resolution, boxes of text",
    left="unknown boxes (named)",
    lazy="tile",
)
