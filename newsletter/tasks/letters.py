"""The tick of everything that is not an edition: confirmations, sign-ins, answers to requests."""

from datetime import timedelta

import structlog

from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.posting import claims
from newsletter.posting.reconciling import reconcile_letters
from newsletter.posting.sending import send_letters
from newsletter.settings import settings
from newsletter.tasks import app
from newsletter.tasks.draining import Draining

log = structlog.get_logger()


@app.task(name="newsletter.letters")
def letters() -> None:
    """Take back what dead workers held, post what may go, and ask about what nobody knows."""
    tick = settings().tick
    until = utc_now() + timedelta(seconds=max(10.0, tick * 4))
    with unit_of_work() as session:
        planned, uncertain = claims.sweep(session, now=utc_now())
    if planned or uncertain:
        log.warning("leases.ran_out", letters=planned, letters_uncertain=uncertain)
    send_letters(clock=utc_now, until=until, draining=Draining())
    every = timedelta(seconds=max(1.0, tick * 2))
    reconcile_letters(clock=utc_now, every=every, until=until, draining=Draining())
