"""Text tables for `sparc_fuse_core.formats.csv`; Python's own csv and float, and pandas, as oracles."""

from __future__ import annotations

import csv
import math
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

_T = np.arange(50)
_A = [round(math.sin(i / 5), 6) for i in _T]
_B = [round(float(i * i / 7 - 3), 4) for i in _T]
_AB = np.array([_A, _B])
_DERIVED = "derived from"
_NO_TIME = "no time axis"


def _rows(times: list[str], delimiter: str = ",", *, comma: bool = False) -> list[str]:
    lines = [delimiter.join((t, repr(a), repr(b))) for t, a, b in zip(times, _A, _B, strict=True)]
    return [line.replace(".", ",") for line in lines] if comma else lines


def _even(step: float, digits: int) -> list[str]:
    return [f"{i * step:.{digits}f}" for i in _T]


def _signals(rate: float, **more: Any) -> dict[str, Any]:
    return {"signals": _AB, "signals@sampling_frequency": rate, "@fuse_kind": "signals", **more}


def _put(folder: Path, name: str, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> None:
    (folder / name).write_bytes((end.join(lines) + end).encode(encoding))


def _delimiters_and_encodings(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    named = {"channel_name": ["EMG", "Force"], "channel_units": ["mV", "g"], "?warning": _DERIVED}
    for name, delimiter in {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blanks": "   "}.items():
        heading = delimiter.join(("Time(s)", "EMG(mV)", "Force[g]"))
        _put(folder, f"{name}.csv", [heading, *_rows(_even(0.001, 3), delimiter)])
        found[f"{name}.csv"] = _signals(1000.0, **named)
    heading = "Time (s);EMG (mV);Force [g]"
    for name, encoding in {
        "utf8bom": "utf-8-sig", "utf16": "utf-16", "utf16le": "utf-16-le", "utf16be": "utf-16-be",
    }.items():  # fmt: skip
        _put(folder, f"{name}.txt", [heading, *_rows(_even(0.5, 1), ";", comma=True)], encoding, "\r\n")
        found[f"{name}.txt"] = _signals(2.0, **named)
    _put(
        folder, "latin1.csv", ["Zeit (s);Länge (µm);Größe", *_rows(_even(0.5, 1), ";", comma=True)], "latin-1"
    )
    found["latin1.csv"] = _signals(2.0, channel_name=["Länge", "Größe"], channel_units=["µm", ""])
    _put(folder, "mac.tab", ["Time (ms)\tEMG_mV\tForce", *_rows(_even(2, 0), "\t")], end="\r")
    found["mac.tab"] = _signals(500.0, channel_name=["EMG_mV", "Force"], channel_units=["mV", ""])
    body = "\n".join(["t [us],a,b", *_rows(_even(40, 0))])
    (folder / "noend.csv").write_text(body)
    found["noend.csv"] = _signals(25000.0, channel_name=["a", "b"])
    for name, encoding in {"bare16.csv": "utf-16", "bare16be.txt": "utf-16-be"}.items():
        _put(folder, name, _rows(_even(0.5, 1), "\t", comma=name.endswith("txt")), encoding, "\r\n")
        found[name] = _signals(2.0, channel_name=["column_2", "column_3"])
    quoted = ['"Time, s","EMG (mV)","Force [g]"'] + [
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in _rows(_even(0.001, 3))
    ]
    quoted[0] = quoted[0].replace("Time, s", "Time (s)")
    _put(folder, "quoted.csv", quoted)
    found["quoted.csv"] = _signals(1000.0, **named)
    commas = [f'"{t.replace(".", ",")}","{a}","{b}"' for t, a, b in
              ((t, repr(a).replace(".", ","), repr(b).replace(".", ","))
               for t, a, b in zip(_even(0.001, 3), _A, _B, strict=True))]  # fmt: skip
    _put(folder, "quoted_commas.csv", ["Time (s),EMG (mV),Force (g)", *commas])
    found["quoted_commas.csv"] = _signals(1000.0, **named)
    return found


def _headings(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    rows = _rows(_even(0.01, 2))
    for name, above in {
        "comments.csv": ["# made by a program", "# subject 7", "Time (s),a,b"],
        "savetxt.txt": ["# Time (s),a,b"],
        "preamble.csv": ["Recorded with a device", "Gain: 5", "", "Time (s),a,b"],
        "units_row.csv": ["time,a,b", "s,mV,g"],
    }.items():
        _put(folder, name, [*above, *rows])
        found[name] = _signals(100.0, channel_name=["a", "b"])
    found["units_row.csv"]["channel_units"] = ["mV", "g"]
    _put(folder, "stated.csv", ["Sampling rate: 250 Hz", "a,b", *(r.partition(",")[2] for r in rows)])
    found["stated.csv"] = _signals(250.0, channel_name=["a", "b"], **{"?warning": "Sampling rate: 250 Hz"})
    _put(folder, "contradiction.csv", ["Sampling rate: 250 Hz", "Time (s),a,b", *rows])
    found["contradiction.csv"] = {"!error": "Ambiguous"}
    _put(folder, "twice.csv", ["Time (s),EMG,EMG", *rows])
    found["twice.csv"] = _signals(100.0, channel_name=["EMG", "EMG"])
    _put(folder, "trailing.csv", ["Time (s),a,b,", *(r + "," for r in rows)])
    found["trailing.csv"] = _signals(100.0, channel_name=["a", "b"], **{"@fuse_not_carried": []})
    _put(folder, "trailing_data_only.csv", ["Time (s),a,b", *(r + "," for r in rows)])
    found["trailing_data_only.csv"] = _signals(100.0, channel_name=["a", "b"])
    _put(folder, "index_column.csv", [",time (s),a,b", *(f"{i},{r}" for i, r in enumerate(rows))])
    found["index_column.csv"] = _signals(100.0, channel_name=["a", "b"], column_1=_T)
    _put(
        folder,
        "r_row_names.txt",
        ['"time_s" "a" "b"', *(f'"{i + 1}" ' + r.replace(",", " ") for i, r in enumerate(rows))],
    )
    found["r_row_names.txt"] = _signals(100.0, channel_name=["a", "b"], row=_T + 1)
    heading = ",".join(["time (s)", *(f"c{i}" for i in range(3000))])
    wide = [",".join([f"{t / 8}", *(str(i * t) for i in range(3000))]) for t in range(20)]
    _put(folder, "wide.csv", [heading, *wide])
    found["wide.csv"] = {
        "signals": np.outer(np.arange(3000), np.arange(20)),
        "signals@sampling_frequency": 8.0,
    }
    acq = [
        "C:\\x.acq",
        "0.5 msec/sample",
        "2 channels",
        "ECG",
        "mV",
        "Belt",
        "Volts",
        "sec,CH1,CH2,",
        ",50,50,",
    ]
    _put(
        folder,
        "acq.txt",
        [*acq, *(f"{i * 0.0005:g},{a!r},{b!r}," for i, a, b in zip(_T, _A, _B, strict=True))],
    )
    found["acq.txt"] = _signals(2000.0, channel_name=["ECG", "Belt"], channel_units=["mV", "Volts"])
    return found


def _time_axes(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, times, rate in (
        ("no_heading.csv", _even(0.001, 3), 1000.0),
        ("step_248.csv", _even(0.00248, 5), 1 / 0.00248),
        ("thirds.csv", [repr(int(i) / 30) for i in _T], 30.0),
        ("summed.csv", [repr(float(x)) for x in np.cumsum([0.1] * 50)], 10.0),
        ("slow.csv", _even(90, 0), 1 / 90),
    ):
        _put(folder, name, _rows(times))
        found[name] = _signals(rate, **{"?warning": _DERIVED})
    found["summed.csv"]["signals@start_time"] = 0.1
    long = [f"{i / 256:.3f}" for i in range(4000)]
    _put(folder, "rounded.csv", ["Time (s),x", *(f"{t},{i}" for i, t in enumerate(long))])
    found["rounded.csv"] = {"signals": np.arange(4000.0)[None], "signals@sampling_frequency": 256.0}
    uneven = np.round(np.cumsum(0.5 + np.abs(_AB[0])), 3)
    _put(folder, "uneven.csv", ["TimeStamp(sec),a,b", *_rows([f"{t:.3f}" for t in uneven])])
    found["uneven.csv"] = {"signals": _AB, "time": uneven, "?warning": "uneven"}
    _put(folder, "uneven_ms.csv", ["Elapsed time [ms],a,b", *_rows([f"{t:.3f}" for t in uneven])])
    found["uneven_ms.csv"] = {"signals": _AB, "time": uneven / 1000}
    gap = [int(i) / 10 if i < 25 else int(i) / 10 + 60 for i in _T]
    _put(folder, "gap.csv", ["time (min),a,b", *_rows([repr(t) for t in gap])])
    found["gap.csv"] = {"signals": _AB, "time": np.array(gap) * 60}
    _put(folder, "no_unit.csv", ["Time,a,b", *_rows(_even(0.25, 2))])
    found["no_unit.csv"] = _signals(4.0, **{"?warning": "is not stated and taken as seconds"})
    _put(folder, "counter.csv", _rows([str(i) for i in _T]))
    found["counter.csv"] = {
        "@fuse_kind": "table",
        "column_1": _T,
        "column_2": _AB[0],
        "?warning": "only counts",
    }
    _put(folder, "no_time.csv", ["a,b", *(r.partition(",")[2] for r in _rows(_even(1, 0)))])
    found["no_time.csv"] = {"@fuse_kind": "table", "a": _AB[0], "b": _AB[1], "?warning": "rate="}
    restart = [f"{i % 25},{a!r}" for i, a in zip(_T, _A, strict=True)]
    _put(folder, "restart.csv", ["subject,time since start (s),Depth (mm)",
                                 *(f"sub-{i // 25},{r}" for i, r in enumerate(restart))])  # fmt: skip
    found["restart.csv"] = {
        "@fuse_kind": "table", "time_since_start": _T % 25, "Depth": _AB[0], "Depth@units": "mm",
        "subject": [f"sub-{i // 25}" for i in _T], "?warning": "does not rise from row 25 to row 26",
    }  # fmt: skip
    return found | _clocks(folder)


def _clocks(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    began = datetime(2021, 3, 4, 23, 59, 58, 500000)
    moments = [began + timedelta(seconds=0.25 * int(i)) for i in _T]
    for name, form, start, heading in (
        ("clock12.csv", "%I:%M:%S.%f %p", "23:59:58.500000", "Time"),
        ("clock24.csv", "%H:%M:%S.%f", "23:59:58.500000", "Time"),
        ("iso.csv", "%Y-%m-%dT%H:%M:%S.%fZ", "2021-03-04T23:59:58.500000+00:00", "when"),
        ("iso_blank.csv", "%Y-%m-%d %H:%M:%S.%f", "2021-03-04T23:59:58.500000", "Timestamp"),
    ):
        _put(folder, name, [f"{heading},a,b", *_rows([m.strftime(form) for m in moments])])
        found[name] = _signals(4.0, **{"@recording_start": start, "?warning": _DERIVED})
    _put(folder, "date_and_clock.csv", ["Date,Time,a,b",
         *_rows([m.strftime("%Y-%m-%d,%H:%M:%S.%f") for m in moments])])  # fmt: skip
    found["date_and_clock.csv"] = _signals(
        4.0,
        Date=[m.strftime("%Y-%m-%d") for m in moments],
        **{"@recording_start": "2021-03-04T23:59:58.500000"},
    )
    jumps = [began + timedelta(milliseconds=int(i * i)) for i in _T]
    _put(folder, "clock_uneven.csv", ["Time,a,b", *_rows([m.strftime("%I:%M:%S.%f %p") for m in jumps])])
    found["clock_uneven.csv"] = {"signals": _AB, "time": (_T * _T) / 1000, "?warning": "uneven"}
    epoch = [f"{1_700_000_000_000 + 4 * i}" for i in _T]
    _put(folder, "epoch.csv", ["timestamp,a,b", *_rows(epoch)])
    found["epoch.csv"] = _signals(250.0, **{"@recording_start": "2023-11-14T22:13:20.000000+00:00"})
    nano = [f"{1_700_000_000_000_000_000 + 1_000_000 * i}" for i in _T]
    _put(folder, "epoch_ns.csv", ["timestamp,a,b", *_rows(nano)])
    found["epoch_ns.csv"] = _signals(1000.0, **{"?warning": "since 1970"})
    return found


def _cells(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    holes = _AB.copy()
    cells = [[repr(float(v)) for v in row] for row in _AB]
    for column, row, text in ((0, 3, ""), (1, 5, "NaN"), (0, 7, "NA"), (1, 9, " n/a "), (0, 11, "#DIV/0!")):
        cells[column][row], holes[column, row] = text, np.nan
    lines = [",".join(row) for row in zip(_even(0.5, 1), *cells, strict=True)]
    _put(folder, "missing.csv", ["time (s),a,b", *lines])
    found["missing.csv"] = {**_signals(2.0), "signals": holes}
    events = [
        "start, now" if i == 4 else 'a "quote"' if i == 9 else "two\nlines" if i == 12 else "" for i in _T
    ]
    held = ['"' + e.replace('"', '""') + '"' if e else "" for e in events]
    _put(folder, "text_column.csv", ["time (s),a,note,b", *(f"{t},{a!r},{n},{b!r}" for t, a, n, b in
         zip(_even(0.5, 1), _A, held, _B, strict=True))])  # fmt: skip
    found["text_column.csv"] = _signals(2.0, note=events, channel_name=["a", "b"])
    rows = _rows(_even(0.5, 1))
    _put(folder, "cut.csv", ["time (s),a,b", *rows])
    with (folder / "cut.csv").open("r+b") as file:
        file.truncate((folder / "cut.csv").stat().st_size - len(repr(_B[-1])) - 2)
    found["cut.csv"] = {"signals": np.array([_A, [*_B[:-1], np.nan]]), "?warning": "cut short"}
    _put(folder, "short.csv", ["time (s),a,b", *rows[:20], rows[20].rpartition(",")[0], *rows[21:]])
    found["short.csv"] = {"signals": np.array([_A, [*_B[:20], np.nan, *_B[21:]]]), "?warning": "row 21"}
    _put(folder, "long.csv", ["time (s),a,b", *rows[:20], rows[20] + ",5", *rows[21:]])
    found["long.csv"] = {"!error": "FormatError"}
    _put(folder, "word.csv", ["time (s),a,b", *rows[:40], rows[40].rpartition(",")[0] + ",off", *rows[41:]])
    found["word.csv"] = {"signals": _AB[:1], "b": [*map(repr, _B[:40]), "off", *map(repr, _B[41:])]}
    _put(folder, "again.csv", ["time (s),a,b", *rows, "time (s),a,b", *rows])
    found["again.csv"] = {"!error": "Ambiguous"}
    _put(folder, "blank.csv", ["time (s),a,b", *rows[:20], "", *rows[20:], "", ""])
    found["blank.csv"] = _signals(2.0, **{"?warning": "empty line before row 21"})
    ids = [str(10**17 + 7 * i) for i in _T]
    _put(folder, "ids.csv", ["id,a", *(f"{n},{a!r}" for n, a in zip(ids, _A, strict=True))])
    found["ids.csv"] = {"@fuse_kind": "table", "id": np.array(list(map(int, ids))), "a": _AB[0]}
    _put(
        folder,
        "events.tsv",
        ["1\t0.0\tSET\t5.0", "1\t1.0\tRAMP\t5.0\t10.0\t2.0", "2\t1.5\tNONE", "3\t2\tSET\t1"],
    )
    found["events.tsv"] = {
        "@fuse_kind": "table", "column_2": np.array([0, 1, 1.5, 2]),
        "column_3": ["SET", "RAMP", "NONE", "SET"],
        "column_6": np.array([np.nan, 2, np.nan, np.nan]), "?warning": _NO_TIME,
    }  # fmt: skip
    _put(folder, "one_column.txt", list(map(repr, _A)))
    _put(folder, "unclosed.csv", ["time (s),a,b", *rows[:20], rows[20].replace(",", ',"', 1), *rows[21:]])
    found["unclosed.csv"] = {"!error": "FormatError"}
    _put(folder, "odd16.csv", ["time (s),a,b", *rows], "utf-16")
    with (folder / "odd16.csv").open("r+b") as file:
        file.truncate((folder / "odd16.csv").stat().st_size - 41)
    found["odd16.csv"] = {"!error": "FormatError"}
    found["one_column.txt"] = {"@fuse_kind": "table", "column_1": _AB[0], "?warning": _NO_TIME}
    return found


def _refused(folder: Path) -> dict[str, dict[str, Any]]:
    prose = (
        "This dataset holds recordings of the vagus nerve, made in 2020, and more.\n\n"
        "Each folder has one subject. Files are named by day, hour and minute; see below.\n"
        "Contact: somebody, somewhere\nPlease cite the paper.\n"
    )
    (folder / "README.txt").write_text(prose)
    (folder / "page.csv").write_text("<!doctype html>\n<html><body>\n404, not found, sorry\n</body></html>\n")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "heading.csv").write_text("time (s),a,b\n")
    damaged = "\n".join(["time (s),a", *(f"{i},{i}" for i in range(2000))]).encode()
    (folder / "zeros.csv").write_bytes(damaged[:9000] + bytes(200) + damaged[9200:])
    return {
        "README.txt": {"!error": "NotSupported"},
        "page.csv": {"!error": "NotSupported"},
        "binary.csv": {"!error": "NotSupported"},
        "zeros.csv": {"!error": "FormatError"},
    }


def _labchart(folder: Path) -> dict[str, dict[str, Any]]:
    lines: list[str] = []
    for day, count in (("44000.5", 30), ("44000.500694444447", 20)):
        lines += [
            "Interval=\t0.002 s", f"ExcelDateTime=\t{day}\t06/18/20 12:00:00.000000",
            "TimeFormat=\tStartOfBlock",
            "DateFormat=\t", "ChannelTitle=\tECG\t", "Range=\t10.00 mV\t5 V", "UnitName=\t*\tmmHg",
            "TopValue=\t*\t100", "BottomValue=\t*\t0",
        ]  # fmt: skip
        rows = [f"{i * 0.002:.3g}\t{_A[i]!r}\t{_B[i]!r}" for i in range(count)]
        rows[5] += "\t#* begin \t#2 on the second"
        lines += rows
    _put(folder, "labchart.txt", lines, end="\r\n")
    _put(folder, "labchart16.txt", lines, "utf-16", "\r\n")
    _put(folder, "labchart_comma.txt", [line.replace(".", ",") for line in lines], "latin-1", "\r\n")
    expected = {
        "signals": _AB[:, :30], "signals_block_2": _AB[:, :20], "signals@sampling_frequency": 500.0,
        "signals_block_2@start_time": 60.0, "channel_name": ["ECG", ""], "channel_units": ["mV", "mmHg"],
        "event_time": np.array([0.01, 0.01, 60.01, 60.01]), "event_label": ["begin", "on the second"] * 2,
        "@recording_start": "2020-06-18T12:00:00.000000", "~": 1e-12,
    }  # fmt: skip
    short = ["Interval=\t1 ms", "ChannelTitle=\tBP\tECG", "Range=\t10 V\t2 mV"]
    _put(
        folder,
        "labchart_short.txt",
        short + [f"{i / 1000}\t{a!r}\t{b!r}" for i, (a, b) in enumerate(_AB.T.tolist())],
    )
    undated = {"signals": _AB, "signals@sampling_frequency": 1000.0, "channel_units": ["V", "mV"]}
    return {"labchart_short.txt": undated} | dict.fromkeys(
        ("labchart.txt", "labchart16.txt", "labchart_comma.txt"), expected
    )


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Small tables of every kind that is read, and some that must be refused."""
    found: dict[str, dict[str, Any]] = {}
    for group in (_delimiters_and_encodings, _headings, _time_axes, _cells, _refused, _labchart):
        found |= group(folder)
    return found


def oracle(path: Path) -> dict[str, Any] | None:
    """Real files by Python's csv and float; tables with a heading by pandas."""
    if path.name.startswith("labchart"):
        return _read_labchart(path)
    if path.name.startswith("ndr_example"):
        return _read_ragged(path)
    return _read_plain(path) if path.suffix == ".csv" else None


def _read_labchart(path: Path) -> dict[str, Any]:
    blocks: list[list[list[str]]] = []
    labels = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("Interval="):
            blocks.append([])
        if re.match(r"-?[0-9]", line):
            values, _, note = line.partition("#")
            blocks[-1].append(values.strip().split("\t"))
            labels += [part.strip() for part in re.split(r"#?\* ", note) if part.strip()]
    expected: dict[str, Any] = {"event_label": labels}
    for number, block in enumerate(blocks, 1):
        values = np.array([list(map(float, row)) for row in block])
        expected[f"signals_block_{number}" if number > 1 else "signals"] = values[:, 1:].T
    return expected


def _read_ragged(path: Path) -> dict[str, Any]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    expected: dict[str, Any] = {"@fuse_kind": "table"}
    for j in range(max(map(len, rows))):
        cells = [row[j] if j < len(row) else "" for row in rows]
        try:
            expected[f"column_{j + 1}"] = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            expected[f"column_{j + 1}"] = cells
    return expected


def _read_plain(path: Path) -> dict[str, Any] | None:
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError):
        return None
    numbers = table.select_dtypes("number")
    if numbers.shape[1] < 2 or not numbers.iloc[:, 0].is_monotonic_increasing:
        return None
    return {"signals": numbers.iloc[:, 1:].to_numpy("f8").T, "~": 1e-12}
