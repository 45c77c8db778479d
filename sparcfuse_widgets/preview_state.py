"""What the views know: a window of a recording, a plane of an image."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from traitlets import Bytes, Dict, Float, List, Unicode, observe

from sparcfuse_widgets.background import Background
from sparcfuse_widgets.guard import guarded, problem_of
from sparcfuse_widgets.state import Model

__all__ = ["ImageModel", "SignalModel"]

_MOST_CHANNELS = 64
_SERIAL = itertools.count(1)  # makes each answer differ from the last: the page waits for a change
_FIRST_CHANNELS = 12
_OVERVIEW_VALUES = 1 << 31  # reading more than this for a look is not worth the wait
_REMOTE_VALUES = 1 << 25


class SignalModel(Model):
    """A window of one stream.

    The page sets ``asked`` (stream, sweep, channels, begin, end, width); the answer is ``shown``, which says
    what ``data`` holds: float32 (channels, width, 2), lowest and highest of each column, or with ``mode``
    "points" one float32 row of seconds since ``begin`` and one for each channel.
    """

    title = Unicode("").tag(sync=True)
    streams = List(Dict()).tag(sync=True)
    marks = List().tag(sync=True)
    asked = Dict().tag(sync=True)
    shown = Dict().tag(sync=True)
    data = Bytes(b"").tag(sync=True)
    refining = Float(
        -1.0, help="share of the exact overview that is made; -1 when there is nothing to do"
    ).tag(sync=True)

    def __init__(self, **values: Any) -> None:
        self._views: list[Any] = []
        self._overviews: dict[tuple[int, int], Any] = {}
        self._refiner = Background("overview")
        self._remote = False
        super().__init__(**values)

    @guarded
    def show(self, dataset: Any, title: str = "", *, remote: bool = False) -> None:
        """Take over a decoded recording and ask for its first window."""
        from sparc_fuse_core.previews import events, streams

        self._refiner.cancel()
        self._background.cancel()
        self._views, self._overviews, self._remote = streams(dataset), {}, remote
        with self.hold_trait_notifications():
            self.title, self.refining, self.shown, self.data = title, -1.0, {}, b""
            self.marks = [list(event) for event in events(dataset)]
            self.streams = [self._stream_card(view) for view in self._views]
        if self._views:
            begin, end = self.streams[0]["first"]
            channels = list(range(min(_FIRST_CHANNELS, len(self._views[0].channels))))
            self.asked = {
                "stream": 0,
                "sweep": 0,
                "channels": channels,
                "begin": begin,
                "end": end,
                "width": 900,
            }
            self.draw()  # what is asked may be what was asked of the file before, and then nobody is told

    def _stream_card(self, view: Any) -> dict[str, Any]:
        begin, end = view.span()
        part = (1 << 18) / view.samples if self._remote and view.samples > 1 << 20 else 1.0
        return {
            "title": view.title,
            "channels": list(view.channels),
            "units": list(view.units),
            "rate": view.rate,
            "begin": begin,
            "end": end,
            "first": [begin, begin + (end - begin) * part],
            "samples": view.samples,
            "sweeps": view.sweeps,
        }

    @observe("asked")
    def _ask(self, _: Any) -> None:
        self.draw()

    @guarded
    def draw(self) -> None:
        """Read the window that is ``asked`` for."""
        if not self._views or not self.asked:
            return
        number = min(int(self.asked.get("stream", 0)), len(self._views) - 1)
        view = self._views[number]
        asked = _sane(self.asked, view) | {"stream": number}
        overview = self._overviews.get((number, asked["sweep"]))

        def read(cancel: threading.Event) -> Any:
            return _window(view, asked, overview, cancel, probes=48 if self._remote else 1024)

        self.work(read, lambda answer: self._draw(asked, answer))

    def _draw(self, asked: dict[str, Any], answer: Any) -> None:
        mode, values, exact = answer
        with self.hold_sync() if hasattr(self, "hold_sync") else self.hold_trait_notifications():
            self.data = np.ascontiguousarray(values, "<f4").tobytes()
            self.shown = {
                **asked,
                "serial": next(_SERIAL),
                "mode": mode,
                "columns": int(values.shape[1]),
                "exact": bool(exact),
            }
        if not exact:
            self._refine(asked["stream"], asked["sweep"])

    def _refine(self, number: int, sweep: int) -> None:
        """Make the exact overview in the background, once, and draw again when it is there."""
        from sparc_fuse_core.previews import Overview

        view = self._views[number]
        most = _REMOTE_VALUES if self._remote else _OVERVIEW_VALUES
        if (number, sweep) in self._overviews or view.samples * len(view.channels) > most:
            return
        overview = self._overviews[number, sweep] = Overview(view.data, sweep=sweep)
        told = [0.0]

        def progress(share: float) -> None:
            if share - told[0] > 0.02:
                told[0] = share
                self._refiner.deliver(setattr, self, "refining", share)

        def fill(cancel: threading.Event) -> None:
            overview.fill(cancel, progress)

        def done(_: Any) -> None:
            self.refining = -1.0
            self.draw()

        def failed(error: BaseException) -> None:
            self.refining = -1.0
            self.problem = problem_of(error)

        self._refiner.start(fill, done, failed)

    def settle(self, timeout: float = 30.0) -> None:
        super().settle(timeout)
        if not self._refiner.wait(timeout):
            raise TimeoutError("the overview is still being made")
        super().settle(timeout)


def _sane(asked: dict[str, Any], view: Any) -> dict[str, Any]:
    """What the page asked for, kept within what there is."""
    first, last = view.span()
    begin, end = float(asked.get("begin", first)), float(asked.get("end", last))
    if not (np.isfinite(begin) and np.isfinite(end) and end > begin):
        begin, end = first, last
    channels = [int(c) for c in asked.get("channels", []) if 0 <= int(c) < len(view.channels)]
    return {
        "sweep": max(0, min(int(asked.get("sweep", 0)), view.sweeps - 1)),
        "channels": channels[:_MOST_CHANNELS],
        "begin": begin,
        "end": end,
        "width": max(16, min(int(asked.get("width", 900)), 4096)),
    }


def _window(
    view: Any, asked: dict[str, Any], overview: Any, cancel: threading.Event, probes: int
) -> tuple[str, Any, bool]:
    from sparc_fuse_core.previews import sample_edges, signal_window

    channels, width = asked["channels"], asked["width"]
    edges = sample_edges(view, asked["begin"], asked["end"], width)
    if edges[-1] - edges[0] <= 2 * width:
        # So few samples are drawn as points; one more on each side lets the line leave the picture.
        low, high = max(0, int(edges[0]) - 1), min(view.samples, int(edges[-1]) + 1)
        count = max(0, high - low)
        drawn = signal_window(
            view.data, channels, low, high, max(1, count), sweep=asked["sweep"], cancel=cancel
        )
        seconds = view.seconds(low, high) - asked["begin"]
        return "points", np.vstack([seconds[None, :], drawn.values[:, :count, 0]]), True
    made = overview.window(channels, edges) if overview is not None and channels else None
    drawn = made or signal_window(
        view.data,
        channels,
        int(edges[0]),
        int(edges[-1]),
        width,
        sweep=asked["sweep"],
        edges=edges,
        cancel=cancel,
        probes=probes,
    )
    return "columns", drawn.values, drawn.exact


class ImageModel(Model):
    """A plane of one image.

    The page sets ``asked`` (scene, indexes, box, size, channels [{index, color, limits}]); the answer is
    ``shown`` (what it was, height, width, level, limits) with ``data``: uint8 (height, width, 3).
    """

    title = Unicode("").tag(sync=True)
    scenes = List(Dict()).tag(sync=True)
    asked = Dict().tag(sync=True)
    shown = Dict().tag(sync=True)
    data = Bytes(b"").tag(sync=True)

    def __init__(self, **values: Any) -> None:
        self._scenes: list[Any] = []
        super().__init__(**values)

    @guarded
    def show(self, tree: Any, title: str = "") -> None:
        """Take over a tree of images and ask for the first plane."""
        from sparc_fuse_core.previews import scenes

        self._background.cancel()
        self._scenes = scenes(tree)
        with self.hold_trait_notifications():
            self.title, self.shown, self.data = title, {}, b""
            self.scenes = [_scene_card(scene) for scene in self._scenes]
        if self._scenes:
            self.asked = first_plane(self.scenes[0], 0)
            self.draw()

    @observe("asked")
    def _ask(self, _: Any) -> None:
        self.draw()

    @guarded
    def draw(self) -> None:
        """Read the plane that is ``asked`` for."""
        from sparc_fuse_core.previews import image_plane

        if not self._scenes or not self.asked:
            return
        number = max(0, min(int(self.asked.get("scene", 0)), len(self._scenes) - 1))
        view, asked = self._scenes[number], dict(self.asked)
        rows = [row for row in asked.get("channels", []) if 0 <= int(row["index"]) < len(view.channels)][:16]
        colors = {int(row["index"]): str(row["color"]).lstrip("#") for row in rows}
        limits = {int(row["index"]): _pair(row["limits"]) for row in rows if row.get("limits")}
        box = tuple(int(v) for v in asked["box"]) if asked.get("box") else None
        size = max(64, min(int(asked.get("size", 800)), 2048))

        def read(cancel: threading.Event) -> Any:
            return image_plane(
                view,
                indexes={str(k): int(v) for k, v in asked.get("indexes", {}).items()},
                window=box,  # type: ignore[arg-type]
                colors=colors,
                limits=limits,
                size=size,
                cancel=cancel,
            )

        self.work(read, lambda plane: self._draw(asked, plane))

    def _draw(self, asked: dict[str, Any], plane: Any) -> None:
        height, width = plane.pixels.shape[:2]
        with self.hold_sync() if hasattr(self, "hold_sync") else self.hold_trait_notifications():
            self.data = plane.pixels.tobytes()
            self.shown = {
                **asked,
                "serial": next(_SERIAL),
                "height": int(height),
                "width": int(width),
                "level": int(plane.level),
                "limits": {str(channel): list(pair) for channel, pair in plane.limits.items()},
            }


def _pair(given: Sequence[Any]) -> tuple[float, float]:
    low, high = float(given[0]), float(given[1])
    return (low, high) if high > low else (low, low + 1e-9)


def _scene_card(view: Any) -> dict[str, Any]:
    return {
        "name": view.name,
        "sizes": view.sizes,
        "levels": len(view.levels),
        "pixel_size": view.pixel_size,
        "pixel_unit": view.pixel_unit,
        "channels": list(view.channels),
        "colors": [f"#{color}" for color in view.colors],
        "rgb": view.rgb,
        "type": str(view.levels[0].dtype),
    }


def first_plane(card: dict[str, Any], number: int) -> dict[str, Any]:
    """What to ask for when an image is opened: its middle plane, the first channels, automatic limits."""
    middle = {d: int(n) // 2 for d, n in card["sizes"].items() if d not in ("c", "y", "x")}
    shown = [{"index": i, "color": color} for i, color in enumerate(card["colors"][:6])]
    return {"scene": number, "indexes": middle, "box": None, "size": 800, "channels": shown}
