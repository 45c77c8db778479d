"""Tables of one file put together: one as it is, several each with names and axes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.model import Array, Stream, recording, slug

if TYPE_CHECKING:
    import xarray as xr


@dataclass(slots=True)
class Part:
    """What one table became; dimensions are ``time`` along its stream, else ``row`` and ``column``."""

    streams: list[Stream]
    arrays: list[Array]
    start: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def tree(self) -> xr.DataTree:
        """The one table of a file as its tree."""
        return recording(
            self.streams, arrays=self.arrays, start=self.start, metadata=self.metadata, warnings=self.warnings,
            dropped=self.dropped, kind="signals" if self.streams else "table",
        )  # fmt: skip


def join(
    parts: Sequence[tuple[str, Part]],
    metadata: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> xr.DataTree:
    """Several tables, each with its name, as one tree; the name stands before those of the columns."""
    if len(parts) == 1:
        part = replace(parts[0][1])
        part.metadata = {**(metadata or {}), **part.metadata}
        part.warnings, part.dropped = [*warnings, *part.warnings], [*dropped, *part.dropped]
        return part.tree()
    whole = Part([], [], metadata=dict(metadata or {}), warnings=list(warnings), dropped=list(dropped))
    starts = {part.start for _, part in parts if part.streams}
    whole.start = starts.pop() if len(starts) == 1 else None
    taken: set[str] = set()
    for name, part in parts:
        unique = _unique(slug(name) or "table", taken)
        time = f"time_{unique}" if whole.streams else "time"
        for stream in part.streams:
            stream.name = unique
            stream.attrs |= {"table": name} | ({"stream_start": part.start} if part.start else {})
            whole.streams.append(stream)
        for array in part.arrays:
            dims = [time if d == "time" else f"{unique}_{d}" for d in array.dims]
            whole.arrays.append(Array(f"{unique}_{array.name}", array.data, dims, array.attrs))
        whole.metadata[name] = part.metadata
        whole.warnings += [f"{name}: {text}" for text in part.warnings]
        whole.dropped += [f"{name}: {text}" for text in part.dropped]
    if len(whole.streams) > 1:
        whole.warnings.append("the time of each table runs from its own first row or as that table says")
    return whole.tree()


def _unique(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name.casefold() in taken:
        count += 1
        name = f"{wanted}_{count}"
    taken.add(name.casefold())
    return name
