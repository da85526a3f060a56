"""Brevo's webhooks and event report: no signature, no event id, Basic authentication."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from typing_extensions import override

from newsletter.sandbox.config import Delays
from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.dialects.basic import basic
from newsletter.sandbox.events import REASONS, Kind, course
from newsletter.sandbox.mailbox import Stored

#: The one header that comes back in events; the recipient can read it too.
CUSTOM: Final = "X-Mailin-custom"

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "request",
    Kind.delivered: "delivered",
    Kind.deferred: "deferred",
    Kind.bounced: "hard_bounce",
    Kind.soft_bounced: "soft_bounce",
    Kind.dropped: "blocked",
    Kind.complained: "spam",
    Kind.unsubscribed: "unsubscribed",
    Kind.opened: "opened",
    Kind.machine_opened: "proxy_open",
    Kind.clicked: "click",
}
#: The report has words of its own for the same things.
_REPORTED: Final[Mapping[Kind, str]] = {
    Kind.processed: "requests",
    Kind.delivered: "delivered",
    Kind.deferred: "deferred",
    Kind.bounced: "hardBounces",
    Kind.soft_bounced: "softBounces",
    Kind.dropped: "blocked",
    Kind.complained: "spam",
    Kind.unsubscribed: "unsubscribed",
    Kind.opened: "opened",
    Kind.machine_opened: "loadedByProxy",
    Kind.clicked: "clicks",
}
#: Brevo publishes no schedule; these are the sandbox's own, in seconds.
_RETRIES: Final = (60.0, 300.0, 900.0)


class BrevoEvents(Webhooks):
    """One event a post."""

    batch_bytes: ClassVar[int] = 0

    def __init__(self, user: str, password: str) -> None:
        self._credential = basic(user, password)

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    @override
    def event(self, happening: Happening) -> bytes:
        kind, at, own = happening.kind, happening.at, happening.own
        seconds = int(at.timestamp())
        headers = {**happening.shared.get("headers", {}), **own.get("headers", {})}
        event: Wire = {
            "event": _WORDS[kind],
            "email": happening.recipient,
            "id": 1,  # the webhook's own, the same in every post
            "date": at.strftime("%Y-%m-%d %H:%M:%S"),
            "ts": seconds,
            "ts_event": seconds,
            "ts_epoch": int(at.timestamp() * 1000),
            "message-id": f"<{happening.provider_id}>",
            "subject": own.get("subject") or happening.shared.get("subject", ""),
            "tags": happening.shared.get("tags", []),
            "sending_ip": "192.0.2.2",
        }
        if custom := next((v for n, v in headers.items() if n.lower() == CUSTOM.lower()), None):
            event[CUSTOM] = custom
        if kind in {Kind.bounced, Kind.soft_bounced, Kind.deferred, Kind.dropped}:
            event["reason"] = REASONS[kind]
        if kind is Kind.clicked:
            event["link"] = happening.link or ""
        return to_json(event)

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        del token, attempt, now
        return body, {
            "content-type": "application/json",
            "user-agent": "Brevo",
            "authorization": self._credential,
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        del kind, status
        return _RETRIES[attempt - 1] if attempt <= len(_RETRIES) else None


def reported(one: Stored, delays: Delays, *, now: datetime) -> list[Wire]:
    """The events of a message that lie in the past, as the report lists them, latest first."""
    events = []
    for kind, seconds in course(one.fate, delays):
        at = one.accepted_at + timedelta(seconds=seconds)
        if at <= now:
            event: Wire = {
                "email": one.recipient,
                "date": at.isoformat(timespec="milliseconds"),
                "messageId": f"<{one.provider_id}>",
                "event": _REPORTED[kind],
                "subject": one.own.get("subject") or one.shared.get("subject", ""),
                "tag": next(iter(one.tags), ""),
                "from": one.shared["sender"]["email"],
            }
            if reason := REASONS.get(kind):
                event["reason"] = reason
            events.append(event)
    return events[::-1]
