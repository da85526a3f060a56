"""Mailed one-time links: whoever holds one has read the mail. Kept hashed, for one purpose, for a while.

A page that is opened only looks (``look``), since scanners open every link; its
button spends the ticket, which is a conditional UPDATE whose row count is the lock.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Column, CursorResult, Index, LargeBinary, update
from sqlmodel import Field, Session, SQLModel, col, select


class Purpose(StrEnum):
    """What a ticket lets its holder do; one for one purpose is nothing for another."""

    confirm = "confirm"
    sign_in = "sign_in"
    export = "export"
    erase = "erase"
    known = "known"  # the answer to an export, to look at for a while
    change_address = "change_address"  # the old address's word
    new_address = "new_address"  # the new one's


class TicketError(Exception):
    """Base of what can be wrong with a mailed link."""


class NoSuchTicket(TicketError):
    """Never issued for this purpose, or damaged on its way."""

    def __init__(self) -> None:
        super().__init__("This link is not complete, or it is not one of ours.")


class TicketSpent(TicketError):
    """It was good for one time."""

    def __init__(self) -> None:
        super().__init__("This link has been used already, and it works only once.")


class TicketExpired(TicketError):
    """It was good for a while."""

    def __init__(self) -> None:
        super().__init__("This link is too old to be used; ask for a new one.")


class Ticket(SQLModel, table=True):
    """One mailed link. The database alone makes no link: it holds a hash of what was mailed."""

    __table_args__ = (Index("ix_ticket_subject", "purpose", "subject"),)

    token_hash: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    purpose: str = Field(max_length=30)
    subject: str = Field(max_length=200)  # whom or what it is about: an id, never an address
    issued_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None


def issue(
    session: Session, purpose: Purpose, subject: str, *, now: datetime, good_for: timedelta
) -> str:
    """A new token of 43 characters for *purpose* and *subject*; it is known only to who gets the mail."""
    token = secrets.token_urlsafe(32)
    session.add(
        Ticket(
            token_hash=_hashed(token),
            purpose=str(purpose),
            subject=subject,
            issued_at=now,
            expires_at=now + good_for,
        )
    )
    session.flush()
    return token


def look(session: Session, purpose: Purpose, token: str, *, now: datetime) -> str:
    """The subject of a ticket that could be spent now; changes nothing. Raises TicketError."""
    return _good(session, purpose, token, now=now).subject


def spend(session: Session, purpose: Purpose, token: str, *, now: datetime) -> str:
    """Use the ticket up and return its subject; of many who try, one succeeds. Raises TicketError."""
    ticket = _good(session, purpose, token, now=now)
    spent = session.execute(
        update(Ticket)
        .where(
            col(Ticket.token_hash) == ticket.token_hash,
            col(Ticket.spent_at).is_(None),
            col(Ticket.expires_at) > now,
        )
        .values(spent_at=now)
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", spent).rowcount != 1:
        raise TicketSpent
    return ticket.subject


def subject_of(session: Session, purpose: Purpose, token: str) -> str:
    """Whom a ticket is about even if it is spent or expired, so that a page can say more than no.

    Raises NoSuchTicket.
    """
    return _known(session, purpose, token).subject


def withdraw(session: Session, purpose: Purpose, subject: str, *, now: datetime) -> None:
    """No ticket of that kind that is still out works from now on."""
    session.execute(
        update(Ticket)
        .where(
            col(Ticket.purpose) == str(purpose),
            col(Ticket.subject) == subject,
            col(Ticket.spent_at).is_(None),
        )
        .values(expires_at=now)
        .execution_options(synchronize_session=False)
    )


def _good(session: Session, purpose: Purpose, token: str, *, now: datetime) -> Ticket:
    ticket = _known(session, purpose, token)
    if ticket.spent_at is not None:
        raise TicketSpent
    if ticket.expires_at <= now:
        raise TicketExpired
    return ticket


def _known(session: Session, purpose: Purpose, token: str) -> Ticket:
    found = session.exec(
        select(Ticket).where(
            col(Ticket.token_hash) == _hashed(token), col(Ticket.purpose) == str(purpose)
        )
    ).first()
    if found is None:
        raise NoSuchTicket
    return found


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
