"""A writer of DM3 and DM4 tag trees, from the public descriptions of the layout."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_CODES = {"i2": 2, "i4": 3, "u2": 4, "u4": 5, "f4": 6, "f8": 7, "i1": 9, "u1": 10, "i8": 11, "u8": 12}
_LETTERS = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "b", 11: "q", 12: "Q"}


class Raw:
    """A value as its words and bytes, for types that Python has no value of."""

    def __init__(self, words: list[int], data: bytes) -> None:
        self.words, self.data = words, data


class Writer:
    def __init__(self, version: int = 3, order: str = "<") -> None:
        self.version, self.order = version, order
        self.wide = version == 4

    def file(self, root: Any) -> bytes:
        body = self._group(root) + bytes(8)
        size = struct.pack(">Q" if self.wide else ">I", len(body) - 8)
        return struct.pack(">I", self.version) + size + struct.pack(">I", int(self.order == "<")) + body

    def _word(self, *values: int) -> bytes:
        return struct.pack(f">{len(values)}{'Q' if self.wide else 'I'}", *values)

    def _group(self, tags: Any) -> bytes:
        pairs = list(tags.items()) if isinstance(tags, dict) else [("", tag) for tag in tags]
        return b"\1\0" + self._word(len(pairs)) + b"".join(self._tag(name, value) for name, value in pairs)

    def _tag(self, name: str, value: Any) -> bytes:
        group = isinstance(value, dict | list)
        body = self._group(value) if group else self._value(value)
        label = name.encode("latin-1")
        length = self._word(len(body)) if self.wide else b""
        return struct.pack(">BH", 20 if group else 21, len(label)) + label + length + body

    def _value(self, value: Any) -> bytes:
        if isinstance(value, Raw):
            words, data = value.words, value.data
        elif isinstance(value, str):
            data = value.encode("utf-16-le" if self.order == "<" else "utf-16-be")
            words = [20, 4, len(data) // 2]
        elif isinstance(value, tuple):  # a struct of floats
            words = [15, 0, len(value), *[n for _ in value for n in (0, 6)]]
            data = struct.pack(f"{self.order}{len(value)}f", *value)
        elif isinstance(value, np.ndarray):
            words, data = self._array(value)
        else:
            code = 8 if isinstance(value, bool) else 3 if isinstance(value, int) else 7
            words, data = [code], struct.pack(self.order + _LETTERS[code], value)
        return b"%%%%" + self._word(len(words)) + self._word(*words) + data

    def _array(self, value: Any) -> tuple[list[int], bytes]:
        raw = value.astype(value.dtype.newbyteorder(self.order)).tobytes()
        kind = value.dtype.str[1:]
        if kind in ("c8", "c16"):
            part = 6 if kind == "c8" else 7
            return [20, 15, 0, 2, 0, part, 0, part, value.size], raw
        return [20, _CODES[kind], value.size], raw


def image(
    data: Any, kind: int, *, sizes: list[int] | None = None, axes: Any = (), tags: Any = None, name: str = "made",
    brightness: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """An entry of ImageList; ``axes`` are (origin, scale, unit), the fastest first."""
    lengths = sizes if sizes is not None else list(reversed(np.shape(data)))
    dimension = [{"Origin": o, "Scale": s, "Units": u} for o, s, u in axes]
    calibrations: dict[str, Any] = {"Dimension": dimension}
    if brightness:
        calibrations["Brightness"] = dict(zip(("Origin", "Scale", "Units"), brightness, strict=True))
    held = {
        "Calibrations": calibrations, "Data": data, "DataType": kind, "Dimensions": lengths, "PixelDepth": 1,
    }  # fmt: skip
    return {"ImageData": held, "ImageTags": tags or {}, "Name": name}


def thumbnail() -> dict[str, Any]:
    return image(np.zeros((4, 4), "i4"), 23, name="small")


def root(*images: Any, thumbnails: bool = True) -> dict[str, Any]:
    if not thumbnails:
        return {"ImageList": list(images)}
    return {
        "Bool": True, "Box": (1.0, 2.0), "Old text": Raw([18, 4], "ab".encode("utf-16-le")),
        "ImageList": [thumbnail(), *images], "Thumbnails": [{"ImageIndex": 0}],
    }  # fmt: skip
