"""Recognises the layouts of well-known programs: LabChart, Spike2, FieldTrip, EEGLAB."""

from __future__ import annotations

from sparc_fuse_core.formats._container.values import Cells, Struct
from sparc_fuse_core.formats._mat.eeglab import is_eeglab, take_eeglab
from sparc_fuse_core.formats._mat.fieldtrip import take_fieldtrip
from sparc_fuse_core.formats._mat.labchart import take_labchart
from sparc_fuse_core.formats._mat.spike2 import take_spike2
from sparc_fuse_core.formats._series.arrange import Plan
from sparc_fuse_core.source import Source

_LABCHART = {"data", "datastart", "dataend", "samplerate", "titles"}


def take_layouts(found: Struct, plan: Plan, source: Source) -> Struct:
    """Streams and events of known layouts go into ``plan``; gives the variables that are left."""
    if found.keys() >= _LABCHART:
        return take_labchart(found, plan)
    if is_eeglab(found):
        return take_eeglab(found, plan, source)
    left = dict(found)
    for name, node in found.items():
        if not isinstance(node, dict):
            continue
        if is_eeglab(node):
            left[name] = take_eeglab(node, plan, source)
        elif node.keys() >= {"trial", "time", "label"} and isinstance(node["trial"], Cells):
            left[name] = take_fieldtrip(name, node, plan)
    return take_spike2(left, plan)
