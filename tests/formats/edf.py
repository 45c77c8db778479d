"""EDF and BDF files for `sparc_fuse_core.formats.edf`, by hand and by edfio, which is also the oracle."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class _Signal(NamedTuple):
    label: str | bytes
    samples: int
    unit: str | bytes = "uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    digital: tuple[str, str] = ("-32768", "32767")


_NOTES = _Signal("EDF Annotations", 20, "", ("-1", "1"))
_START = ("04.05.21", "06.07.08")


def _field(value: Any, size: int) -> bytes:
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw.ljust(size)


def _file(
    signals: Sequence[_Signal],
    records: Sequence[Sequence[Any]],
    *,
    flag: str = "",
    count: int | None = None,
    duration: str = "1",
    patient: str = "X X X X",
    recording: str = "Startdate 04-MAY-2021 X X amp_7",
) -> bytes:
    """A record is one item a signal: bytes for annotations, else integers."""
    total = len(records) if count is None else count
    head = [
        _field("0", 8), _field(patient, 80), _field(recording, 80), *(_field(part, 8) for part in _START),
        _field(256 * (len(signals) + 1), 8), _field(flag, 44), _field(total, 8), _field(duration, 8),
        _field(len(signals), 4),
    ]  # fmt: skip
    columns = [
        [(s.label, 16) for s in signals], [("sensor", 80) for s in signals], [(s.unit, 8) for s in signals],
        [(s.physical[0], 8) for s in signals], [(s.physical[1], 8) for s in signals],
        [(s.digital[0], 8) for s in signals], [(s.digital[1], 8) for s in signals],
        [("HP:0.1Hz", 80) for s in signals], [(s.samples, 8) for s in signals], [("", 32) for s in signals],
    ]  # fmt: skip
    head += [_field(value, size) for column in columns for value, size in column]
    for record in records:
        for signal, held in zip(signals, record, strict=True):
            raw = held if isinstance(held, bytes) else np.asarray(held, "<i2").tobytes()
            head.append(raw.ljust(2 * signal.samples, b"\0"))
    return b"".join(head)


def _stamp(onset: str, *notes: str) -> bytes:
    return b"".join(f"{tal}\x14\0".encode() for tal in (f"{onset}\x14", *notes))


def _ramp(record: int, samples: int) -> np.ndarray:
    return np.arange(samples) * 10 - record * 100


_TWO_RATES = (_Signal("A", 4), _Signal("slow", 2, "mmHg"), _Signal("A", 4))


def _two_rates(records: int) -> list[list[Any]]:
    return [[_ramp(r, 4), _ramp(r, 2), _ramp(r, 4) + 1] for r in range(records)]


def _physical(records: int, samples: int, shift: int = 0) -> np.ndarray:
    return np.concatenate([_ramp(r, samples) + shift for r in range(records)]) / 10


def _plain(folder: Path) -> dict[str, dict[str, Any]]:
    three = {
        "signals": np.stack([_physical(3, 4), _physical(3, 4, 1)]),
        "signals_2_Hz": _physical(3, 2)[None],
        "signals@sampling_frequency": 4.0,
        "channel_name": ["A", "A"],
        "channel_units_2_Hz": ["mmHg"],
        "@recording_start": "2021-05-04T06:07:08",
        "~": 1e-6,
    }
    whole = _file(_TWO_RATES, _two_rates(3))
    odd = (_Signal("µV-λ", 4, b"\xb5V"), _Signal("flat", 4, "uV", ("-1", "1"), ("5", "5")))
    files: dict[str, tuple[bytes, dict[str, Any]]] = {
        "two_rates.edf": (whole, three),
        "unknown_count.edf": (
            _file(_TWO_RATES, _two_rates(3), count=-1),
            three | {"?warning": "never filled in"},
        ),
        "missing.rec": (_file(_TWO_RATES, _two_rates(3), count=5), three | {"?warning": "2 are missing"}),
        "surplus.edf": (_file(_TWO_RATES, _two_rates(3), count=2), three | {"?warning": "promises 2"}),
        "cut.edf": (whole[:-2], {"!error": "Truncated"}),
        "cut_header.edf": (whole[:700], {"!error": "Truncated"}),
        "no_duration.edf": (_file(_TWO_RATES, _two_rates(3), duration="0"), {"!error": "Ambiguous"}),
        "odd_fields.edf": (
            _file(odd, [[_ramp(0, 4), _ramp(0, 4)]], duration="0,5"),
            {
                "signals": np.stack([_physical(1, 4), _ramp(0, 4)]),
                "signals@sampling_frequency": 8.0,
                "channel_name": ["µV-λ", "flat"],
                "channel_units": ["µV", ""],
                "?warning": "no scale",
                "~": 1e-6,
            },
        ),
        "zero_text.edf": (b"0       1.5     2.5\n" * 40, {"!error": "NotSupported"}),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: expected for name, (_, expected) in files.items()}


def _plus(folder: Path) -> dict[str, dict[str, Any]]:
    pair = (_Signal("EEG", 4), _NOTES)
    onsets, steps = ("+0.25", "+1.25", "+5.25"), ("+0.25", "+1.25", "+2.25")
    gaps = np.concatenate([np.arange(4) / 4 + start for start in (0, 1, 5)])
    signals = {"signals": _physical(3, 4)[None], "@recording_start": "2021-05-04T06:07:08.250000", "~": 1e-6}

    def written(stamps: Sequence[str], flag: str) -> bytes:
        notes = [
            _stamp(stamps[0], "+0.75\x15.5\x14a\x14b"),
            _stamp(stamps[1]),
            _stamp(stamps[2], "+5.5\x14ü"),
        ]
        notes[0] = notes[0].replace(b"\x15.5", b"\x150.5")
        return _file(
            pair, [[_ramp(r, 4), notes[r]] for r in range(3)], flag=flag, patient="M-1 F X Ann_Other"
        )

    events = {
        "event_time": np.array([0.5, 0.5, 5.25]),
        "event_label": ["a", "b", "ü"],
        "event_duration": np.array([0.5, 0.5, np.nan]),
    }
    single = [[[r], _stamp(o)] for r, o in enumerate(("+0", "+0.1", "+7"))]
    files: dict[str, tuple[bytes, dict[str, Any]]] = {
        "gaps.edf": (written(onsets, "EDF+D"), signals | events | {"time": gaps}),
        "no_gaps.edf+": (written(steps, "EDF+D"), signals | events | {"signals@sampling_frequency": 4.0}),
        "lies.edf": (
            written(onsets, "EDF+C"),
            signals | events | {"time": gaps, "?warning": "promises no gaps"},
        ),
        "constant.edf": (
            written(("+0.25",) * 3, "EDF+C"),
            signals | events | {"signals@sampling_frequency": 4.0, "?warning": "stamps are ignored"},
        ),
        "unstamped.edf": (
            _file(pair, [[_ramp(0, 4), b""]], flag="EDF+D"),
            {"!error": "FormatError"},
        ),
        "irregular.edf": (
            _file((_Signal("EEG", 1), _NOTES), single, flag="EDF+D", duration="0"),
            {"signals": np.array([[0, 0.1, 0.2]]), "time": np.array([0, 0.1, 7]), "~": 1e-6},
        ),
        "notes_only.edf": (
            _file((_NOTES,), [[_stamp("+0", "+30\x1530\x14W")]], flag="EDF+C", duration="0"),
            {"event_time": np.array([30.0]), "event_label": ["W"], "event_duration": np.array([30.0])},
        ),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    expected = {name: expected for name, (_, expected) in files.items()}
    described = {
        "label": "EEG", "transducer": "sensor", "unit": "uV", "physical_minimum": -3276.8,
        "physical_maximum": 3276.7, "digital_minimum": -32768, "digital_maximum": 32767,
        "filters": "HP:0.1Hz", "samples_per_record": 4,
    }  # fmt: skip
    expected["gaps.edf"]["@original_metadata"] = {  # and nothing of the patient
        "variant": "EDF+D", "records": 3, "seconds_per_record": 1.0, "signals": [described],
        "equipment": "amp_7",
    }  # fmt: skip
    return expected


def _by_edfio(folder: Path) -> dict[str, dict[str, Any]]:
    import edfio

    rng = np.random.default_rng(3)
    notes = [edfio.EdfAnnotation(0.5, None, "go"), edfio.EdfAnnotation(7.125, 0.25, "stop")]
    start = datetime.time(1, 2, 3, 500000)
    signals = [
        edfio.EdfSignal(rng.normal(size=n * 10), n, label=label, physical_dimension="mV")
        for n, label in ((256, "x"), (100, "y"), (256, "z"))
    ]
    edfio.Edf(signals, starttime=start, annotations=notes, data_record_duration=1).write(folder / "edfio.edf")
    wide = [
        edfio.BdfSignal(rng.normal(size=2000), 200, label=f"c{i}", physical_range=(-9, 9)) for i in range(3)
    ]
    edfio.Bdf(wide, starttime=start, annotations=notes, data_record_duration=1).write(folder / "edfio.bdf")
    return {name: oracle(folder / name) or {} for name in ("edfio.edf", "edfio.bdf")}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Small files of every variant that the reader claims, with what they hold."""
    return _plain(folder) | _plus(folder) | _by_edfio(folder)


