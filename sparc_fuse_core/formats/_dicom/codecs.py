"""Decoders of compressed DICOM frames: RLE, JPEG, JPEG-LS, JPEG 2000 and JPEG XL, each of a bounded size."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._codestream import declared_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BASE = "1.2.840.10008.1.2."
RLE = _BASE + "5"
_JPEG = (_BASE + "4.50", _BASE + "4.51", _BASE + "4.53", _BASE + "4.55")
_LOSSLESS = (_BASE + "4.57", _BASE + "4.70")
_JPEG_LS = (_BASE + "4.80", _BASE + "4.81")
_JPEG_2000 = tuple(_BASE + f"4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
_JPEG_XL = tuple(_BASE + f"4.{n}" for n in (110, 111, 112))
READ = (RLE, *_JPEG, *_LOSSLESS, *_JPEG_LS, *_JPEG_2000, *_JPEG_XL)
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the pixels of a frame are stored."""

    rows: int
    columns: int
    samples: int
    bits: int
    stored: int
    high: int
    signed: bool
    planar: bool
    photometric: str
    kind: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in native order."""
        if self.kind != "integer":
            return np.dtype("f4" if self.kind == "float" else "f8")
        return np.dtype(("i" if self.signed else "u") + str(max(1, self.bits // 8)))


def gives_rgb(syntax: str, photometric: str) -> bool:
    """Whether the decoder itself turns luma and chroma into red, green and blue."""
    if syntax in _JPEG_2000:  # only colours that JPEG 2000 turned itself are turned back
        return photometric in ("YBR_ICT", "YBR_RCT")
    return syntax in _JPEG or syntax in _JPEG_XL


def decode(data: bytes, syntax: str, pixels: Pixels, name: str) -> NDArray[Any]:
    """One frame as (row, column, sample) in its own type; FormatError when it is another than promised."""
    _check_size(data, pixels, name)
    try:
        values = _unpack(data, syntax, pixels)
    except (RuntimeError, ValueError, struct.error) as error:
        raise FormatError(
            f"{name}: a frame cannot be decoded ({error}); it is damaged", hint=_REPAIR
        ) from error
    values = np.asarray(values)
    if values.size != pixels.rows * pixels.columns * pixels.samples:
        raise FormatError(
            f"{name}: a frame of {pixels.rows} x {pixels.columns} x {pixels.samples} was promised, "
            f"{values.shape} is there; it is damaged",
            hint=_REPAIR,
        )
    shaped: NDArray[Any] = values.reshape(pixels.rows, pixels.columns, pixels.samples)
    return shaped


def _check_size(data: bytes, pixels: Pixels, name: str) -> None:
    size = declared_size(data) or _size_of_ls(data)
    if size is not None and size != (pixels.rows, pixels.columns):
        raise FormatError(
            f"{name}: a frame of {pixels.rows} x {pixels.columns} was promised, {size[0]} x {size[1]} is there",
            hint=_REPAIR,
        )


def _size_of_ls(data: bytes) -> tuple[int, int] | None:
    at = data.find(b"\xff\xf7", 0, 1024)
    return struct.unpack_from(">HH", data, at + 5) if at >= 0 and len(data) >= at + 9 else None


def _unpack(data: bytes, syntax: str, pixels: Pixels) -> Any:
    import imagecodecs

    if syntax == RLE:
        return _run_lengths(data, pixels)
    if syntax in _JPEG:
        return _jpeg(data, pixels)
    if syntax in _LOSSLESS:
        return imagecodecs.jpegsof3_decode(data)
    if syntax in _JPEG_LS:
        return imagecodecs.jpegls_decode(data)
    if syntax in _JPEG_XL:
        return imagecodecs.jpegxl_decode(data)
    return imagecodecs.jpeg2k_decode(data)


def _jpeg(data: bytes, pixels: Pixels) -> Any:
    """Lossy JPEG: colours of luma and chroma come out as red, green and blue."""
    import imagecodecs

    if pixels.samples == 1:
        return imagecodecs.jpeg_decode(data)
    stored = "YCBCR" if is_luma_chroma(data, pixels.photometric) else "RGB"
    return imagecodecs.jpeg_decode(data, colorspace=stored, outcolorspace="RGB")


def is_luma_chroma(data: bytes, photometric: str) -> bool:
    """What the components of a JPEG are: by its Adobe marker, else its JFIF marker, else by the DICOM header."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xDA, 0xD9):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xEE and data[at + 4 : at + 9] == b"Adobe" and length >= 14:
            return data[at + 15] == 1
        at += 2 + max(2, length)
    return photometric != "RGB"


def _run_lengths(data: bytes, pixels: Pixels) -> NDArray[Any]:
    """PS3.5 annex G: u32 count, 15 u32 places, PackBits of one byte plane each, highest byte first."""
    import imagecodecs

    count, *places = struct.unpack_from("<16I", data)
    width = pixels.dtype.itemsize
    if count != width * pixels.samples:
        raise ValueError(f"{count} run-length segments for {pixels.samples} samples of {width} bytes")
    area = pixels.rows * pixels.columns
    planes = np.empty((count, area), "u1")
    for number in range(count):
        end = places[number + 1] if number + 1 < count else len(data)
        segment = data[places[number] : end]
        if len(segment) * 64 < area:
            raise ValueError("a run-length segment is too short")
        plane = imagecodecs.packbits_decode(segment, out=area + 2)
        if len(plane) < area:
            raise ValueError("a run-length segment ends before the frame does")
        planes[number] = np.frombuffer(plane, "u1", area)
    merged = planes.reshape(pixels.samples, width, area).transpose(2, 0, 1)
    kind = pixels.dtype.newbyteorder(">") if width > 1 else pixels.dtype
    return np.ascontiguousarray(merged).view(kind)[..., 0].astype(pixels.dtype)
