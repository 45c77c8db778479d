"""Where fetched files may lie: the cache folder, and names from outside made safe below a folder."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

from sparc_fuse_core.errors import FuseError

__all__ = ["beside", "cache_folder", "safe_path"]

_DEVICES = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"
}


def cache_folder() -> Path:
    """The folder for fetched files: SPARC_FUSE_CACHE, else the user's cache folder of this system."""
    chosen = os.environ.get("SPARC_FUSE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("sparc-fuse"))


def beside(dest: Path, suffix: str, *, hidden: bool = False) -> Path:
    """A helper file next to `dest`, named after it as far as the length of names allows."""
    name = ("." if hidden else "") + dest.name + suffix
    if len(os.fsencode(name)) > 255:
        name = hashlib.sha256(os.fsencode(dest.name)).hexdigest()[:40] + suffix
    return dest.with_name(name)


def safe_path(root: Path, remote: str) -> Path:
    """The local path of the remote name `remote` below `root`; FuseError when the name could lead elsewhere.

    Refused on every system are names that any system would read as something else than one file below `root`,
    so that a folder made on one machine can be copied to another. The name is brought to Unicode form NFC.
    """
    name = unicodedata.normalize("NFC", remote)
    parts = name.split("/")
    for part in parts:
        _check(part, remote)
    if len(name.encode()) > 1024:  # the longest key of S3
        raise _hostile(remote, "is longer than 1024 bytes")
    path = root.joinpath(*parts)
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise _hostile(remote, "cannot be a path here") from error
    if not inside:
        raise _hostile(remote, "leaves the folder through a link")
    return path


def _check(part: str, remote: str) -> None:
    if not part:
        raise _hostile(remote, "is empty, absolute, or has an empty part")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in part):
        raise _hostile(remote, "has control characters")
    if "\\" in part or ":" in part:
        raise _hostile(remote, "has a backslash or a colon")
    if part[-1] in ". ":
        raise _hostile(remote, "has a part that ends in a dot or a space")
    if part.split(".")[0].rstrip(" ").upper() in _DEVICES:
        raise _hostile(remote, "is the name of a device")
    if len(part.encode()) > 255:
        raise _hostile(remote, "has a part of more than 255 bytes")
    if os.name == "nt" and set(part) & set('<>"|?*'):
        raise _hostile(remote, "has characters that Windows does not allow")


def _hostile(remote: str, why: str) -> FuseError:
    shown = ascii(remote)[:120]
    return FuseError(
        f"{shown}: a name below the dataset's folder was expected, this one {why}",
        hint="This file cannot be fetched safely; tell the owner of the dataset about its name.",
        source=remote,
    )
