"""ConvertPanel: choose the output, start, watch and stop the conversion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.work_state import ConvertModel

__all__ = ["ConvertPanel"]


class ConvertPanel(Panel, ConvertModel):
    """``ConvertPanel(["primary/sub-1/x.acq"], catalogue="demo", dataset_id="1")`` converts these files."""

    _esm = module("convert.js")
    _css = style("convert")

    def __init__(
        self,
        paths: Sequence[str] | None = None,
        *,
        catalogue: str | os.PathLike[str] | None = None,
        dataset_id: str | int | None = None,
        version: int | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        if paths is not None:
            self.offer(
                paths,
                catalogue=os.fspath(catalogue) if catalogue else None,
                dataset_id=str(dataset_id) if dataset_id is not None else None,
                version=version,
            )
