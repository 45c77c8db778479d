"""What continuous and event files of a Blackrock recording share: texts, clocks, and how damage is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

NANOSECONDS = 10**9  # ticks a second of files whose clock is synchronised by PTP: they count since 1970
FILTERS = (
    "high_freq_corner_mHz",
    "high_freq_order",
    "high_freq_type",
    "low_freq_corner_mHz",
    "low_freq_order",
    "low_freq_type",
)


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: {what}; it is damaged or a variant that was never published",
        hint="Fetch the file again, or ask its authors for an intact copy.",
        source=source.url,
    )


def text(raw: bytes) -> str:
    """Text up to the first NUL; Windows programs wrote it."""
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def moment(fields: Sequence[int], warnings: list[str], name: str) -> str | None:
    """A Windows SYSTEMTIME (year, month, weekday, day, hour, minute, second, ms; UTC) as ISO 8601."""
    year, month, _, day, hour, minute, second, milli = fields
    if not any(fields):
        return None
    try:
        found = datetime(year, month, day, hour, minute, second, milli * 1000)
    except ValueError:
        warnings.append(f"{name}: its start {tuple(fields)} is not a date; it is left out.")
        return None
    return found.isoformat(timespec="milliseconds") + "+00:00"
