"""LazyArray: an array whose values stay in the file until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from sparc_fuse_core.errors import FormatError, FuseError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import DTypeLike, NDArray

    from sparc_fuse_core.source import Source

Key = tuple[slice | int, ...]


class LazyArray(BackendArray):
    """An array that is read on demand.

    Parameters
    ----------
    shape, dtype
        Of the whole array; ``dtype`` is what `read` returns, in native byte order.
    read
        Takes one slice (step 1) or int for each axis, gives the array; safe to call from several threads.
    blocks
        Shape in which the file stores it (tile, strip, plane, record), when reading less costs as much.
    time_major
        True when the last axis varies slowest in the file, as in interleaved recordings.
    read_into
        Optional faster way: fills the given array instead of making one.
    """

    def __init__(
        self,
        shape: Sequence[int],
        dtype: DTypeLike,
        read: Callable[[Key], NDArray[Any]],
        *,
        blocks: Sequence[int] | None = None,
        time_major: bool = False,
        read_into: Callable[[Key, NDArray[Any]], None] | None = None,
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.blocks = None if blocks is None else tuple(int(n) for n in blocks)
        self.time_major = time_major
        self._read = read
        self._read_into = read_into

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in memory of the whole array, in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def read(self, key: Key) -> NDArray[Any]:
        """The values at ``key``: a slice or an int for each axis."""
        plain = _plain(key, self.shape)
        if any(isinstance(k, slice) and k.start >= k.stop for k in plain):
            spans = [k.stop - k.start for k in plain if isinstance(k, slice)]
            return np.empty(spans, self.dtype)  # no reader is asked for nothing
        try:
            values = np.asarray(self._read(plain))
        except FuseError as error:
            error.hint = error.hint or "Fetch the file again, or ask its authors for an intact copy."
            raise
        except MemoryError:
            raise
        except Exception as error:
            # Decoders of many libraries meet damaged data only here, long after the header was read.
            raise FormatError(
                f"data cannot be decoded ({type(error).__name__}: {error}); the file is damaged",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            ) from error
        return values.astype(self.dtype, copy=False)

    def read_into(self, key: Key, out: NDArray[Any]) -> None:
        """Fill ``out`` with the values at ``key`` (slices only)."""
        if self._read_into is not None:
            self._read_into(_plain(key, self.shape), out)
        else:
            out[...] = self.read(key)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, indexing.ExplicitIndexer):
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.BASIC, self._read_stepped
            )
        return self._read_stepped(key if isinstance(key, tuple) else (key,))

    def _read_stepped(self, key: Any) -> NDArray[Any]:
        whole = (*key, *[slice(None)] * (self.ndim - len(key)))
        steps = tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in whole)
        bounds = [s.indices(n) for s, n in zip(steps, self.shape, strict=True)]
        cover, thin = [], []
        for start, stop, step in bounds:
            picked = range(start, stop, step)
            low, high = (
                (min(picked[0], picked[-1]), max(picked[0], picked[-1]) + 1) if len(picked) else (0, 0)
            )
            cover.append(slice(low, high))
            thin.append(slice(None, None, step))
        values = self.read(tuple(cover))[tuple(thin)]
        drop = tuple(0 if not isinstance(k, slice) else slice(None) for k in whole)
        result: NDArray[Any] = values[drop] if drop else values
        return result

    def scaled(self, gain: NDArray[Any], offset: NDArray[Any], axis: int, dtype: DTypeLike) -> LazyArray:
        """The same array as ``value * gain + offset`` with one gain and offset for each place on ``axis``."""
        kind: np.dtype[Any] = np.dtype(dtype)
        shape = [1] * self.ndim
        shape[axis] = -1
        places = (self.shape[axis],)
        factor = np.broadcast_to(np.asarray(gain, "f8").ravel(), places).reshape(shape)
        shift = np.broadcast_to(np.asarray(offset, "f8").ravel(), places).reshape(shape)

        def read(key: Key) -> NDArray[Any]:
            spans = tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in key)
            pick = tuple(spans[axis] if i == axis else slice(None) for i in range(self.ndim))
            values = (self.read(spans) * factor[pick] + shift[pick]).astype(kind)
            drop = tuple(slice(None) if isinstance(k, slice) else 0 for k in key)
            out: NDArray[Any] = values[drop]
            return out

        return LazyArray(self.shape, kind, read, blocks=self.blocks, time_major=self.time_major)

    def transpose(self, *axes: int) -> LazyArray:
        """The same array with its axes in another order: new axis ``i`` is old axis ``axes[i]``."""
        back = np.argsort(axes)

        def read(key: Key) -> NDArray[Any]:
            spans = tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in key)
            values = self.read(tuple(spans[i] for i in back)).transpose(axes)
            return values[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

        blocks = None if self.blocks is None else [self.blocks[i] for i in axes]
        return LazyArray([self.shape[i] for i in axes], self.dtype, read, blocks=blocks)

    def __repr__(self) -> str:
        return f"LazyArray(shape={self.shape}, dtype={self.dtype})"


def _plain(key: Key, shape: tuple[int, ...]) -> Key:
    """``key`` with negative ints and open slices made explicit."""
    plain: list[slice | int] = []
    for item, n in zip(key, shape, strict=True):
        if isinstance(item, slice):
            start, stop, _ = item.indices(n)
            plain.append(slice(start, max(start, stop)))
        else:
            plain.append(int(item) + n if item < 0 else int(item))
    return tuple(plain)


def from_numpy(values: NDArray[Any]) -> LazyArray:
    """An array that is in memory already, as a LazyArray."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return LazyArray(native.shape, native.dtype, lambda key: native[key])


