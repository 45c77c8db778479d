"""The SPARC datasets, through the Discover service of Pennsieve. Public data, no account needed.

Files are named after their keys in S3, never after the display names that `browse` and the manifest give
too: "20 1021.acq" lies at ".../20_1021.acq", and only the key can be fetched.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from sparc_fuse_core import download
from sparc_fuse_core.catalogue import Cancel, Dataset, File, Folder, Page, Progress
from sparc_fuse_core.catalogue.objects import key_in_dataset, object_url, requester_pays, sds_path
from sparc_fuse_core.catalogue.web import Api, check_address
from sparc_fuse_core.errors import Corrupted, NotFound, Unreachable

if TYPE_CHECKING:
    import requests

__all__ = ["Pennsieve"]

API = "https://api.pennsieve.io/discover"
LAST_HIT = 10_000
"""The search engine behind the service refuses to look further."""
LEVEL = 500
"""Entries asked for at a time when a folder is listed, as many as the portal asks for."""

DEEPEST = 100
"""Folders within folders; a key of S3 has room for some more, no real dataset needs them."""


class Pennsieve:
    """The catalogue at `base_url`: SPARC_FUSE_PENNSIEVE_URL when not given, else the public service."""

    name = "pennsieve"

    def __init__(
        self,
        base_url: str | None = None,
        session: requests.Session | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        chosen = base_url or os.environ.get("SPARC_FUSE_PENNSIEVE_URL") or API
        self._base = check_address(chosen.rstrip("/"))
        self._api = Api(session, sleep=sleep)
        self._sleep = sleep
        self._known: dict[tuple[str, int], Dataset] = {}

    def close(self) -> None:
        """Let go of the connections; a later question opens new ones."""
        self._api.session.close()

    def forget(self) -> None:
        """Ask the service again about datasets that are known already."""
        self._known.clear()

    def search(self, text: str, *, limit: int = 20, offset: int = 0) -> Page[Dataset]:
        """Datasets that hold all words of `text`, best first.

        The service reads ``+ - | " * ( ) ~`` as operators. When `text` is a number, a DOI or an address
        of the portal, the dataset that it names comes first.
        """
        limit, offset = max(1, limit), max(0, offset)
        exact = self._exact(text.strip())
        if exact is None:
            return self._search(text, limit, offset)
        room, skip = (limit - 1, 0) if offset == 0 else (limit, offset - 1)
        rest = self._search(text, max(1, room), skip)
        others = tuple(item for item in rest.items if item.id != exact.id)
        items = (exact, *others[:room]) if offset == 0 else others
        return Page(items, rest.total + (len(others) == len(rest.items)))

    def _search(self, text: str, limit: int, offset: int) -> Page[Dataset]:
        asked = min(limit, LAST_HIT - offset)
        url, what = f"{self._base}/search/datasets", f"search for {text[:60]!r}"
        query = {"query": text, "limit": max(1, asked), "offset": min(offset, LAST_HIT - 1)}
        answer = _table(self._api.get(url, query, what=what), what)
        items = tuple(_dataset(entry, what) for entry in _rows(answer, "datasets", what)) if asked > 0 else ()
        return Page(items, _whole(answer.get("totalCount"), what))

    def _exact(self, text: str) -> Dataset | None:
        number = re.fullmatch(r"(?:https://sparc\.science/datasets/)?(\d{1,9})(?:[?/#].*)?", text)
        doi = re.fullmatch(
            r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/[\w.;()/-]+)", text, re.IGNORECASE
        )
        try:
            if number:
                return self.dataset(number[1])
            if doi and ".." not in doi[1]:
                return self._remember(
                    self._api.get(f"{self._base}/datasets/doi/{doi[1]}", what=f"DOI {doi[1]}")
                )
        except NotFound:
            return None
        return None

    def dataset(self, id: str, version: int | None = None) -> Dataset:
        place, what = self._place(id, version)
        known = self._known.get((id, version)) if version is not None else None
        return known or self._remember(self._api.get(place, what=what))

    def versions(self, id: str) -> list[Dataset]:
        place, what = self._place(id, None)
        entries = self._api.get(f"{place}/versions", what=what)
        found = [self._remember(entry) for entry in _rows({"versions": entries}, "versions", what)]
        return sorted(found, key=lambda item: item.version or 0, reverse=True)

    def files(self, id: str, version: int | None = None) -> list[File]:
        """All files of the dataset's own tree; the banner and tables that the service adds are not in it."""
        dataset = self.dataset(id, version)
        what = f"manifest of dataset {dataset.id} version {dataset.version}"
        try:
            entries = _rows(self._manifest(dataset), "files", what)
        except Unreachable:
            # Some versions have no manifest, and the service answers 500: their tree can still be walked.
            return sorted(self._walk(dataset), key=lambda file: file.path)
        files = [_file(dataset, _table(entry, what), what) for entry in entries]
        return sorted((file for file in files if file is not None), key=lambda file: file.path)

    def _walk(self, dataset: Dataset) -> Iterator[File]:
        waiting = [""]
        while waiting:
            for item in self._level(dataset, waiting.pop()):
                if isinstance(item, File):
                    yield item
                elif item.path.count("/") < DEEPEST:
                    waiting.append(item.path)
                else:
                    raise Corrupted(f"dataset {dataset.id}: a tree of folders was expected, it has no end")

    def browse(self, id: str, folder: str = "", version: int | None = None) -> list[File | Folder]:
        dataset = self.dataset(id, version)
        level = self._level(dataset, folder.strip("/"))
        if not level and folder.strip("/"):
            raise NotFound(
                f"{folder}: a folder of dataset {dataset.id} was expected, there is none",
                hint="List its parent folder to see the names.",
                source=folder,
            )
        return level

    def _level(self, dataset: Dataset, folder: str) -> list[File | Folder]:
        url, what = f"{self._place_of(dataset)}/files/browse", f"folder {folder!r} of dataset {dataset.id}"
        path = f"{dataset.extra['root']}/{folder}".rstrip("/")
        found: list[File | Folder] = []
        seen, total = 0, 1
        while seen < total:
            answer = _table(
                self._api.get(url, {"path": path, "limit": LEVEL, "offset": seen}, what=what), what
            )
            entries = _rows(answer, "files", what)
            total = _whole(answer.get("totalCount"), what) if entries else 0
            seen += len(entries)
            found += [
                item for entry in entries if (item := _entry(dataset, _table(entry, what), what)) is not None
            ]
        return found

    def metadata(self, id: str, version: int | None = None) -> dict[str, Any]:
        return self._manifest(self.dataset(id, version))

    def _manifest(self, dataset: Dataset) -> dict[str, Any]:
        what = f"manifest of dataset {dataset.id} version {dataset.version}"
        # Two tries only: the usual reason of a 500 here is that the manifest does not exist.
        return _table(self._api.get(f"{self._place_of(dataset)}/metadata", what=what, attempts=2), what)

    def fetch(
        self,
        file: File,
        dest_dir: str | Path | None = None,
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        version = str(file.version) if file.version is not None else "latest"
        root = Path(dest_dir) if dest_dir else download.cache_folder() / (file.dataset or "files") / version
        return download.fetch(
            self.addresses(file),
            download.safe_path(root, file.path),
            size=file.size,
            sha256=file.sha256,
            progress=progress,
            cancel=cancel,
            session=self._api.session,
            sleep=self._sleep,
        )

    def addresses(self, file: File) -> Iterator[download.Candidate]:
        """The ways to a file, the cheapest first."""
        if file.url:
            yield file.url
        if file.uri and file.dataset and file.version is not None:
            yield lambda: self._presigned(file)
            yield self._zipit(file)
        if file.uri and (own := requester_pays(file.uri, file.s3_version)):
            yield own

    def _presigned(self, file: File) -> str:
        key = key_in_dataset(file.uri or "")
        url = f"{self._base}/datasets/{file.dataset}/versions/{file.version}/files/download-manifest"
        answer = _table(self._api.post(url, {"paths": [key]}, what=file.name), file.name)
        for entry in _rows(answer, "data", file.name):
            parts = _table(entry, file.name)
            # The answer holds all that lies below the path; only the file of this very key is ours.
            if "/".join([*map(str, parts.get("path") or ()), str(parts.get("fileName"))]) == key:
                return str(parts.get("url"))
        raise NotFound(
            f"{file.name}: the service has no file {key}", hint="List the files of the dataset again."
        )

    def _zipit(self, file: File) -> download.Address:
        import json

        data = {
            "paths": [key_in_dataset(file.uri or "")],
            "datasetId": int(file.dataset or 0),
            "version": file.version,
        }
        return download.Address(urljoin(self._base, "/zipit/discover"), form={"data": json.dumps(data)})

    def _remember(self, entry: Any) -> Dataset:
        dataset = _dataset(entry, "dataset")
        if dataset.version is not None:
            self._known[dataset.id, dataset.version] = dataset
        return dataset

    def _place_of(self, dataset: Dataset) -> str:
        return self._place(dataset.id, dataset.version)[0]

    def _place(self, id: str, version: int | None) -> tuple[str, str]:
        """(address, words) of a dataset; nothing but numbers gets into the address."""
        if not re.fullmatch(r"[0-9]{1,9}", str(id)):
            raise NotFound(
                f"dataset {id}: a number was expected", hint="SPARC datasets have numbers, such as 224."
            )
        if version is None:
            return f"{self._base}/datasets/{id}", f"dataset {id}"
        return f"{self._base}/datasets/{id}/versions/{int(version)}", f"dataset {id} version {version}"


def _dataset(entry: Any, what: str) -> Dataset:
    """A Dataset from the service's PublicDatasetDTO, in which all that is unknown is null."""
    dto = _table(entry, what)
    try:
        return Dataset(
            id=str(int(dto["id"])),
            name=str(dto["name"]),
            version=int(dto["version"]),
            description=str(dto.get("description") or ""),
            size=int(dto["size"]),
            file_count=int(dto["fileCount"]),
            doi=dto.get("doi") or None,
            license=dto.get("license") or None,
            tags=tuple(map(str, dto.get("tags") or ())),
            contributors=tuple(filter(None, map(_person, dto.get("contributors") or ()))),
            updated=str(dto.get("revisedAt") or dto.get("versionPublishedAt") or dto["updatedAt"]),
            banner=dto.get("banner") or None,
            catalogue=Pennsieve.name,
            extra=_extra(dto),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupted(
            f"{what}: a dataset record was expected, it lacks a part ({error!r})", source=what
        ) from error


def _person(entry: dict[str, Any]) -> str:
    names = (entry.get("firstName"), entry.get("middleInitial"), entry.get("lastName"))
    return " ".join(str(name).strip() for name in names if name)


def _extra(dto: dict[str, Any]) -> dict[str, Any]:
    schema = dto.get("pennsieveSchemaVersion")
    known = {
        "uri": dto.get("uri"),
        "schema": schema,
        "organization": dto.get("organizationName"),
        "owner": " ".join(filter(None, (dto.get("ownerFirstName"), dto.get("ownerLastName")))),
        "readme": dto.get("readme"),
        "changelog": dto.get("changelog"),
        "status": dto.get("status"),
        "embargo": dto.get("embargo") or None,
        "embargo_until": dto.get("embargoReleaseDate"),
        "published": dto.get("firstPublishedAt"),
        "dataset_type": dto.get("datasetType"),
        "publications": dto.get("externalPublications"),
        "collections": dto.get("collections"),
    }
    # Before schema 4 the tree was called packages.
    old = re.match(r"[0-3](\.|$)", str(schema or ""))
    return {"root": "packages" if old else "files"} | {key: value for key, value in known.items() if value}


def _entry(dataset: Dataset, entry: dict[str, Any], what: str) -> File | Folder | None:
    """One row of a folder listing; the key of a file comes from its uri, a folder's path is made of keys."""
    if entry.get("type") != "Directory":
        return _file(dataset, entry | {"path": key_in_dataset(str(entry.get("uri") or ""))}, what)
    path = sds_path(str(entry.get("path") or ""))
    if path is None:
        return None
    return Folder(path, str(entry.get("name") or path.rpartition("/")[2]), _whole(entry.get("size"), what))


def _file(dataset: Dataset, entry: dict[str, Any], what: str) -> File | None:
    """A File from a row of a manifest or listing; None for what is not part of the dataset's own tree."""
    key = entry.get("path")
    if not isinstance(key, str) or not key:
        raise Corrupted(f"{what}: a path was expected for each file, one has none", source=what)
    path = sds_path(key)
    if path is None:
        return None
    version = entry.get("s3VersionId") or entry.get("s3Version") or None
    base = str(dataset.extra.get("uri") or "")
    uri = entry.get("uri") or (f"{base.rstrip('/')}/{key}" if base else None)
    return File(
        path=path,
        name=str(entry.get("name") or path.rpartition("/")[2]),
        size=_whole(entry.get("size"), what),
        url=object_url(uri, version) if uri else None,
        sha256=download.sha256_hex(entry.get("sha256")),
        s3_version=version,
        package_id=entry.get("sourcePackageId") or None,
        dataset=dataset.id,
        version=dataset.version,
        uri=uri,
    )


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Corrupted(f"{what}: a JSON object was expected, the answer is something else", source=what)
    return value


def _rows(table: dict[str, Any], key: str, what: str) -> list[Any]:
    rows = table.get(key)
    if not isinstance(rows, list):
        raise Corrupted(f"{what}: a list of {key} was expected, the answer has none", source=what)
    return rows


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Corrupted(f"{what}: a count was expected, the answer has {value!r}"[:200], source=what)
    return value
