"""EX meshes written by hand in all three versions; counts that OpenCMISS-Zinc found are the oracle."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

NAN = np.nan
NEWEST = """! made by hand
EX Version: 3
Region: /
!#nodeset nodes
Define node template: node1
Shape. Dimension=0
#Fields=3
1) coordinates, coordinate, rectangular cartesian, real, #Components=2
 x. #Values=2 (value,d/ds1)
 y. #Values=1 (value)
2) kind, of node, field, integer, #Components=1
 1. #Values=1 (value)
3) tag, field, string, #Components=1
 1. #Values=1 (value)
Define node template: node2
Shape. Dimension=0
#Fields=1
1) coordinates, coordinate, rectangular cartesian, real, #Components=2
 x. #Values=3 (value(2),d/ds1)
 y. #Values=0 ()
Node template: node1
Node: 1
  0.0 1.5
  2
 7 plain
Node: 3
  1 -1e-3 0
  8
 "two \\"words\\""
Node template: node2
Node: 2
 4 5
 6
!#mesh mesh1d, dimension=1, nodeset=nodes
Define element template: element1
Shape. Dimension=1, line
#Scale factor sets=1
  scaling1, #Scale factors=2
#Nodes=2
#Fields=1
1) coordinates, coordinate, rectangular cartesian, real, #Components=2
 x. c.Hermite, no modify, standard node based. scale factor set=scaling1
  #Nodes=2
  1. #Values=1
   Value labels: value
   Scale factor indices: 1
  2. #Values=1
   Value labels: value
   Scale factor indices: 2
 y. l.Lagrange, no modify, element based.
Element template: element1
Element: 5
 Values:
  0.5 1.5
 Nodes:
 1 3
 Scale factors:
  1.0 2.0
Element: 9
 Nodes:
 3 2
 Scale factors:
  1.0
  0.5
!#nodeset datapoints
Define node template: node3
Shape. Dimension=0
#Fields=1
1) place, field, element_xi, #Components=1, host mesh=mesh1d, host mesh dimension=1
 1. #Values=1 (value)
Node template: node3
Node: 4
 5 0.25
Group name: some of it
!#nodeset nodes
Node group:
1..2,
3
!#mesh mesh1d, dimension=1, nodeset=nodes
Element group:
9
Region: /inner part
!#nodeset nodes
Node template: node2
Node: 1
 1 2 3
"""
OLDEST = """ Group name: heart
 #Fields=1
 1) coordinates, coordinate, rectangular cartesian, #Components=1
   x.  Value index= 1, #Derivatives= 1 (d/ds1), #Versions= 2
 Node:            1
   1.0 2.0
   3.0 4.0
 Node:            2
   5.0 6.0 7.0 8.0
 Shape.  Dimension=1
 #Scale factor sets=0
 #Nodes=0
 #Fields=0
 Element: 0 0 3
 Element: 0 0 4
 Shape.  Dimension=2
 #Scale factor sets=1
   l.Lagrange*l.Lagrange, #Scale factors=1
 #Nodes=2
 #Fields=1
 1) coordinates, coordinate, rectangular cartesian, #Components=1
   x.  l.Lagrange*l.Lagrange, no modify, standard node based.
     #Nodes=2
     1.  #Values=1
      Value indices: 1
      Scale factor indices: 1
 Element: 7 0 0
   Faces:
   0 0 3
   0 0 4
   0 0 0
   Nodes:
   1 2
   Scale factors:
   1.0
