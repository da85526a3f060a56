"""Joining: the form on our pages and on others', its interface for programs, and the mailed link's page.

What is answered, and how quickly, is the same whether or not an address is on
the list: the work is done once the answer has left.
"""

from typing import Final
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from newsletter import database
from newsletter.esp.refusals import quoted
from newsletter.knocking import Door, TooOften, knock
from newsletter.readers import joining
from newsletter.readers.joining import NotThatAddress
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import SentForm, host_of
from newsletter.web.pages import LOOK, page
from subscribers.addresses import BadAddress
from subscribers.joining import Wish

router = APIRouter()

#: A field that people do not see. Programs that fill in every form fill it in too.
_HONEY: Final = "website"
_LONGEST_PAGE: Final = 200


class Wanted(BaseModel):
    """What a program posts for somebody who wants to join."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)
    name: str = Field(default="", max_length=200)
    zone: str = Field(default="UTC", max_length=64)
    page: str = Field(default="", max_length=_LONGEST_PAGE)


@router.api_route("/join", methods=LOOK)
def form(address: str = "") -> Response:
    """The form to join: an address, and what else they care to say."""
    return _form(address[:320])


@router.post("/join")
def join(request: Request, sent: SentForm, now: Now) -> Response:
    """What the form sends, from this page or from anybody else's that has it."""
    wish = _wish(
        sent.get("address", ""),
        name=sent.get("name", ""),
        zone=sent.get("zone", ""),
        page=sent.get("page", "") or _came_from(request),
    )
    try:
        _check(wish, request, now=now)
    except (BadAddress, NotThatAddress) as refused:
        return _form(wish.address, error=str(refused), name=wish.name, status=422)
    except TooOften as refused:
        answer = _form(wish.address, error=str(refused), name=wish.name, status=429)
        answer.headers["retry-after"] = str(refused.wait)
        return answer
    answer = page("join_asked.html", address=wish.address, confirms=settings().joining.confirm)
    if not sent.get(_HONEY):
        answer.background = BackgroundTask(_ask, wish, now)
    return answer


@router.options("/api/subscribers")
def allow(request: Request) -> Response:
    """Let the site's own script ask from its page."""
    return Response(status_code=204, headers=_for_scripts(request))


@router.post("/api/subscribers", status_code=202)
def join_by_program(request: Request, wanted: Wanted, now: Now) -> Response:
    """The same for a program: 202 whoever it is, 422 with a sentence about the address, 429."""
    wish = _wish(
        wanted.address,
        name=wanted.name,
        zone=wanted.zone,
        page=wanted.page or _came_from(request),
    )
    headers = _for_scripts(request)
    try:
        _check(wish, request, now=now)
    except (BadAddress, NotThatAddress) as refused:
        return JSONResponse({"detail": str(refused)}, 422, headers=headers)
    except TooOften as refused:
        headers["retry-after"] = str(refused.wait)
        return JSONResponse({"detail": str(refused)}, 429, headers=headers)
    return JSONResponse(
        {"status": "asked", "confirm": settings().joining.confirm},
        202,
        headers=headers,
        background=BackgroundTask(_ask, wish, now),
    )


@router.api_route("/confirm/{ticket}", methods=LOOK)
def look(ticket: str, session: Reading, now: Now) -> Response:
    """What the mailed link opens: a page with a button, since scanners open every link."""
    return page("confirm.html", newcomer=joining.newcomer(session, ticket, now=now), ticket=ticket)


@router.post("/confirm/{ticket}")
def confirm(ticket: str, session: Transaction, now: Now) -> Response:
    """The button: they are on the list. Pressed again, it says so again."""
    return page("confirm.html", newcomer=joining.confirm(session, ticket, now=now), ticket=ticket)


def _form(address: str = "", *, error: str = "", name: str = "", status: int = 200) -> Response:
    return page(
        "join.html",
        status=status,
        address=address,
        called=name,
        error=error,
        wording=joining.wording(),
        confirms=settings().joining.confirm,
    )


def _wish(address: str, *, name: str, zone: str, page: str) -> Wish:
    return Wish(
        address=address.strip()[:320],
        page=_without_anybody(page),
        wording=joining.wording(),
        name=name.replace("\0", "").strip()[:200],
        zone=zone if zone in available_timezones() else "UTC",
    )


def _check(wish: Wish, request: Request, *, now: Now) -> None:
    normal = joining.check(wish.address)
    knock(Door.joining, account=normal, host=host_of(request), now=now)


def _ask(wish: Wish, now: Now) -> None:
    with database.unit_of_work() as session:
        joining.ask(session, wish, now=now)


def _came_from(request: Request) -> str:
    """The page that had the form."""
    came = urlsplit(request.headers.get("referer", ""))
    return f"{came.hostname or ''}{came.path}"


def _without_anybody(page: str) -> str:
    """*page* without what may be somebody's own in it: it is kept with the consent, also of the erased."""
    path = unquote(page).replace("\0", "").partition("?")[0].partition("#")[0]
    return quoted(path)[:_LONGEST_PAGE]


def _for_scripts(request: Request) -> dict[str, str]:
    """The headers that let the site's pages read the answer; nobody else's."""
    known = settings()
    listed = {part.strip().rstrip("/") for part in known.joining.origins.split(",")}
    allowed = {known.site_url.rstrip("/"), *listed} - {""}
    origin = request.headers.get("origin", "")
    headers = {"vary": "Origin"}
    if origin in allowed:
        headers |= {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "content-type",
            "access-control-max-age": "600",
            "cross-origin-resource-policy": "cross-origin",
        }
    return headers
