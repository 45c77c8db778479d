"""Neurolucida tracings of MBF Bioscience (``.xml``): contours, trees, markers, vessels, spines.

The Neuromorphological File Specification: ``mbf`` holds a header (``images``, ``sparcdata``, ``filefacts``,
``description``) and traces; a ``tree`` holds ``point`` and ``branch`` elements, a ``contour`` its points, a
``vessel`` nodes and edges. Other XML files are told apart by their first element.

Given are, in the order of the file, ``points`` (x, y, z in micrometres) with ``point_diameter``,
``point_parent`` (the point before it in its tree, -1 none) and ``point_section``; for every trace
``trace_offsets`` (its first point, one more at the end), ``trace_kind``, ``trace_parent`` and
``trace_parent_point`` (the trace it lies in, and the point there after which it stands), ``trace_name``,
``trace_color`` (RRGGBB), ``trace_type``, ``trace_closed``, ``trace_id``, ``trace_attributes`` (all else, as
JSON); ``property_trace``, ``property_name`` and ``property_value`` (JSON list of its items); ``vessel_link``
(trace, edge, source, target). Images are named, with their scale, in the metadata; the folders they lay in and
the drawing of a thumbnail are not carried over.
"""

from __future__ import annotations

import json
import re
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._neurolucida.tracing import Tracing
from sparc_fuse_core.model import Array, Format, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from sparc_fuse_core.source import Source

_BLOCK = 1 << 18
_MOST_BYTES = 2 << 30
_REPAIR = "Fetch the file again, or save the tracing again in its program."
_SHOWN = ("name", "color", "type", "closed", "id")
_UNIT = "micrometer"


def open_neurolucida(source: Source, /, **_: Any) -> xr.DataTree:
    """A tracing as ragged arrays; FormatError when it is damaged, cut short or hostile."""
    tracing = _parse(source)
    if not tracing.traces:
        raise FormatError(f"{source.name}: has no contour, tree, marker or vessel; there is nothing to convert",
                          hint="Check that this is the tracing and not only its settings.")  # fmt: skip
    dropped = [f"element <{tag}>" for tag in tracing.dropped if tag != "thumbnail"]
    if "thumbnail" in tracing.dropped:
        dropped.append("the thumbnail drawing of the tracing")
    metadata = dict(tracing.root)
    for key, held in tracing.header.items():
        metadata[key] = held
    if _without_folders(metadata.get("images")):
        dropped.append("the folders in which the traced images lay on the computer of tracing")
    arrays = [*_point_arrays(tracing), *_trace_arrays(tracing), *_property_arrays(tracing)]
    return recording([], arrays=arrays, kind="geometry", metadata=metadata, dropped=dropped)


def _parse(source: Source) -> Tracing:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, XMLParser

    if source.size > _MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: is an XML file of {source.size} bytes, at most {_MOST_BYTES} are read"
        )
    tracing = Tracing(source.name)
    parser = XMLParser(target=tracing)
    try:
        for at in range(0, source.size, _BLOCK):
            parser.feed(source.read(at, min(_BLOCK, source.size - at)))
        parser.close()
    except ParseError as error:
        if error.code in (3, 5, 13):  # no element found, unclosed token, …: the end came too soon
            raise Truncated(
                f"{source.name}: its XML ends too soon ({error}); it is cut short", hint=_REPAIR
            ) from error
        raise FormatError(
            f"{source.name}: is not proper XML ({error}); it is damaged", hint=_REPAIR
        ) from error
    except DefusedXmlException as error:
        raise FormatError(
            f"{source.name}: defines entities, which no tracing does and which can exhaust memory ({error})",
            hint="Do not open it unless you know where it comes from.",
        ) from error
    return tracing


def _without_folders(images: Any) -> bool:
    """Leave the last part of each image's path only; tell whether there was more."""
    found = False
    for image in images.get("image", []) if isinstance(images, dict) else []:
        names = image.get("filename", []) if isinstance(image, dict) else []
        for place, name in enumerate(names):
            if isinstance(name, str) and PureWindowsPath(name).name != name:
                names[place], found = PureWindowsPath(name).name, True
    return found


