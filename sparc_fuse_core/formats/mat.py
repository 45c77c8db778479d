"""MATLAB files (.mat): level 4, level 5 (versions 5, 6, 7; either byte order) and 7.3 (HDF5).

Each level is read by its own module (``_mat.v4``, ``_mat.v5``, ``_mat.v73``) into the same nodes; MATLAB's
objects are resolved by ``_mat.objects``; layouts of well-known programs are recognised by ``_mat.layouts``
(LabChart, FieldTrip, EEGLAB, Spike2), all others by the rules of ``_series.arrange``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.h5 import SIGNATURE
from sparc_fuse_core.formats._container.values import Struct, flatten
from sparc_fuse_core.formats._mat.v4 import byte_order, read_v4
from sparc_fuse_core.formats._series.arrange import OPTIONS, Plan, arrange, options_of
from sparc_fuse_core.formats._series.plan import arrays_of
from sparc_fuse_core.model import Format

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source


_VERSIONS = (b"\x00\x01IM", b"\x01\x00MI", b"\x00\x02IM", b"\x02\x00MI")


def level(head: bytes) -> str:
    """ "4", "5", "7.3" or "" for the first bytes of a file."""
    if len(head) >= 520 and head[512:520] == SIGNATURE and head[:6] == b"MATLAB":
        return "7.3"
    if len(head) >= 128 and head[124:128] in _VERSIONS[:2]:
        return "5"
    return "4" if byte_order(head) else ""


def open_mat(source: Source, /, **options: Any) -> xr.DataTree:
    """The variables of a MATLAB file as streams, events and arrays.

    Options: ``rate``, ``time``, ``signals``, ``orientation``, ``time_unit``, ``units``, ``names``, ``streams``,
    ``intervals``; see `_series.options`. Raises
    FormatError when the file is damaged and Ambiguous when it states two sampling rates for the same signal.
    """
    chosen = options_of(options, source.name)
    found, plan = read_variables(source, level(source.head(1024)))
    return tree_of(found, plan, source, chosen)


def read_variables(source: Source, kind: str) -> tuple[Struct, Plan]:
    """Variables by name, and a plan that holds what is to be said about them."""
    from sparc_fuse_core.formats._mat.objects import resolve_objects
    from sparc_fuse_core.formats._mat.v5 import read_v5
    from sparc_fuse_core.formats._mat.v73 import read_v73

    readers = {"4": read_v4, "5": read_v5, "7.3": read_v73}
    if kind not in readers:
        raise FormatError(
            f"{source.name}: a MATLAB file was expected, its first bytes are {source.head(12)!r}; "
            "it is another format or it is damaged",
            hint="Check what program wrote it.",
        )
    found = readers[kind](source)
    plan = Plan(source.name, metadata={"mat_level": kind})
    if kind != "4" and (text := source.head(116)).startswith(b"MATLAB"):
        plan.metadata["header"] = text.split(b"\0")[0].decode("latin-1").strip()
    if kind != "4":
        plan.warnings += resolve_objects(source, found)
    return found, plan


def arrays(source: Source) -> list[str]:
    """Paths of the vectors and matrices of numbers in a MATLAB file."""
    found, _ = read_variables(source, level(source.head(1024)))
    return arrays_of(flatten(found, source.name)[0])


def tree_of(found: Struct, plan: Plan, source: Source, options: Any) -> xr.DataTree:
    """The tree of named variables: first the layouts that we know, then the rules for everything."""
    from sparc_fuse_core.formats._mat.layouts import take_layouts

    left = found if options.chosen else take_layouts(found, plan, source)
    items, dropped = flatten(left, source.name)
    plan.dropped += dropped
    return arrange(items, plan, options)


def _sniff(head: bytes) -> bool:
    return bool(level(head))


FORMAT = Format(
    name="mat",
    title="MATLAB MAT-file",
    kind="signals",
    suffixes=(".mat",),
    open=open_mat,
    magic=((0, b"MATLAB 5.0 MAT-file"), (0, b"MATLAB 7."), *((124, mark) for mark in _VERSIONS)),
    sniff=_sniff,
    requires=("mat-io", "h5py", "hdf5plugin", "pandas"),
    options=OPTIONS,
    carried="every variable: numbers, text, structs, cells, tables, dates; known programs' recordings",
    left="functions, opaque objects, sparse patterns (named)",
    lazy="variable; chunk for 7.3",
    names=arrays,
)
