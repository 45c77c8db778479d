"""A small file in the layout of each of the 32 datasets, and what reading it must give.

The layouts of tables, MAT and HDF5 files are written here; recordings of instruments come from the writers of
`tests/formats`, one for each thing that went wrong with them before: several rates, sweeps, gaps, late channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rows import module

Facts = dict[str, Any]
_N = 60
_T = np.arange(_N)


def _values(count: int, samples: int = _N, seed: int = 3) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(size=(count, samples)) * 10, 4)


def _table(path: Path, heading: list[str], columns: list[list[str]], gap: str = ",") -> None:
    lines = [gap.join(heading)] if heading else []
    path.write_text("\n".join([*lines, *(gap.join(row) for row in zip(*columns, strict=True))]) + "\n")


def _printed(data: np.ndarray) -> list[list[str]]:
    return [[repr(float(v)) for v in row] for row in data]


# -- text tables --------------------------------------------------------------------------------------------


def chromatogram(path: Path) -> Facts:
    data = _values(1)
    rows = [f"{i / 300:.6f}\t{v!r}" for i, v in zip(_T, data[0].tolist(), strict=True)]
    path.write_bytes(("\r\n".join(rows) + "\r\n").encode("utf-16"))
    return {"signals": data, "signals@sampling_frequency": 5.0, "?warning": "minutes"}


def twelve_hours(path: Path) -> Facts:
    """Past noon, and the last column is a channel too."""
    data = _values(4)
    clock = [f"{12 if i < 30 else 1}:{59 if i < 30 else 0:02d}:{(30 + i) % 60:02d}.250 PM" for i in _T]
    heading = ["Sample", " Time", " Stretch (mm)", " Torque (mNm)", " Diameter 1 (cm)", " Diameter 2 (cm)"]
    _table(path, heading, [[str(i) for i in _T], [f" {c}" for c in clock], *_printed(data)])
    return {
        "signals": data,
        "signals@sampling_frequency": 1.0,
        "channel_name": ["Stretch", "Torque", "Diameter 1", "Diameter 2"],
        "channel_units": ["mm", "mNm", "cm", "cm"],
        "Sample": _T.astype("f8"),
        "@recording_start": "12:59:30.250000",
    }


def _probe(path: Path, names: list[str], units: list[str]) -> Facts:
    data = _values(len(names))
    stamps = np.round(_T * 0.02 + np.random.default_rng(1).integers(0, 7, _N) / 1000, 3)
    heading = [f"{name}({unit})" if unit else name for name, unit in zip(names, units, strict=True)]
    _table(path, ["TimeStamp(sec)", *heading], [*_printed(stamps[None]), *_printed(data)])
    return {"signals": data, "time": stamps, "channel_name": names, "channel_units": units}


def probe_323(path: Path) -> Facts:
    names = [
        "FrontPressure",
        "RearPressure",
        "BagPressure",
        "FrontAngleX",
        "FrontQuat0",
        "Accel1MinusGravGCSZ",
    ]
    return _probe(path, names, ["cmH2O", "cmH2O", "cmH2O", "deg", "", "grav"])


def probe_350(path: Path) -> Facts:
    names = ["FrontPressure", "BagPressure", "BendAngle", "Diameter0", "RearQuat3", "Accel0MinusGravLCSX"]
    return _probe(path, names, ["cmH2O", "cmH2O", "deg", "mm", "", "grav"])


def probe_351(path: Path) -> Facts:
    names = ["FrontPressure", "BagTemperature", "FrontAngleZ", "Diameter7", "Imped6", "Reference"]
    return _probe(path, names, ["cmH2O", "degC", "deg", "mm", "", ""])


def single_signal(path: Path) -> Facts:
    data = _values(1)
    _table(path, ["t_rel", "bpa"], [[f"{i / 2000:.7f}" for i in _T], *_printed(data)])
    return {"signals": data, "signals@sampling_frequency": 2000.0, "channel_name": ["bpa"]}


def responses(path: Path) -> Facts:
    """Three channels with four responses each, in turns."""
    delta = np.round(np.random.default_rng(5).random((3, 4)), 6)
    strength = np.array([[0.1, 0.2, 0.4, 0.8]] * 3)
    turns = [(c, i) for i in range(4) for c in range(3)]
    columns = [
        [repr(float(delta[c, i])) for c, i in turns],
        [f"Channel {c + 1}" for c, i in turns],
        [repr(float(strength[c, i])) for c, i in turns],
        ["Interior" if i % 2 else "Exterior" for c, i in turns],
    ]
    _table(path, ["delta", "Stimulation Channel", "Amplitude (mA)", "Stimulation Configuration"], columns)
    return {
        "@fuse_kind": "table",
        "delta": delta,
        "Amplitude": strength,
        "Amplitude@units": "mA",
        "stimulation_channel_name": ["Channel 1", "Channel 2", "Channel 3"],
        "Stimulation_Configuration": [["Exterior", "Interior"] * 2] * 3,
        "?warning": "no time is stated",
    }


def activity(path: Path) -> Facts:
    """Two mice, five bins of an hour each, below each other."""
    distance, antenna = _values(2, 5), np.abs(_values(2, 5, 4))
    rows = [(s, i) for s in range(2) for i in range(5)]
    columns = [
        [f"b4_{'LR'[s]}" for s, i in rows],
        [str(3600 * i) for s, i in rows],
        ["3600" for _ in rows],
        ["dark" if i > 2 else "light" for s, i in rows],
        [repr(float(distance[s, i])) for s, i in rows],
        [repr(float(antenna[s, i])) for s, i in rows],
    ]
    heading = [
        "subject", "time since start (s)", "bin duration (s)", "phase", "distance (mm)", "antenna 1 (s)",
    ]  # fmt: skip
    _table(path, heading, columns)
    return {
        "signals": np.stack([distance[0], antenna[0], distance[1], antenna[1]]),
        "signals@sampling_frequency": 1 / 3600,
        "channel_name": ["b4_L distance", "b4_L antenna 1", "b4_R distance", "b4_R antenna 1"],
        "channel_units": ["mm", "s", "mm", "s"],
        "subject_name": ["b4_L", "b4_R"],
        "bin_duration": np.full(5, 3600.0),
        "phase": ["light"] * 3 + ["dark"] * 2,
    }


# -- MATLAB -------------------------------------------------------------------------------------------------


def _save(path: Path, **content: Any) -> None:
    from scipy.io import savemat

    savemat(path, content)


def force(path: Path) -> Facts:
    data, norms = _values(1), np.arange(30.0)[None]
    _save(
        path, t_sim=_T / 1000, force=data, stimvect=[0.01, 0.03], force_impulse=1.5, force_norm=0.5,
        forceAvgNorm=norms,
    )  # fmt: skip
    return {
        "signals": data,
        "signals@sampling_frequency": 1000.0,
        "channel_name": ["force"],
        "event_time": [0.01],
        "event_duration": [0.03 - 0.01],
        "event_label": ["stimulation"],
        "force_impulse": [[1.5]],
        "forceAvgNorm": norms,
    }


def cells(path: Path) -> Facts:
    data = _values(4)
    _save(path, t=_T[None] * 0.1, v=data, Ncell=4, achDensity=0.25, Dt=0.1, leadTime=1e4, HR_bl=70.0)
    return {
        "signals": data,
        "signals@sampling_frequency": 10_000.0,
        "signals@units": "mV",
        "Ncell": [[4]],
        "achDensity": [[0.25]],
        "Dt": [[0.1]],
        "?warning": "milliseconds",
    }


def intervals(path: Path) -> Facts:
    beats, lengths = np.cumsum(np.abs(_values(1)[0]) + 0.5) - 120, _values(1, seed=8)
    _save(path, timePlot05=beats[:, None], RRint05=lengths.T, Aff=1.0)
    return {
        "signals": lengths,
        "time": beats,
        "channel_name": ["RRint05"],
        "signals@units": "s",
        "Aff": [[1.0]],
    }


def bladder(path: Path) -> Facts:
    data = _values(1)
    _save(path, FVol={"signals": data.T, "time": _T / 500, "sr": 500.0, "chans": "FVol"})
    return {"signals": data, "signals@sampling_frequency": 500.0, "channel_name": ["FVol"]}


def bladder_emg(path: Path) -> Facts:
    """A vector of which nothing is said: it stays what it is, and the warning says what would help."""
    data = _values(1, 300)
    _save(path, E033022_01_EFEUSEMG=data.T)
    return {"E033022_01_EFEUSEMG": data.T, "@fuse_kind": "table", "?warning": "rate= (Hz"}


def _stimulated(name: str) -> Callable[[Path], Facts]:
    def write(path: Path) -> Facts:
        data = _values(1)
        _save(path, t=_T[None] / 20_000, freq=10, pulseno=5, amp=1.5, ampBCT=2.0, **{name: data})
        return {
            "signals": data,
            "signals@sampling_frequency": 20_000.0,
            "channel_name": [name],
            "freq": [[10]],
            "ampBCT": [[2.0]],
        }

    return write


def labchart(path: Path) -> Facts:
    """Two channels, two blocks, at one rate; the second block lacks the first channel."""
    flat = _values(1, 130)[0]
    _save(
        path, data=flat[None], datastart=[[1.0, -1.0], [41.0, 81.0]], dataend=[[40.0, -1.0], [80.0, 130.0]],
        samplerate=np.full((2, 2), 20_000.0), tickrate=[[20_000.0, 20_000.0]],
        titles=np.array(["Nerve   ", "Pressure"]), unittext=np.array(["V   ", "mmHg"]),
        unittextmap=[[1.0, -1.0], [2.0, 2.0]], blocktimes=[[738000.5, 738000.75]],
    )  # fmt: skip
    return {
        "signals": np.stack([flat[:40], flat[40:80]]),
        "signals@sampling_frequency": 20_000.0,
        "channel_name": ["Nerve", "Pressure"],
        "channel_units": ["V", "mmHg"],
        "signals_block2": flat[None, 80:],
        "signals_block2@start_time": 21600.0,
        "channel_name_block2": ["Pressure"],
    }


# -- HDF5 ---------------------------------------------------------------------------------------------------


def _segments(subject: str, starts: tuple[str, str], late: float, nerves: int) -> Callable[[Path], Facts]:
    """Two segments of unequal length."""

    def write(path: Path) -> Facts:
        import h5py

        facts: Facts = {"?warning": "older mapping scheme", "@recording_start": starts[0].replace(" ", "T")}
        with h5py.File(path, "w") as file:
            for number, (start, size) in enumerate(zip(starts, (10, 12), strict=True)):
                for name, count, rate, unit in (
                    ("ecg", 3, 1000, "mV"), ("hr", 2, 500, "bpm"), ("neural", nerves, 30_000, "uV"),
                ):  # fmt: skip
                    data = _values(count, size * rate // 500, seed=number)
                    file[f"{subject}/{start}/{name}"] = data.T
                    plain = "".join(c if c.isalnum() else "_" for c in f"{subject}_{start}_{name}")
                    key = "signals" + (f"_{plain}" if number or name != "ecg" else "")
                    facts |= {
                        key: data,
                        f"{key}@sampling_frequency": float(rate),
                        f"{key}@units": unit,
                        f"{key}@start_time": late if number else 0.0,
                    }
        return facts

    return write


def evoked(path: Path, *, igor: bool = False) -> Facts:
    """Two trials; with ``igor`` the waves state their step in milliseconds."""
    import h5py

    first, second = _values(2).astype("f4"), _values(1, seed=9).astype("f4")
    with h5py.File(path, "w") as file:
        for trial, waves in (("001", first), ("002", second)):
            group = file.create_group(f"EPs/20200108/E1R2 /E1R2  {trial}")
            group["v_Threshold"] = 200.0
            group["w_Level"] = np.array([200, 250][: len(waves)], "f4")
            group["w_Response"] = np.array([1e-6, 2e-6][: len(waves)], "f4")
            for level, wave in zip((200, 250), waves, strict=False):
                group[f"w_E1R2 {level}CL"] = wave
                if igor:
                    held = group[f"w_E1R2 {level}CL"].attrs
                    held["IGORWaveScaling"], held["IGORWaveUnits"] = [[0.0, 0.0], [0.05, -10.0]], ["V", "ms"]
    facts: Facts = {
        "signals": first,
        "channel_name": ["w_E1R2 200CL", "w_E1R2 250CL"],
        "signals_EPs_20200108_E1R2_E1R2_002_w_E1R2_200CL": second,
        "EPs_20200108_E1R2_E1R2_001_w_Level": np.array([200, 250], "f4"),
        "EPs_20200108_E1R2_E1R2_002_v_Threshold": 200.0,
    }
    if igor:
        return facts | {
            "signals@sampling_frequency": 20_000.0,
            "signals@start_time": -0.01,
            "channel_units": ["V", "V"],
        }
    return facts | {"?warning": "there is no time axis"}


# -- instruments --------------------------------------------------------------------------------------------


@cache
def _made(name: str) -> tuple[Path, Facts]:
    folder = Path(tempfile.mkdtemp(prefix=f"fuse-{name}-"))
    return folder, module(name).make(folder)


def _of(name: str, file: str) -> Callable[[Path], Facts]:
    def write(path: Path) -> Facts:
        folder, facts = _made(name)
        path.write_bytes((folder / file).read_bytes())
        return facts[file]

    return write


# Dataset, path of the file in it, the recipe that is found for it, and what writes it.
LAYOUTS: tuple[tuple[str, str, str | None, Callable[[Path], Facts]], ...] = (
    ("108", "primary/sub-1/HPLC_260_NM.csv", "ds108", chromatogram),
    ("126", "primary/sub-1/rec.acq", None, _of("acq", "r38.acq")),
    ("142", "primary/sub-1/pressure-preconditioning.csv", "ds142", twelve_hours),
    ("148", "primary/sub-1/rec.acq", None, _of("acq", "uneven.acq")),
    ("149", "primary/sub-1/rec.smr", None, _of("smr", "v6.smr")),
    ("150", "primary/sub-1/rec.smr", None, _of("smr", "v9.smr")),
    ("224", "primary/sub-1/20_1021.acq", None, _of("acq", "r132.acq")),
    ("297", "primary/sub-1/sweeps.abf", None, _of("abf", "episodic1.abf")),
    ("301", "primary/sub-13/sub-13-18_run-0003_type-bpa_sig-01.csv", "ds301", single_signal),
    ("305", "primary/sub-1/20191119.csv", "ds305", responses),
    ("309", "primary/out_02Hz_02p.mat", "ds309", force),
    ("310", "primary/out_0_10.mat", "ds310", cells),
    ("315", "primary/sub-1/rec.smrx", None, _of("smrx", "all.smrx")),
    ("323", "primary/sub-1/FI_SNS_001_KRL_PostSNS_MadgTest_v42.csv", "ds323", probe_323),
    ("323", "primary/sub-2/clock.csv", "ds323", twelve_hours),
    ("327", "primary/Aff1_Eff0_5.mat", "ds327", intervals),
    ("338", "primary/sub-1/rec.smrx", None, _of("smrx", "sections.smrx")),
    (
        "349", "primary/subject-1.hdf5", "ds349",
        _segments("subject-1", ("2022-03-28 20:03:52.303544", "2022-03-28 20:04:23.921393"), 31.617849, 4),
    ),
    ("350", "primary/sub-1/GI_Lab_Volunteer_Study_010_Probe_MadgTest_v42.csv", "ds350", probe_350),
    ("351", "primary/sub-1/GI_Lab_Volunteer_Study_001_MadgTest_v42.csv", "ds351", probe_351),
    ("357", "primary/sub-1/E033022_01_FVol.mat", None, bladder),
    ("357", "primary/sub-1/E033022_01_EFEUSEMG.mat", None, bladder_emg),
    ("375", "primary/ecg_freq10_pulseno10.mat", "ds375", _stimulated("ecg")),
    ("376", "primary/emg_freq10_pulseno10.mat", "ds376", _stimulated("emg")),
    ("378", "primary/sub-1/rec.adicht", None, _of("adicht", "mixed.adicht")),
    (
        "380", "primary/subject-3.hdf5", "ds380",
        _segments(
            "subject-3", ("2022-09-22T18:19:58.515726+00:00", "2022-09-22T18:20:30.895281+00:00"), 32.379555, 3
        ),
    ),
    ("391", "primary/sub-1/12_013.h5", "ds391", evoked),
    ("391", "primary/sub-1/12_014.h5", "ds391", lambda path: evoked(path, igor=True)),
    ("400", "primary/sub-1/ML032922B-NeuroAmp.mat", None, labchart),
    ("400", "primary/sub-1/rec.adicht", None, _of("adicht", "one.adicht")),
    ("406", "primary/sub-1001/01-A-1.wav", None, _of("wav", "scipy_i2.wav")),
    ("425", "primary/aia_batch_4_post_60.csv", "ds425", activity),
    ("430", "primary/500uA_100ms.abf", None, _of("abf", "gapfree1.abf")),
)  # fmt: skip

# Their readers are tested with files of their own in tests/formats.
ELSEWHERE = {"316": "rhd", "435": "blackrock", "436": "rhd"}