def interleaved(
    source: Source, dtype: DTypeLike, offset: int, channels: int, samples: int, *, stride: int | None = None
) -> LazyArray:
    """A (channel, time) view of samples stored as time rows of ``channels`` items each.

    ``stride`` is the number of bytes from one time row to the next when rows carry more than the samples.
    Raises `Truncated` when the bytes are not there.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    row = channels * kind.itemsize
    step = row if stride is None else stride
    source.expect(offset, max(0, (samples - 1) * step + row) if samples else 0, "samples")

    def rows(start: int, stop: int) -> NDArray[Any]:
        if stop <= start:
            return np.empty((0, channels), kind)
        if step == row:
            return source.array(kind, offset + start * row, (stop - start) * channels).reshape(-1, channels)
        raw = source.read(offset + start * step, (stop - start - 1) * step + row, "samples")
        return np.ndarray((stop - start, channels), kind, raw, 0, (step, kind.itemsize))

    def read(key: Key) -> NDArray[Any]:
        channel, time = key
        span = time if isinstance(time, slice) else slice(time, time + 1)
        block = rows(span.start, span.stop).T[channel]
        return block if isinstance(time, slice) else block[..., 0]

    def read_into(key: Key, out: NDArray[Any]) -> None:
        channel, time = key
        rows_out = out.T
        whole = isinstance(channel, slice) and (channel.start, channel.stop) == (0, channels)
        if (
            whole
            and isinstance(time, slice)
            and step == row
            and kind.isnative
            and rows_out.flags.c_contiguous
        ):
            source.read_into(offset + time.start * row, memoryview(rows_out).cast("B"), "samples")
        else:
            out[...] = read(key)

    return LazyArray((channels, samples), kind.newbyteorder("="), read, time_major=True, read_into=read_into)


def from_planes(
    leading: Sequence[int], plane: Sequence[int], dtype: DTypeLike, read_plane: Callable[..., NDArray[Any]]
) -> LazyArray:
    """An array made of whole planes: ``read_plane(*index)`` gives one of shape ``plane``."""
    lead, inner = tuple(leading), tuple(plane)

    def read(key: Key) -> NDArray[Any]:
        spans = tuple(k if isinstance(k, slice) else slice(k, k + 1) for k in key)
        outer, crop = spans[: len(lead)], spans[len(lead) :]
        out = np.empty([s.stop - s.start for s in spans], dtype)
        for index in np.ndindex(*out.shape[: len(lead)]):
            whole = read_plane(*(s.start + i for s, i in zip(outer, index, strict=True)))
            if whole.shape != inner:
                raise FormatError(f"a plane of shape {inner} was promised, {whole.shape} is there")
            out[index] = whole[crop]
        result: NDArray[Any] = out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]
        return result

    return LazyArray((*lead, *inner), dtype, read, blocks=(*[1] * len(lead), *inner))


def lazy_of(variable: Any) -> LazyArray | None:
    """The LazyArray behind an xarray variable, when there is one."""
    data = getattr(variable, "_data", None)
    for _ in range(4):
        if isinstance(data, LazyArray):
            return data
        data = getattr(data, "array", None)
    return None


def variable(dims: Sequence[str], data: Any, attrs: Mapping[str, Any] | None = None) -> xr.Variable:
    """An xarray variable over numpy data or a LazyArray, which stays lazy."""
    import xarray as xr

    held = indexing.LazilyIndexedArray(data) if isinstance(data, LazyArray) else data
    return xr.Variable(tuple(dims), held, dict(attrs or {}))


def lazy_arrays(tree: xr.DataTree) -> Iterator[tuple[str, xr.Variable, LazyArray]]:
    """Path, variable and lazy array of everything in the tree that is read from the file."""
    for node in tree.subtree:
        for name, held in node.to_dataset(inherit=False).variables.items():
            data = lazy_of(held)
            if data is not None:
                yield f"{node.path.strip('/')}/{name}".strip("/"), held, data
