"""Joining and leaving: the only place where a subscriber's status changes."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, CursorResult, Select, delete, exists, literal, update
from sqlalchemy import select as select_columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from subscribers.addresses import address_key, normal_form
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression

#: A complaint outweighs leaving, and leaving a bounce, so that the order in which they are told
#: of does not matter.
NEXT: Final[dict[SubscriberStatus, frozenset[SubscriberStatus]]] = {
    SubscriberStatus.pending: frozenset(
        {SubscriberStatus.active, SubscriberStatus.unsubscribed, SubscriberStatus.bounced}
    ),
    SubscriberStatus.active: frozenset(
        {SubscriberStatus.unsubscribed, SubscriberStatus.bounced, SubscriberStatus.complained}
    ),
    SubscriberStatus.unsubscribed: frozenset(
        {SubscriberStatus.active, SubscriberStatus.complained}
    ),
    SubscriberStatus.bounced: frozenset(
        {SubscriberStatus.active, SubscriberStatus.unsubscribed, SubscriberStatus.complained}
    ),
    SubscriberStatus.complained: frozenset({SubscriberStatus.active}),
}


#: Who took somebody off, or keeps an address out.
BY_OPERATOR: Final = "operator"
#: Why the policy for soft bounces suppresses somebody; what it may lift again.
SOFT_BOUNCES: Final = "soft bounces"
HARD_BOUNCE: Final = "hard bounce"
COMPLAINT: Final = "complaint"
#: What a suppression stands for, and what stands in its place when it is told of too: a success
#: would lift the soft ones, and an operator asks before a complaint is lifted.
_OUTWEIGHED: Final = frozenset(
    {(SOFT_BOUNCES, HARD_BOUNCE), (SOFT_BOUNCES, COMPLAINT), (HARD_BOUNCE, COMPLAINT)}
)


class SubscriberError(Exception):
    """Base of every refusal about a person; never holds the address."""


class AddressSuppressed(SubscriberError):
    """Must not be mailed, whoever asks; only the person's own confirmation lifts it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"That address is suppressed ({reason}); it comes back only by its owner's confirmation."
        )
        self.reason = reason


def find(session: Session, address: str, *, secret: str) -> Subscriber | None:
    """The person with that address, however they spelled it."""
    key = address_key(normal_form(address), secret=secret)
    return session.exec(select(Subscriber).where(col(Subscriber.address_key) == key)).first()


def add_confirmed(  # noqa: PLR0913 - what consent must be able to show
    session: Session,
    address: str,
    *,
    page: str,
    wording: str,
    secret: str,
    now: datetime,
    zone: str = "UTC",
) -> tuple[Subscriber, bool]:
    """Add a person whose consent an operator vouches for; returns them, and whether they are new.

    Somebody who is known already is left exactly as they are. Raises
    AddressSuppressed and BadAddress.
    """
    if known := find(session, address, secret=secret):
        return known, False
    key = address_key(normal_form(address), secret=secret)
    if suppressed := session.get(Suppression, key):
        raise AddressSuppressed(suppressed.reason)
    person = Subscriber(
        address=address.strip(),
        address_key=key,
        status=SubscriberStatus.active,
        zone=zone,
        source=page,
        joined_at=now,
        confirmed_at=now,
    )
    session.add(person)
    session.flush()
    for kind in ("joined", "confirmed"):
        session.add(
            Consent(
                subscriber_id=person.id or 0,
                kind=kind,
                happened_at=now,
                page=page,
                wording=wording,
            )
        )
    return person, True


def confirmed(session: Session, subscriber_id: int, *, now: datetime) -> bool:
    """Their own confirmation brings them in, or back. True when it moved them."""
    return _move(
        session,
        subscriber_id,
        SubscriberStatus.active,
        confirmed_at=now,
        left_at=None,
        left_how=None,
        left_digest_id=None,
        # Nothing is owed for the time they were away, and who comes back wants mail.
        paused_until=None,
        owed=0,
    )


def leave(  # noqa: PLR0913 - how, why and out of which edition
    session: Session,
    subscriber_id: int,
    *,
    how: str,
    why: str = "",
    digest_id: int | None,
    now: datetime,
) -> bool:
    """They want no more mail. True the first time; repeats, and people unknown, change nothing.

    *why*: their own words, if they gave any; kept with the record that they left.
    """
    values = {"left_at": now, "left_how": how, "left_digest_id": digest_id}
    left = _move(session, subscriber_id, SubscriberStatus.unsubscribed, **values)
    if not left:
        # Whom an operator had taken off says so themselves: nobody takes that back for them.
        session.execute(
            update(Subscriber)
            .where(col(Subscriber.id) == subscriber_id, _taken_off())
            .values(**values)
            .execution_options(synchronize_session="fetch")
        )
    if left:
        session.add(
            Consent(
                subscriber_id=subscriber_id,
                kind="left",
                happened_at=now,
                page=how,
                wording=why[:1000],
            )
        )
    return left


