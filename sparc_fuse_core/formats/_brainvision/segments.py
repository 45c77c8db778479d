"""Segments: where a recording was interrupted, and when each part began."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from sparc_fuse_core.formats._brainvision.header import Marker

NEW_SEGMENT = "new segment"


@dataclass(slots=True)
class Segment:
    """Samples ``first`` to ``stop``, the first of them ``start`` seconds from the start of the recording."""

    first: int
    stop: int
    start: float
    date: datetime | None = None

    @property
    def samples(self) -> int:
        return self.stop - self.first


def segments_of(
    markers: list[Marker], samples: int, rate: Fraction, length: int, name: str, warnings: list[str]
) -> list[Segment]:
    """Parts without interruption, in order.

    They begin at the markers "New Segment", and every ``length`` samples where the header tells one. Dates say
    when each began; where they are missing or go backwards only the samples before it are counted.
    """
    dates: dict[int, datetime | None] = {0: None}
    for marker in markers:
        if marker.kind.strip().lower() == NEW_SEGMENT and -1 <= marker.position < samples:
            first = max(0, marker.position)  # some programs count from 0
            dates[first] = dates.get(first) or marker.date
    if length and samples % length == 0:
        for first in range(0, samples, length):
            dates.setdefault(first, None)
    elif length:
        warnings.append(
            f"{name}: segments of {length} samples are promised, {samples} samples are no multiple."
        )
    firsts = sorted(dates)
    found = [
        Segment(first, stop, float(first / rate), dates[first])
        for first, stop in zip(firsts, [*firsts[1:], samples], strict=True)
    ]
    return _timed(found, rate, name, warnings) if len(found) > 1 else found


def _timed(found: list[Segment], rate: Fraction, name: str, warnings: list[str]) -> list[Segment]:
    """The segments at their times, those that follow each other without a gap joined."""
    known = [segment.date for segment in found if segment.date is not None]
    if len(known) < len(found):
        warnings.append(
            f"{name}: was interrupted {len(found) - 1} times and does not say for how long. Its segments stay "
            "apart; their times count recorded samples only."
        )
        return found
    joined: list[Segment] = [found[0]]
    for segment in found[1:]:
        last = joined[-1]
        start = (segment.date - found[0].date).total_seconds()  # type: ignore[operator]
        gap = start - (last.start + last.samples / float(rate))
        if abs(gap) * float(rate) < 1:  # within a sample: the recorder only marked it
            last.stop = segment.stop
            continue
        if gap < 0:
            warnings.append(
                f"{name}: a segment is dated {segment.date}, before the one before it ends. Dates are ignored: "
                "the times of all segments count recorded samples only."
            )
            return [Segment(s.first, s.stop, float(s.first / rate), s.date) for s in _fresh(found, joined)]
        segment.start = start
        joined.append(segment)
    return joined


def _fresh(found: list[Segment], joined: list[Segment]) -> list[Segment]:
    """All segments with the ends that they had before some were joined."""
    firsts = [segment.first for segment in found]
    stops = [*firsts[1:], max(found[-1].stop, joined[-1].stop)]
    return [Segment(s.first, stop, s.start, s.date) for s, stop in zip(found, stops, strict=True)]


def seconds(positions: NDArray[np.int64], segments: list[Segment], rate: Fraction) -> NDArray[np.float64]:
    """Time of samples, also of those before the first and after the last."""
    firsts = np.array([segment.first for segment in segments])
    starts = np.array([segment.start for segment in segments])
    place = np.maximum(np.searchsorted(firsts, positions, side="right") - 1, 0)
    values: NDArray[np.float64] = starts[place] + (positions - firsts[place]) / float(rate)
    return values
