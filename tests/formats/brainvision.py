"""BrainVision recordings of every layout, written by hand; neo, where it can, is the oracle for real ones.

neo fails on Latin-1 headers; there the layout is so plain that numpy alone reads it.
"""

import hashlib

import numpy as np

NAMES = ["Fp1", "A,B", "Größe"]
STEPS = [0.5, 0.1, 2.0]
KINDS = {"INT_16": "<i2", "UINT_16": "<u2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}


def counts(samples, kind="INT_16", seed=0):
    rng = np.random.default_rng(seed + samples)
    if kind == "IEEE_FLOAT_32":
        return rng.normal(0, 100, (3, samples)).astype("<f4")
    low = 0 if kind == "UINT_16" else -30000
    return rng.integers(low, 30000, (3, samples)).astype(KINDS[kind])


def header(path, data, kind="INT_16", interval="1000", order="MULTIPLEXED", **more):
    form = more.get("form", "BINARY")
    infos = [
        f"DataFile={more.get('data_file', path.stem + '.eeg')}",
        f"MarkerFile={more.get('marker_file', path.stem + '.vmrk')}",
        f"DataFormat={form}",
        "; Data orientation: a comment",
        f"DataOrientation={order}",
        f"NumberOfChannels={more.get('count', len(data))}",
        f"SamplingInterval={interval}",
        *more.get("infos", ()),
    ]
    rows = more.get("rows") or [
        f"Ch{i + 1}={name.replace(',', chr(92) + '1')},Ref,{step},{unit}"
        for i, (name, step, unit) in enumerate(zip(NAMES, STEPS, ("µV", "", "mV"), strict=True))
    ]
    lines = [
        more.get("title", "Brain Vision Data Exchange Header File Version 1.0"),
        f"[{more.get('common', 'Common Infos')}]",
        *([f"Codepage={more['page']}"] if "page" in more else []),
        *infos,
        *more.get("sections", () if form == "ASCII" else ("[Binary Infos]", f"BinaryFormat={kind}")),
        "[Channel Infos]",
        *rows,
        "[Coordinates]",
        "Ch1=1,-90,-72",
        "[Comment]",
        "[kOhm] Impedances = none; µ",
    ]
    path.write_bytes("\r\n".join(lines).encode(more.get("encoding", "utf-8")))


def body(path, data, order="MULTIPLEXED", before=b"", after=b""):
    path.write_bytes(before + (data.T if order == "MULTIPLEXED" else data).tobytes() + after)


def markers(path, rows, encoding="utf-8", page="UTF-8"):
    lines = ["Brain Vision Data Exchange Marker File, Version 1.0", "[Common Infos]", f"Codepage={page}"]
    lines += ["DataFile=x", "[Marker Infos]", "; Mk1=no marker"]
    lines += [f"Mk{i}={row}" for i, row in enumerate(rows, 1)]
    path.write_bytes("\n".join(lines).encode(encoding))


def write(folder, stem, data, marks=("New Segment,,1,1,0,20240515102030123456",), **more):
    order = more.get("order", "MULTIPLEXED")
    header(folder / f"{stem}.vhdr", data, **more)
    body(folder / f"{stem}.eeg", data, order, more.get("before", b""), more.get("after", b""))
    if marks:
        markers(folder / f"{stem}.vmrk", marks)


def physical(data):
    return data * np.array(STEPS)[:, None]


def make_layouts(folder):
    found = {}
    for kind in KINDS:
        for order in ("MULTIPLEXED", "VECTORIZED"):
            stem = f"{kind}_{order}".lower()
            data = counts(60, kind)
            write(folder, stem, data, kind=kind, order=order, interval="3906.25", infos=["DataPoints=60"])
            found[f"{stem}.vhdr"] = {
                "signals": physical(data),
                "signals@sampling_frequency": 256.0,
                "channel_name": NAMES,
                "channel_units": ["µV", "µV", "mV"],
                "@recording_start": "2024-05-15T10:20:30.123456",
            }
    data = counts(40)
    big = data.astype(">i2")
    more = {"sections": ("[Binary Infos]", "BinaryFormat=INT_16", "UseBigEndianOrder=YES", "DataOffset=7")}
    write(folder, "big", big, before=b"offset!", **more)
    found["big.vhdr"] = {"signals": physical(data)}
    more = {"sections": ("[Binary Infos]", "BinaryFormat=INT_16", "ChannelOffset=4", "TrailerSize=3")}
    raw = b"".join(b"chan" + row.tobytes() for row in data) + b"end"
    header(folder / "gaps.vhdr", data, order="VECTORIZED", **more)
    (folder / "gaps.eeg").write_bytes(raw)
    found["gaps.vhdr"] = {"signals": physical(data), "?warning": "its markers are in"}
    write(folder, "latin", data, encoding="latin-1", common="Common infos", interval="3906,25")
    found["latin.vhdr"] = {"channel_name": NAMES, "signals@sampling_frequency": 256.0}
    write(folder, "lying", data, encoding="latin-1", page="UTF-8")
    found["lying.vhdr"] = {"channel_name": NAMES, "?warning": "says that it is UTF-8"}
    write(folder, "longer", data, infos=["DataPoints=30"], after=b"\1")
    found["longer.vhdr"] = {"signals": physical(data), "?warning": "promises 30 samples"}
    write(folder, "odd", data, marks=None, after=b"\1\2\3", infos=["MarkerFile="])
    found["odd.vhdr"] = {"signals": physical(data), "?warning": "3 bytes after"}
    rows = ["Ch1=a,,0,µV", "Ch2=b,,x,µV"]
    header(folder / "scale.vhdr", data, rows=rows)
    body(folder / "scale.eeg", data)
    found["scale.vhdr"] = {
        "signals": data,
        "channel_name": ["a", "b", ""],
        "channel_units": ["", "", "µV"],
        "?warning": ["resolution '0'", "says nothing of 1 of its 3 channels"],
    }
    return found


def make_texts(folder):
    found, values = {}, counts(12, "IEEE_FLOAT_32").astype("f8").round(3)
    said = "\n".join(" ".join(f"{v:.3f}" for v in row) for row in values.T).replace(".", ",")
    more = {"form": "ASCII", "sections": ("[ASCII Infos]", "DecimalSymbol=,", "SkipLines=1", "SkipColumns=0")}
    header(folder / "text.vhdr", values, data_file="text.dat", infos=["DataPoints=12"], **more)
    (folder / "text.dat").write_text("Fp1 A,B Größe\n" + said + "\n\n", encoding="latin-1")
    found["text.vhdr"] = {"signals": physical(values), "~": 1e-12}
    more["sections"] = ("[ASCII Infos]", "SkipColumns=1")
    header(folder / "rows.vhdr", values, order="VECTORIZED", data_file="rows.txt", **more)
    lines = [f"Ch{i} " + " ".join(f"{v:.3f}" for v in row) for i, row in enumerate(values)]
    (folder / "rows.txt").write_text("\n".join(lines))
    found["rows.vhdr"] = {"signals": physical(values), "~": 1e-12}
    more["sections"] = ("[ASCII Infos]",)
    header(folder / "ragged.vhdr", values, data_file="ragged.dat", infos=["DataPoints=12"], **more)
    (folder / "ragged.dat").write_text("1 2 3\n4 5\n")
    found["ragged.vhdr"] = {"!error": "FormatError"}
    return found


def make_segments(folder):
    found, data = {}, counts(100)
    day = "20240515"
    rows = [
        f"New Segment,,1,1,0,{day}102030000000",
        "Stimulus,S\\1 1,11,5,0",
        f"New Segment,,41,1,0,{day}102031000000",
        "Response,R  2,51,1,2",
        f"New Segment,,61,1,0,{day}102031020000",  # where it should be: no interruption
        "Comment,late,200,0,9",
    ]
    write(folder, "paused", data, rows)
    found["paused.vhdr"] = {
        "signals": physical(data[:, :40]),
        "signals_segment_2": physical(data[:, 40:]),
        "signals_segment_2@start_time": 1.0,
        "event_time": np.array([0, 0.01, 1.0, 1.01, 1.02, 1.159]),
        "event_label": ["New Segment", "S, 1", "New Segment", "R  2", "New Segment", "late"],
        "event_type": ["New Segment", "Stimulus", "New Segment", "Response", "New Segment", "Comment"],
        "event_duration": np.array([1, 5, 1, 1, 1, 0]) / 1000,
        "event_channel": ["", "", "", "A,B", "", "channel 9"],
        "?warning": "1 markers lie outside",
    }
    rows = ["New Segment,,1,1,0", "New Segment,,31,1,0", "Stimulus,S 1,,1,0"]
    write(folder, "undated", data, rows, order="VECTORIZED")
    found["undated.vhdr"] = {
        "signals": physical(data[:, :30]),
        "signals_segment_2": physical(data[:, 30:]),
        "signals_segment_2@start_time": 0.03,
        "?warning": ["does not say for how long", "1 markers without a position"],
    }
    rows = [f"New Segment,,1,1,0,{day}102030000000", f"New Segment,,51,1,0,{day}092030000000"]
    write(folder, "back", data, rows)
    found["back.vhdr"] = {"sweep_start": np.array([0, 0.05]), "?warning": "Dates are ignored"}
    rows = [f"New Segment,,{1 + 25 * i},1,0,{day}1020{30 + i}000000" for i in range(4)]
    infos = ["SegmentationType=MARKERBASED", "SegmentDataPoints=25", "DataPoints=100"]
    for order in ("MULTIPLEXED", "VECTORIZED"):
        write(folder, f"epochs_{order.lower()}", data, rows, infos=infos, order=order)
        found[f"epochs_{order.lower()}.vhdr"] = {
            "signals": physical(data).reshape(3, 4, 25).transpose(1, 0, 2),
            "sweep_start": np.arange(4.0),
        }
    write(folder, "uneven", data, rows[:1], infos=["SegmentDataPoints=33"])
    found["uneven.vhdr"] = {"signals": physical(data), "?warning": "no multiple"}
    data = counts(500)
    firsts = np.cumsum([0] + [3 + i % 2 for i in range(140)])[:-1]
    rows = [f"New Segment,,{f + 1},1,0,{day}10{i // 60:02}{i % 60:02}000000" for i, f in enumerate(firsts)]
    write(folder, "many", data, rows)
    place = np.searchsorted(firsts, np.arange(500), side="right") - 1
    found["many.vhdr"] = {
        "signals": physical(data),
        "time": place + (np.arange(500) - firsts[place]) / 1000,
        "segment_first_sample": firsts,
    }
    return found


def make_names(folder):
    """Files that were renamed, headers of other programs, and the two endings of V-Amp."""
    found, data = {}, counts(20)
    write(folder, "renamed", data, data_file="C:\\old\\before.eeg", marker_file="before.vmrk")
    found["renamed.vhdr"] = {"signals": physical(data), "?warning": ["renamed.eeg", "renamed.vmrk"]}
    header(
        folder / "amp.ahdr",
        data,
        title="Brain Vision V-Amp Data Header File Version 1.0",
        marker_file="amp.amrk",
    )
    body(folder / "amp.eeg", data)
    markers(folder / "amp.amrk", ["New Segment,,1,1,0,0", "Event,µ,3,1,0"], "latin-1", "ANSI")
    found["amp.ahdr"] = {"signals": physical(data), "event_label": ["New Segment", "µ"]}
    header(
        folder / "base.vhdr",
        data,
        title="BrainVision Data Exchange Header File Version 2.0",
        data_file="$b.eeg",
        marker_file="",
    )
    body(folder / "base.eeg", data)
    found["base.vhdr"] = {"signals": physical(data)}
    return found


def make_broken(folder):
    data = counts(20)
    bad = {
        "spectrum": ({"infos": ["DataType=FREQUENCYDOMAIN"]}, "FormatError"),
        "short": ({"infos": ["DataPoints=21"]}, "Truncated"),
        "sideways": ({"order": "DIAGONAL"}, "FormatError"),
        "type": ({"kind": "INT_8"}, "FormatError"),
        "none": ({"count": 0}, "FormatError"),
        "huge": ({"count": 10**9}, "LimitExceeded"),
        "word": ({"count": "many"}, "FormatError"),
        "half": ({"count": "1.5"}, "FormatError"),
        "still": ({"interval": "0"}, "FormatError"),
        "headed": (
            {"sections": ("[Binary Infos]", "BinaryFormat=INT_16", "SegmentHeaderSize=9")},
            "FormatError",
        ),
        "turned": ({"order": "VECTORIZED", "after": b"\1"}, "FormatError"),
    }
    found = {}
    for stem, (more, error) in bad.items():
        write(folder, stem, data, **more)
        found[f"{stem}.vhdr"] = {"!error": error}
    header(folder / "lost.vhdr", data, data_file="../gone.eeg")
    found["lost.vhdr"] = {"!error": "FormatError"}
    markers(folder / "alone.vmrk", ["New Segment,,1,1,0"])
    found["alone.vmrk"] = {"!error": "NotSupported"}
    body(folder / "single.eeg", data)
    found["single.eeg"] = {"!error": "NotSupported"}
    (folder / "kohden.eeg").write_bytes(b"EEG-1100C V01.00".ljust(4096, b"\0"))
    found["kohden.eeg"] = {"!error": "NotSupported"}
    return found


def make(folder):
    found = make_layouts(folder) | make_segments(folder) | make_names(folder)
    for facts in found.values():
        facts["~"] = 1e-6
    return found | make_texts(folder) | make_broken(folder)


def oracle(path):
    if path.suffix.lower() == ".eeg":
        return {"!error": "NotSupported"}
    if "latin1" in path.name:
        volts = np.fromfile(path.with_suffix(".eeg"), "<f4").reshape(29, -1).astype("f8") * 1e-7
        # The hash of what mne reads, as the reference facts of the corpus have it.
        assert hashlib.sha1(volts.tobytes()).hexdigest().startswith("e3adb72576d0")
        return {"signals": volts * 1e6, "~": 1e-6}
    from neo.rawio import BrainVisionRawIO

    held = BrainVisionRawIO(str(path))
    held.parse_header()
    channels = held.header["signal_channels"]
    raw = held.get_analogsignal_chunk(0, 0, stream_index=0)
    facts = {
        "signals": (raw * channels["gain"] + channels["offset"]).T,
        "signals@sampling_frequency": channels["sampling_rate"][0],
        "channel_name": channels["name"].tolist(),
        "~": 1e-6,
    }
    times = [held.get_event_timestamps(0, 0, i)[0] for i in range(held.event_channels_count())]
    positions = np.sort(np.concatenate(times))  # neo counts them from 0, the file from 1
    facts["event_time"] = (positions - 1) / facts["signals@sampling_frequency"]
    return facts
