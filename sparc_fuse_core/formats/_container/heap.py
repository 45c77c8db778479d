"""Global heaps of HDF5, where texts of any length lie: looked at before libhdf5 sees them.

A heap is ``GCOL``, a version, its size, and objects of number, references and size. libhdf5 follows the sizes without
a doubt: one that is zero, as damage leaves it, holds it up forever. It reads a heap with a read of its own, which
starts at the heap's first byte.
"""

from __future__ import annotations

import io
import os
import struct
from typing import Any

_MARK = b"GCOL"
_HEAD = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HH4xQ")


class Guarded(io.RawIOBase):
    """A file object that refuses to give heaps which libhdf5 could not leave again."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        return int(self._raw.tell())

    def readinto(self, buffer: Any) -> int:
        count = self._raw.readinto(buffer) or 0
        held = memoryview(buffer).cast("B")[:count]
        if held[:4] == _MARK and not is_sound(held):
            raise OSError("a heap of texts is damaged")
        return count


def is_sound(heap: memoryview | bytes) -> bool:
    """True when the objects of a heap, as far as its bytes are here, follow each other up to its end."""
    if len(heap) < _HEAD.size:
        return True
    _, version, size = _HEAD.unpack_from(heap)
    at = _HEAD.size
    if version != 1 or size < at:
        return True  # libhdf5 refuses it by itself
    while at + _OBJECT.size <= min(size, len(heap)):
        number, _, length = _OBJECT.unpack_from(heap, at)
        need = _OBJECT.size + (length + 7) // 8 * 8 if number else length
        if need == 0 or at + need > size:
            return False
        at += need
    return True
