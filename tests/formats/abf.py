"""Axon files of both generations, written by hand; pyabf and neo, where right, are the oracle for real ones.

Where they are wrong: pyabf truncates the rate to an integer, cuts sweeps of unequal length equally, divides
tag times of ABF1 by the channels once more and ignores their clock, writes µ as u; neo sees one segment where
sweeps are not listed, repeats every tag in every segment, looks for ABF1 tags at block numbers as if they
were bytes, refuses oscilloscope files, and names nameless channels itself.
"""

import struct

import numpy as np

NAMES = {1: "Im", 2: "Vm µ"}


def counts(items, seed=0):
    return np.random.default_rng(seed + items).integers(-32768, 32767, items).astype("<i2")


def put(raw, at, layout, *values):
    struct.pack_into("<" + layout, raw, at, *values)


def block(parts, raw):
    """Append at the next block border; gives the block number."""
    at = sum(len(part) for part in parts)
    parts.append(bytes(-at % 512) + raw)
    return (at + 511) // 512


def tag_bytes(tags):
    return b"".join(struct.pack("<i56shh", ticks, text.encode("cp1252"), 1, 0) for ticks, text in tags)


def abf1(path, data, version=1.83, mode=3, order=(1,), interval=50.0, synch=(), tags=(), unit=0.0, **more):
    size = more.get("header", 6144 if version >= 1.6 else 2048)
    raw = bytearray(8192)
    put(raw, 0, "4sfhih", b"ABF ", version, mode, data.size, more.get("ignored", 0))
    put(raw, 16, "iii", more.get("episodes", 1), more.get("date", 20180425), 3661)
    put(raw, 366, "h", 250)
    put(raw, 100, "h", int(data.dtype.kind == "f"))
    put(raw, 120, "hfff", len(order), interval, more.get("second", 0.0), unit)
    put(raw, 138, "i", more.get("per_episode", 0))
    put(raw, 178, "f", more.get("apart", 0.0))
    put(raw, 194, "i", more.get("change", 0))
    put(raw, 244, "f4xi", 10.0, 32768)
    put(raw, 410, "16h", *order, *[-1] * (16 - len(order)))
    for adc in range(16):
        put(raw, 442 + 10 * adc, "10s", NAMES.get(adc, "").encode("cp1252").ljust(10))
        put(raw, 602 + 8 * adc, "8s", (b"pA", b"mV", b"\xb5A")[adc % 3].ljust(8))
        put(raw, 730 + 4 * adc, "f", 1.0 + adc)  # programmable gain
        put(raw, 922 + 4 * adc, "f", 0.5)
        put(raw, 986 + 4 * adc, "f", 0.25 * adc)
        put(raw, 1050 + 4 * adc, "f", 2.0)
        put(raw, 1114 + 4 * adc, "f", -1.0)
        if size >= 6144:
            put(raw, 4512 + 2 * adc, "h", int(adc == 2))
            put(raw, 4576 + 4 * adc, "f", 5.0)
    parts = [bytes(raw[:size])]
    put(raw, 40, "i", block(parts, bytes(2 * more.get("ignored", 0)) + data.tobytes()))
    if synch:
        put(raw, 92, "ii", block(parts, struct.pack(f"<{2 * len(synch)}i", *np.ravel(synch))), len(synch))
    if tags:
        put(raw, 44, "ii", block(parts, tag_bytes(tags)), len(tags))
    path.write_bytes(bytes(raw[:size]) + b"".join(parts)[size:] + bytes(512))


