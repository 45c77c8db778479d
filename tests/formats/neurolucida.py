"""Neurolucida tracings written by hand from the specification; xml.etree is the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
FULL = """<mbf version="4.0" xmlns="http://www.mbfbioscience.com/2007/neurolucida" appname="Neurolucida 360">
<description><![CDATA[a < b]]></description>
<sparcdata><subject species="x" sex="F"/></sparcdata>
<property name="TimePointManager"><n>2</n><s>a b</s></property>
<images><image><filename>C:\\Users\\me\\Heart.jpx</filename><scale x="0.6" y="0.7"/><coord x="1" y="2" z="3"/>
<zspacing z="-5" slices="4"/></image></images>
<thumbnail cols="1" rows="1"><thumbnail-line>0x0</thumbnail-line></thumbnail>
<mystery><point2 a="1"/></mystery>
<contour name="Heart \xe9" color="#FF0000" closed="true" shape="Contour"><resolution>1.5</resolution>
 <property name="Set"><s>S1</s></property>
 <point x="1" y="2" z="3" d="4" sid="S7"/><point x="1.5" y="-2e1" z="3" d="4"/>
 <marker type="Star" color="#00FF00" name="m" varicosity="false"><point x="9" y="9" z="9" d="1"/></marker>
 <point x="0" y="0" z="0" d="0"/>
</contour>
<tree color="#0000FF" type="Axon" leaf="Normal"><point x="10" y="0" z="0" d="1"/><point x="11" y="0" z="0" d="1"/>
 <spine version="4"><point x="11" y="1" z="0" d="1"/></spine>
 <branch leaf="Normal"><point x="12" y="1" z="0" d="1"/><point x="13" y="1" z="0" d="1"/>
  <branch><branch><point x="14" y="1" z="0"/></branch></branch></branch>
 <branch><point x="12" y="-1" z="0" d="1"/></branch>
