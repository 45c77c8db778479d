"""Overview: exact lowest and highest values of a long stream, made once, so that any zoom draws at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.previews.signals import Cancel, Envelope, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MEMORY = 64 << 20


class Overview:
    """Lowest and highest value of every run of ``factor`` samples of one sweep; float32, at most 64 MiB.

    Made empty. `fill` reads the stream once from front to back, on whatever thread calls it, while `window`
    answers for the part that is there already.
    """

    def __init__(self, data: Any, *, sweep: int = 0, factor: int | None = None) -> None:
        channels, samples = int(data.shape[-2]), int(data.shape[-1])
        self._data, self._sweep, self._samples = data, sweep, samples
        room = max(1, _MEMORY // (8 * max(1, channels)))
        self.factor = factor or max(64, 1 << (max(1, samples // room)).bit_length())
        # One run more than needed stays empty: it closes the last pair of bounds in `window`.
        self._runs = np.full((channels, -(-samples // self.factor) + 1, 2), np.nan, "f4")
        self.done = 0

    @property
    def complete(self) -> bool:
        return self.done >= self._samples

    def fill(self, cancel: Cancel | None = None, progress: Callable[[float], None] | None = None) -> None:
        """Read what is still missing. Raises `Cancelled`; what was read before that stays."""
        channels = range(self._runs.shape[0])
        # A step is a whole number of runs, so that no run is ever half read.
        step = max(self.factor, (1 << 18) // self.factor * self.factor)
        while not self.complete:
            stop = min(self._samples, self.done + step)
            for first, block in read_blocks(self._data, channels, self.done, stop, self._sweep, cancel):
                self._take(first, block)
            self.done = stop
            if progress is not None:
                progress(self.done / self._samples)

    def _take(self, first: int, block: NDArray[Any]) -> None:
        run = first // self.factor
        starts = np.arange(run * self.factor, first + block.shape[1], self.factor) - first
        starts[0] = 0
        span = slice(run, run + len(starts))
        # Blocks may be smaller than a run when there are very many channels.
        self._runs[:, span, 0] = np.fmin(self._runs[:, span, 0], np.fmin.reduceat(block, starts, axis=1))
        self._runs[:, span, 1] = np.fmax(self._runs[:, span, 1], np.fmax.reduceat(block, starts, axis=1))

    def window(self, channels: list[int], edges: NDArray[np.int64]) -> Envelope | None:
        """What the columns between ``edges`` hold; None while unread or where runs are too coarse."""
        width = len(edges) - 1
        if edges[-1] > self.done or edges[-1] - edges[0] < width * self.factor:
            return None
        low = edges[:-1] // self.factor
        high = np.maximum(low + 1, -(-edges[1:] // self.factor))
        pairs = np.stack([low, high], axis=1).ravel() - low[0]
        picked = self._runs[channels, low[0] : high[-1] + 1]
        values = np.empty((len(channels), width, 2), "f4")
        values[..., 0] = np.fmin.reduceat(picked[..., 0], pairs, axis=1)[:, ::2]
        values[..., 1] = np.fmax.reduceat(picked[..., 1], pairs, axis=1)[:, ::2]
        return Envelope(values, True)
