"""Postmark's suppressions of a message stream: one answer with all of them."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of, taken
from newsletter.esp.webhooks import fields_of, from_iso, text

_WHY: Final = {"HardBounce": Why.bounced, "SpamComplaint": Why.complained}


class PostmarkLists:
    """The dump has no pages. Whoever we add stands there as suppressed by hand."""

    names: tuple[str, ...] = ("suppressions",)
    takes = frozenset(Why)
    at_most = 50

    def __init__(self, call: Call, stream: str) -> None:
        self._call, self._path = call, f"/message-streams/{quote(stream, safe='')}/suppressions"

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """All of it."""
        del name, after
        body = answered(self._call("GET", f"{self._path}/dump"), "Postmark")
        if isinstance(body, CannotTell):
            return body
        found = entries_of(
            fields_of(body).get("Suppressions"),
            "EmailAddress",
            lambda row: from_iso(row.get("CreatedAt")),
            lambda row: _WHY.get(text(row, "SuppressionReason") or "", Why.left),
        )
        return Page(found, None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add *entries* to the stream's suppressions."""
        json = {"Suppressions": [{"EmailAddress": one.address} for one in entries]}
        return taken(self._call("POST", self._path, json=json), "Postmark")
