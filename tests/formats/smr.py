"""SON32 files of several versions, written by hand; neo, or a plain scan for blocks, is the oracle."""

from __future__ import annotations

import struct

import numpy as np
from formats._son import KINDS, events, everything, expected, joined, noise, patched, wave, write32

STARTED = {"@recording_start": "2021-09-08T07:56:34.120000"}


def make(folder):
    """Every kind of channel in old, middle, newest and Macintosh files; levels, deletion and damage."""
    channels = everything()
    per_second = 1e6 / 2
    kinds = {
        "v3.smr": {"version": 3, "per_adc": 5, "base": 0.25},  # 1 µs a unit, whatever the head says
        "v4padded.smr": {"version": 4, "per_adc": 5, "align": True},
        "v6.smr": {"version": 6, "encoding": "utf-8"},
        "v8.smr": {"version": 8, "block": 900},
        "v9.smr": {"version": 9},
        "v9packed.smr": {"version": 9, "align": False, "block": 1024},
        "mac.son": {"version": 7, "order": ">"},
        "unmarked.smr": {"version": 6, "marked": False},
    }
    found = {}
    for name, more in kinds.items():
        old = more["version"] < 6
        mine = [flat(c) if old and "data" in c else c for c in channels]
        write32(folder / name, mine, **more)
        found[name] = expected(mine, per_second) | STARTED
    found["v9.smr"]["@original_metadata"] = described(folder / "v9.smr", channels)
    return found | other_rates(folder) | odd_levels(folder) | long_tables(folder) | damaged(folder)


def flat(c):
    """Before version 6 a mark had one trace."""
    return c | {"data": c["data"].reshape(len(c["data"]), 1, -1)}


def described(path, channels):
    """The header as it is kept."""
    from sparc_fuse_core.formats import open_tree
    from sparc_fuse_core.source import open_source

    with open_source(path) as source:
        held = open_tree(source).attrs["original_metadata"]
    assert held["comments"] == ["Ruhe, dann Kälte", "end"] and held["application"] == "S2test01"
    assert [c["title"] for c in held["channels"]] == [c["title"] for c in channels]
    assert held["channels"][0]["comment"] == "lead II" and held["channels"][0]["ticks_per_sample"] == 10
    return held


def other_rates(folder):
    """Clocks whose length is no round float, and a channel far from the others that shares its title."""
    odd = [
        wave("Adc", "A", [(1, noise(50))], 7),
        events("EventFall", "Same", [3, 9]),
        events("EventRise", "Same", [4]),
    ]
    write32(folder / "third.smr", odd, per_tick=1, base=1 / 3e5, places=[1, 255, 301], date=(0,) * 7)
    facts = expected(odd, 3e5) | {
        "event_channel": ["Same (channel 255)", "Same (channel 301)", "Same (channel 255)"]
    }
    return {"third.smr": facts}


def odd_levels(folder):
    """Blocks of an odd number of level changes: their own marks agree with the turns, or win over them."""
    channels = [
        events("EventBoth", "Gate", range(0, 3000, 3), low=True),
        wave("Adc", "A", [(0, noise(20))], 5),
    ]
    write32(folder / "levels.smr", channels, block=512, places=[256, 2])
    found = {"levels.smr": expected(channels, 5e5)}
    raw = bytearray((folder / "levels.smr").read_bytes())
    second = raw.index(struct.pack("<iiii", *block_link(raw, 256, 1)))
    raw[second + 17] ^= 1  # this block says that its first event goes the other way
    (folder / "relevelled.smr").write_bytes(raw)
    facts = dict(found["levels.smr"])
    turned = [
        w if not 123 <= i < 246 else {"rise": "fall", "fall": "rise"}[w]
        for i, w in enumerate(["rise", "fall"] * 500)
    ]
    facts["event_label"] = [f"Gate {word}" for word in turned]
    return found | {"relevelled.smr": facts | {"?warning": "the level that each block states"}}


def block_link(raw, channel, number):
    """Links and ticks of a block, found through the channel's head."""
    here = struct.unpack_from("<i", raw, 512 + 140 * (channel - 1) + 6)[0]
    for _ in range(number):
        here = struct.unpack_from("<i", raw, here * 512 + 4)[0]
    return struct.unpack_from("<iiii", raw, here * 512)


