"""Columns of a text table as a user names them: by heading, by number, or by a pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._table.cells import plain

if TYPE_CHECKING:
    from sparc_fuse_core.formats._table.layout import Layout


def column_of(file: str, layout: Layout, wanted: Any) -> int:
    """The column that is meant: of several alternatives the first that is there.

    Raises FormatError that lists the columns when there is none.
    """
    for item in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if (found := _find(layout, item)) is not None:
            return found
    shown = ", ".join(repr(n) for n in layout.headings or layout.names if n) or f"0 to {layout.width - 1}"
    said = " or ".join(map(repr, wanted)) if isinstance(wanted, list | tuple) else repr(wanted)
    raise FormatError(f"{file}: has no column {said}", hint=f"Its columns are {shown[:1000]}.")


def _find(layout: Layout, wanted: Any) -> int | None:
    text = str(wanted)
    for names in (layout.names, layout.headings):
        if isinstance(wanted, str) and wanted in names:
            return names.index(wanted)
    for names in (layout.names, layout.headings):
        headings = [plain(name) for name in names]
        if isinstance(wanted, str) and plain(wanted) and plain(wanted) in headings:
            return headings.index(plain(wanted))
    return int(text) if text.strip().isdigit() and int(text) < layout.width else None


def columns_of(file: str, layout: Layout, wanted: Any) -> list[int]:
    """All columns that are meant; an item with ``*`` or ``?`` may mean several."""
    items = [part.strip() for part in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    found: dict[int, None] = {}
    for item in items:
        hits = [j for j in range(layout.width) if _like(layout, j, item)]
        found |= dict.fromkeys(hits or [column_of(file, layout, item)])
    return list(found)


def _like(layout: Layout, j: int, pattern: Any) -> bool:
    if not isinstance(pattern, str) or not ("*" in pattern or "?" in pattern):
        return False
    shown = {layout.names[j], layout.headings[j] if layout.headings else ""} - {""}
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for name in shown)


def numbers_only(file: str, layout: Layout, columns: Sequence[int]) -> list[int]:
    """``columns`` in the table's order. FormatError when one of them holds text."""
    for j in columns:
        if layout.kinds[j] != "f":
            raise FormatError(
                f"{file}: column {layout.names[j] or j!r} was named as a signal, it does not hold numbers only",
                hint="Leave it out of signals=: it is kept beside them.",
            )
    return sorted(columns)


def told(file: str, layout: Layout, channels: Sequence[int], given: Any, found: Sequence[str]) -> list[str]:
    """Names or units of the channels as given: one for all, one for each, or by column; else as ``found``."""
    if not given:
        return list(found)
    if isinstance(given, str):
        return [given] * len(channels)
    if not isinstance(given, Mapping):
        return [str(text) for text in given]
    out = dict(zip(channels, found, strict=True))
    for wanted, text in given.items():
        for j in columns_of(file, layout, [wanted]):
            if j in out:
                out[j] = str(text)
    return [out[j] for j in channels]
