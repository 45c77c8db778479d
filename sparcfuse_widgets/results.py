"""ResultBrowser: what was converted, how to get it, and how to open it."""

from __future__ import annotations

from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.work_state import ResultModel

__all__ = ["ResultBrowser"]


class ResultBrowser(Panel, ResultModel):
    """Recent results with their warnings, errors and hints."""

    _esm = module("results.js")
    _css = style("results")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.refresh()
