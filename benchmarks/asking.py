"""How readers are asked: one question of one file, the answers in one form of words."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("SPARC_FUSE_CORPUS") or ROOT.parent / "shared" / "corpus") / "timeseries"
SMR, SMRX = "synthetic_sonpy195_8ch_gap.smr", "synthetic_sonpy195_8ch_gap.smrx"
TANK = "tdt/hybrid_realTSQ_syntheticTEV/99761-170207-161634"


@dataclass(frozen=True)
class Row:
    """One question: the file, how the truth is known, and the answers; ``pyabf`` is empty where it reads nothing."""

    trap: str
    file: str
    known: str
    truth: str
    ours: str
    neo: str
    pyabf: str = ""


TRAPS: dict[str, Callable[[Path], Row]] = {}


def trap(ask: Callable[[Path], Row]) -> Callable[[Path], Row]:
    """Registers a question; it is given an empty folder."""
    TRAPS[ask.__name__] = ask
    return ask


def row(name: str) -> Row:
    with tempfile.TemporaryDirectory() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            return TRAPS[name](Path(made))
        finally:
            logging.disable(logging.NOTSET)


# -- the ones that are asked --------------------------------------------------------------------------------


def made(name: str) -> Any:
    """The module of the tests that writes files of a format."""
    import importlib

    if str(ROOT / "tests") not in sys.path:
        sys.path.append(str(ROOT / "tests"))
    return importlib.import_module(f"formats.{name}")


def neo(kind: str, path: Path, **options: Any) -> Any:
    import neo.rawio

    held = getattr(neo.rawio, kind)(str(path), **options)
    held.parse_header()
    return held


def ours(path: Path) -> Any:
    from sparc_fuse_core import open_file

    return open_file(path)


def said(answer: Callable[[], str]) -> str:
    """The answer, or the error that came instead."""
    try:
        return answer()
    except Exception as error:  # whatever it raises is what its user gets
        return f"fails: {type(error).__name__}"


def signals(path: Path) -> list[tuple[Any, Any]]:
    """Each stream of ours with its time."""
    held = ours(path)
    return [(v, held[f"time{n[7:]}"]) for n, v in held.data_vars.items() if n.startswith("signals")]


def streams(held: Any) -> list[tuple[int, float, float]]:
    """Samples, rate and start of each stream of each segment by neo."""
    return [
        (int(held.get_signal_size(0, s, n)), held.get_signal_sampling_rate(n), held.get_signal_t_start(0, s, n))
        for s in range(held.segment_count(0))
        for n in range(held.signal_streams_count())
    ]  # fmt: skip


def number(value: float) -> str:
    return f"{float(value):.9g}"


def listed(values: Iterable[Any]) -> str:
    return ", ".join(v if isinstance(v, str) else number(v) for v in values)


def rates(values: Iterable[float]) -> str:
    return listed(sorted(values, reverse=True)) + " Hz"


def last_sample(count: int, time: float) -> str:
    return f"{count} samples, the last at {number(round(float(time), 7))} s"
