"""The recorded answers of the service are understood, and the stand-in answers like the service."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.colon import publish
from fakes.pennsieve import FakePennsieve

from sparc_fuse_core.catalogue import File
from sparc_fuse_core.catalogue import pennsieve as module
from sparc_fuse_core.catalogue.objects import key_in_dataset
from sparc_fuse_core.catalogue.pennsieve import Pennsieve

SAMPLES = Path(__file__).parents[2] / "shared" / "api-samples"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePennsieve]:
    with FakePennsieve() as fake:
        for key, value in {**fake.environ, "SPARC_FUSE_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(key, value)
        publish(fake)
        yield fake


@pytest.fixture
def catalogue(server: FakePennsieve) -> Iterator[Pennsieve]:
    opened = Pennsieve(sleep=lambda _: None)
    yield opened
    opened.close()


def ask(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
    """(status, headers, body) as any client sees them."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {})) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def recorded(name: str) -> Any:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the recorded answer {name} is not on this machine")
    return json.loads(path.read_bytes())


def test_recorded_manifest(catalogue: Pennsieve, server: FakePennsieve) -> None:
    sample = recorded("metadata_manifest_dataset.json")
    server.published[90][-1].manifest = sample
    files = catalogue.files("90")
    assert len(files) == sum(entry["path"].startswith("files/") for entry in sample["files"])
    renamed = [file for file in files if file.name != file.path.rpartition("/")[2]]
    assert len(renamed) > 40
    assert all(" " not in file.path and file.size >= 0 and file.s3_version for file in files)
    first = next(file for file in files if file.name == "20 1021.acq")
    assert (first.path, first.size) == ("primary/sub-ChAT-Male-Subject-1/20_1021.acq", 11_289_746)


@pytest.mark.parametrize("name", ["search_datasets_query_cancer.json", "search_datasets_embargo_item.json"])
def test_recorded_datasets(name: str) -> None:
    answer = recorded(name)["response"]
    datasets = [module._dataset(entry, "recorded") for entry in answer.get("datasets", [answer])]
    assert {item.id for item in datasets} in ({"93", "33"}, {"275"})
    for item in datasets:
        assert item.doi and item.doi.startswith("10.26275/")
        assert item.contributors and all(item.contributors)
        assert item.updated > "2020"
        assert item.extra["uri"].startswith("s3://")


@pytest.mark.parametrize(
    "name",
    ["files_browse_676.json", "files_browse_ds90_root_limit2.json", "files_browse_files_old_portal.json"],
)
def test_recorded_folders(catalogue: Pennsieve, name: str) -> None:
    sample = recorded(name)
    rows = sample.get("response_files") or sample["response"]["files"]
    entries = [module._entry(catalogue.dataset("90"), row, "recorded") for row in rows]
    found = {entry.name: entry for entry in entries if entry is not None}
    if "676" in name:
        file = found["1G.random (1)"]
        assert isinstance(file, File)
        assert file.path == "1G.random (1)"
        assert file.size == 2**30
    elif "old" in name:
        assert set(found) == {"template.json", "subjects.xlsx", "submission.xlsx"}
    else:
        assert found == {}


def test_recorded_search_hits_have_keys() -> None:
    """They have no path at all; it must come from the uri."""
    for row in recorded("search_files_ds90_manifest.json")["response"]:
        assert key_in_dataset(row["uri"]).endswith("manifest.json")
    names = recorded("list_filenames_ds90.json")["response"]
    assert "files/primary/sub-898/manifest.xlsx" in names


def test_the_stand_in_speaks_like_the_service(server: FakePennsieve) -> None:
    """The same keys as in the recorded answers; what the service adds since then is listed."""
    sample = recorded("search_datasets_query_cancer.json")["response"]
    _, _, body = ask(f"{server.url}/search/datasets?limit=1")
    page = json.loads(body)
    assert set(page) == set(sample)
    newer = {"changelog", "datasetType", "release", "doiCollection"}
    assert set(page["datasets"][0]) - newer == set(sample["datasets"][0])
    _, _, body = ask(f"{server.url}/datasets/90/versions/1/files/browse?path=files")
    files = [row for row in json.loads(body)["files"] if row["type"] == "File"]
    assert set(files[0]) - {"s3Version", "sha256"} == set(
        recorded("files_browse_676.json")["response_files"][0]
    )
    _, _, body = ask(f"{server.url}/search/files?query=x.abf&datasetId=224")
    assert set(json.loads(body)["files"][0]) == set(recorded("search_files_item.json")["response"])
    sample = recorded("download_manifest_ds90_metadata_records.json")["response"]
    url = f"{server.url}/datasets/90/versions/1/files/download-manifest"
    answer = json.loads(ask(url, json.dumps({"paths": ["/metadata"]}).encode())[2])
    assert set(answer["data"][0]) == set(sample["data"][0])
    assert answer["header"] == {"count": 1, "size": 2}


# -- the stand-in's own quirks, as facts of the service say

