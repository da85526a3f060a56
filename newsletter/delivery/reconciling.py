"""Settling what nobody knows: proof before repetition.

An uncertain batch is asked about in this order: what readers and webhooks have
told us already; the same key and the same bytes, while the provider's promise
for that key lasts; the provider's search. Without any of these it waits for an
operator (``newsletter settle``). The evidence is stored with the batch.
"""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from digests.ledger import proofs
from newsletter import links
from newsletter.database import reading, unit_of_work
from newsletter.delivery.doubts import (
    Doubt,
    evidence_of,
    looked,
    open_copies,
    search,
    seen_in_events,
    uncertain,
)
from newsletter.delivery.same_key import ask, key_until
from newsletter.delivery.sending import Clock
from newsletter.esp import Absent, CannotTell, Esp, Found, Unsendable
from newsletter.providers import provider
from newsletter.settings import settings

log = structlog.get_logger()


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
        log.info("batch.reconciled", digest_id=doubt.digest_id, batch=doubt.number, how=how)
    return settled


def settle(doubt: Doubt, *, clock: Clock, worker: str) -> str:
    """Try every proof there is for one batch; returns the word for what came of it."""
    esp = provider(doubt.provider)
    good_until = key_until(doubt, esp)
    has_key = good_until is not None and clock() < good_until
    seen = seen_in_events(doubt)
    if seen and (how := _by_events(doubt, esp, seen, now=clock(), has_key=has_key)) is not None:
        return how
    if has_key:
        asked = ask(doubt, esp, is_taken=bool(seen), clock=clock, worker=worker)
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


def _by_search(doubt: Doubt, esp: Esp, *, clock: Clock) -> str:
    # A worker may have posted until its lease ran out; the index may be that much later still.
    # What counts is when the question was put, not how long the answer took.
    lag = esp.traits.search_lag or timedelta(0)
    believed = clock() >= doubt.posted_at + settings().lease_for + lag
    finding = search(esp, doubt.names, since=doubt.first_posted_at, now=clock())
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
