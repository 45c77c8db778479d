"""Files of Pennsieve datasets come whole, by whatever way is open, and lie where they should."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.colon import COLON, publish
from fakes.pennsieve import FakePennsieve
from fakes.pennsieve_store import PAYING_BUCKET, clean_key

from sparc_fuse_core import download
from sparc_fuse_core.catalogue.objects import key_in_dataset, object_url, requester_pays
from sparc_fuse_core.catalogue.pennsieve import Pennsieve
from sparc_fuse_core.errors import (
    Cancelled,
    Corrupted,
    FuseError,
    RemoteError,
)


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


@pytest.mark.parametrize("id", ["224", "90"])
def test_every_file_comes_whole(server: FakePennsieve, catalogue: Pennsieve, tmp_path: Path, id: str) -> None:
    """From the open bucket directly; from the one that asks for payment by a signed address."""
    contents = {"/".join(map(clean_key, path.split("/"))): data for path, data in COLON.items()}
    for file in catalogue.files(id):
        dest = catalogue.fetch(file, tmp_path / "out")
        assert dest == tmp_path / "out" / file.path
        assert dest.read_bytes() == contents[file.path]
    assert bool(server.count("download-manifest")) == (id == "90")
    assert not server.count("zipit")


def test_the_ways_to_a_file_in_order(server: FakePennsieve, catalogue: Pennsieve) -> None:
    """Open bucket, signed address, archive service."""
    file = catalogue.files("224")[3]
    server.fail("/s3/", status=403, times=100)
    assert catalogue.fetch(file).read_bytes() == b"acq " * 5000
    assert server.count("download-manifest") == 3
    assert server.count("zipit", "POST") == 1
    assert "X-Amz-Signature" not in server.hits("/s3/")[0].path
    assert "X-Amz-Signature" in server.hits("/s3/")[1].path


def test_an_embargoed_file_says_so(server: FakePennsieve, catalogue: Pennsieve) -> None:
    server.published[275][-1].embargo = False
    file = catalogue.files("275")[3]
    server.published[275][-1].embargo = True
    with pytest.raises(RemoteError, match="archive service refused") as caught:
        catalogue.fetch(file)
    assert "embargo" in caught.value.hint


def test_a_signed_address_is_renewed_in_the_middle(server: FakePennsieve) -> None:
    catalogue = Pennsieve(sleep=lambda _: server.expire_urls())
    file = catalogue.files("90")[3]
    server.fail("X-Amz", mode="short_body", after=10_000)
    assert catalogue.fetch(file).read_bytes() == b"acq " * 5000
    assert server.count("download-manifest") == 2
    assert server.sent("X-Amz.*") >= 20_000
    assert not server.count("zipit")
    catalogue.close()


def test_progress_and_stop(catalogue: Pennsieve) -> None:
    file, told = catalogue.files("224")[3], []
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        catalogue.fetch(file, cancel=stop)
    catalogue.fetch(file, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (20_000, 20_000)


def test_a_hostile_manifest_cannot_write_elsewhere(
    server: FakePennsieve, catalogue: Pennsieve, tmp_path: Path
) -> None:
    for entry in server.published[224][-1].manifest["files"]:
        if entry["name"] == "x.abf":
            entry["path"] = "files/../../../../escaped.abf"
    (file,) = [file for file in catalogue.files("224") if file.name == "x.abf"]
    with pytest.raises(FuseError, match="below the dataset"):
        catalogue.fetch(file)
    assert not list(tmp_path.rglob("escaped*"))


def test_object_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARC_FUSE_S3_HTTP_BASE", raising=False)
    assert object_url("s3://b-1/224/files/a +&#%é/(x)'!.acq", "v+/1") == (
        "https://b-1.s3.amazonaws.com/224/files/a%20%2B%26%23%25%C3%A9/%28x%29%27%21.acq?versionId=v%2B%2F1"
    )
    assert object_url("s3://b.1/224/files/x") == "https://s3.amazonaws.com/b.1/224/files/x"
    # The ids in manifests of the older layout may be those of another bucket.
    assert object_url("s3://b-1/224/3/files/x", "v") == "https://b-1.s3.amazonaws.com/224/3/files/x"
    assert key_in_dataset("s3://b-1/224/3/files/x") == key_in_dataset("s3://b-1/224/files/x") == "files/x"
    for wrong in ("", "s3://", "s3://b", "https://b/1/x", "s3://b-1/x", "s3://b_@/1/x"):
        with pytest.raises(Corrupted):
            key_in_dataset(wrong)


def test_requester_pays_needs_own_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="the way with the user's own account needs boto3")
    for key in list(os.environ):
        if key.startswith(("AWS_", "SPARC_FUSE_S3")):
            monkeypatch.delenv(key)
    for key in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(key, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    uri = f"s3://{PAYING_BUCKET}/224/files/a b.acq"
    assert requester_pays(uri, None) is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    way = requester_pays(uri, "v1")
    assert way is not None
    address = way()
    assert address.url.startswith(
        f"https://{PAYING_BUCKET}.s3.amazonaws.com/224/files/a%20b.acq?versionId=v1&"
    )
    assert address.headers == {"x-amz-request-payer": "requester"}
    assert address.identity == object_url(uri, "v1")


def test_the_cache_is_one_folder_a_version(catalogue: Pennsieve) -> None:
    file = catalogue.files("224")[3]
    assert catalogue.fetch(file) == download.cache_folder() / "224" / "2" / file.path
