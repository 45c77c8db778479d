"""The command line: its verbs, its exit status, one line for an error, and JSON that is nothing but JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest


def run(*args, **more):
    return subprocess.run(
        [sys.executable, "-m", "sparc_fuse_core.cli", *map(str, args)], capture_output=True, text=True, **more
    )


@pytest.fixture
def wav(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "rec.wav", np.linspace(-0.5, 0.5, 2000).reshape(-1, 2), 1000)
    return tmp_path / "rec.wav"


def test_convert_a_file(wav, tmp_path):
    done = run("convert", wav, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["status"] == "ok" and record["bytes_out"] > 0 and len(record["sha256"]) == 64
    assert (tmp_path / "out" / "rec_std.zarr" / "zarr.json").is_file()
    again = run("convert", wav, "-o", tmp_path / "out")
    assert again.returncode == 0 and "skipped" in again.stderr
    log = [json.loads(line) for line in (tmp_path / "out" / "fuse-log.jsonl").read_text().splitlines()]
    assert [line["status"] for line in log] == ["ok", "skipped"]


def test_another_source_never_takes_the_place_of_an_output(wav, tmp_path):
    assert run("convert", wav, "-o", tmp_path / "out").returncode == 0
    other = tmp_path / "elsewhere" / "rec.wav"
    other.parent.mkdir()
    data = bytearray(wav.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    done = run("convert", other, "-o", tmp_path / "out")
    assert done.returncode == 1 and "another source" in done.stderr
    assert run("convert", other, "-o", tmp_path / "out", "--overwrite").returncode == 0
    assert run("verify", tmp_path / "out" / "rec_std.zarr", "--against", other).returncode == 0
    assert run("verify", tmp_path / "out" / "rec_std.zarr", "--against", wav).returncode == 1


def test_exit_status_counts_failures(wav, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(wav.read_bytes()[:30])
    done = run("convert", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "1 of 2 converted" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["convert"], 2),
        (["nonsense"], 2),
        (["convert", "x.wav", "--file-format", "xlsx"], 2),
        (["convert", "does-not-exist.wav"], 1),
        (["info", "does-not-exist.wav"], 1),
        (["verify", "does-not-exist.zarr"], 1),
        (["files", "no-such-dataset", "--catalogue", "demo"], 1),
        (["--help"], 0),
        (["--version"], 0),
        (["formats"], 0),
    ],
)
def test_usage(args, status, tmp_path):
    done = run(*args, cwd=tmp_path)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if status == 1:
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_changed_store_is_found_out(wav, tmp_path):
    run("convert", wav, "-o", tmp_path)
    store = tmp_path / "rec_std.zarr"
    assert run("verify", store).returncode == 0
    shard = next(p for p in (store / "signals").rglob("*") if p.is_file() and p.name != "zarr.json")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = run("verify", store)
    assert done.returncode == 1 and "changed" in done.stderr


def test_info_says_what_is_there(wav):
    facts = json.loads(run("info", wav, "--json").stdout)
    assert facts["streams"][0]["shape"] == {"channel": 2, "time": 1000}
    assert facts["streams"][0]["sampling_frequency"] == 1000
