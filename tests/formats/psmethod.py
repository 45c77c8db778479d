"""PSTrace methods, which are text: the file itself, decoded by Python, is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TEXT = (
    "#PSTrace 5.12.1031,unknown\r\n#2026-01-26 09:27:12\r\nMETHOD_VERSION=1\r\nMETHOD_ID=cv\r\n"
    "TECHNIQUE=5\r\nNOTES=Example%20µ=1\r\nE_RANGE_MIN_F=NaN\r\n"
)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    expected: dict[str, dict[str, Any]] = {}
    for name, encoding, tail in (
        ("bom.psmethod", "utf-16", ""),
        ("tail.psmethod", "utf-16", "\ufeff"),
        ("bare.psmethod", "utf-16-le", ""),
        ("big.psmethod", "utf-16-be", ""),
        ("utf8.psmethod", "utf-8-sig", ""),
        ("windows.psmethod", "cp1252", ""),
    ):
        (folder / name).write_bytes((_TEXT + tail).encode(encoding))
        expected[name] = {"@text": _TEXT, "@fuse_kind": "text"}
    no_comment = _TEXT[_TEXT.index("METHOD_V") :]
    (folder / "no_comment.psmethod").write_bytes(no_comment.encode("utf-16"))
    expected["no_comment.psmethod"] = {"@text": no_comment}
    (folder / "prose.psmethod").write_bytes("This is not a method = no\r\n".encode("utf-16"))
    (folder / "cut.psmethod").write_bytes(_TEXT.encode("utf-16")[:-1])
    (folder / "only_comment.psmethod").write_bytes("#PSTrace 5\r\n".encode("utf-16"))
    return expected | {
        "prose.psmethod": {"!error": "NotSupported"},
        "cut.psmethod": {"!error": "FormatError"},
        "only_comment.psmethod": {"!error": "FormatError"},
    }


def oracle(path: Path) -> dict[str, Any] | None:
    return {"@text": path.read_bytes().decode("utf-16").strip("\ufeff")}
