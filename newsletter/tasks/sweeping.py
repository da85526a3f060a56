"""The tick that goes on with what operators do for many people at once."""

from newsletter import people
from newsletter.tasks import app


@app.task(name="newsletter.bulk")
def bulk() -> None:
    """Do what is left of every deed; one that a dead worker left in the middle goes on from there."""
    people.go_on_for_all()
