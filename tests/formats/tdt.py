"""TDT blocks, written by hand: records of 40 bytes over chunks of samples; TDT's own reader is the oracle.

It puts times on a grid of 5.12 µs, ends an epoc where the next begins, and wants a .tev even where it reads none.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sparc_fuse_core.model import slug

ON, OFF, SCALAR, STREAM, SNIP, MARK = 0x101, 0x102, 0x201, 0x8101, 0x8201, 0x8801
START = 1_500_000_000.0
FAST, SLOW = 25e6 / 1024, 25e6 / 24576
CODES = {"f4": 0, "i4": 1, "i2": 2, "i1": 3, "f8": 4, "i8": 5}


def record(
    kind: int, code: bytes, time: float, *, place: bytes = bytes(8), channel: int = 0, sort: int = 0,
    nbytes: int = 0, form: int = 0, rate: float = 0.0,
) -> bytes:  # fmt: skip
    head = struct.pack("<ii4sHHd", 10 + nbytes // 4, kind, code, channel, sort, START + time)
    return head + place + struct.pack("<if", form, rate)


def mark(number: int, time: float) -> bytes:
    return record(MARK, bytes([number, 0, 0, 0]), time)


def strobe(kind: int, code: bytes, time: float, value: float, channel: int = 0) -> bytes:
    return record(kind, code, time, place=struct.pack("<d", value), channel=channel, form=4)


class Block:
    """Collects records and samples; `write` makes the files."""

    def __init__(self) -> None:
        self.records: list[bytes] = [mark(1, 0.0)]
        self.samples = bytearray()

    def chunk(
        self, code: bytes, time: float, data: np.ndarray, channel: int, rate: float, **more: Any
    ) -> None:
        kind = more.pop("kind", STREAM)
        place = struct.pack("<q", len(self.samples))
        self.samples += data.tobytes()
        form = CODES[data.dtype.str[1:]]
        self.records.append(
            record(
                kind,
                code,
                time,
                place=place,
                channel=channel,
                nbytes=data.nbytes,
                form=form,
                rate=rate,
                **more,
            )
        )

    def stream(self, code: bytes, data: np.ndarray, rate: float, points: int, *, start: float = 0.0) -> None:
        for k in range(data.shape[1] // points):
            for channel, row in enumerate(data, 1):
                self.chunk(code, start + k * points / rate, row[k * points : (k + 1) * points], channel, rate)

    def write(self, folder: Path, name: str, *, end: float | None = 9.0) -> Path:
        folder.mkdir(exist_ok=True)
        body = b"".join(self.records) + (mark(2, end) if end is not None else b"")
        path = folder / f"{name}.tsq"
        path.write_bytes(struct.pack("<iii", len(body) + 40, 0, 0).ljust(40, b"\0") + body)
        (folder / f"{name}.tev").write_bytes(self.samples)
        return path


def samples(dtype: str, channels: int, count: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(-100, 100, (channels, count))
    return values.astype(dtype)


_TBK = (
    "Tank\n[USERNOTEDELIMITER]TDT[USERNOTEDELIMITER]NAME=StoreName;TYPE=T;VALUE=Wav1;\r\n"
    "NAME=SampleFreq;TYPE=L;VALUE=24414.062500;\r\n[STOREHDRITEM]NAME=StoreName;TYPE=T;VALUE=Off1;\r\n"
    "NAME=StrobeBuddy;TYPE=T;VALUE=Stim;\r\n[STOREHDRITEM]NAME=StoreName;TYPE=T;VALUE=Rs4_;\r\nNAME=NumChan;TYPE=L;VALUE=2;\r\n"
    "NAME=SampleFreq;TYPE=L;VALUE=24414.062500;\r\n[STOREHDRITEM][USERNOTEDELIMITER]"
)


def _full(folder: Path) -> dict[str, Any]:
    """Every kind of store, in every sample format."""
    block = Block()
    held = {code: samples(kind, 2, 96, n) for n, (code, kind) in enumerate(zip("ABCDEF", CODES, strict=True))}
    for code, data in held.items():
        block.stream(f"Wav{code}".encode(), data, FAST, 32)
    slow = samples("f4", 1, 40, 9)
    block.stream(b"slow", slow, SLOW, 8, start=0.25)
    for time, value in ((0.5, 1.0), (1.5, 2.0), (3.5, 3.0)):
        block.records.append(strobe(ON, b"Stim", time, value))
    for time in (0.25, 0.75, 2.0):
        block.records.append(strobe(OFF, b"Off1", time, 5.0))
    for value, time in ((7.0, 1.0), (8.0, 1.25)):
        block.records += [strobe(ON, b"PC0/", time, value), strobe(OFF, b"PC0\\", time + 0.25, value)]
    block.records += [strobe(SCALAR, b"Par1", 2.5, -1.5, 1), strobe(SCALAR, b"Par1", 2.5, 2.5, 2)]
    block.records.append(strobe(OFF, b"Lone", 3.0, 4.0))
    snips = samples("i2", 3, 20, 11)
    for n, data in enumerate(snips):
        block.chunk(b"eSpk", 0.1 + n, data, 4 - n, FAST, kind=SNIP, sort=n)
    block.write(folder / "full", "Tank_B-1")
    (folder / "full" / "Tank_B-1.Tbk").write_text(_TBK, newline="")
    (folder / "full" / "Tank_B-1.tnt").write_text("NOTEFILE_VERSION[1.0]\nMaus schläft\n", "utf-8")
    (folder / "full" / "Tank_B-1.Tdx").write_bytes(bytes(100))
    (folder / "full" / "Notes.txt").write_text("Subject: M7\n", "utf-8")
    nan = np.nan
    facts: dict[str, Any] = {
        f"signals{'_Wav' + code if code != 'A' else ''}": data for code, data in held.items()
    }
    return facts | {
        "signals@sampling_frequency": FAST,
        "signals_slow": slow,
        "signals_slow@sampling_frequency": SLOW,
        "signals_slow@start_time": 0.25,
        "channel_name": ["WavA 1", "WavA 2"],
        "channel_name_slow": ["slow"],
        "event_time": [0.5, 1.0, 1.25, 1.5, 2.5, 2.5, 3.0, 3.5],
        "event_label": ["Stim", "PC0/", "PC0/", "Stim", "Par1", "Par1", "Lone", "Stim"],
        "event_duration": [0.25, 0.25, 0.25, 0.5, nan, nan, nan, nan],
        "event_value": [1.0, 7.0, 8.0, 2.0, -1.5, 2.5, 4.0, 3.0],
        "event_channel": ["", "", "", "", "1", "2", "", ""],
        "event_type": ["epoc", "epoc", "epoc", "epoc", "scalar", "scalar", "offset", "epoc"],
        "snippets_eSpk": snips,
        "snippets_eSpk@sampling_frequency": FAST,
        "snippet_times_eSpk": [0.1, 1.1, 2.1],
        "snippet_channels_eSpk": [4, 3, 2],
        "snippet_sort_codes_eSpk": [0, 1, 2],
        "@recording_start": "2017-07-14T02:40:00+00:00",
        "?warning": "1 offset(s) of 'Stim' follow no onset",
        "?dropped": "values of the offsets of 'Stim'",
        "~": 1e-6,
    }


def _gaps(folder: Path) -> dict[str, dict[str, Any]]:
    data = samples("f4", 2, 64, 3)
    gap, uneven, damaged, cut, back = (Block() for _ in range(5))
    for block in (gap, uneven, damaged, cut, back):
        for k in range(4):
            for channel, row in enumerate(data, 1):
                time = k * 16 / FAST + (k >= 2) * 0.5 * (block is gap)
                if not (block is uneven and (k, channel) == (3, 2)):
                    block.chunk(b"Wav1", time, row[k * 16 : k * 16 + 16], channel, FAST)
    times = np.arange(64) / FAST + 0.5 * (np.arange(64) >= 32)
    damaged.records[3] = damaged.records[3][:8] + bytes(4) + damaged.records[3][12:]  # its store, of zeros
    damaged.records[8] = bytes(40)
    damaged.records.append(b"\xff" * 40)
    del cut.samples[-100:]
    back.records[1:3], back.records[3:5] = back.records[3:5], back.records[1:3]
    for name, block in {"gap": gap, "uneven": uneven, "damaged": damaged, "cut": cut, "back": back}.items():
        block.write(folder / name, name, end=None if block is cut else 9.0)
    holes = np.delete(np.arange(64), np.s_[16:32])
    return {
        "gap/gap.tsq": {
            "signals": data, "time": times, "signals@nominal_sampling_frequency": FAST, "?warning": "1 gap(s)",
            "~": 1e-6,
        },
        "uneven/uneven.tsq": {
            "signals": data[:1], "signals_Wav1_channel_2": data[1:, :48], "?warning": "do not have the same",
            "channel_name": ["Wav1"], "channel_name_Wav1_channel_2": ["Wav1 2"],
        },
        "damaged/damaged.tsq": {
            "signals": data[:1, holes], "time": holes / FAST, "signals_Wav1_channel_2": data[1:, :48],
            "?warning": "3 of the 12 records", "~": 1e-4,
        },
        "cut/cut.tsq": {"signals": data[:, :48], "?warning": ["2 of 8 chunks", "no mark of the end"]},
        "back/back.tsq": {"signals": data, "?warning": "were put in order"},
    }  # fmt: skip


def sev(data: np.ndarray, channel: int, *, version: int = 3, code: bytes = b"Rs4_", rate: int = 12) -> bytes:
    form = CODES[data.dtype.str[1:]]
    code = code if version == 3 else code[::-1]
    head = struct.pack(
        "<Q3sB4sHHHHBBH", 40 + data.nbytes, b"SEV", version, code, channel, 2, 4, 0, form, 4, rate
    )
    return head.ljust(40, b"\0") + data.tobytes()


def _separate(folder: Path) -> dict[str, dict[str, Any]]:
    data = samples("i2", 2, 50, 5)
    block = Block()
    block.stream(b"Wav1", samples("f4", 1, 32, 1), FAST, 16)  # also in a .sev, which is taken
    wave = samples("f4", 1, 32, 2)
    block.chunk(b"Ucf1", 0.0, wave[0], 1, FAST, kind=STREAM | 0x10)  # its samples are not in the .tev
    block.write(folder / "rs4", "T_B")
    place = folder / "rs4"
    (place / "T_B.tbk").write_text(_TBK, newline="")
    (place / "T_B_Wav1_Ch1.sev").write_bytes(sev(wave[0], 1, code=b"Wav1"))
    for channel, row in enumerate(data, 1):
        (place / f"T_B_Rs4__Ch{channel}.sev").write_bytes(sev(row[:30], channel, version=2))
        (place / f"T_B_Rs4__Ch{channel}-1h.sev").write_bytes(sev(row[30:], channel, version=2))
    rate = 25e6 / 4
    clash = {
        "signals": wave,
        "?warning": ["which is taken", "'Ucf1' is not"],
        "signals@sampling_frequency": FAST,
    }
    found: dict[str, dict[str, Any]] = {
        "rs4/T_B.tsq": clash
        | {
            "signals_Rs4": data,
            "signals_Rs4@sampling_frequency": FAST,
            "channel_name_Rs4": ["Rs4_ 1", "Rs4_ 2"],
        },
    }
    files = {
        "x_Lone_ch7.sev": sev(data[0], 7, code=b"Lone"),
        "y_Hour_ch1.sev": sev(data[0], 1, code=b"Hour"),
        "y_Hour_ch1-1h.sev": sev(data[1], 1, code=b"Hour"),
        "short_ch1.sev": sev(data[0], 1)[:70],
        "old_Anci_ch3.sev": bytes(40) + wave.tobytes(),
        "skip_ch1.sev": sev(data[0], 1),
        "skip_ch1-2h.sev": sev(data[0], 1),
        "other_ch1-1h.sev": sev(data[0], 1),
        "form_Hour_ch1.sev": sev(data[0], 1)[:24] + b"\x08" + sev(data[0], 1)[25:],
        "empty_ch1.sev": sev(data[0][:0], 1),
        "tiny_ch1.sev": bytes(20),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found["x_Lone_ch7.sev"] = {
        "signals": data[:1],
        "signals@sampling_frequency": rate,
        "channel_name": ["Lone 7"],
    }
    found["y_Hour_ch1.sev"] = {"signals": data.reshape(1, -1), "?warning": "read alone"}
    found["short_ch1.sev"] = {"signals": data[:1, :15], "?warning": "cut short"}
    found["old_Anci_ch3.sev"] = {"signals": wave, "?warning": "no header"}
    found["other_ch1-1h.sev"] = {"signals": data[:1], "?warning": "hours before it are missing"}
    for name in ("form_Hour_ch1.sev", "empty_ch1.sev", "skip_ch1.sev"):
        found[name] = {"!error": "FormatError"}
    found["tiny_ch1.sev"] = {"!error": "Truncated"}
    return found


def _missing(folder: Path) -> dict[str, dict[str, Any]]:
    """Blocks without their samples, files without their block, indices that are none."""
    block = Block()
    block.stream(b"Wav1", samples("f4", 2, 32, 1), FAST, 16)
    only = block.write(folder / "only", "only")
    only.with_suffix(".tev").unlink()
    block.records.append(strobe(ON, b"Tick", 1.0, 5.0))
    block.chunk(b"eSpk", 0.1, samples("f4", 1, 8)[0], 1, FAST, kind=SNIP, sort=3)
    lean = block.write(folder / "lean", "lean")
    lean.with_suffix(".tev").unlink()
    many = Block()
    many.records += [strobe(ON, b"Fast", n / 1e4, float(n)) for n in range(100_001)]
    many.write(folder / "many", "many")
    found: dict[str, dict[str, Any]] = {
        "only/only.tsq": {"!error": "FormatError"},
        "lean/lean.tsq": {
            "event_time": [1.0], "event_label": ["Tick"], "event_value": [5.0], "snippet_sort_codes_eSpk": [3],
            "?warning": ["'Wav1' is not carried over (32 samples of 2", "'eSpk'"], "?dropped": "'Wav1'",
        },
        "many/many.tsq": {"event_values_Fast": np.arange(100_001.0), "?warning": "not in the table"},
    }  # fmt: skip
    for ending in ("tev", "tbk", "tdx", "tin", "tnt"):
        (folder / f"alone_{ending}.{ending}").write_bytes(b"0123456789" * 9)
        found[f"alone_{ending}.{ending}"] = {"!error": "FormatError"}
    codes = np.arange(6000, dtype="<u4") + 0x41414141
    hostile = b"".join(strobe(ON, code.tobytes(), 1.0, 1.0) for code in codes)
    (folder / "hostile.tsq").write_bytes(mark(1, 0.0) + hostile)
    (folder / "stub.tsq").write_bytes(bytes(30))
    return found | {"hostile.tsq": {"!error": "LimitExceeded"}, "stub.tsq": {"!error": "FormatError"}}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    found = {"full/Tank_B-1.tsq": _full(folder)}
    return found | _gaps(folder) | _separate(folder) | _missing(folder)


def oracle(path: Path) -> dict[str, Any]:
    import tdt

    with tempfile.TemporaryDirectory() as place:
        kinds = ["all"] if path.with_suffix(".tev").exists() else ["epocs", "scalars"]
        for file in path.parent.iterdir():
            (Path(place) / file.name).symlink_to(file)
        if kinds != ["all"]:
            (Path(place) / f"{path.stem}.tev").touch()
        held = tdt.read_block(place, evtype=kinds)
    facts: dict[str, Any] = {"~": 1e-6}
    raw = path.read_bytes()
    first = next(
        (raw[at + 8 : at + 12] for at in range(0, len(raw), 40) if raw[at + 5] == 0x81), b""
    ).decode()
    for stream in (held.streams[name] for name in held.streams.keys()):
        suffix = "" if stream.name == first else f"_{slug(stream.name)}"
        facts[f"signals{suffix}"] = np.atleast_2d(stream.data)
        facts[f"signals{suffix}@sampling_frequency"] = stream.fs
        if stream.start_time > 1e-3:  # less may be the grid
            facts[f"signals{suffix}@start_time"] = stream.start_time
    epocs = [held.epocs[name] for name in held.epocs.keys()]
    epocs.sort(key=lambda epoc: raw.find(epoc.name.encode()))  # its grid makes neighbours one
    scalars = [held.scalars[name] for name in held.scalars.keys()]
    scaled = [(np.repeat(s.ts, len(np.atleast_2d(s.data))), np.atleast_2d(s.data).T.ravel()) for s in scalars]
    times = np.concatenate([[], *(e.onset for e in epocs), *(times for times, _ in scaled)])
    values = np.concatenate([[], *(e.data for e in epocs), *(values for _, values in scaled)])
    order = np.argsort(times, kind="stable")
    if len(times) and len(times) == len(values):
        facts |= {"event_time": times[order], "event_value": values[order]}
    return facts
