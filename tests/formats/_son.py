"""Spike2 channels as plain dicts, what a reader must make of them, and writers of SON32 and SON64 by hand.

A channel has ``kind``, ``title`` and, by kind: ``runs`` of (tick, values) with ``step``, ``scale``,
``offset``, ``units``; or ``ticks`` with ``codes``, ``texts``, ``low`` or ``data`` (mark, trace, point).
"""

from __future__ import annotations

import re
import struct

import numpy as np

KINDS = [
    "",
    "Adc",
    "EventFall",
    "EventRise",
    "EventBoth",
    "Marker",
    "AdcMark",
    "RealMark",
    "TextMark",
    "RealWave",
]
CODED = ("Marker", "AdcMark", "RealMark", "TextMark")


def wave(kind, title, runs, step, units="mV", scale=1.0, offset=0.0, **more):
    held = "i2" if kind == "Adc" else "f4"
    runs = [(tick, np.asarray(values, held)) for tick, values in runs]
    return {"kind": kind, "title": title, "runs": runs, "step": step, "units": units, "scale": scale} | {
        "offset": offset,
        **more,
    }


def events(kind, title, ticks, **more):
    return {"kind": kind, "title": title, "ticks": list(ticks), **more}


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(-32768, 32767, count)


def everything():
    """Two channels that share a stream, one that starts later, one with gaps, one of floats; all events."""
    one, two = noise(700, 1), noise(700, 2)
    gap = [(7, noise(300, 3)), (7 + 300 * 20 + 55, noise(1, 4)), (9000, noise(90, 5))]
    floats = np.random.default_rng(6).normal(size=410)
    shapes = np.arange(2 * 5 * 8).reshape(5, 2, 8) * 3 - 100
    single = np.arange(7 * 6).reshape(7, 1, 6) * -4
    numbers = np.arange(12, dtype="f4").reshape(4, 1, 3) / 8
    return [
        wave("Adc", "ECG", [(3, one)], 10, scale=2.5, offset=-0.75, comment="lead II"),
        wave("Adc", "Nerve", [(3, two)], 10, scale=2.5, offset=-0.75),
        wave("Adc", "Late", [(4, one)], 10, units="µV"),
        wave("Adc", "Gaps", gap, 20, scale=0.125),
        wave("RealWave", "Force", [(5, floats)], 25, units="N"),
        events("EventFall", "Stim", [10, 20, 3000]),
        events("EventRise", "Beat", range(15, 4000, 13)),
        events("EventBoth", "Up", range(100, 1100, 7), low=True),
        events("EventBoth", "Down", [20, 21], low=False),
        events("Marker", "Keyboard", [1, 50, 70], codes=[(65, 0, 0, 0), (1, 2, 3, 4), (0, 255, 0, 0)]),
        events("TextMark", "Notes", [2, 60], codes=[(0, 0, 0, 0), (7, 0, 0, 0)], texts=["drug on", "ß µ"],
               size=14),
        events("AdcMark", "Stereo", range(30, 80, 10), codes=[(c, 0, 0, 0) for c in range(5)], data=shapes,
               step=10, before=3, scale=0.5, offset=0.25, units="mV"),
        events("AdcMark", "Unit", range(31, 101, 10), codes=[(1, 0, 0, 0)] * 7, data=single, step=10,
               before=1, scale=1.0, offset=0.0, units="V"),
        events("RealMark", "Fit", range(40, 80, 10), codes=[(2, 0, 0, 0)] * 4, data=numbers, units="kg"),
    ]  # fmt: skip


# -- for both ----------


def patched(data, at, layout, value):
    out = bytearray(data)
    struct.pack_into(layout, out, at, value)
    return bytes(out)


def joined(runs, step):
    """Blocks that follow without a gap as one run."""
    out = []
    for tick, values in runs:
        if out and tick == out[-1][0] + len(out[-1][1]) * step:
            out[-1] = (out[-1][0], np.concatenate([out[-1][1], values]))
        else:
            out.append((tick, values))
    return out


# -- what a reader must make of them ------------------------------------------------------------------------


def ticks_of(channel):
    parts = [tick + channel["step"] * np.arange(len(values)) for tick, values in channel["runs"]]
    return np.concatenate(parts)


def physical(channel):
    raw = np.concatenate([values for _, values in channel["runs"]]).astype("f8")
    return raw * channel["scale"] / 6553.6 + channel["offset"] if channel["kind"] == "Adc" else raw


def code_text(codes):
    last = max([i for i, c in enumerate(codes) if c], default=0)
    return " ".join(chr(c) if 33 <= c <= 126 else f"{c:02X}" for c in codes[: last + 1])


