"""OpenCMISS-Zinc EX files: finite element meshes, as text, versions 1 to 3.

Regions hold nodes and datapoints with the values of fields, elements of one to three dimensions, and groups of
them (`_exf.model`, `_exf.header`).

Given are ``node_id``, and for each field ``node_<field>`` (node, component) or (node, component, value) when
derivatives or versions are stored, whose names are in the attributes, NaN where a node has none; places in
elements as ``node_<field>_element`` and ``node_<field>_xi``; ``datapoint_…`` likewise. For each dimension
``element3d_id``, ``element3d_template`` and ragged ``element3d_nodes``, ``_faces``, ``_scale_factors``,
``_values`` with ``element3d_node_offsets`` and so on; an element which two templates define has two entries.
The headers of templates, which tell basis functions and how nodes serve them, are word for word in
``element_template``, and basis and type of each field in the metadata. Groups are ``group_name``,
``group_region``, ``group_domain``, ``group_members`` with ``group_offsets``. Arrays of other regions than ``/``
begin with the name of their region. Units are not in the format. Constant and indexed fields of old files are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._exf.model import Block, Model, Region
from sparc_fuse_core.formats._exf.text import REPAIR
from sparc_fuse_core.formats._mesh.words import numbers
from sparc_fuse_core.model import Array, Format, recording, slug

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_MOST_CELLS = 1 << 28


def open_exf(source: Source, /, **_: Any) -> xr.DataTree:
    """Nodes, elements, fields and groups as arrays; FormatError when the file is damaged."""
    model = Model(source)
    arrays: list[Array] = []
    fields: dict[str, Any] = {}
    for region in model.regions.values():
        prefix = f"{slug(region.path)}_" if region.path != "/" else ""
        for nodeset, blocks in region.blocks.items():
            kind = {"nodes": "node", "datapoints": "datapoint"}.get(nodeset, slug(nodeset) or "node")
            arrays += _node_arrays(source, blocks, f"{prefix}{kind}")
            for header in (f for block in blocks for f in block.fields):
                fields.setdefault(region.path, {}).setdefault(header.name, {}).setdefault(
                    kind, header.describe()
                )
        for dimension, held in sorted(region.elements.items()):
            rows = [row for same in held.values() for row in same]
            arrays += _element_arrays(source, rows, f"{prefix}element{dimension}d")
            for template in dict.fromkeys(row.template for row in rows):
                for name, told in model.templates[template].fields.items():
                    fields.setdefault(region.path, {}).setdefault(name, {}).setdefault(
                        f"element{dimension}d", told
                    )
    arrays += _group_arrays(list(model.regions.values()))
    if model.templates:
        arrays.append(
            Array("element_template", np.array([t.text for t in model.templates], "O"), ("template",))
        )
        arrays.append(
            Array("element_shape", np.array([t.shape for t in model.templates], "O"), ("template",))
        )
    metadata: dict[str, Any] = {"ex_version": model.version, "regions": list(model.regions), "fields": fields}
    return recording([], arrays=arrays, kind="geometry", metadata=metadata)


# -- nodes --------------------------------------------------------------------------------------------------


def _node_arrays(source: Source, blocks: list[Block], stem: str) -> Iterator[Array]:
    ids = list(dict.fromkeys(number for block in blocks for number in block.ids))
    place = {number: row for row, number in enumerate(ids)}
    yield Array(f"{stem}_id", np.array(ids, "i8"), (stem,))
    names = dict.fromkeys(header.name for block in blocks for header in block.fields)
    for name in names:
        pieces = list(_pieces(blocks, name, place))
        kinds = {header.value for header, _, _ in pieces}
        if len(kinds) != 1:
            raise FormatError(
                f"{source.name}: field {name!r} is of several types ({', '.join(sorted(kinds))})", hint=REPAIR
            )
        label = f"{stem}_{slug(name) or 'field'}"
        build = {"string": _strings, "element_xi": _places}.get(kinds.pop(), _numbers)
        yield from build(source, pieces, label, stem, len(ids))


def _pieces(
    blocks: list[Block], name: str, place: dict[int, int]
) -> Iterator[tuple[Any, NDArray[Any], NDArray[Any]]]:
    """Header, rows of nodes, and words (node, word) of one field, template by template."""
    for block in blocks:
        at = 0
        width = sum(header.words for header in block.fields)
        for header in block.fields:
            if header.name == name:
                rows = np.array([place[number] for number in block.ids], "i8")
                words = np.array(block.words, "O").reshape(len(block.ids), width)[:, at : at + header.words]
                yield header, rows, words
            at += header.words


def _numbers(source: Source, pieces: list[Any], name: str, stem: str, count: int) -> Iterator[Array]:
    components = list(dict.fromkeys(c.name for header, _, _ in pieces for c in header.components))
    labels = list(
        dict.fromkeys(label for header, _, _ in pieces for c in header.components for label in c.labels)
    )
    shape = (count, len(components), len(labels))
    if int(np.prod(shape, dtype=object)) > _MOST_CELLS:
        raise LimitExceeded(f"{source.name}: field {name} would have {shape} values; it is damaged")
    values = np.full(shape, np.nan)
    for header, rows, words in pieces:
        read = numbers([str(word) for word in words.ravel()], source, f"a value of {name}").reshape(
            words.shape
        )
        at = 0
        for component in header.components:
            for label in component.labels:
                values[rows, components.index(component.name), labels.index(label)] = read[:, at]
                at += 1
    if pieces[0][0].value == "integer" and values.size and not np.isnan(values).any():
        values = values.astype("i8")
    attrs: dict[str, Any] = {"field": pieces[0][0].name, "component": components}
    if pieces[0][0].system:
        attrs["coordinate_system"] = pieces[0][0].system
    dims: tuple[str, ...] = (stem, f"{name}_component")
    if len(labels) == 1:
        values = values[:, :, 0]
        if labels != ["value"]:
            attrs["value"] = labels
    else:
        dims, attrs["value"] = (*dims, f"{name}_value"), labels
    if values.size:
        yield Array(name, values, dims, attrs)


def _strings(source: Source, pieces: list[Any], name: str, stem: str, count: int) -> Iterator[Array]:
    width = max(words.shape[1] for _, _, words in pieces)
    values = np.full((count, width), "", dtype=object)
    for _, rows, words in pieces:
        values[rows, : words.shape[1]] = words
    yield Array(name, values, (stem, f"{name}_component"))


def _places(source: Source, pieces: list[Any], name: str, stem: str, count: int) -> Iterator[Array]:
    """Places in elements: the element's number (-1 none) and xi (NaN none)."""
    sizes = {(words.shape[1], header.xi) for header, _, words in pieces}
    width, xi = sizes.pop()
    if sizes or width % (1 + xi):
        raise FormatError(f"{source.name}: places {name} lie in meshes of several dimensions", hint=REPAIR)
    each = width // (1 + xi)
    elements, places = np.full((count, each), -1, "i8"), np.full((count, each, xi), np.nan)
    for _, rows, words in pieces:
        read = numbers([str(word) for word in words.ravel()], source, f"a place of {name}").reshape(
            -1, each, 1 + xi
        )
        elements[rows], places[rows] = read[..., 0].astype("i8"), read[..., 1:]
    yield Array(
        f"{name}_element",
        elements[:, 0] if each == 1 else elements,
        (stem, f"{name}_component")[: 1 + (each > 1)],
    )
    places = places[:, 0] if each == 1 else places
    yield Array(
        f"{name}_xi", places, (stem, f"{name}_component", f"{name}_dimension")[:: 2 if each == 1 else 1]
    )


