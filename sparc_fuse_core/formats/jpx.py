"""JPX (``.jpx``): the extended JPEG 2000 file, with one or several codestreams.

Each codestream is a scene with its resolutions, read as in JP2: samples as coded, tiles decoded when asked for. What
is said of all (``jp2h``) and of one (``jpch``, ``jplh``) is kept: colours, palette, names, pixel size; XML is
metadata. Planes of a stack that are codestreams of their own come out as scenes, with a warning, since no box of the
standard says that they are a stack. Refused, by name: compositions, fragments, references to other files, and codings
of Part 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._jp2.boxes import MARK
from sparc_fuse_core.formats._jp2.layers import open_layers
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source


def open_jpx(source: Source, /, **options: Any) -> xr.DataTree:
    """Scenes (c, y, x) or (y, x), one for each codestream; FormatError when the file is damaged."""
    return open_layers(source)


def _sniff(head: bytes) -> bool:
    """A file that calls itself JPX, or is compatible with that and not with JP2."""
    length = int.from_bytes(head[12:16], "big")
    if not head.startswith(MARK) or head[16:20] != b"ftyp" or not 16 <= length < 4000:
        return False
    fitting = head[28 : 12 + length]
    return head[20:24] == b"jpx " or (b"jpx " in fitting and b"jp2 " not in head[20:24] + fitting)


FORMAT = Format(
    name="jpx",
    title="JPEG 2000 extended (JPX)",
    kind="image",
    suffixes=(".jpx",),
    open=open_jpx,
    magic=((0, MARK),),
    sniff=_sniff,
    requires=("imagecodecs", "pillow"),
    carried="every codestream, boxes of text",
    left="composition and Part-2 codings (refused)",
    lazy="tile",
)
