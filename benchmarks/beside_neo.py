"""What neo, pyabf and SPARC FUSE say of the same files, where the formats have traps.

``python -m benchmarks.beside_neo`` (part of ``make docs``) writes docs/beside-neo.md; tests/test_beside_neo.py runs
every row.

Every function of the `traps_` modules is one trap. It asks all of them one question in one form of words
and finds the truth without us: from the bytes of the file, from the reader of its maker, or because the file was
written for this.
"""

from __future__ import annotations

import functools
import textwrap

from benchmarks import traps_axon_spike2, traps_brainvision_tdt, traps_intan_blackrock
from benchmarks.asking import (
    CORPUS,
    ROOT,
    TRAPS,
    Row,
    row,
)

__all__ = ["CORPUS", "ROOT", "TRAPS", "Row", "line", "page", "row", "versions"]

# Each fills TRAPS, in the order in which the page tells of them.
PARTS = (traps_axon_spike2, traps_intan_blackrock, traps_brainvision_tdt)


_INTRO = """# Beside neo

Written by `make docs` from `benchmarks/beside_neo.py`, with neo {neo} and pyabf {pyabf}; `tests/test_beside_neo.py`
runs every row.

[neo](https://neuralensemble.org/neo/) and [pyabf](https://swharden.com/pyabf/) are good readers; our tests use both.
Formats have traps, though, and what a converted file says is final. Each row asks one question of one file. The truth
was found without our reader, as the fourth column tells; for made files it is what their writer put in. **Bold**
answers are not the truth; a dash stands where a reader does not read the format. Files called made were written for
their row, those called synthetic by other programs.

"""


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("neo", "pyabf")}


def line(held: Row) -> str:
    """The row of the table."""

    def marked(answer: str) -> str:
        parts = answer.split("; ")
        return "; ".join(
            p if not p or p == held.truth or p.endswith(f": {held.truth}") else f"**{p}**" for p in parts
        )

    answers = [marked(answer) for answer in (held.ours, held.neo, held.pyabf)]
    cells = (held.trap, held.file, held.truth, held.known, *answers[:2], answers[2] or "–")
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _equal(rows: list[Row]) -> str:
    right = sorted({r.trap[0].lower() + r.trap[1:] for r in rows if r.neo == r.truth})
    asked = [r for r in rows if r.pyabf]
    return textwrap.fill(
        f"neo is right in {sum(r.neo == r.truth for r in rows)} of {len(rows)} rows ({'; '.join(right)}), pyabf in "
        f"{sum(r.pyabf == r.truth for r in asked)} of {len(asked)}, we in {sum(r.ours == r.truth for r in rows)}.",
        width=120,
    )


def _alone() -> list[str]:
    import neo

    from sparc_fuse_core.formats import registry

    known = {f".{e.lower()}" for kind in neo.io.iolist for e in (kind.extensions or [])}
    mine = {s for f in registry().values() if f.kind == "signals" for s in f.suffixes}
    return [f"`{s}`" for s in sorted(mine - known)]


_NOTES = """## Notes

- Samples themselves are not in dispute: our tests of Axon, Spike2, Blackrock and BrainVision files expect those that
  neo reads, where it reads a file at all.
- Units: neo's raw reader keeps the text `dB`; its objects, which the row asks, cannot.
- A gap: neo refuses such Intan files, and Blackrock files with a PTP clock until it is told a tolerance. To refuse is
  safe. Told to go on, it joins the Intan samples as if nothing were missing and splits the Blackrock ones rightly.
- Rates that a file stores as 32-bit floats come to us as the fraction they stand for, to neo as they are: TDT's
  1017.25262 Hz is 25 MHz / 24576 = 1017.25260 Hz. The row of several rates compares seven digits.
- neo's reader of EDF needs pyedflib, which is not among what our tests install: EDF is not in the table.
- No reader of neo lists these endings, which we read as signals: {alone}.
"""


@functools.cache
def page() -> str:
    """The whole of docs/beside-neo.md."""
    rows = [row(name) for name in TRAPS]
    table = [
        "| Trap | File | Truth | Known from | SPARC FUSE | neo | pyabf |",
        "|---|---|---|---|---|---|---|",
    ]
    text = _INTRO.format(**versions()) + "\n".join(table + [line(r) for r in rows])
    return text + "\n\n" + _equal(rows) + "\n\n" + _NOTES.format(alone=", ".join(_alone()))


if __name__ == "__main__":
    if CORPUS.is_dir():
        (ROOT / "docs" / "beside-neo.md").write_text(page(), "utf-8")
    else:
        print(f"docs/beside-neo.md is left as it is: no corpus at {CORPUS.parent}")
