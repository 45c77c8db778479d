"""Traps of Axon and Spike2 files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.asking import (
    CORPUS,
    SMR,
    SMRX,
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
