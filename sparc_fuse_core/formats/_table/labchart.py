"""LabChart's text export.

Each block of the recording begins with lines of ``key=`` and tab-separated values::

    Interval=       seconds from sample to sample, with its unit
    ExcelDateTime=  days since 1899-12-30 of the block's time 0, and the same as text
    TimeFormat=     StartOfBlock when the times of each block begin anew
    ChannelTitle=   one name a channel, possibly empty
    Range=          one a channel, with the unit of the amplifier
    UnitName=       one a channel; * where the unit of Range holds
    TopValue=, BottomValue=

and goes on with rows of time and one value a channel, ended by ``#* text`` (or ``#3 text`` for channel 3)
where the user made a comment. The blocks are separate streams: between them the recording was stopped.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._table.cells import is_unit, seconds_in
from sparc_fuse_core.formats._table.layout import Layout, lay_out
from sparc_fuse_core.formats._table.rows import Rows
from sparc_fuse_core.formats._table.text import encoding_of, records_of
from sparc_fuse_core.formats._table.time import Steps
from sparc_fuse_core.model import Events, LazyArray, Stream, recording

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._table.block import Block
    from sparc_fuse_core.source import Source

_KEY = re.compile(r"([A-Z][A-Za-z]+)=(?:[\t,; ]|\Z)")
_EXCEL_DAY_0 = datetime.datetime(1899, 12, 30)
_SEARCH = 1 << 22
_HEADER = 1 << 16
_MOST_BLOCKS = 10_000
_MARK = re.compile(r"#([*0-9]+)\s*")


@dataclass(slots=True)
class Part:
    """One block: its header, and the rows that follow."""

    fields: dict[str, list[str]]
    rows: Rows
    lead: int  # columns before the first channel
    steps: Steps
    clock: float = 0.0  # first time of the block, as printed


def looks_like(text: str) -> bool:
    """True for the first characters of a LabChart export."""
    return text.lstrip("\ufeff").startswith("Interval=") and "ChannelTitle=" in text


def open_labchart(source: Source, options: dict[str, Any]) -> xr.DataTree:
    """Blocks as streams, comments as events."""
    parts = [_part(source, start, end, options) for start, end in _bounds(source)]
    warnings: list[str] = []
    for part in parts:
        part.rows.scan(lambda first, block, part=part: _visit(part, block))  # type: ignore[misc]
    held = [part for part in parts if part.rows.count]
    if len(held) < len(parts):
        warnings.append(f"{len(parts) - len(held)} blocks have no rows")
    zero = _started(held[0].fields) if held else None
    if len(held) > 1 and zero is None:
        warnings.append("the file does not say when its blocks began; each is given as if it began at 0")
    streams = [_stream(part, number, zero, warnings) for number, part in enumerate(held)]
    for number, part in enumerate(held):
        place = f"block {number + 1}: " if len(held) > 1 else ""
        warnings += [place + text for text in part.rows.notes.sentences(part.rows.layout, part.rows.count)]
    return recording(
        streams,
        events=_events(held, zero),
        start=zero.isoformat(timespec="microseconds") if zero else None,
        metadata={"program": "LabChart", "blocks": [part.fields for part in held]},
        warnings=warnings,
    )


def _bounds(source: Source) -> list[tuple[int, int]]:
    """Where each block begins and ends; one search through the file."""
    encoding, at = encoding_of(source.head(4096))
    mark = "\nInterval=".encode(encoding)
    starts, offset = [at], at
    while offset < source.size:
        raw = source.read(offset, min(_SEARCH + len(mark), source.size - offset), "rows")
        found = raw.find(mark)
        while found >= 0:
            starts.append(offset + found + len("\n".encode(encoding)))
            found = raw.find(mark, found + 1)
        if len(starts) > _MOST_BLOCKS:
            raise LimitExceeded(f"{source.name}: has more than {_MOST_BLOCKS} blocks; it is damaged")
        offset += _SEARCH
    starts = sorted(set(starts))
    return list(zip(starts, [*starts[1:], source.size], strict=True))


def _part(source: Source, start: int, end: int, options: dict[str, Any]) -> Part:
    head = source.read(start, min(_HEADER, end - start), "block header")
    encoding = encoding_of(source.head(4096))[0]
    _, records = records_of(head, len(head) == end - start, encoding)
    fields: dict[str, list[str]] = {}
    while records and (key := _KEY.match(records[0].text)):
        text = records.pop(0).text
        fields[key[1]] = [value.strip() for value in text[key.end() :].split(text[key.end() - 1])]
    titles = fields.get("ChannelTitle")
    if not titles or "Interval" not in fields:
        raise FormatError(
            f"{source.name}: a block at byte {start} has no Interval= or ChannelTitle=; the file is damaged",
            hint="Export it again from LabChart.",
        )
    live = [r for r in records if r.text.strip()]
    for record in live:
        record.text = re.sub(r"[\t,; ]*#(?=[*0-9]).*", "", record.text)
    layout = _layout(source, encoding, live, titles, end - start, {**options, "header": False})
    layout.start += start
    lead = layout.width - len(titles)
    if lead not in (0, 1, 2) and titles[-1] == "" and lead < 0:
        lead, titles = 1, titles[: layout.width - 1]
    if lead not in (0, 1, 2):
        raise FormatError(
            f"{source.name}: names {len(titles)} channels, its rows have {layout.width} cells; it is damaged",
            hint="Export it again from LabChart.",
        )
    layout.names[lead:], layout.units[lead:] = titles, _units(fields, len(titles))
    layout.comment = ""
    rows = Rows(source, layout, end, marked=True)
    return Part(fields, rows, lead, Steps([row[0] for row in layout.sample] if lead else [], layout.decimal))


def _layout(
    source: Source, encoding: str, live: list[Any], titles: list[str], size: int, options: dict[str, Any]
) -> Layout:
    if live:
        return lay_out(source, encoding, live, options)
    width = len(titles) + 1
    return Layout(encoding, "\t", ".", width, size, ["f"] * width, [""] * width, [""] * width)


def _units(fields: dict[str, list[str]], count: int) -> list[str]:
    names = (fields.get("UnitName", []) + ["*"] * count)[:count]
    ranges = (fields.get("Range", []) + [""] * count)[:count]
    return [_range_unit(r) if name == "*" else name for name, r in zip(names, ranges, strict=True)]


def _range_unit(text: str) -> str:
    unit = text.partition(" ")[2].strip()
    return unit if is_unit(unit) or "/" in unit else ""


def _visit(part: Part, block: Block) -> None:
    if part.lead and part.rows.layout.kinds[0] == "f":
        times = block.floats[:, 0]
        if part.steps.count == 0:
            part.clock = float(times[0])
        part.steps.feed(times)


def _interval(source: str, text: str) -> Fraction:
    found = re.match(r"([\d.,]+(?:[eE][+-]?\d{1,2})?)\s*(\S*)", text)
    size = seconds_in(found[2]) if found and found[2] else Fraction(1)
    try:
        value = Fraction(found[1].replace(",", ".")) if found else Fraction(0)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not value or size is None:
        raise FormatError(
            f"{source}: states an interval of {text!r}; the header is damaged",
            hint="Export it again from LabChart.",
        )
    return value * size


def _started(fields: dict[str, list[str]]) -> datetime.datetime | None:
    try:
        days = float(fields["ExcelDateTime"][0].replace(",", "."))
        return _EXCEL_DAY_0 + datetime.timedelta(microseconds=round(days * 86400e6))
    except (KeyError, IndexError, ValueError, OverflowError):
        return None


def _offset(part: Part, zero: datetime.datetime | None) -> float:
    """Seconds from the recording's start to time 0 of the block."""
    began = _started(part.fields)
    anew = (part.fields.get("TimeFormat") or ["StartOfBlock"])[0] in ("", "StartOfBlock")
    return (began - zero).total_seconds() if anew and began and zero else 0.0


