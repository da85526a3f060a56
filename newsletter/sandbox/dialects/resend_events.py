"""Resend's webhooks: one event a post, signed as Svix (Standard Webhooks) does."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from standardwebhooks import Webhook
from typing_extensions import override

from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.events import REASONS, Kind, agent_of

_WORDS: Final[Mapping[Kind, str]] = {
    Kind.processed: "email.sent",
    Kind.delivered: "email.delivered",
    Kind.deferred: "email.delivery_delayed",
    Kind.bounced: "email.bounced",
    Kind.soft_bounced: "email.bounced",
    Kind.dropped: "email.suppressed",
    Kind.complained: "email.complained",
    Kind.opened: "email.opened",
    Kind.machine_opened: "email.opened",
    Kind.clicked: "email.clicked",
}
_SECOND: Final = 1.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_RETRIES: Final = (
    *(5 * _SECOND, 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 10 * _HOUR),
)


class ResendEvents(Webhooks):
    """Eight attempts in a little over a day; the id stays the same through all of them."""

    batch_bytes: ClassVar[int] = 0

    def __init__(self, secret: str) -> None:
        self._signer = Webhook(secret)

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _WORDS

    @override
    def event(self, happening: Happening) -> bytes:
        own, kind = happening.own, happening.kind
        data: Wire = {
            "email_id": happening.provider_id,
            "created_at": iso(happening.accepted_at),
            "from": own["from"],
            "to": own["to"],
            "subject": own["subject"],
            "tags": {tag["name"]: tag["value"] for tag in own.get("tags", ())},
            "headers": [{"name": n, "value": v} for n, v in own.get("headers", {}).items()],
        }
        match kind:
            case Kind.bounced | Kind.soft_bounced:
                hard = kind is Kind.bounced
                data["bounce"] = {
                    "type": "Permanent" if hard else "Transient",
                    "subType": "General" if hard else "MailboxFull",
                    "message": REASONS[kind],
                    "diagnosticCode": [f"smtp; {REASONS[kind]}"],
                }
            case Kind.dropped:
                data["suppressed"] = {"reason": "previous_bounce"}
            case Kind.clicked:
                data["click"] = {
                    "link": happening.link or "",
                    "timestamp": iso(happening.at),
                    "ipAddress": "192.0.2.1",
                    "userAgent": agent_of(kind),
                }
        return to_json({"type": _WORDS[kind], "created_at": iso(happening.at), "data": data})

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        """Signed as Svix does: the id stays, the timestamp is this attempt's."""
        del attempt
        message_id = f"msg_{token}"
        return body, {
            "content-type": "application/json",
            "user-agent": "Svix-Webhooks",
            "svix-id": message_id,
            "svix-timestamp": str(int(now.timestamp())),
            "svix-signature": self._signer.sign(message_id, now, body.decode()),
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        del kind, status
        return _RETRIES[attempt - 1] if attempt <= len(_RETRIES) else None


def iso(moment: datetime) -> str:
    """*moment* as Resend writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
