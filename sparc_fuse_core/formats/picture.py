"""PNG, JPEG and BMP pictures, decoded by Pillow (deeper than 8 bits a colour: by imagecodecs).

The whole picture is decoded at once, for these formats have no pieces. Palettes become colours, sub-byte
greys become bytes, frames of an APNG lie along t; anything else stays as stored: orientation and gamma are
not applied.
"""

from __future__ import annotations

import threading
import warnings as python_warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated
from sparc_fuse_core.formats._codestream import jpeg_frame
from sparc_fuse_core.formats._png import MARK, PngHeader, read_png
from sparc_fuse_core.model import Channel, Format, Scene, images
from sparc_fuse_core.model.lazy import LazyArray, from_planes

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_DIB_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
# EXIF fields that say how the picture was made and nothing of who, where or with which specimen of a camera.
_EXIF = frozenset({"Make", "Model", "Software", "DateTime", "DateTimeOriginal", "Orientation", "XResolution",
                   "YResolution", "ResolutionUnit", "ExposureTime", "FNumber", "ISOSpeedRatings",
                   "FocalLength", "ColorSpace", "PixelXDimension", "PixelYDimension", "ExifImageWidth",
                   "ExifImageHeight"})  # fmt: skip
_KEPT_BYTES = 128 << 20
_MAX_TEXT = 10000
_JPEG_TIGHTEST = 2048
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
_OPENING = threading.Lock()


@dataclass(slots=True)
class Plan:
    """How the pixels of one file come out."""

    mode: str
    dtype: str
    samples: int
    rgb: bool = False
    names: tuple[str, ...] = ()
    frames: int = 1
    skip: int = 0
    deep: bool = False
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def open_picture(source: Source, /, **options: Any) -> xr.DataTree:
    """A PNG, JPEG or BMP as (c, y, x) or (y, x), an animation as (t, c, y, x); FormatError when damaged."""
    head = source.head(64)
    png = read_png(source) if head.startswith(MARK) else None
    frame = _jpeg_frame(source) if head.startswith(b"\xff\xd8") else None
    picture = _open(source, head)
    plan = _plan(source, picture, png, frame)
    metadata = _metadata(picture, png, plan)
    scene = _scene(source, picture.size, plan)
    _set_pixel_size(scene, picture, plan)
    if png is not None and len(set(png.delays)) == 1 and png.delays[0] > 0 and plan.frames > 1:
        scene.pixel_size = {**scene.pixel_size, "t": png.delays[0]}
        scene.pixel_unit = {**scene.pixel_unit, "t": "second"}
    turn = metadata.get("Orientation", 1)
    if isinstance(turn, int) and 2 <= turn <= 8:
        scene.attrs["orientation"] = turn
        plan.warnings.append(
            f"the picture is to be shown turned or mirrored (orientation {turn}); its pixels are kept as "
            "stored"
        )
    return images([scene], metadata=metadata, warnings=plan.warnings, dropped=plan.dropped)


