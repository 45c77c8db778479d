"""What the user says about an ambiguous MAT or HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparc_fuse_core.errors import FormatError

OPTIONS = ("rate", "time", "signals", "orientation", "time_unit")
HINT = (
    "the options rate= (Hz, or path=Hz pairs), time= (path of the time vector), signals= (paths) and "
    "orientation= (channels_first or time_first) say what they are"
)


@dataclass(slots=True)
class Options:
    """What the user says about an ambiguous file; paths match from the end: ``ecg`` fits ``subject/ecg``."""

    rate: float | None = None
    rates: dict[str, float] = field(default_factory=dict)
    time: str | None = None
    signals: list[str] = field(default_factory=list)
    orientation: str | None = None
    time_unit: str | None = None

    @property
    def chosen(self) -> bool:
        """True when the arrays are picked by hand, so that known layouts must not be looked for."""
        return bool(self.signals or self.time or self.rates or self.rate)


def options_of(given: Mapping[str, Any], name: str) -> Options:
    """Options as they come from a command line or a recipe. FormatError when one cannot be understood."""
    out = Options()
    rate = given.get("rate")
    if isinstance(rate, str) and "=" in rate:
        rate = dict(part.rsplit("=", 1) for part in rate.split(",") if part.strip())
    try:
        if isinstance(rate, Mapping):
            out.rates = {str(path).strip(): float(hertz) for path, hertz in rate.items()}
        elif rate is not None:
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
    signals = given.get("signals") or ()
    out.signals = (
        [s.strip() for s in signals.split(",")] if isinstance(signals, str) else [str(s) for s in signals]
    )
    out.time = str(given["time"]) if given.get("time") else None
    out.time_unit = str(given["time_unit"]) if given.get("time_unit") else None
    ways = {"rows": "channels_first", "columns": "time_first"}
    out.orientation = ways.get(str(given.get("orientation")), given.get("orientation"))
    if out.orientation not in (None, "channels_first", "time_first"):
        raise FormatError(
            f"{name}: orientation={out.orientation!r} is unknown", hint="It is channels_first or time_first."
        )
    return out
