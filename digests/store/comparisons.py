"""The store of what is compared: tools, what reviewers said of them, and pairs with their history."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Column, Float, Index, Text, UniqueConstraint, and_, text
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, select

from digests.facts import ComparisonFacts, Verdict
from digests.models import BIG, words

_LINE: Final = 300
_LONG_LINE: Final = 2_000


class Tool(SQLModel, table=True):
    """One tool, however many pages compare it. None: no page has said."""

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    slug: str = Field(unique=True, max_length=200)
    name: str = Field(max_length=_LINE)
    category: str | None = Field(default=None, max_length=_LINE)
    tagline: str | None = Field(default=None, max_length=_LONG_LINE)
    entry: str | None = Field(default=None, max_length=_LINE)
    description: str | None = Field(default=None, sa_type=Text)
    pricing: str | None = Field(default=None, max_length=_LONG_LINE)
    best_for: str | None = Field(default=None, max_length=_LONG_LINE)
    community: str | None = Field(default=None, max_length=_LONG_LINE)
    community_percent: float | None = Field(default=None, sa_type=Float)
    panel_verdict: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    ship_percent: float | None = Field(default=None, sa_type=Float)
    ships: int | None = None
    skips: int | None = None
    details: list[dict[str, str]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False)
    )
    changed_at: datetime


class Review(SQLModel, table=True):
    """One reviewer's word on one tool.

    *key* is the reviewer's name in its comparable form, or for a review whose
    reviewer no page has named a hash of its text: one reviewer speaks once.
    """

    __table_args__ = (UniqueConstraint("tool_id", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    tool_id: int = Field(foreign_key="tool.id", sa_type=BIG)
    key: str = Field(max_length=400)
    position: int
    reviewer: str | None = Field(default=None, max_length=_LINE)
    score: int | None = None
    verdict: Verdict | None = Field(default=None, sa_column=Column(words(Verdict)))
    text: str = Field(sa_type=Text)


class Comparison(SQLModel, table=True):
    """A pair of tools with a page of its own.

    *stated* is what its own pages have said, each thing as last said: a page
    taken in again changes the tools only in what it says anew, and never undoes
    what another page has said since.
    """

    __table_args__ = (
        Index("ix_comparison_left_tool_id", "left_tool_id"),
        Index("ix_comparison_right_tool_id", "right_tool_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    slug: str = Field(unique=True, max_length=200)
    title: str = Field(max_length=700)
    summary: str | None = Field(default=None, sa_type=Text)
    url: str | None = Field(default=None, max_length=_LONG_LINE)
    published_at: datetime | None = None
    left_tool_id: int = Field(foreign_key="tool.id", sa_type=BIG)
    right_tool_id: int = Field(foreign_key="tool.id", sa_type=BIG)
    stated: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    revision: int = 0  # the number of its latest one
    fingerprint: str = Field(default="", max_length=64)  # of its latest one
    first_taken_in_at: datetime


class Revision(SQLModel, table=True):
    """A comparison as its readers saw it from *taken_in_at* on, until the next one.

    *changes* are sentences on what moved since the revision before. *material*:
    the first one, or one in which something known became something else.
    """

    __table_args__ = (
        UniqueConstraint("comparison_id", "number"),
        # The news of a window, newest first, without looking at a million comparisons.
        Index(
            "ix_revision_news",
            "taken_in_at",
            "id",
            postgresql_where=text("material"),
            sqlite_where=text("material = 1"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    comparison_id: int = Field(foreign_key="comparison.id", sa_type=BIG)
    number: int
    fingerprint: str = Field(max_length=64)
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    changes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    material: bool
    source: str = Field(max_length=_LINE)  # the file, or the caller, that brought it
    taken_in_at: datetime


_IS_LATEST: Final = and_(
    col(Comparison.id) == col(Revision.comparison_id),
    col(Comparison.revision) == col(Revision.number),
)


def facts_of(session: Session, slug: str) -> ComparisonFacts | None:
    """What the store says of the comparison *slug*; None when it has no such comparison."""
    revision = latest_revision(session, slug)
    return ComparisonFacts.model_validate(revision.facts) if revision else None


def latest_revision(session: Session, slug: str) -> Revision | None:
    """The newest revision of the comparison *slug*, material or not."""
    return session.exec(
        select(Revision).join(Comparison, _IS_LATEST).where(col(Comparison.slug) == slug)
    ).one_or_none()


def revisions_between(session: Session, start: datetime, end: datetime) -> list[Revision]:
    """The news of [*start*, *end*): each comparison's latest material revision in it, newest first."""
    later = aliased(Revision)
    overtaken = (
        select(later.id)
        .where(
            col(later.comparison_id) == col(Revision.comparison_id),
            col(later.number) > col(Revision.number),
            col(later.material),
            col(later.taken_in_at) >= start,
            col(later.taken_in_at) < end,
        )
        .exists()
    )
    return list(
        session.exec(
            select(Revision)
            .where(
                col(Revision.material),
                col(Revision.taken_in_at) >= start,
                col(Revision.taken_in_at) < end,
                ~overtaken,
            )
            .order_by(col(Revision.taken_in_at).desc(), col(Revision.id).desc())
        )
    )


def every_comparison(session: Session) -> Iterator[ComparisonFacts]:
    """The whole store in the order in which it came in, a few hundred comparisons at a time."""
    rows = session.exec(
        select(Revision.facts).join(Comparison, _IS_LATEST).order_by(col(Comparison.id)),
        execution_options={"yield_per": 500},
    )
    for facts in rows:
        yield ComparisonFacts.model_validate(facts)
