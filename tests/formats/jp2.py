"""Made JPEG 2000 files (OpenJPEG through Pillow and imagecodecs) and Pillow as the oracle."""

from __future__ import annotations

import base64
import struct
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(13)
# 8 x 8 pixels, chroma of half the size, made with OpenJPEG's own encoder; the pixels are in _halved_colours.
HALVED = base64.b64decode(
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAACAAAAAgAAwcHAAAAAAAPY29scgEAAAAA"
    "ABIAAADfanAyY/9P/1EALwAAAAAACAAAAAgAAAAAAAAAAAAAAAgAAAAIAAAAAAAAAAAAAwcBAQcCAgcCAv9SAAwAAAABAAAEBAAB"
    "/1wABEBA/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAAZwAB/5PfgbASK2cWj4+K1rSkTIbk"
    "DkkuAJV6WIPdTJQkAKd4Gk1D5qHzUPnvqPE631tLq2l4cNhsNhsNhsPPtDgQ+9mf7Sh2eWznd5JbecfUGBQARgd003EjNx459v/Z"
)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return _plain(folder) | _tiled(folder) | _boxes(folder) | _halved_colours(folder) | _hostile(folder)


def _plain(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs

    found: dict[str, dict[str, Any]] = {}
    for kind in ("u1", "u2", "i1", "i2"):
        info = np.iinfo(kind)
        data = RANDOM.integers(info.min, info.max + 1, (40, 50), kind)
        for codec in ("jp2", "j2k"):
            name = f"{kind}.{codec}"
            packed = imagecodecs.jpeg2k_encode(data, level=0, codecformat=codec, reversible=True)
            (folder / name).write_bytes(packed)
            found[name] = {"0/image": data}
    rgb = RANDOM.integers(0, 256, (30, 20, 3), "u1")
    (folder / "rgb.jp2").write_bytes(
        imagecodecs.jpeg2k_encode(rgb, level=0, codecformat="jp2", reversible=True)
    )
    found["rgb.jp2"] = {"0/image": np.moveaxis(rgb, -1, 0), "@rgb": True}
    return found


def _tiled(folder: Path) -> dict[str, dict[str, Any]]:
    """Tiles that do not divide the image, an image that does not begin at 0, and its halvings."""
    import imagecodecs
    from PIL import Image

    data = RANDOM.integers(0, 256, (300, 260, 3), "u1")
    found: dict[str, dict[str, Any]] = {}
    for name, options in (
        ("tiles.jp2", {"tile_size": (70, 90)}),
        ("shifted.j2k", {"tile_size": (128, 128), "offset": (37, 21), "tile_offset": (5, 9)}),
        ("one.jp2", {}),
    ):  # fmt: skip
        for order in ("LRCP", "RPCL"):
            Image.fromarray(data).save(folder / f"{order}_{name}", irreversible=False, num_resolutions=4,
                                       progression=order, **options)  # fmt: skip
            whole = (folder / f"{order}_{name}").read_bytes()
            found[f"{order}_{name}"] = {"0/image": np.moveaxis(data, -1, 0)}
            for level in (1, 2) if "skipres" in signature(imagecodecs.jpeg2k_decode).parameters else ():
                halved = imagecodecs.jpeg2k_decode(whole, skipres=level)
                found[f"{order}_{name}"][f"{level}/image"] = np.moveaxis(halved, -1, 0)
    return found


def _boxes(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs

    index = RANDOM.integers(0, 7, (20, 30), "u1")
    stream = imagecodecs.jpeg2k_encode(index, level=0, codecformat="j2k", reversible=True)
    ihdr = box(b"ihdr", struct.pack(">IIHBBBB", 20, 30, 1, 7, 7, 0, 0))
    colr = box(b"colr", struct.pack(">BBBI", 1, 0, 0, 17))
    sized = box(b"res ", box(b"resc", struct.pack(">HHHHbb", 4, 1, 2, 1, 6, 6)))
    found: dict[str, dict[str, Any]] = {}
    (folder / "sized.jp2").write_bytes(_jp2(ihdr + colr + sized, stream))
    found["sized.jp2"] = {"0/image": index, "@pixel_size": {"y": 0.25, "x": 0.5}}
    colours = RANDOM.integers(0, 256, (7, 3), "u1")
    palette = box(b"pclr", struct.pack(">HBBBB", 7, 3, 7, 7, 7) + colours.tobytes())
    palette += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
    colr = box(b"colr", struct.pack(">BBBI", 1, 0, 0, 16))
    (folder / "palette.jp2").write_bytes(_jp2(ihdr + colr + palette, stream))
    found["palette.jp2"] = {
        "0/image": np.moveaxis(colours[index], -1, 0),
        "?warning": "palette",
        "@rgb": True,
    }
    coarse = bytearray(imagecodecs.jpeg2k_encode(index, level=0, codecformat="j2k", reversible=True))
    at = bytes(coarse).index(b"\xff\x4f\xff\x51")
    # The same samples declared as every second one of an image twice as large.
    struct.pack_into(">IIIIII", coarse, at + 8, 60, 40, 0, 0, 60, 40)
    coarse[at + 43 : at + 45] = b"\2\2"
    (folder / "coarse.j2k").write_bytes(bytes(coarse))
    found["coarse.j2k"] = {"0/image": index.repeat(2, 0).repeat(2, 1), "?warning": "coarser"}
    return found


def _halved_colours(folder: Path) -> dict[str, dict[str, Any]]:
    from PIL import Image

    luma = np.add.outer(np.arange(8) * 4, np.arange(8) * 3)
    blue = np.add.outer(np.arange(4) * 3, np.arange(4) * 5) + 60
    planes = [luma, *(c.repeat(2, 0).repeat(2, 1) for c in (blue, 200 - blue // 2))]
    stored = np.stack(planes).astype("u1")
    (folder / "halved_ycc.jp2").write_bytes(HALVED)
    (folder / "halved_rgb.jp2").write_bytes(HALVED.replace(b"\0\0\0\x12", b"\0\0\0\x10"))
    rgb = Image.merge("YCbCr", [Image.fromarray(plane) for plane in stored]).convert("RGB")
    return {
        "halved_rgb.jp2": {"0/image": stored, "?warning": "coarser"},
        "halved_ycc.jp2": {"0/image": np.moveaxis(np.asarray(rgb), -1, 0), "?warning": "YCC", "@rgb": True},
    }


def box(kind: bytes, data: bytes) -> bytes:
    """One JP2 box."""
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _jp2(header: bytes, stream: bytes) -> bytes:
    mark = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return mark + box(b"jp2h", header) + struct.pack(">I4s", 0, b"jp2c") + stream


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs

    noise = RANDOM.integers(0, 256, (64, 64), "u1")
    stream = imagecodecs.jpeg2k_encode(noise, level=0, codecformat="j2k", reversible=True)
    huge = bytearray(stream)
    struct.pack_into(">IIIIII", huge, 8, 1 << 31, 1 << 31, 0, 0, 1 << 31, 1 << 31)
    many = bytearray(stream)
    struct.pack_into(">IIIIII", many, 8, 1 << 31, 1 << 31, 0, 0, 1, 1)
    ihdr = box(b"ihdr", struct.pack(">IIHBBBB", 64, 64, 3, 7, 7, 0, 0))
    files = {
        "cut.j2k": (stream[:-300], "Truncated"),
        "huge.j2k": (bytes(huge), "LimitExceeded"),
        "many_tiles.j2k": (bytes(many), "LimitExceeded"),
        "other_count.jp2": (_jp2(ihdr, stream), "FormatError"),
        "no_stream.jp2": (_jp2(ihdr, b"")[:-8], "FormatError"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """Full resolution by Pillow, else by imagecodecs (all tiles at once); an error where neither can."""
    import imagecodecs
    from PIL import Image

    try:
        pixels = np.asarray(Image.open(path))
    except OSError:
        try:
            pixels = imagecodecs.jpeg2k_decode(path.read_bytes())
        except (RuntimeError, NotImplementedError):
            return {"!error": "FormatError"}
    return {"0/image": np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels}
