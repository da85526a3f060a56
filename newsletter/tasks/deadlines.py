"""The tick of drafts: new ones are told of, deadlines met, and whatever still waits bears the day's date."""

from newsletter.clock import utc_now
from newsletter.editions import deadlines
from newsletter.tasks import DEADLINES, app


@app.task(name=DEADLINES)
def meet_deadlines() -> None:
    """Whatever has come due since the last tick, once."""
    deadlines.announce(now=utc_now())
    deadlines.meet(now=utc_now())
    deadlines.redate(now=utc_now())
