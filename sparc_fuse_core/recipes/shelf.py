"""Where recipes are, which of them is for a file, and how a user's own is saved."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import FuseError, NotFound, WriteError
from sparc_fuse_core.recipes.schema import Recipe, checked

if TYPE_CHECKING:
    from sparc_fuse_core.source import Source

__all__ = ["fitting", "folder", "load", "recipes", "render", "save"]

_MOST_BYTES = 1 << 18


def folder() -> Path:
    """Where the user's own recipes lie; ``SPARC_FUSE_RECIPES`` moves it."""
    from platformdirs import user_config_path

    given = os.environ.get("SPARC_FUSE_RECIPES")
    return Path(given).expanduser() if given else user_config_path("sparc-fuse", appauthor=False) / "recipes"


def load(place: str | os.PathLike[str]) -> Recipe:
    """The recipe in a TOML file; FuseError says which key is wrong and what belongs there."""
    path = Path(place).expanduser()
    try:
        facts = path.stat()
        return _loaded(path, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such recipe", hint="`sparc-fuse recipes` lists what is there.") from error
    except OSError as error:
        raise FuseError(f"{path}: cannot be read ({error.strerror})", hint="Check the file.") from error


@lru_cache(256)
def _loaded(path: Path, _: int, size: int) -> Recipe:
    if size > _MOST_BYTES:
        raise FuseError(f"{path}: has {size} bytes, no recipe is that long", hint="Choose a recipe (.toml).")
    data = path.read_bytes()
    return checked(_parsed(data, str(path)), str(path), hashlib.sha256(data).hexdigest())


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FuseError(
            f"{where}: a recipe is a TOML file, this is none ({error})", hint="Mend the line that is named."
        ) from error


@lru_cache(1)
def _shipped() -> tuple[Recipe, ...]:
    held = [item for item in files(__package__).iterdir() if item.name.endswith(".toml")]
    return tuple(
        checked(_parsed(item.read_bytes(), item.name), item.name)
        for item in sorted(held, key=lambda i: i.name)
    )


def recipes() -> tuple[Recipe, ...]:
    """The user's own recipes, then those that come with SPARC FUSE."""
    place = folder()
    own = [load(path) for path in sorted(place.glob("*.toml"))] if place.is_dir() else []
    return (*own, *_shipped())


def fitting(source: Source, dataset_id: str, path: str) -> Recipe | None:
    """The recipe for a file of a dataset: a user's own before a shipped one, the closest pattern first."""
    from sparc_fuse_core.formats import detect

    held = [(r, r.fit(path)) for r in recipes() if dataset_id in r.datasets]
    found = [(recipe, fit) for recipe, fit in held if fit >= 0]
    if not found:
        return None
    name = detect(source).name
    best = [row for row in found if name in row[0].formats]
    return max(best, key=lambda row: (bool(row[0].sha256), row[1]))[0] if best else None


def save(content: Mapping[str, Any]) -> Path:
    """Write a user's recipe into `folder`; one of the same name is replaced.

    Raises FuseError when it is not valid, WriteError when it cannot be written.
    """
    recipe = checked(content, f"recipe {content.get('name', '')!r}")
    text = render(content)
    checked(_parsed(text.encode(), recipe.name), recipe.name)
    target = folder() / f"{recipe.name}.toml"
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        os.replace(part, target)
    except OSError as error:
        raise WriteError(
            f"{target}: cannot be written ({error.strerror})", hint="SPARC_FUSE_RECIPES names another folder."
        ) from error
    return target


def render(content: Mapping[str, Any]) -> str:
    """A recipe as TOML text."""
    plain = {key: value for key, value in content.items() if key != "reader"}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    lines += ["", "[reader]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in content["reader"].items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(held)}" for key, held in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # What JSON writes for text, numbers, true and false is TOML too, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
