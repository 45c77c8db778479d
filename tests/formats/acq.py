"""BIOPAC AcqKnowledge files of many revisions, written by hand; bioread is the oracle for real ones."""

import re
import struct
import zlib

import numpy as np

JOURNAL = "Ruhe, dann Kälte"
MARKS = [(0, "Segment 1", -1, "apnd"), (7, "Reiz μ1", 2, "flag"), (11, "", -1, "defl")]


def stamp(buffer, order, at, layout, *values):
    struct.pack_into(order + layout, buffer, at, *values)


def interleave(channels, order):
    """Tick by tick, the naive way: who has a sample left and is due writes it."""
    out, left = b"", [list(c["raw"]) for c in channels]
    tick = 0
    while any(left):
        for c, queue in zip(channels, left, strict=True):
            if tick % c["div"] == 0 and queue:
                out += struct.pack(order + ("h" if c["kind"] == "i2" else "d"), queue.pop(0))
        tick += 1
    return out


def graph_header(revision, order, count, step, packed, paddings):
    length = 2410 if revision >= 61 else 13104 if revision >= 45 else 2976 if revision >= 41 else 1894
    raw = bytearray(length)
    stamp(raw, order, 2, "iihhhd", revision, length, count, 0, 1, step)
    if packed:
        stamp(raw, order, 972 if revision >= 61 else 1936, "i", 1)
    if revision >= 124:
        stamp(raw, order, 2398, "h", paddings)
        for _ in range(paddings):
            raw += struct.pack(order + "i", 40) + bytes(36)
    return bytes(raw)


def channel_header(c, number, revision, order, encoding):
    length = 1720 if revision >= 61 else 260 if revision >= 38 else 122
    raw = bytearray(length)
    stamp(raw, order, 0, "ih40s", length, number, c["name"].encode(encoding))
    stamp(
        raw,
        order,
        68,
        "20siddh",
        c["units"].encode(encoding),
        len(c["raw"]),
        c["gain"],
        c["offset"],
        number + 1,
    )
    if revision >= 38:
        stamp(raw, order, 152 if revision >= 61 else 250, "h", c["div"])
    return bytes(raw)


def markers(revision, order, encoding):
    out = b""
    if revision >= 61:
        out += struct.pack(order + "iii", 0, len(MARKS) + 1, len(MARKS)) + bytes(13)
        out += bytes(8 * (revision >= 121) + 8 * (revision >= 128))
        for tick, label, channel, kind in MARKS:
            raw = label.encode(encoding) + b"\0"
            out += struct.pack(order + "I4xh4s", tick, channel, kind.encode())
            out += struct.pack(order + "Q", 1454430656276) if revision >= 128 else b""
            out += bytes(8 * (revision >= 121)) + struct.pack(order + "h", len(raw)) + raw
        return out
    out += struct.pack(order + "ii", 0, len(MARKS))
    for tick, label, _, _ in MARKS:
        raw = label.replace("μ", "u").encode(encoding)
        if revision >= 36:
            out += struct.pack(order + "ihhhh", tick, 0, 0, 0, len(raw)) + raw + b"\0"
        else:
            out += struct.pack(order + "ihhh", tick, 0, 0, len(raw)) + raw
    return out + (bytes(84) + bytes(28 * len(MARKS)) if revision >= 41 else b"")


def journal(revision, order, encoding):
    raw = JOURNAL.encode(encoding)
    if revision < 38:
        return b""
    if revision < 61:
        return b"\x44\x33\x22\x11" + struct.pack(order + "hi", 1, len(raw)) + raw
    body = bytes(262) + struct.pack(order + "i", len(raw)) + bytes(290)
    if revision >= 108:
        body += bytes(26 + 4 * (revision >= 128)) + struct.pack(order + "ii", len(raw) - 1, len(raw))
    return struct.pack(order + "i", 4 + len(body) + len(raw)) + body + raw


