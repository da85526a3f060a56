"""Changing an address: asked for on a reader's own page, and a page with two buttons for each end.

What is answered, and how quickly, is the same whether or not the new address is known.
"""

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import Response

from newsletter import database
from newsletter.knocking import Door, knock
from newsletter.links import Purpose
from newsletter.readers import joining, moving
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import SentForm, host_of
from newsletter.web.mailed.choosing import choices_page
from newsletter.web.mailed.paces import BadChoice
from newsletter.web.mailed.readers import copy_for
from newsletter.web.pages import LOOK, page
from subscribers.addresses import BadAddress
from subscribers.moving import End

router = APIRouter()


@router.post("/p/{token}/address")
def ask(token: str, request: Request, form: SentForm, now: Now) -> Response:
    """Write to both ends; the answer leaves before anybody has looked whose the new address is."""
    copy = copy_for(token, Purpose.preferences)
    address = form.get("address", "").strip()[:320]
    try:
        normal = joining.check(address)
    except BadAddress as error:
        with database.reading() as session:
            refused = BadChoice("address", str(error), given=address)
            return choices_page(token, session, now, refused=refused)
    knock(Door.moving, account=f"reader {copy.subscriber_id}", now=now)
    knock(Door.moving, account=normal, host=host_of(request), now=now)
    answer = page("address_asked.html", address=address, token=token)
    answer.background = BackgroundTask(_ask, copy.subscriber_id, address, now)
    return answer


@router.api_route("/address/old/{ticket}", methods=LOOK)
def look_at_the_old_end(ticket: str, session: Reading, now: Now) -> Response:
    """What the link to the old address opens: a page with two buttons, since scanners open every link."""
    return _page(End.old, ticket, moving.look(session, End.old, ticket, now=now))


@router.post("/address/old/{ticket}")
def say_at_the_old_end(ticket: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """Their yes, or their no."""
    return _said(End.old, ticket, form, session, now)


@router.api_route("/address/new/{ticket}", methods=LOOK)
def look_at_the_new_end(ticket: str, session: Reading, now: Now) -> Response:
    """The same for the new address."""
    return _page(End.new, ticket, moving.look(session, End.new, ticket, now=now))


@router.post("/address/new/{ticket}")
def say_at_the_new_end(ticket: str, form: SentForm, session: Transaction, now: Now) -> Response:
    """Their yes, or their no."""
    return _said(End.new, ticket, form, session, now)


def _said(end: End, ticket: str, form: dict[str, str], session: Transaction, now: Now) -> Response:
    if form.get("answer") not in {"yes", "no"}:
        raise HTTPException(422, "Say whether the address is to be changed.")
    move = moving.say(session, end, ticket, yes=form["answer"] == "yes", now=now)
    return page("address_said.html", move=move)


def _page(end: End, ticket: str, move: moving.Move) -> Response:
    return page("address_change.html", end=str(end), ticket=ticket, move=move)


def _ask(subscriber_id: int, address: str, now: Now) -> None:
    with database.unit_of_work() as session:
        moving.ask(session, subscriber_id, address, now=now)
