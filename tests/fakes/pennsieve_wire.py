"""The wire of the stand-in: HTTP, objects as S3 gives them, and faults."""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from fakes.pennsieve import FakePennsieve
    from fakes.pennsieve_store import Stored

MODIFIED = "Wed, 04 Nov 2020 13:28:23 GMT"


@dataclass
class Reply:
    """An answer: `body` goes out as JSON unless it is bytes or plain text; `name` makes it an attachment."""

    status: int
    body: Any
    kind: str = "application/json"
    name: str | None = None

    def encode(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if self.kind == "text/plain" else json.dumps(self.body).encode()


@dataclass
class Fault:
    pattern: re.Pattern[str]
    status: int | None
    times: int
    mode: str | None
    after: int
    retry_after: str | None
    location: str | None
    method: str
    hits: int = 0


@dataclass
class Hit:
    method: str
    path: str
    range: str | None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    sent: int = 0


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hangs up is no news
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakePennsieve

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the hits are in `fake.log`."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_OPTIONS(self) -> None:
        self._send(
            204, b"", {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "*"}
        )

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hit = Hit(method, self.path, self.headers.get("Range"), dict(self.headers))
        with self.fake.lock:
            self.fake.log.append(self.hit)
        fault = self._fault(method)
        try:
            if fault and fault.status:
                self._send(
                    fault.status, b"fault", {"Retry-After": fault.retry_after} if fault.retry_after else {}
                )
            elif fault and fault.mode == "redirect":
                self._send(302, b"", {"Location": fault.location or "/"})
            elif self.path.startswith("/s3/"):
                self._object(fault)
            else:
                self._document(method, body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _fault(self, method: str) -> Fault | None:
        with self.fake.lock:
            for fault in self.fake.faults:
                if fault.times > 0 and fault.method in ("", method) and fault.pattern.search(self.path):
                    fault.times -= 1
                    fault.hits += 1
                    return fault
        return None

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.hit = getattr(self, "hit", Hit(self.command, self.path, None))
        self.hit.status = status
        self.send_response(status)
        for key, value in {
            "Access-Control-Allow-Origin": "*",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.hit.sent += len(body)

    # -- Discover and the archive service

    def _document(self, method: str, body: bytes, fault: Fault | None) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if "form-urlencoded" in (self.headers.get("Content-Type") or ""):
            query |= parse_qs(body.decode())
        reply = self.fake.answer(method, unquote(parts.path), query, body)
        headers = {"Content-Type": reply.kind}
        if reply.name:
            headers["Content-Disposition"] = f'attachment; filename="{reply.name}"'
        content = reply.encode()
        if fault and fault.mode:
            self.hit.status = reply.status
            self._break(content, 0, fault, reply.status, headers | {"Content-Length": str(len(content))})
        elif reply.name:
            self._chunked(content, headers)
        else:
            self._send(reply.status, content, headers)

    def _chunked(self, content: bytes, headers: dict[str, str]) -> None:
        """The archive service does not know the length when it begins."""
        self.hit.status = 200
        self.send_response(200)
        for key, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(key, value)
        self.end_headers()
        for start in range(0, len(content), 2**16):
            piece = content[start : start + 2**16]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.hit.sent += len(piece)
        self.wfile.write(b"0\r\n\r\n")

    # -- S3

    def _object(self, fault: Fault | None) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        # In a query + is a space; in a path it is a plus, as unquote has it.
        bucket, _, key = unquote(parts.path.removeprefix("/s3/")).partition("/")
        signature = query.get("X-Amz-Signature")
        if (signature and signature != str(self.fake.signature)) or (fault and fault.mode == "expired"):
            return self._xml(403, "AccessDenied", "Request has expired")
        if bucket in self.fake.paying and not signature:
            return self._xml(403, "AccessDenied", "Access Denied")
        history = self.fake.objects.get((bucket, key), [])
        wanted = query.get("versionId")
        found = [item for item in history if wanted in (None, item.version_id)]
        if not found:
            return self._xml(
                404, "NoSuchVersion" if history else "NoSuchKey", "The specified key does not exist."
            )
        return self._give(found[-1], fault)

    def _xml(self, status: int, code: str, message: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self._send(status, body, {"Content-Type": "application/xml"})

    def _give(self, item: Stored, fault: Fault | None) -> None:
        content, etag, mode = item.read(), item.etag, fault.mode if fault else None
        if mode == "spliced":
            content = content[::-1]
        if mode in ("changed_etag", "spliced"):
            etag = '"changed"'
        if mode == "wrong_bytes":
            at = min(fault.after, len(content) - 1) if fault else 0
            content = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        if mode == "short_length":
            content = content[: fault.after] if fault else b""
        headers = {
            "ETag": etag,
            "Last-Modified": MODIFIED,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "x-amz-version-id": item.version_id or "null",
        }
        span = self._span(len(content)) if mode != "ignore_range" else None
        if mode != "spliced" and self.headers.get("If-Range") not in (None, etag, MODIFIED):
            span = None
        if span == (-1, -1):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        first, last = span or (0, len(content) - 1)
        if span and mode == "wrong_range":
            first += 1 if first < last else -1
        body = content[first : last + 1]
        if span:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        status = 206 if span else 200
        if mode in ("short_body", "reset", "stall") and fault:
            self.hit.status = status
            return self._break(body, first, fault, status, headers | {"Content-Length": str(len(body))})
        return self._send(status, body, headers)

    def _span(self, size: int) -> tuple[int, int] | None:
        """(first, last) of a Range of one part; None to give all, (-1, -1) when it cannot be satisfied."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not match or match.groups() == ("", ""):
            return None
        if not match[1]:
            return max(0, size - int(match[2])), size - 1
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        return (first, last) if first < size else (-1, -1)

    def _break(self, body: bytes, first: int, fault: Fault, status: int, headers: dict[str, str]) -> None:
        """Promise the whole body, send it up to byte `after` of the object, then end, reset, or go silent."""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        piece = body[: max(0, fault.after - first)]
        self.wfile.write(piece)
        self.hit.sent += len(piece)
        self.close_connection = True
        if fault.mode == "stall":
            self.fake.closing.wait(30)
        if fault.mode == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
