"""The demo's account: everything is open to a newcomer, until somebody has an account of their own."""

from datetime import datetime
from typing import Final

from sqlmodel import Session

from newsletter.accounts import register
from newsletter.accounts.models import Account, Role

ADDRESS: Final = "editor@newsletter.example"


def add(session: Session, *, now: datetime) -> None:
    """Make the account, if nobody has one yet."""
    if not register.everybody(session):
        register.add(session, ADDRESS, name="Demo", roles=set(Role), by="newsletter run", now=now)


def account(session: Session) -> Account | None:
    """The demo's account while it is the only one and nobody gave it a password; else None."""
    known = register.everybody(session)
    if len(known) != 1:
        return None
    [only] = known
    is_open = only.address == ADDRESS and only.password is None and only.disabled_at is None
    return only if is_open else None
