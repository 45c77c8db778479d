"""The registry: every module in this folder with a ``FORMAT`` is a format; nobody edits a list.

``sparc_fuse_core.formats()`` gives every format that can be read, by name.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from functools import cache
from pathlib import PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import (
    Ambiguous,
    FormatError,
    FuseError,
    MissingDependency,
    NotSupported,
    Truncated,
)
from sparc_fuse_core.formats._refusals import refusal_of

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.model import Format
    from sparc_fuse_core.source import Source

__all__ = ["detect", "open_tree", "registry", "stem_of"]

_HEAD = 4096


@cache
def registry() -> dict[str, Format]:
    """All formats by name: ours, then those of installed packages (group ``sparc_fuse_core.formats``)."""
    from importlib.metadata import entry_points

    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            found[module.name] = importlib.import_module(f"{__name__}.{module.name}").FORMAT
    for entry in entry_points(group="sparc_fuse_core.formats"):
        try:
            outside: Format = entry.load()
            found.setdefault(outside.name, outside)
        except Exception as error:  # an outside package must never break the built-in readers
            warnings.warn(f"format plug-in {entry.name!r} could not be loaded: {error}", stacklevel=2)
    return found


def _suffix_length(format_: Format, name: str) -> int:
    lowered = name.lower()
    return max((len(s) for s in format_.suffixes if lowered.endswith(s)), default=0)


@cache
def _endings() -> tuple[str, ...]:
    known = {s for f in registry().values() for s in f.suffixes} | {".zarr", ".ome.zarr"}
    return tuple(sorted(known, key=len, reverse=True))


def stem_of(name: str) -> str:
    """``name`` without the longest ending that any format has (``.ome.tif``), else without its last one."""
    lowered = name.lower()
    longest = next((len(ending) for ending in _endings() if lowered.endswith(ending)), 0)
    return name[: len(name) - longest] if 0 < longest < len(name) else PurePosixPath(name).stem


def _content(format_: Format, head: bytes) -> int:
    """3: the bytes prove it on a closer look too; 2: they prove it; 1: they look like it; 0: nothing to say;
    -1: they are something else."""
    proven = any(head[at : at + len(mark)] == mark for at, mark in format_.magic)
    if format_.sniff is not None:
        return (3 if proven else 1) if format_.sniff(head) else -1
    if format_.magic:
        return 2 if proven else -1
    return 0


def ranked(name: str, head: bytes) -> list[Format]:
    """Formats that may read a file of this name that starts with these bytes, best first."""
    rows = []
    for format_ in registry().values():
        proof, suffix = _content(format_, head), _suffix_length(format_, name)
        if proof >= 2 or (proof >= 0 and suffix):
            sure = proof >= 2 or format_.named
            rows.append((sure, suffix, proof, format_.name, format_))
    rows.sort(key=lambda row: row[:4], reverse=True)
    return [row[4] for row in rows]


def detect(source: Source) -> Format:
    """The format of a file, by content first and name second; `NotSupported` when none fits."""
    if source.size == 0:
        raise Truncated(
            f"{source.name}: is empty",
            hint="Fetch the file again; its upload may have failed.",
            source=source.url,
        )
    head = source.head(_HEAD)
    fitting = ranked(source.name, head)
    if fitting:
        return fitting[0]
    known = refusal_of(source.name, head)
    if known is not None:
        raise NotSupported(f"{source.name}: {known.says}", hint=known.hint, source=source.url)
    by_name = [f for f in registry().values() if _suffix_length(f, source.name)]
    if by_name:
        raise NotSupported(
            f"{source.name}: is named like {by_name[0].title}, but its first bytes are {head[:12]!r}; "
            "it is another format or it is damaged",
            hint="Check what program wrote it; rename it if the ending is wrong.",
            source=source.url,
        )
    raise NotSupported(
        f"{source.name}: no reader knows this format (first bytes {head[:12]!r})",
        hint="`sparc-fuse formats` lists what can be read; the reader option format=bioio tries installed plug-ins "
        "of bioio.",
        source=source.url,
    )


def _asked(name: str) -> Format:
    """The format that the user named."""
    if name not in registry():
        raise NotSupported(
            f"no format is called {name!r}", hint="`sparc-fuse formats` lists those there are."
        )
    return registry()[name]


def open_tree(source: Source, format_: Format | None = None, **options: Any) -> xr.DataTree:
    """The file as an undecoded lazy tree; every failure is a FuseError.

    Any file of a recording that consists of several opens the whole. Option ``format`` names the reader to use,
    whatever the file looks like.
    """
    from sparc_fuse_core.formats._sets import leading
    from sparc_fuse_core.model import check

    given, source = source, leading(source)
    named = options.pop("format", None)
    chosen = format_ or (_asked(str(named)) if named else detect(source))
    accepted = {key: value for key, value in options.items() if key in chosen.options}
    try:
        tree = chosen.open(source, **accepted)
        check(tree, source.name)
    except FuseError as error:
        error.source = error.source or source.url
        error.hint = error.hint or "Fetch the file again, or ask its authors for an intact copy."
        if isinstance(error, Ambiguous) and "=" in error.hint:  # an option settles it
            error.hint += " A recipe keeps the answer for later: the dashboard saves one, --recipe names one."
        raise
    except (KeyboardInterrupt, MemoryError):
        raise
    except ImportError as error:
        raise MissingDependency(
            f"{source.name}: reading {chosen.title} needs {', '.join(chosen.requires)}, which cannot be imported",
            hint=f"pip install {' '.join(chosen.requires)}",
            source=source.url,
        ) from error
    except Exception as error:
        raise FormatError(
            f"{source.name}: {chosen.title} was expected, its structure cannot be followed "
            f"({type(error).__name__}: {error}); it is damaged or an unknown variant",
            hint="Fetch the file again; if it opens elsewhere, please report it.",
            source=source.url,
        ) from error
    tree.attrs.setdefault("fuse_format", chosen.name)
    tree.attrs.setdefault("fuse_title", chosen.title)
    tree.set_close(given.close)
    return tree


class _Callable(ModuleType):
    """This package under the name of a promised function: it answers both as a module and as a call."""

    def __call__(self) -> dict[str, Format]:
        return dict(registry())


sys.modules[__name__].__class__ = _Callable
