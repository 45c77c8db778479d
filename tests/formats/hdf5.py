"""HDF5 files for `sparc_fuse_core.formats.hdf5`, written by h5py,
which is also the oracle: no other reader exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_RATE = 250.0


def _waves(channels: int, samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, samples))


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return (
        _signals(folder)
        | _sessions(folder)
        | _types(folder)
        | _links(folder)
        | _nwb(folder)
        | _damaged(folder)
    )


def _signals(folder: Path) -> dict[str, dict[str, Any]]:
    """Rates and times in attributes, in scalars and in vectors; chunks, filters, byte orders, user blocks."""
    import h5py
    import hdf5plugin

    data, t = _waves(4, 2000), np.arange(2000) / _RATE
    raw = (data * 1000).astype(">i2")
    with h5py.File(folder / "attribute.h5", "w") as file:
        held = file.create_dataset("run/ecg", data=raw.T, chunks=(256, 2), compression="gzip", shuffle=True)
        held.attrs.update(
            {"sampling_rate": _RATE, "units": "uV", "channel_names": ["a", "b", "c", "d"], "t0": 2.0}
        )
        file.create_dataset("run/gains", data=[1.0, 2.0])
    with h5py.File(folder / "group.h5", "w", userblock_size=1024) as file:
        group = file.create_group("amp")
        group.attrs["fs"] = np.float32(_RATE)
        group.create_dataset("lfp", data=data.astype("f4"), **hdf5plugin.Blosc())
        group.create_dataset("peaks", data=np.array([3, 90, 700]))
    with h5py.File(folder / "scalar.hdf5", "w") as file:
        file["data"], file["fs"], file["t"] = data, _RATE, t
    with h5py.File(folder / "since.he5", "w") as file:
        file["trace/time"], file["trace/force"] = t + 86400.0, data[0]
        file["trace/time"].attrs["units"] = "seconds since 2024-01-01"
    with h5py.File(folder / "irregular.h5", "w") as file:
        file["timestamps"], file["pressure"] = np.cumsum(np.arange(1, 101)) * 0.1, _waves(1, 100)[0]
        file["timestamps"].attrs["unit"] = "ms"
    with h5py.File(folder / "cf.h5", "w") as file:
        file["time"], file["lfp"], file["delay"] = np.arange(2000, dtype="i4"), raw, np.array([1.0, 2.0])
        file["time"].attrs.update({"units": "seconds", "scale_factor": 1 / _RATE, "add_offset": 1.0})
        file["lfp"].attrs.update({"scale_factor": 0.5, "add_offset": 2.0, "units": "mV"})
        file["delay"].attrs.update({"units": "seconds", "_FillValue": -1.0})
        file["ticks"] = np.array([5, 6])
        file["ticks"].attrs["units"] = "counts since reset"
    same = {"signals@sampling_frequency": _RATE}
    return {
        "attribute.h5": same | {"signals": raw.astype("i2"), "channel_units": ["uV"] * 4, "run_gains": [1.0,
        2.0],
                                "channel_name": ["a", "b", "c", "d"], "signals@start_time": 2.0},
        "group.h5": same | {"signals": data.astype("f4"), "amp_peaks": [3, 90, 700], "?warning": "amp/lfp"},
        "scalar.hdf5": same | {"signals": data},
        "cf.h5": same | {"signals": raw * 0.5 + 2.0, "signals@start_time": 1.0, "channel_units": ["mV"] * 4,
                         "delay": [1.0, 2.0], "delay@units": "s", "ticks": [5, 6]},
        "since.he5": same | {"signals": data[:1], "@recording_start": "2024-01-02T00:00:00"},
        "irregular.h5": {"signals": _waves(1, 100), "time": np.cumsum(np.arange(1, 101)) * 0.1 * 1e-3,
        "~": 1e-12},
    }  # fmt: skip


def _sessions(folder: Path) -> dict[str, dict[str, Any]]:
    """``subject/date-time/{ecg, hr, neural}`` with and without rates."""
    import h5py

    ecg, hr, neural = _waves(3, 1000), _waves(2, 500), np.arange(40000, dtype="i2").reshape(-1, 4)
    expected = {}
    for name, rates in (("bare.h5", {}), ("rated.h5", {"ecg": 1000, "hr": 500, "neural": 30000})):
        with h5py.File(folder / name, "w") as file:
            for place, minute in enumerate((0, 5)):
                for part, values in (("ecg", ecg.T + place), ("hr", hr.T), ("neural", neural)):
                    held = file.create_dataset(f"s1/2021-06-01T10:0{minute}:00/{part}", data=values)
                    if part in rates:
                        held.attrs["fs"] = rates[part]
        expected[name] = {"@recording_start": "2021-06-01T10:00:00"}
    first = "s1_2021_06_01T10_0"
    expected["bare.h5"] |= {f"{first}0_00_ecg": ecg.T, "?warning": "rate=", "@fuse_kind": "table"}
    expected["rated.h5"] |= {
        "signals": ecg, "signals@sampling_frequency": 1000.0,
        f"signals_{first}0_00_hr@sampling_frequency": 500.0,
        f"signals_{first}5_00_ecg": ecg + 1, f"signals_{first}5_00_ecg@start_time": 300.0,
        f"signals_{first}0_00_neural": neural.T,
    }  # fmt: skip
    return expected


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    import h5py

    table = np.array(
        [(1, 2.5, b"x", [1, 2]), (2, 3.5, b"yz", [3, 4])],
        [("a", "i4"), ("b", "f8"), ("c", "S4"), ("d", "u1", 2)],
    )
    with h5py.File(folder / "types.h5", "w") as file:
        file["table"], file["i64"], file["half"] = table, np.array([2**62]), np.array([0.5, 1.5], "f2")
        file["z"], file["yes"] = np.array([1 + 2j]), np.array([True, False])
        file["text"], file["words"] = "Grüße", np.array([b"ab", b"c"])
        file["state"] = np.array([0, 1], "u1")
        ragged = file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("i4"))
        ragged[0], ragged[1] = [1, 2, 3], [4]
        file.create_dataset("mode", data=[1, 0], dtype=h5py.enum_dtype({"off": 0, "on": 1}, "i1"))
        file["nothing"], file["void"] = h5py.Empty("f8"), np.void(b"opaque")
        file["scalar"], file["cube"] = 7.5, np.arange(24.0).reshape(2, 3, 4)
        file["points"] = np.zeros((0, 3))
        file.attrs["title"] = "all types"
    return {
        "types.h5": {
            "table_a": [1, 2], "table_b": [2.5, 3.5], "table_c": ["x", "yz"], "table_d": [[1, 2], [3, 4]],
            "i64": [2**62], "half": np.array([0.5, 1.5], "f2"), "z": [1 + 2j], "yes": [True, False],
            "text": "Grüße",
            "words": ["ab", "c"], "ragged_values": [1, 2, 3, 4], "ragged_lengths": [3, 1], "mode": [1, 0],
            "scalar": 7.5, "cube": np.arange(24.0).reshape(2, 3, 4), "@fuse_kind": "table",
            "@fuse_not_carried": [
                "nothing: is empty (a null dataspace)", "void: holds |V6, which is not a number",
            ],
        }
    }  # fmt: skip


def _links(folder: Path) -> dict[str, dict[str, Any]]:
    """Loops, aliases and everything that leads out of the file."""
    import h5py

    (folder / "secret.bin").write_bytes(np.arange(100.0).tobytes())
    with h5py.File(folder / "target.h5", "w") as file:
        file["data"] = np.arange(5.0)
    with h5py.File(folder / "links.h5", "w") as file:
        file["a/data"] = np.arange(6.0)
        file["a/loop"], file["alias"], file["soft"] = file["a"], file["a/data"], h5py.SoftLink("/a/data")
        file["out"] = h5py.ExternalLink(str(folder / "target.h5"), "/data")
        file.create_dataset("stolen", (100,), "f8", external=[(str(folder / "secret.bin"), 0, 800)])
        layout = h5py.VirtualLayout((5,), "f8")
        layout[:] = h5py.VirtualSource(str(folder / "target.h5"), "data", (5,))
        file.create_virtual_dataset("virtual", layout)
    return {
        "links.h5": {
            "a_data": np.arange(6.0),
            "@fuse_not_carried": [
                f"out: lies in another file ({str(folder / 'target.h5')!r}), which is not opened",
                "stolen: keeps its numbers in another file, which is not opened",
                "virtual: is put together from other files, which are not opened",
            ],
        }
    }


def _nwb(folder: Path) -> dict[str, dict[str, Any]]:
    """An NWB session under another name; the options of free layouts still make it one."""
    import h5py

    with h5py.File(folder / "session.h5", "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        file["acquisition/ecg/data"], file["acquisition/ecg/starting_time"] = np.arange(50), 2.0
        file["acquisition/ecg/data"].attrs.update({"conversion": 0.5, "unit": "volts"})
        file["acquisition/ecg/starting_time"].attrs["rate"] = _RATE
    (folder / "session_by_hand.h5").write_bytes((folder / "session.h5").read_bytes())
    same = {"signals@sampling_frequency": _RATE}
    by_hand = {"signals": np.arange(50)[None], "!options": {"rate": _RATE, "signals": "acquisition/ecg/data"}}
    return {
        "session.h5": same
        | {"signals": np.arange(50)[None] * 0.5, "signals@units": "V", "@fuse_format": "nwb"},
        "session_by_hand.h5": same | by_hand,
    }


def _damaged(folder: Path) -> dict[str, dict[str, Any]]:
    import h5py

    whole = (folder / "attribute.h5").read_bytes()
    (folder / "cut.h5").write_bytes(whole[:-200])
    (folder / "stub.h5").write_bytes(whole[:40])
    with h5py.File(folder / "huge.h5", "w") as file:
        file.create_dataset("never", (1 << 20, 1 << 20), "f8", chunks=(1024, 1024))
        file["there"] = np.arange(3.0)
    with h5py.File(folder / "hollow.h5", "w") as file:
        file.create_group("a/b/c")
    return {
        "cut.h5": {"!error": "Truncated"},
        "stub.h5": {"!error": "Truncated"},
        "huge.h5": {"there": np.arange(3.0)},
        "hollow.h5": {"!error": "FormatError"},
    }


def oracle(path: Path) -> dict[str, Any] | None:
    """Every numeric dataset of the corpus file, which states no rate."""
    import h5py

    expected: dict[str, Any] = {"@recording_start": "2021-06-01T10:00:00"}
    with h5py.File(path, "r") as file:

        def collect(name: str, thing: Any) -> None:
            if isinstance(thing, h5py.Dataset):
                expected["".join(c if c.isalnum() else "_" for c in name)] = thing[()]

        file.visititems(collect)
    return expected
