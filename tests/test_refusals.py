"""Files that are known and not read: the error names them, and says what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparc_fuse_core.errors import FuseError, NotSupported
from sparc_fuse_core.formats import detect, open_tree
from sparc_fuse_core.source import open_source

NOISE = b"\x01\x9d\x00\xff" * 300
ROWS = [
    ("spikes.nev", b"######## Neuralynx Data File Header\r\n", "Neuralynx"),
    ("renamed.bin", b"######## Neuralynx Data File Header\r\n", "Neuralynx"),
    ("MB0400FU.EEG", b"EEG-1100C V01.00\0\0", "Nihon Kohden"),
    ("x.eeg", b"QI-403A   V02.00\0\0", "Nihon Kohden"),
    (
        "x.vmrk",
        b"\xef\xbb\xbfBrain Vision Data Exchange Marker File, Version 1.0\r\n",
        "markers of a BrainVision",
    ),
    ("cells.dat", b"DAT2\0\0\0\0", "HEKA"),
    ("cells.dat", b"DAT1\0" + NOISE, "HEKA"),
    ("x.acq", b"WS1_\0\0\0\x07_genRes\0", "CTF"),
    ("reads.sam", b"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:ref\tLN:45\n", "sequence alignment"),
    ("heart.sam", NOISE, "no recorder"),
    ("scan.pss", NOISE, "PalmSens"),
    ("amplifier.dat", NOISE, "Intan"),
    ("amp-A-000.dat", NOISE, "Intan"),
    ("board-DIGITAL-IN-01.dat", NOISE, "Intan"),
    ("x.eeg", NOISE, ".vhdr"),
    ("x.cdt", NOISE, "Curry"),
    ("x.ccf", NOISE, "Blackrock"),
    ("x.dat", NOISE, "says nothing of itself"),
]


@pytest.mark.parametrize(("name", "content", "said"), ROWS, ids=[f"{row[0]}-{row[2]}" for row in ROWS])
def test_known_files_are_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with open_source(tmp_path / name) as source, pytest.raises(NotSupported) as raised:
        open_tree(source)
    assert said in str(raised.value) and name in str(raised.value) and raised.value.hint


def test_text_in_a_dat_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_text(
        "time (s)\tECG (mV)\n" + "".join(f"{i / 10}\t{i % 7}\n" for i in range(50))
    )
    with open_source(tmp_path / "x.dat") as source:
        assert detect(source).name == "csv"
        assert open_tree(source)["signals"].shape == (1, 50)


@pytest.mark.parametrize(
    "content", [b"plain words without numbers\n" * 20, NOISE, b"\0" * 5000], ids=["words", "noise", "zeros"]
)
def test_other_dat_is_no_table(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(content)
    with open_source(tmp_path / "x.dat") as source, pytest.raises(FuseError) as raised:
        detect(source)
    assert raised.value.hint
