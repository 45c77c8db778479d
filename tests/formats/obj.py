"""OBJ meshes written by hand; trimesh is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FULL = """# a house
mtllib house.mtl other.mtl
o walls
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 0.5 1 0.25
vn 0 0 1
g front  left
usemtl brick
s 2
f 1/1/1 2/2/1 3/3/1 4/1/1   # a square
g
s off
f -4//-1 \\
 -3//-1 -2//-1
o roof
usemtl tile
v 0.5 0.5 2
f 1 2 5
l 1 2 5
l 3/1 4/2
p 5 1
g front  left
f 2 3 5
cstype bspline
deg 3
"""


def make(folder: Path) -> dict[str, dict[str, Any]]:
    files = {
        "full.obj": FULL,
        "dos.obj": FULL.replace("\n", "\r\n"),
        "coloured.obj": "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n",
        "weighted.obj": "v 0 0 0 2\nv 1 0 0\nv 0 1 0 0.5\nf 1 2 3\n",
        "cloud.obj": "v 1 2 3\nv\t4 5 6e-1\n",
        "later.obj": "f 1 2 3\nv 0 0 0\nv 1 0 0\nv 0 1 0\n",
        "none.obj": "o empty\n",
        "beyond.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n",
        "before.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -4\n",
        "zero.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n",
        "two.obj": "v 0 0 0\nv 1 0 0\nf 1 2\n",
        "word.obj": "v 0 0 zero\nv 1 0 0\n",
        "short.obj": "v 0 0\nv 1 0 0\n",
        "strange.obj": "v 0 0 0\nv 1 0 0\nv 1 0 0\nv 1 0 0\nhello world\n",
        "endless.obj": "v 0 0 0\n" + "f 1 1 1 \\\n" * 500_000,
    }
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    (folder / "linker.obj").write_bytes(b"\x4c\x01\x03\0" + bytes(300))
    full = {
        "vertices": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 2]],
        "texture_coordinates": [[0, 0, np.nan], [1, 0, np.nan], [0.5, 1, 0.25]], "normals": [[0, 0, 1]],
        "faces": [0, 1, 2, 3, 0, 1, 2, 0, 1, 4, 1, 2, 4], "face_offsets": [0, 4, 7, 10, 13],
        "face_textures": [0, 1, 2, 0, *[-1] * 9], "face_normals": [0, 0, 0, 0, 0, 0, 0, *[-1] * 6],
        "face_object": [0, 0, 1, 1], "object_name": ["walls", "roof"], "face_group": [0, 1, 1, 0],
        "group_name": ["front left", ""], "face_material": [0, 0, 1, 1], "material_name": ["brick", "tile"],
        "face_smoothing": [2, 0, 0, 0], "lines": [0, 1, 4, 2, 3], "line_offsets": [0, 3, 5],
        "line_textures": [-1, -1, -1, 0, 1], "points": [4, 0], "point_object": [1, 1],
        "?dropped": ["cstype", "house.mtl"], "@fuse_kind": "geometry",
    }  # fmt: skip
    good = {
        "full.obj": full,
        "dos.obj": full,
        "coloured.obj": {"vertex_color": np.eye(3), "faces": [0, 1, 2]},
        "weighted.obj": {"vertex_weight": [2, 1, 0.5], "vertices": [[0, 0, 0], [1, 0, 0], [0, 1, 0]]},
        "cloud.obj": {"vertices": [[1, 2, 3], [4, 5, 0.6]]},
        "later.obj": {"faces": [0, 1, 2]},
    }
    kinds = {"linker.obj": "NotSupported", "endless.obj": "FormatError"}
    names = ["none", "beyond", "before", "zero", "two", "word", "short", "strange", "linker", "endless"]
    return good | {f"{n}.obj": {"!error": kinds.get(f"{n}.obj", "FormatError")} for n in names}


def oracle(path: Path) -> dict[str, Any]:
    """Vertices and triangles as trimesh keeps them; nothing where it had to split some."""
    import trimesh

    mesh = trimesh.load_mesh(path, process=False, maintain_order=True)
    lines = path.read_text("latin-1").splitlines()
    stored = sum(line.startswith("v ") for line in lines)
    triangles = all(len(line.split()) == 4 for line in lines if line.startswith("f "))
    told: dict[str, Any] = {"~": 1e-9}
    if len(mesh.vertices) == stored:
        told["vertices"] = np.asarray(mesh.vertices)
        if triangles:
            told["faces"] = np.asarray(mesh.faces).ravel()
    return told