def retire(session: Session, subscriber_id: int, *, how: str, now: datetime) -> bool:
    """They are to get no mail any more, without a word of their own. True when they might have."""
    return _move(
        session, subscriber_id, SubscriberStatus.unsubscribed, left_at=now, left_how=how[:40]
    )


def retire_all(session: Session, people: Collection[int], *, how: str, now: datetime) -> None:
    """The same of many who might get mail; whoever gets none stays as they are."""
    session.execute(
        update(Subscriber)
        .where(
            col(Subscriber.id).in_(people),
            col(Subscriber.status).in_((SubscriberStatus.pending, SubscriberStatus.active)),
        )
        .values(status=SubscriberStatus.unsubscribed, left_at=now, left_how=how[:40])
        .execution_options(synchronize_session=False)
    )


def reinstate(
    session: Session, people: Collection[int], *, was: SubscriberStatus, how: str, at: datetime
) -> int:
    """Take ``retire_all`` back, for whom nothing else has happened since; returns for how many.

    Not a way in: who left by their own word, bounced, complained or was erased is not moved.
    """
    moved = session.execute(
        update(Subscriber)
        .where(
            col(Subscriber.id).in_(people),
            col(Subscriber.address_key).is_not(None),
            col(Subscriber.status) == SubscriberStatus.unsubscribed,
            col(Subscriber.left_how) == how,
            col(Subscriber.left_at) == at,
            ~exists().where(col(Suppression.address_key) == col(Subscriber.address_key)),
        )
        .values(status=was, left_at=None, left_how=None)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", moved).rowcount


def stop_mailing(  # noqa: PLR0913 - what the suppression must be able to show
    session: Session,
    subscriber_id: int,
    *,
    status: SubscriberStatus,
    reason: str,
    detail: str = "",
    now: datetime,
) -> bool:
    """A hard bounce or a complaint: suppressed at once and for every edition. True the first time."""
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address_key is None:
        return False
    known = session.get(Suppression, person.address_key)
    if known is None:
        session.add(
            Suppression(
                address_key=person.address_key, reason=reason, since=now, detail=detail[:300]
            )
        )
    elif (known.reason, reason) in _OUTWEIGHED:
        known.reason, known.since, known.detail = reason, now, detail[:300]
    return _move(session, subscriber_id, status, left_at=now, left_how=reason[:40])


def stop_mailing_all(
    session: Session, people: Select[Any], *, reason: str, detail: str, now: datetime
) -> int:
    """Suppress all active *people*, a query of their ids; returns how many. Two statements."""
    table = SQLModel.metadata.tables["suppression"]
    stopped = select_columns(
        col(Subscriber.address_key),
        literal(reason),
        literal(now, type_=table.c.since.type),
        literal(detail[:300]),
    ).where(
        col(Subscriber.id).in_(people),
        col(Subscriber.status) == SubscriberStatus.active,
        col(Subscriber.address_key).is_not(None),
    )
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(
        dialect.insert(table)
        .from_select(["address_key", "reason", "since", "detail"], stopped)
        .on_conflict_do_nothing()
    )
    moved = session.execute(
        update(Subscriber)
        .where(col(Subscriber.status) == SubscriberStatus.active, suppressed_for(reason))
        .values(status=SubscriberStatus.bounced, left_at=now, left_how=reason[:40])
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", moved).rowcount


def let_back_in(session: Session, people: Sequence[int], *, reason: str) -> int:
    """Lift the suppression of *people* where it stands for *reason*; returns how many came back."""
    if not people:
        return 0
    moved = session.execute(
        update(Subscriber)
        .where(
            col(Subscriber.id).in_(people),
            col(Subscriber.status) == SubscriberStatus.bounced,
            suppressed_for(reason),
        )
        .values(status=SubscriberStatus.active, left_at=None, left_how=None)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        delete(Suppression)
        .where(
            col(Suppression.reason) == reason,
            exists().where(
                col(Subscriber.address_key) == col(Suppression.address_key),
                col(Subscriber.id).in_(people),
                col(Subscriber.status) == SubscriberStatus.active,
            ),
        )
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", moved).rowcount


def suppressed_for(reason: str) -> ColumnElement[bool]:
    """SQL: whether this person is suppressed for *reason*."""
    return exists().where(
        col(Suppression.address_key) == col(Subscriber.address_key),
        col(Suppression.reason) == reason,
    )


def _taken_off() -> ColumnElement[bool]:
    return (col(Subscriber.status) == SubscriberStatus.unsubscribed) & (
        col(Subscriber.left_how) == BY_OPERATOR
    )


def _move(
    session: Session,
    subscriber_id: int,
    wanted: SubscriberStatus,
    **values: Any,  # noqa: ANN401 - columns of several types
) -> bool:
    sources = [status for status, targets in NEXT.items() if wanted in targets]
    moved = session.execute(
        update(Subscriber)
        .where(col(Subscriber.id) == subscriber_id, col(Subscriber.status).in_(sources))
        .values(status=wanted, **values)
        .execution_options(synchronize_session="fetch")
    )
    return cast("CursorResult[Any]", moved).rowcount == 1
