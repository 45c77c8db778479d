"""Waveforms in DICOM (PS3.3 C.10.9): each group of channels with one rate is a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._dicom.header import Header, first, integer, numbers, refuse, value
from sparc_fuse_core.model import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {
    ("SB", 8): "i1",
    ("UB", 8): "u1",
    ("SS", 16): "i2",
    ("US", 16): "u2",
    ("SL", 32): "i4",
    ("UL", 32): "u4",
}
_UNITS = {"uV": "uV", "mV": "mV", "V": "V", "mm[Hg]": "mmHg", "Cel": "degC", "1": ""}
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


def streams(header: Header, warnings: list[str]) -> list[Stream]:
    """The groups of a waveform file; NotSupported for companded samples."""
    return [
        _stream(header, item, number, warnings)
        for number, item in enumerate(value(header.data, "WaveformSequence", []))
    ]


def _stream(header: Header, item: Any, number: int, warnings: list[str]) -> Stream:
    channels, samples = integer(item, "NumberOfWaveformChannels"), integer(item, "NumberOfWaveformSamples")
    kind = (str(value(item, "WaveformSampleInterpretation", "")), integer(item, "WaveformBitsAllocated"))
    if kind not in _TYPES:
        raise refuse(
            header.name, f"a waveform of {kind[1]}-bit samples of kind {kind[0]!r}", "Save it as EDF or WAV."
        )
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if header.big else "<")
    raw = value(item, "WaveformData", b"")
    raw = raw if isinstance(raw, bytes) else bytes(raw)
    if channels < 1 or samples < 1 or len(raw) < channels * samples * dtype.itemsize:
        raise Truncated(
            f"{header.name}: {channels} channels of {samples} samples are promised, {len(raw)} bytes are there",
            hint=_REPAIR,
        )
    definitions = list(value(item, "ChannelDefinitionSequence", []))
    if len(definitions) != channels:
        raise FormatError(
            f"{header.name}: {channels} channels, {len(definitions)} are described", hint=_REPAIR
        )
    values = np.frombuffer(raw, dtype, channels * samples).reshape(samples, channels).T
    gain, offset, units = zip(*(_scale(d) for d in definitions), strict=True)
    if any(
        numbers(d, "ChannelTimeSkew") + numbers(d, "ChannelSampleSkew") not in ([], [0.0], [0.0, 0.0])
        for d in definitions
    ):
        warnings.append(
            "the channels were not sampled at the same moment (skew); their times are those of the group"
        )
    rates = numbers(item, "SamplingFrequency")
    label = str(value(item, "MultiplexGroupLabel", "")) or f"group {number + 1}"
    return Stream(
        _native(values), rates[0] if rates else None, label,
        channel_names=[_name(d, i) for i, d in enumerate(definitions)], units=list(units), gain=list(gain),
        offset=list(offset), start=(numbers(item, "MultiplexGroupTimeOffset") or [0.0])[0] / 1000,
    )  # fmt: skip


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="))


def _scale(channel: Any) -> tuple[float, float, str]:
    """Gain, offset and unit; 1, 0 and none where the file does not calibrate the channel."""
    sensitivity = numbers(channel, "ChannelSensitivity")
    if not sensitivity:
        return 1.0, 0.0, ""
    factor = (numbers(channel, "ChannelSensitivityCorrectionFactor") or [1.0])[0]
    unit = str(value(first(channel, "ChannelSensitivityUnitsSequence") or {}, "CodeValue", ""))
    return sensitivity[0] * factor, (numbers(channel, "ChannelBaseline") or [0.0])[0], _UNITS.get(unit, unit)


def _name(channel: Any, number: int) -> str:
    source = first(channel, "ChannelSourceSequence")
    named = str(value(channel, "ChannelLabel", "")) or str(
        value(source, "CodeMeaning", "") if source is not None else ""
    )
    return named or f"channel {number + 1}"