"""


def make(folder: Path) -> dict[str, dict[str, Any]]:
    files = {
        "newest.exf": NEWEST,
        "oldest.exelem": OLDEST,
        "dos.ex": OLDEST.replace("\n", "\r\n"),
        "cut.exf": NEWEST[:600],
        "values.exf": NEWEST.replace("  0.0 1.5\n", "  0.0\n"),
        "word.exf": NEWEST.replace("0.0 1.5", "0.0 one"),
        "nodes.exf": NEWEST.replace(" 1 3\n", " 1 3 2\n"),
        "labels.exf": NEWEST.replace("#Values=2 (value", "#Values=3 (value"),
        "template.exf": NEWEST.replace("Node template: node2", "Node template: node9"),
        "version.exf": NEWEST.replace("Version: 3", "Version: 4"),
        "group.exf": NEWEST.replace("1..2,", "1..99999999999,"),
        "fields.exf": NEWEST.replace("#Fields=3", "#Fields=99999999"),
        "versions.exf": NEWEST.replace("value(2)", "value(9999999)"),
        "constant.exf": NEWEST.replace("tag, field,", "tag, field, constant,"),
        "host.exf": NEWEST.replace(", host mesh=mesh1d, host mesh dimension=1", ""),
        "other.exf": "<experiment/>",
    }
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    old = {
        "node_id": [1, 2], "node_coordinates": [[[1, 2, 3, 4]], [[5, 6, 7, 8]]],
        "node_coordinates@value": ["value", "d/ds1", "value(2)", "d/ds1(2)"], "element1d_id": [3, 4],
        "element2d_id": [7], "element2d_faces": [3, 4, -1], "element2d_nodes": [1, 2], "element2d_scale_factors": [1],
        "group_name": ["heart"] * 3, "group_domain": ["nodes", "mesh1d", "mesh2d"], "group_members": [1, 2, 3, 4, 7],
        "group_offsets": [0, 2, 4, 5],
    }  # fmt: skip
    kinds = {"cut": "Truncated", "fields": "LimitExceeded", "other": "NotSupported"}
    bad = [name.split(".")[0] for name in files if name.endswith(".exf") and name != "newest.exf"]
    return {"newest.exf": _newest(), "oldest.exelem": old, "dos.ex": old} | {
        f"{name}.exf": {"!error": kinds.get(name, "FormatError")} for name in bad
    }


def _newest() -> dict[str, Any]:
    return {
        "@fuse_kind": "geometry",
        "node_id": [1, 3, 2],
        "node_coordinates": [
            [[0, 1.5, NAN], [2, NAN, NAN]], [[1, -1e-3, NAN], [0, NAN, NAN]], [[4, 6, 5], [NAN, NAN, NAN]],
        ],
        "node_coordinates@value": ["value", "d/ds1", "value(2)"],
        "node_coordinates@component": ["x", "y"],
        "node_coordinates@coordinate_system": "rectangular cartesian",
        "node_kind_of_node": [[7], [8], [NAN]],
        "node_kind_of_node@field": "kind, of node",
        "node_tag": [["plain"], ['two "words"'], [""]],
        "element1d_id": [5, 9], "element1d_nodes": [1, 3, 3, 2], "element1d_node_offsets": [0, 2, 4],
        "element1d_scale_factors": [1, 2, 1, 0.5], "element1d_values": [0.5, 1.5], "element1d_value_offsets": [0, 2, 2],
        "element_shape": ["line"], "element1d_template": [0, 0],
        "datapoint_id": [4], "datapoint_place_element": [5], "datapoint_place_xi": [[0.25]],
        "group_name": ["some of it"] * 2, "group_domain": ["nodes", "mesh1d"], "group_members": [1, 2, 3, 9],
        "group_offsets": [0, 3, 4], "group_region": ["/", "/"],
        "inner_part_node_id": [1], "inner_part_node_coordinates": [[[1, 2, 3], [NAN, NAN, NAN]]],
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    """Numbers of nodes and elements of each region, as the corpus has them; they are 1, 2, 3 … in all its files."""
    manifest = path.parent.parent / "MANIFEST.tsv"
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    facts = json.loads(rows[f"exf/{path.name}"]["facts_json"])
    told: dict[str, Any] = {}
    for region in facts["zinc_regions"]:
        prefix = "".join(f"{part}_" for part in region["path"].split("/") if part)
        for kind, count in (("node", region["nodes"]), ("datapoint", region["datapoints"]),
                            *((f"element{i + 1}d", n) for i, n in enumerate(region["elements"]))):  # fmt: skip
            if count:
                told[f"{prefix}{kind}_id"] = np.arange(1, count + 1)
    return told