BODY = b'{"paths": ["files/primary"]}'
ERRORS = [
    ("datasets/999", None, 404, b'"999"'),
    ("datasets/224/versions/9", None, 404, b'"9"'),
    ("datasets/224/versions/2/files?path=files/nope", None, 404, b'"files/nope"'),
    ("datasets/224/files/download", None, 401, b"The resource requires authentication"),
    ("datasets/x", None, 401, b"The resource requires authentication"),
    ("datasets?ids=x", None, 400, b'"ids must be numbers"'),
    ("datasets/doi", None, 400, b'"missing DOIs"'),
    ("datasets/doi/10.26275/nope", None, 404, b'"10.26275/nope"'),
    ("datasets/275/versions/1/files/browse", None, 401, b'"Dataset is under embargo"'),
    ("datasets/275/versions/1/metadata", None, 401, b'"Dataset is under embargo"'),
    ("datasets/13/versions/1/metadata", None, 410, b""),
    ("datasets/999/versions/1/files/download-manifest", BODY, 500, b"There was an internal server error."),
    ("datasets/224/versions/2/files/download-manifest",
     b'{"paths": ["files/primary"], "rootPath": "files/x"}', 400,
     b'"if root path is specified, all paths must begin with root path"'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "said"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors_of_the_stand_in(
    server: FakePennsieve, path: str, body: bytes | None, status: int, said: bytes
) -> None:
    found, _, text = ask(f"{server.url}/{path}", body)
    assert (found, text[: len(said)]) == (status, said)
    assert said or not text


def test_quirks_of_the_stand_in(server: FakePennsieve) -> None:
    def get(path: str, body: Any = None) -> Any:
        return json.loads(ask(f"{server.url}/{path}", json.dumps(body).encode() if body else None)[2])

    place = "datasets/224/versions/2/files"
    assert get(f"{place}/browse?path=files/nowhere")["totalCount"] == 0
    rows = get(f"{place}/browse?path=files/primary/sub-ChAT_Male")["files"]
    assert "files/primary/sub-ChAT_Male/20 1021.acq" in [row["path"] for row in rows]
    assert [row["name"] for row in get(f"{place}/browse?limit=2&offset=1")["files"]] == [
        "metadata",
        "banner.jpg",
    ]
    unmatched = get(f"{place}/download-manifest", {"paths": ["files/primary/sub-ChAT_Male/20 1021.acq"]})
    assert unmatched == {"header": {"count": 0, "size": 0}, "data": []}
    matched = get(
        f"{place}/download-manifest", {"paths": ["/files/primary/sub-2"], "rootPath": "files/primary"}
    )
    assert [(row["path"], row["fileName"]) for row in matched["data"]] == [(["sub-2"], "x.abf")]
    key = "files/primary/sub-ChAT_Male/20_1021.acq"
    for form in (key, f"/{key}", f"224/{key}", f"s3://bucket/224/{key}"):
        assert get(f"{place}?path={form}")["name"] == "20 1021.acq"
    server.max_download = 10
    assert ask(f"{server.url}/{place}/download-manifest", BODY)[0] == 403
    assert get("datasets/13")["status"] == "UNPUBLISHED"
    assert get("datasets/doi?doi=10.26275/fake-0013&doi=10.26275/fake-0224")["unpublished"]
    assert get("packages/N:package:none/files") == "N:package:none"
    assert get("tags") == [{"tag": "Gut", "count": 1}]


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        ({"paths": ["files/primary/sub-2/x.abf"], "datasetId": 224, "version": 2}, "x.abf", b"abf"),
        ({"paths": ["files/primary"], "datasetId": 224, "version": 2}, "primary.zip", b"PK"),
        ({"paths": ["files/nope"], "datasetId": 224, "version": 2}, "!ERROR.txt", b'{"status": 422'),
        ({"paths": ["files"], "datasetId": 999, "version": 1}, "!ERROR.txt", b'{"status": 400'),
        ({"paths": ["files"], "datasetId": 224, "version": 2, "archiveName": "a"}, "!ERROR.txt",
         b'{"status": 400'),
    ],
)  # fmt: skip
def test_the_archive_service_never_fails_by_status(
    server: FakePennsieve, asked: dict[str, Any], name: str, said: bytes
) -> None:
    status, headers, body = ask(f"{server.host}/zipit/discover", json.dumps({"data": asked}).encode())
    assert status == 200
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Content-Length"] is None
    assert body.startswith(said)


def test_objects_of_the_stand_in(server: FakePennsieve, catalogue: Pennsieve) -> None:
    file = catalogue.files("224")[3]
    assert file.url
    status, headers, body = ask(file.url, headers={"Range": "bytes=4-7"})
    assert (status, headers["Content-Range"], body) == (206, "bytes 4-7/20000", b"acq ")
    assert ask(file.url, headers={"Range": "bytes=-4"})[2] == b"acq "
    assert ask(file.url, headers={"Range": "bytes=20000-"})[0] == 416
    assert ask(file.url, headers={"Range": "bytes=4-7", "If-Range": '"other"'})[0] == 200
    assert ask(file.url.partition("?")[0] + "?versionId=nope")[0] == 404
    assert ask(catalogue.files("90")[3].url or "")[0] == 403
