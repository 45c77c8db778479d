"""Blackrock files of all specifications, written by hand; neo, where right, is the oracle for real ones.

Where neo is wrong: it leaves out the last sample of specification 2.1, and takes the block header that one
program wrote there for samples.
"""

import struct

import numpy as np

STEPS = 30000


def counts(channels, samples, seed=0):
    return np.random.default_rng(seed + samples).integers(-32768, 32767, (channels, samples)).astype("<i2")


def clock(ms=7):
    return (2024, 5, 3, 15, 10, 20, 30, ms)


def early(path, data, electrodes, period=30, extra=b""):
    head = b"NEURALSG" + struct.pack("<16sII", b"1 kS/s", period, len(electrodes))
    path.write_bytes(head + np.array(electrodes, "<u4").tobytes() + data.T.tobytes() + extra)


def channel_head(place, limits=(-32764, 32764, -8191, 8191), units=b"uV", label=None):
    name = label if label is not None else f"elec{place + 1}"
    return struct.pack(
        "<2sH16sBBhhhh16sIIHIIH", b"CC", place + 1, name.encode("latin-1"), 1, place, *limits, units,
        300, 1, 1, 7500000, 3, 1,
    )  # fmt: skip


def header(channels, spec=(2, 3), period=1, resolution=STEPS, heads=None, start=None):
    mark = b"BRSMPGRP" if spec[0] >= 3 else b"NEURALCD"
    heads = heads or [channel_head(place) for place in range(channels)]
    fixed = (*spec, 314 + 66 * channels, b"30 kS/s", "a µ comment".encode("latin-1"), period, resolution)
    return (
        mark + struct.pack("<BBI16s256sII8HI", *fixed, *(start or clock()), channels) + b"".join(heads)
    )  # fmt: skip


def block(tick, data, spec=(2, 3), promised=None):
    count = data.shape[1] if promised is None else promised
    return struct.pack("<BQI" if spec[0] >= 3 else "<BII", 1, tick, count) + data.T.tobytes()


def digital(tick, value, reason=1, analog=()):
    return tick, 0, struct.pack(f"<BxH{len(analog)}h", reason, value, *analog)


def comment(tick, said, charset=0, colour=0):
    raw = said.encode("utf-16-le") if charset == 1 else said.encode("latin-1")
    return tick, 0xFFFF, struct.pack("<BBI", charset, 0, colour) + raw


def wave_head(electrode, factor=250, width=2, samples=8, spec=(2, 3)):
    last = struct.pack("<H", samples) if spec >= (2, 3) else b""
    return b"NEUEVWAV" + struct.pack("<HBBHHhhBB", electrode, 1, 2, factor, 0, 50, -60, 2, width) + last


def nev(path, packets, heads, spec=(2, 3), size=32, resolution=STEPS, flags=1, extra=b"", start=None):
    mark = b"BREVENTS" if spec[0] >= 3 else b"NEURALEV"
    fixed = (*spec, flags, 336 + 32 * len(heads), size, resolution, STEPS)
    raw = mark + struct.pack("<BBHIIII8H32s256sI", *fixed, *(start or clock()), b"maker", b"said", len(heads))
    raw += b"".join(head.ljust(32, b"\0") for head in heads)
    layout = "<QH" if spec[0] >= 3 else "<IH"
    rows = (struct.pack(layout, tick, number) + body for tick, number, body in packets)
    path.write_bytes(raw + b"".join(row.ljust(size, b"\0")[:size] for row in rows) + extra)


def spike(tick, electrode, unit, wave):
    return tick, electrode, struct.pack("<BB", unit, 0) + wave.tobytes()


