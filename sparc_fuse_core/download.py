"""Fetch one remote file: resumable, verified, and never half there under its final name.

`<dest>.part` grows beside the destination and `<dest>.part.json` says what it is a part of; a rename ends the
work. A break costs only the bytes that are missing, unless the server cannot prove that the file is still
the same.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sparc_fuse_core.catalogue.part import writing
from sparc_fuse_core.catalogue.places import beside, cache_folder, safe_path
from sparc_fuse_core.catalogue.transfer import Address, Candidate, Transfer
from sparc_fuse_core.catalogue.web import new_session
from sparc_fuse_core.errors import Busy, Corrupted, NotFound, RateLimited, RemoteError, Unreachable

if TYPE_CHECKING:
    import requests

    from sparc_fuse_core.catalogue import Cancel, Progress

__all__ = ["Address", "Candidate", "cache_folder", "fetch", "safe_path", "sha256_hex"]


def sha256_hex(text: str | None) -> str | None:
    """A SHA-256 in hexadecimal from hexadecimal or base64; None when `text` is no digest of the whole file.

    S3 gives `<base64>-<parts>` for an upload in parts: a digest of digests, which proves nothing by itself.
    """
    if not text:
        return None
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None


def fetch(
    url_candidates: Iterable[Candidate],
    dest: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    session: requests.Session | None = None,
    sleep: Callable[[float], None] = time.sleep,
    timeout: tuple[float, float] = (10.0, 20.0),
) -> Path:
    """Bring one file to `dest` by the first candidate that works, and return `dest`.

    A candidate is a URL, an Address, or a callable that gives one and is asked again when it has expired.
    `size` in bytes is always checked; `sha256` (hex or base64) too when it is the digest of the whole file.
    `timeout` is (connect, silence) in seconds. A file that is at `dest` already and is right is kept.

    Raises RemoteError (NotFound, RateLimited, Corrupted, Unreachable), DiskFull, WriteError, Busy, Cancelled;
    after these the `.part` stays, and the next call goes on from there.
    """
    with writing(dest):
        dest.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        web = session or stack.enter_context(new_session())
        job = Transfer(dest, size, sha256_hex(sha256), progress, cancel, web, sleep, timeout)
        stack.enter_context(_locked(dest, job))
        if job.is_there():
            return dest
        failures: list[RemoteError] = []
        for candidate in url_candidates:
            try:
                job.run(candidate)
                return dest
            except RemoteError as error:
                failures.append(error)
        raise _verdict(dest, failures)


@contextmanager
def _locked(dest: Path, job: Transfer) -> Iterator[None]:
    """Hold the lock of `dest`; a second process waits, and then finds the file there."""
    import filelock

    place = beside(dest, ".lock", hidden=True)
    lock = filelock.FileLock(place)
    last = time.monotonic() + 3600
    while True:
        job.check_cancel()
        with writing(dest):
            try:
                lock.acquire(timeout=0.2, poll_interval=0.05)
                break
            except filelock.Timeout:
                _give_up(dest, last)
    try:
        yield
        with suppress(OSError):
            # Only once the file is there: whoever waits on the removed lock finds the work done.
            place.unlink()
    finally:
        lock.release()


def _give_up(dest: Path, last: float) -> None:
    if time.monotonic() > last:
        raise Busy(
            f"{dest.name}: free to write was expected, another process has held it for an hour",
            hint="Close the other SPARC FUSE process, then try again.",
            source=str(dest),
        )


def _verdict(dest: Path, failures: list[RemoteError]) -> RemoteError:
    """One error for all failed ways: the one that is worth trying again comes before the final ones."""
    if not failures:
        return NotFound(f"{dest.name}: an address was expected, none is known", source=str(dest))
    ranks = (Corrupted, RateLimited, Unreachable, NotFound, RemoteError)
    worst = min(
        failures, key=lambda error: next(i for i, kind in enumerate(ranks) if isinstance(error, kind))
    )
    reasons = "; ".join(dict.fromkeys(str(error) for error in failures))
    hint = worst.hint or next((error.hint for error in failures if error.hint), "")
    if isinstance(worst, RateLimited):
        return RateLimited(reasons, hint=hint, source=str(dest), retry_after=worst.retry_after)
    return type(worst)(reasons, hint=hint, source=str(dest))
