"""JPX files (ISO/IEC 15444-2 annex M): several codestreams, each with headers of its own.

``jp2h`` holds what is true of all; the n-th ``jpch`` (``ihdr``, ``pclr``, ``cmap``, ``lbl ``) belongs to the n-th
codestream ``jp2c``, the n-th ``jplh`` (``cgrp`` with ``colr``, ``cdef``, ``creg``, ``res ``) to the n-th layer, which
shows the n-th codestream unless ``creg`` says else. ``asoc`` holds boxes that belong together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, NotSupported
from sparc_fuse_core.formats._jp2.boxes import MARK, Boxes, note_header, walk
from sparc_fuse_core.formats._jp2.codestream import Codestream, read_codestream
from sparc_fuse_core.formats._jp2.picture import facts, picture
from sparc_fuse_core.model import Scene, images, limit_items

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MAX_TEXT = 1 << 16
_MAX_STREAMS = 1 << 14
_MAX_DEPTH = 8
_REFUSED = {
    b"comp": "composes its layers into an animation (box 'comp')",
    b"ftbl": "has its codestreams in fragments (box 'ftbl')", b"flst": "has its codestreams in fragments (box 'flst')",
    b"dtbl": "refers to other files (box 'dtbl')", b"mdat": "has its codestreams in media data (box 'mdat')",
    b"moov": "is a film (box 'moov', Motion JPEG 2000)", b"j2cx": "has codestreams of another kind (box 'j2cx')",
}  # fmt: skip
_MARKERS = {
    0xFF72: "downsampling factors (DFS)", 0xFF73: "arbitrary decomposition (ADS)", 0xFF74: "component transforms (MCT)",
    0xFF75: "collections (MCC)", 0xFF76: "a non-linear transform (NLT)",
    0xFF77: "component transform ordering (MCO)", 0xFF78: "component bit depths (CBD)",
    0xFF79: "transform kernels (ATK)", 0xFF70: "variable DC offsets (DCO)", 0xFF71: "visual masking (VMS)",
}  # fmt: skip
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_HINT = "Export its pictures as TIFF or as plain JP2 with the program that wrote it."
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Layers:
    """Boxes of a JPX file; places of the headers and codestreams in their order."""

    common: Boxes = field(default_factory=Boxes)
    streams: list[tuple[int, int]] = field(default_factory=list)
    headers: list[tuple[int, int]] = field(default_factory=list)
    layers: list[tuple[int, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def is_extended(head: bytes) -> bool:
    """Whether a file calls itself JPX in the first place."""
    return head.startswith(MARK) and head[16:24] == b"ftypjpx "


def open_layers(source: Source) -> xr.DataTree:
    """Each codestream as a scene with its resolutions; NotSupported, by name, for what JPX allows beyond."""
    found = Layers()
    _collect(source, found, 0, source.size, 0)
    if not found.streams:
        raise FormatError(
            f"{source.name}: a JPEG 2000 image was promised, the file has none; it is damaged", hint=_REPAIR
        )
    warnings: list[str] = []
    scenes, stored = [], []
    for number, place in enumerate(found.streams):
        stream = read_codestream(source, *place)
        _check_profile(source, stream)
        boxes, name = _boxes(source, found, number)
        notes: list[str] = []
        scene = picture(source, boxes, stream, notes)
        scene.name = name
        scenes.append(scene)
        stored.append(facts(boxes, stream))
        warnings += (
            notes if len(found.streams) == 1 else [f"codestream {number + 1}: {note}" for note in notes]
        )
    _warn_of_stack(scenes, warnings)
    dropped = [f"box {name!r}" for name in dict.fromkeys(found.others)]
    metadata = {"codestreams": stored, "xml": found.texts[:64]}
    return images(scenes, metadata=metadata, warnings=warnings, dropped=dropped)


def _collect(source: Source, found: Layers, at: int, end: int, depth: int) -> None:
    for kind, start, stop in walk(source, at, end):
        if kind in _REFUSED:
            raise NotSupported(f"{source.name}: {_REFUSED[kind]}, which is not read", hint=_HINT)
        if kind == b"jp2h":
            for inner, begin, last in walk(source, start, stop):
                note_header(source, found.common, inner, begin, last)
        elif kind == b"jp2c":
            found.streams.append((start, stop))
            limit_items(source, "codestreams", len(found.streams), _MAX_STREAMS)
        elif kind in (b"jpch", b"jplh"):
            (found.headers if kind == b"jpch" else found.layers).append((start, stop))
        elif kind == b"asoc" and depth < _MAX_DEPTH:
            _collect(source, found, start, stop, depth + 1)
        else:
            _note_other(source, found, kind, start, stop)


def _note_other(source: Source, found: Layers, kind: bytes, start: int, stop: int) -> None:
    if kind == b"xml ":
        found.texts.append(source.read(start, min(stop - start, _MAX_TEXT)).decode("utf-8", "replace"))
    elif kind == b"uuid" and stop - start > 16:
        label = source.read(start, 16)
        content = source.read(start + 16, min(stop - start - 16, _MAX_TEXT))
        if label == _XMP or content[:1] == b"<":
            found.texts.append(content.decode("utf-8", "replace"))
        else:
            found.others.append(f"uuid {label.hex()}")
    elif kind not in (b"jP  ", b"ftyp", b"rreq", b"free", b"nlst", b"lbl "):
        found.others.append(kind.decode("latin-1").strip())


def _boxes(source: Source, found: Layers, number: int) -> tuple[Boxes, str]:
    """What is true of one codestream: its own headers over the common ones; and its label."""
    common = found.common
    boxes = replace(common, streams=[found.streams[number]], alpha=set(common.alpha), others=[], texts=[])
    boxes.shape = common.shape if number == 0 else None
    name = ""
    own = Boxes()
    for kind, start, stop in walk(source, *found.headers[number]) if number < len(found.headers) else ():
        if kind == b"lbl ":
            name = source.read(start, min(stop - start, 256)).decode("utf-8", "replace").strip("\0 ")
        elif kind in (b"xml ", b"uuid"):
            _note_other(source, found, kind, start, stop)
        else:
            note_header(source, own, kind, start, stop)
    for kind, start, stop in walk(source, *found.layers[number]) if number < len(found.layers) else ():
        if kind == b"cgrp":
            for inner, begin, last in walk(source, start, stop):
                note_header(source, own, inner, begin, last)
        elif kind in (b"cdef", b"res "):
            note_header(source, own, kind, start, stop)
        elif kind == b"lbl ":
            name = name or source.read(start, min(stop - start, 256)).decode("utf-8", "replace").strip("\0 ")
        else:
            _note_other(source, found, kind, start, stop)
    for label in ("shape", "colour", "palette", "mapping", "alpha", "resolution"):
        if getattr(own, label) is not None and getattr(own, label) not in ("", [], set()):
            setattr(boxes, label, getattr(own, label))
    found.others += own.others
    _drop_unused_palette(source, boxes)
    return boxes, name


def _drop_unused_palette(source: Source, boxes: Boxes) -> None:
    """A mapping without columns takes the components as they are, whatever palette is common to the file."""
    if any(kind == 1 for _, kind, _ in boxes.mapping):
        return
    boxes.palette = None
    if [component for component, _, _ in boxes.mapping] != list(range(len(boxes.mapping))):
        raise NotSupported(
            f"{source.name}: changes the order of its components (box 'cmap'), which is not read", hint=_HINT
        )


def _check_profile(source: Source, stream: Codestream) -> None:
    """Refuse codings of Part 2, by name."""
    at, used = 0, []
    while at + 4 <= len(stream.rest):
        marker, length = (int.from_bytes(stream.rest[at + i : at + i + 2], "big") for i in (0, 2))
        if marker in _MARKERS:
            used.append(_MARKERS[marker])
        at += 2 + max(2, length)
    if used or stream.profile & 0x8000:
        raise NotSupported(
            f"{source.name}: is coded with extensions of JPEG 2000 Part 2 "
            f"({', '.join(used) or f'Rsiz {stream.profile:#06x}'}), which are not read",
            hint=_HINT,
        )


def _warn_of_stack(scenes: list[Scene], warnings: list[str]) -> None:
    if len(scenes) > 1 and len({(scene.levels[0].shape, tuple(scene.dims)) for scene in scenes}) == 1:
        warnings.append(
            f"the file holds {len(scenes)} pictures of one size; it does not say whether they are planes of a stack, "
            "so each is a scene"
        )
