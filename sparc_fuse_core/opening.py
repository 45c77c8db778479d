"""Looking at data with physical values: a source file without conversion, or a converted store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from sparc_fuse_core.errors import FormatError, FuseError, NotFound
from sparc_fuse_core.model import lazy_of
from sparc_fuse_core.source import Source, open_source
from sparc_fuse_core.timeindex import with_time

if TYPE_CHECKING:
    from sparc_fuse_core.recipes import Recipe

    Opened = xr.Dataset | xr.DataTree

__all__ = ["decoded", "open_file", "open_zarr", "stream_names", "streams_view"]


def open_file(
    place: str | os.PathLike[str] | Source,
    *,
    recipe: str | os.PathLike[str] | Recipe | None = None,
    **options: Any,
) -> Opened:
    """A source file as it will be after conversion, without converting it.

    Parameters
    ----------
    place
        Path, ``https://`` or ``s3://`` address of a file in any format that `formats` lists.
    recipe
        A TOML file (or a recipe that is loaded) which says how to read it.
    **options
        What an ambiguous file does not say itself: ``rate=`` (Hz), ``time_column=`` …; ``scan=True`` goes through
        a file without an index (a large .nev), as a conversion does.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A Dataset for signals and tables, a DataTree of scenes and levels for images; lazy, physical values.

    Raises
    ------
    FuseError
        `NotSupported`, `FormatError` and its kin, each with a hint.
    """
    from sparc_fuse_core.pipeline import Options, opened
    from sparc_fuse_core.recipes import Recipe, load

    held = recipe if recipe is None or isinstance(recipe, Recipe) else load(recipe)
    return decoded(opened(open_source(place), Options(reader=options, recipe=held))[0])


def decoded(tree: xr.DataTree) -> Opened:
    """A reader's tree with scales applied and indexes built; nothing is read but small coordinates."""
    if tree.attrs.get("fuse_kind") == "image":
        nodes = {node.path: _indexed(node.to_dataset(inherit=False)) for node in tree.subtree}
        return xr.DataTree.from_dict(nodes)
    dataset = tree.to_dataset()
    # Decoding builds an index over every axis: regular time axes must not be there yet.
    regular = [
        f"time{s}" for s in stream_names(dataset) if "sampling_frequency" in dataset[f"signals{s}"].attrs
    ]
    bare = dataset.drop_vars(regular, errors="ignore")
    return _indexed(_lazy_times(xr.decode_cf(bare, decode_times=False)))


def _indexed(dataset: xr.Dataset) -> xr.Dataset:
    """Build the default index of each dimension coordinate that has none and is small."""
    for name in list(dataset.dims):
        if (
            name in dataset.coords
            and name not in dataset.xindexes
            and lazy_of(dataset[name].variable) is None
        ):
            dataset = dataset.set_xindex(str(name))
    return dataset


def _lazy_times(dataset: xr.Dataset) -> xr.Dataset:
    """Replace the time axis of every evenly sampled stream by one that takes no memory."""
    for suffix in stream_names(dataset):
        stream = dataset[f"signals{suffix}"]
        time, rate = f"time{suffix}", stream.attrs.get("sampling_frequency")
        if rate and time in stream.dims:
            size = stream.sizes[time]
            dataset = with_time(dataset, time, size, float(rate), float(stream.attrs.get("start_time", 0.0)))
    return dataset


def stream_names(dataset: xr.Dataset) -> list[str]:
    """Suffixes of the streams of a recording: "" for the primary one, ``_<name>`` for the others."""
    return [str(name)[len("signals") :] for name in dataset.data_vars if str(name).split("_")[0] == "signals"]


def open_zarr(place: str | os.PathLike[str], **options: Any) -> Opened:
    """A converted store (folder, ``.zarr.zip``, ``.ozx`` or address) as `open_file` shows its source.

    Unlike plain ``xr.open_zarr`` the time axis is lazy, whatever its length.
    """
    text = os.fspath(place)
    store: Any = text
    if "://" not in text:
        path = Path(text).expanduser()
        if not path.exists():
            raise NotFound(f"{text}: no such store", hint="Check the path of the converted data.")
        store = _zip_store(path) if path.suffix in (".zip", ".ozx") else str(path)
    try:
        tree = xr.open_datatree(store, engine="zarr", decode_times=False, **options)
    except FuseError:
        raise
    except Exception as error:
        raise FormatError(
            f"{text}: cannot be opened as Zarr ({type(error).__name__}: {error})",
            hint="Check that the conversion was finished: `sparc-fuse verify` tells.",
        ) from error
    if any("image" in node.data_vars for node in tree.subtree):
        return tree
    return _lazy_times(tree.to_dataset())


def _zip_store(path: Path) -> Any:
    from zarr.storage import ZipStore

    return ZipStore(path, mode="r")


def streams_view(dataset: xr.Dataset, stream: str = "") -> xr.Dataset:
    """One stream of a recording under the plain names ``signals``, ``time`` and ``channel``."""
    known = {name.lstrip("_"): name for name in stream_names(dataset)}
    if stream.removeprefix("signals_") not in known and stream not in ("", "signals"):
        raise KeyError(f"{stream!r} is no stream of this recording; there are {sorted(known) or 'none'}")
    suffix = "" if stream in ("", "signals") else known[stream.removeprefix("signals_")]
    names = dict(_plain_names(dataset, suffix))
    held = dataset[[n for n in names if n in dataset.data_vars or n in dataset.coords]]
    keep = {n: names[n] for n in names if (n in held.variables or n in held.dims) and n != names[n]}
    others = [str(n) for n in held.coords if str(n) not in names]
    return held.drop_vars(others).rename(keep)


def _plain_names(dataset: xr.Dataset, suffix: str) -> Iterator[tuple[str, str]]:
    for stem in ("signals", "time", "channel", "sweep", "sweep_start"):
        yield f"{stem}{suffix}", stem
    for stem in ("channel_name", "channel_units", "channel_gain", "channel_offset"):
        if f"{stem}{suffix}" in dataset.variables:
            yield f"{stem}{suffix}", stem


@xr.register_dataset_accessor("fuse")  # type: ignore[no-untyped-call]
class FuseAccessor:
    """``ds.fuse["<stream>"]`` gives any stream of a recording under the plain names."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def streams(self) -> list[str]:
        """Names of the streams; "" is the primary one."""
        return [name.lstrip("_") for name in stream_names(self._dataset)]

    def __getitem__(self, stream: str) -> xr.Dataset:
        return streams_view(self._dataset, stream)

    def events(self) -> xr.Dataset:
        """Tags, comments and markers, sorted by time."""
        names = [str(n) for n in self._dataset.variables if str(n).startswith("event_")]
        held = self._dataset[names]
        return held.isel(event=np.argsort(held["event_time"].values, kind="stable")) if names else held
