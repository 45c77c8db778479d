"""File head and channel heads of SON32 files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._smr.blocks import follow_blocks
from sparc_fuse_core.formats._son.common import (
    ADC,
    ADC_MARK,
    CODED,
    KINDS,
    REAL_MARK,
    REAL_WAVE,
    SAMPLED_MARKS,
    TEXT_MARK,
    WAVES,
    Channel,
    Recording,
    broken,
    item_type,
    start_of,
    text,
    tick_of,
)
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_HEAD, _CHANNEL = 512, 140
_COMMENTS, _COMMENT = 112, 80
_MOST_CHANNELS = 512  # the library stops at 451
_NEWEST = 9
_BIG_FILE = 9  # from here on places count 512 bytes
_OWN_CLOCK = 6  # from here on the head states the length of a tick
_MICROSECOND = 1e-6

# Each name with its type and place in a channel head.
_FIELDS = {
    "deleted": ("H", 0), "first": ("i", 6), "last": ("i", 10), "blocks": ("H", 14), "attached": ("H", 16),
    "before": ("h", 18), "blocks_high": ("H", 20), "size": ("H", 22), "most": ("H", 24), "end": ("i", 98),
    "step": ("i", 102), "physical": ("h", 106), "ideal": ("f", 118), "kind": ("B", 122), "scale": ("f", 124),
    "offset": ("f", 128), "divide": ("H", 138), "starts_low": ("B", 124),
}  # fmt: skip


def read_header(source: Source) -> Recording:
    """Everything but the data: heads, and where the blocks of each channel lie."""
    raw = source.read(0, _HEAD, "file head")
    order = "<" if 0 < struct.unpack_from("<h", raw)[0] <= 255 else ">"
    version, per_tick, per_sample = (struct.unpack_from(order + "H", raw, at)[0] for at in (0, 20, 22))
    if not 0 < version <= _NEWEST:
        raise broken(source, f"its version is {version}, versions 1 to {_NEWEST} are known")
    count = struct.unpack_from(order + "h", raw, 30)[0]
    limit_items(source, "channels", count, _MOST_CHANNELS)
    base = struct.unpack_from(order + "d", raw, 44)[0] if version >= _OWN_CLOCK else _MICROSECOND
    found = Recording(source, tick_of(source, base, per_tick))
    _describe(found, raw, order, version)
    heads = source.read(_HEAD, count * _CHANNEL, "channel heads")
    for index in range(count):
        head = heads[index * _CHANNEL : (index + 1) * _CHANNEL]
        fields = {name: struct.unpack_from(order + kind, head, at)[0] for name, (kind, at) in _FIELDS.items()}
        if fields["kind"]:
            channel = _channel(found, index, fields, head, order, version, per_sample, bool(raw[60] & 1))
            unit = 512 if version >= _BIG_FILE else 1
            follow_blocks(found, channel, fields, order, unit)
            found.channels.append(channel)
        elif fields["deleted"]:
            found.dropped.append(f"channel {index + 1}, which was deleted")
    return found


def _describe(found: Recording, raw: bytes, order: str, version: int) -> None:
    when = struct.unpack_from(order + "6Bh", raw, 52)
    found.start = start_of(when)
    if found.start is None and any(when) and version >= _OWN_CLOCK:
        found.warnings.append(f"Its date and time {when} are none; the recording has no start.")
    comments = [_pascal(raw, _COMMENTS + i * _COMMENT, _COMMENT) for i in range(5)]
    found.metadata = {"version": version, "seconds_per_tick": float(found.tick)}
    if application := text(raw[12:20]):
        found.metadata["application"] = application
    if any(comments):
        found.metadata["comments"] = [comment for comment in comments if comment]
    if extra := struct.unpack_from(order + "H", raw, 34)[0]:
        found.dropped.append(f"the {extra} bytes that the program kept for itself (extra data)")


def _channel(
    found: Recording,
    index: int,
    fields: dict[str, Any],
    head: bytes,
    order: str,
    version: int,
    per_sample: int,
    aligned: bool,
) -> Channel:
    kind = fields["kind"]
    if kind >= len(KINDS):
        raise broken(found.source, f"channel {index + 1} is of kind {kind}, kinds 1 to 9 are known")
    traces = fields["divide"] if kind in SAMPLED_MARKS and version >= _OWN_CLOCK else 1
    points = fields["attached"] // {ADC_MARK: 2, REAL_MARK: 4}.get(kind, 1)
    channel = Channel(
        number=index + 1,
        kind=kind,
        item=_item(order, kind, points, fields, aligned),
        title=_pascal(head, 108, 10),
        comment=_pascal(head, 26, 72),
        physical=fields["physical"],
        ideal=float(fields["ideal"]) if np.isfinite(fields["ideal"]) else 0.0,
        last=fields["end"],
    )
    if kind in (*WAVES, *SAMPLED_MARKS):
        channel.units = _pascal(head, 132, 6)
    if kind in (ADC, ADC_MARK):
        channel.scale, channel.offset = float(fields["scale"]), float(fields["offset"])
    if kind in (*WAVES, ADC_MARK):
        channel.step = fields["step"] if version >= _OWN_CLOCK else fields["divide"] * per_sample
    if kind in SAMPLED_MARKS:
        channel.traces = max(1, traces)
        channel.points, rest = divmod(points, channel.traces)
        channel.before = fields["before"]
        if rest or not points:
            raise broken(found.source, f"channel {index + 1} has {points} points of {traces} traces a mark")
    _check(found, channel)
    return channel


def _check(found: Recording, channel: Channel) -> None:
    """Whether the clock and the scale of a channel can be."""
    if channel.kind in (*WAVES, ADC_MARK) and channel.step < 1:
        raise broken(found.source, f"channel {channel.number} has a sample every {channel.step} ticks")
    if not (np.isfinite(channel.scale) and np.isfinite(channel.offset)):
        raise broken(found.source, f"channel {channel.number} has a scale that is not a number")


def _item(order: str, kind: int, points: int, fields: dict[str, Any], aligned: bool) -> np.dtype[Any]:
    if kind in WAVES:
        return np.dtype(order + ("f4" if kind == REAL_WAVE else "i2"))
    if kind not in CODED:
        return item_type(order, "i4", 0, 4, kind, ())
    size = 8 + (fields["attached"] if kind in (*SAMPLED_MARKS, TEXT_MARK) else 0)
    shape = (points,) if kind in (*SAMPLED_MARKS, TEXT_MARK) and points else ()
    return item_type(order, "i4", 4, -(-size // 4) * 4 if aligned else size, kind, shape)


def _pascal(raw: bytes, at: int, size: int) -> str:
    """A string that begins with its length, in a field of ``size`` bytes."""
    return text(raw[at + 1 : at + 1 + min(raw[at], size - 1)].split(b"\0", 1)[0])
