"""Every format, over the files that its tests make and over the real ones: right values, or a clear error."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rows import FORMATS, PARTS, ROWS, expected, manifest, module, pixel_facts, row_id, sample_hashes
from stores import (
    assert_mat_holds,
    assert_npz_holds,
    assert_same,
    convert,
    flat_names,
    nodes,
    open_file,
)

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.formats import detect, open_tree, registry
from sparc_fuse_core.model import lazy_of
from sparc_fuse_core.opening import open_zarr
from sparc_fuse_core.source import open_source
from sparc_fuse_core.testing import check_reader
from sparc_fuse_core.verification import verify

READABLE = [row for row in ROWS if row["expect"] == "ok"]
WHOLE = ("csv",)  # a table is read to its end before its columns and rows are known
LARGE = 64 << 20  # a file with more raw bytes goes through the one output that is made for it


def each(names: Iterable[str], check: Callable[[str], Any]) -> None:
    """Run one check over many files and tell of all that fail."""
    failures = []
    for name in names:
        try:
            check(name)
        except (AssertionError, Exception) as error:
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:600]}")
    assert not failures, f"{len(failures)} failed\n" + "\n".join(failures)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """The small files of a format, made once, and what they hold."""
    kept: dict[str, tuple[Path, dict[str, Any]]] = {}

    def make(name: str) -> tuple[Path, dict[str, Any]]:
        if name not in kept:
            folder = tmp_path_factory.mktemp(name)
            kept[name] = folder, module(name).make(folder)
        return kept[name]

    return make


def test_every_format_is_tested() -> None:
    missing = set(registry()) - set(FORMATS)
    assert not missing, f"tests/formats has no file for {sorted(missing)}"
    assert {row["format"] for row in ROWS} <= set(registry())


# -- the reader ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_made_files_are_read(name: str, made: Any) -> None:
    folder, facts = made(name)
    each(facts, lambda file: check_reader(name, folder / file, facts[file], header_only=name not in WHOLE))


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_real_file_is_read(row: dict[str, Any], corpus: Path) -> None:
    path = corpus / row["path"]
    assert path.stat().st_size == row["bytes"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
    check_reader(row["format"], path, expected(row, path), header_only=row["format"] not in WHOLE)


def test_parts_of_real_recordings_are_intact(corpus: Path) -> None:
    for row in PARTS:
        data = (corpus / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["path"]
        assert row["part_of"] in {other["path"] for other in ROWS}, row["path"]


@pytest.mark.parametrize("row", READABLE, ids=row_id)
def test_format_is_told_by_content(row: dict[str, Any], corpus: Path, tmp_path: Path) -> None:
    """Under its own name, and under a wrong one where the first bytes prove the format."""
    path, chosen = corpus / row["path"], registry()[row["format"]]
    with open_source(path) as source:
        assert detect(source).name == chosen.name
        head = source.head(4096)
    if not any(head[at : at + len(mark)] == mark for at, mark in chosen.magic):
        return
    for wrong in (".dat", ".png" if chosen.name != "picture" else ".tif"):
        copy = tmp_path / f"renamed{wrong}"
        shutil.copyfile(path, copy)
        with open_source(copy) as source:
            assert detect(source).name == chosen.name, wrong


# -- facts that other programs found in the same files ------------------------------------------------------


@pytest.mark.parametrize(
    "row", [r for r in READABLE if r["path"].startswith("imaging/") and registry()[r["format"]].kind == "image"],
    ids=row_id,
)  # fmt: skip
def test_pixels_are_those_of_the_reference(row: dict[str, Any], corpus: Path) -> None:
    if "reference_is_wrong" in row:
        pytest.skip(row["reference_is_wrong"])
    facts = pixel_facts(corpus, row)
    if not facts:
        pytest.skip("the reference reader cannot read it")
    tree = open_file(corpus / row["path"])
    images = [d["image"].squeeze() for p, d in nodes(tree).items() if p[-1:] == "0" and "image" in d]
    images += [v for d in nodes(tree).values() for v in d.data_vars.values() if v.ndim == 1]  # spectra
    for fact in facts:
        wanted = {fact["sha256_pixels_C"], fact.get("rgb_sha")}
        found = [_pixel_hash(image, fact) for image in images]
        if fact.get("imagecodecs", [True])[-1] is False and not wanted & set(found):
            pytest.skip("two reference readers disagree on its pixels")
        assert wanted & set(found), f"{fact['shape']} {fact['dtype']} {fact.get('axes')}: {images}"


def _split_colours(image: xr.DataArray, samples: int) -> xr.DataArray:
    if image.sizes["c"] == samples or image.sizes["c"] % samples:
        return image
    turned = image.transpose(..., "c").values
    values = turned.reshape(*turned.shape[:-1], -1, samples)
    return xr.DataArray(values, dims=[*(d for d in image.dims if d != "c"), "c", "s"])


def _pixel_hash(image: xr.DataArray, fact: dict[str, Any]) -> str:
    """Hash of the pixels with the axes of the reference: T C Z Y X are t c z y x, S the colours, any other
    letter is an axis without a name. A picture with a palette may have its colours as one axis more."""
    letters = fact.get("axes") or "YXS"[: len(fact["shape"])]
    if "C" in letters and letters[-1:] == "S" and "c" in image.dims:  # colours of several channels share c
        image = _split_colours(image, fact["shape"][-1])
    colours = "s" if "s" in image.dims else "c"
    wanted = [
        colours if a == "S" else a.lower() for a, n in zip(letters, fact["shape"], strict=True) if n != 1
    ]
    left = [str(dim) for dim in image.dims if dim not in wanted]
    order = [dim if dim in image.dims else left.pop(0) if left else "missing" for dim in wanted]
    if "missing" in order:
        return ""
    turned = image.transpose(*order, *left).values
    if not left:
        turned = turned.astype(fact["dtype"]) if fact["dtype"] == "|b1" else turned
        assert turned.dtype == np.dtype(fact["dtype"]).newbyteorder("="), (
            f"{turned.dtype}, not {fact['dtype']}"
        )
        turned = turned.astype(fact["dtype"])
    return hashlib.sha256(np.ascontiguousarray(turned).tobytes()).hexdigest()


@pytest.mark.parametrize(
    "row", [r for r in READABLE if r["format"] in ("wav", "abf", "acq", "edf")], ids=row_id
)
def test_samples_are_those_of_the_reference(row: dict[str, Any], corpus: Path) -> None:
    wanted = sample_hashes(corpus, row)
    if not wanted:
        pytest.skip("the reference names no hash")
    with open_source(corpus / row["path"]) as source:
        found = set(_sample_hashes(open_tree(source), row["format"]))
    assert set(wanted) <= found, f"{len(set(wanted) - found)} of {len(wanted)} hashes were not found"


def _sample_hashes(tree: xr.DataTree, name: str) -> Iterable[str]:
    """Hashes of the samples as each reference reader computes them from the raw integers."""
    dataset = tree.to_dataset()
    for label in [str(v) for v in dataset.data_vars if str(v).split("_")[0] == "signals"]:
        held = dataset[label].variable
        values = np.asarray(held.values)
        gain, offset = _scale(dataset, held, label.removeprefix("signals"))
        stored = values.dtype.kind in "iu" or ((gain == 1).all() and (offset == 0).all())
        raw = values if stored else np.rint((values - offset) / gain)
        if name == "wav":
            yield from _wav_hashes(raw)
            continue
        if name == "abf":
            flat = np.concatenate(list(raw), -1) if raw.ndim == 3 else raw
            yield _sha1(flat.astype("f4") * gain.astype("f4") + offset.astype("f4"))
            yield _sha1(flat)
            continue
        for line, g, o, kept in zip(raw.astype("f8"), gain, offset, values, strict=True):
            yield from (_sha1(line * g + o), _sha1(kept))
            yield from (_sha1((line + shift) * step) for step, shift in _edf_scales(tree))


def _wav_hashes(raw: np.ndarray) -> Iterable[str]:
    """libsndfile's floats: full scale is 1, whatever the number of bits."""
    middle = 128 if raw.dtype == np.uint8 else 0
    return [_sha1((raw.astype("f8") - middle).T / 2**bits) for bits in (0, 7, 15, 23, 31)]


