"""Claim, send, record: hands batches to a provider, and never one that nobody knows about.

No transaction is open while a provider is spoken to. The claim is committed
first, then the intent to post, then come the bytes, then the answer is
recorded; whatever dies in between leaves a row that says how far it got.
"""

import hashlib
import random
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import structlog
from sqlalchemy import DateTime, select, type_coerce
from sqlmodel import Session, col

from digests import claims, lifecycle, settlement
from digests.claims import Claim
from digests.models import Delivery, Digest, DigestStatus, Rendition
from newsletter import circuit, links
from newsletter.database import reading, unit_of_work
from newsletter.esp import (
    Accepted,
    Content,
    Copy,
    Esp,
    Mailing,
    NotTaken,
    Outcome,
    Unknown,
    Unsendable,
)
from newsletter.pacing import wait_for_a_call
from newsletter.providers import provider
from newsletter.settings import settings
from subscribers.audience import not_wanted
from subscribers.models import Subscriber

log = structlog.get_logger()

#: Seconds: the first wait after "not now", doubled with each attempt up to the last.
BACKOFF: Final = (2.0, 300.0)

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Progress:
    """What one turn of one worker did, in batches, and why it stopped."""

    sent: int = 0
    put_back: int = 0
    uncertain: int = 0
    stopped: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, outcome: Outcome) -> None:
        """Add one batch's answer; several threads share this."""
        with self.lock:
            match outcome:
                case Accepted():
                    self.sent += 1
                case NotTaken():
                    self.put_back += 1
                case Unknown():
                    self.uncertain += 1


def send_batches(
    digest_id: int, *, clock: Clock, until: datetime, draining: threading.Event
) -> Progress:
    """Send what may go of one edition, several calls at a time, until nothing is left or *until*.

    Safe from any number of workers. *draining* set: nothing new is claimed, and
    what is in flight settles before this returns.
    """
    progress = Progress()
    threads = settings().send_threads

    def work(lane: int) -> None:
        worker = f"{socket.gethostname()}/{threading.get_native_id()}/{lane}"
        while not draining.is_set() and clock() < until:
            outcome = send_next(digest_id, worker=worker, clock=clock)
            if outcome is None:
                return
            progress.count(outcome)
            if isinstance(outcome, NotTaken):
                return  # whoever is told to wait leaves the rest to the next tick

    if threads == 1:
        work(0)
        return progress
    with ThreadPoolExecutor(threads, thread_name_prefix="send") as pool:
        for done in [pool.submit(work, lane) for lane in range(threads)]:
            done.result()
    return progress


def send_next(digest_id: int, *, worker: str, clock: Clock) -> Outcome | None:
    """Claim one batch, post it once and record the answer; None when there was nothing to claim."""
    with unit_of_work() as session:
        esp_name = circuit.choose(session, settings().esp_names, now=clock())
        if esp_name is None:
            return None
        now = clock()
        claim = claims.claim(
            session, digest_id, worker=worker, lease_until=now + settings().lease_for, now=now
        )
        if claim is None:
            return None
        esp = provider(esp_name)
        composed = compose(session, claim)
        claims.exclude(session, claim, composed.unwanted, now=now)
        people = composed.people
        if not people:
            settlement.nothing_to_send(session, claim, now=now)
            return NotTaken("everybody in the batch was excluded")
    try:
        request = esp.encode(mailing_of(claim, composed.copies))
    except Unsendable as error:
        return _give_up(claim, str(error), now=clock())
    wait_for_a_call(esp.name, clock=clock)
    with unit_of_work() as session:
        now = clock()
        body_hash = hashlib.sha256(request.body).hexdigest()
        if not claims.intend(session, claim, provider=esp.name, body_hash=body_hash, now=now):
            stopped = NotTaken("stopped before posting")
            settlement.put_back(
                session, claim, reason=stopped.reason, not_before=None, refused={}, now=now
            )
            return stopped
    outcome = esp.send(request)
    record(claim, people, outcome, esp=esp, now=clock())
    return outcome


def _give_up(claim: Claim, why: str, *, now: datetime) -> NotTaken:
    """No provider call can carry this content: pause the edition, so that somebody looks at it."""
    with unit_of_work() as session:
        settlement.put_back(session, claim, reason=why, not_before=None, refused={}, now=now)
        digest = session.get_one(Digest, claim.digest_id)
        if digest.status is DigestStatus.sending:
            lifecycle.pause(session, digest, reason=why)
    log.error("digest.stopped", digest=claim.digest_id, why=why)
    return NotTaken(why, final=True)


