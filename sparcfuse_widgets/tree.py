"""FileTree: the primary files of a dataset, to tick and to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.state import SelectionModel

__all__ = ["FileTree"]


class FileTree(Panel, SelectionModel):
    """A tree of files with ticks; ``selected_paths()`` are the ticked ones, ``active`` is the one to preview.

    ``FileTree(files)`` takes catalogue files; ``FileTree("/data/study")`` lists a folder.
    """

    _esm = module("tree.js")
    _css = style("tree")

    def __init__(self, files: Sequence[Any] | str | None = None, **values: Any) -> None:
        super().__init__(**values)
        if isinstance(files, str):
            from sparc_fuse_core.catalogue import open_catalogue, primary_files

            catalogue = open_catalogue(files)
            found = catalogue.search("", limit=1).items
            files = primary_files(catalogue, found[0].id) if found else []
        if files is not None:
            self.show(files)