# -- elements and groups ------------------------------------------------------------------------------------


def _element_arrays(source: Source, rows: list[Any], stem: str) -> Iterator[Array]:
    yield Array(f"{stem}_id", np.array([row.id for row in rows], "i8"), (stem,))
    yield Array(f"{stem}_template", np.array([row.template for row in rows], "i4"), (stem,))
    for field, name, one in (("nodes", "nodes", "node"), ("faces", "faces", "face"),
                             ("factors", "scale_factors", "scale_factor"), ("values", "values", "value")):  # fmt: skip
        held = [getattr(row, field) for row in rows]
        if not any(held):
            continue
        words = [word for words in held for word in words]
        values = numbers(words, source, f"one of the {name} of an element")
        if field in ("nodes", "faces"):
            if not (
                np.isfinite(values).all()
                and (values == np.rint(values)).all()
                and (np.abs(values) < 2**53).all()
            ):
                raise FormatError(
                    f"{source.name}: {name} of an element are no whole numbers; it is damaged", hint=REPAIR
                )
            values = values.astype("i8")
        yield Array(f"{stem}_{name}", values, (f"{stem}_{one}",))
        yield Array(f"{stem}_{one}_offsets", np.cumsum([0, *map(len, held)], dtype="i8"), (f"{stem}_edge",))


def _group_arrays(regions: list[Region]) -> Iterator[Array]:
    rows = [(region.path, name, where, list(dict.fromkeys(ids))) for region in regions
            for (name, where), ids in region.groups.items()]  # fmt: skip
    if not rows:
        return
    for column, name in ((1, "name"), (0, "region"), (2, "domain")):
        yield Array(f"group_{name}", np.array([row[column] for row in rows], "O"), ("group",))
    members = [number for row in rows for number in row[3]]
    if members:
        yield Array("group_members", np.array(members, "i8"), ("group_member",))
    yield Array("group_offsets", np.cumsum([0, *(len(row[3]) for row in rows)], dtype="i8"), ("group_edge",))


_START = re.compile(rb"(?:\s*![^\n]*\n|\s+)*\s*(?:EX Version\s*:|Region\s*:|Group name\s*:)")


def _sniff(head: bytes) -> bool:
    return b"\0" not in head and _START.match(head) is not None


FORMAT = Format(
    name="exf",
    title="OpenCMISS-Zinc EX mesh",
    kind="geometry",
    suffixes=(".exf", ".ex", ".ex2", ".exnode", ".exelem", ".exdata"),
    open=open_exf,
    magic=((0, b"EX Version:"),),
    sniff=_sniff,
    carried="nodes, elements, fields with derivatives and versions, groups, datapoints",
    left="constant and indexed fields (refused)",
    lazy="the whole file",
)
