"""The command line: thin doors to the flow, each with an example and one sentence for each refusal."""

import sys

import typer
from sqlalchemy.exc import InterfaceError, OperationalError

from digests.lifecycle import DigestError
from digests.schedule_terms import BadSchedule
from newsletter.accounts.errors import AccountError
from newsletter.cli import (
    accounts,
    approvals,
    books,
    comparisons,
    digests,
    keeping,
    log,
    preflight,
    reports,
    schedules,
    serving,
    settings,
    status,
    subscribers,
)
from newsletter.esp import EspError
from newsletter.keeping import KeepingError
from newsletter.launch import LaunchError
from newsletter.settings import SettingsError
from subscribers.addresses import BadAddress
from subscribers.subscription import SubscriberError

#: What a person can put right: said in one sentence on standard error, exit status 1.
REFUSALS = (
    AccountError,
    DigestError,
    BadSchedule,
    EspError,
    KeepingError,
    LaunchError,
    SettingsError,
    BadAddress,
    SubscriberError,
)

app = typer.Typer(
    name="newsletter",
    help="Weekly AI Tool Verdicts: assemble, approve, send and account for the weekly digest.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    serving,
    comparisons,
    digests,
    approvals,
    preflight,
    books,
    reports,
    status,
    settings,
    keeping,
    schedules,
    subscribers,
    accounts,
    log,
):
    part.register(app)


def main() -> None:
    """The ``newsletter`` command."""
    try:
        app()
    except REFUSALS as error:
        typer.echo(f"newsletter: {error}", err=True)
        sys.exit(1)
    except (OperationalError, InterfaceError) as error:
        said = str(error.orig).strip().splitlines()[0]
        typer.echo(f"newsletter: the database cannot be used: {said}.", err=True)
        sys.exit(1)
