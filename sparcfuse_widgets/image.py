"""ImagePreview: planes of an image in their colours, to look through before anything is converted."""

from __future__ import annotations

from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.preview_state import ImageModel

__all__ = ["ImagePreview"]


class ImagePreview(Panel, ImageModel):
    """``ImagePreview("s.czi")`` takes a path, an address or the DataTree that `open_file` gave."""

    _esm = module("image.js")
    _css = style("image")

    def __init__(self, what: Any = None, **options: Any) -> None:
        super().__init__()
        if what is not None:
            title = ""
            if not hasattr(what, "subtree"):
                from sparc_fuse_core import open_file

                title, what = str(what), open_file(what, **options)
            self.show(what, title)
