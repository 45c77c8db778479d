"""Datasets on this machine: a folder in the SDS layout, a folder of such folders, or just files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sparc_fuse_core.catalogue import Cancel, Dataset, File, Folder, Page, Progress
from sparc_fuse_core.catalogue.description import describe
from sparc_fuse_core.errors import Cancelled, NotFound

__all__ = ["FolderCatalogue"]

FRESH = 5.0
"""Seconds for which a listing is believed: a search as you type must not walk the disk for each letter."""

_SDS = ("primary", "files/primary", "source", "derivative", "files/derivative")
_SDS_FILES = ("dataset_description.xlsx", "dataset_description.csv", "dataset_description.json")


class FolderCatalogue:
    """The dataset at `root`, or the datasets that are its folders; a dataset's id is the name of its folder.

    Hidden files are left out, and links are followed only to files within the dataset. Files stay where they
    are: `fetch` gives their own place. Folders have no versions: `version` must be None.
    """

    def __init__(self, root: str | Path, *, name: str = "folder") -> None:
        self.name = name
        self.root = Path(root).expanduser().resolve()
        if not self.root.is_dir():
            raise NotFound(
                f"{root}: a folder was expected, there is none", hint="Check the path.", source=str(root)
            )
        self._listings: dict[str, tuple[float, list[File]]] = {}

    def search(self, text: str, *, limit: int = 20, offset: int = 0) -> Page[Dataset]:
        """Datasets that hold all words of `text` in name, description, tags or id, whatever the case."""
        words = text.casefold().split()
        found = [item for item in map(self._describe, self._roots()) if _holds(item, words)]
        return Page(tuple(found[max(0, offset) :][: max(1, limit)]), len(found))

    def dataset(self, id: str, version: int | None = None) -> Dataset:
        return self._describe(self._root_of(id, version))

    def versions(self, id: str) -> list[Dataset]:
        return [self.dataset(id)]

    def files(self, id: str, version: int | None = None) -> list[File]:
        """All files of the dataset, in the order of their paths."""
        root = self._root_of(id, version)
        when, listing = self._listings.get(id, (-FRESH, []))
        if time.monotonic() - when >= FRESH:
            listing = sorted(_walk(root, _tree(root)), key=lambda file: file.path)
            self._listings[id] = (time.monotonic(), listing)
        return list(listing)

    def browse(self, id: str, folder: str = "", version: int | None = None) -> list[File | Folder]:
        prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        sizes: dict[str, int] = {}
        here: list[File | Folder] = []
        for file in self.files(id, version):
            if not file.path.startswith(prefix):
                continue
            first, slash, _ = file.path[len(prefix) :].partition("/")
            if slash:
                sizes[first] = sizes.get(first, 0) + file.size
            else:
                here.append(file)
        if prefix and not here and not sizes:
            raise NotFound(
                f"{folder}: a folder with files in {id} was expected, there is none", source=folder
            )
        return [Folder(prefix + name, name, size) for name, size in sorted(sizes.items())] + here

    def metadata(self, id: str, version: int | None = None) -> dict[str, Any]:
        """The folder's `manifest.json` if it is one of a published dataset, else one of the same form."""
        root = self._root_of(id, version)
        try:
            manifest = json.loads((root / "manifest.json").read_bytes())
            if isinstance(manifest, dict) and isinstance(manifest.get("files"), list):
                return manifest
        except (OSError, ValueError, RecursionError):
            pass
        dataset = self._describe(root)
        known = {"name": dataset.name, "description": dataset.description, "keywords": list(dataset.tags),
                 "license": dataset.license, "doi": dataset.doi}  # fmt: skip
        files = [
            {"name": file.name, "path": f"files/{file.path}", "size": file.size} for file in self.files(id)
        ]
        return {key: value for key, value in known.items() if value} | {"files": files}

    def fetch(
        self,
        file: File,
        dest_dir: str | Path | None = None,
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"{file.name}: stopped", source=file.path)
        root = self._root_of(file.dataset or self.root.name, None)
        path = _tree(root) / file.path
        hidden = "\0" in file.path or any(part.startswith(".") for part in file.path.split("/"))
        if hidden or not path.resolve().is_relative_to(root) or not path.is_file():
            raise NotFound(
                f"{file.path!r}: a file of {root.name} was expected, there is none", source=file.path
            )
        if progress is not None:
            progress(file.size, file.size)
        return path

    def _roots(self) -> list[Path]:
        if _is_sds(self.root):
            return [self.root]
        folders = sorted(_visible_folders(self.root))
        # Only a folder that holds SDS folders is a folder of datasets; any other is one plain dataset.
        return folders if any(map(_is_sds, folders)) else [self.root]

    def _root_of(self, id: str, version: int | None) -> Path:
        for root in self._roots():
            if root.name == id and version is None:
                return root
        wanted = f"{id}" if version is None else f"{id} version {version}"
        raise NotFound(
            f"{wanted}: a dataset in {self.root} was expected, there is none",
            hint="Folders have names and no versions: " + ", ".join(root.name for root in self._roots()[:5]),
            source=str(self.root),
        )

    def _describe(self, root: Path) -> Dataset:
        files = self.files(root.name)
        known = describe(_tree(root))
        newest = max((file.stat().st_mtime for file in [root, *_visible_folders(root)]), default=0.0)
        subjects = {part for file in files for part in file.path.split("/")[:-1] if part.startswith("sub-")}
        extra = {"path": str(root), "subjects": tuple(sorted(subjects)), "plain": not _is_sds(root) or None}
        return Dataset(
            id=root.name,
            name=known.name or root.name,
            version=None,
            description=known.description,
            size=sum(file.size for file in files),
            file_count=len(files),
            doi=known.doi,
            license=known.license,
            tags=known.tags,
            contributors=known.contributors,
            updated=datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds"),
            banner=None,
            catalogue=self.name,
            extra={key: value for key, value in extra.items() if value},
        )


def _holds(dataset: Dataset, words: list[str]) -> bool:
    text = " ".join((dataset.id, dataset.name, dataset.description, *dataset.tags)).casefold()
    return all(word in text for word in words)


def _is_sds(folder: Path) -> bool:
    marks = any((folder / name).is_dir() for name in _SDS)
    return marks or any((folder / name).is_file() for name in _SDS_FILES)


def _tree(root: Path) -> Path:
    """Where the SDS folders lie: below `files` when the folder was downloaded as it is published."""
    published = root / "files"
    return published if any((published / name).is_dir() for name in _SDS) else root


def _visible_folders(folder: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)


def _walk(root: Path, tree: Path) -> Iterator[File]:
    for place, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            if name.startswith(".") or (path.is_symlink() and not path.resolve().is_relative_to(root)):
                continue
            try:
                status = path.stat()
            except OSError:
                continue
            if path.is_file():
                yield File(path.relative_to(tree).as_posix(), name, status.st_size, dataset=root.name)
