"""How the pixels of a TIFF page are laid out: size, type, strips or tiles, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._tiff.ifd import Ifd

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_MAX_SEGMENT = 1 << 31
_MAX_SEGMENTS = 1 << 24
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_RESAVE = "Open it in the program that wrote it and save it with another compression or pixel type."


@dataclass(frozen=True, slots=True)
class Layout:
    """What decides how the bytes of a page become pixels; equal for all pages of a uniform stack."""

    order: str
    width: int
    height: int
    samples: int
    bits: int | tuple[int, ...]
    kind: int
    planar: bool
    compression: int
    photometric: int
    predictor: int
    fill_order: int
    extras: tuple[int, ...]
    segment: tuple[int, int]
    tiled: bool
    subsampling: tuple[int, ...]
    t4: int

    @property
    def depth(self) -> int:
        """Bits a sample; those of the packed pixel's widest type where samples differ."""
        return self.bits if isinstance(self.bits, int) else 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the decoded pixels, native byte order."""
        return _pixel_type(self.kind, self.bits)

    @property
    def direct(self) -> bool:
        """True when pixels lie in the file as numpy would have them."""
        whole = self.bits in (8, 16, 32, 64, 128) and self.kind != 5
        return self.compression == 1 and self.predictor == 1 and self.fill_order == 1 and whole

    @property
    def across(self) -> int:
        """Segments side by side."""
        return -(-self.width // self.segment[1])

    @property
    def down(self) -> int:
        """Segments one below the other."""
        return -(-self.height // self.segment[0])

    @property
    def together(self) -> int:
        """Samples stored together in one segment."""
        return 1 if self.planar else self.samples


def read_layout(ifd: Ifd) -> Layout:
    """The layout of a page, checked; FormatError and its family for what cannot be."""
    name = ifd.source.name
    width, height, samples = ifd.one(256, 0), ifd.one(257, 0), ifd.one(277, 1)
    if width < 1 or height < 1 or not 1 <= samples <= 1 << 16:
        raise FormatError(
            f"{name}: a page of {width} x {height} pixels with {samples} samples each is promised; it is "
            "damaged",
            hint=_REPAIR,
        )
    if ifd.one(32997, 1) > 1 or ifd.one(32998, 1) > 1:
        raise FormatError(f"{name}: holds volumes in one page (ImageDepth), which is not read", hint=_RESAVE)
    tiled = ifd.has(322)
    rows = ifd.one(278, height) if ifd.count(278) <= 1 else height
    segment = (ifd.one(323, 0), ifd.one(322, 0)) if tiled else (min(rows, height), width)
    if min(segment) < 1:
        raise FormatError(
            f"{name}: pixels come in pieces of {segment[1]} x {segment[0]}; it is damaged", hint=_REPAIR
        )
    layout = Layout(
        order=ifd.order, width=width, height=height, samples=samples, bits=_uniform(ifd, 258, samples, 1),
        kind=int(_first(_uniform(ifd, 339, samples, 1))), planar=ifd.one(284, 1) == 2 and samples > 1,
        compression=ifd.one(259, 1), photometric=ifd.one(262, 1), predictor=ifd.one(317, 1),
        fill_order=ifd.one(266, 1), extras=tuple(int(v) for v in ifd.numbers(338, 64)), segment=segment,
        tiled=tiled, subsampling=tuple(int(v) for v in ifd.numbers(530, 2)), t4=ifd.one(292, 0),
    )  # fmt: skip
    _check_layout(ifd.source, layout)
    return layout


def _check_layout(source: Source, layout: Layout) -> None:
    if layout.dtype.kind == "V":
        raise FormatError(
            f"{source.name}: pixels of {layout.bits} bits and sample format {layout.kind} are not read",
            hint=_RESAVE,
        )
    if layout.compression == 6:
        raise FormatError(
            f"{source.name}: the withdrawn old-style JPEG compression is not read", hint=_RESAVE
        )
    size = layout.segment[0] * layout.segment[1] * layout.together * layout.dtype.itemsize
    if layout.compression != 1 and size > _MAX_SEGMENT:
        raise LimitExceeded(
            f"{source.name}: one compressed piece unpacks to {size} bytes, at most {_MAX_SEGMENT} are sane; "
            "its header is damaged",
            hint=_REPAIR,
        )
    pieces = layout.across * layout.down * (layout.samples if layout.planar else 1)
    if pieces > _MAX_SEGMENTS:
        raise LimitExceeded(
            f"{source.name}: one page is cut into {pieces} pieces; its header is damaged", hint=_REPAIR
        )


def _uniform(ifd: Ifd, code: int, samples: int, default: int) -> int | tuple[int, ...]:
    values = tuple(int(v) for v in ifd.numbers(code, samples))
    return (values[0] if values else default) if len(set(values)) <= 1 else values


def _first(value: int | tuple[int, ...]) -> int:
    # Samples of several formats in one pixel have no common type: 0 is no format and is refused.
    return value if isinstance(value, int) else 0


def _pixel_type(kind: int, bits: int | tuple[int, ...]) -> np.dtype[Any]:
    if isinstance(bits, tuple):
        return np.dtype("u1" if kind == 1 and bits == (5, 6, 5) else "V1")
    if kind in (1, 4) and (1 <= bits <= 32 or bits == 64):
        return np.dtype("u1" if bits <= 8 else "u2" if bits <= 16 else "u4" if bits <= 32 else "u8")
    named = {2: {8: "i1", 16: "i2", 32: "i4", 64: "i8"}, 3: {16: "f2", 24: "f4", 32: "f4", 64: "f8"},
             5: {32: "c8", 64: "c16"}, 6: {64: "c8", 128: "c16"}}  # fmt: skip
    return np.dtype(named.get(kind, {}).get(bits, "V1"))