def label(channel, i):
    if channel["kind"] == "TextMark":
        return channel["texts"][i]
    if channel["kind"] == "EventBoth":
        return f"{channel['title']} {'rise' if (i % 2 == 0) == channel['low'] else 'fall'}"
    if channel["kind"] in CODED:
        return f"{channel['title']} {code_text(channel['codes'][i])}"
    return channel["title"]


def expected(channels, per_second, tolerance=1e-12):
    facts = {"~": tolerance}
    groups = {}
    for c in channels:
        if c.get("runs"):
            groups.setdefault((c["kind"], tuple(ticks_of(c))), []).append(c)
    for number, group in enumerate(groups.values()):
        first, rate = group[0], per_second / group[0]["step"]
        name = first["title"] if len(group) == 1 else f"{rate:.10g} Hz"
        suffix = "_" + re.sub(r"\W+", "_", name).strip("_") if number else ""
        facts[f"signals{suffix}"] = np.array([physical(c) for c in group])
        facts[f"channel_name{suffix}"] = [c["title"] for c in group]
        if any(c["units"] for c in group):
            facts[f"channel_units{suffix}"] = [c["units"] for c in group]
        facts[f"time{suffix}"] = ticks_of(first) / per_second
        gaps = len(first["runs"]) > 1
        facts[f"signals{suffix}@{'nominal_' if gaps else ''}sampling_frequency"] = rate
    return facts | event_facts(channels, per_second)


def event_facts(channels, per_second):
    rows, facts = [], {}
    for order, c in enumerate(c for c in channels if c.get("ticks")):
        codes = c.get("codes") or [(0, 0, 0, 0)] * len(c["ticks"])
        rows += [(t, order, label(c, i), c["title"], codes[i], c["kind"]) for i, t in enumerate(c["ticks"])]
        if c["kind"] in ("AdcMark", "RealMark"):
            facts |= mark_facts(c, per_second)
    rows.sort(key=lambda row: row[:2])
    if rows:
        facts["event_time"] = np.array([row[0] for row in rows]) / per_second
        facts["event_label"] = [row[2] for row in rows]
        facts["event_channel"] = [row[3] for row in rows]
        facts["event_type"] = [row[5] for row in rows]
        if any(row[5] in CODED for row in rows):
            facts["event_codes"] = np.array([row[4] for row in rows])
    return facts


def mark_facts(c, per_second):
    title, data = c["title"], c["data"].astype("f8")
    if data.shape[1] == 1:
        data = data[:, 0]
    facts = {
        f"mark_times_{title}": np.array(c["ticks"]) / per_second,
        f"mark_codes_{title}": np.array(c["codes"]),
    }
    if c["kind"] == "RealMark":
        return facts | {f"values_{title}": data, f"values_{title}@units": c["units"]}
    return (
        facts
        | {
            f"waveforms_{title}": data * c["scale"] / 6553.6 + c["offset"],
            f"waveforms_{title}@sampling_frequency": per_second / c["step"],
            f"waveforms_{title}@points_before_trigger": c["before"],
        }
        | ({f"waveforms_{title}@units": c["units"]} if c["units"] else {})
    )


# -- SON32 --------------------------------------------------------------------------------------------------


def item32(c, i, order, align, encoding):
    raw = struct.pack(order + "i", c["ticks"][i])
    if c["kind"] in CODED:
        raw += bytes(c["codes"][i]) + attached(c, i, order, encoding)
        raw += bytes(-len(raw) % 4 if align else 0)
    return raw


def attached(c, i, order, encoding):
    if c["kind"] == "TextMark":
        return (c["texts"][i].encode(encoding) + b"\0\xfe\xfe")[: c["size"]].ljust(c["size"], b"\xfe")
    if "data" in c:  # point by point, all traces of each
        return c["data"][i].T.astype(order + ("i2" if c["kind"] == "AdcMark" else "f4")).tobytes()
    return b""


def blocks32(c, order, align, encoding, room):
    """First tick, last tick, number and bytes of each block; a gap begins a block."""
    for tick, values in c.get("runs", ()):
        each = room // values.itemsize
        for at in range(0, len(values), each):
            part = values[at : at + each]
            first = tick + at * c["step"]
            raw = part.astype(part.dtype.newbyteorder(order)).tobytes()
            yield first, first + (len(part) - 1) * c["step"], at, len(part), raw
    if c.get("ticks"):
        items = [item32(c, i, order, align, encoding) for i in range(len(c["ticks"]))]
        each = room // len(items[0])
        for at in range(0, len(items), each):
            part = items[at : at + each]
            yield c["ticks"][at], c["ticks"][at + len(part) - 1], at, len(part), b"".join(part)


def pascal(words, size, encoding):
    raw = words.encode(encoding)[: size - 1]
    return bytes([len(raw)]) + raw.ljust(size - 1, b"~")


