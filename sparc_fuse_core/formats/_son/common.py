"""What SON32 (.smr) and SON64 (.smrx) share: channels as parsed, where their data lie, and how they are read.

A file counts time in ticks. A channel is a list of chunks: runs of samples without a gap, or of items that
each begin with their tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

ADC, FALL, RISE, BOTH, MARKER, ADC_MARK, REAL_MARK, TEXT_MARK, REAL_WAVE = range(1, 10)
KINDS = (
    "", "Adc", "EventFall", "EventRise", "EventBoth", "Marker", "AdcMark", "RealMark", "TextMark", "RealWave",
)  # fmt: skip
WAVES = (ADC, REAL_WAVE)
SAMPLED_MARKS = (ADC_MARK, REAL_MARK)
CODED = (MARKER, ADC_MARK, REAL_MARK, TEXT_MARK)

_FULL_SCALE = 6553.6  # 16-bit units for each unit of `scale`: 65536 for 10 V
_TOGETHER = 1 << 22  # chunks that lie side by side are read at once, up to this many bytes
_APART = 1 << 12
_NOTHING = np.empty(0, np.int64)
_SHORTEST_TICK, _LONGEST_TICK = 1e-12, 1e3


@dataclass(slots=True, eq=False)
class Chunks:
    """Where the data of a channel lie: tick of the first item, items and byte of each chunk, in file order.

    ``rises`` tells, for level channels that do not store the level of each item, whether the first item of
    each chunk goes up.
    """

    first: NDArray[np.int64]
    count: NDArray[np.int64]
    offset: NDArray[np.int64]
    rises: NDArray[np.bool_] | None = None
    edges: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.edges = np.concatenate([[0], np.cumsum(self.count)]).astype(np.int64)

    @property
    def total(self) -> int:
        return int(self.edges[-1])


@dataclass(slots=True, eq=False)
class Channel:
    """One channel; ``step`` is ticks from one sample to the next, ``item`` how an item lies in the file.

    ``points`` and ``traces`` are the shape of what is attached to each AdcMark and RealMark, ``before`` its
    points before the trigger, ``last`` the tick of the last item as the header says (-1: not told).
    """

    number: int
    kind: int
    item: np.dtype[Any]
    title: str = ""
    units: str = ""
    comment: str = ""
    scale: float = 1.0
    offset: float = 0.0
    step: int = 0
    ideal: float = 0.0
    physical: int = -1
    points: int = 0
    traces: int = 1
    before: int = 0
    last: int = -1
    chunks: Chunks = field(default_factory=lambda: Chunks(_NOTHING, _NOTHING, _NOTHING))

    @property
    def name(self) -> str:
        return self.title or f"channel {self.number}"

    @property
    def gain(self) -> float:
        return self.scale / _FULL_SCALE

    @property
    def nbytes(self) -> int:
        return self.chunks.total * self.item.itemsize


@dataclass(slots=True, eq=False)
class Recording:
    """A whole file: ``tick`` in seconds, as the fraction that its float stands for."""

    source: Source
    tick: Fraction
    channels: list[Channel] = field(default_factory=list)
    start: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def seconds(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """Seconds of some ticks, each the float next to the true value while the product is below 2^53."""
        found: NDArray[np.float64] = ticks.astype("f8") * self.tick.numerator / self.tick.denominator
        return found

    def rate(self, channel: Channel) -> float:
        return float(1 / (channel.step * self.tick))


def read_chunks(source: Source, channel: Channel, start: int, stop: int) -> NDArray[Any]:
    """Items ``start`` to ``stop`` of a channel, as they lie in the file."""
    chunks, size = channel.chunks, channel.item.itemsize
    out = np.empty(max(0, stop - start), channel.item)
    at, number = start, int(np.searchsorted(chunks.edges, start, side="right")) - 1
    while at < stop:
        until = number + 1
        begin = int(chunks.offset[number])
        end = begin + int(chunks.count[number]) * size
        while until < len(chunks.count) and chunks.edges[until] < stop:
            following = int(chunks.offset[until])
            further = following + int(chunks.count[until]) * size
            if not 0 <= following - end <= _APART or further - begin > _TOGETHER:
                break
            until, end = until + 1, further
        begin += (at - int(chunks.edges[number])) * size
        end -= max(0, int(chunks.edges[until]) - stop) * size
        raw = source.read(begin, end - begin, f"data of channel {channel.number}")
        for chunk in range(number, until):
            low, high = max(at, int(chunks.edges[chunk])), min(stop, int(chunks.edges[chunk + 1]))
            inside = int(chunks.offset[chunk]) + (low - int(chunks.edges[chunk])) * size - begin
            out[low - start : high - start] = np.frombuffer(raw, channel.item, high - low, inside)
        at, number = min(stop, int(chunks.edges[until])), until
    return out


def item_type(
    order: str, tick: str, codes: int, size: int, kind: int, shape: tuple[int, ...]
) -> np.dtype[Any]:
    """An item: its tick, four codes at byte ``codes`` (0: none), then what is attached, in ``size`` bytes."""
    names, formats, offsets = ["tick"], [order + tick], [0]
    if codes:
        names, formats, offsets = [*names, "codes"], [*formats, "(4,)u1"], [*offsets, codes]
    if shape:
        attached = {ADC_MARK: order + "i2", REAL_MARK: order + "f4"}.get(kind)
        after = codes + 4 if tick == "i4" else codes + 8
        names, offsets = [*names, "data"], [*offsets, after]
        formats.append(f"{shape}{attached}" if attached else f"S{shape[0]}")
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def unpadded(item: np.dtype[Any]) -> int:
    """Bytes of an item up to the end of its last part."""
    return max(kind.itemsize + at for kind, at, *_ in item.fields.values()) if item.fields else item.itemsize


def resized(item: np.dtype[Any], size: int) -> np.dtype[Any]:
    """The same item with more or less padding behind it."""
    if item.fields is None or size == item.itemsize:
        return item
    names = list(item.fields)
    formats, offsets = [item.fields[name][0] for name in names], [item.fields[name][1] for name in names]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def tick_of(source: Source, seconds: float, units: int = 1) -> Fraction:
    """The length of a tick: the plain fraction that a float such as 4.9999999999999996e-06 stands for."""
    if not (np.isfinite(seconds) and _SHORTEST_TICK <= seconds * units <= _LONGEST_TICK):
        raise broken(source, f"its clock is said to tick every {seconds * units:g} s")
    plain = Fraction(seconds).limit_denominator(10**10)
    near = plain > 0 and abs(float(plain) / seconds - 1) < 1e-15
    return (plain if near else Fraction(repr(float(seconds)))) * units


def text(raw: bytes) -> str:
    """Text of an unknown age: UTF-8 from newer programs, the Western code page of Windows from older ones."""
    try:
        return raw.decode("utf-8").strip("\0 \t\r\n")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace").strip("\0 \t\r\n")


def start_of(fields: tuple[int, ...]) -> str | None:
    """Hundredths, second, minute, hour, day, month, year as ISO 8601; None when they are no date."""
    hundredths, second, minute, hour, day, month, year = fields
    try:
        return datetime(year, month, day, hour, minute, second, hundredths * 10_000).isoformat()
    except ValueError:
        return None


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}; it is damaged or an unknown variant",
        hint="Fetch the file again; if it opens in Spike2, save it there under a new name and report it.",
        source=source.url,
    )


def check_times(found: Recording, channel: Channel) -> None:
    """Compare what the chunks say with the header; note contradictions that leave the data readable."""
    chunks, step = channel.chunks, channel.step
    if channel.kind not in WAVES or not chunks.total:
        return
    ends = chunks.first + (chunks.count - 1) * step
    back = int((chunks.first[1:] <= ends[:-1]).sum())
    if back:
        found.warnings.append(
            f"Channel {channel.number} {channel.title!r}: {back} of {len(ends)} blocks begin before the one "
            "before them ends; their times are as the file says."
        )
    if channel.last >= 0 and channel.last != ends[-1]:
        found.warnings.append(
            f"Channel {channel.number} {channel.title!r} is said to end at tick {channel.last}, "
            f"its samples end at tick {int(ends[-1])}."
        )
    rate = found.rate(channel)
    if channel.ideal > 0 and not 0.8 < rate / channel.ideal < 1.25:
        found.warnings.append(
            f"Channel {channel.number} {channel.title!r}: {channel.ideal:g} Hz were asked for, "
            f"its samples are stamped with {rate:g} Hz, which is taken."
        )
