"""HDF5 as nodes: datasets stay in the file, nothing outside of the file is ever opened.

Only hard links are followed, each object once. Datasets that keep their numbers in other files (external
storage, virtual datasets) are named, not read: a file from the internet must not make us read the user's
own files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparc_fuse_core.formats._container.damage import cut_short, damaged, too_much
from sparc_fuse_core.formats._container.heap import Guarded
from sparc_fuse_core.formats._container.values import (
    MOST_DEPTH,
    MOST_ITEMS,
    Foreign,
    Node,
    Struct,
    Value,
    by_slices,
    numbers,
)
from sparc_fuse_core.model import LazyArray
from sparc_fuse_core.source import Source

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCKS = (0, 512, 1024, 2048)

_MOST_CHUNK = 1 << 30
_MOST_BYTES = 1 << 44
# A larger dataset must have some bytes behind it: shapes are cheap to forge and our writer would write them
# out.
_UNPACKED = 1 << 30
_MOST_PACKED_RATIO = 5000
_MOST_RAGGED = 100_000
_MOST_ATTRIBUTE = 1024


def open_h5(source: Source) -> h5py.File:
    """The file, opened over `Source` and so lazy for remote files too. FormatError when it is damaged."""
    import h5py
    import hdf5plugin  # noqa: F401  # registers the filters that HDF5 itself lacks (blosc, zstd, lz4 ...)

    _check_end(source)
    try:
        # Unbuffered: libhdf5 reads its many small structures one by one, from all over the file.
        return h5py.File(Guarded(source.file().raw), "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise damaged(
            source.name, f"an HDF5 file was expected, its structure cannot be followed ({error})"
        ) from error


def _check_end(source: Source) -> None:
    """Compare the end of file that the superblock promises with the real one, before libhdf5 sees it."""
    for block in USER_BLOCKS:
        if source.size < block + 96 or source.read(block, 8) != SIGNATURE:
            continue
        version, sizes = source.read(block + 8, 1)[0], source.read(block + 8, 8)
        offset_size, place = (sizes[5], 24 if version == 0 else 28) if version < 2 else (sizes[1], 12)
        if offset_size not in (2, 4, 8) or version > 3:
            break
        base, _, end = (
            int.from_bytes(source.read(block + place + i * offset_size, offset_size), "little")
            for i in range(3)
        )
        if end > source.size and base + end > source.size:
            raise cut_short(source.name, f"promises {end} bytes, the file has {source.size}")
        return
    if source.size < 96:
        raise cut_short(source.name, f"an HDF5 file was expected, it has only {source.size} bytes")


class Tree:
    """Walks one HDF5 file; remembers what was seen, so that loops and aliases end."""

    def __init__(self, source: Source, file: h5py.File) -> None:
        self.source, self.file = source, file
        self.attributes: dict[str, dict[str, Any]] = {}
        self._seen: set[int] = set()
        self._count = 0

    def read(self) -> Struct:
        """Every dataset and group as nodes; attributes of the groups in ``attributes`` by path."""
        return self.group(self.file, 0)

    def group(self, group: h5py.Group, depth: int) -> Struct:
        import h5py

        if depth > MOST_DEPTH:
            raise too_much(self.source.name, f"groups are nested more than {MOST_DEPTH} deep")
        held = plain_attributes(group)
        if held:
            self.attributes[str(group.name).strip("/")] = held
        found: Struct = {}
        for name, thing in self.members(group):
            if isinstance(thing, str):
                found[name] = Foreign(thing)
            elif isinstance(thing, h5py.Group):
                found[name] = self.group(thing, depth + 1)
            elif isinstance(thing, h5py.Dataset):
                found[name] = dataset(self.source, self.file, thing)
        return found

    def members(self, group: h5py.Group) -> Iterator[tuple[str, Any]]:
        """Objects behind hard links, and a sentence for each link that leaves the file."""
        import h5py

        for name in group:
            self._count += 1
            if self._count > MOST_ITEMS:
                raise too_much(
                    self.source.name, f"holds more than {MOST_ITEMS} objects; one output cannot hold them all"
                )
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield name, f"lies in another file ({link.filename!r}), which is not opened"
            elif isinstance(link, h5py.HardLink):
                thing = group[name]
                address = int(h5py.h5o.get_info(thing.id).addr)
                if address not in self._seen:
                    self._seen.add(address)
                    yield name, thing


def dataset(source: Source, file: h5py.File, found: h5py.Dataset) -> Node:
    """One dataset as lazy numbers, lazy text, a struct of its fields, or the reason why not."""
    reason = _unreadable(found)
    if reason:
        return Foreign(reason)
    attrs = plain_attributes(found)
    if found.dtype.names is not None:
        return _fields(file, found, attrs)
    return _typed(file, found, attrs)


def _unreadable(found: h5py.Dataset) -> str:
    import h5py

    if found.shape is None:
        return "is empty (a null dataspace)"
    try:
        kind = found.dtype
    except (TypeError, ValueError) as error:
        return f"has a type that is not known here ({error})"
    plan = found.id.get_create_plist()
    if plan.get_external_count():
        return "keeps its numbers in another file, which is not opened"
    if found.is_virtual and any(part.file_name != "." for part in found.virtual_sources()):
        return "is put together from other files, which are not opened"
    codes = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    missing = [code for code in codes if not h5py.h5z.filter_avail(code)]
    if missing:
        return f"is packed with HDF5 filter {missing[0]}, which is not installed"
    nbytes = math.prod(found.shape) * kind.itemsize
    if found.chunks is not None and math.prod(found.chunks) * kind.itemsize > _MOST_CHUNK:
        return (
            f"has chunks of {math.prod(found.chunks) * kind.itemsize} bytes, at most {_MOST_CHUNK} are sane"
        )
    stored = 0 if found.is_virtual else found.id.get_storage_size()
    if nbytes > _MOST_BYTES or (
        nbytes > _UNPACKED and not found.is_virtual and nbytes > stored * _MOST_PACKED_RATIO
    ):
        return f"promises {nbytes} bytes, {stored} are stored; its header is damaged or it was never filled"
    return ""


def _typed(file: h5py.File, found: h5py.Dataset, attrs: dict[str, Any]) -> Node:
    import h5py

    kind = found.dtype
    if h5py.check_string_dtype(kind) is not None or kind.kind in "SU":
        return Value(_texts(file, found), attrs)
    if (ragged := h5py.check_vlen_dtype(kind)) is not None:
        return _ragged(found, np.dtype(ragged), attrs)
    if kind.kind not in "biufc":
        return Foreign("holds references" if kind.kind == "O" else f"holds {kind}, which is not a number")
    return Value(numeric(file, found), attrs | enum_labels(kind))


def numeric(file: h5py.File, found: h5py.Dataset) -> LazyArray:
    """Numbers that stay in the file; opened anew at each read, so that no chunk cache outlives it."""
    name, kind = found.name, _native(found.dtype)

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        return np.asarray(file[name][spans]).astype(kind, copy=False)

    return LazyArray(found.shape, kind, by_slices(read), blocks=found.chunks)


def _native(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind == "f" and kind.itemsize > 8:
        return np.dtype("f8")  # Zarr has no longer floats
    if kind.kind == "c" and kind.itemsize > 16:
        return np.dtype("c16")
    plain: np.dtype[Any] = np.dtype(kind.str).newbyteorder("=") if kind.metadata else kind.newbyteorder("=")
    return plain


def _texts(file: h5py.File, found: h5py.Dataset) -> LazyArray:
    name = found.name

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        raw = np.asarray(file[name][spans], dtype=object)
        out = np.empty(raw.shape, dtype=object)
        out.ravel()[:] = [text_of(v) for v in raw.ravel()]
        return out

    return LazyArray(found.shape, object, by_slices(read), blocks=found.chunks)


def _fields(file: h5py.File, found: h5py.Dataset, attrs: dict[str, Any]) -> Node:
    """A compound dataset: one array a field; pairs of real and imaginary parts become complex numbers."""
    kind, name = found.dtype, found.name
    names = kind.names or ()
    if set(names) in ({"real", "imag"}, {"r", "i"}) and {kind[n].kind for n in names} == {"f"}:
        return Value(_complex(file, found, names), attrs)
    parts: Struct = {}
    for field in names:
        inner = kind[field]
        base, extra = inner.subdtype if inner.subdtype is not None else (inner, ())
        if base.kind in "biufc":
            whole = (*found.shape, *extra)
            parts[field] = Value(
                LazyArray(
                    whole, _native(base), by_slices(_field_reader(file, name, field, base, len(found.shape)))
                ),
                attrs,
            )
        elif base.kind in "SO" and not extra and _is_text(base):
            parts[field] = Value(
                LazyArray(
                    found.shape, object, by_slices(_field_reader(file, name, field, base, len(found.shape)))
                ),
                attrs,
            )
        else:
            parts[field] = Foreign(f"a field of type {inner}, which is not a number")
    return parts


def _is_text(kind: np.dtype[Any]) -> bool:
    import h5py

    return kind.kind == "S" or h5py.check_string_dtype(kind) is not None


def _field_reader(file: h5py.File, name: str, field: str, base: np.dtype[Any], axes: int) -> Any:
    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        # h5py reads a single field by its name; a name that looks like a selection would not be one, so the
        # whole row is read.
        values = np.asarray(file[name][spans[:axes]])[field]
        if len(spans) > axes:
            values = values[(slice(None),) * axes + spans[axes:]]
        if base.kind in "biufc":
            return values.astype(_native(base))
        out = np.empty(values.shape, dtype=object)
        out.ravel()[:] = [text_of(v) for v in values.ravel()]
        return out

    return read


def _complex(file: h5py.File, found: h5py.Dataset, names: tuple[str, ...]) -> LazyArray:
    name = found.name
    real, imaginary = ("real", "imag") if "real" in names else ("r", "i")
    kind = np.dtype("c8" if found.dtype[real].itemsize <= 4 else "c16")

    def read(spans: tuple[slice, ...]) -> NDArray[Any]:
        raw = np.asarray(file[name][spans])
        out = np.empty(raw.shape, kind)
        out.real, out.imag = raw[real], raw[imaginary]
        return out

    return LazyArray(found.shape, kind, by_slices(read), blocks=found.chunks)


def _ragged(found: h5py.Dataset, base: np.dtype[Any], attrs: dict[str, Any]) -> Node:
    """Rows of unequal length as one run of values and the length of each."""
    if base.kind not in "biuf" or math.prod(found.shape) > _MOST_RAGGED:
        return Foreign(f"has rows of unequal length of type {base}, too many or no numbers")
    raw = [np.asarray(row, base) for row in np.asarray(found[()], dtype=object).reshape(-1)]
    lengths = numbers(np.array([row.size for row in raw], "i8").reshape(found.shape))
    return {"values": numbers(np.concatenate(raw) if raw else np.empty(0, base), attrs), "lengths": lengths}


def enum_labels(kind: np.dtype[Any]) -> dict[str, Any]:
    import h5py

    labels = h5py.check_enum_dtype(kind)
    return {"enum": {str(k): int(v) for k, v in labels.items()}} if labels and kind.kind != "b" else {}


def text_of(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def plain_attributes(thing: Any) -> dict[str, Any]:
    """Attributes that JSON can hold; references and long tables are left out."""
    held: dict[str, Any] = {}
    for number, name in enumerate(thing.attrs):
        if number >= _MOST_ATTRIBUTE:
            break
        try:
            value = thing.attrs[name]
        except (OSError, RuntimeError, TypeError, ValueError, KeyError, UnicodeError):
            continue  # one broken or exotic attribute must not cost the data
        plain = _plain(value)
        if plain is not None:
            held[str(name)] = plain
    return held


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes):
        return text_of(value)[:100_000]
    array = np.asarray(value)
    if array.size > _MOST_ATTRIBUTE or (array.dtype.kind not in "biufSUO") or array.dtype.names:
        return None
    if array.dtype.kind == "O" and not all(isinstance(v, str | bytes) for v in array.ravel()):
        return None
    flat = [_scalar(v) for v in array.ravel()]
    return flat[0] if array.ndim == 0 or (array.shape == (1,)) else _nested(flat, array.shape)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    held = np.empty(len(flat), dtype=object)
    held[:] = flat
    return held.reshape(shape).tolist()


def _scalar(value: Any) -> Any:
    if isinstance(value, str | bytes | np.str_ | np.bytes_):
        return text_of(value)
    number = value.item()
    return str(number) if isinstance(number, float) and not math.isfinite(number) else number
