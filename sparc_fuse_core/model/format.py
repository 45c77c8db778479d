"""Format: how a reader presents itself to the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        Given the folder's file names and one of them, the names that form one recording.
    options
        Names of reader options that settle an ambiguous file: ``rate``, ``time_column`` ...
    """

    name: str
    title: str
    kind: Kind
    suffixes: tuple[str, ...]
    open: Reader
    magic: tuple[tuple[int, bytes], ...] = ()
    sniff: Callable[[bytes], bool] | None = None
    requires: tuple[str, ...] = ()
    members: Callable[[Sequence[str], str], Sequence[str]] | None = None
    options: tuple[str, ...] = ()


def limit_items(source: Source, what: str, count: int, most: int = _MAX_CHANNELS) -> None:
    """Refuse counts that only a damaged or hostile header asks for."""
    if count < 0 or count > most:
        raise LimitExceeded(
            f"{source.name}: asks for {count} {what}, at most {most} are sane; its header is damaged",
            hint="Fetch the file again, or ask its authors for an intact copy.",
            source=source.url,
        )
