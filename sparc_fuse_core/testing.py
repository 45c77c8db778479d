"""The conformance kit: what every reader must keep to, ours and those of other packages.

::

    check_reader("wav", "rec.wav", {"signals": samples, "signals@sampling_frequency": 8000.0})
    assert run_mutants("rec.wav", "wav", count=200, seed=0) == []

An ``expected`` is a dict: ``"signals"`` or ``"0/image"`` (physical values of a variable), ``"signals@units"``
(an attribute; of the root when nothing stands before the ``@``), ``"?warning"`` and ``"?dropped"`` (text that
a recorded warning, or a note of what was left behind, holds), ``"!error"`` (the error that opening or reading
raises), ``"~"`` (relative tolerance of floats; without it they are equal, NaN to NaN), ``"!options"`` (reader
options).
"""

from __future__ import annotations

import gc
import os
import random
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FuseError
from sparc_fuse_core.formats import open_tree, registry
from sparc_fuse_core.model import check, lazy_arrays
from sparc_fuse_core.mutation import Finding, mutants, run_mutants
from sparc_fuse_core.opening import decoded
from sparc_fuse_core.source import open_source

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.model import Format, LazyArray
    from sparc_fuse_core.source import Source

__all__ = ["Finding", "check_reader", "check_values", "mutants", "run_mutants"]

HEADER_BYTES = 8 << 20
WHOLE_BYTES = 512 << 20
_WHOLE_KINDS = ("table", "text", "geometry")
_THREADS = 4
_CLOSELY = 100


