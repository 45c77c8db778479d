"""Damaged files, and what a reader makes of them.

Whatever the damage, a reader gives data or a FuseError. It is tried in a child process, since the ways to
fail are hangs, crashes and memory: the child has 1.5 GiB more than an intact file took and 10 s of processor
time a file, and a new child goes on where one died.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Finding", "mutants", "run_mutants"]

SECONDS = 10
EXTRA_MEMORY = 3 << 29
_HEAD = 4096
_LARGEST = 4 << 20  # a larger file beside the leading one is left intact
_WALL_SECONDS = 120  # a deadlock takes no processor time; a busy machine must not look like one
_WORDS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80",
    b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0", b"\xff\xff", b"\xff\x7f", b"\1\0", b"\0", b"\xff",
    b"99999999", b"-1      ", b"nan ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A damaged file, kept at ``path``, on which a reader failed; ``kind`` and ``detail`` say how."""

    name: str
    kind: str
    detail: str
    path: Path


def mutants(data: bytes, rng: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """``count`` damaged copies of a file with their names: cut, flipped, overwritten, moved, blanked."""
    edges = _edges(data)
    ways = (_truncate, _flip, _word, _word, _word, _splice, _blank)
    for _ in range(count):
        way = rng.choice(ways) if data else _splice
        yield way(data, rng, edges)


def _edges(data: bytes) -> list[int]:
    """Places where structures begin or end: powers of two, and the borders of runs of zeros and blanks."""
    found = {0, 1, 2, 3, len(data) // 2} | {max(0, len(data) - n) for n in (1, 2, 3, 4, 8, 16, 512)}
    found |= {1 << n for n in range(2, 17)}
    blank = (0, 32)
    head = data[: 1 << 16]
    found |= {i for i in range(1, len(head)) if (head[i] in blank) != (head[i - 1] in blank)}
    return sorted(edge for edge in found if edge <= len(data))


def _place(data: bytes, rng: random.Random, edges: list[int]) -> int:
    """Three of four in the first 4 KiB, half of those where a structure begins."""
    if rng.random() < 0.25:
        return rng.randrange(len(data))
    early = [edge for edge in edges if edge < min(_HEAD, len(data))]
    if rng.random() < 0.5 and early:
        return rng.choice(early)
    return rng.randrange(min(_HEAD, len(data))) // 2 * 2


def _truncate(data: bytes, rng: random.Random, edges: list[int]) -> tuple[str, bytes]:
    at = rng.choice(edges) if rng.random() < 0.7 else rng.randrange(len(data) + 1)
    return f"cut-{at}", data[:at]


def _flip(data: bytes, rng: random.Random, edges: list[int]) -> tuple[str, bytes]:
    out = bytearray(data)
    places = [_place(data, rng, edges) for _ in range(rng.choice((1, 1, 2, 8)))]
    for at in places:
        out[at] ^= 1 << rng.randrange(8)
    return f"flip-{places[0]}", bytes(out)


def _word(data: bytes, rng: random.Random, edges: list[int]) -> tuple[str, bytes]:
    at, word = _place(data, rng, edges), rng.choice(_WORDS)
    return f"word-{at}-{word.hex()}", (data[:at] + word + data[at + len(word) :])[: len(data)]


def _splice(data: bytes, rng: random.Random, edges: list[int]) -> tuple[str, bytes]:
    """A piece of the file moved over another, inserted, or taken out."""
    start, at = rng.choice(edges), rng.choice(edges)
    piece = data[start : start + rng.choice((1, 2, 4, 16, 256, 4096))]
    way = rng.choice(("over", "into", "out"))
    if way == "over":
        return f"over-{start}-{at}", data[:at] + piece + data[at + len(piece) :]
    if way == "into":
        return f"into-{start}-{at}", data[:at] + piece + data[at:]
    return f"out-{at}", data[:at] + data[at + len(piece) :]


def _blank(data: bytes, rng: random.Random, edges: list[int]) -> tuple[str, bytes]:
    at, size = _place(data, rng, edges), rng.choice((4, 16, 64, 512, 4096))
    return f"blank-{at}-{size}", (data[:at] + bytes(size) + data[at + size :])[: len(data)]


# -- the parent's side --------------------------------------------------------------------------------------


def run_mutants(
    path: Path | str | Sequence[Path], format_name: str, count: int, seed: int, *, seconds: float = SECONDS
) -> list[Finding]:
    """Try a reader on damaged copies of a file, or of each of several files.

    Parameters
    ----------
    count
        Copies of each file.
    seconds
        Processor time that one copy may take.

    Returns
    -------
    list of Finding
        One for each that gave anything else than data or a FuseError; empty when the reader is sound.
    """
    sources = [Path(path)] if isinstance(path, str | Path) else list(path)
    folder = Path(tempfile.mkdtemp(prefix="fuse-mutants-"))
    findings: list[Finding] = []
    start, total = 0, count * len(sources)
    while start < total:
        asked = [format_name, str(count), str(seed), str(start), str(folder), str(seconds)]
        done = subprocess.run(
            [sys.executable, "-m", __name__, *asked, *map(str, sources)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        findings += [Finding(t["name"], t["kind"], t["detail"], Path(t["path"])) for t in told if "kind" in t]
        begun = [t for t in told if "begin" in t]
        if done.returncode == 0:
            break
        if not begun:
            findings.append(Finding("intact", f"exit {done.returncode}", done.stderr[-3000:], sources[0]))
            break
        findings.append(_death(begun[-1], done.returncode, done.stderr[-3000:], folder))
        start = begun[-1]["begin"] + 1
    if not findings:
        shutil.rmtree(folder)
    return findings


def _death(last: dict[str, Any], status: int, detail: str, folder: Path) -> Finding:
    """What a child died of: the limit of time (SIGPROF, or the watchdog's exit 1), or a crash."""
    kept = folder / f"{last['begin']}-{last['name']}-{Path(last['place']).name}"
    with contextlib.suppress(OSError):
        shutil.move(last["place"], kept)
    kind = "hang" if "Timeout" in detail or status == -27 else f"crash {status}"
    return Finding(last["name"], kind, detail, kept)


# -- the child's side ---------------------------------------------------------------------------------------


def _child(
    format_name: str, count: int, seed: int, start: int, folder: Path, seconds: float, paths: Sequence[Path]
) -> None:
    import signal

    from sparc_fuse_core.formats import registry

    chosen = registry()[format_name]
    sets = [_copy(path, folder / str(i)) for i, path in enumerate(paths)]
    for files in sets:
        _try(files[0], chosen)  # imports what the reader needs, before memory is limited
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    _limit_memory()
    rows = (row for files in sets for row in _damaged(files, _rng(seed), count))
    for number, (place, lead, intact, (name, damaged)) in enumerate(rows):
        if number < start:
            continue
        _tell(begin=number, name=name, place=str(place))
        place.write_bytes(damaged)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        faulthandler.dump_traceback_later(_WALL_SECONDS, exit=True)
        told = _try(lead, chosen)
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        if told is not None:
            kept = folder / f"{number}-{name}-{place.name}"
            shutil.copyfile(place, kept)
            _tell(name=name, kind=told[0], detail=told[1], path=str(kept))
        place.write_bytes(intact)


def _damaged(
    files: Sequence[Path], rng: random.Random, count: int
) -> Iterator[tuple[Path, Path, bytes, tuple[str, bytes]]]:
    """Damaged copies of one recording: half of them in its leading file, the others in those beside it."""
    held = {path: path.read_bytes() for path in files if path.stat().st_size <= _LARGEST}
    lead, others = files[0], [path for path in held if path != files[0]]
    for number in range(count):
        place = others[number // 2 % len(others)] if others and (number % 2 or lead not in held) else lead
        data = held.get(place) or place.read_bytes()
        yield place, lead, data, next(mutants(data, rng, 1))


def _rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - damage that can be repeated, no secret


def _copy(path: Path, folder: Path) -> list[Path]:
    """The file, with those that belong to it, in a folder of its own; the leading one first."""
    from sparc_fuse_core.formats._sets import files_of
    from sparc_fuse_core.source import open_source

    with open_source(path) as source:
        names = files_of(source)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.parent / name, folder / name)
    return [folder / name for name in names]


def _tell(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _try(place: Path, chosen: Any) -> tuple[str, str] | None:
    """Open and read a file as a writer would; the exception, if it is not one of ours, and its last lines."""
    from sparc_fuse_core.errors import FuseError
    from sparc_fuse_core.formats import detect, open_tree
    from sparc_fuse_core.opening import decoded
    from sparc_fuse_core.source import open_source
    from sparc_fuse_core.testing import read_all

    try:
        with open_source(place) as source:
            with contextlib.suppress(FuseError):
                detect(source)
            tree = open_tree(source, chosen)
            decoded(tree)
            read_all(tree, limit=64 << 20)
    except FuseError as error:
        return None if error.hint else ("no hint", f"{type(error).__name__}: {error}")
    except Exception as error:
        return type(error).__name__, traceback.format_exc()[-3000:]
    return None


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + EXTRA_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _format, _count, _seed, _start, _folder, _seconds, *_paths = sys.argv[1:]
    _numbers = int(_count), int(_seed), int(_start)
    _child(_format, *_numbers, Path(_folder), float(_seconds), [Path(p) for p in _paths])
