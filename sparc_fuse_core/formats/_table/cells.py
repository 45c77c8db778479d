"""Cells of text tables: which are numbers, missing, clocks; what a column's heading says of unit and time."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

Cell = Literal["number", "missing", "clock", "text"]

_MISSING_WORDS = (
    "", "nan", "-nan", "+nan", "na", "n/a", "#n/a", "<na>", "null", "none", "nil", "-", "--",
    "1.#qnan", "1.#ind", "-1.#ind", "#div/0!", "#value!", "#ref!", "#num!", "#null!", "#name?",
)  # fmt: skip
MISSING = frozenset(_MISSING_WORDS)
# The fast parser compares without ignoring case, so the usual spellings are given to it.
MISSING_SPELLED = tuple(
    {*MISSING, *(w.upper() for w in MISSING), *(w.title() for w in MISSING), "NaN", "-NaN"}
)

_NUMBER = {
    ".": re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|Inf|INF|infinity|Infinity)\Z"),
    ",": re.compile(r"[+-]?(?:(?:\d+(?:,\d+)?|,\d+)(?:[eE][+-]?\d+)?|inf|Inf|INF|infinity|Infinity)\Z"),
}
CLOCK = re.compile(
    r"(?:(?P<y>\d{4})[-/.](?P<mo>\d{1,2})[-/.](?P<d>\d{1,2})(?:[T ]\s*|\Z)|"
    r"(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<c>\d{4}|\d{2})(?:[T ]\s*|\Z))?"
    r"(?:(?P<h>\d{1,4}):(?P<m>\d{2})(?::(?P<s>\d{2}))?(?:[.,:](?P<f>\d{1,12}))?\s*(?P<p>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<z>Z|[+-]\d{2}:?\d{2})?)?\Z"
)

_SECONDS: dict[str, Fraction] = {}
for _names, _size in (
    ("s sec secs second seconds", Fraction(1)),
    ("ms msec msecs millisecond milliseconds millisec", Fraction(1, 1000)),
    ("us \u00b5s \u03bcs usec \u00b5sec \u03bcsec microsecond microseconds", Fraction(1, 10**6)),
    ("ns nsec nanosecond nanoseconds", Fraction(1, 10**9)),
    ("min mins minute minutes", Fraction(60)),
    ("h hr hrs hour hours", Fraction(3600)),
    ("d day days", Fraction(86400)),
):
    _SECONDS |= dict.fromkeys(_names.split(), _size)

_PLAIN = re.compile(
    r"(?:[pnu\u00b5\u03bcmcdkMG]?(?:V|Volts?|volts?|A|Amps?|Hz|m|g|N|Pa|W|J|F|C|K|L|l|M|mol|\u03a9|\u2126|"
    r"[Oo]hms?|S|T|bar|eV|s|sec|mHg|mH2O)|[mM]illivolts?|[mM]icrovolts?|"
    r"[mu]?secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|%|mmHg|cmH2O|inHg|[Tt]orr|BPM|bpm|rpm|psi|"
    r"deg|degrees|\u00b0|\u00b0 ?[CF]|deg ?[CF]|rad|dB|a\.?u\.?|A\.?U\.?|arb\.? units?|counts?|px|pixels?|"
    r"ppm|beats|breaths|grav|[mk]?Nm|(?:[mc]?m|[su])\^?[23])"
)
_UNIT = re.compile(rf"{_PLAIN.pattern}(?:[/.*\u00b7 ]{_PLAIN.pattern})*(?:\^?-?\d)?\Z")
_BRACKETED = re.compile(r"(?P<base>.*?)[\s_]*[(\[{]\s*(?P<unit>[^()\[\]{}]{1,24}?)\s*[)\]}]\s*\Z", re.DOTALL)
_SLASHED = re.compile(
    r"(?P<base>.*\S)\s+/\s*(?P<unit>\S+)\Z|(?P<tbase>[tT]|[Tt]ime)/(?P<tunit>\S+)\Z", re.DOTALL
)
# Endings that no word, side or electrode has: a lone V, s, m or g could mean anything.
_ENDING = re.compile(
    r"(?P<base>.*[^\s_])[\s_](?P<unit>[mun\u00b5\u03bc]V|[munp\u00b5\u03bc]A|k?Hz|mmHg|cmH2O|kPa|msec|usec|"
    r"mL/min|bpm)\Z",
    re.DOTALL,
)

_TIME = re.compile(
    r"(?:(?:rel|relative|abs|absolute|elapsed|sample|recording|rec|clock|local|system|unix|utc|lab)? ?"
    r"(?:time ?stamps?|times?|date ?time|clock|elapsed)"
    r"(?: (?:elapsed|of day|since .*|from .*|axis|vector|col))?|"
    r"t|zeit|temps|tiempo|tempo|hh mm ss.*|time hh.*|epoch)\Z"
)
_TIME_WITH_UNIT = re.compile(r"(?P<base>.+?)(?: in)? (?P<unit>[a-z\u00b5\u03bc]+)\Z")
COUNTER = re.compile(
    r"(?:|#|n|no|nr|idx|index|row|row names|samples?|sample (?:no|nr|number|index|num|id)|frames?|"
    r"frame (?:no|nr|number|index)|unnamed 0|counter|count|line|obs)\Z"
)


def cell_kind(cell: str, decimal: str) -> Cell:
    """What one cell is, with the decimal mark of its file."""
    text = cell.strip()
    if text.lower() in MISSING:
        return "missing"
    if _NUMBER[decimal].match(text):
        return "number"
    return "clock" if len(text) < 48 and CLOCK.match(text) else "text"


def seconds_in(unit: str) -> Fraction | None:
    """Length of a unit of time in seconds; None when it is not one."""
    return _SECONDS.get(unit.strip().strip(".").lower()) if unit else None


def is_unit(text: str) -> bool:
    """True for text that is a unit of measurement and hardly anything else."""
    return bool(_UNIT.match(text.strip()))


def split_unit(heading: str) -> tuple[str, str]:
    """Name and unit of a column's heading; the unit is "" where it is not unmistakable.

    ``Force (g)`` gives ``Force``, ``g``; an ending like ``EMG_mV`` gives its unit and stays part of the name.
    """
    name = " ".join(heading.split())
    for form in (_BRACKETED, _SLASHED):
        found = form.match(name)
        if found is None:
            continue
        parts = {
            key.removeprefix("t"): value for key, value in found.groupdict().items() if value is not None
        }
        base, unit = parts["base"].strip(), parts["unit"]
        if base and is_unit(unit):
            return base, unit
    ending = _ENDING.match(name)
    return (name, ending["unit"]) if ending else (name, "")


def plain(heading: str) -> str:
    """A heading in lower case with words set apart by one blank."""
    return re.sub(r"[^0-9a-z%#\u00b5\u03bc]+", " ", heading.lower()).strip()


def time_unit_of(name: str, unit: str) -> tuple[bool, Fraction | None]:
    """Whether a column of this name and unit holds time; the length of its unit in seconds where stated."""
    words, size = plain(name), seconds_in(unit)
    if _TIME.match(words):
        return unit == "" or size is not None, size
    if not unit and (found := _TIME_WITH_UNIT.match(words)) and _TIME.match(found["base"]):
        size = seconds_in(found["unit"])
        return size is not None, size
    if not unit and len(words) > 1 and words not in ("day", "days") and seconds_in(words) is not None:
        return True, seconds_in(words)
    return False, None
