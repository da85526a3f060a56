"""Mailgun's suppressions of a domain: bounces, complaints, unsubscribes."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of, taken
from newsletter.esp.refusals import text_in
from newsletter.esp.webhooks import Fields, fields_of, from_date

_WHY: Final = {"bounces": Why.bounced, "complaints": Why.complained, "unsubscribes": Why.left}
_LIST: Final = {why: name for name, why in _WHY.items()}
_PAGE: Final = 1000


class MailgunLists:
    """Pages by the address that each answer gives; the last one holds nobody."""

    names: tuple[str, ...] = tuple(_WHY)
    takes = frozenset(Why)
    at_most = 1000

    def __init__(self, call: Call, domain: str) -> None:
        self._call, self._domain = call, domain

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of *name*."""
        first = f"/v3/{self._domain}/{name}?limit={_PAGE}"
        body = answered(self._call("GET", after or first), "Mailgun")
        if isinstance(body, CannotTell):
            return body
        found = entries_of(
            fields_of(body).get("items"),
            "address",
            lambda row: from_date(row.get("created_at")),
            lambda _: _WHY[name],
        )
        onward = urlsplit(text_in(fields_of(body).get("paging"), "next"))
        # Only the path: our key goes to no other host, whatever an answer says.
        path = f"{onward.path}?{onward.query}" if onward.path.startswith("/v3/") else None
        return Page(found, path if found else None)

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add *entries*, each to the list of its reason."""
        for why in dict.fromkeys(one.why for one in entries):
            rows = [_row(one) for one in entries if one.why is why]
            path = f"/v3/{self._domain}/{_LIST[why]}"
            if refused := taken(self._call("POST", path, json=rows), "Mailgun"):
                return refused
        return None


def _row(one: Listed) -> Fields:
    return {"address": one.address} | ({"tags": ["*"]} if one.why is Why.left else {})
