"""Manners on the network: which addresses are allowed, how long to wait, and patient JSON requests."""

from __future__ import annotations

import email.utils
import ipaddress
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sparc_fuse_core.errors import Corrupted, NotFound, RateLimited, RemoteError, Unreachable

if TYPE_CHECKING:
    import requests

__all__ = ["Api", "backoff", "check_address", "new_session", "retry_after"]

LONGEST_WAIT = 120.0
"""Seconds. A server that asks for more patience than this gets an error instead."""

LARGEST_BODY = 512 * 2**20
"""Bytes of one JSON answer. The manifest of a million files is near 300 MB."""


def new_session() -> requests.Session:
    """A session that names us and never follows more than three redirects."""
    import requests

    session = requests.Session()
    session.headers["User-Agent"] = "sparc-fuse (https://sparc.science)"
    session.max_redirects = 3
    return session


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this very machine, by name or by number."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(url: str) -> str:
    """Give `url` back when it is https, or http to this machine; raise RemoteError otherwise."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise RemoteError(
            f"{url!r}: an address was expected, this cannot be read as one", source=url
        ) from None
    if parts.username is not None or parts.password is not None:
        raise RemoteError(f"{parts.hostname}: an address without credentials was expected, it holds some")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise RemoteError(
            f"{url}: an https address was expected; this one could be read or changed on the way",
            hint="Use the https form of the address.",
            source=url,
        )
    return url


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for (a number or a date, RFC 9110 section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = email.utils.parsedate_to_datetime(text)
        return max(0.0, when.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def backoff(attempt: int, asked: float | None = None) -> float:
    """Seconds before the next try: what the server `asked`, or 0.5, 1, 2 … up to 30 with jitter."""
    if asked is not None:
        return asked
    # Without jitter, clients that failed together would come back together.
    return min(30.0, 0.5 * float(2**attempt)) * random.uniform(0.75, 1.25)  # noqa: S311


class Api:
    """JSON requests with timeouts, a size limit, and patience with a busy server.

    429, 5xx and broken connections are tried again `attempts` times in all; every failure comes out as a
    RemoteError: NotFound, RateLimited, Corrupted, Unreachable, or RemoteError itself when access is refused.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = 5,
        timeout: tuple[float, float] = (10.0, 60.0),
    ) -> None:
        self._session = session
        self._sleep = sleep
        self._attempts = attempts
        self._timeout = timeout

    @property
    def session(self) -> requests.Session:
        if self._session is None:
            self._session = new_session()
        return self._session

    def get(
        self, url: str, params: Mapping[str, Any] | None = None, *, what: str, attempts: int | None = None
    ) -> Any:
        """GET `url`; `what` names the thing asked for in error messages."""
        return self._persist("GET", url, what, attempts or self._attempts, params=params)

    def post(self, url: str, body: Mapping[str, Any], *, what: str) -> Any:
        """POST `body` as JSON. Only for requests that change nothing, because they are repeated."""
        return self._persist("POST", url, what, self._attempts, json=body)

    def _persist(self, method: str, url: str, what: str, attempts: int, **options: Any) -> Any:
        for attempt in range(attempts):
            try:
                return self._once(method, url, what, **options)
            except (RateLimited, Unreachable) as error:
                asked = error.retry_after if isinstance(error, RateLimited) else None
                if attempt + 1 == attempts or (asked or 0.0) > LONGEST_WAIT:
                    raise
                self._sleep(backoff(attempt, asked))
        raise Unreachable(f"{what}: at least one attempt was expected, {attempts} were allowed", source=url)

    def _once(self, method: str, url: str, what: str, **options: Any) -> Any:
        import requests

        try:
            with self.session.request(method, url, timeout=self._timeout, stream=True, **options) as response:
                body = _read(response, what)
                _refuse(response, body, what)
        except requests.RequestException as error:
            raise Unreachable(
                f"{what}: no answer came from {urlsplit(url).hostname} ({type(error).__name__})",
                hint="Check the internet connection, then try again.",
                source=url,
            ) from error
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Corrupted(f"{what}: JSON was expected, the answer is not JSON", source=url) from error


def _read(response: requests.Response, what: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(2**18):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Corrupted(
                f"{what}: at most {LARGEST_BODY} bytes were expected, the answer goes on after that"
            )
    return bytes(body)


def _refuse(response: requests.Response, body: bytes, what: str) -> None:
    """Raise the error that a status code means; return when the answer is good."""
    status, url = response.status_code, response.url
    if status in (200, 201, 202):
        return
    said = _said(body)
    if status == 429:
        raise RateLimited(
            f"{what}: the server asks us to slow down (429)",
            hint="Wait a minute, then try again.",
            source=url,
            retry_after=retry_after(response.headers),
        )
    if status >= 500:
        raise Unreachable(
            f"{what}: the server failed ({status}{said})", hint="Try again in a few minutes.", source=url
        )
    if status == 404:
        raise NotFound(
            f"{what}: not in the catalogue (404)", hint="Check the number and version.", source=url
        )
    if status == 410:
        raise NotFound(
            f"{what}: was there once, its owner has unpublished it (410{said})",
            hint="Search for a newer dataset of the same authors.",
            source=url,
        )
    raise RemoteError(f"{what}: the server refused ({status}{said})", hint=_advice(status, body), source=url)


def _said(body: bytes) -> str:
    """What an error body says in words: a JSON string, a tombstone's name, a `message`, or the plain text."""
    text = body[:2000].decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        value = value.get("message") or value.get("name") or ""
    line = " ".join(str(value).split())[:200]
    return f": {line}" if line else ""


def _advice(status: int, body: bytes) -> str:
    if b"embargo" in body.lower():
        return "The dataset is under embargo: ask its owner for access, or wait for its release date."
    if status == 401:
        return "The address may not exist at this server: check SPARC_FUSE_PENNSIEVE_URL."
    if status in (403, 413) and b"large" in body.lower():
        return "Ask for fewer files at a time."
    return ""
