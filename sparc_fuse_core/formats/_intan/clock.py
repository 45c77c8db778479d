"""Time stamps: a counter of samples, which jumps where the recording has a gap.

The counter is not read as a whole. Where two of its values differ by as much as the samples between them, no
gap lies there; else the half-way value is asked for. What was not looked at is compared while data are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.model.lazy import Key

_WRAP = 1 << 32
_MOST_JUMPS = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Runs without a gap: the first sample of each and its time stamp; ``rate`` in Hz."""

    rate: Fraction
    first: NDArray[np.int64]
    stamp: NDArray[np.int64]
    name: str

    def seconds(self, stamps: NDArray[np.int64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = stamps.astype("f8") * self.rate.denominator / self.rate.numerator
        return found

    def stamps(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time stamps of some samples."""
        run = np.maximum(np.searchsorted(self.first, samples, side="right") - 1, 0)
        found: NDArray[np.int64] = self.stamp[run] + (samples - self.first[run])
        return found

    def timing(self, every: Fraction, count: int) -> dict[str, Any]:
        """Rate and start of a stream with a value every so many samples; its times where there are gaps."""
        rate = self.rate / every
        if len(self.first) == 1:
            return {"rate": float(rate), "start": float(self.seconds(self.stamp)[0])}

        def read(key: Key) -> NDArray[Any]:
            (span,) = key
            places = np.arange(span.start, span.stop) if isinstance(span, slice) else np.array([span])
            at = places * every.numerator // every.denominator
            values = self.seconds(self.stamps(at))
            return values if isinstance(span, slice) else values[0]

        return {
            "time": LazyArray((count,), "f8", read),
            "attrs": {"nominal_sampling_frequency": float(rate)},
        }

    def check(self, samples: NDArray[np.int64], stamps: NDArray[Any]) -> None:
        """Raise FormatError where time stamps are not those that were found when the file was opened."""
        off = np.flatnonzero((self.stamps(samples) - stamps.astype(np.int64)) % _WRAP)
        if len(off):
            at = off[0]
            raise FormatError(
                f"{self.name}: sample {samples[at]} is stamped {stamps[at]}, "
                f"{self.stamps(samples[at : at + 1])[0]} was expected; its time stamps contradict each other",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )

    def warnings(self) -> list[str]:
        """A sentence when there are gaps."""
        gaps = np.diff(self.stamp) - np.diff(self.first)
        if not len(gaps):
            return []
        at = int(np.argmax(np.abs(gaps)))
        place = self.seconds(self.stamp[at + 1 : at + 2])[0]
        found = (
            f"The time stamps jump {len(gaps)} time(s), the farthest by {self.seconds(gaps[at : at + 1])[0]:g} s "
            f"to {place:g} s; every sample has its own time."
        )
        return [found + (" Some jumps go back." if (gaps < 0).any() else "")]


def find_runs(stamp_at: Callable[[int], int], count: int, most: int, rate: Fraction, name: str) -> Clock:
    """The clock of ``count`` time stamps (at least one); more than ``most`` jumps are no time stamps at all."""
    ends = [(count - 1, stamp_at(count - 1))]
    at, stamp = 0, stamp_at(0)
    first, stamps = [0], [stamp]
    while ends:
        further, seen = ends[-1]
        jump = (seen - stamp - (further - at)) % _WRAP
        if jump and further - at > 1:
            middle = (at + further) // 2
            ends.append((middle, stamp_at(middle)))
            continue
        at, stamp = ends.pop()
        if jump:
            ahead = jump if jump < _WRAP // 2 else jump - _WRAP
            stamps.append(stamps[-1] + at - first[-1] + ahead)
            first.append(at)
        if len(first) > min(most, _MOST_JUMPS):
            raise FormatError(
                f"{name}: its time stamps do not count the samples; its header does not fit to its data, or it "
                "is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
    # A recording may have counted past the largest number; before a trigger there are some seconds at most.
    rolled = _WRAP if stamps[0] < -_WRAP // 4 else 0
    return Clock(rate, np.array(first, np.int64), np.array(stamps, np.int64) + rolled, name)
