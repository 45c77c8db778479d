"""The tag tree of DM3 and DM4.

::

    DM3: u32 version 3, u32 bytes, u32 order          DM4: u32 version 4, u64 bytes, u32 order
    group: u8 sorted, u8 open, n tags                 n and all counts below are u32 in DM3, u64 in DM4
    tag: u8 kind (20 group, 21 value), u16 length of the name, the name, in DM4 u64 bytes that follow
    value: "%%%%", number of words, the words (types and counts), the value

The tree is big-endian; values are little-endian where ``order`` is 1. Types: 2 i16, 3 i32, 4 u16, 5 u32,
6 f32, 7 f64, 8 bool, 9 and 10 i8, 11 i64, 12 u64, 15 struct, 18 text, 20 array. Texts are arrays of u16.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.formats._container.damage import damaged, too_much

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

GROUP, VALUE = 20, 21
_TYPES = {
    2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "b", 11: "q", 12: "Q",
}  # fmt: skip
_STRUCT, _TEXT, _ARRAY, _UNICODE = 15, 18, 20, 4
_WINDOW = 1 << 16
_DEEPEST = 64
_MOST_TAGS = 1 << 18
_MOST_WORDS = 1 << 12
_LONGEST_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class Blob:
    """An array that stays in the file: where it begins, its bytes, and the type of its items (15: structs)."""

    offset: int
    nbytes: int
    kind: int


@dataclass(slots=True)
class Group:
    """Tags in their order; those without a name are found by their number."""

    tags: list[tuple[str, Any]] = field(default_factory=list)

    def get(self, *path: str | int) -> Any:
        """The value at a path of names and numbers; None when there is none."""
        here: Any = self
        for step in path:
            if not isinstance(here, Group):
                return None
            if isinstance(step, int):
                here = here.tags[step][1] if step < len(here.tags) else None
            else:
                here = next((value for name, value in here.tags if name == step), None)
        return here

    def group(self, *path: str | int) -> Group:
        """The group at a path; an empty one when there is none."""
        found = self.get(*path)
        return found if isinstance(found, Group) else Group()

    def text(self, *path: str | int) -> str:
        """The text at a path; empty when there is none."""
        found = self.get(*path)
        return found if isinstance(found, str) else ""

    def number(self, *path: str | int) -> float | None:
        """The number at a path; None when there is none."""
        found = self.get(*path)
        return found if isinstance(found, int | float) else None

    @property
    def groups(self) -> list[Group]:
        return [value for _, value in self.tags if isinstance(value, Group)]


class Tags:
    """Reads the tree of one file from front to back; large arrays are passed over."""

    def __init__(self, source: Source) -> None:
        self._source = source
        (self.version,) = source.unpack(">I", 0)
        if self.version not in (3, 4):
            raise damaged(source.name, f"DM3 or DM4 was expected, the version is {self.version}")
        self._wide = self.version == 4
        self._word = 8 if self._wide else 4
        order = source.unpack(">I", 12 if self._wide else 8)[0]
        if order not in (0, 1):
            raise damaged(source.name, f"its byte order is {order}; 0 or 1 was expected")
        self.order = "<" if order else ">"
        self._at = 16 if self._wide else 12
        self._start, self._window, self._count = 0, b"", 0
        self.root = self._group(0)

    def _take(self, nbytes: int, what: str = "tags") -> bytes:
        at = self._at - self._start
        if at < 0 or at + nbytes > len(self._window):
            self._source.expect(self._at, nbytes, what)
            ahead = min(max(nbytes, _WINDOW), self._source.size - self._at)
            self._start, self._window = self._at, self._source.read(self._at, ahead, what)
            at = 0
        self._at += nbytes
        return self._window[at : at + nbytes]

    def _words(self, count: int) -> tuple[int, ...]:
        letter = "Q" if self._wide else "I"
        return struct.unpack(f">{count}{letter}", self._take(count * self._word))

    def _group(self, depth: int) -> Group:
        if depth > _DEEPEST:
            raise too_much(self._source.name, f"tags are nested more than {_DEEPEST} deep")
        self._take(2)
        (count,) = self._words(1)
        self._count += count
        if self._count > _MOST_TAGS:
            raise too_much(self._source.name, f"asks for {self._count} tags, at most {_MOST_TAGS} are sane")
        found = Group()
        for _ in range(count):
            kind, length = struct.unpack(">BH", self._take(3))
            name = self._take(length).decode("latin-1")
            follow = struct.unpack(">Q", self._take(8))[0] if self._wide else -1
            if kind == GROUP:
                found.tags.append((name, self._group(depth + 1)))
            elif kind == VALUE:
                found.tags.append((name, self._value(name, follow)))
            else:
                raise damaged(
                    self._source.name, f"tag {name[:40]!r} is of kind {kind}; 20 or 21 was expected"
                )
        return found

    def _value(self, name: str, follow: int) -> Any:
        begin = self._at
        if self._take(4) != b"%%%%":
            raise damaged(self._source.name, f"tag {name[:40]!r} does not begin with %%%%")
        (count,) = self._words(1)
        if not 0 < count <= _MOST_WORDS:
            raise damaged(self._source.name, f"tag {name[:40]!r} is described by {count} words")
        words = self._words(count)
        if words[0] in _TYPES and count == 1:
            return self._numbers(_TYPES[words[0]])[0]
        if words[0] == _STRUCT:
            return list(self._numbers(self._fields(words, name)))
        if words[0] == _TEXT and count == 2:
            return self._text(words[1])
        if words[0] == _ARRAY and count >= 3:
            return self._array(words[1:], name)
        if follow < 0:
            raise damaged(
                self._source.name, f"tag {name[:40]!r} is of the type {words[:4]}, which is not known"
            )
        self._at = begin + follow  # DM4 says how long a tag is, so that one of a new type can be passed over
        return None

    def _numbers(self, letters: str) -> tuple[Any, ...]:
        layout = struct.Struct(self.order + letters)
        return layout.unpack(self._take(layout.size))

    def _fields(self, words: Sequence[int], name: str) -> str:
        """Letters of the fields of a struct: words are 15, 0, n and for each field 0 and its type."""
        kinds = words[4::2]
        if len(words) < 3 or len(kinds) != words[2] or any(kind not in _TYPES for kind in kinds):
            raise damaged(self._source.name, f"tag {name[:40]!r} is a struct of the types {tuple(words[:8])}")
        return "".join(_TYPES[kind] for kind in kinds)

    def _text(self, nbytes: int) -> str:
        if nbytes > _LONGEST_TEXT:
            raise damaged(self._source.name, f"a text of {nbytes} bytes is promised")
        return (
            self._take(nbytes)
            .decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace")
            .strip("\0")
        )

    def _array(self, words: Sequence[int], name: str) -> Any:
        """Short arrays of u16 are texts; all others stay in the file."""
        kind, count = words[0], words[-1]
        if kind == _STRUCT:
            size = struct.calcsize("<" + self._fields(words[:-1], name))
        elif kind in _TYPES and len(words) == 2:
            size = struct.calcsize("<" + _TYPES[kind])
        else:
            raise damaged(self._source.name, f"tag {name[:40]!r} is an array of the type {tuple(words[:4])}")
        if kind == _UNICODE and count * size <= _LONGEST_TEXT and name != "Data":
            return self._text(count * size)
        blob = Blob(self._at, count * size, kind)
        self._source.expect(blob.offset, blob.nbytes, f"tag {name[:40]!r}")
        self._at += blob.nbytes
        return blob
