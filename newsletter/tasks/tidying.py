"""What is kept for a while only, and forgotten in time."""

from datetime import timedelta

import structlog

from digests.store.community import wipe_networks
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.readers import uploaded
from newsletter.readers.privacy import retention
from newsletter.settings import settings
from newsletter.tasks import app
from subscribers import bulk
from subscribers.joining import forget_the_unconfirmed

log = structlog.get_logger()


@app.task(name="newsletter.tidy")
def tidy() -> None:
    """Forget what has been kept for its period, and leave no trace of who was erased."""
    now = utc_now()
    with unit_of_work() as session:
        wipe_networks(session, now=now)
    with unit_of_work() as session:
        older_than = timedelta(days=settings().joining.days)
        if count := forget_the_unconfirmed(session, older_than=older_than, now=now):
            log.info("unconfirmed.forgotten", count=count)
    with unit_of_work() as session:
        uploaded.forget(session, before=now - uploaded.KEPT)
    with unit_of_work() as session:
        if count := bulk.forget(session, now=now):
            log.info("bulk.forgotten", count=count)
    retention.keep_to_the_periods(now=now)
    retention.scrub(now=now)
