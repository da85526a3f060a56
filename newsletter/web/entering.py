"""Coming in and going out: the staff's door, and everybody's page about themselves."""

from datetime import timedelta
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from newsletter import database
from newsletter.accounts import demo, logins, passwords, register
from newsletter.accounts.models import Account
from newsletter.settings import settings
from newsletter.web import staff
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.pages import LOOK, page
from newsletter.web.readers import SentForm
from newsletter.web.staff import Caller, Figures, StaffForm, refuse_other_sites, staff_page

log = structlog.get_logger()

router = APIRouter()

_WRONG: Final = "That address and password do not go together."
_AT_HOME: Final = frozenset({"127.0.0.1", "::1", "localhost"})

FromHere = Annotated[None, Depends(refuse_other_sites)]


@router.api_route("/sign-in", methods=LOOK)
def sign_in_form(request: Request, caller: Caller, session: Reading, next: str = "") -> Response:  # noqa: A002 - the address that others link to says next
    """Ask who is there; whoever has come in already is led on."""
    if caller is not None:
        return RedirectResponse(_onward(next) or caller.home, 303)
    is_open = _is_at_home(request) and demo.account(session) is not None
    return page("sign_in.html", next=_onward(next), address="", error="", demo=is_open)


@router.post("/sign-in")
def sign_in(_: FromHere, request: Request, form: SentForm, now: Now) -> Response:
    """By address and password. What was wrong with them is never said."""
    address = form.get("address", "")
    with database.reading() as session:
        account = register.by_address(session, address)
        kept = account.password if account is not None and account.disabled_at is None else None
    # Outside of any transaction: it takes a tenth of a second, and longer when many knock.
    if not passwords.matches(kept, form.get("password", "")) or account is None:
        log.info("login.refused", account=account.id if account else None)
        onward = _onward(form.get("next", ""))
        return page(
            "sign_in.html", status=401, next=onward, address=address, error=_WRONG, demo=False
        )
    return _let_in(request, account.id or 0, form, how="password", now=now)


@router.post("/sign-in/demo")
def sign_in_to_the_demo(_: FromHere, request: Request, form: SentForm, now: Now) -> Response:
    """On the embedded default, from this very machine, until somebody has an account: come in."""
    if not _is_at_home(request):
        raise HTTPException(404)
    with database.reading() as session:
        account = demo.account(session)
    if account is None:
        raise HTTPException(404)
    return _let_in(request, account.id or 0, form, how="the demo's door", now=now)


@router.post("/sign-out")
def sign_out(who: Figures, form: StaffForm, session: Transaction, now: Now) -> Response:  # noqa: ARG001 - the form proves that it was they who pressed
    """End this login."""
    account = session.get_one(Account, who.account_id)
    for login in logins.of(session, who.account_id, now=now):
        if login.key == who.login:
            logins.end(session, login, account, by=who.name, now=now)
    answer = RedirectResponse("/sign-in", 303)
    staff.take_cookie(answer)
    return answer


@router.api_route("/account", methods=LOOK)
def show_account(who: Figures, session: Reading, now: Now, done: str = "") -> Response:
    """Who they are here, and every browser that they have come in with."""
    known = [
        (logins.name_of(one), one, one.key == who.login)
        for one in logins.of(session, who.account_id, now=now)
    ]
    account = session.get_one(Account, who.account_id)
    return staff_page("account.html", who=who, account=account, logins=known, done=done, now=now)


@router.post("/account/logins/{name}/end")
def end_login(
    who: Figures,
    name: str,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """End one of one's own logins, in whatever browser it is."""
    account = session.get_one(Account, who.account_id)
    for login in logins.of(session, who.account_id, now=now):
        if logins.name_of(login) == name:
            logins.end(session, login, account, by=who.name, now=now)
    return RedirectResponse("/account?done=ended#logins", 303)


def _let_in(
    request: Request, account_id: int, form: dict[str, str], *, how: str, now: Now
) -> Response:
    good_for = timedelta(days=settings().accounts.days)
    with database.unit_of_work() as session:
        account = session.get_one(Account, account_id)
        token = logins.begin(
            session,
            account,
            how=how,
            browser=request.headers.get("user-agent", ""),
            good_for=good_for,
            now=now,
        )
    onward = _onward(form.get("next", "")) or "/sign-in"  # which leads everybody to their own page
    answer = RedirectResponse(onward, 303)
    staff.give_cookie(answer, token, seconds=int(good_for.total_seconds()))
    return answer


def _onward(address: str) -> str:
    return address if staff.is_here(address) else ""


def _is_at_home(request: Request) -> bool:
    """Whether this is the embedded default, asked from its own machine under that machine's name.

    The name counts as well: a foreign page may have its own name lead here.
    """
    caller = request.client.host if request.client else ""
    return settings().is_embedded and caller in _AT_HOME and request.url.hostname in _AT_HOME
