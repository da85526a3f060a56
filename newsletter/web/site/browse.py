"""Finding a comparison: the index with words, category and order, and a page for each tool."""

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digests.store import finding, history
from digests.store.finding import Sort, Wanted
from digests.store.tool_rows import facts_of_tools
from digests.words.tally import split_of, verdict_of
from newsletter.readers import voting
from newsletter.settings import settings
from newsletter.web.caching import kept
from newsletter.web.doors import Now, Reading
from newsletter.web.mailed import ballots
from newsletter.web.pages import LOOK, page
from newsletter.web.site.plot import plot

router = APIRouter()

#: Categories offered in the form: more are no choice, and each has its own address anyway.
_MOST_CATEGORIES: Final = 60
_MINUTE: Final = 60  # seconds
_ORDERS: Final = {
    Sort.newest: "Newest",
    Sort.divided: "Most divided panel",
    Sort.gap: "Panel against readers",
}


@dataclass(frozen=True, slots=True)
class Looking:
    """What somebody asked for, as it stands in an address."""

    q: str
    category: str
    sort: Sort

    def address(self, **more: str) -> str:
        """The page with this and *more* in it, and nothing that says nothing."""
        asked = {"q": self.q, "category": self.category, **more}
        if self.sort is not Sort.newest:
            asked["sort"] = str(self.sort)
        said = urlencode({name: value for name, value in asked.items() if value})
        return f"/compare?{said}" if said else "/compare"


Words = Annotated[str, Query(max_length=200)]
Cursor = Annotated[str, Query(max_length=100)]


@router.api_route("/compare", methods=LOOK)
def index(  # noqa: PLR0913, PLR0917 - one for each field of the form
    request: Request,
    session: Reading,
    q: Words = "",
    category: Annotated[str, Query(max_length=300)] = "",
    sort: str = Sort.newest,
    after: Cursor = "",
) -> Response:
    """Every comparison, found by words and category, in three orders, a page at a time."""
    order = Sort(sort) if sort in list(Sort) else Sort.newest
    looking = Looking(q.strip(), category.strip(), order)
    found = finding.find(
        session,
        Wanted(words=looking.q, category=looking.category, sort=order, after=after),
    )
    answer = page(
        "browse.html",
        looking=looking,
        rows=found.rows,
        after=after,
        following=looking.address(after=found.next) if found.next else "",
        categories=finding.categories(session, at_most=_MOST_CATEGORIES),
        orders=_ORDERS,
        home=settings().web_url.rstrip("/"),
    )
    return kept(
        request,
        bytes(answer.body),
        media_type="text/html",
        changed_at=None,
        seconds=_MINUTE,
        headers={"content-security-policy": answer.headers["content-security-policy"]},
    )


@router.api_route("/tools/{tool}", methods=LOOK)
def show_tool(
    tool: str, request: Request, session: Reading, now: Now, after: Cursor = ""
) -> Response:
    """One tool: what is known of it, how the panel's word moved, and all it was compared with."""
    row = finding.tool_called(session, tool)
    if row is None or row.id is None:
        raise HTTPException(404, "There is no tool at this address.")
    facts = facts_of_tools(session, [row.id])[row.id]
    found = finding.find(session, Wanted(tool_id=row.id, after=after))
    moves = history.moves_of(session, row.id)
    answer = page(
        "tool.html",
        tool=facts,
        slug=row.slug,
        verdict=verdict_of(facts),
        split=split_of(facts),
        figure=voting.shown_figures(session, [row.slug]).get(row.slug),
        enough=settings().votes.enough,
        moves=moves,
        plot=plot(moves, now=now),
        rows=found.rows,
        after=after,
        following=found.next,
        mine=ballots.mine(request, session, [row.slug], now=now),
        home=settings().web_url.rstrip("/"),
    )
    return ballots.own_or_shared(request, answer)
