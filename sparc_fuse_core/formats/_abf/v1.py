"""The ABF1 header (1.0 to 1.8x): everything at fixed offsets, little-endian.

2048 bytes before version 1.6, 6144 since; the data pointer says how far it reaches, and fields beyond it do
not exist (those bytes are samples already). Offsets: Axon ABF header description, groups 1-18.
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
    from sparc_fuse_core.source import Source

_LENGTH = 6144
_ADCS = 16


class _Fields:
    """Fields at fixed offsets; those behind the end of the header are their default."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def has(self, end: int) -> bool:
        return len(self._raw) >= end

    def get(self, kind: str, at: int, default: Any = 0) -> Any:
        packed = struct.Struct("<" + kind)
        return packed.unpack_from(self._raw, at)[0] if self.has(at + packed.size) else default

    def row(self, kind: str, at: int, count: int, default: Any) -> list[Any]:
        packed = struct.Struct(f"<{count}{kind}")
        return list(packed.unpack_from(self._raw, at)) if self.has(at + packed.size) else [default] * count

    def text(self, at: int, length: int) -> str:
        return string(self._raw[at : at + length]) if self.has(at + length) else ""


def read_header(source: Source) -> Header:
    """The header of an ABF1 file, its tags and its synch array."""
    raw = source.head(_LENGTH)
    version, pointer = _Fields(raw).get("f", 4), _Fields(raw).get("i", 40)
    if not 1 <= version < 2:
        raise broken(source, f"ABF 1 is promised, version {version:.4g} is there")
    if pointer < 1 or len(raw) < 1180:
        raise broken(source, f"its samples are said to start at block {pointer}")
    fields = _Fields(raw[: pointer * BLOCK])
    if fields.get("h", 38):
        raise broken(
            source, "its numbers are said to be in the Microsoft Basic format, which no ABF 1 program wrote"
        )
    count, style = fields.get("h", 120), fields.get("h", 100)
    limit_items(source, "channels", count, _ADCS)
    if count < 1 or style not in (0, 1):
        raise broken(source, f"it has {count} channels in data format {style}")
    interval, start = fields.get("f", 122) * count, fields.get("i", 24) + fields.get("h", 366) / 1000
    if not interval > 0 or not np.isfinite(interval):
        raise broken(source, f"its sample interval is {interval} µs")
    begin, doubt = start_time(fields.get("i", 20), start)
    size = 4 if style else 2
    head = Header(
        mode=fields.get("h", 8),
        dtype="<f4" if style else "<i2",
        data_offset=pointer * BLOCK + fields.get("h", 14) * size,
        items=fields.get("i", 10),
        names=[],
        units=[],
        gains=[],
        offsets=[],
        interval=interval,
        synch_unit=fields.get("f", 130),
        synch=_synch(source, fields),
        episodes=fields.get("i", 16),
        episode_items=fields.get("i", 138),
        start_to_start=fields.get("f", 178),
        tags=_tags(source, fields),
        start=begin,
        metadata=_metadata(fields, round(version, 3)),
        second_interval=fields.get("f", 126) * count,
        clock_change=fields.get("i", 194) // count,
        warnings=[doubt] if doubt else [],
    )
    _fill_channels(source, fields, head, count)
    if any(fields.row("i", 2048, 2, 0)):
        head.dropped.append("the stimulus waveforms (DAC file section)")
    return head


def _synch(source: Source, fields: _Fields) -> Any:
    block, count = fields.get("i", 92), fields.get("i", 96)
    if block <= 0 or count == 0:
        return np.empty((0, 2), np.int64)
    limit_items(source, "sweeps", count, MOST_SWEEPS)
    return source.array("<i4", block * BLOCK, 2 * count, "sweep table").reshape(-1, 2).astype(np.int64)


def _tags(source: Source, fields: _Fields) -> list[Tag]:
    block, count = fields.get("i", 44), fields.get("i", 48)
    if block <= 0 or count == 0:
        return []
    limit_items(source, "tags", count, MOST_TAGS)
    raw = source.read(block * BLOCK, 64 * count, "tags")
    return [Tag(ticks, string(text), kind) for ticks, text, kind, _ in struct.iter_unpack("<i56shh", raw)]


