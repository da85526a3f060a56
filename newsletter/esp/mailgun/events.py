"""Mailgun's webhook: one event a post, under a signature that covers only its time and token."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import orjson

from newsletter.esp import BadPayload, BadSignature, Event, EventKind
from newsletter.esp.webhooks import (
    Fields,
    check_age,
    digest_key,
    fields_of,
    from_seconds,
    key,
    reason,
    same,
    text,
)

DELIVERY_VARIABLE: Final = "delivery"
BATCH_VARIABLE: Final = "batch"

#: Posts are retried for eight hours, and nobody says whether a retry is signed anew.
_OLDEST: Final = timedelta(hours=9)

_KINDS: Final[Mapping[str, EventKind]] = {
    "accepted": EventKind.accepted,
    "rejected": EventKind.dropped,
    "delivered": EventKind.delivered,
    "opened": EventKind.opened,
    "clicked": EventKind.clicked,
    "unsubscribed": EventKind.unsubscribed,
    "complained": EventKind.complained,
}


class Inbound:
    """The webhook half; *signing_key* is empty when no webhook is wanted."""

    def __init__(self, signing_key: str) -> None:
        self._key = signing_key.encode()

    def events(self, body: bytes, *, now: datetime) -> Sequence[Event]:
        """The event of one post. Raises BadSignature and BadPayload.

        Whoever once saw a signature can put it on any event, so the event
        carries the token, and the store must take each token only once.
        """
        told = fields_of(_read(body))
        signature = fields_of(told.get("signature"))
        token = self._verified(signature, now=now)
        entry = told.get("event-data")
        if not isinstance(entry, dict):
            raise BadPayload("Mailgun", "it holds no event")
        return [event_of(entry, token, now=now)]

    def _verified(self, signature: Fields, *, now: datetime) -> str:
        if not self._key:
            raise BadSignature("Mailgun", "no signing key is set")
        timestamp, token = signature.get("timestamp"), signature.get("token")
        theirs = signature.get("signature")
        if not (isinstance(timestamp, str) and isinstance(token, str) and isinstance(theirs, str)):
            raise BadSignature("Mailgun", "it is not signed")
        signed = (timestamp + token).encode("utf-8", "surrogatepass")
        if not token or not same(hmac.digest(self._key, signed, hashlib.sha256).hex(), theirs):
            raise BadSignature("Mailgun", "its signature is wrong")
        check_age(from_seconds(timestamp), provider="Mailgun", now=now, at_most=_OLDEST)
        return token


def _read(body: bytes) -> object:
    """The body, or None: before the signature is known to be right, nothing is worth an error."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def event_of(entry: Fields, token: str | None = None, *, now: datetime) -> Event:
    """One event, as a webhook posts it and as the log holds it. *token*: of the post's signature."""
    said, own_id = text(entry, "event") or "", text(entry, "id")
    variables, seen_by = fields_of(entry.get("user-variables")), fields_of(entry.get("client-info"))
    headers = fields_of(fields_of(entry.get("message")).get("headers"))
    occurred_at = from_seconds(entry.get("timestamp"))
    link, bot = text(entry, "url"), seen_by.get("bot")
    return Event(
        kind=_failure(entry) if said == "failed" else _KINDS.get(said, EventKind.unknown),
        # Mailgun promises that an id is unique within a day, and no longer.
        key=key("mailgun", f"{own_id}:{occurred_at:%Y-%m-%d}")
        if own_id and occurred_at
        else digest_key(
            "mailgun", said, own_id, entry.get("timestamp"), text(entry, "recipient"), link
        ),
        occurred_at=occurred_at or now,
        delivery=text(variables, DELIVERY_VARIABLE),
        batch=text(variables, BATCH_VARIABLE),
        address=text(entry, "recipient"),
        message_id=text(headers, "message-id"),
        reason=_reason(entry),
        link=link,
        machine=bool(bot) if isinstance(bot, str) else None,
        user_agent=text(seen_by, "user-agent"),
        raw_kind=said,
        token=token,
    )


def _failure(entry: Fields) -> EventKind:
    """How bad a failure is. Only a bounce says that the mailbox is gone; policies change."""
    why = text(entry, "reason") or ""
    if entry.get("severity") != "permanent":
        return EventKind.deferred
    if why.startswith("suppress"):
        return EventKind.dropped
    return EventKind.hard_bounced if why == "bounce" else EventKind.soft_bounced


def _reason(entry: Fields) -> str | None:
    status, rejection = fields_of(entry.get("delivery-status")), fields_of(entry.get("reject"))
    return reason(
        text(status, "message"),
        text(status, "description"),
        text(rejection, "reason"),
        text(entry, "reason"),
    )
