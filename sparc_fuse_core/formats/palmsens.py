"""PalmSens PSTrace session (.pssession): voltammetry, amperometry, impedance spectra and their curves.

The file is one JSON object in UTF-16 (other encodings are read too), which may end in a stray byte order mark; its
keys begin with capitals or not, as the version wills. ``Measurements`` holds for each measurement a
``DataSet`` of arrays, its ``Curves`` (all that sessions of older versions have) and the impedance scans in
``EISDataList``. Every array has a unit and one reading a point: the value, and beside it the current range, the
status and the timing.

- Arrays of a data set beside a time array that rises are the channels of one stream; ``time`` is explicit, in seconds
  from the start of that measurement.
- All others are no samples in time: potential and current of a curve, spectra over frequency. They are arrays
  along ``<set>_point``, and ``(scan, point)`` for the sub-scans of an impedance scan.
- Currents are in the unit that they are stored in, mostly µA (``uA``): PSTrace writes its symbol as A.
- Ranges and states of the readings are arrays of their own. Curves that repeat arrays of their data set are named in
  the metadata, not stored again.
- Titles, instrument, times and the text of the methods are in the metadata; colours and lines of plots are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._json.load import parse, text_of
from sparc_fuse_core.formats._palmsens.layout import Layout
from sparc_fuse_core.formats._palmsens.session import lowered, sets_of, settings, start_of
from sparc_fuse_core.formats._table.text import encoding_of
from sparc_fuse_core.model import Format, limit_items, recording

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source


def open_palmsens(source: Source, /, **options: Any) -> xr.DataTree:
    """The measurements of a session. FormatError for other JSON and for sessions without any value."""
    warnings: list[str] = []
    session = parse(source, text_of(source), warnings)
    held = lowered(session) if isinstance(session, dict) else {}
    measurements = held.get("measurements")
    if not isinstance(measurements, list):
        raise FormatError(
            f"{source.name}: a PSTrace session was expected, its JSON has no list of measurements; "
            "it is damaged or another format",
            hint="Check what program wrote it; .json is the ending of other JSON.",
        )
    known = [m for m in measurements if isinstance(m, dict)]
    limit_items(source, "measurements", len(known))
    layout = Layout()
    for number, measurement in enumerate(known, 1):
        layout.place(sets_of(measurement, number))
    if not layout.streams and not layout.arrays:
        raise FormatError(
            f"{source.name}: holds {len(known)} measurements without any reading; there is nothing to convert",
            hint="Check that this is the right file: a session can be saved before anything is measured.",
        )
    starts = [start for start in map(start_of, known) if start]
    if len(layout.streams) > 1:
        warnings.append("the time of each measurement runs from its own start, see its measurement_start")
    return recording(
        layout.streams,
        arrays=layout.arrays,
        start=starts[0] if starts else None,
        metadata={"session": settings(session), "repeated": layout.repeated},
        warnings=warnings,
        dropped=["colours, lines and hashes of the plots"],
        kind="signals" if layout.streams else "table",
    )


def _sniff(head: bytes) -> bool:
    encoding, mark = encoding_of(head)
    body = head[mark : mark + (len(head) - mark) // 4 * 4]
    content = body.decode(encoding, "replace").lstrip()
    return content.startswith("{") and "palmsens" in content.lower()


FORMAT = Format(
    name="palmsens",
    title="PalmSens PSTrace session",
    kind="table",  # JSON has to be read whole before anything in it is known
    suffixes=(".pssession",),
    open=open_palmsens,
    sniff=_sniff,
    carried="every data set, curve and spectrum, units, ranges, methods",
    left="looks of plots (named)",
    lazy="the whole file",
)
