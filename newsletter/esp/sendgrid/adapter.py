"""SendGrid v3: a thousand copies a call, merged there by substitutions, and no idempotency key."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import ClassVar, Final

import httpx

from newsletter.esp import (
    Absent,
    Accepted,
    CannotTell,
    Content,
    Event,
    Finding,
    Found,
    Mailing,
    NotTaken,
    Outcome,
    Request,
    Traits,
    Unknown,
    Unsendable,
)
from newsletter.esp.checks import Account, Wanted
from newsletter.esp.history import Chapter
from newsletter.esp.http import ask, client, post
from newsletter.esp.letterhead import RESERVED, check, headers_of
from newsletter.esp.lists import Lists
from newsletter.esp.merging import (
    ADDRESS,
    BATCH,
    OPEN,
    REF,
    Stencil,
    json_stencil,
    rows_of,
)
from newsletter.esp.refusals import body_of, judged, quoted, text_in
from newsletter.esp.room import fitted
from newsletter.esp.sendgrid.checks import examine
from newsletter.esp.sendgrid.events import BATCH_ARG, DELIVERY_ARG, Inbound
from newsletter.esp.sendgrid.history import history
from newsletter.esp.sendgrid.lists import SendGridLists

_COPIES: Final = 1000
_SUBSTITUTIONS: Final = 10_000  # bytes for one recipient, tags and values
_FORBIDDEN: Final = RESERVED | {"x-sg-id", "x-sg-eid"}
#: Without the paid history SendGrid's search forgets after this; what is older proves nothing.
_SEARCH_REACHES: Final = timedelta(days=3)
_NAMES_A_RECIPIENT: Final = re.compile(r"personalizations[.\[](\d+)\]?[.\[](?:to|email)\b")


class SendGrid:
    """The adapter. *webhook_key* is the base64 public key of the signed event webhook."""

    name: ClassVar[str] = "sendgrid"

    def __init__(  # noqa: PLR0913 - each setting by its name
        self,
        *,
        api_key: str,
        webhook_key: str = "",
        base_url: str = "https://api.sendgrid.com",
        timeout: float = 30.0,
        search_lag: timedelta = timedelta(minutes=60),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests."""
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=30_000_000,
            key_lives=None,
            atomic=True,
            search_lag=search_lag,
        )
        self._webhook_key = webhook_key
        self._inbound = Inbound(webhook_key)
        self._http = client(
            base_url,
            {"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )
        self.lists: Lists = SendGridLists(partial(ask, self._http))

    def encode(self, mailing: Mailing) -> Request:
        """One personalization for each copy around one content. Raises Unsendable."""
        rows = rows_of(mailing, provider="SendGrid", most=_COPIES)
        copy, call = _stencils(
            mailing.content,
            mailing.sender_name,
            mailing.sender_address,
            mailing.reply_to,
            (mailing.track_opens, mailing.track_clicks),
        )
        tags = sum(len(name) + 4 for name in mailing.content.fields)
        if tags + max(sum(map(len, row[3:])) for row in rows) > _SUBSTITUTIONS:
            raise Unsendable("SendGrid", "what differs for a reader is more than 10,000 bytes")
        rest = call.fill(("", "", mailing.batch)).encode()
        request = Request(
            path="/v3/mail/send",
            headers={"Content-Type": "application/json"},
            body=b"".join((b'{"personalizations":[', copy.fill_all(rows), b"],", rest[1:])),
            size=len(rows),
        )
        return fitted(request, self.traits, "SendGrid")

    def send(self, request: Request) -> Outcome:
        """Post *request* once. Only a 202 is acceptance: the validating mode answers 200."""
        answer = post(self._http, request)
        if isinstance(answer, NotTaken | Unknown):
            return answer
        if answer.status_code == httpx.codes.ACCEPTED:
            message_id = answer.headers.get("x-message-id", "")
            return Accepted(message_ids=(message_id,) if message_id else ())
        return _refusal(answer, request.size)

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Ask the Email Logs by the batch's category; one message of it proves the whole call."""
        query = {"query": f"categories IN ('{batch}')", "limit": 1}
        answer = ask(self._http, "POST", "/v3/logs", json=query)
        if isinstance(answer, CannotTell):
            return answer
        messages = body.get("messages") if isinstance(body := body_of(answer), dict) else None
        if answer.status_code != httpx.codes.OK or not isinstance(messages, list):
            return CannotTell(f"SendGrid's logs answered {answer.status_code}")
        if messages:
            return Found(f"SendGrid's logs hold message {text_in(messages[0], 'sg_message_id')}")
        if now - since > _SEARCH_REACHES:
            return CannotTell("SendGrid's logs may have forgotten so old a batch")
        return Absent(f"SendGrid's logs hold nothing in the category {batch}")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The events of one signed post, up to some thousands."""
        return self._inbound.events(headers, body, now=now)

    def history(
        self, batch: str, *, since: datetime, now: datetime, after: str | None = None
    ) -> Chapter | CannotTell:
        """The last word of the Email Logs on each message of *batch*."""
        del since, after  # the category is the batch's own, and one answer holds it whole
        return history(partial(ask, self._http), batch, now=now)

    def examine(self, wanted: Wanted) -> Account:
        """How the account stands: its key, the domain, the event webhook."""
        return examine(partial(ask, self._http), wanted, webhook_key=self._webhook_key)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()


@lru_cache(maxsize=16)
def _stencils(
    content: Content,
    sender_name: str,
    sender_address: str,
    reply_to: str | None,
    tracked: tuple[bool, bool],
) -> tuple[Stencil, Stencil]:
    """What is written for each copy, and what once for the call."""
    check(content, sender_name, provider="SendGrid")
    copy: dict[str, object] = {"to": [{"email": ADDRESS}]}
    # All headers stand in the personalization: nobody says whether those of the
    # whole call are kept beside them.
    if headers := dict(headers_of(content, provider="SendGrid", forbidden=_FORBIDDEN)):
        copy["headers"] = headers
    if content.fields:
        copy["substitutions"] = {f"{OPEN}%{name}%]": f"[%{name}%]" for name in content.fields}
    copy["custom_args"] = {DELIVERY_ARG: REF, BATCH_ARG: BATCH}
    call: dict[str, object] = {
        "from": {"email": sender_address} | ({"name": sender_name} if sender_name else {})
    }
    if reply_to:
        call["reply_to"] = {"email": reply_to}
    call |= {
        "subject": content.subject,
        "content": [
            {"type": kind, "value": value}
            for kind, value in (("text/plain", content.text), ("text/html", content.html))
            if value
        ],
        "categories": [BATCH],
        # Leaving one out means the account's setting, and subscription tracking adds a second
        # unsubscribe.
        "tracking_settings": {
            "click_tracking": {"enable": tracked[1], "enable_text": False},
            "open_tracking": {"enable": tracked[0]},
            "subscription_tracking": {"enable": False},
        },
    }
    # The call keeps its placeholders: SendGrid fills them in, so none of the fields is named here.
    return json_stencil(copy, content.fields), json_stencil(call, ())


def _refusal(answer: httpx.Response, size: int) -> NotTaken | Unknown:
    """What SendGrid complains of: of single recipients, or of the call."""
    body = body_of(answer)
    listed = body.get("errors") if isinstance(body, dict) else None
    errors = listed if isinstance(listed, list) else []
    refused: dict[int, str] = {}
    for error in errors:
        named = _NAMES_A_RECIPIENT.match(text_in(error, "field"))
        if named and int(named[1]) < size:
            refused[int(named[1])] = quoted(text_in(error, "message"))
    words = text_in(errors[0], "message") if errors else ""
    if answer.status_code == httpx.codes.BAD_REQUEST and refused and len(refused) == len(errors):
        return NotTaken(f"SendGrid refuses {len(refused)} of the recipients", refused=refused)
    return judged(answer, "SendGrid", words)
