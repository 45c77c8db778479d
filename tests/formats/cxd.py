"""SimplePCI sequences put together by hand; no other reader with a free licence exists, nor a real file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from formats._cfbf import compound

RANDOM = np.random.default_rng(23)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _sequences(folder) | _refused(folder)


def _fields(
    data: Any, *, depth: float = 12, z: Any = None, times: Any = None, tiff: bool = False, leaf: str = "Bitmap 1"
) -> dict[str, bytes]:  # fmt: skip
    """Streams of a sequence of planes."""
    streams = {"Image_Depth": _real(depth), "Field Count": struct.pack("<i", len(data)), "Other": b"abc"}
    for number, plane in enumerate(data, 1):
        path = f"Field {number}/Image 1"
        streams[f"{path}/{leaf}"] = _tiff(plane) if tiff else plane.tobytes()
        streams[f"Field {number}/Image_Width"] = _real(plane.shape[-1])
        streams[f"Field {number}/Image_Height"] = _real(plane.shape[-2])
        if z is not None:
            streams[f"{path}/Position_Z"] = _real(z[number - 1])
        if times is not None:
            streams[f"{path}/Time_From_Start"] = _real(times[number - 1])
    return streams


def _real(value: float) -> bytes:
    return struct.pack("<d", value)


def _tiff(plane: Any) -> bytes:
    import tifffile

    held = io.BytesIO()
    tifffile.imwrite(held, plane, metadata=None, rowsperstrip=3)
    return held.getvalue()


def _sequences(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 4096, (6, 40, 60), "u2")
    small = RANDOM.integers(0, 255, (1, 9, 11), "u1")
    files = {
        "time.cxd": _fields(data, times=[0, 0.1, 0.2, 0.4, 0.5, 0.6])
        | {"GroupMode": struct.pack("<i", 3), "Comments": b"factor=0.5\r\nunits=um\r\nnothing\r\n"},
        "depth.cxd": _fields(data, z=[5, 4, 3, 2, 1, 0], leaf="i1 Data"),
        "both.cxd": _fields(data, z=[0, 2, 4] * 2, times=range(6)),
        "pages.cxd": _fields(data, z=[0, 2, 9, 1, 5, 5]),
        "named.cxd": _fields(data),
        "single.cxd": _fields(small, depth=8),
        "tiff.cxd": _fields(data, tiff=True, times=range(6)),
        "large.cxd": _fields(np.tile(data, (15, 1, 1)), times=range(90)),
    }
    for name, streams in files.items():
        (folder / name).write_bytes(compound(streams))
    return {
        "time.cxd": {
            "0/image": data, "@times_from_start": [0, 0.1, 0.2, 0.4, 0.5, 0.6], "?warning": "units",
            "@original_metadata": {"Comments": {"factor": "0.5", "units": "um"}, "GroupMode": 3},
        },
        "depth.cxd": {"0/image": data, "@positions_z": [5, 4, 3, 2, 1, 0]},
        "both.cxd": {"0/image": data.reshape(2, 3, 40, 60)},
        "pages.cxd": {"0/image": data, "?warning": "page_axis"},
        "named.cxd": {"0/image": data, "!options": {"page_axis": "t"}},
        "single.cxd": {"0/image": small[0], "?dropped": "streams with settings"},
        "tiff.cxd": {"0/image": data},
        "large.cxd": {"0/image": np.tile(data, (15, 1, 1))},
    }  # fmt: skip


def _refused(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 4096, (3, 50, 60), "u2")
    good = _fields(data)
    lost = {k: v for k, v in good.items() if not k.startswith("Field 2")}
    colours = np.stack([data[:1]] * 3, -1).astype("u1")
    files = {
        "colours.cxd": _fields(data, depth=48),
        "fraction.cxd": _fields(data, depth=12.5),
        "nan.cxd": good | {"Image_Depth": _real(float("nan"))},
        "padded.cxd": good | {"Field 1/Image 1/Bitmap 1": data[0].tobytes() + bytes(100)},
        "later.cxd": good | {"Field 2/Image 1/Bitmap 1": data[1].tobytes() + bytes(100)},
        "two_images.cxd": good | {"Field 1/Image 2/Bitmap 1": data[0].tobytes()},
        "other_size.cxd": good | {"Field 2/Image_Width": _real(30), "Field 2/Image_Height": _real(100)},
        "sizeless.cxd": {k: v for k, v in good.items() if "Width" not in k},
        "tiff_colours.cxd": _fields(colours, tiff=True),
        "no_fields.cxd": {"Other": b"abc"},
        "gap.cxd": lost,
        "fewer.cxd": good | {"Field Count": struct.pack("<i", 4)},
    }
    for name, streams in files.items():
        (folder / name).write_bytes(compound(streams))
    whole = compound(good)
    (folder / "cut.cxd").write_bytes(whole[: len(whole) // 2])
    loop = bytearray(whole)
    loop[48:52] = struct.pack("<I", 1 << 20)
    (folder / "lost_folder.cxd").write_bytes(loop)
    named = {name: {"!error": "FormatError"} for name in (*files, "cut.cxd", "lost_folder.cxd")}
    return named | {"gap.cxd": {"!error": "Truncated"}, "fewer.cxd": {"!error": "Truncated"}}


def oracle(path: Path) -> dict[str, Any] | None:
    """No other reader of this format exists."""
    return None
