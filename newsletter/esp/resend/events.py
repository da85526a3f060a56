"""Resend's webhook: one event a post, signed as Standard Webhooks (Svix) describe."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from newsletter.esp import BadPayload, BadSettings, BadSignature, Event, EventKind
from newsletter.esp.webhooks import (
    Fields,
    check_age,
    fields_of,
    from_iso,
    from_seconds,
    key,
    parsed,
    reason,
    same,
    text,
)

DELIVERY_TAG: Final = "delivery"
BATCH_TAG: Final = "batch"

#: Each attempt is signed anew, so retries over a day are no reason for a longer one.
_OLDEST: Final = timedelta(minutes=5)

_KINDS: Final[Mapping[str, EventKind]] = {
    "email.sent": EventKind.accepted,
    "email.delivered": EventKind.delivered,
    "email.delivery_delayed": EventKind.deferred,
    "email.bounced": EventKind.soft_bounced,
    "email.complained": EventKind.complained,
    "email.opened": EventKind.opened,
    "email.clicked": EventKind.clicked,
    "email.failed": EventKind.dropped,
    "email.suppressed": EventKind.dropped,
}


class Inbound:
    """The webhook half; *secret* is ``whsec_`` and base64, empty when no webhook is wanted."""

    def __init__(self, secret: str) -> None:
        """Raises BadSettings for a secret that is none."""
        self._secret = _loaded(secret) if secret else b""

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The event of one post. Raises BadSignature and BadPayload."""
        call = headers.get("svix-id", "")
        self._verify(headers, call, body, now=now)
        told = parsed(body, "Resend")
        if not isinstance(told, dict):
            raise BadPayload("Resend", "it is not an event")
        return [_event(told, call, now=now)]

    def _verify(self, headers: Mapping[str, str], call: str, body: bytes, *, now: datetime) -> None:
        if not self._secret:
            raise BadSignature("Resend", "no signing secret is set")
        timestamp = headers.get("svix-timestamp", "")
        signed = b".".join((call.encode(), timestamp.encode(), body))
        ours = base64.b64encode(hmac.digest(self._secret, signed, hashlib.sha256)).decode()
        # During a change of secrets there are several. Other versions than v1 are other schemes.
        theirs = headers.get("svix-signature", "").split(" ")
        if not any(same(f"v1,{ours}", signature) for signature in theirs):
            raise BadSignature("Resend", "its signature is wrong")
        sent_at = from_seconds(timestamp)
        check_age(sent_at, provider="Resend", now=now, at_most=_OLDEST)


def _loaded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise BadSettings("Resend", "the webhook secret is not whsec_ and base64") from None


def _event(told: Fields, call: str, *, now: datetime) -> Event:
    said = text(told, "type") or ""
    data = fields_of(told.get("data"))
    bounce, click = fields_of(data.get("bounce")), fields_of(data.get("click"))
    failure = fields_of(data.get("suppressed")) or fields_of(data.get("failed"))
    kind = _KINDS.get(said, EventKind.unknown)
    if said == "email.bounced" and bounce.get("type") == "Permanent":
        kind = EventKind.hard_bounced
    tags, to = _tags(data.get("tags")), data.get("to")
    moment = from_iso(click.get("timestamp")) or from_iso(told.get("created_at"))
    return Event(
        kind=kind,
        key=key("resend", call),
        occurred_at=moment or now,
        delivery=text(tags, DELIVERY_TAG),
        batch=text(tags, BATCH_TAG),
        address=to[0] if isinstance(to, list) and len(to) == 1 and isinstance(to[0], str) else None,
        message_id=text(data, "email_id"),
        reason=reason(text(bounce, "message"), text(failure, "reason")),
        link=text(click, "link"),
        user_agent=text(click, "userAgent"),
        raw_kind=said,
    )


def _tags(value: object) -> Fields:
    """Our tags, which come back as an object; the list in which they are sent is read as well."""
    if isinstance(value, list):
        pairs = [(text(f, "name"), text(f, "value")) for f in map(fields_of, value)]
        return {name: told for name, told in pairs if name}
    return fields_of(value)
