"""What a conversion says of itself: records, provenance, the log, and proof afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from stores import write_table

from sparc_fuse_core import download_and_convert_sparc_data
from sparc_fuse_core.api import convert
from sparc_fuse_core.catalogue.folder import FolderCatalogue
from sparc_fuse_core.provenance import product_version
from sparc_fuse_core.report import LOG_NAME
from sparc_fuse_core.verification import verify

# -- reports, provenance, log -------------------------------------------------------------------------------


class Versioned(FolderCatalogue):
    """A folder whose dataset has the version, DOI and licence of a published one."""

    def dataset(self, id: str, version: int | None = None) -> Any:
        from dataclasses import replace

        found = super().dataset(id)
        return replace(found, version=version or 7, doi="10.26275/test", license="CC-BY-4.0")

    def files(self, id: str, version: int | None = None) -> Any:
        return super().files(id)


def dataset_of_all_kinds(root: Path) -> Path:
    folder = root / "set" / "primary"
    write_table(folder / "sub-1/good.csv", 0)
    (folder / "sub-1/torn.abf").write_bytes(b"ABF2" + b"\x01" * 40)
    (folder / "sub-1/strange.xyz").write_bytes(b"\x01\x02\x03")
    (folder / "sub-1/empty.edf").write_bytes(b"")
    return root / "set"


def test_every_file_has_one_honest_record(tmp_path: Path) -> None:
    place = dataset_of_all_kinds(tmp_path)
    records = {Path(r["rel_path"]).name: r for r in convert(place, tmp_path / "out")}
    statuses = {name: r["status"] for name, r in records.items()}
    assert statuses == {
        "good.csv": "ok",
        "torn.abf": "failed",
        "strange.xyz": "unsupported",
        "empty.edf": "failed",
    }
    for name, record in records.items():
        if record["status"] == "ok":
            assert record["error"] is None and Path(record["std_path"]).exists()
            assert record["bytes_in"] and record["bytes_out"] and record["format"] == "csv"
        else:
            assert record["error"] and record["hint"] and record["std_path"] is None, name


def test_provenance_names_version_and_checksum(tmp_path: Path) -> None:
    import hashlib

    write_table(tmp_path / "set/primary/sub-3/sam-2/rec.csv", 0)
    records = download_and_convert_sparc_data(
        "set", output_dir=tmp_path / "out", catalogue=Versioned(tmp_path / "set"), version=7
    )
    assert records[0]["status"] == "ok", records
    digest = hashlib.sha256((tmp_path / "set/primary/sub-3/sam-2/rec.csv").read_bytes()).hexdigest()
    attrs = xr.open_zarr(records[0]["std_path"]).attrs
    fuse = attrs["fuse"]
    assert fuse["dataset"]["version"] == 7
    assert (fuse["dataset"]["doi"], fuse["dataset"]["license"]) == ("10.26275/test", "CC-BY-4.0")
    assert (fuse["dataset"]["subject"], fuse["dataset"]["sample"]) == ("sub-3", "sam-2")
    assert fuse["sources"][0]["sha256"] == digest == records[0]["sha256"]
    assert fuse["product_version"] == product_version()
    assert attrs["sparc_dataset_version"] == 7
    assert attrs["original_file_name"] == "rec.csv"


def test_every_conversion_is_logged(tmp_path: Path) -> None:
    place = dataset_of_all_kinds(tmp_path)
    first = convert(place, tmp_path / "out")
    second = convert(place, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / LOG_NAME).read_text().splitlines()]
    assert len(lines) == len(first) + len(second) == 8
    assert [line["status"] for line in lines] == [r["status"] for r in first + second]
    assert sorted(line["status"] for line in lines[4:]) == ["failed", "failed", "skipped", "unsupported"]
    for line in lines:
        assert line["time"] and line["product_version"] and line["dataset_id"] == "set"


def test_verify_finds_one_changed_byte_and_one_lost_file(tmp_path: Path) -> None:
    from sparc_fuse_core.errors import Mismatch

    write_table(tmp_path / "rec.csv", 0)
    place = Path(convert(tmp_path / "rec.csv", tmp_path / "out")[0]["std_path"])
    victim = max(
        (p for p in place.rglob("*") if p.is_file() and "/c/" in str(p)), key=lambda p: p.stat().st_size
    )
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(Mismatch):
        verify(place)
    victim.unlink()
    with pytest.raises(Mismatch):
        verify(place)


def test_verify_finds_another_source(tmp_path: Path) -> None:
    from sparc_fuse_core.errors import Mismatch

    write_table(tmp_path / "a/rec.csv", 0)
    write_table(tmp_path / "b/rec.csv", 1)
    place = convert(tmp_path / "a/rec.csv", tmp_path / "out")[0]["std_path"]
    with pytest.raises(Mismatch):
        verify(place, against=tmp_path / "b/rec.csv")
