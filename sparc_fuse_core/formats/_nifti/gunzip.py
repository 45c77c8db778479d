"""Random reading of a gzip file: forward from the nearest place whose decoder was kept, in bounded memory."""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, Truncated

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_FEED = 1 << 16
_MAX_KEPT = 256  # decoders, about 45 kB each
_FIRST_STEP = 1 << 20
_MOST_AFTER = 64  # pieces behind the pixels that are unpacked for the checksum
_BEST_RATIO = 1040  # deflate cannot do better
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


class Gunzip:
    """The unpacked bytes of a gzip file of one or several members; safe to use from several threads."""

    def __init__(self, source: Source) -> None:
        self.end = -1  # where the bytes end that matter; the checksum behind them is looked at then
        self._source = source
        self._lock = threading.Lock()
        self._kept: list[tuple[int, int, Any]] = [(0, 0, zlib.decompressobj(31))]
        self._step = _FIRST_STEP
        self._now: tuple[int, int, Any] = (0, 0, zlib.decompressobj(31))

    def can_hold(self, nbytes: int) -> bool:
        """Whether so few packed bytes can unpack to ``nbytes`` at all."""
        return nbytes <= self._source.size * _BEST_RATIO

    def read(self, offset: int, nbytes: int) -> bytes:
        """``nbytes`` unpacked bytes at ``offset``; Truncated when the file ends before."""
        with self._lock:
            at, place, decoder = self._nearest(offset)
            out = bytearray()
            while at < offset + nbytes:
                piece, place, decoder = self._next(place, decoder, min(_FEED * 4, offset + nbytes - at))
                if at + len(piece) > offset:
                    out += piece[max(0, offset - at) :]
                at += len(piece)
                self._keep(at, place, decoder)
            self._now = (at, place, decoder)
            if at == self.end:
                self._check_end(place, decoder.copy())
            return bytes(out)

    def _check_end(self, place: int, decoder: Any) -> None:
        """Unpack what is left of the last member: its checksum tells whether the pixels are those that were packed."""
        for _ in range(_MOST_AFTER):
            if decoder.eof:
                return
            _, place, decoder = self._next(place, decoder, _FEED, at_end=True)

    def _nearest(self, offset: int) -> tuple[int, int, Any]:
        """Where to start: the end of the last reading, or a kept place before ``offset``."""
        kept = self._kept[bisect_right(self._kept, offset, key=lambda row: row[0]) - 1]
        if kept[0] <= self._now[0] <= offset:
            return self._now
        return kept[0], kept[1], kept[2].copy()

    def _next(self, place: int, decoder: Any, most: int, *, at_end: bool = False) -> tuple[bytes, int, Any]:
        """Some unpacked bytes, how far the packed ones were used, and the decoder for what follows."""
        while True:
            if decoder.eof:
                decoder = zlib.decompressobj(31)
            packed = self._source.read(place, min(_FEED, self._source.size - place), "packed data")
            try:
                piece = decoder.decompress(packed, most)
            except zlib.error as error:
                raise FormatError(
                    f"{self._source.name}: cannot be unpacked at byte {place} ({error}); it is damaged",
                    hint=_REPAIR,
                ) from error
            if not piece and not packed and not decoder.eof:
                raise Truncated(
                    f"{self._source.name}: its packed data end before the image does; it is cut short",
                    hint=_REPAIR,
                )
            left = len(decoder.unused_data) if decoder.eof else len(decoder.unconsumed_tail)
            place += len(packed) - left
            if piece or (at_end and decoder.eof):
                return piece, place, decoder

    def _keep(self, at: int, place: int, decoder: Any) -> None:
        if at < self._kept[-1][0] + self._step or decoder.eof:
            return
        self._kept.append((at, place, decoder.copy()))
        if len(self._kept) > _MAX_KEPT:
            self._kept = self._kept[::2]
            self._step *= 2


def unpack_head(head: bytes, most: int = 600) -> bytes:
    """The first unpacked bytes of a gzip file, as far as its first packed ones give them; b"" if it is none."""
    if head[:2] != b"\x1f\x8b":
        return b""
    try:
        return zlib.decompressobj(31).decompress(head, most)
    except zlib.error:
        return b""
