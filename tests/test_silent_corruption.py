"""Ways in which converters lose or bend data without a word. Each test is one that an earlier tool failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from stores import write_table

from sparc_fuse_core import FuseError, download_and_convert_sparc_data
from sparc_fuse_core.api import convert
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.formats import registry
from sparc_fuse_core.model import Array, Events, Format, LazyArray, Scene, Stream, images, recording
from sparc_fuse_core.opening import decoded, open_zarr
from sparc_fuse_core.pipeline import Options, convert_one
from sparc_fuse_core.source import open_source
from sparc_fuse_core.verification import verify

OUTPUTS = ("zarr", "zarr.zip", "npz", "mat")


def write_wav(path: Path, values: np.ndarray, rate: int = 1000) -> None:
    from scipy.io import wavfile

    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, values.T)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers a reader of ``.fake`` files that gives the tree it is told to give."""

    def use(tree: Any) -> None:
        made = Format("fake", "Fake", "signals", (".fake",), lambda source, **_: tree())
        monkeypatch.setitem(registry(), "fake", made)

    return use


def convert_fake(folder: Path, file_format: str = "zarr") -> Path:
    """Convert whatever the fake reader gives; errors come through."""
    (folder / "x.fake").write_bytes(b"data")
    with open_source(folder / "x.fake") as source:
        return Path(convert_one(source, folder, "x", Options(file_format=file_format))["std_path"])


# -- outputs that overwrite each other ----------------------------------------------------------------------


@pytest.mark.parametrize("file_format", OUTPUTS)
def test_equal_names_in_two_folders_are_two_outputs(file_format: str, tmp_path: Path) -> None:
    held = {
        name: write_table(tmp_path / "data/primary" / name / "rec.csv", seed)
        for seed, name in enumerate(("sub-1", "sub-2"))
    }
    records = convert(tmp_path / "data", tmp_path / "out", file_format=file_format)
    assert [r["status"] for r in records] == ["ok", "ok"]
    places = [r["std_path"] for r in records]
    assert len(set(places)) == 2
    for record in records:
        subject = record["rel_path"].split("/")[1]
        assert f"/{subject}/" in record["std_path"]
        if file_format == "zarr":
            np.testing.assert_array_equal(xr.open_zarr(record["std_path"])["signals"], held[subject])


@pytest.mark.parametrize(
    "names",
    [
        ("rec.v1.csv", "rec.v2.csv"),
        ("rec.csv", "rec.wav"),
        ("rec.csv", "REC.csv"),
        ("rec.tif", "rec.ome.tif"),
        ("a.b.c.csv", "a.b.csv"),
    ],
)
def test_names_that_differ_by_little_are_two_outputs(names: tuple[str, str], tmp_path: Path) -> None:
    import tifffile

    folder = tmp_path / "data/primary"
    for seed, name in enumerate(names):
        if name.endswith(".wav"):
            folder.mkdir(parents=True, exist_ok=True)
            write_wav(folder / name, np.arange(40, dtype="i2").reshape(2, 20))
        elif name.endswith(".tif"):
            folder.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / name, np.full((8, 9), seed, "u1"))
        else:
            write_table(folder / name, seed)
    records = convert(tmp_path / "data", tmp_path / "out")
    assert [r["status"] for r in records] == ["ok", "ok"], records
    assert len({r["std_path"].casefold() for r in records}) == 2
    for record in records:
        assert verify(record["std_path"], against=tmp_path / "data" / record["rel_path"])["files"] > 0


def test_selection_does_not_change_the_names(tmp_path: Path) -> None:
    """One of two files that share a stem gets the same name alone as together with the other."""
    write_table(tmp_path / "data/primary/rec.csv", 0)
    write_wav(tmp_path / "data/primary/rec.wav", np.arange(40, dtype="i2").reshape(2, 20))
    together = {r["rel_path"]: Path(r["std_path"]).name for r in convert(tmp_path / "data", tmp_path / "a")}
    alone = download_and_convert_sparc_data(
        "data", "primary/rec.csv", output_dir=tmp_path / "b", catalogue=FolderCatalogue(tmp_path / "data")
    )
    assert Path(alone[0]["std_path"]).name == together["primary/rec.csv"] == "rec.csv_std.zarr"
    assert together["primary/rec.wav"] == "rec.wav_std.zarr"


