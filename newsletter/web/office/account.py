"""Everybody's page about themselves: their logins, their password, their clock, their programs' tokens."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from newsletter import database
from newsletter.accounts import codes, logins, passwords, register, tokens
from newsletter.accounts.errors import AccountError, WrongPassword
from newsletter.accounts.models import Account
from newsletter.knocking import Door, knock, welcome
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.forms import host_of
from newsletter.web.office.staff import Figures, InPerson, SignedIn, StaffForm, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()

_DONE: Final = {
    "ended": "That login has ended: its browser has to sign in anew.",
    "password": "The new password holds, and every other login of yours has ended.",
    "zone": "Times are shown by that zone’s clocks now.",  # noqa: RUF001 - print
    "token-ended": "That token opens nothing any more.",
    "second-step-off": "You are asked for no code any more.",
}
_LONGEST: Final = 3650  # days


@router.api_route("/account", methods=LOOK)
def show(who: Figures, session: Reading, now: Now, done: str = "") -> Response:
    """Who they are here, what they have come in with, and what may come in for them."""
    return _page(who, session, now, done=_DONE.get(done, ""))


@router.post("/account/logins/{name}/end")
def end_login(
    who: InPerson,
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


@router.post("/account/password")
def change_password(who: InPerson, request: Request, form: StaffForm, now: Now) -> Response:
    """A new password; whoever has one says it first. Every other login ends."""
    knock(Door.password, account=who.address, host=host_of(request), now=now)
    try:
        with database.reading() as session:
            kept = session.get_one(Account, who.account_id).password
        # Outside of any transaction, as at the door.
        if kept is not None and not passwords.matches(kept, form.get("current", "")):
            raise WrongPassword
        new = passwords.hashed(form.get("new", ""), known=(who.address, who.name))
        with database.unit_of_work() as session:
            account = session.get_one(Account, who.account_id)
            register.keep_password(session, account, new, by=who.name, keep=who.login, now=now)
    except AccountError as refused:
        with database.reading() as session:
            return _page(who, session, now, wrong={"password": str(refused)})
    welcome(Door.password, account=who.address)
    return RedirectResponse("/account?done=password#password", 303)


@router.post("/account/zone")
def change_zone(who: InPerson, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Whose clocks the times on these pages are shown by."""
    account = session.get_one(Account, who.account_id)
    try:
        register.set_zone(session, account, form.get("zone", "").strip(), now=now)
    except AccountError as refused:
        return _page(who, session, now, wrong={"zone": str(refused)})
    return RedirectResponse("/account?done=zone#who", 303)


@router.post("/account/tokens")
def make_token(who: InPerson, form: StaffForm, session: Transaction, now: Now) -> Response:
    """A token for a program; the page that answers is the only one that ever shows it."""
    account, days = session.get_one(Account, who.account_id), form.get("days", "")
    if days and not (days.isdecimal() and 0 < int(days[:5]) <= _LONGEST):
        raise HTTPException(422, "How many days it is good for is a number, or nothing for ever.")
    good_for = timedelta(days=int(days)) if days else None
    try:
        made = tokens.make(
            session, account, form.get("name", ""), good_for=good_for, by=who.name, now=now
        )
    except AccountError as refused:
        return _page(who, session, now, wrong={"token": str(refused)})
    session.flush()
    return _page(who, session, now, token=made)


@router.post("/account/tokens/{token_id}/end")
def end_token(
    who: InPerson,
    token_id: Number,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """End a token of one's own."""
    account = session.get_one(Account, who.account_id)
    for one in tokens.of(session, account):
        if one.id == token_id:
            tokens.end(session, account, one.name, by=who.name, now=now)
    return RedirectResponse("/account?done=token-ended#tokens", 303)


def _page(  # noqa: PLR0913 - all that the page shows
    who: SignedIn,
    session: Session,
    now: Now,
    *,
    done: str = "",
    token: str = "",
    wrong: dict[str, str] | None = None,
) -> Response:
    account = session.get_one(Account, who.account_id)
    return staff_page(
        "account.html",
        who=who,
        status=422 if wrong else 200,
        account=account,
        logins=[
            (logins.name_of(one), one, one.key == who.login)
            for one in logins.of(session, who.account_id, now=now)
        ],
        tokens=tokens.of(session, account),
        recovery_codes=codes.recovery_codes_left(session, account),
        done=done,
        made=token,
        wrong={"password": "", "zone": "", "token": ""} | (wrong or {}),
        zones=register.zones(),
        now=now,
    )
