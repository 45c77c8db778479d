"""Intan recordings, written by hand from the published layout; openreadout is the oracle for real ones.

Where it differs on purpose: it gives the DC amplifiers with the sign turned (Intan's programs do not), one
rate to everything in a folder, names of its own to temperatures, and no flags of the stimulation.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

AMP, AUX, VDD, ADC = 0, 1, 2, 3
NAMES = {
    "amplifier": "", "auxiliary": "_auxiliary_input", "supply": "_supply_voltage", "board_adc": "_board_adc",
    "temperature": "_temperature", "digital_in": "_digital_input", "digital_out": "_digital_output",
    "board_dac": "_board_dac", "dc_amplifier": "_dc_amplifier", "stimulation": "_stimulation",
}  # fmt: skip


def qstring(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff\xff\xff"
    return struct.pack("<I", 2 * len(text)) + text.encode("utf-16-le")


def header(
    channels: list[tuple[Any, ...]],
    *,
    rhs: bool = False,
    version: tuple[int, int] = (3, 0),
    rate: float = 20000.0,
    mode: int = 0,
    temps: int = 0,
    dc: int = 0,
    step: float = 1e-6,
) -> bytes:
    """``channels``: (signal type, native name, custom name, native order, enabled)."""
    out = struct.pack("<Ihhf", 0xD69127AC if rhs else 0xC6912702, *version, rate)
    floats = 8 if rhs else 6
    out += struct.pack(f"<h{floats}fh2f", 1, *np.linspace(1, 7500, floats), 2, 1000, 1000)
    if rhs:
        out += struct.pack("<hhfff", 1, 0, step, 1e-9, 0.5)
    out += qstring("Maus 7 µ") + qstring(None) + qstring("")
    if rhs:
        out += struct.pack("<hh", dc, 14) + qstring("n/a")
    else:
        out += struct.pack("<h", temps) * (version >= (1, 1)) + struct.pack("<h", mode) * (version >= (1, 3))
        out += qstring("n/a") * (version >= (2, 0))
    out += struct.pack("<h", 3)
    out += qstring("Port B") + qstring("B") + struct.pack("<hhh", 0, 16, 16)  # off: nothing follows
    out += qstring("Port A") + qstring("A") + struct.pack("<hhh", 1, len(channels), 0)
    for kind, native, custom, order, enabled in channels:
        out += qstring(native) + qstring(custom) + struct.pack("<5h", order, order, kind, enabled, 3)
        out += struct.pack("<h", 0) * rhs + struct.pack("<5h2f", 0, 1, -70, 0, 1, 1e5 + order, -30)
    return out + qstring("Aux") + qstring("X") + struct.pack("<hhh", 1, 0, 0)


def blocks(stamps: np.ndarray, parts: list[np.ndarray], size: int) -> bytes:
    """Each part is (stored, values), all of them over the same blocks."""
    count, out = len(stamps) // size, []
    for b in range(count):
        out.append(stamps[b * size : (b + 1) * size].tobytes())
        for part in parts:
            width = part.shape[1] // count
            out.append(part[:, b * width : (b + 1) * width].tobytes())
    return b"".join(out)


def words(stored: int, values: int, seed: int, most: int = 65536) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, (stored, values)).astype("<u2")


_FULL = [
    (AMP, "A-000", "cuff µ", 0, 1), (AMP, "A-001", "A-001", 1, 0), (AMP, "A-002", "", 2, 1),
    (AUX, "A-AUX1", "A-AUX1", 0, 1), (VDD, "A-VDD1", "A-VDD1", 0, 1), (ADC, "ADC-00", "force", 0, 1),
    (4, "DIN-00", "DIN-00", 0, 1), (4, "DIN-05", "TTL", 5, 1), (5, "DOUT-03", "DOUT-03", 3, 1),
]  # fmt: skip


def full(version: tuple[int, int], mode: int, temps: int, count: int = 4) -> tuple[bytes, dict[str, Any]]:
    """A file with every kind of signal of an RHD2000, and what it holds."""
    size = 60 if version < (2, 0) else 128
    total = count * size
    amp, aux, vdd, adc = (words(2, total, 1), words(1, total // 4, 2), words(1, count, 3), words(1, total, 4))
    temp = np.array([range(-200, -200 + count), range(3000, 3000 + count)], "<i2")[:temps]
    din, dout = words(1, total, 5), words(1, total, 6)
    parts = [amp, aux, vdd, *([temp] if temps else []), adc, din, dout]
    raw = header(_FULL, version=version, mode=mode, temps=temps)
    raw += blocks(np.arange(total, dtype="<i4"), parts, size)
    step, zero = {0: (50.354e-6, 0), 1: (152.59e-6, 32768), 13: (312.5e-6, 32768)}[mode]
    facts = {
        "signals": 0.195 * (amp - 32768.0),
        "channel_name": ["cuff µ", "A-002"],
        "channel_units": ["µV"] * 2,
        "signals@native_channel_names": ["A-000", "A-002"],
        "signals@sampling_frequency": 20000.0,
        "signals@impedance_ohm": [100000.0, 100002.0],
        "signals_auxiliary_input": 37.4e-6 * aux,
        "signals_auxiliary_input@sampling_frequency": 5000.0,
        "signals_auxiliary_input@units": "V",
        "signals_supply_voltage": 74.8e-6 * vdd,
        "signals_supply_voltage@sampling_frequency": 20000 / size,
        "signals_board_adc": step * (adc - float(zero)),
        "channel_name_board_adc": ["force"],
        "signals_digital_input": np.concatenate([din & 1, din >> 5 & 1]),
        "signals_digital_output": dout >> 3 & 1,
        "~": 1e-12,
    }
    if temps:
        facts |= {"signals_temperature": temp / 100, "signals_temperature@units": "°C"}
    return raw, facts


def simple(stamps: np.ndarray, rows: int = 1, **more: Any) -> tuple[bytes, dict[str, Any]]:
    """Amplifiers and one auxiliary input under given time stamps."""
    channels = [(AMP, f"A-{n:03d}", "", n, 1) for n in range(rows)] + [(AUX, "A-AUX1", "", 0, 1)]
    amp, aux = words(rows, len(stamps), 7), words(1, len(stamps) // 4, 8)
    size = 60 if more.get("version", (3, 0)) < (2, 0) else 128
    facts = {"signals": 0.195 * (amp - 32768.0), "signals_auxiliary_input": 37.4e-6 * aux, "~": 1e-12}
    return header(channels, **more) + blocks(stamps, [amp, aux], size), facts


def single_files(folder: Path) -> dict[str, dict[str, Any]]:
    jumps = 128 * (np.arange(512) >= 256) + 5 * (np.arange(512) >= 400)
    gaps = (np.arange(512) + jumps).astype("<i4")
    split = np.arange(120, dtype="<u4") + 3_000_000_000
    wrapped = (np.arange(256) + 2**31 - 130).astype("<u4").view("<i4")
    contrary = np.arange(128 * 5, dtype="<i4")
    contrary[256:384] += 1
    files: dict[str, tuple[bytes, dict[str, Any]]] = {
        "v1_5.rhd": full((1, 5), 1, 2),
        "v1_2.rhd": full((1, 2), 0, 0),
        "v3_1.rhd": full((3, 1), 13, 1),
        "v2_0.rhd": full((2, 0), 0, 0, 1),
    }
    raw, facts = simple(split, version=(1, 0))
    files["v1_0.rhd"] = raw, facts | {"signals@start_time": 150000.0}
    raw, facts = simple(np.arange(-64, 192, dtype="<i4"), rate=10000 / 3)
    early = {"signals@start_time": -0.0192, "signals@sampling_frequency": 10000 / 3, "~": 1e-12}
    files["trigger_240102_030405.rhd"] = raw, facts | early
    raw, facts = simple(gaps, 2)
    files["gaps.rhd"] = raw, facts | {
        "time": gaps / 20000, "time_auxiliary_input": gaps[::4] / 20000, "?warning": "jump 2 time(s)",
        "signals@nominal_sampling_frequency": 20000.0,
    }  # fmt: skip
    raw, facts = simple(wrapped)
    files["wrapped.rhd"] = raw, facts | {"signals@start_time": (2**31 - 130) / 20000}
    raw, facts = simple((np.arange(256) - 2**31).astype("<i4"))  # a later file of a recording of a day
    files["rolled.rhd"] = raw, facts | {"signals@start_time": 2**31 / 20000}
    raw, facts = simple(np.arange(256, dtype="<i4"))
    files["named_240102_030405.rhd"] = raw, facts | {"@recording_start": "2024-01-02T03:04:05"}
    files["cut.rhd"] = raw + bytes(99), facts | {"?warning": "cut short", "?dropped": "99 bytes"}
    files["no_block.rhd"] = raw[:700], {"!error": "Truncated"}
    files["contrary.rhd"] = simple(contrary)[0], {"!error": "FormatError"}
    files["cut_header.rhd"] = raw[:200], {"!error": "Truncated"}
    files["version.rhd"] = raw[:4] + b"\0\0" + raw[6:], {"!error": "FormatError"}
    files["rate.rhd"] = raw[:8] + struct.pack("<f", np.nan) + raw[12:], {"!error": "FormatError"}
    files["long_text.rhd"] = raw[:48] + b"\xfe\xff\xff\x7f" + raw[52:], {"!error": "FormatError"}
    shifted = header([(AMP, "A-000", "", 0, 1)]) + raw[len(simple(gaps[:0])[0]) :]
    files["does_not_fit.rhd"] = shifted, {"!error": "FormatError"}
    strange = header([(9, "Q", "", 0, 1)]) + blocks(np.arange(128, dtype="<i4"), [], 128)
    files["unknown_kind.rhd"] = strange, {"!error": "FormatError"}
    line = header([(4, "DIN-16", "", 16, 1)]) + blocks(np.arange(128, dtype="<i4"), [words(1, 128, 1)], 128)
    files["no_such_bit.rhd"] = line, {"!error": "FormatError"}
    board = header([(ADC, "ADC", "", 0, 1)], mode=7)
    adc = words(1, 128, 1)
    files["board_7.rhd"] = (
        board + blocks(np.arange(128, dtype="<i4"), [adc], 128),
        {"signals": adc, "?warning": "board mode 7"},
    )
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: facts for name, (_, facts) in files.items()}


# -- RHS ----------------------------------------------------------------------------------------------------

_RHS = [
    (AMP, "A-000", "A-000", 0, 1), (AMP, "A-001", "ring", 1, 1), (ADC, "ANALOG-IN-1", "", 0, 1),
    (4, "ANALOG-OUT-1", "", 0, 1), (5, "DIGITAL-IN-02", "", 1, 1), (6, "DIGITAL-OUT-01", "", 0, 1),
]  # fmt: skip


def currents() -> tuple[np.ndarray, dict[str, Any]]:
    raw = words(2, 256, 9, 512) | words(2, 256, 10, 8) << 13
    size = (raw & 255) * np.where(raw & 256, -1.0, 1.0)
    return raw, {
        "signals_stimulation": size * 1e-6,
        "signals_stimulation@units": "A",
        "signals_stimulation_compliance_limit": raw >> 15 & 1,
        "signals_stimulation_charge_recovery": raw >> 14 & 1,
        "signals_stimulation_amplifier_settle": raw >> 13 & 1,
    }


def rhs_files(folder: Path) -> dict[str, dict[str, Any]]:
    amp, dc, (stim, facts) = words(2, 256, 1), words(2, 256, 2, 1024), currents()
    adc, dac, din, dout = (words(1, 256, seed) for seed in (3, 4, 5, 6))
    stamps = np.arange(256, dtype="<i4")
    facts |= {
        "signals": 0.195 * (amp - 32768.0), "signals_board_adc": 312.5e-6 * (adc - 32768.0),
        "signals_board_dac": 312.5e-6 * (dac - 32768.0), "signals_digital_input": din >> 1 & 1,
        "signals_digital_output": dout & 1, "~": 1e-12,
    }  # fmt: skip
    board = [adc, dac, din, dout]
    (folder / "dc.rhs").write_bytes(
        header(_RHS, rhs=True, dc=1, version=(1, 0)) + blocks(stamps, [amp, dc, stim, *board], 128)
    )
    (folder / "ac.rhs").write_bytes(header(_RHS, rhs=True) + blocks(stamps, [amp, stim, *board], 128))
    direct = {"signals_dc_amplifier": -0.01923 * (dc - 512.0), "channel_name_dc_amplifier": ["A-000", "ring"]}
    lone = folder / "rhs_channels"
    lone.mkdir()
    (lone / "info.rhs").write_bytes(header(_RHS[:2], rhs=True))
    stamps.tofile(lone / "time.dat")
    dc[0].tofile(lone / "dc-A-000.dat")
    dc[1].tofile(lone / "dc-A-001.dat")
    stim[1].tofile(lone / "stim-A-001.dat")
    only = {
        "signals": direct["signals_dc_amplifier"],
        "signals_stimulation": facts["signals_stimulation"][1:],
        "channel_name_stimulation": ["ring"],
        "?warning": "2 amplifier channel(s) are enabled",
        "~": 1e-12,
    }
    return {"dc.rhs": facts | direct, "ac.rhs": facts, "rhs_channels/info.rhs": only}


# -- folders ------------------------------------------------------------------------------------------------


def folders(folder: Path) -> dict[str, dict[str, Any]]:
    amp = np.random.default_rng(3).integers(-3000, 3000, (2, 300)).astype("<i2")
    aux, vdd, adc, din = words(1, 300, 1), words(1, 300, 2), words(1, 300, 3), words(1, 300, 4)
    stamps = (np.arange(300) + 40 * (np.arange(300) >= 128)).astype("<i4")
    facts = {
        "signals": amp * 0.195, "signals_auxiliary_input": 37.4e-6 * aux, "signals_board_adc": 50.354e-6 * adc,
        "signals_auxiliary_input@nominal_sampling_frequency": 20000.0, "time": stamps / 20000,
        "signals_supply_voltage": 74.8e-6 * vdd, "~": 1e-12,
        "signals_digital_input": np.concatenate([din & 1, din >> 5 & 1]),
    }  # fmt: skip
    typed, single, old = (folder / name for name in ("typed", "single", "old"))
    for place in (typed, single, old):
        place.mkdir()
        (place / "info.rhd").write_bytes(header(_FULL[:-1], version=(1, 5)))
        stamps.tofile(place / "time.dat")
    for name, data in {
        "amplifier": amp, "auxiliary": aux, "supply": vdd, "analogin": adc, "digitalin": din,
        "lowpass": amp[:, ::4], "spike": adc,
    }.items():  # fmt: skip
        data.T.tofile(typed / f"{name}.dat")
    low = {
        "signals_amplifier_lowpass": amp[:, ::4] * 0.195, "time_amplifier_lowpass": stamps[::4] / 20000,
        "?dropped": "spikes",
    }  # fmt: skip
    lines = [din & 1, din >> 5 & 1]
    named = {
        "amp-A-000": amp[0], "amp-A-002": amp[1], "aux-A-AUX1": aux, "vdd-A-VDD1": vdd, "board-ADC-00": adc,
        "board-DIN-00": lines[0], "board-DIN-05": lines[1],
    }  # fmt: skip
    for name, data in named.items():
        data.tofile(single / f"{name}.dat")
    amp[1, :290].tofile(old / "amp-A-002.dat")
    lines[1].tofile(old / "board-DIN-05.dat")
    part = {
        "signals": amp[1:, :290] * 0.195, "channel_name": ["A-002"], "signals_digital_input": lines[1],
        "?warning": ["cut short", "channels A-000 have no file", "1 board adc channel(s) are enabled"],
        "~": 1e-12,
    }  # fmt: skip
    found = {"typed/info.rhd": facts | low, "single/info.rhd": facts, "old/info.rhd": part}
    for name in ("lone", "wide", "narrow", "empty"):
        (folder / name).mkdir()
        (folder / name / "info.rhd").write_bytes(header(_FULL[:-1]))
        found[f"{name}/info.rhd"] = {"!error": "FormatError"}
    for name, rows in {"wide": 3, "narrow": 1}.items():
        stamps.tofile(folder / name / "time.dat")
        words(300, rows, 1).tofile(folder / name / "amplifier.dat")
    (folder / "empty" / "amplifier.dat").write_bytes(b"")
    untimed = folder / "untimed"
    untimed.mkdir()
    (untimed / "info.rhd").write_bytes(header(_FULL[:1]))
    amp[0].tofile(untimed / "amplifier.dat")
    found["untimed/info.rhd"] = {"signals": amp[:1] * 0.195, "?warning": "no time.dat", "~": 1e-12}
    return found


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return single_files(folder) | rhs_files(folder) | folders(folder)


def oracle(path: Path) -> dict[str, Any]:
    import openreadout

    held = openreadout.open(str(path))
    told = held.info() if callable(held.info) else held.info
    facts: dict[str, Any] = {"~": 1e-6}  # it takes 32-bit floats for what they are
    for number, trace in enumerate(told["traces"]):
        suffix = NAMES[trace["name"]] if number else ""
        values = held.read_trace(number)
        facts[f"signals{suffix}"] = -values / 1000 if trace["name"] == "dc_amplifier" else values
        facts[f"signals{suffix}@sampling_frequency"] = trace["sample_rate_hz"]
        facts[f"signals{suffix}@start_time"] = trace.get("start_s", 0.0)
        if trace["name"] != "temperature":
            facts[f"channel_name{suffix}"] = [channel["name"] for channel in trace["channels"]]
    return facts