def _open(source: Source, head: bytes) -> Any:
    """The picture as Pillow sees it, pixels not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    kinds = {b"\x89P": "PNG", b"\xff\xd8": "JPEG", b"BM": "BMP"}
    kind = kinds.get(head[:2])
    try:
        # Pillow warns of large pictures through the process-wide list of filters, hence the lock.
        with _OPENING, python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            return Image.open(source.file(), formats=[kind] if kind else ["PNG", "JPEG", "BMP"])
    except Image.DecompressionBombError as error:
        raise LimitExceeded(
            f"{source.name}: {error}; it is damaged or too large for its format",
            hint="Save it as a tiled TIFF, which is read piece by piece.",
        ) from error
    except UnidentifiedImageError as error:
        raise FormatError(
            f"{source.name}: a picture was expected, its header cannot be read; it is damaged", hint=_REPAIR
        ) from error
    except ValueError as error:
        if "too large" in str(error):
            raise LimitExceeded(
                f"{source.name}: a text in the header unpacks without end", hint=_REPAIR
            ) from error
        raise


def _jpeg_frame(source: Source) -> tuple[int, int, int] | None:
    """Bits, rows and columns of a JPEG, when its bytes can hold them."""
    frame = jpeg_frame(source.head(1 << 16)) or jpeg_frame(source.head(1 << 22))
    if frame is not None and frame[1] * frame[2] > source.size * _JPEG_TIGHTEST:
        raise Truncated(
            f"{source.name}: {frame[2]} x {frame[1]} pixels are promised, {source.size} bytes cannot hold "
            "them",
            hint=_REPAIR,
        )
    return frame


def _plan(source: Source, picture: Any, png: PngHeader | None, frame: tuple[int, int, int] | None) -> Plan:
    mode = picture.mode
    plain = {"1": ("1", "u1", 1), "L": ("L", "u1", 1), "I;16": ("I;16", "u2", 1), "I;16B": ("I;16B", "u2", 1),
             "I": ("I", "i4", 1), "F": ("F", "f4", 1), "LA": ("LA", "u1", 2), "RGB": ("RGB", "u1", 3),
             "RGBA": ("RGBA", "u1", 4), "CMYK": ("CMYK", "u1", 4)}  # fmt: skip
    if mode in ("P", "PA"):
        return _plan_palette(picture)
    if mode not in plain:
        raise FormatError(
            f"{source.name}: pixels of Pillow's mode {mode!r} are not read", hint="Save it as PNG."
        )
    plan = Plan(*plain[mode], rgb=mode in ("RGB", "RGBA"))
    plan.names = {"LA": ("Gray", "Alpha"), "CMYK": ("Cyan", "Magenta", "Yellow", "Black")}.get(mode, ())
    if mode == "CMYK":
        plan.warnings.append("the colours are inks (CMYK), kept as stored and not as red, green, blue")
    if picture.format == "BMP" and _bmp_bits(source) == 16:
        plan.warnings.append("the colours are stored with 5 or 6 bits and were widened to 8")
    if picture.format in ("JPEG", "MPO"):
        _plan_jpeg(picture, plan, frame)
    if png is not None:
        _plan_png(png, plan)
    return plan


def _bmp_bits(source: Source) -> int:
    size = source.unpack("<I", 14, "BMP header")[0]
    return int(source.unpack("<H", 24 if size in (12, 16) else 28, "BMP header")[0])


def _plan_palette(picture: Any) -> Plan:
    clear = "transparency" in picture.info or picture.mode == "PA"
    plan = Plan("RGBA", "u1", 4, rgb=True) if clear else Plan("RGB", "u1", 3, rgb=True)
    kept = "red, green, blue and alpha" if clear else "red, green and blue"
    plan.warnings.append(f"palette colours were turned into {kept}")
    return plan


def _plan_jpeg(picture: Any, plan: Plan, frame: tuple[int, int, int] | None) -> None:
    plan.deep = frame is not None and frame[0] > 8
    if plan.deep:
        plan.dtype = "u2"
    plan.warnings.append("JPEG is lossy: the pixels are what the file holds, not what the camera saw")
    if getattr(picture, "n_frames", 1) > 1:
        plan.dropped.append(
            f"{picture.n_frames - 1} further pictures (previews or maps) of a multi-picture JPEG"
        )


def _plan_png(png: PngHeader, plan: Plan) -> None:
    if png.depth == 16 and png.samples > 1:
        plan.deep, plan.dtype, plan.samples = True, "u2", png.samples
        plan.rgb, plan.names = png.samples > 2, () if png.samples > 2 else ("Gray", "Alpha")
    elif png.depth == 16:
        plan.dtype = "u2"
    if png.colour == 0 and png.depth in (2, 4):
        plan.warnings.append(
            f"grey values of {png.depth} bits were widened to 8 (times {255 // (2**png.depth - 1)})"
        )
    if png.transparent and png.colour in (0, 2):
        plan.warnings.append("one value is marked as transparent (tRNS); the pixels are kept without alpha")
    if "acTL" in png.chunks and len(png.delays) > 1:
        if plan.deep:
            plan.dropped.append(
                f"{len(png.delays) - 1} further frames: animations of 16 bits a colour are not read"
            )
            return
        plan.frames, plan.skip = len(png.delays), int(png.still_first)
        if plan.skip:
            plan.dropped.append("the still picture for programs that show no animation")
        if len(set(png.delays)) > 1:
            plan.warnings.append("the frames last differently long; no time step is given")


def _scene(source: Source, size: tuple[int, int], plan: Plan) -> Scene:
    width, height = size
    plane = (plan.samples, height, width) if plan.samples > 1 else (height, width)
    held: dict[int, NDArray[Any]] = {}
    lock = threading.Lock()

    def read_frame(frame: int = 0) -> NDArray[Any]:
        with lock:
            if frame not in held:
                pixels = _decode(source, plan, frame)
                held.clear()
                if pixels.nbytes <= _KEPT_BYTES:
                    held[frame] = pixels
                return pixels
            return held[frame]

    data: LazyArray = from_planes((plan.frames,) if plan.frames > 1 else (), plane, plan.dtype, read_frame)
    dims = (("t",) if plan.frames > 1 else ()) + (("c",) if plan.samples > 1 else ()) + ("y", "x")
    return Scene([data], dims, channels=[Channel(name) for name in plan.names], rgb=plan.rgb)


def _decode(source: Source, plan: Plan, frame: int) -> NDArray[Any]:
    """One frame as (c, y, x) or (y, x)."""
    if plan.deep:
        pixels = _decode_deep(source)
    else:
        picture = _open(source, source.head(2))
        try:
            if plan.frames > 1:
                picture.seek(frame + plan.skip)
            picture.load()
        except (OSError, EOFError, SyntaxError) as error:
            raise Truncated(
                f"{source.name}: the pixels end too early or are damaged ({error})", hint=_REPAIR
            ) from error
        pixels = np.asarray(picture if picture.mode == plan.mode else picture.convert(plan.mode))
    pixels = pixels.astype(plan.dtype, copy=False)
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)) if pixels.ndim == 3 else pixels


def _decode_deep(source: Source) -> NDArray[Any]:
    import imagecodecs

    data = source.read(0, source.size)
    decode = imagecodecs.png_decode if data.startswith(MARK) else imagecodecs.jpeg_decode
    pixels: NDArray[Any] = decode(data)
    return pixels


def _set_pixel_size(scene: Scene, picture: Any, plan: Plan) -> None:
    """Pictures carry dots an inch; only a density that no screen or printer has is a pixel size."""
    dots = picture.info.get("dpi")
    if not dots or len(dots) != 2:
        return
    x, y = float(dots[0]), float(dots[1])
    if x > 2540 and y > 2540 and np.isfinite([x, y]).all():
        scene.pixel_size = {"y": 25400 / y, "x": 25400 / x}
        scene.pixel_unit = {"y": "micrometer", "x": "micrometer"}
    else:
        plan.warnings.append(
            f"the resolution of {x:.4g} dots an inch is one for print or screen; it was not taken as pixel "
            "size"
        )


def _metadata(picture: Any, png: PngHeader | None, plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {"format": picture.format, "mode": picture.mode}
    if picture.info.get("dpi"):
        found["dpi"] = [float(v) for v in picture.info["dpi"]]
    if png is not None:
        found |= {"bit_depth": png.depth, "colour_type": png.colour}
        if png.gamma is not None:
            found["gamma"] = png.gamma
        # Pillow reads the texts that stand before the pixels, and caps them.
        texts = getattr(picture, "text", {})
        found["text"] = {
            str(k)[:200]: str(v)[:_MAX_TEXT] for k, v in texts.items() if "XML:com.adobe.xmp" not in k
        }
    found |= _exif(picture, plan)
    for key, name in (("icc_profile", "an ICC colour profile"), ("xmp", "an XMP packet")):
        if picture.info.get(key):
            plan.dropped.append(name)
    return found


def _exif(picture: Any, plan: Plan) -> dict[str, Any]:
    from PIL import ExifTags

    try:
        exif = picture.getexif()
        pairs = dict(exif.items()) | dict(exif.get_ifd(ExifTags.IFD.Exif).items())
    except Exception:  # cameras and editors leave broken EXIF behind; the pixels do not depend on it
        plan.warnings.append("the EXIF data of the picture are damaged and were left out")
        return {}
    if ExifTags.IFD.GPSInfo in exif:
        plan.dropped.append("the place where the picture was taken (GPS)")
    named = {ExifTags.TAGS.get(code, ""): value for code, value in pairs.items()}
    return {name: _plain(value) for name, value in named.items() if name in _EXIF}


def _plain(value: Any) -> Any:
    if isinstance(value, int | str):
        return value[:_MAX_TEXT] if isinstance(value, str) else value
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return str(value)[:200]
    return number if np.isfinite(number) else str(value)[:200]


def _sniff(head: bytes) -> bool:
    if head.startswith((MARK, b"\xff\xd8\xff")):
        return True
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _DIB_HEADERS


FORMAT = Format(
    name="picture",
    title="PNG, JPEG or BMP picture",
    kind="image",
    suffixes=(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib"),
    open=open_picture,
    magic=((0, MARK), (0, b"\xff\xd8\xff"), (0, b"BM")),
    sniff=_sniff,
    requires=("pillow", "imagecodecs"),
    carried="pixels, frames, colours, resolution, text",
    left="camera's place, colour profiles, previews (named)",
    lazy="the whole file",
)
