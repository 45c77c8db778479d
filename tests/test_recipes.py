"""Recipes: their schema, which one is for a file, and the 32 datasets of the older mapping schemes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from recipes.layouts import ELSEWHERE, LAYOUTS

from sparc_fuse_core import convert, open_file, open_zarr, verify
from sparc_fuse_core.bulk import convert_dataset
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.errors import FormatError, FuseError
from sparc_fuse_core.formats import registry
from sparc_fuse_core.pipeline import Options
from sparc_fuse_core.recipes import load, recipes, save
from sparc_fuse_core.recipes.shelf import render
from sparc_fuse_core.testing import check_values

SHIPPED = Path(__file__).parent.parent / "sparc_fuse_core" / "recipes"


@pytest.fixture(autouse=True)
def own_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARC_FUSE_RECIPES", str(tmp_path / "my recipes"))
    return tmp_path / "my recipes"


def dataset(tmp_path: Path, number: str, path: str) -> Path:
    place = tmp_path / "catalogue" / number / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def run(tmp_path: Path, number: str, **more: Any) -> list[dict[str, Any]]:
    catalogue = FolderCatalogue(tmp_path / "catalogue")
    return convert_dataset(catalogue, number, output_dir=tmp_path / "out", **more)


def told(store: str | Path) -> dict[str, Any]:
    """What an output says of its making."""
    return json.loads((Path(store) / "zarr.json").read_text("utf-8"))["attributes"]["fuse"]


# -- the 32 datasets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "path", "recipe", "write"), LAYOUTS, ids=[f"{n}-{Path(p).name}" for n, p, *_ in LAYOUTS]
)
def test_each_dataset_is_read_as_it_is_meant(tmp_path, number, path, recipe, write):
    place = dataset(tmp_path, number, path)
    facts = write(place)
    (record,) = run(tmp_path, number)
    assert record["status"] == "ok", record
    assert record["recipe"] == recipe
    fuse = told(record["std_path"])
    assert fuse.get("recipe") == recipe
    notes = {"fuse_warnings": fuse.get("warnings"), "fuse_not_carried": fuse.get("not_carried_over")}
    made = open_zarr(record["std_path"])
    made.attrs["fuse_kind"] = fuse["kind"]
    check_values(made, {"~": 1e-12} | facts, xr.DataTree(xr.Dataset(attrs=notes)), name=path)
    verify(record["std_path"], place, seed=1)  # raises when any value differs


def test_the_table_of_datasets_is_whole():
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|$", (SHIPPED / "README.md").read_text("utf-8"), re.M)
    known = {number: said for number, _, said in rows}
    assert len(rows) == len(known) == 32
    assert {number for number, *_ in LAYOUTS} | set(ELSEWHERE) == set(known)
    named = {found[1]: number for number, said in known.items() if (found := re.match(r"recipe (\w+)", said))}
    shipped = {recipe.name: recipe for recipe in recipes()}
    assert set(named) == set(shipped)
    for name, number in named.items():
        assert shipped[name].datasets == (number,) and shipped[name].note


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_data(path):
    content = tomllib.loads(path.read_text("utf-8"))
    assert content["name"] == path.stem
    assert load(path) == next(recipe for recipe in recipes() if recipe.name == path.stem)
    for word in ("eval", "lambda", "import", "__", "<filepath>"):
        assert word not in json.dumps(content["reader"])


def test_every_option_of_a_reader_is_checked_by_the_schema():
    from sparc_fuse_core.recipes.schema import _OPTIONS

    for name in ("csv", "mat", "hdf5"):
        assert set(registry()[name].options) <= set(_OPTIONS), name


# -- the schema ---------------------------------------------------------------------------------------------

_GOOD = 'name = "mine"\nformats = ["csv"]\n[reader]\nrate = 100\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_GOOD.replace("name", "nom"), "nom is no field"),
        (_GOOD.replace('name = "mine"\n', ""), "name is missing"),
        (_GOOD.replace('"mine"', '"../mine"'), "name is '../mine'"),
        (_GOOD.replace("[reader]\nrate = 100\n", ""), "reader is missing"),
        (_GOOD.replace("csv", "cvs"), "'cvs', which is no format"),
        (_GOOD.replace("rate", "speed"), "reader.speed is no option of the csv reader"),
        (_GOOD.replace("100", "-1"), "reader.rate is -1"),
        (_GOOD.replace("100", "nan"), "reader.rate is nan"),
        (_GOOD.replace("100", "true"), "reader.rate is True"),
        (_GOOD.replace("100", '"2 * 50"'), "reader.rate is '2 * 50'"),
        (_GOOD.replace("rate = 100", 'time_unit = "parsec"'), "reader.time_unit is 'parsec'"),
        (_GOOD.replace("rate = 100", "time_column = -1"), "reader.time_column is -1"),
        (_GOOD.replace("csv", "mat").replace("rate = 100", "streams = [{ rate = 5 }]"), "must hold signals"),
        (_GOOD.replace("csv", "mat").replace("rate = 100", 'streams = [{ signals = "a", code = "b" }]'), "may hold"),
        (_GOOD.replace("csv", "mat").replace("rate = 100", 'intervals = [{ span = "a" }]'), "must hold span, label"),
        (_GOOD + "rate = 200\n", "this is none"),
        ("\x00", "this is none"),
        ("a = " + "[" * 5000, "this is none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_file_key_and_hint(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(FuseError) as raised:
        load(path)
    assert says in str(raised.value) and "mine.toml" in str(raised.value)
    assert raised.value.hint


def test_a_recipe_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(FuseError, match="no such recipe"):
        load(tmp_path / "none.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (1 << 19))
    with pytest.raises(FuseError, match="no recipe is that long"):
        load(tmp_path / "long.toml")
    (tmp_path / "latin.toml").write_bytes(_GOOD.replace("mine", "m\xe9").encode("latin-1"))
    with pytest.raises(FuseError, match="this is none"):
        load(tmp_path / "latin.toml")


def test_what_is_saved_is_what_is_loaded(own_shelf):
    content = {
        "name": "mine",
        "title": 'Quotes " and \\ and\nlines, µ, \x7f',
        "datasets": ["9", "10"],
        "paths": ["primary/*.mat"],
        "formats": ["mat"],
        "reader": {
            "streams": [{"signals": ["a b", "c"], "rate": 0.1, "units": "µV"}],
            "rate": {"x/y z": 2.5},
        },
    }
    path = save(content)
    assert path == own_shelf / "mine.toml"
    assert tomllib.loads(path.read_text("utf-8")) == content == tomllib.loads(render(content))
    held = load(path)
    assert held.reader == content["reader"] and held.sha256
    with pytest.raises(FuseError, match=r"reader\.rate"):
        save(content | {"name": "bad", "reader": {"rate": "x"}})
    assert [p.name for p in own_shelf.iterdir()] == ["mine.toml"]


# -- which recipe -------------------------------------------------------------------------------------------


def plain(place: Path, text: str = "a,b\n" + "".join(f"{i},{i * i}\n" for i in range(20))) -> None:
    place.write_text(text)


def mine(name: str, rate: float, **more: Any) -> Path:
    return save({"name": name, "datasets": ["7"], "formats": ["csv"], "reader": {"rate": rate}} | more)


def test_the_closest_pattern_wins_and_a_users_own_comes_first(tmp_path):
    for path in ("primary/a/x.csv", "primary/b/x.csv", "primary/b/y.csv", "primary/b/z.TXT"):
        plain(dataset(tmp_path, "7", path))
    mine("all", 10, paths=["*.csv"])
    mine("folder", 20, paths=["primary/b/*.csv"])
    mine("file", 30, paths=["primary/b/x.csv"])
    mine("others", 40, datasets=["8"])
    mine("sheets", 50, formats=["mat"])
    found = {r["rel_path"]: (r["recipe"], r["status"]) for r in run(tmp_path, "7")}
    assert found == {
        "primary/a/x.csv": ("all", "ok"),
        "primary/b/x.csv": ("file", "ok"),
        "primary/b/y.csv": ("folder", "ok"),
        "primary/b/z.TXT": (None, "ok"),
    }
    place = dataset(tmp_path, "301", "primary/x.csv")
    plain(place)
    mine("own301", 5, datasets=["301"])
    assert [r["recipe"] for r in run(tmp_path, "301")] == ["own301"]


def test_what_the_user_says_now_overrules_recipes(tmp_path):
    plain(dataset(tmp_path, "7", "primary/x.csv"))
    mine("all", 10)
    rates = []
    for options, said in (
        (Options(reader={"rate": 250.0}), {}),
        (Options(), {"primary/x.csv": {"rate": 500.0}}),
        (Options(recipes=False), {}),
        (Options(), {}),
    ):
        (record,) = run(tmp_path, "7", options=options, told=said)
        rates.append((open_zarr(record["std_path"]).attrs.get("sampling_frequency"), record["recipe"]))
        for store in (tmp_path / "out").rglob("*.zarr"):
            store.rename(tmp_path / f"old-{len(rates)}.zarr")
    assert rates == [(250.0, None), (500.0, None), (None, None), (10.0, "all")]


def test_a_recipe_that_does_not_fit_fails_and_says_what_is_there(tmp_path):
    plain(dataset(tmp_path, "350", "primary/x.csv"))
    (record,) = run(tmp_path, "350")
    assert record["status"] == "failed" and record["recipe"] == "ds350"
    assert "has no column 'TimeStamp(sec)'" in record["error"]
    assert "'a', 'b'" in record["hint"] and "--recipe none" in record["hint"]


@pytest.mark.parametrize("name", ["309", "327", "349", "391"])
def test_arrays_that_are_missing_are_named(tmp_path, name):
    from sparc_fuse_core.recipes import recipes as held

    recipe = next(r for r in held() if r.name == f"ds{name}")
    if recipe.formats == ("mat",):
        from scipy.io import savemat

        savemat(tmp_path / "x.mat", {"other": np.arange(9.0)})
        path = tmp_path / "x.mat"
    else:
        import h5py

        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            file["other"] = np.arange(9.0)
    with pytest.raises(FormatError, match="no array of it") as raised:
        open_file(path, recipe=recipe)
    assert "It holds other" in raised.value.hint and recipe.name in raised.value.hint


def test_a_recipe_by_file_for_one_file_and_for_a_folder(tmp_path):
    recipe = mine("mine", 100, datasets=[], paths=["x*.csv"])
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("x1.csv", "y.csv"):
        plain(folder / name)
    (record,) = convert(folder / "y.csv", tmp_path / "one", recipe=recipe)
    fuse = told(record["std_path"])
    assert record["recipe"] == "mine" and re.fullmatch(r"mine \(sha256 [0-9a-f]{64}\)", fuse["recipe"])
    assert fuse["options"]["rate"] == 100
    assert verify(record["std_path"], folder / "y.csv")["values"] == 40
    found = {r["rel_path"]: r["recipe"] for r in convert(folder, tmp_path / "all", recipe=recipe)}
    assert found == {"x1.csv": "mine", "y.csv": None}
    opened = open_file(folder / "y.csv", recipe=recipe)
    assert opened["signals"].attrs["sampling_frequency"] == 100
    far = mine("far", 100, datasets=[], paths=["z*.csv"])
    with pytest.raises(FuseError, match="no file among 2"):
        convert(folder, tmp_path / "far", recipe=far)
    (folder / "x1.csv").unlink()
    with pytest.raises(FuseError, match="no file among 1"):
        convert(folder, tmp_path / "far", recipe=far)
    sheet = mine("sheet", 100, datasets=[], formats=["mat"])
    (record,) = convert(folder / "y.csv", tmp_path / "mat", recipe=sheet)
    assert record["status"] == "failed" and "is for mat files, this one is csv" in record["error"]


def test_the_command_line_lists_and_uses_them(tmp_path):
    from click.testing import CliRunner

    from sparc_fuse_core.cli import cli

    plain(tmp_path / "y.csv")
    mine("mine", 100, datasets=[])
    listed = CliRunner().invoke(cli, ["recipes"]).output
    assert listed.startswith("mine") and "ds349" in listed and str(tmp_path / "my recipes") in listed
    assert {"mine", "ds108"} <= {
        r["name"] for r in json.loads(CliRunner().invoke(cli, ["recipes", "--json"]).output)
    }
    for given in ("mine", str(tmp_path / "my recipes" / "mine.toml")):
        done = CliRunner().invoke(cli, ["info", str(tmp_path / "y.csv"), "--recipe", given, "--json"])
        assert json.loads(done.output)["streams"][0]["sampling_frequency"] == 100
    done = CliRunner().invoke(
        cli, ["convert", str(tmp_path / "y.csv"), "--recipe", "mine", "-o", str(tmp_path / "o"), "--json"]
    )
    assert done.exit_code == 0 and json.loads(done.stdout)[0]["recipe"] == "mine"


def test_an_ambiguous_file_tells_that_the_answer_can_be_kept(tmp_path):
    from scipy.io import savemat

    savemat(
        tmp_path / "two.mat", {"data": np.random.default_rng(0).random((2, 500)), "fs": 100.0, "sr": 200.0}
    )
    (record,) = convert(tmp_path / "two.mat", tmp_path / "out")
    assert record["status"] == "ambiguous"
    assert "rate=" in record["hint"] and "--recipe" in record["hint"]