def make_continuous(folder):
    found, gain = {}, 8191 / 32764
    data = counts(3, 50)
    early(folder / "alone.ns2", data, [1, 130, 5])
    found["alone.ns2"] = {
        "signals": data,
        "signals@sampling_frequency": 1000.0,
        "channel_name": ["chan1", "ainp2", "chan5"],
        "?warning": "stores no scale",
    }
    early(folder / "rest.ns1", data, [1, 2, 3], period=60, extra=b"\7\7\7")
    found["rest.ns1"] = {"signals": data, "signals@sampling_frequency": 500.0, "?warning": "3 bytes after"}
    early(folder / "headed.ns3", data[:, :0], [1, 2, 3], period=15, extra=block(5, data))
    found["headed.ns3"] = {"signals": data, "signals@start_time": 5 / STEPS, "?warning": "block header"}
    heads = [channel_head(0), channel_head(1, (-1000, 1000, -500, 1500), b"mV", "Größe")]
    (folder / "plain.ns5").write_bytes(header(2, heads=heads, period=7) + block(600, data[:2]))
    found["plain.ns5"] = {
        "signals": np.array([data[0] * gain, data[1] + 500.0]),
        "signals@sampling_frequency": STEPS / 7,
        "signals@start_time": 0.02,
        "channel_name": ["elec1", "Größe"],
        "channel_units": ["uV", "mV"],
        "@recording_start": "2024-05-15T10:20:30.007+00:00",
    }
    # A pause, an empty block, and blocks that follow each other within a tick.
    parts = [
        block(0, data[:2]),
        block(50, data[:2, :20]),
        block(90, data[:2, :0]),
        block(3000, data[:2, 5:9]),
    ]
    (folder / "paused.ns6").write_bytes(header(2) + b"".join(parts) + b"\1\0\0")
    found["paused.ns6"] = {
        "signals": np.hstack([data[:2], data[:2, :20]]) * gain,
        "signals_ns6_2": data[:2, 5:9] * gain,
        "signals_ns6_2@start_time": 0.1,
        "?warning": ["hold no samples", "2 runs", "3 bytes after"],
    }
    parts = [block(70 * i, counts(1, 3, i)) for i in range(150)]
    (folder / "many.ns4").write_bytes(header(1, period=3) + b"".join(parts))
    found["many.ns4"] = {
        "signals": np.hstack([counts(1, 3, i) for i in range(150)]) * gain,
        "time": np.concatenate([(70 * i) / STEPS + np.arange(3) / 10000 for i in range(150)]),
    }
    (folder / "crashed.ns5").write_bytes(header(3) + block(9, data, promised=0))
    found["crashed.ns5"] = {"signals": data * gain, "?warning": "after a crash"}
    (folder / "reset.ns5").write_bytes(header(3) + block(9000, data) + block(2, data))
    found["reset.ns5"] = {"signals_ns5_2": data * gain, "?warning": "set its clock back"}
    flat = [channel_head(0, (0, 0, 0, 0)), channel_head(1)]
    (folder / "flat.ns5").write_bytes(header(2, heads=flat, start=(0,) * 8) + block(0, data[:2]))
    found["flat.ns5"] = {
        "signals": np.array([data[0], data[1] * gain]),
        "channel_units": ["", "uV"],
        "?warning": "no scale",
    }
    (folder / "odd.ns5").write_bytes(
        header(3, resolution=10000, start=(2024, 13, 0, 0, 0, 0, 0, 0)) + block(0, data)
    )
    found["odd.ns5"] = {"signals@sampling_frequency": 30000.0, "?warning": ["10000 times", "not a date"]}
    return found | make_stamped(folder, data, gain)


def make_stamped(folder, data, gain):
    found = {}
    late = (3, 0)
    (folder / "late.ns5").write_bytes(
        header(3, late) + block(1 << 40, data, late) + block((1 << 40) + 100, data, late)
    )
    found["late.ns5"] = {"signals_ns5_2": data * gain, "signals@start_time": (1 << 40) / STEPS}
    start = 1_700_000_000_123_456_789
    ticks = start + np.cumsum(np.where(np.arange(50) == 30, 5_000_000, 33333)) + np.arange(50) % 3
    parts = b"".join(block(int(t), data[:, i : i + 1], late) for i, t in enumerate(ticks))
    (folder / "ptp.ns6").write_bytes(header(3, late, resolution=10**9) + parts + b"\1\2")
    found["ptp.ns6"] = {
        "signals": data * gain,
        "time": (ticks - ticks[0]) / 1e9,
        "signals@nominal_sampling_frequency": 30000.0,
        "?warning": "2 bytes after",
    }
    lies = bytearray(header(3, late, resolution=10**9) + parts)
    lies[314 + 66 * 3 + 19 * 5] = 7  # a packet between those that are looked at
    (folder / "lies.ns6").write_bytes(lies)
    found["lies.ns6"] = {"!error": "FormatError"}
    return found


