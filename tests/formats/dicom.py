"""Made DICOM files, written element by element from PS3.5 and PS3.10; pydicom's own decoders are the oracle."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from formats._dicom_frames import frames, siemens, slides
from formats._dicom_writer import BASE, Element, dicom, element, image, native, pieces, rle

RANDOM = np.random.default_rng(11)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    return (
        _written(folder)
        | _stored(folder)
        | _compressed(folder)
        | _colours(folder)
        | frames(folder)
        | slides(folder)
        | siemens(folder)
        | _notes(folder)
        | _waves(folder)
        | _hostile(folder)
    )


def _written(folder: Path) -> dict[str, dict[str, Any]]:
    """Every way of writing elements, with and without the mark."""
    data = RANDOM.integers(-2000, 2000, (6, 7)).astype("i2")
    extra: list[Element] = [
        (0x00280030, "DS", "0.5\\0.25"),
        (0x00180050, "DS", "3"),
        (0x00281052, "DS", "-1024"),
        (0x00281053, "DS", "1"),
        (0x00100010, "PN", "Doe^Jane"),
        (0x00080020, "DA", "20200101"),
        (0x00091001, "LO", "mine"),
        (0x00090010, "LO", "MAKER"),
    ]
    facts = {
        "0/image": data,
        "@pixel_size": {"y": 0.5, "x": 0.25},
        "@rescale_intercept": -1024.0,
        "@slice_thickness": 3.0,
        "?warning": "rescale_slope",
        "?dropped": ["identify", "MAKER"],
    }
    found: dict[str, dict[str, Any]] = {}
    for name, syntax, options in (
        ("implicit", BASE, {}),
        ("explicit", BASE + ".1", {}),
        ("big", BASE + ".2", {}),
        ("deflated", BASE + ".1.99", {}),
        ("no_mark", BASE + ".1", {"mark": False}),
        ("bare_implicit", BASE, {"mark": False, "meta": False}),
        ("bare_explicit", BASE + ".1", {"mark": False, "meta": False}),
        ("bare_big", BASE + ".2", {"mark": False, "meta": False}),
        ("no_meta", BASE + ".1", {"meta": False}),
        ("lying", BASE, {"said": BASE + ".1"}),
    ):
        raw = dicom([*image(6, 7, signed=1), *extra], syntax, native(data, syntax), **options)
        (folder / f"{name}.dcm").write_bytes(raw)
        found[f"{name}.dcm"] = facts
    (folder / "no_ending").write_bytes(dicom(image(6, 7, signed=1), BASE, native(data, BASE)))
    return found | {"no_ending": {"0/image": data}}


def _stored(folder: Path) -> dict[str, dict[str, Any]]:
    """Bits: fewer than the type has, above others, signed, single ones, floats."""
    found: dict[str, dict[str, Any]] = {}

    def add(
        name: str, elements: list[Element], pixels: bytes, values: Any, syntax: str = BASE + ".1"
    ) -> None:
        (folder / name).write_bytes(dicom(elements, syntax, pixels))
        found[name] = {"0/image": values}

    values = RANDOM.integers(-2048, 2048, (5, 6)).astype("i2")
    noise = RANDOM.integers(0, 16, (5, 6)).astype("u2") << 12
    add("twelve.dcm", image(5, 6, stored=12, signed=1), native((values & 0xFFF).astype("u2") | noise), values)
    add(
        "upper.dcm",
        image(5, 6, stored=12, high=15, signed=1),
        native((values.astype("u2") << 4) | (noise >> 12)),
        values,
    )
    for bits, kind in ((8, "u1"), (8, "i1"), (32, "u4"), (32, "i4"), (64, "u8")):
        info = np.iinfo(kind)
        data = RANDOM.integers(info.min, info.max, (5, 7), kind, endpoint=True)
        add(f"{kind}.dcm", image(5, 7, bits=bits, signed=int(kind[0] == "i")), native(data), data)
    odd = RANDOM.integers(0, 256, (5, 7), "u1")
    add("big_bytes.dcm", image(5, 7, bits=8), native(odd, BASE + ".2"), odd, BASE + ".2")
    bits_ = RANDOM.integers(0, 2, (3, 5, 7), "u1")
    add("mask.dcm", image(5, 7, bits=1, frames=3), native(np.packbits(bits_, bitorder="little")), bits_)
    for tag, kind, vr in ((0x7FE00008, "f4", "OF"), (0x7FE00009, "f8", "OD")):
        data = RANDOM.random((5, 6)).astype(kind)
        elements = [e for e in image(5, 6, bits=8 * int(kind[1])) if not 0x00280101 <= e[0] <= 0x00280103]
        add(f"{kind}.dcm", elements, native(data, kind=vr, tag=tag), data)
    return found


def _compressed(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs as ic

    wide = RANDOM.integers(0, 4000, (3, 16, 24)).astype("u2")
    small = (wide >> 4).astype("u1")
    rgb = RANDOM.integers(0, 256, (3, 16, 24, 3), "u1")
    found: dict[str, dict[str, Any]] = {}
    for name, syntax, pack, data in (
        ("rle16", ".5", rle, wide),
        ("rle_rgb", ".5", rle, rgb),
        ("jls", ".4.80", ic.jpegls_encode, wide),
        ("jls_rgb", ".4.80", ic.jpegls_encode, rgb),
        ("j2k", ".4.90", lambda f: ic.jpeg2k_encode(f, level=0, codecformat="j2k", reversible=True), wide),
        ("j2k_rgb", ".4.90", lambda f: ic.jpeg2k_encode(f, level=0, codecformat="j2k", reversible=True), rgb),
        ("ljpeg", ".4.70", lambda f: ic.ljpeg_encode(f, bitspersample=16), wide),
        ("jxl", ".4.110", lambda f: ic.jpegxl_encode(f, lossless=True), small),
    ):
        frames = [pack(frame) for frame in data]
        colour = data.ndim == 4
        elements = image(
            16,
            24,
            samples=3 if colour else 1,
            bits=8 * data.dtype.itemsize,
            frames=3,
            photometric="RGB" if colour else "MONOCHROME2",
        )
        wanted = {
            "0/image": np.moveaxis(data, -1, 1) if colour else data,
            "@rgb": colour,
            "?warning": "axis t",
        }
        ways = (("table", True, 1), ("bare", False, 1), *([("cut", True, 2)] if name == "j2k" else []))
        for label, table, parts in ways:
            split = [[f] if parts == 1 else [f[:100], f[100:]] for f in frames]
            (folder / f"{name}_{label}.dcm").write_bytes(dicom(elements, BASE + syntax, pieces(split, table)))
            found[f"{name}_{label}.dcm"] = wanted
    split = [
        [f[:100], f[100:]]
        for f in (ic.jpeg2k_encode(f, level=0, codecformat="j2k", reversible=True) for f in wide)
    ]
    (folder / "by_marks.dcm").write_bytes(
        dicom(image(16, 24, frames=3), BASE + ".4.90", pieces(split, False))
    )
    return found | {"by_marks.dcm": {"0/image": wide}}


def _colours(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs as ic

    rgb = RANDOM.integers(0, 256, (2, 8, 6, 3), "u1")
    channels = np.moveaxis(rgb, -1, 1)
    found: dict[str, dict[str, Any]] = {}

    def add(
        name: str, elements: list[Element], pixels: bytes, facts: dict[str, Any], syntax: str = BASE + ".1"
    ) -> None:
        (folder / name).write_bytes(dicom(elements, syntax, pixels))
        found[name] = facts

    shared = {"samples": 3, "bits": 8, "frames": 2}
    add("rgb.dcm", image(8, 6, photometric="RGB", **shared), native(rgb), {"0/image": channels, "@rgb": True})
    add(
        "planar.dcm",
        image(8, 6, photometric="RGB", planar=1, **shared),
        native(channels),
        {"0/image": channels, "@rgb": True},
    )
    turned = _to_rgb(rgb)
    add(
        "luma.dcm",
        image(8, 6, photometric="YBR_FULL", **shared),
        native(rgb),
        {"0/image": np.moveaxis(turned, -1, 1), "@rgb": True, "@photometric": "YBR_FULL", "?warning": "luma"},
    )
    halved = rgb.copy()
    halved[:, :, 1::2, 1:] = halved[:, :, ::2, 1:]
    four = np.stack([halved[..., ::2, 0], halved[..., 1::2, 0], halved[..., ::2, 1], halved[..., ::2, 2]], -1)
    add(
        "halved.dcm",
        image(8, 6, photometric="YBR_FULL_422", **shared),
        native(four),
        {"0/image": np.moveaxis(_to_rgb(halved), -1, 1), "@rgb": True},
    )
    smooth = np.broadcast_to(
        np.add.outer(np.arange(16) * 9, np.arange(16) * 5)[..., None], (16, 16, 3)
    ).astype("u1")
    smooth = smooth + np.array([0, 20, 9], "u1")
    jpeg = ic.jpeg8_encode(smooth, level=98, colorspace="RGB", outcolorspace="YCBCR")
    coded = ic.jpeg8_decode(jpeg, colorspace="YCBCR", outcolorspace="RGB")
    add(
        "jpeg.dcm",
        image(16, 16, samples=3, bits=8, photometric="YBR_FULL_422"),
        pieces([[jpeg]], True),
        {"0/image": np.moveaxis(coded, -1, 0), "@rgb": True, "?warning": "luma"},
        BASE + ".4.50",
    )
    gray = ic.jpeg8_encode(smooth[..., 0].copy(), level=98)
    add(
        "jpeg_gray.dcm",
        image(16, 16, bits=8),
        pieces([[gray]], True),
        {"0/image": ic.jpeg8_decode(gray)},
        BASE + ".4.50",
    )
    for name, mct, kind in (("luma_j2k.dcm", False, "YBR_FULL"), ("turned_j2k.dcm", True, "YBR_RCT")):
        coded_2k = ic.jpeg2k_encode(rgb[0], level=0, codecformat="j2k", reversible=True, mct=mct)
        wanted = rgb[0] if mct else turned[0]
        add(
            name,
            image(8, 6, samples=3, bits=8, photometric=kind),
            pieces([[coded_2k]], True),
            {"0/image": np.moveaxis(wanted, -1, 0), "@rgb": True, "?warning": "luma"},
            BASE + ".4.90",
        )
    deep = RANDOM.integers(0, 4000, (4, 6, 3)).astype("u2")
    add(
        "luma_16.dcm",
        image(4, 6, samples=3, photometric="YBR_FULL"),
        native(deep),
        {"0/image": np.moveaxis(deep, -1, 0), "@rgb": False, "?warning": "kept as stored"},
    )
    index = RANDOM.integers(0, 4, (4, 6), "u1")
    colours = RANDOM.integers(0, 1 << 16, (4, 3)).astype("u2")
    tables: list[Element] = [(0x00281101 + i, "US", [4, 0, 16]) for i in range(3)]
    tables += [(0x00281201 + i, "OW", colours[:, i].astype("<u2").tobytes()) for i in range(3)]
    add(
        "palette.dcm",
        [*image(4, 6, bits=8, photometric="PALETTE COLOR"), *tables],
        native(index),
        {"0/image": index, "@palette": colours.tolist(), "?warning": "palette"},
    )
    add(
        "inverse.dcm",
        image(4, 6, bits=8, photometric="MONOCHROME1"),
        native(index),
        {"0/image": index, "?warning": "darker"},
    )
    return found


def _to_rgb(values: np.ndarray) -> np.ndarray:
    from pydicom.pixels import convert_color_space

    return convert_color_space(values, "YBR_FULL", "RGB")


def _notes(folder: Path) -> dict[str, dict[str, Any]]:
    """Who was examined is gone; what was measured stays. Overlays are named."""
    data = RANDOM.integers(0, 999, (3, 4)).astype("u2")
    private: list[Element] = [
        (0x00100010, "PN", "Doe^Jane"),
        (0x00100020, "LO", "4711"),
        (0x00080080, "LO", "Hospital"),
        (0x00080020, "DA", "20200101"),
        (0x00104000, "LT", "talkative"),
        (0x00181000, "LO", "SN1"),
        (0x0020000D, "UI", "1.2.3.4"),
        (0x00081030, "LO", "Knee of Jane"),
        (0x00101010, "AS", "042Y"),
        (0x60000010, "US", 3),
        (0x60000011, "US", 4),
        (0x60003000, "OW", bytes(2)),
        (0x00180080, "DS", "2000"),
        (0x00080070, "LO", "MAKER"),
        (0x00185100, "CS", "HFS"),
        (0x00200013, "IS", "3"),
    ]
    (folder / "person.dcm").write_bytes(dicom([*image(3, 4), *private], pixels=native(data)))
    kept = {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Manufacturer": "MAKER",
        "Modality": "MR",
        "RepetitionTime": 2000.0,
        "PatientPosition": "HFS",
        "InstanceNumber": 3,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PlanarConfiguration": 0,
        "Rows": 3,
        "Columns": 4,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "TransferSyntaxUID": BASE + ".1",
    }
    return {
        "person.dcm": {
            "0/image": data,
            "@original_metadata": kept,
            "?dropped": ["overlay 1", "9 header elements"],
        }
    }


def _waves(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(-99, 99, (50, 2)).astype("<i2")
    units = [[(0x00080100, "SH", "mV")]]
    channels = [
        [
            (0x003A0203, "SH", "II"),
            (0x003A0210, "DS", "0.005"),
            (0x003A0211, "SQ", units),
            (0x003A0212, "DS", "1"),
            (0x003A0213, "DS", "0.25"),
        ],
        [(0x003A0203, "SH", "V1")],
    ]
    group: list[Element] = [
        (0x003A0005, "US", 2),
        (0x003A0010, "UL", 50),
        (0x003A001A, "DS", "500"),
        (0x003A0200, "SQ", channels),
        (0x54001004, "US", 16),
        (0x54001006, "CS", "SS"),
        (0x54001010, "OW", data.tobytes()),
    ]
    (folder / "ecg.dcm").write_bytes(dicom([(0x00080060, "CS", "ECG"), (0x54000100, "SQ", [group])]))
    spoken = [e for e in group if e[0] != 0x54001006] + [(0x54001006, "CS", "MB")]
    (folder / "voice.dcm").write_bytes(
        dicom([(0x00080060, "CS", "AU"), (0x54000100, "SQ", [sorted(spoken)])])
    )
    physical = data.T * np.array([[0.005], [1]]) + [[0.25], [0]]
    return {
        "ecg.dcm": {
            "signals": physical,
            "signals@sampling_frequency": 500.0,
            "channel_name": ["II", "V1"],
            "channel_units": ["mV", ""],
            "~": 1e-6,
        },
        "voice.dcm": {"!error": "NotSupported"},
    }


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs as ic

    data = RANDOM.integers(0, 999, (6, 7)).astype("u2")
    good = dicom(image(6, 7), pixels=native(data))
    j2k = ic.jpeg2k_encode(data, level=0, codecformat="j2k", reversible=True)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    files = {
        "cut.dcm": (good[:-9], "Truncated"),
        "many.dcm": (dicom(image(6, 7, frames=99999), pixels=native(data)), "Truncated"),
        "no_rows.dcm": (dicom(image(0, 7), pixels=native(data)), "FormatError"),
        "odd_bits.dcm": (dicom(image(6, 7, bits=12), pixels=native(data)), "FormatError"),
        "more_stored.dcm": (dicom(image(6, 7, stored=17), pixels=native(data)), "FormatError"),
        "report.dcm": (dicom([(0x00080060, "CS", "SR")]), "FormatError"),
        "video.dcm": (
            dicom(image(6, 7, bits=8), BASE + ".4.100", pieces([[b"abcd"]], False)),
            "NotSupported",
        ),
        "other_size.dcm": (dicom(image(60, 70), BASE + ".4.90", pieces([[j2k]], True)), "FormatError"),
        "cut_frame.dcm": (dicom(image(6, 7), BASE + ".4.90", pieces([[j2k]], True))[:-40], "Truncated"),
        "lost_frame.dcm": (
            dicom(image(6, 7, frames=5), BASE + ".4.90", pieces([[j2k]], False)),
            "FormatError",
        ),
        "bad_rle.dcm": (dicom(image(6, 7), BASE + ".5", pieces([[b"\3" + bytes(63)]], True)), "FormatError"),
        "bomb.dcm": (
            bytes(128)
            + b"DICM"
            + element(0x00020010, "UI", BASE + ".1.99")
            + bomb.compress(bytes((1 << 28) + 9))
            + bomb.flush(),
            "LimitExceeded",
        ),
        "noise.ima": (RANDOM.bytes(2000), "NotSupported"),
    }
    for name, (raw, _) in files.items():
        (folder / name).write_bytes(raw)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """Stored values by pydicom's own decoders; mosaics put together again, slides cut to their size."""
    import pydicom

    data = pydicom.dcmread(path)
    pixels = data.pixel_array
    if "MOSAIC" in data.get("ImageType", []):
        count = int(data[0x0019100A].value)
        across = int(np.ceil(np.sqrt(count)))
        rows, columns = pixels.shape[0] // across, pixels.shape[1] // across
        blocks = (
            pixels.reshape(across, rows, across, columns).transpose(0, 2, 1, 3).reshape(-1, rows, columns)
        )
        return {"0/image": blocks[:count]}
    if "TotalPixelMatrixRows" in data:
        pixels = pixels[: data.TotalPixelMatrixRows, : data.TotalPixelMatrixColumns]
    return {"0/image": np.moveaxis(pixels, -1, -3) if data.get("SamplesPerPixel", 1) > 1 else pixels}
