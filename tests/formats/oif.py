"""FluoView images put together by hand, as one OLE2 file and as a folder; openreadout is the oracle."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from formats._cfbf import compound
from formats._readout import pictures

RANDOM = np.random.default_rng(3)
_ENDS = {"X": (0.0, 4.5, "um"), "Y": (0.0, 2.5, "um"), "C": (1.0, 2.0, "Ch"), "Z": (4000.0, 1000.0, "nm"),
         "T": (0.0, 500.0, "ms"), "L": (500.0, 520.0, "nm"), "A": (0.0, 90.0, "deg")}  # fmt: skip


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _whole(folder) | _scans(folder) | _hostile(folder)


def _tiff(plane: Any) -> bytes:
    import tifffile

    held = io.BytesIO()
    tifffile.imwrite(held, plane, metadata=None, rowsperstrip=2)
    return held.getvalue()


def _lut(*colour: int) -> bytes:
    table = np.linspace(0, 1, 65536)[:, None] * [*colour, 0]
    text = '[FileInformation]\r\nName="LUT"\r\n[ColorLUTData]\r\n'
    return b"\xff\xfe" + text.encode("utf-16-le") + table.astype("u1").tobytes()


def _main(order: str, sizes: dict[str, int], **extra: Any) -> bytes:
    """Main settings; ``extra`` are further sections."""
    sections: dict[str, dict[str, Any]] = {
        "Acquisition Parameters Common": {
            "ImageCaputreDate": "'2012-07-26 15:13:35'", "ImageCaputreDate+MilliSec": 976,
        },
        "Axis Parameter Common": {"AxisCount": len(order), "AxisOrder": f'"{order}"'},
        "Channel 1 Parameters": {"CH Name": '"CH1"', "DyeName": '"DAPI"'},
        "Channel 2 Parameters": {"CH Name": '"CH2"', "DyeName": '"None"'},
        "File Info": {"UserName": '"A. Person"', "UserComment": '"spring"'},
        "Reference Image Parameter": {"HeightConvertValue": 0.5, "HeightUnit": '"um"', "ValidBitCounts": 12,
                                      "WidthConvertValue": 0.5, "WidthUnit": '"um"', "ImageDepth": 2},
    }  # fmt: skip
    for number, letter in enumerate("XYCZTAL"):
        start, end, unit = _ENDS[letter]
        sections[f"Axis {number} Parameters Common"] = {
            "AxisCode": f'"{letter}"', "MaxSize": sizes.get(letter, 0), "StartPosition": start, "EndPosition": end,
            "UnitName": f'"{unit}"',
        }  # fmt: skip
    for name, values in extra.items():
        sections[name.replace("_", " ")] = values
    lines = [
        line
        for name, part in sections.items()
        for line in (f"[{name}]", *(f"{k}={v}" for k, v in part.items()))
    ]
    return b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le")


def _files(order: str, data: Any, **extra: Any) -> tuple[bytes, dict[str, bytes]]:
    """Main settings and files of planes; ``data`` has the axes of ``order``, the fastest last."""
    sizes = dict(zip(order, data.shape[::-1], strict=True))
    files = {}
    for index in np.ndindex(*data.shape[:-2]):
        named = zip(order[2:], index[::-1], strict=True)
        files["s_" + "".join(f"{letter}{at + 1:03}" for letter, at in named) + ".tif"] = _tiff(data[index])
    return _main(order, sizes, **extra), files


def _oib(path: Path, main: bytes, files: dict[str, bytes], compression: str = "None") -> None:
    lines = ["[OibSaveInfo]", "MainFileName=Stream00000", f"Compression={compression}", "Stream00000=a.oif",
             "Storage00001=a.oif.files"]  # fmt: skip
    streams = {"Stream00000": main}
    for number, (name, data) in enumerate(files.items(), 1):
        lines.append(f"Stream{number:05}=Storage00001/{name}")
        streams[f"Storage00001/Stream{number:05}"] = data
    streams["OibInfo.txt"] = b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le")
    path.write_bytes(compound(streams))


def _oif(path: Path, main: bytes, files: dict[str, bytes]) -> None:
    path.write_bytes(main)
    (path.parent / f"{path.name}.files").mkdir()
    for name, data in files.items():
        (path.parent / f"{path.name}.files" / name).write_bytes(data)


def _whole(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 4096, (2, 4, 2, 6, 10), "u2")
    main, files = _files("XYCZT", data)
    files |= {"s_LUT1.lut": _lut(255, 0, 0), "s_LUT2.lut": _lut(0, 128, 255), "s_C001-R001.tif": _tiff(data[0, 0, 0]),
              "s_Thumb.bmp": b"BM", "s_1.roi": b"\xff\xfe"}  # fmt: skip
    _oib(folder / "whole.oib", main, files)
    _oif(folder / "whole.oif", main, files)
    facts = {
        "0/image": data.transpose(0, 2, 1, 3, 4), "0/channel_name": ["DAPI", "CH2"],
        "@pixel_size": {"x": 0.5, "y": 0.5, "z": 1000.0, "t": 0.5}, "@recording_start": "2012-07-26T15:13:35.976000",
        "@channels": [{"name": "DAPI", "color": "0000FF"}, {"name": "CH2", "color": "FF8000"}],
        "?dropped": ["reference image s_C001-R001.tif", "thumbnail", "regions"],
    }  # fmt: skip
    del files["s_C002Z003T002.tif"]
    _oib(folder / "lacking.oib", main, files)
    lost = data.transpose(0, 2, 1, 3, 4).copy()
    lost[1, 1, 2] = 0
    lambda_scan = RANDOM.integers(0, 255, (2, 3, 6, 10), "u1")
    _oib(folder / "lambda.oib", *_files("XYLZ", lambda_scan))
    return {
        "whole.oib": facts, "whole.oif": facts,
        "lacking.oib": {"0/image": lost, "?warning": "1 of 16 planes"},
        "lambda.oib": {"0/image": lambda_scan.swapaxes(0, 1), "0/wavelength": [500.0, 510.0, 520.0]},
    }  # fmt: skip


def _scans(folder: Path) -> dict[str, dict[str, Any]]:
    """A single plane, and planes whose rows are depths or times."""
    plane = RANDOM.integers(0, 4096, (6, 10), "u2")
    main = _main("XYC", {"X": 10, "Y": 6, "C": 1})
    _oif(folder / "one.oif", main, {"s_C001.tif": _tiff(plane)})
    xz = RANDOM.integers(0, 4096, (2, 7, 10), "u2")
    _oib(folder / "xz.oib", *_files("XZC", xz))
    xt = RANDOM.integers(0, 4096, (2, 5, 10), "u2")
    _oib(folder / "xt.oib", *_files("XTC", xt))
    return {
        "one.oif": {"0/image": plane, "@pixel_size": {"x": 0.5, "y": 0.5}},
        "xz.oib": {"0/image": xz[:, :, None], "@pixel_size": {"x": 0.5, "z": 500.0}, "?warning": "no y"},
        "xt.oib": {"0/image": xt.swapaxes(0, 1)[:, :, None], "@pixel_size": {"x": 0.5, "t": 0.125}},
    }


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 4096, (2, 6, 10), "u2")
    main, files = _files("XYC", data)
    _oib(folder / "packed.oib", main, files, compression="Zip")
    _oib(folder / "no_planes.oib", main, {})
    _oib(folder / "no_axes.oib", b"\xff\xfe" + "[A]\r\nb=1".encode("utf-16-le"), files)
    _oib(folder / "odd_axes.oib", _main("YXC", {"X": 10, "Y": 6, "C": 2}), files)
    _oib(folder / "two_extra.oib", *_files("XYLA", data[None].repeat(2, 0)))
    _oib(folder / "many.oib", _main("XYCT", {"X": 10, "Y": 6, "C": 2, "T": 999999}), files)
    _oib(folder / "other_size.oib", _main("XYC", {"X": 11, "Y": 6, "C": 2}), files)
    mixed = files | {"s_C002.tif": _tiff(data[1, :5])}
    _oib(folder / "mixed.oib", main, mixed)
    (folder / "alone.oif").write_bytes(main)
    whole = compound({"OibInfo.txt": b"\xff\xfe" + "[OibSaveInfo]".encode("utf-16-le")})
    (folder / "no_main.oib").write_bytes(whole)
    (folder / "cut.oib").write_bytes((folder / "whole.oib").read_bytes()[:20000])
    names = ("packed.oib", "no_planes.oib", "no_axes.oib", "odd_axes.oib", "two_extra.oib", "other_size.oib",
             "mixed.oib", "alone.oif", "no_main.oib", "cut.oib")  # fmt: skip
    return {name: {"!error": "FormatError"} for name in names} | {"many.oib": {"!error": "LimitExceeded"}}


def oracle(path: Path) -> dict[str, Any] | None:
    """Pixels by openreadout."""
    return pictures(path)
