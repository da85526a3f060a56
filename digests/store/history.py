"""How things became what they are: a tool's moves, a row each; a comparison's changes, in sentences."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Float, Index
from sqlmodel import Field, Session, SQLModel, col, select

from digests.facts import ToolFacts, Verdict
from digests.models import BIG, words
from digests.store.comparisons import Comparison, Revision, Tool
from digests.store.listing import panel_percent
from digests.words.tally import split_of, verdict_of


class ToolMove(SQLModel, table=True):
    """The panel's word on one tool from *at* on, until the next row. None: no page had said."""

    __tablename__ = "tool_move"
    __table_args__ = (Index("ix_tool_move", "tool_id", "at", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    tool_id: int = Field(foreign_key="tool.id", sa_type=BIG)
    at: datetime
    verdict: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    percent: float | None = Field(default=None, sa_type=Float)
    ships: int | None = None
    skips: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one revision of a comparison changed, in sentences."""

    number: int
    at: datetime
    sentences: tuple[str, ...]


def note(session: Session, tool: Tool, facts: ToolFacts, *, now: datetime) -> bool:
    """Write down where the panel stands on *tool*; False when it stands where it stood."""
    ships, skips = split_of(facts)
    move = ToolMove(
        tool_id=tool.id or 0,
        at=now,
        verdict=verdict_of(facts),
        percent=panel_percent(facts),
        ships=ships,
        skips=skips,
    )
    if all(value is None for value in _word(move)):
        return False
    last = session.exec(
        select(ToolMove)
        .where(col(ToolMove.tool_id) == tool.id)
        .order_by(col(ToolMove.at).desc(), col(ToolMove.id).desc())
        .limit(1)
    ).first()
    if last is not None and _word(last) == _word(move):
        return False
    session.add(move)
    return True


def moves_of(session: Session, tool_id: int, *, at_most: int = 50) -> list[ToolMove]:
    """The last moves of the panel's word on the tool, oldest first."""
    rows = session.exec(
        select(ToolMove)
        .where(col(ToolMove.tool_id) == tool_id)
        .order_by(col(ToolMove.at).desc(), col(ToolMove.id).desc())
        .limit(at_most)
    ).all()
    return list(reversed(rows))


def changes_of(session: Session, slug: str, *, at_most: int = 10) -> list[Change]:
    """What the latest revisions of the comparison changed, newest first; the silent ones are left out."""
    rows = session.exec(
        select(Revision.number, Revision.taken_in_at, Revision.changes)
        .join(Comparison, col(Comparison.id) == col(Revision.comparison_id))
        .where(col(Comparison.slug) == slug, col(Revision.number) > 1)
        .order_by(col(Revision.number).desc())
        .limit(at_most)
    )
    return [Change(number, at, tuple(said)) for number, at, said in rows if said]


def _word(move: ToolMove) -> tuple[object, ...]:
    return move.verdict, move.percent, move.ships, move.skips
