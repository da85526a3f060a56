"""SendGrid's suppressions: bounces, invalid addresses, spam reports, global unsubscribes."""

from collections.abc import Sequence
from typing import Final

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of, taken
from newsletter.esp.webhooks import from_seconds

_WHY: Final = {
    "bounces": Why.bounced,
    "invalid_emails": Why.bounced,
    "spam_reports": Why.complained,
    "unsubscribes": Why.left,
}
_PAGE: Final = 500


class SendGridLists:
    """Pages by offset. Whoever we add stands under the global unsubscribes: there is no other call."""

    names: tuple[str, ...] = tuple(_WHY)
    takes = frozenset(Why)
    at_most = 500

    def __init__(self, call: Call) -> None:
        self._call = call

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of *name*."""
        offset = int(after or 0)
        params = {"limit": _PAGE, "offset": offset}
        body = answered(self._call("GET", f"/v3/suppression/{name}", params=params), "SendGrid")
        if isinstance(body, CannotTell):
            return body
        found = entries_of(
            body, "email", lambda row: from_seconds(row.get("created")), lambda _: _WHY[name]
        )
        return Page(found, str(offset + _PAGE) if len(found) == _PAGE else None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add *entries* to the global unsubscribes."""
        json = {"recipient_emails": [one.address for one in entries]}
        return taken(self._call("POST", "/v3/asm/suppressions/global", json=json), "SendGrid")
