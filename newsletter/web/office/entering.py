"""Coming in and going out: the staff's door, by password, by mailed link, and by the demo's button."""

from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from newsletter import database, invitations
from newsletter.accounts import demo, logins, passwords, register
from newsletter.accounts.models import Account
from newsletter.knocking import Door, TooOften, knock, welcome
from newsletter.settings import settings
from newsletter.web.doors import Now, Reading, Transaction
from newsletter.web.forms import FromHere, SentForm, host_of, onward
from newsletter.web.office import staff
from newsletter.web.office.staff import Caller, Figures, StaffForm
from newsletter.web.pages import LOOK, page

log = structlog.get_logger()

router = APIRouter()

_WRONG: Final = "That address and password do not go together."
_AT_HOME: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@router.api_route("/sign-in", methods=LOOK)
def sign_in_form(request: Request, caller: Caller, session: Reading, next: str = "") -> Response:  # noqa: A002 - the address that others link to says next
    """Ask who is there; whoever has come in already is led on."""
    if caller is not None:
        return RedirectResponse(onward(next) or caller.home, 303)
    is_open = _is_at_home(request) and demo.account(session) is not None
    return page("sign_in.html", next=onward(next), address="", error="", demo=is_open)


@router.post("/sign-in")
def sign_in(_: FromHere, request: Request, form: SentForm, now: Now) -> Response:
    """By address and password. What was wrong with them is never said."""
    address = form.get("address", "").strip()
    try:
        knock(Door.password, account=address.casefold(), host=host_of(request), now=now)
    except TooOften as refused:
        return _asked_again(form, str(refused), status=429, wait=refused.wait)
    with database.reading() as session:
        account = register.by_address(session, address)
        kept = account.password if account is not None and account.disabled_at is None else None
    # Outside of any transaction: it takes a tenth of a second, and longer when many knock.
    if not passwords.matches(kept, form.get("password", "")) or account is None:
        log.info("login.refused", account=account.id if account else None)
        return _asked_again(form, _WRONG, status=401)
    welcome(Door.password, account=address.casefold())
    return let_in(request, account.id or 0, form, how="password", now=now)


@router.post("/sign-in/link")
def mail_link(_: FromHere, request: Request, form: SentForm, now: Now) -> Response:
    """Mail a link. The answer is the same, and as quick, whether anybody has that address."""
    address, wanted = form.get("address", "").strip(), onward(form.get("next", ""))
    if not address:
        return _asked_again(form, "Say which address the link is to go to.", status=422)
    try:
        knock(Door.link, account=address.casefold(), host=host_of(request), now=now)
    except TooOften as refused:
        return _asked_again(form, str(refused), status=429, wait=refused.wait)
    answer = page("sign_in_mailed.html", address=address, inbox=_inbox(request))
    # After the answer has left: how long it takes would say whether there is such an account.
    answer.background = BackgroundTask(_mail, address, wanted, now)
    return answer


@router.api_route("/sign-in/link/{ticket}", methods=LOOK)
def show_link(ticket: str, session: Reading, now: Now, next: str = "") -> Response:  # noqa: A002 - as above
    """What the mailed link opens: a page with a button, since scanners open every link."""
    guest = invitations.guest(session, ticket, now=now)
    return page("sign_in_link.html", guest=guest, ticket=ticket, next=onward(next))


@router.post("/sign-in/link/{ticket}")
def use_link(_: FromHere, request: Request, ticket: str, form: SentForm, now: Now) -> Response:
    """The button: the link is used up, and its owner is in."""
    with database.unit_of_work() as session:
        guest = invitations.use(session, ticket, now=now)
    return let_in(request, guest.account_id, form, how="mailed link", now=now)


@router.post("/sign-in/demo")
def sign_in_to_the_demo(_: FromHere, request: Request, form: SentForm, now: Now) -> Response:
    """On the embedded default, from this very machine, until somebody has an account: come in."""
    if not _is_at_home(request):
        raise HTTPException(404)
    with database.reading() as session:
        account = demo.account(session)
    if account is None:
        raise HTTPException(404)
    return let_in(request, account.id or 0, form, how="the demo's door", now=now)


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


def let_in(
    request: Request, account_id: int, form: dict[str, str], *, how: str, now: Now
) -> Response:
    """Begin a login of that account; one with a second step is asked for its code next."""
    good_for = login_for()
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
        asks_for_a_code = account.code_secret is not None
    wanted = onward(form.get("next", ""))
    target = wanted or "/sign-in"  # which leads everybody to their own page
    if asks_for_a_code:
        target = "/sign-in/code" + (f"?{urlencode({'next': wanted})}" if wanted else "")
    answer = RedirectResponse(target, 303)
    staff.give_cookie(answer, token, seconds=int(good_for.total_seconds()))
    return answer


def login_for() -> timedelta:
    """How long a login is good for."""
    return timedelta(days=settings().accounts.days)


def _mail(address: str, wanted: str, now: Now) -> None:
    with database.unit_of_work() as session:
        invitations.mail_link(session, address, onward=wanted, now=now)


def _asked_again(form: dict[str, str], error: str, *, status: int, wait: int = 0) -> Response:
    address, wanted = form.get("address", ""), onward(form.get("next", ""))
    answer = page(
        "sign_in.html", status=status, next=wanted, address=address, error=error, demo=False
    )
    if wait:
        answer.headers["retry-after"] = str(wait)
    return answer


def _inbox(request: Request) -> str:
    """Where the embedded default's mail arrives, for whoever sits at that machine."""
    return settings().sandbox_url if _is_at_home(request) else ""


def _is_at_home(request: Request) -> bool:
    """Whether this is the embedded default, asked from its own machine under that machine's name.

    The name counts as well: a foreign page may have its own name lead here.
    """
    caller = host_of(request)
    return settings().is_embedded and caller in _AT_HOME and request.url.hostname in _AT_HOME
