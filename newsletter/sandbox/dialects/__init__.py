"""The providers' languages: what a call must say, what is answered, what their webhooks look like."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

import orjson

from newsletter.sandbox.events import Kind
from newsletter.sandbox.letters import Letter

#: A JSON object as it stands on the wire; what may be in it is the dialect's business.
Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The call is not taken; *answer* says so in the provider's own words."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"Refused with {answer.status}.")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call as it came in. *headers* have lower-case names; *refuses* says which addresses to refuse.

    *number* counts the calls that send, from 1.
    """

    number: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    now: datetime
    refuses: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Copy:
    """One recipient's share of a call. *own* is what the dialect needs, beside the call, to merge it."""

    recipient: str
    provider_id: str
    ref: str | None
    own: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that will be taken once it is stored.

    *shared* is kept once for all copies. *key* is the caller's idempotency key.
    An arrival without copies is answered and leaves nothing behind.
    """

    shared: Wire
    copies: Sequence[Copy]
    answer: Answer
    subject: str = ""
    batch: str | None = None
    tags: Sequence[str] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to one message, for the dialect to tell the webhook."""

    kind: Kind
    token: str  # unique to this event
    at: datetime
    provider_id: str
    recipient: str
    accepted_at: datetime
    shared: Wire
    own: Wire
    link: str | None = None


class Webhooks(Protocol):
    """How one provider calls back."""

    #: Bytes of events in one post; 0 for one event a post.
    batch_bytes: ClassVar[int]

    def tells(self, kind: Kind) -> bool:
        """Whether the provider's webhooks have a word for *kind*."""

    def event(self, happening: Happening) -> bytes:
        """The happening as one JSON event."""

    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """The post as it goes out at this attempt: body and headers, signed."""

    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        """Seconds until the next attempt after *attempt* failed ones, or None to give up."""


class Dialect(Protocol):
    """One provider, as its documents describe it."""

    name: ClassVar[str]
    #: Path templates of the calls that send, in Starlette's notation.
    sends: ClassVar[Sequence[str]]
    #: Methods and path templates of the calls that only ask.
    asks: ClassVar[Sequence[tuple[str, str]]]
    max_body: ClassVar[int]  # bytes
    #: How long the same key is not taken twice; None without keys.
    key_lives: ClassVar[timedelta | None] = None
    webhooks: Webhooks

    def authorise(self, call: Incoming) -> None:
        """Raise Refused unless the call carries our credential."""

    def read(self, call: Incoming) -> Arrival:
        """The call taken apart; raise Refused when the contract does not allow it."""

    def failure(self, status: int, *, retry_after: float | None, now: datetime) -> Answer:
        """How the provider says 413, 429, 500 or 503."""

    def answer_in_flight(self) -> Answer:
        """The answer to a key whose first call is not answered yet."""
        raise LookupError(f"{self.name} knows no idempotency keys.")

    def answer_again(self, first: Answer, *, same_body: bool) -> Answer:
        """The answer to a key that was answered with *first*, for the same or another body."""
        del first, same_body
        raise LookupError(f"{self.name} knows no idempotency keys.")

    def letter(self, shared: Wire, own: Wire, recipient: str) -> Letter:
        """One copy, merged as the provider merges it."""

    def question(self, call: Incoming) -> Answer:
        """The answer to one of the calls in ``asks``; 404 for what does not exist."""


def to_json(value: object) -> bytes:
    """*value* as compact JSON."""
    return orjson.dumps(value)


def answer_json(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer."""
    return Answer(status, to_json(value), {"content-type": "application/json", **(headers or {})})


def named(meta: Mapping[str, str], word: str) -> str | None:
    """The first value whose name contains *word*.

    The sandbox cannot know what the sender calls its delivery reference or its
    batch tag, only that the name will say so.
    """
    return next((value for name, value in meta.items() if word in name.lower()), None)
