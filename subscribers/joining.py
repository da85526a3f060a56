"""Asking to join, and confirming: the only ways onto the list that a person goes by themselves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col

from subscribers.addresses import address_key, normal_form
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import confirmed

#: An operator's word stands against the person's own.
FOR_GOOD: Final = "operator"


class Standing(StrEnum):
    """Where somebody who asks to join stands."""

    asked = "asked"  # they are to confirm: new, never confirmed, or gone and back
    on_it = "on_it"  # they get editions already
    kept_out = "kept_out"  # an operator has said that this address is never mailed


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who asked to join, and where they stand."""

    subscriber_id: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody entered, and where: kept as the record of what they agreed to."""

    address: str
    page: str
    wording: str
    name: str = ""
    zone: str = "UTC"


def ask(session: Session, wish: Wish, *, secret: str, now: datetime) -> Asked:
    """Note that somebody wants to join. Changes nobody's state; asking twice leaves two records.

    Whoever is known keeps the address, name and zone they have. Raises BadAddress.
    """
    key = address_key(normal_form(wish.address), secret=secret)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.connection().execute(
        dialect.insert(SQLModel.metadata.tables["subscriber"])
        .values(
            address=wish.address.strip(),
            address_key=key,
            name=wish.name.strip()[:200] or None,
            status=SubscriberStatus.pending,
            zone=wish.zone,
            source=wish.page[:200],
            joined_at=now,
            tracking=True,
        )
        .on_conflict_do_nothing(index_elements=["address_key"])
    )
    person = session.execute(
        select(col(Subscriber.id), col(Subscriber.status)).where(col(Subscriber.address_key) == key)
    ).one()
    session.add(
        Consent(
            subscriber_id=person.id,
            kind="joined",
            happened_at=now,
            page=wish.page[:300],
            wording=wish.wording[:1000],
        )
    )
    suppressed = session.get(Suppression, key)
    if suppressed is not None and suppressed.reason == FOR_GOOD:
        return Asked(person.id, Standing.kept_out)
    on_it = person.status is SubscriberStatus.active
    return Asked(person.id, Standing.on_it if on_it else Standing.asked)


def confirm(session: Session, subscriber_id: int, *, page: str, now: datetime) -> bool:
    """Their own word that they want it: from now on they get editions. True the first time.

    Lifts what stood against the address, save an operator's word. People who were
    erased meanwhile stay erased.
    """
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address_key is None:
        return False
    suppressed = session.get(Suppression, person.address_key)
    if suppressed is not None and suppressed.reason == FOR_GOOD:
        return False
    if not confirmed(session, subscriber_id, now=now):
        return False
    if suppressed is not None:
        session.delete(suppressed)
    session.add(
        Consent(subscriber_id=subscriber_id, kind="confirmed", happened_at=now, page=page[:300])
    )
    session.flush()
    return True


def forget_the_unconfirmed(session: Session, *, older_than: timedelta, now: datetime) -> int:
    """Delete addresses that were entered and never confirmed; returns how many.

    Nobody knows whose they are, so nothing of them is kept, not even a hash.
    """
    stale = (
        select(col(Subscriber.id))
        .where(
            col(Subscriber.status) == SubscriberStatus.pending,
            col(Subscriber.confirmed_at).is_(None),
            col(Subscriber.joined_at) < now - older_than,
            ~exists().where(
                col(Consent.subscriber_id) == col(Subscriber.id),
                col(Consent.happened_at) >= now - older_than,
            ),
        )
        .limit(5000)
    )
    ids = list(session.scalars(stale))
    if not ids:
        return 0
    session.execute(delete(Consent).where(col(Consent.subscriber_id).in_(ids)))
    gone = session.execute(
        delete(Subscriber).where(
            col(Subscriber.id).in_(ids), col(Subscriber.status) == SubscriberStatus.pending
        )
    )
    return cast("CursorResult[Any]", gone).rowcount
