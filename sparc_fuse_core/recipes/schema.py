"""What a recipe may say: its fields, the options of readers, and one sentence for each that does not fit.

::

    name = "ds108"                    # required: small letters, digits, dashes
    title = "HPLC chromatograms"
    datasets = ["108"]                # ids; without any it is used only when it is asked for
    paths = ["*.csv"]                 # a pattern without "/" is for the name, one with "/" for the whole path
    formats = ["csv"]                 # required: names that `sparc-fuse formats` lists
    note = "What it does, and the evidence for it."
    doubts = ["Sentences that go into the warnings of each output."]

    [reader]                          # required: options of those formats
    time_column = 0
    time_unit = "min"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sparc_fuse_core.errors import FormatError, FuseError

__all__ = ["Recipe", "checked"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\Z")
_TIME_UNITS = ("s", "ms", "us", "ns", "min", "h", "d")
_WAYS = ("rows", "columns", "channels_first", "time_first")
Check = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to read certain files; ``reader`` holds the reader's options, ``sha256`` is that of a user's file."""

    name: str
    formats: tuple[str, ...]
    reader: Mapping[str, Any]
    title: str = ""
    datasets: tuple[str, ...] = ()
    paths: tuple[str, ...] = ("*",)
    note: str = ""
    doubts: tuple[str, ...] = ()
    sha256: str = field(default="", compare=False)

    @property
    def mark(self) -> str:
        """How outputs name it: a shipped one by its name, a user's file with its checksum too."""
        return f"{self.name} (sha256 {self.sha256})" if self.sha256 else self.name

    def fit(self, path: str) -> int:
        """How closely a dataset-relative path is described: letters of the best pattern, -1 for none."""
        return max((_fit(pattern.casefold(), path.casefold()) for pattern in self.paths), default=-1)

    def options(self, file: str, format_name: str, more: Mapping[str, Any]) -> dict[str, Any]:
        """Reader options for a file, those that the user gave beside the recipe overruling its own.

        Raises FormatError when the recipe is for files of another format.
        """
        if format_name not in self.formats:
            raise FormatError(
                f"{file}: recipe {self.name!r} is for {' or '.join(self.formats)} files, this one is {format_name}",
                hint="Leave out the recipe, or choose one for this format: `sparc-fuse recipes` lists them.",
            )
        return {**self.reader, **more}


def _fit(pattern: str, path: str) -> int:
    held = path if "/" in pattern else path.rpartition("/")[2]
    return len(re.sub(r"[*?]", "", pattern)) if fnmatchcase(held, pattern) else -1


def checked(content: Mapping[str, Any], where: str, sha256: str = "") -> Recipe:
    """The recipe that a parsed TOML file states; FuseError names the file, the key and what belongs there."""
    for key in content:
        if key not in _FIELDS:
            raise _refusal(where, key, "is no field of a recipe", f"Fields are {', '.join(_FIELDS)}.")
    for key, check in _FIELDS.items():
        if key in content and (wanted := check(content[key])):
            raise _refusal(where, key, f"is {content[key]!r}, it has to be {wanted}")
    for key in ("name", "formats", "reader"):
        if not content.get(key):
            raise _refusal(where, key, "is missing", "A recipe needs name, formats and [reader].")
    _check_reader(where, content["reader"], content["formats"])
    return Recipe(
        content["name"],
        tuple(content["formats"]),
        dict(content["reader"]),
        content.get("title", ""),
        tuple(str(item) for item in content.get("datasets", ())),
        tuple(content.get("paths", ("*",))),
        " ".join(content.get("note", "").split()),
        tuple(content.get("doubts", ())),
        sha256,
    )


def _check_reader(where: str, reader: Mapping[str, Any], formats: list[str]) -> None:
    from sparc_fuse_core.formats import registry

    for name in formats:
        if name not in registry():
            raise _refusal(
                where, "formats", f"names {name!r}, which is no format", "`sparc-fuse formats` lists them."
            )
        known = registry()[name].options
        for key, value in reader.items():
            if key not in known:
                told = ", ".join(known) or "none"
                raise _refusal(
                    where, f"reader.{key}", f"is no option of the {name} reader", f"Its options are {told}."
                )
            if wanted := _OPTIONS.get(key, _anything)(value):
                raise _refusal(where, f"reader.{key}", f"is {value!r}, it has to be {wanted}")


