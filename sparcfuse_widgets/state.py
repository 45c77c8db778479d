"""What the panels know, as plain traitlets: no browser and no widget library is needed to run or test it.

::

    SearchModel ─chosen─► DatasetModel ─files─► SelectionModel ─selected─► ConvertModel ─job─► ResultModel
                                                      └─active─► PreviewModel ─► SignalModel, ImageModel

Traits marked ``sync`` are what a page sees. Long work runs in the background; `settle` waits for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, HasTraits, Int, List, Unicode, observe

from sparcfuse_widgets.background import Background
from sparcfuse_widgets.guard import guarded, problem_of

__all__ = ["DatasetModel", "Model", "SearchModel", "SelectionModel", "default_output", "readable"]

_PART = "Part of"
_ROOM = 20  # letters of a name in a note


class Model(HasTraits):
    """Busy or not, what went wrong, and one background."""

    busy = Bool(False).tag(sync=True)
    problem = Dict().tag(sync=True)

    def __init__(self, **values: Any) -> None:
        self._background = Background(type(self).__name__)
        super().__init__(**values)

    def work(self, work: Any, done: Any) -> None:
        """Run ``work(cancel)`` in the background, then ``done(result)``; failures become the ``problem``."""

        def finish(result: Any) -> None:
            self.busy = False
            try:
                done(result)
            except Exception as error:  # shown, as everything that fails is
                self.problem = problem_of(error)

        def fail(error: BaseException) -> None:
            self.busy = False
            self.problem = problem_of(error)

        self.problem = {}
        self.busy = True
        self._background.start(work, finish, fail)

    def settle(self, timeout: float = 30.0) -> None:
        """Wait for the background; raises TimeoutError."""
        if not self._background.wait(timeout):
            raise TimeoutError(f"{type(self).__name__} is still at work after {timeout} s")


class SearchModel(Model):
    """A catalogue and a search in it."""

    source = Unicode("pennsieve").tag(sync=True)
    folder = Unicode("").tag(sync=True)
    text = Unicode("").tag(sync=True)
    offset = Int(0).tag(sync=True)
    limit = Int(8).tag(sync=True)
    total = Int(-1, help="-1 before the first answer").tag(sync=True)
    items = List(Dict()).tag(sync=True)
    chosen = Unicode("").tag(sync=True)

    catalogue: Any = None

    def catalogue_name(self) -> str:
        """The name that `open_catalogue` takes."""
        return self.folder.strip() if self.source == "folder" else self.source

    @observe("source", "folder")
    def _other_catalogue(self, _: Any) -> None:
        self.catalogue = None
        self.chosen = ""
        self.search(0)

    @observe("text")
    def _other_text(self, _: Any) -> None:
        self.search(0)

    @guarded
    def search(self, offset: int | None = None) -> None:
        """Ask the catalogue for a page of datasets."""
        if offset is not None:
            self.offset = max(0, offset)
        if not self.catalogue_name():
            self._background.cancel()
            self.items, self.total, self.problem, self.busy = [], -1, {}, False
            return
        name, text, at, limit, known = (
            self.catalogue_name(),
            self.text.strip(),
            self.offset,
            self.limit,
            self.catalogue,
        )

        def ask(_: threading.Event) -> Any:
            from sparc_fuse_core.catalogue import open_catalogue

            catalogue = known or open_catalogue(name)
            return catalogue, catalogue.search(text, limit=limit, offset=at)

        self.work(ask, self._show)

    def _show(self, answer: Any) -> None:
        self.catalogue, page = answer
        with self.hold_trait_notifications():
            self.items = [card_of(dataset) for dataset in page.items]
            self.total = page.total

    def do_search(self, message: dict[str, Any]) -> None:
        """The page asks for a search, perhaps at another offset."""
        self.search(int(message.get("offset", 0)))

    def do_choose(self, message: dict[str, Any]) -> None:
        """The page chose a dataset; choosing it again loads it again."""
        self.chosen = ""
        self.chosen = str(message.get("id", ""))


class DatasetModel(Model):
    """One dataset: its card, its versions and its primary files."""

    card = Dict().tag(sync=True)
    versions = List(Dict()).tag(sync=True)

    catalogue: Any = None
    files = List(help="set last: whoever observes it finds the rest in place")
    notes: Mapping[int, str] = {}

    @guarded
    def load(self, catalogue: Any, dataset_id: str, version: int | None = None) -> None:
        """Load a dataset; ``version`` None is the latest."""
        self.catalogue = catalogue
        fresh = str(self.card.get("id", "")) != str(dataset_id)
        if fresh:
            self.card, self.versions = {}, []
        self.files = []

        def ask(_: threading.Event) -> Any:
            from sparc_fuse_core.catalogue import primary_files

            dataset = catalogue.dataset(dataset_id, version)
            versions = catalogue.versions(dataset_id) if fresh else None
            files = primary_files(catalogue, dataset_id, version)
            return dataset, versions, files, readable([f.path for f in files])

        self.work(ask, self._show)

    def _show(self, answer: Any) -> None:
        dataset, versions, files, self.notes = answer
        self.card = card_of(dataset)
        if versions is not None:
            self.versions = [{"version": d.version, "updated": d.updated} for d in versions]
        self.files = list(files)

    @guarded
    def clear(self) -> None:
        """Show no dataset."""
        self._background.cancel()
        self.card, self.versions, self.files, self.busy, self.problem = {}, [], [], False, {}

    def do_version(self, message: dict[str, Any]) -> None:
        """The page asks for another version."""
        number = message.get("version")
        self.load(self.catalogue, str(self.card["id"]), None if number is None else int(number))


class SelectionModel(Model):
    """The primary files of a dataset and which of them are ticked.

    ``paths``, ``sizes`` and ``notes`` run parallel; a note says why a file cannot be converted by itself.
    """

    paths = List(Unicode()).tag(sync=True)
    sizes = List().tag(sync=True)
    notes = Dict().tag(sync=True)
    selected = List(Int()).tag(sync=True)
    active = Unicode("").tag(sync=True)
    label = Unicode("").tag(sync=True)

    @guarded
    def show(self, files: Sequence[Any], label: str = "", notes: Mapping[int, str] | None = None) -> None:
        """Take over catalogue files; nothing is ticked. ``notes`` is what `readable` says of them."""
        known = readable([f.path for f in files]) if notes is None else notes
        with self.hold_trait_notifications():
            self.selected, self.active, self.label = [], "", label
            self.notes = {str(i): note for i, note in known.items()}
            self.sizes = _sizes(files, self.notes)
            self.paths = [f.path for f in files]

    def selected_paths(self) -> list[str]:
        """The ticked files that can be converted."""
        return [self.paths[i] for i in self.selected if 0 <= i < len(self.paths) and str(i) not in self.notes]

    def selected_bytes(self) -> int:
        """Their size in all."""
        return sum(
            self.sizes[i] for i in self.selected if 0 <= i < len(self.sizes) and str(i) not in self.notes
        )

    def do_preview(self, message: dict[str, Any]) -> None:
        """The page asks to see a file; asking again opens it again."""
        path = str(message.get("path", ""))
        self.active = ""
        self.active = path if path in self.paths else ""


def _sizes(files: Sequence[Any], notes: Mapping[str, str]) -> list[int]:
    """Bytes of each file; the leading file of a recording stands for all of it, its parts for nothing more."""
    from sparc_fuse_core.formats._sets import groups

    sizes = [int(f.size) for f in files]
    if any(note.startswith(_PART) for note in notes.values()):
        places = {f.path: i for i, f in enumerate(files)}
        for lead, *parts in groups(places):
            for part in parts:
                sizes[places[lead]] += sizes[places[part]]
                sizes[places[part]] = 0
    return sizes


def readable(paths: Sequence[str]) -> dict[int, str]:
    """Why some of these files cannot be converted by themselves, by their position."""
    from sparc_fuse_core.formats import registry
    from sparc_fuse_core.formats._sets import groups

    formats = registry().values()
    suffixes = tuple(suffix.lower() for format_ in formats for suffix in format_.suffixes)
    parts = {path: group[0] for group in groups(paths) for path in group[1:]}
    notes: dict[int, str] = {}
    for index, path in enumerate(paths):
        name = path.rpartition("/")[2]
        if path in parts:
            lead = parts[path].rpartition("/")[2]
            # A long name beside one that is as long would leave room for neither.
            notes[index] = f"{_PART} {lead if len(lead) <= _ROOM else '…' + lead[-_ROOM // 2 :]}"
        elif not name.lower().endswith(suffixes):
            ending = "." + name.rpartition(".")[2] if "." in name else ""
            notes[index] = f"No reader for {ending} files" if ending else "No file ending"
    return notes


def card_of(dataset: Any) -> dict[str, Any]:
    """A catalogue's dataset as plain values; what is not known is left out."""
    card = {
        "id": str(dataset.id),
        "name": dataset.name,
        "version": dataset.version,
        "description": dataset.description,
        "size": dataset.size,
        "file_count": dataset.file_count,
        "doi": dataset.doi,
        "license": dataset.license,
        "tags": list(dataset.tags)[:12],
        "contributors": list(dataset.contributors)[:20],
        "updated": dataset.updated,
        "catalogue": dataset.catalogue,
    }
    return {key: value for key, value in card.items() if value not in (None, "", [])}


def default_output() -> str:
    """Where results go unless the user says otherwise."""
    return os.environ.get("SPARC_FUSE_OUTPUT") or str(Path.home() / "sparc-fuse")
