"""Who may post which letter, and what the answer does to it: every UPDATE is conditional on the fence."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy import CursorResult, Table, and_, exists, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col

from digests.ledger import halting
from digests.models import Halt
from newsletter.service_mail import LetterStatus, ServiceMail

#: From where a letter may move to where; every UPDATE below names its source.
NEXT: Final[dict[LetterStatus, frozenset[LetterStatus]]] = {
    LetterStatus.planned: frozenset({LetterStatus.claimed}),
    LetterStatus.claimed: frozenset(
        {
            LetterStatus.planned,
            LetterStatus.accepted,
            LetterStatus.rejected,
            LetterStatus.excluded,
            LetterStatus.uncertain,
        }
    ),
    LetterStatus.uncertain: frozenset(
        {LetterStatus.accepted, LetterStatus.planned, LetterStatus.rejected}
    ),
    LetterStatus.accepted: frozenset(),
    LetterStatus.rejected: frozenset(),
    LetterStatus.excluded: frozenset(),
}

#: An alias: the subquery must read the table by itself, and not mean the row being updated.
_WAITING: Final = cast("Table", ServiceMail.__table__).alias("waiting")  # type: ignore[attr-defined]  # SQLModel hides it


@dataclass(frozen=True, slots=True)
class Held:
    """The sole right to settle one letter, as long as its fence is the newest."""

    id: int
    fence: int
    attempts: int


def claim(
    session: Session, *, worker: str, lease_until: datetime, now: datetime
) -> ServiceMail | None:
    """Take the next letter that may go now; None when there is none.

    The kill switch holds letters to subscribers. Those to staff still go:
    whoever has stopped everything needs to sign in, and to be told. In a store that
    came out of a backup they rest too.
    """
    next_one = (
        select(_WAITING.c.id)
        .where(
            _WAITING.c.status == LetterStatus.planned,
            _WAITING.c.not_before <= now,
            or_(_WAITING.c.account_id.is_not(None), _nothing_is_stopped()),
            _is_no_copy(),
        )
        .order_by(_WAITING.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=_WAITING)
        .scalar_subquery()
    )
    taken = session.execute(
        update(ServiceMail)
        .where(col(ServiceMail.id) == next_one, col(ServiceMail.status) == LetterStatus.planned)
        .values(
            status=LetterStatus.claimed,
            fence=col(ServiceMail.fence) + 1,
            attempts=col(ServiceMail.attempts) + 1,
            claimed_by=worker[:80],
            lease_until=lease_until,
            posted_at=None,
        )
        .returning(ServiceMail)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return taken.scalar_one_or_none()


def claim_again(  # noqa: PLR0913 - the state it was decided on, and who asks
    session: Session,
    letter_id: int,
    *,
    fence: int,
    worker: str,
    lease_until: datetime,
    now: datetime,
) -> ServiceMail | None:
    """Take an *uncertain* letter to ask about it under the same key; it stays uncertain."""
    taken = session.execute(
        update(ServiceMail)
        .where(
            col(ServiceMail.id) == letter_id,
            col(ServiceMail.status) == LetterStatus.uncertain,
            col(ServiceMail.fence) == fence,
            or_(col(ServiceMail.lease_until).is_(None), col(ServiceMail.lease_until) <= now),
            or_(col(ServiceMail.account_id).is_not(None), _nothing_is_stopped()),
            _is_no_copy(),
        )
        .values(
            fence=fence + 1,
            attempts=col(ServiceMail.attempts) + 1,
            claimed_by=worker[:80],
            lease_until=lease_until,
            checked_at=now,
        )
        .returning(ServiceMail)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return taken.scalar_one_or_none()


def held(letter: ServiceMail) -> Held:
    """What stays known of *letter* after its transaction."""
    return Held(letter.id or 0, letter.fence, letter.attempts)


def intend(session: Session, held_: Held, *, provider: str, body_hash: str, now: datetime) -> bool:
    """Commit to posting exactly these bytes to *provider* now; False means: do not post."""
    return _changed(
        session,
        update(ServiceMail)
        .where(
            _mine(held_),
            col(ServiceMail.status).in_([LetterStatus.claimed, LetterStatus.uncertain]),
            col(ServiceMail.lease_until) > now,
            or_(col(ServiceMail.account_id).is_not(None), _nothing_is_stopped()),
            _is_no_copy(),
        )
        .values(
            posted_at=now,
            first_posted_at=func.coalesce(col(ServiceMail.first_posted_at), now),
            provider=provider,
            body_hash=body_hash,
        ),
    )


def accept(
    session: Session, held_: Held, *, message_id: str, reason: str | None, now: datetime
) -> bool:
    """The provider took it. It counts while nobody has taken over, even after the lease."""
    return _settle(
        session, held_, LetterStatus.accepted, message_id=message_id[:200], reason=reason, now=now
    )


def refuse(session: Session, held_: Held, *, reason: str, now: datetime) -> bool:
    """The provider will never take it."""
    return _settle(session, held_, LetterStatus.rejected, reason=reason[:500], now=now)


def exclude(session: Session, held_: Held, *, reason: str, now: datetime) -> bool:
    """Nobody is to have it after all: nothing was posted."""
    return _settle(session, held_, LetterStatus.excluded, reason=reason[:500], now=now)


def put_back(session: Session, held_: Held, *, reason: str, not_before: datetime) -> bool:
    """The provider certainly did not take it: plan it again, no earlier than *not_before*."""
    return _changed(
        session,
        update(ServiceMail)
        .where(_mine(held_), col(ServiceMail.status) == LetterStatus.claimed)
        .values(
            status=LetterStatus.planned,
            reason=reason[:500],
            not_before=not_before,
            lease_until=None,
            posted_at=None,
            first_posted_at=None,
        ),
    )


def doubt(
    session: Session, held_: Held, *, reason: str, rest_until: datetime | None = None
) -> bool:
    """Nobody knows whether the provider took it; nobody asks again before *rest_until*."""
    return _changed(
        session,
        update(ServiceMail)
        .where(
            _mine(held_),
            col(ServiceMail.status).in_([LetterStatus.claimed, LetterStatus.uncertain]),
        )
        .values(status=LetterStatus.uncertain, reason=reason[:500], lease_until=rest_until),
    )


def sweep(session: Session, *, now: datetime) -> tuple[int, int]:
    """Take back what dead workers held; returns (planned again, uncertain)."""
    ran_out = (col(ServiceMail.status) == LetterStatus.claimed) & (
        col(ServiceMail.lease_until) < now
    )
    counts: list[int] = []
    for posted, status, reason in (
        (False, LetterStatus.planned, "its worker vanished before posting"),
        (True, LetterStatus.uncertain, "its worker vanished while posting"),
    ):
        was_posted = col(ServiceMail.posted_at)
        moved = session.execute(
            update(ServiceMail)
            .where(ran_out, was_posted.is_not(None) if posted else was_posted.is_(None))
            .values(status=status, lease_until=None, reason=reason)
            .execution_options(synchronize_session=False)
        )
        counts.append(cast("CursorResult[Any]", moved).rowcount)
    return counts[0], counts[1]


def prove(  # noqa: PLR0913 - which letter, and how it is known
    session: Session,
    letter_id: int,
    *,
    taken: bool,
    reason: str,
    fence: int | None = None,
    now: datetime,
) -> bool:
    """An uncertain letter went out after all, or it never did and is planned again.

    With *fence*, nothing changes when it was claimed since it was looked at.
    """
    values: dict[str, Any] = {"reason": reason[:500], "lease_until": None}
    if taken:
        values |= {"status": LetterStatus.accepted, "settled_at": now, "values": None}
    else:
        values |= {
            "status": LetterStatus.planned,
            "posted_at": None,
            "first_posted_at": None,
            "not_before": now,
            "key": str(uuid4()),  # what is composed anew may be other bytes
        }
    return _changed(
        session,
        update(ServiceMail)
        .where(
            col(ServiceMail.id) == letter_id,
            col(ServiceMail.status) == LetterStatus.uncertain,
            *((col(ServiceMail.fence) == fence,) if fence is not None else ()),
        )
        .values(**values),
    )


def looked(session: Session, letter_id: int, *, reason: str, now: datetime) -> None:
    """The provider was asked in vain."""
    session.execute(
        update(ServiceMail)
        .where(col(ServiceMail.id) == letter_id, col(ServiceMail.status) == LetterStatus.uncertain)
        .values(checked_at=now, reason=reason[:500])
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, letter_id: int) -> None:
    """What an uncertain letter was to say is of no use any more, and nobody needs to keep it."""
    session.execute(
        update(ServiceMail)
        .where(col(ServiceMail.id) == letter_id, col(ServiceMail.status) == LetterStatus.uncertain)
        .values(values=None)
        .execution_options(synchronize_session=False)
    )


def _nothing_is_stopped() -> ColumnElement[bool]:
    return ~exists().where(col(Halt.id) == 1)


def _mine(held_: Held) -> ColumnElement[bool]:
    return and_(col(ServiceMail.id) == held_.id, col(ServiceMail.fence) == held_.fence)


def _settle(
    session: Session, held_: Held, status: LetterStatus, *, now: datetime, **values: object
) -> bool:
    sources = [source for source, targets in NEXT.items() if status in targets]
    if status is LetterStatus.accepted:
        sources.append(LetterStatus.planned)  # swept meanwhile: a late answer is proof all the same
    return _changed(
        session,
        update(ServiceMail)
        .where(_mine(held_), col(ServiceMail.status).in_(sources))
        .values(status=status, settled_at=now, lease_until=None, values=None, **values),
    )


def _changed(session: Session, statement: Any) -> bool:  # noqa: ANN401 - an UPDATE of any shape
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount == 1


def _is_no_copy() -> ColumnElement[bool]:
    return ~exists().where(col(Halt.id) == halting.RESTORED)
