"""Whom an editor may quote: each reviewer's seat in a comparison, and what they would be heard saying."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from digests.edition import Quote
from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts, slug_of
from digests.words import quotes

#: More voices under one comparison are a transcript.
MOST: Final = 4


@dataclass(frozen=True, slots=True)
class Seat:
    """One reviewer's word on one tool. *quote* is None where no sentence stands by itself."""

    key: str  # "smolvlm2-2b/the-builder": the same seat after the page has changed
    quote: Quote | None
    reviewer: str
    tool: str


def seats(facts: ComparisonFacts) -> tuple[Seat, ...]:
    """Everybody who says something in *facts*, in the page's order."""
    return tuple(
        Seat(
            key=_key(tool, review, number),
            quote=quotes.best_of(tool, review),
            reviewer=review.reviewer or f"Reviewer {number}",
            tool=tool.name,
        )
        for tool in facts.tools
        for number, review in enumerate(tool.reviews, start=1)
    )


def spoken(facts: ComparisonFacts, chosen: Sequence[str]) -> tuple[Quote, ...]:
    """The quotes of the seats *chosen*, in that order; a seat that is no more says nothing."""
    known = {seat.key: seat.quote for seat in seats(facts)}
    return tuple(quote for key in chosen if (quote := known.get(key)))


def seats_of(facts: ComparisonFacts, quoted: Sequence[Quote]) -> tuple[str, ...]:
    """The seats whose reviewers *quoted* are, in that order."""
    return tuple(
        _key(tool, review, number)
        for quote in quoted
        for tool in facts.tools
        for number, review in enumerate(tool.reviews, start=1)
        if tool.name == quote.tool and quote.text in quotes.sentences(review.text)
    )


def _key(tool: ToolFacts, review: ReviewFacts, number: int) -> str:
    return f"{tool.slug}/{slug_of(review.reviewer) if review.reviewer else number}"
