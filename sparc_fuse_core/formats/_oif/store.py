"""The files of a FluoView image by their names: streams of an .oib, or a folder beside an .oif."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparc_fuse_core.errors import FormatError
from sparc_fuse_core.formats._container.damage import damaged
from sparc_fuse_core.formats._oif.settings import parse
from sparc_fuse_core.formats._ole2 import MAGIC, Compound

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

FOLDER = ".files"
_MOST_SETTINGS = 1 << 24


class Store:
    """Files by name.

    Attributes
    ----------
    main
        Bytes of the main settings.
    names
        Names of the files without their folder; None where they cannot be listed (an .oif behind https).
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._compound: Compound | None = None
        self._paths: dict[str, str] = {}
        self.names: list[str] | None = None
        if source.head(8) == MAGIC:
            self._open_oib()
        else:
            self.main = source.read(0, min(source.size, _MOST_SETTINGS))
            self._folder = f"{source.name}{FOLDER}"
            known = [p for p in source.below() if p.casefold().startswith(f"{self._folder}/".casefold())]
            if known:
                self._paths = {p.rpartition("/")[2].casefold(): p for p in known}
                self.names = [p.rpartition("/")[2] for p in known]

    def _open_oib(self) -> None:
        self._compound = Compound(self._source)
        info = parse(self._compound.content("OibInfo.txt", _MOST_SETTINGS), self._source.name).get(
            "OibSaveInfo", {}
        )
        if info.get("Compression", "None") not in ("None", ""):
            raise FormatError(
                f"{self._source.name}: its streams are compressed ({info['Compression']}), which is not read",
                hint="Save it again with FluoView without compression, or as .oif.",
            )
        by_leaf = {path.rpartition("/")[2]: path for path in self._compound.streams}
        for key, value in info.items():
            if key.startswith("Stream") and key in by_leaf:
                self._paths[value.replace("\\", "/").rpartition("/")[2].casefold()] = by_leaf[key]
        self.names = [
            v.replace("\\", "/").rpartition("/")[2] for k, v in info.items() if k.startswith("Stream")
        ]
        main = by_leaf.get(info.get("MainFileName", ""))
        if main is None:
            raise damaged(self._source.name, "OibInfo.txt does not say where the settings of the image are")
        self.main = self._compound.content(main, _MOST_SETTINGS)

    def open(self, name: str) -> Source | None:
        """A file by its name without folder; None when it is not there."""
        path = self._paths.get(name.casefold())
        if self._compound is not None:
            return self._compound.stream(path) if path is not None else None
        return self._source.sibling(path or f"{self._folder}/{name}")
