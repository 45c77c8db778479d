"""Made Aperio slides (.svs) for the tests of TIFF; OpenSlide says what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_PAIRS = ("|AppMag = 20|ScanScope ID = SS1234|Filename = case 7|Date = 12/29/09|Time = 09:59:15|Time Zone = GMT-05:00"
          "|User = somebody|MPP = 0.4990|Left = 25.7|ImageID = 100")  # fmt: skip


def slides(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    rows, columns = np.mgrid[:600, :800]
    picture = np.stack([columns * 255 // 800, rows * 255 // 600, (rows + columns) % 256], -1).astype("u1")
    said = {
        "@pixel_size": {"y": 0.499, "x": 0.499}, "@objective_power": 20.0, "@rgb": True,
        "@recording_start": "2009-12-29T09:59:15-05:00", "?warning": "personal data",
        "?dropped": ["200 x 150", "120 x 80", "90 x 70"],
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for name, way in (("jpeg.svs", "jpeg"), ("ycc.svs", 33003), ("rgb.svs", 33005)):
        _write(folder / name, picture, way)
        exact: dict[str, Any] = {f"{n}/image": level for n, level in enumerate(_openslide(folder / name))}
        assert len(exact) == 2, "a slide of two resolutions"
        if way == 33003:  # its green differs by one grey level in one of 10 000 places
            exact = {place: level.astype("f4") for place, level in exact.items()} | {"~": 1 / 255}
        found[name] = {**exact, **said}
    import tifffile

    tags = [(700, 1, 29, b"<Metadata><iScan/></Metadata>", True)]
    tifffile.imwrite(
        folder / "ventana.tif", picture[:64, :64], photometric="rgb", metadata=None, extratags=tags
    )
    found["ventana.tif"] = {"0/image": np.moveaxis(picture[:64, :64], -1, 0), "?warning": "overlap"}
    return found


def _write(path: Path, picture: Any, way: Any) -> None:
    import tifffile

    with tifffile.TiffWriter(path) as out:
        for number, factor in enumerate((1, 4)):
            level = np.ascontiguousarray(picture[::factor, ::factor])
            tiles: Any = level if way == "jpeg" else _tiles(level, way)
            out.write(
                tiles, shape=level.shape, dtype="u1", tile=(240, 240), photometric="rgb", metadata=None,
                compression=way, description=_description(level.shape, picture.shape),
            )  # fmt: skip
            if number == 0:
                out.write(
                    picture[::4, ::4], photometric="rgb", metadata=None, description="Aperio\r\nthumbnail"
                )
        for name, flag, (high, wide) in (("label", 1, (80, 120)), ("macro", 9, (70, 90))):
            out.write(picture[:high, :wide], photometric="rgb", metadata=None, subfiletype=flag,
                      description=f"Aperio\r\n{name} {wide}x{high}")  # fmt: skip


def _description(shape: Any, full: Any) -> str:
    size = f"{full[1]}x{full[0]} [0,0 {full[1]}x{full[0]}] (240x240)"
    small = "" if shape == full else f" -> {shape[1]}x{shape[0]}"
    return f"Aperio Image Library v12.0.15 \r\n{size}{small} J2K Q=70{_PAIRS}"


def _tiles(level: Any, way: int) -> Iterator[bytes]:
    import imagecodecs

    for y in range(0, level.shape[0], 240):
        for x in range(0, level.shape[1], 240):
            part = level[y : y + 240, x : x + 240]
            tile = np.zeros((240, 240, 3), "u1")
            tile[: part.shape[0], : part.shape[1]] = part
            coded = _luma_chroma(tile) if way == 33003 else tile
            yield imagecodecs.jpeg2k_encode(coded, codecformat="j2k", reversible=True, level=0, mct=False)


def _luma_chroma(tile: Any) -> Any:
    red, green, blue = (tile[..., i].astype("f8") for i in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    parts = [luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402]
    return np.ascontiguousarray(np.stack(parts, -1).round().clip(0, 255).astype("u1"))


def _openslide(path: Path) -> list[Any]:
    import openslide

    with openslide.OpenSlide(path) as slide:
        found = []
        for level, size in enumerate(slide.level_dimensions):
            region = np.asarray(slide.read_region((0, 0), level, size))
            found.append(np.moveaxis(region[..., :3], -1, 0))
        return found
