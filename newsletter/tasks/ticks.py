"""What beat's ticks do: read the clock, open one unit of work, call one function of the flow."""

import os
from datetime import timedelta

import structlog
from celery.exceptions import OperationalError

from newsletter import tracing
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.delivery import dispatch, guarding
from newsletter.delivery.reconciling import reconcile
from newsletter.delivery.sending import send_batches
from newsletter.editions import deadlines, production
from newsletter.settings import settings
from newsletter.tasks import app
from newsletter.tasks.beating import our_name
from newsletter.tasks.draining import Draining

log = structlog.get_logger()


@app.task(name="newsletter.assemble")
def assemble() -> None:
    """Make a draft of every turn that is due, also of what an edition had that nobody approved in time."""
    deadlines.let_go(now=utc_now())
    with tracing.span("tick.assemble"), unit_of_work() as session:
        production.assemble_due(session, now=utc_now())


@app.task(name="newsletter.start")
def start() -> None:
    """Plan every approved edition whose hour has come, and nudge the workers."""
    with unit_of_work() as session:
        production.void_what_changed(session)
    with tracing.span("tick.start"), unit_of_work(snapshot=True) as session:
        started = dispatch.start_due(session, now=utc_now())
    nudge(started)


@app.task(name="newsletter.send")
def send() -> None:
    """Take back what dead workers held, close finished books, and nudge whatever can go."""
    now = utc_now()
    with unit_of_work() as session:
        dispatch.sweep(session, now=now)
        dispatch.close_finished(session, now=now)
        guarding.watch(session, now=now)
    with reading() as session:
        waiting = dispatch.sending_now(session, now=now)
    nudge(waiting)


def nudge(digest_ids: list[int]) -> None:
    """Wake as many processes as may join in each send; one that is woken in vain finds nothing.

    A nudge that cannot be sent is lost: the next tick finds the same rows.
    """
    try:
        for digest_id in digest_ids:
            for _ in range(settings().send_processes):
                send_digest.apply_async((digest_id,), expires=max(10.0, settings().tick * 3))
    except OperationalError as error:
        log.warning("nudge.lost", why=type(error.__cause__ or error).__name__)


@app.task(name="newsletter.send_digest")
def send_digest(digest_id: int) -> None:
    """Send batches of one edition for a while; the next tick sends somebody again if any are left."""
    until = utc_now() + timedelta(seconds=max(10.0, settings().tick * 4))
    with tracing.span("turn.of_worker", digest=digest_id):
        send_batches(digest_id, clock=utc_now, until=until, draining=Draining(), worker=our_name())
    with unit_of_work() as session:
        dispatch.close_finished(session, now=utc_now())


@app.task(name="newsletter.reconcile")
def reconcile_uncertain() -> None:
    """Ask about every uncertain batch that has not been asked about lately."""
    every = timedelta(seconds=max(1.0, settings().tick * 2))
    # One round may take a worker process for a while and no longer: the others are for sending.
    until = utc_now() + timedelta(seconds=max(10.0, settings().tick * 4))
    worker = f"reconcile/{os.getpid()}"
    reconcile(clock=utc_now, every=every, worker=worker, until=until, draining=Draining())
