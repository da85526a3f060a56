"""The links of a mail when clicks are counted: noted, then led to where the edition says."""

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from newsletter.database import unit_of_work
from newsletter.feedback import clicks
from newsletter.feedback.clicks import Followed
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading
from newsletter.web.mailed.readers import BrokenLink
from newsletter.web.pages import LOOK
from subscribers.classing import HEAD, PREFETCH
from subscribers.programs import follows_links

router = APIRouter()


@router.api_route("/r/{token}/{number}", methods=LOOK)
def follow(token: str, number: int, request: Request, session: Reading, now: Now) -> Response:
    """Lead to the address that was stored with the edition, and note the click behind the answer.

    Opening a link is an observation and changes nobody. A scanner is led like anybody.
    """
    there = clicks.target(session, token, number) if number >= 0 else None
    if there is None:
        raise BrokenLink
    answer = RedirectResponse(there, 302, headers={"referrer-policy": "no-referrer"})
    if settings().track_clicks and settings().track_by != "nobody":
        one = Followed(token, number, trait(request))
        answer.background = BackgroundTask(_keep, one, now)
    return answer


def trait(request: Request) -> str:
    """What tells a machine from a browser, in a word; nothing else of the caller is kept."""
    if request.method == "HEAD":
        return HEAD
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    if "prefetch" in purpose or "preview" in purpose:
        return PREFETCH
    return follows_links(request.headers.get("user-agent", ""))


def _keep(one: Followed, now: Now) -> None:
    with unit_of_work() as session:
        clicks.record(session, [one], now=now)
