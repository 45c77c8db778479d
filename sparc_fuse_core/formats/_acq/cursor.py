"""What the parts of the AcqKnowledge reader share: the headers as parsed, and a cursor over the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

V4 = 61  # the first revision of AcqKnowledge 4
_WINDOW = 1 << 16


@dataclass(slots=True)
class Channel:
    """A channel: ``divider`` base ticks a sample; ``packed`` is (offset, bytes) of its compressed samples."""

    name: str
    units: str
    gain: float
    offset: float
    points: int
    divider: int
    order: int
    description: str = ""
    dtype: str = ""
    packed: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        return int(self.dtype[-1])


@dataclass(slots=True)
class Marker:
    """A marker at a base tick; ``order`` names its channel (-1: none); ``created`` is ms since 1970."""

    tick: int
    text: str
    order: int = -1
    kind: str = ""
    created: int = 0


@dataclass(slots=True)
class Header:
    """All headers; ``step`` is ms from one base tick to the next, ``axis`` the kind of horizontal axis."""

    revision: int
    order: str
    step: float
    axis: int
    compressed: bool
    data_offset: int
    channels: list[Channel]
    markers: list[Marker] = field(default_factory=list)
    journal: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


class Cursor:
    """Reads structures one after the other, fetching the file in windows: there are many tiny ones."""

    def __init__(self, source: Source, order: str, at: int = 0) -> None:
        self.source, self.order, self.at = source, order, at
        self._start, self._window = 0, b""

    def take(self, nbytes: int, what: str) -> bytes:
        """The next ``nbytes`` bytes."""
        if nbytes < 0 or self.at < 0:
            raise broken(self.source, f"its {what} is said to have {nbytes} bytes")
        inside = self.at - self._start
        if inside < 0 or inside + nbytes > len(self._window):
            self.source.expect(self.at, nbytes, what)
            self._start, inside = self.at, 0
            self._window = self.source.read(
                self.at, min(max(nbytes, _WINDOW), self.source.size - self.at), what
            )
        self.at += nbytes
        return self._window[inside : inside + nbytes]

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        packed = struct.Struct(self.order + layout)
        return packed.unpack(self.take(packed.size, what))


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}; its header is damaged",
        hint="Fetch the file again, or ask its authors for an intact copy.",
        source=source.url,
    )


def text(raw: bytes, revision: int) -> str:
    """Text up to its NUL in the encoding of the revision."""
    raw = raw.split(b"\0", 1)[0]
    if revision < V4:
        return raw.decode("latin-1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # a full field, cut within its last character
            return raw[: error.start].decode("utf-8")
        return raw.decode("latin-1")  # carried along from a file of an earlier version


def created(milliseconds: int) -> str:
    """When a marker was made, as ISO 8601 in UTC; empty for dates that cannot be."""
    if not 0 < milliseconds < 1 << 43:
        return ""
    return str(np.datetime64(int(milliseconds), "ms")) + "Z"
