"""Files that only plug-ins of bioio read. bioio is not installed for tests: without it they are refused.

`tests/test_bioio.py` proves the adapter with a stand-in for bioio, and with bioio itself where it is.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any


def make(folder: Path) -> dict[str, dict[str, Any]]:
    (folder / "cells.dv").write_bytes(bytes(2000))
    return {"cells.dv": {"!error": "FuseError" if find_spec("bioio") else "MissingDependency"}}


def oracle(path: Path) -> dict[str, Any]:
    return {}
