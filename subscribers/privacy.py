"""What is known of one person here, and how they are forgotten: by a row that leads to nobody, and a hash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, update
from sqlmodel import Field, Session, SQLModel, col, select

from subscribers.engagement import Engagement
from subscribers.models import BIG, Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import retire

#: Why an address that was erased is not mailed again, whoever brings it.
ERASED: Final = "erased"
#: Gone for good, or until their own confirmation: nothing else is kept for them.
_GONE: Final = (
    SubscriberStatus.unsubscribed,
    SubscriberStatus.bounced,
    SubscriberStatus.complained,
)


class Why(StrEnum):
    """Who wanted somebody erased."""

    asked = "asked"  # they did, by the mailed link
    operator = "operator"  # they did, in another way, and an operator carried it out
    period = "period"  # nobody: the time for which people who left are kept has passed


class Erasure(SQLModel, table=True):
    """That somebody was erased. *scrubbed_at*: when the database's own files held no trace any more."""

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG)
    subscriber_id: int = Field(sa_type=BIG, unique=True)
    erased_at: datetime
    why: str = Field(max_length=20)
    scrubbed_at: datetime | None = Field(default=None, index=True)


@dataclass(frozen=True, slots=True)
class OfPerson:
    """The rows about one person in this package's tables, without what they did with editions."""

    person: Subscriber
    consents: Sequence[Consent]
    suppression: Suppression | None


def of_person(session: Session, subscriber_id: int) -> OfPerson | None:
    """Everything about somebody who is not erased; None for anybody else."""
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address_key is None:
        return None
    consents = session.exec(
        select(Consent)
        .where(col(Consent.subscriber_id) == subscriber_id)
        .order_by(col(Consent.happened_at), col(Consent.id))
    ).all()
    return OfPerson(person, consents, session.get(Suppression, person.address_key))


def seen_of(
    session: Session, subscriber_id: int, *, digests: Collection[int], kinds: Collection[str]
) -> Sequence[Engagement]:
    """What one person did with *digests*, as far as it is of *kinds*; the oldest first.

    Both are named because the index begins with them: there is none by person alone.
    """
    return session.exec(
        select(Engagement)
        .where(
            col(Engagement.digest_id).in_(digests),
            col(Engagement.kind).in_(kinds),
            col(Engagement.subscriber_id) == subscriber_id,
        )
        .order_by(col(Engagement.occurred_at))
    ).all()


def forget_words(
    session: Session, subscriber_id: int, *, digests: Collection[int], kinds: Collection[str]
) -> None:
    """Keep that something happened to *digests*, for their figures, and forget what exactly."""
    session.execute(
        update(Engagement)
        .where(
            col(Engagement.digest_id).in_(digests),
            col(Engagement.kind).in_(kinds),
            col(Engagement.subscriber_id) == subscriber_id,
        )
        .values(reason=None)
        .execution_options(synchronize_session=False)
    )


def erase(session: Session, subscriber_id: int, *, why: Why, now: datetime) -> bool:
    """Take everything from the person's row that leads to them; False when it was done already.

    The row itself stays, for the books of what they were sent. The address leaves
    a keyed hash among the suppressions, so that no list that is imported brings it
    back. What they agreed to, and when, stays with the nameless row.
    """
    person = session.get(Subscriber, subscriber_id)
    if person is None or person.address_key is None:
        return False
    retire(session, subscriber_id, how=ERASED, now=now)
    suppression = session.get(Suppression, person.address_key)
    if suppression is None:
        session.add(Suppression(address_key=person.address_key, reason=ERASED, since=now))
    else:
        suppression.detail = ""
    session.execute(
        update(Subscriber)
        .where(col(Subscriber.id) == subscriber_id)
        .values(
            address=None,
            address_key=None,
            name=None,
            zone="UTC",
            source="",
            tracking=False,
            topics=-1,
            pace="weekly",
            address_since=None,
            former_key=None,
            paused_until=None,
            owed=0,
        )
        .execution_options(synchronize_session="fetch")
    )
    session.add(Erasure(subscriber_id=subscriber_id, erased_at=now, why=str(why)))
    session.flush()
    return True


def gone_before(session: Session, moment: datetime, *, at_most: int) -> Sequence[int]:
    """Some of those who left, bounced or complained before *moment*, and are not erased yet."""
    return cast(
        "Sequence[int]",
        session.exec(
            select(Subscriber.id)
            .where(
                col(Subscriber.status).in_(_GONE),
                col(Subscriber.left_at) < moment,
                col(Subscriber.address_key).is_not(None),
            )
            .limit(at_most)
        ).all(),
    )


def forget_observations(
    session: Session, digest_id: int, *, kinds: Collection[str], before: datetime
) -> int:
    """Delete what was observed of *digest_id* before a moment; returns how many rows went."""
    gone = session.execute(
        delete(Engagement)
        .where(
            col(Engagement.digest_id) == digest_id,
            col(Engagement.kind).in_(kinds),
            col(Engagement.occurred_at) < before,
        )
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", gone).rowcount


def unscrubbed(session: Session) -> Sequence[int]:
    """The erasures after which the database's files were not cleaned yet."""
    return cast(
        "Sequence[int]",
        session.exec(select(Erasure.id).where(col(Erasure.scrubbed_at).is_(None))).all(),
    )


def scrubbed(session: Session, erasures: Collection[int], *, now: datetime) -> None:
    """The files hold no trace of *erasures* any more."""
    session.execute(
        update(Erasure)
        .where(col(Erasure.id).in_(erasures), col(Erasure.scrubbed_at).is_(None))
        .values(scrubbed_at=now)
        .execution_options(synchronize_session=False)
    )
