"""Regions with their nodes, datapoints, elements and groups, as the lines of an EX file tell of them.

``Region: /path`` and ``Group name: name`` say what follows; ``!#nodeset`` and ``!#mesh`` (versions 2 and 3) or
``Shape. Dimension=`` (version 1) say of which kind it is. Version 3 defines templates and names them later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, LimitExceeded
from sparc_fuse_core.formats._exf.header import (
    ElementHeader,
    FieldHeader,
    read_element_header,
    read_node_header,
)
from sparc_fuse_core.formats._exf.text import REPAIR, Lines

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

_SHAPE = re.compile(r"\s*Shape\s*\.\s*Dimension\s*=\s*(\d)\s*(?:,\s*(.*))?$")
_TEMPLATE = re.compile(r"\s*(Define )?(Node|Element|node|element) template\s*:\s*(.*)$")
_MESH = re.compile(r"\s*!#mesh\s+\S+?,\s*dimension\s*=\s*(\d)")
_LISTS = {"Faces": "faces", "Nodes": "nodes", "Scale factors": "factors", "Values": "values"}


@dataclass(slots=True)
class Block:
    """Nodes of one template: their numbers, and the words of all of them one after the other."""

    fields: list[FieldHeader]
    ids: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Element:
    """One element as one template tells of it."""

    id: int
    template: int
    faces: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    factors: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    @property
    def bare(self) -> bool:
        return not (self.faces or self.nodes or self.factors or self.values)


@dataclass(slots=True)
class Region:
    """What one region holds; ``blocks`` by nodeset, ``elements`` by dimension and number."""

    path: str
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    elements: dict[int, dict[int, list[Element]]] = field(default_factory=dict)
    groups: dict[tuple[str, str], list[int]] = field(default_factory=dict)


class Model:
    """Everything in a file; built by one pass over its lines."""

    def __init__(self, source: Source) -> None:
        self.lines = Lines(source)
        self.version = 1
        self.regions: dict[str, Region] = {}
        self.templates: list[ElementHeader] = []
        self._named: dict[tuple[str, str], list[FieldHeader] | int] = {}
        self._fields: list[FieldHeader] = []
        self._template: int | None = None
        self._defining: tuple[str, str] | None = None
        self._nodeset, self._dimension, self._shape = "nodes", 0, ""
        self._group = ""
        self.region = self._enter("/")
        while (line := self.lines.peek()) is not None:
            self._take(line)

    def _enter(self, path: str) -> Region:
        self._group = ""
        self._fields, self._template = [], None
        path = "/" + "/".join(part for part in path.split("/") if part)
        return self.regions.setdefault(path, Region(path))

    def _take(self, line: str) -> None:
        told = line.strip()
        key = told.partition(":")[0]
        if _SHAPE.match(line):
            self._take_shape(line)
        elif told.startswith("#Fields") and self._dimension == 0:
            self._keep_fields(read_node_header(self.lines))
        elif told.startswith("#Scale factor sets") or (
            told.startswith(("#Fields", "#Nodes")) and self._dimension
        ):
            self._take_header()
        elif match := _TEMPLATE.match(line):
            self._take_template(match)
        elif key in ("Node group", "Element group"):
            self.lines.next("")
            where = self._nodeset if key == "Node group" else f"mesh{self._dimension}d"
            self.region.groups.setdefault((self._group, where), []).extend(self.lines.ranges())
        elif key == "Node":
            self._take_node(self.lines.next(""))
        elif key == "Element":
            self._take_element(self.lines.next(""))
        elif key == "Region":
            self.region = self._enter(self.lines.next("").partition(":")[2].strip())
        elif key == "Group name":
            name = self.lines.next("").partition(":")[2].strip()
            self._group = "" if name == "/" else name
        elif match := re.match(r"EX Version\s*:\s*(\d+)$", told):
            self._take_version(int(match[1]))
        elif told.startswith("!#"):
            self._take_domain(self.lines.next(""))
        else:
            raise self.lines.wrong("a node, an element or a header", line)

    def _take_version(self, version: int) -> None:
        self.lines.next("")
        self.version = version
        if not 1 <= version <= 3:
            raise FormatError(
                f"{self.lines.name}: is an EX file of version {version}, versions 1 to 3 are read",
                hint="Write it again with OpenCMISS-Zinc as version 3.",
            )

    def _take_domain(self, line: str) -> None:
        if match := re.match(r"\s*!#nodeset\s+(\w+)", line):
            self._nodeset, self._dimension = match[1], 0
        elif match := _MESH.match(line):
            self._dimension = int(match[1])
            if not 1 <= self._dimension <= 3:
                raise self.lines.wrong("a mesh of dimension 1 to 3", line)
        self._fields, self._template = [], None

    def _take_shape(self, line: str) -> None:
        match = _SHAPE.match(self.lines.next(""))
        if match is None or int(match[1]) > 3:
            raise self.lines.wrong("a shape", line)
        self._dimension, self._shape = int(match[1]), (match[2] or "").strip()

    def _take_template(self, match: re.Match[str]) -> None:
        self.lines.next("")
        named = (match[2].lower(), match[3].strip())
        if match[1]:
            self._defining = named
            return
        held = self._named.get(named)
        if held is None:
            raise self.lines.wrong(f"a template that was defined ({named[1][:40]!r} was not)", match[0])
        if isinstance(held, list):
            self._fields, self._dimension = held, 0
        else:
            self._template, self._dimension = held, self.templates[held].dimension

    def _keep_fields(self, fields: list[FieldHeader]) -> None:
        self._fields = fields
        if self._defining is not None:
            self._named[self._defining] = fields
            self._defining = None

    def _take_header(self) -> None:
        first = f"Shape. Dimension={self._dimension}, {self._shape}".rstrip(", ")
        header = read_element_header(self.lines, self._shape, self._dimension, first)
        if len(self.templates) >= 1 << 20:
            raise LimitExceeded(f"{self.lines.name}: has more element templates than is sane")
        known = next((i for i, t in enumerate(self.templates[-64:]) if t.text == header.text), None)
        if known is None:
            self.templates.append(header)
            self._template = len(self.templates) - 1
        else:
            self._template = max(0, len(self.templates) - 64) + known
        if self._defining is not None:
            self._named[self._defining] = self._template
            self._defining = None

    def _take_node(self, line: str) -> None:
        number = self._id(line.partition(":")[2].split(",")[0].split())
        blocks = self.region.blocks.setdefault(self._nodeset, [])
        if not blocks or blocks[-1].fields is not self._fields:
            blocks.append(Block(self._fields))
        blocks[-1].ids.append(number)
        blocks[-1].words += self.lines.words(sum(f.words for f in self._fields))
        self._join(self._nodeset, number)

    def _take_element(self, line: str) -> None:
        words = line.partition(":")[2].split()
        number = self._id([next((w for w in words if w != "0"), "0")] if len(words) == 3 else words)
        if self._template is None or self.templates[self._template].dimension != self._dimension:
            raise self.lines.wrong("the header of elements", line)
        element = Element(number, self._template)
        while (section := self.lines.section()) is not None:
            name, held = section
            if name == "Faces" and self.version == 1:
                held = _triples(held)
            setattr(element, _LISTS[name], held)
        self._expect(element)
        rows = self.region.elements.setdefault(self._dimension, {}).setdefault(number, [])
        if rows and rows[-1].bare:
            rows[-1] = element
        elif not (rows and (element.bare or element in rows)):
            rows.append(element)
        self._join(f"mesh{self._dimension}d", number)

    def _expect(self, element: Element) -> None:
        header = self.templates[element.template]
        for what, held, count in (
            ("nodes", element.nodes, header.nodes),
            ("scale factors", element.factors, header.factors),
        ):
            if len(held) != count and (held or not element.bare):
                raise FormatError(
                    f"{self.lines.name}: element {element.id} has {len(held)} {what}, {count} were promised",
                    hint=REPAIR,
                )

    def _join(self, where: str, number: int) -> None:
        if self._group:
            self.region.groups.setdefault((self._group, where), []).append(number)

    def _id(self, words: list[str]) -> int:
        if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > 18:
            raise self.lines.wrong("a number", " ".join(words))
        return int(words[0])


def _triples(words: list[str]) -> list[str]:
    """Faces of version 1, ``element face line``: the one that is not 0; -1 where none is."""
    rows = [words[at : at + 3] for at in range(0, len(words), 3)]
    return [next((word for word in row if word != "0"), "-1") for row in rows]
