"""What the desk shows without waiting: where links lead, and how long lists weigh."""

from newsletter import reach
from newsletter.clock import utc_now
from newsletter.preflight import shapes
from newsletter.tasks import app

_ROUND = 20.0  # seconds: less than until the next message


@app.task(name="newsletter.ask_links")
def ask_links() -> None:
    """Ask the links of coming editions that have not been asked lately."""
    reach.ask_due(clock=utc_now, within=_ROUND)


@app.task(name="newsletter.measure_readers")
def measure_readers() -> None:
    """Group a long list anew, so that preflight's page need not."""
    shapes.refresh(now=utc_now())
