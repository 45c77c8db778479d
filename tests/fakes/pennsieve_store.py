"""What the stand-in publishes: datasets made from local files, in the shapes of the Discover service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPEN_BUCKET = "sparc-prod-aod-discover-publish50-use1"
PAYING_BUCKET = "pennsieve-prod-discover-publish-use1"
EMBARGO_BUCKET = "pennsieve-prod-discover-embargo-use1"

# extension -> (fileType, packageType, icon); judged by name as the service does, anything else is generic
KINDS = {
    ".acq": ("BioPAC", "Unsupported", "Timeseries"),
    ".abf": ("PClamp", "TimeSeries", "Timeseries"),
    ".edf": ("EDF", "TimeSeries", "Timeseries"),
    ".csv": ("CSV", "CSV", "Tabular"),
    ".mat": ("MAT", "Unsupported", "Matlab"),
    ".tif": ("TIFF", "Image", "Image"),
    ".tiff": ("TIFF", "Image", "Image"),
    ".jpg": ("JPEG", "Image", "Image"),
    ".czi": ("CZI", "Slide", "Microscope"),
    ".json": ("Json", "Unsupported", "JSON"),
    ".md": ("Markdown", "Unsupported", "Generic"),
    ".txt": ("Text", "Text", "Text"),
    ".xlsx": ("MSExcel", "Unsupported", "Excel"),
}
NULLS = (
    "sponsorship",
    "revision",
    "revisedAt",
    "embargoReleaseDate",
    "embargoAccess",
    "release",
    "doiCollection",
)


def clean_key(part: str) -> str:
    """The key under which a path part is published."""
    kept = "".join(c if unicodedata.category(c)[0] in "LN" or c in "()*_-'.!" else "_" for c in part)[:128]
    return "%2E" if kept == "." else kept


@dataclass
class Stored:
    """One object: `key` without the dataset's prefix, `name` as its author wrote it."""

    key: str
    name: str
    data: bytes | Path
    size: int
    sha256: str
    etag: str
    version_id: str | None
    package: str | None

    def read(self) -> bytes:
        return self.data if isinstance(self.data, bytes) else self.data.read_bytes()

    @property
    def kind(self) -> tuple[str, str, str]:
        return KINDS.get(Path(self.name).suffix.lower(), ("GenericData", "Unknown", "Generic"))


def store(key: str, name: str, data: bytes | Path, *, package: bool = True) -> Stored:
    content = data if isinstance(data, bytes) else data.read_bytes()
    digest = hashlib.sha256(content).digest()
    etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    version = base64.urlsafe_b64encode(hashlib.sha256(key.encode() + digest).digest())[:32].decode()
    owner = f"N:package:{uuid.uuid5(uuid.NAMESPACE_URL, key)}" if package else None
    return Stored(key, name, data, len(content), base64.b64encode(digest).decode(), etag, version, owner)


def tree_of(folder: Path | Mapping[str, bytes | Path]) -> Iterator[tuple[str, bytes | Path]]:
    """(path, content) of all files; hidden files are not published."""
    if isinstance(folder, Mapping):
        yield from sorted(folder.items())
        return
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield relative.as_posix(), path


