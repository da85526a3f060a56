"""The schedules: when the next editions go, and everything an operator does about it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlmodel import Session, col, select

from digests.schedules import calendar, schedule_terms
from digests.schedules.schedule import Holiday
from digests.schedules.schedule_files import as_toml, export, install
from digests.schedules.schedule_terms import BadSchedule, Terms, by_name, date_of, in_words
from newsletter.accounts import audit
from newsletter.cli import turns
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By, Name, who
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.editions import steering
from newsletter.settings import settings

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Said = Annotated[
    list[str], typer.Argument(help="What to say, as in a file: weekday=tuesday at=10:00.")
]
Count = Annotated[int, typer.Option(min=1, max=60, help="How many sends.")]

schedules = typer.Typer(
    help="The schedules: their next sends, and what operators do about them.",
    invoke_without_command=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands about schedules."""
    for command in (show, add, edit, history):
        schedules.command(command.__name__)(command)
    turns.register(schedules)
    schedules.command("export")(write_files)
    schedules.command(holidays.__name__)(holidays)
    app.add_typer(schedules, name="schedule")


@schedules.callback()
def coming(
    context: typer.Context,
    count: Count = 5,
    as_json: AsJson = False,
) -> None:
    """Show the next sends in local time and in UTC, with clock changes and holidays marked.

    Example: `newsletter schedule --count 10`
    """
    if context.invoked_subcommand is not None:
        return
    now = utc_now()
    with unit_of_work() as session:
        install(session, settings().schedules, now=now)
    with reading() as session:
        found = calendar.coming(session, count=count, now=now)
    if as_json:
        print_json([_plain(one) for one in found])
        return
    print_table(
        ("schedule", "turn", "local time", "UTC", "state", "notes"),
        (
            (
                one.schedule,
                one.on_date,
                _there(one),
                _utc(one, "%a %d %b %H:%M"),
                f"{one.state} {one.digest}" if one.digest else one.state,
                "; ".join([*one.notes, *filter(None, [one.reason])]),
            )
            for one in found
        ),
        empty="No schedule recurs; put one in celerybeat-schedule/ as a .toml file.",
    )


def show(name: Name, as_json: AsJson = False) -> None:
    """Show what a schedule says, as a file would, and its next sends.

    Example: `newsletter schedule show weekly`
    """
    now = utc_now()
    with reading() as session:
        known = by_name(session, name)
        going = [one for one in calendar.coming(session, count=3, only=known, now=now) if one.goes]
        if as_json:
            said = Terms.of(known).model_dump(mode="json")
            print_json(said | {"next": [one.send_at.isoformat() for one in going]})
            return
        typer.echo(as_toml(known), nl=False)
        typer.echo(f"# {in_words(known)}")
        for one in going:
            typer.echo(f"# next: {_there(one)}, {_utc(one, '%Y-%m-%d %H:%M')} UTC")


def add(name: Name, said: Said, by: By = "") -> None:
    """Add a schedule; its first turn is the first after this moment.

    Example: `newsletter schedule add monthly "cron=0 9 * * mon#1" zone=Europe/Berlin`
    """
    now = utc_now()
    with unit_of_work() as session:
        fresh = schedule_terms.add(session, Terms.read({"name": name} | _pairs(said)), now=now)
        after = Terms.of(fresh).model_dump(mode="json", exclude_defaults=True)
        steering.note_schedule(session, fresh, "added", by=who(by), after=after, now=now)
        words = in_words(fresh)
    typer.echo(f"Schedule {name}: {words}.")


def edit(name: Name, said: Said, by: By = "") -> None:
    """Change what a schedule says; an empty value takes it back. Turns with a draft stay as they are.

    Example: `newsletter schedule edit weekly weekday=tuesday at=10:00`
    """
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        before, after = schedule_terms.edit(session, known, _pairs(said), now=now)
        if after:
            steering.note_schedule(
                session, known, "edited", by=who(by), before=before, after=after, now=now
            )
        words = in_words(known)
    for part, value in after.items():
        typer.echo(f"{part}: {before[part]} -> {value}")
    typer.echo(f"Schedule {name}: {words}.")


