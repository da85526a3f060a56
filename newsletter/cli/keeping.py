"""Backup and restore: the whole store in one file, and back."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from newsletter import keeping
from newsletter.cli.digests import AsJson
from newsletter.cli.output import print_json
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.keeping import Manifest

File = Annotated[Path, typer.Argument(help="The backup's file.")]
New = Annotated[
    Path,
    typer.Argument(
        help="The new file; in a folder that is there, one that is named by the moment."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(file: New, as_json: AsJson = False) -> None:
    """Keep the whole store in one new file, as it is at this moment, while the service runs.

    The secrets are not in it: keep them elsewhere. It holds addresses, so only its owner may read it.

    Example: `newsletter backup /backups/2026-11-30.zip`
    """
    now = utc_now()
    if file.is_dir():
        file /= f"newsletter-{now:%Y-%m-%dT%H%M%SZ}.zip"
    with _shown() as progress:
        made = keeping.backup(file, now=now, progress=progress)
    if as_json:
        print_json(_as_json(file, made))
        return
    size = file.stat().st_size
    typer.echo(
        f"{file} holds {sum(made.rows.values()):,} rows of {len(made.rows)} tables, "
        f"in {size / 1e6:,.1f} MB."
    )


def restore(file: File, by: By = "", as_json: AsJson = False) -> None:
    """Fill the empty database of the settings with a backup. Nothing is sent from it until you say so.

    It is verified before anything is written, and comes back whole or not at all.

    Example: `NEWSLETTER_HOME=/tmp/look newsletter restore /backups/2026-11-30.zip`
    """
    with _shown() as progress:
        made = keeping.restore(file, by=who(by), now=utc_now(), progress=progress)
    if not keeping.knows_the_erased(made):
        typer.echo(
            "newsletter: the suppression secret here is not the one this backup was made under, so "
            "nobody who was erased is known. Bring NEWSLETTER_SUPPRESSION_SECRET (embedded: "
            "secrets.json) from there before you let anything be sent.",
            err=True,
        )
    if not keeping.opens_the_links(made):
        typer.echo(
            "newsletter: the link secret here is not the one this backup was made under, so links "
            "already mailed are dead, and second steps do not open. Bring NEWSLETTER_LINK_SECRET "
            "(embedded: secrets.json) from there, or name it in NEWSLETTER_FORMER_LINK_SECRETS.",
            err=True,
        )
    if as_json:
        print_json(_as_json(file, made))
        return
    typer.echo(
        f"{sum(made.rows.values()):,} rows of {len(made.rows)} tables are back, as they were on "
        f"{made.made_at[:16].replace('T', ' ')} UTC. Nothing is sent from here until "
        "`newsletter go`: make sure first that the service they came from sends no more."
    )


@contextmanager
def _shown() -> Iterator[keeping.Progress]:
    """A bar on a terminal's standard error; nothing where nobody looks.

    Whoever is told to end meanwhile ends as by an error, which leaves no half of a file behind.
    """
    former = signal.signal(signal.SIGTERM, _end)
    try:
        with _bar() as told:
            yield told
    finally:
        signal.signal(signal.SIGTERM, former)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _bar() -> Iterator[keeping.Progress]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        steps: dict[str, int] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in steps:
                steps[what] = bar.add_task(what, total=total or None)
            bar.update(steps[what], completed=done, total=total or None)  # type: ignore[arg-type]  # a TaskID is an int

        yield told


def _as_json(file: Path, made: Manifest) -> dict[str, object]:
    return {
        "file": str(file),
        "store": made.kind,
        "made_at": made.made_at,
        "migration": made.revision,
        "rows": made.rows,
    }
