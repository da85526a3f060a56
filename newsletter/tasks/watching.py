"""The tick that looks after everything else."""

from newsletter.clock import utc_now
from newsletter.tasks import app
from newsletter.watching.calling import tell
from newsletter.watching.looking import look_after


@app.task(name="newsletter.watch")
def watch() -> None:
    """Keep what is wrong as alerts, and tell the webhook what it has not heard of."""
    look_after(now=utc_now())
    tell(clock=utc_now)
