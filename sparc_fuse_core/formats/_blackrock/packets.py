"""The packets of an event file: which are spikes, which are other events, and what those say."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import LimitExceeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._blackrock.nev import EventFile

_TOGETHER = 4 << 20
_MOST_EVENTS = 1 << 21
_FIRST_SYSTEM = 1 << 15
_STIMULATION = range(5121, 5633)  # specification 2.1 and 2.2
_EARLY = ("2.1", "2.2")
_CLOCK_BACK = 1.0  # seconds: packets of different kinds are not strictly in order


@dataclass(slots=True)
class Sorted:
    """Where the spikes are (packet numbers) and on which electrodes, the other packets as they are with their
    places, and the packets at which the clock was set back."""

    spikes: NDArray[Any]
    electrodes: list[int]
    others: NDArray[np.uint8]
    places: NDArray[np.int64]
    restarts: list[int]


@dataclass(slots=True)
class Tracks:
    """Objects that were tracked in a video: one row for each time a point was stored."""

    ticks: list[int] = field(default_factory=list)
    heads: list[tuple[int, ...]] = field(default_factory=list)  # parent, node, nodes, points
    points: list[NDArray[np.uint16]] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """Events as lists of one length; ``values`` is NaN where an event has no number."""

    ticks: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    analog: list[tuple[int, ...]] = field(default_factory=list)
    colours: int = 0
    tracks: Tracks = field(default_factory=Tracks)


def rows_of(held: EventFile, start: int, stop: int) -> NDArray[np.uint8]:
    """Packets ``start`` to ``stop`` as (packet, byte)."""
    raw = held.source.read(held.begin + start * held.packet, (stop - start) * held.packet, "packets")
    return np.frombuffer(raw, "u1").reshape(-1, held.packet)


def ticks_in(held: EventFile, rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    size = np.dtype(held.stamp).itemsize
    ticks: NDArray[np.int64] = np.ascontiguousarray(rows[:, :size]).view(held.stamp)[:, 0].astype("i8")
    return ticks


def numbers_in(held: EventFile, rows: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Identifier of each packet: the electrode of a spike, 0 or a number from 32768 on otherwise."""
    end = held.payload
    numbers: NDArray[np.uint16] = np.ascontiguousarray(rows[:, end - 2 : end]).view("<u2")[:, 0]
    return numbers.astype("u2", copy=False)


def are_spikes(held: EventFile, numbers: NDArray[np.uint16]) -> NDArray[np.bool_]:
    spikes = (numbers > 0) & (numbers < _FIRST_SYSTEM)
    if held.spec in _EARLY:
        spikes &= (numbers < _STIMULATION.start) | (numbers >= _STIMULATION.stop)
    return spikes


