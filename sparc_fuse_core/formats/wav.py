"""WAVE (.wav, .wave, .bwf, .rf64): samples in a RIFF file, as data recorders and sound cards write them.

Read are PCM of 1 to 64 bits, 32- and 64-bit float, A-law and mu-law; RIFF, RIFX, RF64 and BW64. The numbers
are those that are stored: up to 8 bits unsigned, more bits signed, never scaled to ±1, as WAVE has no unit.
Fewer bits than their container are left-justified: see ``bits_per_sample`` and ``container_bits``.
Cue points with their labels become events; ``INFO`` and ``bext`` become metadata.

A file that ends early: on a whole frame it is read and a warning counts what is missing (stopped recorders
leave this); inside a frame it is `Truncated`. A size field that was never filled in means: to the end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._wav.chunks import (
    Chunk,
    Layout,
    bext,
    cue_labels,
    cue_points,
    info,
    read_layout,
    words,
)
from sparc_fuse_core.formats._wav.samples import Coding, read_coding, read_samples
from sparc_fuse_core.model import Events, Format, Stream, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

__all__ = ["FORMAT", "open_wav"]

_SILENT = {"fmt ", "ds64", "data", "fact", "JUNK", "junk", "PAD ", "FLLR"}
_TEXTS = {"iXML": "iXML", "axml": "axml", "guan": "guano"}
_MOST_BYTES = 1 << 22
_MOST_TEXT = 1 << 18


def open_wav(source: Source, /, **options: Any) -> xr.DataTree:
    """One stream ``signals(channel, time)`` of raw numbers; rate in Hz; cue points as events in seconds.

    Raises FormatError for compressed samples, `Truncated` when the file ends inside a frame.
    """
    layout = read_layout(source)
    coding = read_coding(source, layout)
    offset, frames = _extent(source, layout, coding)
    _check_counts(layout, coding, frames)
    metadata, dropped = _describe(source, layout, coding)
    stream = Stream(
        read_samples(source, coding, layout.order, offset, frames),
        rate=coding.rate,
        channel_names=coding.channel_names(),
        attrs={
            "encoding": coding.name,
            "bits_per_sample": coding.bits,
            "container_bits": 8 * coding.container,
        },
    )
    return recording(
        [stream],
        events=_events(source, layout, coding, frames),
        start=_start(metadata.get("bext", {})),
        metadata=metadata,
        warnings=layout.warnings,
        dropped=dropped,
    )


def _extent(source: Source, layout: Layout, coding: Coding) -> tuple[int, int]:
    """Byte offset and number of the frames that are there."""
    chunk = layout.first("data")
    if chunk is None:
        raise FormatError(
            f"{source.name}: a chunk 'data' was expected, there is none; the file holds no samples",
            hint="Fetch the file again, or ask its authors for an intact copy.",
        )
    there = source.size - chunk.offset
    if chunk.size is None:
        layout.warnings.append(
            f"The header does not tell the size of the samples; all {there // coding.frame} frames up to the "
            "end of the file are read."
        )
        size = there
    elif chunk.size > there:
        if there < coding.frame or there % coding.frame:
            source.expect(chunk.offset, chunk.size, "samples")
        missing = chunk.size // coding.frame - there // coding.frame
        layout.warnings.append(
            f"The header promises {chunk.size // coding.frame} samples a channel, the file ends after "
            f"{there // coding.frame}: {missing} samples are missing."
        )
        size = there
    else:
        size = chunk.size
    if size % coding.frame:
        layout.warnings.append(f"The last {size % coding.frame} bytes of the samples make no whole frame.")
    return chunk.offset, size // coding.frame


def _check_counts(layout: Layout, coding: Coding, frames: int) -> None:
    if coding.byte_rate not in (0, coding.rate * coding.frame):
        layout.warnings.append(
            f"The header contradicts itself: {coding.rate} Hz with frames of {coding.frame} bytes is not "
            f"{coding.byte_rate} bytes a second; {coding.rate} Hz is taken as the sampling frequency."
        )
    if layout.frames and layout.frames not in (frames, frames * coding.channels):
        layout.warnings.append(f"The chunk ds64 promises {layout.frames} frames, {frames} are there.")
    extra = sum(chunk.name == "data" for chunk in layout.chunks) - 1
    if extra:
        layout.warnings.append(f"{extra} further chunks of samples are there; only the first is read.")


def _describe(source: Source, layout: Layout, coding: Coding) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {
        "container": layout.form,
        "encoding": coding.name,
        "format_tag": coding.tag,
        "channels": coding.channels,
        "sampling_frequency": coding.rate,
        "bytes_per_frame": coding.frame,
        "bits_per_sample": coding.bits,
    }
    if coding.speakers:
        found["speaker_mask"] = coding.speakers
    left: dict[str, int] = {}
    for chunk in layout.chunks:
        if chunk.name not in _SILENT and not _take(source, layout, chunk, found):
            left[chunk.name] = left.get(chunk.name, 0) + (chunk.size or 0)
    return found, [f"The chunk {name!r} ({size} bytes)." for name, size in left.items()]


def _take(source: Source, layout: Layout, chunk: Chunk, found: dict[str, Any]) -> bool:
    """Put what a small chunk says into ``found``; False when it says nothing that is known here."""
    size = chunk.size or 0
    if chunk.name not in {"bext", "LIST", "cue ", *_TEXTS} or size > _MOST_BYTES:
        return False
    raw = source.read(chunk.offset, size, f"chunk {chunk.name!r}")
    if chunk.name == "bext":
        found["bext"] = bext(raw, layout.order)
    elif chunk.name in _TEXTS and size <= _MOST_TEXT:
        found[_TEXTS[chunk.name]] = words(raw)
    elif raw[:4] == b"INFO":
        found["info"] = found.get("info", {}) | info(raw, layout.order)
    elif raw[:4] != b"adtl" and chunk.name != "cue ":
        return False
    return True


def _events(source: Source, layout: Layout, coding: Coding, frames: int) -> Events | None:
    points: list[tuple[int, int]] = []
    labels: dict[int, tuple[list[str], int]] = {}
    for chunk in layout.chunks:
        if chunk.name not in ("cue ", "LIST") or chunk.size is None or chunk.size > _MOST_BYTES:
            continue
        raw = source.read(chunk.offset, chunk.size, "cue points")
        if chunk.name == "cue ":
            points += cue_points(raw, layout.order)
        elif raw[:4] == b"adtl":
            labels |= cue_labels(raw, layout.order)
    if not points or not coding.rate:
        return None
    points.sort(key=lambda point: point[1])
    beyond = sum(frame > frames for _, frame in points)
    if beyond:
        layout.warnings.append(f"{beyond} cue points lie beyond the last sample.")
    told = [(number, *labels.get(number, ([], 0))) for number, _ in points]
    return Events(
        time=[frame / coding.rate for _, frame in points],
        label=["; ".join(texts) or f"cue {number}" for number, texts, _ in told],
        duration=[length / coding.rate if length else float("nan") for *_, length in told],
    )


def _start(origin: dict[str, Any]) -> str | None:
    """ISO 8601 of the broadcast extension, whose separators may be any character."""
    from datetime import datetime

    digits = re.sub(r"\D", "", f"{origin.get('date', '')}{origin.get('time', '')}")
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").isoformat() if len(digits) == 14 else None
    except ValueError:
        return None


def _is_wave(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE"


FORMAT = Format(
    name="wav",
    title="WAVE audio",
    kind="signals",
    suffixes=(".wav", ".wave", ".bwf", ".rf64", ".bw64"),
    open=open_wav,
    magic=((8, b"WAVE"),),
    sniff=_is_wave,
    carried="samples as stored, cue points, INFO and bext texts",
    left="unknown chunks (named)",
    lazy="samples",
)
