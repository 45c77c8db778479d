"""The walk through an NWB file: each group is a series, a table, an epoch or a folder; nothing is left out."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._container.damage import too_much
from sparc_fuse_core.formats._container.h5 import dataset, plain_attributes
from sparc_fuse_core.formats._container.values import MOST_DEPTH, Foreign, Node, Value, strings
from sparc_fuse_core.formats._nwb.links import Links, address, scalar
from sparc_fuse_core.formats._nwb.marks import Marks
from sparc_fuse_core.formats._series.arrange import safe_attributes
from sparc_fuse_core.model import Array, LazyArray, Stream, slug

if TYPE_CHECKING:
    import h5py

    from sparc_fuse_core.source import Source

_FIRST = ("acquisition", "stimulus", "processing", "analysis", "intervals", "epochs", "units")
_PLACEHOLDERS = ("", "unknown", "n/a", "n.a.", "na", "none", "no description", "no comments", "no unit")
_MOST_METADATA = 2000


class Session:
    """What is gathered from one file, in the order in which it is written out."""

    def __init__(self, source: Source, file: h5py.File) -> None:
        self.source, self.file = source, file
        self.links = Links(file, source.name)
        self.series: list[tuple[str, Stream]] = []
        self.arrays: list[Array] = []
        self.marks = Marks()
        self.values: dict[str, Any] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.linked: dict[str, str] = {}
        self.empty: list[str] = []
        self.warnings: list[str] = []
        self.dropped: list[str] = []
        self._seen: dict[int, str] = {}
        self._sizes: dict[str, int] = {}
        self._names: set[str] = set()

    def walk(self) -> None:
        """Go through the whole file."""
        root = {name: (thing, link) for name, thing, link in self.links.members(self.file)}
        ordered = [n for n in _FIRST if n in root] + [n for n in root if n not in _FIRST]
        self._attributes("", self.file)
        for name in ordered:
            if name in ("specifications", ".specloc"):
                self.dropped.append(f"{name}: the schema that the file was written by")
            else:
                self.take(name, *root[name], 0)

    def take(self, path: str, thing: Any, linked: bool, depth: int) -> None:
        """One object: gathered where it is, named where it is only linked to."""
        import h5py

        if isinstance(thing, str):
            self.dropped.append(f"{path}: {thing}")
            return
        place = address(thing)
        if linked or place in self._seen:
            self.linked[path] = self._seen.get(place) or str(thing.name).strip("/")
        elif isinstance(thing, h5py.Group):
            self._seen[place] = path
            self._group(path, thing, depth + 1)
        elif isinstance(thing, h5py.Dataset):
            self._seen[place] = path
            self.loose(path, thing)
        else:
            self.dropped.append(f"{path}: a stored type without values")

    def _group(self, path: str, group: h5py.Group, depth: int) -> None:
        from sparc_fuse_core.formats._nwb.series import is_series, take_series
        from sparc_fuse_core.formats._nwb.tables import is_epoch, is_table, take_epoch, take_table

        if depth > MOST_DEPTH:
            raise too_much(self.source.name, f"groups are nested more than {MOST_DEPTH} deep")
        self._attributes(path, group)
        parts = {name: (thing, linked) for name, thing, linked in self.links.members(group)}
        if is_table(group):
            rest = take_table(self, path, group, parts)
        elif is_series(group, parts):
            rest = take_series(self, path, group, parts)
        else:
            if is_epoch(path, parts):
                take_epoch(self, path, parts)
            rest = list(parts)
        for name in rest:
            self.take(f"{path}/{name}", *parts[name], depth)

    def _attributes(self, path: str, thing: Any) -> None:
        held = plain_attributes(thing)
        if held and len(self.attributes) < _MOST_METADATA:
            self.attributes[path] = held

    def used(self, thing: Any, path: str) -> None:
        """Remember that an object is part of what was gathered, so that it is not gathered again."""
        self._seen.setdefault(address(thing), path)

    # -- arrays ---------------------------------------------------------------------------------------------

    def name(self, wanted: str) -> str:
        """``wanted`` as a name that nothing else has."""
        base = slug(wanted) or "array"
        name, count = base, 1
        while name.casefold() in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name.casefold())
        return name

    def loose(self, path: str, found: h5py.Dataset) -> None:
        """A dataset that belongs to nothing else: metadata when it is one value, else an array."""
        value = scalar(found)
        if value is not None and len(self.values) < _MOST_METADATA:
            self.values[path] = value
        else:
            self.array(path, path, found, ())

    def array(self, path: str, name: str, found: h5py.Dataset, dims: tuple[str, ...]) -> None:
        """A dataset under ``name``; its first axes are ``dims``, where the lengths agree."""
        for label, value in self._values(path, self.node(found)):
            if 0 in value.data.shape:
                self.empty.append(path)
                continue
            unique = self.name(f"{name}/{label}" if label else name)
            attrs = safe_attributes(stated(value.attrs))
            if unique != path:
                attrs["path"] = path
            self.add(unique, value.data, dims, attrs)

    def add(self, unique: str, data: Any, dims: tuple[str, ...], attrs: dict[str, Any]) -> None:
        """An array whose first axes are ``dims`` where their lengths agree."""
        names = []
        for axis, size in enumerate(data.shape):
            dim = dims[axis] if axis < len(dims) else f"{unique}_dim{axis}"
            fits = dim != unique and self._sizes.setdefault(dim, size) == size
            names.append(dim if fits else f"{unique}_dim{axis}")
        if data.ndim == 0 and isinstance(data, LazyArray):
            data = data.read(())
        self.arrays.append(Array(unique, data, tuple(names), attrs))

    def _values(self, path: str, node: Node) -> list[tuple[str, Value]]:
        if isinstance(node, Value):
            return [("", node)]
        if isinstance(node, dict):
            found = []
            for key, inner in node.items():
                parts = self._values(f"{path}/{key}", inner)
                found += [(f"{key}/{label}" if label else key, value) for label, value in parts]
            return found
        self.dropped.append(f"{path}: {node.what if isinstance(node, Foreign) else 'nested cells'}")
        return []

    def node(self, found: h5py.Dataset) -> Node:
        """A dataset as lazy numbers or text; references as the paths that they point at."""
        import h5py

        node = dataset(self.source, self.file, found)
        if isinstance(node, Foreign) and found.shape is not None and not found.is_virtual:
            if h5py.check_ref_dtype(found.dtype) is h5py.Reference:
                paths = self.links.targets(found)
                return node if paths is None else strings(paths, plain_attributes(found))
        elif isinstance(node, dict) and found.dtype.names is not None:
            for field in found.dtype.names:
                if h5py.check_ref_dtype(found.dtype[field]) is h5py.Reference:
                    paths = self.links.targets(found, field)
                    node[field] = node[field] if paths is None else strings(paths)
        return node

    # -- the whole ------------------------------------------------------------------------------------------

    def start(self) -> str | None:
        """The moment that times count from, as ISO 8601."""
        session: Any
        reference: Any
        session, reference = (self.values.get(n) for n in ("session_start_time", "timestamps_reference_time"))
        for said in (reference, session):
            try:
                if isinstance(said, str):
                    datetime.datetime.fromisoformat(said)
                    break
            except ValueError:
                self.warnings.append(
                    f"the start {said[:60]!r} is no date that is known here; it is in the metadata"
                )
        else:
            return None
        if session != reference and isinstance(session, str) and isinstance(reference, str):
            self.warnings.append(
                f"times count from {reference}, the timestamps_reference_time; the session began at {session}"
            )
        return said

    def named_streams(self) -> list[Stream]:
        """The streams under the names of their groups, with the path where groups share a name."""
        leaves = [slug(path.rpartition("/")[2]).casefold() for path, _ in self.series]
        for (path, stream), leaf in zip(self.series, leaves, strict=True):
            stream.name = path.rpartition("/")[2] if leaves.count(leaf) == 1 else path
        return [stream for _, stream in self.series]


def stated(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that say something, with the unit as a sign; identifiers of the schema are left out."""
    held = {
        key: value
        for key, value in attrs.items()
        if not (isinstance(value, str) and value.strip().lower() in _PLACEHOLDERS)
        and key not in ("object_id", "namespace", "help", "unit")
    }
    if isinstance(attrs.get("unit"), str) and (unit := unit_of(attrs["unit"])):
        held["units"] = unit
    return held


_SIGNS = {
    "volts": "V", "volt": "V", "amperes": "A", "ampere": "A", "amps": "A", "siemens": "S", "farads": "F",
    "ohms": "Ω", "meters": "m", "metres": "m", "meter": "m", "seconds": "s", "second": "s", "hertz": "Hz",
    "degrees": "deg", "microvolts": "uV", "millivolts": "mV", "picoamperes": "pA", "nanoamperes": "nA",
    "percent": "%", "kelvin": "K", "milliseconds": "ms", "microseconds": "us",
}  # fmt: skip


def unit_of(text: Any) -> str:
    """A unit as it is written elsewhere; "" for the words that stand for no unit."""
    unit = text.strip() if isinstance(text, str) else ""
    return "" if unit.lower() in _PLACEHOLDERS else _SIGNS.get(unit.lower(), unit)


def times_of(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(values, np.float64).ravel()
