"""Video: AVI, MP4 and QuickTime files (``.avi``, ``.mp4``, ``.m4v``, ``.mov``) with any codec that FFmpeg decodes.

Each video stream is one image with its frames on t, in the order of showing; the tables of the file say how many
there are and when each is shown, nothing is decoded on opening. A frame is decoded when asked for, from the key frame
before it.
Grey and RGB frames are given as they are stored; frames of luma and chroma become red, green and blue, with a
warning. Frames at uneven times have explicit times. Not carried over, but named: sound, subtitles and data tracks,
the place of recording. Turning (a phone held upright) and edit lists are told, not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, MissingDependency, NotSupported
from sparc_fuse_core.formats._video.colours import Colours, colours_of
from sparc_fuse_core.formats._video.player import Index, Player
from sparc_fuse_core.formats._video.tracks import Track, read_tracks
from sparc_fuse_core.model import Format, LazyArray, Scene, from_planes, images, limit_items, variable

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_MAX_PIXELS = 1 << 27
_MAX_FRAMES = 1 << 24
_MOST_CHUNKS = 1000
_MAX_HEADER = 1 << 16
_PROBE = "1000000"
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot")
_STILL = (b"heic", b"heix", b"mif1", b"avif", b"crx ", b"jp2 ", b"jpx ", b"M4A ", b"M4B ")


def open_video(source: Source, /, **options: Any) -> xr.DataTree:
    """One scene (t, c, y, x) or (t, y, x) for each video stream; FormatError when there is none."""
    container, tracks = _open(source)
    warnings: list[str] = []
    dropped = _others(container)
    scenes, times = [], []
    for stream in container.streams.video:
        if "attached_pic" in str(stream.disposition).lower():
            dropped.append("a cover picture")
            continue
        scene, shown = _scene(source, container, stream, tracks, warnings)
        scenes.append(scene)
        times.append(shown)
    if not scenes:
        raise FormatError(f"{source.name}: holds no video", hint="Check that this is the right file.")
    metadata = {str(k): str(v) for k, v in container.metadata.items()}
    hidden = [key for key in metadata if "location" in key.lower() or "author" in key.lower()]
    dropped += [f"metadata {key!r}, which may tell of a person or place" for key in hidden]
    metadata = {key: text for key, text in metadata.items() if key not in hidden}
    start = metadata.get("creation_time", "")
    tree = images(
        scenes, start=start or None, metadata=metadata | {"container": container.format.name}, warnings=warnings,
        dropped=dropped,
    )  # fmt: skip
    for number, shown in enumerate(times):
        if shown is not None:
            node: Any = tree["0" if len(scenes) == 1 else f"{number}/0"]
            node.dataset = node.to_dataset(inherit=False).assign_coords(_coordinate(shown))
    return tree


def _coordinate(shown: NDArray[Any]) -> Any:
    import xarray as xr

    return xr.Coordinates({"t": variable(("t",), shown, {"units": "s"})}, indexes={})


def _open(source: Source) -> tuple[Any, list[Track] | None]:
    """The opened container, and the tracks of an MP4 or QuickTime file."""
    import av

    riff = source.head(4) == b"RIFF"
    tracks = None
    if not riff:
        tracks, fragments = read_tracks(source)
        if fragments and not any(len(t.shown) for t in tracks):
            raise NotSupported(
                f"{source.name}: its frames lie in fragments (as for streaming), which are not read",
                hint="Join them without loss: ffmpeg -i <file> -c copy joined.mp4",
            )
        if not any(len(t.shown) for t in tracks):
            raise FormatError(
                f"{source.name}: holds no video frames; it is cut short or only sound", hint=_REPAIR
            )
    settings = {"probesize": _PROBE} | ({} if riff else {"ignore_editlist": "1"})
    try:
        older: dict[str, Any] = (
            {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
        )
        container = av.open(source.file(), format="avi" if riff else "mov", options=settings, **older)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise FormatError(
            f"{source.name}: cannot be opened as video ({error}); it is damaged", hint=_REPAIR
        ) from error
    return container, tracks


def _others(container: Any) -> list[str]:
    """Tracks that are not pictures."""
    notes = []
    for stream in container.streams:
        if stream.type == "audio":
            held = stream.codec_context
            notes.append(
                f"sound track {stream.index} ({held.name}, {held.sample_rate} Hz, {held.channels} channels)"
            )
        elif stream.type != "video":
            notes.append(f"{stream.type or 'unknown'} track {stream.index}")
    return notes


def _scene(
    source: Source, container: Any, stream: Any, tracks: Sequence[Track] | None, warnings: list[str]
) -> tuple[Scene, NDArray[Any] | None]:
    """A stream as a scene; the times of its frames when they are uneven."""
    context = stream.codec_context if stream.codec_context is not None else None
    if context is None or context.format is None or context.width < 1 or context.height < 1:
        raise NotSupported(
            f"{source.name}: the codec of a video stream is not known or its frames have no size",
            hint="Convert it with a common codec, without loss: ffmpeg -i <file> -c:v ffv1 <name>.avi",
        )
    if context.width * context.height > _MAX_PIXELS:
        raise FormatError(
            f"{source.name}: frames of {context.width} x {context.height} are promised; its header is damaged",
            hint=_REPAIR,
        )
    index, ticks = _index(source, stream, tracks, warnings)
    context.thread_type, context.thread_count = "NONE", 1
    colours = colours_of(context.format, context.height, context.width, source.name)
    if colours.warning:
        warnings.append(colours.warning)
    level = _level(Player(source.name, container, stream, index), colours, len(index.shown), context)
    dims = ("t", "c", "y", "x") if colours.samples > 1 else ("t", "y", "x")
    scene = Scene([level], dims, rgb=colours.samples >= 3)
    scene.attrs = {"codec": context.name, "pixel_format": context.format.name}
    if stream.sample_aspect_ratio not in (None, 0, 1):
        scene.attrs["pixel_aspect_ratio"] = str(stream.sample_aspect_ratio)
        warnings.append(f"pixels are not square: {stream.sample_aspect_ratio} (width to height)")
    return scene, _set_times(scene, index.shown, ticks, warnings)


def _level(player: Player, colours: Colours, count: int, context: Any) -> LazyArray:
    plane = (context.height, context.width)
    if colours.samples > 1:
        shape: tuple[int, ...] = (colours.samples, *plane)
        return from_planes((count,), shape, colours.dtype, lambda n: player.frame(n, colours.convert))
    return from_planes((count,), plane, colours.dtype, lambda n: player.frame(n, colours.convert)[0])


def _index(
    source: Source, stream: Any, tracks: Sequence[Track] | None, warnings: list[str]
) -> tuple[Index, Fraction]:
    """When the frames of a stream are shown, and how long a tick is."""
    if tracks is None:
        return _avi_index(source, stream, warnings)
    track = next((t for t in tracks if t.number == stream.id and len(t.shown)), None)
    if track is None:
        raise FormatError(
            f"{source.name}: a video stream has no table of frames; it is damaged", hint=_REPAIR
        )
    if track.rotation:
        warnings.append(
            f"the video is meant to be turned by {track.rotation} degrees for viewing; it was not turned"
        )
    if track.edits > 1:
        warnings.append("an edit list picks parts of the video for viewing; all stored frames are given")
    ordered = np.argsort(track.shown, kind="stable")
    shown = track.shown[ordered]
    if (np.diff(shown) <= 0).any():
        raise FormatError(
            f"{source.name}: several frames have the same time; its tables are damaged", hint=_REPAIR
        )
    keyed = np.flatnonzero(track.keys[ordered])
    return Index(shown, keyed, track.decoded[ordered][keyed]), Fraction(1, track.ticks)


def _avi_index(source: Source, stream: Any, warnings: list[str]) -> tuple[Index, Fraction]:
    if not _has_index(source):
        raise FormatError(
            f"{source.name}: has no index of its frames; it is cut short, or its recording was not finished",
            hint="Write a new index, without loss: ffmpeg -i <file> -c copy repaired.avi",
        )
    if not hasattr(stream, "index_entries"):
        raise MissingDependency(
            f"{source.name}: the installed PyAV is too old to read AVI files", hint="pip install 'av>=17'"
        )
    rows = [(entry.timestamp, entry.is_keyframe) for entry in stream.index_entries if entry.size > 0]
    limit_items(source, "frames", len(rows), _MAX_FRAMES)
    if not rows:
        raise FormatError(f"{source.name}: its index lists no frames; it is damaged", hint=_REPAIR)
    if len(rows) < stream.frames:
        warnings.append(
            f"the header promises {stream.frames} frames, the index of the file lists {len(rows)}"
        )
    shown = np.array([row[0] for row in rows], "i8")
    if (np.diff(shown) <= 0).any():
        raise FormatError(f"{source.name}: its index of frames does not rise; it is damaged", hint=_REPAIR)
    keyed = np.flatnonzero([row[1] for row in rows])
    counted = bool(stream.codec_context.has_b_frames) or keyed.size == 0
    if counted:
        warnings.append(
            "the file does not say in which order its frames are shown; they are counted from the first one, so that "
            "reading late frames alone is slow"
        )
    return Index(shown, keyed, shown[keyed], counted), Fraction(stream.time_base)


def _has_index(source: Source) -> bool:
    """Whether an AVI file lists its frames: ``idx1`` behind them, or ``indx`` in the header (OpenDML)."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > source.size:
            return False
        kind, size = source.unpack("<4sI", at, "chunk")
        if kind == b"idx1":
            return True
        if kind == b"LIST" and b"indx" in source.read(at + 8, min(size, _MAX_HEADER, source.size - at - 8)):
            return True
        at += 8 + size + size % 2
    return False


