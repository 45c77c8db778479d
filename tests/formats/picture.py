"""Made PNG, JPEG and BMP files; the oracle is imagecodecs (libpng, libjpeg), our reader uses Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(11)
MARK = b"\x89PNG\r\n\x1a\n"


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return _png(folder) | _animated(folder) | _jpeg(folder) | _bmp(folder) | _hostile(folder)


def _png(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for colour, samples in ((0, 1), (2, 3), (4, 2), (6, 4)):
        for depth in (8, 16):
            data = RANDOM.integers(0, 1 << depth, (13, 17, samples), f"u{depth // 8}")
            name = f"colour{colour}_{depth}.png"
            (folder / name).write_bytes(png(data, colour, depth))
            found[name] = {"0/image": data[..., 0] if samples == 1 else np.moveaxis(data, -1, 0)}
    for depth, factor in ((1, 1), (2, 85), (4, 17)):
        data = RANDOM.integers(0, 1 << depth, (9, 16), "u1")
        bits = (data[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(9, -1), axis=1)
        (folder / f"grey_{depth}.png").write_bytes(png(packed[..., None], 0, depth, width=16))
        found[f"grey_{depth}.png"] = {"0/image": data * np.uint8(factor)}
        colours = RANDOM.integers(0, 256, (1 << depth, 3), "u1")
        extra = chunk(b"PLTE", colours.tobytes())
        (folder / f"palette_{depth}.png").write_bytes(png(packed[..., None], 3, depth, width=16, extra=extra))
        found[f"palette_{depth}.png"] = {"0/image": np.moveaxis(colours[data], -1, 0), "?warning": "palette"}
        alpha = RANDOM.integers(0, 256, 1 << depth, "u1")
        extra += chunk(b"tRNS", alpha.tobytes())
        (folder / f"clear_{depth}.png").write_bytes(png(packed[..., None], 3, depth, width=16, extra=extra))
        full = np.concatenate([colours[data], alpha[data][..., None]], -1)
        found[f"clear_{depth}.png"] = {"0/image": np.moveaxis(full, -1, 0), "?warning": "alpha"}
    grey = RANDOM.integers(0, 256, (9, 16, 1), "u1")
    extra = chunk(b"pHYs", struct.pack(">IIB", 2000000, 4000000, 1)) + chunk(b"tEXt", b"Title\0cells")
    (folder / "sized.png").write_bytes(png(grey, 0, 8, extra=extra))
    found["sized.png"] = {"0/image": grey[..., 0]}
    extra = chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
    (folder / "screen.png").write_bytes(png(grey, 0, 8, extra=extra))
    found["screen.png"] = {"0/image": grey[..., 0], "?warning": "print or screen"}
    return found


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(data: Any, colour: int, depth: int, width: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG of (row, column, sample); sub-byte rows come packed and with their ``width``."""
    rows = data.astype(">u2" if depth == 16 else "u1").reshape(len(data), -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width or data.shape[1], len(data), depth, colour, 0, 0, 0)
    return MARK + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def _animated(folder: Path) -> dict[str, dict[str, Any]]:
    frames = RANDOM.integers(0, 256, (3, 8, 9, 3), "u1")
    head = struct.pack(">IIBBBBB", 9, 8, 8, 2, 0, 0, 0)
    out = MARK + chunk(b"IHDR", head) + chunk(b"acTL", struct.pack(">II", 3, 0))
    for index, frame in enumerate(frames):
        raw = zlib.compress(b"".join(b"\0" + row.tobytes() for row in frame))
        number = max(0, 2 * index - 1)
        control = struct.pack(">IIIIIHHBB", number, 9, 8, 0, 0, 1, 4, 0, 0)
        out += chunk(b"fcTL", control)
        out += chunk(b"IDAT", raw) if index == 0 else chunk(b"fdAT", struct.pack(">I", number + 1) + raw)
    (folder / "animated.apng").write_bytes(out + chunk(b"IEND", b""))
    return {"animated.apng": {"0/image": frames.transpose(0, 3, 1, 2), "@pixel_size": {"t": 0.25}}}


