"""The header of EDF and BDF: 256 bytes for the file, then 256 bytes for each signal, field by field.

File: version 8, patient 80, recording 80, date 8 (dd.mm.yy), time 8 (hh.mm.ss), header bytes 8, reserved 44
(``EDF+C``, ``EDF+D``, ``BDF+C``, ``BDF+D``, ``24BIT``), records 8, seconds a record 8, signals 4. Signals:
label 16, transducer 80, unit 8, physical minimum and maximum 8 each, digital minimum and maximum 8 each,
filters 80, samples a record 8, reserved 32. Padded ASCII; writers put UTF-8 or Latin-1 there too.
"""

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

__all__ = ["Header", "Signal", "is_header", "read_header"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SIGNAL_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MOST_SIGNALS = 9999
_MOST_RECORD = 1 << 40


@dataclass(slots=True)
class Signal:
    """One signal: ``physical = digital * gain + offset``; ``place`` is its byte offset inside a record."""

    label: str
    unit: str
    samples: int
    place: int
    gain: float
    offset: float
    annotations: bool
    described: dict[str, Any]


@dataclass(slots=True)
class Header:
    """What the header says: ``width`` in bytes a sample (EDF 2, BDF 3), ``duration`` in seconds a record."""

    name: str
    width: int
    bytes: int
    flag: str
    records: int
    duration: Fraction
    start: datetime | None
    signals: list[Signal]
    equipment: str = ""
    dropped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def record_bytes(self) -> int:
        """Length of one data record."""
        return sum(signal.samples for signal in self.signals) * self.width


def words(raw: bytes) -> str:
    """A field as text: UTF-8, else Latin-1, without padding."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\0", " ").strip()


def number(raw: bytes) -> float | None:
    """A field as a finite number; a decimal comma is taken as a point."""
    text = words(raw).replace(",", ".")
    value = float(text) if _NUMBER.fullmatch(text) and text.isascii() else float("inf")
    return value if abs(value) < 1e300 else None


def whole(raw: bytes) -> int | None:
    """A field as an integer."""
    value = number(raw)
    return int(value) if value is not None and value == int(value) else None


def is_header(head: bytes) -> bool:
    """True when the first 256 bytes are an EDF or BDF header: the version and four numeric fields."""
    if len(head) < 256 or _width(head[:8]) == 0:
        return False
    size, signals, records = whole(head[184:192]), whole(head[252:256]), whole(head[236:244])
    duration = number(head[244:252])
    if size is None or signals is None or records is None or duration is None:
        return False
    return signals > 0 and size == 256 * (signals + 1) and duration >= 0


def _width(version: bytes) -> int:
    if version == b"\xffBIOSEMI":
        return 3
    return 2 if version[:1] == b"0" and not version[1:].strip(b" \0") else 0


def read_header(source: Source) -> Header:
    """The checked header. Raises FormatError and its kinds when the fields contradict each other."""
    head = source.read(0, 256, "EDF header")
    if not is_header(head):
        raise FormatError(
            f"{source.name}: an EDF or BDF header was expected, it starts with {head[:12]!r} and its numbers "
            "do not fit; it is another format or it is damaged",
            hint="Fetch the file again, or check what program wrote it.",
        )
    width, count = _width(head[:8]), whole(head[252:256]) or 0
    limit_items(source, "signals", count, _MOST_SIGNALS)
    records, duration = whole(head[236:244]), number(head[244:252])
    if records is None or duration is None or records < -1:
        raise FormatError(f"{source.name}: its header asks for {records} data records; it is damaged")
    flag = words(head[192:236])
    header = Header(
        name="BDF" if width == 3 else "EDF",
        width=width,
        bytes=256 * (count + 1),
        flag=flag[:5] if flag[:4] in ("EDF+", "BDF+") else "",
        records=records,
        duration=Fraction(repr(duration)),
        start=None,
        signals=[],
    )
    _read_identity(header, head)
    _read_signals(source, header, count)
    return header


def _read_identity(header: Header, head: bytes) -> None:
    """Start and equipment; who the patient was and who recorded is left out on purpose."""
    recording = words(head[88:168]).split()
    told, staff = None, recording
    if recording[:1] == ["Startdate"]:
        told = _long_date(recording[1]) if len(recording) > 1 else None
        staff = recording[2:4]
        if recording[4:] not in ([], ["X"]):
            header.equipment = " ".join(recording[4:])
    if set(words(head[8:88])) - set("X "):
        header.dropped.append("The patient identification, as personal data.")
    if set("".join(staff)) - {"X"}:
        header.dropped.append("Names and codes in the recording identification, as personal data.")
    short, time = _short_date(words(head[168:176])), _clock(words(head[176:184]))
    if told and short and told != short:
        header.warnings.append(
            f"The header gives two dates of recording, {short[0]}-{short[1]:02}-{short[2]:02} and "
            f"{told[0]}-{told[1]:02}-{told[2]:02}; the second, with four digits for the year, is taken."
        )
    date = told or short
    try:
        header.start = datetime(*date, *time) if date and time else None
    except ValueError:
        header.start = None
    if header.start is None:
        header.warnings.append("The header gives no valid date and time of the start.")


def _short_date(text: str) -> tuple[int, int, int] | None:
    match = re.fullmatch(r"(\d\d)\D(\d\d)\D(\d\d)", text, re.ASCII)
    if match is None:
        return None
    day, month, year = (int(part) for part in match.groups())
    return (1900 if year >= 85 else 2000) + year, month, day  # EDF+ 2.1.3: the clipping year is 1985


def _long_date(text: str) -> tuple[int, int, int] | None:
    match = re.fullmatch(r"(\d\d?)-([A-Z]{3})-(\d{4})", text.upper(), re.ASCII)
    if match is None or match[2] not in _MONTHS:
        return None
    return int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1])


def _clock(text: str) -> tuple[int, int, int] | None:
    match = re.fullmatch(r"(\d\d)\D(\d\d)\D(\d\d)", text, re.ASCII)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def _read_signals(source: Source, header: Header, count: int) -> None:
    raw = source.read(256, 256 * count, "signal headers")
    at, columns = 0, []
    for size in _SIGNAL_FIELDS:
        columns.append([raw[at + i * size : at + (i + 1) * size] for i in range(count)])
        at += count * size
    place = 0
    for row in zip(*columns, strict=True):
        samples = whole(row[8])
        if samples is None or samples < 1 or samples * header.width > _MOST_RECORD:
            raise FormatError(
                f"{source.name}: signal {words(row[0])!r} promises a count of samples a record, "
                f"{words(row[8])!r} is there; the header is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        header.signals.append(_signal(header, row, samples, place))
        place += samples * header.width


def _signal(header: Header, row: tuple[bytes, ...], samples: int, place: int) -> Signal:
    label, unit = words(row[0]), words(row[2])
    annotations = label in ("EDF Annotations", "BDF Annotations")
    physical, digital = (number(row[3]), number(row[4])), (whole(row[5]), whole(row[6]))
    scale = None if annotations else _scale(physical, digital)
    if scale is None and not annotations:
        header.warnings.append(
            f"Signal {label!r} has physical limits {words(row[3])!r} … {words(row[4])!r} for digital "
            f"{words(row[5])!r} … {words(row[6])!r}, which is no scale: raw numbers are kept without a unit."
        )
        unit = ""
    gain, offset = scale or (1.0, 0.0)
    described = {
        "label": label,
        "transducer": words(row[1]),
        "unit": words(row[2]),
        "physical_minimum": physical[0],
        "physical_maximum": physical[1],
        "digital_minimum": digital[0],
        "digital_maximum": digital[1],
        "filters": words(row[7]),
        "samples_per_record": samples,
        "reserved": words(row[9]),
    }
    kept = {key: value for key, value in described.items() if value not in ("", None)}
    return Signal(label, unit, samples, place, gain, offset, annotations, kept)


def _scale(
    physical: tuple[float | None, float | None], digital: tuple[int | None, int | None]
) -> tuple[float, float] | None:
    """Gain and offset, worked out in decimal as the header writes them and rounded once."""
    (low, high), (first, last) = physical, digital
    if low is None or high is None or first is None or last is None or first == last or low == high:
        return None
    base = Fraction(repr(low))
    gain = (Fraction(repr(high)) - base) / (last - first)
    return float(gain), float(base - gain * first)
