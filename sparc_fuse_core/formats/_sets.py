"""Files that are one recording: found among the names of a folder, for catalogues, trees and single files alike."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sparc_fuse_core.model import Format, Names
from sparc_fuse_core.source import STORE_ROOTS

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

__all__ = ["files_of", "groups", "leading", "members", "store_of"]


def groups(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Every path in exactly one recording, the leading file of each first.

    ``paths`` are POSIX paths from one folder, their order is kept. What files form a recording is decided from
    all of them, so a selection must not be grouped by itself.
    """
    ordered, makers = list(paths), [f for f in _registry().values() if f.members is not None]
    led: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for group in (*_stores(ordered), *_sets([p for p in ordered if not store_of(p)], makers)):
        if taken.isdisjoint(group):
            taken.update(group)
            led[group[0]] = group
    return [led.get(path, (path,)) for path in ordered if path in led or path not in taken]


def store_of(path: str) -> str:
    """The folder of the Zarr store that a file belongs to; "" for a file outside of stores."""
    parts = path.split("/")
    inside = next((i for i, part in enumerate(parts[:-1]) if part.lower().endswith(".zarr")), None)
    return "" if inside is None else "/".join(parts[: inside + 1])


def _stores(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Zarr stores: all files below a folder named so, led by the one at its root."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if store := store_of(path):
            found.setdefault(store, []).append(path)
    for store, held in found.items():
        root = next((r for name in STORE_ROOTS if (r := f"{store}/{name}") in held), None)
        if root is not None:
            yield (root, *(path for path in held if path != root))


def _sets(paths: Sequence[str], makers: Sequence[Format]) -> Iterator[tuple[str, ...]]:
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    everything = sorted(paths)
    for folder, names in folders.items():
        start = f"{folder}/" if folder else ""
        near = Names(names)
        wide: Names | None = None
        for maker in makers:
            fitting = [name for name in names if name.lower().endswith(maker.suffixes + maker.parts)]
            if fitting and maker.nested and wide is None:
                wide = Names((*names, *_below(everything, start)))
            around = near if wide is None or not maker.nested else wide
            for group in _of_maker(maker, around, fitting):
                yield tuple(start + name for name in group)


def _below(everything: Sequence[str], start: str) -> Iterator[str]:
    first = bisect_left(everything, start)
    for path in everything[first:]:
        if not path.startswith(start):
            return
        if "/" in path[len(start) :]:
            yield path[len(start) :]


def _of_maker(maker: Format, around: Names, fitting: Sequence[str]) -> Iterator[tuple[str, ...]]:
    assert maker.members is not None
    known, done = set(around), set[str]()
    for name in fitting:
        if name in done:
            continue
        group = tuple(dict.fromkeys(n for n in maker.members(around, name) if n in known))
        if len(group) > 1 and name in group:
            done.update(group)
            yield group


def files_of(source: Source) -> tuple[str, ...]:
    """Names of the files that form one recording with this one, the leading one first; itself when alone."""
    name = source.name.lower()
    makers = [
        f for f in _registry().values() if f.members is not None and name.endswith(f.suffixes + f.parts)
    ]
    if not makers:
        return (source.name,)
    around = source.siblings()
    if any(maker.nested for maker in makers):
        around = [*around, *source.below()]
    return next((group for group in _sets(around, makers) if source.name in group), (source.name,))


def members(source: Source) -> tuple[Source, ...]:
    """The files that form one recording with this one, opened, the leading one first."""
    found = (source.sibling(name) for name in files_of(source))
    return tuple(other for other in found if other is not None) or (source,)


def leading(source: Source) -> Source:
    """The file that stands for the recording which ``source`` belongs to: often itself."""
    return source.sibling(files_of(source)[0]) or source


def _registry() -> dict[str, Format]:
    from sparc_fuse_core.formats import registry

    return registry()
