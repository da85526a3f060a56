"""Claim, send, record: hands batches to a provider, and never one that nobody knows about.

No transaction is open while a provider is spoken to. The claim is committed
first, then the intent to post, then come the bytes, then the answer is
recorded; whatever dies in between leaves a row that says how far it got.
"""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session

from digests import lifecycle
from digests.ledger import claims, settlement, splitting
from digests.ledger.claims import Claim
from digests.models import Digest, DigestStatus
from newsletter import tracing
from newsletter.copies.composing import compose, content_of, mailing_of
from newsletter.database import unit_of_work
from newsletter.delivery import circuit
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.delivery.patience import backoff, surely
from newsletter.esp import (
    Accepted,
    Esp,
    NotTaken,
    Outcome,
    Request,
    TooLarge,
    Unknown,
    Unsendable,
)
from newsletter.esp.room import room
from newsletter.providers import provider
from newsletter.settings import settings
from newsletter.tracing import Facts

log = structlog.get_logger()

#: How often single copies are put off by the provider before they count as refused.
MOST_PUT_OFF: Final = 9

#: How often a whole call is refused for what is in it before it is halved to find the culprit.
_WHOLE_REFUSALS: Final = 3

#: Nobody in the batch was to be mailed any more: nothing to wait for.
NOBODY: Final = NotTaken("everybody in the batch was excluded")
#: It was planned for a provider that takes more a call, and is several batches now.
PARTED: Final = NotTaken("parted, for a provider that takes fewer a call")

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
    digest_id: int, *, clock: Clock, until: datetime, draining: threading.Event, worker: str = ""
) -> Progress:
    """Send what may go of one edition, several calls at a time, until nothing is left or *until*.

    Safe from any number of workers. *draining* set: nothing new is claimed, and
    what is in flight settles before this returns. *worker* is what the console
    calls the process, ``host:number`` unless told.
    """
    progress = Progress()
    name = worker or f"{socket.gethostname()}:{os.getpid()}"
    threads = settings().send_threads

    def work(lane: int) -> None:
        worker = f"{name}/{threading.get_native_id()}/{lane}"
        while not draining.is_set() and clock() < until:
            outcome = send_next(digest_id, worker=worker, clock=clock)
            if outcome is None:
                return
            progress.count(outcome)
            if isinstance(outcome, NotTaken) and not (
                outcome.refused or outcome is NOBODY or outcome is PARTED
            ):
                return  # whoever is told to wait leaves the rest to the next tick

    if threads == 1:
        work(0)
        return progress
    with ThreadPoolExecutor(threads, thread_name_prefix="send") as pool:
        for done in [pool.submit(work, lane) for lane in range(threads)]:
            done.result()
    return progress


def send_next(  # noqa: PLR0911 - one for each reason not to post
    digest_id: int, *, worker: str, clock: Clock
) -> Outcome | None:
    """Claim one batch, post it once and record the answer; None when there was nothing to claim."""
    lease_until = clock() + settings().lease_for
    with unit_of_work() as session:
        turn = circuit.choose(session, settings().esp_names, now=clock())
        if turn is None:
            return None
        now = clock()
        claim = claims.claim(session, digest_id, worker=worker, lease_until=lease_until, now=now)
        if claim is None:
            circuit.give_back(session, turn, now=now)
            return None
        esp = provider(turn.provider)
        composed = compose(session, claim)
        claims.exclude(session, claim, composed.unwanted, now=now)
        if not composed.people:
            settlement.nothing_to_send(session, claim, now=now)
            circuit.give_back(session, turn, now=now)
            return NOBODY
    try:
        request = esp.encode(mailing_of(claim, composed.copies))
    except TooLarge:
        circuit.not_called(turn, now=clock())
        return _part(claim, composed.people, esp, now=clock())
    except Unsendable as error:
        circuit.not_called(turn, now=clock())
        return _give_up(claim, str(error), now=clock())
    if not wait_for_a_call(esp.name, clock=clock):
        circuit.not_called(turn, now=clock())
        with unit_of_work() as session:
            return _withdraw(session, claim, "the account's rate left no room", now=clock())
    if (stopped := _intend(claim, request, esp, lease_until=lease_until, clock=clock)) is not None:
        circuit.not_called(turn, now=clock())
        return stopped
    about: Facts = {"batch": claim.number, "provider": esp.name, "copies": request.size}
    with tracing.span("batch.post", digest=digest_id, **about):
        outcome = esp.send(request)
    with tracing.span("batch.settle", digest=digest_id, answer=type(outcome).__name__, **about):
        record_surely(claim, composed.people, outcome, esp=esp, clock=clock)
    return outcome


def _intend(
    claim: Claim, request: Request, esp: Esp, *, lease_until: datetime, clock: Clock
) -> NotTaken | None:
    """Commit to posting *request*; an answer means that it must not be posted after all."""
    body_hash = hashlib.sha256(request.body).hexdigest()
    with unit_of_work() as session:
        now = clock()
        if not claims.intend(session, claim, provider=esp.name, body_hash=body_hash, now=now):
            return _withdraw(session, claim, "stopped before posting", now=now)
    if (now := clock()) < lease_until:
        return None
    # The commit took long, or this machine stood still: somebody may have taken over.
    with unit_of_work() as session:
        return _withdraw(session, claim, "its lease ran out before posting", now=now)


