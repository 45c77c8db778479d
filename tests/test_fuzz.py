"""Damaged files of every format, each tried in a child process: data or a FuseError, never anything else.

FUSE_MUTANTS sets how many of each format (200), FUSE_SEED which ones.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from rows import FORMATS, ROWS, module

from sparc_fuse_core.testing import mutants, run_mutants

MUTANTS = int(os.environ.get("FUSE_MUTANTS", "200"))
SEED = int(os.environ.get("FUSE_SEED", "1"))
SMALL = 300_000  # bytes: damage is put everywhere, and larger files only take longer
FEWEST = 10  # damaged copies of a file


def originals(name: str, corpus: Path, folder: Path) -> list[Path]:
    """Intact files of a format, made ones and real ones, in an order that the seed decides."""
    made = [folder / file for file, facts in module(name).make(folder).items() if "!error" not in facts]
    real = [corpus / r["path"] for r in ROWS if r["format"] == name and r["expect"] == "ok"]
    rng = random.Random(f"{SEED}{name}")
    found = []
    for group in (made, real):
        small = [path for path in group if path.exists() and path.stat().st_size <= SMALL]
        found.append(rng.sample(small, len(small)))
    turns = [path for pair in zip(*found, strict=False) for path in pair]
    chosen = turns + [path for group in found for path in group if path not in turns]
    # Formats with large blocks have no small files: the smallest ones serve then.
    return chosen or sorted(filter(Path.exists, made + real), key=lambda path: path.stat().st_size)[:3]


@pytest.mark.fuzz
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(name: str, corpus: Path, tmp_path: Path) -> None:
    files = originals(name, corpus, tmp_path)
    if not files:
        pytest.skip("what reads it is not installed: there is no intact file to damage")
    chosen = files[: max(1, MUTANTS // FEWEST)]
    findings = run_mutants(chosen, name, -(-MUTANTS // len(chosen)), SEED)
    told = [f"{f.name}: {f.kind}, kept as {f.path}\n{f.detail[-800:]}" for f in findings]
    assert not findings, f"{len(findings)} findings\n" + "\n".join(told[:10])


def test_mutants_are_many_and_can_be_repeated() -> None:
    data = bytes(range(256)) * 40
    rows = list(mutants(data, random.Random(3), 300))
    assert rows == list(mutants(data, random.Random(3), 300))
    assert len({damaged for _, damaged in rows}) > 250
    assert {name.split("-")[0] for name, _ in rows} >= {"cut", "flip", "word", "blank", "over", "into", "out"}


def test_findings_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that crashes, hangs and eats memory by turns is caught each time, and the batch goes on."""
    plug = tmp_path / "plug"
    (plug / "bad-1.dist-info").mkdir(parents=True)
    (plug / "bad-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (plug / "bad-1.dist-info" / "entry_points.txt").write_text(
        "[sparc_fuse_core.formats]\nbad = bad:FORMAT\n"
    )
    (plug / "bad.py").write_text(
        "import ctypes, numpy as np\n"
        "from sparc_fuse_core.model import Format, LazyArray, Stream, recording\n"
        "def open_bad(source, **options):\n"
        "    data = source.read(0, source.size)\n"
        "    way = sum(data) % 5 if source.size == 64 else 4\n"
        "    if data == bytes(64) or way == 4:\n"
        "        return recording([Stream(np.ones((1, 3)), 1.0)])\n"
        "    if way == 0:\n"
        "        ctypes.string_at(0)\n"
        "    if way == 1:\n"
        "        while True: pass\n"
        "    if way == 2:\n"
        "        np.ones(1 << 30)\n"
        "    raise RecursionError\n"
        'FORMAT = Format("bad", "Bad", "signals", (".bad",), open_bad)\n'
    )
    monkeypatch.setenv("PYTHONPATH", str(plug))
    (tmp_path / "x.bad").write_bytes(bytes(64))
    findings = run_mutants(tmp_path / "x.bad", "bad", 12, 1, seconds=0.5)
    kinds = {finding.kind for finding in findings}
    assert {"crash -11", "hang", "MemoryError"} <= kinds, kinds
    assert all(finding.path.is_file() for finding in findings)
