"""SignalPreview: channels over time, to pan and zoom before anything is converted."""

from __future__ import annotations

from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.preview_state import SignalModel

__all__ = ["SignalPreview"]


class SignalPreview(Panel, SignalModel):
    """``SignalPreview("x.abf")`` takes a path, an address or the Dataset that `open_file` gave."""

    _esm = module("signals.js")
    _css = style("signals")

    def __init__(self, what: Any = None, **options: Any) -> None:
        super().__init__()
        if what is not None:
            title = ""
            if not hasattr(what, "data_vars"):
                from sparc_fuse_core import open_file

                title, what = str(what), open_file(what, **options)
            self.show(what, title, remote="://" in title)
