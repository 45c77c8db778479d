"""SON64 files written by hand; a scan for data blocks, which does not use the index, is the oracle."""

from __future__ import annotations

import struct

import numpy as np
from formats._son import KINDS, events, everything, expected, joined, noise, patched, wave, write64

STARTED = {"@recording_start": "2021-09-08T07:56:34.120000"}
BLOCK = 1 << 16


def make(folder):
    """Every kind of channel, deep indexes, heads of several blocks, blocks of deleted channels, damage."""
    channels = everything()
    kinds = {
        "all.smrx": {},
        "deep.smrx": {"deep": 3, "each": 1, "only": 5},
        "wide.smrx": {"places": [1, 236, 237, 400, 1000], "only": 5, "extra": 70_000},
        "again.smrx": {"life": 2, "only": 9},
        "ms.smrx": {"seconds": 1e-3},
        "third.smrx": {"seconds": 1 / 3e5},
        "noisy.smrx": {"seconds": 4.9999999999999996e-06, "each": 30},
    }
    found = {}
    for name, more in kinds.items():
        mine = channels[: more.pop("only", len(channels))]
        write64(folder / name, mine, **more)
        found[name] = expected(mine, round(1 / more.get("seconds", 1e-6))) | STARTED
    (folder / "named.smr").write_bytes((folder / "all.smrx").read_bytes())
    found["named.smr"] = found["all.smrx"]
    found["wide.smrx"]["?dropped"] = "the 70000 bytes"
    return found | many_sections(folder) | long_tables(folder) | damaged(folder)


def many_sections(folder):
    """Samples that come in hundreds of short runs: one read takes in many of them."""
    runs = [(k * 1000 + k % 3, noise(1 + k % 9, k)) for k in range(500)]
    channels = [wave("Adc", "A", runs, 10), wave("RealWave", "B", [(t, v / 7) for t, v in runs], 10)]
    write64(folder / "sections.smrx", channels, each=200)
    return {"sections.smrx": expected(channels, 1e6)}


def long_tables(folder):
    """More events than a table is made of: of the long channels only times and levels are there, lazily."""
    few = [wave("Adc", "A", [(0, noise(20))], 5), events("EventRise", "Few", [5])]
    many = events("EventBoth", "Many", range(0, 300_000 * 3, 3), low=True)
    write64(folder / "long.smrx", [*few, many], each=4000)
    facts = expected(few, 1e6) | {"?warning": "are in mark_times_Many, not in the table"}
    levels = (np.arange(300_000) + 1) % 2
    return {"long.smrx": facts | {"mark_times_Many": np.arange(300_000) * 3e-6, "mark_levels_Many": levels}}


