"""The links by which staff come in without a password: asked for by themselves, or sent by an operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import structlog
from sqlmodel import Session

from newsletter import service_mail, tickets
from newsletter.accounts import audit, register
from newsletter.accounts.models import Account
from newsletter.service_mail import Kind
from newsletter.tickets import Purpose, TicketSpent

log = structlog.get_logger()

_LINK_FOR: Final = timedelta(minutes=15)
_INVITATION_FOR: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom a link lets in."""

    account_id: int
    name: str


def mail_link(session: Session, address: str, *, onward: str = "", now: datetime) -> bool:
    """Mail whoever has an account with *address* a link that leads to *onward*; False for nobody."""
    account = register.by_address(session, address)
    if account is None or account.disabled_at is not None:
        return False
    token = tickets.issue(session, Purpose.sign_in, str(account.id), now=now, good_for=_LINK_FOR)
    path = f"/sign-in/link/{token}" + (f"?{urlencode({'next': onward})}" if onward else "")
    service_mail.write(session, Kind.sign_in, account_id=account.id, values={"path": path}, now=now)
    log.info("login.link_mailed", account=account.id)
    return True


def invite(session: Session, account: Account, *, by: str, now: datetime) -> None:
    """Mail a new account a first link, good for three days; *by* stands in the letter."""
    token = tickets.issue(
        session, Purpose.sign_in, str(account.id), now=now, good_for=_INVITATION_FOR
    )
    values = {"path": f"/sign-in/link/{token}", "by": by, "roles": account.roles.split()}
    service_mail.write(session, Kind.invitation, account_id=account.id, values=values, now=now)
    audit.note(session, by=by, action="account.invited", subject=account.name, now=now)


def guest(session: Session, token: str, *, now: datetime) -> Guest:
    """Whom the link would let in; changes nothing. Raises TicketError."""
    return _guest(session, tickets.look(session, Purpose.sign_in, token, now=now))


def use(session: Session, token: str, *, now: datetime) -> Guest:
    """Use the link up, and every other one that its owner asked for. Raises TicketError."""
    subject = tickets.spend(session, Purpose.sign_in, token, now=now)
    tickets.withdraw(session, Purpose.sign_in, subject, now=now)
    return _guest(session, subject)


def _guest(session: Session, subject: str) -> Guest:
    account = session.get(Account, int(subject))
    if account is None or account.disabled_at is not None:
        raise TicketSpent
    return Guest(account.id or 0, account.name)
