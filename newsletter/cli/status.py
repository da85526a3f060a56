"""What is going on: sends in flight, what holds them, who works on them, and what is wrong."""

import time
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from digests.ledger.progress import Progress
from newsletter import overview
from newsletter.cli.output import print_json
from newsletter.cli.refusals import in_a_sentence
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.overview import Overview
from newsletter.pulse import Life
from newsletter.settings import settings
from newsletter.watching.conditions import Condition, Severity, conditions, unstarted
from newsletter.watching.looking import seen


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("top")(top)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what waits, what is being sent, by whom, and what is wrong, with the reasons.

    Example: `newsletter status --json`
    """
    known, wrong = _look()
    if as_json:
        print_json(known.as_json() | {"alerts": [_alert_as_json(one) for one in wrong]})
        return
    Console(highlight=False).print(_shown(known, wrong))


def top(
    every: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two looks.")] = 2.0,
    looks: Annotated[int, typer.Option(min=0, help="End after so many; 0 for Ctrl-C.")] = 0,
) -> None:
    """Show the same live, until Ctrl-C; while the store is away it says so and looks again.

    Example: `newsletter top --every 1`
    """
    console, shown = Console(highlight=False), _shown(*_look())
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        try:
            for number in _counted(looks):
                live.update(_shown_or_why_not() if number else shown, refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _look() -> tuple[Overview, list[Condition]]:
    known = overview.look(now=utc_now())
    with reading() as session:
        return known, [*unstarted(known), *conditions(seen(session, known), settings().alerts)]


def _shown_or_why_not() -> RenderableType:
    try:
        return _shown(*_look())
    except SQLAlchemyError as error:
        if (why := in_a_sentence(error)) is None:
            raise
        return Text(f"{utc_now():%H:%M:%S} UTC: {why} It is asked again.", style="bold red")


def _counted(looks: int) -> Iterator[int]:
    number = 0
    while not looks or number < looks:
        yield number
        number += 1


def _shown(known: Overview, wrong: list[Condition]) -> RenderableType:
    parts: list[RenderableType] = []
    if halt := known.halt:
        words = f"STOPPED by {halt.by}: {halt.reason.rstrip('.')}. `newsletter go` lets it go on."
        parts += [Text(words, style="bold red"), Text()]
    for one in wrong:
        style = "red" if one.severity is Severity.trouble else "yellow"
        parts.append(Text.assemble((one.what, style), f" {one.remedy}"))
    if wrong:
        parts.append(Text())
    if not known.sends:
        parts.append(Text("Nothing waits and nothing is being sent."))
    for send in known.sends:
        parts += [*_send(send), Text()]
    parts.append(_processes(known))
    return Group(*parts)


def _send(send: Progress) -> Iterator[RenderableType]:
    yield Text.assemble((send.issue, "bold"), f"  {send.status}  ", (send.waits_for, "yellow"))
    if not send.audience:
        return
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=send.audience, completed=send.settled, width=40),
        f"{send.settled:,} of {send.audience:,}",
        f"{send.rate:,.0f} a second" if send.rate else "",
        f"done in {send.done_in}" if send.done_in is not None else "",
    )
    yield bar
    fates = ("accepted", "rejected", "excluded", "uncertain", "planned")
    counted = [f"{getattr(send, fate):,} {fate}" for fate in fates if getattr(send, fate)]
    if send.in_hands:
        counted.append(f"{send.in_hands:,} in workers' hands")
    yield Text("  " + ", ".join(counted))
    for name, count in send.providers.items():
        yield Text(f"  {name}: {count:,} accepted, {send.speeds.get(name, 0):,.0f} a second")
    for hand in send.hands:
        yield Text(
            f"  {hand.worker}: {hand.batches} batches of {hand.copies:,} copies in hand, "
            f"{hand.speed:,.0f} a second"
        )
    for doubt in send.doubts:
        asked = f"asked about at {doubt.checked_at:%H:%M:%S}" if doubt.checked_at else "to be asked"
        yield Text(
            f"  batch {doubt.number}: {doubt.copies:,} copies uncertain at {doubt.provider} "
            f"({doubt.reason}); {asked}",
            style="yellow",
        )
    for reason, count in send.put_back:
        yield Text(f"  {count} batches go again: {reason}", style="yellow")


def _processes(known: Overview) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("beat", _life(known.beats))
    grid.add_row("workers", _life(known.workers))
    waiting = "the broker does not answer" if known.waiting is None else f"{known.waiting:,} wait"
    grid.add_row("nudges", waiting)
    for one in (*known.resting, *known.failing):
        until = f"rests until {one.open_until:%H:%M:%S} UTC" if one in known.resting else "failing"
        grid.add_row(one.provider, Text(f"{until}: {one.reason}", style="yellow"))
    if known.letters:
        counted = ", ".join(f"{count:,} {name}" for name, count in sorted(known.letters.items()))
        grid.add_row("letters", counted)
    return grid


def _life(life: Life) -> Text:
    if life.is_gone:
        return Text(f"none since {life.last_seen_at:%Y-%m-%d %H:%M:%S} UTC", style="red")
    if not life.alive:
        return Text("none yet")
    names = ", ".join(one.name for one in life.alive)
    lag = f"; ticks come {life.lag:.1f} s late" if life.lag is not None else ""
    return Text(f"{len(life.alive)} alive ({names}){lag}")


def _alert_as_json(one: Condition) -> dict[str, object]:
    return {
        "key": one.key,
        "severity": str(one.severity),
        "what": one.what,
        "remedy": one.remedy,
    }
