"""Made Igor waves and experiments, written by hand from WaveMetrics' notes; igor2 is the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(6)
CODES = {
    "f4": 2,
    "f8": 4,
    "i1": 8,
    "i2": 16,
    "i4": 32,
    "i8": 128,
    "u1": 72,
    "u2": 80,
    "u4": 96,
    "u8": 192,
    "c8": 3,
    "c16": 5,
}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return _types(folder) | _streams(folder) | _texts(folder) | _experiments(folder) | _hostile(folder)


def _checked(order: str, head: bytes, at: int) -> bytes:
    """The header with the checksum that makes its words add up to 0."""
    raw = bytearray(head)
    total = sum(struct.unpack(f"{order}{len(raw) // 2}h", raw))
    struct.pack_into(order + "H", raw, at, -total & 0xFFFF)
    return bytes(raw)


def wave_5(
    values: np.ndarray,
    name: str = "wave0",
    order: str = "<",
    *,
    kind: int | None = None,
    steps: tuple[float, ...] = (1, 1, 1, 1),
    starts: tuple[float, ...] = (0, 0, 0, 0),
    units: bytes = b"",
    dim_units: tuple[bytes, ...] = (b"", b"", b"", b""),
    note: bytes = b"",
    formula: bytes = b"",
    long_units: bytes = b"",
    labels: bytes = b"",
    data: bytes | None = None,
    ends: bytes = b"",
    dims: tuple[int, ...] | None = None,
) -> bytes:
    """A version 5 wave; the first dimension of Igor is the last of ``values``."""
    shape = dims or tuple(reversed(values.shape))
    body = values.astype(values.dtype.newbyteorder(order)).tobytes() if data is None else data
    code = CODES[values.dtype.str[1:]] if kind is None else kind
    first = struct.pack(
        order + "hh4i4i4iiii",
        5,
        0,
        320 + len(body),
        len(formula),
        len(note),
        len(long_units),
        0,
        0,
        0,
        0,
        len(labels),
        0,
        0,
        0,
        len(ends),
        0,
        0,
    )
    second = bytearray(320)
    points = int(np.prod(shape, dtype=object))
    struct.pack_into(order + "IIih", second, 4, 3000000000, 3000000001, points & 0x7FFFFFFF, code)
    second[28 : 28 + len(name)] = name.encode()
    struct.pack_into(
        order + "4i4d4d4s4s4s4s4s", second, 68, *(*shape, 0, 0, 0, 0)[:4], *steps, *starts, units, *dim_units
    )
    head = _checked(order, first + bytes(second), 2)
    return head + body + formula + note + long_units + labels + ends


def wave_2(
    values: np.ndarray, version: int, order: str, step: float = 1, start: float = 0, unit: bytes = b""
) -> bytes:
    """An older wave with a note."""
    body = values.astype(values.dtype.newbyteorder(order)).tobytes()
    note = b"older\rnote" if version > 1 else b""
    first = struct.pack(
        order + {1: "hih", 2: "hiiih", 3: "hiiiih"}[version],
        version,
        126 + len(body),
        *{1: (), 2: (len(note), 0), 3: (len(note), 0, 0)}[version],
        0,
    )
    second = bytearray(126)
    struct.pack_into(order + "h", second, 0, CODES[values.dtype.str[1:]])
    second[6:10] = b"old1"
    struct.pack_into(order + "4s4sihdd", second, 34, b"V", unit, len(values), 0, step, start)
    second[110:126] = body[:16].ljust(16, b"\0")
    head = _checked(order, first + bytes(second), len(first) - 2)[: len(first) + 110]
    return head + body + bytes(16) + note


def record(kind: int, content: bytes, order: str = "<") -> bytes:
    """One record of a packed experiment."""
    return struct.pack(order + "Hhi", kind, 0, len(content)) + content


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for order, label in (("<", "little"), (">", "big")):
        for kind in CODES:
            data = RANDOM.integers(0, 100, (2, 3, 4)).astype(kind)
            if kind[0] == "c":
                data = data + 1j * data[::-1]
            (folder / f"{kind}_{label}.ibw").write_bytes(wave_5(data.astype(kind), f"w_{kind}", order))
            found[f"{kind}_{label}.ibw"] = {f"w_{kind}": data.astype(kind)}
        pairs = RANDOM.integers(-9, 9, (5, 2)).astype("i2")
        body = pairs.astype(np.dtype("i2").newbyteorder(order)).tobytes()
        (folder / f"pairs_{label}.ibw").write_bytes(wave_5(pairs[:, 0], "p", order, kind=17, data=body))
        found[f"pairs_{label}.ibw"] = {"p": pairs[:, 0] + 1j * pairs[:, 1]}
    four = RANDOM.integers(0, 9, (2, 3, 4, 5)).astype("f4")
    raw = wave_5(
        four,
        "four",
        steps=(0.5, 2, 1, 1),
        starts=(1, -1, 0, 0),
        units=b"nA",
        dim_units=(b"m", b"", b"", b""),
        note=b"first\rsecond",
        labels=b"all".ljust(32, b"\0"),
        formula=b"a+b",
    )
    (folder / "four.ibw").write_bytes(raw)
    found["four.ibw"] = {
        "four": four,
        "four@note": "first\nsecond",
        "four@formula": "a+b",
        "four@units": "nA",
        "four@four_rows_start": 1.0,
        "four@four_rows_step": 0.5,
        "four@four_rows_units": "m",
        "four@four_rows_labels": ["all"],
        "four@four_columns_step": 2.0,
        "four@modified": "1999-01-24T05:20:01",
    }
    return found


def _streams(folder: Path) -> dict[str, dict[str, Any]]:
    """Waves along time: in seconds and in milliseconds, new and old."""
    data = RANDOM.integers(-9, 9, 50).astype("i2")
    found: dict[str, dict[str, Any]] = {}
    for name, step, start, unit, rate, first in (
        ("s.ibw", 1 / 30000, 0.25, b"s", 30000.0, 0.25),
        ("ms.ibw", 0.05, -20, b"ms", 20000.0, -0.02),
        ("odd.ibw", 0.3, 0, b"s", 1 / 0.3, 0.0),
    ):
        (folder / name).write_bytes(
            wave_5(
                data,
                steps=(step, 1, 1, 1),
                starts=(start, 0, 0, 0),
                dim_units=(unit, b"", b"", b""),
                long_units=b"millivolts",
            )
        )
        found[name] = {
            "signals": data[None],
            "signals@sampling_frequency": rate,
            "signals@start_time": first,
            "signals@units": "millivolts",
        }
    for version in (1, 2, 3):
        for order in "<>":
            name = f"v{version}_{'little' if order == '<' else 'big'}.ibw"
            (folder / name).write_bytes(wave_2(data.astype("f4"), version, order, 1e-4, 0, b"s"))
            found[name] = {"signals": data[None], "signals@sampling_frequency": 10000.0, "signals@units": "V"}
            if version > 1:
                found[name]["signals@note"] = "older\nnote"
    damaged = bytearray(wave_5(data))
    damaged[8] ^= 0  # the checksum covers the dates, which tell nothing of the data
    damaged[64 + 5] ^= 1
    (folder / "summed.ibw").write_bytes(bytes(damaged))
    found["summed.ibw"] = {"wave0": data, "?warning": "checksum"}
    return found


def _texts(folder: Path) -> dict[str, dict[str, Any]]:
    words = ["one", "", "zwei äöü", "d", "e", "f"]
    found = {}
    for order, label in (("<", "little"), (">", "big")):
        coded = [w.encode("utf-8" if order == "<" else "cp1252") for w in words]
        ends = np.cumsum([len(w) for w in coded]).astype(order + "i4").tobytes()
        raw = wave_5(np.zeros((2, 3)), "words", order, kind=0, data=b"".join(coded), ends=ends)
        (folder / f"texts_{label}.ibw").write_bytes(raw)
        found[f"texts_{label}.ibw"] = {"words": np.array(words, object).reshape(2, 3)}
    return found


def _experiments(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(-9, 9, 40).astype("f8")
    found: dict[str, dict[str, Any]] = {}
    for order, ending in (("<", "pxp"), (">", "pxt")):
        timed = {"steps": (0.001, 1, 1, 1), "dim_units": (b"s", b"", b"", b"")}
        variables = struct.pack(order + "6h", 2, 1, 1, 1, 0, 0) + struct.pack(order + "f", 3)
        variables += struct.pack(order + "32s2xhdd4x32si", b"gain", 4, 2.5, 0, b"who", 2) + b"me"
        parts = [
            record(1, variables, order),
            record(9, b"root".ljust(32, b"\0"), order),
            record(3, wave_5(data, "trace", order, **timed), order),
            record(9, b"inner".ljust(32, b"\0"), order),
            record(3, wave_5(data[:6].reshape(2, 3), "map", order), order),
            record(3, wave_5(data[:6], "trace", order, **timed), order),
            record(10, b"", order),
            record(3, wave_5(data[:4], "map", order), order),
            record(3, wave_5(data[:0], "none", order), order),
            record(3, wave_5(data[:4], "refs", order, kind=0x4000), order),
            record(0x8003, b"gone", order),
            record(10, b"", order),
            record(2, b"\xa5print 1\r", order),
            record(5, b"Function f()\rEnd\r", order),
            record(26, b"window", order),
        ]
        (folder / f"all.{ending}").write_bytes(b"".join(parts))
        found[f"all.{ending}"] = {
            "signals": data[None],
            "signals@sampling_frequency": 1000.0,
            "signals_inner_trace": data[None, :6],
            "inner_map": data[:6].reshape(2, 3),
            "map": data[:4],
            "map@igor_path": "root:map",
            "?dropped": ["kind 26", "replaced", "none", "references to waves"],
            "@original_metadata": {
                "history": "¥print 1\n",
                "procedure": "Function f()\nEnd\n",
                "variables": {"root": {"gain": 2.5, "who": "me"}},
            },
        }
    return found


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = np.arange(30.0)
    good = wave_5(data)
    loop = record(9, b"a".ljust(32, b"\0")) + record(3, good)
    files = {
        "cut.ibw": (good[:-8], "Truncated"),
        "short.ibw": (good[:200], "Truncated"),
        "huge.ibw": (wave_5(data, dims=(1 << 30, 1 << 30, 4, 4)), "FormatError"),
        "six.ibw": (b"\6\0" + good[2:], "NotSupported"),
        "empty.ibw": (wave_5(data[:0]), "FormatError"),
        "refs.ibw": (wave_5(data, kind=0x100), "NotSupported"),
        "ends.ibw": (wave_5(np.zeros(2), kind=0, data=b"ab", ends=struct.pack("<ii", 2, 1)), "FormatError"),
        "far.ibw": (wave_5(np.zeros(2), kind=0, data=b"ab", ends=struct.pack("<ii", 1, 99)), "FormatError"),
        "cut.pxp": (loop[:-8], "Truncated"),
        "no_waves.pxp": (record(9, b"a".ljust(32, b"\0")) + record(2, b"nothing"), "FormatError"),
        "other.pxp": (record(9, b"a".ljust(32, b"\0")) + record(3, b"\x63\0" + good[2:]), "FormatError"),
    }
    for name, (raw, _) in files.items():
        (folder / name).write_bytes(raw)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """Values by igor2: of one wave, or of every wave of an experiment."""
    from igor2 import binarywave, packed

    if path.suffix == ".ibw":
        return _facts([binarywave.load(str(path))["wave"]])
    order = ">" if path.suffix == ".pxt" else None
    records, _ = packed.load(str(path), **({"initial_byte_order": order} if order else {}))
    return _facts([r.wave["wave"] for r in records if type(r).__name__ == "WaveRecord"])


def _facts(waves: list[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for wave in waves:
        head = wave["wave_header"]
        name = (
            (head["bname"] if isinstance(head["bname"], bytes) else b"".join(head["bname"]))
            .split(b"\0")[0]
            .decode()
        )
        values = np.asarray(wave["wData"]).T
        found[name.replace(" ", "_")] = np.char.decode(values) if values.dtype.kind == "S" else values
    return found
