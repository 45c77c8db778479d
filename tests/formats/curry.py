"""Curry recordings of both generations, written by hand; no independent reader is installed, no real file is here."""

import numpy as np

RAW = "{0B86B22B-1A49-411A-9657-4A4BDA3D3ED8}"
COMPRESSED = "{2912E8D8-F5C8-4E25-A8E7-A1385967DA09}"


def block(name, **values):
    rows = [f"   {key:<20} = {value}" for key, value in values.items()]
    return "\n".join([f"{name} START", *rows, f"{name} END", ""])


def listed(name, rows):
    return "\n".join([f"{name} START_LIST\t# Do not edit!", *map(str, rows), f"{name} END_LIST", ""])


def parameters(samples, channels, trials=1, groups=(("", "uV", 2), ("_OTHERS", "mV", 1)), **more):
    values = {
        "DataFormat": "FLOAT",
        "DataGuid": RAW,
        "DataByteOrder": "INTEL",
        "DataSampOrder": "SAMP",
        "NumSamples": samples,
        "NumTrials": trials,
        "NumChannels": channels,
        "StartYear": 2024,
        "StartMonth": 5,
        "StartDay": 15,
        "StartHour": 10,
        "StartMin": 20,
        "StartSec": 30,
        "StartMillisec": 7,
        "SampleTimeUsec": 4000,
        "SampleFreqHz": 250,
        "TriggerOffsetUsec": 0,
    } | more
    said = block("DATA_PARAMETERS", **values)
    for suffix, unit, size in groups:
        said += block(f"DEVICE_PARAMETERS{suffix}", DataUnit=unit, NumChanThisGroup=size)
    return said


LABELS = listed("LABELS", ["Fp1", "Größe"]) + listed("LABELS_OTHERS", ["Trigger"])
SENSORS = listed("SENSORS", [" 71\t-17.6\t 116.7", "-71\t-18.4\t 114.6"])


def event_file(rows, remarks):
    numbers = [
        f"  {at}\t 0\t {code}\t-1\t {first}\t {last}\t 0\t 0\t 0\t 0\t 0" for at, code, first, last in rows
    ]
    return listed("NUMBER_LIST", numbers) + listed("REMARK_LIST", remarks)


def values(channels, samples, seed=0):
    return np.random.default_rng(seed + samples).normal(0, 50, (channels, samples)).astype("<f4")


def make_good(folder):
    found, data = {}, values(3, 60)
    (folder / "new.cdt.dpa").write_text("\ufeff" + parameters(60, 3) + LABELS + SENSORS, encoding="utf-8")
    (folder / "new.cdt").write_bytes(data.T.tobytes())
    (folder / "new.cdt.cef").write_text(
        event_file([(10, 7, 10, 15), (20, 8, 20, 20)], ["", "Reiz µ"]), encoding="utf-8"
    )
    (folder / "new.cdt.hpi").write_text("FileVersion:\t804\n")
    found["new.cdt.dpa"] = {
        "signals": data,
        "signals@sampling_frequency": 250.0,
        "channel_name": ["Fp1", "Größe", "Trigger"],
        "channel_units": ["uV", "uV", "mV"],
        "event_time": np.array([0.04, 0.08]),
        "event_duration": np.array([0.02, 0]),
        "event_label": ["7", "Reiz µ"],
        "event_code": np.array([7, 8]),
        "@recording_start": "2024-05-15T10:20:30.007000",
        "?dropped": "head coils",
    }
    (folder / "same.CDT.dpo").write_text(parameters(-1, 3, SampleFreqHz=0, StartSec=11280) + LABELS)
    (folder / "same.cdt").write_bytes(data.T.tobytes())
    found["same.CDT.dpo"] = {"signals": data, "signals@sampling_frequency": 250.0}
    epochs = values(3, 60, 1)
    extra = listed("EPOCH_INFORMATION", [f" 1\t 3\t {i}\t 0\t 1\t 0\t 0" for i in range(3)])
    extra += listed("EPOCH_LABELS", ["a", "b", "a"]) + listed(
        "IMPEDANCE_VALUES", [" 1\t-1\t 3", "-1\t-1\t-1"]
    )
    (folder / "old.dap").write_text(parameters(20, 3, 3, TriggerOffsetUsec=-500000, StartYear=0) + extra)
    (folder / "old.rs3").write_text(LABELS, encoding="cp1252")
    (folder / "old.dat").write_bytes(epochs.T.tobytes())
    (folder / "old.dat.cef").write_text(event_file([(5, 1, 5, 5)], []))
    found["old.dap"] = {
        "signals": epochs.reshape(3, 3, 20).transpose(1, 0, 2),
        "signals@start_time": -0.5,
        "channel_name": ["Fp1", "Größe", "Trigger"],
        "trial_label": ["a", "b", "a"],
        "trial_information": np.array([[1, 3, i, 0, 1, 0, 0] for i in range(3)]),
        "impedance": np.array([[1, np.nan, 3]]),
        "event_time": np.array([0.02]),
    }
    six = "\n".join(
        f"{key} = {value}"
        for key, value in {
            "NUM_SAMPLES": 60,
            "NUM_CHANNELS": 3,
            "SAMPLE_FREQ_HZ": 500,
            "DATA_SAMP_ORDER": "CHAN",
            "DATA_BYTE_ORDER": "MOTOROLA",
        }.items()
    )
    stored = listed("CHAN_IN_FILE", [2, 0, 1, 3])
    (folder / "six.dap").write_text(
        f"DATA_PARAMETERS START\n{six}\nDATA_PARAMETERS END\n"
        + block("DEVICE_PARAMETERS", DATA_UNIT="uV", NUM_CHAN_THIS_GROUP=4)
        + stored
    )
    (folder / "six.rs3").write_text(listed("LABELS", ["b", "Ref", "a", "c"]))
    (folder / "six.dat").write_bytes(data.astype(">f4").tobytes())
    found["six.dap"] = {
        "signals": data,
        "signals@sampling_frequency": 500.0,
        "channel_name": ["a", "b", "c"],
        "channel_units": ["uV"] * 3,
    }
    return found | make_text(folder, data)


