"""Objects in S3: their addresses, their keys within a dataset, and access with the user's own account."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from sparc_fuse_core.catalogue.transfer import Address
from sparc_fuse_core.errors import Corrupted, RemoteError

__all__ = ["key_in_dataset", "object_url", "requester_pays", "sds_path", "split_uri"]


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of an ``s3://bucket/key`` address."""
    match = re.fullmatch(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,254})/(.*)", uri, re.DOTALL)
    if not match:
        raise Corrupted(f"{uri[:200]!r}: an address of the form s3://bucket/key was expected", source=uri)
    return match[1], match[2]


def key_in_dataset(uri: str) -> str:
    """The key without the dataset's own part: `{id}/` in the new layout, `{id}/{version}/` in the old."""
    _, key = split_uri(uri)
    match = re.match(r"\d+/(?:\d+/)?", key)
    if not match:
        raise Corrupted(
            f"{uri[:200]!r}: a key that begins with the dataset's number was expected", source=uri
        )
    return key[match.end() :]


def sds_path(key: str) -> str | None:
    """The path in the dataset's own tree; None for what the service adds around it."""
    root, slash, path = key.partition("/")
    return path if slash and path and root in ("files", "packages") else None


def object_url(uri: str, version: str | None = None) -> str:
    """The plain https address of an object; SPARC_FUSE_S3_HTTP_BASE names another host, for tests."""
    bucket, key = split_uri(uri)
    base = os.environ.get("SPARC_FUSE_S3_HTTP_BASE", "").rstrip("/")
    if base:
        url = f"{base}/{bucket}/{quote(key)}"
    elif "." in bucket:  # the certificate of S3 covers one label before its own name
        url = f"https://s3.amazonaws.com/{bucket}/{quote(key)}"
    else:
        url = f"https://{bucket}.s3.amazonaws.com/{quote(key)}"
    # In the older layout each version has its own keys, and ids may be those of another bucket.
    own_tree = re.match(r"\d+/\d+/", key)
    return f"{url}?versionId={quote(version, safe='')}" if version and not own_tree else url


def requester_pays(uri: str, version: str | None) -> Callable[[], Address] | None:
    """A way that the user's own AWS account pays for; None without boto3 or credentials."""
    if importlib.util.find_spec("boto3") is None or os.environ.get("SPARC_FUSE_S3_HTTP_BASE"):
        return None
    session = importlib.import_module("boto3").Session()
    if session.get_credentials() is None:
        return None
    return lambda: _signed(session, uri, version)


def _signed(session: Any, uri: str, version: str | None) -> Address:
    bucket, key = split_uri(uri)
    wanted = {"Bucket": bucket, "Key": key, "RequestPayer": "requester"}
    if version and not re.match(r"\d+/\d+/", key):
        wanted["VersionId"] = version
    config = importlib.import_module("botocore.config").Config(
        signature_version="s3v4", s3={"addressing_style": "virtual"}
    )
    try:
        client = session.client("s3", region_name="us-east-1", config=config)
        url = client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=3600)
    except Exception as error:  # boto3 has its own error tree, which is not imported when boto3 is absent
        name = unquote(key.rpartition("/")[2])
        raise RemoteError(
            f"{name}: a signature with your AWS account was expected, boto3 gave {type(error).__name__}",
            hint="Check your AWS credentials, or remove them.",
            source=uri,
        ) from error
    return Address(url, headers={"x-amz-request-payer": "requester"})
