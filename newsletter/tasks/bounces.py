"""The tick that judges soft bounces."""

from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.feedback import bouncing
from newsletter.tasks import app


@app.task(name="newsletter.soft_bounces")
def soft_bounces() -> None:
    """Suppress whoever bounced softly too often, and forgive whom mail has reached since."""
    with unit_of_work() as session:
        bouncing.hold_to_the_policy(session, now=utc_now())
