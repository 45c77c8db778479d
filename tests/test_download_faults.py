"""Twelve faults at three points: the right file or a RemoteError, whatever the server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.one_file import DATA, MIDDLE, SIZE, address, get, leftovers, publish, signed
from fakes.pennsieve import FakePennsieve

from sparc_fuse_core.errors import (
    Corrupted,
    RateLimited,
    RemoteError,
    Unreachable,
)


@pytest.fixture
def server() -> Iterator[FakePennsieve]:
    with FakePennsieve() as fake:
        publish(fake)
        yield fake


HEALED = {  # one fault, and the file still comes from the same server
    "500": {"status": 500},
    "503": {"status": 503},
    "429": {"status": 429, "retry_after": "3"},
    "expired": {"mode": "expired"},
    "short_body": {"mode": "short_body"},
    "short_length": {"mode": "short_length"},
    "wrong_bytes": {"mode": "wrong_bytes"},
    "stall": {"mode": "stall"},
    "reset": {"mode": "reset"},
    "changed_etag": {"mode": "changed_etag"},
    "ignore_range": {"mode": "ignore_range"},
    "wrong_range": {"mode": "wrong_range"},
}
POINTS = {"start": 0, "middle": MIDDLE, "end": SIZE - 1}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("fault", HEALED)
def test_one_fault(server: FakePennsieve, tmp_path: Path, fault: str, point: str) -> None:
    """The request that goes wrong is the first, or the one that resumes in the middle or at the last byte."""
    at = POINTS[point]
    if at:
        server.fail("/s3/", mode="short_body", after=at)
    injected = server.fail("/s3/", after=at, **HEALED[fault])
    dest = get(tmp_path / "x.dat", lambda: signed(server))
    assert injected.hits == 1
    assert dest.read_bytes() == DATA
    assert not leftovers(dest)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("fault", HEALED)
def test_a_fault_that_stays(server: FakePennsieve, tmp_path: Path, fault: str, point: str) -> None:
    """A server that never behaves: the right file or a RemoteError, in a bounded number of requests."""
    if POINTS[point]:
        server.fail("/s3/", mode="short_body", after=POINTS[point])
    server.fail("/s3/", times=10**6, after=POINTS[point], **HEALED[fault])
    dest = tmp_path / "x.dat"
    try:
        get(dest, lambda: signed(server), timeout=(2.0, 0.15))
    except RemoteError as error:
        assert not dest.exists()
        assert "x.dat" in str(error)
    else:
        assert dest.read_bytes() == DATA
    assert server.count("/s3/") <= 12


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("503", Unreachable), ("429", RateLimited), ("short_length", Corrupted), ("wrong_bytes", Corrupted),
     ("stall", Unreachable), ("expired", RemoteError)],
)  # fmt: skip
def test_the_error_names_the_fault(
    server: FakePennsieve, tmp_path: Path, fault: str, kind: type[RemoteError]
) -> None:
    server.fail("/s3/", times=10**6, **HEALED[fault])
    with pytest.raises(kind) as caught:
        get(tmp_path / "x.dat", address(server), timeout=(2.0, 0.15))
    assert type(caught.value) is kind
