"""Made TIFF files of every variant that the reader claims, and tifffile, Pillow and libtiff as oracles."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from formats._slides import slides

RANDOM = np.random.default_rng(7)
UM = {"y": "micrometer", "x": "micrometer"}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    expected: dict[str, dict[str, Any]] = {}
    for part in (_types, _compressions, _colours, _stacks, _imagej, _ome, _by_hand, _hostile, slides):
        expected |= part(folder)
    return expected


def _write(folder: Path, name: str, data: Any, **options: Any) -> None:
    import tifffile

    tifffile.imwrite(folder / name, data, **options)


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8", "c8", "c16"):
        data = (RANDOM.random((37, 53)) * 200 - (100 if kind[0] in "if" else 0)).astype(kind)
        for order in "<>":
            name = f"type_{kind}_{'le' if order == '<' else 'be'}.tif"
            _write(folder, name, data, byteorder=order, metadata=None, photometric="minisblack")
            found[name] = {"0/image": data}
    _write(folder, "big.btf", data, bigtiff=True, metadata=None)
    found["big.btf"] = {"0/image": data}
    return found


def _compressions(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    grey = (np.add.outer(np.arange(100), np.arange(150)) * 37).astype("u2")
    for codec, predictor in (
        ("lzw", True),
        ("deflate", True),
        ("zstd", False),
        ("packbits", False),
        ("lzma", False),
    ):
        for tile in (None, (32, 48)):
            name = f"packed_{codec}_{'tiles' if tile else 'strips'}.tif"
            options = {"tile": tile} if tile else {"rowsperstrip": 7}
            _write(folder, name, grey, compression=codec, predictor=predictor, metadata=None, **options)
            found[name] = {"0/image": grey}
    _write(
        folder,
        "float_predictor.tif",
        grey.astype("f4") / 7,
        compression="deflate",
        predictor=3,
        metadata=None,
    )
    found["float_predictor.tif"] = {"0/image": grey.astype("f4") / 7}
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], -1).astype("u1")
    for codec, name in (("jpeg2000", "jp2k_tiles.tif"), ("png", "png_tiles.tif")):
        _write(folder, name, colour, compression=codec, tile=(64, 64), photometric="rgb", metadata=None)
        found[name] = {"0/image": np.moveaxis(colour, -1, 0)}
    _write(
        folder, "jpeg_tiles.tif", colour, compression="jpeg", tile=(64, 64), photometric="rgb", metadata=None
    )
    found["jpeg_tiles.tif"] = {"0/image": np.moveaxis(_libtiff(folder / "jpeg_tiles.tif"), -1, 0)}
    return found


def _colours(folder: Path) -> dict[str, dict[str, Any]]:
    from PIL import Image

    found: dict[str, dict[str, Any]] = {}
    rgba = RANDOM.integers(0, 256, (4, 30, 40), "u1")
    _write(folder, "rgb.tif", np.moveaxis(rgba[:3], 0, -1), photometric="rgb", metadata=None)
    found["rgb.tif"] = {"0/image": rgba[:3], "@rgb": True}
    planar: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}
    _write(folder, "rgba_planar.tif", rgba, extrasamples=["unassalpha"], **planar)
    found["rgba_planar.tif"] = {"0/image": rgba}
    _write(folder, "planar_tiles_lzw.tif", rgba[:3], tile=(16, 32), compression="lzw", **planar)
    found["planar_tiles_lzw.tif"] = {"0/image": rgba[:3]}
    _write(folder, "white.tif", rgba[0], photometric="miniswhite", metadata=None)
    found["white.tif"] = {"0/image": rgba[0], "?warning": "0 is white"}
    palette = Image.fromarray(np.moveaxis(rgba[:3], 0, -1)).quantize(20)
    palette.save(folder / "palette.tif")
    found["palette.tif"] = {
        "0/image": np.moveaxis(np.asarray(palette.convert("RGB")), -1, 0),
        "?warning": "palette",
    }
    bits = rgba[0] > 100
    for codec in ("raw", "group4", "group3", "packbits"):
        Image.fromarray(bits).save(folder / f"bits_{codec}.tif", compression=codec)
        found[f"bits_{codec}.tif"] = {"0/image": bits.astype("u1")}
    Image.fromarray(np.moveaxis(rgba, 0, -1), "CMYK").save(folder / "cmyk.tif")
    found["cmyk.tif"] = {"0/image": rgba, "?warning": "CMYK"}
    return found


def _stacks(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    stack = RANDOM.integers(0, 9999, (5, 20, 30), "u2")
    _write(folder, "pages.tif", stack, photometric="minisblack", metadata=None)
    found["pages.tif"] = {"0/image": stack, "?warning": "page_axis"}
    _write(folder, "axes_zt.tif", stack.reshape(5, 1, 20, 30).repeat(3, 1), photometric="minisblack",
           metadata={"axes": "ZTYX"})  # fmt: skip
    found["axes_zt.tif"] = {"0/image": stack[None].repeat(3, 0)}
    _write(
        folder, "one_directory.tif", stack, photometric="minisblack", metadata={"axes": "TYX"}, truncate=True
    )
    found["one_directory.tif"] = {"0/image": stack}
    import tifffile

    full = RANDOM.integers(0, 255, (256, 384), "u1")
    with tifffile.TiffWriter(folder / "flagged_pyramid.tif") as out:
        out.write(full, tile=(64, 64), metadata=None, resolution=(20000, 20000), resolutionunit="CENTIMETER")
        out.write(full[::2, ::2], tile=(64, 64), subfiletype=1, metadata=None)
        out.write(full[:50, :60], subfiletype=1, metadata=None)
    found["flagged_pyramid.tif"] = {
        "0/image": full,
        "1/image": full[::2, ::2],
        "@pixel_size": {"y": 0.5, "x": 0.5},
    }
    with tifffile.TiffWriter(folder / "two_sizes.tif") as out:
        out.write(stack[0], metadata=None)
        out.write(stack[1, :11, :13], metadata=None)
    found["two_sizes.tif"] = {"0/0/image": stack[0], "1/0/image": stack[1, :11, :13], "?warning": "scenes"}
    _write(folder, "turned.tif", stack[0], metadata=None, extratags=[(274, 3, 1, 6, True)],
           resolution=(72, 72), resolutionunit="INCH")  # fmt: skip
    found["turned.tif"] = {"0/image": stack[0], "@orientation": 6, "?warning": "orientation 6"}
    return found


def _imagej(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 9999, (3, 4, 2, 16, 24), "u2")
    _write(folder, "imagej.tif", data, imagej=True, resolution=(4, 4),
           metadata={"axes": "TZCYX", "spacing": 2.0, "unit": "um", "finterval": 0.25})  # fmt: skip
    size = {"t": 0.25, "z": 2.0, "y": 0.25, "x": 0.25}
    found: dict[str, dict[str, Any]] = {"imagej.tif": {"0/image": data.swapaxes(1, 2), "@pixel_size": size}}
    planes = RANDOM.integers(0, 255, (6, 10, 12), "u1")
    text = b"ImageJ=1.53t\nimages=6\nslices=6\nunit=\\u00B5m\nspacing=1.5\nmin=3\nmax=99\n"
    text += b"cf=0\nc0=-32768\nc1=1\n\0"
    tags = {270: (2, text), 282: (5, (5, 1)), 283: (5, (5, 1)), 296: (3, 1)}
    (folder / "imagej_one_directory.tif").write_bytes(_tiff(12, 10, planes.tobytes(), tags, order=">"))
    found["imagej_one_directory.tif"] = {
        "0/image": planes, "@pixel_size": {"z": 1.5, "y": 0.2, "x": 0.2}, "?warning": "32768",
    }  # fmt: skip
    (folder / "imagej_short.tif").write_bytes(_tiff(12, 10, planes.tobytes()[:120], tags))
    found["imagej_short.tif"] = {"!error": "Truncated"}
    rgb = RANDOM.integers(0, 255, (2, 8, 9, 3), "u1")
    _write(folder, "imagej_rgb.tif", rgb, imagej=True, metadata={"axes": "ZYXS"})
    found["imagej_rgb.tif"] = {"0/image": rgb.transpose(3, 0, 1, 2)}
    return found


def _ome(folder: Path) -> dict[str, dict[str, Any]]:
    import tifffile

    data = RANDOM.integers(0, 9999, (2, 3, 4, 16, 24), "u2")
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 2.0,
             "TimeIncrement": 100.0, "TimeIncrementUnit": "ms",
             "Channel": {"Name": ["a", "b", "c"]}}  # fmt: skip
    _write(folder, "five.ome.tif", data, metadata={"axes": "TCZYX", **sizes})
    found: dict[str, dict[str, Any]] = {"five.ome.tif": {
        "0/image": data, "0/channel_name": ["a", "b", "c"],
        "@pixel_size": {"t": 0.1, "z": 2.0, "y": 250.0, "x": 0.5},
    }}  # fmt: skip
    _write(folder, "tczyx_order.ome.tif", data, metadata={"axes": "ZTCYX"[:5]})
    found["tczyx_order.ome.tif"] = {"0/image": data.transpose(1, 2, 0, 3, 4)}
    full = RANDOM.integers(0, 255, (3, 256, 320), "u1")
    with tifffile.TiffWriter(folder / "pyramid.ome.tif", bigtiff=True) as out:
        out.write(full, subifds=1, tile=(64, 64), photometric="minisblack", metadata={"axes": "CYX"})
        out.write(full[:, ::2, ::2], subfiletype=1, tile=(64, 64), photometric="minisblack")
        out.write(full[0, :20, :30], metadata={"axes": "YX"})
    found["pyramid.ome.tif"] = {
        "0/0/image": full,
        "0/1/image": full[:, ::2, ::2],
        "1/0/image": full[0, :20, :30],
    }
    _write(
        folder,
        "rgb.ome.tif",
        np.moveaxis(full[:, :9, :11], 0, -1),
        photometric="rgb",
        metadata={"axes": "YXS"},
    )
    found["rgb.ome.tif"] = {"0/image": full[:, :9, :11], "@rgb": True}
    return found | _ome_sets(folder, data[:, 0, 0])


def _ome_sets(folder: Path, data: Any) -> dict[str, dict[str, Any]]:
    """Sets of files of one plane each: whole, many, one that lacks a file, one file under another name."""
    import tifffile

    def put(name: str, xml: str, plane: Any) -> None:
        tags = {270: (2, xml.encode() + b"\0"), 258: (3, 16)}
        (folder / name).write_bytes(_tiff(24, 16, plane.astype("<u2").tobytes(), tags))

    found: dict[str, dict[str, Any]] = {}
    put("whole_0.ome.tif", _set_xml(["whole_0.ome.tif", "whole_1.ome.tif"]), data[0])
    put("whole_1.ome.tif", _set_xml(["whole_0.ome.tif", "whole_1.ome.tif"]), data[1])
    found["whole_0.ome.tif"] = {"0/image": data}
    names = [f"many_{number:02}.ome.tif" for number in range(70)]
    planes = RANDOM.integers(0, 9999, (70, 16, 24), "u2")
    for name, plane in zip(names, planes, strict=True):
        put(name, _set_xml(names), plane)
    found["many_00.ome.tif"] = {"0/image": planes}
    put("lacking.ome.tif", _set_xml(["lacking.ome.tif", "../../gone.ome.tif"]), data[0])
    lost = np.stack([data[0], np.zeros_like(data[0])])
    found["lacking.ome.tif"] = {"0/image": lost, "?warning": "1 of 2 planes"}
    put("renamed.ome.tif", _set_xml(["before.ome.tif"], "urn:uuid:7"), data[1])
    found["renamed.ome.tif"] = {"0/image": data[1]}
    put(
        "binary_only.ome.tif",
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="gone.companion.ome" UUID="urn:uuid:9"/></OME>',
        data[0],
    )
    found["binary_only.ome.tif"] = {"0/image": data[0], "?warning": "gone.companion.ome"}
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><OME xmlns="x"><Image Name="&b;"/></OME>'
    put("entity.ome.tif", entity, data[0])
    found["entity.ome.tif"] = {"!error": "FormatError"}
    with tifffile.TiffWriter(folder / "two_channels_rgb.ome.tif") as out:
        pair = np.moveaxis(data[:2, None].repeat(3, 1), 1, -1).astype("u1")
        out.write(pair, photometric="rgb", metadata={"axes": "CYXS"})
    found["two_channels_rgb.ome.tif"] = {"0/image": pair.transpose(0, 3, 1, 2).reshape(6, 16, 24)}
    return found


def _set_xml(files: list[str], uuid: str = "urn:uuid:0") -> str:
    blocks = "".join(
        f'<TiffData IFD="0" FirstT="{t}" FirstC="0" FirstZ="0" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:{t}</UUID></TiffData>'
        for t, file in enumerate(files)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="24" SizeY="16" SizeC="1" '
        f'SizeZ="1" SizeT="{len(files)}"><Channel ID="Channel:0" SamplesPerPixel="1" Color="16711935"/>'
        f"{blocks}</Pixels></Image></OME>"
    )


def _by_hand(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    nibbles = RANDOM.integers(0, 16, (9, 13), "u1")
    rows = np.pad(nibbles, ((0, 0), (0, 1))).reshape(9, 7, 2)
    (folder / "bits4.tif").write_bytes(
        _tiff(13, 9, (rows[..., 0] << 4 | rows[..., 1]).tobytes(), {258: (3, 4)})
    )
    found["bits4.tif"] = {"0/image": nibbles}
    deep = RANDOM.integers(0, 4096, (5, 8), "u2")
    packed = np.packbits((deep[..., None] >> np.arange(11, -1, -1) & 1).astype("u1").ravel()).tobytes()
    (folder / "bits12.tif").write_bytes(_tiff(8, 5, packed, {258: (3, 12)}))
    found["bits12.tif"] = {"0/image": deep}
    planes = RANDOM.integers(0, 60000, (4, 6, 7), "u2")
    depths = b"".join(struct.pack("<IIIIII", 3, 2, 0, 0, 0, 0) for _ in range(4))
    stk = _tiff(7, 6, planes.tobytes(), {258: (3, 16), 33629: ("raw5", (4, depths))})
    (folder / "planes.stk").write_bytes(stk)
    found["planes.stk"] = {"0/image": planes}
    sparse = RANDOM.integers(1, 255, (16, 16), "u1")
    tiles = {
        322: (4, 16),
        323: (4, 16),
        324: (4, (0, 8)),
        325: (4, (0, 256)),
        273: None,
        278: None,
        279: None,
    }
    (folder / "sparse.tif").write_bytes(_tiff(32, 16, sparse.tobytes(), tiles))
    found["sparse.tif"] = {"0/image": np.hstack([np.zeros_like(sparse), sparse])}
    return found


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    pixels = bytes(range(120))
    good = _tiff(12, 10, pixels, {})
    at = struct.unpack("<I", good[4:8])[0]
    fields = struct.unpack("<H", good[at : at + 2])[0]
    files = {
        "circle.tif": (
            good[: at + 2 + 12 * fields] + struct.pack("<I", at) + good[at + 6 + 12 * fields :],
            "FormatError",
        ),
        "no_page.tif": (b"II*\0" + bytes(8), "FormatError"),
        "beyond.tif": (_tiff(12, 10, pixels, {273: (4, 1 << 20)}), "Truncated"),
        "short_strip.tif": (_tiff(12, 100, pixels, {}), "Truncated"),
        "huge.tif": (_tiff(1 << 31, 1 << 31, pixels, {}), "Truncated"),
        "bomb.tif": (_tiff(1 << 17, 1 << 17, pixels, {259: (3, 8)}), "LimitExceeded"),
        "bomb_small.tif": (_tiff(20000, 20000, pixels, {259: (3, 8)}), "Truncated"),
        "no_strips.tif": (_tiff(12, 10, pixels, {273: None, 279: None}), "Truncated"),
        "no_size.tif": (_tiff(0, 10, pixels, {}), "FormatError"),
        "odd_type.tif": (_tiff(12, 10, pixels, {258: (3, 77)}), "FormatError"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    found: dict[str, dict[str, Any]] = {name: {"!error": error} for name, (_, error) in files.items()}
    whole = io.BytesIO()
    import tifffile

    tifffile.imwrite(whole, RANDOM.integers(0, 255, (64, 64), "u1"), metadata=None, compression="zstd")
    (folder / "cut.tif").write_bytes(whole.getvalue()[:-100])
    found["cut.tif"] = {"!error": "Truncated"}
    return found


def _tiff(width: int, height: int, pixels: bytes, tags: dict[int, Any], order: str = "<") -> bytes:
    """A TIFF of one page: pixels at byte 8, then the directory; a tag of None is left out."""
    given: dict[int, Any] = {
        256: (4, width), 257: (4, height), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1),
        278: (4, height), 279: (4, len(pixels)), **tags,
    }  # fmt: skip
    at = 8 + len(pixels) + len(pixels) % 2
    kept = sorted((code, value) for code, value in given.items() if value is not None)
    beyond, entries, tail = at + 2 + 12 * len(kept) + 4, b"", b""
    for code, (kind, value) in kept:
        number, count, data = _value(kind, value, order)
        if len(data) > 4:
            data, tail = struct.pack(f"{order}I", beyond + len(tail)), tail + data + bytes(len(data) % 2)
        entries += struct.pack(f"{order}HHI", code, number, count) + data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, at)
    return (head + pixels).ljust(at, b"\0") + struct.pack(f"{order}H", len(kept)) + entries + bytes(4) + tail


def _value(kind: Any, value: Any, order: str) -> tuple[int, int, bytes]:
    if kind == "raw5":
        return 5, value[0], value[1]
    if kind == 2:
        return 2, len(value), value
    if kind == 5:
        return 5, 1, struct.pack(f"{order}II", *value)
    values = value if isinstance(value, tuple) else (value,)
    return kind, len(values), struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)


def _libtiff(path: Path) -> Any:
    import imagecodecs

    return imagecodecs.tiff_decode(path.read_bytes())


def oracle(path: Path) -> dict[str, Any] | None:
    """All pictures and resolutions by tifffile's own reading of series; None for palettes."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if (
            any(int(page.tags.valueof(262, 1)) == 3 for page in file.pages)
            and not file.is_imagej
            and not file.is_ome
        ):
            return None
        series = [s for s in file.series if s.name not in ("Thumbnail", "Label", "Macro")]
        if len({s.name for s in series}) != len(series) and not file.is_ome:
            return None
        found: dict[str, Any] = {}
        for number, picture in enumerate(series):
            for index, level in enumerate(picture.levels):
                place = f"{index}/image" if len(series) == 1 else f"{number}/{index}/image"
                found[place] = _ordered(level.asarray(), level.axes)
        return found


def _ordered(data: Any, axes: str) -> Any:
    """Axes as we order them; samples and channels share one axis, samples fastest."""
    rank = {"T": 1, "C": 2, "S": 3, "Z": 4, "Y": 5, "X": 6}
    order = sorted(range(len(axes)), key=lambda i: rank.get(axes[i], 0))
    data, named = data.transpose(order), [axes[i] for i in order]
    if "C" in named and "S" in named:
        at = named.index("C")
        return data.reshape(*data.shape[:at], -1, *data.shape[at + 2 :])
    return data.astype("u1") if data.dtype == bool else data