def test_an_output_of_another_source_is_not_taken_for_done(tmp_path: Path) -> None:
    write_table(tmp_path / "a/rec.csv", 0)
    write_table(tmp_path / "b/rec.csv", 1, rows=33)
    first = convert(tmp_path / "a/rec.csv", tmp_path / "out")[0]
    again = convert(tmp_path / "a/rec.csv", tmp_path / "out")[0]
    other = convert(tmp_path / "b/rec.csv", tmp_path / "out")[0]
    assert (first["status"], again["status"], other["status"]) == ("ok", "skipped", "failed")
    assert other["hint"]
    assert verify(first["std_path"], against=tmp_path / "a/rec.csv")["values"] > 0


# -- nothing that is called data ----------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", OUTPUTS)
@pytest.mark.parametrize(
    "values", [np.full((2, 500), np.nan), np.full((1, 3), np.inf), np.empty((2, 0)), np.empty((0, 5), "i2")]
)
def test_empty_results_are_failures(
    values: np.ndarray, file_format: str, reader: Any, tmp_path: Path
) -> None:
    reader(lambda: recording([Stream(values, 100.0)]))
    with pytest.raises(FuseError, match=r"nothing to convert|holds no samples") as raised:
        convert_fake(tmp_path, file_format)
    assert raised.value.hint
    assert [p.name for p in tmp_path.iterdir() if "std" in p.name and not p.name.endswith(".partial")] == []


def test_some_nan_is_data(reader: Any, tmp_path: Path) -> None:
    values = np.array([[np.nan, 1.0, np.nan], [np.nan, np.nan, np.nan]])
    reader(lambda: recording([Stream(values, 100.0)]))
    np.testing.assert_array_equal(xr.open_zarr(convert_fake(tmp_path))["signals"], values)


def test_a_lone_scalar_is_not_a_signal(tmp_path: Path) -> None:
    """The rate of a recording beside its samples: the samples are the signal, whatever the order."""
    from scipy.io import savemat

    wave = np.sin(np.arange(3000) / 50)
    savemat(tmp_path / "rec.mat", {"fs": 1000.0, "data": wave[None], "t": np.arange(3000)[None] / 1000})
    record = convert(tmp_path / "rec.mat", tmp_path / "out")[0]
    assert record["status"] == "ok"
    held = xr.open_zarr(record["std_path"])
    sizes = {name: held[name].size for name in held.data_vars}
    assert max(sizes.values()) == 3000, sizes
    largest = held[max(sizes, key=sizes.__getitem__)].values.ravel()
    np.testing.assert_array_equal(largest, wave)


def test_unknown_hdf5_structure_keeps_every_number(tmp_path: Path) -> None:
    import h5py

    values = np.arange(4000, dtype="i2").reshape(4, 1000)
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file["some/deep/name"] = values
        file["other"] = np.arange(7.0)
    record = convert(tmp_path / "rec.h5", tmp_path / "out")[0]
    assert record["status"] in ("ok", "ambiguous")
    if record["status"] == "ok":
        sizes = sorted(v.size for v in xr.open_zarr(record["std_path"]).data_vars.values())
        assert {7, 4000} <= set(sizes)


# -- channels, streams, names, units, events ----------------------------------------------------------------


def test_streams_of_every_rate_are_kept(reader: Any, tmp_path: Path) -> None:
    fast, slow = np.arange(3000, dtype="i2").reshape(3, 1000), np.arange(20.0).reshape(2, 10)
    names = ["I", "II", "III"]
    streams = [
        Stream(fast, 1000.0, channel_names=names, units="mV"),
        Stream(slow, 10.0, name="hr", start=0.05, units=["bpm", "ms"]),
        Stream(slow + 1, 10.0, name="hr"),
        Stream(slow + 2, None, name="irregular", time=np.array([0, 1, 2, 4, 8, 9, 10, 20, 30, 41.5])),
    ]
    reader(lambda: recording(streams))
    held = open_zarr(convert_fake(tmp_path))
    assert held.fuse.streams == ["", "hr", "hr_2", "irregular"]
    for stream, wanted in zip(held.fuse.streams, streams, strict=True):
        np.testing.assert_array_equal(held.fuse[stream]["signals"], wanted.data)
    assert held["signals"].attrs["sampling_frequency"] == 1000.0
    assert held["signals_hr"].attrs["sampling_frequency"] == 10.0
    np.testing.assert_allclose(held["time_hr"], 0.05 + np.arange(10) / 10, rtol=1e-12)
    np.testing.assert_array_equal(held["time_irregular"], streams[3].time)
    assert list(held["channel_name"].values) == names
    assert list(held["channel_units_hr"].values) == ["bpm", "ms"]


