"""JSON text as Python values: nested, large or damaged text ends in an error that says so, never in a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._table.text import encoding_of

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MOST_BYTES = 1 << 28
_MOST_CONTAINERS = 4_000_000  # each takes 60 to 250 bytes in memory
_MOST_ITEMS = 20_000_000
_MOST_DEPTH = 64
_MOST_DIGITS = 4000
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|([\[{])|([\]}])', re.DOTALL)
_BLANK = " \t\r\n\0\ufeff"


def text_of(source: Source) -> str:
    """The whole file as text, without byte order marks at its ends. FormatError for bytes that are no text."""
    if source.size > MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: has {source.size} bytes of JSON, which has to be read whole; "
            f"at most {MOST_BYTES} are read",
            hint="Save the data as CSV, HDF5 or MAT, or split the file.",
        )
    raw = source.read(0, source.size, "text")
    encoding, mark = encoding_of(raw[: 1 << 16])
    if encoding == "cp1252":
        encoding = "utf-8"
    unit = 2 if encoding.startswith("utf-16") else 4 if encoding.startswith("utf-32") else 1
    try:
        return raw[mark:].decode(encoding).strip(_BLANK)
    except UnicodeDecodeError as error:
        kind = Truncated if (len(raw) - mark) % unit else FormatError
        raise kind(
            f"{source.name}: is {encoding.upper()} text, but not at byte {mark + error.start} ({error.reason}); "
            "it is damaged or cut short",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        ) from None


def parse(source: Source, text: str, notes: list[str] | None = None) -> Any:
    """The value that ``text`` spells; a key that stands twice in one object is told in ``notes``.

    Raises Truncated for text that ends too early, LimitExceeded for too many or too deeply nested values.
    """
    _check_shape(source.name, text)
    twice: list[str] = []

    def gather(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        held = dict(pairs)
        if len(held) < len(pairs) and len(twice) < 5:
            seen: set[str] = set()
            twice.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return held

    def integer(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:  # no measurement, and reading it would take quadratic time
            raise LimitExceeded(
                f"{source.name}: holds an integer of {len(digits)} digits, at most {_MOST_DIGITS} are sane",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        return int(digits)

    try:
        value = json.loads(text, object_pairs_hook=gather, parse_int=integer)
    except json.JSONDecodeError as error:
        raise _broken(source.name, text, error) from None
    except RecursionError:
        raise _too_deep(source.name) from None
    if twice and notes is not None:
        names = ", ".join(map(repr, dict.fromkeys(twice)))
        notes.append(f"{names} stands more than once in an object; its last value is taken")
    return value


def _check_shape(name: str, text: str) -> None:
    if text.count("{") + text.count("[") > _MOST_CONTAINERS or text.count(",") > _MOST_ITEMS:
        raise LimitExceeded(
            f"{name}: holds more than {_MOST_CONTAINERS} objects or {_MOST_ITEMS} values; "
            "it is damaged or too large for JSON",
            hint="Save the data as CSV, HDF5 or MAT, or split the file.",
        )
    if max(text.count("{") + text.count("["), 0) <= _MOST_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        if found[1]:
            depth += 1
            if depth > _MOST_DEPTH:
                raise _too_deep(name)
        elif found[2]:
            depth -= 1


def _too_deep(name: str) -> LimitExceeded:
    return LimitExceeded(
        f"{name}: is nested more than {_MOST_DEPTH} deep; it is damaged or no table",
        hint="Save the table that it holds in a file of its own.",
    )


def _broken(name: str, text: str, error: json.JSONDecodeError) -> FormatError:
    ended = error.pos >= len(text) - 1 or "Unterminated" in error.msg
    kind = Truncated if ended else FormatError
    what = "it is cut short" if ended else "it is damaged or no JSON"
    return kind(
        f"{name}: JSON was expected, line {error.lineno} column {error.colno} cannot be followed "
        f"({error.msg}); {what}",
        hint="Fetch the file again, or ask its authors for an intact copy.",
    )
