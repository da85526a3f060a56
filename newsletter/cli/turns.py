"""Single turns of a schedule: leave one out, put it back, move it, run it now, pause them all."""

import getpass
from datetime import date, datetime
from typing import Annotated, Final

import typer
from sqlmodel import Session

from digests.schedules import calendar
from digests.schedules.schedule import Schedule
from digests.schedules.schedule_terms import BadSchedule, by_name, date_of, moment_of
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.editions import steering

Name = Annotated[str, typer.Argument(help="The schedule, such as weekly.")]
OnDate = Annotated[str, typer.Argument(help="The turn's local date, 2026-12-07, or next.")]
#: Said of what was moved to another day.
WANTS_A_NAME: Final = ", once it is approved anew: its date stands in the mail"
By = Annotated[str, typer.Option(help="Whose word it is.")]


def register(schedules: typer.Typer) -> None:
    """Add the commands to the family of ``newsletter schedule``."""
    for command in (skip, restore, move, pause):
        schedules.command(command.__name__)(command)
    schedules.command("run")(run_now)


def skip(
    name: Name,
    on_date: OnDate = "next",
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave its comparisons out for good.")
    ] = False,
    by: By = "",
) -> None:
    """Leave one turn out. Its comparisons wait for the next; a draft it has already is cancelled.

    Example: `newsletter schedule skip weekly 2026-12-28`
    """
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        day = _day(session, known, on_date, now=now)
        steering.skip(session, known, day, by=who(by), drop=drop, now=now)
    typer.echo(f"The turn of {name} on {day} is left out.")


def restore(name: Name, on_date: OnDate, by: By = "") -> None:
    """Let a turn that was left out happen after all.

    Example: `newsletter schedule restore weekly 2026-12-28`
    """
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        day = _day(session, known, on_date, now=now)
        steering.restore(session, known, day, by=who(by), now=now)
    typer.echo(f"The turn of {name} on {day} happens after all.")


def move(
    name: Name,
    on_date: OnDate,
    to: Annotated[
        str, typer.Option(help="Where to: 2026-12-08T10:00 in the schedule's zone, or with offset.")
    ],
    by: By = "",
) -> None:
    """Let one turn go at another moment; its draft goes along, and on the same day its approval.

    Example: `newsletter schedule move weekly 2026-12-07 --to 2026-12-08T10:00`
    """
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        day = _day(session, known, on_date, now=now)
        moment = moment_of(to, known.zone)
        taken_back = steering.move(session, known, day, to=moment, by=who(by), now=now)
    typer.echo(
        f"The turn of {name} on {day} goes at {moment:%Y-%m-%d %H:%M} UTC"
        f"{WANTS_A_NAME if taken_back else ''}."
    )


def pause(
    name: Name,
    until: Annotated[
        str, typer.Option(help="2027-01-04 or 2027-01-04T09:00, in the schedule's zone.")
    ] = "",
    end: Annotated[bool, typer.Option("--end", help="End the pause at once.")] = False,
    by: By = "",
) -> None:
    """Skip every turn before a moment; single turns that were moved or run by hand go all the same.

    Example: `newsletter schedule pause weekly --until 2027-01-04`
    """
    if bool(until) is end:
        raise BadSchedule("Say --until when, or --end.")
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        moment = None if end else moment_of(until, known.zone)
        steering.pause(session, known, until=moment, by=who(by), now=now)
    typer.echo(
        f"Schedule {name} is paused until {moment:%Y-%m-%d %H:%M} UTC."
        if moment
        else f"Schedule {name} is no longer paused."
    )


def run_now(name: Name, on_date: OnDate = "next", by: By = "") -> None:
    """Run a turn now: its draft is made by the next tick, and it goes once it is approved.

    The turn is used up: it does not come again at its own hour.

    Example: `newsletter schedule run weekly`
    """
    now = utc_now()
    with unit_of_work() as session:
        known = by_name(session, name)
        day = _day(session, known, on_date, now=now)
        taken_back = steering.run_now(session, known, day, by=who(by), now=now)
    typer.echo(
        f"The turn of {name} on {day} runs with the next tick{WANTS_A_NAME if taken_back else ''}."
    )


def who(by: str) -> str:
    """The name that was given, or of whoever is at the terminal."""
    return by or getpass.getuser()


def _day(session: Session, schedule: Schedule, said: str, *, now: datetime) -> date:
    if said != "next":
        return date_of(said)
    for turn in calendar.coming(session, count=1, only=schedule, now=now):
        # One that has its draft already is still to come; one that is too late can be moved by its date.
        if turn.state not in {"skipped", calendar.TOO_LATE}:
            return turn.on_date
    raise BadSchedule(f"Schedule {schedule.name} has no turn to come.")
