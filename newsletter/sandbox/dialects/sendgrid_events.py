"""SendGrid's event webhook: arrays of events, signed with ECDSA over timestamp and raw body."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.events import REASONS, Kind, agent_of

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "processed",
    Kind.delivered: "delivered",
    Kind.deferred: "deferred",
    Kind.bounced: "bounce",
    Kind.soft_bounced: "bounce",
    Kind.dropped: "dropped",
    Kind.complained: "spamreport",
    Kind.unsubscribed: "unsubscribe",
    Kind.opened: "open",
    Kind.machine_opened: "open",
    Kind.clicked: "click",
}
_BY_PEOPLE: Final = frozenset({Kind.opened, Kind.machine_opened, Kind.clicked})


class SendGridEvents(Webhooks):
    """Posts of up to 768 KB."""

    batch_bytes: ClassVar[int] = 768 * 1024

    def __init__(self, private_key: str) -> None:
        key = serialization.load_pem_private_key(private_key.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("The SendGrid webhook key must be an EC P-256 key.")
        self._private_key = key

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    @override
    def event(self, happening: Happening) -> bytes:
        kind = happening.kind
        event: Wire = {
            "email": happening.recipient,
            "timestamp": int(happening.at.timestamp()),
            "event": _WORDS[kind],
            "sg_event_id": happening.token,
            "sg_message_id": happening.provider_id,
        }
        if categories := happening.shared.get("categories"):
            event["category"] = categories
        event |= _details(happening)
        if kind in _BY_PEOPLE:
            event |= {"useragent": agent_of(kind), "ip": "192.0.2.1"}
        elif kind is not Kind.complained:
            event["smtp-id"] = f"<{happening.provider_id}@sandbox>"
        # Our own arguments are flattened into the event, as the vendor does.
        return to_json({**happening.own.get("custom_args", {}), **event})

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """Signed with ECDSA over the timestamp and the raw body, which ends in CRLF."""
        del token, attempt
        raw, timestamp = body + b"\r\n", str(int(now.timestamp()))
        signature = self._private_key.sign(timestamp.encode() + raw, ec.ECDSA(hashes.SHA256()))
        return raw, {
            "content-type": "application/json",
            "user-agent": "SendGrid Event API",
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        """Growing intervals until a day has passed; the vendor does not publish them."""
        del kind, status
        return 60.0 * 2 ** (attempt - 1) if attempt <= 10 else None  # noqa: PLR2004 - 2^10 minutes are 17 hours


def _details(happening: Happening) -> Wire:
    """What only this kind of event carries."""
    kind = happening.kind
    match kind:
        case Kind.delivered | Kind.deferred:
            tried = {"attempt": "1"} if kind is Kind.deferred else {}
            return {"response": REASONS[kind], **tried}
        case Kind.bounced | Kind.soft_bounced:
            hard = kind is Kind.bounced
            return {
                "type": "bounce" if hard else "blocked",
                "status": "5.1.1" if hard else "4.2.2",
                "reason": REASONS[kind],
                "bounce_classification": "Invalid Address" if hard else "Mailbox Unavailable",
            }
        case Kind.dropped:
            return {"reason": REASONS[kind], "status": "5.0.0"}
        case Kind.opened | Kind.machine_opened:
            return {"sg_machine_open": kind is Kind.machine_opened, "sg_content_type": "html"}
        case Kind.clicked:
            return {"url": happening.link or "", "url_offset": {"index": 0, "type": "html"}}
    return {}
