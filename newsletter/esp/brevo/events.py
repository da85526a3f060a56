"""Brevo's webhook: an event a post, or a list of them, unsigned, with a user and password."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from newsletter.esp import BadPayload, Event, EventKind
from newsletter.esp.webhooks import (
    Fields,
    check_basic,
    digest_key,
    fields_of,
    from_seconds,
    parsed,
    reason,
    text,
)

#: The one header that Brevo gives back in its events; recipients can read it.
CUSTOM_HEADER: Final = "X-Mailin-custom"
_CUSTOM: Final = re.compile(r"delivery:([A-Za-z0-9_-]{1,64})\|batch:([A-Za-z0-9_-]{1,64})")

_KINDS: Final[Mapping[str, EventKind]] = {
    "request": EventKind.accepted,
    "delivered": EventKind.delivered,
    "deferred": EventKind.deferred,
    "soft_bounce": EventKind.soft_bounced,
    "hard_bounce": EventKind.hard_bounced,
    "invalid_email": EventKind.hard_bounced,
    "blocked": EventKind.dropped,
    "error": EventKind.dropped,
    "spam": EventKind.complained,
    "unsubscribed": EventKind.unsubscribed,
    "unsubscribe": EventKind.unsubscribed,
    "opened": EventKind.opened,
    "unique_opened": EventKind.opened,
    "proxy_open": EventKind.opened,
    "unique_proxy_open": EventKind.opened,
    "click": EventKind.clicked,
}


def custom_value(ref: str, batch: str) -> str:
    """Our references as the custom header carries them."""
    return f"delivery:{ref}|batch:{batch}"


class Inbound:
    """The webhook half; *password* is empty when no webhook is wanted."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The events of one post. Raises BadSignature and BadPayload."""
        check_basic(headers, self._user, self._password, provider="Brevo")
        told = parsed(body, "Brevo")
        if not isinstance(told, dict | list):
            raise BadPayload("Brevo", "it is neither an event nor a list of them")
        entries = told if isinstance(told, list) else [told]
        return [_event(fields_of(entry), now=now) for entry in entries]


def _event(entry: Fields, *, now: datetime) -> Event:
    said = text(entry, "event") or ""
    kind = _KINDS.get(said, EventKind.unknown)
    found = _CUSTOM.fullmatch(text(entry, CUSTOM_HEADER) or "")
    address, message_id = text(entry, "email"), text(entry, "message-id")
    link = text(entry, "link")
    milliseconds = entry.get("ts_epoch")
    occurred_at = (
        from_seconds(milliseconds / 1000) if isinstance(milliseconds, int | float) else None
    ) or from_seconds(entry.get("ts_event"))
    machine = "proxy" in said if kind is EventKind.opened else None
    return Event(
        kind=kind,
        # "id" is the webhook's own, the same in every post. The first opening comes twice,
        # as opened and as unique_opened: by its kind and moment it is one.
        key=digest_key(
            "brevo",
            said if kind is EventKind.unknown else kind,
            message_id,
            found[1] if found else address,
            milliseconds or entry.get("ts_event") or entry.get("date"),
            link,
            machine,
        ),
        occurred_at=occurred_at or now,
        delivery=found[1] if found else None,
        batch=found[2] if found else _tag(entry),
        address=address,
        message_id=message_id,
        reason=reason(text(entry, "reason")),
        link=link,
        machine=machine,
        user_agent=text(entry, "user_agent"),
        raw_kind=said,
    )


def _tag(entry: Fields) -> str | None:
    """The batch, which is the only tag we set."""
    tags = entry.get("tags")
    return (
        tags[0] if isinstance(tags, list) and len(tags) == 1 and isinstance(tags[0], str) else None
    )
