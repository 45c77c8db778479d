"""Numbers in lines of text, many at once, and the limits of files that must be held whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

MOST_BYTES = 2 << 30
_BLOCK = 1 << 24


def lines_of(source: Source, most: int = 1 << 20) -> Iterator[str]:
    """The lines of a text file without their ends, as Latin-1; LimitExceeded for files and lines without end."""
    if source.size > MOST_BYTES:
        raise LimitExceeded(
            f"{source.name}: is a text of {source.size} bytes, which must be held in memory; at most "
            f"{MOST_BYTES} are read",
            hint="Split it, or save it in a binary format.",
        )
    rest = b""
    for at in range(0, source.size, _BLOCK):
        block = rest + source.read(at, min(_BLOCK, source.size - at), "text")
        lines = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop()
        if len(rest) > most:
            break
        yield from (line.decode("latin-1") for line in lines)
    if len(rest) > most:
        raise LimitExceeded(f"{source.name}: has a line of more than {most} letters; it is damaged")
    if rest:
        yield rest.decode("latin-1")


def numbers(words: Sequence[str], source: Source, what: str) -> NDArray[Any]:
    """Words as float64; FormatError names the first that is no number."""
    try:
        return np.array(words, dtype="f8") if words else np.empty(0)
    except ValueError:
        for word in words:
            try:
                float(word)
            except ValueError:
                raise FormatError(
                    f"{source.name}: {word[:40]!r} stands where {what} should; it is damaged"
                ) from None
        raise


def table(rows: Sequence[Sequence[str]], widths: Sequence[int], source: Source, what: str) -> NDArray[Any]:
    """Rows of words as (rows, longest) float64, NaN where a row is shorter; rows have one of ``widths``."""
    sizes = np.fromiter(map(len, rows), "i8", len(rows))
    if not np.isin(sizes, list(widths)).all():
        wrong = int(sizes[~np.isin(sizes, list(widths))][0])
        raise FormatError(
            f"{source.name}: {what} has {wrong} numbers, {min(widths)} were expected; it is damaged"
        )
    values = numbers([word for row in rows for word in row], source, what)
    longest = int(sizes.max(initial=0))
    if (sizes == longest).all():
        return values.reshape(-1, max(longest, 1))
    filled = np.full((len(rows), longest), np.nan)
    filled[np.arange(longest) < sizes[:, None]] = values
    return filled
