"""NIfTI-1, NIfTI-2 and Analyze 7.5: one file (``.nii``, ``.nii.gz``) or a header and its pixels (``.hdr``, ``.img``).

A header of 348 bytes (540 in NIfTI-2) gives the sizes of up to seven axes, the type of the pixels, where they
begin, voxel sizes with their units, a linear scale and two affine matrices; the pixels follow, x fastest, in
the byte order of the header. Axes come out as (u, v, w before) t, z, y, x in the order of the file, nothing
is turned or mirrored; a fourth axis in Hz, ppm or rad/s is called ``frequency``. Values are those stored; the
scale is in ``rescale_slope`` and ``rescale_intercept``, the matrix from voxel (x, y, z) to millimetres in ``affine``,
with the sides to which the axes run in ``orientation``. RGB and RGBA pixels become c. ``.nii.gz`` is unpacked
forward from the nearest kept place. Not carried over, but named: extensions that are not text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._nifti.gunzip import Gunzip, unpack_head
from sparc_fuse_core.formats._nifti.header import MARK_2, Header, affine, kind_of, orientation, read_header
from sparc_fuse_core.formats._strided import strided
from sparc_fuse_core.model import Format, LazyArray, Names, Scene, images

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.source import Source

_HEAD = 1 << 16
_MAX_TEXT = 1 << 16
_MAX_EXTENSIONS = 1000
_SPACE = {1: "meter", 2: "millimeter", 3: "micrometer"}
_TIME = {8: 1.0, 16: 1e3, 24: 1e6}
_SPECTRAL = {32: "Hz", 40: "ppm", 48: "rad/s"}
_FORMS = {1: "scanner", 2: "aligned", 3: "Talairach", 4: "MNI 152", 5: "template"}
_TEXTS = {4: "AFNI", 6: "comment", 32: "CIFTI"}
_REPAIR = "Fetch the file again, or ask its authors for an intact copy."
Read = Callable[[int, int], bytes]


def open_nifti(source: Source, /, **options: Any) -> xr.DataTree:
    """An image as (…, t, c, z, y, x), as many of them as the file has; FormatError when it is damaged."""
    head, read = _reader(source)
    header = read_header(source.name, head)
    warnings: list[str] = []
    dropped: list[str] = []
    texts: list[str] = []
    if header.single:
        texts = _extensions(source, header, head, dropped)
        if read is None:
            source.expect(header.offset, header.nbytes, "pixels")
    else:
        read = _pixels_beside(source, header)
    data, dims = _array(header, read or source.read)
    scene = Scene([data], dims, rgb=header.colours > 1)
    if _is_matrix(header):
        warnings.append("the file holds a matrix (CIFTI): y are its rows and x its columns, not places")
    else:
        _set_steps(header, scene, warnings)
    _set_attributes(header, scene, warnings)
    metadata = {
        key: _plain(value)
        for key, value in header.fields.items()
        if value not in ("", None) and key != "srow"
    }
    metadata |= {"header": header.version, "byte_order": "big" if header.order == ">" else "little"}
    if texts:
        metadata["extensions"] = texts
    return images([scene], metadata=metadata, warnings=warnings, dropped=dropped)


def _reader(source: Source) -> tuple[bytes, Read | None]:
    """The first bytes, and what reads the rest when the file is packed."""
    head = source.head(_HEAD)
    if head[:2] != b"\x1f\x8b":
        return head, None
    unpacked = unpack_head(head, _HEAD)
    if not kind_of(unpacked):
        raise FormatError(
            f"{source.name}: a packed NIfTI image was promised, none is there; it is damaged", hint=_REPAIR
        )
    packed = Gunzip(source)
    header = read_header(source.name, unpacked)
    _expect_packed(source, packed, header, header.single)
    return unpacked, packed.read


def _expect_packed(source: Source, packed: Gunzip, header: Header, pixels: bool) -> None:
    need = header.offset + header.nbytes if pixels else 0
    packed.end = need
    if not packed.can_hold(need):
        raise Truncated(
            f"{source.name}: {need} bytes of pixels are promised, {source.size} packed bytes cannot hold them; "
            "it is cut short or its header is damaged",
            hint=_REPAIR,
        )


def _pixels_beside(source: Source, header: Header) -> Read:
    """What reads the .img file of a .hdr file."""
    stem = source.name[: source.name.lower().rfind(".hdr")] if ".hdr" in source.name.lower() else source.stem
    upper = source.name.endswith((".HDR", ".HDR.GZ"))
    names = [stem + (".IMG" if upper else ".img"), stem + (".IMG.GZ" if upper else ".img.gz")]
    for name in names:
        other = source.sibling(name)
        if other is None:
            continue
        if other.head(2) == b"\x1f\x8b":
            packed = Gunzip(other)
            _expect_packed(other, packed, header, True)
            return packed.read
        other.expect(header.offset, header.nbytes, "pixels")
        return other.read
    raise FormatError(
        f"{source.name}: is only the header of an image; its pixels are in {names[0]}, which is not there",
        hint="Put both files into one folder.",
    )


def _axes(header: Header) -> list[tuple[str, int]]:
    """Names and sizes of the axes, fastest first. A matrix without places is y and x; a single t beside u is none."""
    shape = header.shape if len(header.shape) > 1 else (*header.shape, 1)
    if _is_matrix(header):
        return list(zip("xyz", shape[4:], strict=False))
    fourth = "frequency" if header.get("xyzt_units") & 0x38 in _SPECTRAL else "t"
    axes = list(zip(("x", "y", "z", fourth, "u", "v", "w"), shape, strict=False))
    return [*axes[:3], *axes[4:]] if len(axes) > 4 and shape[3] == 1 else axes


def _is_matrix(header: Header) -> bool:
    """Whether the first four axes, those of space and time, have one item each."""
    return len(header.shape) in (6, 7) and set(header.shape[:4]) == {1}


def _array(header: Header, read: Read) -> tuple[LazyArray, tuple[str, ...]]:
    """The pixels with their axes, slowest first; c after t when they are colours."""
    axes = _axes(header)
    dims = tuple(dim for dim, _ in reversed(axes))
    sizes = tuple(size for _, size in reversed(axes))
    plane = (*[1] * (len(sizes) - 2), *sizes[-2:])
    if header.colours == 1:
        return strided(read, sizes, header.dtype, header.offset, blocks=plane), dims
    data = strided(
        read, (*sizes, header.colours), header.dtype, header.offset, blocks=(*plane, header.colours)
    )
    place = dims.index("z") if "z" in dims else dims.index("y")
    order = list(range(len(sizes)))
    order.insert(place, len(sizes))
    return data.transpose(*order), (*dims[:place], "c", *dims[place:])


def _set_steps(header: Header, scene: Scene, warnings: list[str]) -> None:
    steps = [float(v) for v in header.fields["pixdim"][1:5]]
    units = int(header.get("xyzt_units"))
    space = "millimeter" if header.version == "analyze" else _SPACE.get(units & 7, "")
    names = ("x", "y", "z", "t" if "t" in scene.dims else "frequency")
    for dim, step in zip(names, steps, strict=True):
        if dim not in scene.dims:
            continue
        if not math.isfinite(step) or step == 0:
            if dim != "t" or step:
                warnings.append(f"the voxel size along {dim} is {step}, which is none; it was left out")
            continue
        if step < 0:
            warnings.append(f"the voxel size along {dim} is {step}; its amount was taken")
        _set_step(scene, dim, abs(step), units & 0x38, space)
    if header.version == "analyze":
        warnings.append("Analyze headers say nothing of sides: left and right are not known")
        return
    if not space:
        warnings.append("the header does not say in what unit the voxel sizes are")
    if scene.pixel_size.get("t", 0.0) > 100:
        warnings.append(
            f"one volume takes {scene.pixel_size['t']:g} s by the header: its unit is probably wrong (ms)"
        )


def _set_step(scene: Scene, dim: str, step: float, time: int, space: str) -> None:
    sizes, units = dict(scene.pixel_size), dict(scene.pixel_unit)
    if dim == "t":
        sizes[dim] = step / _TIME[time] if time in _TIME else step
        unit = "s" if time in _TIME else ""
    else:
        sizes[dim], unit = step, _SPECTRAL.get(time, "") if dim == "frequency" else space
    if unit:
        units[dim] = unit
    scene.pixel_size, scene.pixel_unit = sizes, units


def _set_attributes(header: Header, scene: Scene, warnings: list[str]) -> None:
    slope, intercept = float(header.get("scl_slope")), float(header.get("scl_inter", 0.0))
    if math.isfinite(slope) and slope != 0 and header.colours == 1:
        if not math.isfinite(intercept):
            warnings.append("the intercept of the scale is not a number; it was left out")
            intercept = 0.0
        if (slope, intercept) != (1.0, 0.0):
            scene.attrs |= {"rescale_slope": slope, "rescale_intercept": intercept}
            warnings.append(
                "pixels are those stored: multiply by rescale_slope and add rescale_intercept to scale them"
            )
    matrix, form = affine(header)
    if matrix is not None:
        code = int(header.get(f"{form}_code"))
        scene.attrs |= {"affine": matrix, "affine_from": form, "affine_space": _FORMS.get(code, str(code))}
        sides = orientation(matrix)
        if sides:
            scene.attrs["orientation"] = sides
    elif form:
        warnings.append(f"the matrix of the {form} holds values that are not numbers; it was left out")
    elif header.version != "analyze":
        warnings.append("the header gives no orientation (sform and qform are not set)")
    if header.dtype.itemsize * 8 * header.colours != int(header.get("bitpix")):
        warnings.append(f"the header gives {header.get('bitpix')} bits a pixel, its type has another number")


def _extensions(source: Source, header: Header, head: bytes, dropped: list[str]) -> list[str]:
    """Texts of the extensions between the header and the pixels; others are named in ``dropped``."""
    texts: list[str] = []
    if len(head) < header.size + 4 or not head[header.size]:
        return texts
    for code, content in _walk(head, header):
        if code in _TEXTS and len(content) <= _MAX_TEXT:
            texts.append(content.rstrip(b"\0").decode("utf-8", "replace"))
        else:
            dropped.append(f"header extension {code} ({len(content)} bytes)")
    return texts


def _walk(head: bytes, header: Header) -> Iterator[tuple[int, bytes]]:
    at = header.size + 4
    for _ in range(_MAX_EXTENSIONS):
        if at + 8 > min(header.offset, len(head)):
            return
        order = "big" if header.order == ">" else "little"
        size, code = (int.from_bytes(head[at + i : at + i + 4], order) for i in (0, 4))  # type: ignore[arg-type]
        if size < 8 or at + size > header.offset:
            return
        yield code, head[at + 8 : at + size]
        at += size


def _plain(value: Any) -> Any:
    """Numbers that JSON can hold."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _sniff(head: bytes) -> bool:
    return bool(kind_of(unpack_head(head) or head))


def _members(names: Names, name: str) -> Sequence[str]:
    """A header and the pixels beside it."""
    lowered = name.lower().removesuffix(".gz")
    if not lowered.endswith((".hdr", ".img")):
        return [name]
    stem = name[: len(lowered) - 4]
    headers = [found for end in (".hdr", ".hdr.gz") if (found := names.find(stem + end))]
    pixels = [found for end in (".img", ".img.gz") if (found := names.find(stem + end))]
    return [headers[0], pixels[0]] if headers and pixels else [name]


FORMAT = Format(
    name="nifti",
    title="NIfTI and Analyze",
    kind="image",
    suffixes=(".nii", ".nii.gz", ".hdr", ".hdr.gz"),
    open=open_nifti,
    magic=((344, b"n+1\0"), (344, b"ni1\0"), (8, MARK_2)),
    sniff=_sniff,
    members=_members,
    parts=(".img", ".img.gz"),
    carried="stored values, slope, affine, units, all axes",
    left="extensions that are not text (named)",
    lazy="rows; .gz up to the place",
)
