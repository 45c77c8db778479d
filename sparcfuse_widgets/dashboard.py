"""Dashboard: all panels, wired: search → files → preview → convert → results."""

from __future__ import annotations

import os
from typing import Any

import ipywidgets

from sparcfuse_widgets.convert import ConvertPanel
from sparcfuse_widgets.dataset import DatasetCard
from sparcfuse_widgets.guard import guarded
from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.preview import FilePreview
from sparcfuse_widgets.results import ResultBrowser
from sparcfuse_widgets.search import DatasetSearch
from sparcfuse_widgets.state import Model
from sparcfuse_widgets.tree import FileTree

__all__ = ["Dashboard"]


class _Header(Panel, Model):
    """Name of the product and the style of the page."""

    _esm = module("header.js")
    _css = style("dashboard")


class Dashboard(ipywidgets.VBox):
    """The whole page.

    ``catalogue`` is "pennsieve", "demo" or a folder, by default what SPARC_FUSE_CATALOGUE says.
    """

    def __init__(self, catalogue: str | os.PathLike[str] | None = None, *, queue: Any = None) -> None:
        self.header, self.search = _Header(), DatasetSearch(catalogue)
        self.dataset, self.tree = DatasetCard(), FileTree()
        self.preview = FilePreview()
        self.convert, self.results = ConvertPanel(queue=queue), ResultBrowser(queue=queue)
        files = _column([self.dataset, self.tree], "files")
        look = _column([self.preview], "look")
        work = _column([self.convert, self.results], "work")
        body = _column([_column([self.search], "find"), files, look, work], "body")
        super().__init__([self.header, body])
        self.add_class("fuse-dashboard")
        self._wire()
        self.convert.attach()

    @property
    def problem(self) -> Any:
        """What went wrong last between the panels."""
        return self.header.problem

    @problem.setter
    def problem(self, problem: Any) -> None:
        self.header.problem = problem

    def _wire(self) -> None:
        self.search.observe(self._open_dataset, "chosen")
        self.dataset.observe(self._show_files, "files")
        self.tree.observe(self._offer, "selected")
        self.tree.observe(self._preview, "active")
        self.preview.model.observe(self._heed, "told")
        self.convert.observe(lambda _: self.results.refresh(), "finished")

    @guarded
    def _open_dataset(self, _: Any) -> None:
        if self.search.chosen:
            self.dataset.load(self.search.catalogue, self.search.chosen)
        else:
            self.dataset.clear()

    @guarded
    def _show_files(self, _: Any) -> None:
        self.preview.model.told = {}  # it was about files of another dataset or version
        self.tree.show(self.dataset.files, str(self.dataset.card.get("id", "")), self.dataset.notes)
        self._offer(None)

    @guarded
    def _offer(self, _: Any) -> None:
        card = self.dataset.card
        self.convert.offer(
            self.tree.selected_paths(),
            self.tree.selected_bytes(),
            catalogue=self.search.catalogue_name(),
            dataset_id=card.get("id"),
            version=card.get("version"),
        )

    @guarded
    def _preview(self, _: Any) -> None:
        if self.tree.active:
            from sparc_fuse_core.bulk import recordings

            groups = (group.members for group in recordings(self.dataset.files))
            members = next(held for held in groups if any(f.path == self.tree.active for f in held))
            number = str(self.dataset.card.get("id", ""))
            self.preview.model.load_from(self.dataset.catalogue, self.tree.active, members, number)

    @guarded
    def _heed(self, _: Any) -> None:
        self.convert.told = dict(self.preview.model.told)


def _column(children: list[Any], name: str) -> ipywidgets.VBox:
    box = ipywidgets.VBox(children)
    box.add_class(f"fuse-{name}")
    return box
