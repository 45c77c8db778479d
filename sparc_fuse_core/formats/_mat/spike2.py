"""Spike2's export to MATLAB: one struct a channel.

Waveforms have ``interval``, ``start``, ``values`` (integers: ``raw * scale / 6553.6 + offset``); events and
markers have ``times`` with ``codes`` or ``text``.
"""

from __future__ import annotations

from typing import Any

from sparc_fuse_core.formats._container.values import Struct, Value, stack, vector
from sparc_fuse_core.formats._mat.nodes import add_events, number_of, numbers_of, texts_of
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.model import LazyArray, Stream

_SPIKE2_TICKS = 6553.6  # volts of the full 16-bit range, times 2^16 / 10


def take_spike2(found: Struct, plan: Plan) -> Struct:
    waves: dict[tuple[Any, ...], list[tuple[Struct, LazyArray]]] = {}
    left: Struct = {}
    time: list[float] = []
    label: list[str] = []
    channel: list[str] = []
    for name, node in found.items():
        if not isinstance(node, dict) or "title" not in node:
            left[name] = node
        elif (wave := _spike2_wave(node)) is not None:
            waves.setdefault(wave[0], []).append((node, wave[1]))
        elif (
            "values" not in node
            and "times" in node
            and ("resolution" in node or "codes" in node or "level" in node)
        ):
            times = numbers_of(node["times"]).astype("f8").reshape(-1)
            title = " ".join(texts_of(node["title"])) or name
            time += times.tolist()
            label += _spike2_labels(node, len(times), title)
            channel += [title] * len(times)
            left[name] = {key: child for key, child in node.items() if key in ("codes", "level", "comment")}
        else:
            left[name] = node
    for (interval, start, *_), together in waves.items():
        plan.streams.append(_spike2_stream(together, interval, start))
    add_events(plan, time, label, [], channel)
    return left


def _spike2_wave(node: Struct) -> tuple[tuple[Any, ...], LazyArray] | None:
    """What must be equal for two channels to share a stream, and the samples; None when it is no waveform."""
    interval, start, values = (
        number_of(node.get("interval")),
        number_of(node.get("start")),
        node.get("values"),
    )
    if interval is None or interval <= 0 or start is None or not isinstance(values, Value):
        return None
    data = values.data
    if data.dtype.kind not in "iuf" or data.ndim != 2 or 1 not in data.shape or "codes" in node:
        return None
    return (interval, start, max(data.shape), data.dtype), vector(data)


def _spike2_stream(together: list[tuple[Struct, LazyArray]], interval: float, start: float) -> Stream:
    nodes, parts = [node for node, _ in together], [data for _, data in together]
    names = [" ".join(texts_of(node["title"])) for node in nodes]
    units = [" ".join(texts_of(node.get("units"))).strip() for node in nodes]
    gain: Any = 1.0
    offset: Any = 0.0
    scales = [number_of(node.get("scale")) for node in nodes]
    if parts[0].dtype.kind in "iu" and None not in scales:
        gain = [float(scale or 0) / _SPIKE2_TICKS for scale in scales]
        offset = [number_of(node.get("offset")) or 0.0 for node in nodes]
    rate = 1 / interval
    rate = round(rate, 6) if abs(round(rate, 6) / rate - 1) < 1e-12 else rate
    return Stream(
        stack(parts),
        rate,
        names[0],
        start,
        channel_names=names,
        units=units if any(units) else "",
        gain=gain,
        offset=offset,
    )


def _spike2_labels(node: Struct, count: int, title: str) -> list[str]:
    texts = texts_of(node.get("text"))
    if len(texts) == count and count:
        return [text.strip("\0 ") for text in texts]
    codes = numbers_of(node.get("codes"))
    if codes.ndim == 2 and codes.shape[0] == count:
        return [f"{title} {int(row[0])}" for row in codes]
    return [title] * count
