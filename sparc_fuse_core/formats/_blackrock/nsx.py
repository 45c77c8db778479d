"""Continuous files (.ns1 to .ns9): headers, and where their samples lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import LimitExceeded
from sparc_fuse_core.formats._blackrock.common import FILTERS, NANOSECONDS, broken, moment, text
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MARKS = (b"NEURALSG", b"NEURALCD", b"BRSMPGRP")
STEPS = 30000  # the period of a file counts these a second, whatever its clock counts

_BASIC = "<BBI16s256sII8HI"
_BASIC_BYTES = 314
_CHANNEL = "<2sH16sBBhhhh16sIIHIIH"
_CHANNEL_BYTES = 66
_MOST_BLOCKS = 1 << 18
_PROBES = 16


@dataclass(slots=True)
class Channel:
    """One electrode or input; physical = raw * gain + offset, gain 0 where the file has no scale."""

    electrode: int
    label: str
    units: str = ""
    gain: float = 0.0
    offset: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Block:
    """Samples without a pause: tick of the first one, their number, and their first byte."""

    tick: int
    samples: int
    offset: int


@dataclass(slots=True)
class Continuous:
    """A continuous file. ``stamped`` is the bytes from one sample to the next where each has its own time."""

    source: Source
    spec: str
    period: int
    label: str = ""
    comment: str = ""
    resolution: int = STEPS
    start: str | None = None
    channels: list[Channel] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    stamped: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def rate(self) -> Fraction:
        return Fraction(STEPS, self.period)

    @property
    def step(self) -> Fraction:
        """Ticks from one sample to the next."""
        return Fraction(self.resolution) / self.rate

    @property
    def row(self) -> int:
        return 2 * len(self.channels)

    @property
    def ending(self) -> str:
        return self.source.name.rpartition(".")[2].lower()


def read_continuous(source: Source) -> Continuous:
    """Header and blocks of a continuous file; nothing of its samples is read."""
    mark = source.read(0, 8, "header")
    if mark not in MARKS:
        raise broken(
            source, f"a continuous Blackrock file starts with {MARKS[0]!r} or its like, not {mark!r}"
        )
    found, begin = _first_header(source) if mark == MARKS[0] else _later_header(source)
    if found.period < 1 or found.resolution < 1:
        raise broken(source, f"a sample is said to last {found.period} of {found.resolution} ticks a second")
    if not found.channels:
        raise broken(source, "it has no channels")
    if found.spec == "2.1":
        _find_unstamped(found, begin)
    elif not _find_stamped(found, begin):
        found.blocks = _walk(found, begin)
    if found.resolution not in (STEPS, NANOSECONDS):
        found.warnings.append(
            f"{source.name}: its clock ticks {found.resolution} times a second; the sampling period of "
            f"{found.period} is taken in steps of 1/{STEPS} s, as the specification says."
        )
    return found


def _first_header(source: Source) -> tuple[Continuous, int]:
    """Specification 2.1: no scale, no names and no time."""
    label, period, count = source.unpack("<16sII", 8)
    limit_items(source, "channels", count)
    found = Continuous(source, "2.1", period, text(label))
    numbers = source.array("<u4", 32, count, "channel numbers")
    found.channels = [Channel(int(n), _default_label(int(n))) for n in numbers]
    return found, 32 + 4 * count


def _default_label(number: int) -> str:
    """What Blackrock's programs call an input that was given no other name."""
    return f"chan{number}" if number <= 128 else f"ainp{number - 128}"


def _later_header(source: Source) -> tuple[Continuous, int]:
    major, minor, size, label, comment, period, resolution, *clock, count = source.unpack(_BASIC, 8)
    limit_items(source, "channels", count)
    if size < _BASIC_BYTES + count * _CHANNEL_BYTES:
        raise broken(source, f"{count} channels do not fit into its header of {size} bytes")
    source.expect(0, size, "header")
    found = Continuous(source, f"{major}.{minor}", period, text(label), text(comment), resolution)
    found.start = moment(clock, found.warnings, source.name)
    for place in range(count):
        found.channels.append(_channel(source, _BASIC_BYTES + place * _CHANNEL_BYTES, found.warnings))
    return found, size


def _channel(source: Source, at: int, warnings: list[str]) -> Channel:
    kind, number, label, bank, pin, low, high, least, most, units, *filters = source.unpack(_CHANNEL, at)
    if kind != b"CC":
        raise broken(source, f"the header of a channel is expected at byte {at}, {kind!r} is there")
    found = Channel(number, text(label))
    found.about = {"connector": bank, "pin": pin} | dict(zip(FILTERS, filters, strict=True))
    if high == low or most == least:
        warnings.append(
            f"{source.name}: channel {found.label or number} has no scale ({low} to {high} are said to be "
            f"{least} to {most}); its samples are raw counts."
        )
        return found
    gain = Fraction(most - least, high - low)
    found.units, found.gain, found.offset = text(units), float(gain), float(least - low * gain)
    return found


