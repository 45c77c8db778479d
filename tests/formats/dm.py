"""DigitalMicrograph files of every type, version and byte order, written by hand; openreadout is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from formats._dm_writer import Raw, Writer, image, root
from formats._readout import pictures

RANDOM = np.random.default_rng(5)
UM, EV = (-2.0, 0.5, "µm"), (200.0, 0.5, "eV")


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _types(folder) | _axes(folder) | _spectra(folder) | _several(folder) | _hostile(folder)


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    codes = {
        1: "i2",
        2: "f4",
        3: "c8",
        6: "u1",
        7: "i4",
        9: "i1",
        10: "u2",
        11: "u4",
        12: "f8",
        13: "c16",
        39: "i8",
    }
    for code, kind in codes.items():
        data = (RANDOM.normal(size=(5, 7)) * 100).astype(kind)
        data = data + 1j * data[::-1] if kind[0] == "c" else data
        ways = ((3, "<"), (4, ">"), (3, ">"), (4, "<")) if kind in ("i2", "c8") else ((3, "<"), (4, ">"))
        for version, order in ways[1:] if kind == "i8" else ways:
            name = f"{kind}_{'le' if order == '<' else 'be'}.dm{version}"
            (folder / name).write_bytes(Writer(version, order).file(root(image(data, code))))
            found[name] = {"0/image": data, "?dropped": "thumbnail"}
    bits = RANDOM.integers(0, 2, (5, 7), "u1")
    packed = Raw([20, 8, 35], bits.tobytes())
    (folder / "bits.dm3").write_bytes(Writer().file(root(image(packed, 14, sizes=[7, 5]))))
    found["bits.dm3"] = {"0/image": bits}
    colours = RANDOM.integers(0, 255, (5, 7, 4), "u1")
    for order in "<>":
        words = colours.reshape(-1).view(order + "i4").reshape(5, 7)
        name = f"rgb_{'le' if order == '<' else 'be'}.dm4"
        (folder / name).write_bytes(Writer(4, order).file(root(image(words, 23))))
        found[name] = {"0/image": np.moveaxis(colours, -1, 0), "@rgb": True, "?warning": "Alpha"}
    found["rgb_be.dm4"]["?warning"] = "opposite order"
    stack = RANDOM.integers(0, 255, (3, 5, 7, 4), "u1")
    words = stack.reshape(-1).view("<i4").reshape(3, 5, 7)
    (folder / "rgb_z.dm3").write_bytes(Writer().file(root(image(words, 23, axes=(UM, UM, UM)))))
    found["rgb_z.dm3"] = {"0/image": stack.transpose(3, 0, 1, 2)}
    row = RANDOM.integers(0, 255, (7, 4), "u1")
    (folder / "rgb_row.dm3").write_bytes(Writer().file(root(image(row.reshape(-1).view("<i4"), 23))))
    found["rgb_row.dm3"] = {"0/image": row.T[:, None]}
    half = (RANDOM.normal(size=(5, 3)) + 1j).astype("c8")
    (folder / "half.dm4").write_bytes(Writer(4).file(root(image(half, 27, sizes=[5, 5]))))
    found["half.dm4"] = {"0/image": half, "?warning": "half plane"}
    return found


def _axes(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 999, (3, 4, 5), "u2")
    spectrum, sequence = {"Meta Data": {"Format": "Spectrum image"}}, {"Meta Data": {"IsSequence": True}}
    cl, second = (-2.0, 0.25, "nm"), (0.0, 250.0, "ms")
    cases: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "energy": ((UM, UM, EV), None, {"0/energy": np.arange(3) * 0.5 - 100, "0/x": np.arange(5) * 0.5 + 1}),
        "wavelength": ((UM, UM, cl), spectrum, {"0/wavelength": np.arange(3) * 0.25 + 0.5}),
        "depth": ((UM, UM, UM), None, {"@pixel_size": {"z": 0.5, "y": 0.5, "x": 0.5}, "0/z": [1.0, 1.5, 2.0]}),
        "time": ((UM, UM, second), None, {"0/t": [0.0, 0.25, 0.5], "@pixel_size": {"t": 0.25, "y": 0.5, "x": 0.5}}),
        "sequence": ((UM, UM, (0.0, 1.0, "")), sequence, {}),
        "page": ((UM, UM, (0.0, 1.0, "")), None, {"?warning": "page_axis"}),
        "named": ((), None, {"!options": {"page_axis": "z"}}),
        "falling": (((0.0, -2.0, "nm"), UM, UM), None, {"@x_calibration": {"origin": 0.0, "step": -2.0, "unit": "nm"},
                                                       "?warning": "fall along x"}),
        "nonsense": (((0.0, float("nan"), "nm"), (0.0, 0.0, "nm"), UM), None, {"@pixel_size": {"z": 0.5}}),
        "reciprocal": (((2.0, 0.5, "1/nm"), (2.0, 0.5, "1/nm"), UM), None, {"0/x": np.arange(5) * 0.5 - 1,
                       "@pixel_unit": {"z": "micrometer", "y": "1/nm", "x": "1/nm"}}),
    }  # fmt: skip
    found = {}
    for name, (axes, tags, facts) in cases.items():
        (folder / f"{name}.dm3").write_bytes(Writer().file(root(image(data, 10, axes=axes, tags=tags))))
        found[f"{name}.dm3"] = {"0/image": data, **facts}
    four = RANDOM.integers(0, 999, (2, 3, 4, 5), "u2")
    angle = (0.0, 0.1, "mrad")
    for name, axes, label in (
        ("scan", (angle, angle, UM, UM), "scan_y"),
        ("turned", (UM, UM, angle, angle), "detector_y"),
    ):
        (folder / f"{name}.dm4").write_bytes(Writer(4).file(root(image(four, 10, axes=axes))))
        step = 0.5 if label == "scan_y" else 0.1
        found[f"{name}.dm4"] = {
            "0/image": four,
            f"0/{label}": np.arange(2) * step + (1 if step == 0.5 else 0),
        }
    five = four[None].repeat(2, 0)
    (folder / "five.dm4").write_bytes(Writer(4).file(root(image(five, 10))))
    found["five.dm4"] = {"0/image": five, "?warning": "outer axes"}
    line = image(four[0, 0], 10, axes=((-1.0, 0.5, "nm"), UM), tags=spectrum)
    (folder / "line.dm4").write_bytes(Writer(4).file(root(line)))
    found["line.dm4"] = {
        "0/image": four[0, 0],
        "0/x": np.arange(5) * 0.5 + 0.5,
        "?warning": "axis of spectra",
    }
    return found


def _spectra(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.normal(size=300).astype("f4")
    tags = {
        "DataBar": {"Acquisition Time (OS)": 132762927765681728.0},
        "Session Info": {"Operator": "A. Person"},
    }
    one = image(data, 2, axes=(EV,), tags=tags, name="Low loss", brightness=(0.0, 0.5, "e-"))
    (folder / "spectrum.dm3").write_bytes(Writer().file(root(one)))
    plain = image(data[:20], 2, name="Plot", brightness=(0.0, 1.0, "Counts"))
    (folder / "two_spectra.dm4").write_bytes(Writer(4).file(root(one, plain)))
    return {
        "spectrum.dm3": {
            "Low_loss": data, "energy": np.arange(300) * 0.5 - 100, "energy@units": "eV", "@fuse_kind": "table",
            "Low_loss@intensity_scale": 0.5, "Low_loss@intensity_unit": "e-",
            "@recording_start": "2021-09-16T19:06:16.568172+00:00",
            "@original_metadata": {"version": 3, "images": [
                {"Name": "Low loss", "DataType": 2, "ImageTags": {**tags, "Session Info": {}}}]},
        },
        "two_spectra.dm4": {"Low_loss": data, "Plot": data[:20], "Plot@units": "Counts"},
    }  # fmt: skip


def _several(folder: Path) -> dict[str, dict[str, Any]]:
    """Two pictures and a spectrum; a picture of a type that is not read; no word of a thumbnail."""
    first, second = RANDOM.integers(0, 99, (4, 6), "u2"), RANDOM.normal(size=(3, 2)).astype("f4")
    energy = np.arange(9, dtype="f4")
    three = root(
        image(first, 10, name="a"), image(second, 2, name="b"), image(energy, 2, axes=(EV,), name="c")
    )
    (folder / "three.dm3").write_bytes(Writer().file(three))
    odd = image(Raw([20, 6, 24], bytes(96)), 5, sizes=[6, 4], name="packed")
    (folder / "one_odd.dm3").write_bytes(Writer().file(root(image(first, 10), odd)))
    (folder / "bare.dm3").write_bytes(Writer().file(root(image(first, 10), thumbnails=False)))
    wide = RANDOM.integers(0, 9999, (40, 20000), "u2")
    (folder / "wide.dm4").write_bytes(Writer(4).file(root(image(wide, 10), thumbnails=False)))
    return {
        "three.dm3": {
            "0/0/image": first,
            "1/0/image": second,
            "c": energy,
            "c_energy": np.arange(9) * 0.5 - 100,
        },
        "one_odd.dm3": {"0/image": first, "?dropped": "'packed' of data type 5"},
        "bare.dm3": {"0/image": first},
        "wide.dm4": {"0/image": wide},
    }


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = np.arange(20, dtype="u2").reshape(4, 5)
    good = Writer().file(root(image(data, 10)))
    deep: Any = {"a": 1}
    for _ in range(80):
        deep = {"a": deep}
    files = {
        "packed.dm3": (
            Writer().file(root(image(Raw([20, 6, 20], bytes(80)), 5, sizes=[5, 4]))),
            "FormatError",
        ),
        "strange.dm3": (Writer().file(root(image(data, 99))), "FormatError"),
        "short.dm3": (Writer().file(root(image(data, 10, sizes=[5, 5]))), "FormatError"),
        "negative.dm3": (Writer().file(root(image(data, 10, sizes=[-5, -4]))), "FormatError"),
        "sizeless.dm3": (Writer().file(root(image(data, 10, sizes=[]))), "FormatError"),
        "no_data.dm3": (Writer().file(root(image("", 10, sizes=[5, 4]))), "FormatError"),
        "no_images.dm4": (Writer(4).file({"ImageList": []}), "FormatError"),
        "deep.dm4": (Writer(4).file(deep), "LimitExceeded"),
        "many.dm3": (good[:14] + b"\x7f\xff\xff\xff" + good[18:], "LimitExceeded"),
        "odd_struct.dm3": (Writer().file({"a": Raw([15, 0, 3, 0, 6], bytes(12))}), "FormatError"),
        "odd_type.dm3": (Writer().file({"a": Raw([77], bytes(12))}), "FormatError"),
        "huge_array.dm4": (Writer(4).file({"a": Raw([20, 6, 1 << 61], bytes(12))}), "Truncated"),
        "cut.dm3": (good[:-60], "Truncated"),
    }
    for name, (raw, _) in files.items():
        (folder / name).write_bytes(raw)
    later = root(image(data, 10)) | {"New": Raw([77, 5], bytes(12))}
    (folder / "new_type.dm4").write_bytes(Writer(4).file(later))
    found: dict[str, dict[str, Any]] = {name: {"!error": error} for name, (_, error) in files.items()}
    return found | {"new_type.dm4": {"0/image": data}}


def oracle(path: Path) -> dict[str, Any] | None:
    """Pictures by openreadout, which has spectra as traces and lines of one row."""
    import openreadout

    with openreadout.open(path) as file:
        sizes = [(i["size_y"], i["size_x"]) for i in file.images]
        if 1 not in {high for high, _ in sizes}:
            return pictures(path)
        if len(sizes) == 1:
            return {"EELS_Acquire": file.read_image(0).ravel(), "energy": np.arange(2048) * 0.5 - 100.0}
        return {"0/image": file.read_image(0)[0, 0, 0], "Plot": file.read_image(1).ravel()}
