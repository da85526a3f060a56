"""The full comparison, where the mail's links lead unless the site's own address is set."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digests.comparisons import facts_of
from digests.edition import Entry
from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts, key_of
from newsletter import galley, joining, voting
from newsletter.rendering.card import card
from newsletter.settings import settings
from newsletter.voting import Ballot
from newsletter.web import ballots
from newsletter.web.doors import Now, Reading
from newsletter.web.pages import LOOK, page

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the decision table: empty where the page it came from says nothing."""

    label: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Seat:
    """One reviewer's word on both tools; empty name where no page has named the reviewer."""

    reviewer: str
    left: ReviewFacts | None
    right: ReviewFacts | None


@dataclass(frozen=True, slots=True)
class Mine:
    """What a reader's own device shows of them: a ballot for each tool."""

    token: str
    stamp: str
    ballots: list[Ballot]


@router.api_route("/compare/{slug}", methods=LOOK)
def compare(slug: str, request: Request, session: Reading, now: Now) -> Response:
    """Both tools side by side: the panel, the decision table, and every reviewer's whole text.

    A device on which a reader has voted sees their own word too, and its copy of
    the page is kept by nobody.
    """
    facts = facts_of(session, slug)
    if facts is None:
        raise HTTPException(404, "There is no comparison at this address.")
    answer = page(
        "compare.html",
        facts=facts,
        shown=card(Entry(facts=facts, address="")),
        rows=decision_table(facts),
        seats=scorecard(*facts.tools),
        canonical=facts.url or galley.comparison_address().replace("{slug}", facts.slug),
        figures=voting.shown_figures(session, [tool.slug for tool in facts.tools]),
        enough=settings().votes.enough,
        wording=joining.wording(),
        mine=_mine(request, session, facts, now=now),
    )
    answer.headers["vary"] = "Cookie"
    mine = ballots.has_memory(request)
    answer.headers["cache-control"] = "private, no-store" if mine else "public, max-age=60"
    return answer


def _mine(
    request: Request, session: Session, facts: ComparisonFacts, *, now: datetime
) -> Mine | None:
    """The buttons and the word of whoever's device this is; None on anybody else's."""
    known = ballots.remembered(request, session)
    if known is None:
        return None
    token, reader = known
    return Mine(
        token=token,
        stamp=voting.stamp(token, now=now),
        ballots=voting.ballots_on(session, [tool.slug for tool in facts.tools], reader),
    )


def decision_table(facts: ComparisonFacts) -> list[Row]:
    """What decides, row by row; a row stands if either side says something."""
    left, right = facts.tools
    rows = [
        Row("Pricing", left.pricing or "", right.pricing or ""),
        Row("Entry", left.entry or "", right.entry or ""),
        Row("Best for", left.best_for or "", right.best_for or ""),
        Row("Community", left.community or "", right.community or ""),
        Row("Category", left.category or "", right.category or ""),
    ]
    said = [{key_of(detail.label): detail for detail in tool.details} for tool in facts.tools]
    for key, detail in (said[0] | said[1]).items():
        texts = [side[key].text if key in side else "" for side in said]
        rows.append(Row(detail.label, *texts))
    return [row for row in rows if row.left or row.right]


def scorecard(left: ToolFacts, right: ToolFacts) -> list[Seat]:
    """The panel's seats in the left tool's order, then those who only reviewed the right one."""
    sides = [_by_seat(tool.reviews) for tool in (left, right)]
    return [
        Seat(
            reviewer=next((side[key].reviewer or "" for side in sides if key in side), ""),
            left=sides[0].get(key),
            right=sides[1].get(key),
        )
        for key in sides[0] | sides[1]
    ]


def _by_seat(reviews: Sequence[ReviewFacts]) -> dict[str, ReviewFacts]:
    """Nameless reviews sit by their place: the panel speaks in the same order on every page."""
    return {
        key_of(review.reviewer) if review.reviewer else f"#{place}": review
        for place, review in enumerate(reviews)
    }
