"""A writer of OLE2 compound files, version 3, from the specification [MS-CFB]."""

from __future__ import annotations

import struct
from typing import Any

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file of streams by path; folders come from the paths."""
    entries, places = _tree(streams)
    mini, small = b"", []
    body: list[bytes] = []
    fat: list[int] = []
    for number, data in places.items():
        if len(data) < _CUTOFF:
            start = len(mini) // _MINI
            count = -(-len(data) // _MINI)
            entries[number]["start"] = start if count else _END
            small += [*range(start + 1, start + count), *([_END] if count else [])]
            mini += data.ljust(count * _MINI, b"\0")
        else:
            entries[number]["start"] = _add(body, fat, data)
        entries[number]["size"] = len(data)
    entries[0]["start"], entries[0]["size"] = (_add(body, fat, mini), len(mini)) if mini else (_END, 0)
    minifat = struct.pack(f"<{len(small)}I", *small).ljust(-(-len(small) * 4 // _SECTOR) * _SECTOR, b"\xff")
    first_mini = _add(body, fat, minifat) if small else _END
    folder = _add(body, fat, b"".join(map(_entry, entries)).ljust(-(-len(entries) // 4) * _SECTOR, b"\0"))
    tables = 1
    while tables * 128 < len(fat) + tables:
        tables += 1
    own = list(range(len(fat), len(fat) + tables))
    fat += [_FAT] * tables
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(tables * _SECTOR, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, tables, folder, 0, _CUTOFF, first_mini,
                        len(minifat) // _SECTOR, _END, 0, own[0])  # fmt: skip
    head += struct.pack("<108I", *own[1:], *[_FREE] * (109 - tables))
    return head + b"".join(body) + table


def _add(body: list[bytes], fat: list[int], data: bytes) -> int:
    start, count = len(fat), -(-len(data) // _SECTOR)
    body.append(data.ljust(count * _SECTOR, b"\0"))
    fat += [*range(start + 1, start + count), _END]
    return start


def _tree(streams: dict[str, bytes]) -> tuple[list[dict[str, Any]], dict[int, bytes]]:
    """Directory entries, the root first, each folder's children as a balanced tree."""
    nested: dict[str, Any] = {}
    for path, data in streams.items():
        here = nested
        *folders, leaf = path.split("/")
        for folder in folders:
            here = here.setdefault(folder, {})
        here[leaf] = data
    entries: list[dict[str, Any]] = [{"name": "Root Entry", "kind": 5}]
    places: dict[int, bytes] = {}

    def fill(parent: int, content: dict[str, Any]) -> None:
        names = sorted(content, key=lambda n: (len(n), n.upper()))
        numbers = {}
        for name in names:
            numbers[name] = len(entries)
            kind = 1 if isinstance(content[name], dict) else 2
            entries.append({"name": name, "kind": kind})
            if kind == 2:
                places[numbers[name]] = content[name]
        entries[parent]["child"] = balance([numbers[name] for name in names])
        for name in names:
            if isinstance(content[name], dict):
                fill(numbers[name], content[name])

    def balance(numbers: list[int]) -> int:
        if not numbers:
            return _FREE
        middle = len(numbers) // 2
        entry = entries[numbers[middle]]
        entry["left"], entry["right"] = balance(numbers[:middle]), balance(numbers[middle + 1 :])
        return numbers[middle]

    fill(0, nested)
    return entries, places


def _entry(entry: dict[str, Any]) -> bytes:
    name = (entry["name"] + "\0").encode("utf-16-le")
    links = [entry.get(k, _FREE) for k in ("left", "right", "child")]
    start = entry.get("start", 0)
    return struct.pack(
        "<64sHBB3I16xI16xIQ", name, len(name), entry["kind"], 1, *links, 0, start, entry.get("size", 0)
    )
