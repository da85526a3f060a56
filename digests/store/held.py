"""Votes that were held out of the count: what an operator sees of them, and what they decide."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func
from sqlmodel import Session, col, select

from digests.facts import Verdict
from digests.store.ballots import Doubt, Ruling, Vote
from digests.store.community import CommunityError
from digests.store.comparisons import Tool
from digests.store.standings import Rules, held_standing, publish_if_due, put


class NothingHeld(CommunityError):
    """Somebody else has decided about them, or they were taken back."""

    def __init__(self) -> None:
        super().__init__("No vote of that kind waits any more.")


@dataclass(frozen=True, slots=True)
class Heap:
    """The votes on one tool that wait for one reason. *networks*: how many different ones are still known."""

    tool_id: int
    tool: str
    slug: str
    doubt: Doubt
    ships: int
    skips: int
    networks: int
    first_at: datetime
    last_at: datetime

    @property
    def votes(self) -> int:
        """How many wait."""
        return self.ships + self.skips


def heaps(session: Session, *, at_most: int = 100) -> list[Heap]:
    """What waits for an operator, the latest first."""
    ships = func.sum(_is(Verdict.ship))
    skips = func.sum(_is(Verdict.skip))
    last = func.max(Vote.cast_at)
    rows = session.exec(
        select(  # type: ignore[call-overload]  # more columns than SQLModel spells out
            Vote.tool_id,
            Tool.name,
            Tool.slug,
            Vote.held,
            ships,
            skips,
            func.count(func.distinct(col(Vote.network))),
            func.min(Vote.cast_at),
            last,
        )
        .join(Tool, col(Tool.id) == col(Vote.tool_id))
        .where(*_waiting())
        .group_by(col(Vote.tool_id), col(Tool.name), col(Tool.slug), col(Vote.held))
        .order_by(last.desc(), col(Vote.tool_id))
        .limit(at_most)
    )
    return [Heap(*row) for row in rows]


def rule(  # noqa: PLR0913 - who decides what about which, and when
    session: Session,
    tool_id: int,
    doubt: Doubt,
    ruling: Ruling,
    *,
    by: str,
    rules: Rules,
    now: datetime,
) -> int:
    """Count those votes, or leave them out for good; returns how many. Raises NothingHeld.

    It stands for these people and this tool, whatever they vote later.
    """
    standing = held_standing(session, tool_id)
    votes = session.exec(
        select(Vote)
        .where(*_waiting(), col(Vote.tool_id) == tool_id, col(Vote.held) == doubt)
        .execution_options(populate_existing=True)
    ).all()
    if not votes:
        raise NothingHeld
    for vote in votes:
        put(standing, vote, ruling=ruling, ruled_by=by, ruled_at=now)
    session.flush()
    publish_if_due(session, standing, rules, now=now)
    return len(votes)


def _waiting() -> tuple[ColumnElement[bool], ...]:
    held = col(Vote.held).is_not(None)
    return held, col(Vote.ruling).is_(None), col(Vote.verdict).is_not(None)


def _is(verdict: Verdict) -> ColumnElement[int]:
    return case((col(Vote.verdict) == verdict, 1), else_=0)
