"""What a provider remembers of a batch: events that its webhook told, or did not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from newsletter.esp import CannotTell, Event


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some events of a batch, and where the next ones begin: None behind the last.

    An event that has no delivery reference names its reader by address.
    """

    events: tuple[Event, ...]
    after: str | None


@runtime_checkable
class Remembers(Protocol):
    """An adapter whose provider can be asked for the events of a whole batch."""

    def history(
        self, batch: str, *, since: datetime, now: datetime, after: str | None = None
    ) -> Chapter | CannotTell:
        """Its events since *since*, from the beginning or from behind *after*."""
