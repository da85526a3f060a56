"""SES's suppression list of the account, which knows bounces and complaints only."""

from collections.abc import Sequence
from typing import Final

from newsletter.esp import CannotTell
from newsletter.esp.lists import Call, Listed, Page, Why, answered, entries_of, taken
from newsletter.esp.webhooks import fields_of, from_seconds, text

_PATH: Final = "/v2/email/suppression/addresses"
_REASON: Final = {Why.bounced: "BOUNCE", Why.complained: "COMPLAINT"}
_PAGE: Final = 1000


class SesLists:
    """Pages by a token; one address for each call that adds."""

    names: tuple[str, ...] = ("addresses",)
    takes = frozenset(_REASON)
    at_most = 1

    def __init__(self, call: Call) -> None:
        self._call = call

    def page(self, name: str, after: str | None) -> Page | CannotTell:
        """One page of the account's list."""
        del name
        params: dict[str, str | int] = {"PageSize": _PAGE}
        if after:
            params["NextToken"] = after
        body = answered(self._call("GET", _PATH, params=params), "SES")
        if isinstance(body, CannotTell):
            return body
        found = entries_of(
            fields_of(body).get("SuppressedDestinationSummaries"),
            "EmailAddress",
            lambda row: from_seconds(row.get("LastUpdateTime")),
            lambda row: Why.complained if row.get("Reason") == "COMPLAINT" else Why.bounced,
        )
        return Page(found, text(fields_of(body), "NextToken"))

    def put_on(self, entries: Sequence[Listed]) -> CannotTell | None:
        """Add each of *entries*, save those who merely left: SES has no reason for them."""
        for one in entries:
            if one.why not in _REASON:
                continue
            json = {"EmailAddress": one.address, "Reason": _REASON[one.why]}
            if refused := taken(self._call("PUT", _PATH, json=json), "SES"):
                return refused
        return None
