"""Links of an NWB file, followed by hand: HDF5 itself would open every other file that one of them names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.damage import too_much
from sparc_fuse_core.formats._container.h5 import text_of
from sparc_fuse_core.formats._container.values import MOST_ITEMS

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

_MOST_HOPS = 16
_MOST_REFERENCES = 200_000


class Links:
    """The objects behind the names of one file; counts them, so that a hostile file ends."""

    def __init__(self, file: h5py.File, name: str) -> None:
        self.file, self.name = file, name
        self._count = 0

    def members(self, group: h5py.Group) -> Iterator[tuple[str, Any, bool]]:
        """Name, object and whether a link led to it; a sentence in place of an object that is not in the file."""
        import h5py

        for name in group:
            self._count += 1
            if self._count > MOST_ITEMS:
                raise too_much(
                    self.name, f"holds more than {MOST_ITEMS} objects; one output cannot hold them all"
                )
            hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
            yield name, self._reach(group, name, 0), not hard

    def _reach(self, group: h5py.Group, name: str, hops: int) -> Any:
        import h5py

        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            return group[name]
        if isinstance(link, h5py.ExternalLink):
            return f"lies in another file ({link.filename!r}), which is not opened"
        if not isinstance(link, h5py.SoftLink):
            return "is a link that leads nowhere"
        if hops >= _MOST_HOPS:
            return "is a link in a chain of links without end"
        thing: Any = self.file if link.path.startswith("/") else group
        for part in link.path.split("/"):
            if part in ("", "."):
                continue
            if not isinstance(thing, h5py.Group):
                return f"is a link to {link.path!r}, which is not there"
            thing = self._reach(thing, part, hops + 1)
            if isinstance(thing, str):
                return thing if "another file" in thing else f"is a link to {link.path!r}, which is not there"
        return thing

    def target(self, reference: Any) -> str:
        """The path of what a reference points at; "" when it points at nothing."""
        try:
            return str(self.file[reference].name or "").strip("/") if reference else ""
        except (ValueError, KeyError, OSError, RuntimeError, TypeError):
            return ""

    def targets(self, found: h5py.Dataset, field: str | None = None) -> NDArray[Any] | None:
        """Paths in place of references; None when there are too many of them."""
        if found.size > _MOST_REFERENCES:
            return None
        raw = np.asarray(found[()])
        flat = (raw if field is None else raw[field]).ravel()
        out = np.empty(flat.size, dtype=object)
        out[:] = [self.target(reference) for reference in flat]
        return out.reshape(found.shape)


def address(thing: Any) -> int:
    """Where an object lies in the file: the same for all its names."""
    import h5py

    return int(h5py.h5o.get_info(thing.id).addr)


def scalar(thing: Any) -> Any:
    """A single text or number as a Python value, few texts as a list; None for anything else."""
    import h5py

    if not isinstance(thing, h5py.Dataset) or thing.shape is None or thing.dtype.names is not None:
        return None
    text = thing.dtype.kind == "S" or h5py.check_string_dtype(thing.dtype) is not None
    if thing.is_virtual or thing.external is not None:
        return None
    if text and thing.size <= 64 and thing.dtype.itemsize <= 1 << 20:
        values = [text_of(value)[:100_000] for value in np.asarray(thing[()], object).ravel()]
        return values[0] if thing.shape == () else values
    if (
        thing.shape in ((), (1,))
        and thing.dtype.kind in "biuf"
        and h5py.check_enum_dtype(thing.dtype) is None
    ):
        value = np.asarray(thing[()]).ravel()[0].item()
        return value if not isinstance(value, float) or np.isfinite(value) else str(value)
    return None
