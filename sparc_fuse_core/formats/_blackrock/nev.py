"""Event files (.nev): the header, with what it tells of each electrode."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._blackrock.common import FILTERS, broken, moment, text
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MARKS = (b"NEURALEV", b"BREVENTS")

_BASIC = "<BBHIIII8H32s256sI"
_BASIC_BYTES = 336
_EXTENDED = 32
_LONGEST_PACKET = 1 << 16
_WIDTHS = {0: "<i1", 1: "<i1", 2: "<i2", 4: "<i4"}
# 152592.547 nV do not fit into 16 bits; some versions of Central wrote this for them.
_OVERFLOWN, _MEANT = 21516, 152592.547


@dataclass(slots=True)
class Electrode:
    """What the header says of an electrode; ``factor`` is nV per count, ``samples`` 0 where it is not told."""

    number: int
    label: str = ""
    factor: float = 0.0
    kind: str = "<i2"
    samples: int = 0
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class EventFile:
    """An event file: packets of one size, from byte ``begin`` on."""

    source: Source
    spec: str
    begin: int
    packet: int
    resolution: int
    wave_rate: int
    wide: bool  # 16-bit waveforms throughout
    start: str | None = None
    electrodes: dict[int, Electrode] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def major(self) -> int:
        return int(self.spec.split(".")[0])

    @property
    def stamp(self) -> str:
        """How the time of a packet is written."""
        return "<u8" if self.major >= 3 else "<u4"

    @property
    def payload(self) -> int:
        """First byte of a packet after its time and identifier."""
        return 10 if self.major >= 3 else 6

    @property
    def packets(self) -> int:
        return (self.source.size - self.begin) // self.packet


def read_event_file(source: Source) -> EventFile:
    """The header; no packet is read."""
    mark = source.read(0, 8, "header")
    if mark not in MARKS:
        raise broken(source, f"a Blackrock event file starts with {MARKS[0]!r} or {MARKS[1]!r}, not {mark!r}")
    major, minor, flags, size, packet, resolution, rate, *rest = source.unpack(_BASIC, 8)
    *clock, program, comment, extended = rest
    limit_items(source, "extended headers", extended, 1 << 17)
    if size < _BASIC_BYTES + extended * _EXTENDED:
        raise broken(source, f"{extended} extended headers do not fit into its header of {size} bytes")
    source.expect(0, size, "header")
    found = EventFile(source, f"{major}.{minor}", size, packet, resolution, rate, bool(flags & 1))
    if not found.payload + 2 < packet <= _LONGEST_PACKET or resolution < 1:
        raise broken(source, f"it has packets of {packet} bytes and a clock of {resolution} ticks a second")
    found.start = moment(clock, found.warnings, source.name)
    found.metadata = {"program": text(program), "comment": text(comment)}
    raw = source.read(_BASIC_BYTES, extended * _EXTENDED, "extended headers")
    for at in range(0, len(raw), _EXTENDED):
        _take(found, raw[at : at + 8], raw[at + 8 : at + _EXTENDED])
    left = (source.size - size) % packet
    if left:
        found.warnings.append(
            f"{source.name}: {left} bytes after its last whole packet are not carried over."
        )
    return found


def _take(found: EventFile, name: bytes, body: bytes) -> None:
    """One extended header."""
    held = found.metadata
    if name == b"NEUEVWAV":
        _waveform(found, body)
    elif name == b"NEUEVLBL":
        number, label = struct.unpack_from("<H16s", body)
        _electrode(found, number).label = text(label)
    elif name == b"NEUEVFLT":
        number, *filters = struct.unpack_from("<HIIHIIH", body)
        _electrode(found, number).about |= dict(zip(FILTERS, filters, strict=True))
    elif name == b"DIGLABEL":
        label, mode = struct.unpack_from("<16sB", body)
        row = {"label": text(label), "mode": {0: "serial", 1: "parallel"}.get(mode, mode)}
        held.setdefault("digital_inputs", []).append(row)
    elif name == b"VIDEOSYN":
        number, label, rate = struct.unpack_from("<H16sf", body)
        row = {"source": number, "name": text(label), "frame_rate": float(rate)}
        held.setdefault("video_sources", []).append(row)
    elif name == b"TRACKOBJ":
        kind, number, points, label = struct.unpack_from("<HHH16s", body)
        row = {"type": kind, "number": number, "points": points, "name": text(label)}
        held.setdefault("tracked_objects", []).append(row)
    elif name == b"NSASEXEV":
        rate, digital, *analog = struct.unpack_from("<HBBHBHBHBHBH", body)
        held["periodic_and_edge_events"] = {"rate_Hz": rate, "digital": digital, "analog": analog}
    elif name in (b"ECOMMENT", b"CCOMMENT"):
        held["extra_comment"] = held.get("extra_comment", "") + body.split(b"\0", 1)[0].decode("latin-1")
    elif name in (b"ARRAYNME", b"MAPFILE\0"):
        held["electrode_array" if name == b"ARRAYNME" else "map_file"] = text(body)
    else:
        held.setdefault("other_headers", []).append({"name": text(name), "bytes": body.hex()})


def _electrode(found: EventFile, number: int) -> Electrode:
    return found.electrodes.setdefault(number, Electrode(number))


def _waveform(found: EventFile, body: bytes) -> None:
    number, bank, pin, factor, energy, high, low, units, width = struct.unpack_from("<HBBHHhhBB", body)
    held = _electrode(found, number)
    held.factor = _MEANT if factor == _OVERFLOWN else float(factor)
    kind = "<i2" if found.wide else _WIDTHS.get(width)
    if kind is None:
        raise broken(found.source, f"the waveforms of electrode {number} have samples of {width} bytes")
    held.kind = kind
    held.about |= {"connector": bank, "pin": pin, "energy_threshold": energy, "high_threshold": high}
    held.about |= {"low_threshold": low, "sorted_units": units}
    if found.spec == "2.2":
        held.about["stimulation_digitization_factor"] = struct.unpack_from("<f", body, 14)[0]
    elif found.spec != "2.1":
        held.samples = struct.unpack_from("<H", body, 14)[0]
