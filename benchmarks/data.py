"""Files to measure with, generated once and seeded: a probe recording and an image stack."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

RATE = 30_000
CHANNELS = 384
SLIDE = (80_000, 100_000)
TILE = 512


def recording(folder: Path, nbytes: int = 1 << 30) -> Path:
    """A 384-channel int16 recording as WAV: coloured noise shared by neighbours, with spikes."""
    seconds = max(1, round(nbytes / (2 * CHANNELS * RATE)))
    path = folder / f"probe_{seconds}s.wav"
    size = seconds * RATE * CHANNELS * 2
    if path.is_file() and path.stat().st_size == 44 + size:
        return path
    rng = np.random.default_rng(1)
    spike = -90 * np.exp(-(((np.arange(40) - 12) / 4.0) ** 2))
    layout = struct.pack("<HHIIHH", 1, CHANNELS, RATE, RATE * CHANNELS * 2, CHANNELS * 2, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + layout)
        file.write(b"data" + struct.pack("<I", size))
        for _ in range(seconds):
            file.write(_second(rng, spike).tobytes())
    return path


def _second(rng: np.random.Generator, spike: np.ndarray) -> np.ndarray:
    white = rng.standard_normal((RATE + 8, CHANNELS), "f4")
    weights = (1, 0.8, 0.55, 0.3, 0.15)
    coloured = sum(white[8 - lag : RATE + 8 - lag] * weight for lag, weight in enumerate(weights))
    mixed = 0.7 * coloured + 0.5 * np.roll(coloured, 1, 1) + 0.3 * np.roll(coloured, 2, 1)
    mixed *= 6.6 / mixed.std()
    for _ in range(300):
        start, channel = rng.integers(0, RATE - 40), rng.integers(0, CHANNELS - 4)
        mixed[start : start + 40, channel : channel + 4] += spike[:, None] * (1.0, 0.7, 0.4, 0.2)
    return np.rint(mixed).astype("<i2")


def stack(folder: Path, planes: int = 256, side: int = 1024) -> Path:
    """A uint16 z stack as TIFF: soft blobs, photon noise and read noise."""
    import tifffile

    path = folder / f"stack_{planes}x{side}.tif"
    if path.is_file():
        return path
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:side, :side].astype("f4")

    def frames():
        for number in range(planes):
            cy, cx = side * (0.5 + 0.3 * np.sin(number / 20)), side * (0.5 + 0.3 * np.cos(number / 20))
            light = 100 + 900 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (side * 12))
            noise = rng.standard_normal((side, side), "f4")
            yield np.clip(light + np.sqrt(light) * noise, 0, 65535).astype("u2")

    tifffile.imwrite(path, frames(), shape=(planes, side, side), dtype="u2", metadata={"axes": "ZYX"})
    return path


def slide(folder: Path) -> Path:
    """A slide scan: a pyramid of JPEG tiles in a BigTIFF, made of a few tiles of tissue over and over."""
    import imagecodecs
    import tifffile

    path = folder / f"slide_{SLIDE[1]}x{SLIDE[0]}.tif"
    if path.is_file():
        return path
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:TILE, :TILE] / TILE * 2 * np.pi
    kinds = []
    for number in range(16):
        stain = np.stack(
            [np.sin(y * (number % 5 + 1)), np.cos(x * (number % 7 + 1)), np.sin(x + y * number)], -1
        )
        tile = 190 + 40 * stain + rng.normal(0, 4, (TILE, TILE, 3))
        kinds.append(imagecodecs.jpeg_encode(np.clip(tile, 0, 255).astype("u1"), 80, subsampling="444"))
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        for level in range(8):
            shape = (SLIDE[0] >> level, SLIDE[1] >> level, 3)
            count = -(-shape[0] // TILE) * -(-shape[1] // TILE)
            tiles = (kinds[int(k)] for k in rng.integers(0, len(kinds), count))
            out.write(tiles, shape=shape, dtype="u1", tile=(TILE, TILE), photometric="ycbcr", subsampling=(1, 1),
                      compression="jpeg", subifds=7 if level == 0 else 0, subfiletype=int(level > 0))  # fmt: skip
    return path


if __name__ == "__main__":
    print({"recording": recording, "stack": stack, "slide": slide}[sys.argv[1]](Path(sys.argv[2])))
