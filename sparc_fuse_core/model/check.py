"""What every tree must keep to, whichever reader made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    import xarray as xr


def check(tree: xr.DataTree, name: str = "file") -> None:
    """Raise FormatError unless the tree is one that we promise to write: named axes, sizes that agree, data."""
    if not isinstance(tree.attrs.get("fuse_kind"), str):
        raise FormatError(f"{name}: the reader does not say what kind of data it gives")
    if tree.attrs["fuse_kind"] == "text":
        return
    total = 0
    for node in tree.subtree:
        for label, held in node.to_dataset(inherit=False).variables.items():
            if held.dtype.kind in "US":
                raise FormatError(
                    f"{name}: {label} holds fixed-length text; variable-length strings are needed"
                )
            if held.dtype.kind not in "biufcTO":
                raise FormatError(f"{name}: {label} has type {held.dtype}, which Zarr cannot store")
            if label not in node.dims:
                total += held.size
    if total == 0:
        raise FormatError(
            f"{name}: holds no samples, pixels, events or numbers; there is nothing to convert",
            hint="Check that this is the right file and that it was downloaded whole.",
        )
