"""What is looked for among named arrays, and what was found: signals with their clocks, and a plan of the tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from sparc_fuse_core.formats._container.values import Item
from sparc_fuse_core.formats._series.clock import Axis, Rate, rate_of, words
from sparc_fuse_core.formats._series.options import Options
from sparc_fuse_core.model import Events, Stream

_SIGNAL = {
    "data", "signal", "signals", "sig", "ecg", "eeg", "emg", "eog", "ieeg", "ecog", "lfp", "egg", "trace",
    "traces", "wave", "waves", "waveform", "waveforms", "samples", "values", "voltage", "current", "force",
    "pressure", "raw", "neural", "resp", "respiration", "recording", "avg", "bp", "abp", "ppg", "vm", "v",
    "y", "ephys", "audio", "accel",
}  # fmt: skip
LABELS = {
    "chans", "chan", "channels", "channelnames", "channames", "chnames", "channellabels", "chanlabels",
    "labels", "label", "titles", "names", "electrodes", "electrodenames", "channelname", "channellabel",
    "signalnames", "chlabels", "columns", "columnnames",
}  # fmt: skip
UNITS = {
    "unit",
    "units",
    "unittext",
    "channelunits",
    "chanunits",
    "chanunit",
    "signalunits",
    "physicaldimension",
}


@dataclass(slots=True)
class Plan:
    """What goes into the tree; readers of known layouts fill it, `arrange` adds the rest."""

    name: str
    streams: list[Stream] = field(default_factory=list)
    events: Events | None = None
    start: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Signal:
    item: Item
    axis: Axis
    time_axis: int
    clock: tuple[Any, ...]
    group_start: str | None
    said: Options  # what the user says of it


def named_signal(item: Item) -> bool:
    return bool(set(words(item.leaf)) & _SIGNAL)


def plane(item: Item) -> bool:
    """A vector or a matrix that is not a single number."""
    return 1 <= item.data.ndim <= 2 and item.size > 1


def arrays_of(items: list[Item]) -> list[str]:
    """Paths of what an option may name as a signal or as time."""
    return [item.name for item in items if item.numeric and plane(item)]


def fits(item: Item, path: str) -> bool:
    """True when ``path`` names this item, from the end of its path; ``*`` and ``?`` stand for any letters."""
    if item.name == path:
        return True
    for wanted in (path.split("/"), path.replace(".", "/").split("/")):
        parts = [part.replace("[", "[[]") for part in wanted if part]
        tail = item.path[-len(parts) :] if parts else ()
        if parts and len(tail) == len(parts) and all(map(fnmatchcase, tail, parts)):
            return True
    return False


def attribute_rate(owner: str, name: str, value: Any) -> Rate | None:
    if isinstance(value, str):
        hertz = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(k?)(?:hz)?\s*", value, re.IGNORECASE)
        value = float(hertz[1]) * (1000 if hertz[2] else 1) if hertz else None
    if value is None or isinstance(value, bool) or "".join(words(name)) in ("hz", "freq", "frequency"):
        return None
    rate = rate_of(name, value)
    return None if rate is None else Rate(rate.hertz, f"{owner}@{name}", rate.strong, rate.words)
