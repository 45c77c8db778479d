"""Convert one recording: open, check, write, finish. Every face of the product calls `convert_one`."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import Busy, DiskFull, Exists, FuseError, WriteError
from sparc_fuse_core.provenance import describe, product_version
from sparc_fuse_core.source import Source

if TYPE_CHECKING:
    import xarray as xr

    from sparc_fuse_core.recipes import Recipe

__all__ = ["FILE_FORMATS", "Options", "convert_one", "exclusive", "opened", "output_name"]

FILE_FORMATS = ("zarr", "zarr.zip", "npz", "mat")


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert; equal options and source give equal bytes.

    ``recipe`` is used for every file that it fits; without one, ``recipes`` says whether those that fit the
    dataset and the path are looked for.
    """

    file_format: str = "zarr"
    zarr_format: int = 3
    overwrite: bool = False
    resume: bool = True
    reader: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] | None = None
    recipe: Recipe | None = None
    recipes: bool = True
    workers: int | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.file_format not in FILE_FORMATS:
            raise FuseError(
                f"{self.file_format!r} is no output format", hint=f"Choose one of {', '.join(FILE_FORMATS)}."
            )
        if self.zarr_format not in (2, 3):
            raise FuseError(f"Zarr format {self.zarr_format} does not exist", hint="Choose 2 or 3.")


def output_name(stem: str, kind: str, file_format: str, zarr_format: int = 3) -> str:
    """File name of an output: ``<stem>_std.<ext>``; for images as Zarr ``<stem>.ome.zarr``, zipped ``<stem>.ozx``."""
    if kind == "image" and file_format == "zarr.zip" and zarr_format == 3:
        return f"{stem}.ozx"
    if kind == "image" and file_format.startswith("zarr"):
        return f"{stem}.ome.{file_format}"
    return f"{stem}_std.{file_format}"


def convert_one(
    source: Source,
    folder: Path,
    stem: str,
    options: Options | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, Any]:
    """Convert one recording into ``folder``.

    Returns
    -------
    dict
        ``std_path``, ``format``, ``kind``, ``recipe``, ``bytes_in``, ``bytes_out``, ``sha256``, ``warnings``,
        and ``skipped`` when the output was there already.

    Raises
    ------
    FuseError
        Whatever went wrong; nothing is left that looks finished.
    """
    from sparc_fuse_core.formats._sets import members

    options = options or Options()
    files = members(source)
    # A conversion reads everything anyway: files without an index are gone through to their end first.
    tree, options = opened(files[0], options, scan=True)
    kind, name = str(tree.attrs["fuse_kind"]), str(tree.attrs["fuse_format"])
    target = folder / output_name(stem, kind, options.file_format, options.zarr_format)
    nbytes = sum(file.size for file in files)
    facts: dict[str, Any] = {"std_path": str(target), "format": name, "kind": kind, "bytes_in": nbytes}
    facts["recipe"] = options.recipe.name if options.recipe else None
    with _disk_errors(target), exclusive(target):
        if target.exists() and not options.overwrite:
            _same_source(target, files)
            return facts | {"skipped": True, "bytes_out": size_of(target), "warnings": [], "sha256": None}
        digest = _Digest(files, options.sha256)
        try:
            _Conversion(tree, files, target, options, digest, progress, cancel).run()
        finally:
            digest.stop()
            tree.close()
    warnings = list(tree.attrs.get("fuse_warnings") or [])
    return facts | {
        "bytes_out": size_of(target),
        "sha256": digest.values[0],
        "warnings": warnings,
        "skipped": False,
    }


def opened(source: Source, options: Options, *, scan: bool = False) -> tuple[xr.DataTree, Options]:
    """The file as its recipe says, and the options with those of the recipe among them.

    ``scan`` lets readers go through files that have no index, which looking at a file does not.
    """
    from sparc_fuse_core.formats import detect, open_tree
    from sparc_fuse_core.formats._sets import leading

    recipe, whole = options.recipe, {"scan": True} if scan else {}
    if recipe is None:
        return open_tree(source, **{**whole, **options.reader}), options
    reader = recipe.options(source.name, detect(leading(source)).name, options.reader)
    try:
        tree = open_tree(source, **{**whole, **reader})
    except FuseError as error:
        error.hint += f" It was read with the recipe {recipe.name!r}; `--recipe none` reads it without."
        raise
    tree.attrs["fuse_warnings"] = [*tree.attrs.get("fuse_warnings", []), *recipe.doubts]
    return tree, replace(options, reader=reader)


def _same_source(target: Path, files: Sequence[Source]) -> None:
    """An output that is there counts as done only when it was made from these very files."""
    from sparc_fuse_core.report import recorded_sources

    known = recorded_sources(target)
    if known is not None and not all(any(_is_source(held, file) for held in known) for file in files):
        raise Exists(
            f"{target}: is there already, made from another source",
            hint="Choose another output folder, or convert again with overwriting.",
        )


def _is_source(held: Mapping[str, Any], source: Source) -> bool:
    if (held.get("name"), held.get("size")) != (source.name, source.size):
        return False
    digest = held.get("sha256")
    return digest is None or "://" in source.url or digest == source.sha256()


