"""OME-Zarr images (OME-NGFF 0.1 to 0.5) as a source: one ZIP file, or a store opened by the file at its root.

Single files are ``.ozx``, ``.ome.zarr.zip`` and ``.zarr.zip``: the hierarchy at the root of the archive or in
one folder of it; members that are stored as they are (as the specification asks) are read by ranges. A store
that is a folder is opened by its ``zarr.json`` (0.5) or ``.zattrs`` (0.4 and before). Every image becomes a
scene with its resolutions, axes, units, scales, channel names, colours and windows; the series of
bioformats2raw and the fields of a plate are scenes too. Label images are named and not carried over. Chunks are
decoded by zarr.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._ome_zarr.files import ROOTS, ZIP, Archive, Folder
from sparc_fuse_core.model import Format, images

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source


def open_ome_zarr(source: Source, /, **_: Any) -> xr.DataTree:
    """Every image of the hierarchy as a scene; FormatError when parts are missing or damaged."""
    from sparc_fuse_core.formats._ome_zarr.images import Hierarchy

    packed = source.head(4) == ZIP
    hierarchy = Hierarchy(Archive(source) if packed else Folder(source), source.name)
    scenes = hierarchy.scenes()
    if not scenes:
        raise FormatError(
            f"{source.name}: is a Zarr hierarchy without an image that OME-NGFF describes",
            hint="If SPARC FUSE wrote it, open it with sparc_fuse_core.open_zarr or xarray.",
        )
    root = hierarchy.attributes("") or {}
    metadata = {key: value for key, value in root.items() if key not in ("ome", "multiscales")}
    metadata["multiscales"] = root.get("multiscales", [])
    return images(scenes, metadata=metadata, warnings=hierarchy.warnings, dropped=hierarchy.dropped)


def _sniff(head: bytes) -> bool:
    if head[:4] == ZIP:
        return _first_member(head).rpartition("/")[2] in ROOTS
    if head.lstrip()[:1] != b"{":
        return False
    if b'"zarr_format"' in head and b'"node_type"' in head:
        return b'"group"' in head and (b'"ome"' in head or b'"multiscales"' in head)
    return any(key in head for key in (b'"multiscales"', b'"bioformats2raw.layout"', b'"plate"'))


def _first_member(head: bytes) -> str:
    """Name of the first file of a ZIP archive, folders passed over."""
    at = 0
    while head[at : at + 4] == ZIP and at + 30 <= len(head):
        packed, letters, extra = struct.unpack_from("<I4xHH", head, at + 18)
        name = head[at + 30 : at + 30 + letters]
        if not name.endswith(b"/") or packed:
            return name.decode("utf-8", "replace")
        at += 30 + letters + extra
    return ""


FORMAT = Format(
    name="ome_zarr",
    title="OME-Zarr image",
    kind="image",
    suffixes=(".ozx", ".ome.zarr.zip", ".zarr.zip", ".zattrs"),
    open=open_ome_zarr,
    magic=((0, ZIP), (0, b"{")),
    sniff=_sniff,
    requires=("zarr",),
    carried="every image, levels, axes, units, channels, colours",
    left="label images (named)",
    lazy="chunk",
)
