"""Traps of BrainVision files and TDT blocks."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.asking import (
    CORPUS,
    TANK,
    Row,
    last_sample,
    listed,
    made,
    neo,
    number,
    ours,
    said,
    signals,
    streams,
    trap,
)

# -- BrainVision --------------------------------------------------------------------------------------------

_HEADER = """Brain Vision Data Exchange Header File Version 1.0
[{common}]
Codepage=UTF-8
DataFile={stem}.eeg
MarkerFile={stem}.vmrk
DataFormat=BINARY
DataOrientation={order}
NumberOfChannels=3
SamplingInterval=1000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=Fp1,,0.5,µV
Ch2=Fp2,,0.5,µV
Ch3=Cz,,0.5,µV
"""
_BEGIN = "New Segment,,1,1,0,20240515102030000000"


def _brainvision(folder: Path, *marks: str, common: str = "Common Infos", order: str = "MULTIPLEXED") -> Path:
    tools, path = made("brainvision"), folder / "made.vhdr"
    path.write_text(_HEADER.format(stem="made", common=common, order=order), "utf-8")
    tools.body(path.with_suffix(".eeg"), np.arange(300, dtype="<i2").reshape(3, 100), order)
    tools.markers(path.with_suffix(".vmrk"), marks or [_BEGIN])
    return path


def _shape_by_neo(path: Path) -> str:
    held = neo("BrainVisionRawIO", path)
    return f"{len(held.header['signal_channels'])} x {streams(held)[0][0]}"


@trap
def brainvision_latin(_: Path) -> Row:
    path = CORPUS / "brainvision" / "test_old_layout_latin1_software_filter.vhdr"
    size = path.with_suffix(".eeg").stat().st_size
    shape = ours(path)["signals"].sizes
    return Row(
        "A header in Latin-1", path.name, "29 channels of float32 fill the .eeg", f"29 x {size // 4 // 29}",
        f"{shape['channel']} x {shape['time']}", said(lambda: _shape_by_neo(path)),
    )  # fmt: skip


@trap
def brainvision_common(folder: Path) -> Row:
    path = _brainvision(folder, common="Common infos")
    shape = ours(path)["signals"].sizes
    return Row(
        "[Common infos] spelled otherwise", "made, .vhdr", "written so", "3 x 100",
        f"{shape['channel']} x {shape['time']}", said(lambda: _shape_by_neo(path)),
    )  # fmt: skip


@trap
def brainvision_vectorized(folder: Path) -> Row:
    path = _brainvision(folder, order="VECTORIZED")
    held = neo("BrainVisionRawIO", path)
    first = held.get_analogsignal_chunk(0, 0, None, None, 0)[:2, :].T * 0.5
    truth = listed(np.ravel([[0, 0.5], [50, 50.5], [100, 100.5]]))
    return Row(
        "Channels one after the other", "made, .vhdr", "written so", truth,
        listed(ours(path)["signals"].values[:, :2].ravel()), listed(first.ravel()),
    )  # fmt: skip


@trap
def brainvision_default_unit(_: Path) -> Row:
    path = CORPUS / "brainvision" / "test.vhdr"
    return Row(
        "A unit that is left out", path.name, "the specification says that it is µV then (channel FP2)", "µV",
        ours(path)["channel_units"].values[1],
        str(neo("BrainVisionRawIO", path).header["signal_channels"]["units"][1]) or "none",
    )  # fmt: skip


@trap
def brainvision_positions(_: Path) -> Row:
    path = CORPUS / "brainvision" / "test.vhdr"
    text = path.with_suffix(".vmrk").read_text("latin-1")
    positions = sorted(int(x.split(",")[2]) for x in text.splitlines() if x.startswith("Mk"))[:3]
    held = neo("BrainVisionRawIO", path)
    times = [
        held.rescale_event_timestamp(held.get_event_timestamps(0, 0, i)[0], "f8", i)
        for i in range(held.event_channels_count())
    ]
    return Row(
        "Markers count samples from 1", path.name, "the first three positions in the .vmrk",
        listed((p - 1) / 1000 for p in positions) + " s", listed(ours(path)["event_time"].values[:3]) + " s",
        listed(np.sort(np.concatenate(times))[:3]) + " s",
    )  # fmt: skip


@trap
def brainvision_pause(folder: Path) -> Row:
    path = _brainvision(folder, _BEGIN, "New Segment,,41,1,0,20240515102031000000")
    theirs = streams(neo("BrainVisionRawIO", path))
    return Row(
        "A pause between segments", "made, .vhdr", "written so", "40 from 0 s, 60 from 1 s",
        listed(f"{t.size} from {number(s.attrs['start_time'])} s" for s, t in signals(path)),
        listed(f"{n} from {number(start)} s" for n, _, start in theirs),
    )  # fmt: skip


# -- TDT ----------------------------------------------------------------------------------------------------


def _block(tank: Path) -> Path:
    return next(tank.rglob("*.tsq"))


def _by_size(values: Iterable[tuple[int, float]]) -> str:
    return listed(f"{n} at {rate:.7g} Hz" for n, rate in sorted(values))


@trap
def tdt_rates(_: Path) -> Row:
    import contextlib
    import io

    import tdt

    path = _block(CORPUS / TANK)
    with contextlib.redirect_stdout(io.StringIO()):
        held = tdt.read_block(str(path.parent), evtype=["streams"]).streams
    truth = _by_size((held[name].data.shape[-1], held[name].fs) for name in held.keys())  # noqa: SIM118 - no dict
    mine = _by_size((t.size, s.attrs["sampling_frequency"]) for s, t in signals(path))
    theirs = _by_size((n, rate) for n, rate, _ in streams(neo("TdtRawIO", CORPUS / TANK)))
    return Row(
        "Several rates in one block",
        "block Photometry-161823, the tank's folder named",
        "TDT's reader",
        truth,
        mine,
        theirs,
    )


@trap
def tdt_block_folder(_: Path) -> Row:
    path = _block(CORPUS / TANK)
    return Row(
        "A block without its tank", "block Photometry-161823, its own folder named", "the same files", "4 streams",
        f"{len(signals(path))} streams", said(lambda: f"{len(streams(neo('TdtRawIO', path.parent)))} streams"),
    )  # fmt: skip


@trap
def tdt_gap(folder: Path) -> Row:
    tank = folder / Path(TANK).name
    shutil.copytree(CORPUS / TANK, tank)
    path = _block(tank)
    rows = np.fromfile(
        path, [("head", "<i4", 2), ("code", "S4"), ("of", "<u2", 2), ("time", "<f8"), ("rest", "V16")]
    )
    chosen = rows["head"][:, 1] & 0xFF0F == 0x8101
    first, last = rows["time"][chosen].min(), rows["time"][chosen].max()
    rows["time"][chosen & (rows["time"] > (first + last) / 2)] += 0.5
    code = rows["code"][chosen][0]
    times = rows["time"][chosen & (rows["code"] == code)] - rows["time"][1]
    rows.tofile(path)
    held, time = signals(path)[0]
    points, rate = held.sizes["time"] // len(times), 25e6 / 24576
    count, theirs, start = streams(neo("TdtRawIO", tank))[0]
    return Row(
        "A gap between chunks", "block Photometry-161823, half a second cut in", "written so",
        last_sample(len(times) * points, round(times[-1] + (points - 1) / rate, 4)),
        last_sample(held.sizes["time"], round(time.values[-1], 4)),
        last_sample(count, round(start + (count - 1) / theirs, 4)),
    )  # fmt: skip
