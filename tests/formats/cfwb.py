"""LabChart binary files, written by hand after the vendor's published header; no other reader is at hand."""

import struct

import numpy as np

DTYPES = {1: "<f8", 2: "<f4", 3: "<i2"}


def write(path, columns, kind, step, times=None, **more):
    """One column a channel: (title, units, scale, offset, samples)."""
    rows = np.array([column[4] for column in columns]).T
    if times is not None:
        rows = np.column_stack([times, rows])
    date = more.get("date", (2021, 3, 4, 23, 59, 58.5))
    count = more.get("count", len(rows))
    raw = struct.pack("<4sid5idd", b"CFWB", more.get("version", 1), step, *date, more.get("lead", 0.0))
    raw += struct.pack("<4i", len(columns), count, times is not None, kind)
    for title, units, scale, offset, _ in columns:
        named = title.encode("cp1252"), units.encode("cp1252")
        raw += struct.pack("<32s32sdddd", *named, scale, offset, 10.0, -10.0)
    path.write_bytes(raw + rows.astype(DTYPES[kind]).tobytes() + more.get("tail", b""))


def facts(columns, step, kind):
    scaled = [
        (np.array(c[4], "f8") + c[3]) * c[2] if kind == 3 else np.array(c[4], DTYPES[kind]) for c in columns
    ]
    return {
        "~": 1e-6 if kind == 3 else 0,
        "signals": np.array(scaled),
        "signals@sampling_frequency": 1 / step,
        "channel_name": [c[0] for c in columns],
        "channel_units": [c[1] for c in columns],
    }


def make(folder):
    rng = np.random.default_rng(0)
    whole = [("Druck µ", "mmHg", 0.25, 3.0, rng.integers(-32768, 32767, 40)), ("B", "", 2.0, 0.0, range(40))]
    same = [("A", "mV", 0.5, -1.0, rng.integers(-9, 9, 30)), ("B", "mV", 0.5, -1.0, rng.integers(-9, 9, 30))]
    real = [("A", "V", 1.0, 0.0, rng.normal(size=50)), ("B", "°C", 0.0, 0.0, np.append([np.nan], range(49)))]
    found = {}
    for name, columns, kind in (
        ("int", whole, 3),
        ("same", same, 3),
        ("float", real, 2),
        ("double", real, 1),
    ):
        write(folder / f"{name}.adibin", columns, kind, 0.0025, lead=1.5)
        found[f"{name}.adibin"] = facts(columns, 0.0025, kind) | {"@recording_start": "2021-03-04T23:59:57"}
    write(folder / "timed.adibin", real, 1, 0.5, times=np.arange(50) * 0.5 - 2)
    found["timed.adibin"] = facts(real, 0.5, 1) | {"stored_time": np.arange(50) * 0.5 - 2}
    uneven = np.arange(50) ** 1.5
    write(folder / "uneven.adibin", real, 1, 0.5, times=uneven)
    found["uneven.adibin"] = {k: v for k, v in facts(real, 0.5, 1).items() if "@" not in k}
    found["uneven.adibin"] |= {"time": uneven, "?warning": "time column runs from 0 to 343"}
    write(folder / "open.adibin", whole, 3, 0.01, count=0, date=(0, 0, 0, 0, 0, 0.0))
    found["open.adibin"] = facts(whole, 0.01, 3) | {
        "?warning": ["promises no samples", "date of the recording"]
    }
    write(folder / "tail.adibin", whole, 3, 0.01, tail=b"abc")
    found["tail.adibin"] = facts(whole, 0.01, 3) | {"?dropped": "3 bytes after"}
    refused = {
        "more": {"count": 41},
        "version": {"version": 2},
        "step": {"step": -1.0},
        "hours": {"times": np.ones(40)},
    }
    for name, change in refused.items():
        write(folder / f"{name}.adibin", **{"columns": whole, "kind": 3, "step": 0.01} | change)
        found[f"{name}.adibin"] = {"!error": "Truncated" if name == "more" else "FormatError"}
    (folder / "text.adibin").write_text("Interval=\t0.1 s\n")
    found["text.adibin"] = {"!error": "NotSupported"}
    return found


def oracle(path):
    return None