def _withdraw(session: Session, claim: Claim, why: str, *, now: datetime) -> NotTaken:
    """Nothing has been posted: plan it again, unless somebody has decided about it meanwhile."""
    settlement.put_back(session, claim, reason=why, not_before=None, refused={}, now=now)
    return NotTaken(why)


def _part(claim: Claim, people: Sequence[int], esp: Esp, *, now: datetime) -> NotTaken:
    """The batch was planned before *esp* was asked to help: part it into calls that *esp* takes."""
    try:
        fits = room(esp, content_of(claim.rendition_id))
    except TooLarge:
        fits = 1  # two do not fit
    except Unsendable as error:
        return _give_up(claim, str(error), now=now)
    if (size := min(len(people) - 1, fits)) < 1:
        return _give_up(claim, f"not even one copy of it fits into a call of {esp.name}", now=now)
    with unit_of_work() as session:
        why = PARTED.reason
        if settlement.put_back(session, claim, reason=why, not_before=None, refused={}, now=now):
            new = splitting.part(session, claim.digest_id, claim.number, people, size=size)
            log.info(
                "batch.parted", digest_id=claim.digest_id, batch=claim.number, new=new, size=size
            )
    return PARTED


def _give_up(claim: Claim, why: str, *, now: datetime) -> NotTaken:
    """No provider call can carry this content: pause the edition, so that somebody looks at it."""
    with unit_of_work() as session:
        settlement.put_back(session, claim, reason=why, not_before=None, refused={}, now=now)
        digest = session.get_one(Digest, claim.digest_id)
        if digest.status is DigestStatus.sending:
            lifecycle.pause(session, digest, reason=why)
    log.error("digest.stopped", digest_id=claim.digest_id, why=why)
    return NotTaken(why, final=True)


def record_surely(
    claim: Claim, people: Sequence[int], outcome: Outcome, *, esp: Esp, clock: Clock
) -> None:
    """Record an answer that only this process knows, however often the store goes away meanwhile.

    Gives up after the time of one more lease: then proof must be found, as after a death.
    """
    surely(lambda: record(claim, people, outcome, esp=esp, now=clock()), clock=clock)


def record(
    claim: Claim, people: Sequence[int], outcome: Outcome, *, esp: Esp, now: datetime
) -> bool:
    """Write the provider's answer into the ledger; False when the claim was outrun."""
    with unit_of_work() as session:
        match outcome:
            case Accepted():
                circuit.closed(session, esp.name)
                refused = {people[i]: why for i, why in outcome.refused.items()}
                again = [people[i] for i in outcome.again]
                if claim.put_off >= MOST_PUT_OFF:
                    put_off = f"{esp.name} put it off {claim.put_off + 1} times"
                    refused, again = refused | dict.fromkeys(again, put_off), []
                log.info(
                    "batch.accepted",
                    digest_id=claim.digest_id,
                    batch=claim.number,
                    provider=esp.name,
                    copies=len(people) - len(refused) - len(again),
                )
                return settlement.accept(
                    session,
                    claim,
                    message_ids=outcome.message_ids,
                    refused=refused,
                    again=again,
                    again_at=now + timedelta(seconds=backoff(claim.put_off + 1)),
                    reason=outcome.reason,
                    now=now,
                )
            case NotTaken():
                in_a_row = circuit.failed(session, esp.name, outcome, now=now)
                refused = {people[i]: why for i, why in outcome.refused.items()}
                if outcome.of_call and not refused and claim.attempts >= _WHOLE_REFUSALS:
                    refused = _halve(session, claim, people, outcome.reason)
                wait = outcome.retry_after
                if wait is None:
                    wait = _wait_for_the_call(claim, in_a_row)
                log.warning(
                    "batch.put_back",
                    digest_id=claim.digest_id,
                    batch=claim.number,
                    provider=esp.name,
                    why=outcome.reason,
                    wait=round(wait, 1),
                )
                return settlement.put_back(
                    session,
                    claim,
                    reason=outcome.reason,
                    not_before=now + timedelta(seconds=0 if refused else wait),
                    refused=refused,
                    now=now,
                )
            case Unknown():
                circuit.failed(session, esp.name, outcome, now=now)
                log.warning(
                    "batch.uncertain",
                    digest_id=claim.digest_id,
                    batch=claim.number,
                    provider=esp.name,
                    why=outcome.reason,
                )
                return settlement.doubt(session, claim, reason=outcome.reason)


def _halve(session: Session, claim: Claim, people: Sequence[int], reason: str) -> dict[int, str]:
    """Part a call that is refused as a whole; the one copy that is left of it at last is refused.

    A content that no call can carry refuses everybody, and the automatic stop notices after a few.
    """
    if len(people) == 1:
        return {people[0]: reason}
    splitting.split(session, claim.digest_id, claim.number, people[len(people) // 2 :], put_off=0)
    return {}


def _wait_for_the_call(claim: Claim, in_a_row: int) -> float:
    """Seconds until a call that was turned away goes again.

    It grows with the provider's own run of failures and not with the batch's claims, which
    dead workers make too; and never past a provider's rest, because from then on the circuit
    decides who may call.
    """
    turned_away = in_a_row or min(claim.attempts, _WHOLE_REFUSALS)
    return backoff(turned_away, longest=settings().breaker_rest)
