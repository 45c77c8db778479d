"""Frames of one video stream by their number: the decoder enters at the key frame before and goes on from there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RECENT = 16
_RECENT_BYTES = 64 << 20
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Index:
    """When frames are shown (ticks, rising), and the key frames: their numbers and where decoding starts (ticks).

    ``counted`` says that decoded frames have no times to be known by: they are then counted from the first one.
    """

    shown: NDArray[Any]
    keys: NDArray[Any]
    entries: NDArray[Any]
    counted: bool = False


class Player:
    """Decodes frames when asked for; one thread at a time."""

    def __init__(self, name: str, container: Any, stream: Any, index: Index) -> None:
        self._name, self._container, self._stream, self._index = name, container, stream, index
        self._lock = threading.Lock()
        self._places = {int(ticks): number for number, ticks in enumerate(index.shown)}
        self._recent: OrderedDict[int, Any] = OrderedDict()
        self._frames: Iterator[tuple[int, Any]] | None = None
        self._next = 0
        size = stream.codec_context.width * stream.codec_context.height * 4
        self._most = max(2, min(_RECENT, _RECENT_BYTES // max(1, size)))

    def frame(self, number: int, convert: Callable[[Any], NDArray[Any]]) -> NDArray[Any]:
        """Frame ``number`` in the order of showing; FormatError when the decoder does not give it."""
        with self._lock:
            found = self._recent.get(number)
            if found is None:
                found = self._seek(number)
            return convert(found)

    def _seek(self, number: int) -> Any:
        if self._frames is None or not self._is_ahead(number):
            self._enter(self._key(number))
        found = self._run(number)
        if found is None and not self._index.counted:
            self._enter(-1)
            found = self._run(number)
        if found is None:
            self._frames = None
            raise FormatError(
                f"{self._name}: frame {number} of {len(self._index.shown)} does not come out of the decoder; the file "
                "is cut short or damaged",
                hint=_REPAIR,
            )
        return found

    def _key(self, number: int) -> int:
        """Place in the list of key frames of the last one that is shown before; -1: the first frame of the file."""
        return -1 if self._index.counted else int(np.searchsorted(self._index.keys, number, "right")) - 1

    def _is_ahead(self, number: int) -> bool:
        """Whether going on is the nearest way to a frame."""
        if number < self._next:
            return False
        key = self._key(number)
        return key < 0 or int(self._index.keys[key]) <= self._next

    def _enter(self, key: int) -> None:
        entry = int(self._index.entries[key]) if key >= 0 else int(self._index.entries.min(initial=0))
        self._container.seek(entry, stream=self._stream, backward=True)
        self._recent.clear()
        self._frames = self._decode()
        self._next = int(self._index.keys[key]) if key >= 0 else 0

    def _decode(self) -> Iterator[tuple[int, Any]]:
        counted = -1
        for frame in self._container.decode(self._stream):
            counted += 1
            place = counted if self._index.counted else self._places.get(frame.pts, -1)
            if place >= 0:
                yield place, frame

    def _run(self, number: int) -> Any:
        assert self._frames is not None
        for place, frame in self._frames:
            self._next = place + 1
            self._recent[place] = frame
            while len(self._recent) > self._most:
                self._recent.popitem(last=False)
            if place == number:
                return frame
            if place > number and not self._index.counted:
                break
        self._frames = None
        return None
