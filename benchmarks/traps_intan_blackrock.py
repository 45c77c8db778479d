"""Traps of Intan and Blackrock files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from benchmarks.asking import (
    CORPUS,
    Row,
    last_sample,
    listed,
    made,
    neo,
    number,
    ours,
    rates,
    said,
    signals,
    streams,
    trap,
)

# -- Intan --------------------------------------------------------------------------------------------------


@trap
def intan_rates(_: Path) -> Row:
    path = CORPUS / "rhd_rhs" / "synthetic_v3.0_3amp_aux_vdd_adc_din.rhd"
    (rate,) = struct.unpack_from("<f", path.read_bytes(), 8)
    held = neo("IntanRawIO", path)
    return Row(
        "Several rates in one file", path.name, "Intan's document: a quarter for auxiliary, one in 128 for supply",
        rates((rate, rate / 4, rate / 128, rate, rate)),
        rates(s.attrs["sampling_frequency"] for s, _ in signals(path)), rates(s[1] for s in streams(held)),
    )  # fmt: skip


@trap
def intan_exact_rate(_: Path) -> Row:
    path = CORPUS / "rhd_rhs" / "synthetic_v1.5_3amp_aux_vdd_adc_din.rhd"
    (rate,) = struct.unpack_from("<f", path.read_bytes(), 8)
    supply = ours(path)["signals_supply_voltage"]
    return Row(
        "True rate of the supply voltage", path.name, "20000 Hz over blocks of 60 samples", f"{rate / 60!r} Hz",
        f"{supply.attrs['sampling_frequency']!r} Hz",
        f"{min(s[1] for s in streams(neo('IntanRawIO', path)))!r} Hz",
    )  # fmt: skip


@trap
def intan_gap(folder: Path) -> Row:
    path = folder / "gap.rhd"
    stamps = (np.arange(512) + 128 * (np.arange(512) >= 256)).astype("<i4")
    path.write_bytes(made("intan").simple(stamps)[0])
    held, time = signals(path)[0]

    def forced() -> str:
        count, rate, start = streams(neo("IntanRawIO", path, ignore_integrity_checks=True))[0]
        return last_sample(count, start + (count - 1) / rate)

    plain = said(lambda: str(streams(neo("IntanRawIO", path))[0][0]))
    return Row(
        "A gap in the time stamps", "made, .rhd", "written so", last_sample(512, stamps[-1] / 20000),
        last_sample(held.sizes["time"], time.values[-1]), f"{plain}; with its checks off: {forced()}",
    )  # fmt: skip


@trap
def intan_trigger(folder: Path) -> Row:
    path = folder / "trigger.rhd"
    path.write_bytes(made("intan").simple(np.arange(-64, 192, dtype="<i4"))[0])
    return Row(
        "Samples before a trigger", "made, .rhd", "written so: the first stamp is -64",
        f"{number(-64 / 20000)} s", f"{number(ours(path)['signals'].attrs['start_time'])} s",
        f"{number(streams(neo('IntanRawIO', path))[0][2])} s",
    )  # fmt: skip


# -- Blackrock ----------------------------------------------------------------------------------------------


@trap
def blackrock_last_sample(_: Path) -> Row:
    path = CORPUS / "nev_nsx" / "ndr_example_2.ns2"
    (channels,) = struct.unpack_from("<I", path.read_bytes(), 28)
    count, rest = divmod(path.stat().st_size - 32 - 4 * channels, 2 * channels)
    assert rest == 0
    return Row(
        "The last sample", path.name, "the size of the file", f"{count} samples",
        f"{ours(path).sizes['time']} samples", f"{streams(neo('BlackrockRawIO', path))[0][0]} samples",
    )  # fmt: skip


@trap
def blackrock_pause(_: Path) -> Row:
    path = CORPUS / "nev_nsx" / "mne_test_BRSMPGRP_raw.ns3"
    raw, found = path.read_bytes(), []
    at, resolution, channels = struct.unpack_from("<I276xI16xI", raw, 10)
    while at < len(raw):
        tick, count = struct.unpack_from("<QI", raw, at + 1)
        found.append(f"{count} from {number(tick / resolution)} s")
        at += 13 + 2 * channels * count
    return Row(
        "A pause", path.name, "the headers of its data blocks", listed(found),
        listed(f"{t.size} from {number(s.attrs['start_time'])} s" for s, t in signals(path)),
        listed(f"{n} from {number(start)} s" for n, _, start in streams(neo("BlackrockRawIO", path))),
    )  # fmt: skip


@trap
def blackrock_clock(folder: Path) -> Row:
    path, tools, late = folder / "ptp.ns6", made("blackrock"), (3, 0)
    ticks = 1_700_000_000_000_000_000 + np.cumsum(np.where(np.arange(50) == 30, 5_000_000, 33333))
    data = tools.counts(3, 50)
    parts = b"".join(tools.block(int(t), data[:, i : i + 1], late) for i, t in enumerate(ticks))
    path.write_bytes(tools.header(3, late, resolution=10**9) + parts)
    plain = said(lambda: str(len(streams(neo("BlackrockRawIO", path)))))

    def told() -> str:
        parts = streams(neo("BlackrockRawIO", path, gap_tolerance_ms=0.1))
        count, rate, start = parts[-1]
        return last_sample(sum(p[0] for p in parts), round(start - parts[0][2] + (count - 1) / rate, 5))

    held, time = signals(path)[0]
    times = time.values - time.values[0]
    return Row(
        "A gap under a PTP clock", "made, .ns6 3.0", "written so: every sample has its time",
        last_sample(50, round((ticks[-1] - ticks[0]) / 1e9, 5)), last_sample(held.sizes["time"], round(times[-1], 5)),
        f"{plain}; told a tolerance: {told()}",
    )  # fmt: skip
