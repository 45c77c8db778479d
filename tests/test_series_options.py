"""MAT and HDF5: what the reader's options settle, and what they must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.formats import open_tree
from sparc_fuse_core.source import open_source

_ALPHA = np.arange(800.0).reshape(2, 400)
_BETA = np.arange(90, dtype="i2")
_PULSES = np.cumsum(np.arange(1, 401)) * 0.01
_SQUARE = np.arange(900.0).reshape(30, 30)


def _file(folder: Path, kind: str) -> Path:
    held = {"rec": {"alpha": _ALPHA, "beta": _BETA, "pulses": _PULSES, "square": _SQUARE}, "fs": 40.0}
    path = folder / f"mine.{kind}"
    if kind == "mat":
        from scipy.io import savemat

        savemat(path, held)
    else:
        import h5py

        with h5py.File(path, "w") as file:
            file["fs"] = 40.0
            for name, values in held["rec"].items():
                file[f"rec/{name}"] = values
    return path


def _open(path: Path, **options: Any) -> xr.Dataset:
    return open_tree(open_source(path), **options).to_dataset()


@pytest.mark.parametrize("kind", ["mat", "h5"])
@pytest.mark.parametrize(
    ("options", "expected", "rates"),
    [
        ({"rate": {"alpha": 500, "beta": 125}}, [_ALPHA, _BETA[None]], [500.0, 125.0]),
        ({"rate": "rec/alpha=500,beta=125"}, [_ALPHA, _BETA[None]], [500.0, 125.0]),
        ({"signals": "beta", "rate": "10"}, [_BETA[None]], [10.0]),
        ({"signals": ["rec.beta"]}, [_BETA[None]], [40.0]),
        ({"signals": "square", "rate": 5, "orientation": "time_first"}, [_SQUARE.T], [5.0]),
        ({"signals": "square", "rate": 5, "orientation": "rows"}, [_SQUARE], [5.0]),
    ],
)
def test_options_choose_signals_and_rates(tmp_path, kind, options, expected, rates):
    found = _open(_file(tmp_path, kind), **options)
    streams = [name for name in found.data_vars if str(name).split("_")[0] == "signals"]
    assert [found[name].attrs["sampling_frequency"] for name in streams] == rates
    for name, values in zip(streams, expected, strict=True):
        np.testing.assert_array_equal(found[name].values, values)


@pytest.mark.parametrize("kind", ["mat", "h5"])
@pytest.mark.parametrize(("unit", "factor"), [(None, 1.0), ("ms", 1e-3), ("min", 60.0)])
def test_any_growing_vector_can_be_named_as_time(tmp_path, kind, unit, factor):
    found = _open(_file(tmp_path, kind), time="pulses", signals="alpha", rate=None, time_unit=unit)
    np.testing.assert_allclose(found["time"].values, _PULSES * factor, rtol=1e-15)
    np.testing.assert_array_equal(found["signals"].values, _ALPHA)


@pytest.mark.parametrize("kind", ["mat", "h5"])
@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"rate": 1000}, "Ambiguous", "alpha"),
        ({"rate": "fast"}, "FormatError", "hertz"),
        ({"rate": -1}, "FormatError", "above 0"),
        ({"rate": {"gamma": 5}}, "FormatError", "gamma"),
        ({"signals": "nothing"}, "FormatError", "nothing"),
        ({"time": "square"}, "FormatError", "grow strictly"),
        ({"orientation": "sideways"}, "FormatError", "sideways"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, kind, options, error, says):
    path = _file(tmp_path, kind)
    with pytest.raises(FuseError) as raised:
        _open(path, **options)
    assert error in [cls.__name__ for cls in type(raised.value).__mro__]
    assert says in str(raised.value)
    assert path.name in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize("kind", ["mat", "h5"])
def test_a_rate_is_for_the_longest_arrays(tmp_path, kind):
    """fs stands beside the group; its longest arrays are the signals."""
    found = _open(_file(tmp_path, kind))
    np.testing.assert_array_equal(found["signals"].values, _ALPHA)
    assert any("beta" in note or "signals=" in note for note in found.attrs["fuse_warnings"])
    assert "rec_beta" in found


def _groups(folder: Path) -> Path:
    """Two groups with vectors of the same names and their own clocks."""
    import h5py

    path = folder / "groups.h5"
    with h5py.File(path, "w") as file:
        for name, step in (("one", 0.1), ("two", 0.2)):
            file[f"{name}/ticks"] = np.arange(50) * step
            file[f"{name}/left"], file[f"{name}/right"] = np.arange(50.0), np.arange(50.0) * 2
            file[f"{name}/span"] = [1.0, 2.5]
        file["wide"] = np.arange(90.0).reshape(3, 30)
        file["cube"] = np.zeros((2, 3, 4))
    return path


def test_streams_are_told_one_by_one(tmp_path):
    found = _open(
        _groups(tmp_path),
        streams=[
            {"signals": "*/*t", "without": "left", "time": "ticks", "time_unit": "s", "units": "mV"},
            {"signals": ["wide"], "rate": 5, "names": ["a", "b", "c"], "orientation": "rows"},
        ],
        intervals=[{"span": "two/span", "label": "stimulus", "time_unit": "ms"}],
    )
    assert found["signals"].attrs["sampling_frequency"] == 10
    assert found["signals_two_right"].attrs["sampling_frequency"] == 5, "the clock of its own group"
    assert found["signals_two_right"].attrs["units"] == "mV"
    assert found["channel_name_wide"].values.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(found["signals_wide"].values, np.arange(90.0).reshape(3, 30))
    np.testing.assert_allclose(found["event_time"].values, [0.001])
    np.testing.assert_allclose(found["event_duration"].values, [0.0015])
    assert "one_left" in found and "one_span" in found and "cube" in found and "two_span" not in found


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"streams": [{"signals": "left", "rate": 5}, {"signals": "one/*", "rate": 6}]}, "two streams"),
        ({"streams": [{"rate": 5}]}, "needs signals="),
        ({"streams": "left"}, "no list of tables"),
        ({"streams": [{"signals": "left", "rate": {"left": 5}}]}, "at most one rate"),
        ({"streams": [{"signals": "cube", "rate": 5}]}, "no vector or matrix"),
        ({"streams": [{"signals": "wide", "rate": 5, "names": ["a"]}]}, "1 names are given"),
        ({"streams": [{"signals": "wide", "rate": 5, "units": ["a", "b"]}]}, "2 units are given"),
        ({"streams": [{"signals": "left", "rate": 5, "units": 3}]}, "no list of texts"),
        ({"streams": [{"signals": "left", "time": "ticks", "time_unit": "parsec"}]}, "no unit of time"),
        ({"intervals": [{"span": "span"}]}, "needs span and label"),
        (
            {"streams": [{"signals": "left", "rate": 5}], "rate": 6, "units": "V"},
            "rate, units beside streams=",
        ),
    ],
)
def test_streams_that_do_not_fit_are_refused(tmp_path, options, says):
    path = _groups(tmp_path)
    with pytest.raises(FuseError) as raised:
        _open(path, **options)
    assert says in str(raised.value) and path.name in str(raised.value) and raised.value.hint


def test_an_interval_that_is_none_stays_an_array(tmp_path):
    found = _open(
        _groups(tmp_path),
        streams=[{"signals": "left", "rate": 5}],
        intervals=[{"span": "ticks", "label": "stimulus"}],
    )
    assert "event_time" not in found and "one_ticks" in found
    assert any("stimulus" in note for note in found.attrs["fuse_warnings"])


@pytest.mark.parametrize(
    ("scaling", "units", "rate"),
    [
        ([[0, 0], [0.05, 0]], ["V", "ms"], 20_000.0),
        ([[0, 0], [0.001, 0]], ["", "s"], 1000.0),
        ([[0, 0], [0.05, 0]], ["V", "m"], None),
        ([[0, 0], [-1.0, 0]], ["V", "s"], None),
        ([[0, 0]], ["V", "s"], None),
    ],
)
def test_waves_of_igor_state_their_step(tmp_path, scaling, units, rate):
    import h5py

    with h5py.File(tmp_path / "igor.h5", "w") as file:
        file["wave0"] = np.arange(300.0)
        file["wave0"].attrs["IGORWaveScaling"], file["wave0"].attrs["IGORWaveUnits"] = scaling, units
    found = _open(tmp_path / "igor.h5")
    assert found.attrs.get("sampling_frequency") == rate
