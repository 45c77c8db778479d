"""LabChart recordings, written by hand; the vendor's own library is the oracle for real ones.

Its answers (names, units, samples, comments, times) lie beside each corpus file; see `oracle`.
"""

import json
import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
from formats._adicht_writer import FLOAT, INT, channel, record, write

PREFIXES = {1: ("", 1), 6: ("µ", 1e-6), 7: ("m", 1e-3), 9: ("k", 1e3)}

# -- what is expected ---------------------------------------------------------------------------------------


def physical(raw, name="V", scale=1.0, offset=0.0, prefix=1, user=None):
    """Values and unit as the vendor's library shows them."""
    values = (np.asarray(raw, "f8") + offset) * scale
    if user:
        name, prefix, values = user[0], user[3], values * user[1] + user[2]
    return values / PREFIXES[prefix][1], PREFIXES[prefix][0] + name


def iso(seconds):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(Fraction(seconds) * 10**6))
    return moment.isoformat(timespec="microseconds")


def expected(records, names):
    """Streams by record, rate and length, as the layout asks; the first has the plain names."""
    facts, first, begin = {}, True, Fraction(0)
    comments = []
    for place, r in enumerate(records, 1):
        tick = Fraction(*r["tick"])
        began = Fraction(r["time"]) - r["trigger"] * tick
        begin = began if first else begin
        groups = {}
        for k, c in r["channels"].items():
            if len(c["data"]):
                groups.setdefault((1 / (tick * c["ratio"][1] / c["ratio"][0]), len(c["data"])), []).append(k)
        for (rate, _), members in sorted(groups.items(), reverse=True):
            end = "" if first else f"_record_{place}_{float(rate):.10g}_Hz".replace(".", "_")
            first = False
            held = [r["channels"][k] for k in members]
            rows = [physical(c["held"], **c["unit"]) for c in held]
            alike = len({(c["kind"], *map(str, c["unit"].values())) for c in held}) == 1
            kept = "f8" if alike and held[0]["kind"] == INT else "f4"
            facts[f"signals{end}"] = np.array([values for values, _ in rows]).astype(kept)
            facts[f"channel_units{end}"] = [unit for _, unit in rows]
            facts[f"channel_name{end}"] = [names[k] for k in members]
            facts[f"signals{end}@sampling_frequency"] = float(rate)
            facts[f"signals{end}@start_time"] = float(began - begin)
            facts[f"signals{end}@record_start"] = iso(began)
            facts[f"signals{end}@record"] = place
        at = float(began - begin)
        comments += [
            (at + float(t * tick), s, names[c] if c >= 0 else "", n, place) for t, c, n, s in r["comments"]
        ]
    columns = ("event_time", "event_label", "event_channel", "event_number", "event_record")
    facts |= dict(zip(columns, (list(column) for column in zip(*comments)))) if comments else {}
    # One more rounding is allowed to integers; a tolerance goes by the greatest value, so wild ones get none.
    wild = any(np.nanmax(np.abs(c["held"]), initial=0) > 1e6 for r in records for c in r["channels"].values())
    return facts | {"@recording_start": iso(begin), "~": 0 if wild else 1e-12}


def whole(seed, count, limit=32768):
    return np.random.default_rng(seed).integers(-limit, limit, count).astype("i2")


def smooth(count):
    return (1000 * np.sin(np.arange(count) / 50)).astype("i2")


def steps(count, wild=True):
    """Float differences, wild ones with all that may happen to them."""
    rng = np.random.default_rng(count)
    out = rng.normal(size=count).astype("f4")
    out[:300] = 0
    out[rng.integers(0, count, 6)] = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-38] if wild else np.nan
    return out


def recordings():
    """File name: (records, channel names, options of the writer)."""
    volts = {"name": "V", "scale": 1.5625e-7, "prefix": 7}
    pressure = {"name": "V", "scale": 2e-4, "offset": -40.0, "prefix": 7, "user": ("mmHg", 12.5, -3.0, 1)}
    three = {0: channel(whole(1, 730), **volts), 2: channel(smooth(730), **volts)}
    rates = {
        0: channel(smooth(1000), **volts),
        1: channel(whole(2, 100), ratio=(1, 10), **pressure),
        3: channel(steps(1000, wild=False), FLOAT, name="BPM"),
        4: channel(whole(3, 2000), ratio=(2, 1), coding=0x80000100, name="A", prefix=6),
        5: channel([]),
    }
    again = {
        0: channel(whole(4, 305), name="N", scale=0.5, prefix=9),
        1: channel(whole(5, 30), ratio=(1, 10), **pressure),
        3: channel(smooth(305), **volts),
    }
    said = [(0, -1, 1, "Start"), (99, 0, 2, "é µ 日本"), (100, 3, 3, ""), (999, 1, 7, "long " * 300)]
    mixed = [
        record(rates, 1000, comments=said, trigger=250, time=1.7e9 + 0.125),
        record({}, 10, time=1.7e9 + 3, width=2),
        record(again, 305, tick=(3, 10000), time=1.7e9 + 60.5, trigger=-100, comments=[(5, -1, 8, "again")]),
    ]
    floats = [
        record(
            {0: channel(steps(900), FLOAT, name="mV"), 1: channel(steps(90), FLOAT, (1, 10), name="°C")},
            900,
            layout=1,
            zone=np.nan,
        ),
        record(
            {1: channel(steps(64), FLOAT, coding=0x80000100, name="°C")},
            64,
            layout=1,
            time=1.5e9 + 99.5,
            zone=np.nan,
        ),
    ]
    names = ["Pressure", "B", "C", "Rate", "E", "F"]
    return {
        "one.adicht": ([record(three, 730)], [*names[:3], "unused", "unused"], {}),
        "mixed.adicht": (mixed, names, {"scatter": 3}),
        "wide.adidatx": ([record(three, 730)], names[:3], {"shift": 12, "each": 16000}),
        "floats.adidat": (floats, ["A", "B"], {"minor": 5, "scatter": 5}),
        "plain.adi": (
            [record({0: channel([0] * 5000), 1: channel(steps(5000), FLOAT)}, 5000)],
            names[:2],
            {"each": 4100},
        ),
    }


