"""What SendGrid's logs say became of a batch: one status for each of its messages.

A batch is at most a thousand messages, and one answer holds as many.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from newsletter.esp import CannotTell, Event, EventKind
from newsletter.esp.checks import objects
from newsletter.esp.history import Chapter
from newsletter.esp.lists import Call, answered
from newsletter.esp.webhooks import digest_key, fields_of, from_iso, text

_STATUS: Final[Mapping[str, EventKind]] = {
    "delivered": EventKind.delivered,
    "deferred": EventKind.deferred,
    "bounced": EventKind.hard_bounced,
    "blocked": EventKind.soft_bounced,
    "dropped": EventKind.dropped,
}
_MOST: Final = 1000


def history(call: Call, batch: str, *, now: datetime) -> Chapter | CannotTell:
    """The last word on each message of *batch*; the moment is that of its acceptance."""
    query = {"query": f"categories IN ('{batch}')", "limit": _MOST}
    body = answered(call("POST", "/v3/logs", json=query), "SendGrid")
    if isinstance(body, CannotTell):
        return body
    events = []
    for row in objects(fields_of(body).get("messages")):
        status, address = text(row, "status") or "", text(row, "to_email")
        if (kind := _STATUS.get(status)) is None or address is None:
            continue  # processed, and nothing more is known
        message_id = text(row, "sg_message_id")
        events.append(
            Event(
                kind=kind,
                key=digest_key("sendgrid", "logs", status, message_id, address),
                occurred_at=from_iso(row.get("sg_message_id_created_at")) or now,
                batch=batch,
                address=address,
                message_id=message_id,
                raw_kind=f"logs:{status}",
            )
        )
    return Chapter(tuple(events), None)
