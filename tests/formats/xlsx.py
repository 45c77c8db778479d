"""Excel workbooks for `sparc_fuse_core.formats.xlsx`, written as XML by hand; the oracle reads the XML of the real
file with regular expressions."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_STYLES = (  # 1: date and time, 2: elapsed time, 3: date
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm:ss.000"/>'
    '<numFmt numFmtId="165" formatCode="[h]:mm:ss"/></numFmts><cellXfs count="4"><xf numFmtId="0"/>'
    '<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def _letters(column: int) -> str:
    return (_letters(column // 26 - 1) if column > 25 else "") + chr(65 + column % 26)


def _cell(place: str, value: Any, style: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str) and value.startswith("#") and value.endswith("!"):
        return f'<c r="{place}" t="e"><v>{value}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}" s="{style}"><v>{value!r}</v></c>'


def _sheet(rows: list[list[Any]], styles: dict[int, int] | None = None, merged: tuple[str, ...] = ()) -> str:
    held = [
        f'<row r="{i}">'
        + "".join(_cell(f"{_letters(j)}{i}", v, (styles or {}).get(j, 0)) for j, v in enumerate(row))
        + "</row>"
        for i, row in enumerate(rows, 1)
    ]
    ranges = "".join(f'<mergeCell ref="{ref}"/>' for ref in merged)
    tail = f'<mergeCells count="{len(merged)}">{ranges}</mergeCells>' if merged else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(held)}</sheetData>{tail}</worksheet>'


def _write(path: Path, sheets: dict[str, str], more: dict[str, str] | None = None) -> None:
    names = "".join(
        f'<sheet name="{escape(name)}" sheetId="{i}" r:id="rId{i}"/>' for i, name in enumerate(sheets, 1)
    )
    rels = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    rels += f'<Relationship Id="rId90" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    rels += f'<Relationship Id="rId91" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELS}">{rels}</Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}"/>',
    }
    parts |= {f"xl/worksheets/sheet{i}.xml": xml for i, xml in enumerate(sheets.values(), 1)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (parts | (more or {})).items():
            package.writestr(name, text)


_A = [round(0.37 * i - 3, 4) for i in range(30)]
_B = [i * i for i in range(30)]


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _plain(folder) | _clocks(folder) | _several(folder) | _odd(folder) | _refused(folder)


def _plain(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [[i / 250, a, b] for i, (a, b) in enumerate(zip(_A, _B, strict=True))]
    heading = ["Time (s)", "EMG (mV)", "Force [g]"]
    signals = {
        "signals": np.array([_A, _B]), "signals@sampling_frequency": 250.0, "channel_name": ["EMG", "Force"],
        "channel_units": ["mV", "g"], "?warning": "derived from",
    }  # fmt: skip
    for name, above in {
        "plain.xlsx": [heading],
        "preamble.xlsx": [["Recorded with a device"], [], ["Gain", 5], heading],
        "units_row.xlsx": [["time", "EMG", "Force"], ["s", "mV", "g"]],
    }.items():
        _write(folder / name, {"data": _sheet([*above, *rows])})
    _write(
        folder / "macro.xlsm",
        {"data": _sheet([heading, *rows])},
        {"xl/vbaProject.bin": "x", "xl/media/a.png": "x"},
    )
    stated = [["Sampling rate", 500, "Hz"], ["a", "b"], *(row[1:] for row in rows)]
    _write(folder / "stated.xlsx", {"data": _sheet(stated)})
    bare = [["a", "b"], *(row[1:] for row in rows)]
    _write(folder / "bare.xlsx", {"data": _sheet(bare)})
    _write(folder / "by_hand.xlsx", {"data": _sheet(bare)})
    gap = [heading, *rows[:5], [], *rows[5:]]
    _write(folder / "gap.xlsx", {"data": _sheet(gap)})
    return {
        "plain.xlsx": signals, "preamble.xlsx": signals, "units_row.xlsx": signals, "gap.xlsx": signals | {
            "?warning": "empty line before row 6"},
        "macro.xlsm": signals | {"?dropped": ["macros", "pictures"]},
        "stated.xlsx": {
            "signals": np.array([_A, _B]), "signals@sampling_frequency": 500.0, "?warning": "Sampling rate 500"},
        "bare.xlsx": {"a": _A, "b": _B, "@fuse_kind": "table", "?warning": "rate="},
        "by_hand.xlsx": {"signals": np.array([_A, _B]), "signals@sampling_frequency": 20.0, "!options": {"rate": 20}},
    }  # fmt: skip


def _clocks(folder: Path) -> dict[str, dict[str, Any]]:
    """Days since 1899-12-30 as dates, and days as elapsed time."""
    rows = [[45000.5 + i / 86400, a] for i, a in enumerate(_A)]
    _write(folder / "dates.xlsx", {"data": _sheet([["When", "a"], *rows], {0: 1})})
    elapsed = [[(i * 90) / 86400, a] for i, a in enumerate(_A)]
    _write(folder / "elapsed.xlsx", {"data": _sheet([["Time", "a"], *elapsed], {0: 2})})
    days = [[45000 + i, a, "x"] for i, a in enumerate(_A)]
    _write(folder / "days.xlsx", {"data": _sheet([["born", "a", "sex"], *days], {0: 3})})
    return {
        "dates.xlsx": {
            "signals": [_A], "signals@sampling_frequency": 1.0, "@recording_start": "2023-03-15T12:00:00",
        },
        "elapsed.xlsx": {"signals": [_A], "signals@sampling_frequency": 1 / 90},
        "days.xlsx": {"a": _A, "sex": ["x"] * 30, "@fuse_kind": "table"},
    }  # fmt: skip


def _several(folder: Path) -> dict[str, dict[str, Any]]:
    """Sheets of signals, of subjects and of prose; one that is empty; one with nothing below its heading."""
    first = [["t (s)", "a", "note"], *([i / 10, a, "on" if i else None] for i, a in enumerate(_A))]
    second = [["t (ms)", "b"], *([i * 4, b] for i, b in enumerate(_B))]
    subjects = [["subject", "sex", "weight (g)"], ["s1", "F", 250], [None, "M", 260], ["s2", "F", None]]
    sheets = {
        "Sheet 1": _sheet(first), "fast": _sheet(second), "Subjects": _sheet(subjects, None, ("A2:A3",)),
        "empty": _sheet([]), "only heading": _sheet([["time (s)", "a"]]),
    }  # fmt: skip
    _write(folder / "several.xlsx", sheets)
    return {
        "several.xlsx": {
            "signals": [_A], "signals_fast": [_B], "signals@sampling_frequency": 10.0,
            "signals_fast@sampling_frequency": 250.0, "Sheet_1_note": ["", *["on"] * 29],
            "Subjects_subject": ["s1", "s1", "s2"], "Subjects_weight": [250, 260, np.nan],
            "Subjects_weight@units": "g", "?dropped": "'empty'", "only_heading_column_2": ["a"],
            "?warning": ["Subjects: 1 cells were given", "own first row"],
        }
    }  # fmt: skip


def _odd(folder: Path) -> dict[str, dict[str, Any]]:
    """Types that do not fit: numbers as text, errors, truth values, quotes, comment marks."""
    rows = [
        ["id", "x", "ok", "n"],
        ["007", 1.5, True, 1],
        ['a "b"', "#DIV/0!", False, "2"],
        ["# c", 2.5, True, 3],
    ]
    _write(folder / "odd.xlsx", {"data": _sheet(rows)})
    marks = [["#", "value"], *([f"#{i}", a] for i, a in enumerate(_A))]
    _write(folder / "marks.xlsx", {"data": _sheet(marks)})
    late = [["a", "b"], *([i, i] for i in range(2500)), ["end", 1]]
    _write(folder / "late.xlsx", {"data": _sheet(late)})
    return {
        "odd.xlsx": {
            "id": ["007", 'a "b"', "# c"], "x": [1.5, np.nan, 2.5], "ok": ["true", "false", "true"],
            "n": ["1", "2", "3"],
        },
        "marks.xlsx": {"value": _A, "@fuse_kind": "table"},
        "late.xlsx": {"a": [*map(str, range(2500)), "end"], "b": [*range(2500), 1], "?warning": "'end' in row 2501"},
    }  # fmt: skip


def _refused(folder: Path) -> dict[str, dict[str, Any]]:
    whole = (folder / "plain.xlsx").read_bytes()
    (folder / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    corner = f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576">'
    _write(
        folder / "corner.xlsx", {"s": corner + '<c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>'}
    )
    long = "y" * 30_000
    used = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 20_001))
    _write(
        folder / "text_bomb.xlsx",
        {"s": f'<worksheet xmlns="{_MAIN}"><sheetData>{used}</sheetData></worksheet>'},
        {"xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}"><si><t>{long}</t></si></sst>'},
    )
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + _sheet([["a"], [1]])
    _write(folder / "entity.xlsx", {"s": entity})
    _write(folder / "hollow.xlsx", {"s": _sheet([])})
    _write(folder / "broken.xlsx", {"s": "<worksheet><sheetData><row"})
    with zipfile.ZipFile(folder / "zip.xlsx", "w") as package:
        package.writestr("[Content_Types].xml", _TYPES)
    _zip_bomb(folder / "zeros.xlsx")
    limits = ("corner.xlsx", "text_bomb.xlsx", "zeros.xlsx")
    wrong = ("cut.xlsx", "entity.xlsx", "hollow.xlsx", "broken.xlsx", "zip.xlsx")
    return {n: {"!error": "LimitExceeded"} for n in limits} | {n: {"!error": "FormatError"} for n in wrong}


def _zip_bomb(path: Path) -> None:
    _write(path, {"s": _sheet([["a"], [1]])})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package,
        package.open("xl/worksheets/sheet9.xml", "w") as part,
    ):
        for _ in range(270):
            part.write(bytes(1 << 20))


def oracle(path: Path) -> dict[str, Any] | None:
    with zipfile.ZipFile(path) as package:
        sheet, shared = (package.read(f"xl/{n}.xml").decode() for n in ("worksheets/sheet1", "sharedStrings"))
    words = re.findall(r"<t[^>]*>([^<]*)</t>", shared)
    cells = re.findall(r'<c r="([A-Z]+)(\d+)"([^>]*)><v>([^<]*)</v>', sheet)
    heads = {column: words[int(v)] for column, row, kind, v in cells if row == "1" and 't="s"' in kind}
    return {
        name: [float(v) for c, row, _, v in cells if c == column and row != "1"]
        for column, name in heads.items()
    }
