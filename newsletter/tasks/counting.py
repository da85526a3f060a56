"""The tick that counts what became of editions."""

from newsletter.clock import utc_now
from newsletter.feedback import reporting
from newsletter.tasks import app


@app.task(name="newsletter.count")
def count() -> None:
    """Count every edition whose figures are due: every minute in its first hour, more seldom later."""
    reporting.refresh(now=utc_now())
