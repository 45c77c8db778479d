"""Text beside a block: the list of stores (.Tbk) and the notes of its users (.tnt, Notes.txt)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_LONGEST = 1 << 20
_FIELD = re.compile(r"NAME=(\w+);TYPE=\w+;VALUE=([^\r\n]*?);[ \t]*(?=\r?\n|$|\[)")
_BORDER = b"[USERNOTEDELIMITER]"


def read_stores(block: Source | None) -> list[dict[str, str]]:
    """What the .Tbk says of each store, as text."""
    if block is None:
        return []
    sections = block.head(_LONGEST).split(_BORDER)
    held = next((part for part in sections if b"NAME=StoreName;" in part), b"").decode("latin-1")
    items = (dict(_FIELD.findall(item)) for item in held.split("[STOREHDRITEM]"))
    return [{k: v for k, v in item.items() if v} for item in items if item.get("StoreName")]


def read_text(file: Source | None) -> str:
    """A file of text, without the line that says its version; at most 1 MiB."""
    if file is None:
        return ""
    raw = file.head(_LONGEST)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return re.sub(r"^NOTEFILE_VERSION\[.*?\]\s*", "", text).strip("\0 \r\n")