def long_tables(folder):
    """More events than a table is made of: the short channels are in it, the long ones have arrays."""
    count = 530_000
    ticks = np.arange(count) * 3
    codes = np.stack([ticks % 251, ticks * 0, ticks * 0, ticks * 0], 1).astype("u1")
    few = [wave("Adc", "A", [(0, noise(20))], 5), events("Marker", "Few", [5], codes=[(66, 0, 0, 0)])]
    many = {"kind": "Marker", "title": "Many", "ticks": [0], "codes": [(0, 0, 0, 0)]}
    write32(folder / "long.smr", [*few, many], block=32768)
    raw = bytearray((folder / "long.smr").read_bytes())
    items = np.zeros(count, [("tick", "<i4"), ("codes", "u1", 4)])
    items["tick"], items["codes"] = ticks, codes
    at, room = len(raw) // 512, (32768 - 20) // 8
    parts = [items[i : i + room] for i in range(0, count, room)]
    places = [at - 64, *range(at, at + 64 * (len(parts) - 1), 64)]
    del raw[places[0] * 512 :]
    for i, part in enumerate(parts):
        links = places[i - 1] if i else -1, places[i + 1] if i + 1 < len(parts) else -1
        head = struct.pack("<iiiiHH", *links, part["tick"][0], part["tick"][-1], 3, len(part))
        raw += (head + part.tobytes()).ljust(32768, b"\0")
    struct.pack_into("<iiH", raw, 512 + 280 + 6, places[0], places[-1], len(parts))
    (folder / "long.smr").write_bytes(raw)
    facts = expected(few, 5e5) | {"?warning": "are in mark_times_Many, not in the table"}
    return {"long.smr": facts | {"mark_times_Many": ticks / 5e5, "mark_codes_Many": codes}}


