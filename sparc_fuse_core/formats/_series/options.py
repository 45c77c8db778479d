"""What the user says about an ambiguous MAT or HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._series.clock import SECONDS

OPTIONS = (
    "rate",
    "time",
    "signals",
    "orientation",
    "time_unit",
    "units",
    "names",
    "streams",
    "intervals",
)
HINT = (
    "the options rate= (Hz, or path=Hz pairs), time= (path of the time vector), signals= (paths) and "
    "orientation= (channels_first or time_first) say what they are, and a recipe keeps them for later"
)


@dataclass(slots=True)
class Options:
    """What the user says about an ambiguous file.

    Paths match from the end: ``ecg`` fits ``subject/ecg``; ``*`` and ``?`` stand for any letters of one part.

    Attributes
    ----------
    streams
        One for each kind of stream that is told of, with ``signals`` and what is said about them.
    without
        Paths that ``signals`` fits but that are none.
    intervals
        ``(path, label, unit)``: arrays of two numbers that are the start and the end of something.
    """

    rate: float | None = None
    rates: dict[str, float] = field(default_factory=dict)
    time: str | None = None
    signals: list[str] = field(default_factory=list)
    orientation: str | None = None
    time_unit: str | None = None
    units: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    streams: list[Options] = field(default_factory=list)
    intervals: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def chosen(self) -> bool:
        """True when the arrays are picked by hand, so that known layouts must not be looked for."""
        return bool(self.signals or self.time or self.rates or self.rate or self.streams)


def options_of(given: Mapping[str, Any], name: str) -> Options:
    """Options as they come from a command line or a recipe. FormatError when one cannot be understood."""
    out = _said(given, name)
    for row in _rows(given, "streams", name):
        said = _said(row, name)
        if not said.signals or said.rates:
            raise FormatError(
                f"{name}: a stream of streams= needs signals= and at most one rate, here is {dict(row)!r}",
                hint='Write streams=[{"signals": "ecg", "rate": 1000}].',
            )
        out.streams.append(said)
    beside = [key for key in OPTIONS if key not in ("streams", "intervals") and given.get(key)]
    if out.streams and beside:
        raise FormatError(
            f"{name}: {', '.join(beside)} beside streams= would be left unheeded",
            hint="Say it of each stream in streams=, or leave out streams= (and the recipe that gives it).",
        )
    for row in _rows(given, "intervals", name):
        if not row.get("span") or not row.get("label"):
            raise FormatError(
                f"{name}: an interval needs span and label, here is {dict(row)!r}",
                hint='Write intervals=[{"span": "stim", "label": "stimulation"}].',
            )
        out.intervals.append((str(row["span"]), str(row["label"]), str(row.get("time_unit") or "s")))
    return out


def _said(given: Mapping[str, Any], name: str) -> Options:
    out = Options(signals=_listed(given.get("signals")), without=_listed(given.get("without")))
    _take_rate(out, given.get("rate"), name)
    out.time = str(given["time"]) if given.get("time") else None
    out.time_unit = str(given["time_unit"]) if given.get("time_unit") else None
    if out.time_unit is not None and out.time_unit.lower() not in SECONDS:
        raise FormatError(
            f"{name}: time_unit={out.time_unit!r} is no unit of time",
            hint="Use s, ms, us, ns, min, h or d.",
        )
    out.units, out.names = _texts(given, "units", name), _texts(given, "names", name)
    ways = {"rows": "channels_first", "columns": "time_first"}
    out.orientation = ways.get(str(given.get("orientation")), given.get("orientation")) or None
    if out.orientation not in (None, "channels_first", "time_first"):
        raise FormatError(
            f"{name}: orientation={out.orientation!r} is unknown", hint="It is channels_first or time_first."
        )
    return out


def _listed(paths: Any) -> list[str]:
    if isinstance(paths, str):
        return [part.strip() for part in paths.split(",") if part.strip()]
    return [str(path) for path in paths or ()]


def _texts(given: Mapping[str, Any], key: str, name: str) -> list[str]:
    """One text for all channels, or one for each."""
    value = given.get(key)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence) and all(isinstance(text, str) for text in value):
        return list(value)
    raise FormatError(
        f"{name}: {key}={value!r} is no list of texts", hint="Give one, or one for each channel."
    )


def _rows(given: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    value = given.get(key) or []
    if isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value):
        return list(value)
    raise FormatError(f"{name}: {key}={value!r} is no list of tables", hint="See the recipes for examples.")


def _take_rate(out: Options, rate: Any, name: str) -> None:
    if isinstance(rate, str) and "=" in rate:
        rate = dict(part.rsplit("=", 1) for part in rate.split(",") if part.strip())
    try:
        if isinstance(rate, Mapping):
            out.rates = {str(path).strip(): float(hertz) for path, hertz in rate.items()}
        elif rate is not None and rate != "":
            out.rate = float(rate)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"{name}: rate={rate!r} is not a number of hertz", hint="Write rate=1000 or rate=ecg=1000,hr=500."
        ) from error
    if any(
        not np.isfinite(r) or r <= 0
        for r in [*out.rates.values(), *([out.rate] if out.rate is not None else [])]
    ):
        raise FormatError(f"{name}: rate={rate!r} is not above 0", hint="Write the sampling rate in hertz.")