def sort_packets(held: EventFile) -> Sorted:
    """Go over all packets once; what is kept is the place of each spike, and the other packets."""
    together = max(1, _TOGETHER // held.packet)
    spikes, others, places, restarts = [], [], [], []
    seen: set[int] = set()
    kept, last, width = 0, None, "u4" if held.packets < 1 << 32 else "i8"
    for start in range(0, held.packets, together):
        rows = rows_of(held, start, min(held.packets, start + together))
        numbers, ticks = numbers_in(held, rows), ticks_in(held, rows)
        spiking = are_spikes(held, numbers)
        seen.update(np.unique(numbers[spiking]).tolist())
        spikes.append((np.flatnonzero(spiking) + start).astype(width))
        others.append(rows[~spiking])
        places.append(np.flatnonzero(~spiking) + start)
        kept += len(places[-1])
        if kept > _MOST_EVENTS:
            raise LimitExceeded(
                f"{held.source.name}: holds more than {_MOST_EVENTS} events that are no spikes",
                hint="Open it without scan=True: its packets are then listed as they are.",
            )
        before = ticks if last is None else np.concatenate([[last], ticks])
        back = np.flatnonzero(np.diff(before) < -_CLOCK_BACK * held.resolution) + (last is None)
        restarts += [int(place) + start for place in back]
        last = int(ticks[-1])
    none = np.empty((0, held.packet), "u1")
    return Sorted(
        np.concatenate([np.empty(0, width), *spikes]),
        sorted(seen),
        np.concatenate([none, *others]),
        np.concatenate([np.empty(0, "i8"), *places]),
        restarts,
    )


def read_events(held: EventFile, rows: NDArray[np.uint8]) -> Found:
    """What the packets say that are no spikes."""
    found = Found(ticks=ticks_in(held, rows).tolist())
    for place, (number, row) in enumerate(zip(numbers_in(held, rows).tolist(), rows, strict=True)):
        body = row[held.payload :].tobytes()
        kind, label, value = _told(held, found, place, number, body)
        found.kinds.append(kind)
        found.labels.append(label)
        found.values.append(value)
    return found


def _told(held: EventFile, found: Found, place: int, number: int, body: bytes) -> tuple[str, str, float]:
    """Kind, label and number of one event."""
    later = held.major >= 3
    if number == 0:
        return _digital(held, found, body)
    if number == 0xFFFF:
        return _comment(found, body)
    if number == 0xFFFE and len(body) >= 14:
        file, frame, elapsed, source = struct.unpack_from("<HIII", body)
        label = f"video {source}, file {file}, frame {frame}, {elapsed} ms"
        return "video synchronisation", label, float(frame)
    if number == 0xFFFD and len(body) >= 8:
        return _tracking(found, place, body)
    (first,) = struct.unpack_from("<H", body)
    if number == 0xFFFC:
        return (
            "button trigger",
            {0: "button: none", 1: "button pressed", 2: "button released"}.get(
                first, f"button trigger {first}"
            ),
            float(first),
        )
    if number == 0xFFFB and later:
        said = f"{_plain(body[2:18])}: {_plain(body[18:])}".strip(": ")
        return "log", said or f"log {first}", float(first)
    if number == (0xFFFA if later else 0xFFFB):
        return "configuration", _plain(body[2:]) or f"configuration change {first}", float(first)
    if number == 0xFFF9 and later:
        return "recording", f"recording event {first}", float(first)
    if number in _STIMULATION and held.spec in _EARLY:
        electrode = number - _STIMULATION.start + 1
        return "stimulation", f"stimulation of electrode {electrode}", float(electrode)
    content = body.rstrip(b"\0").hex()
    return f"packet {number:#06x}", f"packet {number:#06x} {content}".strip(), float("nan")


def _plain(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def _digital(held: EventFile, found: Found, body: bytes) -> tuple[str, str, float]:
    reason, value = struct.unpack_from("<BxH", body)
    if held.spec in _EARLY and len(body) >= 14:
        found.analog.append(struct.unpack_from("<5h", body, 4))
    if reason & 0x80:
        return "serial", f"serial {value}", float(value)
    if reason & 1:
        return "digital", f"digital {value}", float(value)
    inputs = [str(bit) for bit in range(1, 6) if reason >> bit & 1]
    if inputs:
        return "analog edge", f"edge on analog input {' and '.join(inputs)}, digital {value}", float(value)
    if reason & 0x40:
        return "periodic", f"periodic, digital {value}", float(value)
    return "digital", f"digital {value} (reason {reason})", float(value)


def _comment(found: Found, body: bytes) -> tuple[str, str, float]:
    charset, flag = body[0], body[1]
    found.colours += flag == 0 and any(body[2:6])
    raw = body[6:]
    if charset == 1:
        said = raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace").split("\0", 1)[0].strip()
    else:
        said = _plain(raw)
    return "comment", said, float("nan")


def _tracking(found: Found, place: int, body: bytes) -> tuple[str, str, float]:
    parent, node, nodes, points = struct.unpack_from("<4H", body)
    found.tracks.ticks.append(found.ticks[place])
    found.tracks.heads.append((parent, node, nodes, points))
    found.tracks.points.append(np.frombuffer(body, "<u2", (len(body) - 8) // 2, 8))
    return "tracking", f"object {node} of {nodes} of parent {parent}, {points} points", float(node)
