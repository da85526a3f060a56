"""Postmark's webhook: one event a post, unsigned, with a user and password."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from newsletter.esp import BadPayload, Event, EventKind
from newsletter.esp.webhooks import (
    Fields,
    check_basic,
    digest_key,
    fields_of,
    from_iso,
    parsed,
    reason,
    text,
)

DELIVERY_KEY: Final = "delivery"
BATCH_KEY: Final = "batch"

_KINDS: Final[Mapping[str, EventKind]] = {
    "Delivery": EventKind.delivered,
    "SpamComplaint": EventKind.complained,
    "Open": EventKind.opened,
    "Click": EventKind.clicked,
}
# By name: two sources disagree about the numbers. AutoResponder, AddressChange
# and the like are no bounces and stay unknown.
_BOUNCES: Final[Mapping[str, EventKind]] = {
    "HardBounce": EventKind.hard_bounced,
    "BadEmailAddress": EventKind.hard_bounced,
    "SoftBounce": EventKind.soft_bounced,
    "Blocked": EventKind.soft_bounced,
    "DMARCPolicy": EventKind.soft_bounced,
    "DnsError": EventKind.soft_bounced,
    "SpamNotification": EventKind.soft_bounced,
    "VirusNotification": EventKind.soft_bounced,
    "Transient": EventKind.deferred,
    "ManuallyDeactivated": EventKind.dropped,
    "SMTPApiError": EventKind.dropped,
    "TemplateRenderingFailed": EventKind.dropped,
    "SpamComplaint": EventKind.complained,
    "Unsubscribe": EventKind.unsubscribed,
}
_SUPPRESSIONS: Final[Mapping[str, EventKind]] = {
    "HardBounce": EventKind.hard_bounced,
    "SpamComplaint": EventKind.complained,
    "ManualSuppression": EventKind.unsubscribed,
}
_REASONS: Final = ("Description", "Details", "SuppressionReason")
_MOMENTS: Final = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")


class Inbound:
    """The webhook half; *password* is empty when no webhook is wanted."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The event of one post. Raises BadSignature and BadPayload."""
        check_basic(headers, self._user, self._password, provider="Postmark")
        told = parsed(body, "Postmark")
        if not isinstance(told, dict):
            raise BadPayload("Postmark", "it is not an event")
        return [_event(told, now=now)]


def _event(told: Fields, *, now: datetime) -> Event:
    record, detail = text(told, "RecordType") or "", text(told, "Type") or ""
    metadata = fields_of(told.get("Metadata"))
    said_at = next((told[name] for name in _MOMENTS if name in told), None)
    address, link = text(told, "Recipient") or text(told, "Email"), text(told, "OriginalLink")
    own_id, message_id = text(told, "ID"), text(told, "MessageID")
    return Event(
        kind=_kind(told, record, detail),
        # Only bounces and complaints have an id. An opening is told from the next by its time.
        key=digest_key("postmark", record, own_id)
        if own_id
        else digest_key("postmark", record, message_id, address, said_at, link, detail),
        occurred_at=from_iso(said_at) or now,
        delivery=text(metadata, DELIVERY_KEY),
        batch=text(metadata, BATCH_KEY) or text(told, "Tag"),
        address=address,
        message_id=message_id,
        reason=reason(*(text(told, name) for name in _REASONS)),
        link=link,
        user_agent=text(told, "UserAgent"),
        raw_kind=f"{record}:{detail}" if detail else record,
    )


def _kind(told: Fields, record: str, detail: str) -> EventKind:
    if record == "Bounce":
        return _BOUNCES.get(detail, EventKind.unknown)
    if record == "SubscriptionChange":
        if told.get("SuppressSending") is not True:
            return EventKind.resubscribed
        return _SUPPRESSIONS.get(text(told, "SuppressionReason") or "", EventKind.unknown)
    return _KINDS.get(record, EventKind.unknown)
