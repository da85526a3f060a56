"""Resend's suppressions of a team; the vendor calls their interface a private beta."""

from collections.abc import Sequence
from typing import Final

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of, taken
from newsletter.esp.webhooks import fields_of, from_iso, text

_WHY: Final = {"bounce": Why.bounced, "complaint": Why.complained}
_PAGE: Final = 100


class ResendLists:
    """Pages by the last id. Whoever we add stands there as suppressed by hand."""

    names: tuple[str, ...] = ("suppressions",)
    takes = frozenset(Why)
    at_most = 100

    def __init__(self, call: Call) -> None:
        self._call = call

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of them."""
        params: dict[str, str | int] = {"limit": _PAGE}
        if after:
            params["after"] = after
        body = answered(self._call("GET", f"/{name}", params=params), "Resend")
        if isinstance(body, CannotTell):
            return body
        rows = fields_of(body).get("data")
        found = entries_of(
            rows,
            "email",
            lambda row: from_iso(row.get("created_at")),
            lambda row: _WHY.get(text(row, "origin") or "", Why.left),
        )
        last = fields_of(rows[-1]) if isinstance(rows, list) and rows else {}
        more = fields_of(body).get("has_more") is True
        return Page(found, text(last, "id") if more else None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add *entries* in one call."""
        json = {"emails": [one.address for one in entries]}
        return taken(self._call("POST", "/suppressions/batch/add", json=json), "Resend")