def _set_times(
    scene: Scene, shown: NDArray[Any], ticks: Fraction, warnings: list[str]
) -> NDArray[Any] | None:
    """An even step on t, or the time of each frame in seconds from the first one."""
    steps = np.diff(shown)
    if len(steps) == 0:
        return None
    if (steps == steps[0]).all():
        scene.pixel_size, scene.pixel_unit = {"t": float(int(steps[0]) * ticks)}, {"t": "s"}
        return None
    warnings.append("the frames are not evenly spaced: coordinate t holds the time of each")
    return np.array((shown - shown[0]) * (ticks.numerator / ticks.denominator), "f8")


def _sniff(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[8:12] in (b"AVI ", b"AVIX")
    return head[4:8] in _BOXES and not (head[4:8] == b"ftyp" and head[8:12] in _STILL)


FORMAT = Format(
    name="video",
    title="Video (AVI, MP4, QuickTime)",
    kind="image",
    suffixes=(".avi", ".mp4", ".m4v", ".mov", ".qt"),
    open=open_video,
    magic=((8, b"AVI "), (4, b"ftyp"), (4, b"moov")),
    sniff=_sniff,
    requires=("av",),
    carried="frames as stored or as RGB, frame times",
    left="sound, rotation and edit lists (told)",
    lazy="frame",
)
