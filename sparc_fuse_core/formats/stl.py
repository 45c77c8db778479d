"""STL surface meshes, binary and text.

Binary: 80 bytes of free text, u32 triangles, then 50 bytes each: f32 normal x, y, z, f32 x, y, z of three
corners, u16 attribute. Text: ``solid NAME``, ``facet normal``, ``outer loop``, three ``vertex``, ``endloop``,
``endfacet`` … ``endsolid``; several solids may follow each other.

Given are ``vertices`` (vertex, axis) as stored, three for each triangle and none shared, ``faces`` (face,
corner) which numbers them, ``face_normals``, and where there are any ``face_attribute``, or ``solid_name`` and
``solid_offsets`` (the first face of each solid, one more at the end). STL knows no unit of length: there is
none.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._mesh.words import lines_of, numbers
from sparc_fuse_core.model import Array, Format, LazyArray, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_HEAD = 84
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_AXIS = {"axis": ["x", "y", "z"]}
_REPAIR = "Fetch the file again, or export the mesh again."
_WORDS = ("solid", "facet", "outer", "vertex", "endloop", "endfacet", "endsolid")


def open_stl(source: Source, /, **_: Any) -> xr.DataTree:
    """A mesh of triangles; FormatError when it is cut short or none."""
    head = source.head(_HEAD)
    text = head.lstrip()[:5].lower() == b"solid"
    if len(head) == _HEAD:
        count = struct.unpack_from("<I", head, 80)[0]
        # Many programs begin binary files with "solid" too: the length tells them apart.
        if not text or _HEAD + count * _FACET.itemsize == source.size:
            return _open_binary(source, head, count)
    return _open_text(source)


def _open_binary(source: Source, head: bytes, count: int) -> xr.DataTree:
    end = _HEAD + count * _FACET.itemsize
    source.expect(_HEAD, end - _HEAD, "triangles")
    if count == 0:
        raise FormatError(
            f"{source.name}: holds no triangle, in {source.size} bytes; it is damaged", hint=_REPAIR
        )
    warnings = []
    if end < source.size:
        if source.size >= end + _FACET.itemsize:
            raise FormatError(
                f"{source.name}: promises {count} triangles and has bytes for more; its header is damaged or it is "
                "another format", hint=_REPAIR,
            )  # fmt: skip
        warnings.append(f"{source.size - end} bytes behind the last triangle have no meaning and were left")

    def facets(first: int, stop: int) -> NDArray[Any]:
        return source.array(_FACET, _HEAD + first * _FACET.itemsize, stop - first)

    def read_vertices(key: Any) -> NDArray[Any]:
        row = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
        first = row.start // 3
        corners = facets(first, -(-row.stop // 3))["corners"].reshape(-1, 3)
        block = corners[row.start - 3 * first : row.stop - 3 * first, key[1]]
        return block if isinstance(key[0], slice) else block[0]

    def read_field(name: str) -> Any:
        def read(key: Any) -> NDArray[Any]:
            row = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
            block = facets(row.start, row.stop)[name][(slice(None), *key[1:])]
            return block if isinstance(key[0], slice) else block[0]

        return read

    arrays = [
        Array("vertices", LazyArray((3 * count, 3), "f4", read_vertices), ("vertex", "axis"), _AXIS),
        Array("faces", LazyArray((count, 3), "i8", lambda key: _numbered(count, key)), ("face", "corner")),
        Array("face_normals", LazyArray((count, 3), "f4", read_field("normal")), ("face", "axis"), _AXIS),
    ]
    if count > 1 << 16 or facets(0, count)["attribute"].any():
        arrays.append(Array("face_attribute", LazyArray((count,), "u2", read_field("attribute")), ("face",)))
    note = head[:80].split(b"\0")[0].decode("latin-1").strip()
    metadata = {"encoding": "binary"} | ({"header": note} if note else {})
    return recording([], arrays=arrays, kind="geometry", metadata=metadata, warnings=warnings)


def _numbered(count: int, key: Any) -> NDArray[Any]:
    row = key[0] if isinstance(key[0], slice) else slice(key[0], key[0] + 1)
    block = np.arange(3 * row.start, 3 * row.stop, dtype="i8").reshape(-1, 3)[:, key[1]]
    return block if isinstance(key[0], slice) else block[0]


def _open_text(source: Source) -> xr.DataTree:
    solids: list[str] = []
    offsets: list[int] = []
    normals: list[str] = []
    corners: list[str] = []
    for word, rest in _statements(source):
        if word == "solid":
            solids.append(rest)
            offsets.append(len(normals) // 3)
        elif word == "facet":
            if len(corners) != 3 * len(normals):
                raise FormatError(
                    f"{source.name}: a facet has not three corners; it is damaged", hint=_REPAIR
                )
            normals += _three(rest.removeprefix("normal").split(), source)
        elif word == "vertex":
            corners += _three(rest.split(), source)
    count = len(normals) // 3
    if len(corners) != 9 * count or not count:
        raise FormatError(
            f"{source.name}: {count} facets have {len(corners) // 3} corners, {3 * count} were expected; it is "
            "damaged or no STL", hint=_REPAIR,
        )  # fmt: skip
    vertices = numbers(corners, source, "a coordinate").reshape(-1, 3)
    arrays = [
        Array("vertices", vertices, ("vertex", "axis"), _AXIS),
        Array("faces", np.arange(3 * count).reshape(-1, 3), ("face", "corner")),
        Array("face_normals", numbers(normals, source, "a normal").reshape(-1, 3), ("face", "axis"), _AXIS),
    ]
    if any(solids) or len(solids) > 1:
        arrays.append(Array("solid_name", np.array(solids, "O"), ("solid",)))
        arrays.append(Array("solid_offsets", np.array([*offsets, count], "i8"), ("solid_edge",)))
    return recording([], arrays=arrays, kind="geometry", metadata={"encoding": "text"})


def _statements(source: Source) -> Iterator[tuple[str, str]]:
    """First word (lower case) and the rest of every line that says something."""
    open_solid = False
    for line in lines_of(source):
        word, _, rest = line.replace("\t", " ").strip().partition(" ")
        word, rest = word.lower(), rest.strip()
        if not word:
            continue
        if word not in _WORDS:
            raise FormatError(
                f"{source.name}: {line.strip()[:60]!r} is no line of an STL; it is damaged", hint=_REPAIR
            )
        open_solid = word == "solid" or (open_solid and word != "endsolid")
        yield word, rest.lower() if word == "facet" else rest
    if open_solid:
        raise Truncated(f"{source.name}: its last solid has no end; it is cut short", hint=_REPAIR)


def _three(words: list[str], source: Source) -> list[str]:
    if len(words) != 3:
        raise FormatError(
            f"{source.name}: {' '.join(words)[:60]!r} are not three numbers; it is damaged", hint=_REPAIR
        )
    return words


def _sniff(head: bytes) -> bool:
    if head.lstrip()[:5].lower() == b"solid" and b"\0" not in head[80:]:
        return b"facet" in head.lower() or len(head) < 4096
    return len(head) > _HEAD and struct.unpack_from("<I", head, 80)[0] > 0


FORMAT = Format(
    "stl",
    "STL mesh",
    "geometry",
    (".stl",),
    open_stl,
    sniff=_sniff,
    carried="triangles, normals, attributes, solids",
    left="nothing",
    lazy="triangles; text whole",
)