def write32(path, channels, version=9, order="<", per_tick=2, per_adc=4, base=1e-6, block=512, align=None,
            marked=True, encoding="cp1252", places=None, date=(12, 34, 56, 7, 8, 9, 2021)):  # fmt: skip
    """Blocks of all channels in turn. ``places`` puts each channel at a number from 1; the rest is unused."""
    align = version >= 9 if align is None else align
    numbers = places or range(1, len(channels) + 1)
    unit, slots = (512 if version >= 9 else 1), max(numbers)
    start = -(-(512 + 140 * slots) // 512) * 512
    lists = {
        n: list(blocks32(c, order, align, encoding, block - 20))
        for n, c in zip(numbers, channels, strict=True)
    }
    turns = [(i, n) for i in range(max(map(len, lists.values()))) for n in lists if i < len(lists[n])]
    place = {turn: (start + block * k) // unit for k, turn in enumerate(turns)}
    out = bytearray(start)
    system = 0 if order == "<" else 0x101
    numbers32 = (per_tick, per_adc, 1, start // unit, slots, start - 512, 0, block, system, 9999, base)
    out[:52] = struct.pack(order + "h10s8sHHhihHHHHid", version, b"(C) CED 87", b"S2test01", *numbers32)
    struct.pack_into(order + "6BhB", out, 52, *date, align)
    for i, words in enumerate(("Ruhe, dann Kälte", "", "end")):
        out[112 + 80 * i : 192 + 80 * i] = pascal(words, 80, encoding)
    for n, c in zip(numbers, channels, strict=True):
        head = head32(
            c, version, order, block, per_adc, encoding, [place[i, n] for i in range(len(lists[n]))], lists[n]
        )
        out[512 + 140 * (n - 1) : 512 + 140 * n] = head
    for i, n in turns:
        first, last, before, count, raw = lists[n][i]
        c = dict(zip(numbers, channels, strict=True))[n]
        up = marked and c["kind"] == "EventBoth" and (before % 2 == 0) == c["low"]
        links = place.get((i - 1, n), -1), place.get((i + 1, n), -1)
        head = struct.pack(order + "iiiiHH", *links, first, last, n & 255 | up << 8 | n >> 8 << 9, count)
        out += (head + raw).ljust(block, b"\xee")
    path.write_bytes(out)


def head32(c, version, order, block, per_adc, encoding, places, blocks):
    kind, step = KINDS.index(c["kind"]), c.get("step", 1)
    old = version < 6
    size = len(attached(c, 0, order, encoding)) if c.get("ticks") and c["kind"] in CODED else 0
    each = {"Adc": 2, "RealWave": 4}.get(c["kind"]) or (8 + size if c["kind"] in CODED else 4)
    traces = c["data"].shape[1] if "data" in c else 1
    raw = struct.pack(order + "HiiiHHhHHH", 0, -1, *((places[0], places[-1]) if places else (-1, -1)),
                      len(places), size, c.get("before", 0), 0, block, (block - 20) // each)  # fmt: skip
    raw += pascal(c.get("comment", ""), 72, encoding)
    raw += struct.pack(order + "iih", blocks[-1][1] if blocks else -1, 0 if old else step, 5)
    raw += pascal(c["title"], 10, encoding) + struct.pack(order + "fBB", 0.0, kind, 0)
    if kind == 4:
        return raw + struct.pack("BB", c["low"], 0) + bytes(14)
    pair = (c.get("scale", 1.0), c.get("offset", 0.0)) if kind in (1, 6) else (-1.0, 1.0)
    last = step // per_adc if old else traces if kind in (6, 7) else 0
    return (
        raw
        + struct.pack(order + "ff", *pair)
        + pascal(c.get("units", ""), 6, encoding)
        + struct.pack(order + "H", last)
    )


# -- SON64 --------------------------------------------------------------------------------------------------

BLOCK, SPAN = 1 << 16, (1 << 16) - 16


def item64(c, i):
    raw = struct.pack("<q", c["ticks"][i])
    if c["kind"] == "EventBoth":
        return raw + bytes([(i % 2 == 0) == c["low"], 0, 0, 0]) + b"\xfe" * 4
    if c["kind"] in CODED:
        raw += bytes(c["codes"][i]) + b"\xfe" * 4 + attached(c, i, "<", "utf-8")
        raw += b"\xfe" * (-len(raw) % 8)
    return raw


def blocks64(c, each):
    """First tick, entries and bytes of each data block; ``each`` items or sections go into one."""
    if "runs" in c:
        sections = [
            (t + at * c["step"], v[at : at + 150]) for t, v in c["runs"] for at in range(0, len(v), 150)
        ]
        for at in range(0, len(sections), each):
            part = sections[at : at + each]
            raw = b"".join(
                struct.pack("<qQ", t, len(v)) + v.tobytes() + bytes(-v.nbytes % 8) for t, v in part
            )
            yield part[0][0], len(part), raw
    for at in range(0, len(c.get("ticks", ())), each):
        part = range(at, min(at + each, len(c["ticks"])))
        yield c["ticks"][at], len(part), b"".join(item64(c, i) for i in part)


def write64(path, channels, seconds=1e-6, each=2, places=None, life=0, deep=1, extra=0):
    """Blocks of all channels in turn. ``life`` > 0 hangs blocks of a deleted channel behind each index."""
    numbers = list(places or range(1, len(channels) + 1))
    out = bytearray(BLOCK)
    data = {}
    lists = {n: list(blocks64(c, each)) for n, c in zip(numbers, channels, strict=True)}
    for i in range(max(map(len, lists.values()))):
        for n in [n for n in lists if i < len(lists[n])]:
            first, count, raw = lists[n][i]
            data.setdefault(n, []).append((first, len(out)))
            out += (struct.pack("<QII", i, n - 1 | life << 16, count) + raw).ljust(BLOCK, b"\xee")
    tops = {n: index64(out, n, list(data[n]), life, deep) for n in data}
    pad = -len(out) % BLOCK
    out += bytes(pad)
    head = head64(channels, numbers, lists, tops, extra, life)
    out[:BLOCK] = head[:BLOCK].ljust(BLOCK, b"\0")
    rest = [head[at : at + SPAN] for at in range(BLOCK, len(head), SPAN)]
    struct.pack_into("<I", out, 0x3E4, len(rest))
    for k, part in enumerate(rest):
        struct.pack_into("<Q", out, 0x400 + 8 * k, len(out))
        out += (struct.pack("<QII", 0, 0xFFFF, 0) + part).ljust(BLOCK, b"\0")
    out[:0x40] = struct.pack("<8sII8s6BHd6I", b"S64pl\0\1\1", 0xFFFF, 0, b"S2test02", 12, 34, 56, 7, 8,
                             9, 2021, seconds, extra, 0x800, 0x800 + extra,
                             0x800 + extra + 0x110 * max(numbers), max(numbers), 0x110)  # fmt: skip
    struct.pack_into("<8I", out, 0x40, 1, 0, 0, 0, 0, 0, 0, 0)
    path.write_bytes(out)


def index64(out, n, entries, life, deep):
    """Index blocks of a channel, the lowest first; gives the place of the top one."""
    if life:
        entries = [*entries, (0, entries[0][1])]
    for level in range(1, deep + 1):
        groups = [entries[i : i + 3] for i in range(0, len(entries), 3)] if level < deep else [entries]
        above = []
        for slot, group in enumerate(groups):
            above.append((group[0][0], len(out)))
            raw = struct.pack("<QII", level << 8 | slot, n - 1, len(group))
            out += (raw + b"".join(struct.pack("<qQ", *entry) for entry in group)).ljust(4096, b"\0")
        entries = above
    return entries[0][1]


def head64(channels, numbers, lists, tops, extra, life):
    """Programs' own bytes, channel heads and strings as one run of bytes; string 1 is the file's comment."""
    strings = ["Ruhe, dann Kälte"]
    out = bytearray(0x800 + extra + 0x110 * max(numbers))
    for n, c in zip(numbers, channels, strict=True):
        ids = []
        for words in (c["title"], c.get("units", ""), c.get("comment", "")):
            strings += [words] * bool(words)
            ids.append(len(strings) if words else 0)
        kind = KINDS.index(c["kind"])
        data = (
            c["data"] if "data" in c else np.empty((0, 1 if c["kind"] == "TextMark" else 0, c.get("size", 0)))
        )
        size = {1: 2, 9: 4, 2: 8, 3: 8}.get(kind) or len(item64(c, 0))
        last = ticks_of(c)[-1] if "runs" in c else c["ticks"][-1]
        struct.pack_into("<QqQQIHHHHHHiIIIIIddd", out, 0x800 + extra + 0x110 * (n - 1), tops.get(n, 0), last,
                         len(lists[n]), 0, size, data.shape[2], data.shape[1], c.get("before", 0), 0, life,
                         kind, 5, *ids, c.get("step", 0), 0, 0.0, c.get("scale", 1.0),
                         c.get("offset", 0.0))  # fmt: skip
    raw = b""
    for words in strings:
        held = words.encode() + b"\0"
        raw += struct.pack("<I", 1) + held + bytes(-len(held) % 4)
    return bytes(out) + struct.pack("<II", len(raw) // 4, len(strings)) + raw
