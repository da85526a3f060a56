"""What a provider tells about a letter: kept with the letter, and with the person it went to."""

from datetime import datetime
from typing import Final

from sqlalchemy import update
from sqlmodel import Session, col

from newsletter.esp import Event, EventKind
from newsletter.posting import claims
from newsletter.service_mail import LetterStatus, ServiceMail
from subscribers.engagement import Observation, Reader

#: These say that the provider has, or had, the letter.
_PROOF: Final = frozenset(
    {
        EventKind.accepted,
        EventKind.delivered,
        EventKind.deferred,
        EventKind.hard_bounced,
        EventKind.soft_bounced,
        EventKind.complained,
        EventKind.opened,
        EventKind.clicked,
    }
)
#: What nobody watches: a letter holds no pixel of ours, and a provider's own tells us nothing we want.
_UNWATCHED: Final = frozenset({EventKind.opened, EventKind.clicked})


def observe(
    session: Session, letter_id: int, event: Event, *, provider: str, now: datetime
) -> Observation | None:
    """Settle an uncertain letter by *event* and note it there; what is to be kept about the person.

    None for an event about a letter we do not know, and for opens and clicks.
    """
    letter = session.get(ServiceMail, letter_id)
    if letter is None:
        return None
    if event.kind in _PROOF and letter.status is LetterStatus.uncertain:
        claims.prove(
            session, letter_id, taken=True, reason=f"an event of {provider} names it", now=now
        )
    if event.kind in _UNWATCHED:
        return None
    session.execute(
        update(ServiceMail)
        .where(
            col(ServiceMail.id) == letter_id,
            (col(ServiceMail.told_at).is_(None)) | (col(ServiceMail.told_at) <= event.occurred_at),
        )
        .values(told=str(event.kind), told_at=event.occurred_at)
        .execution_options(synchronize_session=False)
    )
    # What becomes of a letter to an address that was not theirs says nothing about them.
    is_theirs = letter.other_id is None
    return Observation(
        digest_id=0,
        key=event.key,
        subscriber_id=letter.subscriber_id if is_theirs else None,
        kind=event.kind,
        occurred_at=event.occurred_at,
        provider=provider,
        reader=Reader.unknown,
        why=f"a letter: {letter.kind}",
        reason=event.reason or event.raw_kind or None,
    )