def _refusal(where: str, key: str, what: str, hint: str = "") -> FuseError:
    return FuseError(
        f"{where}: {key} {what}",
        hint=hint or "Mend that line: recipes hold plain values, no code.",
        source=where,
    )


# -- what values may be: each check gives "" or says what belongs there ------------------------------------


def _anything(_: Any) -> str:
    return ""


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else "text"


def _name(value: Any) -> str:
    good = isinstance(value, str) and _NAME.match(value)
    return "" if good else "small letters, digits and dashes"


def _number(value: Any) -> str:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    return "" if good else "a number above 0"


def _one_of(*allowed: str) -> Check:
    return lambda value: "" if value in allowed else f"one of {', '.join(allowed)}"


def _place(value: Any) -> str:
    good = not _text(value) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    return "" if good else "a heading or a number from 0"


def _list_of(check: Check, *, empty: bool = False) -> Check:
    def listed(value: Any) -> str:
        good = isinstance(value, list) and (empty or bool(value)) and not any(check(v) for v in value)
        return "" if good else f"a list, each item {check(None)}"

    return listed


def _table_of(check: Check) -> Check:
    def tabled(value: Any) -> str:
        good = isinstance(value, dict) and bool(value) and not any(check(v) for v in value.values())
        return "" if good else f"a table, each value {check(None)}"

    return tabled


def _any_of(*checks: Check) -> Check:
    def some(value: Any) -> str:
        said = [check(value) for check in checks]
        return "" if "" in said else " or ".join(said)

    return some


def _tables(required: tuple[str, ...], **known: Check) -> Check:
    def good(row: Any) -> bool:
        return (
            isinstance(row, dict)
            and all(key in row for key in required)
            and all(key in known and not known[key](value) for key, value in row.items())
        )

    def rows(value: Any) -> str:
        if isinstance(value, list) and value and all(good(row) for row in value):
            return ""
        said = ", ".join(f"{key} ({check(None)})" for key, check in known.items())
        return f"tables that may hold {said} and must hold {', '.join(required)}"

    return rows


def _way(value: Any) -> str:
    return (
        "" if isinstance(value, bool) or not _place(value) else "true, false or the number of a line from 0"
    )


def _string(value: Any) -> str:
    return "" if isinstance(value, str) else "text"


_UNIT_OF_TIME = _one_of(*_TIME_UNITS)
_ONE_OR_MORE = _any_of(_text, _list_of(_text))
_UNITS = _any_of(_text, _list_of(_string), _table_of(_string))
_NAMES = _any_of(_list_of(_string), _table_of(_text))
_FIELDS: dict[str, Check] = {
    "name": _name,
    "title": _text,
    "datasets": _list_of(_any_of(_text, _place), empty=True),
    "paths": _list_of(_text),
    "formats": _list_of(_text),
    "reader": lambda value: "" if isinstance(value, dict) and value else "a table of options",
    "note": _text,
    "doubts": _list_of(_text, empty=True),
}
_OPTIONS: dict[str, Check] = {
    "rate": _any_of(_number, _table_of(_number)),
    "time": _text,
    "time_column": _any_of(_place, _list_of(_place)),
    "time_unit": _UNIT_OF_TIME,
    "units": _UNITS,
    "names": _NAMES,
    "signals": _any_of(_text, _list_of(_place)),
    "aside": _list_of(_place),
    "pivot": _place,
    "orientation": _one_of(*_WAYS),
    "delimiter": _string,
    "decimal": _one_of(".", ","),
    "header": _way,
    "streams": _tables(
        ("signals",),
        signals=_ONE_OR_MORE,
        without=_ONE_OR_MORE,
        rate=_number,
        time=_text,
        time_unit=_UNIT_OF_TIME,
        units=_any_of(_text, _list_of(_string)),
        names=_list_of(_string),
        orientation=_one_of(*_WAYS),
    ),
    "intervals": _tables(("span", "label"), span=_text, label=_text, time_unit=_UNIT_OF_TIME),
}
