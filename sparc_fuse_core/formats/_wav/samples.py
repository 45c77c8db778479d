"""The ``fmt `` chunk of WAVE: how samples are coded and how to get them as numbers.

16 bytes: tag, channels, rate, bytes a second, bytes a frame, bits a sample. ``WAVE_FORMAT_EXTENSIBLE`` adds
22 bytes: valid bits, speaker positions, and a GUID whose first field is the tag. The container of a sample is
always (bytes a frame) / channels; up to 8 bits are unsigned, more are signed and left-justified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._integers import wide_type, widen
from sparc_fuse_core.model import LazyArray, interleaved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._wav.chunks import Layout
    from sparc_fuse_core.source import Source

__all__ = ["Coding", "read_coding", "read_samples"]

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_NAMES = {PCM: "PCM", FLOAT: "IEEE float", A_LAW: "A-law", MU_LAW: "mu-law"}
_COMPRESSED = {
    0x02: "Microsoft ADPCM",
    0x10: "OKI ADPCM",
    0x11: "IMA ADPCM",
    0x14: "G.723 ADPCM",
    0x31: "GSM 6.10",
    0x40: "G.721 ADPCM",
    0x42: "MS G.723.1",
    0x45: "G.726 ADPCM",
    0x50: "MPEG audio",
    0x55: "MP3",
    0x64: "G.726 ADPCM",
    0x65: "G.722 ADPCM",
    0x92: "AC-3",
    0xFF: "AAC",
    0x160: "Windows Media Audio 1",
    0x161: "Windows Media Audio 2",
    0x162: "Windows Media Audio Pro",
    0x674F: "Ogg Vorbis",
    0x704F: "Opus",
    0xF1AC: "FLAC",
}
# What follows the tag in the GUIDs of Microsoft and of ambisonic B-format, in either byte order.
_GUID_TAILS = (
    bytes.fromhex("00001000800000aa00389b71"),
    bytes.fromhex("00000010800000aa00389b71"),
    bytes.fromhex("2107d3118644c8c1ca000000"),
    bytes.fromhex("072111d38644c8c1ca000000"),
)
_SPEAKERS = (
    *("front left", "front right", "front centre", "low frequency", "back left", "back right"),
    *(
        "front left of centre",
        "front right of centre",
        "back centre",
        "side left",
        "side right",
        "top centre",
    ),
    *("top front left", "top front centre", "top front right", "top back left", "top back centre"),
    "top back right",
)


@dataclass(frozen=True, slots=True)
class Coding:
    """What the ``fmt `` chunk says; ``bits`` are those that carry the signal, ``container`` is in bytes."""

    tag: int
    channels: int
    rate: int
    byte_rate: int
    frame: int
    bits: int
    container: int
    extensible: bool = False
    speakers: int = 0

    @property
    def name(self) -> str:
        """The coding as people say it."""
        return _NAMES.get(self.tag) or _COMPRESSED.get(self.tag) or f"WAVE format tag {self.tag:#06x}"

    def channel_names(self) -> list[str]:
        """Speaker positions, when the file names one for each channel."""
        named = [text for bit, text in enumerate(_SPEAKERS) if self.speakers >> bit & 1]
        return named if len(named) == self.channels else []


def read_coding(source: Source, layout: Layout) -> Coding:
    """The checked ``fmt `` chunk. Raises FormatError for compressed codings and contradictions."""
    chunk = layout.first("fmt ")
    if chunk is None or chunk.size is None or chunk.size < 16:
        raise _contradiction(source, "a chunk 'fmt ' of at least 16 bytes was expected, there is none")
    order = layout.order
    tag, channels, rate, byte_rate, frame, bits = source.unpack(f"{order}HHIIHH", chunk.offset)
    extensible = tag == EXTENSIBLE
    valid, speakers = bits, 0
    if extensible:
        if chunk.size < 40:
            raise _contradiction(source, f"WAVE_FORMAT_EXTENSIBLE promises 40 bytes, 'fmt ' has {chunk.size}")
        valid, speakers, tag, tail = source.unpack(f"{order}HII12s", chunk.offset + 18)
        if tail not in _GUID_TAILS:
            raise _contradiction(source, f"WAVE_FORMAT_EXTENSIBLE names the unknown sub-format {tag:#x}")
    if tag not in _NAMES:
        name = _COMPRESSED.get(tag, f"WAVE format tag {tag:#06x}")
        raise FormatError(
            f"{source.name}: its samples are coded as {name}; PCM, float, A-law and mu-law can be read",
            hint="Convert it to PCM first, for example with: ffmpeg -i in.wav -c:a pcm_s16le out.wav",
        )
    if not channels or not frame or frame % channels:
        raise _contradiction(source, f"{channels} channels do not fit frames of {frame} bytes")
    coding = Coding(
        tag, channels, rate, byte_rate, frame, valid or bits, frame // channels, extensible, speakers
    )
    _check_container(source, coding, bits)
    return coding


def _check_container(source: Source, coding: Coding, bits: int) -> None:
    size = coding.container
    fits = {
        FLOAT: size in (4, 8) and bits == 8 * size,
        A_LAW: size == 1,
        MU_LAW: size == 1,
        # Up to 8 bits are unsigned bytes; a wider container of so few bits would leave the sign open.
        PCM: size <= 8 and 0 < bits <= 8 * size and (size == 1 or bits > 8),
    }[coding.tag]
    # 20 or 24 bits in 4 bytes exist; anything else that is too wide is a wrong number of channels.
    spare = size - (bits + 7) // 8
    wider = coding.tag == PCM and spare > 0 and not coding.extensible and not (bits > 16 and spare == 1)
    if not fits or wider or coding.bits > 8 * size:
        raise _contradiction(
            source, f"{coding.name} of {coding.bits} bits does not fit {size} bytes a sample ({bits} bits)"
        )


def _contradiction(source: Source, found: str) -> FormatError:
    return FormatError(
        f"{source.name}: {found}; the header is damaged",
        hint="Fetch the file again, or ask its authors for an intact copy.",
    )


def read_samples(source: Source, coding: Coding, order: str, offset: int, frames: int) -> LazyArray:
    """Samples as a lazy (channel, time) array of the numbers as stored; A-law and mu-law as int16."""
    size, channels = coding.container, coding.channels
    if coding.tag == PCM and size in (3, 5, 6, 7):
        packed = interleaved(source, f"V{size}", offset, channels, frames)
        return _mapped(packed, wide_type(size), lambda raw: widen(raw, big_endian=order == ">"))
    if coding.tag in (A_LAW, MU_LAW):
        table = _a_law() if coding.tag == A_LAW else _mu_law()
        return _mapped(
            interleaved(source, "u1", offset, channels, frames), table.dtype, lambda raw: table[raw]
        )
    kind = f"{order}f{size}" if coding.tag == FLOAT else "u1" if size == 1 else f"{order}i{size}"
    return interleaved(source, kind, offset, channels, frames)


def _mapped(
    raw: LazyArray, dtype: np.dtype[Any], decode: Callable[[NDArray[Any]], NDArray[Any]]
) -> LazyArray:
    return LazyArray(raw.shape, dtype, lambda key: decode(raw.read(key)), time_major=True)


def _mu_law() -> NDArray[np.int16]:
    """ITU-T G.711 table 2, 14-bit values scaled to 16."""
    code = ~np.arange(256) & 0xFF
    size = (((code & 0xF) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _a_law() -> NDArray[np.int16]:
    """ITU-T G.711 table 1, 13-bit values scaled to 16."""
    code = np.arange(256) ^ 0x55
    exponent, step = code >> 4 & 7, (code & 0xF) << 4
    size = np.where(exponent == 0, step + 8, step + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)
