"""Made LSM files: a TIFF writer of planes and thumbnails by turns with CZ_LSMINFO; tifffile reads them too."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(9)


def make(folder: Path) -> dict[str, dict[str, Any]]:
    """Files with their contents; what can be read by tifffile is compared with its reading here."""
    expected: dict[str, dict[str, Any]] = {}
    for part in (_scans, _packed, _kinds, _blocks, _hostile):
        expected |= part(folder)
    for name, facts in expected.items():
        if "!error" not in facts and "?tifffile" not in facts:
            _compare(folder / name, facts)
        facts.pop("?tifffile", None)
    return expected


def _compare(path: Path, facts: dict[str, Any]) -> None:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        data, axes = series.asarray(), series.axes.replace("S", "C")
    ours = facts["0/image"] if "0/image" in facts else np.stack([facts["0/0/image"], facts["1/0/image"]])
    order = [axes.index(a) for a in "MPTCZYX" if a in axes]
    assert data.transpose(order).squeeze().tolist() == ours.squeeze().tolist(), path.name


def _scans(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    data = RANDOM.integers(0, 255, (3, 2, 4, 10, 12), "u1")  # t c z y x
    size = {"z": 2.0, "y": 0.5, "x": 0.5}
    pages = data.transpose(0, 2, 1, 3, 4).reshape(12, 2, 10, 12)
    (folder / "stack_times.lsm").write_bytes(_lsm(pages, 6, {"t": 3, "z": 4}))
    found["stack_times.lsm"] = {
        "0/image": data, "@pixel_size": {**size, "t": 1.5}, "0/channel_name": ["Ch1", "Ch2"],
        "@channels": [{"name": "Ch1", "color": "FF0000"}, {"name": "Ch2", "color": "00FF00"}],
        "?dropped": "12 thumbnails",
    }  # fmt: skip
    (folder / "stack.lsm").write_bytes(_lsm(pages[:4], 0, {"z": 4}, thumbnails=False))
    found["stack.lsm"] = {"0/image": data[0], "@pixel_size": size, "?tifffile": "needs thumbnails"}
    (folder / "times.lsm").write_bytes(_lsm(data[:, :, 0], 3, {"t": 3}, times=[5.0, 6.0, 8.0]))
    found["times.lsm"] = {"0/image": data[:, :, 0], "@time_stamps": [0.0, 1.0, 3.0],
                          "@pixel_size": {"y": 0.5, "x": 0.5}}  # fmt: skip
    (folder / "xz.lsm").write_bytes(_lsm(data[:1, :, 0], 1, {"z": 10}))
    found["xz.lsm"] = {"0/image": data[0, :, 0][:, :, None], "?tifffile": "y is 10 for it"}
    (folder / "lines.lsm").write_bytes(_lsm(data[:1, :, 0], 2, {"t": 10}))
    found["lines.lsm"] = {
        "0/image": data[0, :, 0].transpose(1, 0, 2)[:, :, None],
        "?tifffile": "y is 10 for it",
    }
    (folder / "xz_times.lsm").write_bytes(_lsm(data[:, :, 0], 4, {"t": 3, "z": 10}))
    found["xz_times.lsm"] = {"0/image": data[:, :, 0][:, :, :, None], "?tifffile": "y is 10 for it"}
    (folder / "stopped.lsm").write_bytes(_lsm(data[:2, :, 0], 3, {"t": 3}))
    lost = np.concatenate([data[:2, :, 0], np.zeros((1, 2, 10, 12), "u1")])
    found["stopped.lsm"] = {"0/image": lost, "?warning": "1 of 3 planes", "?tifffile": "stops"}
    (folder / "more.lsm").write_bytes(_lsm(data[:, :, 0], 0, {"z": 2}))
    found["more.lsm"] = {"0/image": data[:, :, 0], "?warning": "promises 2 planes", "?tifffile": "stops"}
    return found


def _packed(folder: Path) -> dict[str, dict[str, Any]]:
    import imagecodecs

    found: dict[str, dict[str, Any]] = {}
    slope = np.add.outer(np.arange(40), np.arange(50))
    for kind, predictor in (("u1", 1), ("u1", 2), ("u2", 1), ("u2", 2)):
        data = np.stack([slope * 3, slope[::-1] * 5]).astype(kind)[None]

        def pack(plane: Any, predictor: int = predictor) -> bytes:
            turned = imagecodecs.delta_encode(plane, axis=-1) if predictor == 2 else plane
            return imagecodecs.lzw_encode(turned.tobytes())

        name = f"lzw_{kind}_{predictor}.lsm"
        (folder / name).write_bytes(_lsm(data, 0, {"z": 1}, pack=pack, predictor=predictor))
        found[name] = {"0/image": data[0]}
    noise = RANDOM.integers(0, 255, (3, 2, 40, 50), "u1")  # packs to more than it is
    made = _lsm(noise, 3, {"t": 3}, pack=lambda plane: imagecodecs.lzw_encode(plane.tobytes()))
    (folder / "lzw_noise.lsm").write_bytes(made)
    found["lzw_noise.lsm"] = {"0/image": noise}
    return found


def _kinds(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind in ("u2", "f4"):
        data = (RANDOM.random((2, 3, 10, 12)) * 4000).astype(kind)
        (folder / f"type_{kind}.lsm").write_bytes(_lsm(data, 0, {"z": 2}))
        found[f"type_{kind}.lsm"] = {"0/image": data.swapaxes(0, 1)}
    one = RANDOM.integers(0, 255, (2, 1, 10, 12), "u1")
    (folder / "one_channel.lsm").write_bytes(_lsm(one, 0, {"z": 2}))
    found["one_channel.lsm"] = {"0/image": one[:, 0]}
    (folder / "bits_inside.lsm").write_bytes(_lsm(one.repeat(2, 1), 0, {"z": 2}, bits_elsewhere=False))
    found["bits_inside.lsm"] = {
        "0/image": one.repeat(2, 1).swapaxes(0, 1),
        "?tifffile": "takes them for a place",
    }
    (folder / "predictor_lie.lsm").write_bytes(_lsm(one, 0, {"z": 2}, predictor=2))
    found["predictor_lie.lsm"] = {"0/image": one[:, 0]}
    (folder / "named.tif").write_bytes(_lsm(one, 0, {"z": 2}))
    found["named.tif"] = {"0/image": one[:, 0]}
    return found


def _blocks(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 255, (4, 1, 10, 12), "u1")
    made = _lsm(data, 0, {"z": 2, "p": 2}, positions=[(1e-6, 2e-6, 3e-6), (4e-6, 5e-6, 6e-6)], extra=True)
    (folder / "positions.lsm").write_bytes(made)
    found: dict[str, dict[str, Any]] = {"positions.lsm": {
        "0/0/image": data[:2, 0], "1/0/image": data[2:, 0], "1@position": 1, "~": 1e-12,
        "1@stage_position": {"x": 4.0, "y": 5.0, "z": 6.0},
        "@recording_start": "2009-02-13T12:00:00.000", "?dropped": "overlay",
    }}  # fmt: skip
    broken = _lsm(data, 0, {"z": 4}, broken=True)
    (folder / "broken_blocks.lsm").write_bytes(broken)
    found["broken_blocks.lsm"] = {"0/image": data[:, 0], "?warning": "channel colours", "?tifffile": "fails"}
    return found


def _hostile(folder: Path) -> dict[str, dict[str, Any]]:
    data = RANDOM.integers(0, 255, (2, 2, 10, 12), "u1")
    good = _lsm(data, 0, {"z": 2})
    info = good.index(struct.pack("<Ii", 0x0400494C, 500))
    many = bytearray(good)
    many[info + 16 : info + 20] = struct.pack("<i", 1 << 23)
    negative = bytearray(good)
    negative[info + 16 : info + 20] = struct.pack("<i", -1)
    files = {
        "cut.lsm": (good[: len(good) // 2], "Truncated"),
        "no_strips.lsm": (_lsm(data, 0, {"z": 2}, strip=0), "Truncated"),
        "beyond.lsm": (_lsm(data, 0, {"z": 2}, strip=1 << 30), "Truncated"),
        "many.lsm": (bytes(many), "LimitExceeded"),
        "negative.lsm": (bytes(negative), "LimitExceeded"),
        "bad_info.lsm": (good[:info] + bytes(4) + good[info + 4 :], "FormatError"),
        "short_info.lsm": (_lsm(data, 0, {"z": 2}, info_size=100), "FormatError"),
    }
    for name, (made, _) in files.items():
        (folder / name).write_bytes(made)
    return {name: {"!error": error} for name, (_, error) in files.items()}


# -- the writer ---------------------------------------------------------------------------------------------


def _lsm(
    pages: Any, scan: int, sizes: dict[str, int], *, pack: Any = None, predictor: int = 1, times: Any = (),
    positions: Any = (), thumbnails: bool = True, bits_elsewhere: bool = True, extra: bool = False,
    broken: bool = False, strip: int | None = None, strips: Any = None, info_size: int = 500,
) -> bytes:  # fmt: skip
    """Pages as (page, channel, row, column)."""
    channels, rows, columns = pages.shape[1:]
    out = bytearray(b"II*\0" + bytes(4) + bytes(400))  # room for the first directory
    blocks: dict[int, int] = {}

    def put(at: int, data: bytes) -> None:
        blocks[at] = len(out)
        out.extend(data + bytes(-len(data) % 4))

    put(108, _colors(channels) if not broken else struct.pack("<6I", 1 << 30, 1 << 30, 1, 24, 24, 0))
    if times:
        put(132, struct.pack(f"<ii{len(times)}d", 8 + 8 * len(times), len(times), *times))
    if positions:
        put(376, struct.pack("<I", len(positions)) + b"".join(struct.pack("<3d", *p) for p in positions))
    if extra:
        put(124, _scan_information())
        put(136, struct.pack("<II", 30, 1) + struct.pack("<IdI", 22, 1.5, 4) + b"event\0")
        put(96, bytes(8))
    info = len(out)
    out += _info(scan, {"x": columns, "y": rows, "c": channels, **sizes}, blocks)
    places = []
    for page in pages:
        packed = [pack(plane) if pack else np.ascontiguousarray(plane).tobytes() for plane in page]
        starts = []
        for data in packed:
            starts.append(len(out) if strip is None else strip)
            out += data
        places.append(strips[len(places)] if strips else starts)
    small, at = len(out), 8
    out += bytes(16 * channels)
    width = 8 * pages.dtype.itemsize
    for number, starts in enumerate(places):
        tags = _tags(columns, rows, channels, width, starts, rows * columns * width // 8)
        tags |= {254: (4, (0,)), 259: (3, (5 if pack else 1,)), 317: (3, (predictor,))}
        if pages.dtype.kind == "f":
            tags[339] = (3, (3,) * channels)
        if number == 0:
            tags[34412] = (1, ("at", info, info_size))
        at = _directory(out, at, tags, bits_elsewhere and channels == 2)
        if thumbnails:
            thumb = _tags(4, 4, channels, 8, [small + 16 * c for c in range(channels)], 16)
            at = _directory(
                out, at, thumb | {254: (4, (1,)), 259: (3, (1,))}, bits_elsewhere and channels == 2
            )
    out[at : at + 4] = bytes(4)
    out[4:8] = struct.pack("<I", 8)
    return bytes(out)


def _tags(columns: int, rows: int, channels: int, width: int, starts: list[int], size: int) -> dict[int, Any]:
    return {
        256: (4, (columns,)), 257: (4, (rows,)), 258: (3, (width,) * channels), 262: (3, (1,)),
        273: (4, tuple(starts)), 277: (3, (channels,)), 279: (4, (size,) * channels), 284: (3, (2,)),
    }  # fmt: skip


def _directory(out: bytearray, at: int, tags: dict[int, Any], bits_elsewhere: bool = False) -> int:
    """Write a directory where ``at`` points (8 is the room at the start); give the place of the next pointer."""
    place = 8 if at == 8 else len(out)
    if at != 8:
        out[at : at + 4] = struct.pack("<I", place)
        out += bytes(2 + 12 * len(tags) + 4)
    entries = b""
    for code, (kind, values) in sorted(tags.items()):
        if values[0] == "at":
            entries += struct.pack("<HHII", code, kind, values[2], values[1])
            continue
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4 or (code == 258 and bits_elsewhere):
            outside = len(out)
            out += data + bytes(-len(data) % 4)
            data = struct.pack("<I", outside)
        entries += struct.pack("<HHI", code, kind, len(values)) + data.ljust(4, b"\0")
    body = struct.pack("<H", len(tags)) + entries
    out[place : place + len(body)] = body
    return place + len(body)


def _info(scan: int, sizes: dict[str, int], blocks: dict[int, int]) -> bytes:
    data = bytearray(500)
    said = [max(1, sizes.get(axis, 1)) for axis in "xyzct"]
    struct.pack_into("<Ii5iiii", data, 0, 0x0400494C, 500, *said, 1, 4, 4)
    struct.pack_into("<3d", data, 40, 0.5e-6, 0.5e-6, 2e-6)
    struct.pack_into("<H", data, 88, scan)
    struct.pack_into("<d", data, 112, 1.5)
    struct.pack_into("<2i", data, 264, sizes.get("p", 0), sizes.get("m", 0))
    for at, place in blocks.items():
        struct.pack_into("<I", data, at, place)
    return bytes(data)


def _colors(channels: int) -> bytes:
    colors = b"".join(bytes([255 * (c == 0), 255 * (c == 1), 0, 0]) for c in range(channels))
    names = b"".join(struct.pack("<I", 4) + f"Ch{c + 1}\0".encode() for c in range(channels))
    size = 24 + len(colors) + len(names)
    return struct.pack("<6I", size, channels, channels, 24, 24 + len(colors), 0) + colors + names


def _scan_information() -> bytes:
    def entry(code: int, kind: int, data: bytes) -> bytes:
        return struct.pack("<III", code, kind, len(data)) + data

    begin, end = (0x10000000, 0, b""), (0xFFFFFFFF, 0, b"")
    said = [(0x10000004, 2, b"Plan 20x\0"), (0x10000036, 5, struct.pack("<d", 39857.5))]
    return b"".join(entry(*row) for row in (begin, *said, (0x20000000, 0, b""), end, end))


def oracle(path: Path) -> dict[str, Any] | None:
    """The planes by tifffile."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        if set(series.axes) & set("MP"):
            return None
        data, axes = series.asarray(), series.axes.replace("S", "C")
    return {"0/image": data.transpose([axes.index(a) for a in "TCZYX" if a in axes])}
