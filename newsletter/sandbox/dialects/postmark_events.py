"""Postmark's webhooks: one record a post, no signature, Basic authentication in the address."""

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from typing_extensions import override

from newsletter.sandbox.dialects import Happening, Webhooks, Wire, to_json
from newsletter.sandbox.dialects.basic import basic
from newsletter.sandbox.events import REASONS, Kind, agent_of
from newsletter.sandbox.letters import bare

_RECORDS: Final[Mapping[Kind, str]] = {
    Kind.delivered: "Delivery",
    Kind.deferred: "Bounce",
    Kind.bounced: "Bounce",
    Kind.soft_bounced: "Bounce",
    Kind.complained: "SpamComplaint",
    Kind.unsubscribed: "SubscriptionChange",
    Kind.opened: "Open",
    Kind.machine_opened: "Open",
    Kind.clicked: "Click",
}
_BOUNCES: Final[Mapping[Kind, tuple[str, int]]] = {
    Kind.bounced: ("HardBounce", 1),
    Kind.deferred: ("Transient", 2),
    Kind.soft_bounced: ("SoftBounce", 4096),
}
_MINUTE: Final = 60.0
_LONG: Final = tuple(_MINUTE * m for m in (1, 5, 10, 10, 10, 15, 30, 60, 120, 360))
_SHORT: Final = tuple(_MINUTE * m for m in (1, 5, 15))
_NEVER_AGAIN: Final = 403


class PostmarkEvents(Webhooks):
    """Bounces are tried for half a day, everything else for twenty minutes; a 403 stops for ever."""

    batch_bytes: ClassVar[int] = 0

    def __init__(self, user: str, password: str) -> None:
        self._credential = basic(user, password)

    @override
    def tells(self, kind: Kind) -> bool:
        return kind in _RECORDS

    @override
    def event(self, happening: Happening) -> bytes:
        own = happening.own
        record: Wire = {
            "RecordType": _RECORDS[happening.kind],
            "MessageID": happening.provider_id,
            "MessageStream": own.get("MessageStream", "outbound"),
            "Tag": own.get("Tag", ""),
            "Metadata": own.get("Metadata", {}),
            "ServerID": 1,
        }
        return to_json(record | _details(happening))

    @override
    def dress(
        self, body: bytes, *, token: str, attempt: int, now: datetime
    ) -> tuple[bytes, Mapping[str, str]]:
        del token, attempt, now
        return body, {
            "content-type": "application/json",
            "user-agent": "Postmark",
            "authorization": self._credential,
        }

    @override
    def retry_in(self, kind: str, attempt: int, status: int | None) -> float | None:
        intervals = _LONG if kind in _BOUNCES else _SHORT
        if status == _NEVER_AGAIN or attempt > len(intervals):
            return None
        return intervals[attempt - 1]


def _details(happening: Happening) -> Wire:
    """What only this kind of record carries."""
    kind, at = happening.kind, _iso(happening.at)
    match kind:
        case Kind.delivered:
            return {"Recipient": happening.recipient, "DeliveredAt": at, "Details": REASONS[kind]}
        case Kind.bounced | Kind.soft_bounced | Kind.deferred:
            name, code = _BOUNCES[kind]
            hard = kind is Kind.bounced
            extra = {"Inactive": hard, "CanActivate": hard, "Description": REASONS[kind]}
            return _about_failure(happening, name, code) | extra
        case Kind.complained:
            extra = {"Inactive": True, "CanActivate": False, "Description": ""}
            return _about_failure(happening, "SpamComplaint", 512) | extra
        case Kind.unsubscribed:
            return {
                "Recipient": happening.recipient,
                "ChangedAt": at,
                "Origin": "Recipient",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
            }
    viewer = {"Name": "Chrome", "Company": "", "Family": "Chrome"}
    seen: Wire = {
        "Recipient": happening.recipient,
        "ReceivedAt": at,
        "Client": viewer,
        "OS": {"Name": "Linux", "Company": "", "Family": "Linux"},
        "Platform": "Desktop",
        "UserAgent": agent_of(kind),
        "Geo": {},
    }
    if kind is Kind.clicked:
        return seen | {"OriginalLink": happening.link or "", "ClickLocation": "HTML"}
    return seen | {"FirstOpen": True, "ReadSeconds": 3}


def _about_failure(happening: Happening, name: str, code: int) -> Wire:
    return {
        "ID": zlib.crc32(happening.token.encode()),
        "Type": name,
        "TypeCode": code,
        "Name": name,
        "Email": happening.recipient,
        "From": bare(happening.own["From"]),
        "BouncedAt": _iso(happening.at),
        "Subject": happening.own.get("Subject", ""),
        "DumpAvailable": False,
        "Details": "",
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
