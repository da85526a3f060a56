"""Resend: a hundred copies a call, merged by us, safe to repeat by its key for a day."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import ClassVar, Final

import httpx

from newsletter.esp import (
    Accepted,
    CannotTell,
    Content,
    Event,
    Finding,
    Mailing,
    NotTaken,
    Outcome,
    Request,
    Traits,
    Unknown,
    Unsendable,
)
from newsletter.esp.checks import Account, Wanted
from newsletter.esp.http import ask, client, post
from newsletter.esp.letterhead import check, headers_of, mailbox
from newsletter.esp.lists import Lists
from newsletter.esp.merging import ADDRESS, BATCH, REF, Stencil, json_stencil, rows_of
from newsletter.esp.refusals import body_of, judged, quoted, text_in
from newsletter.esp.resend.checks import examine
from newsletter.esp.resend.events import BATCH_TAG, DELIVERY_TAG, Inbound
from newsletter.esp.resend.lists import ResendLists
from newsletter.esp.room import fitted

_COPIES: Final = 100
_KEY: Final = 256  # characters
#: The vendor says a day; the hour less is for two clocks and a slow call.
_KEY_LIVES: Final = timedelta(hours=23)
_OF_THE_SENDER: Final = re.compile(r"`from`|\bdomain is not verified\b")
_QUOTAS: Final = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})


class Resend:
    """The adapter. *webhook_key* is the signing secret, ``whsec_...``."""

    name: ClassVar[str] = "resend"

    def __init__(
        self,
        *,
        api_key: str,
        webhook_key: str = "",
        base_url: str = "https://api.resend.com",
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests."""
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=40_000_000,
            key_lives=_KEY_LIVES,
            # A call may be taken in part: the good messages go, the bad ones are named.
            atomic=False,
            search_lag=None,
        )
        self._inbound = Inbound(webhook_key)
        self._http = client(
            base_url,
            {"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )
        self.lists: Lists = ResendLists(partial(ask, self._http))

    def encode(self, mailing: Mailing) -> Request:
        """A whole message for each copy. Raises Unsendable."""
        rows = rows_of(mailing, provider="Resend", most=_COPIES)
        if not 0 < len(mailing.key) <= _KEY:
            raise Unsendable("Resend", f"its key is not 1 to {_KEY} characters long")
        message = _stencil(
            mailing.content, mailing.sender_name, mailing.sender_address, mailing.reply_to
        )
        request = Request(
            path="/emails/batch",
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": mailing.key,
                # Strict, the default, lets one bad address hold up ninety-nine others.
                "x-batch-validation": "permissive",
            },
            body=b"".join((b"[", message.fill_all(rows), b"]")),
            size=len(rows),
        )
        return fitted(request, self.traits, "Resend")

    def send(self, request: Request) -> Outcome:
        """Post *request* once; the same bytes again get the same answer and no second mail."""
        answer = post(self._http, request)
        if isinstance(answer, NotTaken | Unknown):
            return answer
        if answer.status_code == httpx.codes.OK:
            return _taken(body_of(answer), request.size)
        return _refusal(answer)

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Resend cannot be asked by tag; repeating the call with its key is the proof."""
        del batch, since, now
        return CannotTell("Resend has no search by tag; the same key asks again without harm")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The one event of a signed post."""
        return self._inbound.events(headers, body, now=now)

    def examine(self, wanted: Wanted) -> Account:
        """How the team stands: its key, the domain and its tracking, the webhook."""
        return examine(partial(ask, self._http), wanted)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()


@lru_cache(maxsize=16)
def _stencil(
    content: Content, sender_name: str, sender_address: str, reply_to: str | None
) -> Stencil:
    check(content, sender_name, provider="Resend")
    message: dict[str, object] = {
        "from": mailbox(sender_name, sender_address),
        "to": [ADDRESS],
        "subject": content.subject,
    }
    message |= {
        kind: value for kind, value in (("html", content.html), ("text", content.text)) if value
    }
    if reply_to:
        message["reply_to"] = reply_to
    if headers := dict(headers_of(content, provider="Resend")):
        message["headers"] = headers
    message["tags"] = [
        {"name": DELIVERY_TAG, "value": REF},
        {"name": BATCH_TAG, "value": BATCH},
    ]
    return json_stencil(message, content.fields)


def _taken(body: object, size: int) -> Outcome:
    """Who was taken: *data* lists the good ones in order, *errors* names the others by position.

    An answer in which the two do not add up to the call is no answer; asking
    again with the same key brings the true one.
    """
    data = body.get("data") if isinstance(body, dict) else None
    errors = (body.get("errors") or []) if isinstance(body, dict) else None
    if not isinstance(data, list) or not isinstance(errors, list):
        return Unknown("Resend answered 200 with something unreadable")
    refused: dict[int, str] = {}
    for error in errors:
        index = error.get("index") if isinstance(error, dict) else None
        if isinstance(index, int) and 0 <= index < size:
            refused[index] = quoted(text_in(error, "message")) or "refused without a reason"
    if len(refused) == size and all(map(_OF_THE_SENDER.search, refused.values())):
        # Every copy has the same sender: no reader is to be refused for it.
        return NotTaken(f"Resend refuses the sender: {refused[0]}", final=True)
    if len(data) + len(refused) != size:
        return Unknown(f"Resend answered for {len(data) + len(refused)} of {size} copies")
    ids = iter(data)
    return Accepted(
        message_ids=tuple("" if i in refused else text_in(next(ids), "id") for i in range(size)),
        refused=refused,
    )


def _refusal(answer: httpx.Response) -> Outcome:
    body = body_of(answer)
    name, words = text_in(body, "name"), text_in(body, "message")
    if name in _QUOTAS:
        return NotTaken(f"Resend's quota is used up: {quoted(words) or name}", final=True)
    if name == "invalid_idempotent_request":
        # Whoever left since the first attempt is missing from these bytes, so they differ.
        # A key is kept only for a request that was answered, and the first held these copies too.
        return Accepted(reason="Resend had this key before, for an earlier attempt at the batch")
    if answer.status_code == httpx.codes.CONFLICT:
        return Unknown(f"Resend is at work on this key: {quoted(words) or name or 'conflict'}")
    return judged(answer, "Resend", words)
