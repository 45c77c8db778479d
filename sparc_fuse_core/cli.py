"""The command line: the same verbs as the Python API, one line for every error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparc_fuse_core.errors import FuseError

if TYPE_CHECKING:
    from sparc_fuse_core.catalogue import Catalogue
    from sparc_fuse_core.recipes import Recipe

__all__ = ["main"]

_FORMATS = ("zarr", "zarr.zip", "npz", "mat")


class _Verbs(click.Group):
    """``sparc-fuse 224 PATH`` means ``sparc-fuse convert 224 PATH``, as in the older version."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            if not _looks_like_source(args[0]):
                ctx.fail(
                    f"{args[0]!r} is no command, file or dataset. `sparc-fuse --help` lists the commands."
                )
            args = ["convert", *args]
        return super().resolve_command(ctx, args)


def _looks_like_source(word: str) -> bool:
    return word.isdigit() or "://" in word or "/" in word or "." in word or Path(word).exists()


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sparc-fuse")
def cli() -> None:
    """Convert the physiology and microscopy files of SPARC datasets into one clean Zarr layout.

    \b
    sparc-fuse app                          open the dashboard in a browser
    sparc-fuse 224 PATH                     convert a primary file of dataset 224
    sparc-fuse convert recording.acq        convert a file that is here
    """


def _catalogue_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--catalogue", metavar="NAME", help="pennsieve (default), demo, or a folder of SDS datasets."
    )(command)


@cli.command()
@click.argument("source")
@click.argument("paths", nargs=-1)
@click.option("-o", "--output-dir", default="./output", show_default=True, type=click.Path(path_type=Path))
@click.option("--file-format", type=click.Choice(_FORMATS), default="zarr", show_default=True)
@click.option("--overwrite", is_flag=True, help="Convert again where an output exists.")
@click.option(
    "--version", "dataset_version", type=int, metavar="N", help="Dataset version; the latest by default."
)
@click.option("--zarr-format", type=click.Choice(["2", "3"]), default="3", show_default=True)
@click.option("--rate", type=float, metavar="HZ", help="Sampling frequency, for files that do not say it.")
@click.option("--time-column", metavar="NAME", help="Time column, for tables that do not say it.")
@click.option("--reader-option", "reader", multiple=True, metavar="KEY=VALUE", help="Other reader options.")
@click.option("--recipe", metavar="FILE", help="How to read, as a TOML file or by name; none: no recipes.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Files at once.")
@click.option("--resume/--no-resume", default=True, help="Continue half-written outputs.")
@_catalogue_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def convert(
    source: str,
    paths: Sequence[str],
    output_dir: Path,
    file_format: str,
    overwrite: bool,
    dataset_version: int | None,
    zarr_format: str,
    rate: float | None,
    time_column: str | None,
    reader: Sequence[str],
    recipe: str | None,
    jobs: int,
    resume: bool,
    catalogue: str | None,
    as_json: bool,
) -> None:
    """Convert SOURCE: a dataset number, a file, a folder, or an https:// or s3:// address.

    PATHS choose files or folders of a dataset; without them all primary files are converted.
    """
    from sparc_fuse_core.bulk import convert_dataset, convert_file
    from sparc_fuse_core.pipeline import Options
    from sparc_fuse_core.terminal import Bars

    options = Options(
        file_format=file_format,
        zarr_format=int(zarr_format),
        overwrite=overwrite,
        resume=resume,
        reader=_reader_options(rate, time_column, reader),
        recipe=_recipe(recipe),
        recipes=recipe != "none",
    )
    place, dataset_id = _place(source, catalogue)
    with Bars(quiet=as_json) as bars:
        if place is None:
            records = [convert_file(source, output_dir, options, listener=bars)]
            for extra in paths:
                records.append(convert_file(extra, output_dir, options, listener=bars))
        else:
            records = convert_dataset(
                place,
                dataset_id,
                list(paths) or None,
                output_dir=output_dir,
                version=dataset_version,
                options=options,
                listener=bars,
                jobs=jobs,
            )
    _report(records, as_json)