def check_reader(
    format: Format | str,
    path: str | os.PathLike[str],
    expected: Mapping[str, Any] | None = None,
    *,
    header_only: bool = True,
    **options: Any,
) -> None:
    """Raise AssertionError unless a reader keeps every promise on this file.

    Parameters
    ----------
    format
        A `Format` or the name of a registered one.
    expected
        What the file holds, as the module's text describes.
    header_only
        Opening may read 8 MiB or 1 % of the file; False for files that can only be read whole.
    **options
        Reader options for a file that does not say everything itself.
    """
    chosen = registry()[format] if isinstance(format, str) else format
    place, wanted = Path(path), dict(expected or {})
    options |= wanted.pop("!options", {})
    if "!error" in wanted:
        _check_refusal(chosen, place, str(wanted["!error"]), options)
        return
    _warm(chosen, place, options)
    before = _held(place)
    with open_source(place) as source:
        tree = open_tree(source, chosen, **options)
        if header_only and chosen.kind not in _WHOLE_KINDS:
            _check_header(source)
        check(tree, source.name)
        arrays = list(lazy_arrays(tree))
        for number, (name, _, data) in enumerate(arrays):
            # Thousands of variables of one file come from one piece of code: some are read in all ways.
            closely = number % (1 + len(arrays) // _CLOSELY) == 0
            _check_array(f"{place.name}: {name}", data, closely=closely)
        check_values(decoded(tree), wanted, tree, name=place.name)
        tree.close()
    del tree, source
    _check_released(place, before)


def check_values(
    opened: xr.Dataset | xr.DataTree, expected: Mapping[str, Any], tree: xr.DataTree, *, name: str = "file"
) -> None:
    """Raise AssertionError unless ``opened`` holds what ``expected`` says; ``tree`` carries the notes."""
    tolerance = float(expected.get("~", 0.0))
    for key, value in expected.items():
        if key == "~":
            continue
        if key.startswith("?"):
            _check_notes(tree, key, value, name)
        elif "@" in key:
            _check_equal(_attribute(opened, key), value, tolerance, f"{name}: {key}")
        else:
            assert key in _paths(opened), f"{name}: {key} is missing; there are {sorted(_paths(opened))}"
            _check_equal(np.asarray(opened[key].values), value, tolerance, f"{name}: {key}")


# -- promises of a reader -----------------------------------------------------------------------------------


def _check_refusal(chosen: Format, path: Path, error: str, options: dict[str, Any]) -> None:
    """The named error, raised by finding the format, by opening or by reading, with a hint."""
    known = registry().get(chosen.name) is chosen
    try:
        with open_source(path) as source:
            read_all(open_tree(source, None if known else chosen, **options))
    except FuseError as raised:
        names = [kind.__name__ for kind in type(raised).__mro__]
        assert error in names, f"{path.name}: {error} was expected, {names[0]} came: {raised}"
        assert raised.hint, f"{path.name}: {names[0]} has no hint: {raised}"
        return
    raise AssertionError(f"{path.name}: {error} was expected, the file was read without complaint")


def _warm(chosen: Format, path: Path, options: dict[str, Any]) -> None:
    """Libraries open files and start threads of their own when they are first used."""
    with open_source(path) as source:
        read_all(open_tree(source, chosen, **options), limit=1 << 20)
    gc.collect()


def read_all(tree: xr.DataTree, limit: int = 1 << 62, block: int = 16 << 20) -> int:
    """Read every lazy array in blocks, as a writer does; give the bytes. Past ``limit`` only the ends."""
    done = 0
    for _, _, data in lazy_arrays(tree):
        keys = list(_pieces(data.shape, data.dtype.itemsize, block))
        if done + data.nbytes > limit:
            keys = keys[:1] + keys[-1:]
        for key in keys:
            done += data.read(key).nbytes
    return done


def _pieces(shape: tuple[int, ...], itemsize: int, most: int) -> Iterator[tuple[slice, ...]]:
    """Blocks of at most ``most`` bytes that cover an array; at most 4096 of them for each axis."""
    block = [max(1, n) for n in shape]
    for axis in range(len(block)):
        while int(np.prod(block, dtype=object)) * itemsize > most and block[axis] > 1:
            block[axis] = -(-block[axis] // 2)
    cuts = [range(0, max(1, n), max(b, n >> 12)) for n, b in zip(shape, block, strict=True)]
    for starts in product(*cuts):
        yield tuple(slice(s, min(s + b, n)) for s, b, n in zip(starts, block, shape, strict=True))


def _check_header(source: Source) -> None:
    size, done = (sum(getattr(f, what) for f in source.family) for what in ("size", "bytes_read"))
    most = max(HEADER_BYTES, size // 100)
    assert done <= most, f"{source.name}: opening read {done} of {size} bytes, {most} are enough"


def _check_array(name: str, data: LazyArray, *, closely: bool) -> None:
    """Every way of reading gives the same values, also from several threads at once."""
    if data.nbytes > WHOLE_BYTES or 0 in data.shape:
        return
    whole = data.read((slice(None),) * data.ndim)
    assert whole.shape == data.shape, f"{name}: {data.shape} was promised, {whole.shape} came"
    assert whole.dtype == data.dtype, f"{name}: {data.dtype} was promised, {whole.dtype} came"
    assert data.dtype.isnative, f"{name}: {data.dtype} is not in native byte order"
    if not closely:
        return
    keys = _keys(data.shape, random.Random(repr(data.shape)))  # noqa: S311 - the same blocks each time
    for key in keys:
        _check_read(name, data, whole, key)
    with ThreadPoolExecutor(_THREADS) as pool:
        for answer in [pool.submit(_check_read, name, data, whole, key) for key in keys * 2]:
            answer.result()
    for key in _stepped(data.shape):
        _check_same(f"{name}[{key}]", np.asarray(data[key], data.dtype), np.asarray(whole[key], data.dtype))


def _check_read(name: str, data: LazyArray, whole: NDArray[Any], key: tuple[Any, ...]) -> None:
    wanted = np.asarray(whole[key], data.dtype)
    _check_same(f"{name}[{key}]", data.read(key), wanted)
    if all(isinstance(k, slice) for k in key):
        out = np.empty(wanted.shape, data.dtype)
        data.read_into(key, out)
        _check_same(f"{name} into [{key}]", out, wanted)


def _check_same(name: str, ours: NDArray[Any], whole: NDArray[Any]) -> None:
    assert ours.shape == whole.shape, f"{name}: shape {ours.shape}, {whole.shape} in a whole read"
    text = whole.dtype.kind == "O"
    same = ours.tolist() == whole.tolist() if text else ours.tobytes() == whole.tobytes()
    assert same, f"{name}: differs from a whole read"


def _keys(shape: tuple[int, ...], rng: random.Random) -> list[tuple[Any, ...]]:
    """The ends, nothing, single places, and random blocks."""
    keys: list[tuple[Any, ...]] = [
        tuple(slice(0, 1) for _ in shape),
        tuple(slice(n - 1, n) for n in shape),
        tuple(slice(n // 2, n // 2) for n in shape),
        tuple(0 for _ in shape),
        tuple(-1 for _ in shape),
    ]
    for _ in range(6):
        starts = [rng.randrange(n) for n in shape]
        stops = [min(n, s + 1 + rng.randrange(min(n, 3000))) for s, n in zip(starts, shape, strict=True)]
        keys.append(tuple(slice(a, b) for a, b in zip(starts, stops, strict=True)))
        keys.append(
            tuple(a if rng.random() < 0.4 else slice(a, b) for a, b in zip(starts, stops, strict=True))
        )
    return keys


def _stepped(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    return [
        tuple(slice(None, None, 3) for _ in shape),
        tuple(slice(n - 1, None, -2) for n in shape),
        (slice(-5, None),),
    ][: 3 if shape else 0]


def _held(path: Path) -> tuple[int, set[threading.Thread]]:
    """How often the file is open in this process, and the threads that run."""
    gc.collect()
    links = Path("/proc/self/fd")
    count = 0
    for entry in links.iterdir() if links.is_dir() else ():
        try:
            count += entry.readlink() == path.resolve()
        except OSError:  # closed meanwhile
            continue
    return count, set(threading.enumerate())


def _check_released(path: Path, before: tuple[int, set[threading.Thread]]) -> None:
    for thread in set(threading.enumerate()) - before[1]:
        thread.join(5)
    after = _held(path)
    assert after[0] == before[0], (
        f"{path.name}: still open {after[0] - before[0]} time(s) after it was closed"
    )
    left = [thread.name for thread in after[1] - before[1]]
    assert not left, f"{path.name}: threads run on after it was closed: {left}"


# -- comparison ---------------------------------------------------------------------------------------------


def _paths(opened: xr.Dataset | xr.DataTree) -> set[str]:
    if not hasattr(opened, "subtree"):
        return {str(name) for name in opened.variables}
    nodes: Any = opened.subtree
    return {f"{node.path.strip('/')}/{name}".strip("/") for node in nodes for name in node.variables}


def _attribute(opened: xr.Dataset | xr.DataTree, key: str) -> Any:
    path, _, name = key.partition("@")
    held: Any = opened if not path else opened[path]
    assert name in held.attrs, (
        f"{path or 'the root'} has no attribute {name!r}; there are {sorted(held.attrs)}"
    )
    return held.attrs[name]


def _check_notes(tree: xr.DataTree, key: str, wanted: Any, name: str) -> None:
    kind = "fuse_not_carried" if key.startswith("?dropped") else "fuse_warnings"
    notes = [str(note) for note in tree.attrs.get(kind) or []]
    for text in [wanted] if isinstance(wanted, str) else list(wanted):
        assert any(text in note for note in notes), f"{name}: no note holds {text!r}; there are {notes}"


def _check_equal(ours: Any, wanted: Any, tolerance: float, name: str) -> None:
    if isinstance(wanted, Mapping) or wanted is None:
        assert ours == wanted, f"{name} is {ours!r}, {wanted!r} was expected"
        return
    left, right = np.asarray(ours), np.asarray(wanted)
    assert left.shape == right.shape, f"{name} has shape {left.shape}, {right.shape} was expected"
    if left.dtype.kind in "OTU" or right.dtype.kind in "OTU":
        a, b = [str(v) for v in left.ravel()], [str(v) for v in right.ravel()]
        assert a == b, f"{name} is {a[:20]}, {b[:20]} was expected"
        return
    floats = left.dtype.kind in "fc" or right.dtype.kind in "fc"
    if tolerance and floats and right.size:
        finite = np.abs(right[np.isfinite(right)])
        slack = tolerance * float(finite.max()) if finite.size else 0.0
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=slack, equal_nan=True, err_msg=name)
    else:
        np.testing.assert_array_equal(left, right, err_msg=name)