@dataclass
class Published:
    """One version of one dataset."""

    id: int
    version: int
    name: str
    description: str
    tags: tuple[str, ...]
    schema: str
    bucket: str
    doi: str
    embargo: bool = False
    contributors: tuple[str, ...] = ("Ada B Sample",)
    license: str = "Creative Commons Attribution"
    objects: dict[str, Stored] = field(default_factory=dict)
    manifest: dict[str, Any] | None = None
    tombstone: bool = False

    @property
    def prefix(self) -> str:
        return f"{self.id}/" if self.schema == "5.0" else f"{self.id}/{self.version}/"

    @property
    def root(self) -> str:
        return "files" if float(self.schema) >= 4 else "packages"

    def fill(self, folder: Path | Mapping[str, bytes | Path]) -> None:
        for path, data in tree_of(folder):
            parts = path.removeprefix("files/").split("/")
            key = "/".join([self.root, *map(clean_key, parts)])
            self.objects[key] = store(key, parts[-1], data)
        made = {
            "banner.jpg": b"\xff\xd8\xff\xe0 banner",
            "changelog.md": b"# Changes\n",
            "readme.md": f"# {self.name}\n".encode(),
            "metadata/schema.json": b"[]",
        }
        for key, content in made.items():
            self.objects[key] = store(key, key.rpartition("/")[2], content, package=False)
        self._write_manifest()

    def _write_manifest(self) -> None:
        rows = [self._row(item) for item in self.objects.values()]
        self.manifest = {
            "@context": "http://schema.org/",
            "@id": f"https://doi.org/{self.doi}",
            "@type": "Dataset",
            "contributors": [
                {"first_name": who.split()[0], "last_name": who.split()[-1]} for who in self.contributors
            ],
            "datePublished": "2024-02-03",
            "description": self.description,
            "files": [
                *rows,
                {"fileType": "Json", "name": "manifest.json", "path": "manifest.json", "size": 0},
            ],
            "keywords": list(self.tags),
            "license": self.license,
            "name": self.name,
            "pennsieveDatasetId": self.id,
            "pennsieveSchemaVersion": self.schema,
            "publisher": "The University of Pennsylvania",
            "version": self.version,
        }
        body = json.dumps(self.manifest).encode()
        self.manifest["files"][-1]["size"] = len(body)
        self.objects["manifest.json"] = store("manifest.json", "manifest.json", body, package=False)

    def _row(self, item: Stored) -> dict[str, Any]:
        row: dict[str, Any] = {"fileType": item.kind[0], "name": item.name, "path": item.key}
        row |= {"s3VersionId": item.version_id, "size": item.size}
        if item.package:
            row["sourcePackageId"] = item.package
        if self.schema == "5.0":
            row["sha256"] = item.sha256
        return row

    def dto(self) -> dict[str, Any]:
        assets = f"https://assets.discover.pennsieve.io/dataset-assets/{self.id}/{self.version}"
        when = f"2024-0{self.version % 9 + 1}-03T13:28:23.008559Z"
        people = [
            {"firstName": n[0], "middleInitial": n[1] if len(n) > 2 else None, "lastName": n[-1],
             "degree": None, "orcid": None}
            for n in (who.split() for who in self.contributors)
        ]  # fmt: skip
        return dict.fromkeys(NULLS) | {
            "id": self.id,
            "sourceDatasetId": self.id + 1000,
            "name": self.name,
            "description": self.description,
            "ownerId": 1,
            "ownerFirstName": "Ada",
            "ownerLastName": "Sample",
            "ownerOrcid": "0000-0000-0000-0000",
            "organizationName": "SPARC Consortium",
            "organizationId": 367,
            "license": self.license,
            "tags": list(self.tags),
            "version": self.version,
            "size": sum(o.size for o in self.objects.values()),
            "modelCount": [],
            "fileCount": len(self.objects),
            "recordCount": 0,
            "uri": f"s3://{self.bucket}/{self.prefix}",
            "arn": f"arn:aws:s3:::{self.bucket}/{self.prefix}",
            "status": "EMBARGO_SUCCEEDED" if self.embargo else "PUBLISH_SUCCEEDED",
            "doi": self.doi,
            "banner": f"{assets}/banner.jpg",
            "readme": f"{assets}/readme.md",
            "changelog": f"{assets}/changelog.md",
            "contributors": people,
            "collections": [],
            "externalPublications": [],
            "pennsieveSchemaVersion": self.schema,
            "createdAt": when,
            "updatedAt": when,
            "firstPublishedAt": "2024-01-03T13:28:22.993779Z",
            "versionPublishedAt": when,
            "embargo": self.embargo,
            "datasetType": "research",
        }

    def grave(self) -> dict[str, Any]:
        return {"id": self.id, "version": self.version, "name": self.name, "tags": list(self.tags),
                "status": "UNPUBLISHED", "doi": self.doi, "updatedAt": "2024-05-03T13:28:23Z"}  # fmt: skip

    def level(self, folder: str) -> list[dict[str, Any]]:
        """One folder: directories, then files, each by name. A file's path ends in its NAME, not its key."""
        prefix = f"{folder}/" if folder else ""
        sizes: dict[str, int] = {}
        files = []
        for key, item in self.objects.items():
            if not key.startswith(prefix):
                continue
            first, slash, _ = key[len(prefix) :].partition("/")
            if slash:
                sizes[first] = sizes.get(first, 0) + item.size
            else:
                files.append(self.node(item))
        folders = [
            {"name": n, "path": prefix + n, "size": s, "type": "Directory"} for n, s in sorted(sizes.items())
        ]
        return folders + sorted(files, key=lambda node: str(node["name"]))

    def node(self, item: Stored) -> dict[str, Any]:
        file_type, package_type, icon = item.kind
        parent = item.key.rpartition("/")[0]
        newer = self.schema == "5.0"
        return {
            "name": item.name, "path": f"{parent}/{item.name}" if parent else item.name, "size": item.size,
            "icon": icon, "uri": f"s3://{self.bucket}/{self.prefix}{item.key}", "fileType": file_type,
            "packageType": package_type, "sourcePackageId": item.package, "createdAt": None,
            "s3Version": item.version_id if newer else None, "sha256": item.sha256 if newer else None,
            "type": "File",
        }  # fmt: skip

    def below(self, path: str) -> list[Stored]:
        """The objects at or below a KEY."""
        path = path.lstrip("/")
        return [o for key, o in self.objects.items() if not path or key == path or key.startswith(path + "/")]


def matches(item: Published, text: str) -> bool:
    """All words (`word*` too), none of the `-words`, any side of a `|`; phrases in double quotes."""
    hay = " ".join([item.name, item.description, *item.tags, *item.contributors]).lower()
    words = set(re.findall(r"\w+", hay))
    for side in text.lower().split("|"):
        terms = re.findall(r'([-+]?)(?:"([^"]*)"|([\w.]+)(\*?))', side)
        if all(
            ((phrase in hay) if phrase else any(w.startswith(word) if star else w == word for w in words))
            != (sign == "-")
            for sign, phrase, word, star in terms
        ):
            return True
    return False
