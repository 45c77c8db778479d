"""Looking at a file before it is converted: a figure, and the pure functions under it and the widgets.

Everything takes the *decoded* lazy data that `open_file` gives and reads a bounded part of it at a time.
"""

from sparc_fuse_core.previews.figure import preview
from sparc_fuse_core.previews.image import Plane, SceneView, image_plane, scenes
from sparc_fuse_core.previews.overview import Overview
from sparc_fuse_core.previews.signals import (
    Envelope,
    Event,
    StreamView,
    events,
    sample_edges,
    signal_window,
    streams,
)

__all__ = [
    "Envelope",
    "Event",
    "Overview",
    "Plane",
    "SceneView",
    "StreamView",
    "events",
    "image_plane",
    "preview",
    "sample_edges",
    "scenes",
    "signal_window",
    "streams",
]