def _point_arrays(tracing: Tracing) -> Iterator[Array]:
    offsets = tracing.offsets()
    before, attached = tracing.parent_points(offsets)
    values = np.concatenate(
        [np.frombuffer(t.points, "f8") for t in tracing.traces if t.count] or [np.empty(0)]
    )
    values = values.reshape(-1, 4)
    if len(values):
        yield Array("points", np.ascontiguousarray(values[:, :3]), ("point", "axis"),
                    {"units": _UNIT, "axis": ["x", "y", "z"]})  # fmt: skip
        yield Array("point_diameter", np.ascontiguousarray(values[:, 3]), ("point",), {"units": _UNIT})
        yield Array("point_parent", np.array(before, "i8"), ("point",))
    if tracing.sections:
        sections = np.full(len(values), "", dtype=object)
        for (trace, place), section in tracing.sections.items():
            sections[offsets[trace] + place] = section
        yield Array("point_section", sections, ("point",))
    yield Array("trace_offsets", np.array(offsets, "i8"), ("trace_edge",))
    yield Array("trace_parent", np.array([t.parent for t in tracing.traces], "i8"), ("trace",))
    yield Array("trace_parent_point", np.array(attached, "i8"), ("trace",))


def _trace_arrays(tracing: Tracing) -> Iterator[Array]:
    traces = tracing.traces

    def column(name: str, values: list[str]) -> Iterator[Array]:
        if any(values):
            yield Array(f"trace_{name}", np.array(values, "O"), ("trace",))

    yield from column("kind", [t.kind for t in traces])
    yield from column("name", [t.attributes.get("name", "") for t in traces])
    yield from column("color", [t.attributes.get("color", "").lstrip("#") for t in traces])
    yield from column("type", [t.attributes.get("type", "") for t in traces])
    yield from column("id", [t.attributes.get("id", "") for t in traces])
    if any("closed" in t.attributes for t in traces):
        closed = [t.attributes.get("closed", "").lower() in ("true", "1", "yes") for t in traces]
        yield Array("trace_closed", np.array(closed, bool), ("trace",))
    rest = [{k: v for k, v in t.attributes.items() if k not in _SHOWN} | t.details for t in traces]
    yield from column("attributes", [json.dumps(held, ensure_ascii=False) if held else "" for held in rest])


def _property_arrays(tracing: Tracing) -> Iterator[Array]:
    held = tracing.properties
    if held:
        yield Array("property_trace", np.array([owner for owner, _, _ in held], "i8"), ("property",))
        yield Array("property_name", np.array([name for _, name, _ in held], "O"), ("property",))
        values = [json.dumps(items, ensure_ascii=False) for _, _, items in held]
        yield Array("property_value", np.array(values, "O"), ("property",))
    if tracing.links:
        rows = [[str(owner), *(link.get(key, "") for key in ("edge", "sourcenode", "targetnode"))]
                for owner, link in tracing.links]  # fmt: skip
        table = np.array(rows, "O")
        if all(re.fullmatch(r"-?\d{1,15}", word) for row in rows for word in row):
            table = table.astype("i8")
        yield Array(
            "vessel_link", table, ("link", "end"), {"end": ["trace", "edge", "source node", "target node"]}
        )


_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?[^>]*\?>)*(?:<(?:[\w.-]+:)?mbf[\s>]|<!DOCTYPE\s+(?:[\w.-]+:)?mbf\b)",
    re.S,
)


def _sniff(head: bytes) -> bool:
    return _ROOT.match(head) is not None


FORMAT = Format(
    name="neurolucida",
    title="Neurolucida tracing (MBF XML)",
    kind="geometry",
    suffixes=(".xml",),
    open=open_neurolucida,
    magic=((0, b"<?xml"), (0, b"<mbf"), (0, b"\xef\xbb\xbf<")),
    sniff=_sniff,
    requires=("defusedxml",),
    carried="trees, contours, markers, vessels, colours, names, properties, images' scales",
    left="thumbnail, folders of images (named)",
    lazy="the whole file, as a stream",
)
