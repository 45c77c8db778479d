"""The dashboard as an application: a Voila server for this machine and one user.

What differs from plain Voila: only the page is served, not a folder; other host names are refused; results
are downloaded through `download`, behind the same token; answers of the kernel leave at once (TCP_NODELAY).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyter_server.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import HTTPError
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from sparc_fuse_core.errors import FuseError
from sparcfuse_widgets.download import ResultHandler

__all__ = ["CELL", "Server", "serve"]

CELL = "from sparcfuse_widgets import Dashboard; Dashboard()"
"""The one line of code of the page, the same as in notebooks/dashboard.ipynb."""

_TEMPLATES = Path(__file__).parent / "templates"

# The page may load from its own server only. Voila's own start-up code is inline and evaluates templates.
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


class _Channels(VoilaKernelWebsocketHandler):  # type: ignore[misc]
    async def open(self, kernel_id: str) -> None:
        # Nagle's algorithm with delayed acknowledgements costs 40 ms at every click.
        self.set_nodelay(True)
        await super().open(kernel_id)


class _Shutdown(VoilaShutdownKernelHandler):  # type: ignore[misc]
    """A page that is left says so with a beacon, which cannot carry an XSRF token: its origin must do."""

    def check_xsrf_cookie(self) -> None:
        if not self.request.headers.get("Origin") or not self.check_origin():
            raise HTTPError(403)


_OURS = {VoilaKernelWebsocketHandler: _Channels, VoilaShutdownKernelHandler: _Shutdown}


class Server(Voila):  # type: ignore[misc]
    """Voila on 127.0.0.1 with one page and our downloads."""

    show = False

    def init_handlers(self) -> list[Any]:
        """Voila's handlers without its files, its listing and its redirects; ours before them."""
        root = self.server_url or "/"
        closed = ("/voila/files", "/voila/templates", "/voila/api/themes")  # the page needs none of them
        kept = [row for row in super().init_handlers() if not row[0].startswith(closed)]
        handlers = [(row[0], _OURS.get(row[1], row[1]), *row[2:]) for row in kept]
        page = [(root, *row[1:]) for row in handlers if row[1] is TornadoVoilaHandler]
        others = [row for row in handlers if row[1] is not TornadoVoilaHandler]
        return [(url_path_join(root, r"/fuse/result/([\w-]+)/(\d+)"), ResultHandler), *others, *page]

    def listen(self) -> None:
        """Bind, say where the page is, and serve until stopped."""
        import tornado.ioloop

        try:
            sockets = bind_sockets(self.port, self.ip)
        except OSError as error:
            raise FuseError(
                f"port {self.port} is wanted for the dashboard, it is taken ({error.strerror})",
                hint="Choose another with --port, or leave it out to get a free one.",
            ) from error
        self.port = sockets[0].getsockname()[1]
        HTTPServer(self.app).add_sockets(sockets)
        _say(f"SPARC FUSE is at {self.address}  (Ctrl+C stops it)")
        if self.show:
            _browse(self.address, Path(self.connection_dir))
        self.ioloop = tornado.ioloop.IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            _say("SPARC FUSE stops.")
        finally:
            self.stop()

    @property
    def address(self) -> str:
        """Address of the page with its token."""
        return f"http://{self.ip}:{self.port}{self.base_url}?{urlencode({'token': self.token})}"


def serve(
    port: int | None = None, open_browser: bool = True, catalogue: str | None = None, *, preheat: bool = False
) -> None:
    """Serve the dashboard on 127.0.0.1 until it is interrupted.

    Parameters
    ----------
    port
        A free one by default.
    catalogue
        "pennsieve", "demo" or the path of a folder; by default what SPARC_FUSE_CATALOGUE says.
    preheat
        Keep a kernel ready, so that the page opens faster, for 120 MB of memory.

    Raises
    ------
    FuseError
        The port is taken.
    """
    from sparc_fuse_core.jobs import Queue

    os.environ["SPARC_FUSE_APP"] = "1"
    if catalogue:
        os.environ["SPARC_FUSE_CATALOGUE"] = catalogue
    paths = [str(_TEMPLATES), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
    queue = Queue()
    queue.start()  # jobs that a page left behind go on as long as the server lives
    try:
        with tempfile.TemporaryDirectory(prefix="sparc-fuse-") as folder:
            _run(Path(folder), port or 0, open_browser, preheat)
    finally:
        queue.close()


def _run(folder: Path, port: int, open_browser: bool, preheat: bool) -> None:
    # Voila asks for the event loop of the thread, which newer Python no longer makes by itself.
    asyncio.set_event_loop(asyncio.new_event_loop())
    page = folder / "SPARC FUSE.ipynb"
    page.write_text(json.dumps(notebook()), "utf-8")
    server = Server(config=_config(page, folder, preheat))
    server.port, server.show = port, open_browser
    server.initialize([])
    server.start()


def _config(page: Path, folder: Path, preheat: bool) -> Config:
    return Config(
        {
            "Voila": {
                "notebook_path": str(page),
                "ip": "127.0.0.1",
                "root_dir": str(folder),
                "token": secrets.token_urlsafe(24),
                "open_browser": False,
                "config_file_paths": [],
                "connection_dir_root": str(folder),
                "log_level": "WARN",
                "tornado_settings": {
                    "headers": {
                        "Content-Security-Policy": _POLICY,
                        "X-Content-Type-Options": "nosniff",
                        "Referrer-Policy": "same-origin",
                    },
                    # Another name for this address would let a foreign page talk to it (DNS rebinding).
                    "allow_remote_access": False,
                    "local_hostnames": ["localhost", "127.0.0.1"],
                },
            },
            "VoilaConfiguration": {
                "template": "fuse",
                "file_allowlist": [],
                "preheat_kernel": preheat,
                "default_pool_size": 1,
                "show_tracebacks": False,
            },
            "MappingKernelManager": {"cull_interval": 60, "cull_idle_timeout": 900, "cull_connected": False},
        }
    )


def notebook() -> dict[str, Any]:
    """The notebook of the page."""
    cell = {
        "cell_type": "code",
        "id": "dashboard",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": CELL,
    }
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}, "title": "SPARC FUSE"},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _browse(address: str, folder: Path) -> None:
    # The token goes through a private file: every user of the machine can see an address on a command line.
    page = folder / "open.html"
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={address}">')
    webbrowser.open(page.as_uri())
