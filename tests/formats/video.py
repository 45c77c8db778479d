"""Made videos, encoded with FFmpeg, and what decoding them from the first frame to the last gives."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH = 48, 64


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return _lossless(folder) | _coded(folder) | _times(folder) | _notes(folder) | _hostile(folder)


def pictures(count: int) -> Iterator[np.ndarray]:
    """Frames that differ from each other everywhere, and smoothly enough for any codec."""
    for i in range(count):
        picture = np.zeros((HEIGHT, WIDTH, 3), "u1")
        picture[..., 0] = i * 6
        picture[i * 3 % HEIGHT :][:6, :, 1] = 200
        picture[:, i * 2 % WIDTH :][:, :5, 2] = 255
        yield picture


def write(
    path: Path,
    codec: str,
    pixels: str,
    frames: Sequence[np.ndarray],
    *,
    ticks: Sequence[int] | None = None,
    container: dict[str, str] | None = None,
    source: str = "rgb24",
    sound: bool = False,
    turn: int = 0,
    **options: str,
) -> None:
    """Encode frames; ``ticks`` are their times in milliseconds."""
    import av

    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *frames[0].shape[:2], pixels, options
        if turn:
            stream.set_display_rotation(turn)
        if ticks:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = file.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format=source).reformat(format=pixels)
            if ticks:
                frame.pts, frame.time_base = ticks[number], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), "i2"), format="s16", layout="mono")
            silence.sample_rate, silence.pts = 8000, 0
            file.mux([*audio.encode(silence), *audio.encode(None)])


def decoded(path: Path, form: str = "rgb24") -> np.ndarray:
    """All frames from the first to the last, (t, c, y, x) or (t, y, x)."""
    import av

    with av.open(str(path)) as file:
        frames = np.stack([frame.to_ndarray(format=form) for frame in file.decode(video=0)])
    return np.moveaxis(frames, -1, 1) if frames.ndim == 4 else frames


def _lossless(folder: Path) -> dict[str, dict[str, Any]]:
    """Greys and colours that come out as they went in."""
    rng = np.random.default_rng(8)
    gray = list(rng.integers(0, 256, (7, HEIGHT, WIDTH), "u1"))
    deep = list(rng.integers(0, 1 << 16, (7, HEIGHT, WIDTH)).astype("u2"))
    rgb = list(rng.integers(0, 256, (7, HEIGHT, WIDTH, 3), "u1"))
    write(folder / "gray.avi", "rawvideo", "gray", gray, source="gray")
    write(folder / "deep.avi", "ffv1", "gray16le", deep, source="gray16le")
    write(folder / "rgb.avi", "rawvideo", "bgr24", rgb)
    write(folder / "rle.mov", "qtrle", "rgb24", rgb)
    write(folder / "png.mov", "png", "rgb24", rgb)
    colours = np.moveaxis(np.stack(rgb), -1, 1)
    found: dict[str, dict[str, Any]] = {
        name: {"0/image": colours, "@rgb": True} for name in ("rgb.avi", "rle.mov", "png.mov")
    }
    step = {"@pixel_size": {"t": 0.04}}
    return found | {
        "gray.avi": {"0/image": np.stack(gray), **step},
        "deep.avi": {"0/image": np.stack(deep), **step},
    }


def _coded(folder: Path) -> dict[str, dict[str, Any]]:
    """Frames that refer to others, before and after them."""
    frames = list(pictures(30))
    found: dict[str, dict[str, Any]] = {}
    for name, codec, options in (
        ("forward.avi", "mpeg4", {"g": "8"}),
        ("both.avi", "mpeg4", {"g": "8", "bf": "2"}),
        ("both.mp4", "mpeg4", {"g": "8", "bf": "2"}),
        ("both.mov", "mpeg2video", {"g": "9", "bf": "2"}),
        ("each.avi", "mjpeg", {}),
    ):
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        write(folder / name, codec, pixels, frames, **options)
        found[name] = {
            "0/image": decoded(folder / name),
            "@codec": codec,
            "?warning": pixels,
            "@pixel_size": {"t": 0.04},
        }
    found["both.avi"]["?warning"] = "counted"
    return found


def _times(folder: Path) -> dict[str, dict[str, Any]]:
    frames = list(pictures(12))
    ticks = [i * 40 + (i % 3) * 7 for i in range(12)]
    write(folder / "uneven.mp4", "mpeg4", "yuv420p", frames, ticks=ticks, bf="2")
    return {
        "uneven.mp4": {
            "0/image": decoded(folder / "uneven.mp4"),
            "0/t": np.array(ticks) / 1000,
            "?warning": "evenly",
            "~": 1e-12,
        }
    }


def _notes(folder: Path) -> dict[str, dict[str, Any]]:
    """Sound and turning are told."""
    frames = list(pictures(4))
    write(folder / "sound.mov", "png", "rgb24", frames, sound=True)
    write(folder / "turned.mov", "png", "rgb24", frames)
    raw = bytearray((folder / "turned.mov").read_bytes())
    at = raw.index(b"tkhd") + 4 + 40
    raw[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, WIDTH << 16, 0, 1 << 30)
    (folder / "turned.mov").write_bytes(bytes(raw))
    stored = np.moveaxis(np.stack(frames), -1, 1)
    return {
        "sound.mov": {"0/image": stored, "?dropped": "pcm_s16le, 8000 Hz, 1 channels"},
        "turned.mov": {"0/image": stored, "?warning": "90 degrees"},
    }


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    frames = list(pictures(9))
    write(
        folder / "fragments.mp4",
        "mpeg4",
        "yuv420p",
        frames,
        container={"movflags": "frag_keyframe+empty_moov"},
    )
    write(folder / "whole.mp4", "mpeg4", "yuv420p", frames)
    raw = (folder / "whole.mp4").read_bytes()
    avi = (folder / "each.avi").read_bytes()
    sizes = bytearray(raw)
    struct.pack_into(">II", sizes, raw.index(b"stsz") + 8, 0, 1 << 30)
    times = bytearray(raw)
    struct.pack_into(">II", times, raw.index(b"stts") + 8, 1 << 30, 1 << 30)
    files = {
        "cut.avi": (avi[: len(avi) // 3], "FormatError"),
        "sizes.mp4": (bytes(sizes), "LimitExceeded"),
        "times.mp4": (bytes(times), "FormatError"),
        "no_moov.mp4": (raw[: raw.index(b"moov") - 4], "FormatError"),
        "head.avi": (avi[:12] + bytes(500), "FormatError"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "whole.mp4").unlink()
    return {"fragments.mp4": {"!error": "NotSupported"}} | {
        name: {"!error": error} for name, (_, error) in files.items()
    }


def oracle(path: Path) -> dict[str, Any] | None:
    """The frames decoded in one go; greys as they are stored."""
    import av

    with av.open(str(path)) as file:
        name = file.streams.video[0].codec_context.format.name
    return {"0/image": decoded(path, name if name.startswith("gray") else "rgb24")}
