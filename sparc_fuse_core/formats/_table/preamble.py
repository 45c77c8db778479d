"""What the lines above a text table state: the sampling rate, and AcqKnowledge's list of channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sparc_fuse_core.formats._table.cells import seconds_in

_NUMBER = r"(\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)"
_PER_SAMPLE = re.compile(rf"{_NUMBER}\s*([a-z\u00b5\u03bc]+)\s*/\s*sample", re.IGNORECASE)
_RATE = re.compile(
    rf"(?:sampl(?:ing|e)[ _-]*(?:rate|freq(?:uency)?)|\bfs|\bfreq(?:uency)? of sampling)\b[\"']?\s*"
    rf"(?:[(\[]\s*(k?)Hz\s*[)\]])?[\"']?\s*[:=,;\t ]\s*[\"']?{_NUMBER}\s*(kHz|Hz|S/s|samples|/s)?",
    re.IGNORECASE,
)
_INTERVAL = re.compile(
    rf"sampl(?:ing|e)[ _-]*(?:interval|period)\b\s*(?:[(\[]\s*([a-z\u00b5]+)\s*[)\]])?"
    rf"\s*[:=,;\t ]\s*{_NUMBER}\s*([a-z\u00b5]+)?",
    re.IGNORECASE,
)
_CHANNELS = re.compile(r"(\d+) channels?\Z", re.IGNORECASE)


@dataclass(slots=True)
class Stated:
    """``rate`` in Hz with the line that states it; names and units of the channels in order."""

    rate: Fraction | None = None
    line: str = ""
    names: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)


def stated(preamble: Sequence[str]) -> Stated:
    """What the text above the table says."""
    found = Stated()
    for number, line in enumerate(preamble[:200]):
        rate = _rate_in(line[:10_000])
        if rate is not None and found.rate is None:
            found.rate, found.line = rate, line.strip()[:200]
        channels = _CHANNELS.match(line.strip().strip('"'))
        if channels and _PER_SAMPLE.search(preamble[number - 1] if number else ""):
            rest = [text.strip().strip('"') for text in preamble[number + 1 :]]
            count = int(channels[1])
            if len(rest) >= 2 * count:
                found.names, found.units = rest[0 : 2 * count : 2], rest[1 : 2 * count : 2]
    return found


def _rate_in(line: str) -> Fraction | None:
    if per := _PER_SAMPLE.search(line):
        return _inverse(per[1], per[2])
    if interval := _INTERVAL.search(line):
        return _inverse(interval[2], interval[3] or interval[1] or "")
    if rate := _RATE.search(line):
        value = _exact(rate[2])
        kilo = (rate[1] or "").lower() == "k" or (rate[3] or "").lower().startswith("k")
        return value * (1000 if kilo else 1) if value else None
    return None


def _inverse(number: str, unit: str) -> Fraction | None:
    size, value = seconds_in(unit), _exact(number)
    return 1 / (value * size) if size and value else None


def _exact(number: str) -> Fraction:
    mantissa, _, exponent = number.replace(",", ".").lower().partition("e")
    power = int(exponent or 0)
    return Fraction(mantissa) * Fraction(10) ** power if abs(power) < 30 else Fraction(0)
