"""FilePreview: whichever view fits the file that is open."""

from __future__ import annotations

from typing import Any

import ipywidgets

from sparcfuse_widgets.guard import guarded
from sparcfuse_widgets.image import ImagePreview
from sparcfuse_widgets.opening_state import PreviewModel
from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.signals import SignalPreview

__all__ = ["FilePreview"]


class _Opening(Panel, PreviewModel):
    """Name of the file, how far its opening is, notes, what the user tells of it, and text that is only text."""

    _esm = module("preview.js")
    _css = style("preview", "tell")


class FilePreview(ipywidgets.VBox):
    """``FilePreview("x.wav")`` opens a file in the view that fits it; `model` opens others later."""

    def __init__(self, place: Any = None) -> None:
        self.model, self.signals, self.image = _Opening(), SignalPreview(), ImagePreview()
        self._hide(self.signals, self.image)
        super().__init__([self.model, self.signals, self.image])
        self.add_class("fuse-preview")
        self.model.observe(self._show, "kind")
        if place is not None:
            self.model.load(place)

    def _hide(self, *panels: Any) -> None:
        for panel in panels:
            panel.layout.display = "none"

    @property
    def problem(self) -> Any:
        """What went wrong last."""
        return self.model.problem

    @problem.setter
    def problem(self, problem: Any) -> None:
        self.model.problem = problem

    @guarded
    def _show(self, _: Any) -> None:
        opened, kind = self.model.opened, self.model.kind
        self._hide(*(p for p, k in ((self.signals, "signals"), (self.image, "image")) if k != kind))
        if kind == "signals":
            self.signals.show(opened, self.model.path, remote=self.model.remote)
            self.signals.layout.display = None
        elif kind == "image":
            self.image.show(opened, self.model.path)
            self.image.layout.display = None