def make_set(folder):
    """Three files of one recording; the event file gives specification 2.1 its scale."""
    found, gain = {}, 8191 / 32764
    fast, slow = counts(2, 90, 3), counts(1, 9, 4)
    wave = np.arange(8, dtype="<i2")
    (folder / "set.ns5").write_bytes(header(2) + block(0, fast))
    (folder / "set.ns2").write_bytes(header(1, period=30) + block(0, slow))
    (folder / "set.ccf").write_bytes(b"<CCF/>")
    nev(folder / "set.nev", [spike(30, 1, 2, wave), digital(60, 9)], [wave_head(1)], extra=b"\0\0")
    found["set.nev"] = {
        "signals": fast * gain,
        "signals_ns2": slow * gain,
        "signals_ns2@sampling_frequency": 1000.0,
        "spike_time": np.array([0.001]),
        "event_label": ["digital 9"],
        "?dropped": "set.ccf",
        "?warning": "2 bytes after",
    }
    early(folder / "old.ns2", slow, [7])
    nev(
        folder / "old.nev",
        [digital(30, 513, 129, (0, 5, 0, -7, 0))],
        [wave_head(7, 21516, spec=(2, 1))],
        (2, 1),
    )
    found["old.nev"] = {
        "signals": slow * (152592.547 / 1000),
        "channel_units": ["uV"],
        "event_label": ["serial 513"],
        "event_analog_inputs": np.array([[0, 5, 0, -7, 0]]),
    }
    return found


def make_events(folder):
    found = {}
    waves = counts(4, 8, 9)
    heads = [
        wave_head(3),
        wave_head(4),
        b"NEUEVLBL" + struct.pack("<H16s", 3, b"left"),
        b"ARRAYNME" + b"grid",
    ]
    heads += [
        b"NEUEVFLT" + struct.pack("<HIIHIIH", 3, 250, 4, 1, 7500, 3, 1),
        b"DIGLABEL" + b"port\0".ljust(16) + b"\1",
    ]
    heads += [
        b"VIDEOSYN" + struct.pack("<H16sf", 1, b"cam", 29.5),
        b"TRACKOBJ" + struct.pack("<HHH16s", 1, 2, 3, b"nose"),
    ]
    heads += [b"ECOMMENT" + b"x" * 24, b"CCOMMENT" + b"yz", b"WHATEVER" + b"\1\2"]
    packets = [
        spike(0, 3, 1, waves[0]),
        digital(30, 5),
        comment(60, "Reiz µ", colour=0xFF00),
        spike(75, 4, 255, waves[1]),
        comment(90, "Ω 2", charset=1),
        (120, 0xFFFE, struct.pack("<HIII", 1, 77, 2500, 4)),
        (150, 0xFFFD, struct.pack("<4H9H", 0, 2, 3, 2, *range(10, 19))),
        (180, 0xFFFC, struct.pack("<H", 1)),
        (210, 0xFFFB, struct.pack("<H", 3) + b"gain"),
        (240, 0x9999, b"\xab\xcd"),
        digital(270, 12, 0x40),
    ]
    nev(folder / "kinds.nev", packets, heads)
    found["kinds.nev"] = {
        "spike_time": np.array([0, 0.0025]),
        "spike_electrode": np.array([3, 4]),
        "spike_unit": np.array([1, 255]),
        "spike_waveform": waves[:2] * 0.25,
        "spike_waveform@units": "µV",
        "event_time": np.array([30, 60, 90, 120, 150, 180, 210, 240, 270]) / STEPS,
        "event_label": [
            "digital 5", "Reiz µ", "Ω 2", "video 4, file 1, frame 77, 2500 ms", "object 2 of 3 of parent 0, 2 points",
            "button pressed", "gain", "packet 0x9999 abcd", "periodic, digital 12",
        ],
        "event_value": np.array([5, np.nan, np.nan, 77, 2, 1, 3, np.nan, 12]),
        "tracking_coordinates": np.array([[*range(10, 19)]]),
        "?dropped": "colours of 1 comments",
    }  # fmt: skip
    late = (3, 0)
    packets = [
        (10, 0xFFF9, struct.pack("<H", 1)),
        spike(20, 700, 0, waves[2]),
        (30, 0xFFFB, struct.pack("<H16s", 0, b"Central") + b"ready"),
        (40, 0xFFFA, struct.pack("<H", 2) + b"filter"),
    ]
    nev(folder / "late.nev", packets, [wave_head(700)], late, size=40)
    found["late.nev"] = {
        "spike_electrode": np.array([700]),
        "spike_waveform": waves[2:3] * 0.25,
        "event_label": ["recording event 1", "Central: ready", "filter"],
        "event_type": ["recording", "log", "configuration"],
    }
    return found | make_waveforms(folder, waves)


