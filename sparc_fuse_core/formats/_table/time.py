"""Time axes of text tables: even steps give a rate, clocks and dates give seconds from the first row."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._table.cells import CLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAY = 86400 * 10**9
_TIGHT = 1e-3  # an even step known less well than this is no sampling frequency
_NEVER = np.iinfo(np.int64).min


class Steps:
    """What a column of times does from row to row, gathered block by block.

    Parameters
    ----------
    sample
        The first values as they are printed, and as many of them as are at hand.
    """

    def __init__(self, sample: Sequence[str], decimal: str = ".") -> None:
        self.count = 0
        self.first = self.last = math.nan
        self.bad_row = 0  # first row, from 1, that has no value or does not come after the one before
        self.repeats_only = True
        self.missing = False
        self.worst = 0.0
        self._digits = max((_decimals(cell, decimal) for cell in sample), default=0)
        self._guess: Fraction | None = None
        self._exact = True
        self._low, self._high = 0.0, math.inf

    def feed(self, values: NDArray[np.float64]) -> None:
        """The next values, in rows' order."""
        if self.count == 0:
            self.first = float(values[0])
        previous = np.concatenate(([self.last if self.count else -math.inf], values[:-1]))
        self._order(values, previous)
        index = np.arange(self.count, self.count + len(values), dtype="f8")
        self.count += len(values)
        self.last = float(values[-1])
        if self.missing:
            return
        if self._guess is None and self.count > 1:
            second = values[1] if len(values) == self.count else values[0]
            self._guess = Fraction(round((float(second) - self.first) * 10**self._digits), 10**self._digits)
        self._evenness(values - self.first, index, float(np.abs(values).max()))

    def _order(self, values: NDArray[np.float64], previous: NDArray[np.float64]) -> None:
        with np.errstate(invalid="ignore"):
            late = values > previous
        if not late.all():
            where = int(np.argmin(late))
            self.bad_row = self.bad_row or self.count + where + 1
            self.repeats_only = self.repeats_only and not (values < previous).any()
        if not np.isfinite(values).all():
            self.missing, self.repeats_only = True, False

    def _evenness(self, since: NDArray[np.float64], index: NDArray[np.float64], largest: float) -> None:
        noise = 8 * np.finfo("f8").eps * largest
        later = index > 0
        if not later.any():
            return
        if self._guess is not None:
            off = float(np.abs(since - index * float(self._guess)).max())
            self._exact = bool(self._exact and off <= noise)
        slack = max(10.0**-self._digits, noise, 1e-6 * float(self._guess or 0))
        self._low = max(self._low, float(np.max((since[later] - slack) / index[later])))
        self._high = min(self._high, float(np.min((since[later] + slack) / index[later])))

    @property
    def increasing(self) -> bool:
        """True when each value comes after the one before."""
        return self.count > 0 and not self.bad_row and not self.missing

    @property
    def is_counter(self) -> bool:
        """True for 0, 1, 2 … and 1, 2, 3 …"""
        return (
            self.increasing
            and self._exact
            and self._guess == 1
            and self._digits == 0
            and self.first in (0, 1)
        )

    @property
    def exact(self) -> bool:
        """True when all steps are equal as printed, False when they are so only but for rounding."""
        return self._exact

    def rate(self) -> Fraction | float | None:
        """Samples for each unit of the column where the steps are even, else None."""
        if self.count < 3 or self.missing or not (self.increasing or self.repeats_only):
            return None
        if self._exact and self._guess and self._guess > 0:
            return _simplest_near(1 / self._guess, 1e-13)
        if not 0 < self._low <= self._high or (self._high - self._low) > _TIGHT * self._low:
            return None
        if self.count < 10:
            return None
        return _nice(1 / self._high, 1 / self._low, (self.count - 1) / (self.last - self.first))


