"""What all tests share: the corpus of real files, a home of their own, and no way out to the network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("SPARC_FUSE_CORPUS") or PROJECT.parent / "shared" / "corpus")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: long files, to prove that memory stays bounded")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files; they keep their own licences and are no part of this project."""
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}: set SPARC_FUSE_CORPUS")
    return CORPUS


@pytest.fixture
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a cache and a jobs folder that belong to one test alone."""
    home = tmp_path / "home"
    places = {"HOME": home, "SPARC_FUSE_CACHE": tmp_path / "cache", "SPARC_FUSE_JOBS": tmp_path / "jobs"}
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        places[name] = home / name.lower()
    for name, place in places.items():
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(place))
    return home


class OutsideWorld(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    return name in ("localhost", "::1", "0.0.0.0") or name.startswith("127.")


@pytest.fixture(scope="session", autouse=True)
def no_outside_world() -> Iterator[None]:
    """Connections and name look-ups reach this machine only."""
    patch = pytest.MonkeyPatch()

    def guarded(call: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
                raise OutsideWorld(f"a test connects to {address!r}")
            return call(self, address)

        return connect

    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **named: Any) -> Any:
        if not _is_local(host):
            raise OutsideWorld(f"a test looks up {host!r}")
        return look_up(host, *args, **named)

    patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    patch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    patch.undo()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that small arrays have many chunks, shards and passes."""
    from sparc_fuse_core.writers import layout, plan, pyramid

    for module, name, value in (
        (layout, "TILE", 32),
        (layout, "SLAB_BYTES", 16 << 10),
        (layout, "CHUNK_BYTES", 2 << 10),
        (layout, "SHARD_BYTES", 48 << 10),
        (pyramid, "SMALLEST", 40),
        (plan, "SMALLEST", 40),
    ):
        monkeypatch.setattr(module, name, value)
