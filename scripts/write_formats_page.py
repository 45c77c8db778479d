"""Writes docs/formats.md and the table of the README from the formats themselves; a test compares them."""

from __future__ import annotations

import inspect
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- formats: begin (make docs writes this table) -->\n", "<!-- formats: end -->"
KINDS = {
    "signals": "Signals and tables",
    "image": "Images",
    "geometry": "Geometry",
    "table": "Tables",
    "text": "Text",
}


def _rows():
    from sparc_fuse_core.formats import registry

    return sorted(registry().values(), key=lambda f: (list(KINDS).index(f.kind), f.title.casefold()))


def table() -> str:
    """The table of the README."""
    lines = ["| Format | Endings | |", "|---|---|---|"]
    for item in _rows():
        endings = " ".join(f"`{s}`" for s in item.suffixes)
        lines.append(f"| {item.title} | {endings} | {item.kind} |")
    return "\n".join(lines) + "\n"


def endings_table() -> str:
    """One row for each ending: what comes over, what does not, how lazily, by which reader, proven by what."""
    lines = [
        "| Ending | Format | Carried over | Not carried over | Least that is read | Reader | Real files |",
        "|---|---|---|---|---|---|---|",
    ]
    files = Counter(row["format"] for row in _corpus())
    rows = sorted(((ending, item) for item in _rows() for ending in item.suffixes), key=lambda row: row[0])
    for ending, item in rows:
        reader = ", ".join(item.requires) or "own"
        held = (item.title, item.carried, item.left, item.lazy, reader, str(files[item.name]))
        lines.append(f"| `{ending}` | " + " | ".join(text.replace("|", "/") for text in held) + " |")
    return "\n".join(lines)


def _proof(name: str) -> str:
    names = sorted(row["path"].rpartition("/")[2] for row in _corpus() if row["format"] == name)
    made = "files that the tests write"
    return (
        f"Proven by {made} and by {len(names)} real ones: {', '.join(names)}."
        if names
        else f"Proven by {made}."
    )


def page() -> str:
    """The whole of docs/formats.md."""
    parts = [
        "# Formats",
        "",
        "Written by `make docs` from the readers themselves. Every format has a section below.",
        "",
    ]
    parts += [endings_table(), ""]
    kind = ""
    for item in _rows():
        if item.kind != kind:
            kind = item.kind
            parts += [f"## {KINDS[kind]}", ""]
        text = inspect.getdoc(sys.modules[item.open.__module__]) or ""
        endings = " ".join(f"`{s}`" for s in item.suffixes)
        parts += [f"### {item.title}", "", f"Endings: {endings}", ""]
        if item.requires:
            parts += [f"Read with: {', '.join(item.requires)}", ""]
        if item.options:
            parts += [f"Options: {', '.join(f'`{o}`' for o in item.options)}", ""]
        parts += [_proof(item.name), "", text, ""]
    return "\n".join(parts).rstrip() + "\n"


def readme() -> str:
    """README.md with its table renewed."""
    text = (ROOT / "README.md").read_text("utf-8")
    head, rest = text.split(BEGIN)
    return head + BEGIN + table() + END + rest.split(END, 1)[1]


def _corpus() -> list[dict[str, str]]:
    path = ROOT / "tests" / "corpus.toml"
    return tomllib.loads(path.read_text("utf-8"))["file"] if path.is_file() else []


if __name__ == "__main__":
    (ROOT / "docs" / "formats.md").write_text(page(), "utf-8")
    (ROOT / "README.md").write_text(readme(), "utf-8")
