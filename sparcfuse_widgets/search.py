"""DatasetSearch: choose a catalogue, search it, choose a dataset."""

from __future__ import annotations

import os
from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.state import SearchModel

__all__ = ["DatasetSearch"]


class DatasetSearch(Panel, SearchModel):
    """A search box over a catalogue; ``chosen`` is the id of the dataset that was clicked.

    ``catalogue`` is "pennsieve" (the default), "demo" or the path of a folder.
    """

    _esm = module("search.js")
    _css = style("search")

    def __init__(self, catalogue: str | os.PathLike[str] | None = None, **values: Any) -> None:
        name = os.fspath(catalogue) if catalogue else os.environ.get("SPARC_FUSE_CATALOGUE") or "pennsieve"
        known = name in ("pennsieve", "demo")
        super().__init__(**{"source": name if known else "folder", "folder": "" if known else name, **values})
        if self.total < 0 and not self.busy:
            self.search(0)
