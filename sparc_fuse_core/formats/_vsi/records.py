"""The records of a ``.vsi`` file, which say what its stacks are.

From byte 8 on lies a set of records: 24 bytes ``18 00 I S``, u32 version, u32 place of the first record from
the set, u32, u32 records, u32. A record: u32 type, u32 tag, u32 place of the next record from the set (0:
last), u32 bytes, then (type bit 27) u32 index, then its value or a set of its own; with type bit 30 the bytes
word is the value. Types end in 2 bytes: 1, 2 text or bytes, 4 u16, 5 i32, 6 u32, 7 i64, 0xA f64, 0xC logical,
0xD UTF-16, 0x2003, 0x2007, 0x2008 lists of i32, 0x103 four i32, 0x104 two f64 …
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

SET = b"\x18\0IS"
_INDEXED, _INLINE = 0x08000000, 0x40000000
_BLOCK = 1 << 16
_MOST = 200_000
_DEEPEST = 24
_LONGEST = 1 << 20
_REPAIR = "Fetch the .vsi file again."
_NUMBERS = {0x4: "<u2", 0x5: "<i4", 0x6: "<u4", 0x7: "<i8", 0x8: "<u8", 0x9: "<f4", 0xA: "<f8", 0xC: "<u1", 0x3: "<i2",
            0x2003: "<i4", 0x2007: "<i4", 0x2008: "<i4", 0x103: "<i4", 0x100: "<i4", 0x101: "<i4", 0x102: "<i4",
            0x104: "<f8", 0x105: "<f8", 0x106: "<f8", 0x107: "<f8", 0x10C: "<f8", 0x117: "<f8"}  # fmt: skip
_VALUE, _UNIT = 0x10000002, 0x10000000


@dataclass(slots=True)
class Record:
    """One record: bytes of its value, or the records of its set."""

    tag: int
    index: int
    kind: int
    data: bytes = b""
    children: list[Record] = field(default_factory=list)

    def all(self, tag: int) -> list[Record]:
        return [child for child in self.children if child.tag == tag]

    def get(self, *tags: int) -> Record | None:
        """The first record along a path of tags."""
        here: Record | None = self
        for tag in tags:
            here = next((child for child in here.children if child.tag == tag), None) if here else None
        return here

    def text(self) -> str:
        wide = self.kind in (0xD, 0x2000, 0x2002)
        return self.data.decode("utf-16-le" if wide else "utf-8", "replace").split("\0")[0].strip()

    def numbers(self) -> list[float]:
        held = self.get(_VALUE) if self.children else self
        layout = _NUMBERS.get(held.kind) if held else None
        if held is None or layout is None:
            return []
        size = np.dtype(layout).itemsize
        return [n.item() for n in np.frombuffer(held.data[: len(held.data) // size * size], layout)]

    def unit(self) -> str:
        """``10^-6m^1`` and the like, when the value carries one."""
        held = self.get(_UNIT)
        return held.text() if held else ""


class _Window:
    """Bytes of a file, fetched in blocks that are kept: records are small and many."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._kept: dict[int, bytes] = {}
        self.count = 0

    def read(self, at: int, nbytes: int) -> bytes:
        self.source.expect(at, nbytes, "records")
        parts = []
        for block in range(at // _BLOCK, (at + max(nbytes, 1) - 1) // _BLOCK + 1):
            if block not in self._kept:
                start = block * _BLOCK
                self._kept[block] = self.source.read(start, min(_BLOCK, self.source.size - start))
            parts.append(self._kept[block])
        start = at % _BLOCK
        return b"".join(parts)[start : start + nbytes]


def read_records(source: Source) -> Record:
    """The tree of records; FormatError when it is damaged."""
    if source.read(8, 4, "records") != SET:
        raise FormatError(
            f"{source.name}: has no records of cellSens; it is another format or damaged, and its "
            "preview is not the image", hint="Rename it to .tif if it is a plain TIFF.",
        )  # fmt: skip
    root = Record(0, -1, 0)
    _read_set(_Window(source), 8, root, 0)
    return root


def _read_set(window: _Window, start: int, into: Record, depth: int) -> None:
    name = window.source.name
    head = np.frombuffer(window.read(start, 24), "<u4")
    count = int(head[4]) & 0xFFFFFFF
    if depth > _DEEPEST:
        raise LimitExceeded(f"{name}: its records are nested too deep; it is damaged", hint=_REPAIR)
    at = int(head[2])
    for _ in range(count if at else 0):
        window.count += 1
        if window.count > _MOST:
            raise LimitExceeded(f"{name}: has more than {_MOST} records; it is damaged", hint=_REPAIR)
        kind, tag, following, size = (int(n) for n in np.frombuffer(window.read(start + at, 16), "<u4"))
        body = start + at + 16
        index = -1
        if kind & _INDEXED:
            index = int(np.frombuffer(window.read(body, 4), "<i4")[0])
            body += 4
        record = Record(tag, index, kind & 0x2FFF)
        into.children.append(record)
        if kind & _INLINE:
            record.data = size.to_bytes(4, "little")
        elif size >= 24 and window.read(body, 4) == SET:
            _read_set(window, body, record, depth + 1)
        elif size:
            window.source.expect(body, size, "a record")
            record.data = window.read(body, size) if size <= _LONGEST else b""
        if not following:
            return
        if following <= at:
            raise FormatError(f"{name}: its records run in a circle; it is damaged", hint=_REPAIR)
        at = following


def describe(root: Record) -> list[dict[str, Any]]:
    """What is known of each stack: id, name, pixel size, axes, place of the picture."""
    return [_describe_stack(record) for file in root.all(2000) for record in file.all(2001)]


def _describe_stack(record: Record) -> dict[str, Any]:
    told: dict[str, Any] = {"id": record.index, "name": "", "kinds": [], "channels": [], "z_step": None}
    told["sizes"] = [int(n) for n in held.numbers()] if (held := record.get(2003)) else []
    settings = record.get(2005)
    if settings is not None:
        for key, tag in (("name", 2030), ("setting", 2419)):
            if (held := settings.get(tag)) is not None:
                told[key] = held.text()
        scale, unit = settings.get(2019), settings.get(2020)
        if scale is not None and len(scale.numbers()) >= 2:
            factor = micrometres(scale.unit() or (unit.text() if unit else ""))
            told["pixel_size"] = [abs(n) * factor for n in scale.numbers()[:2]] if factor else None
        if (held := settings.get(2015)) is not None and held.numbers():
            told["time"] = int(held.numbers()[0])
    for dimension in sorted(record.all(2007), key=lambda r: r.index):
        entries = sorted(dimension.all(2008), key=lambda r: r.index)
        first = entries[0] if entries else None
        kind = first.get(2023) if first else None
        told["kinds"].append(
            {1: "z", 2: "t", 4: "c"}.get(int(kind.numbers()[0])) if kind and kind.numbers() else None
        )
        if told["kinds"][-1] == "c":
            told["channels"] = [held.text() if (held := entry.get(2021)) else "" for entry in entries]
        if told["kinds"][-1] == "z" and first and (step := first.get(2013)) and step.numbers():
            factor = micrometres(step.unit())
            told["z_step"] = abs(step.numbers()[0]) * factor if factor else None
    _describe_place(record, told)
    return told


def _describe_place(record: Record, told: dict[str, Any]) -> None:
    planes = sorted(record.all(2002), key=lambda r: r.index)
    for tag in (2018, 2037):
        layout = planes[0].get(tag) if planes else None
        if layout is None:
            continue
        if (held := layout.get(2053)) and len(held.numbers()) >= 4 and "rectangle" not in told:
            told["rectangle"] = [int(n) for n in held.numbers()[:4]]
        if (held := layout.get(2410)) and len(held.numbers()) >= 2:
            told["origin"] = [int(n) for n in held.numbers()[:2]]


def micrometres(unit: str) -> float | None:
    """How many micrometres a unit such as ``10^-9m^1`` is; None when it is no length."""
    power, _, rest = unit.partition("m^1")
    if not unit or rest or not power.startswith("10^"):
        return 1e6 if unit in ("m", "m^1") else None
    try:
        exponent = int(power[3:])
    except ValueError:
        return None
    return float(f"1e{exponent + 6}") if -30 < exponent < 30 else None
