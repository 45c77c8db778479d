"""Made CZI files, written from the public layout of segments, and czifile as the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(11)
UM = {"y": "micrometer", "x": "micrometer"}
_KINDS = {"u1": 0, "u2": 1, "f4": 2, "i4": 12, "f8": 13, "c8": 10}
# czifile makes alpha opaque, and repeats coarse pixels.
_ALONE = ("colour_u1_4.czi", "coarse.czi")
_COLOURS = {("u1", 3): 3, ("u2", 3): 4, ("f4", 3): 8, ("u1", 4): 9}


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents."""
    expected: dict[str, dict[str, Any]] = {}
    for part in (_types, _packed, _axes, _mosaics, _pyramids, _splits, _hostile):
        expected |= part(folder)
    for name, facts in expected.items():
        if "!error" not in facts and name not in _ALONE:
            _compare(folder / name, facts)
    return expected


def _compare(path: Path, facts: dict[str, Any]) -> None:
    """The writer is right too: czifile finds the same in its files."""
    for place, data in (oracle(path) or {}).items():
        if place in facts and place.endswith("0/image"):
            assert np.array_equal(data, facts[place]), f"{path.name}: {place}"


def _types(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind in _KINDS:
        data = (RANDOM.random((20, 31)) * 200).astype(kind)
        (folder / f"type_{kind}.czi").write_bytes(_czi([_block(data)]))
        found[f"type_{kind}.czi"] = {"0/image": data, "@rgb": False}
    for (kind, samples), _ in _COLOURS.items():
        data = (RANDOM.random((20, 31, samples)) * 200).astype(kind)
        name = f"colour_{kind}_{samples}.czi"
        (folder / name).write_bytes(_czi([_block(data)]))
        found[name] = {"0/image": np.moveaxis(data, -1, 0), "@rgb": True}
    pair = RANDOM.integers(0, 255, (2, 9, 12, 3), "u1")
    blocks = [_block(pair[c], C=c) for c in range(2)]
    (folder / "two_colours.czi").write_bytes(_czi(blocks, _xml(channels=("A", "B"))))
    found["two_colours.czi"] = {
        "0/image": pair.transpose(0, 3, 1, 2).reshape(6, 9, 12), "@rgb": False,
        "0/channel_name": ["A Red", "A Green", "A Blue", "B Red", "B Green", "B Blue"],
    }  # fmt: skip
    return found


def _packed(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs

    found: dict[str, dict[str, Any]] = {}
    grey = (np.add.outer(np.arange(64), np.arange(80)) * 37).astype("u2")
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], -1).astype("u1")
    halves = np.frombuffer(grey.tobytes(), "u1").reshape(-1, 2).T.tobytes()
    bgr = np.ascontiguousarray(colour[..., ::-1])
    ways: dict[str, tuple[Any, int, bytes]] = {
        "jxr_grey": (grey, 4, imagecodecs.jpegxr_encode(grey, level=1.0)),
        "jxr_rgb": (colour, 4, imagecodecs.jpegxr_encode(colour, level=1.0)),
        "zstd0": (grey, 5, imagecodecs.zstd_encode(grey.tobytes())),
        "zstd0_rgb": (colour, 5, imagecodecs.zstd_encode(bgr.tobytes())),
        "zstd1": (grey, 6, b"\x01" + imagecodecs.zstd_encode(grey.tobytes())),
        "zstd1_halves": (grey, 6, b"\x03\x01\x01" + imagecodecs.zstd_encode(halves)),
        "zstd1_plain": (grey, 6, b"\x03\x01\x00" + imagecodecs.zstd_encode(grey.tobytes())),
        "lzw": (grey, 2, imagecodecs.lzw_encode(grey.tobytes())),
    }
    for name, (data, way, packed) in ways.items():
        (folder / f"{name}.czi").write_bytes(_czi([_block(data, packed=(way, packed))]))
        found[f"{name}.czi"] = {"0/image": data if data.ndim == 2 else np.moveaxis(data, -1, 0)}
    jpeg = imagecodecs.jpeg_encode(colour, level=90)
    (folder / "jpeg.czi").write_bytes(_czi([_block(colour, packed=(1, jpeg))]))
    found["jpeg.czi"] = {"0/image": np.moveaxis(imagecodecs.jpeg_decode(jpeg), -1, 0)}
    return found