@pytest.mark.parametrize(
    ("name", "names", "units"),
    [
        ("16d22006_kim_gapfree.abf", ["IN 2", "IN 3"], ["dB", "mV"]),
        ("18425108_abf1.abf", ["Imemb", "10_Vm"], ["nA", "mV"]),
        ("17o05027_ic_ramp.abf", ["IN 0"], ["mV"]),
    ],
)
def test_abf_has_the_names_and_units_of_its_inputs(
    name: str, names: list[str], units: list[str], corpus: Path, tmp_path: Path
) -> None:
    """Those of the converter's inputs: a command output's name on a recorded current is a wrong label."""
    held = xr.open_zarr(convert(corpus / "timeseries/abf" / name, tmp_path)[0]["std_path"])
    assert list(held["channel_name"].values) == names
    assert list(held["channel_units"].values) == units


def test_events_are_in_every_output(reader: Any, tmp_path: Path) -> None:
    events = Events([0.5, 2.25], ["start of µ", "stop"], duration=[0.0, 1.5], channel=["", "II"])
    reader(lambda: recording([Stream(np.arange(6.0).reshape(2, 3), 1.0)], events=events))
    held = xr.open_zarr(convert_fake(tmp_path))
    packed = np.load(convert_fake(tmp_path, "npz"), allow_pickle=False)
    for name, wanted in {
        "event_time": events.time,
        "event_label": events.label,
        "event_duration": events.duration,
        "event_channel": events.channel,
    }.items():
        assert list(held[name].values) == list(wanted)
        assert list(packed[name]) == list(wanted)


def test_what_is_left_out_is_said(reader: Any, tmp_path: Path) -> None:
    reader(
        lambda: recording([Stream(np.arange(6.0).reshape(2, 3), 1.0)], warnings=["odd"], dropped=["video"])
    )
    fuse = xr.open_zarr(convert_fake(tmp_path)).attrs["fuse"]
    assert fuse["warnings"] == ["odd"]
    assert fuse["not_carried_over"] == ["video"]


def test_nothing_is_called_unknown(tmp_path: Path) -> None:
    write_table(tmp_path / "rec.csv", 0)
    attrs = xr.open_zarr(convert(tmp_path / "rec.csv", tmp_path / "out")[0]["std_path"]).attrs
    assert '"unknown"' not in json.dumps(attrs).casefold()


# -- types and shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "?"]
)
def test_types_are_kept(dtype: str, reader: Any, tmp_path: Path) -> None:
    """Integers stay integers in Zarr, with zeros that are zeros; 16 bits do not become 64."""
    values = np.array([[0, 1, 0], [1, 0, 1]]).astype(dtype)
    reader(lambda: recording([Stream(values, 10.0)], arrays=[Array("extra", values[0])]))
    for zarr_format in (3, 2):
        (tmp_path / "x.fake").write_bytes(b"data")
        with open_source(tmp_path / "x.fake") as source:
            options = Options(zarr_format=zarr_format)
            place = convert_one(source, tmp_path / str(zarr_format), "x", options)["std_path"]
        held = xr.open_zarr(place)
        assert held["signals"].dtype == held["extra"].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(held["signals"], values)
        np.testing.assert_array_equal(held["extra"], values[0])


def test_scaled_integers_stay_integers_on_disk(reader: Any, tmp_path: Path) -> None:
    import zarr

    raw = np.arange(-300, 300, dtype="i2").reshape(2, 300)
    reader(lambda: recording([Stream(raw, 10.0, gain=0.25, offset=3.0, units="mV")]))
    place = convert_fake(tmp_path)
    assert zarr.open_group(str(place), mode="r")["signals"].dtype == np.int16
    np.testing.assert_array_equal(xr.open_zarr(place)["signals"], raw * 0.25 + 3.0)


def test_uneven_gains_give_the_integers_back(reader: Any, tmp_path: Path) -> None:
    raw = np.random.default_rng(0).integers(-(2**15), 2**15, (3, 4000)).astype("i2")
    gain, offset = np.array([0.1, 1 / 3, 1e-7]), np.array([0.0, 12.0, -1e-3])
    reader(lambda: recording([Stream(raw, 10.0, gain=gain, offset=offset)]))
    held = xr.open_zarr(convert_fake(tmp_path))
    values = held["signals"].values.astype("f8")
    back = (values - held["channel_offset"].values[:, None]) / held["channel_gain"].values[:, None]
    np.testing.assert_array_equal(np.rint(back).astype("i2"), raw)


