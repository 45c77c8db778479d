"""One way to one file: request, judge the answer, receive, verify, and try again while that may help."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sparc_fuse_core.catalogue.part import Part, writing
from sparc_fuse_core.catalogue.web import LONGEST_WAIT, backoff, check_address, is_loopback, retry_after
from sparc_fuse_core.errors import (
    Cancelled,
    Corrupted,
    DiskFull,
    NotFound,
    RateLimited,
    RemoteError,
    Unreachable,
)

if TYPE_CHECKING:
    import requests

    from sparc_fuse_core.catalogue import Cancel, Progress

__all__ = ["Address", "Candidate", "Transfer"]

PATIENCE = 4
"""Breaks in a row, without 1 MiB of progress between them, after which a way to the file is given up."""
FRESH_STARTS = 3
"""How often one way to the file may turn out wrong (other bytes, other length) before it is given up."""
CHUNK = 2**18
PROGRESS = 2**20
SPARE_DISK = 2**24


@dataclass(frozen=True, slots=True)
class Address:
    """One way to a file. With `form` it is POSTed, and then cannot be resumed in the middle."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    form: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def identity(self) -> str:
        """The address without its signature, which changes each time while the object stays the same."""
        parts = urlsplit(self.url)
        kept = [item for item in parts.query.split("&") if item.startswith("versionId=")]
        return f"{parts.scheme}://{parts.netloc}{parts.path}?{'&'.join(kept)}"


Candidate = str | Address | Callable[[], str | Address]


