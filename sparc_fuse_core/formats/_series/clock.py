"""Which vector is time, what the sampling rate is, and whether the two agree.

A vector is time only when its name says so *and* its values grow strictly. A rate is a scalar above 0 whose
name says so. Units come from an attribute, from the name, from an option, from agreement with a stated
rate, in this order; else seconds are assumed and that is recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.values import Item, vector
from sparc_fuse_core.model import LazyArray

_TIME = {
    "t", "time", "times", "timestamp", "timestamps", "tvec", "timevec", "timevector", "timeaxis", "tvector",
    "taxis", "timebase", "ticktimes", "timeline", "seconds",
}  # fmt: skip
_HAPPENING = {
    "spike", "spikes", "event", "events", "stim", "stimulus", "onset", "onsets", "to", "of", "offset",
    "peak", "peaks", "trigger", "triggers", "marker", "markers", "reaction", "response", "trial", "trials",
    "block", "blocks", "pulse", "start", "end", "stop", "first", "last", "ttl", "epoch",
}  # fmt: skip
# After a time word these say which part of a recording it belongs to: ``ticktimes_block1``, ``t_trial3``.
_PARTS = {"trial", "trials", "block", "blocks", "epoch"}
_RATE = {
    "fs", "sr", "srate", "samplerate", "samplingrate", "samplefrequency", "samplingfrequency", "sampfreq",
    "samplefreq", "samplingfreq", "samprate", "fsample", "fsamp", "fsampling", "sfreq", "sampfrequency",
    "acquisitionrate", "sampleratehz", "samplingratehz", "fshz", "samplespersecond", "samplerateinhz",
}  # fmt: skip
_WEAK_RATE = {"freq", "frequency", "rate", "hz"}
_STEP = {
    "dt",
    "interval",
    "samplinginterval",
    "sampleinterval",
    "sampinterval",
    "samplingperiod",
    "sampleperiod",
}
SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
    "millisecond": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "usec": 1e-6, "microsecond": 1e-6,
    "microseconds": 1e-6, "µs": 1e-6, "ns": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9, "min": 60.0,
    "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0,
    "hours": 3600.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_GUESSES = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "minutes": 60.0, "days": 86400.0}
# A time vector up to this size is checked value by value when the file is opened, a longer one at many
# places.
_CHECKED_WHOLE = 8 << 20
_WINDOWS, _WINDOW = 24, 2048
_AGREE = 1e-3


@dataclass(slots=True)
class Rate:
    """A stated sampling rate in Hz, and where it is stated."""

    hertz: float
    name: str
    strong: bool
    words: frozenset[str] = frozenset()


@dataclass(slots=True)
class Clock:
    """A time vector that was found to be one.

    ``step`` is the regular distance between its values in its own unit, None when they are irregular;
    ``slack`` how far the distance is known (relative).
    """

    item: Item
    data: LazyArray
    first: float
    median: float
    step: float | None
    slack: float
    strength: int
    words: frozenset[str]

    @property
    def length(self) -> int:
        return self.data.shape[0]


@dataclass(slots=True)
class Axis:
    """How the samples of a stream lie in time: a rate, or a time for each."""

    rate: float | None
    start: float
    time: LazyArray | NDArray[Any] | None
    warnings: list[str]
    begins: str | None = None
    nominal: float | None = None  # of a long vector that is regular wherever it was looked at


def words(name: str) -> list[str]:
    """Lower-case words and numbers of a name: ``timePlot05`` has time, plot and 05."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-zµ]+|\d+", name)]


def time_strength(name: str) -> int:
    """2: the name is a name for time; 1: it has one in it; 0: it is no time."""
    found = words(name)
    if name == "T" or not found:
        return 0  # as often a temperature
    if "".join(found) in _TIME:
        return 2
    plain = [w for w in found if w not in SECONDS]
    if "".join(plain) in _TIME:
        return 2
    first = 2 if "".join(found[:2]) in _TIME else 1 if found[0] in _TIME else 0
    if set(found) & (_HAPPENING - _PARTS if first else _HAPPENING):
        return 0
    ends = {found[0], found[-1], "".join(found[:2]), "".join(found[-2:]), *(plain[-1:])}
    return 1 if ends & _TIME else 0


def rate_of(name: str, value: Any) -> Rate | None:
    """The rate that a scalar of this name states; with the words of its name that tell of what."""
    number = _number(value)
    found = words(name)
    if number is None or not found or not 0 < number < 1e12:
        return None
    if "".join(found) in _WEAK_RATE:
        return Rate(number, name, strong=False)
    for known, hertz in ((_RATE, number), (_STEP, 1 / number)):
        for size in range(len(found), 0, -1):
            if "".join(found[-size:]) in known:
                return Rate(hertz, name, True, frozenset(found[:-size]))
            if "".join(found[:size]) in known:
                return Rate(hertz, name, True, frozenset(found[size:]) - set(SECONDS) - {"hz"})
    return None


def _number(value: Any) -> float | None:
    try:
        held = np.asarray(value)
        if held.size != 1 or held.dtype.kind not in "iuf":
            return None
        number = float(held.reshape(-1)[0])
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def clock_of(item: Item, *, named: bool = False) -> Clock | None:
    """``item`` as a clock when it is a strictly growing vector named so (any name when ``named``)."""
    strength = 3 if named else time_strength(item.leaf)
    if not strength or item.length < 2 or item.data.dtype.kind not in "iuf":
        return None
    data = vector(item.data)
    if item.scale != (1.0, 0.0):
        data = data.scaled(np.asarray(item.scale[0]), np.asarray(item.scale[1]), 0, "f8")
    places, values = _sampled(data)
    values = values.astype("f8") if values.dtype.kind == "f" else values.astype("i8")
    gaps, apart = np.diff(values), np.diff(places)
    if not np.isfinite(values.astype("f8")).all() or not (gaps > 0).all():
        return None
    span = float(values[-1] - values[0])
    step = span / (data.shape[0] - 1)
    drift = float(np.abs((values - values[0]).astype("f8") - step * places).max())
    exact = np.finfo(data.dtype).eps if data.dtype.kind == "f" else 0.0
    largest = float(np.abs(values.astype("f8")).max())
    allowed = max(4 * float(exact) * largest, 1e-9 * step)
    regular = drift <= allowed and allowed < 0.1 * step
    median = float(np.median(gaps / apart))
    found = frozenset(words(item.leaf)) - _TIME
    return Clock(
        item, data, float(values[0]), median, step if regular else None, 2 * allowed / span, strength, found
    )


