"""Where datasets are: the SPARC catalogue at Pennsieve, any SDS folder, and a built-in demonstration.

All of them answer the same questions (`Catalogue`) with the same records (`Dataset`, `File`, `Folder`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from sparc_fuse_core.errors import NotFound

__all__ = [
    "Cancel",
    "Catalogue",
    "Dataset",
    "File",
    "Folder",
    "Page",
    "Progress",
    "open_catalogue",
    "primary_files",
]

T = TypeVar("T")

Progress = Callable[[int, "int | None"], None]
"""Called with (bytes done, bytes in all or None)."""


class Cancel(Protocol):
    """A flag that another thread sets to stop the work; `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """One version of one dataset. What is not known is None or absent from `extra`.

    `size` is in bytes, `updated` an ISO 8601 date, `doi` bare, `catalogue` the name of its origin.
    """

    id: str
    name: str
    version: int | None
    description: str
    size: int
    file_count: int
    doi: str | None
    license: str | None
    tags: tuple[str, ...]
    contributors: tuple[str, ...]
    updated: str
    banner: str | None
    catalogue: str
    extra: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a dataset.

    `path` is relative to the dataset (`primary/sub-1/x.acq`) and made from the key under which the file is
    stored; `name` is what its author called it, which may differ. `size` in bytes, `sha256` in hexadecimal.
    `url` answers plain GET and Range requests when the store is open to all. `uri` is `s3://bucket/key`.
    """

    path: str
    name: str
    size: int
    url: str | None = None
    sha256: str | None = None
    s3_version: str | None = None
    package_id: str | None = None
    dataset: str | None = None
    version: int | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a dataset; `size` is the sum of the bytes below it."""

    path: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a long answer; `total` counts all items, also those of other pages."""

    items: tuple[T, ...]
    total: int


@runtime_checkable
class Catalogue(Protocol):
    """What every catalogue can do. `version=None` means the latest. Failures are RemoteError (NotFound …)."""

    name: str

    def search(self, text: str, *, limit: int = 20, offset: int = 0) -> Page[Dataset]:
        """Datasets that match `text`; all of them when it is empty."""
        ...

    def dataset(self, id: str, version: int | None = None) -> Dataset: ...

    def versions(self, id: str) -> list[Dataset]:
        """All versions, the latest first."""
        ...

    def files(self, id: str, version: int | None = None) -> list[File]:
        """All files of the dataset, in the order of their paths."""
        ...

    def browse(self, id: str, folder: str = "", version: int | None = None) -> list[File | Folder]:
        """One level of the tree: folders first, then files. NotFound when there is no such folder."""
        ...

    def metadata(self, id: str, version: int | None = None) -> dict[str, Any]:
        """The dataset's manifest as it was published."""
        ...

    def fetch(
        self,
        file: File,
        dest_dir: str | Path | None = None,
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        """The file on this machine, at `dest_dir / file.path`; without `dest_dir`, in the cache.

        A catalogue whose files are on disk already gives their place there and copies nothing.
        """
        ...


def open_catalogue(name: str | os.PathLike[str] | None = None) -> Catalogue:
    """Open "pennsieve" (the default), "demo", or the folder at a path.

    Without `name` the environment variable SPARC_FUSE_CATALOGUE decides.
    """
    chosen = os.fspath(name) if name else os.environ.get("SPARC_FUSE_CATALOGUE") or "pennsieve"
    if chosen == "pennsieve":
        from sparc_fuse_core.catalogue.pennsieve import Pennsieve

        return Pennsieve()
    from sparc_fuse_core.catalogue.folder import FolderCatalogue

    if chosen == "demo":
        from sparc_fuse_core.catalogue.demo import ensure_demo

        return FolderCatalogue(ensure_demo(), name="demo")
    if not Path(chosen).expanduser().is_dir():
        raise NotFound(
            f'{chosen}: "pennsieve", "demo" or a folder was expected, this is none of them',
            hint="Correct the name of the catalogue, or SPARC_FUSE_CATALOGUE.",
            source=chosen,
        )
    return FolderCatalogue(Path(chosen).expanduser())


def primary_files(catalogue: Catalogue, id: str, version: int | None = None) -> list[File]:
    """The files below `primary/`, where SDS keeps the measured data; all files of a plain folder."""
    files = catalogue.files(id, version)
    primary = [file for file in files if file.path.startswith("primary/")]
    return primary if primary or not catalogue.dataset(id, version).extra.get("plain") else files