def _axes(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 9999, (3, 2, 4, 10, 14), "u2")
    blocks = [
        _block(data[t, c, z], T=t, C=c, Z=z + 5, B=0) for t in range(3) for z in range(4) for c in range(2)
    ]
    times = struct.pack("<ii3d", 32, 3, 100.0, 102.5, 105.0)
    events = struct.pack("<ii", 40, 1) + struct.pack("<idii", 32, 101.5, 0, 5) + b"bleach".ljust(12, b"\0")
    xml = _xml(channels=("GFP", "DAPI"), size=(0.5e-6, 0.25e-6, 2e-6))
    made = _czi(blocks, xml, [("TimeStamps", "CZTIMS", times), ("EventList", "CZEVL", events),
                              ("Label", "CZI", b"x"), ("Thumbnail", "JPG", b"x")])  # fmt: skip
    (folder / "five.czi").write_bytes(made)
    found: dict[str, dict[str, Any]] = {"five.czi": {
        "0/image": data, "0/channel_name": ["GFP", "DAPI"], "@time_stamps": [0.0, 2.5, 5.0],
        "@pixel_size": {"z": 2.0, "y": 0.25, "x": 0.5, "t": 2.5}, "@recording_start": "2020-01-02T03:04:05Z",
        "?warning": "'Label'", "?dropped": ["Label", "Thumbnail"],
        "@channels": [{"name": "GFP", "color": "00FF10", "window": [0.0, 32767.5]},
                      {"name": "DAPI", "color": "00FF10", "window": [0.0, 32767.5]}],
        "@stage_position": {"x": 12.5, "y": -3.0, "z": 7.0},
    }}  # fmt: skip
    many = RANDOM.integers(0, 255, (2, 3, 4, 6, 7), "u1")
    blocks = [_block(many[v, h, t], V=v, H=h, T=t) for t in range(4) for h in range(3) for v in range(2)]
    (folder / "views_phases.czi").write_bytes(_czi(blocks))
    found["views_phases.czi"] = {"0/image": many, "?warning": ["'view'", "'phase'"]}
    (folder / "hole.czi").write_bytes(_czi([_block(data[0, c, z], C=c, Z=z) for c, z in ((0, 0), (1, 1))]))
    lost = np.zeros((2, 2, 10, 14), "u2")
    lost[0, 0], lost[1, 1] = data[0, 0, 0], data[0, 1, 1]
    found["hole.czi"] = {"0/image": lost, "?warning": "2 of 4 planes"}
    return found


