"""EEGLAB sets: ``data`` (channel x time [x epoch]) or the name of an .fdt file beside it, ``srate``,
``chanlocs.labels``, ``event`` with ``latency`` in samples from 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.values import Cells, Node, Struct, Value, by_slices
from sparc_fuse_core.formats._mat.nodes import add_events, column_of, number_of, texts_of
from sparc_fuse_core.formats._mat.regions import column_order
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.model import LazyArray, Stream
from sparc_fuse_core.source import Source


def is_eeglab(node: Struct) -> bool:
    return (
        node.keys() >= {"data", "srate", "nbchan", "pnts", "trials"} and (number_of(node["srate"]) or 0) > 0
    )


def take_eeglab(node: Struct, plan: Plan, source: Source) -> Struct:
    rate, counts = number_of(node["srate"]) or 0.0, [number_of(node[n]) for n in ("nbchan", "pnts", "trials")]
    if any(count is None or count < 1 for count in counts):
        return node
    channels, points, trials = (int(count or 0) for count in counts)
    data = _eeglab_data(node["data"], channels, points, trials, source)
    if data is None:
        plan.warnings.append(
            f"EEGLAB: the samples ({channels} x {points} x {trials}) are not in this file nor beside it"
        )
        return node
    labels = [" ".join(texts_of(item)) for item in column_of(node.get("chanlocs", {}), "labels")]
    start = number_of(node.get("xmin")) or 0.0
    stream = Stream(data, rate, "EEG", start, channel_names=labels if len(labels) == channels else ())
    if trials > 1:
        stream.sweep_starts = (np.arange(trials) * points / rate).tolist()
    plan.streams.append(stream)
    _eeglab_events(node.get("event"), rate, plan)
    return {key: child for key, child in node.items() if key != "data"}


def _eeglab_data(node: Node, channels: int, points: int, trials: int, source: Source) -> LazyArray | None:
    whole = (channels, points, trials)
    if isinstance(node, Value) and node.data.dtype == object:
        beside = source.sibling(" ".join(texts_of(node)))
        if beside is None:
            return None
        data = column_order(beside, "<f4", "f4", 0, whole if trials > 1 else whole[:2])
    elif isinstance(node, Value) and node.data.shape == (whole if trials > 1 else whole[:2]):
        data = node.data
    else:
        return None
    return data if data.ndim == 2 else _sweeps_first(data)


def _sweeps_first(data: LazyArray) -> LazyArray:
    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        return data.read((spans[1], spans[2], spans[0])).transpose(2, 0, 1)

    return LazyArray((data.shape[2], *data.shape[:2]), data.dtype, by_slices(read))


def _eeglab_events(events: Any, rate: float, plan: Plan) -> None:
    if not isinstance(events, dict | Cells):
        return
    latency = [number_of(item) for item in column_of(events, "latency")]
    types = [_event_type(item) for item in column_of(events, "type")]
    lengths = [number_of(item) or 0.0 for item in column_of(events, "duration")]
    if not latency or None in latency or len(types) != len(latency):
        return
    time = [(float(sample or 0) - 1) / rate for sample in latency]
    plan_durations = [n / rate for n in lengths] if len(lengths) == len(time) else []
    add_events(plan, time, types, plan_durations, [])


def _event_type(node: Node) -> str:
    number = number_of(node)
    return " ".join(texts_of(node)) if number is None else f"{number:g}"