def make_text(folder, data):
    found = {}
    rows = "\n".join(" ".join(repr(float(v)) for v in row) for row in data.T)
    (folder / "text.dap").write_text(
        parameters(60, 3, DataByteOrder="ASCII", DataFormat="ASCII", SampleTimeUsec=5000)
    )
    (folder / "text.dat").write_text(rows)
    found["text.dap"] = {
        "signals": data.astype("f8"),
        "signals@sampling_frequency": 200.0,
        "?warning": ["250 Hz and 5000", "labels are in text.rs3"],
    }
    (folder / "skip.cdt.dpa").write_text(
        parameters(60, 3, DataByteOrder="ASCII", DataFormat=1, NumLinesSkip=1, NumColumnsSkip=1) + LABELS
    )
    (folder / "skip.cdt").write_text(
        "t a b c\n" + "\n".join(f"{i} {row}" for i, row in enumerate(rows.splitlines()))
    )
    found["skip.cdt.dpa"] = {"signals": data.astype("f8")}
    (folder / "few.cdt.dpa").write_text(parameters(60, 3, groups=(("", "uV", 2),)) + LABELS)
    (folder / "few.cdt").write_bytes(data.T.tobytes())
    found["few.cdt.dpa"] = {"signals@units": "uV", "?warning": "tells the names of 2 channels"}
    return found


def make_longer(folder):
    data = values(3, 60)
    (folder / "longer.cdt.dpa").write_text(parameters(50, 3) + LABELS)
    (folder / "longer.cdt").write_bytes(data.T.tobytes())
    return {"longer.cdt.dpa": {"signals": data, "?warning": "promises 50 samples"}}


def make_broken(folder):
    data, found = values(3, 60), {}
    bad = {
        "cut": (parameters(61, 3), "Truncated"),
        "odd": (parameters(59, 3, 1, NumTrials=2), "Truncated"),
        "rest": (parameters(20, 7), "FormatError"),
        "packed": (parameters(60, 3, DataGuid=COMPRESSED), "FormatError"),
        "none": (parameters(60, 0), "FormatError"),
        "huge": (parameters(60, 10**8), "LimitExceeded"),
        "many": (parameters(10**12, 3), "LimitExceeded"),
        "word": (parameters("x", 3), "FormatError"),
        "still": (parameters(60, 3, SampleFreqHz=0, SampleTimeUsec=0), "FormatError"),
        "turned": (parameters(20, 3, 3, DataSampOrder="CHAN"), "FormatError"),
        "short": (parameters(60, 3, DataFormat="SHORT"), "FormatError"),
        "ascii": (parameters(60, 3, DataByteOrder="ASCII"), "FormatError"),
    }
    for stem, (said, error) in bad.items():
        (folder / f"{stem}.cdt.dpa").write_text(said + LABELS)
        (folder / f"{stem}.cdt").write_bytes(data.T.tobytes())
        found[f"{stem}.cdt.dpa"] = {"!error": error}
    (folder / "lost.dap").write_text(parameters(60, 3))
    found["lost.dap"] = {"!error": "FormatError"}
    (folder / "events.dap").write_text(parameters(60, 3))
    (folder / "events.dat").write_bytes(data.T.tobytes())
    (folder / "events.cef").write_text(listed("NUMBER_LIST", ["1\t2"]))
    found["events.dap"] = {"!error": "FormatError"}
    (folder / "alone.cdt").write_bytes(data.T.tobytes())
    (folder / "lone.dat").write_bytes(data.T.tobytes())
    for name in ("alone.cdt", "lone.dat"):
        found[name] = {"!error": "NotSupported"}
    return found


def make(folder):
    return make_good(folder) | make_longer(folder) | make_broken(folder)


def oracle(path):
    return {}
