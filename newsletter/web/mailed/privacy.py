"""What is known about a reader, and being erased: asked for on a page, proved by a mailed link.

What is answered, and how quickly, is the same whether or not an address is on the list.
"""

from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from newsletter import database
from newsletter.knocking import Door, TooOften, knock
from newsletter.readers.privacy import requests
from newsletter.readers.privacy.requests import Wish, shown
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import FromHere, SentForm, host_of
from newsletter.web.pages import LOOK, page
from subscribers.addresses import BadAddress, normal_form

router = APIRouter()

_ASK: Final = "Say which of the two you want."


@router.api_route("/privacy", methods=LOOK)
def form() -> Response:
    """The form: an address, and two buttons."""
    return _form()


@router.post("/privacy")
def ask(_: FromHere, request: Request, sent: SentForm, now: Now) -> Response:
    """Mail a link; the answer leaves before anybody has looked whether there is such a reader."""
    address, wanted = sent.get("address", "").strip()[:320], sent.get("wanted", "")
    if wanted not in set(Wish):
        return _form(address, error=_ASK, status=422)
    try:
        knock(Door.privacy, account=normal_form(address), host=host_of(request), now=now)
    except BadAddress as refused:
        return _form(address, error=str(refused), status=422)
    except TooOften as refused:
        answer = _form(address, error=str(refused), status=429)
        answer.headers["retry-after"] = str(refused.wait)
        return answer
    answer = page("privacy_asked.html", address=address, wish=wanted)
    answer.background = BackgroundTask(_ask, Wish(wanted), address, now)
    return answer


@router.api_route("/privacy/export/{ticket}", methods=LOOK)
def look_before_telling(ticket: str, session: Reading, now: Now) -> Response:
    """What the mailed link opens: a page with a button, since scanners open every link."""
    requests.look(session, Wish.export, ticket, now=now)
    return page("privacy_confirm.html", wish="export", ticket=ticket)


@router.post("/privacy/export/{ticket}")
def tell(ticket: str, session: Transaction, now: Now) -> Response:
    """The button: the answer goes out by mail."""
    requests.tell(session, ticket, now=now)
    return page("privacy_done.html", wish="export")


@router.api_route("/privacy/erase/{ticket}", methods=LOOK)
def look_before_erasing(ticket: str, session: Reading, now: Now) -> Response:
    """The same for an erasure; it says what will go and what stays."""
    requests.look(session, Wish.erase, ticket, now=now)
    return page("privacy_confirm.html", wish="erase", ticket=ticket)


@router.post("/privacy/erase/{ticket}")
def erase(ticket: str, session: Transaction, now: Now) -> Response:
    """The button: they are forgotten."""
    requests.erase_by_ticket(session, ticket, now=now)
    return page("privacy_done.html", wish="erase")


@router.api_route("/privacy/known/{ticket}", methods=LOOK)
def show(ticket: str, session: Reading, now: Now) -> Response:
    """Everything that is known, to read."""
    sections = requests.answer(session, ticket, now=now)
    return page("privacy_known.html", sections=sections, shown=shown, ticket=ticket, now=now)


@router.api_route("/privacy/known/{ticket}/file.json", methods=LOOK)
def show_file(ticket: str, session: Reading, now: Now) -> Response:
    """The same as a file for programs."""
    sections = requests.answer(session, ticket, now=now)
    return Response(
        orjson.dumps(requests.as_json(sections, now=now), option=orjson.OPT_INDENT_2),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="what-is-known.json"'},
    )


def _form(address: str = "", *, error: str = "", status: int = 200) -> Response:
    return page("privacy.html", status=status, address=address, error=error, keep=settings().keep)


def _ask(wish: Wish, address: str, now: Now) -> None:
    with database.unit_of_work() as session:
        requests.ask(session, wish, address, now=now)