def _place(source: str, catalogue: str | None) -> tuple[Catalogue | None, str]:
    """The catalogue and dataset that SOURCE means; no catalogue for a single file."""
    from sparc_fuse_core.catalogue import open_catalogue
    from sparc_fuse_core.source import store_root

    path = Path(source).expanduser()
    if "://" in source or (path.is_file() and not source.isdigit()) or store_root(path) is not None:
        return None, ""
    if catalogue is None and path.is_dir():
        return open_catalogue(str(path.absolute())), path.absolute().name
    if catalogue is None and not source.isdigit() and ("/" in source or "." in source):
        return None, ""
    return open_catalogue(catalogue), source


def _reader_options(rate: float | None, time_column: str | None, more: Sequence[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for item in more:
        key, sign, value = item.partition("=")
        if not sign:
            raise click.UsageError(f"--reader-option {item!r} is not KEY=VALUE")
        options[key] = _value(value)
    if rate is not None:
        options["rate"] = rate
    if time_column is not None:
        options["time_column"] = time_column
    return options


def _recipe(given: str | None) -> Recipe | None:
    """A recipe by its file, or by the name that `sparc-fuse recipes` lists."""
    from sparc_fuse_core.recipes import load, recipes

    if given is None or given == "none":
        return None
    named = [held for held in recipes() if held.name == given and not Path(given).exists()]
    return named[0] if named else load(given)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _report(records: list[dict[str, Any]], as_json: bool) -> None:
    failed = [r for r in records if r["status"] not in ("ok", "skipped")]
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        done = len(records) - len(failed)
        click.echo(f"{done} of {len(records)} converted" + (f", {len(failed)} not" if failed else ""))
    if failed:
        sys.exit(1)


@cli.command()
@click.argument("text", required=False, default="")
@click.option("--limit", default=20, show_default=True)
@_catalogue_option
@click.option("--json", "as_json", is_flag=True)
def search(text: str, limit: int, catalogue: str | None, as_json: bool) -> None:
    """Find datasets that match TEXT."""
    from dataclasses import asdict

    from sparc_fuse_core.catalogue import open_catalogue
    from sparc_fuse_core.terminal import size_text

    page = open_catalogue(catalogue).search(text, limit=limit)
    if as_json:
        click.echo(
            json.dumps({"total": page.total, "datasets": [asdict(d) for d in page.items]}, default=str)
        )
        return
    for held in page.items:
        facts = [
            f"version {held.version}" if held.version else "",
            size_text(held.size),
            f"{held.file_count} files",
        ]
        click.echo(f"{held.id:>6}  {held.name}\n        {', '.join(filter(None, facts))}")
    click.echo(
        f"{len(page.items)} of {page.total} datasets"
        if page.total
        else "No dataset matches; try fewer words."
    )


@cli.command()
@click.argument("dataset_id")
@click.argument("folder", required=False, default="primary")
@click.option("--version", "dataset_version", type=int, metavar="N")
@_catalogue_option
@click.option("--json", "as_json", is_flag=True)
def files(
    dataset_id: str, folder: str, dataset_version: int | None, catalogue: str | None, as_json: bool
) -> None:
    """List the files of a dataset below FOLDER (primary by default)."""
    from dataclasses import asdict

    from sparc_fuse_core.catalogue import open_catalogue
    from sparc_fuse_core.terminal import size_text

    prefix = folder.strip("/").removeprefix("files/")
    held = [
        f
        for f in open_catalogue(catalogue).files(dataset_id, dataset_version)
        if not prefix or f.path == prefix or f.path.startswith(prefix + "/")
    ]
    if as_json:
        click.echo(json.dumps([asdict(f) for f in held]))
        return
    for file in held:
        click.echo(f"{size_text(file.size):>10}  {file.path}")
    click.echo(f"{len(held)} files, {size_text(sum(f.size for f in held))}")


@cli.command()
@click.argument("file")
@click.option("--reader-option", "reader", multiple=True, metavar="KEY=VALUE")
@click.option("--recipe", metavar="FILE")
@click.option("--json", "as_json", is_flag=True)
def info(file: str, reader: Sequence[str], recipe: str | None, as_json: bool) -> None:
    """Say what FILE holds, without converting it."""
    from sparc_fuse_core.summary import summarise, summary_lines

    facts = summarise(file, recipe=_recipe(recipe), **_reader_options(None, None, reader))
    click.echo(
        json.dumps(facts, indent=2, ensure_ascii=False) if as_json else "\n".join(summary_lines(facts))
    )


@cli.command()
@click.argument("file")
@click.option("-o", "--output", default=None, type=click.Path(path_type=Path), help="PNG, PDF or SVG.")
def preview(file: str, output: Path | None) -> None:
    """Draw FILE into a picture."""
    from sparc_fuse_core.previews import preview as draw

    target = output or Path(f"{Path(file).stem}.png")
    draw(file).savefig(target, dpi=120)
    click.echo(str(target))


@cli.command()
@click.option("--json", "as_json", is_flag=True)
def formats(as_json: bool) -> None:
    """List every format that can be read."""
    from sparc_fuse_core.formats import registry

    rows = [
        {
            "name": f.name,
            "title": f.title,
            "kind": f.kind,
            "suffixes": list(f.suffixes),
            "options": list(f.options),
        }
        for f in sorted(registry().values(), key=lambda f: (f.kind, f.name))
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['kind']:9} {row['title']:42} {' '.join(row['suffixes'])}")


@cli.command()
@click.option("--json", "as_json", is_flag=True)
def recipes(as_json: bool) -> None:
    """List the recipes: how files of certain datasets are read; your own first."""
    from dataclasses import asdict

    from sparc_fuse_core.recipes import folder
    from sparc_fuse_core.recipes import recipes as held

    if as_json:
        click.echo(json.dumps([asdict(recipe) for recipe in held()], indent=2, ensure_ascii=False))
        return
    for recipe in held():
        whose = "your own" if recipe.sha256 else f"dataset {', '.join(recipe.datasets)}"
        click.echo(f"{recipe.name:20} {whose:14} {', '.join(recipe.paths):24} {recipe.title}")
    click.echo(f"Your own lie in {folder()}")


@cli.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--against", metavar="SOURCE", help="Compare random blocks with the source file, value by value."
)
@click.option("--json", "as_json", is_flag=True)
def verify(store: Path, against: str | None, as_json: bool) -> None:
    """Check that STORE is whole and unchanged, and that it says what its SOURCE says."""
    from sparc_fuse_core.verification import verify as check

    counts = check(store, against)
    if as_json:
        click.echo(json.dumps(counts))
        return
    click.echo(f"{counts['files']} files are as they were written")
    if against:
        click.echo(
            f"{counts['values']} values in {counts['blocks']} blocks of {counts['arrays']} arrays are equal"
        )


@cli.command()
@click.option("--port", type=int, help="A free one by default.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@_catalogue_option
def app(port: int | None, no_browser: bool, catalogue: str | None) -> None:
    """Open the dashboard."""
    from sparcfuse_widgets.app import serve

    serve(port=port, open_browser=not no_browser, catalogue=catalogue)


def main(args: Sequence[str] | None = None) -> None:
    """Entry point: errors become one line on stderr and exit status 1."""
    try:
        cli.main(args=list(args) if args is not None else None, standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except FuseError as error:
        click.echo(f"sparc-fuse: {error.sentence()}", err=True)
        sys.exit(1)
    except (OSError, ValueError) as error:
        click.echo(f"sparc-fuse: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
