"""The text files of FluoView: sections of ``key=value`` in UTF-16, quoted or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparc_fuse_core.formats._container.damage import damaged

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

Sections = dict[str, dict[str, str]]

_MOST_LINES = 1 << 18
_LUT = "[ColorLUTData]"
_LUT_HEAD = 4096


def parse(raw: bytes, name: str) -> Sections:
    """Sections by name; FormatError when it is no such text."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw[: len(raw) // 2 * 2].decode("utf-16", "replace")
    else:
        text = raw.decode("utf-8-sig", "replace")
    lines = text.split(_LUT, 1)[0].splitlines()
    if len(lines) > _MOST_LINES or not text.lstrip().startswith("["):
        raise damaged(name, "sections of settings were expected, it begins otherwise")
    found: Sections = {}
    section: dict[str, str] = {}
    for line in map(str.strip, lines):
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1], {})
        elif "=" in line and not line.startswith(";"):
            key, _, value = line.partition("=")
            section[key.strip()] = unquoted(value)
    return found


def unquoted(value: str) -> str:
    """Without the quotes that FluoView puts around texts."""
    plain = value.strip()
    for mark in "\"'":
        if len(plain) > 1 and plain[0] == plain[-1] == mark:
            return plain[1:-1]
    return plain


def number(section: Mapping[str, str], key: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(section.get(key, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def top_colour(file: Source) -> str:
    """``RRGGBB`` of the last entry of a colour table (blue, green, red, 0 for each), or "" when there is none."""
    mark = _LUT.encode("utf-16-le")
    head = file.head(_LUT_HEAD)
    table = file.size - head.find(mark) - len(mark) - 4
    if mark not in head or table < 1024 or table % 4:
        return ""
    blue, green, red, _ = file.read(file.size - 4, 4)
    return f"{red:02X}{green:02X}{blue:02X}" if (red, green, blue) != (0, 0, 0) else ""
