"""Streams in files of their own (.sev): one channel each, cut every hour (``…_Ch1-1h.sev``).

A header of 40 bytes: ``u64`` size, "SEV", ``u8`` version, four characters of the store (backwards before
version 3), ``u16`` channel, ``u16`` channels, ``u16`` bytes a sample, ``u16``, ``u8`` sample format, ``u8``
divisor, ``u16`` rate: the sampling frequency is 2^rate * 25 MHz / 4096 / divisor. Then nothing but samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._tdt.index import FORMATS
from sparc_fuse_core.model import LazyArray, Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

HOUR = re.compile(r"(?P<base>.+?)(-(?P<hour>\d+)h)?\.sev", re.IGNORECASE)
_NAME = re.compile(r"(.*_)?(?P<store>.{1,4})_ch(?P<channel>\d+)", re.IGNORECASE)
_HEADER = "<Q3sB4sHHHHBBH"
_HEADER_BYTES = 40
_CLOCK = 25_000_000
_PACKED = 8
_OLDEST_TOLD, _NEWEST = 1, 3


@dataclass(slots=True, eq=False)
class Channel:
    """One channel: its files in order, ``format`` None when their header does not say it."""

    store: str
    number: int
    format: int | None
    rate: Fraction | None
    files: list[Source]
    warnings: list[str] = field(default_factory=list)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(FORMATS[self.format or 0])

    @property
    def counts(self) -> tuple[int, ...]:
        """Samples of each file."""
        return tuple(max(0, file.size - _HEADER_BYTES) // self.dtype.itemsize for file in self.files)


def read_channels(files: Iterable[Source]) -> list[Channel]:
    """The channels that lie in some .sev files. Raises FormatError for headers that cannot be followed."""
    found: dict[tuple[str, int], dict[int, tuple[Source, Channel]]] = {}
    for file in files:
        channel, hour = _read_header(file)
        hours = found.setdefault((channel.store, channel.number), {})
        if hour in hours:
            raise _broken(
                file, f"{hours[hour][0].name} holds the same channel {channel.number} of the same store"
            )
        hours[hour] = file, channel
    return [_joined(found[key]) for key in sorted(found)]


def _read_header(file: Source) -> tuple[Channel, int]:
    size, mark, version, code, number, _, _, _, form, divisor, rate = file.unpack(_HEADER, 0)
    cut = HOUR.fullmatch(file.name)
    hour = int(cut["hour"] or 0) if cut else 0
    named = _NAME.fullmatch(cut["base"]) if cut else None
    if file.size < _HEADER_BYTES or (version and mark != b"SEV") or version > _NEWEST:
        raise _broken(file, f"it starts with {mark!r} and version {version}")
    store = (code if version == _NEWEST else code[::-1]).decode("latin-1").strip("\0 ")
    if version < _OLDEST_TOLD:
        if any(file.read(0, _HEADER_BYTES)) or named is None:
            raise _broken(file, "it has no header")
        channel = Channel(named["store"], int(named["channel"]), None, None, [file])
        channel.warnings.append(
            f"{file.name} has no header: 32-bit floats are assumed, its sampling frequency is not told."
        )
        return channel, hour
    if form & _PACKED or form & 7 >= len(FORMATS) or not divisor or rate > 16:
        raise _broken(file, f"its sample format is {form}, its rate {rate} divided by {divisor}")
    exact = Fraction(2**rate * _CLOCK, 4096 * divisor)
    channel = Channel(store or (named["store"] if named else ""), number, form & 7, exact, [file])
    if size > file.size:
        channel.warnings.append(f"{file.name} promises {size} bytes and has {file.size}: it is cut short.")
    return channel, hour


def _joined(hours: Mapping[int, tuple[Source, Channel]]) -> Channel:
    first = hours[min(hours)][1]
    for hour, (file, channel) in sorted(hours.items()):
        if hour != min(hours) and hour - 1 not in hours:
            raise _broken(file, f"the file of the hour before it ({hour - 1}h) is missing")
        if (channel.format, channel.rate) != (first.format, first.rate):
            raise _broken(file, "it has another sample format or sampling frequency than the hour before it")
        if channel is not first:
            first.files += channel.files
            first.warnings += channel.warnings
    if min(hours):
        first.warnings.append(
            f"{first.files[0].name}: the hours before it are missing; time 0 is its first sample."
        )
    return first


def streams_of_channels(
    channels: list[Channel], told: Mapping[str, tuple[Fraction | None, float]], warnings: list[str]
) -> list[Stream]:
    """One stream for the channels of each store; channels of another length have their own.

    ``told`` gives for a store the sampling frequency (Hz) and the start (s) that the block says.
    """
    groups: dict[tuple[Any, ...], list[Channel]] = {}
    for channel in channels:
        key = (channel.store, channel.format, channel.rate, channel.counts)
        groups.setdefault(key, []).append(channel)
    streams, seen = [], set[str]()
    for (store, *_), group in sorted(groups.items(), key=lambda row: (row[0][0], -len(row[1]))):
        for channel in group:
            warnings += channel.warnings
        if not sum(group[0].counts):
            warnings.append(f"{group[0].files[0].name} and {len(group) - 1} others hold no samples.")
            continue
        if store in seen:
            warnings.append(
                f"The .sev files of store {store!r} are not equally long; they are in several streams."
            )
        streams.append(_stream(group, told.get(store, (None, 0.0)), warnings, whole=store not in seen))
        seen.add(store)
    return streams


def _stream(
    group: list[Channel], told: tuple[Fraction | None, float], warnings: list[str], *, whole: bool
) -> Stream:
    first = group[0]
    rate = told[0] or first.rate
    if first.rate and rate and abs(rate / first.rate - 1) > 1e-6:
        warnings.append(
            f"The .sev files of store {first.store!r} say {float(first.rate):.10g} Hz, the block says "
            f"{float(rate):.10g} Hz, which is taken."
        )
    name = first.store if whole else f"{first.store} channel {', '.join(str(c.number) for c in group[:8])}"
    return Stream(
        _samples(group),
        name=name or "sev",
        rate=float(rate) if rate else None,
        start=told[1],
        channel_names=[f"{channel.store} {channel.number}".strip() for channel in group],
        attrs={"store": first.store} if first.store else {},
    )


def _samples(group: list[Channel]) -> LazyArray:
    dtype, edges = group[0].dtype, np.concatenate([[0], np.cumsum(group[0].counts)])
    native = dtype.newbyteorder("=")

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), native)
        for number, (begin, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
            low, high = max(begin, span.start), min(end, span.stop)
            if low >= high:
                continue
            for row, channel in zip(out, group[picked], strict=True):
                place = _HEADER_BYTES + (low - begin) * dtype.itemsize
                row[low - span.start : high - span.start] = channel.files[number].array(
                    dtype, place, high - low
                )
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((len(group), int(edges[-1])), native, read, blocks=(1, int(edges[-1])))


def _broken(file: Source, what: str) -> FormatError:
    return FormatError(
        f"{file.name}: a stream of TDT's (.sev) was expected, {what}; it is damaged or an unknown variant",
        hint="Fetch the file again; if TDT's programs open it, please report it.",
        source=file.url,
    )
