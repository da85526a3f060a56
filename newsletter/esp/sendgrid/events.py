"""SendGrid's event webhook: a signed array of events, with our arguments flattened into each."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.esp import BadPayload, BadSettings, BadSignature, Event, EventKind
from newsletter.esp.webhooks import (
    Fields,
    check_age,
    decoded,
    digest_key,
    fields_of,
    from_seconds,
    parsed,
    reason,
    text,
)

#: SendGrid writes custom arguments beside its own keys, so ours carry a name it will not use.
DELIVERY_ARG: Final = "watv_delivery"
BATCH_ARG: Final = "watv_batch"

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
#: Posts are retried for a day, and nobody says whether a retry is signed anew.
_OLDEST: Final = timedelta(hours=25)

_KINDS: Final[Mapping[str, EventKind]] = {
    "processed": EventKind.accepted,
    "dropped": EventKind.dropped,
    "delivered": EventKind.delivered,
    "deferred": EventKind.deferred,
    "bounce": EventKind.hard_bounced,
    "open": EventKind.opened,
    "click": EventKind.clicked,
    "spamreport": EventKind.complained,
    "unsubscribe": EventKind.unsubscribed,
    "group_unsubscribe": EventKind.unsubscribed,
    "group_resubscribe": EventKind.resubscribed,
}


class Inbound:
    """The webhook half; *public_key* is base64 of the SPKI DER, empty when no webhook is wanted."""

    def __init__(self, public_key: str) -> None:
        """Raises BadSettings for a key that is none."""
        self._key = _loaded(public_key) if public_key else None

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The events of one post. Raises BadSignature and BadPayload."""
        self._verify(headers.get(_SIGNATURE, ""), headers.get(_TIMESTAMP, ""), body, now=now)
        listed = parsed(body, "SendGrid")
        if not isinstance(listed, list):
            raise BadPayload("SendGrid", "it is not a list of events")
        return [_event(fields_of(entry), now=now) for entry in listed]

    def _verify(self, signature: str, timestamp: str, body: bytes, *, now: datetime) -> None:
        if self._key is None:
            raise BadSignature("SendGrid", "no public key is set")
        if not (der := decoded(signature)):
            raise BadSignature("SendGrid", "it has no readable signature")
        try:
            self._key.verify(der, timestamp.encode() + body, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise BadSignature("SendGrid", "its signature is wrong") from None
        check_age(from_seconds(timestamp), provider="SendGrid", now=now, at_most=_OLDEST)


def _loaded(public_key: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(decoded(public_key.strip()) or b"")
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadSettings("SendGrid", "the webhook key is not a base64 public key on a curve")
    return key


def _event(entry: Fields, *, now: datetime) -> Event:
    said = text(entry, "event") or ""
    kind = _KINDS.get(said, EventKind.unknown)
    if said == "bounce" and entry.get("type") == "blocked":
        kind = EventKind.soft_bounced  # turned away for now or by policy; the mailbox exists
    delivery, address = text(entry, DELIVERY_ARG), text(entry, "email")
    message_id, link = text(entry, "sg_message_id"), text(entry, "url")
    user_agent, machine = text(entry, "useragent"), entry.get("sg_machine_open")
    return Event(
        kind=kind,
        # sg_event_id is not used: retried posts have been seen to carry new ones. What
        # happened, to which copy, when and how, is the same in every retry. Without a
        # moment nothing else tells two events apart.
        key=digest_key(
            "sendgrid",
            said,
            entry.get("type"),
            delivery or address,
            entry.get("timestamp") or entry.get("sg_event_id"),
            message_id,
            link,
            entry.get("url_offset"),
            user_agent,
            machine,
            entry.get("attempt"),
        ),
        occurred_at=from_seconds(entry.get("timestamp")) or now,
        delivery=delivery,
        batch=text(entry, BATCH_ARG),
        address=address,
        message_id=message_id,
        reason=reason(text(entry, "reason"), text(entry, "response")),
        link=link,
        machine=machine if isinstance(machine, bool) else None,
        user_agent=user_agent,
        raw_kind=said,
    )