def _edf_scales(tree: xr.DataTree) -> set[tuple[float, float]]:
    found = set()
    for signal in tree.attrs.get("original_metadata", {}).get("signals", []):
        span = signal["digital_maximum"] - signal["digital_minimum"]
        step = (signal["physical_maximum"] - signal["physical_minimum"]) / span
        found.add((step, signal["physical_maximum"] / step - signal["digital_maximum"]))
    return found


def _scale(dataset: xr.Dataset, held: xr.Variable, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset as columns, one place for each channel."""
    count = held.shape[-2]
    if f"channel_gain{suffix}" in dataset.variables:
        pair = dataset[f"channel_gain{suffix}"].values, dataset[f"channel_offset{suffix}"].values
    else:
        pair = held.attrs.get("scale_factor", 1.0), held.attrs.get("add_offset", 0.0)
    gain, offset = (np.broadcast_to(np.asarray(v, "f8"), (count,))[:, None] for v in pair)
    return gain, offset


def _sha1(values: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(values.astype("<f8")).tobytes()).hexdigest()[:12]


# -- round trips --------------------------------------------------------------------------------------------


def round_trip(path: Path, folder: Path, options: dict[str, Any]) -> Path:
    """Convert to Zarr; plain xarray, our own opener and verify all find the source in it."""
    store = convert(path, folder, reader=options)
    source = open_file(path, **{"scan": True, **options})  # as a conversion does
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a store that makes a plain reader complain is not finished
        plain = _plain_open(store, isinstance(source, xr.DataTree))
    assert_same(source if isinstance(source, xr.DataTree) else xr.decode_cf(source), plain)
    assert_same(source, open_zarr(store))
    if not isinstance(source, xr.DataTree):
        assert_times_agree(source, open_zarr(store))
    counts = verify(store)
    against = verify(store, against=path, seed=0)
    assert counts["files"] > 0 and against["files"] == counts["files"]
    held = [v for d in nodes(source).values() for v in d.variables.values()]
    if any(lazy_of(v) is not None and v.dtype.kind != "O" for v in held):
        assert against["values"] > 0
    return store


def _plain_open(store: Path, several: bool) -> Any:
    return xr.open_datatree(store, engine="zarr") if several else xr.open_zarr(store)


def assert_times_agree(source: xr.Dataset, store: xr.Dataset) -> None:
    """An axis that is not stored is there all the same, lazily."""
    for name in [str(n) for n in source.variables if str(n).startswith("time")]:
        assert name in store.variables, f"{name} is missing in open_zarr"
        assert store[name].size == source[name].size


@pytest.mark.parametrize("name", FORMATS)
def test_made_files_survive_the_round_trip(name: str, made: Any, tmp_path: Path) -> None:
    folder, facts = made(name)
    good = [file for file, fact in facts.items() if "!error" not in fact]
    each(good, lambda file: round_trip(folder / file, tmp_path / file, facts[file].get("!options", {})))


@pytest.mark.parametrize("row", READABLE, ids=row_id)
def test_real_file_survives_the_round_trip(row: dict[str, Any], corpus: Path, tmp_path: Path) -> None:
    path = corpus / row["path"]
    store = round_trip(path, tmp_path, {})
    if isinstance(open_file(path), xr.DataTree):
        import yaozarrs

        told = open_zarr(store).attrs["fuse"].get("warnings", [])
        if not any("OME-NGFF has no words" in note for note in told):
            yaozarrs.validate_zarr_store(str(store))


@pytest.mark.parametrize("row", READABLE, ids=row_id)
def test_other_outputs_hold_the_same(row: dict[str, Any], corpus: Path, tmp_path: Path) -> None:
    path = corpus / row["path"]
    source = open_file(path)
    if sum(held.nbytes for held in nodes(source).values()) > LARGE:
        pytest.skip("too large for a quick test of every output")
    older = convert(path, tmp_path / "v2", zarr_format=2)
    assert_same(source, open_zarr(older))
    packed = convert(path, tmp_path / "zip", file_format="zarr.zip")
    assert_same(source, open_zarr(packed))
    assert verify(packed, against=path)["files"] > 0
    names = flat_names(path)
    assert_npz_holds(convert(path, tmp_path / "npz", file_format="npz"), path, names)
    assert_mat_holds(convert(path, tmp_path / "mat", file_format="mat"), path, names)


def test_stores_open_without_this_package(corpus: Path, tmp_path: Path) -> None:
    """One recording and one picture in a process that cannot import us."""
    rows = [next(r for r in READABLE if r["format"] == name) for name in ("wav", "tiff")]
    stores = [convert(corpus / row["path"], tmp_path) for row in rows]
    script = (
        "import sys; sys.modules['sparc_fuse_core'] = None\n"
        "import xarray as xr\n"
        f"signals = xr.open_zarr({str(stores[0])!r})['signals']\n"
        f"image = xr.open_datatree({str(stores[1])!r}, engine='zarr')['0/image']\n"
        "print(float(signals.astype('f8').sum()), float(image.astype('f8').sum()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    signals = open_file(corpus / rows[0]["path"])["signals"].astype("f8").sum()
    image = open_file(corpus / rows[1]["path"])["0/image"].astype("f8").sum()
    assert [float(v) for v in done.stdout.split()] == [float(signals), float(image)]


# -- xarray's own door --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", READABLE, ids=row_id)
def test_xarray_opens_the_source(row: dict[str, Any], corpus: Path) -> None:
    path = corpus / row["path"]
    source = open_file(path)
    tree = xr.open_datatree(path, engine="sparc_fuse")
    assert_same(source, tree if isinstance(source, xr.DataTree) else tree.to_dataset())
    dataset = xr.open_dataset(path, engine="sparc_fuse")
    first = next((d for d in nodes(source).values() if "image" in d), None)
    assert_same(first if first is not None else nodes(source)[""], dataset)


# -- files that are not what they say -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(registry()))
def test_wrong_content_is_refused_with_a_hint(name: str, tmp_path: Path) -> None:
    noise = random.Random(name).randbytes(3000)
    held = {
        "empty": b"",
        "zero": b"\0",
        "one": b"\xfe",
        "zeros": bytes(5000),
        "noise": b"\x01\x9d" + noise,
        "page": b"<!DOCTYPE html><html><body>404 not found</body></html>\n",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 123\n",
    }

    def refused(file: str) -> None:
        try:
            with open_source(tmp_path / file) as source:
                tree = open_tree(source)
        except FuseError as error:
            assert error.hint, f"{type(error).__name__} without a hint: {error}"
            assert file in str(error), f"the message does not name the file: {error}"
            return
        raise AssertionError(f"was read as {tree.attrs['fuse_format']}: {tree}")

    for stem, data in held.items():
        for number, suffix in enumerate(registry()[name].suffixes):
            (tmp_path / f"{stem}{number}{suffix}").write_bytes(data)
    each(sorted(p.name for p in tmp_path.iterdir()), refused)


def test_corpus_rows_are_those_of_the_manifest(corpus: Path) -> None:
    facts = manifest(corpus)
    wrong = [r["path"] for r in ROWS if facts[r["path"]]["sha256"] != r["sha256"] or not r["licence"]]
    assert not wrong
