"""The Python functions of SPARC FUSE; those of the older version keep their names and positions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparc_fuse_core.catalogue import Catalogue, Dataset

__all__ = ["convert", "download_and_convert_sparc_data", "list_primary_files", "search"]


def list_primary_files(
    dataset_id: int | str, *, version: int | None = None, catalogue: str | Catalogue | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The primary files of a dataset and the dataset's own metadata.

    Parameters
    ----------
    dataset_id
        Number of the dataset at Pennsieve Discover, or name of a local one.
    version
        The latest one when not given.
    catalogue
        ``"pennsieve"`` (default), ``"demo"``, a folder, or an open catalogue.

    Returns
    -------
    files
        ``name``, ``path`` (with the leading ``files/``), ``size`` in bytes, ``sha256`` and more where known.
    metadata
        The manifest as it was published.
    """
    from sparc_fuse_core.catalogue import primary_files

    place = _open(catalogue)
    chosen = version if version is not None else place.dataset(str(dataset_id)).version
    files = [
        {
            "name": file.name,
            "path": f"files/{file.path}",
            "size": file.size,
            "sha256": file.sha256,
            "s3VersionId": file.s3_version,
            "sourcePackageId": file.package_id,
        }
        for file in primary_files(place, str(dataset_id), chosen)
    ]
    return files, place.metadata(str(dataset_id), chosen)


def download_and_convert_sparc_data(
    dataset_id: int | str,
    primary_paths: str | Iterable[str] | None = None,
    *,
    output_dir: str | os.PathLike[str] = "./output",
    descriptors_dir: str | os.PathLike[str] | None = None,
    file_format: str = "zarr",
    overwrite: bool = False,
    version: int | None = None,
    catalogue: str | Catalogue | None = None,
) -> list[dict[str, Any]]:
    """Fetch primary files of a dataset and convert them.

    Parameters
    ----------
    dataset_id
        Number of the dataset.
    primary_paths
        One path or several, files or folders, with or without ``files/`` and ``primary/``; all when None.
    descriptors_dir
        Accepted for the sake of older scripts and not used: no mapping files are needed or executed.
    file_format
        ``"zarr"``, ``"zarr.zip"``, ``"npz"`` or ``"mat"``.
    overwrite
        Convert again where an output exists; otherwise its status is ``skipped``.

    Returns
    -------
    list of dict
        One record for each recording: ``rel_path``, ``std_path``, ``status``, ``error``, ``hint`` and more.

    Raises
    ------
    ValueError
        The dataset has no primary files.
    RemoteError
        The catalogue cannot be reached or does not know the dataset.
    """
    from sparc_fuse_core.bulk import convert_dataset
    from sparc_fuse_core.pipeline import Options

    paths = [primary_paths] if isinstance(primary_paths, str) else primary_paths
    return convert_dataset(
        _open(catalogue),
        str(dataset_id),
        paths,
        output_dir=Path(output_dir),
        version=version,
        options=Options(file_format=file_format, overwrite=overwrite),
    )


def convert(
    source: str | os.PathLike[str],
    output_dir: str | os.PathLike[str] = "./output",
    *,
    file_format: str = "zarr",
    zarr_format: int = 3,
    overwrite: bool = False,
    recipe: str | os.PathLike[str] | None = None,
    **reader_options: Any,
) -> list[dict[str, Any]]:
    """Convert a file, a folder or an address (https://, s3://).

    ``reader_options`` tell what an ambiguous file does not say itself, for example ``rate=1000``; ``recipe`` is
    a TOML file that does so, in a folder for the files that its ``paths`` name.

    Returns
    -------
    list of dict
        One record for each recording, as `download_and_convert_sparc_data` gives.
    """
    from sparc_fuse_core.bulk import convert_dataset, convert_file
    from sparc_fuse_core.pipeline import Options
    from sparc_fuse_core.recipes import load
    from sparc_fuse_core.source import store_root

    options = Options(
        file_format=file_format,
        zarr_format=zarr_format,
        overwrite=overwrite,
        reader=reader_options,
        recipe=None if recipe is None else load(recipe),
    )
    text = os.fspath(source)
    path = Path(text).expanduser()
    if "://" not in text and path.is_dir() and store_root(path) is None:
        folder = Path(text).expanduser().absolute()
        place = _open(str(folder))
        return convert_dataset(place, folder.name, output_dir=Path(output_dir), options=options)
    return [convert_file(text, Path(output_dir), options)]


def search(
    text: str = "", *, limit: int = 20, offset: int = 0, catalogue: str | None = None
) -> list[Dataset]:
    """Datasets that match ``text``, the best first."""
    return list(_open(catalogue).search(text, limit=limit, offset=offset).items)


def _open(catalogue: str | Catalogue | None) -> Catalogue:
    from sparc_fuse_core.catalogue import open_catalogue

    return open_catalogue(catalogue) if catalogue is None or isinstance(catalogue, str) else catalogue
