"""Time-stamped annotation lists (TAL) of EDF+ and BDF+.

A signal called ``EDF Annotations`` holds bytes instead of samples, padded with zeros:
``+onset[\\x15duration]\\x14text\\x14…\\x14\\0``. The first list of each record in the first such signal
has an empty text and gives the time at which the record starts (EDF+ 2.2.4).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sparc_fuse_core.formats._edf.header import words
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._edf.header import Signal
    from sparc_fuse_core.formats._edf.records import Records

__all__ = ["Annotations", "read_annotations"]

_STAMP = re.compile(rb"([+-]?\d{1,15}(?:\.\d*)?)(?:\x15(\d{1,15}(?:\.\d*)?)?)?")
_MOST = 1 << 22
_MOST_BYTES = 1 << 26


class _Note(NamedTuple):
    onset: float
    duration: float
    text: str


@dataclass(slots=True)
class Annotations:
    """``starts``: seconds at which each record starts (NaN: not told), from the start in the header.

    ``step`` is the last decimal place in which they are written; ``broken`` counts lists that make no sense.
    """

    starts: NDArray[np.float64]
    notes: list[_Note] = field(default_factory=list)
    step: float = 1.0
    broken: int = 0


def read_annotations(records: Records, signals: Sequence[Signal], width: int) -> Annotations:
    """All annotations of a file; reads the annotation signals of every record and nothing else."""
    limit_items(records.source, "records with annotations", records.count, _MOST)
    found = Annotations(np.full(records.count, np.nan))
    for number, signal in enumerate(signals):
        limit_items(records.source, "bytes of annotations a record", signal.samples * width, _MOST_BYTES)
        stop = signal.place + signal.samples * width
        for first, block in records.batches(0, records.count, signal.place, stop):
            for row, raw in enumerate(block):
                _take_record(found, first + row, raw.tobytes(), keeps_time=number == 0)
        limit_items(records.source, "annotations", len(found.notes), _MOST)
    return found


def _take_record(found: Annotations, record: int, raw: bytes, *, keeps_time: bool) -> None:
    expected = keeps_time
    for entry in raw.split(b"\0"):
        if not entry:
            continue
        stamp, *texts = entry.split(b"\x14")
        match = _STAMP.fullmatch(stamp)
        if match is None or not texts:
            found.broken += 1
            continue
        onset = float(match[1])
        duration = float(match[2]) if match[2] else math.nan
        if texts[-1] == b"":
            texts.pop()
        texts = texts or [b""]
        if expected and not texts[0].strip():
            found.starts[record] = onset
            found.step = min(found.step, 10.0 ** -len(match[1].partition(b".")[2]))
            texts = texts[1:]
        expected = False
        for text in texts:
            # Writers repeat the record's start in further annotation signals: that is no event.
            if text.strip() or duration == duration or onset != found.starts[record]:
                found.notes.append(_Note(onset, duration, words(text)))