def damaged(folder):
    """A deleted channel, an empty one, a wrong count, and files that must not be read as if whole."""
    channels = [wave("Adc", "A", [(0, noise(2000, 1))], 10), events("EventFall", "E", range(0, 9000, 9))]
    write32(
        folder / "plain.smr",
        [*channels, wave("Adc", "Gone", [(0, noise(900))], 10), events("EventRise", "None", [])],
    )
    whole = (folder / "plain.smr").read_bytes()
    gone = 512 + 280
    cleared = whole[:gone] + struct.pack("<HiiiH", 4, *struct.unpack_from("<i", whole, gone + 6), -1, -1, 0) \
        + whole[gone + 16 : gone + 122] + b"\0" + whole[gone + 123 :]  # fmt: skip
    facts = expected(channels, 5e5)
    blocks = struct.unpack_from("<H", whole, 526)[0]
    files = {
        "plain.smr": cleared,
        "few.smr": patched(cleared, 526, "<H", blocks - 2),
        "count.smr": patched(cleared, 526, "<H", blocks + 1),
        "cut.smr": cleared[: len(cleared) // 2],
        "heads.smr": cleared[:700],
        "clock.smr": patched(cleared, 512 + 102, "<i", 11),
        "kind.smr": patched(cleared, 512 + 122, "<B", 12),
        "link.smr": patched(cleared, 512 + 6, "<i", struct.unpack_from("<i", cleared, 512 + 140 + 6)[0]),
        "version.smr": patched(cleared, 0, "<h", 10),
        "many.smr": patched(cleared, 30, "<h", 32000),
        "never.smr": patched(cleared[:512] + bytes(32 * 140), 30, "<h", 32),
        "events.smr": patched(cleared, struct.unpack_from("<i", cleared, 658)[0] * 512 + 18, "<H", 90),
        "shorter.smr": patched(cleared, struct.unpack_from("<i", cleared, 518)[0] * 512 + 18, "<H", 100),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found = {name: {"!error": "FormatError"} for name in files}
    found["cut.smr"] = found["heads.smr"] = {"!error": "Truncated"}
    found["many.smr"] = {"!error": "LimitExceeded"}
    found["plain.smr"] = facts | {"?dropped": ["channel 3, which was deleted", "channel 4 'None'"]}
    found["few.smr"] = found["count.smr"] = facts | {
        "?warning": f"promises {blocks - 2} blocks, {blocks} are linked"
    }
    found["count.smr"] = facts | {"?warning": f"promises {blocks + 1} blocks"}
    found["shorter.smr"] = {"?warning": "hold another number of samples", "channel_name": ["A"]}
    return found


def oracle(path):
    """neo's samples and events; where neo gives up, what lies in the blocks that a scan of the file finds."""
    rows = scanned(path)
    try:
        theirs = with_neo(path)
    except Exception:  # neo cannot follow gaps that differ between channels, floats, text
        theirs = None
    facts = expected(rows["channels"], rows["per_second"], 1e-6)
    if theirs is not None:
        for title, (values, times) in theirs.items():
            ours = next((c for c in rows["channels"] if c["title"] == title), None)
            if ours is None:
                assert len(times) == 0, title
            elif "runs" in ours:
                raw = np.concatenate([v for _, v in ours["runs"]])
                assert np.array_equal(raw, values), title
            else:
                assert np.allclose(np.array(ours["ticks"]) / rows["per_second"], times), title
    return facts


def with_neo(path):
    """Raw samples of waveforms, times of events by title."""
    from neo.rawio import Spike2RawIO

    reader = Spike2RawIO(str(path), try_signal_grouping=False)
    reader.parse_header()
    assert reader.segment_count(0) == 1
    found = {}
    for i, c in enumerate(reader.header["signal_channels"]):
        found[str(c["name"])] = (reader.get_analogsignal_chunk(0, 0, stream_index=i)[:, 0], None)
    for i, c in enumerate(reader.header["event_channels"]):
        stamps, _, _ = reader.get_event_timestamps(0, 0, i)
        found[str(c["name"])] = (None, reader.rescale_event_timestamp(stamps, event_channel_index=i))
    return found


def scanned(path):
    """Channels from every 512-byte boundary whose neighbours in the list point back, in order of time."""
    raw = path.read_bytes()
    version, per_tick, per_adc = struct.unpack_from("<h18xHH", raw)
    base = struct.unpack_from("<d", raw, 44)[0] if version > 5 else 1e-6
    unit = 512 if version > 8 else 1
    heads = {at: struct.unpack_from("<iiiiHH", raw, at) for at in range(512, len(raw) - 19, 512)}
    held, found = {}, []
    for at, (before, after, first, last, owner, count) in heads.items():
        back = before == -1 or heads.get(before * unit, (0, 0))[1] * unit == at
        on = after == -1 or heads.get(after * unit, (0, 0))[0] * unit == at
        if back and on and first <= last:
            held.setdefault(owner & 255, []).append((first, last, owner >> 8, count, at + 20))
    for n in range(struct.unpack_from("<h", raw, 30)[0]):
        head = raw[512 + 140 * n :][:140]
        blocks = sorted(held.get(n + 1, []))
        if head[122] and blocks:
            found.append(scanned_channel(raw, head, blocks, version, per_adc))
    return {"channels": found, "per_second": round(1 / (base * per_tick), 6)}


def scanned_channel(raw, head, blocks, version, per_adc):
    kind = KINDS[head[122]]
    text = [bytes(head[at + 1 : at + 1 + head[at]]).decode("cp1252").strip() for at in (108, 132)]
    step = (
        struct.unpack_from("<i", head, 102)[0]
        if version > 5
        else struct.unpack_from("<H", head, 138)[0] * per_adc
    )
    if kind in ("Adc", "RealWave"):
        scale, offset = struct.unpack_from("<ff", head, 124)
        runs = joined(
            [(b[0], np.frombuffer(raw, "<i2" if kind == "Adc" else "<f4", b[3], b[4])) for b in blocks], step
        )
        return wave(kind, text[0], runs, step, text[1], scale, offset)
    size = struct.unpack_from("<H", head, 16)[0] if head[122] in (6, 7, 8) else 0
    each = (4 if head[122] < 5 else 8) + size + (-size % 4 if version > 8 else 0)
    items = [raw[b[4] + i * each :][:each] for b in blocks for i in range(b[3])]
    more = {
        "ticks": [struct.unpack_from("<i", item)[0] for item in items],
        "codes": [tuple(i[4:8]) for i in items],
    }
    if kind == "TextMark":
        more["texts"] = [item[8:].split(b"\0")[0].decode() for item in items]
    if kind == "EventBoth":
        more |= {"low": bool(head[124]), "codes": None}
    if kind == "AdcMark":
        traces, before = struct.unpack_from("<H", head, 138)[0], struct.unpack_from("<h", head, 18)[0]
        data = np.array([np.frombuffer(i, "<i2", size // 2, 8).reshape(-1, traces).T for i in items])
        scale, offset = struct.unpack_from("<ff", head, 124)
        more |= {
            "data": data,
            "before": before,
            "step": step,
            "scale": scale,
            "offset": offset,
            "units": text[1],
        }
    if kind in ("EventFall", "EventRise"):
        more["codes"] = None
    return {"kind": kind, "title": text[0], **more}