def make(folder):
    found = {}
    for name, (records, names, options) in recordings().items():
        write(folder / name, records, names, **options)
        found[name] = expected(records, names)
    found["one.adicht"] |= {"?dropped": ["channels without samples: B", "settings/channelsettings"]}
    found["mixed.adicht"] |= {
        "?warning": "record 2 has no samples",
        "?dropped": "channels without samples: C, F",
    }
    one = recordings()["one.adicht"][0]

    def odd(name, records, fact, names=("A", "B", "C"), **options):
        write(folder / name, records, names, **options)
        found[name] = {"!error": fact} if isinstance(fact, str) else expected(records, names) | fact

    late = [{**one[0], "time": 1.5e9}, {**one[0], "time": 1.5e9 + 0.5}]
    odd("overlap.adicht", late, {"?warning": "record 2 began at 2017-07-14T02:40:00.500000+00:00"})
    short = {0: channel(whole(1, 500)), 1: channel(whole(2, 400))}
    odd("short.adicht", [record(short, 500)], {"?warning": "its channels B 0.4 s from its start"})
    write(folder / "timeless.adicht", [one[0], {**one[0], "time": np.nan}], ("A", "B", "C"))
    found["timeless.adicht"] = {
        "signals_record_2_1000_Hz@start_time": 0.0,
        "?warning": "does not say when record 2 began",
    }
    odd("later.adicht", one, "FormatError", Blocks_1=b"UU\3\xaa")
    odd("version.adicht", one, "FormatError", minor=8)
    odd("layout.adicht", [{**one[0], "layout": 2}], "FormatError")
    odd("units.adicht", [record({0: channel([1], layout=3)}, 1)], "FormatError")
    odd(
        "prefix.adicht",
        [record({0: channel([1])}, 1)],
        "FormatError",
        change=[(struct.pack("<ffIIH", 1, -1, 2, 1, 0), struct.pack("<ffIIH", 1, -1, 2, 15, 0))],
    )
    odd("coding.adicht", [record({0: channel([1, 2], coding=0x106)}, 2)], "FormatError")
    odd("nothing.adicht", [record({}, 10, width=3)], "FormatError")
    many(folder, found)
    damage(folder, found)
    return found


def many(folder, found):
    """More records than there may be streams: those that are alike are sweeps, the others stay streams."""
    records = []
    for i in range(70):
        slow = channel(whole(100 + i, 4), ratio=(1, 10), scale=2.0 if i == 7 else 1.0)
        records.append(
            record({0: channel(whole(i, 40), scale=0.5), 1: slow}, 40, time=1.5e9 + 2.5 * i, trigger=20)
        )
    write(folder / "many.adicht", records, ["A", "B"], shift=12)
    places = [i for i in range(70) if i != 7]
    found["many.adicht"] = {
        "signals": np.array([r["channels"][0]["held"] * 0.5 for r in records])[:, None],
        "signals@sampling_frequency": 1000.0,
        "sweep_start": np.arange(70) * 2.5,
        "channel_name": ["A"],
        "signals_records_1_to_70_100_Hz": np.array([records[i]["channels"][1]["held"] for i in places])[
            :, None
        ],
        "signals_records_1_to_70_100_Hz@records": [i + 1 for i in places],
        "sweep_start_records_1_to_70_100_Hz": np.array(places) * 2.5,
        "signals_record_8_100_Hz": records[7]["channels"][1]["held"][None] * 2.0,
        "signals_record_8_100_Hz@start_time": 17.5,
        "signals_record_8_100_Hz@trigger_time": 17.52,
    }


