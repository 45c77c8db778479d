"""A PSTrace session as sets of columns: data sets, curves and impedance scans, whatever version wrote them.

Keys differ in case between versions and new kinds of sets appear with them, so nothing is looked up by its
place: every object with ``DataValues`` is a column, and the columns of one object form a set, named after the
nearest ``Title`` around it.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What stands beside the value of one reading.
_BESIDE = {"c": "current_range", "s": "status", "t": "timing_status", "r": "potential_range"}
_PREFIX = {"Pico": "p", "Nano": "n", "Micro": "u", "Milli": "m", "Kilo": "k", "Mega": "M"}
_NO_UNITS = ("npoints", "tint", "ymean")  # names of counters that PSTrace writes where units stand
_KIND_BITS = (1 << 62) - 1  # .NET keeps the kind of a date in the two bits above


@dataclass(slots=True)
class Column:
    """One array of readings: values in ``unit``, and what stands beside each value."""

    name: str
    quantity: str
    unit: str
    values: NDArray[Any]
    beside: dict[str, NDArray[Any]]
    is_time: bool
    attrs: dict[str, Any]

    def print(self) -> bytes:
        """A fingerprint: columns that repeat each other have the same."""
        digest = hashlib.sha256(repr((self.unit, self.quantity, self.values.size)).encode())
        digest.update(self.values.tobytes())
        for key, values in self.beside.items():
            digest.update(repr((key, values.tolist())).encode())
        return digest.digest()


@dataclass(slots=True)
class Columns:
    """Columns that belong together; ``family`` is shared by the sub-scans of one scan."""

    title: str
    path: str
    family: str
    family_title: str
    measurement: int
    start: str
    columns: list[Column] = field(default_factory=list)

    def signature(self) -> list[tuple[str, str, int, tuple[str, ...]]]:
        return [(c.name, c.unit, c.values.size, tuple(c.beside)) for c in self.columns]


def lowered(held: dict[str, Any]) -> dict[str, Any]:
    """The same object with its keys in lower case."""
    return {key.lower(): value for key, value in held.items()}


def start_of(measurement: dict[str, Any]) -> str:
    """When a measurement began as ISO 8601, with its zone where known; "" where it does not say."""
    held = lowered(measurement)
    for key, zone in (("utctimestamp", "+00:00"), ("timestamp", "")):
        ticks = held.get(key)
        if isinstance(ticks, int) and not isinstance(ticks, bool) and ticks > 0:
            try:
                began = datetime.datetime(1, 1, 1) + datetime.timedelta(
                    microseconds=(ticks & _KIND_BITS) // 10
                )
            except OverflowError:
                continue
            return began.isoformat(timespec="microseconds") + zone
    return ""


def sets_of(measurement: dict[str, Any], number: int) -> list[Columns]:
    """Every set of columns in a measurement, in the order of the file."""
    return list(_sets(measurement, Columns("", "", "", "", number, start_of(measurement))))


def _sets(held: dict[str, Any], around: Columns) -> Iterator[Columns]:
    """The sets in an object; ``around`` has the title and the place of what is around it."""
    inner = lowered(held)
    own = inner.get("title")
    found = replace(around, columns=[])
    if isinstance(own, str) and own.strip():
        found.title = own
    rest: list[tuple[str, dict[str, Any]]] = []
    for key, value in inner.items():
        parts = value if isinstance(value, list) else [value]
        for place, part in enumerate(parts):
            if not isinstance(part, dict):
                continue
            if "datavalues" in (low := lowered(part)):
                found.columns.append(_column(low))
            else:
                rest.append((f"{found.path}/{key}" + (f"[{place}]" if isinstance(value, list) else ""), part))
    if found.columns:
        _tell_apart(found.columns)
        yield found
    for where, part in rest:
        inside = replace(found, path=where, family=found.family or where)
        if where.rpartition("/")[2].startswith("subscans["):
            inside.family, inside.family_title = f"{found.path}/subscans", found.title
        elif "subscans" not in found.family:
            inside.family = where
        yield from _sets(part, inside)


def _tell_apart(columns: list[Column]) -> None:
    """Names that are unique: potential and current of one scan have the same description."""
    names = [column.name for column in columns]
    for column in columns:
        if names.count(column.name) > 1 and column.quantity:
            column.name = f"{column.name} {column.quantity}"


def _column(held: dict[str, Any]) -> Column:
    entries = held["datavalues"] if isinstance(held["datavalues"], list) else []
    rows = [lowered(e) if isinstance(e, dict) else {"v": e} for e in entries]
    unit = lowered(held["unit"]) if isinstance(held.get("unit"), dict) else {}
    quantity = unit.get("q") if isinstance(unit.get("q"), str) else ""
    kind = str(held.get("type") or "")
    attrs = {
        name: held[key]
        for key, name in (("arraytype", "array_type"), ("intervaltime", "interval"), ("hidden", "hidden"))
        if isinstance(held.get(key), int | float)
    }
    return Column(
        name=str(held.get("description") or quantity or "values"),
        quantity=str(quantity or ""),
        unit=_unit(unit),
        values=_numbers([row.get("v") for row in rows]),
        beside=_beside(rows),
        is_time=kind.endswith("DataArrayTime") or str(unit.get("type", "")).endswith("Units.Time"),
        attrs=attrs,
    )


def _unit(unit: dict[str, Any]) -> str:
    """The symbol with the prefix that only the type of the unit tells: MicroAmpere is written as A."""
    symbol = unit.get("s")
    kind = str(unit.get("type") or "").rpartition(".")[2]
    if not isinstance(symbol, str) or not symbol.strip() or symbol in _NO_UNITS:
        return ""
    prefix = next((sign for word, sign in _PREFIX.items() if kind.startswith(word)), "")
    symbol = symbol.strip()
    return symbol if not prefix or (len(symbol) > 1 and symbol[0] in "pnuµμmkM") else prefix + symbol


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array([_number(value) for value in values], np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, str):
        try:
            return float(value)  # "NaN" and "Infinity" as .NET spells them
        except ValueError:
            return float("nan")
    return float("nan")


def _beside(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for key in dict.fromkeys(key for row in rows for key in row if key != "v"):
        values = [row.get(key) for row in rows]
        if any(isinstance(value, str) for value in values):
            texts = np.empty(len(values), object)
            texts[:] = ["" if value is None else str(value) for value in values]
            found["text" if key == "t" else key] = texts
        else:
            numbers = _numbers(values)
            whole = np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all()
            small = whole and (np.abs(numbers) < 1 << 31).all()
            found[_BESIDE.get(key, key)] = numbers.astype("i4") if small else numbers
    return found


def settings(value: Any) -> Any:
    """All of a session but its values, colours and hashes."""
    if isinstance(value, dict):
        return {
            key: len(inner) if key.lower() == "datavalues" and isinstance(inner, list) else settings(inner)
            for key, inner in value.items()
            if not key.lower().startswith("appearance") and key.lower() != "hash"
        }
    return [settings(inner) for inner in value] if isinstance(value, list) else value