def _mosaics(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    tiles = RANDOM.integers(1, 255, (4, 30, 40), "u1")
    corners = [(-7, 100), (-7, 130), (15, 100), (15, 130)]
    whole = np.zeros((52, 70), "u1")
    for tile, (y, x) in zip(tiles, corners, strict=True):
        whole[y + 7 : y + 37, x - 100 : x - 60] = tile
    blocks = [_block(t, Y=y, X=x, M=m) for m, (t, (y, x)) in enumerate(zip(tiles, corners, strict=True))]
    (folder / "overlap.czi").write_bytes(_czi([blocks[i] for i in (2, 0, 3, 1)]))
    found["overlap.czi"] = {"0/image": whole, "@start_pixel": {"y": -7, "x": 100}}
    gap = np.zeros((30, 100), "u1")
    gap[:, :40], gap[:, 60:] = tiles[0], tiles[1]
    (folder / "gap.czi").write_bytes(_czi([_block(tiles[0], X=0, M=0), _block(tiles[1], X=60, M=1)]))
    found["gap.czi"] = {"0/image": gap}
    valid = RANDOM.integers(0, 2, (30, 40)).astype(bool)
    under = np.where(valid, tiles[1], tiles[0])
    masked = [_block(tiles[0], M=0), _block(tiles[1], M=1, mask=valid)]
    (folder / "mask.czi").write_bytes(_czi(masked))
    found["mask.czi"] = {"0/image": under}
    return found


def _pyramids(folder: Path) -> dict[str, dict[str, Any]]:
    full = RANDOM.integers(0, 255, (301, 403), "u1")
    half, quarter = full[::2, ::2], full[::4, ::4]
    blocks = [_block(full[y : y + 128, x : x + 128], Y=y, X=x, M=n)
              for n, (y, x) in enumerate((y, x) for y in (0, 128, 256) for x in (0, 128, 256, 384))]  # fmt: skip
    blocks += [
        _block(half[y : y + 128, x : x + 128], (min(256, 301 - 2 * y), min(256, 403 - 2 * x)), Y=2 * y, X=2 * x,
               pyramid=2) for y in (0, 128) for x in (0, 128)
    ]  # fmt: skip
    blocks.append(_block(quarter, full.shape, pyramid=2))
    blocks.append(_block(full[:30, :40], (240, 320), pyramid=2))
    (folder / "pyramid.czi").write_bytes(_czi(blocks))
    found: dict[str, dict[str, Any]] = {"pyramid.czi": {
        "0/image": full, "1/image": half, "2/image": quarter, "?dropped": "the whole picture",
    }}  # fmt: skip
    pair = RANDOM.integers(0, 255, (2, 40, 50), "u1")
    blocks = [_block(pair[s], S=s, X=1000 * s, Y=5) for s in range(2)]
    blocks += [_block(pair[s][::2, ::2], (40, 50), S=s, X=1000 * s, Y=5, pyramid=2) for s in range(2)]
    blocks.append(_block(pair[0], (320, 400), pyramid=2))
    (folder / "scenes.czi").write_bytes(_czi(blocks, _xml(scenes=("left", "right"))))
    found["scenes.czi"] = {
        "0/0/image": pair[0], "0/1/image": pair[0][::2, ::2], "1/0/image": pair[1],
        "1/1/image": pair[1][::2, ::2], "0@name": "left", "1@name": "right", "1@centre_position": [3.0, 4.0],
        "?dropped": "overviews over several scenes",
    }  # fmt: skip
    return found


def _splits(folder: Path) -> dict[str, dict[str, Any]]:
    grey, deep = RANDOM.integers(0, 255, (9, 12), "u1"), RANDOM.integers(0, 9999, (9, 12), "u2")
    mixed = _czi([_block(grey, C=0), _block(deep, C=1)], _xml(channels=("eight", "sixteen")))
    (folder / "mixed.czi").write_bytes(mixed)
    found: dict[str, dict[str, Any]] = {"mixed.czi": {
        "0/0/image": grey, "1/0/image": deep, "?warning": "different pixel types",
        "1@channels": [{"name": "sixteen", "color": "00FF10", "window": [0.0, 32767.5]}],
    }}  # fmt: skip
    coarse = _czi([_block(grey, (18, 24))], _xml(size=(1e-6, 1e-6, 0.0)))
    (folder / "coarse.czi").write_bytes(coarse)
    found["coarse.czi"] = {"0/image": grey, "@pixel_size": {"y": 2.0, "x": 2.0}, "?warning": "factors 2, 2"}
    (folder / "pending.czi").write_bytes(_czi([_block(grey)], pending=1))
    found["pending.czi"] = {"0/image": grey, "?warning": "not closed"}
    return found


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    grey = RANDOM.integers(0, 255, (9, 12), "u1")
    good = _czi([_block(grey)], _xml())
    bomb = _block(
        np.zeros((2, 2), "u1"), packed=(5, b"(\xb5/\xfd"), stored=(40000, 40000), size=(40000, 40000)
    )
    files = {
        "cut.czi": (good[:400], "Truncated"),
        "no_directory.czi": (_czi([_block(grey)], directory=0), "FormatError"),
        "no_blocks.czi": (_czi([]), "FormatError"),
        "elsewhere.czi": (_czi([_block(grey)], directory=1 << 50), "Truncated"),
        "part.czi": (_czi([_block(grey)], part=2), "FormatError"),
        "short.czi": (_czi([_block(grey, stored=(99, 99), size=(99, 99))]), "Truncated"),
        "bomb.czi": (_czi([bomb]), "LimitExceeded"),
        "far.czi": (_czi([_block(grey), _block(grey, X=1 << 30, Y=1 << 30)]), "LimitExceeded"),
        "spread.czi": (_czi([_block(grey, T=i, C=i, Z=i) for i in range(40)]), "LimitExceeded"),
        "odd_type.czi": (_czi([_block(grey, kind=77)]), "FormatError"),
        "odd_packing.czi": (_czi([_block(grey, packed=(44, b"1234"))]), "FormatError"),
        "thick.czi": (_czi([_block(grey, thick=3, Z=0)]), "FormatError"),
        "odd_axis.czi": (_czi([_block(grey, W=0), _block(grey, W=1)]), "FormatError"),
        "entity.czi": (
            _czi([_block(grey)], '<!DOCTYPE a [<!ENTITY b "c">]><ImageDocument>&b;</ImageDocument>'),
            "FormatError",
        ),
        "broken_xml.czi": (_czi([_block(grey)], "<ImageDocument><Meta"), "FormatError"),
    }
    import imagecodecs

    endless = imagecodecs.jpeg_encode(np.zeros((9, 12), "u1"))[:-2]
    files["endless_jpeg.czi"] = (_czi([_block(grey, packed=(1, endless))]), "Truncated")
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: {"!error": error} for name, (_, error) in files.items()}


