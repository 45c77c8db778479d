"""Panel: a traitlets model with its view, one ES module and one style sheet that need no build step."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import anywidget

from sparcfuse_widgets.guard import guarded

__all__ = ["Panel", "module", "style"]

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


@functools.cache
def module(name: str) -> str:
    """An ES module with those that it imports written into it: a widget is given one text, no addresses."""
    seen: set[str] = set()

    def inlined(file: str, *, top: bool) -> str:
        if file in seen:
            return ""
        seen.add(file)
        text = (STATIC / file).read_text("utf-8")
        parts = [inlined(match.group(1), top=False) for match in _IMPORT.finditer(text)]
        body = _IMPORT.sub("", text)
        return "".join(parts) + (
            body if top else re.sub(r"^export (?!default)", "", body, flags=re.MULTILINE)
        )

    return inlined(name, top=True)


@functools.cache
def style(*names: str) -> str:
    """The common style sheet and those of a panel, as one text."""
    return "\n".join((STATIC / f"{name}.css").read_text("utf-8") for name in ("fuse", *names))


class Panel(anywidget.AnyWidget):
    """A view. Messages ``{"do": "<verb>", …}`` from the page call the method ``do_<verb>(message)``."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.on_msg(self._receive)

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        self.receive(content)

    @guarded
    def receive(self, content: Any) -> None:
        """Do what a message from the page asks for; unknown verbs are ignored."""
        if isinstance(content, dict):
            action = getattr(self, f"do_{content.get('do')}", None)
            if action is not None:
                action(content)
