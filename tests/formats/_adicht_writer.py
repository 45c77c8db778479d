"""Writes LabChart recordings by hand: container, map and chunks of samples."""

import struct

import numpy as np

INT, FLOAT = 0x80020001, 0x80020003

# -- the container ------------------------------------------------------------------------------------------


def entry(name, first, size, last, kind):
    return struct.pack("<72sQQQ44xI16x", name.encode("utf-16-le"), first, size, last, kind)


def contain(streams, shift=10, scatter=0):
    """Streams by path as a compound file; ``scatter`` puts their clusters in any order."""
    size, links, clusters = 1 << shift, {}, {}
    count = sum(len(raw) // size + 1 for raw in streams.values()) + 40
    free = list(range(2, count))
    if scatter:
        np.random.default_rng(scatter).shuffle(free)

    def put(raw):
        if not raw:
            return 0, 0, 0
        chain = [free.pop(0) for _ in range(-(-len(raw) // size))]
        for i, cluster in enumerate(chain):
            links[cluster] = (chain[i + 1] if i + 1 < len(chain) else 0, chain[i - 1] if i else 0)
            clusters[cluster] = raw[i * size : (i + 1) * size].ljust(size, b"\0")
        return chain[0], len(raw), chain[-1]

    def folder(below):
        items = []
        for name in dict.fromkeys(path.split("/")[0] for path in below):
            if name in below:
                items.append(entry(name, *put(below[name]), 2))
            else:
                inner = {p.partition("/")[2]: raw for p, raw in below.items() if p.startswith(name + "/")}
                items.append(entry(name, *put(folder(inner)), 1))
        return struct.pack("<ii", len(items), -len(items)) + b"".join(items)

    root = entry("ADIRootStorage", *put(folder(streams)), 1)
    head = "ADInstruments Compound File".encode("utf-16-le").ljust(128, b"\0")
    head += struct.pack(
        "<IIIIIIIIIiIIII", 29, 512, 1 << 17, (1 << 31) - 1, 0, 0, shift, count, 0, -count, 0, count, 0, 0
    )
    body = b"".join(clusters.get(k, bytes(size)) for k in range(2, count))
    table = b"".join(struct.pack("<II", *links.get(k, (0, 1 << 31))) for k in range(count))
    return (head + root).ljust(512, b"\0") + body + table


# -- samples ------------------------------------------------------------------------------------------------


def squeeze(raw):
    """PackBits as LabChart has it: a byte of 128 or more is a run, 128 of 129."""
    out, at = b"", 0
    while at < len(raw):
        run = 1
        while run < 129 and raw[at : at + 1] * (run + 1) == raw[at : at + run + 1]:
            run += 1
        if run > 2:
            out, at = out + bytes([257 - run, raw[at]]), at + run
        else:
            out, at = out + bytes([0, raw[at]]), at + 1
    return out


def planes_int16(values):
    steps = np.diff(values.astype("i4"), prepend=0)
    bits = [steps < 0] + [(np.abs(steps) >> power) & 1 for power in range(16)]
    padded = [np.append(plane, np.zeros(-len(plane) % 32)).astype("u1") for plane in bits]
    return b"".join(np.packbits(plane, bitorder="little").tobytes() for plane in padded)


def planes_float32(steps):
    words = np.append(steps, np.zeros(-len(steps) % 32)).astype("<f4").view("<u4")
    out = b""
    for bit in range(31, -1, -1):
        for first in range(0, len(words), 32):
            word = sum(int(words[first + i] >> bit & 1) << (31 - i) for i in range(32))
            out += struct.pack("<I", word)
    return out


def summed(steps):
    """The samples that float differences stand for."""
    out, total = [], np.float32(0)
    for step in np.asarray(steps, "f4"):
        total = np.float32(total + step) if np.isfinite(step) else np.float32(0)
        out.append(total if np.isfinite(step) else step)
    return np.array(out, "f4")


def chunk(values, kind, coding):
    """One chunk and the samples it holds; floats that are to be coded are given as differences."""
    values = np.asarray(values, "<i2" if kind == INT else "<f4")
    if coding == 0x80000100:
        held, payload = values, values.tobytes()
    else:
        held = values if kind == INT else summed(values)
        planes = planes_int16(values) if kind == INT else planes_float32(values)
        payload = struct.pack("<I", values.nbytes) + squeeze(planes)
    size = len(payload) + 12
    return struct.pack("<iIiI", size, 0, -size, coding) + payload, held


# -- the map ------------------------------------------------------------------------------------------------


def array(items):
    return struct.pack("<ii", len(items), -len(items)) + b"".join(items)


def string(text):
    letters = (text + "\0").encode("utf-16-le")
    return struct.pack("<Iii", 0x80000001, len(letters) // 2, -len(letters) // 2) + letters


class Objects:
    """Bodies are written where they are first met, and only referred to afterwards."""

    def __init__(self):
        self.known = {}

    def put(self, body):
        number = self.known.setdefault(body, len(self.known) + 1)
        new = number == len(self.known) and not getattr(self, f"_{number}", False)
        setattr(self, f"_{number}", True)
        return struct.pack("<I", number | (1 << 31 if new else 0)) + (body if new else b"")


def units(name="V", scale=1.0, offset=0.0, prefix=1, user=None, layout=2):
    user_name, user_scale, user_offset, user_prefix = user or ("", 1.0, 0.0, 1)
    out = struct.pack("<IIddffIIH", 5, layout, scale, offset, 1, -1, 2, prefix, 0) + string(name)
    out += struct.pack("<ddIIHHI", user_scale, user_offset, 2, user_prefix, 0, user is not None, 0)
    return out + string(user_name) + string("") * 4 + b"\0"


def channel(
    data, kind=INT, ratio=(1, 1), coding=None, settings=("ChannelDataSource", "<Gain>5 mV</Gain>"), **unit
):
    coding = coding or (0x104 if kind == INT else 0x105)
    return {"data": data, "kind": kind, "ratio": ratio, "coding": coding, "settings": settings, "unit": unit}


def record(
    channels, ticks, tick=(1, 1000), time=1.5e9, comments=(), trigger=0, zone=-7200.0, layout=3, **more
):
    return locals()


def map_channel(number, c, layout, objects, blocks, each):
    """A channel of the map; its chunks go to ``blocks``, its samples to ``c["held"]``."""
    rows, held = [], []
    for first in range(0, len(c["data"]), each):
        raw, values = chunk(c["data"][first : first + each], c["kind"], c["coding"])
        rows.append(struct.pack("<IQIIffQ", c["kind"], 0, len(values), 0, 0, 1, len(blocks)))
        blocks += raw
        held.append(values)
    c["held"] = np.concatenate(held) if held else np.empty(0)
    out = struct.pack("<BIIII", 1, 0x801B0000, layout, number, 1)
    out += struct.pack("<IQQQQQ", c["kind"], *c["ratio"], 0, 1, 1) + objects.put(units(**c["unit"]))
    out += struct.pack("<I", 1) if layout == 3 else b""
    out += objects.put(struct.pack("<I", len(c["settings"])) + b"".join(map(string, c["settings"])))
    return out + struct.pack("<QIII", len(c["data"]), 0, 0, 16000) + array(rows)


def map_record(number, r, objects, blocks, each):
    out = struct.pack("<iIIQQdd", number, 0, r["layout"], *r["tick"], r["time"], r["zone"])
    out += struct.pack("<iIQQ", r["trigger"], 0, 0, r["ticks"])
    out += string("") + struct.pack("<II", 0, 0x30000000) if r["layout"] == 3 else b""
    ticks = []
    for first in range(0, r["ticks"], each):
        here = [c for c in r["comments"] if first <= c[0] < first + each]
        head = struct.pack("<IIIHH", 3, min(each, r["ticks"] - first), 0, 0, len(here))
        ticks.append(
            head + b"".join(struct.pack("<IIIhH", 2, 0, n, c, t - first) + string(s) for t, c, n, s in here)
        )
    width = r["more"].get("width", max(r["channels"], default=-1) + 1)
    kind = 3 if r["layout"] == 3 else 2
    made = [
        map_channel(k, r["channels"][k], kind, objects, blocks, each) if k in r["channels"] else b"\0"
        for k in range(width)
    ]
    return out + array(ticks) + array(made)


def write(path, records, names, minor=7, each=100, shift=10, scatter=0, change=None, **streams):
    blocks, objects = bytearray(struct.pack("<I", 0xAA035555)), Objects()
    body = [map_record(i, r, objects, blocks, each) for i, r in enumerate(records)]
    title = b"ADInstruments Chart Data\0"
    held = struct.pack("<IIQH", 0x5515AAAA, 2, 0, len(title)) + title + struct.pack("<HHHB", 3, minor, 2, 0)
    held += b"".join(body) + struct.pack("<i", -1) + array([string(name) for name in names])
    held += struct.pack("<QQ", 0, len(blocks) - 4) + (string("") if minor == 7 else b"")
    version = struct.pack("<IIQ", 0x5515AAAA, 2, 0) + string("LabChart 8.1.30")
    labchart = {"Settings/ChannelSettings": bytes(2000), "Settings/Child/Empty": b"", "Version": version}
    parts = (
        {"Map": held, "Blocks_0": bytes(blocks)} if minor != 5 else {"map": held, "blocks_0": bytes(blocks)}
    )
    raw = bytearray(contain({**(labchart if minor == 7 else {}), **parts, **streams}, shift, scatter))
    for old, new in change or ():
        assert raw.count(old) == 1, (path.name, raw.count(old))
        at = raw.index(old)
        raw[at : at + len(new)] = new
    path.write_bytes(raw)
