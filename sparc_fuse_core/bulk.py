"""Convert many: the recordings of a dataset, a folder or a list, one record each, none lost on the way."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sparc_fuse_core.errors import Cancelled, FuseError, NotFound
from sparc_fuse_core.pipeline import Options, convert_one
from sparc_fuse_core.report import append_log, failure, new_record
from sparc_fuse_core.source import STORE_ROOTS, Source, open_source

if TYPE_CHECKING:
    from sparc_fuse_core.catalogue import Catalogue, Dataset, File
    from sparc_fuse_core.recipes import Recipe

__all__ = ["Listener", "Recording", "convert_dataset", "convert_file", "recordings", "select"]

_PRIMARY = "primary/"


@dataclass(frozen=True, slots=True)
class Recording:
    """What is converted as one: a file, or the files of a set; ``stem`` names the output."""

    path: str
    members: tuple[File, ...]
    stem: str

    @property
    def lead(self) -> File:
        return next(f for f in self.members if f.path == self.path)

    @property
    def folder(self) -> str:
        """The folder of the dataset that the recording lies in; "" at its top."""
        from sparc_fuse_core.formats._sets import store_of

        parent = str(PurePosixPath(store_of(self.path) or self.path).parent)
        return "" if parent == "." else parent

    @property
    def size(self) -> int:
        return sum(f.size for f in self.members)


class Listener:
    """Hears what happens; the faces of the product override what they show."""

    def plan(self, recordings: Sequence[Recording]) -> None:
        """What will be converted."""

    def step(self, path: str, phase: str, done: int, total: int) -> None:
        """``done`` of ``total`` bytes of one recording; phase is ``download`` or ``convert``."""

    def finished(self, record: dict[str, Any]) -> None:
        """One recording is through."""


def recordings(files: Iterable[File]) -> list[Recording]:
    """Group files into recordings; stems are unique in each folder whatever is selected later."""
    from sparc_fuse_core.formats._sets import groups, store_of

    held = {file.path: file for file in files}
    folders: dict[str, list[tuple[File, ...]]] = {}
    for group in groups(held):
        place = str(PurePosixPath(store_of(group[0]) or group[0]).parent)
        folders.setdefault(place, []).append(tuple(held[p] for p in group))
    found = [recording for sets in folders.values() for recording in _in_folder(sets)]
    return sorted(found, key=lambda r: r.path)


def _in_folder(sets: Sequence[tuple[File, ...]]) -> list[Recording]:
    from sparc_fuse_core.formats import stem_of
    from sparc_fuse_core.formats._sets import store_of

    names = [PurePosixPath(store_of(files[0].path) or files[0].path).name for files in sets]
    shared = Counter(stem_of(name).casefold() for name in names)
    rows: dict[str, Recording] = {}
    for members, name in zip(sets, names, strict=True):
        path, stem = members[0].path, stem_of(name)
        wanted = stem = name if shared[stem.casefold()] > 1 else stem
        number = 1
        while stem.casefold() in rows:  # names that differ by case alone are one on some disks
            number += 1
            stem = f"{wanted}_{number}"
        rows[stem.casefold()] = Recording(path, members, stem)
    return list(rows.values())


def select(found: Sequence[Recording], paths: Iterable[str] | None) -> tuple[list[Recording], list[str]]:
    """The recordings that ``paths`` name (files, members or folders), and the paths that name none."""
    if paths is None:
        return list(found), []
    below: dict[str, dict[str, Recording]] = {}
    for recording in found:
        for file in recording.members:
            for place in (file.path, *map(str, PurePosixPath(file.path).parents)):
                below.setdefault(place, {})[recording.path] = recording
    chosen: dict[str, Recording] = {}
    missing = []
    for given in paths:
        wanted = given.strip("/").removeprefix("files/")
        hits = below.get(wanted) or below.get(_PRIMARY + wanted.removeprefix(_PRIMARY))
        chosen |= hits or {}
        if not hits:
            missing.append(given)
    return list(chosen.values()), missing


def convert_dataset(
    catalogue: Catalogue,
    dataset_id: str,
    paths: Iterable[str] | None = None,
    *,
    output_dir: Path,
    version: int | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    cancel: threading.Event | None = None,
    jobs: int = 1,
    told: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Convert the primary files of a dataset, or those that ``paths`` name.

    ``told`` holds, by path, reader options for single files; no recipe is used for those.

    Returns
    -------
    list of dict
        One record for each recording, in the order of the paths; the conversion log gets the same records.

    Raises
    ------
    RemoteError
        The catalogue itself failed. Failures of single files are records, not exceptions.
    ValueError
        Nothing was selected.
    FuseError
        ``options.recipe`` is for none of the files.
    """
    from sparc_fuse_core.catalogue import primary_files

    wanted = None if paths is None else [paths] if isinstance(paths, str) else list(paths)
    dataset = catalogue.dataset(dataset_id, version)
    found = recordings(primary_files(catalogue, dataset_id, dataset.version if version is None else version))
    chosen, missing = select(found, wanted)
    if not chosen and not missing:
        raise ValueError("No primary files to process.")
    flat = (
        wanted is not None and len(wanted) == 1 and len(chosen) == 1 and _covers_exactly(wanted[0], chosen[0])
    )
    options = options or Options()
    if not flat:
        _refuse_idle(options.recipe, chosen)
    run = _Run(catalogue, dataset, output_dir, options, listener or Listener(), cancel, flat, told or {})
    run.listener.plan(chosen)
    if jobs > 1:
        with ThreadPoolExecutor(jobs, thread_name_prefix="fuse-file") as pool:
            records = list(pool.map(run.convert, chosen))
    else:
        records = [run.convert(recording) for recording in chosen]
    return records + [run.missing(path) for path in missing]


