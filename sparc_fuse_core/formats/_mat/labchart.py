"""LabChart's export to MATLAB.

``data`` (one long row) is cut by ``datastart``/``dataend`` (channel x block, from 1, -1 for none);
``samplerate`` (channel x block), ``tickrate`` and ``blocktimes`` (block; day numbers), ``com`` (channel,
block, tick, type, text from 1) with ``comtext``. Integers: ``(raw + scaleoffset) * scaleunits``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.values import Struct, Value, slice_of, stack, vector
from sparc_fuse_core.formats._mat.nodes import add_events, numbers_of, texts_of
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.model import LazyArray, Stream


def take_labchart(found: Struct, plan: Plan) -> Struct:
    starts, ends, rates = (
        numbers_of(found[name]).astype("f8") for name in ("datastart", "dataend", "samplerate")
    )
    if not isinstance(found["data"], Value) or starts.shape != ends.shape or starts.ndim != 2:
        return found
    if rates.shape != starts.shape:
        rates = np.broadcast_to(
            rates.reshape(-1, 1) if rates.size == starts.shape[0] else rates, starts.shape
        )
    flat = vector(found["data"].data)
    begins = _labchart_blocks(found, plan, starts.shape[1])
    titles = [title.strip() for title in texts_of(found["titles"])]
    for block in range(starts.shape[1]):
        alike: dict[tuple[float, int], list[int]] = {}
        for channel in range(starts.shape[0]):
            first, last, rate = starts[channel, block], ends[channel, block], rates[channel, block]
            if first < 1 or last < first:
                continue  # the channel was off in this block
            if last > flat.shape[0] or rate <= 0 or not np.isfinite([first, last, rate]).all():
                raise FormatError(
                    f"{plan.name}: channel {channel + 1} of block {block + 1} is said to be samples "
                    f"{first:.0f} to {last:.0f} at {rate:g} Hz, {flat.shape[0]} are there; it is damaged",
                    hint="Export it from LabChart again.",
                )
            alike.setdefault((float(rate), int(last - first) + 1), []).append(channel)
        for (rate, length), channels in alike.items():
            parts = [
                slice_of(flat, int(starts[c, block]) - 1, int(starts[c, block]) - 1 + length)
                for c in channels
            ]
            plan.streams.append(_labchart_stream(found, parts, channels, block, rate, begins[block], titles))
    _labchart_comments(found, plan, begins, titles)
    used = {"data", "datastart", "dataend", "samplerate"} | ({"com"} if plan.events else set())
    return {name: node for name, node in found.items() if name not in used}


def _labchart_blocks(found: Struct, plan: Plan, count: int) -> list[float]:
    """Seconds from the first block to each; the wall-clock time of the first goes to the plan."""
    days = numbers_of(found.get("blocktimes")).astype("f8").reshape(-1)
    if len(days) != count or not np.isfinite(days).all() or not (days > 367).all() or (days > 3e6).any():
        if count > 1:
            plan.warnings.append("the times of the blocks are not stated; each starts at 0")
        return [0.0] * count
    plan.start = (datetime.fromordinal(int(days[0]) - 366) + timedelta(days=float(days[0] % 1))).isoformat()
    offsets = numbers_of(found.get("firstsampleoffset"))
    if offsets.size and (offsets.astype("f8") != 0).any():
        plan.warnings.append(
            "firstsampleoffset (offsets below one sample of slower channels) is kept as an array, not applied"
        )
    return [round(float(day - days[0]) * 86400, 6) for day in days]


def _labchart_stream(
    found: Struct,
    parts: list[LazyArray],
    channels: list[int],
    block: int,
    rate: float,
    start: float,
    titles: list[str],
) -> Stream:
    texts = [text.strip() for text in texts_of(found.get("unittext"))]
    places = numbers_of(found.get("unittextmap")).astype("f8")
    units = []
    for channel in channels:
        place = (
            places[channel, block]
            if places.ndim == 2 and channel < places.shape[0] and block < places.shape[1]
            else 0
        )
        units.append(
            texts[int(place) - 1]
            if 1 <= place <= len(texts)
            else texts[0]
            if not places.size and len(texts) == 1
            else ""
        )
    gain: Any = 1.0
    offset: Any = 0.0
    scale, shift = (numbers_of(found.get(name)).astype("f8") for name in ("scaleunits", "scaleoffset"))
    if parts[0].dtype.kind in "iu" and scale.ndim == 2 and scale.shape == shift.shape and scale.size:
        gain = [float(scale[c, block]) for c in channels]
        offset = [float(shift[c, block] * scale[c, block]) for c in channels]
    names = [titles[c] if c < len(titles) else f"Channel {c + 1}" for c in channels]
    return Stream(
        stack(parts), rate, f"block{block + 1}", start, channel_names=names,
        units=units if any(units) else "", gain=gain, offset=offset,
    )  # fmt: skip


def _labchart_comments(found: Struct, plan: Plan, begins: list[float], titles: list[str]) -> None:
    table = numbers_of(found.get("com")).astype("f8")
    texts, ticks = texts_of(found.get("comtext")), numbers_of(found.get("tickrate")).astype("f8").reshape(-1)
    if table.ndim != 2 or table.shape[1] < 5 or not table.size:
        return
    rows = []
    for channel, block, tick, _, text in table[:, :5]:
        place = int(block) - 1 if np.isfinite(block) else -1
        if not 0 <= place < len(begins) or place >= len(ticks) or ticks[place] <= 0 or not np.isfinite(tick):
            plan.warnings.append(
                "comments of blocks that are not in the file are left out of the events, kept in com"
            )
            return
        label = texts[int(text) - 1].strip() if 1 <= text <= len(texts) else ""
        name = titles[int(channel) - 1] if 1 <= channel <= len(titles) else ""
        rows.append((begins[place] + tick / ticks[place], label, name))
    add_events(plan, [r[0] for r in rows], [r[1] for r in rows], [], [r[2] for r in rows])
