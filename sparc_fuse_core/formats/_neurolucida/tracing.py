"""The elements of a Neurolucida file as they stream by: traces with their points, properties, the header.

A trace is a contour, tree, branch, marker, vessel, node, edge, spine, varicosity, text, arrow or scale bar, and
any other element that holds a ``point``. Traces lie in each other: a branch in its tree, a marker in its
contour; the point after which it stands in there is kept. All lengths are in micrometres, says the
specification.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import Any

from sparc_fuse_core.errors import FormatError, LimitExceeded

TRACES = frozenset({"contour", "tree", "branch", "marker", "vessel", "node", "edge", "spine", "varicosity", "text",
                    "arrow", "scalebar"})  # fmt: skip
_SKELETON = frozenset({"tree", "branch"})
_HEADER = frozenset({"description", "filefacts", "sparcdata", "images"})
_AROUND = frozenset({"nodes", "edges", "edgelists", "s", "n", "c", "l", "b", "property", "point", "mbf"})
_DEEPEST = 4096
_MOST_TRACES = 5_000_000


@dataclass(slots=True)
class Trace:
    """One element with points; ``x y z d`` of each lie in ``points``."""

    kind: str
    parent: int
    parent_point: int
    attributes: dict[str, str]
    points: array[float] = field(default_factory=lambda: array("d"))
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.points) // 4


@dataclass(slots=True)
class _Open:
    """An element that has begun."""

    tag: str
    attributes: dict[str, str]
    trace: int | None
    text: list[str] = field(default_factory=list)
    node: dict[str, Any] | None = None


class Tracing:
    """Takes the events of an XML parser; holds what was traced."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: dict[str, str] = {}
        self.traces: list[Trace] = []
        self.sections: dict[tuple[int, int], str] = {}
        self.properties: list[tuple[int, str, list[str]]] = []
        self.links: list[tuple[int, dict[str, str]]] = []
        self.header: dict[str, Any] = {}
        self.dropped: dict[str, int] = {}
        self._stack: list[_Open] = []
        self._items: list[str] | None = None

    # -- what the parser calls --------------------------------------------------------------------

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        plain = tag.rpartition("}")[2]
        if len(self._stack) >= _DEEPEST:
            raise LimitExceeded(
                f"{self.name}: has elements nested more than {_DEEPEST} deep; it is damaged",
                hint="Save the tracing again in its program.",
            )
        here = _Open(plain, attributes, None)
        if not self._stack:
            self.root = dict(attributes)
        elif plain == "point":
            self._point(attributes)
        elif plain == "property":
            self._items = []
        elif plain == "edgelist":
            self.links.append((self._owner(), dict(attributes)))
        elif self._stack[-1].node is not None or (len(self._stack) == 1 and plain in _HEADER):
            here.node = {"attributes": dict(attributes), "children": [], "tag": plain}
        elif plain in TRACES and self._items is None:
            here.trace = self._begin(plain, attributes)
        self._stack.append(here)

    def data(self, text: str) -> None:
        if self._stack:
            self._stack[-1].text.append(text)

    def end(self, _: str) -> None:
        here = self._stack.pop()
        text = "".join(here.text).strip()
        if here.node is not None:
            self._end_header(here, text)
        elif here.tag == "property":
            items, self._items = self._items or [], None
            owner = -1 if len(self._stack) == 1 else self._owner()
            self.properties.append((owner, here.attributes.get("name", ""), items))
        elif self._items is not None:
            if text or here.tag in ("s", "n", "c", "b"):
                self._items.append(text)
        elif self._stack and here.trace is None and here.tag not in _AROUND and here.tag != "edgelist":
            self._end_detail(here, text)
        elif here.trace is not None and text:
            self.traces[here.trace].details["content"] = text

    def close(self) -> Tracing:
        return self

    # -- what they mean ---------------------------------------------------------------------------

    def _owner(self) -> int:
        """Number of the innermost trace that is open; -1 when there is none."""
        return next((o.trace for o in reversed(self._stack) if o.trace is not None), -1)

    def _begin(self, kind: str, attributes: dict[str, str]) -> int:
        if len(self.traces) >= _MOST_TRACES:
            raise LimitExceeded(f"{self.name}: has more than {_MOST_TRACES} traces; it is damaged")
        parent = self._owner()
        before = self.traces[parent].count - 1 if parent >= 0 else -1
        self.traces.append(Trace(kind, parent, before, dict(attributes)))
        return len(self.traces) - 1

    def _point(self, attributes: dict[str, str]) -> None:
        around = self._stack[-1]
        if around.trace is None:
            around.trace = self._begin(around.tag, around.attributes)
        trace = self.traces[around.trace]
        try:
            values = [float(attributes[key]) for key in ("x", "y", "z")]
            values.append(float(attributes["d"]) if "d" in attributes else math.nan)
        except (KeyError, ValueError) as error:
            raise FormatError(
                f"{self.name}: point {trace.count + 1} of a {trace.kind} has no proper x, y, z, d ({error}); it is "
                "damaged", hint="Save the tracing again in its program.",
            ) from error  # fmt: skip
        if "sid" in attributes:
            self.sections[around.trace, trace.count] = attributes["sid"]
        if left := set(attributes) - {"x", "y", "z", "d", "sid"}:
            self.dropped["point " + " ".join(sorted(left))[:60]] = 1
        trace.points.extend(values)

    def _end_header(self, here: _Open, text: str) -> None:
        assert here.node is not None
        children = here.node["children"]
        value: Any = {**here.attributes}
        for child, held in children:
            value.setdefault(child, []).append(held)
        if text and not children:
            value = {**value, "text": text} if value else text
        if self._stack[-1].node is not None:
            self._stack[-1].node["children"].append((here.tag, value))
        else:
            self.header[here.tag] = value

    def _end_detail(self, here: _Open, text: str) -> None:
        """An element that is neither trace nor header: kept with its trace, or named as dropped."""
        owner = self._owner()
        if owner < 0:
            if len(self._stack) == 1:
                self.dropped[here.tag[:60]] = self.dropped.get(here.tag[:60], 0) + 1
            return
        self.traces[owner].details[here.tag] = text or here.attributes

    # -- the skeleton -----------------------------------------------------------------------------

    def offsets(self) -> list[int]:
        """Where the points of each trace begin; one more at the end."""
        found = [0]
        for trace in self.traces:
            found.append(found[-1] + trace.count)
        return found

    def parent_points(self, offsets: list[int]) -> tuple[list[int], list[int]]:
        """The point before each point of a tree, and the point after which each trace stands in its parent; -1:
        none."""
        before: list[int] = []
        attached: list[int] = []
        for trace in self.traces:
            above, at = trace.parent, trace.parent_point
            # A branch of a branch that has no point of its own yet goes on from the one around both.
            while above >= 0 and at < 0 and trace.kind in _SKELETON and self.traces[above].kind in _SKELETON:
                above, at = self.traces[above].parent, self.traces[above].parent_point
            attached.append(offsets[above] + at if above >= 0 and at >= 0 else -1)
            start = offsets[len(attached) - 1]
            if trace.kind in _SKELETON:
                before += [attached[-1] if i == 0 else start + i - 1 for i in range(trace.count)]
            else:
                before += [-1] * trace.count
        return before, attached
