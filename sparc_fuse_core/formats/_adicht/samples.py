"""The stream ``Blocks_0`` of a LabChart recording: u32 0xaa035555, then chunks of samples.

A chunk is i32 size, u32 (0, or a kind of check sum), i32 -size, u32 coding, and ``size - 12`` bytes:

* 0x80000100: the samples as they are, int16 or float32.
* 0x104, int16: u32 bytes of samples, then 17 bit planes of their first differences (sign, then magnitude from
  the lowest bit on; the first sample in the lowest bit of a byte).
* 0x105, float32: the same with 32 planes (from bit 31 down; the first sample in the highest bit of each
  32-bit word). The sum of the differences begins anew after each sample that is not finite.

A plane has 4 bytes for each 32 samples begun. Planes are packed: a byte c below 128 is followed by c + 1
bytes, any other by one byte that stands for 257 - c.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._adicht.container import damaged
from sparc_fuse_core.formats._adicht.parts import FLOAT32, INT16
from sparc_fuse_core.model import LazyArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparc_fuse_core.formats._adicht.container import Strand
    from sparc_fuse_core.formats._adicht.parts import Channel, Recording
    from sparc_fuse_core.source import Source

_MARK = 0xAA035555
_PLAIN, _CODED_INT16, _CODED_FLOAT32 = 0x80000100, 0x104, 0x105
_MOST_IN_BLOCK = 1 << 22
_KEPT_BLOCKS = 128  # of 16,000 samples in all files seen: 8 MB
_KEEP_UP_TO = 1 << 15
_GREATEST_PACKING = 65  # two bytes stand for 129 at most


class Samples:
    """Decodes the chunks of all channels; safe to use from several threads."""

    def __init__(self, source: Source, strand: Strand) -> None:
        self._source, self._strand = source, strand
        (mark,) = struct.unpack("<I", strand.read(0, 4, "samples"))
        if mark != _MARK:
            raise damaged(source, f"{strand.name!r} begins with {mark:#x}, not with {_MARK:#x}")
        self._recent = functools.lru_cache(_KEPT_BLOCKS)(self._decode)

    def check(self, recording: Recording) -> None:
        """Raise FormatError unless the blocks of samples lie apart and could hold what they promise."""
        held = [channel.blocks for record in recording.records for channel in record.channels]
        blocks = np.concatenate(held) if held else np.empty(0, [("samples", "u4"), ("place", "u8")])
        places = blocks["place"].astype("u8")
        if len(places) and int(places.max()) + 16 > self._strand.size:
            raise damaged(
                self._source,
                f"samples are said to be at byte {int(places.max())} of {self._strand.name!r}, "
                f"which has {self._strand.size}",
            )
        if len(np.unique(places)) < len(places):
            raise damaged(self._source, "two blocks of samples are said to be at one place")
        total = int(blocks["samples"].sum(dtype="u8"))
        if total * 2 > _GREATEST_PACKING * self._strand.size or (blocks["samples"] > _MOST_IN_BLOCK).any():
            raise damaged(
                self._source, f"it promises {total} samples, {self._strand.size} bytes cannot hold them"
            )

    def block(self, place: int, kind: int, count: int) -> NDArray[Any]:
        """The ``count`` samples of the chunk at byte ``place``; read-only."""
        read = self._recent if count <= _KEEP_UP_TO else self._decode
        return read(place, kind, count)

    def _decode(self, place: int, kind: int, count: int) -> NDArray[Any]:
        size, _, check, coding = struct.unpack("<iIiI", self._strand.read(place, 16, "samples"))
        if size != -check or size < 12:
            raise damaged(self._source, f"no samples begin at byte {place} of {self._strand.name!r}")
        raw = self._strand.read(place + 16, size - 12, "samples")
        dtype = np.dtype("<i2" if kind == INT16 else "<f4")
        try:
            if coding == _PLAIN:
                values: NDArray[Any] = np.frombuffer(raw, dtype)
            elif coding == (_CODED_INT16 if kind == INT16 else _CODED_FLOAT32):
                values = _unfold(raw, count, kind)
            else:
                raise damaged(
                    self._source, f"samples are coded as {coding:#x}, which was never seen for this type"
                )
        except FormatError:
            raise
        except ValueError as error:
            raise damaged(
                self._source, f"the samples at byte {place} break their coding ({error})"
            ) from error
        if len(values) != count:
            raise damaged(
                self._source, f"{count} samples are promised at byte {place}, {len(values)} are there"
            )
        values.flags.writeable = False
        return values


def _unfold(raw: bytes, count: int, kind: int) -> NDArray[Any]:
    """The samples of a coded chunk; ValueError when the bytes do not agree with ``count``."""
    width, planes = (2, 17) if kind == INT16 else (4, 32)
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != count * width:
        raise ValueError(f"it does not hold {count} samples")
    row = 4 * -(-count // 32)
    bits = np.frombuffer(unpack(raw, 4, planes * row), "u1").reshape(planes, row)
    return _integers(bits, count) if kind == INT16 else _floats(bits, count)


def unpack(raw: bytes, at: int, size: int) -> bytearray:
    """``size`` bytes from the packed ones that begin at ``at`` and fill the rest; ValueError otherwise."""
    if size > _GREATEST_PACKING * len(raw):
        raise ValueError(f"{len(raw)} bytes cannot stand for {size}")
    out, end = bytearray(), len(raw)
    while len(out) < size and at < end:
        code = raw[at]
        if code < 128:
            out += raw[at + 1 : at + 2 + code]
            at += 2 + code
        else:
            out += raw[at + 1 : at + 2] * (257 - code)
            at += 2
    if len(out) != size or at != end:
        raise ValueError(f"{size} bytes were promised, {len(out)} came")
    return out


def _integers(bits: NDArray[np.uint8], count: int) -> NDArray[Any]:
    each = np.unpackbits(bits, axis=1, count=count, bitorder="little")
    steps = np.zeros(count, "i4")
    for power, plane in enumerate(each[1:]):
        steps |= plane.astype("i4") << power
    np.negative(steps, where=each[0] > 0, out=steps)
    values = np.cumsum(steps, dtype="i4")
    if len(values) and (values.min() < -32768 or values.max() > 32767):
        raise ValueError("its sums leave the range of 16 bits")
    return values.astype("<i2")


def _floats(bits: NDArray[np.uint8], count: int) -> NDArray[Any]:
    # In each little-endian word the first sample is the highest bit: bytes are reversed, bits are not.
    ordered = np.ascontiguousarray(bits.reshape(32, -1, 4)[:, :, ::-1]).reshape(32, -1)
    each = np.unpackbits(ordered, axis=1, count=count)
    words = np.zeros(count, "u4")
    for number, plane in enumerate(each):
        words |= plane.astype("u4") << np.uint32(31 - number)
    steps = words.view("f4")
    values = steps.copy()
    finite = np.concatenate([[False], np.isfinite(steps), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    with np.errstate(all="ignore"):
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            np.add.accumulate(steps[start:stop], out=values[start:stop], dtype="f4")
    return values


class _Track:
    """One channel of one record as a run of samples."""

    def __init__(self, samples: Samples, channel: Channel) -> None:
        self._samples, self._channel = samples, channel
        self._first = np.concatenate([[0], np.cumsum(channel.blocks["samples"], dtype="i8")])

    def read_into(self, out: NDArray[Any], start: int, stop: int) -> None:
        number = int(np.searchsorted(self._first, start, side="right")) - 1
        at = start
        while at < stop:
            kind, count, place = self._channel.blocks[number].item()
            first = int(self._first[number])
            end = min(stop, first + count)
            values = self._samples.block(place, kind, count)
            out[at - start : end - start] = values[at - first : end - first]
            at, number = end, number + 1


def group_data(samples: Samples, channels: Sequence[Channel], dtype: str) -> LazyArray:
    """(channel, time) of channels that have as many samples each, as raw numbers of ``dtype``."""
    tracks = [_Track(samples, channel) for channel in channels]
    longest = max(int(channel.blocks["samples"].max()) for channel in channels)

    def read(key: Any) -> NDArray[Any]:
        picked, span = (k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        chosen = tracks[picked]
        out = np.empty((len(chosen), max(0, span.stop - span.start)), dtype)
        for row, track in zip(out, chosen, strict=True):
            track.read_into(row, span.start, span.stop)
        drop = tuple(slice(None) if isinstance(k, slice) else 0 for k in key)
        result: NDArray[Any] = out[drop]
        return result

    return LazyArray((len(channels), channels[0].samples), dtype, read, blocks=(1, longest))


def kind_of(channels: Sequence[Channel]) -> str:
    """The type that holds the numbers of these channels, and lets raw integers be found again once scaled."""
    kinds = {channel.kind for channel in channels}
    if kinds == {INT16}:
        return "i2"
    whole = [channel.units for channel in channels if channel.kind == INT16]
    fits = all(abs(units.offset / units.gain) + 65536 < 1 << 23 for units in whole)
    return "f4" if fits or kinds == {FLOAT32} else "f8"
