"""The lines of an EX file with a cursor, and the words in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError, Truncated
from sparc_fuse_core.formats._mesh.words import lines_of

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

REPAIR = "Fetch the file again, or write it again with its program."
_KEYWORD = re.compile(
    r"\s*(?:Region|Group name|Node|Element|Shape|Define \w+ template|Node template|Element template|"
    r"(?:Node|Element) group)\b[^=]*[:.]|\s*!#|\s*EX Version|\s*#Fields|\s*#Scale factor sets"
)
_SECTION = re.compile(r"\s*(Faces|Nodes|Scale factors|Values)\s*:")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)')
_MOST_IDS = 50_000_000


class Lines:
    """Lines that say something, one after the other; comments are passed over."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source
        self._lines = self._read()
        self._ahead: str | None = next(self._lines, None)

    def _read(self) -> Iterator[str]:
        for line in lines_of(self._source):
            told = line.lstrip()
            if told and (not told.startswith("!") or told.startswith("!#")):
                yield line.rstrip()

    def peek(self) -> str | None:
        """The next line; None at the end."""
        return self._ahead

    def next(self, what: str) -> str:
        """The next line, passed; Truncated at the end."""
        if self._ahead is None:
            raise Truncated(f"{self.name}: ends where {what} should be; it is cut short", hint=REPAIR)
        line, self._ahead = self._ahead, next(self._lines, None)
        return line

    def is_keyword(self, line: str) -> bool:
        """True when a line begins something new."""
        return _KEYWORD.match(line) is not None and not line.lstrip().startswith(("#Fields", "#Scale"))

    def number_after(self, key: str) -> int:
        line = self.next(key)
        match = re.match(rf"\s*{key}\s*=\s*(\d{{1,9}})\s*$", line)
        if match is None:
            raise self.wrong(f"{key}=", line)
        return int(match[1])

    def wrong(self, what: str, line: str) -> FormatError:
        return FormatError(
            f"{self.name}: {line.strip()[:70]!r} stands where {what} should be; it is damaged or another format",
            hint=REPAIR,
        )

    def words(self, count: int) -> list[str]:
        """The next ``count`` words, quotes taken off."""
        found: list[str] = []
        while len(found) < count:
            line = self.next(f"the value {len(found) + 1} of {count}")
            if self.is_keyword(line):
                raise self.wrong(f"value {len(found) + 1} of {count}", line)
            if '"' in line or "'" in line:
                found += [_unquoted(match) for match in _WORD.finditer(line)]
            else:
                found += line.split()
        if len(found) != count:
            raise FormatError(
                f"{self.name}: {count} values were expected, {len(found)} are there; it is damaged",
                hint=REPAIR,
            )
        return found

    def section(self) -> tuple[str, list[str]] | None:
        """Name and words of ``Faces:``, ``Nodes:``, ``Scale factors:`` or ``Values:``; None when none is next."""
        match = _SECTION.match(self._ahead or "")
        if match is None:
            return None
        found = self.next("")[match.end() :].split()
        while (
            self._ahead is not None and not _SECTION.match(self._ahead) and not self.is_keyword(self._ahead)
        ):
            if self._ahead.lstrip().startswith("#"):
                break
            found += self.next("").split()
        return match[1], found

    def ranges(self) -> list[int]:
        """``1..2,4,6..7`` over several lines as numbers."""
        found: list[int] = []
        while self._ahead is not None and re.fullmatch(r"[\s\d,.]+", self._ahead):
            for item in self.next("").replace(",", " ").split():
                first, _, last = item.partition("..")
                if not first.isdecimal() or (last and not last.isdecimal()) or len(item) > 40:
                    raise self.wrong("numbers of a group", item)
                low, high = int(first), int(last or first)
                if high < low or len(found) + high - low > _MOST_IDS:
                    raise self.wrong("numbers of a group", item)
                found += range(low, high + 1)
        return found


def _unquoted(match: re.Match[str]) -> str:
    quoted = match[1] if match[1] is not None else match[2]
    return match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
