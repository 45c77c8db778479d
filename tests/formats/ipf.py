"""Made procedure files; the text itself is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CODE = "#pragma rtGlobals=3\r\n// µ\r\nFunction Double(x)\r\n\tVariable x\r\n\treturn 2*x\r\nEnd\r\n"


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    files = {
        "plain.ipf": (CODE.encode(), {"@text": CODE}),
        "marked.ipf": (CODE.encode("utf-8-sig"), {"@text": CODE}),
        "older.ipf": (CODE.encode("cp1252"), {"@text": CODE, "?warning": "not UTF-8"}),
        "binary.ipf": (b"Function \0\1\2", {"!error": "NotSupported"}),
        "later.ipf": (CODE.encode() * 60 + bytes(9), {"!error": "FormatError"}),
    }
    for name, (raw, _) in files.items():
        (folder / name).write_bytes(raw)
    return {name: facts for name, (_, facts) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """The text as Python reads it."""
    return {"@text": path.read_bytes().decode("utf-8")}
