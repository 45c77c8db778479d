"""Short ways to look into the nodes of a MATLAB file, shared by the readers of known layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.values import Cells, Node, Value, merge
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.model import Events, LazyArray


def numbers_of(node: Any) -> NDArray[Any]:
    """Numbers of a node, read now; an empty array when it holds none."""
    if isinstance(node, Value) and node.data.dtype.kind in "biufc":
        return node.data.read(tuple(slice(0, n) for n in node.data.shape))
    return np.empty((0, 0))


def number_of(node: Any) -> float | None:
    values = numbers_of(node)
    return float(values.reshape(-1)[0].real) if values.size == 1 and np.isfinite(values).all() else None


def texts_of(node: Any) -> list[str]:
    """Texts of a char array or a cell of them."""
    if isinstance(node, Cells):
        node = merge(node, keep_empty=True)
    if isinstance(node, Value) and node.data.dtype == object:
        return [
            str(v) for v in node.data.read(tuple(slice(0, n) for n in node.data.shape)).reshape(-1, order="F")
        ]
    return []


def column_of(structs: Node, name: str) -> list[Node]:
    """One field of every struct of an array."""
    items = structs.items if isinstance(structs, Cells) else [structs]
    return [
        item.get(name, Value(LazyArray((0, 0), "f8", lambda key: np.empty((0, 0)))))
        for item in items
        if isinstance(item, dict)
    ]


def add_events(
    plan: Plan, time: list[float], label: list[str], duration: list[float], channel: list[str]
) -> None:
    if not time:
        return
    order = np.argsort(np.asarray(time), kind="stable")
    plan.events = Events(
        [time[i] for i in order],
        [label[i] for i in order],
        [duration[i] for i in order] if any(duration) else None,
        [channel[i] for i in order] if any(channel) else None,
    )
