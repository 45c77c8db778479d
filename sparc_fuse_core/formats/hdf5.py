"""HDF5 of any layout (.h5, .hdf5, .he5): every numeric or text dataset, under its path.

Superblock at byte 0, 512, 1024 or 2048. Links and datasets that lead out of the file are named in what was
not carried over, never opened. Which datasets are signals is told by the rules of ``_series.arrange``: attributes
like ``sampling_rate`` on a dataset or a group, a scalar or a time vector beside it, or the reader's
options. A group named like a date and time gives the start of the recording. A compound dataset is one
array a field. MATLAB's files of version 7.3 and NWB sessions are told by their content and read as such. Waves
that Igor Pro saved state their step, start and units (``IGORWaveScaling``, ``IGORWaveUnits``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._container.h5 import SIGNATURE, USER_BLOCKS, Tree, open_h5
from sparc_fuse_core.formats._container.values import Item, flatten, is_number
from sparc_fuse_core.formats._series.arrange import OPTIONS, Plan, arrange, options_of
from sparc_fuse_core.formats._series.clock import SECONDS
from sparc_fuse_core.formats._series.plan import arrays_of
from sparc_fuse_core.formats.nwb import read_session, version_of
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_MOST_METADATA = 2000


def open_hdf5(source: Source, /, **options: Any) -> xr.DataTree:
    """The datasets of an HDF5 file as streams and arrays.

    Options: ``rate`` (Hz, or ``path=Hz`` pairs), ``time``, ``signals``, ``orientation``, ``time_unit``,
    ``units``, ``names``, ``streams``, ``intervals``; see `_series.options`.
    """
    chosen = options_of(options, source.name)
    file = open_h5(source)
    if "ImarisDataSet" in file.attrs:  # an Imaris file that its first bytes do not tell
        from sparc_fuse_core.formats.ims import open_ims

        return open_ims(source)
    if any(
        "MATLAB_class" in thing.attrs
        for _, thing in Tree(source, file).members(file)
        if not isinstance(thing, str)
    ):
        from sparc_fuse_core.formats.mat import read_variables, tree_of

        found, plan = read_variables(source, "7.3")
        return tree_of(found, plan, source, chosen)
    if not chosen.chosen and (version := version_of(file)) is not None:
        return read_session(source, file, version)
    tree = Tree(source, file)
    items, dropped = flatten(tree.read(), source.name)
    for item in items:
        _heed_igor(item)
    plan = Plan(source.name, dropped=dropped)
    if tree.attributes:
        plan.metadata["attributes"] = dict(list(tree.attributes.items())[:_MOST_METADATA])
    return arrange(items, plan, chosen, tree.attributes)


def arrays(source: Source) -> list[str]:
    """Paths of the vectors and matrices of numbers in an HDF5 file."""
    return arrays_of(flatten(Tree(source, open_h5(source)).read(), source.name)[0])


def _heed_igor(item: Item) -> None:
    """Step, start and units of an Igor wave as plain attributes, where its axis is time.

    Row 0 of the scaling is the range of the data, row 1 the step and the start along the first axis; the units
    are in the same order (Igor Pro manual, HDF5 attributes).
    """
    scaling, units = item.attrs.get("IGORWaveScaling"), item.attrs.get("IGORWaveUnits")
    if not isinstance(scaling, list) or not isinstance(units, list) or len(scaling) < 2 or len(units) < 2:
        return
    row, size = scaling[1], SECONDS.get(str(units[1]).strip())
    if size is None or not isinstance(row, list) or len(row) != 2 or not all(map(is_number, row)):
        return
    if row[0] > 0 and item.data.ndim == 1:
        item.attrs["sampling_interval"], item.attrs["t0"] = row[0] * size, row[1] * size
        if str(units[0]).strip():
            item.attrs.setdefault("units", str(units[0]).strip())


FORMAT = Format(
    name="hdf5",
    title="HDF5",
    kind="signals",
    suffixes=(".h5", ".hdf5", ".he5", ".hdf"),
    open=open_hdf5,
    magic=tuple((block, SIGNATURE) for block in USER_BLOCKS),
    requires=("h5py", "hdf5plugin"),
    options=OPTIONS,
    carried="every numeric and text dataset, attributes, time axes and rates",
    left="links out of the file, types without a Zarr form (named)",
    lazy="chunk",
    names=arrays,
)
