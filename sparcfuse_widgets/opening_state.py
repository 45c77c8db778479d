"""What the preview knows of a file: how far its opening is, which view shows it, and what the user tells of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Bytes, Dict, Float, List, Unicode

from sparc_fuse_core.errors import Ambiguous, FormatError
from sparcfuse_widgets.guard import guarded
from sparcfuse_widgets.state import Model
from sparcfuse_widgets.telling import form_of, options_from, recipe_from, recipe_name

__all__ = ["PreviewModel"]

_FETCH_WHOLE = 64 << 20  # smaller files are fetched: converting needs them anyway, and panning is faster


class PreviewModel(Model):
    """Opens a file and says which of the previews shows it: ``kind`` is signals, image, text or empty.

    ``form`` is what the user can tell of the file, ``answers`` what was told, ``recipe`` what it was read with
    otherwise. ``told`` holds the reader options of the files that were shown with them, by path.
    """

    kind = Unicode("").tag(sync=True)
    path = Unicode("").tag(sync=True)
    lines = List(Unicode()).tag(sync=True)
    picture = Bytes(b"", help="shapes or curves of a file without signals and images, as PNG").tag(sync=True)
    notes = List(Unicode()).tag(sync=True)
    fetched = Float(-1.0).tag(sync=True)
    cancellable = Bool(False).tag(sync=True)
    form = Dict().tag(sync=True)
    answers = Dict().tag(sync=True)
    recipe = Unicode("").tag(sync=True)
    said = Unicode("", help="what became of an answer, as a sentence").tag(sync=True)
    told = Dict()

    opened: Any = None
    remote = False
    dataset_id = ""

    def __init__(self, **values: Any) -> None:
        self._place: Any = None
        self._reader: dict[str, Any] | None = None
        super().__init__(**values)

    @guarded
    def load(self, place: Any, title: str = "") -> None:
        """Show a local file or an address."""
        self.dataset_id = ""
        self._begin(lambda cancel: (place, "://" in str(place)), title or Path(str(place)).name)

    @guarded
    def load_from(self, catalogue: Any, path: str, members: Sequence[Any], dataset_id: str = "") -> None:
        """Show a file of a catalogue; ``members`` are the files of its recording, itself among them."""

        def place(cancel: threading.Event) -> tuple[Any, bool]:
            lead = next(member for member in members if member.path == path)
            if len(members) == 1 and lead.url and lead.size > _FETCH_WHOLE:
                return lead.url, True
            here = None
            for member in members:
                told = catalogue.fetch(member, progress=self._progress, cancel=cancel)
                here = told if member.path == path else here
            return here, False

        self.dataset_id = dataset_id
        self._begin(place, path)

    def _progress(self, done: int, total: int | None) -> None:
        share = done / total if total else 0.0
        if share - self.fetched > 0.01 or share >= 1:
            self._background.deliver(setattr, self, "fetched", share)

    def _begin(self, place: Any, path: str) -> None:
        """Open another file; what was told of it before still holds."""
        self._place, self._reader = place, self.told.get(path)
        self.form, self.answers, self.said = {}, {}, ""
        self._open(path)

    def _open(self, path: str) -> None:
        self.kind, self.path, self.lines, self.notes, self.fetched = "", path, [], [], -1.0
        self.picture = b""
        self.cancellable, self.recipe = True, ""
        place, reader, dataset_id = self._place, self._reader, self.dataset_id

        def read(cancel: threading.Event) -> Any:
            from sparc_fuse_core import open_file
            from sparc_fuse_core.recipes import fitting
            from sparc_fuse_core.source import open_source

            where, remote = place(cancel)
            source = open_source(where)
            form, recipe = form_of(source), None
            try:
                recipe = fitting(source, dataset_id, path) if reader is None and dataset_id else None
                opened = open_file(source, recipe=recipe, **reader or {})
                return opened, remote, form, recipe, drawn(opened)
            except FormatError as error:
                if form and not cancel.is_set():
                    form["open"] = isinstance(error, Ambiguous) or recipe is not None or reader is not None
                    self._background.deliver(self._offer, form)
                raise

        self.work(read, self._show)

    def _offer(self, form: dict[str, Any]) -> None:
        self.form = {"name": recipe_name(self.dataset_id, self.path), "pattern": _pattern(self.path)} | form

    def _show(self, answer: Any) -> None:
        from sparc_fuse_core.previews import scenes, streams
        from sparc_fuse_core.previews.figure import describe

        self.opened, self.remote, form, recipe, self.picture = answer
        self.notes = [str(note) for note in self.opened.attrs.get("fuse_warnings", [])][:20]
        self.cancellable, self.fetched = False, -1.0
        self.recipe = f"{recipe.name}: {recipe.title}".removesuffix(": ") if recipe else ""
        if form:
            self._offer({**form, "open": self._reader is not None})
        if self._reader is not None:
            self.told = {**self.told, self.path: self._reader}
            self.said = "Converting this file uses these answers."
        if hasattr(self.opened, "subtree"):
            kind = "image" if scenes(self.opened) else "text"
        else:
            kind = "signals" if streams(self.opened) else "text"
            self.lines = [] if kind == "signals" else describe(self.opened)
        self.kind = kind

    @guarded
    def do_tell(self, message: dict[str, Any]) -> None:
        """The page tells how to read the file that is shown: open it so."""
        values = dict(message.get("values") or {})
        self._reader = options_from(values, self.form)
        self._untold()
        self.answers, self.said = values, ""
        self._open(self.path)

    @guarded
    def do_untell(self, _: dict[str, Any]) -> None:
        """The page takes back what it told: the file is read by recipe, or as it says itself."""
        self._untold()
        self._reader, self.answers, self.said = None, {}, ""
        self._open(self.path)

    def _untold(self) -> None:
        self.told = {path: options for path, options in self.told.items() if path != self.path}

    @guarded
    def do_save(self, message: dict[str, Any]) -> None:
        """The page wants what was told kept as a recipe."""
        from sparc_fuse_core.recipes import load, save

        self.problem, self.said = {}, ""
        options = self.told.get(self.path) or {}
        name, pattern = str(message.get("name", "")), str(message.get("pattern", ""))
        place = save(recipe_from(name, pattern, self.form, options, self.dataset_id))
        if not self.dataset_id:
            self.said = f"Saved as {place}; --recipe {name.strip()} uses it."
            return
        self.said = (
            f"Saved as {place}; later files of dataset {self.dataset_id} named {pattern.strip()} are read so."
        )
        if load(place).fit(self.path) >= 0:  # the recipe does it from now on, and outputs name it
            self._untold()
            self.recipe = name.strip()

    def do_cancel(self, _: dict[str, Any]) -> None:
        """The page no longer wants the file."""
        self._background.cancel()
        self.busy, self.cancellable, self.fetched = False, False, -1.0


def _pattern(path: str) -> str:
    """A pattern for all files with the ending of this one."""
    ending = Path(path).suffix
    return f"*{ending}" if ending else Path(path).name


def drawn(opened: Any) -> bytes:
    """What is neither signals nor images as a PNG; nothing when it is better read as text."""
    from io import BytesIO

    from sparc_fuse_core.previews import streams
    from sparc_fuse_core.previews.figure import picture_of

    figure = None if hasattr(opened, "subtree") or streams(opened) else picture_of(opened)
    if figure is None:
        return b""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return out.getvalue()
