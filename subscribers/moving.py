"""Changing an address: asked for, said yes to at both ends, and only then done.

The address that is wanted stands in a row of its own until then, and nowhere else;
the row goes when the change is made, stopped, too old, or the person erased.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import Column, CursorResult, LargeBinary, delete, exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col

from subscribers.addresses import address_key, normal_form
from subscribers.models import BIG, Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import SubscriberError

_PAGE: Final = "the page of an address change"
#: Why no list brings back an address that its reader has left for another; it hinders no change to it.
MOVED: Final = "moved"


class End(StrEnum):
    """Whose word it is."""

    old = "old"  # of whoever reads the mail to the address they have
    new = "new"


class Free(StrEnum):
    """Whether an address may become somebody's."""

    yes = "yes"
    on_it = "on_it"  # another reader has it
    no = "no"  # suppressed, erased, or of somebody who left


class CannotMove(SubscriberError):
    """It became somebody else's, or was suppressed, while the letters were on their way."""

    def __init__(self) -> None:
        super().__init__("This address cannot be used here; nothing was changed.")


class AddressChange(SQLModel, table=True):
    """One change that is asked for; at most one for each person."""

    __tablename__ = "address_change"

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    subscriber_id: int = Field(sa_type=BIG, unique=True)
    address: str = Field(max_length=320)  # as typed
    address_key: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    asked_at: datetime
    until: datetime
    old_said_at: datetime | None = None
    new_said_at: datetime | None = None

    @property
    def shown(self) -> str:
        """Of the address, as much as its owner recognises."""
        name, _, domain = self.address.rpartition("@")
        return f"{name[:1]}…@{domain}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that is asked for, and whether the address is free."""

    change: AddressChange
    free: Free
    other_id: int | None  # the reader who has it


def ask(  # noqa: PLR0913 - who, what and until when
    session: Session,
    subscriber_id: int,
    address: str,
    *,
    secret: str,
    until: datetime,
    now: datetime,
) -> Asked | None:
    """Note what a reader asks for; it takes the place of what they asked for before.

    None for people who get no mail, and for the address they have. Raises BadAddress.
    """
    key = address_key(normal_form(address), secret=secret)
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.status is not SubscriberStatus.active or person.address_key == key:
        return None
    drop(session, subscriber_id)
    change = AddressChange(
        subscriber_id=subscriber_id,
        address=address.strip(),
        address_key=key,
        asked_at=now,
        until=until,
    )
    session.add(change)
    _record(session, subscriber_id, "move asked", page="the preferences page", now=now)
    session.flush()
    other = session.execute(
        select(col(Subscriber.id), col(Subscriber.status)).where(col(Subscriber.address_key) == key)
    ).first()
    suppressed = session.get(Suppression, key)
    if suppressed is not None and suppressed.reason != MOVED:
        return Asked(change, Free.no, None)
    if other is None:
        return Asked(change, Free.yes, None)
    is_reader = other.status is SubscriberStatus.active
    return Asked(change, Free.on_it if is_reader else Free.no, other.id if is_reader else None)


def pending(session: Session, subscriber_id: int, *, now: datetime) -> AddressChange | None:
    """What a reader has asked for, as long as it may be said yes to."""
    return session.scalars(
        select(AddressChange).where(
            col(AddressChange.subscriber_id) == subscriber_id, col(AddressChange.until) > now
        )
    ).first()


def say_yes(session: Session, subscriber_id: int, end: End, *, now: datetime) -> bool:
    """One end's yes; True when it was the second, and the address is theirs. Raises CannotMove."""
    column = AddressChange.old_said_at if end is End.old else AddressChange.new_said_at
    # The row is locked from here on: of two who say yes at once, the second sees the first.
    said = session.execute(
        update(AddressChange)
        .where(col(AddressChange.subscriber_id) == subscriber_id, col(AddressChange.until) > now)
        .values({col(column): now})
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", said).rowcount != 1:
        raise CannotMove
    session.expire_all()
    change = pending(session, subscriber_id, now=now)
    if change is None or change.old_said_at is None or change.new_said_at is None:
        return False
    _move(session, change, now=now)
    return True


def stop(session: Session, subscriber_id: int, *, now: datetime) -> None:
    """One end's no: nothing comes of it."""
    if drop(session, subscriber_id):
        _record(session, subscriber_id, "move stopped", page=_PAGE, now=now)


def drop(session: Session, subscriber_id: int) -> bool:
    """Forget what was asked for, and the address in it."""
    gone = session.execute(
        delete(AddressChange)
        .where(col(AddressChange.subscriber_id) == subscriber_id)
        .execution_options(synchronize_session="fetch")
    )
    return cast("CursorResult[Any]", gone).rowcount == 1


def drop_wishes_for_their_address(session: Session, subscriber_id: int) -> None:
    """Forget which other readers have asked for the address of this one: it stands in their rows."""
    theirs = select(col(Subscriber.address_key)).where(col(Subscriber.id) == subscriber_id)
    session.execute(
        delete(AddressChange)
        .where(col(AddressChange.address_key).in_(theirs))
        .execution_options(synchronize_session="fetch")
    )


def forget_old(session: Session, *, now: datetime) -> int:
    """Delete the changes that not both ends have said yes to in time; returns how many."""
    gone = session.execute(delete(AddressChange).where(col(AddressChange.until) <= now))
    return cast("CursorResult[Any]", gone).rowcount


def bounced_at_the_former(
    session: Session, subscriber_id: int, *, reason: str, detail: str, now: datetime
) -> None:
    """Mail to the address they had before cannot be delivered: that one is suppressed, and they are not."""
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.former_key is None:
        return
    known = session.get(Suppression, person.former_key)
    if known is None or known.reason == MOVED:
        _suppress(session, person.former_key, reason=reason, detail=detail, now=now)


def _move(session: Session, change: AddressChange, *, now: datetime) -> None:
    """Make the address theirs. Whatever stood against the former stays with the former."""
    suppressed = exists().where(
        col(Suppression.address_key) == change.address_key, col(Suppression.reason) != MOVED
    )
    person = session.get_one(Subscriber, change.subscriber_id)
    former = person.address_key
    try:
        with session.begin_nested():
            moved = session.execute(
                update(Subscriber)
                .where(
                    col(Subscriber.id) == change.subscriber_id,
                    col(Subscriber.status) == SubscriberStatus.active,
                    ~suppressed,
                )
                .values(
                    former_key=Subscriber.address_key,
                    address=change.address,
                    address_key=change.address_key,
                    address_since=now,
                )
                .execution_options(synchronize_session=False)
            )
    except IntegrityError:  # somebody else joined with it meanwhile
        raise CannotMove from None
    if cast("CursorResult[Any]", moved).rowcount != 1:
        raise CannotMove
    if former is not None and session.get(Suppression, former) is None:
        _suppress(session, former, reason=MOVED, now=now)
    if (come_back := session.get(Suppression, change.address_key)) is not None:
        session.delete(come_back)
    _record(session, change.subscriber_id, "moved", page=_PAGE, now=now)
    drop(session, change.subscriber_id)
    session.expire_all()


def _suppress(
    session: Session, key: bytes, *, reason: str, detail: str = "", now: datetime
) -> None:
    session.merge(Suppression(address_key=key, reason=reason, since=now, detail=detail[:300]))
    session.flush()


def _record(session: Session, who: int, kind: str, *, page: str, now: datetime) -> None:
    session.add(Consent(subscriber_id=who, kind=kind, happened_at=now, page=page))
    session.flush()
