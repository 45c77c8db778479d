"""Epocs and scalars as one table of events; snippets as arrays."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._tdt.chunks import read_chunks
from sparc_fuse_core.formats._tdt.index import OFFSET, ONSET, SCALAR, Index, Store
from sparc_fuse_core.model import Array, Events, LazyArray, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

_KINDS = {ONSET: "epoc", OFFSET: "offset", SCALAR: "scalar"}
# A longer store has arrays of its own: a table of text that long helps nobody.
_MOST_LISTED = 100_000


def events_of(index: Index, buddies: Mapping[str, str]) -> tuple[Events | None, list[Array]]:
    """The table of events and its further columns; ``buddies`` names the onset store of each offset store."""
    stores = [store for store in index.stores if store.kind in _KINDS]
    onsets = {store.code: store for store in stores if store.kind == ONSET}
    ends: dict[str, NDArray[np.float64]] = {}
    for store in [store for store in stores if store.kind == OFFSET]:
        onset = onsets.get(buddies.get(store.code, "")) or onsets.get(store.code[:-1] + "/")
        if onset is not None and onset.code not in ends:
            ends[onset.code] = _match(index, onset, store)
            stores.remove(store)
    names = own_names(stores)
    long = [store for store in stores if len(store.time) > _MOST_LISTED]
    arrays = [array for store in long for array in _long_store(index, store, names[id(store)], ends)]
    listed = [store for store in stores if store not in long]
    events, columns = _table(index, listed, ends)
    return events, columns + arrays


def _match(index: Index, onset: Store, offset: Store) -> NDArray[np.float64]:
    """The end of each epoc: the first offset before the next onset; NaN where there is none."""
    order = np.argsort(offset.time, kind="stable")
    times, values = offset.time[order], _values(offset)[order]
    # One epoc may end where the next begins: its end is not that of the next.
    which = np.searchsorted(times, onset.time, side="right")
    ends = np.append(times, np.nan)[which]
    following = np.append(onset.time[1:], np.inf)
    ends[ends > following] = np.nan
    ended = np.isfinite(ends)
    if (values != 0).any() and (values[which[ended]] != _values(onset)[ended]).any():
        index.dropped.append(f"values of the offsets of {onset.code!r}, which are not those of its onsets")
    left = len(offset.time) - int(np.count_nonzero(ended))
    if left:
        index.warnings.append(f"{left} offset(s) of {onset.code!r} follow no onset and are left out.")
    return ends


def own_names(stores: list[Store]) -> dict[int, str]:
    """A name for the variables of each store: its code, numbered where codes are alike."""
    held = {id(store): slug(store.code) or "store" for store in stores}
    counted = {name: len(list(same)) for name, same in groupby(sorted(n.casefold() for n in held.values()))}
    seen: dict[str, int] = {}
    for key, name in held.items():
        seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
        if counted[name.casefold()] > 1:
            held[key] = f"{name}_{seen[name.casefold()]}"
    return held


def _values(store: Store) -> NDArray[np.float64]:
    return np.ascontiguousarray(store.place).view("f8")


def _durations(store: Store, ends: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    if store.kind == ONSET and store.code in ends:
        found: NDArray[np.float64] = ends[store.code] - store.time
        return found
    return np.full(len(store.time), np.nan)


def _table(
    index: Index, stores: list[Store], ends: Mapping[str, NDArray[np.float64]]
) -> tuple[Events | None, list[Array]]:
    if not stores:
        return None, []
    times = np.concatenate([store.time for store in stores])
    owner = np.repeat(np.arange(len(stores)), [len(store.time) for store in stores])
    numbers = np.concatenate([store.channel for store in stores])
    order = np.lexsort((numbers, owner, times))
    owner, channels = owner[order], numbers[order].tolist()
    durations = np.concatenate([_durations(store, ends) for store in stores])[order]
    values = np.concatenate([_values(store) for store in stores])[order]
    events = Events(
        time=times[order] - index.start,
        label=[stores[i].code for i in owner],
        duration=durations if np.isfinite(durations).any() else None,
        channel=[str(channel) if channel else "" for channel in channels] if any(channels) else None,
    )
    kinds = np.array([_KINDS[store.kind] for store in stores], dtype=object)[owner]
    return events, [Array("event_value", values, ("event",)), Array("event_type", kinds, ("event",))]


def _long_store(index: Index, store: Store, own: str, ends: Mapping[str, NDArray[np.float64]]) -> list[Array]:
    index.warnings.append(
        f"The {len(store.time)} events of {store.code!r} are in event_times_{own} and event_values_{own}, not in "
        "the table of events."
    )
    dims = (f"event_{own}",)
    note = {"store": store.code, "kind": _KINDS[store.kind]}
    found = [
        Array(f"event_times_{own}", store.time - index.start, dims, note | {"units": "s"}),
        Array(f"event_values_{own}", _values(store), dims, note),
    ]
    if store.channel.any():
        found.append(Array(f"event_channels_{own}", store.channel, dims, note))
    durations = _durations(store, ends)
    if np.isfinite(durations).any():
        found.append(Array(f"event_durations_{own}", durations, dims, note | {"units": "s"}))
    return found


def snippets_of(index: Index, store: Store, own: str, data: Source | None) -> list[Array]:
    """Times, channels and sort codes of snippets; their samples, shape (snippet, point), where they are there."""
    snippet = f"snippet_{own}"
    note: dict[str, Any] = {"store": store.code}
    found = [
        Array(f"snippet_times_{own}", store.time - index.start, (snippet,), note | {"units": "s"}),
        Array(f"snippet_channels_{own}", store.channel, (snippet,), note),
        Array(f"snippet_sort_codes_{own}", store.sort, (snippet,), note),
    ]
    if data is None:
        index.warnings.append(
            f"The snippets of store {store.code!r} are without their samples: the .tev is missing."
        )
        index.dropped.append(f"samples of the snippets of store {store.code!r}")
    else:
        rate = {"sampling_frequency": float(store.rate)} if store.rate else {}
        dims = (snippet, f"point_{own}")
        found.insert(0, Array(f"snippets_{own}", _waveforms(store, data), dims, note | rate))
    return found


def _waveforms(store: Store, data: Source) -> LazyArray:
    places, points, dtype = store.place, store.points, store.dtype

    def read(key: Key) -> NDArray[Any]:
        which, point = key
        span = which if isinstance(which, slice) else slice(which, which + 1)
        rows = read_chunks(data, places[span], points, dtype)[:, point]
        return rows if isinstance(which, slice) else rows[0]

    return LazyArray((len(places), points), dtype.newbyteorder("="), read, blocks=(1, points))
