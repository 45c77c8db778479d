"""From the records of a LabChart recording to streams: which channels go together, and when they begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._adicht.parts import Channel, Recording
from sparc_fuse_core.formats._adicht.samples import Samples, group_data, kind_of
from sparc_fuse_core.model import LazyArray, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_STREAMS = 128  # with more, records that are alike become sweeps
_MOST_NAMED = 12


@dataclass(slots=True)
class _Group:
    """Channels of one rate and length in record ``place``, counted from 1."""

    place: int
    rate: Fraction
    members: list[Channel]

    def alike(self) -> tuple[Any, ...]:
        """The same for groups of other records that differ in time and samples only."""
        scales = [(c.number, c.kind, c.units.name, c.units.gain, c.units.offset) for c in self.members]
        return self.rate, self.members[0].samples, *scales


def moment(seconds: Fraction | None) -> str | None:
    """Seconds since 1970 as ISO 8601."""
    if seconds is None:
        return None
    try:
        when = datetime(1970, 1, 1) + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        return None
    return when.isoformat(timespec="microseconds") + "+00:00"


def starts_of(held: Recording, warnings: list[str]) -> list[float]:
    """Seconds from the start of the recording to that of each record."""
    with_samples = [r for r in held.records if any(channel.samples for channel in r.channels)]
    origin = with_samples[0].start
    starts: list[float] = []
    end: Fraction | None = None
    for place, record in enumerate(held.records, 1):
        begin = record.start
        if begin is None or origin is None:
            starts.append(0.0)
            if len(held.records) > 1:
                warnings.append(
                    f"the file does not say when record {place} began; its times count from its own start"
                )
            continue
        # Times of the trigger are kept to about 0.2 microseconds.
        if end is not None and begin < end - max(record.tick, Fraction(1, 1_000_000)):
            warnings.append(
                f"record {place} began at {moment(begin)} by its clock, before record {place - 1} ended"
            )
        end = begin + record.ticks * record.tick
        starts.append(float(begin - origin))
    return starts


def streams_of(
    samples: Samples, held: Recording, starts: Sequence[float], warnings: list[str]
) -> list[Stream]:
    """A stream for each record and rate, the fastest of a record first; sweeps where there are too many."""
    groups = [group for place in range(1, len(starts) + 1) for group in _groups(held, place, warnings)]
    together: dict[Any, list[_Group]] = {}
    for number, group in enumerate(groups):
        key = group.alike() if len(groups) > _MOST_STREAMS else number
        together.setdefault(key, []).append(group)
    return [
        _sweeps(samples, held, starts, alike) if len(alike) > 1 else _single(samples, held, starts, alike[0])
        for alike in together.values()
    ]


def _groups(held: Recording, place: int, warnings: list[str]) -> list[_Group]:
    record = held.records[place - 1]
    found: dict[tuple[Fraction, int], list[Channel]] = {}
    for channel in record.channels:
        if channel.samples:
            found.setdefault((channel.rate, channel.samples), []).append(channel)
    if not found:
        warnings.append(f"record {place} has no samples")
    for (rate, count), members in found.items():
        lasts, whole = count / rate, record.ticks * record.tick
        if abs(whole - lasts) > max(1 / rate, record.tick):
            names = ", ".join(held.name(member.number) for member in members[:_MOST_NAMED])
            warnings.append(
                f"record {place} lasts {float(whole):g} s, its channels {names} {float(lasts):g} s "
                "from its start"
            )
    return [_Group(place, rate, found[rate, count]) for rate, count in sorted(found, reverse=True)]


def _stream(held: Recording, group: _Group, data: LazyArray, **more: Any) -> Stream:
    return Stream(
        data,
        rate=float(group.rate),
        channel_names=[held.name(channel.number) for channel in group.members],
        units=[channel.units.name for channel in group.members],
        gain=np.array([channel.units.gain for channel in group.members]),
        offset=np.array([channel.units.offset for channel in group.members]),
        **more,
    )


def _single(samples: Samples, held: Recording, starts: Sequence[float], group: _Group) -> Stream:
    record, start = held.records[group.place - 1], starts[group.place - 1]
    about: dict[str, Any] = {"record": group.place}
    if (begin := moment(record.start)) is not None:
        about["record_start"] = begin
    if record.trigger:
        about["trigger_time"] = start + float(record.trigger * record.tick)
    data = group_data(samples, group.members, kind_of(group.members))
    name = f"record {group.place} {float(group.rate):.10g} Hz"
    return _stream(held, group, data, name=name, start=start, attrs=about)


def _sweeps(samples: Samples, held: Recording, starts: Sequence[float], alike: list[_Group]) -> Stream:
    """Records of the same channels, scales and length as (sweep, channel, time)."""
    first = alike[0]
    parts = [group_data(samples, group.members, kind_of(first.members)) for group in alike]

    def read(key: Any) -> NDArray[Any]:
        picked, *rest = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty([k.stop - k.start for k in (picked, *rest)], parts[0].dtype)
        for place, part in zip(out, parts[picked], strict=True):
            place[...] = part.read(tuple(rest))
        drop = tuple(slice(None) if isinstance(k, slice) else 0 for k in key)
        result: NDArray[Any] = out[drop]
        return result

    blocks = (1, *(parts[0].blocks or parts[0].shape))
    data = LazyArray((len(parts), *parts[0].shape), parts[0].dtype, read, blocks=blocks)
    return _stream(
        held,
        first,
        data,
        name=f"records {first.place} to {alike[-1].place} {float(first.rate):.10g} Hz",
        sweep_starts=[starts[group.place - 1] for group in alike],
        attrs={"records": [group.place for group in alike]},
    )