def damaged(folder):
    """A deleted channel, and files that must not be read as if they were whole."""
    channels = [wave("Adc", "A", [(0, noise(2000, 1))], 10), events("EventFall", "E", range(0, 900, 9))]
    write64(folder / "plain.smrx", [*channels, events("EventRise", "Gone", [1, 2])])
    first, second, gone = (0x800 + 0x110 * i for i in range(3))
    plain = patched((folder / "plain.smrx").read_bytes(), gone + 0x2E, "<H", 0x300)
    index, blocks = struct.unpack_from("<QqQ", plain, first)[::2]
    block = struct.unpack_from("<Q", plain, index + 24)[0]
    order = struct.unpack_from("<Q", plain, second)[0]
    files = {
        "plain.smrx": plain,
        "cut.smrx": plain[: len(plain) * 2 // 3],
        "head.smrx": plain[:0x900],
        "version.smrx": patched(plain, 7, "<B", 2),
        "more.smrx": patched(plain, first + 0x10, "<Q", blocks + 1),
        "item.smrx": patched(plain, second + 0x20, "<I", 24),
        "kind.smrx": patched(plain, first + 0x2E, "<H", 11),
        "life.smrx": patched(plain, first + 0x2C, "<H", 1),
        "index.smrx": patched(plain, first, "<Q", struct.unpack_from("<Q", plain, second)[0]),
        "tick.smrx": patched(plain, block + 16, "<q", 70),
        "section.smrx": patched(plain, block + 24, "<Q", 40_000),
        "strings.smrx": patched(plain, first + 0x34, "<I", 500),
        "channels.smrx": patched(plain, 0x38, "<I", 1 << 20),
        "rate.smrx": patched(plain, first + 0x48, "<d", 4000.0),
        "end.smrx": patched(plain, first + 8, "<q", 70_000),
        "order.smrx": patched(plain, struct.unpack_from("<Q", plain, order + 24)[0] + 24, "<q", 1 << 40),
        "fewer.smrx": patched(plain, first + 0x10, "<Q", blocks - 1),
        "never.smrx": plain[:0x800] + bytes(0x330) + plain[0xB30:],
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found = {name: {"!error": "FormatError"} for name in files}
    facts = expected(channels, 1e6)
    found["plain.smrx"] = facts | {"?dropped": "channel 3, which was deleted"}
    found["rate.smrx"] = facts | {"?warning": "4000 Hz were asked for"}
    found["end.smrx"] = facts | {"?warning": "is said to end at tick 70000"}
    found["fewer.smrx"] = {"?warning": "its samples end at tick"}
    found["order.smrx"] = {"?warning": "1 of its 100 events are before the one before them"}
    found["cut.smrx"] = found["head.smrx"] = {"!error": "Truncated"}
    found["channels.smrx"] = {"!error": "LimitExceeded"}
    return found


def oracle(path):
    """What lies in all data blocks of a channel, in order of time."""
    raw = path.read_bytes()
    if struct.unpack_from("<I", raw, 0x3E4)[0]:
        return None
    seconds, place, strings_at, count = struct.unpack_from("<d8x3I", raw, 0x20)
    strings, at = [""], strings_at + 8
    for _ in range(struct.unpack_from("<I", raw, strings_at + 4)[0]):
        end = raw.index(b"\0", at + 4)
        strings.append(raw[at + 4 : end].decode())
        at = (end + 4) // 4 * 4
    found = []
    for n in range(count):
        head = raw[place + 0x110 * n :][:0x110]
        owner = n | struct.unpack_from("<H", head, 0x2C)[0] << 16
        spots = [
            b
            for b in range(BLOCK, len(raw), BLOCK)
            if raw[b + 1] & 15 == 0 and struct.unpack_from("<I", raw, b + 8)[0] == owner
        ]
        if head[0x2E] and spots:
            found.append(
                scanned(
                    raw, head, strings, sorted(spots, key=lambda b: struct.unpack_from("<q", raw, b + 16))
                )
            )
    return expected(found, round(1 / seconds), 1e-9)


def scanned(raw, head, strings, spots):
    kind = KINDS[head[0x2E]]
    title, units = (strings[i] for i in struct.unpack_from("<2I", head, 0x34))
    step, scale, offset = struct.unpack_from("<I12xdd", head, 0x40)
    size, points, traces, before = struct.unpack_from("<IHHH", head, 0x20)
    if kind in ("Adc", "RealWave"):
        runs = []
        for b in spots:
            at = b + 16
            for _ in range(struct.unpack_from("<I", raw, b + 12)[0]):
                tick, count = struct.unpack_from("<qQ", raw, at)
                runs.append((tick, np.frombuffer(raw, "<i2" if kind == "Adc" else "<f4", count, at + 16)))
                at += 16 + (count * size + 7) // 8 * 8
        return wave(kind, title, joined(runs, step), step, units, scale, offset)
    items = [
        raw[b + 16 + i * size :][:size]
        for b in spots
        for i in range(struct.unpack_from("<I", raw, b + 12)[0])
    ]
    more = {"ticks": [struct.unpack_from("<q", item)[0] for item in items]}
    if size > 8 and kind != "EventBoth":
        more["codes"] = [tuple(item[8:12]) for item in items]
    if kind == "EventBoth":
        more["low"] = bool(items[0][8])
    if kind == "TextMark":
        more["texts"] = [item[16:].split(b"\0")[0].decode() for item in items]
    if kind in ("AdcMark", "RealMark"):
        held = "<i2" if kind == "AdcMark" else "<f4"
        data = np.array(
            [np.frombuffer(i, held, points * traces, 16).reshape(points, traces).T for i in items]
        )
        more |= {
            "data": data,
            "before": before,
            "step": step,
            "scale": scale,
            "offset": offset,
            "units": units,
        }
    return {"kind": kind, "title": title, **more}
