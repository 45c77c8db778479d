"""Field headers of nodes and of elements: what the values that follow mean.

Nodes::

    #Fields=2
    1) coordinates, coordinate, rectangular cartesian, real, #Components=3
     x. #Values=5 (value(2),d/ds1(3))                          versions 2 and 3: labels, versions of each
     y. Value index= 6, #Derivatives= 1 (d/ds1), #Versions=2   version 1: each version has value and derivatives
    2) place, field, element_xi, #Components=1, host mesh=mesh3d, host mesh dimension=3

Elements have scale factor sets, a number of nodes, and for each component of a field its basis and how
parameters of nodes become those of the element; this text is kept word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FormatError, LimitExceeded

if TYPE_CHECKING:
    from sparc_fuse_core.formats._exf.text import Lines

_FIELD = re.compile(r"^\s*\d+\)\s*(.*)$")
_COUNT = re.compile(r"#\s*Components\s*=\s*(\d+)")
_VALUES = re.compile(r"^#\s*Values\s*=\s*(\d+)\s*(?:\((.*)\))?\s*$")
_DERIVATIVES = re.compile(r"#\s*Derivatives\s*=\s*(\d+)\s*(?:\(([^)]*)\))?")
_VERSIONS = re.compile(r"#\s*Versions\s*=\s*(\d+)")
_LABEL = re.compile(r"^([^()]+?)\s*(?:\((\d+)\))?$")
_BASIS = re.compile(r"^\s*(\S.*?)\.\s+(\S.*?),\s*([^,]*),\s*((?:\w+\s)*based)\b")
_SYSTEMS = ("rectangular cartesian", "cylindrical polar", "spherical polar", "prolate spheroidal", "oblate spheroidal",
            "fibre")  # fmt: skip
_KINDS = ("coordinate", "anatomical", "field")
_TYPES = ("real", "integer", "string", "element_xi")
_MOST = 1 << 16


@dataclass(slots=True)
class Component:
    """Name and value labels of one component, in the order of the file."""

    name: str
    labels: tuple[str, ...]


@dataclass(slots=True)
class FieldHeader:
    """What a header says of a field."""

    name: str
    kind: str
    system: str
    value: str
    xi: int
    components: list[Component] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Words that a node has for it."""
        each = 1 + self.xi if self.value == "element_xi" else 1
        return each * sum(len(c.labels) for c in self.components)

    def describe(self) -> dict[str, Any]:
        told = {"type": self.kind, "value_type": self.value, "components": [c.name for c in self.components]}
        return told | ({"coordinate_system": self.system} if self.system else {})


@dataclass(slots=True)
class ElementHeader:
    """Shape of elements, numbers of their nodes and scale factors, and the text of all of it."""

    shape: str
    dimension: int
    nodes: int
    factors: int
    text: str
    fields: dict[str, dict[str, Any]]


def read_node_header(lines: Lines) -> list[FieldHeader]:
    """The fields that ``#Fields=`` announces; the cursor stands behind it."""
    count = lines.number_after("#Fields")
    if count > _MOST:
        raise LimitExceeded(f"{lines.name}: announces {count} fields, at most {_MOST} are sane")
    return [_read_field(lines) for _ in range(count)]


def _read_field(lines: Lines) -> FieldHeader:
    line = lines.next("a field")
    match = _FIELD.match(line)
    if match is None:
        raise lines.wrong("a field", line)
    header, count = parse_field(lines, match[1])
    for _ in range(count):
        header.components.append(_read_component(lines, lines.next("a component")))
    return header


