"""The full comparison, where the mail's links lead unless the site's own address is set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digests.edition import Entry
from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts, key_of
from digests.store.comparisons import facts_of, latest_revision
from digests.store.history import changes_of
from digests.store.listing import panel_percent, pips_of
from digests.words.tally import split_of, verdict_of
from newsletter.archive.picture import Row as PictureRow
from newsletter.archive.picture import picture
from newsletter.copies import galley
from newsletter.readers import joining, voting
from newsletter.rendering.card import card
from newsletter.settings import settings
from newsletter.web.caching import kept
from newsletter.web.doors import Now, Reading
from newsletter.web.mailed import ballots
from newsletter.web.pages import LOOK, day, page
from newsletter.web.site.structured import structured

router = APIRouter()

_DAY: Final = 86_400  # seconds


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


@router.api_route("/compare/{slug}.png", methods=LOOK)
def picture_of(slug: str, request: Request, session: Reading) -> Response:
    """The comparison's picture, for what shows links with one."""
    revision = latest_revision(session, slug)
    if revision is None:
        raise HTTPException(404, "There is no comparison at this address.")
    facts = ComparisonFacts.model_validate(revision.facts)
    panels = tuple(tuple(pips_of(tool)) for tool in facts.tools)
    row = PictureRow(facts.summary or facts.title, panels)
    known = settings()
    return kept(
        request,
        picture(known.publication, day(revision.taken_in_at), facts.title, (row,)),
        media_type="image/png",
        changed_at=revision.taken_in_at,
        seconds=_DAY,
        headers={"cross-origin-resource-policy": "cross-origin"},
    )


@router.api_route("/compare/{slug}", methods=LOOK)
def compare(slug: str, request: Request, session: Reading, now: Now) -> Response:
    """Both tools side by side: the panel, the decision table, and every reviewer's whole text.

    A device on which a reader has voted sees their own word too, and its copy of
    the page is kept by nobody.
    """
    facts = facts_of(session, slug)
    if facts is None:
        raise HTTPException(404, "There is no comparison at this address.")
    changes = changes_of(session, slug)
    canonical = facts.url or galley.comparison_address().replace("{slug}", facts.slug)
    home = settings().web_url.rstrip("/")
    answer = page(
        "compare.html",
        facts=facts,
        shown=card(Entry(facts=facts, address="")),
        rows=decision_table(facts),
        seats=scorecard(*facts.tools),
        canonical=canonical,
        home=home,
        changes=changes,
        described=_described(facts),
        structured=structured(
            facts,
            address=canonical,
            publication=settings().publication,
            tools_at=f"{home}/tools/{{slug}}",
            changed_at=changes[0].at if changes else None,
        ),
        figures=voting.shown_figures(session, [tool.slug for tool in facts.tools]),
        enough=settings().votes.enough,
        wording=joining.wording(),
        mine=ballots.mine(request, session, [tool.slug for tool in facts.tools], now=now),
    )
    return ballots.own_or_shared(request, answer)


def _described(facts: ComparisonFacts) -> str:
    """What a preview of the link says: the page's own words, else where the panel stands."""
    if facts.summary:
        return facts.summary
    said = [
        f"{tool.name}: {verdict_of(tool)}, {percent:.0f}% ship"
        for tool in facts.tools
        if verdict_of(tool) and (percent := panel_percent(tool)) is not None
    ]
    return f"The panel on {facts.title}. {'; '.join(said)}." if said else facts.title


def decision_table(facts: ComparisonFacts) -> list[Row]:
    """What decides, row by row; a row stands if either side says something."""
    left, right = facts.tools
    rows = [
        Row("Panel", _panel_of(left), _panel_of(right)),
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


def _panel_of(tool: ToolFacts) -> str:
    """The panel's word and its split, as far as either is known."""
    ships, skips = split_of(tool)
    split = "" if ships is None or skips is None else f"{ships} ship / {skips} skip"
    return " · ".join(part for part in ((verdict_of(tool) or "").capitalize(), split) if part)


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
