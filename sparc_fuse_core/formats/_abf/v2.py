"""The ABF2 header: 76 bytes, then a table of 18 sections (block, bytes per entry, entries), little-endian.

The strings section is 44 bytes of "SSCH" head and NUL-terminated strings; other sections name them by number,
1 being the first. Layout: the field lists published with ABF 2.0.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._abf.header import (
    BLOCK,
    EPOCHS,
    MODES,
    MOST_SWEEPS,
    MOST_TAGS,
    Header,
    Tag,
    broken,
    number,
    scale,
    start_time,
    string,
)
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparc_fuse_core.source import Source

_SECTIONS = (
    *("protocol", "adc", "dac", "epoch", "adc_per_dac", "epoch_per_dac", "user_list", "stats_region", "math"),
    *("strings", "data", "tag", "scope", "delta", "voice_tag", "synch", "annotation", "stats"),
)
_NOT_CARRIED = {
    "voice_tag": "voice tags",
    "annotation": "annotations",
    "stats": "statistics",
    "delta": "deltas",
}
_MOST_STRINGS = 1 << 22
_MOST_ENTRIES = 4096

Place = tuple[int, int, int]


class _Sections:
    def __init__(self, source: Source) -> None:
        raw = source.read(76, 16 * len(_SECTIONS), "section table")
        self.source = source
        self.places: dict[str, Place] = dict(zip(_SECTIONS, struct.iter_unpack("<IIq", raw), strict=True))

    def entries(self, name: str, layout: str, most: int = _MOST_ENTRIES) -> Iterator[tuple[Any, ...]]:
        """The leading fields of each entry of a section."""
        block, size, count = self.places[name]
        if block == 0 or count == 0:
            return iter(())
        limit_items(self.source, f"{name} entries", count, most)
        packed = struct.Struct("<" + layout)
        if not packed.size <= size <= 4096:
            raise broken(
                self.source, f"an entry of its {name} section has {size} bytes, not {packed.size} or more"
            )
        raw = self.source.read(block * BLOCK, count * size, f"{name} section")
        return (packed.unpack_from(raw, i * size) for i in range(count))

    def strings(self) -> list[str]:
        """All strings; number 0 is no string."""
        block, size, count = self.places["strings"]
        limit_items(self.source, "bytes of strings", size, _MOST_STRINGS)
        raw = self.source.read(block * BLOCK, size, "strings section") if block else b""
        limit_items(self.source, "strings", count, _MOST_STRINGS)
        return ["", *(string(item) for item in raw[44:].split(b"\0")[:count])]


def read_header(source: Source) -> Header:
    """The header of an ABF2 file, its tags and its synch array."""
    version, episodes, date, milliseconds, style = source.unpack("<4x4s4xIII4x2xH", 0)
    sections = _Sections(source)
    texts = sections.strings()
    if sections.places["protocol"][0] == 0:
        raise broken(source, "it has no protocol section")
    protocol = source.unpack("<hfb7xf4xiii", sections.places["protocol"][0] * BLOCK, "protocol section")
    more = source.unpack("<f44xf4xi4xh4xi", sections.places["protocol"][0] * BLOCK + 62, "protocol section")
    block, size, items = sections.places["data"]
    if (style, size) not in ((0, 2), (1, 4)):
        raise broken(source, f"its data format {style} has samples of {size} bytes")
    if not protocol[1] > 0 or not np.isfinite(protocol[1]):
        raise broken(source, f"its sample interval is {protocol[1]} µs")
    begin, doubt = start_time(date, milliseconds / 1000)
    head = Header(
        mode=protocol[0],
        dtype="<f4" if style else "<i2",
        data_offset=block * BLOCK,
        items=items,
        names=[],
        units=[],
        gains=[],
        offsets=[],
        interval=protocol[1],
        synch_unit=protocol[3],
        synch=_synch(sections),
        episodes=episodes,
        episode_items=protocol[4],
        start_to_start=more[0],
        tags=[Tag(row[0], string(row[1]), row[2]) for row in sections.entries("tag", "i56sh", MOST_TAGS)],
        start=begin,
        metadata=_metadata(source, sections, texts, version, protocol, more),
        warnings=[doubt] if doubt else [],
    )
    if protocol[2]:
        head.warnings.append(
            "the header says that file compression was on; the samples were read as plain ones"
        )
    head.dropped += [f"its {text}" for name, text in _NOT_CARRIED.items() if sections.places[name][2] > 0]
    _fill_channels(source, sections, texts, head, more[1], more[2])
    return head


def _synch(sections: _Sections) -> Any:
    rows = list(sections.entries("synch", "ii", MOST_SWEEPS))
    return np.array(rows, np.int64).reshape(-1, 2)


def _pick(texts: list[str], number_: int) -> str:
    return texts[number_] if 0 <= number_ < len(texts) else ""


def _fill_channels(
    source: Source, sections: _Sections, texts: list[str], head: Header, full: float, resolution: int
) -> None:
    # Entries come in the order in which the channels were sampled.
    for row in sections.entries("adc", "hh2xf18xf8xffff18xii"):
        adc, telegraphed, telegraph, programmable, instrument, offset, gain, shift, name, units = row
        label = _pick(texts, name)
        head.names.append(label)
        head.units.append(_pick(texts, units))
        if head.dtype == "<f4":  # floats are stored in physical units
            head.gains.append(1.0)
            head.offsets.append(0.0)
            continue
        factors = {
            "the instrument scale factor": instrument,
            "the signal gain": gain,
            "the programmable gain": programmable,
        }
        if telegraphed:
            factors["the telegraphed gain"] = telegraph
        step, doubt = scale(source, label or f"ADC {adc}", full, resolution, factors)
        head.gains.append(step)
        head.offsets.append(offset - shift)
        if doubt:
            head.warnings.append(doubt)
    if not head.names:
        raise broken(source, "it has no ADC channels")


def _metadata(
    source: Source, sections: _Sections, texts: list[str], version: bytes, protocol: Any, more: Any
) -> dict[str, Any]:
    creator, protocol_path = source.unpack("<I8xI", 60)
    plain: dict[str, Any] = {
        "format": "ABF2",
        "version": ".".join(str(part) for part in reversed(version)),
        "operation_mode": MODES.get(protocol[0], str(protocol[0])),
        "creator": _pick(texts, creator),
        "comment": _pick(texts, more[4]),
        "protocol": _pick(texts, protocol_path),
        "samples_per_episode": protocol[4],
        "pre_trigger_samples": protocol[5],
        "episodes_per_run": protocol[6],
        "episode_start_to_start_s": number(more[0]),
        "experiment_type": more[3],
        "dac": [
            {"name": _pick(texts, row[2]), "units": _pick(texts, row[3]), "holding_level": number(row[1])}
            | ({"waveform_file": _pick(texts, row[5])} if row[4] == 2 and _pick(texts, row[5]) else {})
            for row in sections.entries("dac", "h10xf8xii10xh74xi")
        ],
        "epochs": _epochs(sections),
        "user_list": [
            {"parameter": row[2], "repeat": bool(row[3]), "values": _pick(texts, row[4])}
            for row in sections.entries("user_list", "hhhhh")
        ],
    }
    return {key: value for key, value in plain.items() if value not in ("", [], None)}


def _epochs(sections: _Sections) -> list[dict[str, Any]]:
    digital = dict(sections.entries("epoch", "hh"))
    names = (
        "epoch",
        "dac",
        "type",
        "level",
        "level_increment",
        "duration_samples",
        "duration_increment_samples",
    )
    found = []
    for row in sections.entries("epoch_per_dac", "hhhffiiii"):
        epoch = dict(zip((*names, "pulse_period_samples", "pulse_width_samples"), row, strict=True))
        epoch["type"] = EPOCHS[row[2]] if 0 <= row[2] < len(EPOCHS) else row[2]
        epoch |= {"level": number(row[3]), "level_increment": number(row[4])}
        if row[0] in digital:
            epoch["digital_value"] = digital[row[0]]
        found.append(epoch)
    return found
