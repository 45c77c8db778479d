"""What a file holds, as facts for a program and as lines for a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.recipes import Recipe

__all__ = ["summarise", "summary_lines"]


def summarise(
    place: str | os.PathLike[str], *, recipe: Recipe | None = None, **options: Any
) -> dict[str, Any]:
    """Facts of a source file: format, streams or scenes, events, warnings. Only the header is read."""
    from sparc_fuse_core.pipeline import Options, opened
    from sparc_fuse_core.provenance import strict_json
    from sparc_fuse_core.source import open_source

    with open_source(place) as source:
        tree, _ = opened(source, Options(reader=options, recipe=recipe))
        facts: dict[str, Any] = {
            "name": source.name,
            "size": source.size,
            "format": tree.attrs["fuse_format"],
            "title": tree.attrs["fuse_title"],
            "kind": tree.attrs["fuse_kind"],
        }
        if tree.attrs["fuse_kind"] == "image":
            facts["scenes"] = _scenes(tree)
        else:
            facts |= _recording(tree.to_dataset())
        facts["warnings"] = list(tree.attrs.get("fuse_warnings") or [])
        facts["not_carried_over"] = list(tree.attrs.get("fuse_not_carried") or [])
        for key in ("recording_start",):
            if key in tree.attrs:
                facts[key] = tree.attrs[key]
    return dict(strict_json(facts))


def _recording(dataset: xr.Dataset) -> dict[str, Any]:
    from sparc_fuse_core.opening import stream_names

    streams = []
    for suffix in stream_names(dataset):
        held = dataset[f"signals{suffix}"].variable
        count, samples = held.shape[-2:]
        rate = held.attrs.get("sampling_frequency")
        row: dict[str, Any] = {
            "name": held.attrs.get("stream_name", suffix.lstrip("_")),
            "shape": dict(zip(map(str, held.dims), held.shape, strict=True)),
            "dtype": str(held.dtype),
            "sampling_frequency": rate,
            "duration": samples / rate if rate else None,
            "channels": _texts(dataset, f"channel_name{suffix}", count),
            "units": _texts(dataset, f"channel_units{suffix}", count),
        }
        streams.append({k: v for k, v in row.items() if v not in (None, "", [])})
    named = {f"{stem}{s}" for s in stream_names(dataset) for stem in ("signals", "time", "channel")}
    others = [
        {"name": str(name), "shape": list(held.shape), "dtype": str(held.dtype)}
        for name, held in dataset.data_vars.items()
        if str(name) not in named and not str(name).startswith("event_")
    ]
    facts: dict[str, Any] = {"streams": streams}
    if "event_time" in dataset:
        facts["events"] = int(dataset["event_time"].size)
    if others:
        facts["arrays"] = others
    return facts


def _texts(dataset: xr.Dataset, name: str, count: int) -> list[str]:
    return [str(v) for v in np.asarray(dataset[name].values)[:count]] if name in dataset.variables else []


def _scenes(tree: xr.DataTree) -> list[dict[str, Any]]:
    nodes = (
        [tree]
        if "0" in tree.children and "image" in tree["0"].to_dataset().data_vars
        else list(tree.children.values())
    )
    rows = []
    for node in nodes:
        full = node["0/image"].variable
        row: dict[str, Any] = {
            "name": node.attrs.get("name"),
            "shape": dict(zip(map(str, full.dims), full.shape, strict=True)),
            "dtype": str(full.dtype),
            "levels": len(node.children),
            "pixel_size": node.attrs.get("pixel_size"),
            "pixel_unit": node.attrs.get("pixel_unit"),
            "channels": [c["name"] for c in node.attrs.get("channels") or [] if c.get("name")],
            "rgb": node.attrs.get("rgb") or None,
        }
        rows.append({k: v for k, v in row.items() if v not in (None, "", [], {})})
    return rows


def summary_lines(facts: dict[str, Any]) -> list[str]:
    """The facts for a person to read."""
    from sparc_fuse_core.terminal import size_text

    lines = [f"{facts['name']}: {facts['title']}, {facts['kind']}, {size_text(facts['size'])}"]
    if "recording_start" in facts:
        lines.append(f"  recorded {facts['recording_start']}")
    for stream in facts.get("streams", []):
        shape = " × ".join(f"{n} {dim.split('_')[0]}" for dim, n in stream["shape"].items())
        rate = stream.get("sampling_frequency")
        pace = f", {rate:g} Hz, {stream['duration']:.6g} s" if rate else ""
        lines.append(f"  {stream.get('name') or 'signals'}: {shape}, {stream['dtype']}{pace}")
        units = stream.get("units") or [""] * len(stream.get("channels", []))
        named = [f"{c} ({u})" if u else c for c, u in zip(stream.get("channels", []), units, strict=False)]
        lines += (
            [f"    {', '.join(named[:12])}" + (f" … {len(named)} in all" if len(named) > 12 else "")]
            if named
            else []
        )
    for array in facts.get("arrays", [])[:40]:
        lines.append(
            f"  {array['name']}: {' × '.join(map(str, array['shape'])) or 'one value'}, {array['dtype']}"
        )
    if facts.get("events"):
        lines.append(f"  {facts['events']} events")
    for number, scene in enumerate(facts.get("scenes", [])):
        shape = " × ".join(f"{n} {dim}" for dim, n in scene["shape"].items())
        lines.append(
            f"  {scene.get('name') or f'image {number}'}: {shape}, {scene['dtype']}, {scene['levels']} level(s)"
        )
        if "pixel_size" in scene:
            sizes = [
                f"{d} {v:.6g} {scene.get('pixel_unit', {}).get(d, '')}".strip()
                for d, v in scene["pixel_size"].items()
            ]
            lines.append(f"    step: {', '.join(sizes)}")
        if "channels" in scene:
            lines.append(f"    channels: {', '.join(scene['channels'])}")
    lines += [f"  note: {note}" for note in facts["warnings"]]
    lines += [f"  not carried over: {item}" for item in facts["not_carried_over"]]
    return lines
