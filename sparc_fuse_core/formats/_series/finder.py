"""Finds the signals among named arrays: by a time vector, by a stated rate, or by what the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparc_fuse_core.errors import Ambiguous, FormatError
from sparc_fuse_core.formats._container.values import Item
from sparc_fuse_core.formats._series.clock import (
    Axis,
    Clock,
    Rate,
    axis_of,
    clock_of,
    iso_time,
    rate_of,
    time_strength,
    words,
)
from sparc_fuse_core.formats._series.options import HINT, Options
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
_CONSIDERED = 8  # shorter arrays are not signals unless a time vector or their name says so


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
    group_start: str | None = None


def named_signal(item: Item) -> bool:
    return bool(set(words(item.leaf)) & _SIGNAL)


def plane(item: Item) -> bool:
    """A vector or a matrix that is not a single number."""
    return 1 <= item.data.ndim <= 2 and item.size > 1


def fits(item: Item, path: str) -> bool:
    """True when ``path`` names this item, from the end of its path."""
    wanted = tuple(part for part in path.replace(".", "/").split("/") if part)
    return item.name == path or (bool(wanted) and item.path[-len(wanted) :] == wanted)


class Finder:
    def __init__(
        self, items: list[Item], options: Options, attributes: Mapping[str, Mapping[str, Any]], plan: Plan
    ) -> None:
        self.used: set[int] = set()
        self._options, self._attributes, self._plan = options, attributes, plan
        self._group_rates: dict[tuple[str, ...], list[Rate]] = {}
        self.groups: dict[tuple[str, ...], list[Item]] = {}
        for item in items:
            self.groups.setdefault(item.group, []).append(item)
        self._items = items
        self._clocks = {group: self._clocks_of(held) for group, held in self.groups.items()}
        self._rates = {group: self._rates_of(held) for group, held in self.groups.items()}

    def _clocks_of(self, held: list[Item]) -> list[Clock]:
        if self._options.time is not None:
            return []
        return [clock for item in held if item.numeric and (clock := clock_of(item)) is not None]

    def _rates_of(self, held: list[Item]) -> list[tuple[Rate, Item]]:
        # By the name alone first: a value costs a read.
        scalars = [i for i in held if i.size == 1 and i.numeric and rate_of(i.leaf, 1.0) is not None]
        found = [(rate_of(item.leaf, item.values()), item) for item in scalars]
        return [(rate, item) for rate, item in found if rate is not None]

    def signals(self) -> list[Signal]:
        chosen = self._chosen()
        if chosen is not None:
            return chosen
        found: list[Signal] = []
        for group, held in self.groups.items():
            timed = [s for item in held if (s := self._by_clock(item)) is not None]
            done = {id(c.item) for c in self._clocks[group]} | {id(s.item) for s in timed}
            rest = [i for i in held if i.numeric and plane(i) and id(i) not in done]
            found += timed + self._by_rate(group, rest, others=bool(timed))
        order = {id(item): place for place, item in enumerate(self._items)}
        return sorted(found, key=lambda s: (not named_signal(s.item), order[id(s.item)]))

    def _chosen(self) -> list[Signal] | None:
        """Signals that the options name; None when they name none."""
        options = self._options
        if not options.signals and options.time is None and not options.rates:
            return None
        clock = self._named_clock(options.time) if options.time else None
        wanted = [*options.signals, *options.rates]
        for path in wanted:
            if not any(fits(item, path) and item.numeric for item in self._items):
                raise FormatError(
                    f"{self._plan.name}: {path!r} is no array of it", hint=f"It holds {self._listing()}."
                )
        found = []
        for item in self._items:
            if not item.numeric or not plane(item) or (clock is not None and item is clock.item):
                continue
            named = any(fits(item, path) for path in wanted)
            if named or (not wanted and clock is not None and clock.length in item.data.shape):
                found.append(self._placed(item, clock))
        return found

    def _named_clock(self, path: str) -> Clock:
        named = [item for item in self._items if fits(item, path) and item.numeric]
        clocks = [clock for item in named if (clock := clock_of(item, named=True)) is not None]
        if not clocks:
            raise FormatError(
                f"{self._plan.name}: {path!r} is "
                f"{'a vector whose values do not grow strictly' if named else 'no array of it'}",
                hint=f"It holds {self._listing()}.",
            )
        return clocks[0]

    def _listing(self) -> str:
        names = [item.name for item in self._items if item.numeric and item.size > 1]
        return ", ".join(names[:20]) + (" …" if len(names) > 20 else "") or "no arrays"

    def _placed(self, item: Item, clock: Clock | None) -> Signal:
        """A signal that the options name, with the best clock there is for it."""
        rates = [hertz for path, hertz in self._options.rates.items() if fits(item, path)]
        hertz = rates[0] if rates else self._options.rate
        if clock is not None and clock.length in item.data.shape:
            return self._timed(item, clock)
        if hertz is None and (found := self._by_clock(item)) is not None:
            return found
        stated = None if hertz is not None else self._rate_for(item)
        if hertz is None and stated is None:
            self._plan.warnings.append(
                f"{item.name}: no sampling rate is stated or given; it has no time axis"
            )
        elif stated is not None:
            hertz = stated.hertz
        return self._rated(item, hertz, True)

    # -- by a time vector ---------------------------------------------------------------------------

    def _by_clock(self, item: Item) -> Signal | None:
        if not item.numeric or not plane(item):
            self._warn_of_cube(item)
            return None
        for depth in range(len(item.group), -1, -1):
            clocks = self._clocks.get(item.group[:depth], [])
            if any(clock.item is item for clock in clocks):
                return None
            fitting = [clock for clock in clocks if clock.length in item.data.shape]
            if fitting:
                best = self._best(item, fitting)
                return self._timed(item, best) if best is not None else None
        return None

    def _warn_of_cube(self, item: Item) -> None:
        lengths = {clock.length for clock in self._clocks.get(item.group, [])}
        if item.numeric and item.data.ndim > 2 and lengths & set(item.data.shape):
            self._plan.warnings.append(
                f"{item.name} has {item.data.ndim} axes, one as long as a time vector beside it; which "
                "other one is the channel is not stated, so it is kept as an array"
            )

    def _best(self, item: Item, clocks: list[Clock]) -> Clock | None:
        own = set(words(item.leaf))
        ranked = sorted(clocks, key=lambda c: (len(c.words & own), c.strength), reverse=True)
        top = [
            c
            for c in ranked
            if (len(c.words & own), c.strength) == (len(ranked[0].words & own), ranked[0].strength)
        ]
        if len(top) > 1 and any(
            (c.first, c.median, c.step) != (top[0].first, top[0].median, top[0].step) for c in top
        ):
            self._plan.warnings.append(
                f"{item.name} could belong to the times {' or '.join(c.item.name for c in top)}; it is "
                "kept as an array: the option time= says which"
            )
            return None
        return top[0]

    def _timed(self, item: Item, clock: Clock) -> Signal:
        given = self._options.rate
        rate = Rate(given, "rate=", True) if given else self._rate_for(item, contradict=False)
        axis = axis_of(clock, rate, self._options.time_unit)
        for warning in axis.warnings:
            if warning not in self._plan.warnings:
                self._plan.warnings.append(warning)
        begins = axis.begins or iso_time(str(clock.item.attrs.get("start", "")))
        self.used |= {id(item), id(clock.item)}
        time_axis = self._time_axis(item, clock.length)
        return Signal(item, axis, time_axis, ("clock", id(clock.item)), begins or self.begin(item))

    # -- by a stated rate ---------------------------------------------------------------------------

    def _by_rate(self, group: tuple[str, ...], rest: list[Item], *, others: bool) -> list[Signal]:
        like = [i for i in rest if not time_strength(i.leaf) and i.data.dtype.kind != "b"]
        own = [i for i in like if self._own_rate(i) is not None]
        like = [
            i
            for i in like
            if i not in own and (named_signal(i) or (not others and max(i.data.shape) >= _CONSIDERED))
        ]
        shared = [i for i in like if self._options.rate is not None or self._rate_for(i) is not None]
        named = [i for i in shared if named_signal(i)] or shared
        longest = max((max(i.data.shape) for i in named), default=0)
        picked = [i for i in named if max(i.data.shape) >= 0.9 * longest]
        left = [i.name for i in named if i not in picked]
        if left and self._options.rate is not None:
            raise Ambiguous(
                f"{self._plan.name}: rate={self._options.rate:g} could be meant for "
                f"{', '.join(i.name for i in named[:8])}, "
                "which differ in length",
                hint="Name them: rate=path=Hz,path=Hz or signals=path,path.",
            )
        if left:
            self._plan.warnings.append(
                f"{', '.join(left[:8])}: shorter than the signals beside, kept as arrays; {HINT}"
            )
        out = []
        for item in own + picked:
            stated = self._own_rate(item) if item in own else self._rate_for(item)
            if stated is not None and not stated.strong and self._options.rate is None:
                note = f"{stated.name} = {stated.hertz:g} is taken as the sampling rate; rate= says otherwise"
                self._plan.warnings += [] if note in self._plan.warnings else [note]
            hertz = self._options.rate or (stated.hertz if stated is not None else None)
            out.append(self._rated(item, hertz, item not in own))
        return out

    def _rated(self, item: Item, hertz: float | None, doubt: bool) -> Signal:
        self.used.add(id(item))
        axis = Axis(hertz, self._start(item), None, [])
        return Signal(
            item, axis, self._time_axis(item, None, doubt), ("rate", hertz, axis.start), self.begin(item)
        )

    def _start(self, item: Item) -> float:
        for name in ("t0", "start_time", "starting_time", "time_offset"):
            value = item.attrs.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
                return float(value)
        return 0.0

    def begin(self, item: Item) -> str | None:
        """The wall-clock time that the name of a group says, or one of its attributes."""
        for depth in range(len(item.group), 0, -1):
            if (found := iso_time(item.group[depth - 1])) is not None and len(item.group[depth - 1]) >= 10:
                return found
        for depth in range(len(item.group), -1, -1):
            held = self._attributes.get("/".join(item.group[:depth]), {})
            for name in (
                "recording_start",
                "start_time",
                "session_start_time",
                "recording_start_time",
                "start",
            ):
                if isinstance(held.get(name), str) and (found := iso_time(held[name])) is not None:
                    return found
        return None

    def _own_rate(self, item: Item) -> Rate | None:
        return next(
            (r for name, value in item.attrs.items() if (r := _attribute_rate(item.name, name, value))), None
        )

    def _stated(self, group: tuple[str, ...]) -> list[Rate]:
        """Rates in the attributes of a group."""
        if group not in self._group_rates:
            path = "/".join(group)
            held = self._attributes.get(path, {})
            found = [_attribute_rate(path, name, value) for name, value in held.items()]
            self._group_rates[group] = [rate for rate in found if rate is not None]
        return self._group_rates[group]

    def _rate_for(self, item: Item, *, contradict: bool = True) -> Rate | None:
        """The rate stated nearest to an array. Ambiguous when two equally near contradict each other."""
        if (own := self._own_rate(item)) is not None:
            return own
        mine = set(words(item.leaf))
        for depth in range(len(item.group), -1, -1):
            group = item.group[:depth]
            beside = [(r, i) for r, i in self._rates.get(group, []) if r.words <= mine]
            near = [*beside, *[(r, None) for r in self._stated(group) if r.words <= mine]]
            most = max((len(r.words) for r, _ in near), default=0)
            for strong in (True, False):
                level = [(r, i) for r, i in near if r.strong == strong and len(r.words) == most]
                if not level:
                    continue
                if len({r.hertz for r, _ in level}) > 1 and contradict:
                    raise Ambiguous(
                        f"{self._plan.name}: {' and '.join(f'{r.name} = {r.hertz:g}' for r, _ in level)} Hz "
                        f"contradict each other as the sampling rate of {item.name}",
                        hint="Give the option rate= in hertz.",
                    )
                self.used |= {id(i) for _, i in level if i is not None and contradict}
                return level[0][0]
        return None

    # -- which axis is time -------------------------------------------------------------------------

    def _time_axis(self, item: Item, length: int | None, doubt: bool = True) -> int:
        shape = item.data.shape
        if item.length or len(shape) == 1:
            return int(np.argmax(shape))
        if self._options.orientation is not None:
            return 1 if self._options.orientation == "channels_first" else 0
        if length is not None and shape[0] != shape[1]:
            return shape.index(length)
        labelled = {len(labels) for labels in self.labels(item)}
        if shape[0] != shape[1] and len(labelled & set(shape)) == 1:
            return 1 - shape.index((labelled & set(shape)).pop())
        longer = 0 if shape[0] > shape[1] else 1
        self._plan.warnings.append(
            f"{item.name} is {shape[0]} x {shape[1]} and does not say which axis is time: "
            f"{'the longer' if shape[0] != shape[1] else 'the last'} is taken; orientation= settles it"
        )
        return longer

    def labels(self, item: Item, kind: set[str] = LABELS) -> list[list[str]]:
        """Lists of texts in the item's group that name (or, for ``UNITS``, measure) channels."""
        own = set(words(item.leaf)) - kind  # titles_block1 belongs to data_block1
        texts = [i for i in self.groups[item.group] if not i.numeric]
        beside = [i for i in texts if "".join(w for w in words(i.leaf) if w not in own) in kind]
        for name, value in item.attrs.items():
            if (
                "".join(words(name)) in kind
                and isinstance(value, list)
                and all(isinstance(v, str) for v in value)
            ):
                return [value, *[i.strings() for i in beside]]
        return [i.strings() for i in beside]

    def use_labels(self, item: Item, count: int, kind: set[str] = LABELS) -> list[str]:
        for labels in self.labels(item, kind):
            if len(labels) == count:
                return labels
        return []


def _attribute_rate(owner: str, name: str, value: Any) -> Rate | None:
    if isinstance(value, str):
        hertz = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(k?)(?:hz)?\s*", value, re.IGNORECASE)
        value = float(hertz[1]) * (1000 if hertz[2] else 1) if hertz else None
    if value is None or isinstance(value, bool) or "".join(words(name)) in ("hz", "freq", "frequency"):
        return None
    rate = rate_of(name, value)
    return None if rate is None else Rate(rate.hertz, f"{owner}@{name}", rate.strong, rate.words)
