"""When the next editions go."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlmodel import col, select

from digests.schedule import WEEKDAYS, Schedule, send_times
from digests.schedule_files import install
from newsletter.cli.output import print_json, print_table
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.settings import settings


def register(app: typer.Typer) -> None:
    """Add the commands about schedules."""
    app.command("schedule")(schedule)


def schedule(
    count: Annotated[int, typer.Option(min=1, max=60, help="How many sends of each.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show the schedules and their next sends, in local time and in UTC.

    Example: `newsletter schedule --count 10`
    """
    now = utc_now()
    with unit_of_work() as session:
        install(session, settings().schedules, now=now)
    with reading() as session:
        known = session.exec(select(Schedule).order_by(col(Schedule.name))).all()
        rows = [
            {
                "schedule": one.name,
                "weekday": WEEKDAYS[one.weekday] if one.weekday is not None else None,
                "local": moment.astimezone(ZoneInfo(one.zone)).strftime("%a %d %b %Y %H:%M"),
                "zone": one.zone,
                "utc": moment.isoformat(),
                "approval": str(one.approval),
            }
            for one in known
            if one.enabled
            for _, moment in send_times(one, after=now, count=count)
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("schedule", "local time", "zone", "UTC", "approval"),
        ((r["schedule"], r["local"], r["zone"], r["utc"], r["approval"]) for r in rows),
        empty="No schedule recurs; put one in celerybeat-schedule/ as a .toml file.",
    )
