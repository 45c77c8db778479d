"""What a LabChart recording says about itself, and a reader of the pieces that its ``Map`` is made of."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._adicht.container import damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

T = TypeVar("T")

INT16, FLOAT32 = 0x80020001, 0x80020003

# Code of a unit's prefix: how it is written, and its power of ten. The vendor's library shows 0 as "?".
_PREFIXES = {
    0: ("?", 0), 1: ("", 0), 2: ("a", -18), 3: ("f", -15), 4: ("p", -12), 5: ("n", -9), 6: ("µ", -6),
    7: ("m", -3), 8: ("", 0), 9: ("k", 3), 10: ("M", 6), 11: ("G", 9), 12: ("T", 12), 13: ("P", 15),
    14: ("E", 18),
}  # fmt: skip
_STRING = 0x80000001


@dataclass(slots=True)
class Units:
    """How stored numbers become physical ones: ``number * gain + offset``, in ``name``."""

    name: str
    gain: float
    offset: float


@dataclass(slots=True)
class Channel:
    """One channel in one record.

    Attributes
    ----------
    number
        From 0, the same in all records.
    rate
        Samples a second.
    kind
        INT16 or FLOAT32.
    blocks
        Structured array: ``kind``, ``samples`` and ``place`` (byte in Blocks_0) of each block of samples.
    settings
        Texts of the device: gain, filters, range; shared by channels and records.
    """

    number: int
    rate: Fraction
    kind: int
    units: Units
    samples: int
    blocks: NDArray[Any]
    settings: list[str]


@dataclass(slots=True)
class Comment:
    """A comment at a tick of its record; ``channel`` is -1 where it belongs to all."""

    tick: int
    channel: int
    number: int
    text: str


@dataclass(slots=True)
class Record:
    """What was recorded from one start to the next stop; LabChart calls it a block.

    ``time`` is that of the trigger, in seconds since 1970, ``trigger`` the ticks from the first sample to it.
    """

    number: int
    tick: Fraction
    time: float
    zone: float
    trigger: int
    ticks: int = 0
    channels: list[Channel] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    text: str = ""

    @property
    def start(self) -> Fraction | None:
        """First sample in seconds since 1970; None where the file does not say it."""
        if not math.isfinite(self.time) or abs(self.time) > 1e11:
            return None
        return Fraction(self.time) - self.trigger * self.tick


@dataclass(slots=True)
class Recording:
    """The whole map: its records, and the names of the channels."""

    version: str
    records: list[Record]
    names: list[str]
    note: str

    def name(self, channel: int) -> str:
        """Name of a channel as LabChart shows it."""
        return self.names[channel] if 0 <= channel < len(self.names) else f"Channel {channel + 1}"


class Cursor:
    """Reads the map piece by piece; every count must fit the bytes that are left."""

    def __init__(self, source: Source, raw: bytes) -> None:
        self.source, self.raw, self.at = source, raw, 0
        self._known: dict[int, Any] = {}

    def wrong(self, what: str) -> FormatError:
        """An error that names the place in the map."""
        return damaged(self.source, f"{what} (byte {self.at} of its map)")

    def take(self, layout: str) -> tuple[Any, ...]:
        """The next fields."""
        size = struct.calcsize("<" + layout)
        if self.at + size > len(self.raw):
            raise self.wrong(f"its map of {len(self.raw)} bytes ends within a structure")
        values = struct.unpack_from("<" + layout, self.raw, self.at)
        self.at += size
        return values

    def count(self, what: str, least: int) -> int:
        """Length of an array whose items have ``least`` bytes or more."""
        count, check = self.take("ii")
        if count != -check or not 0 <= count * least <= len(self.raw) - self.at:
            raise self.wrong(f"it promises {count} {what} where {check} is the check")
        return int(count)

    def text(self) -> str:
        """A string."""
        if self.take("I")[0] != _STRING:
            raise self.wrong("a text is missing")
        size = 2 * self.count("letters", 2)
        self.at += size
        letters = self.raw[self.at - size : self.at].decode("utf-16-le", "replace")
        return letters.split("\0")[0]

    def require(self, what: str, found: int, *seen: int) -> int:
        """``found``, when it is one of the variants of a structure that were ever seen."""
        if found not in seen:
            known = " and ".join(f"{value:#x}" if value > 255 else str(value) for value in seen)
            raise self.wrong(f"{what} {found:#x} was never seen, only {known}")
        return found

    def shared(self, kind: type[T], read: Any) -> T:
        """An object that is stored where it is first met and afterwards only referred to."""
        (number,) = self.take("I")
        if number >> 31:
            self._known[number & 0x7FFFFFFF] = read(self)
        held = self._known.get(number & 0x7FFFFFFF)
        if not isinstance(held, kind):
            raise self.wrong(f"it refers to object {number}, which it does not have")
        return held


def read_units(cursor: Cursor) -> Units:
    """A units object: device units with a prefix, then the user's own when they are on."""
    cursor.require("an object", cursor.take("I")[0], 5)
    cursor.require("units of layout", cursor.take("I")[0], 2)
    scale, offset, _, _, _, prefix, _ = cursor.take("ddffIIH")
    name = cursor.text()
    user_scale, user_offset, _, user_prefix, _, user, _ = cursor.take("ddIIHHI")
    user_name = cursor.text()
    for _ in range(4):
        if cursor.text():
            raise cursor.wrong("units with a conversion of their own were never seen")
    cursor.require("an end of units", cursor.take("B")[0], 0)
    gain, shift = scale, scale * offset
    if user:
        gain, shift = gain * user_scale, shift * user_scale + user_offset
        name, prefix = user_name, user_prefix
    if prefix not in _PREFIXES:
        raise cursor.wrong(f"a unit's prefix {prefix} was never seen, only 0 to {max(_PREFIXES)}")
    sign, power = _PREFIXES[prefix]
    # One rounding: powers of ten up to 10^22 are exact, their inverses are not.
    gain, shift = (v / 10.0**power if power > 0 else v * 10.0**-power for v in (gain, shift))
    if not (math.isfinite(gain) and math.isfinite(shift)) or gain == 0:
        raise cursor.wrong(f"a channel has scale {gain} and offset {shift}")
    return Units(sign + name, gain, shift)
