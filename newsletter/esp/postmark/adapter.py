"""Postmark: up to 500 whole messages a call, each with its own answer, and no key."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import ClassVar, Final

import httpx

from newsletter.esp import (
    Absent,
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
from newsletter.esp.entries import Entry, Verdict, outcome_of
from newsletter.esp.http import ask, client, post
from newsletter.esp.letterhead import check, headers_of, mailbox
from newsletter.esp.lists import Lists
from newsletter.esp.merging import ADDRESS, BATCH, REF, Stencil, json_stencil, rows_of
from newsletter.esp.postmark.checks import examine
from newsletter.esp.postmark.events import BATCH_KEY, DELIVERY_KEY, Inbound
from newsletter.esp.postmark.lists import PostmarkLists
from newsletter.esp.refusals import body_of, judged, quoted, text_in
from newsletter.esp.room import fitted

_COPIES: Final = 500
_BODY: Final = 5_000_000  # bytes of one body
#: Messages can be searched for this long unless the server is set otherwise.
_SEARCH_REACHES: Final = timedelta(days=45)

# Postmark's own codes, which are not HTTP's.
_TAKEN: Final = 0
_INVALID: Final = 300
_INACTIVE: Final = 406
_PASSING: Final = frozenset({429, 500})
#: About the sender, the credits, the account: whatever the call holds.
_OF_ACCOUNT: Final = frozenset({400, 401, 405, 412, 413})


class Postmark:
    """The adapter. *api_key* is the server token, *stream* the id of a Broadcast stream.

    Its webhooks carry *webhook_user* and *webhook_key* by Basic auth.
    """

    name: ClassVar[str] = "postmark"

    def __init__(  # noqa: PLR0913 - each setting by its name
        self,
        *,
        api_key: str,
        stream: str = "broadcast",
        webhook_user: str = "newsletter",
        webhook_key: str = "",
        base_url: str = "https://api.postmarkapp.com",
        timeout: float = 30.0,
        search_lag: timedelta = timedelta(minutes=15),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout* in seconds for each phase; *transport* stands in for the network in tests."""
        self._stream = stream
        self.traits = Traits(
            copies_per_call=_COPIES,
            bytes_per_call=50_000_000,
            key_lives=None,
            atomic=False,
            search_lag=search_lag,
        )
        self._webhook_user, self._webhook_key = webhook_user, webhook_key
        self._inbound = Inbound(webhook_user, webhook_key)
        self._http = client(
            base_url,
            {"X-Postmark-Server-Token": api_key, "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )
        self.lists: Lists = PostmarkLists(partial(ask, self._http), stream)

    def encode(self, mailing: Mailing) -> Request:
        """A whole message for each copy. Raises Unsendable."""
        rows = rows_of(mailing, provider="Postmark", most=_COPIES)
        message = _stencil(
            mailing.content,
            mailing.sender_name,
            mailing.sender_address,
            mailing.reply_to,
            self._stream,
            (mailing.track_opens, mailing.track_clicks),
        )
        request = Request(
            path="/email/batch",
            headers={"Content-Type": "application/json"},
            body=b"".join((b"[", message.fill_all(rows), b"]")),
            size=len(rows),
        )
        return fitted(request, self.traits, "Postmark")

    def send(self, request: Request) -> Outcome:
        """Post *request* once; a 200 holds one answer for each copy."""
        answer = post(self._http, request)
        if isinstance(answer, NotTaken | Unknown):
            return answer
        body = body_of(answer)
        if answer.status_code != httpx.codes.OK:
            words, code = text_in(body, "Message"), _code_in(body)
            of_account = code in _OF_ACCOUNT or (code == _INVALID and "'From'" in words)
            return judged(answer, "Postmark", words, of_account=of_account)
        if not isinstance(body, list) or len(body) != request.size:
            return Unknown("Postmark answered 200, but not for each copy")
        return outcome_of("Postmark", [_entry(item) for item in body])

    def find(self, batch: str, *, since: datetime, now: datetime) -> Finding:
        """Ask for the outbound messages with the batch in their metadata: those copies it has."""
        answer = ask(
            self._http,
            "GET",
            "/messages/outbound",
            params={
                "count": _COPIES,
                "offset": 0,
                f"metadata_{BATCH_KEY}": batch,
                "messagestream": self._stream,
            },
        )
        if isinstance(answer, CannotTell):
            return answer
        messages = body.get("Messages") if isinstance(body := body_of(answer), dict) else None
        if answer.status_code != httpx.codes.OK or not isinstance(messages, list):
            return CannotTell(f"Postmark's search answered {answer.status_code}")
        refs = [text_in(m.get("Metadata"), DELIVERY_KEY) for m in messages if isinstance(m, dict)]
        if messages and not all(refs):
            # To name none would mean that all were found.
            return CannotTell("Postmark's search does not say which copies it found")
        if refs:
            return Found(f"Postmark's search shows {len(refs)} copies", refs=tuple(refs))
        if now - since > _SEARCH_REACHES:
            return CannotTell("Postmark may have forgotten so old a batch")
        return Absent(f"Postmark's search shows nothing of {batch}")

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Sequence[Event]:
        """The one event of a post."""
        return self._inbound.events(headers, body, now=now)

    def examine(self, wanted: Wanted) -> Account:
        """How the server stands: its token, tracking, the stream, the webhook."""
        return examine(
            partial(ask, self._http),
            wanted,
            stream=self._stream,
            webhook_user=self._webhook_user,
            webhook_key=self._webhook_key,
        )

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()


@lru_cache(maxsize=16)
def _stencil(  # noqa: PLR0913, PLR0917 - the parts of a message, which a cache knows by their place
    content: Content,
    sender_name: str,
    sender_address: str,
    reply_to: str | None,
    stream: str,
    tracked: tuple[bool, bool],
) -> Stencil:
    check(content, sender_name, provider="Postmark")
    if max(len(content.html.encode()), len(content.text.encode())) > _BODY:
        raise Unsendable("Postmark", "a body is larger than 5 MB")
    message: dict[str, object] = {
        "From": mailbox(sender_name, sender_address),
        "To": ADDRESS,
        "Subject": content.subject,
    }
    bodies = (("HtmlBody", content.html), ("TextBody", content.text))
    message |= {kind: value for kind, value in bodies if value}
    if reply_to:
        message["ReplyTo"] = reply_to
    headers = [
        {"Name": name, "Value": value} for name, value in headers_of(content, provider="Postmark")
    ]
    if headers:
        message["Headers"] = headers
    message |= {
        "Tag": BATCH,
        "Metadata": {DELIVERY_KEY: REF, BATCH_KEY: BATCH},
        # The server's own setting wins over a false TrackOpens; the page in docs says so.
        "TrackOpens": tracked[0],
        "TrackLinks": "HtmlOnly" if tracked[1] else "None",
        "MessageStream": stream,
    }
    return json_stencil(message, content.fields)


def _code_in(item: object) -> object:
    code = item.get("ErrorCode") if isinstance(item, dict) else None
    return code if isinstance(code, int) else None


def _entry(item: object) -> Entry:
    """One copy's answer. A copy that is not said to be taken is not, by the contract."""
    code = _code_in(item)
    words = quoted(text_in(item, "Message"))
    if code == _TAKEN:
        return Entry(Verdict.taken, text_in(item, "MessageID"))
    if code == _INACTIVE or (code == _INVALID and "'From'" not in words):
        return Entry(Verdict.refused, words or f"error {code}")
    return Entry(Verdict.again if code in _PASSING else Verdict.stuck, words or f"error {code}")
