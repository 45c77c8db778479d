"""Events gathered from all over a file: rows of intervals, pulses, annotations, epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparc_fuse_core.model import Events

MOST_MARKS = 400_000


class Marks:
    """Times in seconds with labels; ``channel`` says where each comes from."""

    def __init__(self) -> None:
        self._times: list[Any] = []
        self._durations: list[Any] = []
        self._labels: list[str] = []
        self._channels: list[str] = []
        self.count = 0

    def room_for(self, count: int) -> bool:
        return self.count + count <= MOST_MARKS

    def add(self, channel: str, times: Any, labels: Sequence[str], durations: Any = None) -> None:
        """Events of one place; those without a time are left out, since nothing can be said of them."""
        when = np.asarray(times, np.float64).ravel()
        long = np.full(when.size, np.nan) if durations is None else np.asarray(durations, np.float64).ravel()
        good = np.isfinite(when)
        self._times.append(when[good])
        self._durations.append(long[good])
        self._labels += [label for label, kept in zip(labels, good, strict=True) if kept]
        self._channels += [channel] * int(good.sum())
        self.count += int(good.sum())

    def events(self) -> Events | None:
        """All of them in the order of time."""
        if not self.count:
            return None
        times, durations = np.concatenate(self._times), np.concatenate(self._durations)
        order = np.argsort(times, kind="stable")
        return Events(
            times[order],
            [self._labels[i] for i in order],
            durations[order] if np.isfinite(durations).any() else None,
            [self._channels[i] for i in order],
        )
