"""The port to email service providers: a batch out, an outcome in; events in, our events out.

One module for each provider stands beside this one. An adapter knows its
provider's wire format and nothing of the database; it never retries, because
only the ledger knows whether trying again is safe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Content:
    """A compiled mail. *fields* name the placeholders (``[%name%]``) that differ from copy to copy.

    *headers* are the mail's own extra headers, in order; their values may hold placeholders.
    """

    subject: str
    html: str
    text: str
    fields: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Copy(NamedTuple):
    """One person's copy; a tuple, because a million of them are made.

    *ref* is our delivery reference, opaque, of ``[A-Za-z0-9_-]``, at most 64
    characters: providers hand it back in their events. *values* stand in the
    order of ``Content.fields`` and are plain (tokens, dates): safe in HTML,
    text, headers and JSON as they are.
    """

    ref: str
    address: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mailing:
    """One call's worth of copies of one content.

    *batch* is our batch tag (same alphabet as ``Copy.ref``, at most 64
    characters); *key* is a UUID and the same for every attempt at this batch.
    *track_opens* and *track_clicks*: whether the provider is to watch, where a call can say so.
    """

    batch: str
    key: str
    sender_name: str
    sender_address: str
    reply_to: str | None
    content: Content
    copies: Sequence[Copy]
    track_opens: bool = False
    track_clicks: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A mailing as bytes, made before the ledger commits the intent to post it.

    *size* is the number of copies. Two requests are the same attempt exactly
    when their bodies are equal.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it. *message_ids*: one for each copy, or a single one for the call.

    *refused* maps a copy's position to the provider's reason: those are final, the others stand.
    *again* are the positions it certainly did not take and that may be tried once more. Both
    have an empty message id.
    """

    message_ids: tuple[str, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    again: frozenset[int] = frozenset()
    reason: str | None = None  # how it is known, when not from the plain answer to this call


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The provider certainly took nothing of it.

    *retry_after* in seconds when the provider names it. *final*: no retry can
    help until an operator changes something (credentials, domain, quota).
    *refused*: positions whose addresses made the provider refuse the whole
    call; without them the rest may be tried again.
    """

    reason: str
    retry_after: float | None = None
    final: bool = False
    refused: Mapping[int, str] = field(default_factory=dict)
    of_call: bool = False  # about this request and not about the account: others may well be taken


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: a timeout, a connection lost after writing, a 5xx."""

    reason: str


Outcome = Accepted | NotTaken | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The provider's search shows these deliveries (``Copy.ref``); with none named, the batch."""

    evidence: str
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider was asked and knows nothing of the batch (yet: see ``Traits.search_lag``)."""

    evidence: str


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The provider has no such search, or would not answer it."""

    reason: str


Finding = Found | Absent | CannotTell


@dataclass(frozen=True, slots=True)
class Traits:
    """What a provider's contract promises.

    *copies_per_call* and *bytes_per_call* are upper limits. *key_lives*: how
    long the same key with the same body is answered without a second mail;
    None without such keys. *atomic*: a call is taken whole or not at all, so
    proof for one copy proves its neighbours. *search_lag*: once this long has
    passed, absence from the search is believed; None when there is no search.
    """

    copies_per_call: int
    bytes_per_call: int
    key_lives: timedelta | None
    atomic: bool
    search_lag: timedelta | None


class EventKind(StrEnum):
    """What a provider can tell about a copy."""

    accepted = "accepted"  # the provider says it has it: settles an uncertain copy
    delivered = "delivered"
    deferred = "deferred"
    hard_bounced = "hard_bounced"
    soft_bounced = "soft_bounced"
    dropped = "dropped"  # accepted, then not sent: on the provider's own suppression list
    complained = "complained"
    unsubscribed = "unsubscribed"  # through the provider's own link
    resubscribed = "resubscribed"
    opened = "opened"
    clicked = "clicked"
    unknown = "unknown"  # kept, never dropped


class Event(NamedTuple):
    """One thing a provider told us.

    *key* is what makes it the same event when it comes twice, at most 200
    characters. *delivery* and *batch* are our own references as they came
    back, None when the provider did not echo them. *machine*: the provider's
    flag, None when it has none. *occurred_at* is aware, in UTC.

    *token* is a nonce that the provider's scheme allows once (Mailgun, whose signature does
    not cover the event): the store keeps it with the key, takes the same pair for a repeat
    and refuses the same token with another key.
    """

    kind: EventKind
    key: str
    occurred_at: datetime
    delivery: str | None = None
    batch: str | None = None
    address: str | None = None
    message_id: str | None = None
    reason: str | None = None
    link: str | None = None
    machine: bool | None = None
    user_agent: str | None = None
    raw_kind: str = ""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """A genuine request to confirm that a webhook is ours; *url* was checked, not yet fetched."""

    topic: str
    url: str


class EspError(Exception):
    """Base of what can be wrong with a provider's webhook or settings."""


class BadSignature(EspError):
    """The webhook is not from the provider, or our secret is not its secret."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"The {provider} webhook was refused: {why}.")
        self.provider, self.why = provider, why


class BadPayload(EspError):
    """The webhook is signed, but cannot be read."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"The {provider} webhook could not be read: {why}.")
        self.provider, self.why = provider, why


class CannotVerify(EspError):
    """The webhook could not be checked just now: the provider is to send it again (answer 503)."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"The {provider} webhook could not be checked: {why}.")
        self.provider, self.why = provider, why


class BadSettings(EspError):
    """An adapter cannot work with what it was given."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"The settings for {provider} are wrong: {why}.")
        self.provider, self.why = provider, why


class Unsendable(EspError):
    """The mailing cannot be put into the provider's words: nothing was sent, or ever will be."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"{provider} cannot take this mailing: {why}.")
        self.provider, self.why = provider, why


class TooLarge(Unsendable):
    """The mailing is too much for one call, by copies or by weight: in parts it may well go."""


class Esp(Protocol):
    """What the service needs of a provider."""

    name: ClassVar[str]
    traits: Traits

    def encode(self, mailing: Mailing) -> Request:
        """*mailing* as the provider's bytes; equal mailings give equal bytes. Raises Unsendable."""

    def send(self, request: Request) -> Outcome:
        """Post *request* once. Never raises for what the provider or the network does."""

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Ask the provider whether it has *batch*, first posted at *since*."""

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The events of one webhook call; *headers* have lower-case names.

        Raises BadSignature before anything is parsed, BadPayload for a signed body we cannot
        read, CannotVerify when the check itself was impossible.
        """

    def close(self) -> None:
        """Give back the connections."""


@runtime_checkable
class ShakesHands(Protocol):
    """A provider that sends events only after its first call was answered (Amazon SNS)."""

    def handshake(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Handshake | None:
        """The confirmation that this webhook call asks for; None when it brings events.

        Raises as ``events`` does, and BadSignature for a topic that is not on the allow-list.
        """

    def confirm(self, handshake: Handshake) -> bool:
        """Answer it; False when the provider did not hear us. Safe to repeat."""