def _jpeg(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs
    from PIL import Image

    found: dict[str, dict[str, Any]] = {}
    smooth = np.add.outer(np.arange(40), np.arange(56)).astype("u1")
    colour = np.stack([smooth, smooth[::-1], smooth[:, ::-1]], -1)
    for name, data, options in (
        ("grey.jpg", smooth, {}), ("colour.jpg", colour, {}),
        ("progressive.jpeg", colour, {"progressive": True}),
    ):  # fmt: skip
        Image.fromarray(data).save(folder / name, "JPEG", quality=92, **options)
        decoded = imagecodecs.jpeg_decode((folder / name).read_bytes())
        found[name] = {
            "0/image": np.moveaxis(decoded, -1, 0) if decoded.ndim == 3 else decoded,
            "?warning": "lossy",
        }
    exif = Image.Exif()
    exif[274], exif[315], exif[306] = 6, "A. Person", "2020:01:02 03:04:05"
    Image.fromarray(colour).save(folder / "turned.jpg", quality=92, exif=exif)
    found["turned.jpg"] = {**found["colour.jpg"], "@orientation": 6, "?warning": "orientation 6"}
    inks = np.dstack([colour, smooth[::-1, ::-1]])
    Image.fromarray(inks, "CMYK").save(folder / "inks.jpg", quality=100, subsampling=0)
    found["inks.jpg"] = {
        "0/image": np.moveaxis(np.asarray(Image.open(folder / "inks.jpg")), -1, 0),
        "?warning": "CMYK",
    }
    return found


def _bmp(folder: Path) -> dict[str, dict[str, Any]]:
    from PIL import Image

    found: dict[str, dict[str, Any]] = {}
    data = RANDOM.integers(0, 256, (11, 14, 4), "u1")
    for name, pixels in (("grey.bmp", data[..., 0]), ("rgb.bmp", data[..., :3]), ("rgba.bmp", data)):
        Image.fromarray(pixels).save(folder / name)
        # The fourth byte of plain 32-bit BMP pixels has no meaning.
        found[name] = {"0/image": np.moveaxis(pixels[..., :3], -1, 0) if pixels.ndim == 3 else pixels}
    Image.fromarray(data[..., 0] > 99).save(folder / "bits.bmp")
    found["bits.bmp"] = {"0/image": (data[..., 0] > 99).astype("u1")}
    index = RANDOM.integers(0, 256, (6, 12), "u1")
    colours = RANDOM.integers(0, 256, (256, 3), "u1")
    table = np.pad(colours[:, ::-1], ((0, 0), (0, 1))).tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 12, -6, 1, 8, 0, 72, 2835, 2835, 256, 0)
    start = 14 + 40 + len(table)
    file = b"BM" + struct.pack("<IHHI", start + 72, 0, 0, start) + header + table + index.tobytes()
    (folder / "palette_topdown.bmp").write_bytes(file)
    found["palette_topdown.bmp"] = {"0/image": np.moveaxis(colours[index], -1, 0), "?warning": "palette"}
    return found


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    from PIL import Image

    noise = RANDOM.integers(0, 256, (64, 64, 3), "u1")
    whole = {"PNG": io.BytesIO(), "JPEG": io.BytesIO(), "BMP": io.BytesIO()}
    for kind, out in whole.items():
        Image.fromarray(noise).save(out, kind)
    grey = noise[:, :, :1]
    zeros = zlib.compress(bytes(1 << 22), 9)
    files = {
        "cut.png": (whole["PNG"].getvalue()[:-200], "Truncated"),
        "cut.jpg": (whole["JPEG"].getvalue()[:-400], "Truncated"),
        "cut.bmp": (whole["BMP"].getvalue()[:-400], "Truncated"),
        "bomb.png": (MARK + chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 6, 0, 0, 0))
                     + chunk(b"IDAT", zeros) + chunk(b"IEND", b""), "Truncated"),
        "large.png": (MARK + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 6, 0, 0, 0))
                      + chunk(b"IDAT", zeros) * 900 + chunk(b"IEND", b""), "LimitExceeded"),
        "text_bomb.png": (png(grey, 0, 8, extra=chunk(b"zTXt", b"a\0\0" + zeros)), "FormatError"),
        "no_pixels.png": (MARK + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 9, 8, 0, 0, 0, 0)), "FormatError"),
    }  # fmt: skip
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """The picture by libpng, libjpeg or imagecodecs' BMP codec; None where they widen or invert values."""
    import imagecodecs

    data = path.read_bytes()
    if data.startswith(MARK):
        if data[25] == 0 and (data[24] < 8 or b"tRNS" in data):
            return None  # libpng turns these into bytes and adds alpha
        pixels = imagecodecs.png_decode(data)
    elif data.startswith(b"\xff\xd8"):
        pixels = imagecodecs.jpeg_decode(data)
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            return None  # inks come out inverted
    else:
        if int.from_bytes(data[28:30], "little") == 1:
            return None  # one bit becomes three colours there
        pixels = imagecodecs.bmp_decode(data)
    return {"0/image": np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels}
