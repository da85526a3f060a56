"""How often a reader wants mail, as their pages ask for it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from subscribers.models import Subscriber
from subscribers.pace import Pace

#: Whoever wants less for longer than this may as well come back when they like.
_LONGEST_PAUSE: Final = timedelta(days=366)


class BadChoice(HTTPException):
    """What a reader chose cannot be; *part* is the form's, beside which the sentence stands.

    *given* is what they typed, where it is worth mending.
    """

    def __init__(self, part: str, sentence: str, *, given: str = "") -> None:
        super().__init__(422, sentence)
        self.part, self.given = part, given


@dataclass(frozen=True, slots=True)
class Chosen:
    """A reader's pace as the page shows it: the day that pauses may last until, and theirs if they pause."""

    pace: str
    paused_until: date | None
    first: date  # that a pause may last until
    last: date
    suggested: date

    @property
    def ticked(self) -> str:
        """Which of the three it is."""
        return "paused" if self.paused_until else self.pace

    @property
    def until(self) -> str:
        """The day on which their pause ends, in words."""
        end = self.paused_until
        return f"{end.day} {end:%B %Y}" if end else ""


def chosen(person: Subscriber | None, *, now: datetime) -> Chosen:
    """The pace of *person*, by their own clocks; a pause that is over is none."""
    today = now.astimezone(ZoneInfo(person.zone if person else "UTC")).date()
    until = person.paused_until if person else None
    return Chosen(
        person.pace if person else Pace.weekly,
        until if until is not None and until > today else None,
        today + timedelta(days=1),
        today + _LONGEST_PAUSE,
        today + timedelta(days=30),
    )


def day_of(words: str, known: Chosen) -> date:
    """The day of *words*, if a pause may last until it. Raises BadChoice."""
    try:
        day = date.fromisoformat(words.strip())
    except ValueError:
        raise BadChoice("pace", "Say until which day, as 2027-01-31.") from None
    if not known.first <= day <= known.last:
        raise BadChoice(
            "pace",
            f"A pause lasts until a day from {known.first} to {known.last}; choose one of those.",
        )
    return day