def damage(folder, found):
    """The file ``one.adicht`` with chains, directories and counts that no writer makes."""
    good = (folder / "one.adicht").read_bytes()
    count = struct.unpack_from("<I", good, 0x9C)[0]
    table = len(good) - 8 * count
    root = struct.unpack_from("<Q", good, 0xB8 + 0x48)[0]
    folder_at = 512 + (root - 2) * 1024
    samples = good.index("Blocks_0".encode("utf-16-le"), folder_at)
    first, size, last = struct.unpack_from("<QQQ", good, samples + 0x48)
    inside = good.index("Settings".encode("utf-16-le"), folder_at)

    def spoil(name, error, *words):
        raw = bytearray(good)
        for at, layout, *values in words:
            struct.pack_into("<" + layout, raw, at, *values)
        (folder / name).write_bytes(raw)
        found[name] = {"!error": error}

    spoil("circle.adicht", "FormatError", (table + 8 * last, "I", first))
    spoil("loop.adicht", "FormatError", (table + 8 * first, "II", first, first))
    spoil("outside.adicht", "FormatError", (table + 8 * first, "I", count + 5))
    spoil("freed.adicht", "FormatError", (table + 8 * (first + 1), "II", first + 2, 1 << 31))
    spoil("endless.adicht", "FormatError", (samples + 0x50, "Q", 1 << 62))
    spoil("short_chain.adicht", "FormatError", (samples + 0x50, "Q", size + 4096))
    spoil("table.adicht", "Truncated", (0x9C, "I", 1 << 30), (0xA4, "i", -(1 << 30)))
    spoil("place.adicht", "Truncated", (0xAC, "I", 1 << 31))
    spoil("shift.adicht", "FormatError", (0x98, "I", 60))
    spoil("crowd.adicht", "LimitExceeded", (0xB8 + 0x50, "Q", 1 << 60))
    spoil("itself.adicht", "FormatError", (inside + 0x48, "QQQ", root, 8 + 160, root))
    found["itself.adicht"] = {
        "signals@sampling_frequency": 1000.0,
        "?dropped": "folders of settings that are damaged",
    }
    whole_map = good.index(b"ADInstruments Chart Data\0")
    spoil("names.adicht", "FormatError", (whole_map + 32 + 90, "ii", 1 << 30, -(1 << 30)))
    chunk_at = 512 + (first - 2) * 1024 + 4
    spoil("chunk.adicht", "FormatError", (chunk_at, "i", 1 << 30), (chunk_at + 8, "i", -(1 << 30)))
    spoil("packed.adicht", "FormatError", (chunk_at + 20, "BB", 129, 0))
    (folder / "cut.adicht").write_bytes(good[:-100])
    found["cut.adicht"] = {"!error": "Truncated"}
    (folder / "other.adi").write_bytes(b"Interval=\t0.1 s\n" * 20)
    found["other.adi"] = {"!error": "NotSupported"}


# -- real files ---------------------------------------------------------------------------------------------


def oracle(path):
    """The answers of the vendor's library, grouped as the layout asks."""
    beside = path.parent / "reference.json"
    return _labchart(path, json.loads(beside.read_text("utf-8"))) if beside.exists() else _library(path)


def _labchart(path, answers):
    """One record of int16 samples; the library's float32 values were kept as multiples of 0.00015625 mV."""
    told, held = answers[path.name], np.load(path.parent / "reference.npz")
    full = [c for c in told["channels"] if c["samples"]]
    (start,) = told["records"]
    assert not told["comments"] and start["trigger_tick"] == 0
    return {
        "~": 1e-12,
        "signals": np.array([held[c["array"]] * 0.00015625 for c in full]),
        "signals@sampling_frequency": 1 / start["tick_period_s"],
        "channel_name": [c["name"] for c in full],
        "channel_units": [c["units"] for c in full],
        "@recording_start": iso(Fraction(start["start_unix_s"]) + Fraction(str(start["start_fraction_s"]))),
        "?dropped": [c["name"] for c in told["channels"] if not c["samples"]],
    }


def _library(path):
    """Any records of float32 samples. The library tells times of records as float32 fractions of a second."""
    told = json.loads(path.with_suffix(".reference.json").read_text("utf-8"))
    held = np.load(path.with_suffix(".reference.npz"))
    facts, comments = {}, []
    for number, r in enumerate(told["records"]):
        groups = {}
        for k, c in enumerate(r["ch"]):
            if c["n"]:
                period = Fraction(c["sp"]).limit_denominator(10**7)
                groups.setdefault((1 / period, c["n"]), []).append(k)
        for (rate, _), members in sorted(groups.items(), reverse=True):
            end = f"_record_{number + 1}_{float(rate):.10g}_Hz".replace(".", "_") if facts else ""
            facts[f"signals{end}"] = np.array([held[f"r{number}_c{k}"] for k in members])
            facts[f"signals{end}@sampling_frequency"] = float(rate)
            facts[f"channel_units{end}"] = [r["ch"][k]["u"] for k in members]
            facts[f"channel_name{end}"] = [told["names"][k] for k in members]
            begin = r["t"] + Fraction(r["frac"]) - r["trig"] * Fraction(r["tp"]).limit_denominator(10**7)
            facts[f"signals{end}@record_start"] = iso(begin)
            facts.setdefault("@recording_start", iso(begin))
        for tick, k, place, text in r["com"]:
            comments.append((tick, text, told["names"][k] if k >= 0 else "", place, number + 1))
    columns = ("event_tick", "event_label", "event_channel", "event_number", "event_record")
    return facts | (dict(zip(columns, (list(column) for column in zip(*comments)))) if comments else {})
