"""The documentation runs: README and pages are executed against the demonstration and the stand-in server."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)

# Blocks that are not run as they stand, and why.
NOT_RUN = {
    "make app": "sets the machine up and serves until it is stopped; the browser tests start the same server",
    "pip install": "would install into the environment of the tests",
    "make test": "is what runs this",
}


def blocks(page: str) -> list[tuple[str, str]]:
    return [(lang, code) for lang, code in FENCE.findall((ROOT / page).read_text("utf-8"))]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the demonstration files under the names of the README, and their converted stores."""
    from sparc_fuse_core import convert
    from sparc_fuse_core.catalogue.demo import DEMO_ID, ensure_demo

    here = tmp_path_factory.mktemp("docs")
    for path in (ensure_demo() / DEMO_ID / "primary").rglob("*"):
        if path.is_file():
            (here / path.name).write_bytes(path.read_bytes())
            (record,) = convert(here / path.name, here / "converted")
            assert record["status"] == "ok", record
    import soundfile

    soundfile.write(here / "x.wav", [[0.1, 0.2]] * 50, 1000)
    return here


@pytest.fixture(scope="module")
def server(place, tmp_path_factory):
    """A stand-in for the SPARC catalogue with a dataset 224 made of small real formats."""
    from fakes.pennsieve import FakePennsieve

    folder = tmp_path_factory.mktemp("ds224")
    subject = folder / "primary" / "sub-ChAT-Male-Subject-1"
    subject.mkdir(parents=True)
    (subject / "a.edf").write_bytes((place / "pressure_and_breathing.edf").read_bytes())
    (subject / "b.csv").write_bytes((place / "blood_gases.csv").read_bytes())
    (subject / "c.mat").write_bytes((place / "heart_rate.mat").read_bytes())
    with FakePennsieve() as fake:
        fake.add_dataset(224, folder, name="Stand-in vagus nerve dataset")
        yield fake


def environment(server, place, tmp_path):
    return os.environ | {
        "SPARC_FUSE_PENNSIEVE_URL": server.url,
        "SPARC_FUSE_S3_HTTP_BASE": server.s3_base,
        "SPARC_FUSE_CACHE": str(tmp_path / "cache"),
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(ROOT),
    }


PYTHON = [
    (p, i)
    for p in ("README.md", "docs/output-layout.md")
    for i, (lang, _) in enumerate(blocks(p))
    if lang == "python"
]


@pytest.mark.parametrize(("page", "number"), PYTHON)
def test_python_blocks_run(page, number, server, place, tmp_path):
    code = blocks(page)[number][1]
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code],
        cwd=place, env=environment(server, place, tmp_path), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout and "unsupported" not in done.stdout


def test_the_converting_example_really_converts(server, place, tmp_path):
    code = next(code for lang, code in blocks("README.md") if lang == "python" and "output_bulk" in code)
    env = environment(server, place, tmp_path)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'status': 'ok'") == 3
    assert len(list((tmp_path / "output_bulk").rglob("*_std.zarr"))) == 3


COMMANDS = [
    line.split("#")[0].strip()
    for lang, code in blocks("README.md")
    if lang == "sh" and not any(code.startswith(first) or first in code for first in NOT_RUN)
    for line in code.splitlines()
    if line.strip()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line, server, place, tmp_path):
    words = shlex.split(line)
    assert words[0] == "sparc-fuse"
    stand_ins = {
        "primary/sub-ChAT-Male-Subject-1/20_1021.acq": "primary/sub-ChAT-Male-Subject-1/a.edf",
        "recording.abf": "nerve_and_ecg.edf",
        "converted/recording_std.zarr": "converted/nerve_and_ecg_std.zarr",
    }
    args = [stand_ins.get(word, word) for word in words[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "sparc_fuse_core.cli", *args],
        cwd=place, env=environment(server, place, tmp_path), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_block_is_run_or_has_a_reason():
    known = {"python", "sh"}
    for page in ("README.md", "docs/output-layout.md", "docs/formats.md"):
        assert {lang for lang, _ in blocks(page)} <= known, page


def test_the_format_example_of_the_contribution_guide_reads_a_file(tmp_path):
    import struct

    import numpy as np

    from sparc_fuse_core.formats import open_tree
    from sparc_fuse_core.opening import decoded
    from sparc_fuse_core.source import open_source

    code = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S).group(1)
    space: dict = {}
    exec(compile("\n".join(line[3:] for line in code.splitlines()), "guide", "exec"), space)
    raw = np.arange(12, dtype="<i2").reshape(4, 3)
    (tmp_path / "a.exa").write_bytes(struct.pack("<4sHId", b"EXA1", 3, 500, 0.5) + raw.tobytes())
    dataset = decoded(open_tree(open_source(tmp_path / "a.exa"), space["FORMAT"]))
    assert (dataset["signals"].values == raw.T * 0.5).all()
    assert dataset["signals"].attrs["sampling_frequency"] == 500


def test_generated_pages_are_fresh():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "scripts" / "write_formats_page.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    assert (ROOT / "docs" / "formats.md").read_text("utf-8") == pages.page(), "run `make docs`"
    assert (ROOT / "README.md").read_text("utf-8") == pages.readme(), "run `make docs`"


def test_every_verb_of_the_command_line_is_in_the_readme():
    from sparc_fuse_core.cli import cli

    text = (ROOT / "README.md").read_text("utf-8")
    assert {verb for verb in cli.commands if f"sparc-fuse {verb}" not in text} <= {"formats"}
