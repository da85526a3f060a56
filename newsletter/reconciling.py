"""Settling what nobody knows: proof before repetition.

An uncertain batch is asked about in this order: what readers and webhooks have
told us already; the same key and the same bytes, while the provider's promise
for that key lasts; the provider's search. Without any of these it waits for an
operator (``newsletter settle``). The evidence is stored with the batch.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session

from digests import claims, proofs, settlement
from digests.claims import Claim
from newsletter import links
from newsletter.composing import Composed, compose, mailing_of
from newsletter.database import reading, unit_of_work
from newsletter.doubts import Doubt, evidence_of, looked, open_copies, seen_in_events, uncertain
from newsletter.esp import (
    Absent,
    Accepted,
    CannotTell,
    Esp,
    Found,
    NotTaken,
    Outcome,
    Unknown,
    Unsendable,
)
from newsletter.pacing import wait_for_a_call
from newsletter.providers import provider
from newsletter.sending import Clock
from newsletter.settings import settings

log = structlog.get_logger()

#: Of the time a provider promises to know a key, the part we rely on: its clock is not ours.
KEY_MARGIN: Final = 0.9


def reconcile(
    *,
    clock: Clock,
    every: timedelta,
    worker: str,
    until: datetime | None = None,
    draining: threading.Event | None = None,
) -> dict[str, int]:
    """Try to settle each uncertain batch not looked at within *every*; returns how many, by proof.

    Those that have waited longest come first, so that what cannot be settled
    never keeps the others from being asked about; stops at *until*, and when *draining*.
    """
    settled: dict[str, int] = {}
    with reading() as session:
        doubts = list(uncertain(session, now=clock(), every=every))
    for doubt in doubts:
        if (until and clock() >= until) or (draining and draining.is_set()):
            break
        try:
            how = settle(doubt, clock=clock, worker=worker)
        except Unsendable as error:  # one that cannot be asked about must not stop the round
            how = looked(doubt, f"cannot be asked again: {error}", now=clock())
        settled[how] = settled.get(how, 0) + 1
        log.info("batch.reconciled", digest=doubt.digest_id, batch=doubt.number, how=how)
    return settled


def settle(doubt: Doubt, *, clock: Clock, worker: str) -> str:
    """Try every proof there is for one batch; returns the word for what came of it."""
    esp = provider(doubt.provider)
    lives = esp.traits.key_lives
    has_key = lives is not None and clock() < doubt.first_posted_at + lives * KEY_MARGIN
    seen = seen_in_events(doubt)
    if seen and (how := _by_events(doubt, esp, seen, now=clock(), has_key=has_key)) is not None:
        return how
    if has_key:
        asked = _by_same_key(doubt, esp, is_taken=bool(seen), clock=clock, worker=worker)
        if isinstance(asked, str):
            return asked
        doubt = asked  # this attempt was turned away, which says nothing about the earlier one
        if esp.traits.search_lag is None:
            return "not taken this time"
    if esp.traits.search_lag is not None:
        return _by_search(doubt, esp, clock=clock)
    return looked(doubt, "waits for an event or an operator", now=clock())


def settle_by_hand(  # noqa: PLR0913 - whose word, about what
    session: Session, digest_id: int, number: int, *, accepted: bool, by: str, now: datetime
) -> bool:
    """An operator's word: the provider took the batch, or it did not. False if it is settled."""
    evidence = {"by": "operator", "who": by, "at": now.isoformat(), "accepted": accepted}
    if accepted:
        return proofs.prove_accepted(session, digest_id, number, evidence=evidence, now=now)
    return proofs.prove_absent(session, digest_id, number, evidence=evidence, now=now)


def _by_events(
    doubt: Doubt, esp: Esp, seen: Mapping[int, str], *, now: datetime, has_key: bool
) -> str | None:
    """Whoever opened, bounced or received a copy got it: then the provider took that copy.

    While the key lives the other copies wait for the provider's own answer,
    which knows also whom it refused.
    """
    with unit_of_work() as session:
        first = next(iter(seen.values()))
        evidence = evidence_of("webhook", now, f"{first} for {len(seen)} of its copies")
        if esp.traits.atomic or open_copies(session, doubt) <= seen.keys():
            proofs.prove_accepted(
                session,
                doubt.digest_id,
                doubt.number,
                evidence=evidence,
                now=now,
                fence=doubt.fence,
            )
            return "webhook"
        if not has_key:
            proofs.prove_copies(
                session, doubt.digest_id, doubt.number, seen, reason="an event names it", now=now
            )
    return None


