"""What readers made of the week, frozen with a draft: votes come in, an approved edition stands."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Column, or_
from sqlmodel import Field, Session, SQLModel, col, select

from digests.facts import ToolFacts
from digests.models import Digest
from digests.store.ballots import Standing
from digests.store.listing import Listing, panel_percent
from digests.store.standings import Figure, figures
from digests.store.tool_rows import facts_of_tools
from digests.week_said import ToolSaid, WeekSaid
from digests.words.tally import verdict_of

#: Rows of the table in the mail: the tools with the most votes.
MOST_TOOLS: Final = 6


class CommunityWeek(SQLModel, table=True):
    """The community's verdicts as they stood when the edition was assembled."""

    __tablename__ = "community_week"

    digest_id: int = Field(primary_key=True, foreign_key="digest.id")
    said: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    taken_at: datetime


def freeze(session: Session, digest: Digest, *, now: datetime) -> WeekSaid | None:
    """Write down with *digest* which figures were new since its window began; None when none was."""
    said = week_said(session, since=digest.window_start)
    if said is None:
        return None
    row = session.get(CommunityWeek, digest.id) or CommunityWeek(
        digest_id=digest.id or 0, said={}, taken_at=now
    )
    row.said, row.taken_at = said.model_dump(mode="json"), now
    session.add(row)
    return said


def frozen(session: Session, digest_id: int) -> WeekSaid | None:
    """What was written down with that edition."""
    row = session.get(CommunityWeek, digest_id)
    return WeekSaid.model_validate(row.said) if row else None


def week_said(session: Session, *, since: datetime) -> WeekSaid | None:
    """The figures that were shown anew since *since*: those with the most votes, and the widest gap."""
    rows = session.exec(
        select(Standing)
        .where(col(Standing.shown_at) >= since, col(Standing.shown_percent).is_not(None))
        .order_by(col(Standing.shown_votes).desc(), col(Standing.tool_id))
        .limit(MOST_TOOLS)
    ).all()
    if not rows:
        return None
    ids = {standing.tool_id for standing in rows}
    pair = session.exec(
        select(Listing)
        .where(or_(col(Listing.left_tool_id).in_(ids), col(Listing.right_tool_id).in_(ids)))
        .where(col(Listing.gap) > 0)
        .order_by(col(Listing.gap).desc(), col(Listing.comparison_id).desc())
        .limit(1)
    ).first()
    both = {pair.left_tool_id, pair.right_tool_id} if pair else set()
    facts = facts_of_tools(session, ids | both)
    shown = figures(session, ids | both)
    tools = tuple(_said(facts[standing.tool_id], shown[standing.tool_id]) for standing in rows)
    if pair is None:
        return WeekSaid(tools=tools)
    apart = [_said(facts[one], shown[one]) for one in sorted(both) if one in shown]
    return WeekSaid(
        tools=tools,
        widest=max(apart, key=lambda tool: tool.gap),
        widest_title=pair.title,
        widest_slug=pair.slug,
    )


def _said(tool: ToolFacts, shown: Figure) -> ToolSaid:
    return ToolSaid(
        name=tool.name,
        slug=tool.slug,
        panel=panel_percent(tool),
        panel_verdict=verdict_of(tool),
        community=shown.percent,
        votes=shown.votes,
    )
