"""Amazon SES's events, each in a notification of SNS."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from newsletter.esp import Event, EventKind
from newsletter.esp.ses.sns import Envelope
from newsletter.esp.webhooks import Fields, fields_of, from_iso, key, reason, text

DELIVERY_TAG: Final = "delivery"
BATCH_TAG: Final = "batch"

_KINDS: Final[Mapping[str, EventKind]] = {
    "Send": EventKind.accepted,
    "Delivery": EventKind.delivered,
    "DeliveryDelay": EventKind.deferred,
    "Bounce": EventKind.soft_bounced,
    "Complaint": EventKind.complained,
    "Reject": EventKind.dropped,
    "Rendering Failure": EventKind.dropped,
    "Open": EventKind.opened,
    "Click": EventKind.clicked,
}
#: Under which name the details of an event stand, where it is not the event's own in small letters.
_DETAILS: Final[Mapping[str, str]] = {
    "Rendering Failure": "failure",
    "DeliveryDelay": "deliveryDelay",
}


def event_of(envelope: Envelope, *, now: datetime) -> Event:
    """The event in a genuine *envelope*; what is none is kept as unknown.

    A confirmation comes out as unknown too: that somebody subscribed or
    unsubscribed our webhook is worth remembering.
    """
    if envelope["Type"] != "Notification":
        return _bare(envelope, envelope["Type"], now=now)
    told = _read(envelope["Message"])
    said = text(told, "eventType") or text(told, "notificationType")
    if not said:
        return _bare(envelope, "text", now=now)
    mail = fields_of(told.get("mail"))
    detail = fields_of(told.get(_DETAILS.get(said, said.lower())))
    tags, destination = fields_of(mail.get("tags")), mail.get("destination")
    moment = from_iso(detail.get("timestamp")) or from_iso(mail.get("timestamp"))
    return Event(
        kind=_kind(said, detail),
        key=_key(envelope),
        occurred_at=moment or from_iso(envelope["Timestamp"]) or now,
        delivery=_first(tags.get(DELIVERY_TAG)),
        batch=_first(tags.get(BATCH_TAG)),
        address=_first(destination),
        message_id=text(mail, "messageId"),
        reason=_reason(detail),
        link=text(detail, "link"),
        user_agent=text(detail, "userAgent"),
        raw_kind=said,
    )


def _read(message: str) -> Fields:
    """The inner object. The first message after a confirmation is plain text."""
    try:
        return fields_of(orjson.loads(message))
    except ValueError:
        return {}


def _bare(envelope: Envelope, raw_kind: str, *, now: datetime) -> Event:
    return Event(
        kind=EventKind.unknown,
        key=_key(envelope),
        occurred_at=from_iso(envelope["Timestamp"]) or now,
        raw_kind=raw_kind,
    )


def _key(envelope: Envelope) -> str:
    return key("ses", envelope["MessageId"])


def _kind(said: str, detail: Fields) -> EventKind:
    if said == "Bounce" and detail.get("bounceType") == "Permanent":
        # A suppressed one was never tried: the address is on Amazon's own list.
        on_list = "Suppress" in (text(detail, "bounceSubType") or "")
        return EventKind.dropped if on_list else EventKind.hard_bounced
    if said == "Subscription":
        wishes = fields_of(detail.get("newTopicPreferences"))
        by_header = detail.get("source") == "UnsubscribeHeader"
        if wishes.get("unsubscribeAll") is True or by_header:
            return EventKind.unsubscribed
    return _KINDS.get(said, EventKind.unknown)


def _reason(detail: Fields) -> str | None:
    """Why, in the receiving server's words where there are any."""
    listed = detail.get("bouncedRecipients") or detail.get("delayedRecipients")
    first = fields_of(listed[0]) if isinstance(listed, list) and listed else {}
    names = ("reason", "errorMessage", "complaintFeedbackType", "bounceSubType", "delayType")
    return reason(text(first, "diagnosticCode"), *(text(detail, name) for name in names))


def _first(value: object) -> str | None:
    """The first text of a list: SES gives each tag a list of values."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else None
