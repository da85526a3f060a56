"""Lists from elsewhere: a file of people is looked at, and taken in."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.readers import importing
from newsletter.readers.importing import SAID, Outcome, Sheet
from newsletter.readers.refused import HEAD
from subscribers.importing.bulk import Fate, Terms
from subscribers.importing.records import FileRefused


def register(group: typer.Typer) -> None:
    """Add the command to the family of ``newsletter subscribers``."""
    group.command("import")(bring_in)


def bring_in(  # noqa: PLR0917 - as many options as people need
    file: Annotated[str, typer.Argument(metavar="FILE", help="The list; - reads standard input.")],
    consent: Annotated[
        str,
        typer.Option(help="What they agreed to, in the words they saw; kept with each of them."),
    ] = "",
    page: Annotated[str, typer.Option(help="Where they agreed to it.")] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="MEANING=COLUMN",
            help="What a column is, by its heading or number: address, name, first_name, last_name, "
            "zone, joined, status.",
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="How the file is written; found out without.")
    ] = None,
    refused: Annotated[
        Path | None, typer.Option(help="Where refused lines go; FILE.refused.csv without.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and keep nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    by: By = "",
) -> None:
    """Take a list of people in from a CSV file; lists of Mailchimp, Substack, Ghost and others are known.

    Nobody who left, bounced or was erased comes back by it. Stopped anywhere, the same
    command goes on. The exit status is 1 when lines were refused.

    Example: `newsletter subscribers import list.csv --consent "Get the weekly verdicts" --dry-run`
    """
    said = dict(_mapped(one) for one in columns or ())
    if not (dry_run or consent.strip()):
        raise FileRefused(
            "Say with --consent what these people agreed to: it is kept with each of them, "
            "and nobody may be mailed without. --dry-run needs none."
        )
    with _opened(file) as source:
        sheet = importing.look_at(
            source,
            "standard input" if file == "-" else Path(file).name,
            said=said,
            encoding=encoding,
        )
        where = refused or Path(f"{'list' if file == '-' else file}.refused.csv")
        with (
            _refusals(where, is_kept=not dry_run or refused is not None) as lines,
            _bar(sheet, is_quiet=as_json) as bar,
        ):
            outcome = _run(sheet, lines, bar, consent=consent, page=page, by=by, dry_run=dry_run)
    if where.exists() and not outcome.counts[Fate.refused] and (not dry_run or refused):
        where.unlink()
    _tell(sheet, outcome, where, dry_run=dry_run, as_json=as_json)
    if outcome.counts[Fate.refused]:
        raise typer.Exit(1)


def _run(
    sheet: Sheet,
    lines: BinaryIO,
    bar: importing.Progress,
    *,
    consent: str,
    page: str,
    by: str,
    dry_run: bool,
) -> Outcome:
    if dry_run:
        return importing.rehearse(sheet, refused=lines, now=utc_now(), progress=bar)
    origin = sheet.columns.origin
    terms = Terms(
        page=page or f"imported from {origin or sheet.name}", wording=consent, origin=origin
    )
    return importing.take_in(sheet, terms, refused=lines, by=who(by), now=utc_now(), progress=bar)


def _tell(sheet: Sheet, outcome: Outcome, where: Path, *, dry_run: bool, as_json: bool) -> None:
    refused = outcome.counts[Fate.refused]
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                **sheet.as_json(),
                "from_line": outcome.from_line,
                **outcome.as_json(),
                "refused_lines": str(where) if refused and where.exists() else None,
            }
        )
        return
    origin = f" from {sheet.columns.origin}" if sheet.columns.origin else ""
    read = ", ".join(f"{what} from {column!r}" for what, column in sheet.columns.as_words().items())
    typer.echo(f"{sheet.name}{origin}, {sheet.manner.encoding}: {read}.")
    if outcome.from_line:
        typer.echo(f"An earlier try had come to line {outcome.from_line:,}; this one went on.")
    print_table(
        ("people", "would be" if dry_run else "are"),
        [(outcome.counts[fate], words) for fate, words in SAID.items() if outcome.counts[fate]],
        empty="Nobody stands in it.",
    )
    if refused and where.exists():
        typer.echo(f"{where} holds each refused line with its reason.")


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        with tempfile.TemporaryFile() as kept:
            while block := sys.stdin.buffer.read(1 << 20):
                kept.write(block)
            yield kept
        return
    with _or_refused(file, "read"), Path(file).open("rb") as source:
        yield source


@contextmanager
def _refusals(where: Path, *, is_kept: bool) -> Iterator[BinaryIO]:
    if not is_kept:
        with tempfile.TemporaryFile() as thrown_away:
            yield thrown_away
        return
    with _or_refused(where, "written"):
        where.touch(mode=0o600)
        if where.stat().st_size and not where.read_bytes().startswith(HEAD):
            raise FileRefused(f"{where} holds something else; name another file with --refused.")
    with where.open("r+b") as file:
        yield file


@contextmanager
def _or_refused(file: Path | str, how: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileRefused(f"{file} cannot be {how}: {error.strerror}.") from None


@contextmanager
def _bar(sheet: Sheet, *, is_quiet: bool) -> Iterator[importing.Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=is_quiet,
        transient=True,
    ) as progress:
        task = progress.add_task(sheet.name, total=max(sheet.size, 1))
        yield lambda position: progress.update(task, completed=position)


def _mapped(said: str) -> tuple[str, str]:
    meaning, equals, column = said.partition("=")
    if not equals or not column.strip():
        raise FileRefused(f"--map takes MEANING=COLUMN, such as address=Email, and not {said!r}.")
    return meaning.strip(), column.strip()
