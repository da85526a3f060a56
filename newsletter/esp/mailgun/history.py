"""What Mailgun's event log says of a batch: the very objects that its webhook posts, ids and all."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

from newsletter.esp import CannotTell, EventKind
from newsletter.esp.checks import objects
from newsletter.esp.history import Chapter
from newsletter.esp.lists import Call, answered
from newsletter.esp.mailgun.events import event_of
from newsletter.esp.refusals import text_in
from newsletter.esp.webhooks import fields_of

_PAGE: Final = 300
#: Opens and clicks are counted by the webhook or by us, and nothing waits for them.
_LEFT_OUT: Final = frozenset({EventKind.opened, EventKind.clicked, EventKind.unknown})


def history(  # noqa: PLR0913 - what is asked, and for when
    call: Call, domain: str, batch: str, *, since: datetime, now: datetime, after: str | None
) -> Chapter | CannotTell:
    """Events of *batch*, by pages; the last page is an empty one."""
    asked = urlencode(
        {"begin": int(since.timestamp()), "ascending": "yes", "limit": _PAGE, "tags": batch}
    )
    body = answered(call("GET", after or f"/v3/{domain}/events?{asked}"), "Mailgun")
    if isinstance(body, CannotTell):
        return body
    rows = list(objects(fields_of(body).get("items")))
    events = [event for row in rows if (event := event_of(row, now=now)).kind not in _LEFT_OUT]
    onward = urlsplit(text_in(fields_of(body).get("paging"), "next"))
    # Only the path: our key goes to no other host, whatever an answer says.
    path = onward.path + (f"?{onward.query}" if onward.query else "")
    return Chapter(tuple(events), path if rows and path.startswith("/v3/") else None)
