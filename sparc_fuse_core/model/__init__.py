"""The canonical model: what a reader gives and what every writer takes.

A reader returns one lazy `xarray.DataTree`, *undecoded* (raw integers, scale in attributes), made with one
of three builders: `recording` for signals, events, tables and loose arrays; `images` for pictures; `text`
for files that are only text. `check` is both the conformance test of a reader and the writer's precondition.
"""

from sparc_fuse_core.model.check import check
from sparc_fuse_core.model.format import Format, Kind, Names, Reader, limit_items
from sparc_fuse_core.model.image import Channel, Scene, images
from sparc_fuse_core.model.lazy import (
    LazyArray,
    from_numpy,
    from_planes,
    interleaved,
    lazy_arrays,
    lazy_of,
    variable,
)
from sparc_fuse_core.model.signals import Array, Events, Stream, recording, slug, text

__all__ = [
    "Array",
    "Channel",
    "Events",
    "Format",
    "Kind",
    "LazyArray",
    "Names",
    "Reader",
    "Scene",
    "Stream",
    "check",
    "from_numpy",
    "from_planes",
    "images",
    "interleaved",
    "lazy_arrays",
    "lazy_of",
    "limit_items",
    "recording",
    "slug",
    "text",
    "variable",
]
