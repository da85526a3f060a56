"""A tool's facts <-> its rows: the tool and what each reviewer said of it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from digests.facts import DetailFacts, PanelFacts, ReviewFacts, ToolFacts, key_of
from digests.store.comparisons import Review, Tool
from digests.store.knowledge import text_key

_LONGEST_KEY: Final = 200


def facts_of_tools(session: Session, ids: Collection[int]) -> dict[int, ToolFacts]:
    """What the store knows of the tools *ids*, as it stands now and not as this session last saw it."""
    reviews = _reviews_of(session, ids)
    rows = session.exec(
        select(Tool).where(col(Tool.id).in_(ids)).execution_options(populate_existing=True)
    )
    return {tool.id or 0: _tool_facts(tool, reviews[tool.id or 0]) for tool in rows}


def write_tool(session: Session, tool: Tool, facts: ToolFacts, *, now: datetime) -> None:
    """Make the rows of *tool* say what *facts* say."""
    for name in ("name", "category", "tagline", "entry", "description", "pricing", "best_for"):
        setattr(tool, name, getattr(facts, name))
    tool.community, tool.community_percent = facts.community, facts.community_percent
    tool.panel_verdict, tool.ship_percent = facts.panel.verdict, facts.panel.ship_percent
    tool.ships, tool.skips = facts.panel.ships, facts.panel.skips
    tool.details = [detail.model_dump() for detail in facts.details]
    tool.changed_at = now
    session.add(tool)
    _write_reviews(session, tool.id or 0, facts.reviews)


def _write_reviews(session: Session, tool_id: int, wanted: Sequence[ReviewFacts]) -> None:
    rows = {row.key: row for row in _reviews_of(session, [tool_id])[tool_id]}
    nameless = Counter[str]()
    for position, review in enumerate(wanted):
        key = _review_key(review, nameless)
        row = rows.pop(key, None) or Review(
            tool_id=tool_id, key=key, position=position, text=review.text
        )
        row.position, row.reviewer, row.text = position, review.reviewer, review.text
        row.score, row.verdict = review.score, review.verdict
        session.add(row)
    for row in rows.values():  # nameless ones that got a name, and stand under another key now
        session.delete(row)


def _review_key(review: ReviewFacts, nameless: Counter[str]) -> str:
    if review.reviewer is not None:
        name = key_of(review.reviewer)
        return f"by:{name}" if len(name) <= _LONGEST_KEY else f"by#{_hash(name)}"
    text = _hash(text_key(review.text))
    nameless[text] += 1  # two reviewers may say the same, in a word
    return f"text:{text}:{nameless[text]}"


def _reviews_of(session: Session, ids: Collection[int]) -> Mapping[int, list[Review]]:
    found: defaultdict[int, list[Review]] = defaultdict(list)
    for review in session.exec(
        select(Review)
        .where(col(Review.tool_id).in_(ids))
        .order_by(col(Review.position))
        .execution_options(populate_existing=True)
    ):
        found[review.tool_id].append(review)
    return found


def _tool_facts(tool: Tool, reviews: Sequence[Review]) -> ToolFacts:
    return ToolFacts(
        name=tool.name,
        category=tool.category,
        tagline=tool.tagline,
        entry=tool.entry,
        description=tool.description,
        pricing=tool.pricing,
        best_for=tool.best_for,
        community=tool.community,
        community_percent=tool.community_percent,
        panel=PanelFacts(
            verdict=tool.panel_verdict,
            ship_percent=tool.ship_percent,
            ships=tool.ships,
            skips=tool.skips,
        ),
        details=tuple(DetailFacts.model_validate(detail) for detail in tool.details),
        reviews=tuple(
            ReviewFacts(
                reviewer=review.reviewer,
                score=review.score,
                verdict=review.verdict,
                text=review.text,
            )
            for review in reviews
        ),
    )


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()
