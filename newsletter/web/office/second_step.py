"""The second step: the code that is asked for at the door, and the page on which it is set up."""

from typing import Annotated, Final

import segno
from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from newsletter import database
from newsletter.accounts import codes, logins
from newsletter.accounts.errors import WrongCode
from newsletter.accounts.logins import Found
from newsletter.accounts.models import Account
from newsletter.knocking import Door, TooOften, knock, welcome
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import FromHere, SentForm, host_of, onward
from newsletter.web.office import staff
from newsletter.web.office.entering import login_for
from newsletter.web.office.staff import InPerson, SignedIn, StaffForm, staff_page
from newsletter.web.pages import LOOK, page

router = APIRouter()

_PAGE: Final = "/account/second-step"


class NobodyWaits(Exception):
    """No login of this browser waits for a code: it came too late, or the first step is missing."""

    def __init__(self) -> None:
        super().__init__("Sign in first; a code is asked for after that, within ten minutes.")


async def start_over(_request: Request, _error: Exception) -> Response:
    """Lead whoever has no first step to it."""
    return RedirectResponse("/sign-in", 303)


def waiting(request: Request, now: Now) -> str:
    """The token of this browser's login that has done the first step. Raises NobodyWaits."""
    token = request.cookies.get(staff.cookie_name(), "")
    with database.reading() as session:
        _found(session, token, now)
    return token


Waiting = Annotated[str, Depends(waiting)]


@router.api_route("/sign-in/code", methods=LOOK)
def ask(_token: Waiting, next: str = "") -> Response:  # noqa: A002 - as at the door
    """Ask for the code."""
    return page("sign_in_code.html", next=onward(next), error="")


@router.post("/sign-in/code")
def answer(_: FromHere, token: Waiting, request: Request, form: SentForm, now: Now) -> Response:
    """The code, of the device or for recovery: with it, the login opens what it is for."""
    wanted = onward(form.get("next", ""))
    with database.reading() as session:
        account_id = _found(session, token, now).account.id or 0
    try:
        knock(Door.code, account=str(account_id), host=host_of(request), now=now)
        with database.unit_of_work() as session:
            found = _found(session, token, now)
            codes.take(session, found.account, form.get("code", ""), now=now)
            logins.complete(session, found.login, found.account, good_for=login_for(), now=now)
    except (WrongCode, TooOften) as refused:
        status = 401 if isinstance(refused, WrongCode) else 429
        return page("sign_in_code.html", status=status, next=wanted, error=str(refused))
    welcome(Door.code, account=str(account_id))
    return RedirectResponse(wanted or "/sign-in", 303)


@router.api_route(_PAGE, methods=LOOK)
def show(who: InPerson, session: Reading) -> Response:
    """Whether a code is asked for, and how to have it so."""
    return _page(who, session)


@router.post(_PAGE)
def switch_on(who: InPerson, form: StaffForm, session: Transaction, now: Now) -> Response:
    """The first code of a device that has seen the picture; answers with the recovery codes, once."""
    account, secret = session.get_one(Account, who.account_id), form.get("secret", "")
    if account.code_secret is not None:
        return RedirectResponse(_PAGE, 303)
    try:
        made = codes.switch_on(session, account, secret=secret, code=form.get("code", ""), now=now)
    except WrongCode as refused:
        return _page(who, session, secret=secret, error=str(refused), status=422)
    return staff_page("recovery_codes.html", who=who, codes=made)


@router.post(f"{_PAGE}/off")
def switch_off(
    who: InPerson, request: Request, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Ask for no code any more: it takes one to say so."""
    account = session.get_one(Account, who.account_id)
    try:
        _take(request, session, account, form, now)
    except (WrongCode, TooOften) as refused:
        return _page(who, session, error=str(refused), status=422)
    codes.switch_off(session, account, by=who.name, now=now)
    return RedirectResponse("/account?done=second-step-off", 303)


@router.post(f"{_PAGE}/codes")
def renew(
    who: InPerson, request: Request, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """New recovery codes in place of the former ones: it takes a code of the device to have them."""
    account = session.get_one(Account, who.account_id)
    try:
        _take(request, session, account, form, now)
    except (WrongCode, TooOften) as refused:
        return _page(who, session, error=str(refused), status=422)
    made = codes.renew_recovery_codes(session, account, now=now)
    return staff_page("recovery_codes.html", who=who, codes=made)


def _take(request: Request, session: Session, account: Account, form: staff.Form, now: Now) -> None:
    knock(Door.code, account=str(account.id), host=host_of(request), now=now)
    codes.take(session, account, form.get("code", ""), now=now)
    welcome(Door.code, account=str(account.id))


def _page(
    who: SignedIn, session: Session, *, secret: str = "", error: str = "", status: int = 200
) -> Response:
    account = session.get_one(Account, who.account_id)
    is_on = account.code_secret is not None
    if is_on:
        secret = ""
    elif not codes.is_secret(secret):
        secret = codes.fresh_secret()
    return staff_page(
        "second_step.html",
        who=who,
        status=status,
        is_on=is_on,
        left=codes.recovery_codes_left(session, account),
        secret=secret,
        picture=_picture(who, secret) if secret else "",
        error=error,
    )


def _picture(who: SignedIn, secret: str) -> Markup:
    """The address that a device scans, as an SVG that stands in the page itself."""
    said = codes.address_for(secret, account=who.address, publication=settings().publication)
    drawn = segno.make(said, error="m", micro=False)
    return Markup(  # noqa: S704 - made of squares, by segno
        drawn.svg_inline(
            scale=5,
            border=4,
            svgclass="qr",
            lineclass="",
            omitsize=False,
            dark="#000",
            light="#fff",
            title="A QR code for an authenticator app",
        )
    )


def _found(session: Session, token: str, now: Now) -> Found:
    found = logins.find(session, token, now=now) if token else None
    if found is None or not found.login.awaits_code:
        raise NobodyWaits
    return found
