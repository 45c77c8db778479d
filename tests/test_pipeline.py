"""What one conversion promises beyond its values: no leftovers of others, one output for one source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sparc_fuse_core import convert, verify
from sparc_fuse_core.pipeline import Options, output_name


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    import soundfile

    soundfile.write(tmp_path / "rec.wav", np.linspace(-0.5, 0.5, 4000).reshape(-1, 2), 1000)
    return tmp_path / "rec.wav"


@pytest.mark.parametrize("first_line", ['{"plan": {"product": "another"}}', "[]", "not json", ""])
def test_what_another_plan_began_is_not_taken_over(wav: Path, tmp_path: Path, first_line: str):
    stale = tmp_path / "out" / "rec_std.zarr.partial"
    (stale / "old_array" / "c").mkdir(parents=True)
    (stale / "old_array" / "c" / "0").write_bytes(b"old")
    (stale / "fuse-journal.jsonl").write_text(first_line + "\n")
    (record,) = convert(wav, tmp_path / "out")
    assert record["status"] == "ok"
    assert not (Path(record["std_path"]) / "old_array").exists()
    listed = [json.loads(line)[0] for line in (Path(record["std_path"]) / "fuse-journal.jsonl").open()]
    assert listed == sorted(listed) and not any("old" in path for path in listed)
    verify(record["std_path"], against=wav)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["fuse-log.jsonl", "rec_std.zarr"]


@pytest.mark.parametrize("file_format", ["zarr", "zarr.zip", "npz", "mat"])
def test_nothing_is_left_beside_the_output(wav: Path, tmp_path: Path, file_format: str):
    for overwrite in (False, True):
        (record,) = convert(wav, tmp_path / "out", file_format=file_format, overwrite=overwrite)
        assert record["status"] == "ok", record
    expected = {"fuse-log.jsonl", output_name("rec", "signals", file_format)}
    assert {p.name for p in (tmp_path / "out").iterdir()} == expected


def test_options_that_do_not_exist_are_refused():
    for wrong in ({"file_format": "xlsx"}, {"zarr_format": 4}):
        with pytest.raises(Exception, match=r"no output format|does not exist"):
            Options(**wrong)
