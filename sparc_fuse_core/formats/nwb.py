"""Neurodata Without Borders (.nwb), versions 1 and 2, in HDF5.

Groups named by what they hold (``acquisition``, ``stimulus``, ``processing``, ``analysis``, ``general`` …) with a time
series in each: ``data`` by (time, channel), and ``timestamps`` or a ``starting_time`` with its ``rate``. A series
of any type, extensions included, is a stream under its own name with its own clock:

- ``conversion``, ``offset`` and ``channel_conversion`` are gain and offset; the unit stands as a sign (V for volts).
- Channels are named after the rows of the electrodes (or regions) that the series points at; where those are, is an
  attribute and stays in the table too.
- Frames and other data of more than two axes are arrays; in pictures these are called time, x, y and z as in the
  schema. Frames that lie in other files are named, not opened.
- Annotations, pulses with labels, interval series, and the rows of tables that have a start (trials, epochs,
  invalid times) are events. Tables are kept whole as well: an array a column along ``<table>_row``, ragged ones
  (spike times) as one run of values with ``<column>_index``, the place where the values of each row end.
- References become the paths that they point at. Links within the file are listed in the metadata, so that nothing
  is stored twice; links out of the file are named and never followed.
- Single values (subject, devices, session) and all attributes are in the metadata. The cached schema is left out.

Times count from ``timestamps_reference_time``. An .h5 file that is NWB inside is read in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.h5 import SIGNATURE, USER_BLOCKS, open_h5, plain_attributes
from sparc_fuse_core.formats._nwb.links import scalar
from sparc_fuse_core.formats._nwb.session import Session
from sparc_fuse_core.model import Format, recording

if TYPE_CHECKING:
    import h5py
    import xarray as xr

    from sparc_fuse_core.source import Source


def open_nwb(source: Source, /, **options: Any) -> xr.DataTree:
    """All series, tables and values of a session. FormatError for HDF5 that is no NWB, and for empty sessions."""
    file = open_h5(source)
    version = version_of(file)
    if version is None:
        raise FormatError(
            f"{source.name}: an NWB file was expected, this HDF5 file has no nwb_version that can be read",
            hint="Fetch it again if it is NWB; rename it to .h5 if it is HDF5 of another layout.",
        )
    return read_session(source, file, version)


def version_of(file: h5py.File) -> str | None:
    """The version that the file states in an attribute (2.x) or a dataset (1.x); None when it is no NWB."""
    import h5py

    said = plain_attributes(file).get("nwb_version")
    if said is None and isinstance(file.get("nwb_version", getlink=True), h5py.HardLink):
        said = scalar(file["nwb_version"])
    return None if said is None else str(said[0] if isinstance(said, list) and said else said)


def read_session(source: Source, file: h5py.File, version: str) -> xr.DataTree:
    """The tree of an opened file."""
    session = Session(source, file)
    session.walk()
    metadata: dict[str, Any] = {
        "nwb_version": version,
        "values": session.values,
        "attributes": session.attributes,
    }
    if session.linked:
        metadata["links"] = dict(list(session.linked.items())[:1000])
    if session.empty:
        metadata["empty_variables"] = session.empty[:1000]
    streams = session.named_streams()
    start = session.start()
    tree = recording(
        streams,
        events=session.marks.events(),
        arrays=session.arrays,
        start=start,
        metadata=metadata,
        warnings=session.warnings,
        dropped=session.dropped,
        kind="signals" if streams or session.marks.count else "table",
    )
    tree.attrs |= {"fuse_format": FORMAT.name, "fuse_title": FORMAT.title}
    return tree


def _sniff(head: bytes) -> bool:
    return any(head[at : at + len(SIGNATURE)] == SIGNATURE for at in USER_BLOCKS)


FORMAT = Format(
    name="nwb",
    title="Neurodata Without Borders",
    kind="signals",
    suffixes=(".nwb",),
    open=open_nwb,
    sniff=_sniff,
    requires=("h5py", "hdf5plugin"),
    named=True,
    carried="every series, table, unit, electrode, event and interval",
    left="cached schema, frames in other files (named)",
    lazy="chunk",
)