# -- where the samples lie ------------------------------------------------------------------------------------


def _find_unstamped(found: Continuous, begin: int) -> None:
    """Specification 2.1: rows to the end of the file. Some programs wrote the block header of 2.2 before them."""
    source = found.source
    rows, rest = divmod(source.size - begin, found.row)
    if rest and source.size - begin >= 9:
        flag, tick, count = source.unpack("<BII", begin)
        if flag == 1 and 9 + count * found.row == source.size - begin:
            found.blocks = [Block(tick, count, begin + 9)]
            found.warnings.append(
                f"{source.name}: a block header, which its specification 2.1 does not have, stands before "
                "its samples; it is taken as such."
            )
            return
    if rest:
        found.warnings.append(
            f"{source.name}: {rest} bytes after its last whole sample are not carried over."
        )
    found.blocks = [Block(0, rows, begin)] if rows else []


def _heading(found: Continuous) -> str:
    return "<BQI" if int(found.spec.split(".")[0]) >= 3 else "<BII"


def _find_stamped(found: Continuous, begin: int) -> bool:
    """Whether each sample has a block, and so a time, of its own, as recorders with a PTP clock write it."""
    if _heading(found) != "<BQI":
        return False
    source, step = found.source, 13 + found.row
    samples, rest = divmod(source.size - begin, step)
    if samples < 3:
        return False
    places = {0, 1, 2, samples - 1} | {samples * i // _PROBES for i in range(_PROBES)}
    if any(source.unpack("<B8xI", begin + place * step) != (1, 1) for place in sorted(places)):
        return False
    found.stamped = step
    found.blocks = [Block(source.unpack("<Q", begin + 1)[0], samples, begin)]
    if rest:
        found.warnings.append(
            f"{source.name}: {rest} bytes after its last whole sample are not carried over."
        )
    return True


def _walk(found: Continuous, at: int) -> list[Block]:
    source, layout = found.source, _heading(found)
    size = 13 if layout == "<BQI" else 9
    blocks: list[Block] = []
    empty = 0
    while source.size - at >= size:
        flag, tick, count = source.unpack(layout, at, "block header")
        if flag != 1:
            raise broken(source, f"a block of samples is expected at byte {at}, it begins with {flag}")
        at += size
        if count == 0 and _never_closed(found, at, layout):
            count = (source.size - at) // found.row
            found.warnings.append(
                f"{source.name}: its last block says nothing of its length, as after a crash; all {count} "
                "samples to the end of the file are taken."
            )
        source.expect(at, count * found.row, "samples")
        if count:
            blocks.append(Block(tick, count, at))
        else:
            empty += 1
        at += count * found.row
        if len(blocks) + empty > _MOST_BLOCKS:
            raise LimitExceeded(
                f"{source.name}: has more than {_MOST_BLOCKS} blocks of samples",
                hint="Cut the recording into shorter ones with the recorder's own programs.",
            )
    if empty:
        found.warnings.append(f"{source.name}: {empty} of its blocks hold no samples.")
    if source.size > at:
        found.warnings.append(f"{source.name}: {source.size - at} bytes after its last block are no block.")
    return blocks


def _never_closed(found: Continuous, at: int, layout: str) -> bool:
    """True when samples follow a block header that promises none: what follows is no other block."""
    source = found.source
    if source.size - at < found.row:
        return False
    size = 13 if layout == "<BQI" else 9
    if source.size - at < size:
        return True
    flag, _, count = source.unpack(layout, at, "block header")
    end = at + size + count * found.row
    return flag != 1 or end > source.size or (end < source.size and source.read(end, 1) != b"\1")


def runs_of(found: Continuous) -> list[list[Block]]:
    """Blocks that follow each other without a gap in time, together."""
    runs: list[list[Block]] = []
    samples = 0
    for block in found.blocks:
        # From the start of the run: what each block is off by must not add up.
        if runs and abs(block.tick - (runs[-1][0].tick + samples * found.step)) < found.step:
            runs[-1].append(block)
        else:
            runs.append([block])
            samples = 0
        samples += block.samples
    return runs


def edges_of(blocks: list[Block]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """First sample of each block, and one past the last of all."""
    return np.concatenate([[0], np.cumsum([block.samples for block in blocks])]).astype(np.int64)