def _refuse_idle(recipe: Recipe | None, chosen: Sequence[Recording]) -> None:
    """A recipe that fits no file at all was meant for something else."""
    if recipe is not None and chosen and all(recipe.fit(item.path) < 0 for item in chosen):
        raise FuseError(
            f"recipe {recipe.name!r} is for {', '.join(recipe.paths)}, no file among {len(chosen)} is named so",
            hint="Name the file, or change the paths of the recipe.",
        )


def _covers_exactly(path: str, recording: Recording) -> bool:
    name = PurePosixPath(path).name
    return any(PurePosixPath(f.path).name == name for f in recording.members)


@dataclass(slots=True)
class _Run:
    catalogue: Catalogue
    dataset: Dataset
    output_dir: Path
    options: Options
    listener: Listener
    cancel: threading.Event | None
    flat: bool
    told: Mapping[str, Mapping[str, Any]]

    def missing(self, path: str) -> dict[str, Any]:
        error = NotFound(
            f"{path}: not among the primary files of dataset {self.dataset.id}",
            hint=f"`sparc-fuse files {self.dataset.id}` lists them.",
        )
        return self._close(new_record(path) | failure(error), time.monotonic())

    def convert(self, recording: Recording) -> dict[str, Any]:
        record = new_record(recording.path, (f.path for f in recording.members))
        started = time.monotonic()
        try:
            if self.cancel is not None and self.cancel.is_set():
                raise Cancelled("stopped by the user", hint="Start it again to go on where it stopped.")
            record |= self._convert(recording, record)
        except (FuseError, OSError, ValueError) as error:
            record |= failure(error)
        return self._close(record, started)

    def _close(self, record: dict[str, Any], started: float) -> dict[str, Any]:
        record["seconds"] = round(time.monotonic() - started, 3)
        append_log(self.output_dir, record, dataset_id=self.dataset.id, dataset_version=self.dataset.version)
        self.listener.finished(record)
        return record

    def _convert(self, recording: Recording, record: dict[str, Any]) -> dict[str, Any]:
        from sparc_fuse_core.download import safe_path

        place = self._fetch(recording)
        folder = self.output_dir
        if not self.flat:
            parent = recording.folder
            folder = safe_path(self.output_dir, parent) if parent else self.output_dir
        lead = recording.lead
        options = replace(
            self.options,
            dataset=self._provenance(recording),
            sha256=lead.sha256 if _plain(lead.sha256) else None,
        )
        with open_source(place) as source:
            options = self._as_told(options, recording, source)
            record["recipe"] = options.recipe.name if options.recipe else None
            facts = convert_one(
                source,
                folder,
                recording.stem,
                options,
                progress=lambda done, total: self.listener.step(recording.path, "convert", done, total),
                cancel=self.cancel,
            )
        return finish_facts(facts, place)

    def _as_told(self, options: Options, recording: Recording, source: Source) -> Options:
        """The options with the recipe for this recording, unless the user says how to read it."""
        from sparc_fuse_core.formats import detect
        from sparc_fuse_core.recipes import fitting

        path, recipe = recording.path, options.recipe
        if path in self.told:
            return replace(options, reader={**options.reader, **self.told[path]}, recipe=None)
        if recipe is not None:
            return options if self.flat or recipe.fit(path) >= 0 else replace(options, recipe=None)
        if not options.recipes or (options.reader and set(options.reader) & set(detect(source).options)):
            return options
        return replace(options, recipe=fitting(source, self.dataset.id, path))

    def _fetch(self, recording: Recording) -> Path:
        """All members on this machine, side by side; the place of the leading one."""
        before, place = 0, Path()
        for file in recording.members:

            def told(done: int, _: int | None, before: int = before) -> None:
                self.listener.step(recording.path, "download", before + done, recording.size)

            here = self.catalogue.fetch(file, progress=told, cancel=self.cancel)
            before += file.size
            if file.path == recording.path:
                place = here
        return place

    def _provenance(self, recording: Recording) -> dict[str, Any]:
        held = self.dataset
        facts: dict[str, Any] = {
            "id": held.id,
            "version": held.version,
            "name": held.name,
            "doi": held.doi,
            "license": held.license,
            "catalogue": held.catalogue,
            "contributors": list(held.contributors),
            "path": recording.path,
            "subject": _entity(recording.path, "sub"),
            "sample": _entity(recording.path, "sam"),
        }
        return {key: value for key, value in facts.items() if value not in (None, "", [])}


