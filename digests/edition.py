"""One edition as values: everything the mail says, decided before anything is rendered."""

from dataclasses import dataclass
from datetime import date

from digests.facts import ComparisonFacts, Verdict
from digests.week_said import WeekSaid


@dataclass(frozen=True, slots=True)
class Quote:
    """A reviewer's own words, cut at the end of a sentence. *score* is out of 100."""

    text: str
    tool: str
    reviewer: str | None = None
    score: int | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One comparison in an edition.

    *address* is the full comparison's page. *changes* are sentences on what
    moved since readers last saw it; empty for a comparison they never saw.
    *voices* are the quotes an editor chose; None leaves it at the case and the dissent.
    """

    facts: ComparisonFacts
    address: str
    case: Quote | None = None
    dissent: Quote | None = None
    changes: tuple[str, ...] = ()
    note: str | None = None
    voices: tuple[Quote, ...] | None = None

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """What is quoted, in the order in which it stands in the mail."""
        if self.voices is not None:
            return self.voices
        return tuple(quote for quote in (self.case, self.dissent) if quote)


@dataclass(frozen=True, slots=True)
class Missed:
    """An earlier edition that these readers missed: what they see of it, and how many *more* there were."""

    issue: str
    number: int
    dated: date
    entries: tuple[Entry, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Edition:
    """What one digest says to the readers who share a choice of topics.

    *issue* is ``2026-W48``, *number* the 48 in it; *dated* is the day it goes
    out where the schedule lives. *opening* is Markdown. *readers* is what they
    made of the week before; None when they said nothing new. *missed* is for those
    whom earlier editions passed over, the newest first.
    """

    issue: str
    number: int
    dated: date
    subject: str
    preheader: str
    opening: str
    entries: tuple[Entry, ...]
    readers: WeekSaid | None = None
    missed: tuple[Missed, ...] = ()