def _stream(part: Part, number: int, zero: datetime.datetime | None, warnings: list[str]) -> Stream:
    rows, layout, lead = part.rows, part.rows.layout, part.lead
    interval = _interval(rows.source.name, (part.fields["Interval"] or [""])[0])
    channels = [j for j in range(lead, layout.width) if layout.kinds[j] == "f"]
    if any(layout.kinds[j] != "f" for j in range(lead, layout.width)):
        lost = ", ".join(repr(layout.names[j]) for j in range(lead, layout.width) if layout.kinds[j] != "f")
        raise FormatError(
            f"{rows.source.name}: block {number + 1} has text among the values of {lost}; it is damaged",
            hint="Export it again from LabChart.",
        )

    def read(key: Any) -> NDArray[Any]:
        span = key[1] if isinstance(key[1], slice) else slice(key[1], key[1] + 1)
        found: NDArray[Any] = rows.matrix(channels, span.start, span.stop).T[key[0]]
        return found if isinstance(key[1], slice) else found[..., 0]

    offset = _offset(part, zero)
    stream = Stream(
        LazyArray((len(channels), rows.count), "f8", read, time_major=True),
        rate=float(1 / interval),
        name=f"block {number + 1}" if number else "",
        start=offset + part.clock,
        channel_names=[layout.names[j] for j in channels],
        units=[layout.units[j] for j in channels],
    )
    even = part.steps.rate()
    if part.steps.count > 2 and (even is None or not math.isclose(float(even * interval), 1, rel_tol=1e-3)):
        warnings.append(
            f"block {number + 1}: its times do not follow its interval of {float(interval)} s; they are kept"
        )
        stream.rate = None
        stream.time = LazyArray(
            (rows.count,), "f8", lambda key: rows.column(0, *_ends(key[0]))[_drop(key[0])] + offset
        )
    return stream


def _ends(key: slice | int) -> tuple[int, int]:
    return (key.start, key.stop) if isinstance(key, slice) else (key, key + 1)


def _drop(key: slice | int) -> slice | int:
    return slice(None) if isinstance(key, slice) else 0


def _marks(parts: list[Part], zero: datetime.datetime | None) -> Iterator[tuple[float, str, str]]:
    for part in parts:
        interval, offset = float(_interval("", part.fields["Interval"][0])), _offset(part, zero)
        timed = part.lead and part.rows.layout.kinds[0] == "f"
        for row, text in part.rows.marks:
            time = part.rows.column(0, row, row + 1)[0] if timed else part.clock + row * interval
            pieces = _MARK.split(text.lstrip("\t,; "))[1:]
            for channel, label in zip(pieces[::2], pieces[1::2], strict=True):
                yield offset + float(time), label.strip(), _channel(part, channel)


def _channel(part: Part, mark: str) -> str:
    names = part.rows.layout.names[part.lead :]
    return names[int(mark) - 1] if mark.isdigit() and 0 < int(mark) <= len(names) else ""


def _events(parts: list[Part], zero: datetime.datetime | None) -> Events | None:
    found = list(_marks(parts, zero))
    if not found:
        return None
    channel = [row[2] for row in found]
    return Events(
        np.array([row[0] for row in found]),
        [row[1] for row in found],
        channel=channel if any(channel) else None,
    )
