"""Wavefront OBJ meshes (text).

Lines of a keyword and values: ``v`` x y z (w, or r g b), ``vt`` u (v w), ``vn`` x y z, ``f`` corners written as
``v``, ``v/vt``, ``v//vn`` or ``v/vt/vn`` and counted from 1 or back from the last, ``l`` lines, ``p`` points,
``o`` object, ``g`` groups, ``usemtl`` material, ``s`` smoothing group, ``mtllib`` files of materials, ``#``
comments; a ``\\`` at its end continues a line.

Given are ``vertices`` (vertex, axis), ``vertex_color`` or ``vertex_weight``, ``texture_coordinates``,
``normals``; faces ragged: ``faces`` (the vertex of every corner, counted from 0), ``face_offsets`` (where each
face begins in it, one more at the end), ``face_textures`` and ``face_normals`` (-1: none) in step with
``faces``; ``lines`` with ``line_offsets`` and ``line_textures``, ``points``; and ``face_object``,
``face_group``, ``face_material`` (also of lines and points) which number ``object_name``, ``group_name``,
``material_name`` (-1: none), ``face_smoothing``. Corners keep the number of the vertex they name: nothing is
split, merged or turned into triangles. OBJ knows no unit of length: there is none. Free-form curves and
surfaces and what stands in the files of materials are not carried over.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._mesh.words import lines_of, table
from sparc_fuse_core.model import Array, Format, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from sparc_fuse_core.source import Source

_REPAIR = "Fetch the file again, or export the mesh again."
_LABELS = {"o": "object", "g": "group", "usemtl": "material"}
_KNOWN = ("v", "vt", "vn", "vp", "f", "l", "p", "o", "g", "s", "usemtl", "mtllib", "mg", "usemap", "maplib", "cstype",
          "deg", "curv", "curv2", "surf", "parm", "trim", "hole", "scrv", "sp", "end", "con", "bmat", "step", "bevel",
          "c_interp", "d_interp", "lod", "shadow_obj", "trace_obj", "ctech", "stech", "call", "csh", "fo")  # fmt: skip


@dataclass(slots=True)
class Elements:
    """Faces, lines or points: corners of all, where each begins, and what each belongs to."""

    vertex: list[int] = field(default_factory=list)
    texture: list[int] = field(default_factory=list)
    normal: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    owners: list[tuple[int, int, int, int]] = field(default_factory=list)


class _Mesh:
    """What the lines of a file have said so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "vn": []}
        self.elements = {"f": Elements(), "l": Elements(), "p": Elements()}
        self.labels: dict[str, dict[str, int]] = {"o": {}, "g": {}, "usemtl": {}}
        self.now = {"o": -1, "g": -1, "usemtl": -1, "s": 0}
        self.libraries: list[str] = []
        self.comments: list[str] = []
        self.left: Counter[str] = Counter()
        self.smooth = False

    def take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in self.rows:
            self.rows[word].append(rest.split())
        elif word in self.elements:
            self._element(word, rest.split())
        elif word in _LABELS:
            name = " ".join(rest.split())
            self.now[word] = self.labels[word].setdefault(name, len(self.labels[word]))
        elif word == "s":
            self._smooth(rest.strip())
        elif word == "mtllib":
            self.libraries.append(rest.strip())
        elif word.startswith("#"):
            if len(self.comments) < 20:
                self.comments.append(line[1:].strip())
        elif word in _KNOWN:
            self.left[word] += 1
        else:
            raise FormatError(
                f"{self.source.name}: {line[:60]!r} is no line of an OBJ mesh; it is damaged", hint=_REPAIR
            )

    def _smooth(self, value: str) -> None:
        self.now["s"] = int(value) if value.isdecimal() and len(value) < 10 else 0
        self.smooth = self.smooth or self.now["s"] != 0

    def _element(self, word: str, corners: list[str]) -> None:
        held, counts = self.elements[word], [len(rows) for rows in self.rows.values()]
        least = {"f": 3, "l": 2, "p": 1}[word]
        if len(corners) < least:
            raise FormatError(
                f"{self.source.name}: {word} {' '.join(corners)} has {len(corners)} corners, {least} are needed",
                hint=_REPAIR,
            )
        for corner in corners:
            if "/" not in corner:  # much the most, and worth being quick
                held.vertex.append(self._number(corner, counts[0]))
                held.texture.append(-1)
                held.normal.append(-1)
                continue
            parts = corner.split("/")
            if len(parts) > 3 or not parts[0]:
                raise FormatError(
                    f"{self.source.name}: {corner!r} is no corner of a face; it is damaged", hint=_REPAIR
                )
            held.vertex.append(self._number(parts[0], counts[0]))
            held.texture.append(self._number(parts[1], counts[1]) if parts[1] else -1)
            held.normal.append(self._number(parts[2], counts[2]) if len(parts) == 3 and parts[2] else -1)
        held.sizes.append(len(corners))
        held.owners.append((self.now["o"], self.now["g"], self.now["usemtl"], self.now["s"]))

    def _number(self, word: str, count: int) -> int:
        """Place from 0 of what ``word`` names: counted from 1, or back from the last one so far."""
        try:
            value = int(word)
        except ValueError:
            value = 0
        if value == 0 or value < -count or value >= 1 << 40:
            raise FormatError(
                f"{self.source.name}: a corner names number {word[:20]!r}, which there is not", hint=_REPAIR
            )
        return value - 1 if value > 0 else count + value


