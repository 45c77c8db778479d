"""The ZIP package of a workbook, unpacked within limits and packed anew for the library that reads it.

The library trusts what a package says of itself and lays out each sheet from its first cell to its last one. Sizes, the
place of the last cell and the text that cells share are therefore checked here first.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._container.damage import FETCH_AGAIN

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_MOST_FILES = 10_000
_MOST_BYTES = 1 << 28
MOST_CELLS = 8_000_000
_MOST_TEXT = 1 << 29
_PLACE = re.compile(rb"""\br=["']([A-Z]{0,4})([0-9]{1,9})["']""")
_SHARED = re.compile(rb"""\bt=["']s["'][^>]*>\s*<(?:\w+:)?v>\s*(\d{1,9})\s*<""")
_STRING = re.compile(rb"<(?:\w+:)?si\b")
_LEFT = {
    "media": "pictures", "drawings": "drawings and charts", "charts": "drawings and charts",
    "embeddings": "embedded files",
    "comments": "comments of cells", "threadedcomments": "comments of cells", "pivottables": "pivot tables",
    "pivotcache": "pivot tables", "externallinks": "links to other workbooks", "ctrlprops": "controls",
}  # fmt: skip


def repack(source: Source) -> tuple[io.BytesIO, list[str]]:
    """The parts of a workbook that hold its cells, as a package of its own; what else is in it, in words."""
    try:
        with zipfile.ZipFile(source.file()) as package:
            return _copied(source, package)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise FormatError(
            f"{source.name}: a workbook was expected, its ZIP package cannot be unpacked ({error}); "
            "it is damaged, cut short or has a password",
            hint="Fetch the file again, or save it without a password.",
        ) from error


def _copied(source: Source, package: zipfile.ZipFile) -> tuple[io.BytesIO, list[str]]:
    members = package.infolist()
    if len(members) > _MOST_FILES:
        raise _too_much(source, f"its package holds {len(members)} files, at most {_MOST_FILES} are sane")
    if not any(member.filename.lower() == "xl/workbook.xml" for member in members):
        raise FormatError(
            f"{source.name}: a workbook was expected, its package has no xl/workbook.xml; it is another format",
            hint="Check what program wrote it; .xlsb and .ods have to be saved as .xlsx.",
        )
    wanted = [member for member in members if _is_needed(member.filename)]
    total = sum(member.file_size for member in wanted)
    if total > _MOST_BYTES:
        raise _too_much(source, f"its cells take {total} bytes, at most {_MOST_BYTES} are read")
    parts = {member.filename: package.read(member) for member in wanted}
    _check_cells(source, parts)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as copy:
        for name, data in parts.items():
            copy.writestr(name, data)
    held.seek(0)
    return held, sorted({text for member in members if (text := _left_out(member.filename))})


def _is_needed(name: str) -> bool:
    return name.lower().endswith((".xml", ".rels")) and not _left_out(name)


def _left_out(name: str) -> str:
    parts = name.lower().split("/")
    if len(parts) > 2 and parts[0] == "xl" and parts[1] in _LEFT:
        return _LEFT[parts[1]]
    if len(parts) == 2 and parts[1].startswith("comments"):
        return _LEFT["comments"]
    return "programs (macros), which are never run" if parts[-1] == "vbaproject.bin" else ""


def _check_cells(source: Source, parts: dict[str, bytes]) -> None:
    shared = next((data for name, data in parts.items() if name.lower() == "xl/sharedstrings.xml"), b"")
    lengths = [stop - start for start, stop in _strings(shared)]
    longest, text, cells = max(lengths, default=0), 0, 0
    for name, data in parts.items():
        if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
            raise FormatError(
                f"{source.name}: {name} defines XML entities, which no workbook does; it is not safe to read",
                hint="Open it in a spreadsheet program and save it anew.",
            )
        if not name.lower().startswith("xl/worksheets/") or name.lower().endswith(".rels"):
            continue
        cells += _area(source, name, data)
        if cells > MOST_CELLS:
            raise _too_much(source, f"its sheets reach over {cells} cells, at most {MOST_CELLS} are read")
        if longest * data.count(b"<") > _MOST_TEXT:
            used = (int(found[1]) for found in _SHARED.finditer(data))
            text += sum(lengths[i] for i in used if i < len(lengths))
            if text > _MOST_TEXT:
                raise _too_much(
                    source, f"its cells repeat {text} bytes of text, at most {_MOST_TEXT} are read"
                )


def _strings(shared: bytes) -> Iterator[tuple[int, int]]:
    """Where each text that cells share begins and ends."""
    return pairwise([*(found.start() for found in _STRING.finditer(shared)), len(shared)])


def _area(source: Source, name: str, data: bytes) -> int:
    """Cells between the first and the last one of a sheet, all of which the library makes room for."""
    rows, columns = [1 << 30, 0], [1 << 30, 0]
    for found in _PLACE.finditer(data):
        row, column = int(found[2]), _number(found[1])
        rows = [min(rows[0], row), max(rows[1], row)]
        if column:
            columns = [min(columns[0], column), max(columns[1], column)]
    if b'r="&' in data or b"r='&" in data:
        raise FormatError(f"{source.name}: {name} has places of cells that are no places", hint=FETCH_AGAIN)
    high = max(0, rows[1] - rows[0] + 1)
    # Cells may do without a place: then they are counted, in each row from its first.
    loose = data.count(b"<c>") + data.count(b"<c ")
    wide = max(0, columns[1] - columns[0] + 1) if columns[1] else min(loose, 1 << 14)
    return max(high * wide, loose)


def _number(letters: bytes) -> int:
    value = 0
    for letter in letters:
        value = value * 26 + letter - 64
    return value


def _too_much(source: Source, what: str) -> LimitExceeded:
    return LimitExceeded(
        f"{source.name}: {what}; it is damaged or too large for a spreadsheet",
        hint="Save each sheet as CSV, which may be of any length.",
    )
