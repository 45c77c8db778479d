"""The unfinished file of a download, and the note that says what it is a part of."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sparc_fuse_core.catalogue.places import beside
from sparc_fuse_core.errors import DiskFull, FuseError, WriteError

__all__ = ["Part", "writing"]

SYNC = 2**26
"""Bytes after which the part is forced to disk: the most that a power cut costs."""

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def writing(dest: Path) -> Iterator[None]:
    """Turn what the file system says while `dest` is written into DiskFull or WriteError."""
    try:
        yield
    except FuseError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"{dest.name}: room to write was expected, the disk is full",
                hint="Free some space, or set SPARC_FUSE_CACHE to a larger disk; the download then goes on.",
                source=str(dest),
            ) from error
        raise WriteError(
            f"{dest.name}: a place to write was expected, {dest.parent} does not allow it ({error.strerror})",
            hint="Choose another folder, or check who may write there.",
            source=str(dest),
        ) from error


class Part:
    """`<dest>.part` and `<dest>.part.json`.

    The note holds the identity of the address, the validators that the server gave (ETag, Last-Modified), the
    size of the whole, and how many bytes are known to be on the disk: a power cut may zero later ones.
    """

    def __init__(self, dest: Path, suffix: str = ".part") -> None:
        self.dest = dest
        self.path = beside(dest, suffix)
        self._note_path = beside(dest, f"{suffix}.json")
        self._note: dict[str, Any] = {}

    @property
    def total(self) -> int | None:
        """Size of the whole, when the server has said it."""
        total = self._note.get("total")
        return total if isinstance(total, int) and total >= 0 else None

    @property
    def validator(self) -> str | None:
        """What If-Range may carry: a strong ETag, else the date (RFC 9110 section 13.1.5)."""
        etag, date = self._note.get("etag"), self._note.get("last_modified")
        if isinstance(etag, str) and etag.startswith('"'):
            return etag
        return date if isinstance(date, str) else None

    def begin(self, identity: str, *, proof: bool) -> int:
        """Bytes of an earlier try that can be built upon; 0 when they may belong to something else.

        `proof` says that a checksum will judge the whole, so that bytes need not be known to be synced.
        """
        self._note = self._read()
        if self._note.get("identity") != identity or not (self.validator or proof):
            return 0
        try:
            length = self.path.stat().st_size
        except OSError:
            return 0
        synced = self._note.get("synced")
        trusted = length if proof else min(length, synced if isinstance(synced, int) else 0)
        return 0 if self.total is not None and length > self.total else max(0, trusted)

    def keep(self, identity: str, headers: Mapping[str, str], total: int | None, start: int) -> None:
        """Note what the answer of the server, whose body begins at byte `start`, is a part of."""
        self._note = {
            "identity": identity,
            "etag": headers.get("ETag"),
            "last_modified": headers.get("Last-Modified"),
            "total": total,
            "synced": start,
        }
        self._write_note()

    def changed(self, headers: Mapping[str, str], total: int) -> bool:
        """Whether an answer is about other bytes than those of the part."""
        before, now = self._note.get("etag"), headers.get("ETag")
        return bool(before and now and before != now) or (self.total is not None and self.total != total)

    @contextmanager
    def open(self, start: int) -> Iterator[_Writer]:
        """The part, cut to its first `start` bytes, to write behind them; on the disk when the block ends."""
        with writing(self.dest):
            file = open(self.path, "r+b" if start else "wb", buffering=0)  # noqa: SIM115
        writer = _Writer(self, file, start)
        try:
            with writing(self.dest):
                file.truncate(start)
                file.seek(start)
            yield writer
            writer.sync()
        except BaseException:
            # Bytes that came before a break count; a second failure here must not hide the first.
            with suppress(WriteError):
                writer.sync()
            raise
        finally:
            file.close()

    def note_synced(self, count: int) -> None:
        if self._note:
            self._note["synced"] = count
            self._write_note()

    def discard(self) -> None:
        """Forget everything."""
        self._note = {}
        for path in (self.path, self._note_path):
            with suppress(OSError):
                path.unlink()

    def publish(self) -> None:
        """Make the part the destination, in one step."""
        with writing(self.dest):
            with open(self.path, "r+b") as file:
                os.fsync(file.fileno())
            os.replace(self.path, self.dest)
        self.discard()

    def _read(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note_path.read_bytes()[: 2**16])
        except (OSError, ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) else {}

    def _write_note(self) -> None:
        with writing(self.dest):
            self._note_path.write_text(json.dumps(self._note), encoding="utf-8")


class _Writer:
    def __init__(self, part: Part, file: BinaryIO | Any, start: int) -> None:
        self._part, self._file = part, file
        self._done = self._synced = start

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        with writing(self._part.dest):
            while view:
                count = self._file.write(view)
                view = view[count:]
                self._done += count
        if self._done - self._synced >= SYNC:
            self.sync()

    def sync(self) -> None:
        with writing(self._part.dest):
            os.fsync(self._file.fileno())
        self._synced = self._done
        self._part.note_synced(self._done)
