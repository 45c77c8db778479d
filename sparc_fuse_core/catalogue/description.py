"""What the `dataset_description` of an SDS folder says; whatever it lacks stays empty."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Description", "describe"]

LARGEST_TEXT = 2**22
LARGEST_SHEET = 2**26
"""Bytes of a spreadsheet when unpacked; one of a dataset has some 100 kB."""
MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Description:
    name: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    contributors: tuple[str, ...] = ()
    doi: str | None = None
    license: str | None = None


def describe(tree: Path) -> Description:
    """Read `dataset_description` (.json, .csv, .xlsx) of the folder, and its README when that says nothing.

    Best effort: a description that cannot be read is as good as none, because no data depend on it.
    """
    fields: dict[str, list[str]] = {}
    for suffix, read in ((".json", _json), (".csv", _csv), (".xlsx", _xlsx)):
        path = tree / f"dataset_description{suffix}"
        try:
            if path.is_file() and path.stat().st_size <= LARGEST_TEXT:
                fields = read(path)
        except Exception:  # noqa: S112 - a spreadsheet fails in any way its library likes
            continue
        if fields:
            break
    return Description(
        name=_first(fields, "title", "name"),
        description=_first(fields, "description", "subtitle") or _readme(tree),
        tags=_all(fields, "keywords", "tags"),
        contributors=_all(fields, "contributor name", "contributors", "contributor"),
        doi=_doi(fields),
        license=_first(fields, "license"),
    )


def _json(path: Path) -> dict[str, list[str]]:
    content = json.loads(path.read_bytes())
    return {str(key).casefold().replace("_", " "): _texts(value) for key, value in content.items()}


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    named = [item.get("name") if isinstance(item, dict) else item for item in items]
    return [str(item).strip() for item in named if isinstance(item, str | int | float) and str(item).strip()]


def _csv(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _rows(row for row, _ in zip(csv.reader(file), range(MOST_ROWS), strict=False))


def _xlsx(path: Path) -> dict[str, list[str]]:
    if importlib.util.find_spec("openpyxl") is None:
        return {}
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_SHEET:
            return {}
    book = importlib.import_module("openpyxl").load_workbook(path, read_only=True, data_only=True)
    try:
        return _rows(book.worksheets[0].iter_rows(max_row=MOST_ROWS, max_col=50, values_only=True))
    finally:
        book.close()


def _rows(rows: Iterable[Iterable[Any]]) -> dict[str, list[str]]:
    """The rows of an SDS description: an element's name first, its values from the column headed Value on."""
    fields: dict[str, list[str]] = {}
    start = 1
    for row in rows:
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        if any(cell.casefold() == "metadata element" for cell in cells[:1]):
            start = next((i for i, cell in enumerate(cells) if cell.casefold().startswith("value")), 1)
        elif cells and cells[0]:
            fields.setdefault(cells[0].casefold(), []).extend(cell for cell in cells[start:] if cell)
    return fields


def _first(fields: dict[str, list[str]], *names: str) -> str | None:
    return next((fields[name][0] for name in names if fields.get(name)), None)


def _all(fields: dict[str, list[str]], *names: str) -> tuple[str, ...]:
    return next((tuple(dict.fromkeys(fields[name])) for name in names if fields.get(name)), ())


def _doi(fields: dict[str, list[str]]) -> str | None:
    text = _first(fields, "doi") or ""
    return text[text.index("10.") :] if "10." in text else None


def _readme(tree: Path) -> str:
    for name in ("README.md", "README.txt", "README", "readme.md", "readme.txt"):
        try:
            with (tree / name).open(encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file.read(20_000).splitlines()]
        except OSError:
            continue
        return " ".join(line for line in lines if line and not line.startswith(("#", "!", "---")))[:1000]
    return ""
