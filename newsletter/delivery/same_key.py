"""Asking under the same key: where the provider keeps keys, the same bytes again are only a question.

What was posted under a key is not written down, and need not be: it was the
batch as it was first composed, or, where an attempt was made after somebody had
left, the same without them. The versions follow from who left and when; the
provider answers for the one it took, and says of the others that it knows the key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from digests.ledger import claims, settlement
from digests.ledger.claims import Claim
from newsletter.copies.composing import Composed, compose, mailing_of
from newsletter.database import unit_of_work
from newsletter.delivery.doubts import Doubt, evidence_of, looked
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.esp import Accepted, Esp, NotTaken, Outcome, Unknown
from newsletter.settings import settings
from subscribers.models import Subscriber

Clock = Callable[[], datetime]

#: Of the time a provider promises to know a key, the part we rely on: its clock is not ours.
KEY_MARGIN: Final = 0.9


@dataclass(frozen=True, slots=True)
class Version:
    """The batch without those who had left by some moment; *gone* maps a reason to them."""

    composed: Composed
    gone: dict[str, list[int]]


def key_until(doubt: Doubt, esp: Esp) -> datetime | None:
    """Until when the provider surely knows the key of *doubt*; None where it keeps no keys."""
    lives = esp.traits.key_lives
    return doubt.first_posted_at + lives * KEY_MARGIN if lives is not None else None


def ask(doubt: Doubt, esp: Esp, *, is_taken: bool, clock: Clock, worker: str) -> str | Doubt:
    """Post the same bytes under the same key: the provider answers without a second mail.

    Returns the word for what came of it, or the doubt as it stands now when the
    provider refuses or puts us off: that says nothing about the first attempt.

    Where somebody has left since, the first bytes would mail them if the key
    were unknown. So the bytes without them go first, unless an event *is_taken*
    shows that the key was used; once the provider has said that it knows the
    key, no bytes can mail anybody any more, and the others are tried.
    """
    now = clock()
    with unit_of_work() as session:
        claim = claims.claim_again(
            session,
            doubt.digest_id,
            doubt.number,
            fence=doubt.fence,
            worker=worker,
            lease_until=now + settings().lease_for,
            now=now,
        )
        if claim is None:
            return "somebody else is at it"
        versions = _versions(session, claim)
        if len(versions) > 1 and esp.traits.search_lag is not None:
            # Its search will tell, and nothing but the first bytes is ever posted: a provider
            # that turns a known key away need not say whose bytes it had.
            return _still_in_doubt(
                session, claim, doubt, "somebody left: only its search can tell", now=now
            )
    order = _in_order(versions, is_taken=is_taken)
    if not order[0].composed.people:
        return looked(doubt, "nobody is left to ask about", now=now)
    version, outcome = _first_answer(claim, order, esp, key_until(doubt, esp), clock=clock)
    return _settle(claim, doubt, version, outcome, now=clock())


def _in_order(versions: list[Version], *, is_taken: bool) -> list[Version]:
    """The one that may be posted first; the others mail nobody once the key is known."""
    *earlier, last = versions
    return versions if is_taken else [last, *earlier]


def _first_answer(
    claim: Claim, order: list[Version], esp: Esp, good_until: datetime | None, *, clock: Clock
) -> tuple[Version, Outcome | None]:
    """The version that the provider answers for, with its answer; None when it was not asked."""
    for version in order:
        outcome = _post(claim, version.composed, esp, good_until, clock=clock)
        if not isinstance(outcome, Accepted) or outcome.reason is None:
            return version, outcome
    # It knows the key, and none of the bytes we can think of: somebody was erased, perhaps.
    return min(order, key=lambda version: len(version.gone)), outcome


def _settle(
    claim: Claim, doubt: Doubt, version: Version, outcome: Outcome | None, *, now: datetime
) -> str | Doubt:
    with unit_of_work() as session:
        match outcome:
            case None:
                return "not asked"
            case Unknown():
                settlement.doubt(session, claim, reason=f"asked again: {outcome.reason}")
                return "not answered"
            case NotTaken():
                why = f"asked again: {outcome.reason}"
                rest = timedelta(seconds=outcome.retry_after or 0)
                return _still_in_doubt(session, claim, doubt, why, now=now + rest)
            case Accepted():
                _record(session, claim, version, outcome, now=now)
                return "same key"


def _versions(session: Session, claim: Claim) -> list[Version]:
    """What may have been posted under the key, first the whole batch, last without all who left."""
    whole = compose(session, claim, as_posted=True)
    wanted = compose(session, claim)
    reason_of = {who: reason for reason, people in wanted.unwanted.items() for who in people}
    left = session.exec(
        select(Subscriber.id)
        .where(col(Subscriber.id).in_([who for who in whole.people if who in reason_of]))
        .order_by(col(Subscriber.left_at), col(Subscriber.id))
    ).all()
    versions = [Version(whole, {})]
    gone: dict[str, list[int]] = {}
    for who in left:
        reason = reason_of[who or 0]
        gone = {**gone, reason: [*gone.get(reason, []), who or 0]}
        versions.append(Version(_without(whole, gone), gone))
    return versions


def _without(whole: Composed, gone: dict[str, list[int]]) -> Composed:
    absent = {who for people in gone.values() for who in people}
    kept = [i for i, who in enumerate(whole.people) if who not in absent]
    return Composed(
        [whole.copies[i] for i in kept], [whole.people[i] for i in kept], whole.unwanted
    )


def _post(
    claim: Claim, composed: Composed, esp: Esp, good_until: datetime | None, *, clock: Clock
) -> Outcome | None:
    """Post *composed* under the claim's key; None when somebody stopped it, or the key's life did.

    Waiting for the account's rate and for the commit takes time, and a key that is asked for
    after its life is a second mail. So its life is looked at last, right before the bytes leave.
    """
    request = esp.encode(mailing_of(claim, composed.copies))
    if not wait_for_a_call(esp.name, clock=clock):
        return None
    body_hash = hashlib.sha256(request.body).hexdigest()
    with unit_of_work() as session:
        if not claims.intend(session, claim, provider=esp.name, body_hash=body_hash, now=clock()):
            return None
    if good_until is not None and clock() >= good_until:
        return None
    return esp.send(request)


def _still_in_doubt(
    session: Session, claim: Claim, doubt: Doubt, why: str, *, now: datetime
) -> Doubt:
    """Give the claim back: nothing was posted since the doubt arose, or it was turned away."""
    settlement.doubt(session, claim, reason=why, posted_at=doubt.posted_at, rest_until=now)
    return replace(doubt, fence=claim.fence)


def _record(
    session: Session, claim: Claim, version: Version, outcome: Accepted, *, now: datetime
) -> None:
    people = version.composed.people
    claims.exclude(session, claim, version.gone, now=now)
    settlement.accept(
        session,
        claim,
        message_ids=outcome.message_ids,
        refused={people[i]: why for i, why in outcome.refused.items()},
        again=[people[i] for i in outcome.again],
        reason=outcome.reason,
        evidence=evidence_of("same key", now, outcome.reason or "the provider answered it"),
        now=now,
    )