def history(count: Count = 10, as_json: AsJson = False) -> None:
    """Show the past turns, planned against actual to the second, with the reason for each difference.

    Example: `newsletter schedule history --count 20`
    """
    with reading() as session:
        found = calendar.past(session, count=count, now=utc_now())
    if as_json:
        print_json([_plain(one) for one in found])
        return
    print_table(
        ("schedule", "turn", "planned, UTC", "started, UTC", "late by", "outcome", "why"),
        (
            (
                one.schedule,
                one.on_date,
                f"{one.planned_at:%Y-%m-%d %H:%M:%S}",
                f"{one.started_at:%Y-%m-%d %H:%M:%S}" if one.started_at else "",
                calendar.length(one.late) if one.late is not None else "",
                f"{one.digest} {one.outcome}" if one.digest else one.outcome,
                one.why,
            )
            for one in found
        ),
        empty="No turn has been yet.",
    )


def write_files(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; the schedules' own folder without.")
    ] = None,
) -> None:
    """Write the schedules and holidays as they stand to files that install to the same.

    Example: `newsletter schedule export /tmp/schedules`
    """
    with reading() as session:
        written = export(session, folder or settings().schedules)
    for path in written:
        typer.echo(str(path))


def holidays(
    day: Annotated[str, typer.Argument(help="2026-12-25; none lists them.")] = "",
    name: Annotated[str, typer.Argument(help="What the day is called.")] = "",
    forget: Annotated[bool, typer.Option("--forget", help="Take the day off the list.")] = False,
    by: By = "",
) -> None:
    """List the holidays, enter one, or take one off; sends on them are marked, not stopped.

    Example: `newsletter schedule holidays 2026-12-25 "Christmas Day"`
    """
    with unit_of_work() as session:
        if day and forget:
            found = session.exec(select(Holiday).where(col(Holiday.on_date) == date_of(day))).all()
            if not found:
                raise BadSchedule(f"No holiday is entered on {day}.")
            for one in found:
                session.delete(one)
            session.flush()
            _note_holiday(session, "removed", day, "", by)
        elif day:
            if not name:
                raise BadSchedule("Say what the day is called.")
            steering.add_holiday(session, date_of(day), name)
            _note_holiday(session, "added", day, name, by)
        rows = session.exec(select(Holiday).order_by(col(Holiday.on_date), col(Holiday.name))).all()
        print_table(
            ("date", "holiday"),
            ((one.on_date, one.name) for one in rows),
            empty="No holiday is entered.",
        )


def _note_holiday(session: Session, what: str, day: str, name: str, by: str) -> None:
    after = {"name": name} if name else None
    audit.note(
        session, by=who(by), action=f"holiday.{what}", subject=day, after=after, now=utc_now()
    )


def _plain(one: calendar.Coming | calendar.Past) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in one.__slots__}
    if isinstance(one, calendar.Coming):
        plain |= {
            "hour": f"{one.hour.day}T{one.hour.at:%H:%M}",
            "clocks": one.hour.clocks,
            "local": _local(one.send_at, one.zone),
            "utc": one.send_at.isoformat(),
            "goes": one.goes,
        }
    elif one.late is not None:
        plain["late"] = one.late.total_seconds()
    return plain


def _pairs(said: list[str]) -> dict[str, Any]:
    """``part=value`` as a file would have it; an empty value takes the part back."""
    pairs: dict[str, Any] = {}
    for word in said:
        part, equals, value = word.partition("=")
        if not equals:
            raise BadSchedule(f"{word}: write part=value, such as at=10:00.")
        pairs[part] = value or None
    return pairs


def _there(one: calendar.Coming) -> str:
    return one.hour.words + (" everywhere" if one.hour.is_everybodys_own else "")


def _utc(one: calendar.Coming, form: str) -> str:
    return ("from " if one.hour.is_everybodys_own else "") + one.send_at.strftime(form)


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %Y %H:%M}"
