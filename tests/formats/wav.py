"""WAVE files for `sparc_fuse_core.formats.wav`, and scipy and soundfile as its oracles."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

_RATE = 8000
_RAMP = np.array([[0, 1, -1, 100, -128], [5, -7, 127, -100, 3]])  # (channel, time), fits 8 bits


def _chunk(
    name: bytes, content: bytes, order: str = "<", size: int | None = None, *, pad: bool = True
) -> bytes:
    stored = len(content) if size is None else size
    return name + struct.pack(f"{order}I", stored) + content + b"\0" * (pad and len(content) % 2)


def _riff(*chunks: bytes, form: bytes = b"RIFF", order: str = "<", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack(f"{order}I", len(body) if size is None else size) + body


def _fmt(tag: int, channels: int, container: int, bits: int, order: str = "<", more: bytes = b"") -> bytes:
    frame = channels * container
    content = struct.pack(f"{order}HHIIHH", tag, channels, _RATE, _RATE * frame, frame, bits) + more
    return _chunk(b"fmt ", content, order)


def _extensible(channels: int, container: int, valid: int, speakers: int, tag: int = 1) -> bytes:
    guid = struct.pack("<I", tag) + bytes.fromhex("00001000800000aa00389b71")
    more = struct.pack("<HHI", 22, valid, speakers) + guid
    return _fmt(0xFFFE, channels, container, 8 * container, more=more)


def _pack(values: np.ndarray, container: int, order: str = "<") -> bytes:
    side = "big" if order == ">" else "little"
    return b"".join(int(v).to_bytes(container, side, signed=True) for v in values.T.ravel())


def _integers(folder: Path) -> dict[str, dict[str, Any]]:
    expected = {}
    for bits, container in ((12, 2), (16, 2), (20, 3), (24, 3), (20, 4), (36, 5), (45, 6), (53, 7), (64, 8)):
        values = _RAMP.astype("i8") << (8 * container - 8)
        values[0, 1] = 1 << (8 * container - bits)
        name = f"pcm{bits}in{8 * container}.wav"
        data = _chunk(b"data", _pack(values, container))
        (folder / name).write_bytes(_riff(_fmt(1, 2, container, bits), data))
        expected[name] = {
            "signals": values,
            "signals@sampling_frequency": 8000.0,
            "signals@bits_per_sample": bits,
            "signals@container_bits": 8 * container,
        }
    small = (_RAMP + 128).astype("u1")
    (folder / "pcm8.wav").write_bytes(
        _riff(_fmt(1, 2, 1, 8), _chunk(b"data", small.T.tobytes()), _chunk(b"xtra", b"abc"))
    )
    expected["pcm8.wav"] = {"signals": small}
    return expected


def _forms(folder: Path) -> dict[str, dict[str, Any]]:
    """RIFX, BW64 and WAVE_FORMAT_EXTENSIBLE."""
    values = _RAMP.astype("i8") << 16
    big = _chunk(b"data", _pack(values, 3, ">"), ">")
    (folder / "rifx24.wav").write_bytes(_riff(_fmt(1, 2, 3, 24, ">"), big, form=b"RIFX", order=">"))
    data = _pack(values, 3)
    ds64 = _chunk(b"ds64", struct.pack("<QQQI", 0, len(data), 5, 0))
    held = _chunk(b"data", data, size=0xFFFFFFFF)
    head = {"form": b"BW64", "size": 0xFFFFFFFF}
    (folder / "bw64.wav").write_bytes(_riff(ds64, _fmt(1, 2, 3, 24), held, **head))
    (folder / "no_ds64.wav").write_bytes(_riff(_fmt(1, 2, 3, 24), held, **head))
    stereo = _riff(_extensible(2, 3, 20, 3), _chunk(b"data", data))
    (folder / "extensible.wav").write_bytes(stereo)
    return {
        "rifx24.wav": {"signals": values},
        "bw64.wav": {"signals": values},
        "no_ds64.wav": {"!error": "FormatError"},
        "extensible.wav": {
            "signals": values,
            "signals@bits_per_sample": 20,
            "channel_name": ["front left", "front right"],
        },
    }


def _libraries(folder: Path) -> dict[str, dict[str, Any]]:
    """Files that independent writers make."""
    import soundfile
    from scipy.io import wavfile

    tone = np.sin(np.arange(2 * 400).reshape(400, 2) / 7) * 0.9
    expected: dict[str, dict[str, Any]] = {}
    for kind in ("f4", "f8", "i2", "i4", "u1"):
        values = (tone * 100 + 128 if kind == "u1" else tone if kind[0] == "f" else tone * 30000).astype(kind)
        wavfile.write(folder / f"scipy_{kind}.wav", 44100, values)
        expected[f"scipy_{kind}.wav"] = {"signals": values.T, "signals@sampling_frequency": 44100.0}
    shorts = (tone * 32000).astype("i2")
    for subtype in ("ULAW", "ALAW"):
        path = folder / f"sf_{subtype}.wav"
        soundfile.write(path, shorts, 8000, subtype=subtype)
        expected[path.name] = {"signals": soundfile.read(path, dtype="int16")[0].T}
    soundfile.write(folder / "sf_rf64.wav", shorts, 8000, subtype="PCM_16", format="RF64")
    soundfile.write(folder / "sf_rifx.wav", shorts, 8000, subtype="PCM_16", endian="BIG")
    expected |= {"sf_rf64.wav": {"signals": shorts.T}, "sf_rifx.wav": {"signals": shorts.T}}
    soundfile.write(folder / "sf_adpcm.wav", shorts[:, 0], 8000, subtype="IMA_ADPCM")
    expected["sf_adpcm.wav"] = {"!error": "FormatError"}
    return expected


def _notes(folder: Path) -> dict[str, dict[str, Any]]:
    data = b"\1\2\3\4\5\6\7\10\11"
    cues = struct.pack("<I", 3) + b"".join(
        struct.pack("<II4sIII", number, 0, b"data", 0, 0, frame) for number, frame in ((1, 4), (2, 2), (3, 8))
    )
    labels = (
        b"adtl"
        + _chunk(b"labl", struct.pack("<I", 1) + b"laser\0")
        + _chunk(b"note", struct.pack("<I", 1) + "µ-burst".encode("cp1252") + b"\0")
        + _chunk(b"ltxt", struct.pack("<II4s4H", 2, 4, b"rgn ", 0, 0, 0, 0) + b"rest\0")
    )
    info = b"INFO" + _chunk(b"ISFT", b"recorder 2\0")
    origin = bytearray(602)
    origin[0:4] = b"cage"
    origin[320:338] = b"2021-03-0412-30-59"
    parts = (_fmt(1, 1, 1, 8), _chunk(b"bext", bytes(origin)), _chunk(b"LIST", info))
    # No padding after nine bytes of samples: some writers forget it.
    after = (_chunk(b"data", data, pad=False), _chunk(b"cue ", cues), _chunk(b"LIST", labels))
    (folder / "cues.wav").write_bytes(_riff(*parts, *after))
    return {
        "cues.wav": {
            "signals": np.frombuffer(data, "u1")[None],
            "event_time": np.array([2, 4, 8]) / _RATE,
            "event_label": ["rest", "laser; µ-burst", "cue 3"],
            "event_duration": np.array([4 / _RATE, np.nan, np.nan]),
            "@recording_start": "2021-03-04T12:30:59",
        }
    }


def _damaged(folder: Path) -> dict[str, dict[str, Any]]:
    fmt, data = _fmt(1, 2, 2, 16), _pack(_RAMP, 2)
    whole = _riff(fmt, _chunk(b"data", data))
    stream = {"signals": _RAMP, "?warning": "does not tell the size"}
    files: dict[str, tuple[bytes, dict[str, Any]]] = {
        "cut_on_frame.wav": (whole[:-8], {"signals": _RAMP[:, :3], "?warning": "2 samples are missing"}),
        "cut_in_frame.wav": (whole[:-6], {"!error": "Truncated"}),
        "cut_in_header.wav": (whole[:30], {"!error": "Truncated"}),
        "stream.wav": (_riff(fmt, _chunk(b"data", data, size=0xFFFFFFFF), size=0xFFFFFFFF), stream),
        "stream_sox.wav": (_riff(fmt, _chunk(b"data", data, size=0x7FFFF000), size=0x7FFFF024), stream),
        "stream_zero.wav": (_riff(fmt, _chunk(b"data", data, size=0), size=36), stream),
        "understated.wav": (
            _riff(fmt, _chunk(b"data", data, size=12)),
            {"signals": _RAMP[:, :3], "?warning": "belong to no chunk"},
        ),
        "no_samples.wav": (_riff(fmt), {"!error": "FormatError"}),
        "empty.wav": (_riff(fmt, _chunk(b"data", b"")), {"!error": "FormatError"}),
        "mono_of_two.wav": (_riff(_fmt(1, 1, 4, 16), _chunk(b"data", data)), {"!error": "FormatError"}),
        "no_channels.wav": (_riff(_fmt(1, 0, 2, 16), _chunk(b"data", data)), {"!error": "FormatError"}),
        "mp3.wav": (_riff(_fmt(0x55, 2, 2, 16), _chunk(b"data", data)), {"!error": "FormatError"}),
        "video.wav": (b"RIFF\x10\0\0\0AVI LIST" + bytes(64), {"!error": "FormatError"}),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: expected for name, (_, expected) in files.items()}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Small files of every variant that the reader claims, with what they hold."""
    return _integers(folder) | _forms(folder) | _libraries(folder) | _notes(folder) | _damaged(folder)


def oracle(path: Path) -> dict[str, Any] | None:
    """Raw numbers by scipy, by libsndfile for what scipy refuses (companded samples)."""
    import warnings

    import soundfile
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rate, values = wavfile.read(path)
        except ValueError:
            try:
                values, rate = soundfile.read(path, dtype="int16")
                coding = soundfile.info(path).subtype
            except soundfile.LibsndfileError:
                return None
            if coding not in ("ULAW", "ALAW"):
                return None
            return {"signals": np.atleast_2d(values.T), "signals@sampling_frequency": float(rate)}
    if values.size == 0:
        return None
    if values.dtype.kind == "i":
        values = values >> 8 * (values.dtype.itemsize - _container(path))
    return {"signals": np.atleast_2d(values.T), "signals@sampling_frequency": float(rate)}


def _container(path: Path) -> int:
    """Bytes of a sample: scipy moves samples of 3, 5, 6 and 7 bytes to the top of the next wider integer."""
    with path.open("rb") as opened:
        head = opened.read(4096)
    at = head.index(b"fmt ") + 10
    channels, frame = struct.unpack((">" if head[:4] == b"RIFX" else "<") + "H8xH", head[at : at + 12])
    return int(frame // channels)
