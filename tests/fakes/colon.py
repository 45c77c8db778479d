"""A small catalogue with one dataset of each kind, for tests of those who ask it."""

from __future__ import annotations

from pathlib import Path

from fakes.pennsieve import FakePennsieve

COLON: dict[str, bytes | Path] = {
    "primary/sub-ChAT Male/20 1021.acq": b"acq " * 5000,
    "primary/sub-ChAT Male/a&b#c+d%e;f.csv": b"1,2\n",
    "primary/sub-ChAT Male/täglich (1).mat": b"mat",
    "primary/sub-2/x.abf": b"abf" * 1000,
    "derivative/x.abf.txt": b"text",
    "dataset_description.xlsx": b"xlsx",
    "readme.md": b"the dataset's own",
}
PATHS = [
    "dataset_description.xlsx",
    "derivative/x.abf.txt",
    "primary/sub-2/x.abf",
    "primary/sub-ChAT_Male/20_1021.acq",
    "primary/sub-ChAT_Male/a_b_c_d_e_f.csv",
    "primary/sub-ChAT_Male/täglich_(1).mat",
    "readme.md",
]


def publish(fake: FakePennsieve) -> None:
    """224 in the newer layout with two versions, 90 in the older one, 3 before that, 275 and 13 closed."""
    older: dict[str, bytes | Path] = {"primary/sub-2/x.abf": b"first", "primary/gone.abf": b"gone"}
    colon = {"versions": [older], "tags": ["Gut"], "description": "Mouse colon"}
    fake.add_dataset(224, COLON, name="Colon motility", **colon)
    vagus = {"schema": "4.0", "description": "Pig", "doi": "10.26275/vagu-s000"}
    fake.add_dataset(90, COLON, name="Vagus nerve", **vagus)
    fake.add_dataset(3, {"primary/x.abf": b"old"}, name="Number 224 revisited", schema="3.0")
    fake.add_dataset(275, COLON, name="Secret", embargo=True)
    fake.add_dataset(13, COLON, name="Withdrawn")
    fake.unpublish(13)


def write(root: Path) -> Path:
    """The same dataset as a folder, with files that are to be overlooked."""
    for path, data in COLON.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data.read_bytes())
    (root / "primary" / ".hidden").write_bytes(b"no")
    (root / ".git").mkdir()
    (root / ".git" / "x.abf").write_bytes(b"no")
    return root
