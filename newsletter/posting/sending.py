"""Claim, intend, post once, record: letters one at a time, with the editions' pacing and circuit."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

import structlog
from jinja2 import TemplateError
from sqlmodel import Session

from newsletter.database import unit_of_work
from newsletter.delivery import circuit
from newsletter.delivery.pacing import wait_for_a_call
from newsletter.delivery.patience import backoff, surely
from newsletter.esp import Accepted, Esp, NotTaken, Outcome, Request, Unknown, Unsendable
from newsletter.posting import claims
from newsletter.posting.claims import Held
from newsletter.posting.composing import compose
from newsletter.posting.recipients import Nobody
from newsletter.providers import provider
from newsletter.rendering.mjml import BadTemplate
from newsletter.settings import settings

log = structlog.get_logger()

Clock = Callable[[], datetime]

#: How often a call is refused, or put off, before its letter counts as refused.
MOST_REFUSALS: Final = 3
MOST_PUT_OFF: Final = 9


def send_letters(*, clock: Clock, until: datetime, draining: threading.Event) -> int:
    """Post what may go until nothing is left or *until*; returns how many the provider took.

    Safe from any number of workers. *draining* set: nothing new is claimed.
    """

    def work(lane: int) -> int:
        worker = f"{socket.gethostname()}/{os.getpid()}/letters/{lane}"
        taken = 0
        while not draining.is_set() and clock() < until:
            outcome = send_next(worker=worker, clock=clock)
            if outcome is None:
                break
            taken += isinstance(outcome, Accepted)
            if isinstance(outcome, NotTaken) and not (outcome.of_call or outcome.refused):
                break  # whoever is told to wait leaves the rest to the next tick
        return taken

    threads = settings().send_threads
    if threads == 1:
        return work(0)
    with ThreadPoolExecutor(threads, thread_name_prefix="letters") as pool:
        return sum(pool.map(work, range(threads)))


def send_next(  # noqa: PLR0911 - one for each reason not to post
    *, worker: str, clock: Clock
) -> Outcome | Nobody | None:
    """Claim one letter, post it once and record the answer; None when there was none to claim."""
    lease_until = clock() + settings().lease_for
    with unit_of_work() as session:
        now = clock()
        turn = circuit.choose(session, settings().esp_names, now=now)
        if turn is None:
            return None
        claimed = claims.claim(session, worker=worker, lease_until=lease_until, now=now)
        if claimed is None:
            circuit.give_back(session, turn, now=now)
            return None
        esp, held, kind = provider(turn.provider), claims.held(claimed), claimed.kind
        try:
            composed = compose(session, claimed, now=now)
            if isinstance(composed, Nobody):
                circuit.give_back(session, turn, now=now)
                claims.exclude(session, held, reason=composed.reason, now=now)
                log.info("letter.excluded", letter=held.id, kind=kind, why=composed.reason)
                return composed
            request = esp.encode(composed.mailing)
        except (BadTemplate, TemplateError, LookupError, Unsendable) as error:
            circuit.give_back(session, turn, now=now)
            return _cannot_be_said(session, held, kind, error, now=now)
    if not wait_for_a_call(esp.name, clock=clock):
        circuit.not_called(turn, now=clock())
        return _withdraw(held, "the account's rate left no room", now=clock())
    if not intend(held, request, esp, lease_until=lease_until, clock=clock):
        circuit.not_called(turn, now=clock())
        return _withdraw(held, "stopped before posting", now=clock())
    outcome = esp.send(request)
    surely(lambda: record(held, kind, outcome, esp=esp, now=clock()), clock=clock)
    return outcome


def intend(held: Held, request: Request, esp: Esp, *, lease_until: datetime, clock: Clock) -> bool:
    """Commit to posting *request*; False when it must not be posted after all."""
    body_hash = hashlib.sha256(request.body).hexdigest()
    with unit_of_work() as session:
        if not claims.intend(session, held, provider=esp.name, body_hash=body_hash, now=clock()):
            return False
    # The commit took long, or this machine stood still: somebody may have taken over.
    return clock() < lease_until


def record(held: Held, kind: str, outcome: Outcome, *, esp: Esp, now: datetime) -> None:
    """Write the provider's answer down."""
    with unit_of_work() as session:
        match outcome:
            case Accepted():
                circuit.closed(session, esp.name)
                if outcome.refused:
                    claims.refuse(session, held, reason=outcome.refused[0], now=now)
                elif outcome.again:
                    _again(session, held, f"{esp.name} put it off", most=MOST_PUT_OFF, now=now)
                else:
                    message_id = next(iter(outcome.message_ids), "")
                    claims.accept(
                        session, held, message_id=message_id, reason=outcome.reason, now=now
                    )
                    log.info("letter.accepted", letter=held.id, kind=kind, provider=esp.name)
            case NotTaken():
                circuit.failed(session, esp.name, outcome, now=now)
                log.warning("letter.put_back", letter=held.id, kind=kind, why=outcome.reason)
                if outcome.refused:
                    claims.refuse(session, held, reason=outcome.refused[0], now=now)
                else:
                    most = MOST_REFUSALS if outcome.of_call else None
                    wait = outcome.retry_after
                    _again(session, held, outcome.reason, most=most, wait=wait, now=now)
            case Unknown():
                circuit.failed(session, esp.name, outcome, now=now)
                claims.doubt(session, held, reason=outcome.reason)
                log.warning("letter.uncertain", letter=held.id, kind=kind, why=outcome.reason)


def _again(  # noqa: PLR0913 - why, how often and when
    session: Session,
    held: Held,
    reason: str,
    *,
    most: int | None,
    wait: float | None = None,
    now: datetime,
) -> None:
    """The provider certainly did not take it: plan it again, unless that has been *most* times enough."""
    if most is not None and held.attempts >= most:
        claims.refuse(session, held, reason=f"{reason} ({held.attempts} times)", now=now)
        return
    pause = backoff(held.attempts) if wait is None else wait
    claims.put_back(session, held, reason=reason, not_before=now + timedelta(seconds=pause))


def _withdraw(held: Held, why: str, *, now: datetime) -> NotTaken:
    with unit_of_work() as session:
        claims.put_back(session, held, reason=why, not_before=now)
    return NotTaken(why)


def _cannot_be_said(
    session: Session, held: Held, kind: str, error: Exception, *, now: datetime
) -> NotTaken:
    """No provider call can carry it, or its template lacks a value: an engineer has to look."""
    said = str(error) if isinstance(error, BadTemplate | Unsendable) else type(error).__name__
    claims.refuse(session, held, reason=f"it cannot be written out: {said}", now=now)
    log.error("letter.broken", letter=held.id, kind=kind, why=said)
    return NotTaken(said, of_call=True)
