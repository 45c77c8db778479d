"""Text of tables: encodings, and lines as records with their place in the file."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

BLANKS = " "  # as delimiter: any run of blanks and tabs
_COMMENTS = ("#", "%", "//")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Record:
    """One line, or several where a quoted field holds line ends; ``offset`` in bytes of the file."""

    offset: int
    text: str

    def comment(self) -> str:
        """The mark with which the line is commented out, or ""."""
        return next((mark for mark in _COMMENTS if self.text.startswith(mark)), "")


def encoding_of(head: bytes) -> tuple[str, int]:
    """Encoding and length of the byte order mark."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    even, odd = head[0:2000:2].count(0), head[1:2000:2].count(0)
    half = max(1, len(head[:2000]) // 2)
    if odd > 0.4 * half and even == 0:
        return "utf-16-le", 0
    if even > 0.4 * half and odd == 0:
        return "utf-16-be", 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252", 0
    return "utf-8", 0


def newline_of(head: bytes, encoding: str) -> str:
    """What ends a line: a line feed, or a carriage return alone as on old Macintoshes."""
    return "\r" if "\r".encode(encoding) in head and "\n".encode(encoding) not in head else "\n"


def decode(raw: bytes, encoding: str) -> str:
    """Text of some bytes; those that are no UTF-8 are read as Windows Latin.

    UnicodeDecodeError for UTF-16 that is cut short or damaged.
    """
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        if encoding.startswith(("utf-16", "utf-32")):
            raise
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def records_of(head: bytes, whole: bool, known: str = "") -> tuple[str, list[Record]]:
    """Encoding and the records of a file's head; a last one that may be cut is left out unless ``whole``."""
    encoding, at = (known, 0) if known else encoding_of(head)
    unit = {"utf-16": 2, "utf-32": 4}.get(encoding[:6], 1)
    body = head[at : at + (len(head) - at) // unit * unit]
    text = codecs.getincrementaldecoder(encoding)("replace").decode(body, whole)
    wide = encoding != "cp1252"
    records: list[Record] = []
    open_quote = 0
    for line in _LINE.findall(text):
        size = len(line.encode(encoding, "replace")) if wide and not line.isascii() else len(line) * unit
        bare = line.rstrip("\r\n")
        if 0 < open_quote < 10 and records:
            records[-1].text += "\n" + bare
            open_quote = 0 if bare.count('"') % 2 else open_quote + 1
        else:
            records.append(Record(at, bare))
            open_quote = int(bare.count('"') % 2 and f',"{bare}'.count(',"') > 1)
        at += size
    if not whole and records and not text.endswith(("\n", "\r")):
        records.pop()
    return encoding, records


def split(text: str, delimiter: str) -> list[str]:
    """The cells of one record."""
    if delimiter == BLANKS:
        if '"' in text:
            return [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', text)]
        return text.split()
    if '"' in text:
        try:
            return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            return text.split(delimiter)
    return text.split(delimiter)


def refuse_binary(source: Source, raw: bytes, encoding: str) -> None:
    """Raise FormatError for bytes that text never has."""
    if b"\0" in raw and not encoding.startswith(("utf-16", "utf-32")):
        raise FormatError(
            f"{source.name}: a text table was expected, byte {raw.index(0)} of what was read is zero; "
            "it is damaged or not text",
            hint="Fetch the file again, or rename it if its ending is wrong.",
            source=source.url,
        )
