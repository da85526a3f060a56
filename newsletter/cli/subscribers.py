"""The people on the list."""

import csv
import sys
from datetime import datetime
from typing import Annotated, Final

import typer
from sqlmodel import Session, col, func, select

from digests.topics import listed
from newsletter.accounts import audit
from newsletter.cli import importing
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.readers.people import COLUMNS, cells_of, for_the_record
from newsletter.settings import settings
from newsletter.spreadsheets import defused
from subscribers import looking
from subscribers.addresses import BadAddress
from subscribers.looking import Wanted
from subscribers.models import Subscriber, SubscriberStatus
from subscribers.subscription import AddressSuppressed, add_confirmed


def register(app: typer.Typer) -> None:
    """Add the commands about people."""
    group = typer.Typer(help="The people on the list.", no_args_is_help=True)
    group.command("add")(add)
    group.command("count")(count)
    group.command("export")(export)
    importing.register(group)
    app.add_typer(group, name="subscribers")


def add(
    addresses: Annotated[list[str], typer.Argument(help="Addresses, or - to read one a line.")],
    page: Annotated[str, typer.Option(help="Where they agreed to it.")] = "added by an operator",
    wording: Annotated[str, typer.Option(help="What they agreed to.")] = "",
    by: By = "",
) -> None:
    """Add people whose consent you can vouch for; those who left or bounced stay away.

    Example: `newsletter subscribers add ada@example.com --page "the conference desk"`
    """
    given = [line for line in sys.stdin] if addresses == ["-"] else addresses  # noqa: C416 - text
    added = known = refused = 0
    for number, address in enumerate((a.strip() for a in given), start=1):
        if not address:
            continue
        try:
            with unit_of_work() as session:
                _, is_new = add_confirmed(
                    session,
                    address,
                    page=page,
                    wording=wording,
                    secret=settings().suppression_secret.get_secret_value(),
                    now=utc_now(),
                )
            added, known = added + is_new, known + (not is_new)
        except (BadAddress, AddressSuppressed) as error:
            refused += 1
            typer.echo(f"newsletter: address {number}: {error}", err=True)
    if added:
        with unit_of_work() as session:
            after = {"added": added, "known": known, "page": page}
            audit.note(session, by=who(by), action="people.added", after=after, now=utc_now())
    typer.echo(f"{added} added, {known} known already, {refused} refused")
    if refused:
        raise typer.Exit(1)


def count(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Count the people by where they stand.

    Example: `newsletter subscribers count --json`
    """
    with reading() as session:
        rows = {
            str(status): number
            for status, number in session.exec(
                select(Subscriber.status, func.count()).group_by(col(Subscriber.status))
            )
        }
    if as_json:
        print_json(rows)
        return
    print_table(
        ("status", "people"),
        sorted(rows.items()),
        empty="Nobody yet; `newsletter subscribers add ADDRESS` adds somebody.",
    )


_DAY: Final = ["%Y-%m-%d"]
_Since = Annotated[
    datetime | None, typer.Option(help="Only who joined on that day or later.", formats=_DAY)
]
_Until = Annotated[
    datetime | None, typer.Option(help="Only who joined on that day or before.", formats=_DAY)
]
_Tracking = Annotated[
    bool | None, typer.Option(help="Only whose opens and clicks are recorded, or are not.")
]


def export(  # noqa: PLR0917 - what one may ask for
    words: Annotated[
        str, typer.Option("--search", help="Only whose address or name begins so; @ and a domain.")
    ] = "",
    status: Annotated[SubscriberStatus | None, typer.Option(help="Only who stands there.")] = None,
    topic: Annotated[str, typer.Option(help="Only who reads this topic, by its name.")] = "",
    source: Annotated[str, typer.Option(help="Only who joined on a page that begins so.")] = "",
    since: _Since = None,
    until: _Until = None,
    tracking: _Tracking = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of CSV.")] = False,
    by: By = "",
) -> None:
    """Print the people on the list as CSV in which a spreadsheet computes nothing. It is noted in the log.

    Example: `newsletter subscribers export --status active | gzip > people.csv.gz`
    """
    with unit_of_work() as session:
        wanted = Wanted(
            words=words,
            status=status,
            topic=_topic(session, topic),
            source=source,
            joined_from=since.date() if since else None,
            joined_to=until.date() if until else None,
            tracking=tracking,
        )
        after = for_the_record(wanted)
        audit.note(session, by=who(by), action="people.exported", after=after, now=utc_now())
    sheet = csv.writer(sys.stdout)
    if not as_json:
        sheet.writerow(COLUMNS)
    with reading() as session:
        for person in looking.everybody(session, wanted):
            if as_json:
                print_json(dict(zip(COLUMNS, cells_of(person), strict=True)))
            else:
                sheet.writerow([defused(cell) for cell in cells_of(person)])


def _topic(session: Session, name: str) -> int:
    """The bit of the topic with that name; 0 for none asked for."""
    if not name:
        return 0
    known = {one.name.casefold(): one.mask for one in listed(session)}
    if name.casefold() not in known:
        there = ", ".join(sorted(known)) or "none yet"
        raise typer.BadParameter(f"there is no topic {name!r}; there are: {there}.")
    return known[name.casefold()]
