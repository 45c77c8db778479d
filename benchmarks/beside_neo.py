"""What neo, pyabf and SPARC FUSE say of the same files, where the formats have traps.

``python -m benchmarks.beside_neo`` (part of ``make docs``) writes docs/beside-neo.md; tests/test_beside_neo.py runs
every row.

Every function below is one trap. It asks all of them one question in one form of words and finds the truth without
us: from the bytes of the file, from the reader of its maker, or because the file was written for this.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import struct
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("SPARC_FUSE_CORPUS") or ROOT.parent / "shared" / "corpus") / "timeseries"
SMR, SMRX = "synthetic_sonpy195_8ch_gap.smr", "synthetic_sonpy195_8ch_gap.smrx"
TANK = "tdt/hybrid_realTSQ_syntheticTEV/99761-170207-161634"


@dataclass(frozen=True)
class Row:
    """One question: the file, how the truth is known, and the answers; ``pyabf`` is empty where it reads nothing."""

    trap: str
    file: str
    known: str
    truth: str
    ours: str
    neo: str
    pyabf: str = ""


TRAPS: dict[str, Callable[[Path], Row]] = {}


def trap(ask: Callable[[Path], Row]) -> Callable[[Path], Row]:
    """Registers a question; it is given an empty folder."""
    TRAPS[ask.__name__] = ask
    return ask


def row(name: str) -> Row:
    with tempfile.TemporaryDirectory() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            return TRAPS[name](Path(made))
        finally:
            logging.disable(logging.NOTSET)


# -- the ones that are asked --------------------------------------------------------------------------------


def made(name: str) -> Any:
    """The module of the tests that writes files of a format."""
    import importlib

    if str(ROOT / "tests") not in sys.path:
        sys.path.append(str(ROOT / "tests"))
    return importlib.import_module(f"formats.{name}")


def neo(kind: str, path: Path, **options: Any) -> Any:
    import neo.rawio

    held = getattr(neo.rawio, kind)(str(path), **options)
    held.parse_header()
    return held


def ours(path: Path) -> Any:
    from sparc_fuse_core import open_file

    return open_file(path)


def said(answer: Callable[[], str]) -> str:
    """The answer, or the error that came instead."""
    try:
        return answer()
    except Exception as error:  # whatever it raises is what its user gets
        return f"fails: {type(error).__name__}"


def signals(path: Path) -> list[tuple[Any, Any]]:
    """Each stream of ours with its time."""
    held = ours(path)
    return [(v, held[f"time{n[7:]}"]) for n, v in held.data_vars.items() if n.startswith("signals")]


def streams(held: Any) -> list[tuple[int, float, float]]:
    """Samples, rate and start of each stream of each segment by neo."""
    return [
        (int(held.get_signal_size(0, s, n)), held.get_signal_sampling_rate(n), held.get_signal_t_start(0, s, n))
        for s in range(held.segment_count(0))
        for n in range(held.signal_streams_count())
    ]  # fmt: skip


def number(value: float) -> str:
    return f"{float(value):.9g}"


def listed(values: Iterable[Any]) -> str:
    return ", ".join(v if isinstance(v, str) else number(v) for v in values)


def rates(values: Iterable[float]) -> str:
    return listed(sorted(values, reverse=True)) + " Hz"


def last_sample(count: int, time: float) -> str:
    return f"{count} samples, the last at {number(round(float(time), 7))} s"


# -- Axon ---------------------------------------------------------------------------------------------------


@trap
def abf_rate(_: Path) -> Row:
    import pyabf

    path = CORPUS / "abf" / "File_axon_7.abf"
    raw = path.read_bytes()
    (interval,) = struct.unpack_from("<f", raw, struct.unpack_from("<I", raw, 76)[0] * 512 + 2)
    return Row(
        "True sampling rate", path.name, f"the header's {interval:g} µs between samples",
        f"{number(1e6 / interval)} Hz", f"{number(ours(path)['signals'].attrs['sampling_frequency'])} Hz",
        f"{number(neo('AxonRawIO', path).get_signal_sampling_rate(0))} Hz", f"{pyabf.ABF(str(path)).dataRate} Hz",
    )  # fmt: skip


def _sweeps(name: str) -> Row:
    import pyabf

    path = CORPUS / "abf" / name
    count, episodes = struct.unpack_from("<i2xi", path.read_bytes(), 10)
    held = neo("AxonRawIO", path)
    theirs = pyabf.ABF(str(path))
    shape = dict(ours(path)["signals"].sizes)
    return Row(
        "Sweeps without a list of sweeps", name, "the header's numbers of samples and episodes",
        f"{episodes} x {count // episodes}", f"{shape.get('sweep', 1)} x {shape['time']}",
        f"{held.segment_count(0)} x {held.get_signal_size(0, 0, 0)}",
        f"{theirs.sweepCount} x {theirs.sweepPointCount}",
    )  # fmt: skip


@trap
def abf_unlisted_sweeps(_: Path) -> Row:
    return _sweeps("130618-1-12.abf")


@trap
def abf_unlisted_sweeps_of_a_bad_date(_: Path) -> Row:
    return _sweeps("invalidDate-abf1.abf")


@trap
def abf_variable_sweeps(folder: Path) -> Row:
    import pyabf

    path, lengths = folder / "variable.abf", (300, 200)
    made("abf").abf2(
        path, made("abf").counts(500), mode=1, channels=1, synch=[(0, lengths[0]), (1000, lengths[1])]
    )
    theirs = pyabf.ABF(str(path))
    return Row(
        "Sweeps of unequal length", "made, ABF 2", "written so", listed(lengths),
        listed(time.size for _, time in signals(path)), listed(s[0] for s in streams(neo("AxonRawIO", path))),
        listed(theirs.sweepPointCount for _ in theirs.sweepList),
    )  # fmt: skip


def _neo_tags(path: Path) -> str:
    held = neo("AxonRawIO", path)
    found = [
        held.rescale_event_timestamp(held.get_event_timestamps(0, s, 0)[0])
        for s in range(held.segment_count(0))
    ]
    return listed(np.concatenate(found)) + " s"


def _tags(name: str, file: str, path: Path, truth: str) -> Row:
    import pyabf

    theirs = pyabf.ABF(str(path)).tagTimesSec
    return Row(
        name, file, "written so", truth, listed(ours(path)["event_time"].values) + " s",
        said(lambda: _neo_tags(path)), listed(theirs) + " s",
    )  # fmt: skip


@trap
def abf_tags_once(folder: Path) -> Row:
    path, synch = folder / "tags.abf", [(0, 150), (1000, 150), (2000, 150)]
    made("abf").abf2(path, made("abf").counts(450), mode=5, channels=1, synch=synch, tags=[(1100, "drug")])
    return _tags("A tag is there once, whatever the sweeps", "made, ABF 2, 3 sweeps", path, "0.11 s")


@trap
def abf_tags_of_two_channels(folder: Path) -> Row:
    path = folder / "tags2.abf"
    made("abf").abf2(path, made("abf").counts(1000), channels=2, tags=[(4000, "drug"), (8000, "wash")])
    return _tags("Ticks of tags, samples of all channels", "made, ABF 2, 2 channels", path, "0.2, 0.4 s")


@trap
def abf1_tags(folder: Path) -> Row:
    path = folder / "tags1.abf"
    made("abf").abf1(path, made("abf").counts(1000), tags=[(400, "drug"), (1000, "wash")])
    return _tags("Tags of the older generation", "made, ABF 1.83", path, "0.02, 0.05 s")


@trap
def abf_units(_: Path) -> Row:
    import neo
    import pyabf

    path = CORPUS / "abf" / "16d22006_kim_gapfree.abf"
    theirs = pyabf.ABF(str(path)).adcUnits
    segment = neo.io.AxonIO(str(path)).read_segment(lazy=True)
    return Row(
        "Units of each channel", path.name, "the texts in the file, by pyabf", listed(theirs),
        listed(ours(path)["channel_units"].values),
        listed(str(s.units.dimensionality) for s in segment.analogsignals), listed(theirs),
    )  # fmt: skip


# -- Spike2 -------------------------------------------------------------------------------------------------


def _waves(path: Path) -> tuple[list[dict[str, Any]], float]:
    """Waveforms that a scan of all blocks of a .smr finds, without the list that links them."""
    held = made("smr").scanned(path)
    return [c for c in held["channels"] if "runs" in c], held["per_second"]


@trap
def smr_offsets(_: Path) -> Row:
    path = CORPUS / "smr" / "physiology.smr"
    waves, second = _waves(path)
    held = neo("Spike2RawIO", path)
    ids = held.header["signal_streams"]["id"].tolist()
    theirs = {str(c["name"]): ids.index(c["stream_id"]) for c in held.header["signal_channels"]}
    return Row(
        "Start of each channel", path.name, "the first tick of each channel's first block",
        listed(w["runs"][0][0] / second for w in waves) + " s",
        listed(s.attrs["start_time"] for s, _ in signals(path)) + " s",
        listed(held.get_signal_t_start(0, 0, theirs[w["title"]]) for w in waves) + " s",
    )  # fmt: skip


@trap
def smr_rates(_: Path) -> Row:
    path = CORPUS / "smr" / "tremor_kinetic.smr"
    waves, second = _waves(path)
    channels = neo("Spike2RawIO", path).header["signal_channels"]
    return Row(
        "Several rates in one file", path.name, "ticks between samples in the heads of its channels",
        rates(second / w["step"] for w in waves), rates(s.attrs["sampling_frequency"] for s, _ in signals(path)),
        rates(channels["sampling_rate"]),
    )  # fmt: skip


@trap
def smr_gap(_: Path) -> Row:
    path = CORPUS / "smr" / SMR
    waves, second = _waves(path)
    count = sum(len(values) for _, values in waves[0]["runs"])
    tick, values = waves[0]["runs"][-1]
    held, time = signals(path)[0]
    return Row(
        "A gap, and channels of floats and text", path.name, "CED's library wrote it; scan of its blocks",
        last_sample(count, (tick + (len(values) - 1) * waves[0]["step"]) / second),
        last_sample(held.sizes["time"], time.values[-1]),
        said(lambda: str(streams(neo("Spike2RawIO", path))[0][0])),
    )  # fmt: skip


@trap
def smrx_channels(_: Path) -> Row:
    path = CORPUS / "smrx" / SMRX
    facts = made("smrx").oracle(path)
    found = [len(facts[name].T) for name in facts if name in ("signals", "signals_Pressure", "signals_Force")]
    held = neo("Spike2RawIO", path)
    theirs = len(held.header["signal_channels"])
    return Row(
        "Spike2 of 64 bits", path.name, "CED's library wrote it; scan of its blocks",
        f"3 waveforms: {listed(found)} samples",
        f"{len(signals(path))} waveforms: {listed(t.size for _, t in signals(path))} samples",
        f"{theirs} waveforms, {len(held.header['event_channels'])} events, no error",
    )  # fmt: skip


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


# -- the page -----------------------------------------------------------------------------------------------

_INTRO = """# Beside neo

