"""The built-in demonstration: a small SDS dataset, made on first use by the real writers of its formats.

Everything is synthetic and seeded, so each machine gets the same values: a heart and a vagus nerve that
answer to stimulation, a calcium movie of ganglion cells, a stained section, and two tables.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEMO_ID", "ensure_demo"]

DEMO_ID = "heart-and-vagus-demo"
_VERSION = 1
_SEED = 20210514
_STIMULATION = ((12.0, 6.0), (34.0, 6.0))  # start and length in seconds

_DESCRIPTION = {
    "title": "Heart and vagus nerve: a synthetic demonstration dataset",
    "description": (
        "Electrocardiogram, vagus nerve activity and blood pressure while the nerve is stimulated twice, "
        "with a calcium movie of cardiac ganglion cells and a stained section. All of it is computed, "
        "none was recorded; they are here so that every step can be tried without internet."
    ),
    "keywords": ["vagus nerve", "heart", "ECG", "calcium imaging", "histology", "demonstration"],
    "license": "CC0-1.0",
}

_README = """# Heart and vagus nerve: a synthetic demonstration dataset

All signals and images of this dataset are computed. sub-1 has the recordings of one session: nerve and
ECG (`nerve_and_ecg.edf`), slow signals at three rates (`pressure_and_breathing.edf`), the heart rate as
MATLAB saves it (`heart_rate.mat`) and a table of blood gases (`blood_gases.csv`). sub-2 has a calcium
movie (`ganglion_calcium.ome.tif`) and a stained section (`atrium_section.tif`).
"""


def ensure_demo() -> Path:
    """The folder that holds the demonstration dataset, made when it is not there yet."""
    from filelock import FileLock

    from sparc_fuse_core.catalogue.places import cache_folder

    root = cache_folder() / f"demo-{_VERSION}"
    root.mkdir(parents=True, exist_ok=True)
    whole = root / DEMO_ID
    with FileLock(root / ".lock"):
        if not whole.is_dir():
            part = root / f".making-{os.getpid()}"
            shutil.rmtree(part, ignore_errors=True)
            _make(part)
            os.replace(part, whole)
    return root


def _make(root: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(_SEED)
    steps: dict[str, Callable[[Path, np.random.Generator], None]] = {
        "primary/sub-1/ses-1/nerve_and_ecg.edf": _nerve_and_ecg,
        "primary/sub-1/ses-1/pressure_and_breathing.edf": _slow_signals,
        "primary/sub-1/ses-1/heart_rate.mat": _heart_rate,
        "primary/sub-1/ses-1/blood_gases.csv": _blood_gases,
        "primary/sub-2/microscopy/ganglion_calcium.ome.tif": _calcium,
        "primary/sub-2/microscopy/atrium_section.tif": _section,
    }
    for name, write in steps.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, rng)
    (root / "dataset_description.json").write_text(json.dumps(_DESCRIPTION, indent=2), "utf-8")
    (root / "README.md").write_text(_README, "utf-8")


# -- signals ------------------------------------------------------------------------------------------------


def _beats(seconds: float) -> NDArray[Any]:
    """Times of the heartbeats: 1.2 Hz with breathing, slower while the nerve is stimulated."""
    import numpy as np

    times, now = [], 0.3
    while now < seconds:
        times.append(now)
        braked = max(
            (np.exp(-(now - start - length) / 2.5) if now > start + length else 1 - np.exp(-(now - start)))
            if now >= start
            else 0.0
            for start, length in _STIMULATION
        )
        rate = 1.25 + 0.06 * np.sin(2 * np.pi * 0.25 * now) - 0.45 * braked
        now += 1 / rate
    return np.array(times)


def _pulse(
    time: NDArray[Any], beats: NDArray[Any], waves: tuple[tuple[float, float, float], ...]
) -> NDArray[Any]:
    """A train of Gaussian waves (delay, width, height) after each beat."""
    import numpy as np

    out = np.zeros_like(time)
    pace = time[1] - time[0]
    for beat in beats:
        for delay, width, height in waves:
            first = max(0, int((beat + delay - 5 * width) / pace))
            last = min(len(time), int((beat + delay + 5 * width) / pace) + 1)
            out[first:last] += height * np.exp(-((time[first:last] - beat - delay) ** 2) / (2 * width**2))
    return out


_ECG = (
    (-0.17, 0.022, 0.12),
    (-0.035, 0.008, -0.1),
    (0.0, 0.011, 1.05),
    (0.033, 0.01, -0.22),
    (0.24, 0.045, 0.28),
)
_PRESSURE = ((0.12, 0.05, 26.0), (0.22, 0.09, 17.0), (0.42, 0.06, 6.0))


def _nerve_and_ecg(path: Path, rng: np.random.Generator) -> None:
    import edfio
    import numpy as np

    seconds, rate = 60, 5000
    time = np.arange(seconds * rate) / rate
    beats = _beats(seconds)
    wander = 0.04 * np.sin(2 * np.pi * 0.25 * time)
    ecg = _pulse(time, beats, _ECG) + wander + rng.normal(0, 0.012, time.size)
    annotations = [
        edfio.EdfAnnotation(start, length, "Vagus stimulation 10 Hz") for start, length in _STIMULATION
    ]
    annotations += [edfio.EdfAnnotation(2.0, None, "Baseline"), edfio.EdfAnnotation(52.0, None, "Recovery")]
    signals = [
        edfio.EdfSignal(ecg, rate, label="ECG lead II", physical_dimension="mV", physical_range=(-1, 2))
    ]
    for number, gain in enumerate((1.0, 0.7), 1):
        nerve = _nerve(time, rng, gain)
        signals.append(
            edfio.EdfSignal(
                nerve, rate, label=f"Vagus {number}", physical_dimension="uV", physical_range=(-120, 120)
            )
        )
    edfio.Edf(signals, annotations=annotations).write(path)


def _nerve(time: NDArray[Any], rng: np.random.Generator, gain: float) -> NDArray[Any]:
    """Noise, spikes in step with breathing, and the compound answer to each stimulus at 10 Hz."""
    import numpy as np

    rate = round(1 / (time[1] - time[0]))
    out = rng.normal(0, 4.0, time.size)
    expected = np.clip(18 + 16 * np.sin(2 * np.pi * 0.25 * time), 0, None) / rate
    phase = np.arange(-15, 30) / rate
    shape = np.exp(-((phase) ** 2) / 2e-7) - 0.55 * np.exp(-((phase - 0.0009) ** 2) / 6e-7)
    for at in np.flatnonzero(rng.random(time.size) < expected):
        span = slice(max(0, at - 15), min(time.size, at + 30))
        out[span] += gain * rng.uniform(18, 42) * shape[span.start - at + 15 : span.stop - at + 15]
    answer = np.arange(int(0.03 * rate)) / rate
    wave = 85 * np.exp(-((answer - 0.004) ** 2) / 1.2e-6) - 60 * np.exp(-((answer - 0.0075) ** 2) / 4e-6)
    for start, length in _STIMULATION:
        for stimulus in np.arange(start, start + length, 0.1):
            first = int(stimulus * rate)
            out[first : first + answer.size] += gain * wave
    return np.clip(out, -119, 119)


def _slow_signals(path: Path, rng: np.random.Generator) -> None:
    import edfio
    import numpy as np

    seconds = 60
    beats = _beats(seconds)

    def clock(rate: int) -> NDArray[Any]:
        return np.arange(seconds * rate) / rate

    pressure = 72 + _pulse(clock(500), beats, _PRESSURE) + rng.normal(0, 0.3, seconds * 500)
    breath = 6 + 4 * np.sin(2 * np.pi * 0.25 * clock(50)) ** 3 + rng.normal(0, 0.05, seconds * 50)
    warm = 37.1 + 0.004 * clock(1) + rng.normal(0, 0.004, seconds)
    rows = (
        ("Art. pressure", "mmHg", 500, pressure, (40, 160)),
        ("Airway pressure", "cmH2O", 50, breath, (-2, 14)),
        ("Temperature", "degC", 1, warm, (30, 42)),
    )
    signals = [
        edfio.EdfSignal(values, rate, label=label, physical_dimension=unit, physical_range=limits)
        for label, unit, rate, values, limits in rows
    ]
    marks = [edfio.EdfAnnotation(start, length, "Vagus stimulation 10 Hz") for start, length in _STIMULATION]
    edfio.Edf(signals, annotations=marks).write(path)


def _heart_rate(path: Path, rng: np.random.Generator) -> None:
    import numpy as np
    from scipy.io import savemat

    beats = _beats(60)
    grid = np.arange(240) / 4
    rate = np.interp(grid, beats[1:], 60 / np.diff(beats)) + rng.normal(0, 0.2, grid.size)
    held = {"t": grid[:, None], "heart_rate": rate[:, None], "fs": 4.0, "units": "bpm"}
    savemat(path, held, do_compression=True)


def _blood_gases(path: Path, rng: np.random.Generator) -> None:
    import numpy as np

    minutes = np.arange(0, 60, 2)
    rows = ["time (min),pH,pCO2 (mmHg),pO2 (mmHg),lactate (mmol/L)"]
    for minute in minutes:
        values = (7.39 - 0.0006 * minute, 41 + 0.05 * minute, 96 - 0.04 * minute, 1.1 + 0.02 * minute)
        noisy = [v + rng.normal(0, s) for v, s in zip(values, (0.004, 0.4, 0.8, 0.05), strict=True)]
        rows.append(f"{minute}," + ",".join(f"{v:.{d}f}" for v, d in zip(noisy, (3, 1, 1, 2), strict=True)))
    path.write_text("\n".join(rows) + "\n", "utf-8")


# -- images -------------------------------------------------------------------------------------------------


def _blobs(shape: tuple[int, int], centres: NDArray[Any], radii: NDArray[Any]) -> list[NDArray[Any]]:
    """One soft disc for each centre, on a canvas of ``shape``."""
    import numpy as np

    y, x = np.mgrid[: shape[0], : shape[1]].astype("f4")
    return [
        1 / (1 + np.exp((np.hypot(y - cy, x - cx) - r) * 1.6))
        for (cy, cx), r in zip(centres, radii, strict=True)
    ]


def _calcium(path: Path, rng: np.random.Generator) -> None:
    import numpy as np
    import tifffile

    times, slices, size, cells = 24, 5, 192, 26
    discs = _blobs((size, size), rng.uniform(12, size - 12, (cells, 2)), rng.uniform(5, 10, cells))
    depth, onset = rng.integers(0, slices, cells), rng.integers(0, times, cells)
    movie = np.zeros((times, 2, slices, size, size), "f4")
    for disc, level, first in zip(discs, depth, onset, strict=True):
        since = np.arange(times) - first
        flash = np.where(since >= 0, np.exp(-since / 4.0), 0) + 0.35 * np.where(
            since >= 9, np.exp(-(since - 9) / 4.0), 0
        )
        for z in range(slices):
            near = np.exp(-((z - level) ** 2) / 1.2)
            movie[:, 0, z] += (0.16 + 0.84 * flash)[:, None, None] * disc * near * 2600
            movie[:, 1, z] += disc**3 * near * 1500
    movie += 180
    pixels = np.clip(rng.poisson(movie) + rng.normal(0, 6, movie.shape), 0, 65535).astype("u2")
    metadata = {
        "axes": "TCZYX",
        "Name": "Cardiac ganglion",
        "PhysicalSizeX": 0.65,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.65,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 3.0,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 0.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": ["GCaMP6f", "Nuclei"], "Color": [0x00FF00FF, 0x3366FFFF]},
    }
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", compression="zlib", metadata=metadata)


def _section(path: Path, rng: np.random.Generator) -> None:
    import numpy as np
    import tifffile

    size = 1536
    y, x = np.mgrid[:size, :size].astype("f4") / size
    fibres = np.sin(2 * np.pi * (14 * x + 3.2 * np.sin(5 * y) + 1.4 * np.sin(9 * x * y)))
    tissue = 1 / (
        1 + np.exp((np.hypot(x - 0.5, (y - 0.52) * 1.15) - 0.43 + 0.025 * np.sin(11 * x + 7 * y)) * 60)
    )
    stain = np.stack([0.10 + 0.05 * fibres, 0.46 + 0.14 * fibres, 0.22 + 0.07 * fibres]) * tissue
    nuclei = np.zeros((size, size), "f4")
    for cy, cx, r in zip(*rng.uniform(0, size, (2, 1500)), rng.uniform(3.0, 6.5, 1500), strict=True):
        top, left = int(cy) - 12, int(cx) - 12
        if 0 <= top < size - 25 and 0 <= left < size - 25:
            patch = _blobs((25, 25), np.array([[cy - top, cx - left]]), np.array([r]))[0]
            nuclei[top : top + 25, left : left + 25] = np.maximum(
                nuclei[top : top + 25, left : left + 25], patch
            )
    stain += np.array([0.62, 0.68, 0.30], "f4")[:, None, None] * nuclei * tissue
    light = np.exp(-stain) * 246 + rng.normal(0, 2.0, stain.shape)
    picture = np.ascontiguousarray(np.clip(light, 0, 255).astype("u1").transpose(1, 2, 0))
    levels = [picture]
    while levels[-1].shape[0] > 400:
        fine = levels[-1].astype("u2")
        levels.append(
            ((fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2] + 2) // 4).astype("u1")
        )
    options: dict[str, Any] = {"photometric": "rgb", "tile": (256, 256), "compression": "zlib"}
    per_cm = 10_000 / 0.5  # half a micrometre a pixel
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            picture,
            subifds=len(levels) - 1,
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            **options,
        )
        for number, level in enumerate(levels[1:], 1):
            pace = per_cm / 2**number
            tiff.write(level, subfiletype=1, resolution=(pace, pace), resolutionunit="CENTIMETER", **options)