class _Again(Exception):
    """A failure that another try may heal."""

    def __init__(self, error: RemoteError, *, fresh: bool = False, renew: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.fresh, self.renew = error, fresh, renew


@dataclass(slots=True)
class Transfer:
    dest: Path
    size: int | None
    sha256: str | None
    progress: Progress | None
    cancel: Cancel | None
    session: requests.Session
    sleep: Callable[[float], None]
    timeout: tuple[float, float]
    part: Part = field(init=False)
    done: int = 0
    shown: float = 0.0

    def __post_init__(self) -> None:
        self.part = Part(self.dest)

    def check_cancel(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled(f"{self.dest.name}: the download was stopped", source=str(self.dest))

    def is_there(self) -> bool:
        if not self.dest.is_file():
            return False
        found = self.dest.stat().st_size
        if self.size not in (None, found) or not self._proves(self.dest):
            return False
        self.done = found
        self._tell(found, last=True)
        return True

    def run(self, candidate: Candidate) -> None:
        """Fetch by one way, with patience; RemoteError when it leads nowhere."""
        address = _resolve(candidate)
        # A POST begins anew each time: it must not cost the bytes of a way that can be resumed.
        self.part = Part(self.dest, ".post.part" if address.form else ".part")
        breaks = fresh = renewals = best = 0
        while True:
            self.check_cancel()
            try:
                self._finish(self._once(address))
                return
            except _Again as again:
                if again.renew:
                    renewals += 1
                    if not callable(candidate) or renewals > 2:
                        raise again.error from None
                    address = _resolve(candidate)
                    continue
                # From the farthest point ever reached, or a server that always breaks would never end.
                breaks = 1 if self.done - best >= PROGRESS else breaks + 1
                best, fresh = max(best, self.done), fresh + again.fresh
                if breaks >= PATIENCE or fresh >= FRESH_STARTS:
                    self._drop_post(address)
                    raise again.error from None
                self._wait(breaks, again.error)

    def _drop_post(self, address: Address) -> None:
        if address.form:
            self.part.discard()

    def _wait(self, breaks: int, error: RemoteError) -> None:
        asked = error.retry_after if isinstance(error, RateLimited) else None
        if asked is not None and asked > LONGEST_WAIT:
            raise error
        left = backoff(breaks - 1, asked)
        while left > 0:
            self.check_cancel()
            self.sleep(min(left, 0.25))
            left -= 0.25

    def _once(self, address: Address) -> int | None:
        """One request; returns the size that the server promised, if any."""
        resumable = not address.form
        offset = self.part.begin(address.identity, proof=self.sha256 is not None) if resumable else 0
        if offset and offset == (self.part.total if self.part.total is not None else self.size):
            self.done = offset
            return offset
        headers = {"Accept-Encoding": "identity", **address.headers}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self.part.validator:
                headers["If-Range"] = self.part.validator
        with self._open(address, headers) as response:
            start, total = self._judge(response, offset)
            self._make_room(start, total)
            self.part.keep(address.identity if resumable else "", response.headers, total, start)
            self._receive(response, start, total)
        return total

    def _open(self, address: Address, headers: dict[str, str]) -> requests.Response:
        """Send the request and follow up to three redirects, never to a weaker or a local place."""
        import requests

        url = address.url
        method = "POST" if address.form else "GET"
        for _ in range(4):
            try:
                response = self.session.request(
                    method, url, headers=headers, data=address.form or None, stream=True,
                    allow_redirects=False, timeout=self.timeout,
                )  # fmt: skip
            except requests.RequestException as error:
                raise _Again(self._broken(f"no answer ({type(error).__name__})")) from error
            if response.status_code not in (301, 302, 303, 307, 308) or "Location" not in response.headers:
                return response
            response.close()
            url, origin = check_address(urljoin(url, response.headers["Location"])), url
            weaker = urlsplit(origin).scheme == "https" and urlsplit(url).scheme != "https"
            if method == "POST" or weaker or (_local(url) and not _local(origin)):
                raise RemoteError(
                    f"{self.dest.name}: the file was expected, a redirect leads elsewhere", source=url
                )
            if urlsplit(origin).netloc != urlsplit(url).netloc:
                headers = {key: value for key, value in headers.items() if key not in address.headers}
        raise RemoteError(f"{self.dest.name}: at most 3 redirects were expected, there are more", source=url)

    def _judge(self, response: requests.Response, offset: int) -> tuple[int, int | None]:
        """(first byte, size of the whole) of a good answer; every other answer raises."""
        self._refuse(response)
        if response.status_code == 200:
            start, total = 0, _number(response.headers.get("Content-Length"))
        else:
            start, total = self._judge_range(response, offset)
        if self.size is not None and total is not None and total != self.size:
            raise _Again(
                self._corrupted(f"{self.size} bytes were expected, the server has {total}"), fresh=True
            )
        return start, total

    def _judge_range(self, response: requests.Response, offset: int) -> tuple[int, int]:
        text = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", text.strip())
        start, end, total = (int(group) for group in match.groups()) if match else (-1, -1, -1)
        if not match or start != offset or end != total - 1:
            self.part.discard()
            raise _Again(
                self._corrupted(f"bytes from {offset} were asked for, the answer is {text!r}"), fresh=True
            )
        if self.part.changed(response.headers, total):
            self.part.discard()
            raise _Again(self._corrupted("the file changed at the server meanwhile"), fresh=True)
        return start, total

    def _refuse(self, response: requests.Response) -> None:
        status, name = response.status_code, self.dest.name
        if status in (200, 206):
            if "!ERROR.txt" in response.headers.get("Content-Disposition", ""):
                # The archive service answers 200 to everything, and says no by the name of the attachment.
                raise RemoteError(
                    f"{name}: the archive service refused ({_first_line(response)})", source=name
                )
            return
        if status == 416:
            self.part.discard()
            raise _Again(
                self._corrupted("more bytes were expected, the server's file is shorter"), fresh=True
            )
        if status == 429:
            wait = retry_after(response.headers)
            hint = "Wait a minute, then try again."
            raise _Again(
                RateLimited(f"{name}: the server asks us to slow down (429)", hint=hint, retry_after=wait)
            )
        if status == 408 or status >= 500:
            raise _Again(self._broken(f"the server failed ({status})"))
        if status in (401, 403):
            raise _Again(
                RemoteError(f"{name}: access was refused ({status})", source=str(self.dest)), renew=True
            )
        if status in (404, 410):
            raise NotFound(
                f"{name}: not at the server ({status})", hint="List the files of the dataset again."
            )
        raise RemoteError(
            f"{name}: the file was expected, the server answered {status}", source=str(self.dest)
        )

    def _make_room(self, start: int, total: int | None) -> None:
        expected = self.size if self.size is not None else total
        if expected is None:
            return
        with writing(self.dest):
            free = shutil.disk_usage(self.dest.parent).free
        if free < expected - start + SPARE_DISK:
            raise DiskFull(
                f"{self.dest.name}: {expected - start} bytes are still to come, {free} are free on the disk",
                hint="Free some space, or set SPARC_FUSE_CACHE to a larger disk; the download then goes on.",
                source=str(self.dest),
            )

    def _receive(self, response: requests.Response, start: int, total: int | None) -> None:
        expected = self.size if self.size is not None else total
        self.done = start
        with self.part.open(start) as part:
            for chunk in self._chunks(response):
                if expected is not None and self.done + len(chunk) > expected:
                    self.part.discard()
                    raise _Again(self._corrupted(f"{expected} bytes were expected, more came"), fresh=True)
                part.write(chunk)
                self.done += len(chunk)
                self._tell(expected)
                self.check_cancel()
        if expected is not None and self.done < expected:
            raise _Again(
                self._broken(f"{expected} bytes were expected, the connection ended after {self.done}")
            )

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The bytes as they come; a break or a trickle of less than 1 KiB in two timeouts raises _Again."""
        from urllib3.exceptions import HTTPError

        window, got = time.monotonic(), 0
        while True:
            try:
                # read1 gives what is there; read would wait for a whole chunk, and cancel with it.
                chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
            except (HTTPError, OSError) as error:
                raise _Again(self._broken(f"the connection broke after {self.done} bytes")) from error
            if not chunk:
                return
            yield chunk
            got += len(chunk)
            if time.monotonic() - window > 2 * self.timeout[1]:
                if got < 1024:
                    raise _Again(self._broken(f"the connection stalled after {self.done} bytes"))
                window, got = time.monotonic(), 0

    def _finish(self, total: int | None) -> None:
        expected = self.size if self.size is not None else total
        with writing(self.dest):
            found = self.part.path.stat().st_size
        if expected is not None and found != expected:
            self.part.discard()
            raise _Again(self._corrupted(f"{expected} bytes were expected, {found} are there"), fresh=True)
        if not self._proves(self.part.path):
            self.part.discard()
            raise _Again(
                self._corrupted("the checksum of the catalogue was expected, another came"), fresh=True
            )
        self.part.publish()
        Part(self.dest).discard()
        self._tell(found, last=True)

    def _proves(self, path: Path) -> bool:
        """Whether the bytes at `path` have the promised digest; True when none was promised."""
        if self.sha256 is None:
            return True
        digest = hashlib.sha256()
        with writing(self.dest), path.open("rb") as file:
            while block := file.read(2**22):
                digest.update(block)
                self.check_cancel()
        return digest.hexdigest() == self.sha256

    def _tell(self, total: int | None, *, last: bool = False) -> None:
        now = time.monotonic()
        if self.progress is not None and (last or now - self.shown > 0.05):
            self.shown = now
            self.progress(self.done, total)

    def _broken(self, what: str) -> Unreachable:
        hint = "Check the internet connection, then try again: the download goes on where it stopped."
        return Unreachable(f"{self.dest.name}: {what}", hint=hint, source=str(self.dest))

    def _corrupted(self, what: str) -> Corrupted:
        hint = "Try again; if it stays so, list the files of the dataset again."
        return Corrupted(f"{self.dest.name}: {what}", hint=hint, source=str(self.dest))


def _resolve(candidate: Candidate) -> Address:
    given = candidate() if callable(candidate) else candidate
    address = given if isinstance(given, Address) else Address(given)
    check_address(address.url)
    return address


def _first_line(response: requests.Response) -> str:
    import requests

    try:
        body: bytes = next(response.iter_content(500), b"")
    except requests.RequestException:
        return "no reason given"
    return " ".join(body.decode("utf-8", "replace").split())


def _local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,18}", text.strip()) else None