@dataclass(slots=True)
class _Conversion:
    """One conversion on its way: what is read, where it goes, and who hears of it."""

    tree: xr.DataTree
    files: Sequence[Source]
    target: Path
    options: Options
    digest: _Digest
    progress: Callable[[int, int], None] | None
    cancel: threading.Event | None

    @property
    def work(self) -> Path:
        """Where the output grows until it is whole."""
        return self.target.with_name(self.target.name + ".partial")

    def run(self) -> None:
        writers = {"zarr": self._zarr, "zarr.zip": self._zip, "npz": self._flat, "mat": self._flat}
        writers[self.options.file_format]()

    def _zarr(self) -> None:
        self._fill()
        swap(self.work, self.target)

    def _zip(self) -> None:
        from sparc_fuse_core.writers.pack import pack

        self._fill()
        packed = self.target.with_name(self.target.name + ".part")
        pack(self.work, packed)
        swap(packed, self.target)
        shutil.rmtree(self.work)

    def _flat(self) -> None:
        from sparc_fuse_core.writers import mat, npz

        writer = npz.write_npz if self.options.file_format == "npz" else mat.write_mat
        try:
            writer(self.tree, self.work, self._attributes(), progress=self.progress, cancel=self.cancel)
            swap(self.work, self.target)
        finally:
            self.work.unlink(missing_ok=True)

    def _fill(self) -> None:
        from sparc_fuse_core.writers.journal import Journal
        from sparc_fuse_core.writers.plan import make_plan
        from sparc_fuse_core.writers.zarr import Watch, write_store

        options, work = self.options, self.work
        plan = make_plan(self.tree, options.zarr_format)
        journal = Journal(work, self._identity(plan), resume=options.resume)

        def finish(held: Any, _: Any) -> None:
            held.groups[""] = held.groups[""] | self._attributes(journal.started)

        try:
            watch = Watch(plan.nbytes, self.progress, self.cancel)
            write_store(
                plan,
                work,
                journal,
                zarr_format=options.zarr_format,
                watch=watch,
                workers=options.workers,
                finish=finish,
            )
            journal.finish()
        finally:
            journal.close()
        for left in work.rglob("*.part"):
            left.unlink()

    def _attributes(self, started: str = "") -> dict[str, Any]:
        options = self.options
        return describe(
            self.tree,
            self.files,
            sha256=self.digest.result(),
            options=_recorded(options),
            dataset=options.dataset,
            recipe=options.recipe.mark if options.recipe else None,
            converted_at=started,
        )

    def _identity(self, plan: Any) -> dict[str, Any]:
        """What makes a half-written store one that may be continued: same bytes in, same bytes out."""
        import hashlib

        layouts = [
            [a.path, str(a.dtype), a.layout.shape, a.layout.chunks, a.layout.shards] for a in plan.arrays
        ]
        return {
            "product": product_version(),
            "sources": [_trace(file) for file in self.files],
            "format": self.tree.attrs.get("fuse_format"),
            "zarr_format": self.options.zarr_format,
            "options": _recorded(self.options),
            "layout": hashlib.sha256(repr(layouts).encode()).hexdigest(),
        }


def _trace(file: Source) -> list[Any]:
    """What tells a file from its later versions without reading all of it."""
    import hashlib

    tail = file.read(max(0, file.size - (1 << 16)), min(1 << 16, file.size))
    ends = hashlib.sha256(file.head(1 << 16) + tail)
    modified = Path(file.url).stat().st_mtime_ns if "://" not in file.url else None
    return [file.name, file.size, modified, ends.hexdigest()]


def _recorded(options: Options) -> dict[str, Any]:
    return {"file_format": options.file_format, "zarr_format": options.zarr_format, **options.reader}


class _Digest:
    """SHA-256 of each file of the source, computed on a thread beside the conversion."""

    def __init__(self, files: Sequence[Source], known: str | None) -> None:
        self.values: list[str | None] = [known, *[None] * (len(files) - 1)]
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        # A remote file would be fetched twice only to be hashed.
        todo = [i for i, f in enumerate(files) if self.values[i] is None and "://" not in f.url]
        if todo:
            self._thread = threading.Thread(
                target=self._run, args=(files, todo), name="fuse-sha256", daemon=True
            )
            self._thread.start()

    def _run(self, files: Sequence[Source], todo: Sequence[int]) -> None:
        try:
            for place in todo:
                self.values[place] = files[place].sha256(progress=lambda _: self._check())
        except (FuseError, OSError) as error:
            self._error = error

    def _check(self) -> None:
        if self._stop.is_set():
            raise InterruptedError

    def result(self) -> list[str | None]:
        """Wait for the digests; None for a remote file whose catalogue gives none."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self.values

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


def swap(made: Path, target: Path) -> None:
    """Put ``made`` in place of ``target`` in one step; what was there goes away only after that."""
    old = None
    if target.exists():
        old = target.with_name(f".{target.name}.old-{os.getpid()}")
        os.rename(target, old)
    os.rename(made, target)
    if old is not None:
        shutil.rmtree(old) if old.is_dir() else old.unlink()


@contextlib.contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """Hold the right to write ``target``; raises `Busy` when another process has it."""
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    place = target.with_name(f".{target.name}.lock")
    lock = FileLock(place, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(
            f"{target}: another process is writing it",
            hint="Wait for it to finish, or choose another output folder.",
        ) from error
    try:
        yield
    finally:
        # Removed while still held: whoever waits on the old file finds it gone and makes a new one.
        with contextlib.suppress(OSError):
            place.unlink()
        lock.release()


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except FuseError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"{target}: the disk is full",
                hint="Free some space and start again: it goes on where it stopped.",
            ) from error
        raise WriteError(
            f"{target}: cannot be written ({error.strerror or error})",
            hint="Check the folder and your rights to it.",
        ) from error


def size_of(target: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if target.is_file():
        return target.stat().st_size
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