</tree>
<vessel version="4" color="#FF00FF" type="directed" class="vein"><nodes>
<node id="0"><point x="0" y="0" z="0" d="1"/></node>
<node id="1"><point x="5" y="0" z="0" d="1"/></node></nodes>
<edges><edge id="0" class="e"><point x="0" y="0" z="0" d="1"/><point x="5" y="0" z="0" d="2"/></edge></edges>
<edgelists><edgelist id="0" edge="0" sourcenode="0" targetnode="1"/></edgelists></vessel>
<text color="#FFFFFF"><font name="Times" size="9"/><point x="1" y="1" z="1" d="0"/><value>note</value></text>
</mbf>
"""
POINT = '<point x="1" y="2" z="3" d="4"/>'


def make(folder: Path) -> dict[str, dict[str, Any]]:
    deep = "<tree>" + "<branch>" * 5000 + POINT + "</branch>" * 5000 + "</tree>"
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    files = {
        "full.xml": HEAD + FULL,
        "plain.xml": f"<mbf version='4.0'><contour>{POINT}</contour></mbf>",
        "prefix.xml": f"<!-- c --><nl:mbf xmlns:nl='u'><nl:tree>{POINT}</nl:tree></nl:mbf>",
        "odd.xml": f"<mbf><blob kind='k'>{POINT}<size>3</size></blob></mbf>",
        "other.xml": HEAD + "<note><mbf/></note>",
        "html.xml": "<html><body>404</body></html>",
        "empty.xml": "<mbf version='4.0'><images/></mbf>",
        "cut.xml": HEAD + FULL[:1500],
        "broken.xml": HEAD + FULL.replace("</contour>", "</kontour>"),
        "number.xml": f"<mbf><tree>{POINT.replace('1', 'one')}</tree></mbf>",
        "missing.xml": "<mbf><tree><point x='1' y='2' d='4'/></tree></mbf>",
        "deep.xml": f"<mbf>{deep}</mbf>",
        "laughs.xml": f'<?xml version="1.0"?><!DOCTYPE mbf [<!ENTITY l0 "ha">{laughs}]>'
        f"<mbf><text>&l9;{POINT}</text></mbf>",
        "outside.xml": f'<!DOCTYPE mbf [<!ENTITY x SYSTEM "file:///etc/passwd">]><mbf><text>&x;{POINT}</text></mbf>',
    }
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    one = {"points": [[1, 2, 3]], "point_diameter": [4], "trace_offsets": [0, 1]}
    return {
        "full.xml": _full(),
        "plain.xml": one | {"trace_kind": ["contour"], "point_parent": [-1]},
        "prefix.xml": one | {"trace_kind": ["tree"]},
        "odd.xml": one | {"trace_kind": ["blob"], "trace_attributes": ['{"kind": "k", "size": "3"}']},
        "other.xml": {"!error": "NotSupported"}, "html.xml": {"!error": "NotSupported"},
        "empty.xml": {"!error": "FormatError"},
        "cut.xml": {"!error": "Truncated"}, "broken.xml": {"!error": "FormatError"},
        "number.xml": {"!error": "FormatError"},
        "missing.xml": {"!error": "FormatError"}, "deep.xml": {"!error": "LimitExceeded"},
        "laughs.xml": {"!error": "FormatError"}, "outside.xml": {"!error": "FormatError"},
    }  # fmt: skip


def _full() -> dict[str, Any]:
    kinds = ["contour", "marker", "tree", "spine", "branch", "branch", "branch", "branch", "vessel", "node",
    "node", "edge",
             "text"]  # fmt: skip
    points = [[1, 2, 3], [1.5, -20, 3], [0, 0, 0], [9, 9, 9], [10, 0, 0], [11, 0, 0], [11, 1, 0], [12, 1, 0],
    [13, 1, 0],
              [14, 1, 0], [12, -1, 0], [0, 0, 0], [5, 0, 0], [0, 0, 0], [5, 0, 0], [1, 1, 1]]  # fmt: skip
    attributes = [{"shape": "Contour", "resolution": "1.5"}, {"varicosity": "false"}, {"leaf": "Normal"},
    {"version": "4"},
                  {"leaf": "Normal"}, {}, {}, {}, {"version": "4", "class": "vein"}, {}, {}, {"class": "e"},
                  {"font": {"name": "Times", "size": "9"}, "value": "note"}]  # fmt: skip
    return {
        "points": points, "points@units": "micrometer", "trace_kind": kinds, "point_section": ["S7", *[""] * 15],
        "point_diameter": [4, 4, 0, 1, 1, 1, 1, 1, 1, np.nan, 1, 1, 1, 1, 2, 0],
        "trace_offsets": [0, 3, 4, 6, 7, 9, 9, 10, 11, 11, 12, 13, 15, 16],
        "trace_parent": [-1, 0, -1, 2, 2, 4, 5, 2, -1, 8, 8, 8, -1],
        "trace_parent_point": [-1, 1, -1, 5, 5, 8, 8, 5, -1, -1, -1, -1, -1],
        "point_parent": [-1, -1, -1, -1, -1, 4, -1, 5, 7, 8, 5, -1, -1, -1, -1, -1],
        "trace_name": ["Heart é", "m", *[""] * 11], "trace_color": ["FF0000", "00FF00", "0000FF", *[""] * 5,
        "FF00FF", "", "",
                                                                   "", "FFFFFF"],
        "trace_closed": [True, *[False] * 12], "trace_id": [*[""] * 9, "0", "1", "0", ""],
        "trace_attributes": [json.dumps(a) if a else "" for a in attributes],
        "property_trace": [-1, 0], "property_name": ["TimePointManager", "Set"],
        "property_value": ['["2", "a b"]', '["S1"]'],
        "vessel_link": [[8, 0, 0, 1]], "?dropped": ["thumbnail", "mystery", "folders"], "@fuse_kind": "geometry",
        "@original_metadata": {
            "version": "4.0", "appname": "Neurolucida 360", "description": "a < b",
            "sparcdata": {"subject": [{"species": "x", "sex": "F"}]},
            "images": {"image": [{"filename": ["Heart.jpx"], "scale": [{"x": "0.6", "y": "0.7"}],
                                  "coord": [{"x": "1", "y": "2", "z": "3"}], "zspacing": [{"z": "-5",
                                  "slices": "4"}]}]},
        },
    }  # fmt: skip


def oracle(path: Path) -> dict[str, Any]:
    """Points of every trace by a walk over the whole tree."""
    import xml.etree.ElementTree as ElementTree

    def plain(element: Any) -> str:
        return element.tag.rpartition("}")[2]

    names = ("contour", "tree", "branch", "marker", "vessel", "node", "edge", "spine", "varicosity", "text")
    traces = [element for element in ElementTree.parse(path).iter() if plain(element) in names]
    held = [[child for child in trace if plain(child) == "point"] for trace in traces]
    points = [[float(p.get(key)) for key in "xyzd"] for points in held for p in points]
    return {
        "points": np.array(points)[:, :3], "point_diameter": np.array(points)[:, 3],
        "trace_kind": [plain(trace) for trace in traces], "trace_offsets": np.cumsum([0, *map(len, held)]),
    }  # fmt: skip
