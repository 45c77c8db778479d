"""A stand-in for the Discover service of Pennsieve, its archive service and its S3, on 127.0.0.1.

    with FakePennsieve() as server:
        server.add_dataset(224, folder, name="Colon recordings")
        catalogue = Pennsieve(server.url)        # with SPARC_FUSE_S3_HTTP_BASE=server.s3_base
        server.fail(r"\\.acq", mode="short_body", after=1000)

It copies the quirks that bite (names that are not keys, 200 for errors, 401 for unknown addresses), and
can be told to misbehave. `python tests/fakes/pennsieve.py FOLDER` serves the folders in FOLDER
until interrupted.
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.pennsieve_store import EMBARGO_BUCKET, OPEN_BUCKET, PAYING_BUCKET, Published, Stored, matches
from fakes.pennsieve_wire import Fault, Handler, Hit, Reply, Server

NO_KEY = "The resource requires authentication, which was not supplied with the request"


class FakePennsieve:
    """The stand-in; a context manager. Folders in `datasets` get the numbers in their names, or 1, 2, 3 …"""

    def __init__(self, datasets: Path | Mapping[int, Path] | None = None) -> None:
        self.published: dict[int, list[Published]] = {}
        self.objects: dict[tuple[str, str], list[Stored]] = {}
        self.paying = {PAYING_BUCKET, EMBARGO_BUCKET}
        self.faults: list[Fault] = []
        self.log: list[Hit] = []
        self.max_download = 10**9
        self.max_archive = 5 * 10**9
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.signature = 1
        if isinstance(datasets, Mapping):
            folders = dict(datasets)
        else:
            found = sorted(p for p in datasets.iterdir() if p.is_dir()) if datasets else []
            folders = {
                int(n[0]) if (n := re.findall(r"\d+", p.name)) else i + 1: p for i, p in enumerate(found)
            }
        for number, folder in folders.items():
            self.add_dataset(number, folder, name=folder.name)

    def __enter__(self) -> Self:
        server = self

        class Bound(Handler):
            fake = server

        self.http = Server(("127.0.0.1", 0), Bound)
        self.host = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.url, self.s3_base = f"{self.host}/discover", f"{self.host}/s3"
        self.environ = {"SPARC_FUSE_PENNSIEVE_URL": self.url, "SPARC_FUSE_S3_HTTP_BASE": self.s3_base}
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    # -- what is published, and what goes wrong

    def add_dataset(
        self,
        id: int,
        folder: Path | Mapping[str, bytes | Path],
        *,
        name: str,
        versions: Sequence[Path | Mapping[str, bytes | Path]] = (),
        description: str = "",
        tags: Sequence[str] = (),
        schema: str = "5.0",
        doi: str | None = None,
        embargo: bool = False,
    ) -> None:
        """Publish `folder` as the latest version, after the earlier `versions` (oldest first)."""
        bucket = EMBARGO_BUCKET if embargo else OPEN_BUCKET if schema == "5.0" else PAYING_BUCKET
        self.published[id] = []
        for number, content in enumerate([*versions, folder], 1):
            made = Published(
                id,
                number,
                name,
                description,
                tuple(tags),
                schema,
                bucket,
                doi or f"10.26275/fake-{id:04}",
                embargo,
            )
            made.fill(content)
            self.published[id].append(made)
            for item in made.objects.values():
                history = self.objects.setdefault((bucket, made.prefix + item.key), [])
                if item.etag not in [old.etag for old in history]:
                    history.append(item)

    def unpublish(self, id: int) -> None:
        for version in self.published[id]:
            version.tombstone = True

    def drop_manifest(self, id: int) -> None:
        """As in some old versions, whose manifest was never written."""
        for version in self.published[id]:
            version.manifest = None

    def expire_urls(self) -> None:
        """All URLs signed so far stop working."""
        self.signature += 1

    def fail(
        self,
        path_regex: str,
        status: int | None = None,
        times: int = 1,
        mode: str | None = None,
        *,
        after: int = 0,
        retry_after: str | None = None,
        location: str | None = None,
        method: str = "",
    ) -> Fault:
        """Let the next `times` requests whose path and query match go wrong.

        With `status` they are answered so. Modes, of which those that break do it `after` so many bytes of
        the object: short_body, reset, stall, short_length (an honest-looking shorter file), wrong_bytes,
        wrong_range (from another byte on), ignore_range, changed_etag, spliced (a part of another object,
        If-Range or not), expired, redirect (to `location`).
        """
        fault = Fault(re.compile(path_regex), status, times, mode, after, retry_after, location, method)
        self.faults.append(fault)
        return fault

    def count(self, path_regex: str, method: str = "") -> int:
        return len(self.hits(path_regex, method))

    def hits(self, path_regex: str, method: str = "") -> list[Hit]:
        with self.lock:
            return [h for h in self.log if re.search(path_regex, h.path) and method in ("", h.method)]

    def sent(self, path_regex: str) -> int:
        """Bytes of bodies sent for matching requests."""
        return sum(hit.sent for hit in self.hits(path_regex))

    # -- the answers

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Reply:
        one = {key: values[0] for key, values in query.items()}
        for verb, pattern, reply in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                try:
                    return reply(self, *found.groups(), one=one, query=query, body=body)
                except _Wrong as wrong:
                    return wrong.reply
        return Reply(401, NO_KEY, "text/plain")

    def _find(self, id: str, version: str | None = None, *, empty_grave: bool = False) -> Published:
        versions = self.published.get(int(id), [])
        if not versions:
            raise _Wrong(404, id)
        if versions[-1].tombstone:
            raise _Wrong(410, None if empty_grave else versions[-1].grave())
        if version is None:
            return versions[-1]
        if not 1 <= int(version) <= len(versions):
            raise _Wrong(404, version)
        return versions[int(version) - 1]

    def _open(self, id: str, version: str, *, empty_grave: bool = False) -> Published:
        found = self._find(id, version, empty_grave=empty_grave)
        if found.embargo:
            raise _Wrong(401, "Dataset is under embargo")
        return found

    def _latest(self) -> list[Published]:
        return [versions[-1] for versions in self.published.values() if not versions[-1].tombstone]

    def datasets(self, *, one: dict[str, str], query: dict[str, list[str]], **_: Any) -> Reply:
        found = self._latest()
        if "ids" in query:
            try:
                wanted = {int(text) for text in query["ids"]}
            except ValueError:
                raise _Wrong(400, "ids must be numbers") from None
            found = [item for item in found if item.id in wanted]
        return _page("datasets", [item.dto() for item in _tagged(found, query)], one)

    def search_datasets(self, *, one: dict[str, str], query: dict[str, list[str]], **_: Any) -> Reply:
        found = [item for item in _tagged(self._latest(), query) if matches(item, one.get("query", ""))]
        if int(one.get("limit", 10)) + int(one.get("offset", 0)) > 10_000:
            raise _Wrong(500, "There was an internal server error.", plain=True)
        return _page("datasets", [item.dto() for item in found], one)

    def search_files(self, *, one: dict[str, str], **_: Any) -> Reply:
        words = re.findall(r"\w+", one.get("query", "").lower())
        found = []
        for item in self._latest():
            for stored in item.objects.values() if one.get("datasetId", str(item.id)) == str(item.id) else ():
                if all(word in stored.name.lower() for word in words):
                    node = item.node(stored) | {"datasetId": item.id, "datasetVersion": item.version}
                    found.append(
                        {k: v for k, v in node.items() if k not in ("path", "type", "s3Version", "sha256")}
                    )
        return _page("files", found, one)

    def search_records(self, *, one: dict[str, str], **_: Any) -> Reply:
        return _page("records", [], one)

    def dataset(self, id: str, version: str | None = None, **_: Any) -> Reply:
        return Reply(200, self._find(id, version).dto())

    def versions(self, id: str, **_: Any) -> Reply:
        self._find(id)
        return Reply(200, [item.dto() for item in reversed(self.published[int(id)])])

    def by_doi(self, doi: str, **_: Any) -> Reply:
        for versions in self.published.values():
            if versions[-1].doi == doi:
                return self.dataset(str(versions[-1].id))
        raise _Wrong(404, doi)

    def by_dois(self, *, query: dict[str, list[str]], **_: Any) -> Reply:
        if "doi" not in query:
            raise _Wrong(400, "missing DOIs")
        known = {v[-1].doi: v[-1] for v in self.published.values() if v[-1].doi in query["doi"]}
        alive = {doi: item.dto() for doi, item in known.items() if not item.tombstone}
        dead = {doi: item.grave() for doi, item in known.items() if item.tombstone}
        return Reply(200, {"published": alive, "unpublished": dead})

    def browse(self, id: str, version: str, *, one: dict[str, str], **_: Any) -> Reply:
        found = self._open(id, version)
        return _page("files", found.level(one.get("path", "").strip("/")), {"limit": "100"} | one)

    def file(self, id: str, version: str, *, one: dict[str, str], **_: Any) -> Reply:
        found = self._open(id, version)
        path = re.sub(r"^s3://[^/]+/", "", one.get("path", "")).lstrip("/")
        path = path.removeprefix(found.prefix).removeprefix(f"{id}/")
        if path not in found.objects:
            raise _Wrong(404, one.get("path", ""))
        return Reply(200, found.node(found.objects[path]))

    def manifest(self, id: str, version: str, **_: Any) -> Reply:
        found = self._open(id, version, empty_grave=True)
        if found.manifest is None:
            raise _Wrong(500, "There was an internal server error.", plain=True)
        return Reply(200, found.manifest)

    def download_manifest(self, id: str, version: str, *, body: bytes, **_: Any) -> Reply:
        try:
            found = self._open(id, version, empty_grave=True)
        except _Wrong as wrong:
            if wrong.reply.status == 404:
                raise _Wrong(500, "There was an internal server error.", plain=True) from None
            raise
        asked = json.loads(body)
        root = asked.get("rootPath", "").strip("/")
        if root and any(not path.lstrip("/").startswith(root) for path in asked["paths"]):
            raise _Wrong(400, "if root path is specified, all paths must begin with root path")
        items = list({o.key: o for path in asked["paths"] for o in found.below(path)}.values())
        size = sum(item.size for item in items)
        if size > self.max_download:
            raise _Wrong(403, "requested files are too large to download")
        data = []
        for item in items:
            *parents, name = item.key.removeprefix(f"{root}/" if root else "").split("/")
            data.append({"fileName": name, "path": parents, "url": self.sign(found, item), "size": item.size})
        return Reply(200, {"header": {"count": len(items), "size": size}, "data": data})

    def sign(self, dataset: Published, item: Stored) -> str:
        version = f"versionId={item.version_id}&" if dataset.schema == "5.0" else ""
        return (
            f"{self.s3_base}/{dataset.bucket}/{quote(dataset.prefix + item.key)}?{version}"
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Expires=3600"
            f"&X-Amz-Signature={self.signature}"
        )

    def download(self, id: str, version: str, **_: Any) -> Reply:
        found = self._open(id, version, empty_grave=True)
        if sum(item.size for item in found.objects.values()) > self.max_download:
            raise _Wrong(403, "Dataset is too large to download directly.")
        return _archive(list(found.objects.values()), f"Pennsieve-dataset-{id}-version-{version}.zip")

    def package(self, package: str, *, one: dict[str, str], **_: Any) -> Reply:
        nodes = [i.node(o) for i in self._latest() for o in i.objects.values() if o.package == package]
        if not nodes:
            raise _Wrong(404, package)
        reply = _page("files", nodes, {"limit": "100"} | one)
        return Reply(200, reply.body | {"organizationId": 367})

    def tags(self, **_: Any) -> Reply:
        counts: dict[str, int] = {}
        for item in self._latest():
            for tag in item.tags:
                counts[tag] = counts.get(tag, 0) + 1
        return Reply(200, [{"tag": tag, "count": count} for tag, count in sorted(counts.items())])

    def zipit(self, *, query: dict[str, list[str]], body: bytes, **_: Any) -> Reply:
        """All errors are 200 with an attachment that is called !ERROR.txt."""
        try:
            asked = json.loads(query["data"][0]) if "data" in query else json.loads(body)["data"]
            found = self._open(str(asked["datasetId"]), str(asked["version"]))
            items = list({o.key: o for path in asked["paths"] for o in found.below(path)}.values())
        except (ValueError, KeyError, _Wrong):
            return _error(400, "the request was invalid")
        if not items:
            return _error(422, "no data to download")
        if sum(item.size for item in items) > self.max_archive:
            return _error(422, "archive is too big to download")
        if asked.get("archiveName") and len(asked["paths"]) == 1:
            return _error(400, "the request was invalid")
        if len(items) == 1:
            return Reply(200, items[0].read(), "application/octet-stream", name=items[0].name)
        single = (
            asked["paths"][0].rstrip("/").rpartition("/")[2] + ".zip" if len(asked["paths"]) == 1 else None
        )
        return _archive(items, asked.get("archiveName") or single or "pennsieve-data.zip")


class _Wrong(Exception):
    def __init__(self, status: int, body: Any, *, plain: bool = False) -> None:
        super().__init__(status)
        self.reply = Reply(
            status, b"" if body is None else body, "text/plain" if plain else "application/json"
        )


def _page(key: str, items: list[dict[str, Any]], one: dict[str, str]) -> Reply:
    try:
        limit, offset = int(one.get("limit", 10)), int(one.get("offset", 0))
    except ValueError:
        raise _Wrong(400, "limit and offset must be numbers") from None
    return Reply(200, {"limit": limit, "offset": offset, "totalCount": len(items),
                       key: items[offset : offset + limit]})  # fmt: skip


def _tagged(items: list[Published], query: dict[str, list[str]]) -> list[Published]:
    wanted = {tag.lower() for tag in query.get("tags", [])}
    return [item for item in items if wanted <= {tag.lower() for tag in item.tags}]


def _error(status: int, text: str) -> Reply:
    body = json.dumps({"status": status, "error": text, "info": ""}).encode()
    return Reply(200, body, "text/plain", name="!ERROR.txt")


def _archive(items: list[Stored], name: str) -> Reply:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for item in items:
            archive.writestr(item.key, item.read())
    return Reply(200, buffer.getvalue(), "application/zip", name=name)


_VERSION = r"/discover/datasets/(\d+)/versions/(\d+)"
ROUTES = (
    ("GET", r"/discover/datasets", FakePennsieve.datasets),
    ("GET", r"/discover/search/datasets", FakePennsieve.search_datasets),
    ("GET", r"/discover/search/files", FakePennsieve.search_files),
    ("GET", r"/discover/search/records", FakePennsieve.search_records),
    ("GET", r"/discover/datasets/(\d+)", FakePennsieve.dataset),
    ("GET", r"/discover/datasets/(\d+)/versions", FakePennsieve.versions),
    ("GET", r"/discover/datasets/doi", FakePennsieve.by_dois),
    ("GET", r"/discover/datasets/doi/([^/]+/[^/]+)", FakePennsieve.by_doi),
    ("GET", _VERSION, FakePennsieve.dataset),
    ("GET", _VERSION + "/files/browse", FakePennsieve.browse),
    ("GET", _VERSION + "/files", FakePennsieve.file),
    ("GET", _VERSION + "/metadata", FakePennsieve.manifest),
    ("GET", _VERSION + "/download", FakePennsieve.download),
    ("POST", _VERSION + "/files/download-manifest", FakePennsieve.download_manifest),
    ("GET", r"/discover/packages/([^/]+)/files", FakePennsieve.package),
    ("GET", r"/discover/tags", FakePennsieve.tags),
    ("POST", r"/zipit/discover", FakePennsieve.zipit),
)

if __name__ == "__main__":
    with FakePennsieve(Path(sys.argv[1]) if len(sys.argv) > 1 else None) as running:
        print("\n".join(f"export {key}={value}" for key, value in running.environ.items()), flush=True)
        threading.Event().wait()
