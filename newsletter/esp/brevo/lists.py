"""Brevo's blocked transactional contacts, which can be read and not added to."""

from collections.abc import Sequence
from typing import Final

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of
from newsletter.esp.webhooks import Fields, fields_of, from_iso, text

_WHY: Final = {"hardBounce": Why.bounced, "contactFlaggedAsSpam": Why.complained}
_PAGE: Final = 100


class BrevoLists:
    """Pages by offset."""

    names: tuple[str, ...] = ("blockedContacts",)
    takes: frozenset[Why] = frozenset()
    at_most = 0

    def __init__(self, call: Call) -> None:
        self._call = call

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of those who are blocked."""
        offset = int(after or 0)
        params = {"limit": _PAGE, "offset": offset, "sort": "asc"}
        body = answered(self._call("GET", f"/v3/smtp/{name}", params=params), "Brevo")
        if isinstance(body, CannotTell):
            return body
        found = entries_of(
            fields_of(body).get("contacts"),
            "email",
            lambda row: from_iso(row.get("blockedAt")),
            _why,
        )
        return Page(found, str(offset + _PAGE) if len(found) == _PAGE else None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Brevo has no call for it."""
        del entries
        return CannotTell("Brevo has no call that adds to its blocked contacts")


def _why(row: Fields) -> Why:
    return _WHY.get(text(fields_of(row.get("reason")), "code") or "", Why.left)