@dataclass(frozen=True, slots=True)
class Composed:
    """The copies of a batch; whose they are, in the same order; who must not get theirs, by reason."""

    copies: list[Copy]
    people: list[int]
    unwanted: dict[str, list[int]]


def compose(session: Session, claim: Claim) -> Composed:
    """The copies of a claimed batch; asks once more who may be mailed.

    The same claim gives the same copies, as long as nobody in it has changed.
    """
    # On the bare connection and with the plain column type: an ORM row costs more than its copy.
    rows = (
        session.connection()
        .execute(
            select(
                col(Delivery.subscriber_id),
                col(Subscriber.address),
                type_coerce(col(Subscriber.joined_at), DateTime()),
                not_wanted(),
            )
            .outerjoin(Subscriber, col(Subscriber.id) == col(Delivery.subscriber_id))
            .where(
                col(Delivery.digest_id) == claim.digest_id,
                col(Delivery.batch) == claim.number,
                col(Delivery.outcome).is_(None),
            )
            .order_by(col(Delivery.subscriber_id))
        )
        .all()
    )
    people: list[int] = []
    copies: list[Copy] = []
    unwanted: dict[str, list[int]] = {}
    all_for, cut = links.signer().all_for, links.cut_all
    for subscriber_id, address, joined_at, reason in rows:
        if reason is not None or address is None:
            unwanted.setdefault(reason or "erased", []).append(subscriber_id)
            continue
        ref, tokens = cut(all_for(claim.digest_id, subscriber_id))
        people.append(subscriber_id)
        copies.append(Copy(ref, address, (*tokens, _day(joined_at.date()))))
    return Composed(copies, people, unwanted)


def mailing_of(claim: Claim, copies: Sequence[Copy]) -> Mailing:
    """What goes to the provider for *claim*; read its frozen content outside of any transaction."""
    return Mailing(
        batch=links.batch_tag(claim.digest_id, claim.number),
        key=claim.key,
        sender_name=settings().sender_name,
        sender_address=settings().sender_address,
        reply_to=settings().reply_to or None,
        content=content_of(claim.rendition_id),
        copies=copies,
    )


def record(
    claim: Claim, people: Sequence[int], outcome: Outcome, *, esp: Esp, now: datetime
) -> bool:
    """Write the provider's answer into the ledger; False when the claim was outrun."""
    with unit_of_work() as session:
        match outcome:
            case Accepted():
                circuit.closed(session, esp.name)
                return settlement.accept(
                    session,
                    claim,
                    message_ids=outcome.message_ids,
                    refused={people[i]: why for i, why in outcome.refused.items()},
                    again=[people[i] for i in outcome.again],
                    reason=outcome.reason,
                    now=now,
                )
            case NotTaken():
                circuit.failed(session, esp.name, outcome, now=now)
                wait = outcome.retry_after
                if wait is None:
                    wait = backoff(claim.attempts)
                log.warning(
                    "batch.put_back",
                    digest=claim.digest_id,
                    batch=claim.number,
                    provider=esp.name,
                    why=outcome.reason,
                    wait=round(wait, 1),
                )
                return settlement.put_back(
                    session,
                    claim,
                    reason=outcome.reason,
                    not_before=now + timedelta(seconds=0 if outcome.refused else wait),
                    refused={people[i]: why for i, why in outcome.refused.items()},
                    now=now,
                )
            case Unknown():
                circuit.failed(session, esp.name, outcome, now=now)
                log.warning(
                    "batch.uncertain",
                    digest=claim.digest_id,
                    batch=claim.number,
                    provider=esp.name,
                    why=outcome.reason,
                )
                return settlement.doubt(session, claim, reason=outcome.reason)


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, and jittered so that workers spread out."""
    first, longest = BACKOFF
    return min(longest, first * float(2 ** (attempts - 1))) * random.uniform(0.5, 1.0)  # noqa: S311 - spread


@lru_cache(maxsize=64)
def content_of(rendition_id: int) -> Content:
    """A frozen rendition, read once by each worker: what was approved cannot change."""
    with reading() as session:
        frozen = session.get_one(Rendition, rendition_id)
        return Content(
            subject=frozen.subject,
            html=frozen.html,
            text=frozen.text,
            fields=tuple(frozen.fields),
            headers=tuple((name, value) for name, value in frozen.headers),
        )


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
