"""Fakes that behave: a provider that remembers what it took, and answers as it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from newsletter.esp import (
    Absent,
    Accepted,
    Event,
    Finding,
    Found,
    Mailing,
    Outcome,
    Request,
    Traits,
    Unknown,
)

#: A provider without keys, whose search is believed after a minute.
SEARCHABLE: Final = Traits(
    copies_per_call=1000,
    bytes_per_call=10**9,
    key_lives=None,
    atomic=True,
    search_lag=timedelta(seconds=60),
)


@dataclass
class RememberingEsp:
    """Takes every mailing, unless told what to answer next.

    An answer of Unknown counts as taken when *takes_in_silence*: the mail went
    out, and only the answer was lost.
    """

    name: ClassVar[str] = "sendgrid"
    traits: Traits = field(default_factory=lambda: SEARCHABLE)
    answers: list[Outcome] = field(default_factory=list)
    takes_in_silence: bool = False
    taken: list[Mailing] = field(default_factory=list)
    mailings: list[Mailing] = field(default_factory=list)
    _known: dict[bytes, Mailing] = field(default_factory=dict)

    def encode(self, mailing: Mailing) -> Request:
        self.mailings.append(mailing)
        body = f"{mailing.key}:{','.join(copy.address for copy in mailing.copies)}".encode()
        self._known[body] = mailing
        return Request(path="/", headers={}, body=body, size=len(mailing.copies))

    def send(self, request: Request) -> Outcome:
        assert request.size
        answer = self.answers.pop(0) if self.answers else Accepted(("m",))
        took = isinstance(answer, Accepted) or (
            isinstance(answer, Unknown) and self.takes_in_silence
        )
        if took:
            self.taken.append(self._known[request.body])
        return answer

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        assert since <= now
        if any(mailing.batch == batch for mailing in self.taken):
            return Found("the search shows it")
        return Absent("the search shows nothing")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        raise AssertionError((headers, body, now))

    def close(self) -> None:
        pass

    @property
    def addresses(self) -> list[str]:
        """Everybody who got mail, once for each copy."""
        return sorted(copy.address for mailing in self.taken for copy in mailing.copies)
