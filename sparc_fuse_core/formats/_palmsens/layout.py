"""Sets of columns as streams, where they have a time, and as arrays along their points."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparc_fuse_core.formats._palmsens.session import Column, Columns
from sparc_fuse_core.model import Array, Stream, slug


class Layout:
    """What a session becomes; ``repeated`` names the sets that only repeat the values of others."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.arrays: list[Array] = []
        self.repeated: list[dict[str, Any]] = []
        self._taken: set[str] = set()

    def place(self, sets: list[Columns]) -> None:
        """Lay out the sets of one measurement."""
        stored: dict[bytes, str] = {}
        families: dict[str, list[Columns]] = {}
        for found in sets:
            families.setdefault(found.family, []).append(found)
        for together in families.values():
            names = {id(c): _stored(c, stored) for found in together for c in found.columns}
            if all(names.values()):
                self.repeated += [
                    {"set": f.path, "title": f.title, "same_as": [names[id(c)] for c in f.columns]}
                    for f in together
                ]
            elif len(together) > 1 and all(f.signature() == together[0].signature() for f in together):
                self._scans(together)
            else:
                for found in together:
                    stored |= {column.print(): name for column, name in self._single(found)}

    def _name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name.casefold())
        return name

    def _single(self, found: Columns) -> list[tuple[Column, str]]:
        group = self._name(slug(found.title) or "data")
        left = [c for c in found.columns if c.values.size]
        placed: list[tuple[Column, str]] = []
        for clock in [c for c in left if c.is_time and _rises(c.values)]:
            channels = [c for c in left if not c.is_time and c.values.size == clock.values.size]
            if "dataset" in found.path and channels:
                placed += self._stream(found, group, clock, channels)
                used = {id(clock), *map(id, channels)}
                left = [c for c in left if id(c) not in used]
        sizes = list(dict.fromkeys(c.values.size for c in left))
        for column in left:
            place = sizes.index(column.values.size)
            dim = f"{group}_point" + (f"_{place + 1}" if place else "")
            name = self._name(f"{group}_{slug(column.name) or 'values'}")
            self._arrays([column], name, (dim,), found)
            placed.append((column, name))
        return placed

    def _stream(
        self, found: Columns, group: str, clock: Column, channels: list[Column]
    ) -> list[tuple[Column, str]]:
        first = not self.streams
        name = group if first else self._name(f"signals_{group}").removeprefix("signals_")
        attrs: dict[str, Any] = {"title": found.title, "measurement": found.measurement}
        if found.start:
            attrs["measurement_start"] = found.start
        if "interval" in clock.attrs:
            attrs["nominal_interval"] = float(clock.attrs["interval"])
        self.streams.append(
            Stream(
                np.stack([c.values for c in channels]),
                name=name,
                time=clock.values,
                channel_names=[c.name for c in channels],
                units=[c.unit for c in channels],
                attrs=attrs,
            )
        )
        dim = "time" if first else f"time_{name}"
        for column in channels:
            self._beside([column], f"{group}_{slug(column.name)}", (dim,))
        shown = "signals" if first else f"signals_{name}"
        return [(clock, dim), *((c, f"{shown}: {c.name}") for c in channels)]

    def _scans(self, together: list[Columns]) -> None:
        """The sub-scans of one scan, which have the same columns, as (scan, point)."""
        group = self._name(slug(together[0].family_title) or "scans")
        titles = np.empty(len(together), object)
        titles[:] = [found.title for found in together]
        self.arrays.append(Array(f"{group}_title", titles, (f"{group}_scan",)))
        sizes = list(dict.fromkeys(c.values.size for c in together[0].columns if c.values.size))
        for same in zip(*(found.columns for found in together), strict=True):
            if not same[0].values.size:
                continue
            place = sizes.index(same[0].values.size)
            dims = (f"{group}_scan", f"{group}_point" + (f"_{place + 1}" if place else ""))
            name = self._name(f"{group}_{slug(same[0].name) or 'values'}")
            self._arrays(list(same), name, dims, together[0])

    def _arrays(self, same: list[Column], name: str, dims: tuple[str, ...], found: Columns) -> None:
        attrs: dict[str, Any] = {"long_name": same[0].name, "measurement": found.measurement}
        if same[0].unit:
            attrs["units"] = same[0].unit
        if same[0].quantity:
            attrs["quantity"] = same[0].quantity
        if len(dims) == 1:
            attrs["title"] = found.title
        if found.start:
            attrs["measurement_start"] = found.start
        values = [c.values for c in same]
        self.arrays.append(
            Array(name, np.stack(values) if len(dims) > 1 else values[0], dims, attrs | same[0].attrs)
        )
        self._beside(same, name, dims)

    def _beside(self, same: list[Column], name: str, dims: tuple[str, ...]) -> None:
        for key in same[0].beside:
            values = [c.beside[key] for c in same]
            held = np.stack(values) if len(dims) > 1 else values[0]
            self.arrays.append(Array(self._name(f"{name}_{slug(key) or 'more'}"), held, dims))


def _stored(column: Column, stored: dict[bytes, str]) -> str:
    """The name under which the same values were stored before; "" when they were not."""
    if not column.values.size:
        return "empty"
    return stored.get(column.print(), "")


def _rises(values: Any) -> bool:
    return bool(
        values.size > 1
        and np.isfinite(values).all()
        and (np.diff(values) >= 0).all()
        and values[-1] > values[0]
    )
