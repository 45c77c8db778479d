"""Igor Pro procedure files (``.ipf``): the source text of programs, in UTF-8 or an older code page.

The text is kept word for word as text; it is no data and is never run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.model import Format, text

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MAX_TEXT = 1 << 24
_REPAIR = "Check that this is an Igor procedure file and that it was downloaded whole."


def open_ipf(source: Source, /, **options: Any) -> xr.DataTree:
    """The text of a procedure file; FormatError when it is not text."""
    if source.size > _MAX_TEXT:
        raise LimitExceeded(
            f"{source.name}: a text of {source.size} bytes is no procedure file", hint=_REPAIR
        )
    raw = source.read(0, source.size)
    warnings: list[str] = []
    if not _is_text(raw):
        raise FormatError(f"{source.name}: text was promised, other bytes are there", hint=_REPAIR)
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = raw.decode("cp1252", "replace")
        warnings.append(
            "the text is not UTF-8; it was read as Windows-1252, letters with accents may be wrong"
        )
    return text(content, {"language": "Igor Pro procedures"}, warnings)


def _is_text(raw: bytes) -> bool:
    return not any(byte in raw for byte in (*range(9), *range(14, 27)))


def _sniff(head: bytes) -> bool:
    """Text, mostly of plain letters, and neither a page nor a pointer to another file."""
    plain = sum(byte < 128 for byte in head.strip()) * 2 > len(head)
    return plain and _is_text(head) and not head.lstrip().startswith((b"<", b"version https://git-lfs"))


FORMAT = Format(
    name="ipf",
    title="Igor Pro procedures",
    kind="text",
    suffixes=(".ipf",),
    open=open_ipf,
    sniff=_sniff,
    carried="the text, word for word",
    left="nothing",
    lazy="the whole file",
)
