"""The index of a block (.tsq): 40 bytes for each chunk of samples, snippet, strobe, scalar and mark.

``i32`` size in words of four bytes, these ten included; ``i32`` type; four characters: the store; ``u16``
channel; ``u16`` sort code; ``f64`` Unix time; ``i64`` place of the samples, or ``f64`` value of a strobe;
``i32`` sample format; ``f32`` sampling frequency. The first record is the size of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

RECORD = np.dtype(
    [
        ("size", "<i4"), ("type", "<i4"), ("store", "<u4"), ("channel", "<u2"), ("sort", "<u2"),
        ("time", "<f8"), ("place", "<i8"), ("format", "<i4"), ("rate", "<f4"),
    ]
)  # fmt: skip
ONSET, OFFSET, SCALAR, STREAM, SNIPPET, MARK = 0x101, 0x102, 0x201, 0x8101, 0x8201, 0x8801
SAMPLED = (STREAM, SNIPPET)
FORMATS = ("<f4", "<i4", "<i2", "<i1", "<f8", "<i8")
_KIND, _ELSEWHERE = 0xFF0F, 0x10
_HEAD_WORDS = 10
_TOGETHER = 1 << 17
_MOST_STORES = 4096
_KEPT = ("channel", "sort", "time", "place")
_START, _STOP = 1, 2
_LATEST = float(1 << 32)  # Unix seconds: the year 2106
_CLOCK = 25_000_000  # Hz; sampling frequencies are this clock divided by an integer


@dataclass(slots=True, eq=False)
class Store:
    """Records of one store: ``time`` in Unix seconds; ``place`` in the file, or the bits of a value."""

    code: str
    kind: int
    elsewhere: bool
    nbytes: int
    format: int
    rate: Fraction | None
    channel: NDArray[np.uint16]
    sort: NDArray[np.uint16]
    time: NDArray[np.float64]
    place: NDArray[np.int64]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(FORMATS[self.format])

    @property
    def points(self) -> int:
        """Samples of one record."""
        return self.nbytes // self.dtype.itemsize

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Forget all other records."""
        self.channel, self.sort = self.channel[which], self.sort[which]
        self.time, self.place = self.time[which], self.place[which]


@dataclass(slots=True, eq=False)
class Index:
    """A whole index; ``start`` and ``stop`` in Unix seconds, ``stop`` None when the recording has none."""

    start: float
    stop: float | None
    stores: list[Store]
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Found:
    """Records as they are met, by what they have in common."""

    groups: dict[tuple[int, ...], dict[str, list[NDArray[Any]]]] = field(default_factory=dict)
    marks: list[tuple[float, int]] = field(default_factory=list)
    damaged: int = 0


def read_index(source: Source) -> Index:
    """The index, read piece by piece; records that cannot be are counted. Raises FormatError when none is left."""
    count, rest = divmod(source.size, RECORD.itemsize)
    found = _Found()
    for first in range(0, count, _TOGETHER):
        number = min(_TOGETHER, count - first)
        records = source.array(RECORD, first * RECORD.itemsize, number, "index records")
        _sort_records(records if first else records[_is_head(records) :], found)
        limit_items(source, "stores", len(found.groups), _MOST_STORES)
    if not found.groups or found.damaged > count // 2:
        raise FormatError(
            f"{source.name}: the index of a TDT block was expected, {found.damaged} of its {count} records are "
            "none; it is damaged or another kind of file",
            hint="Fetch the file again, or ask its authors for an intact copy.",
            source=source.url,
        )
    warnings = [f"{rest} bytes at the end of the index are no whole record; it is cut short."] if rest else []
    if found.damaged:
        warnings.append(f"{found.damaged} of the {count} records of the index are damaged and are left out.")
    stores = [_store(key, found.groups.pop(key)) for key in list(found.groups)]
    start, stop = _limits(found, stores, warnings)
    return Index(start, stop, stores, warnings)


def _is_head(records: NDArray[Any]) -> int:
    return int(len(records) > 0 and records["type"][0] == 0 and records["store"][0] == 0)


def _sort_records(records: NDArray[Any], found: _Found) -> None:
    kind, time = records["type"] & _KIND, records["time"]
    known = np.isin(kind, (ONSET, OFFSET, SCALAR, *SAMPLED, MARK)) & (records["type"] >> 16 == 0)
    sampled = np.isin(kind, SAMPLED)
    fine = known & (time > 0) & (time < _LATEST) & (records["store"] != 0)
    fine &= ~sampled | ((records["size"] > _HEAD_WORDS) & (records["format"] >= 0))
    found.damaged += int(len(records) - np.count_nonzero(fine))
    marks = records[fine & (kind == MARK)]
    found.marks += zip(marks["time"].tolist(), marks["store"].tolist(), strict=True)
    rest = records[fine & (kind != MARK)]
    for same in _split(rest, rest["store"].astype("u8") << 32 | rest["type"].astype("u8")):
        if int(same["type"][0]) & _KIND not in SAMPLED:
            _add(found, same, sampled=False)
            continue
        bits = same["size"].astype("u8") << 32 | np.ascontiguousarray(same["rate"]).view("u4")
        for alike in _split(same, bits):
            for even in _split(alike, alike["format"].astype("u8")):
                _add(found, even, sampled=True)


def _split(records: NDArray[Any], key: NDArray[np.uint64]) -> list[NDArray[Any]]:
    """Records with the same key, in order of their first one."""
    if not len(key) or (key == key[0]).all():
        return [records] if len(key) else []
    values, first, which = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(records[order], np.cumsum(np.bincount(which, minlength=len(values)))[:-1])
    return [parts[i] for i in np.argsort(first)]


def _add(found: _Found, records: NDArray[Any], *, sampled: bool) -> None:
    first = records[0]
    alike = ("size", "format", "rate") if sampled else ()
    key = tuple(int(first[name].view("u4")) for name in ("store", "type", *alike))
    columns = found.groups.setdefault(key, {name: [] for name in _KEPT})
    for name, parts in columns.items():
        parts.append(np.ascontiguousarray(records[name]))


def _store(key: tuple[int, ...], columns: dict[str, list[NDArray[Any]]]) -> Store:
    code, kind, size, form, rate = (*key, 0, 0, 0)[:5]
    told = float(np.uint32(rate).view("f4"))
    name = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    nbytes, elsewhere = max(0, size - _HEAD_WORDS) * 4, bool(kind & _ELSEWHERE)
    # One column after the other, its parts let go of: an index may be as large as memory allows.
    whole = [np.concatenate(columns.pop(name)) for name in _KEPT]
    return Store(name, kind & _KIND, elsewhere, nbytes, form, exact_rate(told), *whole)


def exact_rate(told: float) -> Fraction | None:
    """The sampling frequency that a 32-bit float stands for: the clock of 25 MHz, divided; None for none."""
    if not (np.isfinite(told) and 0 < told <= _CLOCK):
        return None
    divided = Fraction(_CLOCK, max(1, round(_CLOCK / told)))
    return divided if np.float32(float(divided)) == np.float32(told) else Fraction(told)


def _limits(found: _Found, stores: list[Store], warnings: list[str]) -> tuple[float, float | None]:
    starts = [time for time, code in found.marks if code == _START]
    stops = [time for time, code in found.marks if code == _STOP]
    earliest = min(float(np.min(store.time)) for store in stores)
    if not starts:
        warnings.append("The index has no mark of the start: time 0 is that of its first record.")
    if not stops:
        warnings.append("The index has no mark of the end: the recording was not stopped as it should be.")
    return starts[0] if starts else earliest, stops[-1] if stops else None