# -- the writer ---------------------------------------------------------------------------------------------


def _block(
    data: Any, covers: tuple[int, int] | None = None, *, packed: tuple[int, bytes] | None = None,
    pyramid: int = 0, mask: Any = None, stored: tuple[int, int] | None = None,
    size: tuple[int, int] | None = None, kind: int | None = None, thick: int = 1, **start: int,
) -> dict[str, Any]:  # fmt: skip
    samples = data.shape[2] if data.ndim == 3 else 1
    number = _KINDS[data.dtype.str[1:]] if samples == 1 else _COLOURS[data.dtype.str[1:], samples]
    turned = data[..., [2, 1, 0, 3][:samples]] if samples > 1 else data
    way, pixels = packed or (0, np.ascontiguousarray(turned).tobytes())
    return {
        "kind": number if kind is None else kind, "way": way, "pixels": pixels, "pyramid": pyramid,
        "stored": stored or data.shape[:2], "size": size or covers or data.shape[:2], "start": start,
        "mask": mask, "thick": thick,
    }  # fmt: skip


def _entry(block: dict[str, Any], place: int) -> bytes:
    sides = [("X", block["size"][1], block["stored"][1]), ("Y", block["size"][0], block["stored"][0])]
    axes = [(axis, block["start"].get(axis, 0), n, 0 if n == m else m) for axis, n, m in sides]
    axes += [(axis, at, block["thick"], 0) for axis, at in block["start"].items() if axis not in "YX"]
    rows = b"".join(struct.pack("<4siifi", axis.encode(), at, n, 0.0, kept) for axis, at, n, kept in axes)
    head = struct.pack(
        "<2siqiiB5xi", b"DV", block["kind"], place, 0, block["way"], block["pyramid"], len(axes)
    )
    return head + rows


