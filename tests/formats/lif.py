"""Leica files of every arrangement of axes and channels, written by hand; liffile is the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(17)
_IDS = {"x": 1, "y": 2, "z": 3, "t": 4, "emission": 5, "rotation": 6, "xt_slice": 7, "t_slice": 8, "excitation": 9,
        "mosaic": 10, "loop": 11}  # fmt: skip
_SCALE = {"x": (0, 1e-6, "m"), "y": (0, 2e-6, "m"), "z": (-4e-6, 1.5e-6, "m"), "t": (0, 0.5, "s"),
          "emission": (5e-7, 1e-8, "m"), "excitation": (4e-7, 5e-9, "m")}  # fmt: skip


def make(folder: Path) -> dict[str, dict[str, Any]]:
    return _stacks(folder) | _colours(folder) | _others(folder) | _hostile(folder)


class Picture:
    """An image as XML and bytes: ``data`` has the axes ``dims``, the fastest last, c among them."""

    def __init__(self, data: Any, dims: str, name: str = "made", *, extra: str = "", flip_z: bool = False,
                 channels: list[dict[str, Any]] | None = None, memory: str = "MemBlock_1") -> None:  # fmt: skip
        self.data, self.dims, self.name, self.memory = data, dims.split(), name, memory
        self.extra, self.flip = extra, flip_z
        count = data.shape[self.dims.index("c")] if "c" in self.dims else 1
        self.channels = channels or [{} for _ in range(count)]
        self.raw = np.ascontiguousarray(data).tobytes()

    def xml(self) -> str:
        steps = [int(s) for s in np.ascontiguousarray(self.data).strides]
        sizes = dict(zip(self.dims, zip(self.data.shape, steps, strict=True), strict=True))
        dimensions = "".join(self._dimension(d, *sizes[d]) for d in reversed(self.dims) if d != "c")
        kind = self.data.dtype
        described = ""
        for number, given in enumerate(self.channels):
            held = {
                "DataType": int(kind.kind == "f"), "ChannelTag": 0, "Resolution": 8 * kind.itemsize,
                "NameOfMeasuredQuantity": "", "Min": 0, "Max": 1, "Unit": "", "LUTName": "Gray", "IsLUTInverted": 0,
                "BytesInc": number * sizes.get("c", (1, 0))[1], "BitInc": 0, **given,
            }  # fmt: skip
            dye = held.pop("dye", "")
            inner = (
                f"<ChannelProperty><Key>DyeName</Key><Value>Leica/{dye}</Value></ChannelProperty>"
                if dye
                else ""
            )
            described += f"<ChannelDescription {_attributes(held)}>{inner}</ChannelDescription>"
        return (
            f'<Element Name="{self.name}"><Data><Image><ImageDescription><Channels>{described}</Channels>'
            f"<Dimensions>{dimensions}</Dimensions></ImageDescription>{self.extra}</Image></Data>"
            f'<Memory Size="{len(self.raw)}" MemoryBlockID="{self.memory}"/></Element>'
        )

    def _dimension(self, name: str, size: int, stride: int) -> str:
        origin, step, unit = _SCALE.get(name, (0, 1, ""))
        sign = -1 if self.flip and name == "z" else 1
        return "<DimensionDescription {}/>".format(
            _attributes({"DimID": _IDS[name], "NumberOfElements": size, "Origin": origin, "Unit": unit,
                         "Length": sign * step * (size - 1), "BitInc": 0, "BytesInc": stride})
        )  # fmt: skip


def _attributes(given: dict[str, Any]) -> str:
    return " ".join(f'{key}="{value}"' for key, value in given.items())


def _chunk(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return struct.pack("<IIBI", 0x70, len(raw) + 5, 0x2A, len(raw) // 2) + raw


def lif(*elements: str, blocks: dict[str, bytes], version: int = 2) -> bytes:
    """A file of elements and blocks of memory."""
    inside = "".join(elements)
    xml = (
        f'<LMSDataContainerHeader Version="{version}"><Element Name="project"><Children>{inside}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    out = _chunk(xml)
    for name, raw in blocks.items():
        letters = name.encode("utf-16-le")
        layout, length = ("<IIBQBI", 14) if version == 2 else ("<IIBIBI", 10)
        out += (
            struct.pack(layout, 0x70, length + len(letters), 0x2A, len(raw), 0x2A, len(letters) // 2)
            + letters
            + raw
        )
    return out


def _of(picture: Picture, **options: Any) -> bytes:
    return lif(picture.xml(), blocks={picture.memory: picture.raw}, **options)


def _data(shape: tuple[int, ...], kind: str = "u2") -> Any:
    return RANDOM.integers(0, 250, shape).astype(kind)


def _stacks(folder: Path) -> dict[str, dict[str, Any]]:
    """Any order of axes in the file is one order here."""
    ours = (
        "emission",
        "excitation",
        "mosaic",
        "loop",
        "rotation",
        "xt_slice",
        "t_slice",
        "t",
        "c",
        "z",
        "y",
        "x",
    )
    found = {}
    for name, dims, shape, kind in (
        ("yx", "y x", (5, 7), "u1"), ("float", "y x", (5, 7), "f4"), ("half", "y x", (5, 7), "f2"),
        ("cyx", "c y x", (2, 5, 7), "u2"), ("tzcyx", "t z c y x", (2, 3, 2, 5, 7), "u2"),
        ("zyxc", "z y x c", (3, 5, 7, 2), "u1"),
        ("lambda", "t emission z y x", (2, 4, 3, 5, 7), "u1"), ("excite", "excitation y x", (4, 5, 7), "u1"),
        ("both", "emission excitation y x", (2, 3, 5, 7), "u1"), ("mosaic", "mosaic c y x", (4, 2, 5, 7), "u2"),
        ("loop", "loop t y x", (2, 3, 5, 7), "u1"), ("turn", "rotation y x", (2, 5, 7), "u1"),
        ("tall", "c z y x", (2, 1, 5, 7), "u2"), ("yzx", "y z x", (5, 3, 7), "u2"),
    ):  # fmt: skip
        data, axes = _data(shape, kind), dims.split()
        (folder / f"{name}.lif").write_bytes(_of(Picture(data, dims)))
        ranks = [ours.index(a) for a in axes]
        if name in ("lambda", "loop"):  # an axis of another name stands in the place of c
            ranks = [7.5 if rank < 7 else rank for rank in ranks]
        order = sorted(range(len(axes)), key=lambda i: ranks[i])
        wanted = data.transpose(order)
        found[f"{name}.lif"] = {"0/image": wanted[:, 0] if name == "tall" else wanted, "@name": "made"}
    found["lambda.lif"] |= {
        "0/emission": np.arange(4) * 10.0 + 500, "0/z": np.arange(3) * 1.5 - 4, "0/t": [0, 0.5], "~": 1e-12,
        "@pixel_unit": {"x": "micrometer", "y": "micrometer", "z": "micrometer", "emission": "nanometer",
                        "t": "second"},
    }  # fmt: skip
    for name, dims, shape, wanted in (
        ("xz", "c z x", (2, 6, 7), (2, 6, 1, 7)), ("xt", "t x", (6, 7), (6, 1, 7)), ("point", "t", (9,), (9, 1, 1)),
    ):  # fmt: skip
        data = _data(shape)
        (folder / f"{name}.lif").write_bytes(_of(Picture(data, dims)))
        found[f"{name}.lif"] = {"0/image": data.reshape(wanted), "?warning": "no y"}
    data = _data((3, 5, 7))
    (folder / "falling.lif").write_bytes(_of(Picture(data, "z y x", flip_z=True)))
    found["falling.lif"] = {"0/image": data, "0/z": [0, 1.5, 3.0], "?warning": "fall along z", "~": 1e-12}
    wide = _data((30, 40000))
    (folder / "wide.lif").write_bytes(_of(Picture(wide, "y x"), version=1))
    found["wide.lif"] = {"0/image": wide}
    return found


def _colours(folder: Path) -> dict[str, dict[str, Any]]:
    """RGB and BGR, rows that are padded, channels at odd places and of two types."""
    data = _data((5, 7, 3), "u1")
    tags = [{"ChannelTag": tag} for tag in (1, 2, 3)]
    (folder / "rgb.lif").write_bytes(_of(Picture(data, "y x c", channels=tags)))
    (folder / "bgr.lif").write_bytes(_of(Picture(data, "y x c", channels=tags[::-1])))
    padded = Picture(data, "y x c", channels=tags)
    padded.raw = np.pad(data.reshape(5, 21), ((0, 0), (0, 3))).tobytes()
    text = padded.xml().replace('BytesInc="21"', 'BytesInc="24"')
    (folder / "padded.lif").write_bytes(lif(text, blocks={"MemBlock_1": padded.raw}))
    three = _data((3, 5, 7))
    odd = Picture(three, "c y x", channels=[
        {"BytesInc": 0, "dye": "DAPI", "LUTName": "Color (ARGB)=ff00ff80", "Resolution": 12},
        {"BytesInc": 70, "LUTName": "Red"}, {"BytesInc": 200, "dye": "GFP"},
    ])  # fmt: skip
    odd.raw = three[0].tobytes() + three[1].tobytes() + bytes(60) + three[2].tobytes()
    (folder / "odd.lif").write_bytes(_of(odd))
    first, second = _data((5, 7), "u1"), _data((5, 7), "u1")
    mixed = Picture(first, "y x", channels=[{}, {"Resolution": 32, "DataType": 1, "BytesInc": 35}])
    with_float = mixed.xml().replace('BytesInc="1"', 'BytesInc="4"').replace('BytesInc="7"', 'BytesInc="28"')
    raw = np.zeros((5, 7, 4), "u1")
    raw[..., 0] = first
    text = with_float.replace('BytesInc="35"', 'BytesInc="140"').replace('Size="35"', 'Size="280"')
    floats = second.astype("<f4")
    (folder / "mixed.lif").write_bytes(lif(text, blocks={"MemBlock_1": raw.tobytes() + floats.tobytes()}))
    turned = np.moveaxis(data, -1, 0)
    return {
        "rgb.lif": {"0/image": turned, "@rgb": True, "0/channel_name": ["Red", "Green", "Blue"]},
        "bgr.lif": {"0/image": turned[::-1], "@rgb": True, "0/channel_name": ["Red", "Green", "Blue"]},
        "padded.lif": {"0/image": turned},
        "odd.lif": {"0/image": three, "0/channel_name": ["DAPI", "", "GFP"], "@bits": [12, 16, 16], "@channels": [
            {"name": "DAPI", "color": "00FF80"}, {"name": "", "color": "FF0000"}, {"name": "GFP", "color": "FFFFFF"}]},
        "mixed.lif": {"0/0/image": first, "1/0/image": floats, "?warning": "different types"},
    }  # fmt: skip


def _others(folder: Path) -> dict[str, dict[str, Any]]:
    """Folders, several images, times, tiles, settings, photon times, empty images, objects of one image."""
    stamps = '<TimeStampList NumberOfTimeStamps="2">1d6f64bbab40b70 1d6f64bbba39b90 </TimeStampList>'
    scaling = '<Attachment Name="ViewerScaling"><ChannelScalingInfo WhiteValue="0.5" BlackValue="0.1"/></Attachment>'
    place = ('<Attachment Name="TileScanInfo"><Tile FieldX="0" FieldY="1" PosX="0.5" PosY="-1e-3" PosZ="x"/>'
             "</Attachment>")  # fmt: skip
    setting = ('<Attachment Name="HardwareSetting"><ATLConfocalSettingDefinition Zoom="2" UserSettingName="A">'
               '<MultiBand DyeName="Leica/Cy3"/></ATLConfocalSettingDefinition></Attachment>')  # fmt: skip
    a, b = _data((2, 5, 7), "u1"), _data((4, 6))
    first = Picture(a, "t y x", "a", extra=stamps + scaling + place + setting)
    older = '<TimeStampList><TimeStamp HighInteger="30864971" LowInteger="0"/></TimeStampList>'
    second = Picture(b, "y x", "b", memory="MemBlock_2", extra=older)
    nested = f'<Element Name="dish"><Data><Collection/></Data><Children>{second.xml()}</Children></Element>'
    flim = '<Element Name="f"><Data><SingleMoleculeDetection IsImage="true"/></Data></Element>'
    empty = Picture(b, "y x", "e", memory="none").xml().replace('Size="48"', 'Size="0"')
    blocks = {"MemBlock_0": b"", first.memory: first.raw, second.memory: second.raw}
    (folder / "several.lif").write_bytes(lif(first.xml(), nested, flim, empty, blocks=blocks) + bytes(64))
    data = first.raw
    lof = _chunk("LMS_Object_File") + struct.pack("<BIBIBQ", 0x2A, 2, 0x2A, 0, 0x2A, len(data)) + data
    described = first.xml()
    bare = described[described.index("<Data>") : described.index("</Data>") + 7]
    (folder / "bare.lof").write_bytes(lof + _chunk(bare))
    whole = f'<LMSDataContainerHeader Version="2">{described}</LMSDataContainerHeader>'
    (folder / "whole.lof").write_bytes(lof + _chunk(whole))
    return {
        "several.lif": {
            "0/0/image": a, "1/0/image": b, "0@name": "a", "1@name": "dish/b", "0@frame_times": [0.0, 1.57],
            "0@tile_positions": [{"FieldX": 0.0, "FieldY": 1.0, "PosX": 0.5, "PosY": -1e-3}],
            "0@channels": [{"name": "Cy3", "color": "FFFFFF", "window": [25.5, 127.5]}],
            "?dropped": ["photon arrival times of 'f'", "'e', which has no pixels"],
            "@original_metadata": {"images": {"a": {"Zoom": "2"}, "dish/b": {}}},
        },
        "bare.lof": {"0/image": a, "@name": "bare"}, "whole.lof": {"0/image": a, "@name": "a"},
    }  # fmt: skip


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = _data((5, 7))
    good, raw = Picture(data, "y x"), data.tobytes()
    xml = good.xml()

    def of(text: str, block: bytes = raw) -> bytes:
        return lif(text, blocks={"MemBlock_1": block})

    entity = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]>'
    bomb = f'{entity}<LMSDataContainerHeader Version="2">&b;</LMSDataContainerHeader>'
    files = {
        "entity.lif": (_chunk(bomb), "FormatError"),
        "no_xml.lif": (_chunk("<LMSDataContainerHeader"), "FormatError"),
        "other_xml.lif": (_chunk("<LMSother/>"), "FormatError"),
        "no_image.lif": (lif(blocks={}), "FormatError"),
        "no_block.lif": (lif(xml, blocks={}), "Truncated"),
        "cut.lif": (of(xml)[:-10], "Truncated"),
        "small_block.lif": (of(xml, raw[:-2]) + bytes(40), "FormatError"),
        "overlap.lif": (of(xml.replace('BytesInc="14"', 'BytesInc="6"')), "FormatError"),
        "huge.lif": (of(xml.replace('NumberOfElements="5"', 'NumberOfElements="99999999999"')), "FormatError"),
        "no_places.lif": (of(xml.replace('NumberOfElements="5"', 'NumberOfElements="0"')), "FormatError"),
        "negative.lif": (of(xml.replace('BytesInc="14"', 'BytesInc="-14"')), "FormatError"),
        "twice.lif": (of(xml.replace('DimID="2"', 'DimID="1"')), "FormatError"),
        "bits.lif": (of(xml.replace('Resolution="16"', 'Resolution="99"')), "FormatError"),
        "kind.lif": (of(xml.replace('DataType="0"', 'DataType="7"')), "FormatError"),
        "words.lif": (of(xml.replace('DimID="2"', 'DimID="y"')), "FormatError"),
        "channelless.lif": (of(xml[: xml.index("<ChannelD")] + xml[xml.index("</Channels>") :]), "FormatError"),
        "noise.lif": (of(xml)[: -len(raw) - 20] + b"\x01" * 90, "FormatError"),
        "long_text.lif": (struct.pack("<IIBI", 0x70, 0xFFFFFFFF, 0x2A, 0x7FFFFFFD) + b"<\0L\0", "LimitExceeded"),
        "short.lof": (_chunk("LMS_Object_File") + struct.pack("<BIBIBQ", 0x2A, 2, 0x2A, 0, 0x2A, 1 << 40), "Truncated"),
    }  # fmt: skip
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: {"!error": error} for name, (_, error) in files.items()}


def oracle(path: Path) -> dict[str, Any] | None:
    """Pixels of every image by liffile, its axes in our order."""
    import liffile

    ours = "ANQMLTλΛCSZYX"
    found = {}
    with liffile.LifFile(path) as file:
        for number, picture in enumerate(file.images):
            order = sorted(range(picture.ndim), key=lambda i: ours.index(picture.dims[i]))
            data = picture.asarray().transpose(order)
            if "Y" not in picture.dims:
                data = np.expand_dims(data, -2)
            place = "0/image" if len(file.images) == 1 else f"{number}/0/image"
            found[place] = data
    return found
