"""One Igor wave as binary wave files hold it (WaveMetrics' technical note 3): versions 1, 2, 3 and 5.

BinHeader1: i16 version, i32 wfmSize, i16 checksum. BinHeader2: i16, i32 wfmSize, i32 noteSize, i32 pictSize, i16.
BinHeader3: i16, i32 wfmSize, i32 noteSize, i32 formulaSize, i32 pictSize, i16. WaveHeader2 (110 bytes): i16 type at 0,
name[20] at 6, dataUnits[4] at 34, xUnits[4] at 38, i32 npnts at 42, f64 hsA hsB at 48, u32 dates at 96 and 102. The
data follow, then 16 bytes, the note and the formula.

BinHeader5 (64 bytes): i16 version, i16 checksum, i32 wfmSize, formulaSize, noteSize, dataEUnitsSize,
dimEUnitsSize[4], dimLabelsSize[4], sIndicesSize, optionsSize1, optionsSize2. WaveHeader5 (320 bytes): u32 creation and
modification at 4, i32 npnts at 12, i16 type at 16, name[32] at 28, i32 nDim[4] at 68, f64 sfA[4] at 84, f64 sfB[4] at
116, dataUnits[4] at 148, dimUnits[4][4] at 152. Data, formula, note, long units, labels and string ends follow.

Types: 1 complex, 2 f32, 4 f64, 8 i8, 16 i16, 32 i32, 64 unsigned, 128 i64; 0 text. The first dimension is the fastest.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, NotSupported, Truncated
from sparc_fuse_core.formats._strided import strided
from sparc_fuse_core.model import LazyArray, from_numpy

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_HEADS = {1: (8, 110), 2: (16, 110), 3: (20, 110), 5: (64, 320)}
_KINDS = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 128: "i8"}
_MAX_TEXT = 1 << 26
_MAX_NOTE = 1 << 20
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(slots=True)
class Wave:
    """A wave: its values (row, column, layer, chunk order reversed: the first dimension last) and its scaling."""

    name: str
    data: LazyArray
    units: str = ""
    steps: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    dim_units: list[str] = field(default_factory=list)
    labels: list[list[str]] = field(default_factory=list)
    note: str = ""
    formula: str = ""
    folder: tuple[str, ...] = ()
    modified: int = 0


def wave_order(head: bytes) -> str:
    """Byte order of a wave, by its version number; "" when there is none that is known."""
    for order in "<>":
        if len(head) >= 8 and struct.unpack_from(order + "h", head)[0] in _HEADS:
            return order
    return ""


def read_wave(source: Source, at: int, end: int, warnings: list[str]) -> Wave:
    """The wave between two offsets; FormatError when it is damaged, NotSupported for waves of references."""
    head = source.read(at, min(384, end - at), "wave header")
    order = wave_order(head)
    if not order:
        number = struct.unpack_from("<h", head.ljust(2, b"\0"))[0]
        raise FormatError(
            f"{source.name}: an Igor wave of version 1, 2, 3 or 5 was promised, {number} is there; it is damaged "
            "or newer",
            hint="Fetch the file again, or save the wave from Igor as a version 5 binary wave.",
        )
    version = struct.unpack_from(order + "h", head)[0]
    first, second = _HEADS[version]
    if len(head) < first + second:
        raise Truncated(f"{source.name}: a wave ends within its header; it is cut short", hint=_REPAIR)
    summed = (
        first + (320 if version == 5 else 126)
    ) // 2  # older headers count the first 16 bytes of the data
    if len(head) >= 2 * summed and sum(struct.unpack_from(f"{order}{summed}h", head)) & 0xFFFF:
        warnings.append("the checksum of a wave header is wrong: it may be damaged")
    build = _version_5 if version == 5 else _older
    return build(source, at, end, order, head, warnings)


def _older(source: Source, at: int, end: int, order: str, head: bytes, warnings: list[str]) -> Wave:
    version, size = struct.unpack_from(order + "hi", head)
    start = _HEADS[version][0]
    note = struct.unpack_from(order + "i", head, 6)[0] if version > 1 else 0
    formula = struct.unpack_from(order + "i", head, 10)[0] if version > 2 else 0
    body = head[start:]
    kind, points = struct.unpack_from(order + "h", body)[0], struct.unpack_from(order + "i", body, 42)[0]
    step, origin = struct.unpack_from(order + "dd", body, 48)
    name, units, dim = _text(body[6:26]), _text(body[34:38]), _text(body[38:42])
    begin = at + start + 110
    if formula > 0 and size <= 126:  # only the formula is stored, the values are computed from it
        points = 0
        warnings.append(f"wave {name!r} is computed from a formula, its values are not in the file")
    data, nbytes = _values(source, begin, end, kind, (points,), order, name)
    wave = Wave(name, data, units, [step], [origin], [dim], [[]])
    wave.modified = struct.unpack_from(order + "I", body, 102)[0]
    after = begin + nbytes + (16 if version > 1 else 0)
    wave.note = _tail(source, after, note, end, warnings)
    wave.formula = _tail(source, after + max(0, note), formula, end, warnings)
    return wave


def _version_5(source: Source, at: int, end: int, order: str, head: bytes, warnings: list[str]) -> Wave:
    size, formula, note, long_units, *rest = struct.unpack_from(order + "15i", head, 4)
    dim_sizes, label_sizes, ends = rest[:4], rest[4:8], rest[8]
    if any(n < 0 for n in (size, formula, note, long_units, *rest[:9])):
        raise FormatError(f"{source.name}: a wave has parts of negative size; it is damaged", hint=_REPAIR)
    body = head[64:]
    points, kind = struct.unpack_from(order + "ih", body, 12)
    dims = [int(n) for n in struct.unpack_from(order + "4i", body, 68)]
    count = next((i for i, n in enumerate(dims) if n == 0), 4)
    shape = tuple(dims[:count]) or (points,)
    if any(n < 0 for n in shape) or np.prod(shape, dtype=object) != points:
        raise FormatError(
            f"{source.name}: a wave of {shape} has {points} points; it is damaged", hint=_REPAIR
        )
    name, begin = _text(body[28:60]), at + 384
    after = begin + size - 320
    tails, place = [], after
    for nbytes in (formula, note, long_units, *dim_sizes, *label_sizes):
        tails.append((place, nbytes))
        place += nbytes
    if size < 320 or place + ends > end:
        raise Truncated(f"{source.name}: wave {name!r} ends beyond its file; it is cut short", hint=_REPAIR)
    if kind == 0:
        data = from_numpy(_strings(source, begin, after, place, ends, shape, order))
    else:
        data, _ = _values(source, begin, after, kind, shape, order, name)
    steps, starts = (list(struct.unpack_from(order + "4d", body, where)) for where in (84, 116))
    wave = Wave(name, data, _text(body[148:152]), steps[: len(shape)], starts[: len(shape)])
    wave.modified = struct.unpack_from(order + "I", body, 8)[0]
    texts = [_tail(source, where, nbytes, end, warnings) for where, nbytes in tails[:7]]
    wave.formula, wave.note, wave.units = texts[0], texts[1], texts[2] or wave.units
    short = [_text(body[152 + 4 * i : 156 + 4 * i]) for i in range(4)]
    wave.dim_units = [texts[3 + i] or short[i] for i in range(len(shape))]
    wave.labels = [_labels(source, *tails[7 + i], end) for i in range(len(shape))]
    return wave


def _values(
    source: Source, begin: int, end: int, kind: int, shape: tuple[int, ...], order: str, name: str
) -> tuple[LazyArray, int]:
    """Numbers of a wave, its last dimension first, and their size in bytes."""
    plain = kind & ~(1 | 64)
    if plain not in _KINDS:
        what = {256: "references to data folders", 0x4000: "references to waves", 0: "text"}.get(
            plain, f"type {kind}"
        )
        raise NotSupported(
            f"{source.name}: wave {name!r} holds {what}, which is not read",
            hint="Save the waves with numbers in a file of their own.",
        )
    text = _KINDS[plain]
    if kind & 64 and text[0] == "i":
        text = "u" + text[1]
    dtype = np.dtype(text)
    nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize * (2 if kind & 1 else 1)
    if nbytes < 0 or begin + nbytes > end:
        raise Truncated(
            f"{source.name}: wave {name!r} promises {nbytes} bytes at byte {begin}, {max(0, end - begin)} are there; "
            "it is cut short or its header is damaged",
            hint=_REPAIR,
        )
    sizes = tuple(reversed(shape))
    if not kind & 1:
        return strided(source.read, sizes, np.dtype(order + text), begin), nbytes
    if dtype.kind == "f":
        return strided(source.read, sizes, np.dtype(f"{order}c{2 * dtype.itemsize}"), begin), nbytes
    pairs = strided(source.read, (*sizes, 2), np.dtype(order + text), begin)
    wide = "c8" if dtype.itemsize < 4 else "c16"

    def joined(key: tuple[slice | int, ...]) -> Any:
        both = pairs.read((*key, slice(0, 2)))
        return both[..., 0] + 1j * both[..., 1].astype(wide)

    return LazyArray(sizes, wide, joined), nbytes


def _strings(
    source: Source, begin: int, after: int, place: int, nbytes: int, shape: tuple[int, ...], order: str
) -> Any:
    """Strings that lie one after the other; their ends are in a table (i32, or i64 of long ones)."""
    count = int(np.prod(shape, dtype=object))
    width = 8 if count and nbytes >= 8 * count else 4
    if after - begin > _MAX_TEXT or nbytes < width * count:
        raise FormatError(
            f"{source.name}: a wave of texts has no table of their ends; it is damaged", hint=_REPAIR
        )
    whole = source.read(begin, after - begin, "texts")
    ends = source.array(f"{order}i{width}", place, count, "ends of texts").astype("i8").tolist()
    if any(a > b for a, b in zip([0, *ends], ends, strict=False)) or (ends and ends[-1] > len(whole)):
        raise FormatError(f"{source.name}: the ends of texts do not rise; it is damaged", hint=_REPAIR)
    texts = [decode(whole[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
    return np.array(texts, dtype=object).reshape(tuple(reversed(shape)))


def _labels(source: Source, at: int, nbytes: int, end: int) -> list[str]:
    """Labels of 32 bytes: of the whole dimension, then of its places."""
    if nbytes <= 0 or at + nbytes > end or nbytes > _MAX_TEXT:
        return []
    raw = source.read(at, nbytes // 32 * 32, "labels")
    labels = [_text(raw[i : i + 32]) for i in range(0, len(raw), 32)]
    return labels if any(labels) else []


def _tail(source: Source, at: int, nbytes: int, end: int, warnings: list[str]) -> str:
    if nbytes <= 0:
        return ""
    if at + nbytes > end:
        warnings.append("a note after the samples is cut short")
        return ""
    if nbytes > _MAX_NOTE:
        warnings.append(f"only the first {_MAX_NOTE} of {nbytes} bytes of a note were kept")
    return decode(source.read(at, min(nbytes, _MAX_NOTE), "note"))


def _text(raw: bytes) -> str:
    return decode(raw.split(b"\0")[0])


def decode(raw: bytes) -> str:
    """Igor's text: UTF-8 from version 7 on, before that the code page of its computer."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\0")
