"""The site pushes a comparison: the same JSON as in a file, one at a time, with the site's token."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response, status

from digests.facts import ComparisonFacts
from digests.reading.exchange import LARGEST_COMPARISON, FactsRefused, read_json
from digests.store.intake import TakenAs, take_in
from newsletter.web.doors import Now, SiteToken, Transaction

router = APIRouter()

_SOURCE: Final = "the site"
# The framework's own refusal has no sentence in it, so it comes in only where ours has long been
# given: reading stops at LARGEST_COMPARISON.
_FRAMEWORKS_LIMIT: Final = 16 * LARGEST_COMPARISON


async def pushed(slug: str, request: Request) -> ComparisonFacts:
    """The body as facts; read to its end before a transaction opens, for a caller may be slow."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST_COMPARISON:
            raise HTTPException(
                status.HTTP_413_CONTENT_TOO_LARGE,
                f"A comparison may have at most {LARGEST_COMPARISON:,} bytes.",
            )
    try:
        facts = read_json(bytes(received))
    except FactsRefused as refusal:
        raise HTTPException(
            status.HTTP_422_UNPROCESSABLE_CONTENT, f"{str(refusal)[0].upper()}{str(refusal)[1:]}."
        ) from None
    if facts.slug != slug:
        raise HTTPException(
            status.HTTP_422_UNPROCESSABLE_CONTENT,
            f"The address says {slug[:200]!r} and the body {facts.slug!r}; they must agree.",
        )
    return facts


# The order of the parameters is the order of the doors: token, body, and only then a transaction.
@router.put("/api/comparisons/{slug}", max_body_size=_FRAMEWORKS_LIMIT)
def put_comparison(
    _token: SiteToken,
    facts: Annotated[ComparisonFacts, Depends(pushed)],
    session: Transaction,
    now: Now,
    response: Response,
) -> dict[str, Any]:
    """Take one comparison in: 201 when it is new, 200 when it was revised or nothing changed."""
    taken = take_in(session, facts, source=_SOURCE, now=now)
    if taken.outcome is TakenAs.new:
        response.status_code = status.HTTP_201_CREATED
    return {
        "slug": taken.slug,
        "revision": taken.revision,
        "outcome": taken.outcome,
        "changes": taken.changes,
    }
