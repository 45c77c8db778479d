"""PalmSens PSTrace method (.psmethod): how a measurement was to be done, as text.

UTF-16 lines of ``KEY=value`` under lines of ``#`` comments, the first of which names the program. A method holds
no measured values: its text is kept word for word in the attribute ``text``, and each key and value also
stands in the metadata, uninterpreted. Older programs write the same lines in UTF-8 or Windows Latin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._table.text import decode, encoding_of
from sparc_fuse_core.model import Format, text

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_BYTES = 1 << 24
_MOST_KEYS = 2000
_KEYS = ("METHOD_ID=", "METHOD_VERSION=", "TECHNIQUE=")


def open_psmethod(source: Source, /, **options: Any) -> xr.DataTree:
    """The method word for word. FormatError when the text is no PSTrace method."""
    if source.size > _MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: has {source.size} bytes, a method has at most {_MOST_BYTES}; it is another format",
            hint="Check what program wrote it; rename it if the ending is wrong.",
        )
    raw = source.read(0, source.size, "text")
    content = _decoded(source, raw)
    if not _is_method(content) or "\0" in content:
        raise FormatError(
            f"{source.name}: a PSTrace method was expected, its text has no METHOD_ID= or TECHNIQUE= line; "
            "it is damaged or another format",
            hint="Fetch the file again; if it opens elsewhere, rename it after its real format.",
        )
    pairs = dict(line.split("=", 1) for line in content.splitlines() if "=" in line and line[:1] != "#")
    return text(content, {"settings": dict(list(pairs.items())[:_MOST_KEYS])})


def _decoded(source: Source, raw: bytes) -> str:
    encoding, mark = encoding_of(raw)
    try:
        return decode(raw[mark:], encoding).strip("\ufeff")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{source.name}: is UTF-16 text, but not at byte {mark + error.start}; it is damaged or cut short",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        ) from None


def _is_method(content: str) -> bool:
    return any(line.startswith(_KEYS) for line in content.splitlines())


def _sniff(head: bytes) -> bool:
    encoding, mark = encoding_of(head)
    body = head[mark : mark + (len(head) - mark) // 4 * 4]
    content = body.decode(encoding, "replace")
    return content.startswith("#PSTrace") or _is_method(content)


FORMAT = Format(
    name="psmethod",
    title="PalmSens PSTrace method",
    kind="text",
    suffixes=(".psmethod",),
    open=open_psmethod,
    sniff=_sniff,
    carried="the text, word for word",
    left="nothing",
    lazy="the whole file",
)