def _segment(name: str, data: bytes) -> bytes:
    room = -(-len(data) // 32) * 32
    return struct.pack("<16sqq", name.encode(), room, len(data)) + data.ljust(room, b"\0")


def _czi(
    blocks: list[dict[str, Any]], xml: str = "", attachments: Any = (), *, part: int = 0, pending: int = 0,
    directory: int | None = None,
) -> bytes:  # fmt: skip
    out = bytearray(_segment("ZISRAWFILE", bytes(512)))
    entries, listed = [], []
    tile_xml = (b"<METADATA><Tags><StageXPosition>+12.5</StageXPosition><StageYPosition>-3</StageYPosition>"
                b"<FocusPosition>7</FocusPosition></Tags></METADATA>")  # fmt: skip
    for block in blocks:
        entry = _entry(block, len(out))
        entries.append(entry)
        extra = _mask(block["mask"]) if block["mask"] is not None else b""
        head = struct.pack("<iiq", len(tile_xml), len(extra), len(block["pixels"])) + entry.ljust(240, b"\0")
        out += _segment("ZISRAWSUBBLOCK", head + tile_xml + block["pixels"] + extra)
    for name, kind, data in attachments:
        listed.append(
            struct.pack("<2s10xqi16s8s80s", b"A1", len(out), 0, bytes(16), kind.encode(), name.encode())
        )
        out += _segment("ZISRAWATTACH", struct.pack("<i252x", len(data)) + data)
    at = len(out)
    out += _segment("ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    described = len(out) if xml else 0
    if xml:
        out += _segment("ZISRAWMETADATA", struct.pack("<ii248x", len(xml.encode()), 0) + xml.encode())
    attached = len(out) if listed else 0
    if listed:
        out += _segment("ZISRAWATTDIR", struct.pack("<i252x", len(listed)) + b"".join(listed))
    places = (part, at if directory is None else directory, described, pending, attached)
    out[32:36] = struct.pack("<i", 1)
    out[80:112] = struct.pack("<iqqiq", *places)
    return bytes(out)


def _mask(valid: Any) -> bytes:
    bits = np.packbits(valid, axis=1)
    head = struct.pack("<IIII", valid.shape[1], valid.shape[0], 0, bits.shape[1])
    guid = bytes.fromhex("67eae3cbfc5b2b49a16aece378031448")
    body = head + bits.tobytes()
    return guid + struct.pack("<i", len(body)) + body


def _xml(channels: Any = (), size: Any = (), scenes: Any = ()) -> str:
    shown = "".join(
        f'<Channel Id="Channel:{i}" Name="{name}"><Color>#FF00FF10</Color><Low>0</Low><High>0.5</High></Channel>'
        for i, name in enumerate(channels)
    )
    listed = "".join(f'<Channel Id="Channel:{i}"/>' for i in range(len(channels)))
    places = "".join(
        f'<Scene Index="{i}" Name="{name}"><CenterPosition>3,4</CenterPosition></Scene>'
        for i, name in enumerate(scenes)
    )
    steps = "".join(
        f'<Distance Id="{axis}"><Value>{step}</Value></Distance>'
        for axis, step in zip("XYZ", size, strict=False)
    )
    return (
        "<ImageDocument><Metadata><Information><Document><UserName>Somebody</UserName></Document><Image>"
        "<AcquisitionDateAndTime>2020-01-02T03:04:05Z</AcquisitionDateAndTime><Dimensions><Channels>"
        f"{listed}</Channels><S><Scenes>{places}</Scenes></S></Dimensions></Image></Information><Scaling>"
        f"<Items>{steps}</Items></Scaling><DisplaySetting><Channels>{shown}</Channels></DisplaySetting>"
        "</Metadata></ImageDocument>"
    )


# -- the oracle ---------------------------------------------------------------------------------------------


def oracle(path: Path) -> dict[str, Any] | None:
    """Scenes, resolutions and pixel sizes by czifile, on one thread so that overlaps are laid in order."""
    import czifile

    if not hasattr(czifile.CziFile, "scenes"):
        return None  # the last version for Python 3.11
    found: dict[str, Any] = {}
    with czifile.CziFile(path) as file:
        for number, scene in enumerate(file.scenes.values()):
            prefix = f"{number}/" if len(file.scenes) > 1 else ""
            for index, level in enumerate(scene.levels):
                found[f"{prefix}{index}/image"] = _ordered(level.asarray(maxworkers=1), level.axes)
            scales = {
                a.lower(): s * 1e6 for a, s in scene.coord_scales.items() if a in scene.axes and a in "YX"
            }
            found["~"] = 1e-12
            if scales and not prefix:
                found["0/y"] = np.arange(scene.sizes["Y"]) * scales["y"]
    return found


def _ordered(data: Any, axes: str) -> Any:
    """Axes as we order them; samples and channels share one axis, samples fastest."""
    rank = {"V": 0, "R": 1, "I": 2, "H": 3, "B": 4, "T": 5, "C": 6, "S": 7, "Z": 8, "Y": 9, "X": 10}
    order = sorted(range(len(axes)), key=lambda i: rank[axes[i]])
    data, named = data.transpose(order), [axes[i] for i in order]
    if "C" in named and "S" in named:
        at = named.index("C")
        return data.reshape(*data.shape[:at], -1, *data.shape[at + 2 :])
    return data
