"""Text tables: options, small blocks, partial and threaded reads, bounded memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sparc_fuse_core.errors import FormatError, FuseError
from sparc_fuse_core.formats import open_tree
from sparc_fuse_core.formats._table import rows as table_rows
from sparc_fuse_core.formats._table import tree as table_tree
from sparc_fuse_core.formats.csv import FORMAT
from sparc_fuse_core.model import lazy_arrays, lazy_of
from sparc_fuse_core.source import open_source

_PLAIN = "a,b\n" + "".join(f"{i * 0.5},{i * i}\n" for i in range(20))
_TIMED = "time,a\n" + "".join(f"{i * 4},{i * i}\n" for i in range(20))
_TURNED = (
    "t (s)," + ",".join(str(i / 10) for i in range(30)) + "\nEMG (mV)," + ",".join(map(str, range(30))) + "\n"
)


def _open(folder: Path, text: str, **options: Any) -> xr.Dataset:
    path = folder / "table.csv"
    path.write_text(text)
    return xr.decode_cf(open_tree(open_source(path), FORMAT, **options).to_dataset()).load()


@pytest.mark.parametrize(
    ("text", "options", "rate", "names"),
    [
        (_PLAIN, {"rate": 100}, 100.0, ["a", "b"]),
        (_PLAIN, {"rate": "250"}, 250.0, ["a", "b"]),
        (_PLAIN, {"time_column": "a"}, 2.0, ["b"]),
        (_PLAIN, {"time_column": 0, "time_unit": "min"}, 1 / 30, ["b"]),
        (_TIMED, {"time_unit": "ms"}, 250.0, ["a"]),
        (_TIMED, {"rate": 10}, 10.0, ["a"]),
        (_PLAIN, {"rate": 10, "time_column": "a"}, 10.0, ["b"]),
        (_TURNED, {"orientation": "rows"}, 10.0, ["EMG"]),
        (_PLAIN.replace(",", "_"), {"delimiter": "_", "rate": 5}, 5.0, ["a", "b"]),
        (_PLAIN, {"header": False}, 2.0, ["column_2"]),
    ],
)
def test_options_make_signals(
    tmp_path: Path, text: str, options: dict[str, Any], rate: float, names: list[str]
) -> None:
    held = _open(tmp_path, text, **options)
    assert held.attrs["sampling_frequency"] == rate
    assert held["channel_name"].values.tolist() == names
    assert held["signals"].values[-1, 3] == (3 if "orientation" in options else 9)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": "fast"}, {"rate": -1}, {"time_column": "c"}, {"time_column": 7}, {"time_unit": "parsec"},
        {"decimal": "x"}, {"orientation": "up"}, {"header": "maybe"}, {"delimiter": ", "},
        {"units": ["mV"] * 9, "rate": 1},
    ],
)  # fmt: skip
def test_meaningless_options_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        _open(tmp_path, _PLAIN, **options)


def test_a_named_time_that_falls_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(FuseError, match="does not rise from row 2 to row 3"):
        _open(tmp_path, "a,b\n0,1\n1,2\n0,3\n1,4\n", time_column="a")


def test_rows_stamped_alike_are_kept_when_the_time_is_named(tmp_path: Path) -> None:
    text = "t,b\n" + "".join(f"{i // 2 * 3 + i // 5},{i}\n" for i in range(20))
    assert "time" not in _open(tmp_path, text)
    held = _open(tmp_path, text, time_column="t", time_unit="s")
    assert held["time"].values.tolist() == [i // 2 * 3 + i // 5 for i in range(20)]
    assert any("does not rise at every row (first from row 1 to 2)" in n for n in held.attrs["fuse_warnings"])


def _clocked(rows: int) -> str:
    lines = [f"23:59:{50 + i // 8:02d}.{i % 8 * 125:03d}" for i in range(80)]
    lines += [f"00:{i // 480:02d}:{i // 8 % 60:02d}.{i % 8 * 125:03d}" for i in range(rows - 80)]
    return "Time,x,note\n" + "".join(f'{t},{i},"n, {i}"\n' for i, t in enumerate(lines))


def test_blocks_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _open(tmp_path, _clocked(600))
    assert whole["time"].values[-1] == 599 / 8
    monkeypatch.setattr(table_tree, "_TEXT_IN_MEMORY", 0)
    monkeypatch.setattr(table_rows, "_CACHE_BYTES", 5000)
    for size in (100, 777):
        monkeypatch.setattr(table_rows, "BLOCK", size)
        xr.testing.assert_identical(_open(tmp_path, _clocked(600)), whole)


def test_parts_and_threads_read_what_the_whole_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _clocked(600).replace("23:59:50.125", "23:59:50.140")  # uneven: time is read from the rows
    whole = _open(tmp_path, text)
    monkeypatch.setattr(table_tree, "_TEXT_IN_MEMORY", 0)
    monkeypatch.setattr(table_rows, "_CACHE_BYTES", 5000)
    monkeypatch.setattr(table_rows, "BLOCK", 500)
    tree = open_tree(open_source(tmp_path / "table.csv"), FORMAT)
    lazy = {name: data for name, _, data in lazy_arrays(tree)}
    assert {"signals", "time", "note"} <= set(lazy)

    def same(start: int) -> bool:
        part = slice(start, min(600, start + 37))
        return (
            np.array_equal(lazy["signals"].read((slice(0, 1), part)), whole["signals"].values[:, part])
            and np.array_equal(lazy["time"].read((part,)), whole["time"].values[part])
            and lazy["note"].read((part,)).tolist() == whole["note"].values[part].tolist()
            and lazy["signals"].read((0, start)) == whole["signals"].values[0, start]
            and lazy["time"].read((start,)) == whole["time"].values[start]
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(same, range(0, 600, 7)))


def test_a_long_table_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "BLOCK", 1 << 14)
    monkeypatch.setattr(table_rows, "_CACHE_BYTES", 1 << 16)
    path = tmp_path / "long.csv"
    path.write_text("time (s),a\n" + "".join(f"{i / 1000:.3f},{i}\n" for i in range(100_000)))
    held: list[table_rows.Rows] = []
    begin = table_rows.Rows.scan
    monkeypatch.setattr(
        table_rows.Rows, "scan", lambda rows, visit: (held.append(rows), begin(rows, visit))[1]
    )
    tree = open_tree(open_source(path), FORMAT)
    samples = lazy_of(tree["signals"].variable)
    assert samples is not None
    for start in range(0, 100_000, 5000):
        part = samples.read((slice(0, 1), slice(start, start + 5000)))
        assert np.array_equal(part[0], np.arange(start, start + 5000))
        kept = sum(block.nbytes for block in held[0]._cache.values())
        assert kept <= (1 << 16) + 2 * (1 << 14)


_LONG = "who,t (ms),a (mV),b,say\n" + "".join(
    f"{w},{i * 2},{i + 10 * k},{i * i},{'x' if k else 'y'}{i}\n"
    for k, w in enumerate("pq")
    for i in range(12)
)


def test_a_long_table_is_set_side_by_side(tmp_path: Path) -> None:
    held = _open(tmp_path, _LONG, pivot="who", time_column="t")
    steps = np.arange(12)
    np.testing.assert_array_equal(held["signals"].values, [steps, steps**2, steps + 10, steps**2])
    assert held.attrs["sampling_frequency"] == 500.0
    assert held["channel_name"].values.tolist() == ["p a", "p b", "q a", "q b"]
    assert held["channel_units"].values.tolist() == ["mV", "", "mV", ""]
    assert held["say"].dims == ("who", "time") and held["say"].values[1, 3] == "x3"
    aside = _open(tmp_path, _LONG, pivot="who", time_column="t", aside=["b"], names={"a": "force"})
    assert aside["channel_name"].values.tolist() == ["p force", "q force"]
    assert aside["b"].dims == ("time",) and aside["b"].values.tolist() == (steps**2).tolist()


def test_groups_with_times_of_their_own_are_streams(tmp_path: Path) -> None:
    text = "".join(line for line in _LONG.splitlines(keepends=True) if not line.startswith("q,22,"))
    text = text.replace("q,4,", "q,5,")
    held = _open(tmp_path, text, pivot="who", time_column="t")
    assert held["signals"].shape == (2, 12) and held["signals_q"].shape == (2, 11)
    assert held["time_q"].values[2] == 0.005 and "sampling_frequency" not in held["signals_q"].attrs
    assert held["q_say"].values.tolist() == [f"x{i}" for i in range(11)]
    assert any("differ" in note for note in held.attrs["fuse_warnings"])


def test_groups_without_time_are_matrices_that_end_in_nothing(tmp_path: Path) -> None:
    held = _open(tmp_path, "k,v,s\n1,1.5,a\n2,2.5,b\n1,3.5,c\n2,4.5,d\n1,5.5,e\n", pivot=0)
    assert held.attrs["fuse_kind"] == "table" and held["k_name"].values.tolist() == ["1", "2"]
    np.testing.assert_array_equal(held["v"].values, [[1.5, 3.5, 5.5], [2.5, 4.5, np.nan]])
    assert held["s"].values.tolist() == [["a", "c", "e"], ["b", "d", ""]]
    assert held["k_rows"].values.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pivot": "whom"}, "no column 'whom'"),
        ({"pivot": "who", "time_column": "b"}, "b"),
        ({"pivot": "b", "time_column": "t"}, "does not rise within"),
        ({"pivot": "who", "time_column": "say"}, "does not hold numbers"),
        ({"pivot": "who", "time_column": "t", "time_unit": "parsec"}, "no unit of time"),
        ({"pivot": "who", "time_column": "t", "signals": ["say"]}, "does not hold numbers"),
        ({"pivot": "who", "orientation": "rows"}, "means nothing"),
        ({"pivot": "who", "rate": 5}, "means nothing"),
        ({"time_column": ["when", "clock"]}, "no column 'when' or 'clock'"),
        ({"rate": 1, "signals": "say"}, "does not hold numbers"),
        ({"rate": 1, "aside": ["nope"]}, "no column 'nope'"),
        ({"rate": 1, "names": {"nope": "x"}}, "no column 'nope'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    text = _LONG.replace("p,4,2,4,", "p,4,2,0,") if options.get("time_column") == "b" else _LONG
    with pytest.raises(FormatError) as raised:
        _open(tmp_path, text, **options)
    assert says in str(raised.value) and raised.value.hint


def test_channels_are_chosen_named_and_measured(tmp_path: Path) -> None:
    text = "clock (s),a1,a2 (V),b,n\n" + "".join(f"{i / 4},{i},{i * 2},{i * 3},w{i}\n" for i in range(20))
    held = _open(
        tmp_path,
        text,
        time_column=["when", "clock"],
        signals=["a*"],
        names={"a1": "left"},
        units={"a?": "mV"},
    )
    assert held["channel_name"].values.tolist() == ["left", "a2"]
    assert held["channel_units"].values.tolist() == ["mV", "mV"]
    assert held.attrs["sampling_frequency"] == 4 and held["b"].dims == ("time",)
    assert held["n"].values[3] == "w3"
