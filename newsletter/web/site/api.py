"""The read API: comparisons, tools and categories for programs, described by OpenAPI and counted."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from digests.facts import ComparisonFacts
from digests.store import finding, history
from digests.store.comparisons import latest_revision
from digests.store.finding import Sort, Wanted
from digests.store.tool_rows import facts_of_tools
from newsletter.copies import galley
from newsletter.knocking import Allowance, Door, allowance, knock
from newsletter.readers import voting
from newsletter.settings import settings
from newsletter.web.caching import kept
from newsletter.web.doors import Now, Reading
from newsletter.web.forms import host_of
from newsletter.web.pages import LOOK
from newsletter.web.site import published

VERSION: Final = "1.0"
_MINUTE: Final = 60  # seconds
_MOST: Final = 100  # of anything on one page
_ANYBODY: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, RateLimit, RateLimit-Policy, Retry-After",
    "cross-origin-resource-policy": "cross-origin",
}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": published.Refusal, "description": "There is nothing by that name or after that"},
    422: {"model": published.Refusal, "description": "A parameter is of the wrong shape"},
    429: {"model": published.Refusal, "description": "Too often; Retry-After says when to go on"},
}


def counted(request: Request, now: Now) -> Allowance:
    """Count the request for its network. Raises TooOften."""
    host = host_of(request)
    knock(Door.reading, host=host, now=now)
    return allowance(Door.reading, host=host, now=now)


Counted = Annotated[Allowance, Depends(counted)]
Limit = Annotated[int, Query(ge=1, le=_MOST, description="how many on a page")]
After = Annotated[str, Query(max_length=200, description="the `next` of the page before")]

router = APIRouter(prefix="/api", tags=["reading"], responses=_REFUSALS)


Route = Callable[..., Response]


def _read(path: str, said: type[BaseModel]) -> Callable[[Route], Route]:
    """A route that says *said*; it may be asked about too, which OpenAPI need not know."""

    def route(function: Route) -> Route:
        router.head(path, include_in_schema=False)(function)
        return router.get(path, response_model=said)(function)

    return route


@_read("/comparisons", published.Comparisons)
def comparisons(  # noqa: PLR0913, PLR0917 - one for each parameter of the address
    left: Counted,
    request: Request,
    session: Reading,
    q: Annotated[str, Query(max_length=100, description="words that must all be there")] = "",
    category: Annotated[str, Query(max_length=300)] = "",
    tool: Annotated[str, Query(max_length=200, description="a tool's slug")] = "",
    sort: Sort = Sort.newest,
    after: After = "",
    limit: Limit = finding.PAGE,
) -> Response:
    """Comparisons by words, category and tool: newest, most divided, or panel against readers."""
    known = finding.tool_called(session, tool) if tool else None
    if tool and known is None:
        raise HTTPException(404, "There is no tool by that name.")
    found = finding.find(
        session,
        Wanted(q, category, known.id if known else None, sort=sort, after=after, at_most=limit),
    )
    rows = [published.listed(row, _page_of(row.slug)) for row in found.rows]
    said = published.Comparisons(comparisons=rows, next=found.next or None)
    return _answer(request, said, left)


@_read("/comparisons/{slug}", published.Compared)
def comparison(slug: str, left: Counted, request: Request, session: Reading) -> Response:
    """One comparison in full: every fact, the readers' verdicts, and what its revisions changed."""
    revision = latest_revision(session, slug)
    if revision is None:
        raise HTTPException(404, "There is no comparison by that name.")
    facts = ComparisonFacts.model_validate(revision.facts)
    figures = voting.shown_figures(session, [tool.slug for tool in facts.tools])
    said = published.Compared(
        address=_page_of(slug),
        revision=revision.number,
        facts=facts,
        readers={
            name: published.Readers(percent=one.percent, votes=one.votes)
            for name, one in figures.items()
        },
        history=[published.changed(one) for one in history.changes_of(session, slug)],
    )
    return _answer(request, said, left)


@_read("/tools", published.Tools)
def tools(
    left: Counted,
    request: Request,
    session: Reading,
    after: After = "",
    limit: Limit = finding.PAGE,
) -> Response:
    """Every tool, by slug."""
    rows = finding.tools_after(session, after, at_most=limit + 1)
    shown = rows[:limit]
    facts = facts_of_tools(session, [tool.id or 0 for tool in shown])
    listed = [published.listed_tool(tool, facts[tool.id or 0]) for tool in shown]
    following = shown[-1].slug if len(rows) > limit else None
    return _answer(request, published.Tools(tools=listed, next=following), left)


@_read("/tools/{slug}", published.ToolInFull)
def tool(slug: str, left: Counted, request: Request, session: Reading) -> Response:
    """One tool in full, with how the panel's word on it moved."""
    row = finding.tool_called(session, slug)
    if row is None or row.id is None:
        raise HTTPException(404, "There is no tool by that name.")
    said = published.ToolInFull(
        slug=slug,
        address=f"{settings().web_url.rstrip('/')}/tools/{slug}",
        facts=facts_of_tools(session, [row.id])[row.id],
        readers=published.readers(voting.shown_figures(session, [slug]).get(slug)),
        moves=[published.moved(one) for one in history.moves_of(session, row.id)],
    )
    return _answer(request, said, left)


@_read("/categories", published.Categories)
def categories(left: Counted, request: Request, session: Reading) -> Response:
    """Every category, by name."""
    said = published.Categories(categories=finding.categories(session))
    return _answer(request, said, left)


@router.api_route("/openapi.json", methods=LOOK, include_in_schema=False)
def openapi() -> Response:
    """The API and nothing else of ours, as OpenAPI."""
    return JSONResponse(
        described(), headers=_ANYBODY | {"cache-control": f"public, max-age={_MINUTE}"}
    )


@lru_cache
def described() -> dict[str, Any]:
    """The OpenAPI document."""
    return get_openapi(
        title="Weekly AI Tool Verdicts",
        version=VERSION,
        summary="Comparisons of AI tools, what the panel says of them, and what readers say.",
        description="Reading needs no key. See docs/api.md.",
        routes=router.routes,
    )


def _answer(request: Request, said: BaseModel, left: Allowance) -> Response:
    return kept(
        request,
        said.model_dump_json().encode(),
        media_type="application/json",
        changed_at=None,
        seconds=_MINUTE,
        headers=_ANYBODY
        | {
            "ratelimit-policy": f'"network";q={left.of};w={left.window}',
            "ratelimit": f'"network";r={left.remaining};t={left.seconds}',
        },
    )


def _page_of(slug: str) -> str:
    return galley.comparison_address().replace("{slug}", slug)
