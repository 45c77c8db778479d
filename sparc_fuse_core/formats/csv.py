"""Text tables: .csv, .tsv, .tab and .txt, with LabChart's and AcqKnowledge's text exports; .dat where it is text.

A table is lines of cells. Its encoding (UTF-8, UTF-16, Windows Latin), delimiter (comma, semicolon, tab, bar,
blanks), decimal mark, heading, units in the heading and the lines above it are worked out from the first MiB;
options overrule each of them. Every cell is then checked in one pass over the file: text has to be read once
from end to end before the number of its rows is known. Only an index and a small cache stay in memory.

- A column that rises steadily and is called time, or stands first without a heading, is the time axis. Even
  steps give a rate, which is then derived and not stated, and a warning says so; uneven ones are kept as they
  are. Clocks and dates become seconds from the first row.
- The other columns of numbers are the channels. Columns of text keep their own names, along time.
- Without a time axis or a stated rate nothing says that rows are samples: the columns are kept as a table.

Options: ``rate`` (Hz), ``time_column`` (heading or number from 0; of several the first that is there),
``time_unit``, ``signals`` (the columns that are channels), ``aside`` (columns of numbers that are none), ``names``
and ``units`` (one a channel, or by column), ``pivot`` (the column that tells apart what stands below each other),
``delimiter``, ``decimal``, ``header`` (False, True or the number of its line from 0) and ``orientation`` ("rows"
when each line is a channel).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._table.labchart import looks_like, open_labchart
from sparc_fuse_core.formats._table.layout import examine
from sparc_fuse_core.formats._table.options import SHARED, checked
from sparc_fuse_core.formats._table.pivot import pivoted
from sparc_fuse_core.formats._table.rows import Rows
from sparc_fuse_core.formats._table.shape import is_table, is_wide
from sparc_fuse_core.formats._table.text import encoding_of, newline_of, records_of
from sparc_fuse_core.formats._table.tree import assemble
from sparc_fuse_core.formats._table.turned import turned
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_SNIFFED = 4096  # what a sniff is given of longer files
_OPTIONS = (*SHARED, "pivot", "delimiter", "decimal", "header", "orientation")


def open_csv(source: Source, /, **options: Any) -> xr.DataTree:
    """A text table as signals, when it says what its time is, else as a table.

    Raises FormatError for text that is no table and for rows longer than the table is wide, Ambiguous when
    two statements of the file contradict each other.
    """
    head = source.head(1 << 16)
    encoding, mark = encoding_of(head)
    chosen = checked(source, options)
    if looks_like(head[mark:].decode(encoding, "replace")):
        tree = open_labchart(source, chosen)
        if idle := sorted(set(chosen) - {"delimiter", "decimal"}):
            notes = tree.attrs.get("fuse_warnings", [])
            tree.attrs["fuse_warnings"] = [
                *notes,
                f"LabChart's text says it itself: {', '.join(idle)} not used",
            ]
        return tree
    if chosen.get("orientation") == "rows":
        return assemble(source, turned(source, chosen), chosen)
    rows = Rows(source, examine(source, chosen), newline=newline_of(head, encoding))
    return pivoted(source, rows, chosen) if "pivot" in chosen else assemble(source, rows, chosen)


def columns(source: Source) -> list[str]:
    """The headings of a table; where it has none, the numbers of its columns from 0."""
    layout = examine(source, {})
    return [heading.strip() or str(j) for j, heading in enumerate(layout.headings or [""] * layout.width)]


def _sniff(head: bytes) -> bool:
    """True when the first bytes are lines of cells of which enough are numbers; prose and markup are not."""
    if not head:
        return False
    encoding, mark = encoding_of(head)
    if b"\0" in head and not encoding.startswith(("utf-16", "utf-32")):
        return False
    if looks_like(head[mark:].decode(encoding, "replace")):
        return True
    _, records = records_of(head, whole=True)
    cut = len(head) >= _SNIFFED
    if cut and len(records) > 2:
        records.pop()
    first = next((r.text.lstrip() for r in records if r.text.strip()), "")
    if first.startswith(("<", "{")):
        return False
    return is_table(records) or (cut and len(records) <= 2 and is_wide(records[0]))


FORMAT = Format(
    name="csv",
    title="text table (CSV, TSV, LabChart text)",
    kind="table",  # as a rule: text has to be read whole before it is known whether it holds signals
    suffixes=(".csv", ".tsv", ".txt", ".tab", ".dat"),
    open=open_csv,
    sniff=_sniff,
    requires=("pandas",),
    options=_OPTIONS,
    carried="every column, units and title lines, time axis, blocks of LabChart",
    left="nothing",
    lazy="the whole file once, then rows",
    names=columns,
)
