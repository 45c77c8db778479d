"""PSTrace sessions, written as JSON by hand; the oracle is a plain walk through the JSON with Python's own
parser, without any of the rules of our reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

_TICKS = 638881791267491192
_UNITS = {
    "V": ("Volt", "V", "Potential"), "uA": ("MicroAmpere", "A", "Current"), "s": ("Time", "s", "Time"),
    "Hz": ("Hertz", "Hz", "Frequency"), "Ω": ("ZRe", "Ω", "Z'"), "uC": ("MicroCoulomb", "C", "Charge"),
}  # fmt: skip


def _array(name: str, unit: str, values: Any, **beside: Any) -> dict[str, Any]:
    kind, symbol, quantity = _UNITS[unit]
    rows = [{"V": float(v)} | {k: b[i] for k, b in beside.items()} for i, v in enumerate(values)]
    return {
        "Type": f"PalmSens.Data.DataArray{'Time' if unit == 's' else ''}", "ArrayType": 0, "Description": name,
        "Unit": {"Type": f"PalmSens.Units.{kind}", "S": symbol, "Q": quantity, "A": "x"}, "DataValues": rows,
    }  # fmt: skip


def _measurement(
    title: str, arrays: list[Any], curves: list[Any] = (), eis: list[Any] = ()
) -> dict[str, Any]:
    return {
        "Title": title, "TimeStamp": _TICKS + 72 * 10**9, "UTCTimeStamp": _TICKS, "DeviceSerial": "ES4",
        "DataSet": {"Type": "PalmSens.Data.DataSetCommon", "Values": arrays}, "Method": "#PSTrace\r\n",
        "Curves": list(curves), "EISDataList": list(eis),
    }  # fmt: skip


def _session(*measurements: Any) -> dict[str, Any]:
    return {
        "Type": "PalmSens.DataFiles.SessionFile", "CoreVersion": "5.11", "MethodForMeasurement": "#PSTrace",
        "Measurements": list(measurements),
    }  # fmt: skip


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {k.lower(): _lower(v) for k, v in value.items()}
    return [_lower(v) for v in value] if isinstance(value, list) else value


def _curve(title: str, x: Any, y: Any) -> dict[str, Any]:
    return {
        "Title": title,
        "Appearance": {"Color": "-1"},
        "Hash": [1, 2],
        "XAxisDataArray": x,
        "YAxisDataArray": y,
    }


def make(folder: Path) -> dict[str, dict[str, Any]]:
    n = 12
    t, e, i = np.arange(n) * 0.1, np.sin(np.arange(n)), np.cos(np.arange(n)) * 1e3
    states = [k % 3 for k in range(n)]
    current = _array("scan1", "uA", i, C=[6] * n, S=states)
    potential = _array("scan1", "V", e)
    cv = _measurement(
        "Cyclic Voltammetry",
        [_array("time", "s", t), potential, current, _array("hidden", "uC", [])],
        [_curve("i vs E", potential, current)],
    )
    whole = json.dumps(_session(cv), ensure_ascii=False)
    expected: dict[str, dict[str, Any]] = {}
    signals = {
        "signals": np.array([e, i]), "time": t, "channel_name": ["scan1 Potential", "scan1 Current"],
        "channel_units": ["V", "uA"], "@recording_start": "2025-07-15T12:25:26.749119+00:00",
        "Cyclic_Voltammetry_scan1_Current_status": states, "?dropped": "colours", "@fuse_kind": "signals",
    }  # fmt: skip
    for name, encoding, tail in (
        ("cv.pssession", "utf-16", "\ufeff"),
        ("plain.pssession", "utf-16-le", "\n"),
        ("big.pssession", "utf-16-be", ""),
        ("utf8.pssession", "utf-8-sig", ""),
    ):
        (folder / name).write_bytes((whole + tail).encode(encoding))
        expected[name] = signals
    expected |= _older(folder, e, i) | _spectra(folder) | _refused(folder, whole)
    several = _session(cv, _measurement("CA", [_array("time", "s", t), _array("current", "uA", i * 2)]))
    (folder / "two.pssession").write_bytes(json.dumps(several).encode("utf-16"))
    expected["two.pssession"] = {
        "signals": np.array([e, i]), "signals_CA": i[None] * 2, "time_CA": t, "?warning": "its own start",
    }  # fmt: skip
    return expected


def _older(folder: Path, e: Any, i: Any) -> dict[str, dict[str, Any]]:
    """Keys in lower case, no arrays but those of curves; curves of unequal length; values that are none."""
    x, y = _array("potential", "V", e), _array("current", "uA", i, S=[0] * len(i))
    y["DataValues"][3]["V"], y["DataValues"][4]["V"] = "NaN", None
    short = _curve("first 5", _array("potential", "V", e[:5]), _array("current", "uA", i[:5]))
    timed = _curve("over time", _array("time", "s", np.arange(5)), _array("current", "uA", i[5:10]))
    session = _lower(_session(_measurement("LSV", [], [_curve("LSV dummy", x, y), short, timed])))
    (folder / "lsv.pssession").write_bytes((json.dumps(session) + "\ufeff").encode("utf-16"))
    holes = i.copy()
    holes[3:5] = np.nan
    return {
        "lsv.pssession": {
            "LSV_dummy_potential": e, "LSV_dummy_potential@units": "V", "LSV_dummy_current": holes,
            "LSV_dummy_current@units": "uA", "LSV_dummy_current_status": [0] * len(i), "first_5_current": i[:5],
            "over_time_time": np.arange(5), "over_time_current": i[5:10], "@fuse_kind": "table",
        }
    }  # fmt: skip


def _spectra(folder: Path) -> dict[str, dict[str, Any]]:
    f = np.array([1e5, 1e3, 10.0])
    whole = [
        _array("Frequency", "Hz", np.tile(f, 2)),
        _array("ZRe", "Ω", np.arange(6)),
        _array("time", "s", [0] * 6),
    ]
    scans = [
        {
            "Title": f"E={k}",
            "DataSet": {"Values": [_array("Frequency", "Hz", f), _array("ZRe", "Ω", np.arange(3) + 3 * k)]},
        }
        for k in range(2)
    ]
    uneven = [scans[0], {"Title": "E=9", "DataSet": {"Values": [_array("ZRe", "Ω", [7.0])]}}]
    eis = [
        {"Title": "CH 1: scan", "SubScans": scans},
        {"Title": "CH 2", "DataSet": {"Values": whole}},
        {"Title": "CH 3", "SubScans": uneven},
    ]
    session = _session(_measurement("Impedance", whole, [], eis))
    (folder / "eis.pssession").write_bytes(json.dumps(session, ensure_ascii=False).encode("utf-16"))
    return {
        "eis.pssession": {
            "Impedance_ZRe": np.arange(6), "Impedance_Frequency": np.tile(f, 2), "Impedance_time": np.zeros(6),
            "CH_1_scan_ZRe": np.arange(6).reshape(2, 3), "CH_1_scan_title": ["E=0", "E=1"], "E_9_ZRe": [7.0],
            "CH_1_scan_ZRe@units": "Ω", "E_0_ZRe": np.arange(3), "@fuse_kind": "table",
        }
    }  # fmt: skip


def _refused(folder: Path, whole: str) -> dict[str, dict[str, Any]]:
    held = {
        "cut.pssession": (whole[: len(whole) // 2].encode("utf-16"), "Truncated"),
        "odd.pssession": (whole.encode("utf-16")[:-1], "Truncated"),
        "deep.pssession": (('{"PalmSens": ' + "[" * 5000 + "]" * 5000 + "}").encode("utf-16"), "LimitExceeded"),
        "other.pssession": (b'{"PalmSens": [1, 2]}', "FormatError"),
        "none.pssession": (json.dumps(_session(_measurement("CV", []))).encode("utf-16"), "FormatError"),
        "json.pssession": (b'{"a": 1}', "NotSupported"),
        "slashes.pssession": (('{"PalmSens": "' + '\\"' * 200_000 + "[" * 70 + "\\").encode("utf-16"), "Truncated"),
    }  # fmt: skip
    for name, (data, _) in held.items():
        (folder / name).write_bytes(data)
    return {name: {"!error": error} for name, (_, error) in held.items()}


_ORACLE = {
    "cv_1scan.pssession": {"signals": ("dataset", (1, 2, 3)), "time": ("dataset", 0)},
    "PSNoiseTest.pssession": {"PSNoiseTest_potential": ("curve", 0), "PSNoiseTest_current": ("curve", 1)},
}


def oracle(path: Path) -> dict[str, Any] | None:
    """Values in the order of the file; which of them a name of ours stands for is written down here."""
    session = _lower(json.JSONDecoder().raw_decode(path.read_bytes().decode("utf-16"))[0])
    measurement = session["measurements"][0]
    sets = {"dataset": [a["datavalues"] for a in measurement["dataset"]["values"]]}
    if measurement["curves"]:
        curve = measurement["curves"][0]
        sets["curve"] = [curve["xaxisdataarray"]["datavalues"], curve["yaxisdataarray"]["datavalues"]]
    values = {key: [np.array([row["v"] for row in a]) for a in arrays] for key, arrays in sets.items()}
    if path.name in _ORACLE:
        return {
            name: np.array([values[kind][k] for k in at]) if isinstance(at, tuple) else values[kind][at]
            for name, (kind, at) in _ORACLE[path.name].items()
        }
    expected = {
        f"Impedance_Spectroscopy_{a['description']}": values["dataset"][k]
        for k, a in enumerate(measurement["dataset"]["values"])
        if a["datavalues"] and "'" not in a["description"]
    }
    for entry in measurement["eisdatalist"]:
        scans = [_reals(scan["dataset"]) for scan in entry.get("subscans", [])]
        if scans:
            title = entry["title"].replace(":", "").replace(" ", "_")
            expected[f"{title}_ZRe"] = np.array(scans)
    return expected


def _reals(dataset: dict[str, Any]) -> list[float]:
    found = next(a for a in dataset["values"] if a["description"] == "ZRe")
    return [row["v"] for row in found["datavalues"]]
