"""Arrays (channel, time) that readers of text headers share: channel after channel, parts of one, and text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

_MOST_TEXT = 128 << 20


def planar(
    source: Source, dtype: DTypeLike, offset: int, channels: int, samples: int, step: int = 0
) -> LazyArray:
    """Samples stored channel after channel; ``step`` is the bytes from one channel to the next when there is
    more than its samples between. Raises `Truncated` when the bytes are not there."""
    kind: np.dtype[Any] = np.dtype(dtype)
    step = step or samples * kind.itemsize
    source.expect(offset, (channels - 1) * step + samples * kind.itemsize, "samples")

    def read(key: Key) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        out = np.empty((picked.stop - picked.start, span.stop - span.start), kind.newbyteorder("="))
        for place, row in zip(range(picked.start, picked.stop), out, strict=True):
            at = offset + place * step + span.start * kind.itemsize
            row[:] = source.array(kind, at, span.stop - span.start)
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((channels, samples), kind.newbyteorder("="), read)


def window(data: LazyArray, start: int, stop: int) -> LazyArray:
    """Samples ``start`` to ``stop`` of all channels."""

    def moved(key: Key) -> Key:
        channel, time = key
        if isinstance(time, slice):
            return channel, slice(time.start + start, time.stop + start)
        return channel, time + start

    return LazyArray(
        (data.shape[0], stop - start),
        data.dtype,
        lambda key: data.read(moved(key)),
        time_major=data.time_major,
        read_into=lambda key, out: data.read_into(moved(key), out),
    )


def stack(data: LazyArray, firsts: Sequence[int], samples: int) -> LazyArray:
    """Runs of ``samples`` that begin at ``firsts``, as (sweep, channel, time)."""

    def read(key: Key) -> NDArray[Any]:
        picked, channel, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        chosen = firsts[picked]
        out = np.empty((len(chosen), channel.stop - channel.start, span.stop - span.start), data.dtype)
        for place, first in enumerate(chosen):
            out[place] = data.read((channel, slice(first + span.start, first + span.stop)))
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((len(firsts), data.shape[0], samples), data.dtype, read)


def text_matrix(
    source: Source,
    channels: int,
    samples: int | None,
    lines: Callable[[str], Sequence[str]],
    *,
    by_channel: bool,
) -> LazyArray:
    """Samples written as text; ``lines`` gives the rows of numbers of the file's text.

    A row is a moment, or a channel with ``by_channel``. The text is read whole when the first sample is asked
    for, on opening already where ``samples`` is not known.
    """
    if source.size > _MOST_TEXT:
        raise LimitExceeded(
            f"{source.name}: has {source.size} bytes of samples written as text, at most {_MOST_TEXT} are read",
            hint="Export the recording again in binary form.",
        )
    kept: list[NDArray[np.float64]] = []
    lock = threading.Lock()

    def whole() -> NDArray[np.float64]:
        with lock:
            if not kept:
                kept.append(_parsed(source, lines, channels, by_channel=by_channel))
            return kept[0]

    if samples is None:
        samples = whole().shape[1]

    def read(key: Key) -> NDArray[Any]:
        values = whole()
        if values.shape != (channels, samples):
            raise FormatError(
                f"{source.name}: {channels} channels of {samples} samples are promised, {values.shape} are there",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        return values[key]

    return LazyArray((channels, samples), "f8", read)


def _parsed(
    source: Source, lines: Callable[[str], Sequence[str]], channels: int, *, by_channel: bool
) -> NDArray[np.float64]:
    said = source.read(0, source.size).decode("latin-1")
    try:
        values = np.loadtxt(lines(said), dtype="f8", comments=None, ndmin=2)
    except ValueError as error:
        raise FormatError(
            f"{source.name}: rows of {channels} numbers are expected ({error})",
            hint="Fetch the file again, or export the recording in binary form.",
        ) from error
    turned = values if by_channel else values.T
    if turned.shape[0] != channels:
        raise FormatError(
            f"{source.name}: {channels} channels are promised, its text has {turned.shape[0]}",
            hint="Fetch the file again, or export the recording in binary form.",
        )
    return np.ascontiguousarray(turned)