def packed_samples(channels, revision, order):
    if revision >= 61:
        out = bytes(24) + struct.pack(order + "ii", 2, 3) + bytes(20 + 6 * (revision >= 108)) + b"abcde"
    else:
        out = bytes(34) + struct.pack(order + "i", 4) + b"abcd"
    for c in channels:
        plain = np.array(c["raw"], "<" + c["kind"]).tobytes()
        held = zlib.compress(plain)
        out += bytes(44) + struct.pack(order + "iiii", 3, 2, len(plain), len(held)) + b"abcmV" + held
    return out


def write(path, revision, order, channels, packed=False, step=0.5, paddings=0, gap=0):
    encoding = "utf-8" if revision >= 61 else "latin-1"
    out = graph_header(revision, order, len(channels), step, packed, paddings)
    out += b"".join(channel_header(c, i, revision, order, encoding) for i, c in enumerate(channels))
    out += (
        struct.pack(order + "i", 8) + bytes(4)
        if revision >= 61
        else struct.pack(order + "hh", 6, 0) + bytes(2)
    )
    out += bytes(gap)
    out += b"".join(struct.pack(order + "hh", *((2, 2) if c["kind"] == "i2" else (8, 1))) for c in channels)
    tail = markers(revision, order, encoding) + journal(revision, order, encoding)
    out += tail + packed_samples(channels, revision, order) if packed else interleave(channels, order) + tail
    path.write_bytes(out)


def channel(name, kind, count, div=1, seed=0, units="mV"):
    rng = np.random.default_rng(seed + count)
    raw = rng.integers(-32768, 32767, count) if kind == "i2" else rng.normal(size=count)
    return {"name": name, "units": units, "kind": kind, "raw": raw.tolist(), "div": div} | {
        "gain": 0.25 * (seed + 1),
        "offset": 2.0 - seed,
    }


def physical(c):
    raw = np.array(c["raw"], "f8")
    return raw if c["kind"] == "f8" else raw * c["gain"] + c["offset"]


def expected(channels, step=0.5, late=False):
    """Streams by (divider, length), the fastest first."""
    groups = {}
    for c in channels:
        groups.setdefault((c["div"], len(c["raw"])), []).append(c)
    facts = {"~": 1e-6}
    for number, ((div, _), members) in enumerate(sorted(groups.items(), key=lambda item: item[0][0])):
        rate = 1000 / step / div
        suffix = "" if number == 0 else "_" + re.sub(r"\W+", "_", f"{rate:.10g}_Hz")
        facts["signals" + suffix] = np.array([physical(c) for c in members])
        facts[f"signals{suffix}@sampling_frequency"] = rate
        facts["channel_name" + suffix] = [c["name"] for c in members]
        facts["channel_units" + suffix] = [c["units"] for c in members]
    facts["event_time"] = np.array([tick * step / 1000 for tick, *_ in MARKS])
    facts["event_label"] = [label if late else label.replace("μ", "u") for _, label, *_ in MARKS]
    facts["event_channel"] = ["", channels[1]["name"] if late else "", ""]
    if late:
        facts["event_type"] = [kind for *_, kind in MARKS]
    return facts


