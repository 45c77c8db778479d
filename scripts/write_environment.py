"""Writes environment.yml from pyproject.toml; a test compares them."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Kept equal to pyproject.toml by `python scripts/write_environment.py`; a test compares them.
# conda env create -f environment.yml
name: sparc-fuse
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python >=3.11
  - pip
  - pip:
"""


def content() -> str:
    """The text that environment.yml must have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    items = [*project["dependencies"], *extras["imaging"], *extras["tables"]]
    return HEAD + "".join(f"    - {item}\n" for item in items) + "    - --editable .\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(content(), "utf-8")