def make_waveforms(folder, waves):
    found = {}
    small, large = waves[0].astype("i1"), waves[1][:4].astype("<i4") * 70000
    packets = [spike(1, 1, 0, small), spike(2, 1, 0, small[::-1])]
    nev(folder / "bytes.nev", packets, [wave_head(1, width=1)], flags=0)
    found["bytes.nev"] = {"spike_waveform": np.array([small, small[::-1]]) * 0.25}
    packets = [spike(1, 1, 0, small), spike(2, 2, 0, large), spike(3, 9, 0, large)]
    heads = [wave_head(1, width=1), wave_head(2, 1000, 4, 4)]
    nev(folder / "mixed.nev", packets, heads, flags=0)
    none = [np.nan] * 4
    rows = [small * 0.25, [*large, *none], none * 2]
    found["mixed.nev"] = {"spike_waveform": np.array(rows, "f8"), "?dropped": "scale it does not tell"}
    packets = [spike(1, 1, 0, waves[0]), spike(2, 2, 0, waves[1])]
    nev(folder / "gains.nev", packets, [wave_head(1), wave_head(2, 1000)])
    found["gains.nev"] = {
        "spike_waveform": waves[:2] * np.array([[0.25], [1.0]]),
        "spike_waveform@units": "µV",
    }
    nev(folder / "unknown.nev", packets, [wave_head(1)])
    found["unknown.nev"] = {"spike_waveform": waves[:2], "?warning": "raw counts"}
    packets = [digital(90000, 1), spike(90001, 1, 0, waves[0]), digital(5, 2), spike(30, 1, 0, waves[1])]
    nev(folder / "restart.nev", packets, [wave_head(1)])
    found["restart.nev"] = {
        "spike_run": np.array([0, 1]),
        "event_run": np.array([0, 1]),
        "?warning": "set its clock back",
    }
    packets = [(100, 5130, b""), digital(200, 3, 2, (1, 2, 3, 4, 5))]
    nev(folder / "stimulus.nev", packets, [wave_head(1, spec=(2, 2))], (2, 2))
    found["stimulus.nev"] = {
        "event_label": ["stimulation of electrode 10", "edge on analog input 1, digital 3"],
        "event_type": ["stimulation", "analog edge"],
    }
    start = 1_700_000_000_000_000_000
    packets = [spike(start + 5, 1, 0, waves[0]), digital(start + 10**9 + 5, 4)]
    nev(folder / "sync.nev", packets, [wave_head(1)], (3, 0), size=40, resolution=10**9)
    late = b"".join(block(start + 5 + 33333 * i, waves[:1, i : i + 1], (3, 0)) for i in range(8))
    (folder / "sync.ns4").write_bytes(header(1, (3, 0), resolution=10**9) + late)
    found["sync.nev"] = {"event_time": np.array([1.0]), "spike_time": np.array([0.0])}
    return found


def make_large(folder):
    """More packets than are gone through on opening, unless it is asked for."""
    ticks = np.arange(6400)
    packets = [spike(t, 1, 0, counts(1, 500, t)[0]) if t % 64 else digital(t, t) for t in ticks.tolist()]
    for name in ("large.nev", "scanned.nev"):
        nev(folder / name, packets, [wave_head(1, samples=500)], size=1008)
    chosen = ticks % 64 > 0
    facts = {
        "large.nev": {
            "spike_time": ticks / STEPS,
            "spike_electrode": chosen.astype(int),
            "?warning": "scan=True",
        },
        "scanned.nev": {
            "!options": {"scan": True},
            "spike_time": ticks[chosen] / STEPS,
            "event_time": ticks[~chosen] / STEPS,
            "spike_waveform": np.array([counts(1, 500, t)[0] for t in ticks[chosen].tolist()]) * 0.25,
        },
    }
    return facts


