"""STL meshes written by hand; trimesh is the oracle."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(5)


def binary(corners: np.ndarray, normals: np.ndarray, attribute: Any = 0, head: bytes = b"") -> bytes:
    facet = np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")])
    table = np.zeros(len(corners), facet)
    table["n"], table["c"], table["a"] = normals, corners, attribute
    return head.ljust(80, b"\0") + struct.pack("<I", len(corners)) + table.tobytes()


def text(corners: np.ndarray, normals: np.ndarray, name: str = "") -> str:
    lines = [f"solid {name}".rstrip()]
    for n, c in zip(normals.tolist(), corners.tolist(), strict=True):
        lines += [f"  facet normal {n[0]!r} {n[1]!r} {n[2]!r}", "    outer loop"]
        lines += [f"      vertex {x!r} {y!r} {z!r}" for x, y, z in c]
        lines += ["    endloop", "  endfacet"]
    return "\n".join([*lines, f"endsolid {name}".rstrip(), ""])


def make(folder: Path) -> dict[str, dict[str, Any]]:
    corners = RANDOM.normal(size=(700, 3, 3)).astype("f4")
    normals = RANDOM.normal(size=(700, 3)).astype("f4")
    told = {
        "vertices": corners.reshape(-1, 3),
        "faces": np.arange(2100).reshape(-1, 3),
        "face_normals": normals,
    }
    files = {
        "plain.stl": binary(corners, normals, head=b"made by hand"),
        "solid.stl": binary(corners, normals, head=b"solid of a binary file"),
        "coloured.STL": binary(corners, normals, np.arange(700)),
        "tail.stl": binary(corners, normals) + b"\0\1",
        "text.stl": text(corners[:3].astype("f8"), normals[:3].astype("f8"), "a b").encode(),
        "several.stl": (text(corners[:2], normals[:2], "one") + text(corners[2:3], normals[2:3])).encode(),
        "shout.stl": text(corners[:3].astype("f8"), normals[:3].astype("f8"))
        .upper()
        .replace("\n", "\r\n")
        .replace("VERTEX ", "VERTEX\t")
        .encode(),
        "cut.stl": binary(corners, normals)[:-3],
        "none.stl": binary(corners[:0], normals[:0]) + bytes(60),
        "more.stl": binary(corners, normals) + bytes(500),
        "lie.stl": b"x" * 80 + b"\xff\xff\xff\xff" + bytes(5000),
        "cut_text.stl": text(corners[:3], normals[:3]).encode()[:-40],
        "word.stl": text(corners[:3], normals[:3]).replace("outer", "other").encode(),
        "number.stl": text(corners[:3], normals[:3]).replace("vertex", "vertex x", 1).encode(),
        "two.stl": b"solid\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nendloop\nendfacet\nendsolid\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    three = {"vertices": corners[:3].reshape(-1, 3).astype("f8"), "face_normals": normals[:3].astype("f8")}
    return {
        "plain.stl": told | {"@fuse_kind": "geometry"},
        "solid.stl": told,
        "coloured.STL": told | {"face_attribute": np.arange(700)},
        "tail.stl": told | {"?warning": "2 bytes behind"},
        "text.stl": three | {"solid_name": ["a b"], "solid_offsets": [0, 3]},
        "several.stl": three | {"solid_name": ["one", ""], "solid_offsets": [0, 2, 3]},
        "shout.stl": three,
        "cut.stl": {"!error": "Truncated"}, "none.stl": {"!error": "NotSupported"},
        "more.stl": {"!error": "FormatError"},
        "lie.stl": {"!error": "Truncated"}, "cut_text.stl": {"!error": "Truncated"},
        "word.stl": {"!error": "FormatError"},
        "number.stl": {"!error": "FormatError"}, "two.stl": {"!error": "FormatError"},
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    """Triangles in the order of the file; shared corners, where trimesh makes some, taken apart again."""
    import trimesh

    mesh = trimesh.load_mesh(path, process=False)
    meshes = list(mesh.geometry.values()) if hasattr(mesh, "geometry") else [mesh]
    corners = np.concatenate([m.vertices[m.faces] for m in meshes]).reshape(-1, 3)
    return {"vertices": corners, "faces": np.arange(len(corners)).reshape(-1, 3), "~": 1e-7}
