"""Made ND2 files (chunks with CLX-lite or XML descriptions, and the older boxes), openreadout as the oracle."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(5)
_END = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_LIST = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_TIME, _PLACE, _DEPTH, _CUSTOM = 1, 2, 4, 7


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    expected: dict[str, dict[str, Any]] = {}
    for part in (_types, _loops, _older, _hostile):
        expected |= part(folder)
    return expected


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind, version in (("u1", "3.0"), ("u2", "3.0"), ("f4", "3.0"), ("u2", "2.1")):
        data = (RANDOM.random((1, 11, 13, 2)) * 200).astype(kind)
        name = f"type_{kind}_{version}.nd2"
        (folder / name).write_bytes(_nd2(data, version=version))
        found[name] = {
            "0/image": np.moveaxis(data[0], -1, 0), "0/channel_name": ["channel 0", "channel 1"],
            "@pixel_size": {"y": 0.5, "x": 0.5}, "@recording_start": "2020-01-01T12:00:00.000+00:00",
            "@channels": [{"name": f"channel {i}", "color": f"30201{i}"} for i in range(2)],
        }  # fmt: skip
    data = RANDOM.integers(0, 9999, (2, 9, 7, 3), "u2")
    (folder / "padded.nd2").write_bytes(_nd2(data, [(_TIME, 2)], pad=6))
    found["padded.nd2"] = {"0/image": np.moveaxis(data, -1, 1)}
    for pad in (0, 6):
        (folder / f"packed_{pad}.nd2").write_bytes(_nd2(data, [(_TIME, 2)], pad=pad, packed=True))
        found[f"packed_{pad}.nd2"] = {"0/image": np.moveaxis(data, -1, 1)}
    colour = RANDOM.integers(0, 255, (1, 8, 6, 3), "u1")
    (folder / "colour.nd2").write_bytes(_nd2(colour, channels=1))
    found["colour.nd2"] = {"0/image": np.moveaxis(colour[0, ..., ::-1], -1, 0), "@rgb": True}
    (folder / "odd_channel.nd2").write_bytes(_nd2(data[:1], probe=False))
    found["odd_channel.nd2"] = {"0/image": np.moveaxis(data[0], -1, 0), "?warning": "cannot be followed"}
    (folder / "one.nd2").write_bytes(_nd2(data[:1, ..., :1]))
    found["one.nd2"] = {"0/image": data[0, ..., 0]}
    return found


def _loops(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 9999, (3 * 2 * 4, 6, 5, 2), "u2")
    loops = [(_TIME, 3), (_PLACE, 2), (_DEPTH, 4)]
    times = [1000.0 * (n // 8) + n for n in range(24)]
    (folder / "t_p_z.nd2").write_bytes(_nd2(data, loops, times=times))
    shaped = data.reshape(3, 2, 4, 6, 5, 2).transpose(1, 0, 5, 2, 3, 4)
    size = {"z": 2.0, "y": 0.5, "x": 0.5, "t": 1.008}
    found: dict[str, dict[str, Any]] = {"t_p_z.nd2": {
        "0/0/image": shaped[0], "1/0/image": shaped[1], "0@name": "spot 0", "1@name": "spot 1",
        "1@stage_position": {"x": 11.0, "y": 21.0, "z": 31.0}, "0@pixel_size": size,
        "1@time_stamps": [0.004, 1.012, 2.02], "?dropped": "X (per frame",
    }}  # fmt: skip
    (folder / "custom.nd2").write_bytes(_nd2(data, [(_CUSTOM, 6), (_DEPTH, 4)]))
    found["custom.nd2"] = {
        "0/image": data.reshape(6, 4, 6, 5, 2).transpose(0, 4, 1, 2, 3),
        "?warning": "custom",
    }
    (folder / "unsaid.nd2").write_bytes(_nd2(data[:3]))
    found["unsaid.nd2"] = {"0/image": np.moveaxis(data[:3], -1, 1), "?warning": "'frame'"}
    (folder / "aborted.nd2").write_bytes(_nd2(data[:4], [(_TIME, 6)]))
    lost = np.concatenate([data[:4], np.zeros_like(data[:2])])
    found["aborted.nd2"] = {"0/image": np.moveaxis(lost, -1, 1), "?warning": "2 of 6 frames"}
    (folder / "more.nd2").write_bytes(_nd2(data[:4], [(_DEPTH, 3)]))
    found["more.nd2"] = {"0/image": data[:3].transpose(3, 0, 1, 2), "?dropped": "1 frames"}
    return found


def _older(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 4000, (3, 40, 50, 2), "u2")
    (folder / "older.nd2").write_bytes(_boxes(data))
    return {"older.nd2": {
        "0/image": np.moveaxis(data, -1, 1), "0/channel_name": ["DAPI", "GFP"],
        "@pixel_size": {"y": 0.25, "x": 0.25},
    }}  # fmt: skip


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 9999, (2, 9, 7, 2), "u2")
    good = _nd2(data, [(_TIME, 2)])
    bomb = b"\x4c\0" + bytes(10) + zlib.compress(bytes(80 << 20), 9)
    entity = b'<!DOCTYPE a [<!ENTITY b "c">]><variant>&b;</variant>'
    files = {
        "cut.nd2": (good[:-5000], "Truncated"),
        "no_end.nd2": (good[:-1] + b"!", "FormatError"),
        "few_bytes.nd2": (good[:60], "FormatError"),
        "lossy.nd2": (_nd2(data, way=1), "FormatError"),
        "wide.nd2": (_nd2(data, width=1 << 30), "FormatError"),
        "tall.nd2": (_nd2(data, height=900), "Truncated"),
        "endless.nd2": (_nd2(data, [(_TIME, 1 << 20), (_DEPTH, 1 << 20)]), "LimitExceeded"),
        "bomb.nd2": (_nd2(data, extra={"ImageTextInfoLV!": bomb}), "LimitExceeded"),
        "entity.nd2": (_nd2(data, version="2.1", extra={"ImageTextInfo!": entity}), "FormatError"),
        "odd_bits.nd2": (_nd2(data, bits=24), "FormatError"),
        "packed_short.nd2": (_nd2(data, packed=True, height=90), "Truncated"),
    }
    for name, (made, _) in files.items():
        (folder / name).write_bytes(made)
    return {name: {"!error": error} for name, (_, error) in files.items()}


# -- the writer ---------------------------------------------------------------------------------------------


def _nd2(
    data: Any, loops: Any = (), *, version: str = "3.0", pad: int = 0, packed: bool = False, times: Any = None,
    channels: int | None = None, way: int = 2, width: int | None = None, height: int | None = None,
    bits: int | None = None, probe: bool = True, extra: dict[str, bytes] | None = None,
) -> bytes:  # fmt: skip
    """A modern file of frames (frame, row, column, component); a loop is (kind, count)."""
    count, rows, columns, components = data.shape
    stride = columns * components * data.dtype.itemsize + pad
    planes = channels or components
    lite = version >= "3"
    suffix = "LV" if lite else ""
    attributes = {
        "uiWidth": width or columns, "uiWidthBytes": stride, "uiHeight": height or rows, "uiComp": components,
        "uiBpcInMemory": bits or 8 * data.dtype.itemsize, "uiBpcSignificant": bits or 8 * data.dtype.itemsize,
        "uiSequenceCount": count, "eCompression": 0 if packed else way,
    }  # fmt: skip
    dye = {"pFluorescentProbe": {"m_EmissionSpectrum": {"uiCount": 0}}} if probe else {}
    plane = {
        f"a{i}": {"uiCompCount": components // planes, "sDescription": f"channel {i}",
                  "uiColor": (0x10 + i) << 16 | 0x2030, **dye}
        for i in range(planes)
    }  # fmt: skip
    picture = {"bCalibrated": True, "dCalibration": 0.5, "dTimeAbsolute": 2458850.0,
               "sPicturePlanes": {"uiCount": planes, "uiCompCount": components, "sPlaneNew": plane}}  # fmt: skip
    held = {
        f"ImageAttributes{suffix}!": _described({"SLxImageAttributes": attributes}, lite),
        f"ImageMetadataSeq{suffix}|0!": _described({"SLxPictureMetadata": picture}, lite),
        f"ImageTextInfo{suffix}!": _described({"SLxImageTextInfo": {"TextInfoItem_5": "made"}}, lite),
        "CustomData|X!": bytes(8 * count),
    }
    if loops:
        held[f"ImageMetadata{suffix}!"] = _described({"SLxExperiment": _nested(list(loops))}, lite)
    stamps = times or [1000.0 * n for n in range(count)]
    held["CustomData|AcqTimesCache!"] = struct.pack(f"<{len(stamps)}d", *stamps)
    for number, frame in enumerate(data):
        lines = np.zeros((rows, stride), "u1")
        lines[:, : stride - pad] = np.ascontiguousarray(frame).view("u1").reshape(rows, -1)
        body = zlib.compress(lines.tobytes()) if packed else lines.tobytes()
        held[f"ImageDataSeq|{number}!"] = struct.pack("<d", stamps[min(number, len(stamps) - 1)]) + body
    return _chunks(held | (extra or {}), version)


def _nested(loops: list[tuple[int, int]]) -> dict[str, Any]:
    kind, count = loops[0]
    said: dict[str, Any] = {"uiCount": count}
    if kind == _TIME:
        said |= {"dStart": 0.0, "dPeriod": 1000.0, "dDuration": 0.0}
    if kind == _DEPTH:
        said |= {"dZLow": 0.0, "dZHigh": 6.0, "dZStep": 2.0, "dZHome": 0.0}
    if kind == _PLACE:
        points = {f"i{i:010}": {"dPosX": 10.0 + i, "dPosY": 20.0 + i, "dPosZ": 30.0 + i, "pPosName": f"spot {i}"}
                  for i in range(count)}  # fmt: skip
        said |= {"bUseZ": True, "Points": points}
    found: dict[str, Any] = {"eType": kind, "uLoopPars": said}
    if loops[1:]:
        found["ppNextLevelEx"] = {"i0000000000": _nested(loops[1:])}
    return found


def _described(value: dict[str, Any], lite: bool) -> bytes:
    return b"".join(_lite(k, v) for k, v in value.items()) if lite else _xml(value)


def _lite(name: str, value: Any) -> bytes:
    label = (name + "\0").encode("utf-16-le")

    def head(kind: int) -> bytes:
        return bytes([kind, len(label) // 2]) + label

    if isinstance(value, dict):
        items = b"".join(_lite(k, v) for k, v in value.items())
        size = len(head(11)) + 12 + len(items)
        return head(11) + struct.pack("<IQ", len(value), size) + items + bytes(8 * len(value))
    if isinstance(value, bool):
        return head(1) + bytes([value])
    if isinstance(value, int):
        return head(3) + struct.pack("<I", value)
    if isinstance(value, float):
        return head(6) + struct.pack("<d", value)
    return head(8) + (value + "\0").encode("utf-16-le")


def _xml(value: dict[str, Any]) -> bytes:
    def node(name: str, held: Any) -> str:
        if isinstance(held, dict):
            return (
                f'<{name} runtype="CLxListVariant">'
                + "".join(node(k, v) for k, v in held.items())
                + f"</{name}>"
            )
        kind = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}[type(held)]
        said = str(held).lower() if isinstance(held, bool) else held
        return f'<{name} runtype="{kind}" value="{said}"/>'

    inner = next(iter(value.values()))
    return f'<?xml version="1.0" encoding="UTF-8"?><variant version="1.0">{node("no_name", inner)}</variant>'.encode()


def _chunk(name: bytes, data: bytes) -> bytes:
    label = name.ljust(4096 - 16 - 8 if name.startswith(b"ImageDataSeq") else 64, b"\0")
    return struct.pack("<IIQ", 0x0ABECEDA, len(label), len(data)) + label + data


def _chunks(held: dict[str, bytes], version: str) -> bytes:
    out = bytearray(struct.pack("<IIQ", 0x0ABECEDA, 32, 64) + b"ND2 FILE SIGNATURE CHUNK NAME01!")
    out += f"Ver{version}".encode().ljust(64, b"\0")
    listed = b""
    for name, data in held.items():
        listed += name.encode() + struct.pack("<QQ", len(out), len(data))
        out += _chunk(name.encode(), data)
    at = len(out)
    listed += _END + struct.pack("<Q", at)
    return bytes(out) + struct.pack("<IIQ", 0x0ABECEDA, 32, len(listed)) + _LIST + listed


def _boxes(data: Any) -> bytes:
    """An older file: JPEG 2000 boxes, one picture for each channel of each frame."""
    import imagecodecs

    count, rows, columns, channels = data.shape
    out = bytearray(struct.pack(">I4s", 12, b"jP  ") + b"\r\n\x87\n")
    out += struct.pack(">I4s", 20, b"ftyp") + b"jp2 \0\0\0\0jp2 "
    listed = [(b"jP  ", b"    ", 0), (b"ftyp", b"    ", 12)]

    def put(kind: bytes, other: bytes, body: bytes) -> None:
        listed.append((kind, other, len(out)))
        out.extend(struct.pack(">I4s", 8 + len(body), kind) + body)

    put(b"jp2h", b"    ", struct.pack(">I4siihBBBB", 22, b"ihdr", rows, columns, 1, 15, 7, 0, 0))
    for frame in data:
        for channel in range(channels):
            coded = imagecodecs.jpeg2k_encode(
                np.ascontiguousarray(frame[..., channel]), codecformat="j2k", reversible=True, level=0
            )
            put(b"jp2c", b"LUNK", coded)
    planes = "".join(
        f'<Plane_{i}><uiCompCount runtype="lx_uint32" value="1"/><wsOpticalConfigName runtype="CLxStringW" '
        f'value="{name}"/><uiColor runtype="lx_uint32" value="{255 << 8 * i}"/></Plane_{i}>'
        for i, name in enumerate(("DAPI", "GFP"))
    ).replace("Plane_", "i")
    numbered = "".join(f"<p{i}/>" for i in range(0))
    seen = (
        '<variant version="1.0"><no_name runtype="CLxListVariant"><dCalibration runtype="double" value="0.25"/>'
        '<bCalibrated runtype="bool" value="true"/><sPicturePlanes runtype="CLxListVariant">'
        f'<uiCount runtype="lx_uint32" value="{channels}"/><uiCompCount runtype="lx_uint32" value="{channels}"/>'
        f'<sPlane runtype="CLxListVariant">{planes}{numbered}</sPlane></sPicturePlanes></no_name></variant>'
    )
    loop = (
        '<variant version="1.0"><no_name><eType runtype="lx_uint32" value="8"/><uLoopPars>'
        f'<uiCount runtype="lx_uint32" value="{count}"/><pPeriod><i0><uiCount runtype="lx_uint32" value="{count}"/>'
        '<dStart runtype="double" value="0"/><dPeriod runtype="double" value="1000"/>'
        '<dDuration runtype="double" value="0"/></i0></pPeriod></uLoopPars></no_name></variant>'
    )
    for _ in range(count):
        put(b"uuid", b"VCAL", b"<variant/>")
        put(b"uuid", b"VIMD", seen.encode())
    put(b"uuid", b"AIM1", loop.encode())
    map_ = struct.pack(">I", len(listed)) + b"".join(struct.pack("<4s4sI4x", *row) for row in listed)
    tail = b"LABORATORY IMAGING ND BOX MAP 00"
    return bytes(out) + map_ + tail + struct.pack("<Q", len(map_) + 40)


# -- the oracle ---------------------------------------------------------------------------------------------


def oracle(path: Path) -> dict[str, Any] | None:
    """All stage positions by openreadout, which has t, c, z, y, x and colours always."""
    import openreadout

    found: dict[str, Any] = {}
    with openreadout.File(str(path)) as file:
        count = len(file.info["images"])
        for number in range(count):
            data = np.asarray(file.read_image(number))
            if data.ndim == 6:
                data = np.moveaxis(data[:, 0], -1, 1)
            found["0/image" if count == 1 else f"{number}/0/image"] = data.squeeze()
    return found
