"""Votes -> the figure that readers see, in steps from which nobody can be picked out.

The exact count stays inside. What is shown changes only when enough different
people stand between the old figure and the new one, is rounded, never says
"all" or "nobody", and is taken down when too few votes are left.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import case, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from digests.facts import Verdict
from digests.store.ballots import Ruling, Standing, Vote
from digests.store.listing import show_community
from digests.week_said import majority

#: Percent: the figure is a multiple of it, and stays that far from 0 and from 100.
ROUNDED_TO: Final = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """When votes say something, and when they are held out. Zero switches a limit off.

    *enough* votes before a figure is shown, *step* people between two figures;
    *burst* votes of one mind on one tool within a minute, *network* votes on
    one tool from one network within a day.
    """

    enough: int = 10
    step: int = 5
    burst: int = 100
    network: int = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """The community's verdict as it is shown: percent that ship, and at least how many voted."""

    percent: int
    votes: int

    @property
    def verdict(self) -> Verdict:
        """The word for it, as a panel would have it."""
        return majority(self.percent)

    def __str__(self) -> str:
        return f"{self.percent}% ship · {self.votes:,}+ votes"


def figure(ships: int, skips: int, rules: Rules) -> Figure | None:
    """What is shown of these votes; None while there are too few to say something."""
    total = ships + skips
    if not total or total < rules.enough:
        return None
    rounded = ROUNDED_TO * round(100 * ships / total / ROUNDED_TO)
    percent = min(max(rounded, ROUNDED_TO), 100 - ROUNDED_TO)
    step = max(1, rules.step)
    return Figure(percent, max(total // step * step, min(total, rules.enough)))


def figures(session: Session, tool_ids: Collection[int]) -> dict[int, Figure]:
    """The shown figure of each of *tool_ids* that has one."""
    rows = session.exec(
        select(Standing.tool_id, Standing.shown_percent, Standing.shown_votes).where(
            col(Standing.tool_id).in_(tool_ids), col(Standing.shown_percent).is_not(None)
        )
    )
    return {tool: Figure(percent or 0, votes or 0) for tool, percent, votes in rows}


def held_standing(session: Session, tool_id: int) -> Standing:
    """The standing of *tool_id*, made if there is none, and ours until the transaction ends."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    table = SQLModel.metadata.tables["standing"]
    session.connection().execute(
        dialect.insert(table).on_conflict_do_nothing(),
        {"tool_id": tool_id, "ships": 0, "skips": 0, "waiting": 0, "moves": 0},
    )
    return session.exec(
        select(Standing)
        .where(col(Standing.tool_id) == tool_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def put(standing: Standing, vote: Vote, **values: object) -> None:
    """Change *vote*, and the count by just that; under the standing's lock."""
    before, waited = vote.counted, vote.waits
    for name, value in values.items():
        setattr(vote, name, value)
    _recount(standing, before, vote.counted)
    standing.waiting += vote.waits - waited
    is_stale = vote.counted != vote.published
    standing.moves += is_stale - vote.stale
    vote.stale = is_stale


def strike(session: Session, standing: Standing, vote: Vote) -> None:
    """Remove *vote* and all that was known with it; the figure it stood in is one person older."""
    _recount(standing, vote.counted, None)
    standing.waiting -= vote.waits
    standing.moves += (vote.published is not None) - vote.stale
    session.delete(vote)


def publish_if_due(session: Session, standing: Standing, rules: Rules, *, now: datetime) -> bool:
    """Bring the shown figure up to the count, if that tells nobody's vote. True when it changed.

    A figure of too few votes is taken down at once; it comes back only when
    enough people stand between it and the one that was shown before.
    """
    fresh = figure(standing.ships, standing.skips, rules)
    if fresh is None:
        if standing.shown_percent is None:
            return False
        standing.shown_percent = standing.shown_votes = None
        show_community(session, standing.tool_id, None)
        return True
    if standing.shown_at is not None and standing.moves < rules.step:
        return False
    session.flush()
    stale = (col(Vote.tool_id) == standing.tool_id, col(Vote.stale))
    session.execute(
        delete(Vote)
        .where(*stale, col(Vote.verdict).is_(None))
        .execution_options(synchronize_session="fetch")
    )
    session.execute(
        update(Vote)
        .where(*stale)
        .values(
            published=case(
                (
                    col(Vote.held).is_(None) | (col(Vote.ruling) == Ruling.counts),
                    col(Vote.verdict),
                ),
                else_=None,
            ),
            stale=False,
        )
        .execution_options(synchronize_session="fetch")
    )
    standing.moves = 0
    standing.shown_percent, standing.shown_votes = fresh.percent, fresh.votes
    standing.shown_at = now
    show_community(session, standing.tool_id, fresh.percent)
    return True


def _recount(standing: Standing, before: Verdict | None, after: Verdict | None) -> None:
    standing.ships += (after is Verdict.ship) - (before is Verdict.ship)
    standing.skips += (after is Verdict.skip) - (before is Verdict.skip)