def _plain(digest: str | None) -> bool:
    return digest is not None and re.fullmatch(r"[0-9a-f]{64}", digest) is not None


def _entity(path: str, prefix: str) -> str | None:
    """``sub-1`` of ``primary/sub-1/rec.acq``: SDS names its folders so."""
    return next((part for part in PurePosixPath(path).parts[:-1] if part.startswith(f"{prefix}-")), None)


def finish_facts(facts: dict[str, Any], place: Path | str) -> dict[str, Any]:
    """Facts of a conversion as the keys of a record."""
    skipped = facts.pop("skipped")
    return facts | {
        "status": "skipped" if skipped else "ok",
        "descriptor_id": facts["recipe"] or facts["format"],
        "mapping_score": 1.0,
        "local_path": str(place),
    }


def convert_file(
    place: str | Path,
    output_dir: Path,
    options: Options | None = None,
    *,
    listener: Listener | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, Any]:
    """Convert one file by path or address; a record as `convert_dataset` gives."""
    listener = listener or Listener()
    record, started = new_record(str(place)), time.monotonic()
    record["recipe"] = options.recipe.name if options and options.recipe else None
    try:
        with open_source(place) as given:
            source, stem = _lead_and_stem(given)
            facts = convert_one(
                source,
                output_dir,
                stem,
                options,
                progress=lambda done, total: listener.step(str(place), "convert", done, total),
                cancel=cancel,
            )
        record |= finish_facts(facts, place)
    except (FuseError, OSError, ValueError) as error:
        record |= failure(error)
    record["seconds"] = round(time.monotonic() - started, 3)
    append_log(output_dir, record)
    listener.finished(record)
    return record


def _lead_and_stem(source: Source) -> tuple[Source, str]:
    """The leading file of a recording and the name of its output, which no other one of its folder has."""
    from sparc_fuse_core.formats import stem_of
    from sparc_fuse_core.formats._sets import groups, leading

    lead = leading(source)
    if lead.name in STORE_ROOTS:
        store = PurePosixPath(lead.url.split("?")[0].replace("\\", "/")).parent.name
        return lead, stem_of(store) or "store"
    stem = stem_of(lead.name)
    alike = sum(stem_of(group[0]).casefold() == stem.casefold() for group in groups(lead.siblings()))
    return lead, lead.name if alike > 1 else stem
