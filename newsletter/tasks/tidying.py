"""What is kept for a while only, and forgotten in time."""

from datetime import timedelta

import structlog

from digests.community import wipe_networks
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.settings import settings
from newsletter.tasks import app
from subscribers.joining import forget_the_unconfirmed

log = structlog.get_logger()


@app.task(name="newsletter.tidy")
def tidy() -> None:
    """Forget from which networks yesterday's votes came, and whom nobody has confirmed."""
    now = utc_now()
    with unit_of_work() as session:
        wipe_networks(session, now=now)
    with unit_of_work() as session:
        older_than = timedelta(days=settings().joining.days)
        if count := forget_the_unconfirmed(session, older_than=older_than, now=now):
            log.info("unconfirmed.forgotten", count=count)
