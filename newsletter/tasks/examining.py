"""The slow tick that examines what nobody looks at every day."""

from newsletter.clock import utc_now
from newsletter.doctor.examining import is_due, look_and_keep
from newsletter.tasks import app


@app.task(name="newsletter.examine")
def examine() -> None:
    """Examine everything when that is due, and keep what was found: the alerts read it."""
    if is_due(now=utc_now()):
        look_and_keep(clock=utc_now)
