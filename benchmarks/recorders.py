"""Large recordings as three recorders write them: Blackrock .ns6, Intan .rhd, a TDT block. Seeded.

Noise is drawn once; every piece of a file is a sum of two shifts of it that no other piece has, so that writing is
quick and nothing repeats that a compressor could find.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHANNELS = 128
RATE = 30_000
TDT_CHANNELS = 64
TDT_RATE = 25e6 / 1024
TDT_POINTS = 256
RHD_SAMPLES = 128
_ANALOG_INPUTS = 8


def noise(pieces: int, samples: int, channels: int) -> Iterator[np.ndarray]:
    """Pieces of int16, shape (time, channel): coloured noise that neighbours share."""
    rng = np.random.default_rng(4)
    white = rng.standard_normal((samples + 8, channels), "f4")
    coloured = sum(white[8 - lag : samples + 8 - lag] * w for lag, w in enumerate((1, 0.8, 0.55, 0.3, 0.15)))
    mixed = 0.7 * coloured + 0.5 * np.roll(coloured, 1, 1)
    held = np.rint(mixed * (14 / mixed.std())).astype("<i2")
    for _ in range(pieces):
        first, second = rng.integers(0, samples, 2)
        yield np.roll(held, first, 0) + np.roll(held[:, ::-1], second, 0)


def ns6(folder: Path, nbytes: int = 1 << 31) -> Path:
    """128 channels of 30 kHz, specification 2.3, one block."""
    seconds = max(1, nbytes // (2 * CHANNELS * RATE))
    path = folder / f"blackrock_{seconds}s.ns6"
    if path.is_file():
        return path
    heads = [
        struct.pack("<2sH16sBBhhhh16sIIHIIH", b"CC", n + 1, b"elec%d" % (n + 1), n // 32 + 1, n % 32,
                    -32764, 32764, -8191, 8191, b"uV", 300, 1, 1, 7500000, 3, 1)
        for n in range(CHANNELS)
    ]  # fmt: skip
    size = 314 + 66 * CHANNELS
    with path.open("wb") as file:
        file.write(struct.pack("<8sBBI16s256sII", b"NEURALCD", 2, 3, size, b"30 kS/s", b"", 1, RATE))
        file.write(struct.pack("<8HI", 2026, 11, 5, 27, 9, 30, 0, 0, CHANNELS) + b"".join(heads))
        file.write(struct.pack("<BII", 1, 0, seconds * RATE))
        for piece in noise(seconds, RATE, CHANNELS):
            file.write(piece.tobytes())
    return path


def _text(text: str) -> bytes:
    return struct.pack("<I", 2 * len(text)) + text.encode("utf-16-le")


def _rhd_header() -> bytes:
    out = struct.pack("<Ihhfh6fh2f", 0xC6912702, 3, 0, RATE, 1, 1, 1, 7500, 1, 1, 7500, 2, 1000, 1000)
    out += _text("") * 3 + struct.pack("<hh", 0, 0) + _text("n/a") + struct.pack("<h", 1)
    rows = [(0, f"A-{n:03}", n) for n in range(CHANNELS)] + [(1, f"A-AUX{n + 1}", n) for n in range(3)]
    rows += [(2, "A-VDD1", 0)] + [(3, f"ANALOG-IN-{n}", n) for n in range(_ANALOG_INPUTS)]
    rows += [(4, "DIGITAL-IN-00", 0)]
    out += _text("Port A") + _text("A") + struct.pack("<hhh", 1, len(rows), CHANNELS)
    for kind, name, order in rows:
        out += _text(name) * 2 + struct.pack("<10h2f", order, order, kind, 1, 0, 0, 0, 0, 0, 0, 1e5, -30)
    return out


def rhd(folder: Path, nbytes: int = 1 << 31) -> Path:
    """128 amplifiers of 30 kHz with auxiliary, supply, analog and digital inputs, data blocks of 128 samples."""
    block = np.dtype([
        ("stamp", "<i4", RHD_SAMPLES), ("amplifier", "<u2", (CHANNELS, RHD_SAMPLES)),
        ("auxiliary", "<u2", (3, RHD_SAMPLES // 4)), ("supply", "<u2"),
        ("analog", "<u2", (_ANALOG_INPUTS, RHD_SAMPLES)), ("digital", "<u2", RHD_SAMPLES),
    ])  # fmt: skip
    count = RATE // RHD_SAMPLES
    pieces = max(1, nbytes // (count * block.itemsize))
    path = folder / f"intan_{pieces}x{count}.rhd"
    if path.is_file():
        return path
    samples, every = count * RHD_SAMPLES, CHANNELS + _ANALOG_INPUTS
    with path.open("wb") as file:
        file.write(_rhd_header())
        for number, piece in enumerate(noise(pieces, samples, every)):
            rows = np.zeros(count, block)
            shaped = (piece.view("<u2") ^ 0x8000).reshape(count, RHD_SAMPLES, every).transpose(0, 2, 1)
            rows["stamp"] = (np.arange(samples) + number * samples).reshape(count, RHD_SAMPLES)
            rows["amplifier"], rows["analog"] = shaped[:, :CHANNELS], shaped[:, CHANNELS:]
            rows["auxiliary"], rows["supply"] = shaped[:, :3, ::4], 44000
            rows["digital"] = number % 2
            file.write(rows.tobytes())
    return path


def _records(places: np.ndarray, times: np.ndarray, channels: np.ndarray) -> bytes:
    held = np.dtype([
        ("size", "<i4"), ("kind", "<i4"), ("code", "S4"), ("channel", "<u2"), ("sort", "<u2"), ("time", "<f8"),
        ("place", "<i8"), ("form", "<i4"), ("rate", "<f4"),
    ])  # fmt: skip
    rows = np.zeros(len(places), held)
    rows["size"], rows["kind"], rows["code"], rows["rate"] = 10 + TDT_POINTS, 0x8101, b"Wav1", TDT_RATE
    rows["time"], rows["place"], rows["channel"] = times, places, channels
    return rows.tobytes()


def tdt(folder: Path, nbytes: int = 1 << 31) -> Path:
    """64 channels of 24.4 kHz as 32-bit floats in chunks of 256 samples, and an epoc each second."""
    count = 96
    samples = count * TDT_POINTS  # of a piece, about a second
    pieces = max(1, nbytes // (4 * TDT_CHANNELS * samples))
    path = folder / f"tdt_{pieces}x{count}.tsq"
    if path.is_file():
        return path
    start = 1_700_000_000.0
    mark = struct.Struct("<ii4sHHd8sif")
    chunk = np.repeat(np.arange(count), TDT_CHANNELS)
    with path.open("wb") as index, path.with_suffix(".tev").open("wb") as data:
        index.write(bytes(40) + mark.pack(10, 0x8801, b"\1\0\0\0", 0, 0, start, bytes(8), 0, 0))
        for number, piece in enumerate(noise(pieces, samples, TDT_CHANNELS)):
            shaped = piece.reshape(count, TDT_POINTS, TDT_CHANNELS).transpose(0, 2, 1)
            places = data.tell() + np.arange(count * TDT_CHANNELS) * TDT_POINTS * 4
            data.write((shaped * np.float32(2.5e-7)).tobytes())
            began = start + number * samples / TDT_RATE
            times = began + chunk * TDT_POINTS / TDT_RATE
            epoc = struct.pack("<d", number)
            index.write(mark.pack(10, 0x101, b"Tick", 0, 0, began, epoc, 4, 0))
            index.write(_records(places, times, np.tile(np.arange(1, TDT_CHANNELS + 1), count)))
        index.write(mark.pack(10, 0x8801, b"\2\0\0\0", 0, 0, times[-1] + 1, bytes(8), 0, 0))
    return path


MADE: dict[str, Any] = {"ns6": ns6, "rhd": rhd, "tdt": tdt}


def files(path: Path) -> list[Path]:
    """All files of the recording that ``path`` leads."""
    return sorted(path.parent.glob(f"{path.stem}.*"))


if __name__ == "__main__":
    print(MADE[sys.argv[1]](Path(sys.argv[2])))
