"""JSON of every layout that tables come in, for `sparc_fuse_core.formats.json_table`; made by Python's own json and
by pandas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

_N = 40
_T = [i / 100 for i in range(_N)]
_A = [round(0.37 * i - 3, 4) for i in range(_N)]
_B = [i * i for i in range(_N)]


def _signals(rate: float = 100.0, **more: Any) -> dict[str, Any]:
    return {
        "signals": np.array([_A, _B]),
        "signals@sampling_frequency": rate,
        "@fuse_kind": "signals",
        **more,
    }


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _layouts(folder) | _values(folder) | _texts(folder) | _refused(folder)


def _put(folder: Path, name: str, value: Any, encoding: str = "utf-8") -> None:
    (folder / name).write_bytes((value if isinstance(value, str) else json.dumps(value)).encode(encoding))


def _layouts(folder: Path) -> dict[str, dict[str, Any]]:
    import pandas as pd

    names = {"channel_name": ["EMG", "b"], "channel_units": ["mV", ""], "?warning": "derived from"}
    columns = {"Time (s)": _T, "EMG (mV)": _A, "b": _B}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    frame = pd.DataFrame(columns)
    found: dict[str, Any] = {}
    for name, value in {
        "records.json": records,
        "columns.json": columns,
        "nested.json": {"subject": "s1", "run": {"values": columns, "by": "me"}},
        "lines.jsonl": "\n".join(map(json.dumps, records)) + "\n",
        "row_lines.ndjson": "\n".join(json.dumps(list(row)) for row in zip(_T, _A, _B, strict=True)),
        **{f"pandas_{way}.json": frame.to_json(orient=way, double_precision=15) for way in
           ("split", "records", "index", "columns", "table")},
    }.items():  # fmt: skip
        _put(folder, name, value)
        found[name] = _signals(**names)
    found["row_lines.ndjson"] = _signals(channel_name=["column_2", "column_3"])
    found["pandas_table.json"] |= {"index": np.arange(_N)}
    for name, encoding in (
        ("bom.json", "utf-8-sig"),
        ("wide.json", "utf-16"),
        ("wide_bare.json", "utf-16-le"),
    ):
        _put(folder, name, columns, encoding)
        found[name] = _signals(**names)
    _put(folder, "rated.json", {"fs": 250, "units": {"a": "mV", "b": "g"}, "a": _A, "b": _B, "who": "me"})
    found["rated.json"] = _signals(250.0, channel_units=["mV", "g"], channel_name=["a", "b"])
    _put(folder, "listed.json", {"sampling_rate": 250, "units": ["mV", "g"], "a": _A, "b": _B})
    found["listed.json"] = _signals(250.0, channel_units=["mV", "g"])
    _put(folder, "by_hand.json", [_A, _B])
    found["by_hand.json"] = {
        "signals": np.array([_A, _B]).T, "signals@sampling_frequency": 5.0, "!options": {"rate": 5},
    }  # fmt: skip
    _put(
        folder,
        "several.json",
        {"ecg": {"time (s)": _T, "v": _A}, "beats": [{"n": 1, "qrs": 0.5}, {"n": 2, "qrs": 0.7}]},
    )
    found["several.json"] = {"signals": [_A], "beats_qrs": [0.5, 0.7], "beats_n": [1, 2]}
    _put(folder, "cube.json", {"cube": np.arange(24).reshape(2, 3, 4).tolist(), "about": "x"})
    found["cube.json"] = {"values": np.arange(24).reshape(2, 3, 4), "@fuse_kind": "table"}
    _put(folder, "uneven.json", {"time": [0, 1, 3, 4.5], "a": [1, 2, 3, 4]})
    found["uneven.json"] = {"signals": [[1, 2, 3, 4]], "time": [0, 1, 3, 4.5], "?warning": "uneven"}
    _put(folder, "lengths.json", {"a": _A, "b": _B[:7], "note": "two lengths"})
    found["lengths.json"] = {"a_column_1": _A, "b_column_1": _B[:7], "@fuse_kind": "table"}
    return found


def _values(folder: Path) -> dict[str, dict[str, Any]]:
    """Missing, infinite, huge, mixed and nested values."""
    big = [2**60 + i for i in range(3)]
    text = (
        '{"a": [1, null, 3.5], "b": [NaN, Infinity, -Infinity], "c": ["x", null, "z"], "d": [true, false, null], '
        f'"e": {big}, "f": [1, "2", 3], "g": [1e400, 2, 3], "h": [{10**30}, 1, 2], "a": [1, null, 7.5]}}'
    )
    _put(folder, "values.json", text)
    records = [
        {"id": "007", "p": {"x": 1, "y": {"z": 2}}, "l": [1, 2]},
        {"id": "8", "p": {"x": 3}, "extra": 5.5},
    ]
    _put(folder, "records_nested.json", records)
    inf, nan = np.inf, np.nan
    return {
        "values.json": {
            "a": [1, nan, 7.5], "b": [nan, inf, -inf], "c": ["x", "", "z"], "d": ["true", "false", ""], "e": big,
            "f": ["1", "2", "3"], "g": [inf, 2, 3], "h": [str(10**30), "1", "2"],
            "?warning": "'a' stands more than once",
        },
        "records_nested.json": {
            "id": ["007", "8"], "p_x": [1, 3], "p_y_z": [2, nan], "l": ["[1, 2]", ""], "extra": [nan, 5.5],
            "?warning": "'l' holds lists",
        },
    }  # fmt: skip


def _texts(folder: Path) -> dict[str, dict[str, Any]]:
    """Metadata, kept word for word."""
    expected: dict[str, dict[str, Any]] = {}
    for name, value in {
        "meta.json": {"name": "x", "tags": ["a", "b"], "version": {"major": 1, "list": []}, "one": [1]},
        "words.json": [{"first": "a", "last": "b"}, {"first": "c", "last": "d"}],
        "empty.json": {},
    }.items():
        content = json.dumps(value, indent=1)
        _put(folder, name, content)
        expected[name] = {"@text": content, "@fuse_kind": "text"}
    return expected


def _refused(folder: Path) -> dict[str, dict[str, Any]]:
    whole = json.dumps({"a": _A, "b": _B})
    held = {
        "cut.json": (whole[:-40], "Truncated"),
        "broken.json": (whole.replace(",", ";", 3), "FormatError"),
        "deep.json": ("[" * 100_000, "LimitExceeded"),
        "deep_objects.json": ('{"a":' * 500 + "1" + "}" * 500, "LimitExceeded"),
        "digits.json": ('{"a": [' + "9" * 100_000 + ", 1]}", "LimitExceeded"),
        "latin.json": (whole.replace("a", "\x80"), "FormatError"),
        "prose.json": ("This is no JSON.", "NotSupported"),
        "two.json": (whole + "\n" + whole[:-1] + " extra", "FormatError"),
    }
    for name, (content, _) in held.items():
        _put(folder, name, content, "latin-1")
    return {name: {"!error": error} for name, (_, error) in held.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """No JSON is in the corpus."""
    return None
