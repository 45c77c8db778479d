"""The shape of the house: sizes, directions of imports, promised names, one place for each fact."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "sparc_fuse_core"
SHIPPED = sorted(
    p for folder in ("sparc_fuse_core", "sparcfuse_widgets") for p in (ROOT / folder).rglob("*.py")
)
FORMATS = sorted(p for p in (ENGINE / "formats").glob("*.py") if not p.name.startswith("_"))


def _functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_files_and_functions_are_small():
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text("utf-8").splitlines()) for p in SHIPPED}
    assert {k: n for k, n in lengths.items() if n > 400} == {}
    functions = [(f"{p.name}:{name}", size) for p in SHIPPED for name, size in _functions(p)]
    assert [row for row in functions if row[1] > 60] == []
    assert statistics.median(size for _, size in functions) <= 10
    assert statistics.median(lengths.values()) <= 190


def _imports(path: Path, *, top_only: bool = False):
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", sorted((ENGINE / "formats").glob("*.py")), ids=lambda p: p.name)
def test_formats_know_only_the_model_and_the_source(path):
    if path.name == "__init__.py":
        pytest.skip("the registry itself")
    ours = {name for name in _imports(path) if name.startswith(("sparc_fuse_core", "sparcfuse_widgets"))}
    allowed = (
        "sparc_fuse_core.errors",
        "sparc_fuse_core.model",
        "sparc_fuse_core.source",
        "sparc_fuse_core.formats",
    )
    assert {name for name in ours if not name.startswith(allowed)} == set()
    heavy = {
        "scipy",
        "h5py",
        "pandas",
        "tifffile",
        "imagecodecs",
        "matio",
        "bioread",
        "neo",
        "pyabf",
        "PIL",
        "av",
        "czifile",
        "liffile",
        "nd2",
        "nibabel",
        "oiffile",
        "olefile",
        "openreadout",
        "openslide",
        "pydicom",
        "python_calamine",
        "roifile",
        "trimesh",
        "zarr",
    }
    top = {name.split(".")[0] for name in _imports(path, top_only=True)}
    assert top & heavy == set(), "heavy libraries are imported inside functions"


def test_the_engine_does_not_know_its_faces():
    for path in ENGINE.rglob("*.py"):
        if path.name == "cli.py":
            continue  # `sparc-fuse app` starts the dashboard
        assert not any(
            name.startswith(("sparcfuse_widgets", "voila", "ipywidgets")) for name in _imports(path)
        ), path


def test_every_format_says_who_it_is():
    from sparc_fuse_core.formats import registry

    for path in FORMATS:
        if path.name == "__init__.py":
            continue
        held = registry()[path.stem]
        assert held.name == path.stem
        assert held.suffixes and all(s == s.lower() and s.startswith(".") for s in held.suffixes)
        assert held.magic or held.sniff or held.suffixes
        assert len(inspect.getdoc(sys.modules[held.open.__module__]) or "") > 80
        assert (ROOT / "tests" / "formats" / path.name).is_file(), "each format has a file of tests"


def test_requirements_of_formats_are_dependencies():
    from sparc_fuse_core.formats import registry

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = {re.split(r"[\[<>=! ]", item)[0].lower() for item in project["dependencies"]}
    known |= {
        re.split(r"[\[<>=! ]", i)[0].lower()
        for extra in project["optional-dependencies"].values()
        for i in extra
    }
    for held in registry().values():
        assert {name.lower() for name in held.requires} <= known, held.name


def test_environment_yml_equals_pyproject():
    spec = importlib.util.spec_from_file_location(
        "write_environment", ROOT / "scripts" / "write_environment.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "environment.yml").read_text("utf-8") == module.content()


def test_promised_names_exist_and_are_documented():
    import sparc_fuse_core

    for name in sparc_fuse_core.__all__:
        assert inspect.getdoc(getattr(sparc_fuse_core, name)), name
    assert set(sparc_fuse_core._HOMES) == set(sparc_fuse_core.__all__)


def test_the_older_functions_keep_their_signatures():
    from sparc_fuse_core import download_and_convert_sparc_data, list_primary_files

    assert next(iter(inspect.signature(list_primary_files).parameters)) == "dataset_id"
    names = list(inspect.signature(download_and_convert_sparc_data).parameters)
    assert names[:6] == [
        "dataset_id", "primary_paths", "output_dir", "descriptors_dir", "file_format", "overwrite",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "code", ["import sparc_fuse_core", "from sparc_fuse_core.cli import cli; cli(['--help'])"]
)
def test_starting_is_quick(code):
    """Heavy libraries stay out; the time itself is measured from inside to leave the interpreter's start out."""
    probe = (
        "import sys, time; began = time.process_time()\n"
        f"try:\n    {code}\nexcept SystemExit:\n    pass\n"
        "spent = time.process_time() - began\n"
        "heavy = {'numpy', 'xarray', 'zarr', 'pandas', 'scipy', 'matplotlib', 'requests', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert spent < 0.5, spent\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_dangerous_is_called():
    banned = {"eval", "exec", "extractall", "loads_pickle"}
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert name not in banned, f"{path}:{node.lineno} calls {name}"
                for keyword in node.keywords:
                    risky = (
                        keyword.arg in ("allow_pickle", "shell")
                        and getattr(keyword.value, "value", None) is True
                    )
                    assert not risky, f"{path}:{node.lineno}"
        assert not {"pickle", "xml.etree", "xml.etree.ElementTree"} & set(_imports(path)), path


def test_every_format_says_what_it_carries_over():
    from sparc_fuse_core.formats import registry

    missing = [f.name for f in registry().values() if not (f.carried and f.left and f.lazy)]
    assert missing == []
