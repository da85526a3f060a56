"""The tick of drafts: tell the editors of new ones, and meet the deadlines of those nobody has approved."""

from newsletter.clock import utc_now
from newsletter.editions import deadlines
from newsletter.tasks import app


@app.task(name="newsletter.editions.deadlines")
def meet_deadlines() -> None:
    """Whatever has come due since the last tick, once."""
    deadlines.announce(now=utc_now())
    deadlines.meet(now=utc_now())