Written by `make docs` from `benchmarks/beside_neo.py`, with neo {neo} and pyabf {pyabf}; `tests/test_beside_neo.py`
runs every row.

[neo](https://neuralensemble.org/neo/) and [pyabf](https://swharden.com/pyabf/) are good readers; our tests use both.
Formats have traps, though, and what a converted file says is final. Each row asks one question of one file. The truth
was found without us, as the fourth column tells. **Bold** answers are not the truth; a dash stands where a reader does
not read the format. Files called made were written for their row, those called synthetic by other programs.

"""


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("neo", "pyabf")}


def line(held: Row) -> str:
    """The row of the table."""

    def marked(answer: str) -> str:
        parts = answer.split("; ")
        return "; ".join(p if not p or p.endswith(held.truth) else f"**{p}**" for p in parts)

    answers = [marked(answer) for answer in (held.ours, held.neo, held.pyabf)]
    cells = (held.trap, held.file, held.truth, held.known, *answers[:2], answers[2] or "–")
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _equal(rows: list[Row]) -> str:
    right = sorted({r.trap[0].lower() + r.trap[1:] for r in rows if r.neo == r.truth})
    asked = [r for r in rows if r.pyabf]
    return textwrap.fill(
        f"neo is right in {sum(r.neo == r.truth for r in rows)} of {len(rows)} rows ({'; '.join(right)}), pyabf in "
        f"{sum(r.pyabf == r.truth for r in asked)} of {len(asked)}, we in {sum(r.ours == r.truth for r in rows)}.",
        width=120,
    )


def _alone() -> list[str]:
    import neo

    from sparc_fuse_core.formats import registry

    known = {f".{e.lower()}" for kind in neo.io.iolist for e in (kind.extensions or [])}
    mine = {s for f in registry().values() if f.kind == "signals" for s in f.suffixes}
    return [f"`{s}`" for s in sorted(mine - known)]


_NOTES = """## Notes

- Samples themselves are not in dispute: our tests of Axon, Spike2, Blackrock and BrainVision files expect those that
  neo reads, where it reads a file at all.
- Units: neo's raw reader keeps the text `dB`; its objects, which the row asks, cannot.
- A gap: neo refuses such Intan files, and Blackrock files with a PTP clock until it is told a tolerance. To refuse is
  safe. Told to go on, it joins the Intan samples as if nothing were missing and splits the Blackrock ones rightly.
- Rates that a file stores as 32-bit floats come to us as the fraction they stand for, to neo as they are: TDT's
  1017.25262 Hz is 25 MHz / 24576 = 1017.25260 Hz. The row of several rates compares seven digits.
- neo's reader of EDF needs pyedflib, which is not among what our tests install: EDF is not in the table.
- No reader of neo lists these endings, which we read as signals: {alone}.
"""


@functools.cache
def page() -> str:
    """The whole of docs/beside-neo.md."""
    rows = [row(name) for name in TRAPS]
    table = [
        "| Trap | File | Truth | Known from | SPARC FUSE | neo | pyabf |",
        "|---|---|---|---|---|---|---|",
    ]
    text = _INTRO.format(**versions()) + "\n".join(table + [line(r) for r in rows])
    return text + "\n\n" + _equal(rows) + "\n\n" + _NOTES.format(alone=", ".join(_alone()))


if __name__ == "__main__":
    if CORPUS.is_dir():
        (ROOT / "docs" / "beside-neo.md").write_text(page(), "utf-8")
    else:
        print(f"docs/beside-neo.md is left as it is: no corpus at {CORPUS.parent}")
