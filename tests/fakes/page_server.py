"""The dashboard's own server in a process of its own, for tests that look at it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

START = "import sys; from sparcfuse_widgets.app import serve; serve(None, False, sys.argv[1])"


class PageServer:
    """`address` opens the page; `port` and `token` are its parts. All that it writes lies in `home`."""

    def __init__(self, home: Path, catalogue: str, environ: Mapping[str, str] | None = None) -> None:
        self.home, self.catalogue = home, catalogue
        self.jobs, self.output = home / "jobs", home / "output"
        self.environ = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_STATE_HOME": str(home / "state"),
            "SPARC_FUSE_CACHE": str(home / "fuse-cache"),
            "SPARC_FUSE_JOBS": str(self.jobs),
            "SPARC_FUSE_OUTPUT": str(self.output),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            **(environ or {}),
        }

    def __enter__(self) -> Self:
        self.log = (self.home / "server.log").open("w")
        command = [sys.executable, "-c", START, self.catalogue]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environ
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http" in line, (self.home / "server.log").read_text()
        self.address = next(word for word in line.split() if word.startswith("http"))
        parts = urlsplit(self.address)
        self.port, self.token = parts.port, parse_qs(parts.query)["token"][0]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