def abf2(path, data, mode=3, channels=2, interval=100.0, synch=(), tags=(), unit=0.0, **more):
    raw = bytearray(512)
    put(raw, 0, "4s4BI", b"ABF2", 0, 0, 6, 2, 512)
    put(raw, 12, "III", more.get("episodes", len(synch)), more.get("date", 20161222), 5000)
    put(raw, 30, "H", int(data.dtype.kind == "f"))
    put(raw, 60, "I8xI", 1, 2)
    protocol = bytearray(512)
    put(protocol, 0, "hf8xf4xi", mode, interval, unit, more.get("per_episode", 0))
    put(protocol, 62, "f44xf4xi", more.get("apart", 0.0), 10.0, 32768)
    texts = ["Clampex", "C:\\p.pro", "IN 0", "µV", "IN 1", "pA"]
    strings = b"SSCH" + bytes(40) + b"".join(text.encode("cp1252") + b"\0" for text in texts)
    adc = b""
    for i in range(channels):
        entry = bytearray(128)
        put(entry, 0, "hh2xf", i, i, 4.0)
        put(entry, 28, "f8xffff", 1.0, 0.5 + i, 0.25 * i, 1.0, 0.125)
        put(entry, 74, "ii", 3 + 2 * i, 4 + 2 * i)
        adc += bytes(entry)
    sections = {0: (bytes(protocol), 512, 1), 1: (adc, 128, channels), 9: (strings, len(strings), len(texts))}
    sections[10] = (data.tobytes(), data.itemsize, data.size)
    if synch:
        sections[15] = (struct.pack(f"<{2 * len(synch)}i", *np.ravel(synch)), 8, len(synch))
    if tags:
        sections[11] = (tag_bytes(tags), 64, len(tags))
    if more.get("epochs"):
        sections[3] = (struct.pack("<hh28x", 0, 5), 32, 1)
        sections[5] = (struct.pack("<hhhffiiii18x", 0, 1, 1, -70.0, 5.0, 100, 0, 0, 0), 48, 1)
    parts = [bytes(512)]
    for number, (held, size, count) in sections.items():
        put(raw, 76 + 16 * number, "IIq", block(parts, held), size, count)
    path.write_bytes(bytes(raw) + b"".join(parts)[512:])


def gain1(adc):
    return 10.0 / 32768 / (0.5 * 2.0 * (1.0 + adc) * (5.0 if adc == 2 else 1.0)), 0.25 * adc + 1.0


def gain2(adc):
    return 10.0 / 32768 / ((0.5 + adc) * (4.0 if adc else 1.0)), 0.25 * adc - 0.125


def scaled(data, channels, gain):
    rows = data.reshape(-1, len(channels)).T.astype("f8")
    return np.array([row * gain(adc)[0] + gain(adc)[1] for row, adc in zip(rows, channels, strict=True)])


def make_abf1(folder):
    found = {}
    data = counts(2000)
    tags = [(400, "drug µM"), (1000, "wash")]
    abf1(folder / "gapfree1.abf", data, order=(2, 1), interval=25.0, tags=tags, ignored=3)
    found["gapfree1.abf"] = {
        "signals": scaled(data, (2, 1), gain1),
        "signals@sampling_frequency": 20000.0,
        "channel_name": ["Vm µ", "Im"],
        "channel_units": ["µA", "mV"],
        "event_time": np.array([0.01, 0.025]),
        "event_label": ["drug µM", "wash"],
        "event_type": ["comment", "comment"],
        "@recording_start": "2018-04-25T01:01:01.250",
    }
    data, synch = counts(600), [(0, 200), (1000, 200), (2000, 200)]
    abf1(folder / "episodic1.abf", data, mode=5, order=(1, 2), synch=synch, unit=12.5, tags=[(80000, "x")])
    found["episodic1.abf"] = {
        "signals": scaled(data, (1, 2), gain1).reshape(2, 3, 100).transpose(1, 0, 2),
        "signals@sampling_frequency": 10000.0,
        "sweep_start": np.array([0, 0.0125, 0.025]),
        "event_time": np.array([1.0]),
    }
    data = counts(300)
    more = {"mode": 5, "episodes": 3, "per_episode": 100, "apart": 0.5}
    abf1(folder / "old1.abf", data, version=1.2, order=(0,), date=990618, **more)
    found["old1.abf"] = {
        "signals": scaled(data, (0,), gain1).reshape(3, 1, 100),
        "sweep_start": np.array([0, 0.5, 1.0]),
        "@recording_start": "1999-06-18T01:01:01.250",
    }
    more |= {"apart": 0.0, "mode": 4, "date": -1}
    abf1(folder / "scope1.abf", data, version=1.5, order=(1,), **more)
    found["scope1.abf"] = {
        "signals": scaled(data, (1,), gain1).reshape(3, 1, 100),
        "?warning": "does not say when its sweeps started",
    }
    data, synch = counts(120), [(0, 80), (400, 40)]
    tags = [(200, "here")]
    abf1(folder / "variable1.abf", data, mode=1, order=(1, 2), synch=synch, tags=tags)
    found["variable1.abf"] = {
        "signals": scaled(data[:80], (1, 2), gain1),
        "signals_sweep_2": scaled(data[80:], (1, 2), gain1),
        "signals_sweep_2@start_time": 0.02,
        "signals_sweep_2@sampling_frequency": 10000.0,
        "event_time": np.array([0.01]),
    }
    values = np.linspace(-2, 2, 300).astype("<f4")
    abf1(folder / "float1.abf", values, order=(0, 1, 2), interval=1000 / 3, date=20181399)
    found["float1.abf"] = {
        "signals": values.reshape(-1, 3).T,
        "signals@sampling_frequency": 1e6 / (float(np.float32(1000 / 3)) * 3),
        "?warning": "is not a date",
    }
    data, synch = counts(200), [(0, 100), (2000, 100)]
    abf1(folder / "clocks1.abf", data, mode=5, synch=synch, interval=10.0, second=100.0, change=60)
    clock = np.where(np.arange(100) < 60, np.arange(100) * 10, 600 + (np.arange(100) - 60) * 100) * 1e-6
    found["clocks1.abf"] = {"signals": scaled(data, (1,), gain1).reshape(2, 1, 100), "time": clock}
    return found


