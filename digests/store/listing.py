"""A row for each comparison to find it by, kept up as revisions and votes come in."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Column, Float, Index, Text, and_, case, func, or_, update
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Field, Session, SQLModel, col, select

from digests.facts import ComparisonFacts, ToolFacts, Verdict, key_of
from digests.models import BIG
from digests.store.comparisons import Comparison
from digests.words.tally import split_of, verdict_of

_MOST_PIPS: Final = 12
_AT_ONCE: Final = 500


class Listing(SQLModel, table=True):
    """What finds and shows one comparison in a list.

    *divided* grows with the panel's disagreement with itself; *gap* is the
    widest distance between panel and community in percentage points, None
    while no figure is shown. *sides* are only ever shown.
    """

    __table_args__ = (
        Index("ix_listing_newest", "listed_at", "comparison_id"),
        Index("ix_listing_divided", "divided", "comparison_id"),
        Index("ix_listing_gap", "gap", "comparison_id"),
        Index("ix_listing_category", "category", "listed_at", "comparison_id"),
        Index("ix_listing_other_category", "other_category", "listed_at", "comparison_id"),
        Index("ix_listing_left", "left_tool_id", "listed_at", "comparison_id"),
        Index("ix_listing_right", "right_tool_id", "listed_at", "comparison_id"),
    )

    comparison_id: int = Field(primary_key=True, foreign_key="comparison.id", sa_type=BIG)
    slug: str = Field(max_length=200)
    title: str = Field(max_length=700)
    summary: str | None = Field(default=None, sa_type=Text)
    left_tool_id: int = Field(sa_type=BIG)
    right_tool_id: int = Field(sa_type=BIG)
    category: str | None = Field(default=None, max_length=300)
    other_category: str | None = Field(default=None, max_length=300)  # where the sides differ
    searched: str = Field(sa_column=Column(Text, nullable=False))
    sides: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    left_panel: float | None = Field(default=None, sa_type=Float)
    right_panel: float | None = Field(default=None, sa_type=Float)
    left_shown: int | None = None
    right_shown: int | None = None
    divided: int = 0
    gap: int | None = None
    revision: int
    published_at: datetime | None = None
    listed_at: datetime  # when it last said something new


def rows_of(session: Session, comparison_ids: Collection[int]) -> dict[int, Listing]:
    """The rows of these comparisons, by id."""
    rows = session.exec(select(Listing).where(col(Listing.comparison_id).in_(comparison_ids)))
    return {row.comparison_id: row for row in rows}


def a_row(comparison: Comparison, *, now: datetime) -> Listing:
    """A row for a comparison that has none yet."""
    return Listing(
        comparison_id=comparison.id or 0,
        slug=comparison.slug,
        title=comparison.title,
        left_tool_id=comparison.left_tool_id,
        right_tool_id=comparison.right_tool_id,
        searched="",
        sides=[],
        revision=0,
        listed_at=now,
    )


def written(
    row: Listing, comparison: Comparison, facts: ComparisonFacts, *, figures: Mapping[int, int]
) -> Listing:
    """*row*, saying what *facts* say of *comparison*. *figures*: shown percent by tool."""
    left, right = facts.tools
    row.title, row.summary, row.published_at = facts.title, facts.summary, facts.published_at
    row.left_tool_id, row.right_tool_id = comparison.left_tool_id, comparison.right_tool_id
    named = list(dict.fromkeys(tool.category for tool in facts.tools if tool.category))
    row.category, row.other_category = (*named, None, None)[:2]
    row.searched = searched(facts)
    row.sides = [_side(tool) for tool in facts.tools]
    row.left_panel, row.right_panel = panel_percent(left), panel_percent(right)
    row.left_shown = figures.get(comparison.left_tool_id)
    row.right_shown = figures.get(comparison.right_tool_id)
    row.divided = divided(facts)
    row.gap = _gap((row.left_panel, row.left_shown), (row.right_panel, row.right_shown))
    row.revision = comparison.revision
    return row


def show_community(session: Session, tool_id: int, percent: int | None) -> None:
    """Let every comparison of the tool know the community's figure, in one statement."""
    is_left, is_right = col(Listing.left_tool_id) == tool_id, col(Listing.right_tool_id) == tool_id
    left = case((is_left, percent), else_=col(Listing.left_shown))
    right = case((is_right, percent), else_=col(Listing.right_shown))
    ids = session.exec(
        select(Listing.comparison_id)
        .where(or_(is_left, is_right))
        # The same order for everybody, so that none waits in a ring.
        .order_by(col(Listing.comparison_id))
        .with_for_update()
    ).all()
    for start in range(0, len(ids), _AT_ONCE):
        session.execute(
            update(Listing)
            .where(col(Listing.comparison_id).in_(ids[start : start + _AT_ONCE]))
            .values(left_shown=left, right_shown=right, gap=_widest(left, right))
            .execution_options(synchronize_session=False)
        )


def searched(facts: ComparisonFacts) -> str:
    """What a search looks through, in its comparable form."""
    said = [facts.title, *(part for t in facts.tools for part in (t.name, t.category) if part)]
    return key_of(" ".join(dict.fromkeys(said)))


def panel_percent(tool: ToolFacts) -> float | None:
    """How much of the panel ships: the page's figure, else what the split comes to."""
    if tool.panel.ship_percent is not None:
        return float(tool.panel.ship_percent)
    ships, skips = split_of(tool)
    if ships is None or skips is None or not ships + skips:
        return None
    return 100 * ships / (ships + skips)


def divided(facts: ComparisonFacts) -> int:
    """0 for a panel of one mind; thousands for split votes, the spread of the scores on top."""
    votes = 0
    scores: list[int] = []
    for tool in facts.tools:
        ships, skips = split_of(tool)
        if ships and skips:
            votes += round(2000 * min(ships, skips) / (ships + skips))
        known = [review.score for review in tool.reviews if review.score is not None]
        scores.append(max(known) - min(known) if known else 0)
    return votes + max(scores)


def pips_of(tool: ToolFacts) -> list[Verdict]:
    """One verdict for each reviewer, in the panel's order where it is known; none of a crowd."""
    ships, skips = split_of(tool)
    if ships is None or skips is None or ships + skips > _MOST_PIPS:
        return []
    seats = [review.verdict for review in tool.reviews if review.verdict is not None]
    if (seats.count(Verdict.ship), seats.count(Verdict.skip)) == (ships, skips):
        return seats
    return [Verdict.ship] * ships + [Verdict.skip] * skips


def _side(tool: ToolFacts) -> dict[str, Any]:
    percent = panel_percent(tool)
    return {
        "slug": tool.slug,
        "name": tool.name,
        "verdict": verdict_of(tool),
        "percent": None if percent is None else round(percent, 1),
        "pips": pips_of(tool),
        "entry": tool.entry,
    }


def _gap(*pairs: tuple[float | None, int | None]) -> int | None:
    known = [round(abs(p - s)) for p, s in pairs if p is not None and s is not None]
    return max(known, default=None)


def _widest(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQL for ``_gap``."""
    # -1 where one of the two is not known.
    a = func.coalesce(func.abs(func.round(col(Listing.left_panel) - left)), -1)
    b = func.coalesce(func.abs(func.round(col(Listing.right_panel) - right)), -1)
    return case((and_(a < 0, b < 0), None), (a >= b, a), else_=b)
