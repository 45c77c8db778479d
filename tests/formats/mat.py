"""MAT files for `sparc_fuse_core.formats.mat`, by scipy,
by mat-io and by hand; scipy and h5py are the oracles."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

_RATE = 250.0


def _cell(items: list[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape or (1, len(items)))


def _waves(channels: int, samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, samples))


def make(folder: Path) -> dict[str, dict[str, Any]]:
    expected: dict[str, dict[str, Any]] = {}
    for part in (_plain, _clocks, _labchart, _programs, _types, _levels, _damaged):
        expected |= part(folder)
    return expected


def _save(folder: Path, name: str, content: dict[str, Any], **options: Any) -> None:
    from scipy.io import savemat

    savemat(folder / name, content, **options)


def _plain(folder: Path) -> dict[str, dict[str, Any]]:
    """The layouts of SPARC datasets and how little they say."""
    data, t = _waves(3, 500), np.arange(500) / _RATE
    _save(folder, "data_fs_t.mat", {"data": data.T, "fs": _RATE, "t": t})
    _save(folder, "data_fs_t_v7.mat", {"data": data.T, "fs": _RATE, "t": t}, do_compression=True)
    _save(folder, "fs_only.mat", {"data": data.T, "Fs": _RATE, "gain": 2.0})
    _save(folder, "lonely.mat", {"data": data.astype("f4")})
    _save(folder, "two_rates.mat", {"data": data, "fs": 100.0, "sr": 200.0})
    _save(folder, "square.mat", {"v": data[:, :3], "t": t[:3]})
    sim = {"t_sim": t, "force": data[0], "stimvect": [0.5, 1.5], "force_impulse": 3.0}
    _save(folder, "sim.mat", sim)
    cells = {"t": t * 1000, "v": _waves(100, 500), "Ncell": 100, "achDensity": 0.25}
    _save(folder, "ncell.mat", cells)
    beats = np.cumsum(np.random.default_rng(2).uniform(0.6, 1.1, 200))
    _save(folder, "rr.mat", {"timePlot05": beats, "RRint05": np.diff(beats, prepend=0.0)})
    evoked = {"t": t, "ecg": data[0], "emg": data[1], "freq": 20.0, "pulseno": 5, "amp": 1.5, "ampBCT": 2.0}
    _save(folder, "evoked.mat", evoked)
    one = {"signals": data.T, "time": t, "sr": _RATE, "chans": _cell(["a", "b", "c"])}
    _save(folder, "struct.mat", {"rec": one, "note": "hello"})
    with_rate = {"signals": data, "signals@sampling_frequency": _RATE, "signals@start_time": 0.0}
    return {
        "data_fs_t.mat": with_rate | {"fs": [[_RATE]]},
        "data_fs_t_v7.mat": with_rate,
        "fs_only.mat": with_rate | {"gain": [[2.0]], "?warning": "orientation="},
        "lonely.mat": {"data": data.astype("f4"), "@fuse_kind": "table", "?warning": "rate="},
        "two_rates.mat": {"!error": "Ambiguous"},
        "square.mat": {"signals": data[:, :3], "?warning": "orientation="},
        "sim.mat": {
            "signals": data[:1], "channel_name": ["force"], "signals@sampling_frequency": _RATE,
            "stimvect": [[0.5, 1.5]], "force_impulse": [[3.0]], "?warning": "time_unit=",
        },
        "ncell.mat": {"signals": cells["v"], "Ncell": [[100]], "achDensity": [[0.25]]},
        "rr.mat": {"signals": np.diff(beats, prepend=0.0)[None], "time": beats, "channel_name": ["RRint05"]},
        "evoked.mat": {
            "signals": data[:2], "channel_name": ["ecg", "emg"], "signals@sampling_frequency": _RATE,
            "freq": [[20.0]], "amp": [[1.5]], "?warning": "freq says 20 Hz",
        },
        "struct.mat": with_rate | {"channel_name": ["a", "b", "c"], "note": "hello"},
    }  # fmt: skip


def _clocks(folder: Path) -> dict[str, dict[str, Any]]:
    """Units of time, and what options settle."""
    data, t = _waves(2, 400, 3), np.arange(400) / _RATE
    _save(folder, "milliseconds.mat", {"t": t * 1000, "lfp": data, "fs": _RATE})
    _save(folder, "time_ms.mat", {"time_ms": t * 1000, "lfp": data})
    _save(folder, "gap.mat", {"t": np.where(np.arange(400) < 200, t, t + 3), "lfp": data, "fs": _RATE})
    _save(folder, "blocks.mat", {
        "data_block1": data, "ticktimes_block1": t, "titles_block1": np.array(["a ", "bc"]),
        "data_block2": data[:, :90], "ticktimes_block2": t[:90] + 5, "titles_block2": np.array(["a ", "bc"]),
    })  # fmt: skip
    _save(folder, "unsorted.mat", {"t": t[::-1].copy(), "lfp": data})
    same = {"signals": data, "signals@sampling_frequency": _RATE}
    return {
        "milliseconds.mat": same | {"?warning": "milliseconds"},
        "time_ms.mat": same,
        "gap.mat": {"signals": data, "time": np.where(np.arange(400) < 200, t, t + 3)},
        "blocks.mat": same
        | {
            "channel_name": ["a", "bc"],
            "signals_data_block2": data[:, :90],
            "signals_data_block2@start_time": 5.0,
            "channel_name_data_block2": ["a", "bc"],
        },
        "unsorted.mat": {"lfp": data, "t": t[::-1][None], "?warning": "time="},
    }


def _labchart(folder: Path) -> dict[str, dict[str, Any]]:
    """Two channels of unequal rate in two blocks; the second channel is off in the second block."""
    ecg1, bp1, ecg2 = _waves(1, 1000, 4)[0], _waves(1, 500, 5)[0], _waves(1, 600, 6)[0]
    content = {
        "data": np.concatenate([ecg1, bp1, ecg2]), "samplerate": [[1000.0, 1000.0], [500.0, 500.0]],
        "datastart": [[1.0, 1501.0], [1001.0, -1.0]], "dataend": [[1000.0, 2100.0], [1500.0, -1.0]],
        "titles": np.array(["ECG  ", "Blood"]), "unittext": np.array(["mV  ", "mmHg"]),
        "tickrate": [[1000.0, 1000.0]],
        "unittextmap": [[1.0, 1.0], [2.0, -1.0]], "blocktimes": [[738000.5, 738000.5 + 10 / 86400]],
        "com": [[-1.0, 1.0, 250.0, 1.0, 1.0], [2.0, 2.0, 100.0, 1.0, 2.0]], "comtext": np.array(["start",
        "stop "]),
        "firstsampleoffset": np.zeros((2, 2)), "rangemax": [[5.0, 5.0], [9.0, 9.0]],
    }  # fmt: skip
    _save(folder, "labchart.mat", content, do_compression=True)
    raw = np.arange(-20, 20, dtype="i2")
    whole = {"samplerate": [[100.0]], "datastart": [[1.0]], "dataend": [[40.0]], "titles": np.array(["A"])}
    scaled = {"data": raw, "scaleunits": [[0.5]], "scaleoffset": [[2.0]], "unittext": np.array(["V"])}
    _save(folder, "labchart16.mat", whole | scaled)
    _save(folder, "labchart_lie.mat", whole | {"data": raw.astype("f8"), "dataend": [[41.0]]})
    return {
        "labchart.mat": {
            "signals": ecg1[None], "signals@sampling_frequency": 1000.0, "channel_name": ["ECG"],
            "channel_units": ["mV"], "signals_block1": bp1[None], "channel_units_block1": ["mmHg"],
            "signals_block1@sampling_frequency": 500.0, "signals_block2": ecg2[None],
            "signals_block2@start_time": 10.0, "@recording_start": "2020-07-28T12:00:00",
            "event_time": [0.25, 10.1], "event_label": ["start", "stop"], "event_channel": ["", "Blood"],
            "rangemax": [[5.0, 5.0], [9.0, 9.0]], "~": 1e-6,
        },
        "labchart16.mat": {"signals": (raw[None] + 2.0) * 0.5, "channel_units": ["V"]},
        "labchart_lie.mat": {"!error": "FormatError"},
    }  # fmt: skip


def _programs(folder: Path) -> dict[str, dict[str, Any]]:
    """FieldTrip, Spike2 and EEGLAB."""
    a, b = _waves(2, 300, 7), _waves(2, 300, 8)
    t = np.arange(300) / _RATE - 0.5
    label, info = _cell(["Fz", "Cz"], (2, 1)), np.array([[1.0, 300.0], [501.0, 800.0]])
    raw = {
        "trial": _cell([a, b]),
        "time": _cell([t, t]),
        "label": label,
        "fsample": _RATE,
        "sampleinfo": info,
    }
    _save(folder, "fieldtrip.mat", {"data": raw})
    uneven = raw | {"trial": _cell([a, b[:, :200]]), "time": _cell([t, t[:200]])}
    _save(folder, "fieldtrip_uneven.mat", {"data": uneven})
    timelock = {"avg": a, "time": t, "label": label, "dimord": "chan_time", "dof": np.full((2, 300), 9.0)}
    _save(folder, "timelock.mat", {"tl": timelock})
    _save(folder, "spike2.mat", _spike2(a))
    _save(folder, "eeglab.mat", {"EEG": _eeglab(np.stack([a, b], axis=2))})
    (folder / "beside.fdt").write_bytes(a.astype("<f4").tobytes(order="F"))
    _save(folder, "eeglab_fdt.mat", _eeglab(a) | {"data": "beside.fdt"})
    sweeps = np.stack([a, b])
    names = {"channel_name": ["Fz", "Cz"], "signals@sampling_frequency": _RATE}
    return {
        "fieldtrip.mat": names | {"signals": sweeps, "sweep_start": [0.0, 2.0], "signals@start_time": -0.5},
        "fieldtrip_uneven.mat": names | {"signals": a, "signals_data_1": b[:, :200]},
        "timelock.mat": names | {"signals": a, "signals@start_time": -0.5},
        "spike2.mat": {
            "signals": a[:1], "channel_name": ["ECG"], "channel_units": ["mV"], "signals@start_time": 0.25,
            "signals@sampling_frequency": _RATE, "signals_Raw": (np.arange(300) * 5 / 6553.6 + 1)[None],
            "event_time": [0.1, 0.2, 0.4, 0.7], "event_label": ["Stim", "Keys 65", "Stim", "Keys 66"],
            "event_channel": ["Stim", "Keys", "Stim", "Keys"], "~": 1e-12,
        },
        "eeglab.mat": names | {"signals": sweeps, "sweep_start": [0.0, 1.2], "event_time": [0.04, 1.6],
                               "event_label": ["go", "7"]},
        "eeglab_fdt.mat": names | {"signals": a.astype("f4")},
    }  # fmt: skip


def _spike2(wave: np.ndarray) -> dict[str, Any]:
    head = {"title": "ECG", "comment": "", "interval": 1 / _RATE, "scale": 1.0, "offset": 0.0, "units": "mV"}
    codes = np.array([[65, 0, 0, 0], [66, 0, 0, 0]], "u1")
    return {
        "f_Ch1": head | {"start": 0.25, "length": 300.0, "values": wave[0][:, None]},
        "f_Ch2": head | {"title": "Raw", "start": 0.0, "values": np.arange(300, dtype="i2")[:, None],
        "scale": 5.0,
                         "offset": 1.0, "units": "V"},
        "f_Ch3": {"title": "Stim", "resolution": 1e-6, "length": 2.0, "times": np.array([[0.1], [0.4]])},
        "f_Ch4": {"title": "Keys", "resolution": 1e-6, "times": np.array([[0.2], [0.7]]), "codes": codes},
    }  # fmt: skip


def _eeglab(data: np.ndarray) -> dict[str, Any]:
    places = np.array([("Fz", 1.0), ("Cz", 2.0)], dtype=[("labels", object), ("theta", object)])
    event = np.array([(11.0, "go"), (401.0, 7.0)], dtype=[("latency", object), ("type", object)])
    trials = float(data.shape[2]) if data.ndim == 3 else 1.0
    return {
        "data": data, "srate": _RATE, "nbchan": 2.0, "pnts": 300.0, "trials": trials, "xmin": 0.0,
        "chanlocs": places, "event": event,
    }  # fmt: skip


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    from scipy.sparse import coo_array

    big = coo_array((np.array([1.5, -2.0]), (np.array([0, 4999]), np.array([7, 3000]))), shape=(5000, 4000))
    content = {
        "i64": np.array([[2**62, -(2**62)]]), "u64": np.array([[2**64 - 1]], "u8"), "yes": np.array([[True,
        False]]),
        "z": np.array([[1 + 2j, complex(np.inf, -4)]]), "text": "Grüße", "lines": np.array(["ab ", "cde"]),
        "words": _cell(["x", "yz"]), "mixed": _cell([np.arange(3.0), "t", _cell([np.eye(2)])]),
        "deep": {"one": {"two": np.arange(4, dtype="i2"), "three": "3"}}, "cube": np.arange(24.0).reshape(2,
        3, 4),
        "small": coo_array((np.array([5.0]), (np.array([1]), np.array([2]))), shape=(2, 3)), "big": big,
        "people": np.array([(1.0, "a"), (2.0, "b")], dtype=[("n", object), ("s", object)]),
        "none": np.empty((0, 3)),
    }  # fmt: skip
    expected = {
        "i64": content["i64"], "u64": content["u64"], "yes": content["yes"], "z": content["z"],
        "text": "Grüße",
        "lines": ["ab", "cde"], "words": [["x", "yz"]], "mixed_0": [[0.0, 1.0, 2.0]], "mixed_1": "t",
        "mixed_2_0": np.eye(2), "deep_one_two": [[0, 1, 2, 3]], "deep_one_three": "3",
        "cube": content["cube"],
        "small": [[0, 0, 0], [0, 0, 5.0]], "big_row": [4999, 0][::-1], "big_column": [7, 3000],
        "big_value": [1.5, -2.0], "big_shape": [5000, 4000], "people_n": [[1.0, 2.0]], "people_s": [["a",
        "b"]],
        "@fuse_kind": "table",
    }  # fmt: skip
    _save(folder, "types.mat", content)
    _save(folder, "types_v7.mat", content, do_compression=True)
    return {"types.mat": expected, "types_v7.mat": expected}


def _levels(folder: Path) -> dict[str, dict[str, Any]]:
    """Level 4 in both byte orders, level 5 big-endian, 7.3 (by mat-io)."""
    from matio import save_to_mat

    data, t = _waves(2, 300, 9), np.arange(300) / _RATE
    _save(
        folder, "level4.mat", {"data": data, "fs": _RATE, "txt": "abc", "z": np.array([[1 + 2j]])}, format="4"
    )
    (folder / "level4_big.mat").write_bytes(_v4(">", "lfp", data) + _v4(">", "time", t[None]))
    (folder / "big.mat").write_bytes(_v5_head(">") + _v5(">", "lfp", data) + _v5(">", "time", t[None]))
    inner = {"lfp": data, "time": t[None], "label": _cell(["x", "y"])}
    save_to_mat(
        str(folder / "level73.mat"),
        {
            "rec": inner,
            "z": np.array([[1 + 2j]]),
            "ok": np.array([[True]]),
            "txt": "hé",
            "c": _cell([np.eye(3), "q"]),
        },
        version="v7.3",
    )
    save_to_mat(
        str(folder / "objects.mat"),
        {"when": np.array([["2024-01-02T03:04:05"]], "M8[ns]"), "long": np.array([[90]], "m8[s]"),
         "data": data, "fs": np.array([[_RATE]])},
        version="v7",
    )  # fmt: skip
    same = {"signals": data, "signals@sampling_frequency": _RATE}
    return {
        "level4.mat": same | {"txt": "abc", "z": [[1 + 2j]]},
        "level4_big.mat": same,
        "big.mat": same,
        "level73.mat": same | {"channel_name": ["x", "y"], "z": [[1 + 2j]], "ok": [[True]], "txt": "hé",
                               "c_0": np.eye(3), "c_1": "q"},
        "objects.mat": same | {"long": [[90.0]], "when@units": "nanoseconds since 1970-01-01"},
    }  # fmt: skip


def _v4(order: str, name: str, values: np.ndarray) -> bytes:
    head = struct.pack(order + "5i", 1000 * (order == ">"), *values.shape, 0, len(name) + 1)
    return head + name.encode() + b"\0" + values.astype(order + "f8").tobytes(order="F")


def _v5_head(order: str) -> bytes:
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    return b"MATLAB 5.0 MAT-file, by hand".ljust(116) + bytes(8) + mark


def _element(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def _v5(order: str, name: str, values: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    body = _element(order, 6, struct.pack(order + "II", 6, 0))
    body += _element(order, 5, struct.pack(order + "ii", *(shape or values.shape)))
    body += _element(order, 1, name.encode()) + _element(
        order, 9, values.astype(order + "f8").tobytes(order="F")
    )
    return struct.pack(order + "II", 14, len(body)) + body


def _damaged(folder: Path) -> dict[str, dict[str, Any]]:
    values = _waves(2, 50)
    whole = _v5_head("<") + _v5("<", "data", values)
    (folder / "cut.mat").write_bytes(whole[:-100])
    (folder / "shape_lie.mat").write_bytes(_v5_head("<") + _v5("<", "data", values, (2, 1 << 30)))
    packed = zlib.compress(_v5("<", "data", values))
    (folder / "corrupt.mat").write_bytes(_v5_head("<") + _compressed(packed[:-8] + b"\0" * 8))
    (folder / "long_lie.mat").write_bytes(
        _v5_head("<") + _compressed(zlib.compress(struct.pack("<II", 14, 3 << 30)))
    )
    nested = b""
    for _ in range(100):
        nested = _cell_of(nested)
    (folder / "nested.mat").write_bytes(_v5_head("<") + nested)
    (folder / "level73_cut.mat").write_bytes((folder / "level73.mat").read_bytes()[:-900])
    return {
        "cut.mat": {"!error": "Truncated"},
        "shape_lie.mat": {"!error": "FormatError"},
        "corrupt.mat": {"!error": "FormatError"},
        "long_lie.mat": {"!error": "FormatError"},
        "nested.mat": {"!error": "LimitExceeded"},
        "level73_cut.mat": {"!error": "Truncated"},
    }


def _compressed(packed: bytes) -> bytes:
    return struct.pack("<II", 15, len(packed)) + packed


def _cell_of(inner: bytes) -> bytes:
    body = _element("<", 6, struct.pack("<II", 1, 0)) + _element(
        "<", 5, struct.pack("<ii", 1, 1 if inner else 0)
    )
    body += _element("<", 1, b"c") + inner
    return struct.pack("<II", 14, len(body)) + body


def oracle(path: Path) -> dict[str, Any] | None:
    """Numbers of the variables and of structs of one, by scipy, or by h5py where the file is HDF5."""
    from scipy.io import loadmat

    if path.name in ("scipy_corrupted_zlib_data.mat", "scipy_malformed1.mat"):
        return {"!error": "Truncated" if "malformed" in path.name else "FormatError"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what scipy will return for sparse matrices one day
            held = loadmat(path, struct_as_record=True)
    except NotImplementedError:
        return _by_h5py(path)
    expected: dict[str, Any] = {}
    for name, value in held.items():
        if not name.startswith("__"):
            _collect(name, value, expected)
    if path.name.startswith("fieldtrip"):
        _fieldtrip(held["data"][0, 0], expected)
    return expected


def _collect(name: str, value: Any, expected: dict[str, Any]) -> None:
    if hasattr(value, "toarray") and 0 not in value.shape:
        expected[name] = value.toarray()
    elif isinstance(value, np.ndarray) and type(value) is np.ndarray and value.size:
        if value.dtype.names and value.size == 1:
            for field in value.dtype.names:
                _collect(f"{name}_{field}", value[0, 0][field], expected)
        elif value.dtype.kind in "biufc":
            expected[name] = value


def _fieldtrip(data: Any, expected: dict[str, Any]) -> None:
    """What became a stream is no array any more."""
    for name in ("avg", "var", "dof", "time", "fsample"):
        expected.pop(f"data_{name}", None)
    expected["channel_name"] = [str(label[0]) for label in data["label"].ravel()]
    names = data.dtype.names
    expected["signals"] = data["avg"] if "avg" in names else data["trial"][0, 0]
    expected["signals@sampling_frequency"] = 1000.0 if "avg" in names else float(data["fsample"][0, 0])


def _by_h5py(path: Path) -> dict[str, Any]:
    import h5py

    expected: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for name in file:
            if not name.startswith("#"):
                _collect_h5(name, file[name], expected)
        if path.name.startswith("fieldtrip"):
            for name in ("avg", "var", "dof", "time"):
                expected.pop(f"data_{name}", None)
            expected["signals"] = file["data/avg"][()].T
            expected["signals@sampling_frequency"] = 1000.0
    return expected


def _collect_h5(name: str, thing: Any, expected: dict[str, Any]) -> None:
    if (
        "MATLAB_sparse" in thing.attrs
        or "MATLAB_object_decode" in thing.attrs
        or "MATLAB_empty" in thing.attrs
    ):
        return
    if not hasattr(thing, "shape"):
        for child in thing:
            _collect_h5(f"{name}_{child}", thing[child], expected)
    elif thing.attrs.get("MATLAB_class") in (b"double", b"single", b"int16", b"int64", b"uint8"):
        values = thing[()].T
        expected[name.strip("_")] = values["real"] + 1j * values["imag"] if values.dtype.names else values