def _decimals(cell: str, decimal: str) -> int:
    """Digits after the decimal mark that a printed number has, its exponent counted in."""
    mantissa, _, exponent = cell.strip().lower().replace(decimal, ".").partition("e")
    digits = len(mantissa.partition(".")[2])
    try:
        return min(18, max(0, digits - int(exponent or 0)))
    except ValueError:
        return 0


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of smallest denominator in an interval of positive numbers."""
    whole = -(-low.numerator // low.denominator)
    if whole <= high:
        return Fraction(whole)
    floor = low.numerator // low.denominator
    return floor + 1 / _simplest(1 / (high - floor), 1 / (low - floor))


def _simplest_near(value: Fraction, share: float) -> Fraction:
    slack = abs(value) * Fraction(share)
    if value < 1:
        return 1 / _simplest(1 / (value + slack), 1 / (value - slack))
    return _simplest(value - slack, value + slack)


def _nice(low: float, high: float, estimate: float) -> Fraction | float:
    """A round number when exactly one such lies between, else what first and last value say."""
    if high < 1:
        period = _nice(1 / high, 1 / low, 1 / estimate)
        return 1 / period
    if math.floor(high) - math.ceil(low) == 0:
        return Fraction(math.ceil(low))
    found = _simplest(Fraction(low), Fraction(high))
    return found if (high - low) * found.denominator**2 < 0.05 else estimate


# -- clocks -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ClockStyle:
    """How the clock of a column is to be read: order of day and month, and two-part times as minutes."""

    day_first: bool = False
    minutes_first: bool = False
    has_date: bool = False
    has_time: bool = False
    doubtful_date: bool = False
    zone: str = ""
    first: str = ""


def clock_style(cells: Sequence[str]) -> ClockStyle | None:
    """The style of a column of clocks or dates; None when some cell is neither."""
    found = [CLOCK.match(cell.strip()) for cell in cells if cell.strip()]
    matches = [m for m in found if m]
    if not matches or len(matches) < len(found) or not any(m["h"] or m["y"] or m["a"] for m in matches):
        return None
    style = ClockStyle(first=next(cell.strip() for cell in cells if cell.strip()))
    style.has_date = all(m["y"] or m["a"] for m in matches)
    style.has_time = any(m["h"] for m in matches)
    if not style.has_date and any(m["y"] or m["a"] for m in matches):
        return None
    style.zone = matches[0]["z"] or ""
    pairs = [(int(m["a"]), int(m["b"])) for m in matches if m["a"]]
    style.day_first = any(a > 12 for a, _ in pairs)
    style.doubtful_date = bool(pairs) and all(a <= 12 and b <= 12 and a != b for a, b in pairs)
    timed = [m for m in matches if m["h"]]
    style.minutes_first = bool(timed) and all(m["s"] is None and m["f"] for m in timed)
    return style


def nanoseconds(cells: Sequence[str] | NDArray[np.object_], style: ClockStyle) -> NDArray[np.int64]:
    """Clocks as whole nanoseconds, with dates since year 1; the least integer stands for no clock."""
    out = np.full(len(cells), _NEVER, np.int64)
    days: dict[tuple[str, ...], int] = {}
    base = date_of(style.first, style) if style.has_date else None
    for i, cell in enumerate(cells):
        found = CLOCK.match(cell.strip()) if cell else None
        if found is None:
            continue
        value = _time_of_day(found, style)
        if base is not None:
            key = tuple(str(p) for p in found.group("y", "mo", "d", "a", "b", "c"))
            if key not in days:
                days[key] = _days(found, style, base)
            value += days[key] * _DAY
        out[i] = value
    return out


def _time_of_day(part: re.Match[str], style: ClockStyle) -> int:
    if part["h"] is None:
        return 0
    hours, minutes, seconds = int(part["h"]), int(part["m"]), int(part["s"] or 0)
    if style.minutes_first:
        hours, minutes, seconds = 0, hours, minutes
    if part["p"]:
        hours = hours % 12 + (12 if part["p"][0] in "pP" else 0)
    fraction = int((part["f"] or "0").ljust(9, "0")[:9])
    shift = _zone(part["z"]) - _zone(style.zone) if part["z"] else 0
    return ((hours * 60 + minutes - shift) * 60 + seconds) * 10**9 + fraction


def _zone(text: str) -> int:
    """Minutes east of Greenwich."""
    digits = text.lstrip("+-").replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:]) if digits.isdigit() else 0
    return -minutes if text.startswith("-") else minutes


def date_of(cell: str, style: ClockStyle) -> datetime.date | None:
    """The date of a cell; None when it has none or there is no such day."""
    found = CLOCK.match(cell.strip())
    if found is None:
        return None
    if found["y"]:
        year, month, day = int(found["y"]), int(found["mo"]), int(found["d"])
    else:
        month, day, year = int(found["a"]), int(found["b"]), int(found["c"])
        if style.day_first:
            month, day = day, month
        year += 2000 if year < 100 else 0
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _days(found: re.Match[str], style: ClockStyle, base: datetime.date) -> int:
    day = date_of(found[0], style)
    if day is None:
        raise FormatError(f"{found[0]!r} is no date in the order of the first ones")
    return day.toordinal() - base.toordinal()


class Clock:
    """Turns a column of clocks into seconds from its first row, block by block.

    A clock without a date that falls by more than half a day has passed midnight.
    """

    def __init__(self, style: ClockStyle) -> None:
        self.style = style
        self.first: int | None = None
        self._before: list[tuple[int, int]] = []  # last clock and midnights passed before each block
        self._state = (0, 0)

    def feed(self, cells: NDArray[np.object_]) -> NDArray[np.float64]:
        """Seconds of the next block; FormatError where a date does not follow the order of the first ones."""
        found = nanoseconds(cells, self.style)
        if self.first is None:
            self.first = int(found[0])
            self._state = (self.first, 0)
        self._before.append(self._state)
        seconds, passed = self._unrolled(found, *self._state)
        self._state = (int(found[-1]), passed)
        if self.style.doubtful_date and seconds[-1] >= 86400:
            raise FormatError(f"dates like {self.style.first!r} do not tell day from month")
        return seconds

    def seconds(self, block: int, cells: NDArray[np.object_]) -> NDArray[np.float64]:
        """Seconds of a block that was fed before."""
        return self._unrolled(nanoseconds(cells, self.style), *self._before[block])[0]

    def _unrolled(self, found: NDArray[np.int64], last: int, passed: int) -> tuple[NDArray[np.float64], int]:
        first = self.first or 0
        gone = found == _NEVER
        days = np.full(len(found), passed, np.int64)
        if not self.style.has_date and not gone.any():
            days += np.cumsum(np.diff(found, prepend=last) < -_DAY // 2)
        seconds = np.asarray((found - first + days * _DAY) / 1e9, np.float64)
        seconds[gone] = math.nan
        return seconds, int(days[-1])

    def start(self) -> str | None:
        """Wall clock of the first row as ISO 8601, as much of it as the file says."""
        style = self.style
        day = date_of(style.first, style) if style.has_date and not style.doubtful_date else None
        if self.first is None or (style.has_date and day is None) or style.minutes_first:
            return None
        if day is not None and not style.has_time:
            return day.isoformat()
        whole, rest = divmod(self.first % _DAY, 1000)
        clock = datetime.datetime(1, 1, 1) + datetime.timedelta(microseconds=whole)
        text = clock.time().isoformat() + (f"{rest:03d}" if rest and clock.microsecond else "")
        zone = "+00:00" if style.zone == "Z" else style.zone
        return f"{day.isoformat()}T{text}{zone}" if day else f"{text}{zone}"
