"""The tick that asks a provider what became of copies, once its webhook has been silent too long."""

import structlog

from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.editions import production
from newsletter.feedback import hearing
from newsletter.tasks import app
from newsletter.watching.looking import without_events

log = structlog.get_logger()


@app.task(name="newsletter.hear")
def hear() -> None:
    """Fetch the events of each edition about which the alarm for silence is on."""
    with reading() as session:
        silent = [
            production.by_issue(session, issue).id or 0
            for issue in without_events(session, now=utc_now())
        ]
    for digest_id in silent:
        heard = hearing.catch_up(digest_id, clock=utc_now)
        log.info("events.fetched", digest_id=digest_id, new=heard.new, stopped=heard.stopped)
