"""Who may come in, for operators: give accounts, change roles, keep out, help with a lost device."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from newsletter import invitations
from newsletter.accounts import codes, logins, register, tokens
from newsletter.accounts.errors import AccountError, NoSuchAccount
from newsletter.accounts.models import Account, Role
from newsletter.web.doors import Now, Number, Reading, Transaction
from newsletter.web.office.staff import (
    Form,
    Operator,
    OperatorInPerson,
    SignedIn,
    StaffForm,
    staff_page,
)
from newsletter.web.pages import LOOK
from subscribers.addresses import BadAddress

router = APIRouter()

_DONE: Final = {
    "added": "The account is there.",
    "invited": "The account is there, and a link to come in is on its way.",
    "roles": "The roles are changed; they hold from the next click on.",
    "disabled": "They are out: every login and token has ended.",
    "enabled": "They may come in again.",
    "logins": "Every login has ended.",
    "second-step": "The second step is off; ask them to set it up anew.",
    "token": "That token opens nothing any more.",
}
_ROLES: Final = (
    (Role.reader, "Reader", "reads the figures"),
    (Role.editor, "Editor", "decides what goes out"),
    (Role.operator, "Operator", "decides when, to whom, and who may come in"),
)


@router.api_route("/accounts", methods=LOOK)
def show(who: Operator, session: Reading, done: str = "") -> Response:
    """Everybody who may come in."""
    return _list(who, session, done=_DONE.get(done, ""))


@router.post("/accounts")
def add(who: OperatorInPerson, form: StaffForm, session: Transaction, now: Now) -> Response:
    """Give somebody an account, and mail them a link if that is ticked."""
    try:
        account = register.add(
            session,
            form.get("address", ""),
            name=form.get("name", ""),
            roles=_roles(form),
            zone=form.get("zone", "") or "UTC",
            by=who.name,
            now=now,
        )
    except (AccountError, BadAddress) as refused:
        return _list(who, session, wrong=str(refused), given=form)
    if "invite" in form:
        invitations.invite(session, account, by=who.name, now=now)
    return RedirectResponse(f"/accounts?done={'invited' if 'invite' in form else 'added'}", 303)


def known_account(account_id: Number, session: Reading) -> int:
    """The account that the address names. Raises NoSuchAccount."""
    if session.get(Account, account_id) is None:
        raise NoSuchAccount(str(account_id))
    return account_id


Known = Annotated[int, Depends(known_account)]


@router.api_route("/accounts/{account_id}", methods=LOOK)
def show_one(
    who: Operator, account_id: Known, session: Reading, now: Now, done: str = ""
) -> Response:
    """One account, and all that an operator can do about it."""
    return _one(who, session, account_id, now, done=_DONE.get(done, ""))


@router.post("/accounts/{account_id}/roles")
def change_roles(
    who: OperatorInPerson, account_id: Known, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Exactly the roles that are ticked."""
    account = session.get_one(Account, account_id)
    try:
        register.set_roles(session, account, _roles(form), by=who.name, now=now)
    except AccountError as refused:
        return _one(who, session, account_id, now, wrong=str(refused))
    return _back(account_id, "roles")


@router.post("/accounts/{account_id}/door")
def open_or_close(
    who: OperatorInPerson, account_id: Known, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """Keep them out, or let them in again: ``door`` is ``closed`` or ``open``."""
    account = session.get_one(Account, account_id)
    try:
        if form.get("door") == "open":
            register.enable(session, account, by=who.name, now=now)
            return _back(account_id, "enabled")
        register.disable(session, account, by=who.name, now=now)
    except AccountError as refused:
        return _one(who, session, account_id, now, wrong=str(refused))
    return _back(account_id, "disabled")


@router.post("/accounts/{account_id}/logins/end")
def end_logins(
    who: OperatorInPerson,
    account_id: Known,
    form: StaffForm,  # noqa: ARG001 - it proves that it was they who pressed
    session: Transaction,
    now: Now,
) -> Response:
    """End every login of theirs."""
    logins.end_all(session, session.get_one(Account, account_id), by=who.name, now=now)
    return _back(account_id, "logins")


@router.post("/accounts/{account_id}/second-step/off")
def switch_second_step_off(
    who: OperatorInPerson,
    account_id: Known,
    form: StaffForm,  # noqa: ARG001 - the same
    session: Transaction,
    now: Now,
) -> Response:
    """For whoever has lost the device and the recovery codes; the operator knows who is asking."""
    codes.switch_off(session, session.get_one(Account, account_id), by=who.name, now=now)
    return _back(account_id, "second-step")


@router.post("/accounts/{account_id}/tokens/end")
def end_token(
    who: OperatorInPerson, account_id: Known, form: StaffForm, session: Transaction, now: Now
) -> Response:
    """End one of their programs' tokens, by its name."""
    account = session.get_one(Account, account_id)
    tokens.end(session, account, form.get("name", ""), by=who.name, now=now)
    return _back(account_id, "token")


def _back(account_id: int, done: str) -> Response:
    return RedirectResponse(f"/accounts/{account_id}?done={done}", 303)


def _roles(form: Form) -> set[Role]:
    return {role for role in Role if role in form.all("role")}


def _list(
    who: SignedIn, session: Session, *, done: str = "", wrong: str = "", given: Form | None = None
) -> Response:
    return staff_page(
        "accounts.html",
        who=who,
        status=422 if wrong else 200,
        accounts=register.everybody(session),
        all_roles=_ROLES,
        zones=register.zones(),
        done=done,
        wrong=wrong,
        given={"name": "", "address": "", "zone": ""} | dict(given or {}),
        ticked=_roles(given) if given else {Role.editor},
    )


def _one(  # noqa: PLR0913 - all that the page shows
    who: SignedIn, session: Session, account_id: int, now: Now, *, done: str = "", wrong: str = ""
) -> Response:
    account = session.get_one(Account, account_id)
    return staff_page(
        "account_of.html",
        who=who,
        status=422 if wrong else 200,
        account=account,
        roles=register.roles_of(account),
        all_roles=_ROLES,
        logins=logins.of(session, account_id, now=now),
        tokens=tokens.of(session, account),
        done=done,
        wrong=wrong,
        now=now,
    )
