"""The header of RHD2000 and RHS2000 files, which also stands alone in ``info.rhd`` and ``info.rhs``.

Little-endian; a text is a u32 length in bytes (0xFFFFFFFF: none) and UTF-16. A group of signals that is
switched off has no channels in the file.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

RHD, RHS = 0xC6912702, 0xD69127AC
_LONGEST_TEXT = 1 << 20
_NO_TEXT = 0xFFFFFFFF
_MOST_GROUPS = 1024
_NOTCH = {0: "off", 1: "50 Hz", 2: "60 Hz"}

# Names and struct codes of the fields, "s" for a text.
_RHD_FILTERS = (
    ("dsp_enabled", "h"), ("actual_dsp_cutoff_hz", "f"), ("actual_lower_bandwidth_hz", "f"),
    ("actual_upper_bandwidth_hz", "f"), ("desired_dsp_cutoff_hz", "f"), ("desired_lower_bandwidth_hz", "f"),
    ("desired_upper_bandwidth_hz", "f"), ("notch_filter_mode", "h"), ("desired_impedance_test_hz", "f"),
    ("actual_impedance_test_hz", "f"),
)  # fmt: skip
_RHS_FILTERS = (
    ("dsp_enabled", "h"), ("actual_dsp_cutoff_hz", "f"), ("actual_lower_bandwidth_hz", "f"),
    ("actual_lower_settle_bandwidth_hz", "f"), ("actual_upper_bandwidth_hz", "f"),
    ("desired_dsp_cutoff_hz", "f"), ("desired_lower_bandwidth_hz", "f"),
    ("desired_lower_settle_bandwidth_hz", "f"), ("desired_upper_bandwidth_hz", "f"),
    ("notch_filter_mode", "h"), ("desired_impedance_test_hz", "f"), ("actual_impedance_test_hz", "f"),
    ("amplifier_settle_mode", "h"), ("charge_recovery_mode", "h"), ("stimulation_step_a", "f"),
    ("charge_recovery_current_limit_a", "f"), ("charge_recovery_target_v", "f"),
)  # fmt: skip
_NOTES = (("note_1", "s"), ("note_2", "s"), ("note_3", "s"))
_GROUP = (("name", "s"), ("prefix", "s"), ("enabled", "h"), ("channels", "h"), ("amplifiers", "h"))
_CHANNEL_HEAD = (
    ("native_name", "s"), ("custom_name", "s"), ("native_order", "h"), ("custom_order", "h"),
    ("signal_type", "h"), ("enabled", "h"), ("chip_channel", "h"),
)  # fmt: skip
_CHANNEL_TAIL = (
    ("board_stream", "h"), ("trigger_mode", "h"), ("trigger_threshold_uv", "h"),
    ("trigger_digital_channel", "h"), ("trigger_digital_edge", "h"), ("impedance_ohm", "f"),
    ("impedance_phase_degrees", "f"),
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Channel:
    """A channel of the header: what kind of signal (``signal_type``), and everything else told of it."""

    kind: int
    told: dict[str, Any]

    @property
    def native(self) -> str:
        return str(self.told["native_name"])

    @property
    def name(self) -> str:
        return str(self.told["custom_name"] or self.told["native_name"])

    @property
    def order(self) -> int:
        return int(self.told["native_order"])


@dataclass(slots=True, eq=False)
class Header:
    """The whole header: ``size`` in bytes, ``rate`` in Hz, ``block`` samples a data block."""

    stimulator: bool
    version: tuple[int, int]
    size: int
    rate: Fraction
    told: dict[str, Any]
    channels: list[Channel]
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def block(self) -> int:
        return 128 if self.stimulator or self.version[0] > 1 else 60

    @property
    def tick(self) -> str:
        """The type of a time stamp: it cannot be negative in the first versions."""
        return "<u4" if not self.stimulator and self.version < (1, 2) else "<i4"

    @property
    def board_mode(self) -> int:
        return int(self.told.get("board_mode", 0))

    def enabled(self, kind: int) -> list[Channel]:
        return [c for c in self.channels if c.kind == kind and c.told["enabled"]]


class _Cursor:
    """Reads fields one after another; raises `Truncated` where the header ends early."""

    def __init__(self, source: Source) -> None:
        self.source, self.at, self._file = source, 0, source.file()

    def _take(self, size: int) -> bytes:
        self.source.expect(self.at, size, "header")
        self.at += size
        return self._file.read(size)

    def one(self, code: str) -> Any:
        if code == "s":
            return self._text()
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def all(self, fields: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        return {name: self.one(code) for name, code in fields}

    def _text(self) -> str:
        size = self.one("I")
        if size == _NO_TEXT:
            return ""
        if size > _LONGEST_TEXT or size % 2:
            raise broken(self.source, f"it has a text of {size} bytes at byte {self.at}")
        return self._take(size).decode("utf-16-le", "replace").rstrip("\0")


def read_header(source: Source) -> Header:
    """The header of an Intan file. Raises FormatError and its kinds when it cannot be followed."""
    cursor = _Cursor(source)
    mark, *version = cursor.one("I"), cursor.one("h"), cursor.one("h")
    if mark not in (RHD, RHS):
        raise broken(source, f"it starts with {mark:#x}")
    stimulator = mark == RHS
    told: dict[str, Any] = {"version": f"{version[0]}.{version[1]}"}
    if not 1 <= version[0] < 100 or version[1] < 0:
        raise broken(source, f"it has the version {version[0]}.{version[1]}")
    rate = cursor.one("f")
    if not (math.isfinite(rate) and 0 < rate < 1e7):
        raise broken(source, f"its sampling frequency is {rate} Hz")
    told |= cursor.all(_RHS_FILTERS if stimulator else _RHD_FILTERS) | cursor.all(_NOTES)
    told |= cursor.all(_variable_fields(stimulator, (version[0], version[1])))
    count = cursor.one("h")
    limit_items(source, "groups of signals", count, _MOST_GROUPS)
    channels = [c for _ in range(count) for c in _read_group(cursor, stimulator)]
    limit_items(source, "temperature sensors", told.get("temperature_sensors", 0))
    if told.get("reference_channel") == "n/a":
        told["reference_channel"] = "hardware"
    told["notch_filter"] = _NOTCH.get(told["notch_filter_mode"], f"mode {told['notch_filter_mode']}")
    plain = {name: _shortest(value) for name, value in told.items() if value not in ("", None)}
    return Header(stimulator, (version[0], version[1]), cursor.at, _exact(rate), plain, channels)


def _variable_fields(stimulator: bool, version: tuple[int, int]) -> tuple[tuple[str, str], ...]:
    if stimulator:
        return ("dc_amplifiers_saved", "h"), ("board_mode", "h"), ("reference_channel", "s")
    since = {
        (1, 1): ("temperature_sensors", "h"), (1, 3): ("board_mode", "h"), (2, 0): ("reference_channel", "s")
    }  # fmt: skip
    return tuple(row for first, row in since.items() if version >= first)


def _read_group(cursor: _Cursor, stimulator: bool) -> list[Channel]:
    group = cursor.all(_GROUP)
    if group["enabled"] <= 0 or group["channels"] <= 0:
        return []
    middle = (("command_stream", "h"),) if stimulator else ()
    found = []
    for _ in range(group["channels"]):
        told = cursor.all(_CHANNEL_HEAD + middle + _CHANNEL_TAIL)
        found.append(Channel(told["signal_type"], {k: _shortest(v) for k, v in told.items()}))
        found[-1].told["group"] = group["name"]
    return found


def _shortest(value: Any) -> Any:
    """A 32-bit float as the shortest decimal that stands for it; None when it is no number."""
    if not isinstance(value, float):
        return value
    return float(str(np.float32(value))) if math.isfinite(value) else None


def _exact(rate: float) -> Fraction:
    """The plain fraction that a 32-bit float stands for: 3333.3333 is 10000/3."""
    plain = Fraction(rate).limit_denominator(1000)
    return plain if np.float32(float(plain)) == np.float32(rate) else Fraction(rate)


def broken(source: Source, what: str) -> FormatError:
    return FormatError(
        f"{source.name}: an Intan header was expected, {what}; it is damaged or an unknown variant",
        hint="Fetch the file again; if it opens in Intan RHX, please report it.",
        source=source.url,
    )