def open_obj(source: Source, /, **_: Any) -> xr.DataTree:
    """A mesh of polygons, lines and points; FormatError when it is damaged."""
    mesh = _Mesh(source)
    for line in _lines(source):
        mesh.take(line)
    if not mesh.rows["v"]:
        raise FormatError(f"{source.name}: has no vertex; it is no mesh or damaged", hint=_REPAIR)
    arrays = [*_points(mesh)]
    counts = {"v": len(mesh.rows["v"]), "vt": len(mesh.rows["vt"]), "vn": len(mesh.rows["vn"])}
    for word, name in (("f", "face"), ("l", "line"), ("p", "point")):
        arrays += _elements(mesh, mesh.elements[word], name, counts)
    for word, name in _LABELS.items():
        if mesh.labels[word]:
            arrays.append(Array(f"{name}_name", np.array(list(mesh.labels[word]), "O"), (name,)))
    dropped = [
        f"{count} line(s) of kind {word!r} (free-form geometry or display)"
        for word, count in mesh.left.items()
    ]
    metadata: dict[str, Any] = {}
    if mesh.libraries:
        metadata["material_libraries"] = mesh.libraries
        dropped.append(
            f"colours and textures of materials, which are described in {', '.join(mesh.libraries[:5])}"
        )
    if any(mesh.comments):
        metadata["comments"] = mesh.comments
    return recording([], arrays=arrays, kind="geometry", metadata=metadata, dropped=dropped)


def _lines(source: Source) -> Iterator[str]:
    """Lines with continuations joined and blanks evened out."""
    held = ""
    for raw in lines_of(source):
        line = raw.split("#", 1)[0] if "#" in raw and not raw.lstrip().startswith("#") else raw
        line = line.replace("\t", " ").strip()
        if line.endswith("\\") and not line.startswith("#"):
            held += line[:-1] + " "
            if len(held) > 1 << 22:
                raise FormatError(
                    f"{source.name}: a line is continued without end; it is damaged", hint=_REPAIR
                )
            continue
        line, held = (held + line).strip(), ""
        if line:
            yield line
    if held.strip():
        yield held.strip()


def _points(mesh: _Mesh) -> Iterator[Array]:
    source = mesh.source
    sizes = set(map(len, mesh.rows["v"]))
    widths = (3, 6) if 6 in sizes else (7,) if 7 in sizes else (3, 4)
    values = table(mesh.rows["v"], widths, source, "a vertex")
    axis = {"axis": ["x", "y", "z"]}
    yield Array("vertices", np.ascontiguousarray(values[:, :3]), ("vertex", "axis"), axis)
    if values.shape[1] in (4, 7):
        weights = np.where(np.isnan(values[:, 3]), 1.0, values[:, 3])
        yield Array("vertex_weight", weights, ("vertex",))
    if values.shape[1] >= 6:
        yield Array("vertex_color", np.ascontiguousarray(values[:, -3:]), ("vertex", "rgb"))
    if mesh.rows["vt"]:
        texture = table(mesh.rows["vt"], (1, 2, 3), source, "a texture coordinate")
        yield Array("texture_coordinates", texture, ("texture", "uvw"))
    if mesh.rows["vn"]:
        yield Array("normals", table(mesh.rows["vn"], (3,), source, "a normal"), ("normal", "axis"), axis)


def _elements(mesh: _Mesh, held: Elements, name: str, counts: dict[str, int]) -> Iterator[Array]:
    if not held.sizes:
        return
    corner = f"{name}_corner" if name != "point" else "point"
    plural, sizes = f"{name}s", np.array(held.sizes, "i8")
    for label, values, word in ((plural, held.vertex, "v"), (f"{name}_textures", held.texture, "vt"),
                                (f"{name}_normals", held.normal, "vn")):  # fmt: skip
        placed = np.array(values, "i8")
        if placed.max() >= counts[word]:
            raise FormatError(
                f"{mesh.source.name}: a {name} names number {placed.max() + 1} of {counts[word]} {word}; it is damaged",
                hint=_REPAIR,
            )
        if word == "v" or (placed >= 0).any():
            yield Array(label, placed, (corner,))
    owners = (
        np.repeat(np.array(held.owners, "i8"), sizes, axis=0)
        if name == "point"
        else np.array(held.owners, "i8")
    )
    if name != "point":
        yield Array(f"{name}_offsets", np.concatenate([[0], np.cumsum(sizes)]), (f"{name}_edge",))
    for column, label in enumerate(_LABELS.values()):
        if (owners[:, column] >= 0).any():
            yield Array(f"{name}_{label}", owners[:, column].astype("i4"), (name,))
    if mesh.smooth and name == "face":
        yield Array("face_smoothing", owners[:, 3].astype("i4"), ("face",))


_LINE = re.compile(rb"[ \t]*(?:(v|vt|vn|f|l|p)[ \t]+[-+.\d]|(o|g|s|usemtl|mtllib)([ \t]|$)|#|\r?$)")


def _sniff(head: bytes) -> bool:
    if b"\0" in head:
        return False
    lines = head.split(b"\n")
    whole = lines[:-1] if len(head) >= 4096 and len(lines) > 1 else lines
    kinds = [_LINE.match(line) for line in whole]
    told = [kind for kind in kinds if kind and (kind[1] or kind[2])]
    strange = sum(1 for kind, line in zip(kinds, whole, strict=True) if not kind and line.strip())
    return bool(told or head.lstrip().startswith(b"#")) and strange <= len(whole) // 4


FORMAT = Format(
    "obj",
    "Wavefront OBJ mesh",
    "geometry",
    (".obj",),
    open_obj,
    sniff=_sniff,
    carried="vertices, faces, lines, points, normals, textures, objects, groups, materials' names",
    left="free-form curves, contents of material files (named)",
    lazy="the whole file",
)