def make(folder):
    three = [channel("Débit", "i2", 40, seed=1, units="L/sec"), channel("B", "i2", 40, seed=2)]
    three.append(channel("C", "i2", 40))
    same = [channel("A", "i2", 30), channel("B", "i2", 30)]
    uneven = [
        channel("A", "i2", 25),
        channel("B", "f8", 40),
        channel("C", "i2", 11, div=3),
        channel("D", "f8", 1, div=7),
    ]
    # All of these dividers would make one pattern of 10^15 ticks.
    wide = [channel(f"by {div}", "i2", 3, div=div) for div in (31, 32749, 32719, 32713)]
    # 41 ticks; the slow channel misses its last sample, as real files do.
    rates = [
        channel("EDA", "f8", 41),
        channel("EKG", "i2", 21, div=2, seed=3),
        channel("Resp", "i2", 5, div=8),
    ]
    mixed = [*rates, channel("Puls μ", "i2", 41, seed=4, units="μS")]
    plain = [{**c, "name": c["name"].replace("μ", "u"), "units": c["units"].replace("μ", "u")} for c in mixed]
    big = [channel("long", "i2", 3_000_000), channel("B", "f8", 1_500_000, div=2)]
    kinds = {
        "r30.acq": (30, "<", same, {}),
        "r35.acq": (35, ">", three, {}),
        "r38.acq": (38, ">", plain, {}),
        "r41.acq": (41, "<", plain, {"packed": True}),
        "uneven.acq": (45, ">", uneven, {}),
        "wide.acq": (45, "<", wide, {}),
        "r45.acq": (45, "<", three, {"gap": 3}),
        "r61.acq": (61, "<", mixed, {}),
        "r84.acq": (84, ">", mixed, {"packed": True}),
        "r108.acq": (108, ">", mixed, {}),
        "r124.acq": (124, "<", mixed, {"paddings": 2}),
        "r128.acq": (128, ">", mixed, {"step": 8.0}),
        "r132.acq": (132, "<", mixed, {"packed": True}),
        "r132long.acq": (132, "<", big, {"packed": True}),
    }
    found = {}
    for name, (revision, order, channels, more) in kinds.items():
        write(folder / name, revision, order, channels, **more)
        found[name] = expected(channels, more.get("step", 0.5), late=revision >= 61)
    found["uneven.acq"]["?warning"] = "end at different times"
    whole = (folder / "r128.acq").read_bytes()
    (folder / "cut.acq").write_bytes(whole[:9500])
    found["cut.acq"] = {"!error": "Truncated"}
    at = whole.index(b"Reiz")
    (folder / "cut_marker.acq").write_bytes(whole[:at])  # all samples are there, the second marker is not
    found["cut_marker.acq"] = {k: v for k, v in found["r128.acq"].items() if "event" not in k}
    found["cut_marker.acq"]["?warning"] = "what follows the samples cannot be read"
    (folder / "zip.acq").write_bytes((folder / "r132.acq").read_bytes()[:-20])
    found["zip.acq"] = {"!error": "Truncated"}
    (folder / "ctf.acq").write_bytes(b"WS1_\0\0\0\x07_genRes\0\0\0\x03" + bytes(64))
    found["ctf.acq"] = {"!error": "NotSupported"}
    (folder / "text.acq").write_text("time\tIm\n" + "0.1\t0.2\n" * 20)
    found["text.acq"] = {"!error": "NotSupported"}
    (folder / "noise.acq").write_bytes(bytes(range(256)) * 4)
    found["noise.acq"] = {"!error": "FormatError"}
    return found


def oracle(path):
    """bioread's channels, grouped as the layout asks."""
    from bioread.reader import Reader

    with path.open("rb") as opened:
        if opened.read(4) == b"WS1_":
            return {"!error": "NotSupported"}
    held = Reader.read(str(path)).datafile
    groups = {}
    for c in held.channels:
        groups.setdefault((c.frequency_divider, len(c.data)), []).append(c)
    facts = {"~": 1e-6}
    for number, (_, members) in enumerate(sorted(groups.items(), key=lambda item: item[0][0])):
        rate = members[0].samples_per_second
        suffix = "" if number == 0 else "_" + re.sub(r"\W+", "_", f"{rate:.10g}_Hz")
        facts["signals" + suffix] = np.array([c.data for c in members])
        facts[f"signals{suffix}@sampling_frequency"] = rate
        facts["channel_name" + suffix] = [c.name.strip() for c in members]
        facts["channel_units" + suffix] = [c.units.strip() for c in members]
    if held.event_markers:
        facts["event_time"] = np.array([marker.time_index for marker in held.event_markers])
        facts["event_label"] = [marker.text for marker in held.event_markers]
    return facts