def oracle(path: Path) -> dict[str, Any] | None:
    """All signals in physical units by edfio, grouped by rate in the order of the file."""
    import edfio

    read = edfio.read_bdf if path.suffix.lower().startswith(".bdf") else edfio.read_edf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            held = read(path)
            rates: dict[float, list[Any]] = {}
            for signal in held.signals:
                rates.setdefault(signal.sampling_frequency, []).append(signal)
            # An empty text repeats the time of its record, it is no event.
            notes = [note for note in held.annotations if note.text.strip() or note.duration is not None]
            steady = held.is_continuous
            start = held.startdatetime.isoformat()
        except Exception:  # the oracle refuses the file: nothing to compare with
            return None
    # A float32 value keeps 24 bits, which is enough to get 16-bit integers back.
    expected: dict[str, Any] = {"~": 1e-6, "@recording_start": start}
    for number, (rate, signals) in enumerate(rates.items()):
        suffix = "" if number == 0 else f"_{rate:.10g}_Hz".replace(".", "_")
        expected[f"signals{suffix}"] = np.stack([signal.data for signal in signals])
        if steady:
            expected[f"signals{suffix}@sampling_frequency"] = rate
        expected[f"channel_name{suffix}"] = [signal.label for signal in signals]
        if any(signal.physical_dimension for signal in signals):
            expected[f"channel_units{suffix}"] = [signal.physical_dimension for signal in signals]
    if notes:
        expected["event_time"] = np.array([note.onset for note in notes])
        expected["event_label"] = [note.text.strip() for note in notes]
        expected["event_duration"] = np.array([np.nan if n.duration is None else n.duration for n in notes])
    return expected
