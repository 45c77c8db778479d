"""Leica's containers: a text of XML and blocks of memory.

::

    chunk: u32 0x70, u32 bytes that follow, then fields
    LIF: chunk (u8 0x2A, u32 letters, XML in UTF-16), then for each block of memory a chunk
         (u8 0x2A, u64 bytes (u32 in version 1), u8 0x2A, u32 letters, its name in UTF-16) and its bytes
    LOF: chunk (u8 0x2A, u32 15, "LMS_Object_File"), u8 0x2A, u32 major, u8 0x2A, u32 minor, u8 0x2A,
         u64 bytes, the bytes of its only block, then the chunk with the XML
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import Truncated
from sparc_fuse_core.formats._container.damage import damaged, too_much
from sparc_fuse_core.model import limit_items

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

MAGIC = b"\x70\0\0\0"
_OBJECT = "LMS_Object_File"
_MOST_XML = 1 << 28
_MOST_BLOCKS = 1 << 18
_MOST_NAME = 1 << 12


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block of memory lies; ``size`` is what it promises, ``held`` what is there."""

    offset: int
    size: int
    held: int


class Container:
    """An opened file.

    Attributes
    ----------
    root
        The XML, parsed.
    blocks
        Blocks of memory by name; that of a LOF has the name "".
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        text, at = self._text(0)
        self.single = text == _OBJECT
        self.blocks: dict[str, Block] = {}
        if self.single:
            mark, self.major, again, _, last, size = source.unpack("<BIBIBQ", at, "header")
            if {mark, again, last} != {0x2A}:
                raise damaged(source.name, "its header does not say how large its image is")
            begin = at + 19
            source.expect(begin, size, "image")
            self.blocks[""] = Block(begin, size, size)
            text, _ = self._text(begin + size)
        self.root = parse_xml(source, text)
        if not self.single:
            self._read_blocks(at)

    def _text(self, at: int) -> tuple[str, int]:
        """The text of a chunk, and where the chunk ends."""
        mark, size, test, letters = self._source.unpack("<IIBI", at, "header")
        if mark != 0x70 or test != 0x2A or size != 2 * letters + 5:
            raise damaged(self._source.name, f"a chunk with text was expected at byte {at}")
        if 2 * letters > _MOST_XML:
            raise too_much(
                self._source.name, f"asks for {2 * letters} bytes of XML, at most {_MOST_XML} are sane"
            )
        raw = self._source.read(at + 13, 2 * letters, "XML")
        return raw.decode("utf-16-le", "replace").rstrip("\0"), at + 13 + 2 * letters

    def _read_blocks(self, at: int) -> None:
        wide = self.root.get("Version", "2") != "1"
        layout, length = ("<IIBQBI", 22) if wide else ("<IIBIBI", 18)
        while at + length <= self._source.size:
            mark, _, test, size, again, letters = self._source.unpack(layout, at, "block of memory")
            if (mark, test, again) != (0x70, 0x2A, 0x2A) or letters > _MOST_NAME:
                return  # what follows the last block is of no image; an image whose block lacks is refused
            begin = at + length + 2 * letters
            self._source.expect(at + length, 2 * letters, "name of a block")
            name = self._source.read(at + length, 2 * letters).decode("utf-16-le", "replace")
            held = max(0, min(size, self._source.size - begin))
            self.blocks[name] = Block(begin, size, held)
            limit_items(self._source, "blocks of memory", len(self.blocks), _MOST_BLOCKS)
            at = begin + size

    def block(self, name: str, nbytes: int, what: str) -> Block:
        """The block of an image, known to hold ``nbytes`` bytes."""
        found = self.blocks.get("" if self.single else name)
        if found is None:
            raise Truncated(
                f"{self._source.name}: {what} should lie in {name!r}, which is not there; it is cut short",
                hint="Fetch the file again, or ask its authors for an intact copy.",
            )
        if nbytes > found.size:
            raise damaged(self._source.name, f"{what} needs {nbytes} bytes, its block has {found.size}")
        self._source.expect(found.offset, nbytes, what)
        return found


def parse_xml(source: Source, text: str) -> Any:
    """The root of the XML; a LOF may hold no more than its ``<Data>``. FormatError when it is no such text."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text.strip())
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise damaged(source.name, f"its XML cannot be read ({error})") from error
    if root.tag == "Data":
        holder = fromstring('<LMSDataContainerHeader Version="2"><Element/></LMSDataContainerHeader>')
        holder[0].set("Name", source.stem)
        holder[0].append(root)
        return holder
    if not root.tag.startswith("LMSDataContainer"):
        raise damaged(source.name, f"a description by LAS was expected, it is {root.tag[:40]!r}")
    return root
