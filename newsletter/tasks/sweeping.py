"""The ticks of what operators do with many people at once: deeds, and lists that are loaded up."""

from newsletter.clock import utc_now
from newsletter.readers import people, uploads
from newsletter.tasks import app


@app.task(name="newsletter.bulk")
def bulk() -> None:
    """Do what is left of every deed; one that a dead worker left in the middle goes on from there."""
    people.go_on_for_all()


@app.task(name="newsletter.lists")
def lists() -> None:
    """Read the lists that wait, one after the other; what a dead worker left in the middle goes on."""
    while uploads.work(clock=utc_now):
        pass
