"""Packed experiments (WaveMetrics' technical note PTN003): records of u16 type, i16 version, i32 size, content.

Types (without bit 15, which marks what a later record replaces): 1 variables, 2 history, 3 wave, 4 recreation
procedures, 5 procedures, 7 history by GetHistory, 8 packed file, 9 begin of a data folder (name[32]), 10 its end.
Variables: i16 version, i16 number of system variables (f32 each), of user variables (name[32], i16, i16 type, f64 real,
f64 imaginary, i32), of strings (name[32], i16 length, text; i32 length in version 2, after two more counts).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, FuseError, NotSupported, Truncated
from sparc_fuse_core.formats._igor.wave import Wave, decode, read_wave, wave_order
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_KNOWN = frozenset(range(40))
_TEXTS = {2: "history", 4: "recreation", 5: "procedure", 7: "history_settings"}
_MAX_TEXT = 1 << 20
_MAX_RECORDS = 1 << 18
_MAX_WAVES = 1 << 14
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Experiment:
    """Waves in their folders, texts by kind, variables by folder, and how many records of other kinds there are."""

    waves: list[Wave] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: dict[int, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def packed_order(head: bytes) -> str:
    """Byte order of an experiment whose first records follow each other; "" when they do not."""
    for order in "<>":
        at, seen = 0, 0
        while at + 8 <= len(head):
            kind, version, size = struct.unpack_from(order + "Hhi", head, at)
            if (
                kind & 0x7FFF not in _KNOWN
                or size < 0
                or not 0 <= version < 1000
                or (kind == 0 and size == 0)
            ):
                break
            at, seen = at + 8 + size, seen + 1
        else:
            if seen:
                return order
    return ""


def read_experiment(source: Source, order: str, warnings: list[str]) -> Experiment:
    """Everything in a packed experiment that is data or text; nothing is executed."""
    found = Experiment()
    folders: list[str] = []
    for kind, at, end in _records(source, order):
        if kind == 9:
            folders.append(decode(source.read(at, min(32, end - at)).split(b"\0")[0]))
        elif kind == 10 and folders:
            folders.pop()
        elif kind == 3:
            _add_wave(source, at, end, tuple(folders), found, warnings)
        elif kind in _TEXTS:
            text = decode(source.read(at, min(_MAX_TEXT, end - at)))
            if text.strip("\0 \n"):
                found.texts[_TEXTS[kind]] = text
        elif kind == 1:
            values = _variables(source.read(at, min(_MAX_TEXT, end - at)), order)
            if values:
                found.variables[":".join(["root", *folders[1:]])] = values
        elif kind != 10:
            found.others[kind] = found.others.get(kind, 0) + 1
    return found


def _records(source: Source, order: str) -> Iterator[tuple[int, int, int]]:
    at = count = 0
    while at + 8 <= source.size:
        kind, _, size = source.unpack(order + "Hhi", at, "record")
        if size < 0 or at + 8 + size > source.size:
            raise Truncated(
                f"{source.name}: a record at byte {at} promises {size} bytes, {source.size - at - 8} are there; "
                "it is cut short or damaged",
                hint=_REPAIR,
            )
        count += 1
        limit_items(source, "records", count, _MAX_RECORDS)
        if kind & 0x8000:
            kind = -1  # a later record replaces it
        yield kind, at + 8, at + 8 + size
        at += 8 + size


def _add_wave(
    source: Source, at: int, end: int, folders: tuple[str, ...], found: Experiment, warnings: list[str]
) -> None:
    limit_items(source, "waves", len(found.waves) + 1, _MAX_WAVES)
    if not wave_order(source.read(at, min(8, end - at))):
        raise FormatError(
            f"{source.name}: a wave of an unknown version at byte {at}; it is damaged", hint=_REPAIR
        )
    try:
        wave = read_wave(source, at, end, warnings)
    except NotSupported as error:
        found.left.append(str(error).partition(": ")[2])
        return
    wave.folder = folders[1:] if folders[:1] == ("root",) else folders
    found.waves.append(wave)


def _variables(raw: bytes, order: str) -> dict[str, Any]:
    """User variables and strings by name; what is damaged is left out."""
    try:
        return dict(_parse_variables(raw, order))
    except (struct.error, FuseError):
        return {}


def _parse_variables(raw: bytes, order: str) -> Iterator[tuple[str, Any]]:
    version, system, numbers, texts = struct.unpack_from(order + "4h", raw)
    at = (12 if version >= 2 else 8) + 4 * system
    for _ in range(max(0, numbers)):
        name, kind, real, imaginary = struct.unpack_from(order + "32s2xhdd4x", raw, at)
        yield decode(name.split(b"\0")[0]), [real, imaginary] if kind & 1 else real
        at += 56
    for _ in range(max(0, texts)):
        layout = order + ("32si" if version >= 2 else "32sh")
        name, length = struct.unpack_from(layout, raw, at)
        at += struct.calcsize(layout)
        if length < 0 or at + length > len(raw):
            return
        yield decode(name.split(b"\0")[0]), decode(raw[at : at + length])
        at += length
