"""Source: the same bytes from disk, from https with ranges and from S3, and the guards on all of them."""

from __future__ import annotations

import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from sparc_fuse_core.errors import FormatError, FuseError, NotFound, Truncated, Unreachable
from sparc_fuse_core.source import open_source

DATA = np.random.default_rng(0).integers(0, 256, 3_000_017, dtype="u1").tobytes()


class _Ranges(BaseHTTPRequestHandler):
    ranged = True

    def do_GET(self):
        if "missing" in self.path:
            self.send_error(404)
            return
        span = self.headers.get("Range")
        if not span or "plain" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)
            return
        first, last = (int(v) for v in span.removeprefix("bytes=").split("-"))
        part = DATA[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(DATA)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def bucket():
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="open-data")
    client.put_object(Bucket="open-data", Key="12/files/primary/a b+c.bin", Body=DATA, ACL="public-read")
    client.put_object(Bucket="open-data", Key="12/files/primary/other.txt", Body=b"x", ACL="public-read")
    client.close()
    yield endpoint
    server.stop()


@pytest.fixture(params=["disk", "https", "s3"])
def source(request, tmp_path, monkeypatch):
    if request.param == "disk":
        (tmp_path / "a b+c.bin").write_bytes(DATA)
        (tmp_path / "other.txt").write_bytes(b"x")
        place = tmp_path / "a b+c.bin"
    elif request.param == "https":
        place = f"{request.getfixturevalue('web')}/some/a%20b%2Bc.bin?versionId=7"
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("bucket"))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        place = "s3://open-data/12/files/primary/a b+c.bin"
    with open_source(place) as held:
        yield held


def test_reads_what_is_there(source, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC_FUSE_CACHE", str(tmp_path / "cache"))
    assert (source.name, source.size) == ("a b+c.bin", len(DATA))
    assert source.head(10) == DATA[:10]
    for offset, count in ((0, 1), (262_143, 3), (1_000_000, 1_500_000), (len(DATA) - 1, 1), (5, 0)):
        assert source.read(offset, count) == DATA[offset : offset + count]
    assert source.unpack("<IH", 7) == struct.unpack_from("<IH", DATA, 7)
    assert (source.array("<u2", 3, 1000) == np.frombuffer(DATA, "<u2", 1000, 3)).all()
    buffer = bytearray(70_000)
    source.read_into(99, memoryview(buffer))
    assert buffer == DATA[99:70_099]
    file = source.file()
    file.seek(-10, 2)
    assert file.read() == DATA[-10:]
    assert source.path().read_bytes() == DATA


def test_small_reads_of_a_header_are_few_requests(source):
    before = source.requests
    for offset in range(0, 20_000, 16):
        source.unpack("<II", offset)
    if "://" in source.url:
        assert source.requests - before <= 1


def test_lies_become_errors_before_memory_is_asked_for(source):
    with pytest.raises(Truncated, match="promises"):
        source.read(10, 1 << 60)
    with pytest.raises(Truncated):
        source.array("<f8", len(DATA) - 4, 1)
    for offset, count in ((-1, 4), (0, -4)):
        with pytest.raises(FormatError) as caught:
            source.expect(offset, count)
        assert caught.value.hint


def test_siblings_stay_in_the_folder(source):
    if source.url.startswith("http"):
        assert source.sibling("missing.txt") is None
        return
    assert source.siblings() == ["a b+c.bin", "other.txt"]
    assert source.sibling("other.txt").read(0, 1) == b"x"
    assert source.sibling("none") is None
    assert source.sibling("../a b+c.bin") is None


@pytest.mark.parametrize("name", ["missing.bin", "plain.bin"])
def test_servers_that_cannot_help_say_why(web, name):
    with pytest.raises((NotFound, FuseError)) as caught:
        open_source(f"{web}/{name}")
    assert caught.value.hint


def test_places_that_are_refused(tmp_path):
    with pytest.raises(NotFound):
        open_source(tmp_path / "none.bin")
    with pytest.raises(FuseError, match="folder"):
        open_source(tmp_path)
    with pytest.raises(FuseError, match="not safe"):
        open_source("http://example.org/a.bin")
    with pytest.raises(Unreachable):
        open_source("http://127.0.0.1:9/a.bin")