def make_broken(folder):
    data, found = counts(2, 40), {}
    whole = header(2) + block(0, data)
    bad = {
        "cut.ns5": (whole[:-9], "Truncated"),
        "short.ns5": (whole[:330], "Truncated"),
        "nothing.ns5": (header(2), "FormatError"),
        "no_channels.ns5": (header(0) + b"\1" * 20, "FormatError"),
        "period.ns5": (header(2, period=0) + block(0, data), "FormatError"),
        "flag.ns5": (whole + b"\2" * 30, "FormatError"),
        "kind.ns5": (header(2, heads=[channel_head(0), b"XX".ljust(66)]) + block(0, data), "FormatError"),
        "hostile.ns5": (whole[:310] + b"\xff\xff\xff\x7f" + whole[314:], "LimitExceeded"),
        "fits.ns5": (whole[:310] + b"\x09\0\0\0" + whole[314:], "FormatError"),
        "neuralynx.nev": (
            b"######## Neuralynx Data File Header\r\n".ljust(16384, b"\0") + bytes(184),
            "NotSupported",
        ),
    }
    for name, (raw, error) in bad.items():
        (folder / name).write_bytes(raw)
        found[name] = {"!error": error}
    nev(folder / "packet.nev", [digital(1, 1)], [], size=4)
    nev(folder / "wide.nev", [digital(1, 1)], [wave_head(1, width=3)], flags=0)
    nev(folder / "empty.nev", [], [wave_head(1)])
    for name in ("packet.nev", "wide.nev", "empty.nev"):
        found[name] = {"!error": "FormatError"}
    return found


def make(folder):
    found = make_continuous(folder) | make_set(folder) | make_events(folder) | make_large(folder)
    for facts in found.values():
        facts["~"] = 1e-6
    return found | make_broken(folder)


def oracle(path):
    from neo.rawio import BlackrockRawIO

    held = BlackrockRawIO(str(path), gap_tolerance_ms=0.001)
    held.parse_header()
    facts = {"~": 1e-6}
    if path.suffix == ".nev":
        facts |= spikes_of(held)
    segments = (
        [held.get_analogsignal_chunk(0, i, stream_index=0) for i in range(held.segment_count(0))]
        if (held.signal_streams_count())
        else []
    )
    if not segments:
        return facts
    if held._nsx_spec[int(path.suffix[-1])] == "2.1":
        return facts | {"signals": early_samples(path, segments[0])}
    channels = held.header["signal_channels"]
    gain, offset = channels["gain"], channels["offset"]
    ending = path.suffix[1:]
    for place, raw in enumerate(segments, 1):
        facts[f"signals_{ending}_{place}" if place > 1 else "signals"] = (raw * gain + offset).T
        facts[f"time_{ending}_{place}" if place > 1 else "time"] = (
            held.get_signal_t_start(0, place - 1, 0) + np.arange(len(raw)) / channels["sampling_rate"][0]
        )
    return facts | {"channel_name": channels["name"].tolist(), "channel_units": channels["units"].tolist()}


def early_samples(path, known):
    """The rows of specification 2.1 with the one that neo leaves out, or all of them past a block header."""
    (channels,) = np.fromfile(path, "<u4", 1, offset=28)
    begin = 32 + 4 * int(channels)
    rest = (path.stat().st_size - begin) % (2 * int(channels))
    rows = np.fromfile(path, "<i2", offset=begin + rest).reshape(-1, channels)
    assert rest or np.array_equal(rows[:-1], known)
    return rows.T


def spikes_of(held):
    """All spikes by neo in order of the file, from its own tables."""
    spikes, _ = held.nev_data["Spikes"]
    other, _ = held.nev_data["NonNeural"]
    tick = held._nev_basic_header["timestamp_resolution"]
    waves = np.ascontiguousarray(spikes["waveform"].astype(f"V{spikes['waveform'].dtype.itemsize}")).view(
        "<i2"
    )
    factor = {n: held._nev_params("digitization_factor")[n] / 1000 for n in np.unique(spikes["packet_id"])}
    gains = np.array([factor[n] for n in spikes["packet_id"]])
    return {
        "spike_time": spikes["timestamp"] / tick,
        "spike_electrode": spikes["packet_id"],
        "spike_unit": spikes["unit_class_nb"],
        "spike_waveform": waves.reshape(len(spikes), -1) * gains[:, None],
        "event_time": other["timestamp"] / tick,
        "event_value": other["digital_input"],
    }
