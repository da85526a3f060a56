"""Mailgun's webhooks: one event a post, signed inside the body over timestamp and token only."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from typing_extensions import override

from newsletter.sandbox.config import Delays
from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.dialects.mailgun_contract import merged
from newsletter.sandbox.events import REASONS, Kind, agent_of, course
from newsletter.sandbox.letters import bare
from newsletter.sandbox.mailbox import Stored

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "accepted",
    Kind.delivered: "delivered",
    Kind.deferred: "failed",
    Kind.bounced: "failed",
    Kind.soft_bounced: "failed",
    Kind.dropped: "failed",
    Kind.complained: "complained",
    Kind.unsubscribed: "unsubscribed",
    Kind.opened: "opened",
    Kind.machine_opened: "opened",
    Kind.clicked: "clicked",
}
_MINUTE: Final = 60.0
_RETRIES: Final = tuple(_MINUTE * minutes for minutes in (5, 10, 15, 60, 120, 240))
_NEVER_AGAIN: Final = 406


class MailgunEvents(Webhooks):
    """Delivered events are tried once; the others for about eight hours."""

    batch_bytes: ClassVar[int] = 0

    def __init__(self, signing_key: str) -> None:
        self._key = signing_key.encode()

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    @override
    def event(self, happening: Happening) -> bytes:
        return to_json(event_data(happening))

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """A new timestamp and token for each attempt; a post that is doubled keeps its token."""
        timestamp = str(int(now.timestamp()))
        once = hashlib.sha256(f"{token} {attempt}".encode()).hexdigest()[:50]
        signature = hmac.new(self._key, (timestamp + once).encode(), hashlib.sha256).hexdigest()
        signed = to_json({"timestamp": timestamp, "token": once, "signature": signature})
        return b'{"signature":' + signed + b',"event-data":' + body + b"}", {
            "content-type": "application/json",
            "user-agent": "mailgun/treq",
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        if kind == Kind.delivered or status == _NEVER_AGAIN or attempt > len(_RETRIES):
            return None
        return _RETRIES[attempt - 1]


def event_data(happening: Happening) -> Wire:
    """An event as it stands in webhooks and in the event log."""
    kind, shared = happening.kind, happening.shared
    recipient, values = happening.recipient, happening.own["values"]
    variables = {n: merged(v, recipient, values) for n, v in shared["variables"].items()}
    event: Wire = {
        "id": happening.token,
        "timestamp": happening.at.timestamp(),
        "event": _WORDS[kind],
        "log-level": "error" if _WORDS[kind] == "failed" else "info",
        "recipient": recipient,
        "recipient-domain": recipient.rpartition("@")[2],
        "tags": shared["tags"],
        "user-variables": variables,
        "domain": {"name": shared["domain"]},
        "message": {
            "headers": {
                "to": recipient,
                "from": bare(shared["from"]),
                "subject": merged(shared["subject"], recipient, values),
                "message-id": shared["id"],
            }
        },
    }
    return event | _details(happening)


def happened_to(one: Stored, delays: Delays, *, now: datetime) -> list[Wire]:
    """The events of a message that lie in the past, oldest first."""
    return [
        event_data(
            Happening(
                kind=kind,
                token=hashlib.sha256(f"{one.id} {kind}".encode()).hexdigest()[:22],
                at=at,
                provider_id=one.provider_id,
                recipient=one.recipient,
                accepted_at=one.accepted_at,
                shared=one.shared,
                own=one.own,
            )
        )
        for kind, seconds in course(one.fate, delays)
        if (at := one.accepted_at + timedelta(seconds=seconds)) <= now
    ]


def _details(happening: Happening) -> Wire:
    """What only this kind of event carries."""
    kind = happening.kind
    match kind:
        case Kind.bounced:
            return _failed("permanent", "bounce", 550, "5.1.1", REASONS[kind])
        case Kind.dropped:
            return _failed(
                "permanent",
                "suppress-bounce",
                605,
                "",
                "Not delivering to previously bounced address",
            )
        case Kind.soft_bounced | Kind.deferred:
            reason = REASONS[kind]
            return _failed("temporary", "generic", int(reason[:3]), reason[4:9], reason)
        case Kind.delivered:
            return {"delivery-status": {"code": 250, "message": "OK", "attempt-no": 1}}
        case Kind.opened | Kind.machine_opened | Kind.clicked:
            machine = kind is Kind.machine_opened
            client = {
                "client-type": "browser",
                "device-type": "desktop",
                "user-agent": agent_of(kind),
                "bot": "apple" if machine else "",
            }
            link = {"url": happening.link or ""} if kind is Kind.clicked else {}
            return {"client-info": client, "ip": "192.0.2.1", **link}
    return {}


def _failed(severity: str, reason: str, code: int, enhanced: str, message: str) -> Wire:
    return {
        "severity": severity,
        "reason": reason,
        "delivery-status": {
            "code": code,
            "enhanced-code": enhanced,
            "message": message,
            "description": "",
            "attempt-no": 1,
        },
        "flags": {"is-delayed-bounce": False},
    }
