"""Imaris files written by h5py as ImarisWriter's documentation lays them out, and openreadout as the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from formats._readout import pictures

RANDOM = np.random.default_rng(11)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _whole(folder) | _sparing(folder) | _hostile(folder)


def _chars(text: str) -> Any:
    return np.frombuffer(text.encode(), "S1")


def _attributes(group: Any, **texts: str) -> None:
    for name, text in texts.items():
        group.attrs[name] = _chars(text)


def _new(path: Path) -> Any:
    import h5py

    file = h5py.File(path, "w")
    _attributes(file, ImarisDataSet="ImarisDataSet", ImarisVersion="5.5.0", DataSetDirectoryName="DataSet",
                DataSetInfoDirectoryName="DataSetInfo", ThumbnailDirectoryName="Thumbnail")  # fmt: skip
    file.attrs["NumberOfDataSets"] = np.array([1], "u4")
    file.create_group("DataSetInfo")
    return file


def _put(file: Any, data: Any, level: int, *, chunks: tuple[int, int, int], sized: bool = True) -> None:
    """(t, c, z, y, x), padded to whole chunks."""
    for t, c in np.ndindex(*data.shape[:2]):
        _put_one(file, data[t, c], (level, t, c), chunks, sized)


def _put_one(
    file: Any, stack: Any, place: tuple[int, int, int], chunks: tuple[int, ...], sized: bool
) -> None:
    level, t, c = place
    full = [-(-n // k) * k for n, k in zip(stack.shape, chunks, strict=True)]
    padded = np.zeros(full, stack.dtype)
    padded[tuple(slice(n) for n in stack.shape)] = stack
    group = file.create_group(f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}")
    group.create_dataset("Data", data=padded, chunks=chunks, compression="gzip")
    group.create_dataset("Histogram", data=np.zeros(256, "u8"))
    if sized:
        _attributes(group, **{f"ImageSize{a}": str(n) for a, n in zip("ZYX", stack.shape, strict=True)})


def _whole(folder: Path) -> dict[str, dict[str, Any]]:
    """All that the format says: levels, padding, times, names, colours, objects."""
    data = RANDOM.integers(0, 4000, (3, 2, 5, 50, 70), "u2")
    half = data[:, :, ::2, ::2, ::2]
    with _new(folder / "whole.ims") as file:
        _put(file, data, 0, chunks=(4, 32, 32))
        _put(file, half, 1, chunks=(2, 16, 16))
        info = file["DataSetInfo"]
        _attributes(info.create_group("Image"), X="70", Y="50", Z="5", Unit="um", Name="mouse", ExtMin0="10",
                    ExtMax0="45", ExtMin1="0", ExtMax1="25", ExtMin2="-5", ExtMax2="5")  # fmt: skip
        _attributes(
            info.create_group("Channel 0"), Name="DAPI", Color="0.000 0.500 1.000", ColorRange="5 900"
        )
        _attributes(info.create_group("Channel 1"), Name="(name not specified)", ColorMode="TableColor")
        _attributes(info.create_group("TimeInfo"), TimePoint1="2020-05-06 07:08:09.500", FileTimePoints="3",
                    TimePoint2="2020-05-06 07:08:12.000", TimePoint3="2020-05-06 07:08:14.500")  # fmt: skip
        file.create_group("Scene8/Content/Spots0")
        file.create_group("Scene8/Content/Surfaces3")
        file["Thumbnail/Data"] = np.zeros((8, 8), "u1")
    found = {
        "0/image": data, "1/image": half, "@name": "mouse", "@recording_start": "2020-05-06T07:08:09.500000",
        "@pixel_size": {"t": 2.5, "z": 2.0, "y": 0.5, "x": 0.5}, "@pixel_origin": {"z": -4.0, "y": 0.25, "x": 10.25},
        "0/x": 10.25 + np.arange(70) * 0.5, "1/x": 10.5 + np.arange(35) * 1.0, "0/t": [0.0, 2.5, 5.0],
        "0/channel_name": ["DAPI", ""], "?dropped": ["Scene8 with Spots0, Surfaces3", "Thumbnail"],
    }  # fmt: skip
    return {"whole.ims": found}


def _sparing(folder: Path) -> dict[str, dict[str, Any]]:
    """Files that say little, and channels of two types."""
    stack = RANDOM.normal(size=(1, 1, 3, 20, 30)).astype("f4")
    with _new(folder / "float.ims") as file:
        _put(file, stack, 0, chunks=(3, 20, 30), sized=False)
        _attributes(file["DataSetInfo"].create_group("Image"), ExtMin0="0", ExtMax0="15")
    flat = RANDOM.integers(0, 255, (4, 1, 1, 40, 30), "u1")
    with _new(folder / "padded.ims") as file:
        _put(file, flat, 0, chunks=(1, 16, 16), sized=False)
        times = {f"TimePoint{n + 1}": f"2020-01-01 00:00:{s:02}.000" for n, s in enumerate((0, 1, 5, 6))}
        _attributes(file["DataSetInfo"].create_group("TimeInfo"), **times)
        _attributes(file["DataSetInfo"].create_group("Image"), X="30", Y="40", Z="1")
    with _new(folder / "two_types.ims") as file:
        _put(file, flat[:1], 0, chunks=(1, 16, 16))
        wide = flat[0, 0].astype("u2") + 700
        _put_one(file, wide, (0, 0, 1), (1, 16, 16), True)
    with _new(folder / "unsized.ims") as file:
        _put(file, flat[:1, :, :, :32], 0, chunks=(1, 16, 32), sized=False)
    return {
        "float.ims": {"0/image": stack[0, 0], "@pixel_size": {"x": 0.5}, "?warning": "its unit is not"},
        "padded.ims": {"0/image": flat[:, 0, 0], "@time_points": [0.0, 1.0, 5.0, 6.0], "?warning": "not even"},
        "two_types.ims": {"0/0/image": flat[0, 0, 0], "1/0/image": wide[0], "?warning": "different types"},
        "unsized.ims": {
            "0/image": np.pad(flat[0, 0, 0, :32], ((0, 0), (0, 2))), "?warning": "may end in rows of zeros",
        },
    }  # fmt: skip


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    import h5py

    flat = RANDOM.integers(0, 255, (2, 1, 1, 20, 30), "u1")
    for name in (
        "oversized",
        "lost_time",
        "lost_channel",
        "outside",
        "text",
        "gap",
        "no_pixels",
        "larger_level",
    ):
        with _new(folder / f"{name}.ims") as file:
            if name != "no_pixels":
                _put(file, flat, 0, chunks=(1, 20, 30))
            first = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"
            if name == "oversized":
                _attributes(file[first], ImageSizeX="31")
            elif name == "lost_time":
                del file["DataSet/ResolutionLevel 0/TimePoint 0"]
            elif name == "lost_channel":
                del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 0"]
            elif name == "outside":
                del file[f"{first}/Data"]
                file[f"{first}/Data"] = h5py.ExternalLink("float.ims", f"{first}/Data")
            elif name == "text":
                del file[f"{first}/Data"]
                file[f"{first}/Data"] = "no pixels"
            elif name == "gap":
                file["DataSet"].create_group("ResolutionLevel 2")
            elif name == "larger_level":
                _put(file, flat.repeat(2, -1), 1, chunks=(1, 20, 60))
    (folder / "cut.ims").write_bytes((folder / "whole.ims").read_bytes()[:-5000])
    names = ("oversized", "lost_time", "lost_channel", "outside", "text", "gap", "no_pixels", "larger_level")
    return {f"{name}.ims": {"!error": "FormatError"} for name in names} | {"cut.ims": {"!error": "Truncated"}}


def oracle(path: Path) -> dict[str, Any] | None:
    """All resolutions by openreadout."""
    return pictures(path)
