"""A file as a matplotlib Figure, without pyplot: safe on servers and in threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.previews.image import SceneView, image_plane, scenes
from sparc_fuse_core.previews.shapes import Shapes, draw_shapes, shapes_of
from sparc_fuse_core.previews.signals import StreamView, events, sample_edges, signal_window, streams

if TYPE_CHECKING:
    import os

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 1500
_MOST_TRACES = 16
_MOST_CURVES = 6
_SHORTEST, _LONGEST = 7, 1 << 20  # values of a column that is worth a curve
_LINE = "#1f5f8b"
_MARK = "#b3541e"


def preview(
    what: str | os.PathLike[str] | xr.Dataset | xr.DataTree,
    *,
    channels: Sequence[int | str] | None = None,
    window: tuple[float, float] | None = None,
    scene: int = 0,
    stream: int | str = 0,
    sweep: int = 0,
    **options: Any,
) -> Figure:
    """Draw a file: traces over time, an image in its colours, a table or a text.

    Parameters
    ----------
    what
        Path or address, or what `open_file` gave.
    channels
        Numbers or names of the channels to draw; the first 16 by default.
    window
        For signals, the seconds ``(begin, end)`` to draw; everything by default.
    scene, stream, sweep
        Which image, stream (number or name) and sweep, where there are several.
    options
        Passed to the reader, such as ``rate=``.

    Raises the errors of `open_file`, and `FuseError` for a channel or stream that is not there.
    """
    import xarray as xr

    data: Any = what
    if not isinstance(what, (xr.Dataset, xr.DataTree)):
        from sparc_fuse_core import open_file

        data = open_file(what, **options)
    if isinstance(data, xr.DataTree):
        found = scenes(data)
        if found:
            return draw_image(found[max(0, min(scene, len(found) - 1))], channels)
        data = data.to_dataset()
    views = streams(data)
    if views:
        return draw_signals(data, _chosen(views, stream), channels, window, sweep)
    return picture_of(data) or draw_rest(data)


def _chosen(views: list[StreamView], stream: int | str) -> StreamView:
    if isinstance(stream, int) and 0 <= stream < len(views):
        return views[stream]
    for view in views:
        if stream in (view.title, view.name, view.name.strip("_")):
            return view
    raise FuseError(
        f"stream {stream!r} was asked for, the file has {', '.join(view.title for view in views)}",
        hint="Choose one of these, by name or number.",
    )


def draw_signals(
    data: xr.Dataset,
    view: StreamView,
    channels: Sequence[int | str] | None = None,
    window: tuple[float, float] | None = None,
    sweep: int = 0,
) -> Figure:
    """Stacked traces with units on a shared time axis, events as vertical lines."""
    figure = _figure()
    wanted = _numbers(view, channels)[:_MOST_TRACES]
    begin, end = window or view.span()
    if not end > begin:
        raise FuseError(
            f"a time window from {begin} s to {end} s is empty", hint="Give the earlier time first."
        )
    edges = sample_edges(view, begin, end, _COLUMNS)
    drawn = signal_window(
        view.data,
        wanted,
        int(edges[0]),
        int(edges[-1]),
        _COLUMNS,
        sweep=min(sweep, view.sweeps - 1),
        edges=edges,
    )
    figure.set_size_inches(10, min(12, 1.6 + 0.9 * max(2, len(wanted))))
    axes = figure.subplots(max(1, len(wanted)), 1, sharex=True, squeeze=False)[:, 0]
    moments = np.repeat(np.linspace(begin, end, _COLUMNS + 1)[:-1], 2)
    for row, channel in enumerate(wanted):
        _trace(axes[row], moments, drawn.values[row].ravel(), view.channels[channel], view.units[channel])
    for event in events(data):
        if begin <= event.time <= end:
            for axis in axes:
                axis.axvline(event.time, color=_MARK, linewidth=0.7)
            axes[0].annotate(
                event.label[:24], (event.time, 1), xycoords=("data", "axes fraction"), fontsize=7, color=_MARK
            )
    axes[-1].set_xlim(begin, end)
    axes[-1].set_xlabel("Time (s)")
    _title(
        figure,
        data,
        view.title,
        "" if drawn.exact else "long recording: samples were skipped, peaks may be missing",
    )
    return figure


def _trace(axis: Axes, moments: Any, values: Any, name: str, unit: str) -> None:
    seen = np.isfinite(values)
    axis.plot(moments[seen], values[seen], color=_LINE, linewidth=0.7)
    label = f"{name[:18]}\n({unit})" if unit else name[:18]
    axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.locator_params(axis="y", nbins=3)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _numbers(view: StreamView, channels: Sequence[int | str] | None) -> list[int]:
    if channels is None:
        return list(range(len(view.channels)))
    numbers = []
    for channel in channels:
        if isinstance(channel, str) and channel in view.channels:
            numbers.append(view.channels.index(channel))
        elif isinstance(channel, int) and 0 <= channel < len(view.channels):
            numbers.append(channel)
        else:
            raise FuseError(
                f"channel {channel!r} was asked for, the stream has {len(view.channels)}: "
                f"{', '.join(view.channels[:8])}",
                hint="Choose channels by name, or by number from 0.",
            )
    return numbers


def draw_image(view: SceneView, channels: Sequence[int | str] | None = None) -> Figure:
    """The middle plane of every extra axis, all channels in their colours, with a scale in physical units."""
    figure = _figure()
    middle = {dim: size // 2 for dim, size in view.sizes.items() if dim not in ("c", "y", "x")}
    colors = dict(enumerate(view.colors))
    if channels is not None:
        numbers = [
            view.channels.index(c) if isinstance(c, str) and c in view.channels else c for c in channels
        ]
        colors = {n: view.colors[n] for n in numbers if isinstance(n, int) and 0 <= n < len(view.colors)}
        if len(colors) != len(set(numbers)):
            raise FuseError(
                f"channels {list(channels)} were asked for, the image has {', '.join(view.channels)}",
                hint="Choose channels by name, or by number from 0.",
            )
    plane = image_plane(view, indexes=middle, colors=colors)
    axis = figure.subplots()
    height, width = view.sizes["y"], view.sizes["x"]
    step_y, step_x = view.pixel_size.get("y", 1.0), view.pixel_size.get("x", 1.0)
    axis.imshow(plane.pixels, extent=(0, width * step_x, height * step_y, 0))
    if view.upwards:
        axis.invert_yaxis()
    unit = view.pixel_unit.get("x", "") or "pixels"
    axis.set_xlabel(f"x ({unit})")
    axis.set_ylabel(f"y ({unit})")
    where = ", ".join(f"{dim} = {place}" for dim, place in middle.items() if view.sizes[dim] > 1)
    axis.set_title(f"{view.name}{': ' + where if where else ''}", fontsize=9)
    return figure


def picture_of(data: xr.Dataset) -> Figure | None:
    """What is no signal and no image as a picture all the same: shapes and curves; None for text and tables."""
    shapes = shapes_of(data) if data.attrs.get("fuse_kind") == "geometry" else None
    if shapes is not None:
        return draw_geometry(data, shapes)
    curves = _curves(data)
    return draw_curves(data, curves) if curves else None


def _curves(data: xr.Dataset) -> list[tuple[str, str | None]]:
    """Columns of numbers to draw, each with what it is drawn over: its own axis, or the column before it."""
    if data.attrs.get("fuse_kind") in ("text", "geometry"):
        return []
    groups: dict[str, list[str]] = {}
    for name, held in data.data_vars.items():
        if held.ndim == 1 and held.dtype.kind in "fiu" and _SHORTEST < held.size <= _LONGEST:
            groups.setdefault(str(held.dims[0]), []).append(str(name))
    found: list[tuple[str, str | None]] = []
    for dim, names in groups.items():
        if dim in ("event", "row", "spike") or any(n.startswith("event_") for n in names):
            continue
        axis = dim if dim in data.coords and data[dim].dtype.kind in "fiu" else None
        if axis is None and len(names) > 1:
            axis, *names = names
        found += [(name, axis) for name in names]
    return found[:_MOST_CURVES]


def draw_curves(data: xr.Dataset, curves: Sequence[tuple[str, str | None]]) -> Figure:
    """Each column of numbers over its axis: spectra, voltammograms, waves without a time."""
    figure = _figure()
    figure.set_size_inches(10, min(12, 2.0 + 1.6 * len(curves)))
    for axis, (name, over) in zip(figure.subplots(len(curves), 1, squeeze=False)[:, 0], curves, strict=True):
        values = np.asarray(data[name].values)
        places = np.arange(values.size) if over is None else np.asarray(data[over].values)
        axis.plot(places, values, color=_LINE, linewidth=0.8)
        axis.set_ylabel(_labelled(data, name), fontsize=8)
        axis.set_xlabel("place" if over is None else _labelled(data, over), fontsize=8)
        axis.tick_params(labelsize=7)
    _title(figure, data, "", "")
    return figure


def _labelled(data: xr.Dataset, name: str) -> str:
    unit = str(data[name].attrs.get("units") or "")
    return f"{name[-28:]} ({unit})" if unit else name[-28:]


def draw_geometry(data: xr.Dataset, shapes: Shapes) -> Figure:
    """A mesh, a tracing or regions; the count of what there is as title."""
    figure = _figure()
    draw_shapes(figure.subplots(), shapes)
    counts = [f"{len(shapes.points)} points"]
    counts += [f"{len(shapes.faces[1]) - 1} faces"] if shapes.faces is not None else []
    counts += [f"{len(shapes.runs[0]) - 1} lines"] if shapes.runs is not None else []
    name = str(data.attrs.get("original_file_name") or "")
    figure.suptitle(": ".join([name] * bool(name) + [", ".join(counts)]), fontsize=9, parse_math=False)
    return figure


def draw_rest(data: xr.Dataset) -> Figure:
    """Text as text; tables and loose arrays as a list of what they hold, with the first values."""
    figure = _figure()
    lines = describe(data)
    figure.text(0.03, 0.95, "\n".join(lines[:40]), va="top", family="monospace", fontsize=8, parse_math=False)
    return figure


def describe(data: xr.Dataset, most: int = 40) -> list[str]:
    """What a file that is neither signals nor an image holds, in short lines."""
    if data.attrs.get("fuse_kind") == "text":
        text = str(data.attrs.get("text", ""))[: most * 200]
        return [line[:110] for line in text.splitlines()[:most]]
    lines = []
    for name, held in list(data.variables.items())[:most]:
        label = str(name) if len(str(name)) <= 44 else "…" + str(name)[-43:]
        size = " × ".join(str(n) for n in held.shape) or "1"
        first: Any = held[(slice(0, 3),) * held.ndim].values.ravel()[:6] if held.size else []
        shown = ", ".join(f"{v:.6g}" if isinstance(v, (float, np.floating)) else str(v)[:24] for v in first)
        lines.append(f"{label:44} {size:16} {shown}"[:120])
    return lines


def _figure() -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as New

    figure = New(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _title(figure: Figure, data: xr.Dataset, title: str, note: str) -> None:
    name = str(data.attrs.get("original_file_name") or title)
    figure.suptitle(f"{name}: {note}" if note else name, fontsize=9, parse_math=False)
