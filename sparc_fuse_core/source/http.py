"""Files behind https://, read by ranges."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from sparc_fuse_core.errors import FuseError, NotFound, Unreachable
from sparc_fuse_core.source import Source
from sparc_fuse_core.source.remote import RemoteSource


class HttpSource(RemoteSource):
    def __init__(self, url: str) -> None:
        import requests

        self._local = threading.local()
        self._requests = requests
        name = unquote(PurePosixPath(urlsplit(url).path).name) or "download"
        super().__init__(url, name, self._length(url, name))

    def _session(self) -> Any:
        if not hasattr(self._local, "session"):
            self._local.session = self._requests.Session()
        return self._local.session

    def _get(self, span: str) -> Any:
        try:
            answer = self._session().get(
                self.url,
                headers={"Range": span, "Accept-Encoding": "identity"},
                timeout=(10, 60),
                stream=True,
            )
        except self._requests.RequestException as error:
            raise Unreachable(
                f"{self.url}: the server did not answer ({type(error).__name__})",
                hint="Check the address and your connection, then try again.",
                source=self.url,
            ) from error
        if answer.status_code == 404:
            raise NotFound(f"{self.url}: not there", hint="Check the address.", source=self.url)
        if answer.status_code not in (200, 206):
            raise Unreachable(
                f"{self.url}: the server answered {answer.status_code}",
                hint="Try again later, or download the file and give its path.",
                source=self.url,
            )
        return answer

    def _length(self, url: str, name: str) -> int:
        self.url, self.name = url, name
        with self._get("bytes=0-0") as answer:
            span = answer.headers.get("Content-Range", "")
            if answer.status_code == 206 and "/" in span and span.rsplit("/", 1)[1].isdigit():
                return int(span.rsplit("/", 1)[1])
        raise FuseError(
            f"{url}: the server does not give parts of files (no Range)",
            hint="Download the file first and give its path.",
            source=url,
        )

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        self.requests += 1
        with self._get(f"bytes={offset}-{offset + nbytes - 1}") as answer:
            promised = answer.headers.get("Content-Range", "")
            if answer.status_code != 206 or not promised.startswith(f"bytes {offset}-"):
                raise Unreachable(f"{self.url}: the server ignored a Range request", source=self.url)
            data: bytes = answer.content
        self.bytes_read += len(data)
        return data

    def _sibling(self, name: str) -> Source | None:
        try:
            return HttpSource(urljoin(self.url, quote(name)))
        except NotFound:
            return None
