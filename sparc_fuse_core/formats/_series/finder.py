"""Finds the signals among named arrays: by a time vector, by a stated rate, or by what the user says."""

from __future__ import annotations

from collections.abc import Mapping
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
from sparc_fuse_core.formats._series.plan import (
    LABELS,
    Plan,
    Signal,
    attribute_rate,
    fits,
    named_signal,
    plane,
)

_CONSIDERED = 8  # shorter arrays are not signals unless a time vector or their name says so


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
        whole = self._options
        if not whole.streams:
            return self._picked() if whole.signals or whole.time is not None or whole.rates else None
        found: list[Signal] = []
        for said in whole.streams:
            self._options = said
            more = self._picked()
            twice = [s.item.name for s in more if any(s.item is other.item for other in found)]
            if twice:
                raise FormatError(
                    f"{self._plan.name}: two streams of streams= name {twice[0]}",
                    hint="Name each array once; without= takes arrays out.",
                )
            found += more
        self._options = whole
        return found

    def _picked(self) -> list[Signal]:
        options = self._options
        clocks = self._named_clocks(options.time) if options.time else []
        wanted = [*options.signals, *options.rates]
        for path in wanted:
            if not any(fits(item, path) and item.numeric for item in self._items):
                raise FormatError(
                    f"{self._plan.name}: {path!r} is no array of it", hint=f"It holds {self._listing()}."
                )
        found, timeless = [], []
        for item in self._items:
            if not item.numeric or not plane(item) or any(clock.item is item for clock in clocks):
                continue
            named = any(fits(item, path) for path in wanted)
            if any(fits(item, path) for path in options.without):
                continue
            clock = self._nearest(clocks, item)
            if named or (not wanted and clock is not None):
                found.append(self._placed(item, clock))
                timeless += [item.name] if found[-1].clock[:2] == ("rate", None) else []
        if wanted and not found:
            raise FormatError(
                f"{self._plan.name}: {', '.join(wanted)} names no vector or matrix of numbers",
                hint=f"It holds {self._listing()}.",
            )
        self._tell_timeless(timeless)
        return found

    def _tell_timeless(self, names: list[str]) -> None:
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            self._plan.warnings.append(
                f"{', '.join(names[:3])}{more}: no sampling rate is stated or given; there is no time axis"
            )

    def _named_clocks(self, path: str) -> list[Clock]:
        named = [item for item in self._items if fits(item, path) and item.numeric]
        clocks = [clock for item in named if (clock := clock_of(item, named=True)) is not None]
        if not clocks:
            raise FormatError(
                f"{self._plan.name}: {path!r} is "
                f"{'a vector whose values do not grow strictly' if named else 'no array of it'}",
                hint=f"It holds {self._listing()}.",
            )
        return clocks

    def _nearest(self, clocks: list[Clock], item: Item) -> Clock | None:
        """Of the clocks as long as an axis of the array, the one whose group is the nearest."""

        def shared(clock: Clock) -> int:
            pairs = zip(clock.item.group, item.group, strict=False)
            return next((n for n, (a, b) in enumerate(pairs) if a != b), len(item.group))

        return max((c for c in clocks if c.length in item.data.shape), key=shared, default=None)

    def _listing(self) -> str:
        names = [item.name for item in self._items if item.numeric and item.size > 1]
        return ", ".join(names[:20]) + (" …" if len(names) > 20 else "") or "no arrays"

    def _placed(self, item: Item, clock: Clock | None) -> Signal:
        """A signal that the options name, with the best clock there is for it."""
        rates = [hertz for path, hertz in self._options.rates.items() if fits(item, path)]
        hertz = rates[0] if rates else self._options.rate
        if clock is not None:
            return self._timed(item, clock)
        if hertz is None and (found := self._by_clock(item)) is not None:
            return found
        stated = None if hertz is not None else self._rate_for(item)
        return self._rated(item, stated.hertz if stated is not None else hertz, True)

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
        if rate is not None and self._options.time_unit is not None:
            # A weak one is a frequency of something else, most likely; a step may be in the unit of the clock.
            same = abs(rate.hertz * (clock.step or clock.median) - 1) < 1e-3
            rate = None if same or not rate.strong else rate
        axis = axis_of(clock, rate, self._options.time_unit)
        for warning in axis.warnings:
            if warning not in self._plan.warnings:
                self._plan.warnings.append(warning)
        begins = axis.begins or iso_time(str(clock.item.attrs.get("start", "")))
        self.used |= {id(item), id(clock.item)}
        time_axis = self._time_axis(item, clock.length)
        key = ("clock", id(clock.item))
        return Signal(item, axis, time_axis, key, begins or self.begin(item), self._options)

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
        time_axis, key = self._time_axis(item, None, doubt), ("rate", hertz, axis.start)
        return Signal(item, axis, time_axis, key, self.begin(item), self._options)

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
            (r for name, value in item.attrs.items() if (r := attribute_rate(item.name, name, value))), None
        )

    def _stated(self, group: tuple[str, ...]) -> list[Rate]:
        """Rates in the attributes of a group."""
        if group not in self._group_rates:
            path = "/".join(group)
            held = self._attributes.get(path, {})
            found = [attribute_rate(path, name, value) for name, value in held.items()]
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
