"""FieldTrip raw: ``trial`` (cell of channel x time), ``time`` (cell), ``label``, ``fsample``,
``sampleinfo``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.values import Cells, Struct, Value, stack
from sparc_fuse_core.formats._mat.nodes import number_of, numbers_of, texts_of
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.model import LazyArray, Stream


def take_fieldtrip(name: str, node: Struct, plan: Plan) -> Struct:
    trials = [t.data for t in node["trial"].items if isinstance(t, Value) and t.data.ndim == 2]
    clocks = (
        [numbers_of(t).astype("f8").reshape(-1) for t in node["time"].items]
        if isinstance(node["time"], Cells)
        else []
    )
    labels = texts_of(node["label"])
    whole = len(trials) == len(node["trial"].items) == len(clocks) and len(trials) > 0
    if not whole or any(
        t.shape[1] != len(c) or t.shape[0] != len(labels) or len(c) < 2
        for t, c in zip(trials, clocks, strict=True)
    ):
        return node
    stated = number_of(node.get("fsample"))
    info = numbers_of(node.get("sampleinfo")).astype("f8")
    rates = [stated if stated is not None and stated > 0 else (len(c) - 1) / (c[-1] - c[0]) for c in clocks]
    if any(
        not np.allclose(c, c[0] + np.arange(len(c)) / r, rtol=0, atol=0.01 / r)
        for c, r in zip(clocks, rates, strict=True)
    ):
        plan.warnings.append(f"{name}/fsample does not fit {name}/time; the trials keep their own times")
        plan.streams += [
            Stream(t, None, f"{name}_{i}", time=c, channel_names=labels)
            for i, (t, c) in enumerate(zip(trials, clocks, strict=True))
        ]
    elif len({(t.shape, t.dtype, round(float(c[0]), 9)) for t, c in zip(trials, clocks, strict=True)}) == 1:
        plan.streams.append(_fieldtrip_sweeps(name, trials, float(clocks[0][0]), rates[0], info, labels))
    else:
        starts = (info[:, 0] - 1) / rates[0] if info.shape == (len(trials), 2) else [None] * len(trials)
        for i, (trial, clock) in enumerate(zip(trials, clocks, strict=True)):
            begin = starts[i]
            attrs = {} if begin is None else {"sweep_start": float(begin)}
            plan.streams.append(
                Stream(trial, rates[i], f"{name}_{i}", float(clock[0]), channel_names=labels, attrs=attrs)
            )
    return {key: child for key, child in node.items() if key not in ("trial", "time", "label", "fsample")}


def _fieldtrip_sweeps(
    name: str, trials: list[LazyArray], start: float, rate: float, info: NDArray[Any], labels: list[str]
) -> Stream:
    if len(trials) == 1:
        return Stream(trials[0], rate, name, start, channel_names=labels)
    begins = (info[:, 0] - 1) / rate if info.shape == (len(trials), 2) else None
    return Stream(
        stack(trials),
        rate,
        name,
        start,
        channel_names=labels,
        sweep_starts=None if begins is None else begins.tolist(),
    )
