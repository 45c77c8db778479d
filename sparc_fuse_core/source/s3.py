"""Files in S3, anonymously unless credentials are set."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from sparc_fuse_core.errors import NotFound, Unreachable
from sparc_fuse_core.source import Source
from sparc_fuse_core.source.remote import RemoteSource


class S3Source(RemoteSource):
    """Anonymous unless credentials are set in the environment; the endpoint too may come from there."""

    def __init__(self, url: str) -> None:
        from obstore.exceptions import BaseError

        parts = urlsplit(url)
        self._bucket, self._key = parts.netloc, parts.path.lstrip("/")
        self._store = _s3_store(self._bucket)
        try:
            size = int(self._store.head(self._key)["size"])
        except FileNotFoundError as error:
            raise NotFound(f"{url}: not there", hint="Check bucket and key.", source=url) from error
        except (BaseError, OSError) as error:
            raise Unreachable(
                f"{url}: the bucket did not answer",
                hint="Check the bucket, region and credentials.",
                source=url,
            ) from error
        super().__init__(url, PurePosixPath(self._key).name, size)

    def _fetch(self, offset: int, nbytes: int) -> bytes:
        self.requests += 1
        data = bytes(self._store.get_range(self._key, start=offset, length=nbytes))
        self.bytes_read += len(data)
        return data

    def siblings(self) -> list[str]:
        prefix = str(PurePosixPath(self._key).parent)
        found = self._store.list_with_delimiter("" if prefix == "." else prefix)
        return sorted(PurePosixPath(item["path"]).name for item in found["objects"])

    def below(self) -> list[str]:
        prefix = str(PurePosixPath(self._key).parent)
        start = "" if prefix == "." else f"{prefix}/"
        found = [
            item["path"].removeprefix(start) for page in self._store.list(start or None) for item in page
        ]
        return sorted(path for path in found if "/" in path)

    def _sibling(self, name: str) -> Source | None:
        try:
            return S3Source(f"s3://{self._bucket}/{PurePosixPath(self._key).parent / name}")
        except NotFound:
            return None


def _s3_store(bucket: str) -> Any:
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    }
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if not (os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE")):
        options["skip_signature"] = True
    if endpoint and endpoint.startswith("http://"):
        return S3Store(bucket, client_options={"allow_http": True}, **options)
    return S3Store(bucket, **options)
