"""Downloads: right bytes or a RemoteError, whatever the server does."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.one_file import DATA, DIGEST, MIDDLE, SIZE, address, get, leftovers, publish, signed
from fakes.pennsieve import FakePennsieve

from sparc_fuse_core import download
from sparc_fuse_core.catalogue.part import Part
from sparc_fuse_core.errors import (
    Cancelled,
    Corrupted,
    DiskFull,
    NotFound,
    RateLimited,
    RemoteError,
    Unreachable,
    WriteError,
)


@pytest.fixture
def server() -> Iterator[FakePennsieve]:
    with FakePennsieve() as fake:
        publish(fake)
        yield fake


class StopAt:
    """Set once the part has `size` bytes."""

    def __init__(self, part: Path, size: int) -> None:
        self.part, self.size = part, size

    def is_set(self) -> bool:
        return self.part.exists() and self.part.stat().st_size >= self.size


def test_plain(server: FakePennsieve, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    dest = get(tmp_path / "a" / "x.dat", address(server), progress=lambda *now: told.append(now))
    assert dest.read_bytes() == DATA
    assert not leftovers(dest)
    assert told[-1] == (SIZE, SIZE)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_is_there_and_right_is_kept_and_what_is_wrong_is_replaced(
    server: FakePennsieve, tmp_path: Path
) -> None:
    dest = get(tmp_path / "x.dat", address(server))
    get(dest, address(server))
    assert server.count("/s3/") == 1
    dest.write_bytes(b"\0" + DATA[1:])
    assert get(dest, address(server)).read_bytes() == DATA
    dest.write_bytes(DATA[:-1])
    assert get(dest, address(server), sha256=None).read_bytes() == DATA


def test_empty_file(server: FakePennsieve, tmp_path: Path) -> None:
    dest = get(tmp_path / "e", address(server, "empty.dat"), size=0, sha256=hashlib.sha256().hexdigest())
    assert dest.read_bytes() == b""


def test_nothing_known_about_the_file(server: FakePennsieve, tmp_path: Path) -> None:
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    assert get(tmp_path / "x", address(server), size=None, sha256=None).read_bytes() == DATA


def test_resume_fetches_only_what_is_missing(server: FakePennsieve, tmp_path: Path) -> None:
    """Over breaks within one call, and over a stopped call."""
    dest = tmp_path / "x.dat"
    server.fail("/s3/", mode="reset", after=MIDDLE)
    with pytest.raises(Cancelled):
        get(dest, address(server), sha256=None, cancel=StopAt(tmp_path / "x.dat.part", MIDDLE + 2**19))
    assert not dest.exists()
    kept = (tmp_path / "x.dat.part").stat().st_size
    assert MIDDLE + 2**19 <= kept < SIZE
    before = server.count("/s3/")
    assert get(dest, address(server), sha256=None).read_bytes() == DATA
    (resumed,) = server.hits("/s3/")[before:]
    assert resumed.range == f"bytes={kept}-"
    assert resumed.headers["If-Range"].startswith('"')
    assert resumed.sent == SIZE - kept


def test_a_signed_url_resumes_what_a_plain_one_began(server: FakePennsieve, tmp_path: Path) -> None:
    dest = tmp_path / "x.dat"
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    server.fail("/s3/", status=404)
    version = server.published[7][-1].objects["files/primary/x.dat"].version_id
    get(dest, f"{address(server)}?versionId={version}", lambda: signed(server))
    assert dest.read_bytes() == DATA
    assert server.sent("/s3/") == SIZE + len(b"fault")


DAMAGES = ["flipped", "longer", "other_note", "no_note", "broken_note", "not_synced"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("digest", [DIGEST, None])
def test_a_doubtful_part(server: FakePennsieve, tmp_path: Path, damage: str, digest: str | None) -> None:
    """What lies in the part after a crash is believed only as far as something proves it."""
    dest = tmp_path / "x.dat"
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    server.fail("/s3/", status=404)
    with pytest.raises(NotFound):
        get(dest, address(server), sha256=digest)
    part, note = tmp_path / "x.dat.part", tmp_path / "x.dat.part.json"
    content = json.loads(note.read_text())
    if damage == "flipped" and digest:
        part.write_bytes(b"\xff" * MIDDLE)
    elif damage == "longer":
        part.write_bytes(b"\xff" * (SIZE + 9))
    elif damage == "other_note":
        part.write_bytes(b"\xff" * MIDDLE)
        note.write_text(json.dumps(content | {"identity": "https://elsewhere/x.dat?"}))
    elif damage == "no_note":
        part.write_bytes(b"\xff" * MIDDLE)
        note.unlink()
    elif damage == "broken_note":
        part.write_bytes(b"\xff" * MIDDLE)
        note.write_text('{"identity": [')
    elif damage == "not_synced" and not digest:
        part.write_bytes(DATA[: MIDDLE // 2] + b"\0" * (MIDDLE // 2))
        note.write_text(json.dumps(content | {"synced": MIDDLE // 2}))
    assert get(dest, address(server), sha256=digest).read_bytes() == DATA


def test_a_whole_part_needs_no_request(server: FakePennsieve, tmp_path: Path) -> None:
    """Killed between the last byte and the rename."""
    dest = tmp_path / "x.dat"
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    server.fail("/s3/", status=404)
    with pytest.raises(NotFound):
        get(dest, address(server))
    (tmp_path / "x.dat.part").write_bytes(DATA)
    before = server.count("/s3/")
    assert get(dest, address(server)).read_bytes() == DATA
    assert server.count("/s3/") == before


def test_a_file_that_changes_is_never_glued(server: FakePennsieve, tmp_path: Path) -> None:
    """No checksum, the same size, and another content after the break."""
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    other = DATA[::-1]

    def swap(_: float) -> None:
        server.add_dataset(7, {"primary/x.dat": other}, name="Seven")

    assert get(tmp_path / "x", address(server), sha256=None, sleep=swap).read_bytes() == other


@pytest.mark.parametrize("mode", ["wrong_range", "spliced", "changed_etag", "ignore_range", "short_length"])
def test_parts_are_not_glued_wrongly_even_without_a_checksum(
    server: FakePennsieve, tmp_path: Path, mode: str
) -> None:
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    injected = server.fail("/s3/", mode=mode, after=MIDDLE)
    assert get(tmp_path / "x", address(server), sha256=None).read_bytes() == DATA
    assert injected.hits == 1


def test_the_next_way_is_taken(server: FakePennsieve, tmp_path: Path) -> None:
    dest = get(tmp_path / "x", address(server, "missing"), "http://127.0.0.1:9/x", address(server))
    assert dest.read_bytes() == DATA


def test_no_way_left(server: FakePennsieve, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        get(tmp_path / "x", address(server, "missing"))
    with pytest.raises(NotFound):
        get(tmp_path / "x")
    with pytest.raises(Unreachable, match="404"):
        get(tmp_path / "x", address(server, "missing"), "http://127.0.0.1:9/x")


def test_expired_urls_are_asked_for_again(server: FakePennsieve, tmp_path: Path) -> None:
    stale = signed(server)
    server.expire_urls()
    answers = iter([stale, signed(server)])
    assert get(tmp_path / "x", lambda: next(answers)).read_bytes() == DATA
    with pytest.raises(RemoteError, match="403"):
        get(tmp_path / "y", stale)
    with pytest.raises(RemoteError, match="403"):
        get(tmp_path / "y", lambda: stale)


@pytest.mark.parametrize("digest", [DIGEST.upper(), base64.b64encode(bytes.fromhex(DIGEST)).decode()])
def test_forms_of_a_digest(server: FakePennsieve, tmp_path: Path, digest: str) -> None:
    assert get(tmp_path / "x", address(server), sha256=digest).read_bytes() == DATA
    server.fail("/s3/", times=9, mode="wrong_bytes", after=5)
    with pytest.raises(Corrupted, match="checksum"):
        get(tmp_path / "y", address(server), sha256=digest)


def test_a_digest_of_parts_proves_nothing(server: FakePennsieve, tmp_path: Path) -> None:
    composite = base64.b64encode(hashlib.sha256(b"parts").digest()).decode() + "-3"
    assert get(tmp_path / "x", address(server), sha256=composite).read_bytes() == DATA


def test_waiting_follows_the_server(server: FakePennsieve, tmp_path: Path) -> None:
    waits: list[float] = []
    server.fail("/s3/", status=429, retry_after="3")
    get(tmp_path / "x", address(server), sleep=waits.append)
    assert sum(waits) == pytest.approx(3.0)
    server.fail("/s3/", status=429, retry_after="7200")
    with pytest.raises(RateLimited) as caught:
        get(tmp_path / "y", address(server), sleep=waits.append)
    assert caught.value.retry_after == 7200
    assert sum(waits) == pytest.approx(3.0)


def test_stopped_while_waiting(server: FakePennsieve, tmp_path: Path) -> None:
    stop = threading.Event()
    server.fail("/s3/", status=503, times=9)
    with pytest.raises(Cancelled):
        get(tmp_path / "x", address(server), sleep=lambda _: stop.set(), cancel=stop)


def test_redirects(server: FakePennsieve, tmp_path: Path) -> None:
    server.fail("x.dat", mode="redirect", location=f"{address(server)}?hop=1", times=3)
    assert get(tmp_path / "x", address(server)).read_bytes() == DATA
    server.fail("x.dat", mode="redirect", location=f"{address(server)}?hop=1", times=4)
    with pytest.raises(RemoteError, match="redirects"):
        get(tmp_path / "y", address(server))
    server.fail("x.dat", mode="redirect", location="http://sparc.science/x")
    with pytest.raises(RemoteError, match="https"):
        get(tmp_path / "y", address(server))


class _Redirecting:
    """A session whose every answer is a redirect; a test has no https server of its own."""

    def __init__(self, location: str) -> None:
        self.status_code, self.headers = 302, {"Location": location}
        self.asked: list[str] = []

    def request(self, method: str, url: str, **options: Any) -> _Redirecting:
        self.asked.append(url)
        return self

    def close(self) -> None: ...


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "https://localhost/x"])
def test_a_redirect_never_leads_to_this_machine(tmp_path: Path, location: str) -> None:
    session = _Redirecting(location)
    with pytest.raises(RemoteError, match="redirect leads elsewhere"):
        get(tmp_path / "x", "https://sparc.science/x", session=session)
    assert session.asked == ["https://sparc.science/x"]


@pytest.mark.parametrize(
    "url",
    ["http://sparc.science/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://user:word@sparc.science/x",
     "/etc/passwd", "", "http://127.0.0.1.sparc.science/x", "https://", "http://[::1", "http://0.0.0.0/x"],
)  # fmt: skip
def test_addresses_that_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RemoteError):
        get(tmp_path / "x", url)
    assert not (tmp_path / "x").exists()


class _Failing:
    """A file that can take `room` more bytes."""

    def __init__(self, file: Any, room: int, number: int) -> None:
        self._file, self._room, self._number = file, room, number

    def write(self, view: memoryview) -> int:
        if self._room <= 0:
            raise OSError(self._number, os.strerror(self._number))
        count = self._file.write(view[: self._room])
        self._room -= count
        return int(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EIO, WriteError)])
@pytest.mark.parametrize("room", [0, 1000, SIZE - 1])
def test_a_disk_that_fails(
    server: FakePennsieve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type, room: int
) -> None:
    """What was written stays, and the download goes on from there once there is room."""
    from sparc_fuse_core.catalogue import part

    dest, real = tmp_path / "x.dat", part._Writer
    limited = lambda owner, file, at: real(owner, _Failing(file, room, number), at)  # noqa: E731
    monkeypatch.setattr(part, "_Writer", limited)
    with pytest.raises(kind):
        get(dest, address(server))
    assert not dest.exists()
    monkeypatch.setattr(part, "_Writer", real)
    before = server.sent("/s3/")
    assert get(dest, address(server)).read_bytes() == DATA
    assert server.sent("/s3/") - before <= SIZE - room


def test_too_little_disk(server: FakePennsieve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    with pytest.raises(DiskFull, match="free on the disk"):
        get(tmp_path / "x.dat", address(server))
    assert not (tmp_path / "x.dat.part").exists()


def test_a_place_that_cannot_be_written(server: FakePennsieve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError):
        get(tmp_path / "file" / "x.dat", address(server))
    (tmp_path / "folder").mkdir()
    with pytest.raises(WriteError):
        get(tmp_path / "folder", address(server))


def test_the_longest_name(server: FakePennsieve, tmp_path: Path) -> None:
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    dest = get(tmp_path / ("n" * 255), address(server))
    assert dest.read_bytes() == DATA
    assert not leftovers(dest)


def _race(url: str, dest: str) -> None:
    download.fetch([url], Path(dest), size=SIZE, sha256=DIGEST)


def test_two_processes_never_mix(server: FakePennsieve, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    dest = tmp_path / "x.dat"
    workers = [context.Process(target=_race, args=(address(server), str(dest))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert dest.read_bytes() == DATA
    assert server.count("/s3/") == 1
    assert not leftovers(dest)


def test_a_posted_way_leaves_the_resumable_part(server: FakePennsieve, tmp_path: Path) -> None:
    """The archive service says no with status 200; bytes that came another way must survive that."""
    dest = tmp_path / "x.dat"
    server.fail("/s3/", mode="short_body", after=MIDDLE)
    server.fail("/s3/", status=503, times=9)
    form = {"data": json.dumps({"paths": ["files/no/such"], "datasetId": 7, "version": 1})}
    with pytest.raises(Unreachable, match=r"archive service refused.*no data to download"):
        get(dest, address(server), download.Address(f"{server.host}/zipit/discover", form=form))
    form = {"data": json.dumps({"paths": ["files/primary/x.dat"], "datasetId": 7, "version": 1})}
    server.fail("zipit", mode="short_body", after=1000, times=9)
    with pytest.raises(Unreachable):
        get(dest, download.Address(f"{server.host}/zipit/discover", form=form))
    server.faults.clear()
    assert (tmp_path / "x.dat.part").stat().st_size == MIDDLE
    form = {"data": json.dumps({"paths": ["files/primary/x.dat"], "datasetId": 7, "version": 1})}
    assert get(dest, download.Address(f"{server.host}/zipit/discover", form=form)).read_bytes() == DATA
    assert not leftovers(dest)


def test_part_without_validator_is_not_built_upon(tmp_path: Path) -> None:
    part = Part(tmp_path / "x")
    part.keep("id", {"ETag": 'W/"weak"'}, 10, 0)
    with part.open(0) as out:
        out.write(b"12345")
    assert Part(tmp_path / "x").begin("id", proof=False) == 0
    assert Part(tmp_path / "x").begin("id", proof=True) == 5
