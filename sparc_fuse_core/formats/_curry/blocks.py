"""Curry's text files: blocks of ``key = value`` lines and lists of rows, each between two lines that name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_MOST_TEXT = 32 << 20
_BORDER = re.compile(r"(\w+) (START|END|START_LIST|END_LIST)\b")
_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?$")
_DEVICE = "DEVICE_PARAMETERS"


@dataclass(slots=True)
class Blocks:
    """Values by block and key (lower case, without underlines: Curry 6 wrote NUM_SAMPLES), lists by name."""

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def get(self, key: str) -> str:
        return self.values.get("DATA_PARAMETERS", {}).get(key.lower(), "")


@dataclass(slots=True)
class Channel:
    label: str
    units: str


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}",
        hint="Fetch the file again, or export it from Curry once more.",
        source=source.url,
    )


def read_blocks(source: Source) -> Blocks:
    """A parameter, label or event file."""
    limit_items(source, "bytes of text", source.size, _MOST_TEXT)
    raw = source.read(0, source.size)
    try:
        said = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        said = raw.decode("cp1252", "replace")
    found = Blocks()
    inside, listed = "", False
    for line in said.splitlines():
        border = _BORDER.match(line)
        if border:
            name, what = border[1], border[2]
            inside, listed = (name, what == "START_LIST") if what.startswith("START") else ("", False)
            if listed:
                found.lists[inside] = []
        elif listed:
            found.lists[inside].append(line.strip())
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            plain = key.strip().lower().replace("_", "")
            found.values.setdefault(inside, {}).setdefault(plain, value.strip())
    return found


def number(source: Source, given: str, what: str) -> float:
    if not _NUMBER.match(given):
        raise broken(source, f"{what} is {given!r}, which is no number")
    return float(given)


def whole(source: Source, given: str, what: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,15}", given):
        raise broken(source, f"{what} is {given!r}, which is no whole number")
    return int(given)


def channels_of(
    source: Source, held: Blocks, labels: Blocks, count: int, warnings: list[str]
) -> list[Channel]:
    """Labels and units, group by group; sensors that were not stored have the place 0 in CHAN_IN_FILE."""
    rows: list[tuple[int, Channel]] = []
    for block, values in held.values.items():
        if not block.startswith(_DEVICE):
            continue
        group = block.removeprefix(_DEVICE)
        names = labels.lists.get(f"LABELS{group}", [])
        places = held.lists.get(f"CHAN_IN_FILE{group}", [])
        size = whole(source, values.get("numchanthisgroup") or str(len(names)), "the size of a group")
        limit_items(source, "channels in a group", size)
        known = (names + [""] * size)[: max(size, len(places))]
        for place, name in enumerate(known):
            stored = (
                whole(source, places[place], "the place of a channel")
                if place < len(places)
                else len(rows) + 1
            )
            if stored > 0:
                rows.append((stored, Channel(name, values.get("dataunit", ""))))
    rows.sort(key=lambda row: row[0])
    if len(rows) != count:
        warnings.append(
            f"{source.name}: tells the names of {len(rows)} channels, {count} are stored; they are left out."
        )
        units = {channel.units for _, channel in rows}
        return [Channel("", next(iter(units)) if len(units) == 1 else "") for _ in range(count)]
    return [channel for _, channel in rows]


def start_of(held: Blocks) -> str | None:
    """Start of the recording, local time; none where its fields are no date."""
    keys = ("startyear", "startmonth", "startday", "starthour", "startmin", "startsec", "startmillisec")
    fields = [held.get(key) for key in keys]
    if not all(re.fullmatch(r"\d{1,4}", given) for given in fields):
        return None
    year, month, day, hour, minute, second, milli = map(int, fields)
    try:
        return datetime(year, month, day, hour, minute, second, milli * 1000).isoformat()
    except ValueError:
        return None
