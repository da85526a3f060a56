"""Finding comparisons: by words, category and tool, in three orders, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts, key_of
from digests.store.comparisons import Comparison, Revision, Tool
from digests.store.listing import Listing

#: Entries of one page of the index, of a feed, and of the API unless asked for fewer.
PAGE: Final = 24
_LONGEST_SEARCH: Final = 100
_MOST_WORDS: Final = 8
_LARGEST: Final = 2**62  # more than either store counts to


class BadCursor(Exception):
    """A page that no page led to."""

    def __init__(self) -> None:
        super().__init__("That page does not exist; start again from the first one.")


class Sort(StrEnum):
    """In which order comparisons are listed."""

    newest = "newest"
    divided = "divided"
    gap = "gap"  # panel against community


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. *after* is the ``Page.next`` of the page before."""

    words: str = ""
    category: str = ""
    tool_id: int | None = None
    sort: Sort = Sort.newest
    after: str = ""
    at_most: int = PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the comparisons that fit; *next* is empty on the last page."""

    rows: tuple[Listing, ...]
    next: str


def find(session: Session, wanted: Wanted) -> Page:
    """The comparisons that fit *wanted*, a page of them.

    Words are looked for in names, titles and categories; all must be there.
    Raises BadCursor for a page that never was.
    """
    key = _KEYS[wanted.sort]
    query = select(Listing)
    if wanted.sort is Sort.gap:
        query = query.where(col(Listing.gap).is_not(None))
    for word in key_of(wanted.words[:_LONGEST_SEARCH]).split()[:_MOST_WORDS]:
        query = query.where(col(Listing.searched).contains(word, autoescape=True))
    if wanted.category:
        query = query.where(
            or_(
                col(Listing.category) == wanted.category,
                col(Listing.other_category) == wanted.category,
            )
        )
    if wanted.tool_id is not None:
        query = query.where(
            or_(
                col(Listing.left_tool_id) == wanted.tool_id,
                col(Listing.right_tool_id) == wanted.tool_id,
            )
        )
    if wanted.after:
        value, comparison_id = _place(wanted.after, wanted.sort)
        query = query.where(
            or_(key < value, and_(key == value, col(Listing.comparison_id) < comparison_id))
        )
    rows = session.exec(
        query.order_by(key.desc(), col(Listing.comparison_id).desc()).limit(wanted.at_most + 1)
    ).all()
    shown = tuple(rows[: wanted.at_most])
    more = len(rows) > wanted.at_most
    return Page(shown, _cursor(shown[-1], wanted.sort) if more else "")


def categories(session: Session, *, at_most: int = 500) -> list[str]:
    """Every category in which a comparison stands, by name."""
    found: set[str] = set()
    for column in (col(Listing.category), col(Listing.other_category)):
        found.update(session.scalars(_each(column).limit(at_most)))
    return sorted(found)[:at_most]


def tool_called(session: Session, slug: str) -> Tool | None:
    """The tool at that address; None when no page has compared it."""
    return session.exec(select(Tool).where(col(Tool.slug) == slug)).first()


def tools_after(session: Session, slug: str, *, at_most: int) -> list[Tool]:
    """The tools whose slugs come after *slug*, in their order; the first ones after ""."""
    query = select(Tool).where(col(Tool.slug) > slug).order_by(col(Tool.slug)).limit(at_most)
    return list(session.exec(query))


def newest_change(session: Session, category: str = "") -> tuple[datetime, int] | None:
    """When a comparison last said something new, and how many revisions that one has; None: none is there."""
    page = find(session, Wanted(category=category, at_most=1))
    return (page.rows[0].listed_at, page.rows[0].revision) if page.rows else None


def latest_facts(session: Session, ids: Sequence[int]) -> dict[int, ComparisonFacts]:
    """What the comparisons *ids* say now, by id."""
    rows = session.exec(
        select(Comparison.id, Revision.facts)
        .join(
            Revision,
            and_(
                col(Revision.comparison_id) == col(Comparison.id),
                col(Revision.number) == col(Comparison.revision),
            ),
        )
        .where(col(Comparison.id).in_(ids))
    )
    return {number or 0: ComparisonFacts.model_validate(facts) for number, facts in rows}


def _each(column: Any) -> Select[Any]:  # noqa: ANN401 - SQLModel's col() has no narrower one
    """Each value once: from one to the next in the index, and not through a hundred thousand rows."""
    first = select(func.min(column).label("value")).cte("each", recursive=True)
    following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    each = first.union_all(select(following).where(first.c.value.is_not(None)))
    return select(each.c.value).where(each.c.value.is_not(None))


_KEYS: Final[dict[Sort, Any]] = {
    Sort.newest: col(Listing.listed_at),
    Sort.divided: col(Listing.divided),
    Sort.gap: col(Listing.gap),
}


def _cursor(last: Listing, sort: Sort) -> str:
    value = last.listed_at.isoformat() if sort is Sort.newest else getattr(last, sort)
    return f"{value}~{last.comparison_id}"


def _place(cursor: str, sort: Sort) -> tuple[datetime | int, int]:
    value, _, comparison_id = cursor.partition("~")
    try:
        at = datetime.fromisoformat(value) if sort is Sort.newest else int(value)
        number = int(comparison_id)
    except (ValueError, OverflowError):
        raise BadCursor from None
    if isinstance(at, datetime) and at.tzinfo is None:
        raise BadCursor
    if number > _LARGEST or (isinstance(at, int) and abs(at) > _LARGEST):
        raise BadCursor
    return at, number
