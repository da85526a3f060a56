"""What an operator does about people: off the list, kept out for good, let in again."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col

from subscribers.models import Subscriber, Suppression
from subscribers.subscription import BY_OPERATOR, retire


def take_off(session: Session, subscriber_id: int, *, now: datetime) -> bool:
    """An operator takes them off the list; they come back by their own confirmation. True if it did."""
    return retire(session, subscriber_id, how=BY_OPERATOR, now=now)


def keep_out(session: Session, subscriber_id: int, *, detail: str, now: datetime) -> bool:
    """An operator says that this address is never mailed, not even when its owner asks."""
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address_key is None:
        return False
    known = session.get(Suppression, person.address_key)
    if known is not None and known.reason == BY_OPERATOR:
        return False
    if known is not None:
        session.delete(known)
        session.flush()
    session.add(
        Suppression(
            address_key=person.address_key, reason=BY_OPERATOR, since=now, detail=detail[:300]
        )
    )
    retire(session, subscriber_id, how=BY_OPERATOR, now=now)
    return True


def let_in(session: Session, subscriber_id: int) -> bool:
    """Take an operator's word back: from then on its owner may come in again, by their own word."""
    person = session.get(Subscriber, subscriber_id)
    known = session.get(Suppression, person.address_key) if person and person.address_key else None
    if known is None or known.reason != BY_OPERATOR:
        return False
    session.delete(known)
    return True


def keep_all_out(session: Session, people: Collection[int], *, detail: str, at: datetime) -> int:
    """Suppress the addresses of *people* that are not suppressed yet; returns how many."""
    table = SQLModel.metadata.tables["suppression"]
    theirs = select(
        col(Subscriber.address_key),
        literal(BY_OPERATOR),
        literal(at, type_=table.c.since.type),
        literal(detail[:300]),
    ).where(col(Subscriber.id).in_(people), col(Subscriber.address_key).is_not(None))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    kept_out = session.execute(
        dialect.insert(table)
        .from_select(["address_key", "reason", "since", "detail"], theirs)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )
    return cast("CursorResult[Any]", kept_out).rowcount


def let_all_in(session: Session, people: Collection[int], *, since: datetime | None = None) -> int:
    """Take the operator's word back for *people*, or that of one moment; returns for how many."""
    theirs = select(col(Subscriber.address_key)).where(col(Subscriber.id).in_(people))
    wanted = [
        col(Suppression.reason) == BY_OPERATOR,
        col(Suppression.address_key).in_(theirs.where(col(Subscriber.address_key).is_not(None))),
    ]
    if since is not None:
        wanted.append(col(Suppression.since) == since)
    let_in = session.execute(
        delete(Suppression).where(*wanted).execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", let_in).rowcount