def parse_field(lines: Lines, text: str) -> tuple[FieldHeader, int]:
    """``name, type, system, value type, #Components=n`` and what else; the components follow it."""
    count = _COUNT.search(text)
    if count is None or int(count[1]) > _MOST:
        raise lines.wrong("the components of a field", text)
    parts = [part.strip() for part in text.split(",")]
    words = [part.split(";")[0].strip().lower() for part in parts]
    # A name may hold commas: it ends where the kind of the field stands.
    behind = next((i for i in range(1, len(words)) if words[i] in _KINDS), 1)
    name, words = ", ".join(parts[:behind]), words[behind:]
    for odd in ("constant", "indexed"):
        if odd in words:
            raise FormatError(
                f"{lines.name}: field {name!r} is {odd}, which is not read",
                hint="Write the file again with a current version of OpenCMISS-Zinc (cmlibs.zinc).",
            )
    value = next((word for word in words if word in _TYPES), "real")
    host = re.search(r"dimension\s*=\s*([123])|mesh([123])d", text)
    xi = int(host[1] or host[2]) if host else 0
    if value == "element_xi" and not xi:
        raise FormatError(
            f"{lines.name}: field {name!r} holds places in elements and does not say in which mesh",
            hint="Write the file again with a current version of OpenCMISS-Zinc (cmlibs.zinc).",
        )
    system = next((word for word in words if word in _SYSTEMS), "")
    return FieldHeader(name, words[0] if words else "", system, value, xi), int(count[1])


def _read_component(lines: Lines, line: str) -> Component:
    name, dot, rest = line.strip().partition(".")
    rest = rest.strip()
    if not dot:
        raise lines.wrong("a component", line)
    if match := _VALUES.match(rest):
        labels = _labels(lines, match[2] or "")
        if len(labels) != int(match[1]):
            raise lines.wrong(f"labels of {match[1]} values", line)
        return Component(name.strip(), tuple(labels))
    derivatives = _DERIVATIVES.search(rest)
    if derivatives is None:
        raise lines.wrong("the values of a component", line)
    versions = int(v[1]) if (v := _VERSIONS.search(rest)) else 1
    count = int(derivatives[1])
    if count > 64 or versions > _MOST:
        raise LimitExceeded(f"{lines.name}: {line.strip()[:60]!r} asks for more values than is sane")
    named = [word.strip() for word in (derivatives[2] or "").split(",") if word.strip()]
    one = ["value", *(named if len(named) == count else [f"derivative {i + 1}" for i in range(count)])]
    return Component(name.strip(), tuple(_version(label, v) for v in range(1, versions + 1) for label in one))


def _labels(lines: Lines, text: str) -> list[str]:
    """``value(2),d/ds1`` as value, value(2), d/ds1."""
    found: list[str] = []
    for item in (part.strip() for part in text.split(",")):
        if not item:
            continue
        match = _LABEL.match(item)
        if match is None or int(match[2] or 1) > _MOST:
            raise lines.wrong("labels of values", text)
        found += [_version(match[1].strip(), v) for v in range(1, int(match[2] or 1) + 1)]
    return found


def _version(label: str, version: int) -> str:
    return label if version == 1 else f"{label}({version})"


def read_element_header(lines: Lines, shape: str, dimension: int, first: str) -> ElementHeader:
    """Everything up to the first element of this kind; the cursor stands there."""
    kept, factors, nodes = [first], 0, 0
    fields: dict[str, dict[str, Any]] = {}
    now: dict[str, Any] = {}
    while (line := lines.peek()) is not None and not lines.is_keyword(line):
        lines.next("")
        kept.append(line)
        told = line.strip()
        if match := re.match(r"#\s*Nodes\s*=\s*(\d+)", told):
            nodes = int(match[1]) if not fields else nodes
        elif (match := re.search(r"#\s*Scale factors\s*=\s*(\d+)", told)) and not fields:
            factors += int(match[1])
        elif match := _FIELD.match(line):
            header, _ = parse_field(lines, match[1])
            now = fields.setdefault(header.name, header.describe() | {"components": {}})
        elif (match := _BASIS.match(line)) and fields:
            now["components"][match[1]] = {"basis": match[2], "modify": match[3], "parameters": match[4]}
    return ElementHeader(shape, dimension, nodes, factors, "\n".join(kept), fields)