def make_abf2(folder):
    found = {}
    data = counts(1000)
    abf2(folder / "gapfree2.abf", data, tags=[(4000, "start µ"), (8000, "end")], epochs=True)
    found["gapfree2.abf"] = {
        "signals": scaled(data, (0, 1), gain2),
        "signals@sampling_frequency": 10000.0,
        "channel_name": ["IN 0", "IN 1"],
        "channel_units": ["µV", "pA"],
        "event_time": np.array([0.2, 0.4]),
        "event_label": ["start µ", "end"],
        "@recording_start": "2016-12-22T00:00:05.000",
    }
    data, synch = counts(900), [(1000, 300), (2000, 300), (4000, 300)]
    abf2(folder / "events2.abf", data, mode=2, channels=1, interval=2480.0, synch=synch, unit=62.0)
    found["events2.abf"] = {
        "signals": scaled(data, (0,), gain2).reshape(3, 1, 300),
        "signals@sampling_frequency": 1e6 / 2480,
        "sweep_start": np.array([0.062, 0.124, 0.248]),
    }
    # Lengths in ticks of the synch clock (8 ticks of 12.5 µs a sample), as some programs stored them.
    data, synch = counts(50), [(0, 240), (9600, 160)]
    abf2(folder / "variable2.abf", data, mode=1, channels=1, synch=synch, unit=12.5, date=0)
    found["variable2.abf"] = {
        "signals": scaled(data[:30], (0,), gain2),
        "signals_sweep_2": scaled(data[30:], (0,), gain2),
        "signals_sweep_2@start_time": 0.12,
    }
    lengths = [10 + 2 * (i % 2) for i in range(200)]
    data = counts(sum(lengths))
    abf2(folder / "many2.abf", data, mode=1, synch=[(100 * i, n) for i, n in enumerate(lengths)], unit=50.0)
    clock = np.concatenate([0.005 * i + np.arange(n // 2) * 1e-4 for i, n in enumerate(lengths)])
    found["many2.abf"] = {
        "signals": scaled(data, (0, 1), gain2),
        "time": clock,
        "sweep_sample_count": np.array([5, 6] * 100),
    }
    values = np.linspace(-2, 2, 300).astype("<f4")
    abf2(folder / "float2.abf", values, mode=5, synch=[(0, 300)])
    found["float2.abf"] = {"signals": values.reshape(-1, 2).T}
    return found


def make_broken(folder):
    data, name = counts(600), folder / "x.abf"
    found = {}
    abf2(folder / "cut.abf", data)
    (folder / "cut.abf").write_bytes((folder / "cut.abf").read_bytes()[:-100])
    found["cut.abf"] = {"!error": "Truncated"}
    abf1(folder / "long.abf", data, mode=5, synch=[(0, 500), (900, 500)])
    found["long.abf"] = {"!error": "FormatError"}
    abf1(folder / "lost.abf", data, mode=1, episodes=3)
    found["lost.abf"] = {"!error": "FormatError"}
    abf1(folder / "empty.abf", data[:0])
    found["empty.abf"] = {"!error": "FormatError"}
    abf1(folder / "tags.abf", data, tags=[(1, "a")])
    raw = bytearray((folder / "tags.abf").read_bytes())
    put(raw, 48, "i", 0x7FFFFFFF)
    (folder / "tags.abf").write_bytes(raw)
    found["tags.abf"] = {"!error": "LimitExceeded"}
    name.write_bytes(b"ATF 1.0\r\n" * 9)
    found["x.abf"] = {"!error": "NotSupported"}
    return found


def make(folder):
    from pyabf.abfWriter import writeABF1

    found = make_abf1(folder) | make_abf2(folder) | make_broken(folder)
    for name, facts in found.items():
        if "!error" not in facts:
            facts["~"] = 1e-6
    waves = 0.9 * np.array([np.sin(np.arange(100) / 9), np.cos(np.arange(100) / 5)])
    writeABF1(waves, str(folder / "pyabf.abf"), 5000)
    step = 10 / 32768 / 10.0
    stored = np.trunc(waves / step) * step
    found["pyabf.abf"] = {"signals": stored[:, None, :], "signals@sampling_frequency": 5000.0, "~": 1e-6}
    return found


def from_neo(path):
    """Segments by neo, in physical units from its raw integers; None where it cannot or is wrong."""
    from neo.rawio import AxonRawIO

    held = AxonRawIO(str(path))
    held.parse_header()
    segments = [
        held.get_analogsignal_chunk(0, i, None, None, 0).astype("f8").T for i in range(held.segment_count(0))
    ]
    channels = held.header["signal_channels"]
    gain, offset = channels["gain"][:, None], channels["offset"][:, None]
    starts = np.array([held.segment_t_start(0, i) for i in range(len(segments))])
    return [part * gain + offset for part in segments], starts, held._sampling_rate, channels


def oracle(path):
    import pyabf

    try:
        held = pyabf.ABF(str(path), loadData=True)
        parts, starts, rate, channels = from_neo(path)
    except Exception:  # whatever they raise means that they cannot read it
        return None
    facts = {"~": 1e-6, "signals@sampling_frequency": rate}
    if len(parts) == 1 and held.sweepCount > 1:
        facts["signals"] = held.data.reshape(len(held.data), held.sweepCount, -1).transpose(1, 0, 2)
    elif len({part.shape for part in parts}) == 1:
        facts["signals"] = np.array(parts) if len(parts) > 1 else parts[0]
        if len(parts) > 1:
            facts["sweep_start"] = starts
    elif len(parts) <= 128:
        facts |= {f"signals_sweep_{i + 1}" if i else "signals": part for i, part in enumerate(parts)}
    else:
        facts["signals"] = np.concatenate(parts, axis=1)
    names, units = channels["name"].tolist(), channels["units"].tolist()
    if all(name.isascii() for name in names) and all(name.strip("?\0") for name in held.adcNames):
        facts["channel_name"] = names
    if not any("u" in unit for unit in units):  # may have been µ
        facts["channel_units"] = units
    if held.abfVersion["major"] == 1 and held.tagComments:
        header = held._headerV1
        tick = (header.fSynchTimeUnit or header.fADCSampleInterval) / 1e6
        facts["event_time"] = np.array(header.lTagTime) * tick
    elif held.tagComments:
        facts["event_time"] = np.array(held.tagTimesSec)
    return facts
