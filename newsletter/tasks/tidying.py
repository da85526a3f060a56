"""What is kept for a while only, and forgotten in time."""

from digests.community import wipe_networks
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.tasks import app


@app.task(name="newsletter.tidy")
def tidy() -> None:
    """Forget from which networks yesterday's votes came."""
    with unit_of_work() as session:
        wipe_networks(session, now=utc_now())
