"""What a user can tell of a file that does not say it: the form, the reader options, the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sparc_fuse_core.errors import FuseError

__all__ = ["form_of", "options_from", "recipe_from", "recipe_name"]

_MOST_NAMES = 200
_TIME = ("time_column", "time")  # what readers call it
_PLAIN = ("rate", "time_unit", "orientation", "units", "signals")
_UNITS = ("s", "ms", "us", "ns", "min", "h", "d")
_WAYS = ("rows", "columns")


def form_of(source: Any) -> dict[str, Any]:
    """What can be told of a file: its format, the fields and the names to choose from; {} for nothing."""
    from sparc_fuse_core.formats import detect
    from sparc_fuse_core.formats._sets import leading

    lead = leading(source)
    chosen = detect(lead)
    fields = [key for key in (*_TIME, *_PLAIN) if key in chosen.options]
    if not fields or chosen.names is None:
        return {}
    try:
        names = list(chosen.names(lead))
    except FuseError:  # told when the file is opened
        names = []
    return {"format": chosen.name, "fields": fields, "names": names[:_MOST_NAMES], "open": False}


def options_from(values: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Reader options from the answers of the form. FuseError, one sentence, for an answer that means nothing."""
    options: dict[str, Any] = {}
    for key in form.get("fields", []):
        value = values.get(key)
        text = value.strip() if isinstance(value, str) else value
        if not text:
            continue
        if key == "rate":
            options[key] = _rate(str(text))
        elif key == "units":
            held = [part.strip() for part in str(text).split(",")]
            options[key] = held[0] if len(held) == 1 else held
        elif key == "signals":
            options[key] = [str(name) for name in text]
        else:
            options[key] = _choice(key, str(text), form)
    if form.get("format") == "csv" and str(options.get("time_column", "")).isdigit():
        options["time_column"] = int(options["time_column"])
    return options


def _rate(text: str) -> float:
    plain = re.sub(r"\s|hz$", "", text.lower())
    try:
        rate = float(plain)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise FuseError(
            f"The rate has to be a number of hertz above 0, not {text!r}", hint="Write for example 1000."
        )
    return int(rate) if rate.is_integer() else rate


def _choice(key: str, text: str, form: Mapping[str, Any]) -> str:
    allowed = {"time_unit": _UNITS, "orientation": _WAYS}.get(key, form.get("names", ()))
    if text not in allowed:
        raise FuseError(f"{text!r} is none of the choices", hint="Choose one of those that are listed.")
    return text


def recipe_name(dataset_id: str, path: str) -> str:
    """A name for a recipe, made of the dataset and the file."""
    words = f"{dataset_id}-{PurePosixPath(path).stem}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:80].strip("-") or "recipe"


def recipe_from(
    name: str, pattern: str, form: Mapping[str, Any], options: Mapping[str, Any], dataset_id: str
) -> dict[str, Any]:
    """A recipe as `sparc_fuse_core.recipes.save` takes it. FuseError, one sentence, for what is missing."""
    if not options:
        raise FuseError(
            "There is nothing to save yet", hint="Fill in what the file does not say, and preview it."
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,79}", name.strip()):
        raise FuseError(
            f"{name!r} is no name of a recipe",
            hint="Use small letters, digits and dashes, such as force-1khz.",
        )
    if not pattern.strip():
        raise FuseError(
            "A recipe needs a pattern of paths", hint="Write *.csv for all files with that ending."
        )
    return {
        "name": name.strip(),
        "datasets": [dataset_id] if dataset_id else [],
        "paths": [pattern.strip()],
        "formats": [str(form["format"])],
        "reader": dict(options),
    }
