"""The tick that takes over, every night, whom providers do not mail."""

import structlog

from newsletter.clock import utc_now
from newsletter.feedback import suppressing
from newsletter.tasks import app

log = structlog.get_logger()


@app.task(name="newsletter.take_over")
def take_over() -> None:
    """Read the lists that are due; one that stops in the middle goes on an hour later."""
    for name in suppressing.due(now=utc_now()):
        if stopped := suppressing.pull(name, clock=utc_now).stopped:
            log.warning("suppressions.stopped", provider=name, why=stopped)
