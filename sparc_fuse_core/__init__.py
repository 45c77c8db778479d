"""SPARC FUSE: the physiology and microscopy files of SPARC datasets as one clean Zarr layout.

>>> from sparc_fuse_core import list_primary_files, download_and_convert_sparc_data  # doctest: +SKIP
>>> files, metadata = list_primary_files(224)  # doctest: +SKIP
>>> download_and_convert_sparc_data(224, files[0]["path"], output_dir="./converted")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sparc_fuse_core.formats as formats
    from sparc_fuse_core.api import convert, download_and_convert_sparc_data, list_primary_files, search
    from sparc_fuse_core.errors import (
        Ambiguous,
        FormatError,
        FuseError,
        MissingDependency,
        NotSupported,
        RemoteError,
        WriteError,
    )
    from sparc_fuse_core.opening import open_file, open_zarr
    from sparc_fuse_core.previews import preview
    from sparc_fuse_core.verification import verify

# Where each promised name lives. They are imported on first use: `import sparc_fuse_core` costs nothing.
# `formats` is the package of the readers, which can be called.
_HOMES = {
    "Ambiguous": "errors",
    "FormatError": "errors",
    "FuseError": "errors",
    "MissingDependency": "errors",
    "NotSupported": "errors",
    "RemoteError": "errors",
    "WriteError": "errors",
    "convert": "api",
    "download_and_convert_sparc_data": "api",
    "formats": "formats",
    "list_primary_files": "api",
    "open_file": "opening",
    "open_zarr": "opening",
    "preview": "previews",
    "search": "api",
    "verify": "verification",
}

__all__ = [
    "Ambiguous",
    "FormatError",
    "FuseError",
    "MissingDependency",
    "NotSupported",
    "RemoteError",
    "WriteError",
    "convert",
    "download_and_convert_sparc_data",
    "formats",
    "list_primary_files",
    "open_file",
    "open_zarr",
    "preview",
    "search",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = import_module(f"{__name__}.{_HOMES[name]}")
        return home if name == _HOMES[name] else getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
