"""Header and marker files: sections of ``key=value`` lines, in UTF-8 or a Windows code page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_MOST_TEXT = 32 << 20
_MOST_WARNED = 10
_SECTIONS = (
    "common infos",
    "user infos",
    "binary infos",
    "ascii infos",
    "channel infos",
    "channel user infos",
    "coordinates",
    "marker infos",
    "marker user infos",
    "comment",
)
_SECTION = re.compile(r"\[([^\]]+)\]\s*$")
_NUMBERED = re.compile(r"(?:ch|mk)(\d{1,9})$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?$")


@dataclass(slots=True)
class Sections:
    """A file's first line, its ``key=value`` pairs by section (in lower case), and the comment as it stands."""

    title: str
    pairs: dict[str, dict[str, str]] = field(default_factory=dict)
    comment: str = ""

    def get(self, section: str, key: str) -> str:
        found = self.pairs.get(section, {})
        spelled = key if key in found else next((k for k in found if k.lower() == key.lower()), "")
        return found.get(spelled, "")


@dataclass(slots=True)
class Channel:
    name: str
    reference: str = ""
    resolution: float = 1.0
    units: str = "µV"


@dataclass(slots=True)
class Marker:
    """Position and size in samples, position from 0; channel from 1, 0 for all."""

    kind: str
    said: str
    position: int
    size: int
    channel: int
    date: datetime | None = None


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}",
        hint="Fetch the file again, or ask its authors for an intact copy.",
        source=source.url,
    )


def read_sections(source: Source, warnings: list[str]) -> Sections:
    """The text of a header or marker file, taken apart."""
    limit_items(source, "bytes of text", source.size, _MOST_TEXT)
    lines = _decoded(source, source.read(0, source.size), warnings).splitlines()
    found = Sections(lines[0].strip() if lines else "")
    section = ""
    comment: list[str] = []
    for line in lines[1:]:
        heading = _SECTION.match(line.strip())
        if heading and (heading[1].strip().lower() in _SECTIONS or section != "comment"):
            section = heading[1].strip().lower()
        elif section == "comment":
            comment.append(line.rstrip())
        elif line.strip() and not line.lstrip().startswith(";") and "=" in line:
            key, _, value = line.partition("=")
            found.pairs.setdefault(section, {}).setdefault(key.strip(), value.strip())
    found.comment = "\n".join(comment).strip()
    return found


def _decoded(source: Source, raw: bytes, warnings: list[str]) -> str:
    """Text of the code page that the file names; without one UTF-8 where it is that, else Windows Latin."""
    told = re.search(rb"(?im)^codepage=\s*utf-?8", raw)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        if told:
            warnings.append(f"{source.name}: says that it is UTF-8 and is not; it is read as Windows Latin.")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def number(source: Source, given: str, what: str) -> Fraction:
    """An exact number; a decimal comma is allowed."""
    plain = given.strip().replace(",", ".")
    if not _NUMBER.match(plain):
        raise broken(source, f"{what} is {given!r}, which is no number")
    return Fraction(plain)


def whole(source: Source, given: str, what: str) -> int:
    value = number(source, given, what)
    if value.denominator != 1:
        raise broken(source, f"{what} is {given!r}, which is no whole number")
    return int(value)


def channels_of(source: Source, held: Sections, count: int, warnings: list[str]) -> list[Channel]:
    """Name, reference, resolution and unit of each channel; missing ones have none, and µV."""
    rows: dict[int, str] = {}
    for key, value in held.pairs.get("channel infos", {}).items():
        place = _NUMBERED.match(key)
        if place:
            rows[int(place[1])] = value
    found = [_channel(source, rows.get(place, ""), place, warnings) for place in range(1, count + 1)]
    missing = [place for place in range(1, count + 1) if place not in rows]
    if missing:
        warnings.append(f"{source.name}: says nothing of {len(missing)} of its {count} channels.")
    if len(warnings) > 2 * _MOST_WARNED:
        warnings[_MOST_WARNED:] = [f"{len(warnings) - _MOST_WARNED} more warnings of these kinds"]
    return found


def _channel(source: Source, row: str, place: int, warnings: list[str]) -> Channel:
    name, reference, step, units = [unescaped(part) for part in (row.split(",") + [""] * 4)[:4]]
    resolution = 1.0
    if step and (not _NUMBER.match(step) or (resolution := float(step)) == 0):
        warnings.append(
            f"{source.name}: channel {place} has the resolution {step!r}; its counts stay as they are."
        )
        return Channel(name, reference, 1.0, "")
    return Channel(name, reference, resolution, units or "µV")


def unescaped(part: str) -> str:
    return part.strip().replace("\\1", ",")


def markers_of(source: Source, held: Sections, warnings: list[str]) -> list[Marker]:
    found = []
    skipped = 0
    for key, value in held.pairs.get("marker infos", {}).items():
        if not _NUMBERED.match(key):
            continue
        kind, said, position, size, channel, date = (value.split(",") + [""] * 6)[:6]
        place = _count(position)
        if place is None:
            skipped += 1
            continue
        stamp = _moment(date.strip())
        more = _count(size) or 0, _count(channel) or 0
        found.append(Marker(unescaped(kind), unescaped(said), place - 1, *more, stamp))
    if skipped:
        warnings.append(f"{source.name}: {skipped} markers without a position are not carried over.")
    return found


def _count(given: str) -> int | None:
    plain = given.strip()
    return int(plain) if re.fullmatch(r"[+-]?\d{1,15}", plain) else None


def _moment(digits: str) -> datetime | None:
    """A date as YYYYMMDDhhmmssuuuuuu; zeros and nonsense are none."""
    if not re.fullmatch(r"\d{14,20}", digits):
        return None
    try:
        return datetime.strptime(digits.ljust(20, "0"), "%Y%m%d%H%M%S%f")
    except ValueError:
        return None


def metadata_of(held: Sections, channels: list[Channel], markers: Sections | None) -> dict[str, Any]:
    """What the header tells beside names, scales and samples."""
    about: dict[str, Any] = {"header": held.title}
    names = ("common infos", "binary infos", "ascii infos", "user infos", "channel user infos", "coordinates")
    about |= {name.replace(" ", "_"): held.pairs[name] for name in names if held.pairs.get(name)}
    if any(channel.reference for channel in channels):
        about["references"] = [channel.reference for channel in channels]
    if held.comment:
        about["comment"] = held.comment
    if markers is not None:
        about["marker_file"] = markers.title
        if markers.pairs.get("marker user infos"):
            about["marker_user_infos"] = markers.pairs["marker user infos"]
    return about
