"""The kinds of signals of an Intan recording: where they are told, their scale, how words become values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.formats._intan.header import Channel, Header, broken
from sparc_fuse_core.model import LazyArray, Stream

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from sparc_fuse_core.formats._intan.clock import Clock
    from sparc_fuse_core.model.lazy import Key
    from sparc_fuse_core.source import Source

AMPLIFIER, AUXILIARY, SUPPLY, ADC = 0, 1, 2, 3
_RHD_DIGITAL_IN, _RHD_DIGITAL_OUT = 4, 5
_RHS_DAC, _RHS_DIGITAL_IN, _RHS_DIGITAL_OUT = 4, 5, 6
_MICROVOLT, _MIDDLE = 0.195, 32768
# Volts a step and the step of 0 V of analogue inputs, by what board has recorded them.
_ADC_SCALES = {
    0: (50.354e-6, 0), 1: (152.59e-6, _MIDDLE), 13: (312.5e-6, _MIDDLE), 14: (312.5e-6, _MIDDLE)
}  # fmt: skip
_FLAGS = (
    (15, "compliance_limit", "1 where the stimulator could not deliver the current"),
    (14, "charge_recovery", "1 where charge recovery was on"),
    (13, "amplifier_settle", "1 where the amplifier was being settled"),
)


@dataclass(slots=True, eq=False)
class Kind:
    """One kind of signal; ``every``: a value is stored every so many samples, 0 for once a data block.

    ``file`` and ``prefixes`` name it in a folder of .dat files: one file for all channels, or one for each.
    ``coded``: "stimulation" words, the lines of a "digital" port in one word, or a "line" with words of its own.
    """

    name: str
    channels: list[Channel]
    file: str
    prefixes: tuple[str, ...]
    units: str = ""
    gain: float = 1.0
    zero: float = 0.0
    every: int = 1
    signed: bool = False
    coded: str = ""

    @property
    def dtype(self) -> str:
        return "<i2" if self.signed else "<u2"

    @property
    def stored(self) -> int:
        """Values stored side by side: the lines of a digital port share one word."""
        return 1 if self.coded == "digital" else len(self.channels)


def kinds_of(source: Source, header: Header) -> list[Kind]:
    """What is stored, in the order of a data block."""
    found = _rhs_kinds(source, header) if header.stimulator else _rhd_kinds(source, header)
    known = {kind.channels[0].kind for kind in found if kind.channels}
    strange = sorted({c.kind for c in header.channels if c.told["enabled"]} - known)
    if strange:
        raise broken(source, f"it has channels of the unknown kinds {strange}")
    return [kind for kind in found if kind.channels]


def _amplifier(header: Header) -> Kind:
    return Kind("amplifier", header.enabled(AMPLIFIER), "amplifier", ("amp-",), "µV", _MICROVOLT, _MIDDLE)


def _adc(source: Source, header: Header) -> Kind:
    kind = Kind("board_adc", header.enabled(ADC), "analogin", ("board-", "board-ADC-"))
    mode = 14 if header.stimulator else header.board_mode
    if mode in _ADC_SCALES:
        kind.units, (kind.gain, kind.zero) = "V", _ADC_SCALES[mode]
    elif kind.channels:
        header.warnings.append(
            f"The scale of the analogue inputs of board mode {mode} is not known; they are given as stored."
        )
    return kind


def _rhd_kinds(source: Source, header: Header) -> list[Kind]:
    sensors = int(header.told.get("temperature_sensors", 0))
    temperature = [
        Channel(AMPLIFIER, {"native_name": f"temperature {n}", "custom_name": "", "enabled": 1})
        for n in range(1, sensors + 1)
    ]
    return [
        _amplifier(header),
        Kind("auxiliary_input", header.enabled(AUXILIARY), "auxiliary", ("aux-",), "V", 37.4e-6, every=4),
        Kind("supply_voltage", header.enabled(SUPPLY), "supply", ("vdd-",), "V", 74.8e-6, every=0),
        Kind("temperature", temperature, "", (), "°C", 0.01, every=0, signed=True),
        _adc(source, header),
        _digital("digital_input", header.enabled(_RHD_DIGITAL_IN), "digitalin", "board-DIN-"),
        _digital("digital_output", header.enabled(_RHD_DIGITAL_OUT), "digitalout", "board-DOUT-"),
    ]


def _rhs_kinds(source: Source, header: Header) -> list[Kind]:
    amplifier = _amplifier(header)
    direct = amplifier.channels if header.told["dc_amplifiers_saved"] else []
    step = header.told["stimulation_step_a"] or 0.0
    if step <= 0 and amplifier.channels:
        header.warnings.append("The step of the stimulation current is not told; steps are given.")
    dac = header.enabled(_RHS_DAC)
    return [
        amplifier,
        Kind("dc_amplifier", direct, "dcamplifier", ("dc-",), "V", -0.01923, 512),
        Kind(
            "stimulation", amplifier.channels, "stim", ("stim-",),
            "A" if step > 0 else "", step if step > 0 else 1.0, coded="stimulation",
        ),
        _adc(source, header),
        Kind("board_dac", dac, "analogout", ("board-", "board-DAC-"), "V", 312.5e-6, _MIDDLE),
        _digital("digital_input", header.enabled(_RHS_DIGITAL_IN), "digitalin", "board-DIN-"),
        _digital("digital_output", header.enabled(_RHS_DIGITAL_OUT), "digitalout", "board-DOUT-"),
    ]  # fmt: skip


def _digital(name: str, channels: list[Channel], file: str, prefix: str) -> Kind:
    return Kind(name, channels, file, ("board-", prefix), coded="digital")


# -- streams ------------------------------------------------------------------------------------------------


def streams_of(source: Source, kind: Kind, raw: LazyArray, clock: Clock, every: Fraction) -> list[Stream]:
    """The streams of one kind from its stored words, shape (stored, time)."""
    names = [channel.name for channel in kind.channels]
    native = [channel.native for channel in kind.channels]

    def stream(name: str, data: LazyArray, **more: Any) -> Stream:
        timing = clock.timing(every, data.shape[1])
        attrs = timing.pop("attrs", {}) | ({"native_channel_names": native} if native != names else {})
        return Stream(data, name=name, channel_names=names, attrs=attrs, **timing, **more)

    if kind.coded == "line":
        return [stream(kind.name, _mapped(raw, "u1", lambda words: (words != 0).astype("u1")))]
    if kind.coded == "digital":
        return [stream(kind.name, _lines(source, kind, raw))]
    scale = {"units": kind.units, "gain": kind.gain, "offset": -kind.zero * kind.gain or 0.0}
    if kind.coded == "stimulation":
        return [
            stream(kind.name, _mapped(raw, "i2", _current), **scale),
            *(
                stream(f"stimulation_{name}", _mapped(raw, "u1", _bit(bit)), description=text)
                for bit, name, text in _FLAGS
            ),
        ]
    found = stream(kind.name, raw, **scale)
    if kind.name == "amplifier":
        for told in ("impedance_ohm", "impedance_phase_degrees"):
            values = [channel.told[told] for channel in kind.channels]
            found.attrs |= {told: values} if None not in values else {}
    return [found]


def _mapped(raw: LazyArray, dtype: DTypeLike, change: Callable[[NDArray[Any]], NDArray[Any]]) -> LazyArray:
    return LazyArray(raw.shape, dtype, lambda key: change(raw.read(key)), time_major=raw.time_major)


def _current(words: NDArray[np.uint16]) -> NDArray[np.int16]:
    """Steps of current: bits 0 to 7, negative where bit 8 is set."""
    size = (words & 0xFF).astype("i2")
    return np.where(words & 0x100, -size, size)


def _bit(place: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda words: (words >> place & 1).astype("u1")


def _lines(source: Source, kind: Kind, raw: LazyArray) -> LazyArray:
    """The lines of a digital port, each one bit of the port's word; 0 or 1, shape (line, time)."""
    places = np.array([channel.order for channel in kind.channels], "u2")
    if (places > 15).any() or len(set(places.tolist())) < len(places):
        raise broken(source, f"its digital lines are said to be the bits {places.tolist()} of 16")

    def read(key: Key) -> NDArray[Any]:
        picked, span = key
        words = raw.read((0, span))
        shifts = places[picked, None] if isinstance(picked, slice) and words.ndim else places[picked]
        bits: NDArray[np.uint8] = (words >> shifts & 1).astype("u1")
        return bits

    return LazyArray((len(places), raw.shape[1]), "u1", read)
