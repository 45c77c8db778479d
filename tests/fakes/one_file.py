"""One published file, and a download of it that does not wait."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fakes.pennsieve import FakePennsieve
from fakes.pennsieve_store import OPEN_BUCKET

from sparc_fuse_core import download

DATA = bytes(range(256)) * 16_384  # 4 MiB
DIGEST = hashlib.sha256(DATA).hexdigest()
SIZE = len(DATA)
MIDDLE = SIZE // 2 + 77


def publish(fake: FakePennsieve) -> None:
    fake.add_dataset(7, {"primary/x.dat": DATA, "primary/empty.dat": b""}, name="Seven")


def address(server: FakePennsieve, name: str = "x.dat") -> str:
    return f"{server.s3_base}/{OPEN_BUCKET}/7/files/primary/{name}"


def signed(server: FakePennsieve) -> str:
    version = server.published[7][-1]
    return server.sign(version, version.objects["files/primary/x.dat"])


def get(dest: Path, *candidates: download.Candidate, **options: Any) -> Path:
    settings = {"size": SIZE, "sha256": DIGEST, "sleep": lambda _: None, "timeout": (2.0, 0.4)} | options
    return download.fetch(candidates, dest, **settings)


def leftovers(dest: Path) -> set[str]:
    return {path.name for path in dest.parent.iterdir()} - {dest.name}
