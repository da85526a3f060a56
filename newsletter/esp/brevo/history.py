"""What Brevo's report says became of a batch. It has words of its own, and names readers by address."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import orjson

from newsletter.esp import CannotTell, Event, EventKind
from newsletter.esp.checks import objects
from newsletter.esp.history import Chapter
from newsletter.esp.lists import Call, answered
from newsletter.esp.webhooks import digest_key, fields_of, from_iso, reason, text

_KINDS: Final[Mapping[str, EventKind]] = {
    "delivered": EventKind.delivered,
    "hardBounces": EventKind.hard_bounced,
    "invalid": EventKind.hard_bounced,
    "softBounces": EventKind.soft_bounced,
    "deferred": EventKind.deferred,
    "blocked": EventKind.dropped,
    "error": EventKind.dropped,
    "spam": EventKind.complained,
    "unsubscribed": EventKind.unsubscribed,
}
_MOST: Final = 2500
_LONGEST: Final = 90  # days that one report reaches back


def days_back(since: datetime, *, now: datetime) -> int:
    """How many days up to today surely hold what has happened since *since*.

    Brevo cuts days in the zone of the account, which nobody tells us, so that dates of ours
    could leave out the very day that is asked about. Its own "today" is always the right one.
    """
    return min((now.date() - since.date()) // timedelta(days=1) + 2, _LONGEST)


def history(
    call: Call, batch: str, *, since: datetime, now: datetime, after: str | None
) -> Chapter | CannotTell:
    """Events of *batch*, by pages."""
    offset = int(after or 0)
    params: dict[str, str | int] = {
        "tags": orjson.dumps([batch]).decode(),
        "days": days_back(since, now=now),
        "limit": _MOST,
        "offset": offset,
    }
    body = answered(call("GET", "/v3/smtp/statistics/events", params=params), "Brevo")
    if isinstance(body, CannotTell):
        return body
    rows = list(objects(fields_of(body).get("events")))
    events = []
    for row in rows:
        said, address = text(row, "event") or "", text(row, "email")
        if (kind := _KINDS.get(said)) is None or address is None:
            continue  # requests, and opens and clicks, which are counted by the webhook or by us
        message_id = text(row, "messageId")
        events.append(
            Event(
                kind=kind,
                key=digest_key("brevo", "report", said, message_id, address),
                occurred_at=from_iso(row.get("date")) or now,
                batch=batch,
                address=address,
                message_id=message_id,
                reason=reason(text(row, "reason")),
                raw_kind=f"report:{said}",
            )
        )
    return Chapter(tuple(events), str(offset + _MOST) if len(rows) == _MOST else None)