def _by_same_key(
    doubt: Doubt, esp: Esp, *, is_taken: bool, clock: Clock, worker: str
) -> str | Doubt:
    """Post the same bytes under the same key: the provider answers without a second mail.

    Returns the doubt as it stands now when it refuses to, or puts us off.

    Where somebody has left since, the first bytes would mail them if the key
    were unknown. So the bytes without them go, unless an event *is_taken* shows
    that the key was used; a provider that has it says that it had other bytes,
    and is then asked with the first ones, which can mail nobody any more.
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
        wanted = compose(session, claim)
        first = compose(session, claim, as_posted=True)
    nobody_left = wanted.people == first.people
    asked = first if nobody_left or is_taken else wanted
    if not asked.people:
        return looked(doubt, "nobody is left to ask about", now=now)
    outcome = _ask_again(claim, asked, esp, clock=clock)
    if isinstance(outcome, Accepted) and outcome.reason is not None and asked is not first:
        # It had the key with other bytes. Only the first ones bring the answer they got.
        told = _ask_again(claim, first, esp, clock=clock)
        if not isinstance(told, Accepted):
            outcome = told
        elif told.reason is None:
            asked, outcome = first, told
    if outcome is None:
        return "stopped"
    now = clock()
    with unit_of_work() as session:
        if isinstance(outcome, Unknown):
            settlement.doubt(session, claim, reason=f"asked again: {outcome.reason}")
            return "not answered"
        if isinstance(outcome, NotTaken):
            wait = timedelta(seconds=outcome.retry_after or 0)
            settlement.doubt(
                session,
                claim,
                reason=f"asked again: {outcome.reason}",
                posted_at=doubt.posted_at,
                rest_until=now + wait,
            )
            return replace(doubt, fence=claim.fence)
        if outcome.reason is None and asked is wanted:
            claims.exclude(session, claim, wanted.unwanted, now=now)
        settlement.accept(
            session,
            claim,
            message_ids=outcome.message_ids,
            refused={asked.people[i]: why for i, why in outcome.refused.items()},
            again=[asked.people[i] for i in outcome.again],
            reason=outcome.reason,
            evidence=evidence_of("same key", now, outcome.reason or "the provider answered it"),
            now=now,
        )
    return "same key"


def _ask_again(claim: Claim, asked: Composed, esp: Esp, *, clock: Clock) -> Outcome | None:
    """Post *asked* under the claim's key; None when somebody stopped it."""
    request = esp.encode(mailing_of(claim, asked.copies))
    if not wait_for_a_call(esp.name, clock=clock):
        return None
    body_hash = hashlib.sha256(request.body).hexdigest()
    with unit_of_work() as session:
        if not claims.intend(session, claim, provider=esp.name, body_hash=body_hash, now=clock()):
            return None
    return esp.send(request)


def _by_search(doubt: Doubt, esp: Esp, *, clock: Clock) -> str:
    # A worker may have posted until its lease ran out; the index may be that much later still.
    # What counts is when the question was put, not how long the answer took.
    lag = esp.traits.search_lag or timedelta(0)
    believed = clock() >= doubt.posted_at + settings().lease_for + lag
    finding = esp.find(doubt.tag, since=doubt.first_posted_at, now=clock())
    now = clock()
    match finding:
        case Found(evidence=said, refs=refs):
            return _found(doubt, said, refs, whole=esp.traits.atomic, believed=believed, now=now)
        case Absent(evidence=said) if believed:
            with unit_of_work() as session:
                evidence = evidence_of("provider search", now, f"absent: {said}")
                proofs.prove_absent(
                    session,
                    doubt.digest_id,
                    doubt.number,
                    evidence=evidence,
                    now=now,
                    fence=doubt.fence,
                )
            return "provider search: absent"
        case Absent():
            return looked(doubt, "absent so far", now=now)
        case CannotTell(reason=why):
            return looked(doubt, f"the provider cannot tell: {why}", now=now)


def _found(  # noqa: PLR0913 - what the search said, and how far it may be believed
    doubt: Doubt, said: str, refs: tuple[str, ...], *, whole: bool, believed: bool, now: datetime
) -> str:
    known = {copy.subscriber_id for copy in map(links.copy_of_ref, refs) if copy}
    evidence = evidence_of("provider search", now, f"found: {said}")
    where = (doubt.digest_id, doubt.number)
    with unit_of_work() as session:
        if whole or not refs or open_copies(session, doubt) <= known:
            proofs.prove_accepted(session, *where, evidence=evidence, now=now, fence=doubt.fence)
            return "provider search: found"
        proofs.prove_copies(session, *where, known, reason="the provider has it", now=now)
        if believed:  # the others were not taken, and the index has had its time
            proofs.prove_absent(session, *where, evidence=evidence, now=now, fence=doubt.fence)
            return "provider search: found in part"
    return looked(doubt, "found in part so far", now=now)
