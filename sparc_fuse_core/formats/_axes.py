"""The order of the axes of an image: t c z y x, with axes of other names where OME-NGFF allows them."""

from __future__ import annotations

from collections.abc import Iterable

ORDER = ("t", "c", "z", "y", "x")


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """One axis of another name takes the place of c where there is none; several go before all others."""
    given = list(names)
    others = [name for name in given if name not in ORDER]
    if len(others) == 1 and "c" not in given:
        return tuple(n for n in ("t", others[0], "z", "y", "x") if n in given)
    return (*others, *(n for n in ORDER if n in given))
