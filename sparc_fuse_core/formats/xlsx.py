"""Excel workbooks (.xlsx, .xlsm): every sheet as a table, read with python-calamine.

A sheet is read as a text table is: lines of text above, a heading, units in the heading or in a row below it, then
rows. Cells keep their own type, so that a number written as text stays text. Dates and times are clocks and become
seconds from the first row when they are the time axis; elapsed times are ``hours:minutes:seconds``. Of formulas,
the value that was last worked out is read.

- A sheet with a time axis or a stated rate is a stream, any other one a table of columns along ``row``. With several
  sheets each has the name of its sheet before its names.
- Text in merged cells counts for each cell they cover; numbers are not repeated.
- Sheets without a table, charts, pictures, comments and macros are named in what was not carried over. Hidden sheets
  are read like others.
- A workbook is unpacked whole, so at most 8 million cells and 256 MiB of XML are read.

Options: ``rate`` (Hz), ``time_column`` (heading or number from 0), ``time_unit``, ``units`` (one or one a
channel) and ``header`` (False, True or the number of its row from 0). .xls, .xlsb and .ods are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import FETCH_AGAIN
from sparc_fuse_core.formats._table.options import SHARED, checked
from sparc_fuse_core.formats._table.part import Part, join
from sparc_fuse_core.formats._table.tree import part_of
from sparc_fuse_core.formats._xlsx.package import repack
from sparc_fuse_core.formats._xlsx.sheet import rows_of
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_NAMES = (b"[Content_Types].xml", b"xl/", b"_rels/.rels", b"docProps/")


def open_xlsx(source: Source, /, **options: Any) -> xr.DataTree:
    """The sheets of a workbook as signals or tables. FormatError when no sheet holds a table."""
    chosen = checked(source, options)
    packed, left = repack(source)
    dropped = [f"{what} of the workbook" for what in left]
    parts: list[tuple[str, Part]] = []
    for name, cells, merged in _sheets(source, packed, dropped):
        if not cells:
            dropped.append(f"sheet {name!r}: is empty")
            continue
        try:
            parts.append((name, part_of(source, rows_of(source, cells, merged, chosen), _fitting(chosen))))
        except FormatError as error:
            if type(error) is not FormatError or _says_how(chosen):
                raise
            dropped.append(f"sheet {name!r}: {str(error).removeprefix(source.name + ': ')}")
    if not parts:
        raise FormatError(
            f"{source.name}: none of its sheets holds a table; " + "; ".join(dropped[:5]),
            hint="Check that this is the right file; header= tells where a heading is.",
        )
    return join(parts, {"sheets": [name for name, _ in parts]} if len(parts) > 1 else None, dropped=dropped)


def _fitting(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in SHARED}


def _says_how(options: dict[str, Any]) -> bool:
    """True when the user's own options may be what does not fit."""
    return bool(options)


def _sheets(source: Source, packed: Any, dropped: list[str]) -> list[tuple[str, list[list[Any]], list[Any]]]:
    """Name, cells and merged cells of each sheet; FormatError for whatever the library fails on."""
    import python_calamine

    found = []
    try:
        with python_calamine.CalamineWorkbook.from_filelike(packed) as book:
            for about in book.sheets_metadata:
                if about.typ != python_calamine.SheetTypeEnum.WorkSheet:
                    dropped.append(f"sheet {about.name!r}: is no sheet of cells")
                    continue
                sheet = book.get_sheet_by_name(about.name)
                first = sheet.start or (0, 0)
                merged = [
                    [(r - first[0], c - first[1]) for r, c in pair] for pair in sheet.merged_cell_ranges or []
                ]
                found.append((about.name, sheet.to_python(), [m for m in merged if min(m[0]) >= 0]))
    except (KeyboardInterrupt, SystemExit, MemoryError, ImportError):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise FormatError(
            f"{source.name}: a workbook was expected, its sheets cannot be read "
            f"({type(error).__name__}: {str(error)[:200]}); it is damaged or an unknown variant",
            hint=FETCH_AGAIN,
        ) from error
    return found


def _sniff(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and any(name in head for name in _NAMES)


FORMAT = Format(
    name="xlsx",
    title="Excel workbook",
    kind="table",  # a package has to be unpacked whole before it is known what it holds
    suffixes=(".xlsx", ".xlsm"),
    open=open_xlsx,
    sniff=_sniff,
    requires=("python-calamine",),
    options=(*SHARED, "header"),
    carried="every sheet: numbers, text, dates, units",
    left="charts, pictures, comments, macros (named)",
    lazy="the whole file",
)