def test_sweeps_keep_their_axis(reader: Any, tmp_path: Path) -> None:
    values = np.arange(5 * 2 * 70, dtype="f4").reshape(5, 2, 70)
    reader(lambda: recording([Stream(values, 100.0, sweep_starts=np.arange(5) * 3.0)]))
    held = xr.open_zarr(convert_fake(tmp_path))
    assert held["signals"].dims == ("sweep", "channel", "time")
    np.testing.assert_array_equal(held["signals"], values)
    np.testing.assert_array_equal(held["sweep_start"], np.arange(5) * 3.0)


def test_colour_is_not_an_axis_of_space(tmp_path: Path) -> None:
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype("u1")
    Image.fromarray(values).save(tmp_path / "x.png")
    place = convert(tmp_path / "x.png", tmp_path / "out")[0]["std_path"]
    image = xr.open_datatree(place, engine="zarr")["0/image"]
    assert image.dims == ("c", "y", "x")
    np.testing.assert_array_equal(image.transpose("y", "x", "c"), values)


@pytest.mark.parametrize("rate", [1.5, 1 / 3, 403.2258064516129, 44100.0, 1e-3])
def test_odd_rates_give_right_times(rate: float, reader: Any, tmp_path: Path) -> None:
    reader(lambda: recording([Stream(np.arange(1200.0).reshape(2, 600), rate, start=2.5)]))
    place = convert_fake(tmp_path)
    wanted = 2.5 + np.arange(600) / rate
    for held in (xr.open_zarr(place), open_zarr(place)):
        np.testing.assert_allclose(held["time"], wanted, rtol=1e-12)
        assert held["signals"].attrs["sampling_frequency"] == rate
    window = open_zarr(place).sel(time=slice(wanted[10], wanted[20]))
    np.testing.assert_array_equal(window["signals"][0], np.arange(10.0, 21.0))


# -- outputs that others open -------------------------------------------------------------------------------


def test_npz_needs_no_pickle(tmp_path: Path) -> None:
    write_table(tmp_path / "rec.csv", 0)
    place = convert(tmp_path / "rec.csv", tmp_path / "out", file_format="npz")[0]["std_path"]
    with np.load(place, allow_pickle=False) as held:
        assert all(held[name].dtype != object for name in held.files)
        assert json.loads(str(held["metadata"]))["attributes"]["fuse"]["format"] == "csv"


def test_metadata_without_values_do_not_break_mat(reader: Any, tmp_path: Path) -> None:
    from scipy.io import loadmat

    header = {"gain": None, "list": [None, {"deep": None}], "rate": float("nan"), "name": ""}
    reader(lambda: recording([Stream(np.arange(6.0).reshape(2, 3))], metadata=header))
    text = str(loadmat(convert_fake(tmp_path, "mat"))["metadata"][0])
    held = json.loads(text)["attributes"]["original_metadata"]
    assert held == {"gain": None, "list": [None, {"deep": None}], "rate": None, "name": ""}


# -- memory and code ----------------------------------------------------------------------------------------


def test_opening_reads_no_samples(reader: Any) -> None:
    def never(key: Any) -> np.ndarray:
        raise AssertionError(f"samples were read at {key}")

    signals = recording([Stream(LazyArray((4, 10**9), "i2", never), 30000.0)])
    held = decoded(signals)
    assert held["time"].size == 10**9
    assert float(held["time"][-1]) == pytest.approx((10**9 - 1) / 30000)
    picture = images([Scene([LazyArray((5, 10**5, 10**5), "u1", never)], ("z", "y", "x"))])
    assert decoded(picture)["0/image"].nbytes == 5 * 10**10


def test_files_beside_the_data_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python files in the working folder or in a descriptors folder are data, never code."""
    for folder in (tmp_path, tmp_path / "mapping_schemes"):
        folder.mkdir(exist_ok=True)
        (folder / "evil.py").write_text("open('ran', 'w'); descriptor = {}")
    write_table(tmp_path / "primary/rec.csv", 0)
    monkeypatch.chdir(tmp_path)
    download_and_convert_sparc_data(
        tmp_path.name,
        output_dir=tmp_path / "out",
        descriptors_dir=tmp_path / "mapping_schemes",
        catalogue=FolderCatalogue(tmp_path),
    )
    assert not (tmp_path / "ran").exists()
    assert "evil" not in sys.modules
