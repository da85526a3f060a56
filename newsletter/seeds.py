"""The seed list: mailboxes at the big providers in which editors look at test copies."""

from datetime import datetime

from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.accounts import audit
from subscribers.addresses import normal_form


class Seed(SQLModel, table=True):
    """One mailbox of our own. Not a reader: no edition goes there."""

    id: int | None = Field(default=None, primary_key=True)
    address: str = Field(max_length=320, unique=True)
    added_by: str = Field(max_length=120)
    added_at: datetime


def everyone(session: Session) -> list[Seed]:
    """The seed list in the order of its addresses."""
    return list(session.exec(select(Seed).order_by(col(Seed.address))))


def add(session: Session, address: str, *, by: str, now: datetime) -> None:
    """Put a mailbox on the list; twice changes nothing. Raises BadAddress."""
    normal = normal_form(address)
    if session.exec(select(Seed.id).where(col(Seed.address) == normal)).first() is not None:
        return
    session.add(Seed(address=normal, added_by=by, added_at=now))
    session.flush()
    audit.note(session, by=by, action="seed.added", subject=_domain(normal), now=now)


def remove(session: Session, seed_id: int, *, by: str, now: datetime) -> None:
    """Take a mailbox off the list."""
    if (seed := session.get(Seed, seed_id)) is not None:
        session.delete(seed)
        audit.note(session, by=by, action="seed.removed", subject=_domain(seed.address), now=now)


def _domain(address: str) -> str:
    """The log is kept for ever: of an address it keeps where the mailbox is."""
    return address.rpartition("@")[2]
