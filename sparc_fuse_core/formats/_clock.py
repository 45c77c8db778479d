"""Times of the planes of an image: even ones become a step, others are kept as they are."""

from __future__ import annotations

from collections.abc import Sequence

_SLACK = 0.02  # of the step: less is the jitter of clocks that are read after each frame


def even_step(seconds: Sequence[float]) -> float | None:
    """The step of times that are even within 2 %; None for others, for one alone and for a clock that stands."""
    if len(seconds) < 2:
        return None
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
    off = max(abs(seconds[0] + i * step - s) for i, s in enumerate(seconds))
    return step if step > 0 and off <= _SLACK * step else None
