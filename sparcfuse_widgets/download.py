"""Download of one result: a file as it is, a Zarr folder as a zip made on the way, neither held in memory."""

from __future__ import annotations

import asyncio
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tornado.web
from jupyter_server.base.handlers import JupyterHandler
from tornado.iostream import StreamClosedError

from sparc_fuse_core.errors import FuseError

__all__ = ["ResultHandler", "result_path", "zip_parts"]

_PART = 1 << 20


class ResultHandler(JupyterHandler):  # type: ignore[misc]
    """``GET /fuse/result/<job id>/<number of the record>``, behind the token of the page."""

    def get_login_url(self) -> str:
        """A download is never sent to the login form."""
        raise tornado.web.HTTPError(403)

    @tornado.web.authenticated
    async def get(self, job_id: str, number: str) -> None:
        """Send the result."""
        place = result_path(job_id, int(number))
        if place is None:
            raise tornado.web.HTTPError(404)
        name = place.name + (".zip" if place.is_dir() else "")
        self.set_header(
            "Content-Type", "application/zip" if name.endswith(".zip") else "application/octet-stream"
        )
        self.set_header("Cache-Control", "no-store")
        self.set_attachment_header(name)
        if place.is_file():
            self.set_header("Content-Length", str(place.stat().st_size))
        parts = zip_parts(place) if place.is_dir() else _file_parts(place)
        loop = asyncio.get_running_loop()
        try:
            while (part := await loop.run_in_executor(None, next, parts, None)) is not None:
                self.write(part)
                await self.flush()  # waits until the browser has taken it
        except StreamClosedError:
            return

    def write_error(self, status_code: int, **_: Any) -> None:
        """One line of plain text."""
        said = {403: "Open the dashboard first.", 404: "This result is no longer there."}
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(said.get(status_code, "The download failed."))


def result_path(job_id: str, number: int) -> Path | None:
    """Where a result lies; None unless the job wrote it below its own output folder and it is still there."""
    from sparc_fuse_core.jobs import Queue

    try:
        job = Queue().get(job_id)
    except FuseError:
        return None
    records = job.report()
    if not 0 <= number < len(records) or not records[number].get("std_path"):
        return None
    place = Path(records[number]["std_path"]).resolve()
    allowed = Path(job.request.get("output_dir", "")).resolve()
    return place if place.exists() and place != allowed and place.is_relative_to(allowed) else None


def _file_parts(place: Path) -> Iterator[bytes]:
    with place.open("rb") as held:
        while part := held.read(_PART):
            yield part


class _Pipe:
    """A file that `zipfile` writes to and that is emptied after each part; it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_parts(folder: Path) -> Iterator[bytes]:
    """A folder as the bytes of a zip, not compressed: Zarr is already. Links are left out."""
    pipe: Any = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in _files(folder):
            known = path.stat()
            # A zip cannot say dates before 1980.
            when = time.localtime(max(known.st_mtime, 315619200))[:6]
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", when)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with (
                path.open("rb") as held,
                archive.open(entry, "w", force_zip64=known.st_size >= 1 << 31) as out,
            ):
                while part := held.read(_PART):
                    out.write(part)
                    if data := pipe.take():
                        yield data
            if data := pipe.take():
                yield data
    yield pipe.take()


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path
