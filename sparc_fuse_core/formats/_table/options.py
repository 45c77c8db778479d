"""What the user says about a table, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._table.shape import spell

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

SHARED = ("rate", "time_column", "time_unit", "signals", "aside", "names", "units")  # of tables of every kind


def checked(source: Source, options: dict[str, Any]) -> dict[str, Any]:
    """The options with their values in order; FormatError for values that mean nothing."""
    chosen = {key: value for key, value in options.items() if value is not None and value != ""}
    if "rate" in chosen:
        chosen["rate"] = _rate(source, chosen["rate"])
    if "delimiter" in chosen:
        chosen["delimiter"] = spell(str(chosen["delimiter"]))
    header = str(chosen.get("header", "")).lower()
    if header in ("true", "yes", "false", "no", "none"):
        chosen["header"] = header in ("true", "yes")
    elif header.isdigit():
        chosen["header"] = int(header)
    for name, allowed in (("decimal", (".", ",")), ("orientation", ("columns", "rows"))):
        if name in chosen and chosen[name] not in allowed:
            raise _refusal(source, name, chosen[name], " or ".join(map(repr, allowed)))
    if "pivot" in chosen and chosen.get("orientation") == "rows":
        raise _refusal(source, "orientation", "rows", "either pivot= or orientation='rows'")
    if "pivot" in chosen and "rate" in chosen:
        raise _refusal(source, "rate", chosen["rate"], "the time of the rows with time_column= beside pivot=")
    if "header" in chosen and not isinstance(chosen["header"], int):
        raise _refusal(source, "header", chosen["header"], "True, False or the number of a line")
    if "delimiter" in chosen and (len(chosen["delimiter"]) != 1 or not chosen["delimiter"].isascii()):
        raise _refusal(source, "delimiter", chosen["delimiter"], "one character, 'tab' or 'space'")
    return chosen


def _rate(source: Source, given: Any) -> float:
    try:
        rate = float(given)
    except (TypeError, ValueError):
        raise _refusal(source, "rate", given, "a number in Hz") from None
    if not 0 < rate < float("inf"):
        raise _refusal(source, "rate", given, "a number in Hz above 0")
    return rate


def _refusal(source: Source, name: str, given: Any, allowed: str) -> FormatError:
    return FormatError(f"{source.name}: the option {name}={given!r} means nothing", hint=f"Give {allowed}.")
