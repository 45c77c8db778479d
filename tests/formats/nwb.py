"""NWB files for `sparc_fuse_core.formats.nwb`, written by h5py after the schema; the oracle is h5py alone, which
is asked for the datasets by the names that the schema gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_START = "2024-05-06T07:08:09.123456+02:00"
_DATA = np.random.default_rng(5).integers(-3000, 3000, (400, 3)).astype("i2")
_TIMES = np.cumsum(np.random.default_rng(6).uniform(0.01, 0.02, 400)) + 5


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return (
        _second(folder)
        | _events(folder)
        | _doubtful(folder)
        | _first(folder)
        | _links(folder)
        | _refused(folder)
    )


def _typed(thing: Any, kind: str, **attrs: Any) -> Any:
    thing.attrs.update({"neurodata_type": kind, "namespace": "core", "object_id": "0-0"} | attrs)
    return thing


def _file(path: Path, version: str = "2.6.0") -> Any:
    import h5py

    file = h5py.File(path, "w")
    _typed(file, "NWBFile", nwb_version=version)
    file["session_start_time"] = file["timestamps_reference_time"] = _START
    file["general/subject/species"], file["general/subject/weight"] = "Rattus norvegicus", 0.3
    for name in ("acquisition", "processing", "stimulus/presentation", "specifications/core/2.6.0"):
        file.create_group(name)
    file["specifications/core/2.6.0/nwb.base"] = "{}"
    return file


def _series(
    file: Any, path: str, kind: str, data: Any, rate: float | None = 200.0, start: float = 0.0,
    times: Any = None, **attrs: Any,
) -> Any:  # fmt: skip
    group = _typed(file.create_group(path), kind, description="no description", comments="no comments")
    if data is not None:
        held = group.create_dataset("data", data=data, chunks=True) if np.ndim(data) else group["data"]
        held.attrs.update({"conversion": 1.0, "offset": 0.0, "resolution": -1.0, "unit": "volts"} | attrs)
    if times is not None:
        group["timestamps"] = times
        group["timestamps"].attrs.update({"interval": 1, "unit": "seconds"})
    elif rate is not None:
        group["starting_time"] = start
        group["starting_time"].attrs.update({"rate": rate, "unit": "seconds"})
    return group


def _table(file: Any, path: str, kind: str, columns: dict[str, Any], **ragged: Any) -> Any:
    group = _typed(file.create_group(path), kind, colnames=np.array([*columns, *ragged], dtype=object))
    for name, values in columns.items():
        group[name] = values
    for name, rows in ragged.items():
        group[name] = np.array(
            [v for row in rows for v in row], dtype=object if isinstance(rows[0][0], str) else None
        )
        group[f"{name}_index"] = np.cumsum([len(row) for row in rows]).astype("u1")
        _typed(group[f"{name}_index"], "VectorIndex", target=group[name].ref)
    group["id"] = np.arange(len(next(iter(columns.values()))))
    return group


def _second(folder: Path) -> dict[str, dict[str, Any]]:
    """Series of every shape, with scales, electrodes, frames and a link."""
    import h5py

    with _file(folder / "second.nwb") as file:
        electrodes = _table(file, "general/extracellular_ephys/electrodes", "DynamicTable", {
            "location": ["CA1", "unknown", "CA3", "DG"], "label": ["e0", "e1", "e2", "e3"], "x": [1.0, 2, 3, 4],
        })  # fmt: skip
        shank = _typed(
            file.create_group("general/extracellular_ephys/shank0"), "ElectrodeGroup", location="CA"
        )
        electrodes.create_dataset("group", data=[shank.ref] * 4, dtype=h5py.ref_dtype)
        raw = _series(
            file, "acquisition/Raw", "ElectricalSeries", _DATA, 30000.0, 1.5, conversion=0.5, offset=2.0
        )
        raw["electrodes"] = np.array([3, 0, 2])
        _typed(raw["electrodes"], "DynamicTableRegion", table=electrodes.ref, description="all")
        raw["channel_conversion"] = np.array([1.0, 2.0, 4.0])
        file["processing/ecephys/LFP/Raw"] = h5py.SoftLink("/acquisition/Raw")
        _series(
            file,
            "processing/behavior/Position/xy",
            "SpatialSeries",
            _DATA[:, :2] / 7.0,
            times=_TIMES,
            unit="meters",
        )
        file["processing/behavior/Position/xy/reference_frame"] = "upper left"
        patch = _series(file, "acquisition/sweep 1", "CurrentClampSeries", _DATA[:, 0], 1e4, conversion=1e-3)
        patch.attrs["sweep_number"] = np.uint32(7)
        patch["gain"] = 10.0
        patch["electrode"] = h5py.SoftLink("/general/extracellular_ephys/shank0")
        _series(
            file,
            "acquisition/movie",
            "TwoPhotonSeries",
            np.arange(4 * 5 * 6, dtype="u2").reshape(4, 5, 6),
            30.0,
            unit="n/a",
        )
        film = _series(file, "acquisition/film", "ImageSeries", np.zeros((0, 0, 0), "u1"), times=_TIMES[:3])
        film["external_file"] = np.array([b"film_1.avi", b"film_2.avi"])
        film["external_file"].attrs["starting_frame"] = [0, 2]
        _series(
            file,
            "processing/bands/theta",
            "DecompositionSeries",
            np.arange(24.0).reshape(4, 3, 2),
            times=[0.0, 1, 3, 4],
        )
        _series(
            file,
            "stimulus/presentation/mine",
            "MySeries",
            _DATA[:, 0].astype("f2"),
            conversion=2.0,
            unit="a.u.",
        )
        _series(file, "analysis/flags", "TimeSeries", _DATA[:, 0] > 0, 10.0, unit="n.a.")
        _series(file, "analysis/hollow", "TimeSeries", np.zeros((0,)))
    scaled = _DATA.T * (0.5 * np.array([[1.0], [2.0], [4.0]])) + 2.0
    return {
        "second.nwb": {
            "signals": scaled, "signals@sampling_frequency": 30000.0, "signals@start_time": 1.5,
            "channel_name": ["e3", "e0", "e2"], "channel_units": ["V"] * 3, "@recording_start": _START,
            "signals@electrode_location": ["DG", "CA1", "CA3"],
            "electrodes_group": ["general/extracellular_ephys/shank0"] * 4,
            "electrodes_location": ["CA1", "unknown", "CA3", "DG"], "electrodes_x": [1, 2, 3, 4],
            "signals_xy": (_DATA[:, :2] / 7.0).T, "time_xy": _TIMES, "signals_xy@units": "m",
            "signals_xy@reference_frame": "upper left", "signals_sweep_1": _DATA[:, :1].T * 1e-3,
            "signals_sweep_1@gain": 10.0, "signals_sweep_1@sweep_number": 7,
            "signals_sweep_1@electrode": "general/extracellular_ephys/shank0",
            "movie": np.arange(120).reshape(4, 5, 6), "movie@sampling_frequency": 30.0,
            "acquisition_film_timestamps": _TIMES[:3], "theta": np.arange(24.0).reshape(4, 3, 2),
            "theta_timestamps": [0, 1, 3, 4], "signals_mine": _DATA[None, :, 0].astype("f2").astype("f4") * 2,
            "signals_flags": _DATA[None, :, 0] > 0, "~": 1e-9, "@fuse_warnings": [],
            "?dropped": ["film: its frames are in other files (film_1.avi, film_2.avi)", "the schema"],
        }
    }  # fmt: skip


def _events(folder: Path) -> dict[str, dict[str, Any]]:
    """Tables with ragged columns, annotations, intervals, pulses."""
    import h5py

    spikes = [[0.1, 0.2, 0.5], [0.3], [1.0, 1.5]]
    with _file(folder / "events.nwb") as file:
        _table(
            file,
            "units",
            "Units",
            {"quality": ["good", "mua", "good"], "depth": [1.0, 2.0, 3.0]},
            spike_times=spikes,
        )
        trials = _table(
            file,
            "intervals/trials",
            "TimeIntervals",
            {"start_time": [2.0, 0.0], "stop_time": [3.5, 1.0]},
            tags=[["a", "b"], ["c"]],
        )
        kind = np.dtype([("idx_start", "i4"), ("count", "i4"), ("timeseries", h5py.ref_dtype)])
        series = _series(file, "acquisition/x", "TimeSeries", _DATA[:, 0])
        trials["timeseries"] = np.array([(0, 5, series.ref), (5, 7, series.ref)], kind)
        text = h5py.string_dtype()
        _series(
            file, "acquisition/notes", "AnnotationSeries", np.array(["begin", "end"], text), times=[0.25, 9.0]
        )
        _series(
            file,
            "acquisition/lick",
            "IntervalSeries",
            np.array([1, -1, 1, 2], "i1"),
            times=[4.0, 4.5, 5.0, 6.0],
        )
        pulses = _series(
            file, "acquisition/ttl", "LabeledEvents", np.array([1, 0, 1], "u1"), times=[7.0, 7.5, 8.0]
        )
        pulses["data"].attrs["labels"] = np.array(["off", "on"], dtype=object)
        _series(file, "acquisition/beat", "Events", None, times=[10.0, 11.0])
        doubly = _table(
            file, "analysis/waves", "DynamicTable", {"kind": ["p", "q"]}, wave=[[1.0, 2.0], [3.0], [4.0]]
        )
        doubly["wave_index_index"] = np.array([2, 3], "u1")
        file["analysis/loose"], file["analysis/empty"] = np.arange(5), np.zeros((0, 2))
    order = [0.0, 0.25, 2.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0, 10.0, 11.0]
    nan = np.nan
    return {
        "events.nwb": {
            "units_spike_times": [0.1, 0.2, 0.5, 0.3, 1.0, 1.5], "units_spike_times_index": [3, 4, 6],
            "units_quality": ["good", "mua", "good"], "units_id": [0, 1, 2], "trials_start_time": [2.0, 0.0],
            "trials_tags": ["a", "b", "c"], "trials_timeseries_count": [5, 7], "signals": _DATA[:, :1].T,
            "trials_timeseries_timeseries": ["acquisition/x"] * 2, "event_time": order,
            "event_label": ["c", "begin", "a, b", *["lick 1"] * 2, "lick 2", "on", "off", "on", "end", *["beat"] * 2],
            "event_duration": [1.0, nan, 1.5, 0.5, nan, nan, nan, nan, nan, nan, nan, nan],
            "event_channel": ["trials", "notes", "trials", *["lick"] * 3, *["ttl"] * 3, "notes", *["beat"] * 2],
            "acquisition_ttl_data": [1, 0, 1], "acquisition_lick_data": [1, -1, 1, 2], "waves_wave": [1, 2, 3, 4],
            "waves_wave_index": [2, 3, 4], "waves_wave_index_index": [2, 3], "analysis_loose": np.arange(5),
            "?warning": "acquisition/lick: 2 intervals lack",
        }
    }  # fmt: skip


def _doubtful(folder: Path) -> dict[str, dict[str, Any]]:
    """What contradicts the schema is read as it is meant, or kept apart, with a warning."""
    with _file(folder / "doubtful.nwb") as file:
        _series(file, "acquisition/a", "TimeSeries", _DATA.T, times=_TIMES)
        _series(file, "acquisition/b", "TimeSeries", _DATA[:, 0], times=_TIMES[:-1])
        _series(file, "acquisition/c", "TimeSeries", _DATA[:, 0], conversion=float("nan"))
        _series(file, "acquisition/d", "TimeSeries", _DATA[:, 0], rate=0.0)
        turned = _series(file, "acquisition/e", "ElectricalSeries", _DATA.T, 100.0)
        turned["electrodes"] = np.array([0, 1, 2])
        late = _series(file, "acquisition/f", "TimeSeries", _DATA[:, 0], times=_TIMES * 1000)
        late["timestamps"].attrs["unit"] = "milliseconds"
        del file["timestamps_reference_time"]
        file["timestamps_reference_time"] = "2024-01-01T00:00:00+00:00"
    return {
        "doubtful.nwb": {
            "signals": _DATA.T, "time": _TIMES, "b": _DATA[:, 0], "acquisition_b_timestamps": _TIMES[:-1],
            "signals_c": _DATA[:, :1].T, "d": _DATA[:, 0], "signals_e": _DATA.T, "channel_name_e": ["0", "1", "2"],
            "time_f": _TIMES, "@recording_start": "2024-01-01T00:00:00+00:00", "~": 1e-12,
            "?warning": ["a: its data have time on the second axis", "b: has 400 samples and 399 timestamps",
                         "c: a conversion of", "d: its rate is", "e: its data have time",
                         "times count from 2024-01-01"],
        }
    }  # fmt: skip


def _first(folder: Path) -> dict[str, dict[str, Any]]:
    """Version 1: the version is a dataset, epochs are groups, timestamps are shared by hard links."""
    import h5py

    with h5py.File(folder / "first.nwb", "w") as file:
        file["nwb_version"], file["session_start_time"] = "NWB-1.0.5", "Sat Jul 4 2015"
        a = _series(
            file, "acquisition/timeseries/a", "TimeSeries", _DATA, times=_TIMES, conversion=2.0, unit="uV"
        )
        a.attrs["ancestry"] = np.array(["TimeSeries", "ElectricalSeries"], dtype=object)
        a["num_samples"], a["electrode_idx"] = 400, np.array([4, 5, 6])
        b = _series(file, "acquisition/timeseries/b", "TimeSeries", _DATA[:, 0], None)
        b["timestamps"], b["num_samples"] = a["timestamps"], 399
        epoch = file.create_group("epochs/Epoch 1")
        epoch["start_time"], epoch["stop_time"], epoch["tags"] = 1.0, 3.0, np.array([b"left", b"hit"])
        epoch["description"] = "first"
        epoch["a/idx_start"], epoch["a/count"], epoch["a/timeseries"] = (
            3,
            10,
            h5py.SoftLink("/acquisition/timeseries/a"),
        )
        file["processing/spikes/UnitTimes/unit_1/times"] = np.array([0.5, 0.75])
    return {
        "first.nwb": {
            "signals": _DATA.T * 2.0, "time": _TIMES, "channel_name": ["4", "5", "6"], "channel_units": ["uV"] * 3,
            "signals_b": _DATA[:, :1].T, "time_b": _TIMES, "event_time": [1.0], "event_duration": [2.0],
            "event_label": ["left, hit"], "processing_spikes_UnitTimes_unit_1_times": [0.5, 0.75],
            "?warning": ["num_samples is 399", "is no date"],
        }
    }  # fmt: skip


def _links(folder: Path) -> dict[str, dict[str, Any]]:
    """Links that turn in circles, lead nowhere or lead out, also by way of another link."""
    import h5py

    with h5py.File(folder / "secret.h5", "w") as other:
        other["data"] = np.arange(400)
    with _file(folder / "links.nwb") as file:
        good = _series(file, "acquisition/good", "TimeSeries", _DATA[:, 0])
        file["acquisition/out"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
        file["acquisition/lost"] = h5py.SoftLink("/acquisition/nothing/there")
        file["acquisition/ring"], file["acquisition/rang"] = (
            h5py.SoftLink("ring2"),
            h5py.SoftLink("/acquisition/ring"),
        )
        file["acquisition/ring2"], good["self"] = h5py.SoftLink("ring"), good
        sly = _series(file, "acquisition/sly", "TimeSeries", None)
        sly["data"] = h5py.SoftLink("/acquisition/out/data")
        shared = _series(file, "acquisition/shared", "TimeSeries", None)
        shared["data"] = h5py.SoftLink("/acquisition/good/data")
    return {
        "links.nwb": {
            "signals": _DATA[:, :1].T, "signals_shared": _DATA[:, :1].T,
            "?dropped": ["acquisition/out: lies in another file", "acquisition/lost: is a link to",
                         "acquisition/sly/data: lies in another file", "acquisition/ring: is a link"],
        }
    }  # fmt: skip


def _refused(folder: Path) -> dict[str, dict[str, Any]]:
    import h5py

    with _file(folder / "empty.nwb"):
        pass
    with h5py.File(folder / "plain.nwb", "w") as file:
        file["data"] = np.arange(5)
    whole = (folder / "events.nwb").read_bytes()
    (folder / "cut.nwb").write_bytes(whole[: len(whole) // 2])
    heap = whole.index(b"GCOL") + 16  # sizes of zero in there hold libhdf5 up forever
    (folder / "heap.nwb").write_bytes(whole[:heap] + bytes(4080) + whole[heap + 4080 :])
    (folder / "text.nwb").write_bytes(b"# no HDF5\n" * 50)
    return {
        "empty.nwb": {"!error": "FormatError"},
        "plain.nwb": {"!error": "FormatError"},
        "cut.nwb": {"!error": "Truncated"},
        "heap.nwb": {"!error": "FormatError"},
        "text.nwb": {"!error": "NotSupported"},
    }


def oracle(path: Path) -> dict[str, Any] | None:
    """Every acquired series of the corpus files, which all have one channel and a rate."""
    import h5py

    expected: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for number, (name, group) in enumerate(file["acquisition"].items()):
            key = f"signals_{name}" if number else "signals"
            data = group["data"]
            expected[key] = data[()][None] * data.attrs["conversion"] + data.attrs["offset"]
            expected[f"{key}@sampling_frequency"] = float(group["starting_time"].attrs["rate"])
            expected[f"{key}@start_time"] = float(group["starting_time"][()])
        expected["@recording_start"] = file["timestamps_reference_time"][()].decode()
    return expected