def _fill_channels(source: Source, fields: _Fields, head: Header, count: int) -> None:
    order = fields.row("h", 410, _ADCS, -1)[:count]
    if len(set(order)) < count or not all(0 <= adc < _ADCS for adc in order):
        if count > 1:
            head.warnings.append(
                f"the sampling sequence {order} is not one; channels were taken in numeric order"
            )
        order = list(range(count))
    columns = {
        "the instrument scale factor": fields.row("f", 922, _ADCS, 1.0),
        "the signal gain": fields.row("f", 1050, _ADCS, 1.0),
        "the programmable gain": fields.row("f", 730, _ADCS, 1.0),
    }
    enabled, telegraph = fields.row("h", 4512, _ADCS, 0), fields.row("f", 4576, _ADCS, 1.0)
    instrument, signal = fields.row("f", 986, _ADCS, 0.0), fields.row("f", 1114, _ADCS, 0.0)
    for adc in order:
        label = fields.text(442 + 10 * adc, 10)
        head.names.append(label)
        head.units.append(fields.text(602 + 8 * adc, 8))
        if head.dtype == "<f4":  # floats are stored in physical units
            head.gains.append(1.0)
            head.offsets.append(0.0)
            continue
        factors = {name: column[adc] for name, column in columns.items()}
        if enabled[adc] == 1:
            factors["the telegraphed gain"] = telegraph[adc]
        gain, doubt = scale(
            source, label or f"ADC {adc}", fields.get("f", 244), fields.get("i", 252), factors
        )
        head.gains.append(gain)
        head.offsets.append(instrument[adc] - signal[adc])
        if doubt:
            head.warnings.append(doubt)
    if not fields.has(4576 + 64) and fields.get("h", 262) and fields.get("f", 268) not in (0, 1):
        # Programs of that time disagree on whether the gain is in the scale factor already.
        head.warnings.append(
            f"autosample was on for ADC {fields.get('h', 264)} with an additional gain of "
            f"{fields.get('f', 268):g}; it was not applied: check the amplitude of that channel"
        )


def _metadata(fields: _Fields, version: float) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "format": "ABF1",
        "version": version,
        "operation_mode": MODES.get(fields.get("h", 8), str(fields.get("h", 8))),
        "creator": fields.text(294, 16),
        "comment": fields.text(5154, 128) or fields.text(310, 56),
        "protocol": fields.text(4898, 256),
        "episodes": fields.get("i", 16),
        "samples_per_episode": fields.get("i", 138),
        "pre_trigger_samples": fields.get("i", 142),
        "episodes_per_run": fields.get("i", 146),
        "episode_start_to_start_s": number(fields.get("f", 178)),
        "experiment_type": fields.get("h", 260),
        "dac": [
            {
                "name": fields.text(1306 + 10 * i, 10),
                "units": fields.text(1346 + 8 * i, 8),
                "holding_level": number(fields.get("f", 1394 + 4 * i, 0.0)),
            }
            for i in range(4)
        ],
        "epochs": _epochs(fields),
    }
    return {key: value for key, value in plain.items() if value not in ("", [], None)}


def _epochs(fields: _Fields) -> list[dict[str, Any]]:
    if not fields.has(2668):
        return []
    kinds, levels = fields.row("h", 2308, 20, 0), fields.row("f", 2348, 20, 0.0)
    rises, lengths, longer = (
        fields.row("f", 2428, 20, 0.0),
        fields.row("i", 2508, 20, 0),
        fields.row("i", 2588, 20, 0),
    )
    return [
        {
            "dac": i // 10,
            "epoch": i % 10,
            "type": EPOCHS[kinds[i]],
            "level": number(levels[i]),
            "level_increment": number(rises[i]),
            "duration_samples": lengths[i],
            "duration_increment_samples": longer[i],
        }
        for i in range(20)
        if 0 < kinds[i] < len(EPOCHS)
    ]
