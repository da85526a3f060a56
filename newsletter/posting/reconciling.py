"""Letters of which nobody knows: the same bytes under the same key, the provider's search, an event.

Without any of these a letter stays uncertain, and says so: a second confirmation
mail annoys, but one that was never sent is asked for again by its reader, which
makes another letter. None is repeated without proof.
"""

import hashlib
import threading
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import or_
from sqlmodel import Session, col, select

from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.delivery.doubts import search
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.esp import (
    Absent,
    Accepted,
    CannotTell,
    Esp,
    Found,
    NotTaken,
    Request,
    Unknown,
    Unsendable,
)
from newsletter.posting import claims
from newsletter.posting.claims import Held
from newsletter.posting.composing import compose
from newsletter.posting.recipients import Nobody
from newsletter.posting.sending import Clock, intend
from newsletter.providers import provider
from newsletter.rendering.mjml import BadTemplate
from newsletter.service_mail import LetterStatus, ServiceMail
from newsletter.settings import settings

log = structlog.get_logger()

#: Of the time a provider promises to know a key, the part we rely on: its clock is not ours.
KEY_MARGIN: Final = 0.9


def reconcile_letters(
    *, clock: Clock, every: timedelta, until: datetime, draining: threading.Event
) -> dict[str, int]:
    """Try to settle each uncertain letter not looked at within *every*; returns how many, by proof."""
    settled: dict[str, int] = {}
    with reading() as session:
        doubts = _uncertain(session, now=clock(), every=every)
    for letter in doubts:
        if clock() >= until or draining.is_set():
            break
        how = _settle(letter, clock=clock)
        settled[how] = settled.get(how, 0) + 1
        log.info("letter.reconciled", letter=letter.id, kind=letter.kind, how=how)
    return settled


def _uncertain(session: Session, *, now: datetime, every: timedelta) -> list[ServiceMail]:
    """Those that have waited longest for a look first; those that nothing can settle are not looked at."""
    found = session.exec(
        select(ServiceMail)
        .where(
            col(ServiceMail.status) == LetterStatus.uncertain,
            col(ServiceMail.values).is_not(None),
            or_(col(ServiceMail.checked_at).is_(None), col(ServiceMail.checked_at) <= now - every),
            or_(col(ServiceMail.lease_until).is_(None), col(ServiceMail.lease_until) <= now),
        )
        .order_by(col(ServiceMail.checked_at).is_not(None), col(ServiceMail.checked_at))
        .limit(200)
    ).all()
    session.expunge_all()
    return list(found)


def _settle(letter: ServiceMail, *, clock: Clock) -> str:
    first_posted_at = letter.first_posted_at
    if letter.provider is None or first_posted_at is None:
        return _in_vain(letter, "nothing was posted that could be asked about", now=clock())
    esp, now = provider(letter.provider), clock()
    lives = esp.traits.key_lives
    if lives is not None and now < first_posted_at + lives * KEY_MARGIN:
        return _ask_again(letter, esp, clock=clock)
    if esp.traits.search_lag is not None:
        return _search(letter, esp, since=first_posted_at, clock=clock)
    return _give_up_or_wait(letter, "only an event can tell", now=now)


def _ask_again(letter: ServiceMail, esp: Esp, *, clock: Clock) -> str:
    """Post the very same bytes under the same key: the provider answers without a second mail."""
    lease_until = clock() + settings().lease_for
    with unit_of_work() as session:
        claimed = claims.claim_again(
            session,
            letter.id or 0,
            fence=letter.fence,
            worker="reconcile",
            lease_until=lease_until,
            now=clock(),
        )
        if claimed is None:
            return "somebody else is at it"
        held = claims.held(claimed)
        request = _same_bytes(session, claimed, esp, now=clock())
        if request is None:
            claims.doubt(session, held, reason="it would be another letter by now: not asked again")
            return "not the same any more"
    if not wait_for_a_call(esp.name, clock=clock) or not intend(
        held, request, esp, lease_until=lease_until, clock=clock
    ):
        return "stopped"
    outcome = esp.send(request)
    with unit_of_work() as session:
        return _answered(session, held, outcome, now=clock())


def _same_bytes(
    session: Session, claimed: ServiceMail, esp: Esp, *, now: datetime
) -> Request | None:
    """What was posted, if it can be made again and they may still have it; None otherwise."""
    try:
        composed = compose(session, claimed, now=now)
        if isinstance(composed, Nobody):
            return None
        request = esp.encode(composed.mailing)
    except (BadTemplate, LookupError, Unsendable):
        return None
    same = hashlib.sha256(request.body).hexdigest() == claimed.body_hash
    return request if same else None


def _answered(
    session: Session, held: Held, outcome: Accepted | NotTaken | Unknown, *, now: datetime
) -> str:
    match outcome:
        case Accepted():
            if outcome.refused:
                claims.refuse(session, held, reason=outcome.refused[0], now=now)
                return "same key: refused"
            message_id = next(iter(outcome.message_ids), "")
            reason = outcome.reason or "the provider answered for the same key"
            claims.accept(session, held, message_id=message_id, reason=reason, now=now)
            return "same key"
        case NotTaken():
            rest = now + timedelta(seconds=outcome.retry_after or 0)
            claims.doubt(session, held, reason=f"asked again: {outcome.reason}", rest_until=rest)
            return "not taken this time"
        case Unknown():
            claims.doubt(session, held, reason=f"asked again: {outcome.reason}")
            return "not answered"


def _search(letter: ServiceMail, esp: Esp, *, since: datetime, clock: Clock) -> str:
    # A worker may have posted until its lease ran out; the index may be that much later still.
    lag = esp.traits.search_lag or timedelta(0)
    posted_at = letter.posted_at or since
    believed = clock() >= posted_at + settings().lease_for + lag
    finding = search(esp, links.letter_tags(letter.id or 0), since=since, now=clock())
    now = clock()
    match finding:
        case Found(evidence=said):
            with unit_of_work() as session:
                claims.prove(session, letter.id or 0, taken=True, reason=f"found: {said}", now=now)
            return "provider search: found"
        case Absent(evidence=said) if believed:
            with unit_of_work() as session:
                claims.prove(
                    session,
                    letter.id or 0,
                    taken=False,
                    reason=f"absent: {said}",
                    fence=letter.fence,
                    now=now,
                )
            return "provider search: absent"
        case Absent():
            return _in_vain(letter, "absent from the provider's search so far", now=now)
        case CannotTell(reason=why):
            return _give_up_or_wait(letter, f"the provider cannot tell: {why}", now=now)


def _in_vain(letter: ServiceMail, why: str, *, now: datetime) -> str:
    with unit_of_work() as session:
        claims.looked(session, letter.id or 0, reason=why, now=now)
    return why


def _give_up_or_wait(letter: ServiceMail, why: str, *, now: datetime) -> str:
    """Once it would be of no use any more, it stays as it is; an event may still tell."""
    if now < letter.useful_until:
        return _in_vain(letter, why, now=now)
    with unit_of_work() as session:
        why = f"nobody knows whether {letter.provider} took it ({why}); it was not repeated"
        claims.looked(session, letter.id or 0, reason=why, now=now)
        claims.forget(session, letter.id or 0)
    return "stays uncertain"
