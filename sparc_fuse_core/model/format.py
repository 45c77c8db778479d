"""Format: how a reader presents itself to the registry, and the names among which it finds its set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sparc_fuse_core.errors import LimitExceeded

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

Kind = Literal["signals", "image", "geometry", "table", "text"]

_MAX_CHANNELS = 1 << 16


class Reader(Protocol):
    """Read the header only; give the file as a lazy tree. Raise nothing but FormatError."""

    def __call__(self, source: Source, /, **options: Any) -> xr.DataTree: ...


class Names(tuple[str, ...]):
    """The file names of a folder; of files in folders below it, their paths from it (``stack1/frame_t.ets``)."""

    def alike(self, name: str) -> tuple[str, ...]:
        """Names of the same folder that differ from ``name`` in their last ending or in case alone."""
        return tuple(self._stems.get(_stem(name), ()))

    def below(self, folder: str) -> tuple[str, ...]:
        """Paths of the files in ``folder`` and in the folders below it; upper and lower case are one."""
        return tuple(self._folders.get(folder.casefold(), ()))

    def find(self, name: str) -> str | None:
        """The name as it is spelled here, or None when there is no such file; upper and lower case are one."""
        return name if name in self._spelled.values() else self._spelled.get(name.casefold())

    @cached_property
    def _spelled(self) -> dict[str, str]:
        return {name.casefold(): name for name in reversed(self)}

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        return _grouped((_stem(name), name) for name in self)

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        return _grouped(
            (str(parent).casefold(), name) for name in self for parent in PurePosixPath(name).parents[:-1]
        )


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")).casefold()


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


@dataclass(frozen=True, slots=True)
class Format:
    """The one public name, ``FORMAT``, of every module in `sparc_fuse_core.formats`.

    Attributes
    ----------
    name
        Registry key; equal to the module's name.
    title
        The format's own name, as its users say it.
    kind
        What it mostly holds.
    suffixes
        Lower case, with the dot; the longest match wins.
    open
        The reader.
    magic
        ``(offset, bytes)`` pairs; any one proves the format.
    sniff
        Looks at the first 4 KiB and says whether this is the format; overrules ``magic`` when given.
    requires
        Distributions imported inside ``open``.
    members
        Given the folder's file names and one of them, the names that form one recording, the leading one
        first: that is the file which ``open`` gets, whichever of them was asked for. Only the name itself
        when it stands alone.
    parts
        Endings that belong to this format only beside its other files (the ``.dat`` of an Intan folder).
    nested
        True when members may lie in folders below: ``members`` is given their paths too.
    options
        Names of reader options that settle an ambiguous file: ``rate``, ``time_column`` ...
    carried, left
        What of a file is in the result and what is not, as the page of formats tells it.
    lazy
        The least that is read for a piece of the data: ``"samples"``, ``"tile"``, ``"the whole file"`` ...
    named
        True when the ending outweighs the first bytes, which are those of a common format: a slide that begins
        with the JPEG or TIFF of a preview, NWB that is HDF5.
    names
        What of a file those options may name: headings of a table, paths of arrays.
    """

    name: str
    title: str
    kind: Kind
    suffixes: tuple[str, ...]
    open: Reader
    magic: tuple[tuple[int, bytes], ...] = ()
    sniff: Callable[[bytes], bool] | None = None
    requires: tuple[str, ...] = ()
    members: Callable[[Names, str], Sequence[str]] | None = None
    parts: tuple[str, ...] = ()
    nested: bool = False
    options: tuple[str, ...] = ()
    carried: str = ""
    left: str = ""
    lazy: str = ""
    named: bool = False
    names: Callable[[Source], Sequence[str]] | None = None


def limit_items(source: Source, what: str, count: int, most: int = _MAX_CHANNELS) -> None:
    """Refuse counts that only a damaged or hostile header asks for."""
    if count < 0 or count > most:
        raise LimitExceeded(
            f"{source.name}: asks for {count} {what}, at most {most} are sane; its header is damaged",
            hint="Fetch the file again, or ask its authors for an intact copy.",
            source=source.url,
        )