def _sampled(data: LazyArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Indices and values of the whole vector, or of windows spread over a long one."""
    count = data.shape[0]
    if data.nbytes <= _CHECKED_WHOLE:
        return np.arange(count), data.read((slice(0, count),))
    starts = np.linspace(0, count - _WINDOW, _WINDOWS).astype(int)
    parts = [data.read((slice(int(s), int(s) + _WINDOW),)) for s in starts]
    return np.concatenate([np.arange(s, s + _WINDOW) for s in starts]), np.concatenate(parts)


def axis_of(clock: Clock, rate: Rate | None, unit: str | None) -> Axis:
    """Time in seconds: the regular rate where the vector is regular, else the vector itself."""
    warnings: list[str] = []
    stated = str(clock.item.attrs.get("units", clock.item.attrs.get("unit", ""))).strip()
    factor, begins = _seconds(stated, unit, clock)
    base = clock.first if begins is not None else 0.0
    if factor is None:
        factor = _by_rate(clock, rate, warnings)
    typical = (clock.step or clock.median) * factor
    if rate is not None and abs(rate.hertz * typical - 1) > _AGREE:
        warnings.append(
            f"{rate.name} says {rate.hertz:g} Hz, {clock.item.name} has a step of {typical:g} s; "
            "the time vector is used"
        )
        rate = None
    whole = clock.data.nbytes <= _CHECKED_WHOLE
    if clock.step is not None and whole:
        exact = _round_rate(1 / (clock.step * factor), clock.slack, rate)
        start = (clock.first - base) * factor
        return Axis(exact, start, None, warnings, begins)
    if begins is not None:
        held = clock.data.read((slice(0, clock.length),))
        return Axis(None, 0.0, (held - held[0]).astype("f8") * factor, warnings, begins)
    data = clock.data if factor == 1 else clock.data.scaled(np.asarray(factor), np.asarray(0.0), 0, "f8")
    return Axis(None, 0.0, data, warnings, nominal=None if clock.step is None else 1 / typical)


def _seconds(stated: str, unit: str | None, clock: Clock) -> tuple[float | None, str | None]:
    """Seconds in one unit of the clock, and the wall-clock time of its first value where the unit says it."""
    since = re.match(r"(\w+) since (.+)", stated)
    if since and since[1].lower() in SECONDS and (origin := iso_time(since[2])) is not None:
        factor = SECONDS[since[1].lower()]
        begin = datetime.fromisoformat(origin) + timedelta(seconds=clock.first * factor)
        return factor, begin.isoformat()
    if unit is not None and unit.lower() in SECONDS:
        return SECONDS[unit.lower()], None
    if stated.lower() in SECONDS:
        return SECONDS[stated.lower()], None
    named = [w for w in words(clock.item.leaf)[1:] if w in SECONDS]
    return (SECONDS[named[-1]] if named else None), None


def _by_rate(clock: Clock, rate: Rate | None, warnings: list[str]) -> float:
    name, typical = clock.item.name, clock.step or clock.median
    if rate is not None:
        for unit, factor in _GUESSES.items():
            if abs(rate.hertz * typical * factor - 1) <= _AGREE:
                if unit != "seconds":
                    warnings.append(f"{name} states no unit; {rate.name} = {rate.hertz:g} Hz fits {unit}")
                return factor
        if abs(typical - 1) <= _AGREE and rate.strong:
            warnings.append(f"{name} counts samples; {rate.name} = {rate.hertz:g} Hz gives their times")
            return 1 / rate.hertz
    warnings.append(f"{name} states no unit and is taken as seconds; the option time_unit= says otherwise")
    return 1.0


def _round_rate(rate: float, slack: float, stated: Rate | None) -> float:
    """The roundest rate that the vector cannot tell from its own: 1/0.001 in floats is not 1000."""
    slack = max(slack, 1e-12)
    if stated is not None and abs(stated.hertz / rate - 1) <= max(slack, 1e-9):
        return stated.hertz
    for digits in range(7):
        rounded = round(rate, digits)
        if rounded > 0 and abs(rounded / rate - 1) <= slack:
            return rounded
    return rate


def iso_time(text: str) -> str | None:
    """A date and time in ISO 8601 or alike (``2021-06-01T10-00-00``, ``20210601_100000``), else None."""
    found = re.search(
        r"(\d{4})[-_/]?(\d{2})[-_/]?(\d{2})[T _-](\d{2})[-:_.]?(\d{2})[-:_.]?(\d{2})(\.\d{1,6})?\d*"
        r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?(?!\d)",
        text,
    ) or re.fullmatch(r"\s*(\d{4})-(\d{2})-(\d{2})()()()()()\s*", text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = (part or "" for part in found.groups())
    tail = "+00:00" if zone in ("Z", "UTC") else zone
    try:
        plain = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}"
        return datetime.fromisoformat(plain + (fraction.ljust(7, "0") if fraction else "") + tail).isoformat()
    except ValueError:
        return None
