"""The files that the format tests go over: corpus rows, and what each ``tests/formats/<name>.py`` makes."""

from __future__ import annotations

import csv
import importlib
import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_FILES: list[dict[str, Any]] = tomllib.loads((HERE / "corpus.toml").read_text("utf-8"))["file"]
ROWS = [row for row in _FILES if "part_of" not in row]
PARTS = [row for row in _FILES if "part_of" in row]
ASIDE = ("Thumbnail", "Label", "Macro")  # pictures of the slide, not of the specimen
FORMATS = sorted(p.stem for p in (HERE / "formats").glob("[a-z]*.py"))


def row_id(row: dict[str, Any]) -> str:
    return row["path"].partition("/")[2]


def module(name: str) -> Any:
    """The module that makes small files of a format and knows an independent reader of it."""
    return importlib.import_module(f"formats.{name}")


def expected(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """What an independent reader says of a corpus file; nothing where there is none."""
    if row["expect"] != "ok":
        return {"!error": row["expect"]}
    if row["format"] not in FORMATS:
        return {}
    return module(row["format"]).oracle(path) or {}


@cache
def manifest(corpus: Path) -> dict[str, dict[str, str]]:
    """Reference facts of the corpus by path."""
    found = {}
    for area in ("timeseries", "imaging"):
        with (corpus / area / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                found[f"{area}/{line['path']}"] = line
    return found


def pixel_facts(corpus: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Shape, dtype, axes and hash of each picture of an image file; ``axes`` of the row where the facts have none."""
    facts = json.loads(manifest(corpus)[row["path"]]["facts_json"])
    if "axes" in row:
        facts["axes"] = row["axes"]
    pictures = facts.get("series") or facts.get("scenes")
    if pictures:
        return [s for s in pictures if s.get("sha256_pixels_C") and s["name"] not in ASIDE]
    if "signals" in facts:  # axes by their names there; only those that are x, y or z are ours too
        return [s | {"axes": "".join(_letter(a["name"]) for a in s["axes"])} for s in facts["signals"]]
    if "axes" not in facts and isinstance(facts.get("sizes"), dict):
        facts["axes"] = "".join(facts["sizes"])
    return [facts] if facts.get("sha256_pixels_C") else []


def _letter(name: str) -> str:
    return name.upper() if name in ("x", "y", "z") else "?"


def sample_hashes(corpus: Path, row: dict[str, Any]) -> list[str]:
    """SHA-1 (12 digits) of float64 samples as the row's first reader gave them."""
    facts = manifest(corpus)[row["path"]]["reference_facts"].split(" || ")[0]
    return re.findall(r"f8sha1=([0-9a-f]{12})", facts)
