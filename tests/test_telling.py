"""Telling the dashboard how a file is read: the form, its answers, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from test_widgets import FakeQueue, own_log  # noqa: F401 - a fixture

from sparc_fuse_core.catalogue import primary_files
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.recipes import recipes
from sparcfuse_widgets.opening_state import PreviewModel
from sparcfuse_widgets.telling import options_from, recipe_name


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARC_FUSE_RECIPES", str(tmp_path / "recipes"))
    place = tmp_path / "study" / "primary"
    place.mkdir(parents=True)
    data = np.random.default_rng(0).random((2, 500))
    savemat(place / "two rates.mat", {"data": data, "fs": 100.0, "sr": 200.0, "t": np.arange(9.0)})
    (place / "plain.csv").write_text("when,force\n" + "".join(f"{i * 4},{i}\n" for i in range(50)))
    (place / "notes.wav").write_bytes(b"RIFF")
    return tmp_path / "study"


def shown(model: PreviewModel, study: Path, name: str) -> PreviewModel:
    catalogue = FolderCatalogue(study)
    held = primary_files(catalogue, "study", None)
    members = [file for file in held if file.path == f"primary/{name}"]
    model.load_from(catalogue, members[0].path, members, "study")
    model.settle()
    return model


def tell(model: PreviewModel, **values: Any) -> PreviewModel:
    model.do_tell({"values": values})
    model.settle()
    return model


def test_an_ambiguous_file_opens_the_form_and_the_answers_read_it(study):
    model = shown(PreviewModel(), study, "two rates.mat")
    assert "contradict each other" in model.problem["message"] and model.kind == ""
    assert model.form["open"] and model.form["format"] == "mat"
    assert model.form["fields"] == ["time", "rate", "time_unit", "orientation", "units", "signals"]
    assert model.form["names"] == ["data", "t"]
    tell(model, rate="fast")
    assert model.problem["message"] == "The rate has to be a number of hertz above 0, not 'fast'."
    assert model.told == {}
    tell(model, rate="1 000 Hz", units="mV, V", signals=["data"], orientation="rows")
    assert model.problem == {} and model.kind == "signals"
    assert model.opened["signals"].attrs["sampling_frequency"] == 1000
    assert model.opened["channel_units"].values.tolist() == ["mV", "V"]
    wanted = {"rate": 1000, "units": ["mV", "V"], "signals": ["data"], "orientation": "rows"}
    assert model.told == {"primary/two rates.mat": wanted}
    assert "Converting this file" in model.said
    tell(model, rate="1000", units="mV, V, A", signals=["data"])
    assert "3 units are given for the 2 channels" in model.problem["message"]
    assert model.told == {}, "what failed is not used"
    assert model.answers["units"] == "mV, V, A" and model.form["open"]


def test_a_table_is_told_its_time_column_and_saved_as_a_recipe(study):
    model = shown(PreviewModel(), study, "plain.csv")
    assert model.kind == "text" and model.problem == {}
    assert not model.form["open"] and model.form["names"] == ["when", "force"]
    assert (model.form["name"], model.form["pattern"]) == ("study-plain", "*.csv")
    model.do_save({"name": "mine", "pattern": "*.csv"})
    assert "nothing to save yet" in model.problem["message"]
    tell(model, time_column="when", time_unit="ms")
    assert model.opened["signals"].attrs["sampling_frequency"] == 250
    for name, pattern, said in (("No Good", "*.csv", "no name"), ("mine", " ", "needs a pattern")):
        model.do_save({"name": name, "pattern": pattern})
        assert said in model.problem["message"] and model.problem["hint"]
    model.do_save({"name": "mine", "pattern": "*.csv"})
    assert model.problem == {} and "named *.csv are read so" in model.said
    assert model.told == {} and model.recipe == "mine", "the recipe does it from now on"
    (mine,) = [recipe for recipe in recipes() if recipe.sha256]
    assert mine.reader == {"time_column": "when", "time_unit": "ms"} and mine.datasets == ("study",)
    again = shown(PreviewModel(), study, "plain.csv")
    assert again.kind == "signals" and again.recipe.startswith("mine")
    again.do_tell({"values": {}})
    again.settle()
    assert again.kind == "text" and again.recipe == "", "empty answers read without a recipe"
    assert again.told == {"primary/plain.csv": {}}
    again.do_untell({})
    again.settle()
    assert again.kind == "signals" and again.told == {}


def test_a_recipe_that_does_not_fit_opens_the_form(study, tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.toml").write_text(
        'name = "mine"\ndatasets = ["study"]\nformats = ["csv"]\n[reader]\ntime_column = "hour"\n'
    )
    model = shown(PreviewModel(), study, "plain.csv")
    assert "no column 'hour'" in model.problem["message"] and "mine" in model.problem["hint"]
    assert model.form["open"]
    assert tell(model, time_column="when").kind == "signals"


def test_files_that_say_everything_have_no_form(study):
    model = shown(PreviewModel(), study, "notes.wav")
    assert model.form == {} and model.problem["message"]


@pytest.mark.parametrize(
    "values",
    [{"rate": "0"}, {"rate": "inf"}, {"rate": "nan"}, {"time_column": "nope"}, {"time_unit": "parsec"}],
)
def test_answers_that_mean_nothing_are_one_sentence(values):
    from sparc_fuse_core.errors import FuseError

    form = {"format": "csv", "fields": ["time_column", "rate", "time_unit"], "names": ["a", "0"]}
    with pytest.raises(FuseError) as raised:
        options_from(values, form)
    assert raised.value.hint
    assert options_from({"time_column": "0", "rate": "", "code": "x"}, form) == {"time_column": 0}
    assert recipe_name("349", "primary/Sub 1/A_b (2).hdf5") == "349-a-b-2"


def test_what_was_told_is_used_when_that_file_is_converted(study, tmp_path):
    from sparcfuse_widgets import Dashboard

    queue = FakeQueue()
    page = Dashboard(study, queue=queue)
    page.search.settle()
    page.search.chosen = "study"
    page.dataset.settle()
    page.tree.do_preview({"path": "primary/plain.csv"})
    page.preview.model.settle()
    tell(page.preview.model, rate="50")
    page.tree.selected = [page.tree.paths.index("primary/plain.csv")]
    page.convert.output_dir = str(tmp_path / "out")
    page.convert.convert()
    assert queue.held[0].request["told"] == {"primary/plain.csv": {"rate": 50}}
    queue.held[0].state = "done"
    page.convert.settle()
    assert page.problem == {}
