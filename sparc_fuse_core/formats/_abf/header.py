"""What ABF1 and ABF2 have in common: the header as both give it, dates, strings, scales and sweep tables."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

BLOCK = 512
MODES = {
    1: "event-driven, variable length",
    2: "event-driven, fixed length",
    3: "gap-free",
    4: "high-speed oscilloscope",
    5: "episodic stimulation",
}
TAG_KINDS = {0: "time", 1: "comment", 2: "external", 3: "voice", 4: "new file", 5: "annotation"}
EPOCHS = ("off", "step", "ramp", "pulse", "triangle", "cosine", "resistance", "biphasic")
MOST_TAGS = 1 << 17  # 8 MiB of tags: what opening a file may read
MOST_SWEEPS = 1 << 20


@dataclass(slots=True)
class Sweep:
    """Where a sweep lies: seconds from the recording's start (None: not stated), first item, items."""

    start: float | None
    first: int
    items: int


@dataclass(slots=True)
class Tag:
    """A tag: its time in ticks of the synch clock, what it says and its kind."""

    ticks: int
    text: str
    kind: int


@dataclass(slots=True)
class Header:
    """An ABF header, whichever version wrote it.

    ``interval`` is µs from one scan of all channels to the next; ``synch_unit`` is µs per tick of the synch
    clock, 0 when it counts multiplexed samples; ``synch`` has (start, length) rows; ``clock_change`` counts
    scans after which ``second_interval`` holds.
    """

    mode: int
    dtype: str
    data_offset: int
    items: int
    names: list[str]
    units: list[str]
    gains: list[float]
    offsets: list[float]
    interval: float
    synch_unit: float
    synch: NDArray[np.int64]
    episodes: int
    episode_items: int
    start_to_start: float
    tags: list[Tag]
    start: str | None
    metadata: dict[str, Any]
    second_interval: float = 0.0
    clock_change: int = 0
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def seconds(self, ticks: int) -> float:
        """Ticks of the synch clock as seconds."""
        return ticks * (self.synch_unit or self.interval / len(self.names)) / 1e6


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}; its header is damaged",
        hint="Fetch the file again, or ask its authors for an intact copy.",
        source=source.url,
    )


def string(raw: bytes) -> str:
    """Text up to the first NUL; the programs wrote in the Windows code page, new ones in UTF-8."""
    raw = raw.split(b"\0", 1)[0].strip()
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def number(value: float) -> float | None:
    """A stored float32 as the shortest decimal that means it; None where it is not a number."""
    return float(str(np.float32(value))) if math.isfinite(value) else None


def scale(
    source: Source, label: str, full: float, resolution: int, factors: dict[str, float]
) -> tuple[float, str]:
    """Physical units per count, and what was odd about it; a factor of 0 means that it was never set."""
    unset = [name for name, factor in factors.items() if factor == 0]
    product = math.prod(factor for factor in factors.values() if factor != 0)
    if not math.isfinite(product) or not math.isfinite(full) or full == 0 or resolution == 0:
        raise broken(source, f"channel {label!r} has the input range {full} over {resolution} x {product}")
    doubt = f"channel {label!r}: {', '.join(unset)} is 0 in the header and was taken as 1" if unset else ""
    return full / resolution / product, doubt


def start_time(date: int, seconds: float) -> tuple[str | None, str]:
    """ISO 8601 start and a warning; dates are YYYYMMDD, before ABF 1.6 YYMMDD with 80-99 in the 1900s."""
    if date in (0, -1, 0xFFFFFFFF):
        return None, ("" if date == 0 else f"the start date in the header ({date}) means that none was set")
    year, month, day = date // 10000, date // 100 % 100, date % 100
    if year < 100:
        year += 1900 if year >= 80 else 2000
    try:
        midnight = datetime.datetime(year, month, day)
        if not 0 <= seconds < 86400 * 366:
            return (
                midnight.date().isoformat(),
                f"the start time in the header ({seconds} s) is not a time of day",
            )
        return (midnight + datetime.timedelta(seconds=seconds)).isoformat(timespec="milliseconds"), ""
    except (ValueError, OverflowError):
        return None, f"the start date in the header ({date}) is not a date"


def sweeps(source: Source, head: Header) -> list[Sweep]:
    """The sweeps of a recording in file order; one when it has no gaps."""
    if len(head.synch):
        return _synchronised(source, head)
    if head.mode == 3 or head.episodes <= 1:
        return [Sweep(0.0, 0, head.items)]
    if head.mode == 1:
        raise broken(
            source, f"{head.episodes} sweeps of variable length are promised, without a table of lengths"
        )
    return _equal(source, head)


def _equal(source: Source, head: Header) -> list[Sweep]:
    count, items = head.episodes, head.episode_items
    if count * items != head.items:
        items = head.items // count
        if items * count != head.items or items % len(head.names):
            raise broken(source, f"{count} equal sweeps are promised, {head.items} samples are there")
    length = items / len(head.names) * head.interval * 1e-6
    known = math.isfinite(head.start_to_start) and head.start_to_start >= length * (1 - 1e-6)
    if not known:
        head.warnings.append("the file does not say when its sweeps started; their time starts at 0 in each")
    return [Sweep(i * head.start_to_start if known else None, i * items, items) for i in range(count)]


def _synchronised(source: Source, head: Header) -> list[Sweep]:
    starts, lengths = head.synch[:, 0], _lengths(source, head)
    first = np.concatenate([[0], np.cumsum(lengths)])
    if first[-1] < head.items:
        head.dropped.append(f"{head.items - first[-1]} samples after the last sweep that the file lists")
    kept = np.flatnonzero(lengths)
    if len(kept) < len(lengths):
        head.dropped.append(f"{len(lengths) - len(kept)} sweeps without samples")
    return [Sweep(head.seconds(int(starts[i])), int(first[i]), int(lengths[i])) for i in kept]


def _lengths(source: Source, head: Header) -> NDArray[np.int64]:
    """Sweep lengths in items; of the units that writers used, the one that adds up to all is right."""
    stored = head.synch[:, 1]
    if (stored < 0).any():
        raise broken(source, "a sweep has a negative length")
    step = head.interval / len(head.names)
    ways = [1.0, float(len(head.names))]
    if head.synch_unit > 0:
        ways += [1 / head.synch_unit, head.synch_unit / step]
    for factor in ways:
        items: NDArray[np.int64] = np.rint(stored * factor).astype(np.int64)
        if int(items.sum()) == head.items:
            return items
    if int(stored.sum()) > head.items:
        raise broken(source, f"its sweeps add up to {int(stored.sum())} samples, {head.items} are there")
    return stored
